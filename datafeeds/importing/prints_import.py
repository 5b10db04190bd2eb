# SPDX-License-Identifier: Apache-2.0
"""Imports public series as bitemporal prints; how an import goes on is in :mod:`kilohour.datafeeds.importing.table_import`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kilohour.datafeeds.importing.cells import numbers
from kilohour.datafeeds.importing.convert import codes_of, instants, kept_of, refuse_unknown_chips, refuse_unread
from kilohour.datafeeds.importing.intake import Columns
from kilohour.datafeeds.importing.mapping import PrintMapping, Series
from kilohour.datafeeds.importing.names import Names
from kilohour.datafeeds.importing.refusals import Refusals, Sieve
from kilohour.datafeeds.importing.stream import Batch
from kilohour.datafeeds.importing.table_import import Imported, import_table
from kilohour.datafeeds.print_folder import TABLE
from kilohour.datafeeds.prints import NUMBERS, WORDS
from kilohour.datafeeds.table_folder import TableFolder
from kilohour.units import MICROS

VALUE_MAX = 9e12
"""In units: a value in millionths stays within 64 bits."""


@dataclass(frozen=True, slots=True)
class PrintRows:
    """Rows of files as prints."""

    source: str
    mapping: PrintMapping
    table: TableFolder = TABLE
    time: str = "value_at"
    amount: str = "value"
    contradiction: str = "another value of the same print"
    kept_with: tuple[str, ...] = ("unit",)
    units: dict[str, str] = field(default_factory=dict)

    def of(self, batch: Batch, names: Names, refusals: Refusals) -> Columns:
        """See :class:`~kilohour.datafeeds.importing.table_import.Rows`."""
        columns = self.mapping.tidy(dict(batch.columns)) if self.mapping.tidy else batch.columns
        sieve = Sieve(batch.file, batch.first, batch.rows, columns, refusals)
        value_at, known_at = instants(sieve, self.mapping.value_at)
        if self.mapping.known:
            known_at, _ = instants(sieve, self.mapping.known)
            sieve.refuse(known_at < value_at, self.mapping.known.column, "known before the time it stands for")
        if self.mapping.chip:
            refuse_unknown_chips(sieve, self.mapping.chip)
        shared = {"value_at": value_at, "known_at": known_at, "revision": 0, "source": names.code("source", self.source)}
        parts = [self._of_series(sieve.child(), series, shared, names) for series in self.mapping.series]
        return {name: np.concatenate([part[name] for part in parts]) for name in (*NUMBERS, *WORDS, "unit", "row")}

    def _of_series(self, sieve: Sieve, series: Series, shared: dict[str, Any], names: Names) -> Columns:
        read = numbers(sieve.columns[series.column])
        refuse_unread(sieve, series.column, read, empty=series.empty)
        values = read.values * series.scale
        if series.lowest is not None:
            sieve.refuse(values < series.lowest, series.column, f"under {series.lowest:g}")
        sieve.refuse(np.abs(values) > VALUE_MAX, series.column, f"beyond {VALUE_MAX:g}")
        code = codes_of(sieve, "series", series.code, names, str.upper)
        if series.code.column is not None:
            sieve.refuse(code == names.code("series", ""), series.code.column, "empty")
        found = {
            **shared,
            "value": np.rint(np.where(sieve.good, values, 0.0) * MICROS).astype(np.int64),
            "series": code,
            "regime": codes_of(sieve, "regime", self.mapping.regime, names),
            "note": codes_of(sieve, "note", self.mapping.note, names),
            "unit": names.code("unit", series.unit),
            "row": sieve.first + np.arange(len(values)),
        }
        keep = np.flatnonzero(sieve.good)
        return {name: kept_of(value, keep, np.int64 if name in (*NUMBERS, "row") else np.int32) for name, value in found.items()}

    def order(self, bucket: Columns) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
        """By the time they stand for, series and time known; one value of all three."""
        order = np.lexsort((bucket["known_at"], bucket["series"], bucket["value_at"]))
        again = np.zeros(len(order), np.bool_)
        again[1:] = True
        for name in ("value_at", "series", "known_at"):
            again[1:] &= bucket[name][order[1:]] == bucket[name][order[:-1]]
        return order, again

    def finish(self, bucket: Columns, names: Mapping[str, Sequence[str]]) -> None:
        """Counts the revisions of each value, and notes the unit of each series."""
        count = len(bucket["value"])
        first = np.ones(count, np.bool_)
        first[1:] = (bucket["value_at"][1:] != bucket["value_at"][:-1]) | (bucket["series"][1:] != bucket["series"][:-1])
        places = np.arange(count)
        bucket["revision"] = places - np.maximum.accumulate(np.where(first, places, 0))
        for series, unit in np.unique(np.stack([bucket["series"], bucket["unit"]], axis=1), axis=0).tolist():
            self.units[names["series"][series]] = names["unit"][unit]

    def content(self) -> dict[str, Any]:
        """The units of the series."""
        return {"units": self.units}


def import_prints(source: str, mapping: PrintMapping, inputs: Sequence[Path], out: Path, **options: Any) -> Imported:
    """Writes the prints of ``inputs`` to the folder ``out``; options and errors are those of
    :func:`~kilohour.datafeeds.importing.table_import.import_table`.

    A print that says the same as another of its series, value date and time known is refused as a duplicate, another value of the
    same three as a contradiction.
    """
    return import_table(source, PrintRows(source, mapping), inputs, out, **options)
