# SPDX-License-Identifier: Apache-2.0
"""Imports a table from files of any length: in bounded memory, resumable, and the same bytes from the same input.

While an import goes on, what it has lies in a folder beside its target, ``.NAME.import``. An import that was interrupted leaves it
there and the next one of the same input goes on; one that fails removes it. The target appears at the end, whole.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from kilohour.datafeeds.importing.mapping import PrintMapping, QuoteMapping
from kilohour.datafeeds.importing.names import Names, Used
from kilohour.datafeeds.importing.refusals import Refusals
from kilohour.datafeeds.importing.spool import RUN_ROWS, Spool
from kilohour.datafeeds.importing.stream import Batch, batches, fingerprint
from kilohour.datafeeds.reading import Progress
from kilohour.datafeeds.table_folder import REJECTED, TableFolder
from kilohour.errors import DataError, KilohourError
from kilohour.folders import written_whole

REJECTED_MAX = 0.05
PROGRESS = "progress.json"
FILE_ROWS = 1 << 40
"""Row numbers of the second input begin here, of the third at twice that."""

Columns = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did."""

    folder: Path
    sha256: str
    read: int
    """Rows of the inputs."""
    kept: int
    refused: int
    """How many were put aside in ``rejected.csv`` of the folder."""
    reasons: Mapping[str, int]
    notes: tuple[str, ...]
    what: str

    def told(self) -> Iterator[str]:
        """Lines for whoever ran it."""
        yield f"{self.read:,} rows read, {self.kept:,} {self.what} kept, {self.refused:,} refused"
        for reason, count in self.reasons.items():
            yield f"  {count:,} refused: {reason}"
        if self.refused:
            yield f"  each with its reason: {self.folder / REJECTED}"


class Rows(Protocol):
    """What tells quotes from prints in an import."""

    @property
    def table(self) -> TableFolder:
        """The table that is written."""

    @property
    def mapping(self) -> QuoteMapping | PrintMapping:
        """What the files' columns mean."""

    @property
    def time(self) -> str:
        """The first column of the table's order."""

    @property
    def amount(self) -> str:
        """The column of millionths that says what a row says."""

    @property
    def contradiction(self) -> str:
        """Why a row of the same key with another amount is refused."""

    @property
    def kept_with(self) -> tuple[str, ...]:
        """Columns of texts that are not written, but needed until the end."""

    def of(self, batch: Batch, names: Names, refusals: Refusals) -> Columns:
        """The table's columns of a batch, texts as codes of ``names``, and ``row``, the number of the row in its file."""

    def order(self, bucket: Columns) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
        """The order of a bucket, stable, and which places of it say again what the place before says."""

    def finish(self, bucket: Columns, names: Mapping[str, Sequence[str]]) -> None:
        """Completes rows that are in order and told once, codes being places in ``names``."""

    def content(self) -> dict[str, Any]:
        """What else the manifest says, once all rows are finished."""


Open = Callable[[Path, Any], Iterator[Batch]]


def open_table(path: Path, mapping: QuoteMapping | PrintMapping) -> Iterator[Batch]:
    """Batches of a CSV or Parquet file."""
    return batches(path, mapping.columns())


def import_table(
    source: str,
    rows: Rows,
    inputs: Sequence[Path],
    out: Path,
    *,
    notes: Sequence[str] = (),
    opened: Open = open_table,
    rejected_max: float = REJECTED_MAX,
    run_rows: int = RUN_ROWS,
    progress: Progress | None = None,
) -> Imported:
    """Writes the table of ``inputs`` to the folder ``out``; what cannot be used goes to its side file.

    ``rejected_max`` is the share of rows that may be refused, 0 to 1. ``progress`` is called with rows or bytes (done, total).
    Raises :class:`DataError` for an input that cannot be read, lacks a column, gives no row, or of which more is refused.
    """
    rows.table.check_replaceable(out)
    found = fingerprint(inputs)
    work = out.parent / f".{out.name}.import"
    with _workshop(work):
        key = {"inputs": found, "source": source, "mapping": _digest(rows), "run_rows": run_rows}
        state = _State.taken_up(work, key, rows, run_rows)
        try:
            state.read(inputs, opened, progress)
            state.refusals.check_share(state.spool_rows, rejected_max, source)
            return state.finish(out, source, found, notes, rejected_max)
        finally:
            state.refusals.close()


