# SPDX-License-Identifier: Apache-2.0
"""Imports public series as bitemporal prints. Batch by batch; what it keeps is small and stays in memory."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from kilohour.datafeeds.importing.cells import numbers
from kilohour.datafeeds.importing.convert import codes_of, instants, refuse_unread
from kilohour.datafeeds.importing.mapping import PrintMapping, Series
from kilohour.datafeeds.importing.names import Names
from kilohour.datafeeds.importing.quotes_import import REJECTED_MAX, Imported
from kilohour.datafeeds.importing.refusals import Refusals, Sieve
from kilohour.datafeeds.importing.stream import Batch, batches, fingerprint
from kilohour.datafeeds.print_folder import REJECTED, check_replaceable, save
from kilohour.datafeeds.prints import Print, Prints
from kilohour.datafeeds.reading import Progress
from kilohour.errors import DataError
from kilohour.units import MICROS

VALUE_MAX = 9e12
"""In units: a value in millionths stays within 64 bits."""
ROWS_MAX = 5_000_000
"""Prints that one import may hold: public series are short; raw prices are quotes."""
WORDS = ("series", "regime", "note")

Open = Callable[[Path, PrintMapping], Iterator[Batch]]


def open_table(path: Path, mapping: PrintMapping) -> Iterator[Batch]:
    """Batches of a CSV or Parquet file."""
    return batches(path, mapping.columns())


def import_prints(
    source: str,
    mapping: PrintMapping,
    inputs: Sequence[Path],
    out: Path,
    *,
    notes: Sequence[str] = (),
    opened: Open = open_table,
    rejected_max: float = REJECTED_MAX,
    progress: Progress | None = None,
) -> Imported:
    """Writes the prints of ``inputs`` to the folder ``out``; rows that are no prints go to its side file.

    A print that says the same as another of its series, value date and time known is refused as a duplicate, another value of the
    same three as a contradiction. Raises :class:`DataError` as :func:`~kilohour.datafeeds.importing.quotes_import.import_quotes` does.
    """
    check_replaceable(out)
    found = fingerprint(inputs)
    with tempfile.TemporaryDirectory() as scratch, contextlib.closing(Refusals(Path(scratch) / REJECTED)) as refusals:
        kept = _Kept(source, mapping, refusals)
        for place, path in enumerate(inputs):
            for batch in opened(path, mapping):
                kept.take(batch)
                if progress is not None:
                    progress(int(1000 * (place + batch.done / max(batch.total, 1))), 1000 * len(inputs))
        refusals.check_share(len(kept.rows), rejected_max, source)
        if not kept.rows:
            raise DataError(f"{source}: needs at least one print, found none in {', '.join(entry['name'] for entry in found)}")
        prints = Prints.of(kept.rows.values(), units=kept.units, notes=notes)
        refusals.close()
        reasons = dict(sorted(refusals.counts.items()))
        content = {"source": source, "inputs": found, "read": kept.read, "refused": reasons}
        saved = save(prints, out, content=content, rejected=refusals.path if reasons else None)
    return Imported(out, saved.sha256, kept.read, len(prints), refusals.total, reasons, tuple(notes), "prints")


@dataclass(slots=True)
class _Kept:
    """Prints by series, value date and time known, as they come."""

    source: str
    mapping: PrintMapping
    refusals: Refusals
    rows: dict[tuple[str, int, int], Print] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    read: int = 0

    def take(self, batch: Batch) -> None:
        columns = self.mapping.tidy(dict(batch.columns)) if self.mapping.tidy else batch.columns
        sieve = Sieve(batch.file, batch.first, batch.rows, columns, self.refusals)
        value_at, known = instants(sieve, self.mapping.value_at)
        if self.mapping.known:
            known, _ = instants(sieve, self.mapping.known)
            sieve.refuse(known < value_at, self.mapping.known.column, "known before the time it stands for")
        for series in self.mapping.series:
            self._take_series(sieve.child(), series, value_at, known)
        self.read += batch.rows
        if len(self.rows) > ROWS_MAX:
            raise DataError(f"{self.source}: must hold at most {ROWS_MAX:,} prints, found more: raw prices are imported as quotes")

    def _take_series(self, sieve: Sieve, series: Series, value_at: Any, known: Any) -> None:
        names = Names(WORDS)
        read = numbers(sieve.columns[series.column])
        refuse_unread(sieve, series.column, read, empty=series.empty)
        values = read.values * series.scale
        if series.lowest is not None:
            sieve.refuse(values < series.lowest, series.column, f"under {series.lowest:g}")
        sieve.refuse(np.abs(values) > VALUE_MAX, series.column, f"beyond {VALUE_MAX:g}")
        codes = codes_of(sieve, "series", series.code, names)
        texts = {name: codes_of(sieve, name, getattr(self.mapping, name), names) for name in ("regime", "note")}
        words = names.words()
        micros = np.rint(np.where(sieve.good, values, 0.0) * MICROS).astype(np.int64)
        for row in np.flatnonzero(sieve.good).tolist():
            code = words["series"][_at(codes, row)].upper()
            one = Print(
                series=code, value_at=int(value_at[row]), known_at=int(known[row]), value=int(micros[row]), source=self.source,
                regime=words["regime"][_at(texts["regime"], row)], note=words["note"][_at(texts["note"], row)],
            )  # fmt: skip
            self._keep(sieve, series, row, one)

    def _keep(self, sieve: Sieve, series: Series, row: int, one: Print) -> None:
        place = np.array([sieve.first + row])
        column = series.column if series.code.column is None else series.code.column
        if not one.series:
            self.refusals.add(sieve.file, place, column, [""], "empty")
            return
        key = (one.series, one.value_at, one.known_at)
        before = self.rows.get(key)
        if before is not None:
            reason = "the same print twice" if before.value == one.value else "another value of the same print"
            self.refusals.add(sieve.file, place, series.column, [one.value / MICROS], reason)
            return
        self.rows[key] = one
        self.units[one.series] = series.unit


def _at(codes: Any, row: int) -> int:
    return int(codes) if np.ndim(codes) == 0 else int(codes[row])
