# SPDX-License-Identifier: Apache-2.0
"""Imports a table from files of any length: in bounded memory, resumable, and the same bytes from the same input.

How it goes on after an interruption is in :mod:`kilohour.datafeeds.importing.intake`. The target appears at the end, whole.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from kilohour.datafeeds.importing.intake import FILE_ROWS, Columns, Intake, workshop
from kilohour.datafeeds.importing.mapping import PrintMapping, QuoteMapping
from kilohour.datafeeds.importing.names import Names
from kilohour.datafeeds.importing.refusals import Refusals
from kilohour.datafeeds.importing.spool import RUN_ROWS
from kilohour.datafeeds.importing.stream import Batch, batches, fingerprint
from kilohour.datafeeds.reading import Progress
from kilohour.datafeeds.table_folder import TableFolder
from kilohour.errors import DataError
from kilohour.folders import written_whole
from kilohour.tape.manifest import REJECTED

REJECTED_MAX = 0.05


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
    with workshop(out) as work:
        key = {"inputs": found, "source": source, "mapping": _digest(rows), "run_rows": run_rows}
        intake = Intake.taken_up(work, key, _Reading(rows, opened), run_rows)
        try:
            intake.read(inputs, progress)
            intake.refusals.check_share(intake.spool_rows, rejected_max, source)
            return _finish(intake, rows, out, source, found, notes, rejected_max)
        finally:
            intake.refusals.close()


class _Reading:
    """Rows of a table as an :class:`~kilohour.datafeeds.importing.intake.Intake` reads them."""

    def __init__(self, rows: Rows, opened: Open) -> None:
        self._rows, self._opened = rows, opened
        self.words = (*rows.table.words, *rows.kept_with)
        self.dtypes: dict[str, npt.DTypeLike] = {
            **dict.fromkeys((*rows.table.numbers, "row"), np.int64), **dict.fromkeys(self.words, np.int32)
        }
        self.time = rows.time
        self.memory: dict[str, Any] = {}

    def open(self, path: Path) -> Iterator[Batch]:
        return self._opened(path, self._rows.mapping)

    def of(self, batch: Batch, names: Names, refusals: Refusals) -> Columns:
        return self._rows.of(batch, names, refusals)


def _finish(
    intake: Intake, what: Rows, out: Path, source: str, inputs: list[dict[str, Any]], notes: Sequence[str], rejected_max: float
) -> Imported:
    table, files = what.table, [entry["name"] for entry in inputs]
    ordered = {name: intake.names.in_order(name, intake.used.mask(name)) for name in intake.reader.words}
    names = {name: words for name, (words, _) in ordered.items()}
    with written_whole(out) as draft:
        parts: list[dict[str, Any]] = []
        for bucket in intake.spool.buckets():
            for name, (_, code) in ordered.items():
                bucket[name] = code[bucket[name]]
            kept = _told_once(bucket, what, intake.refusals, files)
            what.finish(kept, names)
            parts += table.write_parts(draft, kept, names, len(parts))
        count = sum(part["rows"] for part in parts)
        intake.refusals.check_share(count, rejected_max, source)
        if not count:
            raise DataError(f"{source}: needs at least one {table.one}, found none in {', '.join(files)}")
        intake.refusals.close()
        if intake.refusals.total:
            shutil.copyfile(intake.refusals.path, draft / REJECTED)
        reasons = dict(sorted(intake.refusals.counts.items()))
        told = {"source": source, "inputs": inputs, "names": {name: names[name] for name in table.words}, "parts": parts,
                "notes": list(notes), "rows": count, "read": intake.rows, "refused": reasons}  # fmt: skip
        digest = table.write_manifest(draft, {**told, **what.content()})
    return Imported(out, digest, intake.rows, count, intake.refusals.total, reasons, tuple(notes), table.kind)


def _told_once(bucket: Columns, what: Rows, refusals: Refusals, files: Sequence[str]) -> Columns:
    """The bucket in order, later rows that say again what one said put aside."""
    amount = what.amount
    order, again = what.order(bucket)
    for place in np.flatnonzero(again):
        row, before, value = bucket["row"][order[place]], bucket[amount][order[place - 1]], bucket[amount][order[place]]
        reason = f"the same {what.table.one} twice" if value == before else what.contradiction
        refusals.add(files[int(row) // FILE_ROWS], np.array([row % FILE_ROWS]), amount, [value / 1e6], reason)
    kept = order[~again]
    return {name: column[kept] for name, column in bucket.items()}


def _digest(rows: Rows) -> str:
    mapping = rows.mapping
    if isinstance(mapping, QuoteMapping):
        functions, plain = (mapping.tidy, mapping.doubt), repr(replace(mapping, tidy=None, doubt=None))
    else:
        functions, plain = (mapping.tidy, None), repr(replace(mapping, tidy=None))
    # A function's repr holds its address, which is another one in the next process.
    named = [part.__qualname__ for part in functions if part is not None]
    return hashlib.sha256(f"{rows.table.version} {plain} {named}".encode()).hexdigest()