class _State:
    """An import that goes on: what is read, coded, spooled and refused so far."""

    def __init__(self, work: Path, key: Mapping[str, Any], rows: Rows, saved: Mapping[str, Any], run_rows: int) -> None:
        self.work, self.key, self.what = work, key, rows
        self.words = (*rows.table.words, *rows.kept_with)
        self.batches: int = saved.get("batches", 0)
        self.rows: int = saved.get("rows", 0)
        self.spool_rows: int = saved.get("spool_rows", 0)
        self.names = Names(self.words, saved.get("names"))
        self.used = Used()
        for column, codes in saved.get("used", {}).items():
            self.used.note(column, np.array(codes, dtype=np.int32))
        self.refusals = Refusals(work / REJECTED, saved.get("refused"), saved.get("rejected_bytes", 0))
        self.refusals.first = saved.get("first_refused", "")
        dtypes = {name: np.dtype(np.int64) for name in (*rows.table.numbers, "row")} | {name: np.dtype(np.int32) for name in self.words}
        self.spool = Spool(work, dtypes, time=rows.time, runs=saved.get("runs"), run_rows=run_rows, bucket_rows=run_rows)

    @classmethod
    def taken_up(cls, work: Path, key: Mapping[str, Any], rows: Rows, run_rows: int) -> _State:
        saved: dict[str, Any] = {}
        with contextlib.suppress(OSError, ValueError):
            saved = json.loads((work / PROGRESS).read_text(encoding="utf-8"))
        if saved.get("key") != key:  # nothing of another import may be left for its own resumption: its runs are written over
            shutil.rmtree(work)
            work.mkdir()
            saved = {}
        return cls(work, key, rows, saved, run_rows)

    def read(self, inputs: Sequence[Path], opened: Open, progress: Progress | None) -> None:
        for number, (place, batch) in enumerate(_numbered(inputs, self.what.mapping, opened)):
            if progress is not None:
                progress(int(1000 * (place + batch.done / max(batch.total, 1))), 1000 * len(inputs))
            if number < self.batches:
                continue  # read by an earlier, interrupted import
            columns = self.what.of(batch, self.names, self.refusals)
            columns["row"] += place * FILE_ROWS
            for name in self.words:
                self.used.note(name, columns[name])
            self.spool.add(columns)
            self.rows, self.spool_rows, self.batches = self.rows + batch.rows, self.spool_rows + len(columns["row"]), number + 1
            if self.spool.is_full:
                self.spool.spill()
                self._save()

    def _save(self) -> None:
        size = self.refusals.flush()
        saved = {
            "key": self.key,
            "batches": self.batches,
            "rows": self.rows,
            "spool_rows": self.spool_rows,
            "names": self.names.words(),
            "used": self.used.codes(),
            "refused": self.refusals.counts,
            "rejected_bytes": size,
            "runs": self.spool.runs,
            "first_refused": self.refusals.first,
        }
        part = self.work / (PROGRESS + ".part")
        part.write_text(json.dumps(saved, ensure_ascii=False), encoding="utf-8")
        part.replace(self.work / PROGRESS)

    def finish(self, out: Path, source: str, inputs: list[dict[str, Any]], notes: Sequence[str], rejected_max: float) -> Imported:
        table, files = self.what.table, [entry["name"] for entry in inputs]
        ordered = {name: self.names.in_order(name, self.used.mask(name)) for name in self.words}
        names = {name: words for name, (words, _) in ordered.items()}
        with written_whole(out) as draft:
            parts: list[dict[str, Any]] = []
            for bucket in self.spool.buckets():
                for name, (_, code) in ordered.items():
                    bucket[name] = code[bucket[name]]
                kept = self._told_once(bucket, files)
                self.what.finish(kept, names)
                parts += table.write_parts(draft, kept, names, len(parts))
            count = sum(part["rows"] for part in parts)
            self.refusals.check_share(count, rejected_max, source)
            if not count:
                raise DataError(f"{source}: needs at least one {table.one}, found none in {', '.join(files)}")
            self.refusals.close()
            if self.refusals.total:
                shutil.copyfile(self.refusals.path, draft / REJECTED)
            reasons = dict(sorted(self.refusals.counts.items()))
            told = {"source": source, "inputs": inputs, "names": {name: names[name] for name in table.words}, "parts": parts,
                    "notes": list(notes), "rows": count, "read": self.rows, "refused": reasons}  # fmt: skip
            digest = table.write_manifest(draft, {**told, **self.what.content()})
        return Imported(out, digest, self.rows, count, self.refusals.total, reasons, tuple(notes), table.kind)

    def _told_once(self, bucket: Columns, files: Sequence[str]) -> Columns:
        """The bucket in order, later rows that say again what one said put aside."""
        amount = self.what.amount
        order, again = self.what.order(bucket)
        for place in np.flatnonzero(again):
            row, before, value = bucket["row"][order[place]], bucket[amount][order[place - 1]], bucket[amount][order[place]]
            reason = f"the same {self.what.table.one} twice" if value == before else self.what.contradiction
            self.refusals.add(files[int(row) // FILE_ROWS], np.array([row % FILE_ROWS]), amount, [value / 1e6], reason)
        kept = order[~again]
        return {name: column[kept] for name, column in bucket.items()}


def _numbered(inputs: Sequence[Path], mapping: QuoteMapping | PrintMapping, opened: Open) -> Iterator[tuple[int, Batch]]:
    for place, path in enumerate(inputs):
        for batch in opened(path, mapping):
            yield place, batch


def _digest(rows: Rows) -> str:
    mapping = rows.mapping
    if isinstance(mapping, QuoteMapping):
        functions, plain = (mapping.tidy, mapping.doubt), repr(replace(mapping, tidy=None, doubt=None))
    else:
        functions, plain = (mapping.tidy, None), repr(replace(mapping, tidy=None))
    # A function's repr holds its address, which is another one in the next process.
    named = [part.__qualname__ for part in functions if part is not None]
    return hashlib.sha256(f"{rows.table.version} {plain} {named}".encode()).hexdigest()


@contextlib.contextmanager
def _workshop(work: Path) -> Iterator[None]:
    """The folder of an import that goes on: gone when it is done or failed, kept when it was interrupted."""
    work.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except (KilohourError, OSError):
        shutil.rmtree(work, ignore_errors=True)
        raise
    shutil.rmtree(work, ignore_errors=True)
