# SPDX-License-Identifier: Apache-2.0
"""Imports quotes from files of any length: in bounded memory, resumable, and the same bytes from the same input.

While an import goes on, what it has lies in a folder beside its target, ``.NAME.import``. An import that was interrupted leaves it
there and the next one of the same input goes on; one that fails removes it. The target appears at the end, whole.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from kilohour.datafeeds.importing.convert import Columns, quotes_of
from kilohour.datafeeds.importing.mapping import QuoteMapping
from kilohour.datafeeds.importing.names import Names, Used
from kilohour.datafeeds.importing.refusals import Refusals
from kilohour.datafeeds.importing.spool import RUN_ROWS, Spool
from kilohour.datafeeds.importing.stream import Batch, batches, fingerprint
from kilohour.datafeeds.quote_folder import PART_ROWS, REJECTED, check_replaceable, part_name, write_manifest, write_part
from kilohour.datafeeds.quotes import COLUMNS, NUMBERS, SCHEMA_VERSION, WORDS, key_of
from kilohour.datafeeds.reading import Progress
from kilohour.errors import DataError, KilohourError
from kilohour.folders import written_whole

REJECTED_MAX = 0.05
PROGRESS = "progress.json"
DTYPES = {name: np.dtype(np.int64 if name in NUMBERS else np.int32) for name in COLUMNS} | {"row": np.dtype(np.int64)}
FILE_ROWS = 1 << 40
"""Row numbers of the second input begin here, of the third at twice that."""

Open = Callable[[Path, QuoteMapping], Iterator[Batch]]


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
    what: str = "quotes"

    def told(self) -> Iterator[str]:
        """Lines for whoever ran it."""
        yield f"{self.read:,} rows read, {self.kept:,} {self.what} kept, {self.refused:,} refused"
        for reason, count in self.reasons.items():
            yield f"  {count:,} refused: {reason}"
        if self.refused:
            yield f"  each with its reason: {self.folder / REJECTED}"


def open_table(path: Path, mapping: QuoteMapping) -> Iterator[Batch]:
    """Batches of a CSV or Parquet file."""
    return batches(path, mapping.columns())


def import_quotes(
    source: str,
    mapping: QuoteMapping,
    inputs: Sequence[Path],
    out: Path,
    *,
    notes: Sequence[str] = (),
    opened: Open = open_table,
    rejected_max: float = REJECTED_MAX,
    run_rows: int = RUN_ROWS,
    progress: Progress | None = None,
) -> Imported:
    """Writes the quotes of ``inputs`` to the folder ``out``.

    ``rejected_max`` is the share of quotes that may be refused, 0 to 1. ``progress`` is called with rows or bytes (done, total).
    Raises :class:`DataError` for an input that cannot be read, lacks a column, gives no quote, or of which more is refused.
    """
    check_replaceable(out)
    found = fingerprint(inputs)
    work = out.parent / f".{out.name}.import"
    with _workshop(work):
        state = _State.taken_up(work, {"inputs": found, "source": source, "mapping": _digest(mapping), "run_rows": run_rows}, run_rows)
        try:
            state.read(source, mapping, inputs, opened, progress)
            state.refusals.check_share(state.spool_rows, rejected_max, source)
            return state.finish(out, source, found, notes, rejected_max)
        finally:
            state.refusals.close()


class _State:
    """An import that goes on: what is read, coded, spooled and refused so far."""

    def __init__(self, work: Path, key: Mapping[str, Any], saved: Mapping[str, Any], run_rows: int) -> None:
        self.work, self.key = work, key
        self.batches: int = saved.get("batches", 0)
        self.rows: int = saved.get("rows", 0)
        self.spool_rows: int = saved.get("spool_rows", 0)
        self.names = Names(WORDS, saved.get("names"))
        self.used = Used()
        for column, codes in saved.get("used", {}).items():
            self.used.note(column, np.array(codes, dtype=np.int32))
        self.refusals = Refusals(work / REJECTED, saved.get("refused"), saved.get("rejected_bytes", 0))
        self.refusals.first = saved.get("first_refused", "")
        self.spool = Spool(work, DTYPES, time="seen", runs=saved.get("runs"), run_rows=run_rows, bucket_rows=run_rows)

    @classmethod
    def taken_up(cls, work: Path, key: Mapping[str, Any], run_rows: int) -> _State:
        saved: dict[str, Any] = {}
        with contextlib.suppress(OSError, ValueError):
            saved = json.loads((work / PROGRESS).read_text(encoding="utf-8"))
        return cls(work, key, saved if saved.get("key") == key else {}, run_rows)

    def read(self, source: str, mapping: QuoteMapping, inputs: Sequence[Path], opened: Open, progress: Progress | None) -> None:
        for number, (place, batch) in enumerate(_numbered(inputs, mapping, opened)):
            if progress is not None:
                progress(int(1000 * (place + batch.done / max(batch.total, 1))), 1000 * len(inputs))
            if number < self.batches:
                continue  # read by an earlier, interrupted import
            columns = quotes_of(batch, mapping, source, self.names, self.refusals)
            columns["row"] += place * FILE_ROWS
            for name in WORDS:
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
        ordered = {name: self.names.in_order(name, self.used.mask(name)) for name in WORDS}
        names = {name: words for name, (words, _) in ordered.items()}
        with written_whole(out) as draft:
            parts: list[dict[str, Any]] = []
            for bucket in self.spool.buckets():
                for name, (_, code) in ordered.items():
                    bucket[name] = code[bucket[name]]
                for columns in _parts(self._unique(bucket, [entry["name"] for entry in inputs])):
                    parts.append(write_part(draft / part_name(len(parts)), columns, names))
            kept = sum(part["rows"] for part in parts)
            self.refusals.check_share(kept, rejected_max, source)
            if not kept:
                raise DataError(f"{source}: needs at least one quote, found none in {', '.join(entry['name'] for entry in inputs)}")
            self.refusals.close()
            if self.refusals.total:
                shutil.copyfile(self.refusals.path, draft / REJECTED)
            reasons = dict(sorted(self.refusals.counts.items()))
            digest = write_manifest(
                draft,
                {
                    "source": source,
                    "inputs": inputs,
                    "names": names,
                    "parts": parts,
                    "notes": list(notes),
                    "rows": kept,
                    "read": self.rows,
                    "refused": reasons,
                },
            )
        return Imported(out, digest, self.rows, kept, self.refusals.total, reasons, tuple(notes))

    def _unique(self, bucket: Columns, files: Sequence[str]) -> Columns:
        """The bucket in order, later rows of an offer and time put aside."""
        key = key_of(bucket)
        order = np.lexsort((key, bucket["seen"]))  # stable, and a bucket keeps the input's order among rows of one key and time
        key, seen = key[order], bucket["seen"][order]
        again = np.zeros(len(order), np.bool_)
        again[1:] = (seen[1:] == seen[:-1]) & (key[1:] == key[:-1])
        for place in np.flatnonzero(again):
            row, before = bucket["row"][order[place]], bucket["price"][order[place - 1]]
            price = bucket["price"][order[place]]
            reason = "the same quote twice" if price == before else "another price of the same offer at the same time"
            self.refusals.add(files[int(row) // FILE_ROWS], np.array([row % FILE_ROWS]), "price", [price / 1e6], reason)
        kept = order[~again]
        return {name: bucket[name][kept] for name in COLUMNS}


def _numbered(inputs: Sequence[Path], mapping: QuoteMapping, opened: Open) -> Iterator[tuple[int, Batch]]:
    for place, path in enumerate(inputs):
        for batch in opened(path, mapping):
            yield place, batch


def _parts(columns: Columns) -> Iterable[Columns]:
    for first in range(0, len(columns["seen"]), PART_ROWS):
        yield {name: column[first : first + PART_ROWS] for name, column in columns.items()}


def _digest(mapping: QuoteMapping) -> str:
    # A function's repr holds its address, which is another one in the next process.
    named = [part.__qualname__ for part in (mapping.tidy, mapping.doubt) if part is not None]
    text = f"{SCHEMA_VERSION} {replace(mapping, tidy=None, doubt=None)!r} {named}"
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


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
