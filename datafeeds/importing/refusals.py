# SPDX-License-Identifier: Apache-2.0
"""Rows that an import puts aside: a side file that says file, row, column, value and reason, and the counts."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kilohour.errors import DataError
from kilohour.tape.arrow import numbers as arrow_numbers

HEADER = ("file", "row", "column", "value", "reason")


class Refusals:
    """Writes the side file as an import goes on; rows are counted from 0, the header not being one.

    ``counts`` and ``bytes`` are those of an import that goes on.
    """

    def __init__(self, path: Path, counts: dict[str, int] | None = None, size: int = 0) -> None:
        self.path = path
        self.counts = dict(counts or {})
        self.first = ""
        self._file = path.open("r+" if size else "w", encoding="utf-8", newline="")
        self._file.seek(size)
        self._file.truncate()
        self._writer = csv.writer(self._file, lineterminator="\n")
        if not size:
            self._writer.writerow(HEADER)

    @property
    def total(self) -> int:
        """How many were refused."""
        return sum(self.counts.values())

    def add(self, file: str, rows: npt.NDArray[Any], column: str, values: Sequence[object], reason: str) -> None:
        """Puts rows aside."""
        if len(rows):
            self.first = self.first or f"row {int(rows[0])}, column {column!r}: {reason}, found {_short(values[0])}"
            self.counts[reason] = self.counts.get(reason, 0) + len(rows)
            self._writer.writerows((file, row, column, value, reason) for row, value in zip(rows.tolist(), values, strict=True))

    def told(self) -> str:
        """A clause for an error to which a refused row may have led; empty when there is none."""
        if not self.total:
            return ""
        return f"; {self.total:,} row{'s were' if self.total > 1 else ' was'} refused before, the first is {self.first}"

    def flush(self) -> int:
        """Bytes of the side file, which are all on the disk."""
        self._file.flush()
        return self._file.tell()

    def close(self) -> None:
        """Closes the side file; it may be closed twice."""
        self._file.close()

    def check_share(self, kept: int, most: float, what: str) -> None:
        """Raises :class:`DataError` when more than ``most`` of all were refused: the file is not what it was taken for."""
        share = self.total / max(self.total + kept, 1)
        if share > most:
            reasons = ", ".join(f"{reason} ({count:,})" for reason, count in sorted(self.counts.items(), key=lambda one: -one[1])[:3])
            raise DataError(
                f"{what}: at most {most:.0%} of the rows may be refused, found {share:.0%}, {self.total:,} of "
                f"{self.total + kept:,}: {reasons}; the first is {self.first}; --rejected-max says otherwise"
            )


class Sieve:
    """Rows of one batch that are still good; what is refused is put aside once, with the first reason.

    ``rows`` are their numbers in the file where they do not count up from ``first``.
    """

    def __init__(self, file: str, first: int, count: int, columns: dict[str, Any], refusals: Refusals,
                 rows: npt.NDArray[np.int64] | None = None) -> None:  # fmt: skip
        self.file, self.first, self.columns, self.refusals, self.rows = file, first, columns, refusals, rows
        self.good = np.ones(count, dtype=np.bool_)

    def child(self) -> Sieve:
        """The same rows, to be refused for one of the several things that a row says."""
        other = Sieve(self.file, self.first, len(self.good), self.columns, self.refusals, self.rows)
        other.good = self.good.copy()
        return other

    def refuse(self, mask: npt.NDArray[np.bool_], column: str, reason: str) -> None:
        """Puts aside the good rows where ``mask`` holds."""
        hits = np.flatnonzero(mask & self.good)
        if len(hits):
            cells = self.columns.get(column)
            values = cells.take(arrow_numbers(hits)).to_pylist() if cells is not None else [""] * len(hits)
            rows = self.first + hits if self.rows is None else self.rows[hits]
            self.refusals.add(self.file, rows, column, ["" if value is None else value for value in values], reason)
            self.good[hits] = False


def repeats(*keys: npt.NDArray[Any]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Of rows that lie in order of their keys, at least one: where each row stands first that has the same keys, and which rows those are.

    >>> first, begins = repeats(np.array([1, 1, 1, 2]), np.array([5, 5, 6, 6]))
    >>> first.tolist(), begins.tolist()
    ([0, 0, 2, 3], [0, 2, 3])
    """
    begins = np.flatnonzero(np.append(True, np.any([np.diff(key) != 0 for key in keys], axis=0)))
    return np.repeat(begins, np.diff(np.append(begins, len(keys[0])))), begins


def _short(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else shown[:57] + "..."
