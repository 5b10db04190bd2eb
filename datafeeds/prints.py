# SPDX-License-Identifier: Apache-2.0
"""Prints of public series, bitemporal: for which time a value stands, and when it became known.

A row never changes. A restatement is another row of the same series and ``value_at``, known later; its ``revision`` is 1, 2 ...
Whoever decides reads through :meth:`Prints.as_of`: it holds copies of what was known and nothing else. The whole history is there for
those who study it (:meth:`Prints.replay`, :meth:`Prints.restated`), never for a backtest.

============  ======  ==========================================================================================================
column        type    meaning
============  ======  ==========================================================================================================
``value_at``  int64   the time the value stands for, nanoseconds UTC; of a date its midnight
``known_at``  int64   when it became known, nanoseconds UTC; never before ``value_at``
``value``     int64   millionths of the series' unit
``revision``  int64   0 for the first print of a ``value_at``, then 1, 2 ... in the order they became known
``series``    text    code, upper case
``regime``    text    method under which the value was made; where it changes there is a level break, and no difference is taken
``note``      text    how sure it is, as the source says
``source``    text    the feed it came by
============  ======  ==========================================================================================================
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kilohour.errors import DataError, UnknownName
from kilohour.units import MICROS, NANOS_PER_DAY, datetime_of

if TYPE_CHECKING:
    import pandas as pd

    from kilohour.tape import TapeBuilder

Ints = npt.NDArray[np.int64]

SCHEMA_VERSION = 2
NUMBERS = ("value_at", "known_at", "value", "revision")
WORDS = ("series", "regime", "note", "source")
COLUMNS = (*NUMBERS, *WORDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Print:
    """One print; see the module for each field."""

    series: str
    value_at: int
    known_at: int
    value: int
    regime: str = ""
    note: str = ""
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelBreak:
    """The method of a series changed: values before and from ``at`` must not be subtracted."""

    series: str
    at: int
    """``value_at`` of the first value under the new method."""
    known_at: int
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.series}: level break at {datetime_of(self.at):%Y-%m-%d}, from {self.before!r} to {self.after!r}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Known:
    """One series as it was known at a time: arrays of one length, by ``value_at``; copies, without a way to what came later."""

    series: str
    unit: str
    at: int
    value_at: Ints
    known_at: Ints
    value: Ints
    """Millionths of ``unit``."""
    revision: Ints
    regime: npt.NDArray[np.object_]

    def __len__(self) -> int:
        return len(self.value)

    def breaks(self) -> tuple[LevelBreak, ...]:
        """The level breaks among these values."""
        rows = np.flatnonzero(self.regime[1:] != self.regime[:-1]) + 1
        return tuple(
            LevelBreak(series=self.series, at=int(self.value_at[row]), known_at=int(self.known_at[row]), before=self.regime[row - 1],
                       after=self.regime[row]) for row in rows
        )  # fmt: skip

    def changes(self) -> tuple[Ints, Ints]:
        """``value_at`` and value less the value before, millionths, for neighbours of one regime: never across a level break."""
        same = np.flatnonzero(self.regime[1:] == self.regime[:-1]) + 1
        return self.value_at[same], self.value[same] - self.value[same - 1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """One step of the replay: what became known, and what stood there before (None for a first print)."""

    known_at: int
    series: str
    value_at: int
    before: int | None
    value: int
    revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Restated:
    """A value that was known at one time and is another one now; millionths."""

    series: str
    value_at: int
    then: int
    now: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prints:
    """Prints as arrays of one length, in order of series, ``value_at`` and ``known_at``; texts are codes into ``names[column]``, sorted."""

    value_at: Ints
    known_at: Ints
    value: Ints
    revision: Ints
    series: npt.NDArray[np.int32]
    regime: npt.NDArray[np.int32]
    note: npt.NDArray[np.int32]
    source: npt.NDArray[np.int32]
    names: Mapping[str, tuple[str, ...]]
    units: Mapping[str, str]
    """Unit by series."""
    sha256: str = ""
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in COLUMNS:
            column = getattr(self, name)
            assert len(column) == len(self.value), f"column {name} has {len(column)} rows, not {len(self.value)}"
            column.flags.writeable = False

    def __len__(self) -> int:
        return len(self.value)

    def as_of(self, at: int, series: str) -> Known:
        """A series as it was known at ``at``, nanoseconds UTC, included: the latest print of each ``value_at`` by then.

        Raises :class:`UnknownName` for a series that is not there.
        """
        rows = self._rows(series)
        rows = rows[self.known_at[rows] <= at]
        last = np.ones(len(rows), np.bool_)
        last[:-1] = self.value_at[rows[1:]] != self.value_at[rows[:-1]]
        rows = rows[last]
        regimes = np.array(self.names["regime"], dtype=object)[self.regime[rows]]
        return Known(
            series=series,
            unit=self.units[series],
            at=at,
            value_at=self.value_at[rows],
            known_at=self.known_at[rows],
            value=self.value[rows],
            revision=self.revision[rows],
            regime=regimes,
        )

    def replay(self, series: str | None = None) -> Iterator[Revision]:
        """Every print in the order it became known, each with the value it replaced."""
        rows = np.arange(len(self)) if series is None else self._rows(series)
        for row in rows[np.lexsort((rows, self.known_at[rows]))].tolist():
            before = int(self.value[row - 1]) if self.revision[row] else None
            yield Revision(
                known_at=int(self.known_at[row]),
                series=self.names["series"][self.series[row]],
                value_at=int(self.value_at[row]),
                before=before,
                value=int(self.value[row]),
                revision=int(self.revision[row]),
            )

    def restated(self, series: str, then: int, now: int) -> tuple[Restated, ...]:
        """What was known at ``then`` and is another value at ``now``."""
        old, new = self.as_of(then, series), self.as_of(now, series)
        place = np.searchsorted(new.value_at, old.value_at)
        return tuple(
            Restated(series=series, value_at=int(old.value_at[i]), then=int(old.value[i]), now=int(new.value[place[i]]))
            for i in np.flatnonzero(new.value[place] != old.value)
        )

    def joined(self, other: Prints) -> Prints:
        """Both, with revisions counted anew: what :meth:`as_of` says of any time before the other's first ``known_at`` stays as it was."""
        return _table(list(self.rows()) + list(other.rows()), {**self.units, **other.units}, notes=(*self.notes, *other.notes))

    def rows(self) -> Iterator[Print]:
        """Single prints in order."""
        words = {name: [self.names[name][code] for code in getattr(self, name)] for name in WORDS}
        columns = (self.value_at.tolist(), self.known_at.tolist(), self.value.tolist(), *words.values())
        for value_at, known_at, value, series, regime, note, source in zip(*columns, strict=True):
            yield Print(series=series, value_at=value_at, known_at=known_at, value=value, regime=regime, note=note, source=source)

    def add_to(self, builder: TapeBuilder, series: str, *, code: str | None = None, note: str = "") -> dict[str, int]:
        """Puts a series on a tape, restatements with it, and returns the ``ref`` by code.

        Each regime becomes an index of its own, ``CODE`` and ``CODE@2`` ..., so that no strategy can subtract across a level break; the
        tape's notes name the breaks. Only series of days can be on a tape: raises :class:`DataError` for a ``value_at`` that is no
        midnight.
        """
        from kilohour.tape import Index

        rows = self._rows(series)
        clock = self.value_at[rows] % NANOS_PER_DAY != 0
        if clock.any():
            found = datetime_of(int(self.value_at[rows[int(np.argmax(clock))]]))
            raise DataError(f"{series}: only values of days can be on a tape, found one of {found:%Y-%m-%d %H:%M}")
        builder.notes += [str(one) for one in self.as_of(2**63 - 1, series).breaks()]
        refs: dict[str, int] = {}
        for regime in dict.fromkeys(self.regime[rows].tolist()):
            name = (code or series) + (f"@{len(refs) + 1}" if refs else "")
            said = "; ".join(part for part in (note, self.names["regime"][regime]) if part)
            own = rows[self.regime[rows] == regime]
            refs[name] = builder.index(Index(code=name, unit=self.units[series], note=said))
            builder.prints(refs[name], self.value_at[own] // NANOS_PER_DAY, self.known_at[own], self.value[own])
        return refs

    def frame(self) -> pd.DataFrame:
        """All rows, for looking at: UTC times, values in units. Not for deciding: it holds what became known later."""
        import pandas as pd

        columns: dict[str, Any] = {name: np.array(self.names[name], dtype=object)[getattr(self, name)] for name in WORDS}
        times = {name: pd.to_datetime(getattr(self, name), utc=True) for name in ("value_at", "known_at")}
        values = {"value": self.value / MICROS, "unit": [self.units[code] for code in columns["series"]], "revision": self.revision}
        return pd.DataFrame({"series": columns.pop("series"), **times, **values, **columns})

    @classmethod
    def of(cls, prints: Iterable[Print], *, units: Mapping[str, str], notes: Sequence[str] = ()) -> Prints:
        """A table of single prints, in any order. Raises :class:`DataError` for two of a series, ``value_at`` and ``known_at``."""
        return _table(list(prints), units, notes=tuple(notes))

    @classmethod
    def load(cls, folder: str | Path, series: Collection[str] | None = None) -> Prints:
        """Reads a folder that :meth:`save` or an import wrote, or some series of it, and checks its hashes.

        Raises :class:`DataError`, and :class:`UnknownName` for a series that is not there.
        """
        from kilohour.datafeeds.print_folder import load

        return load(Path(folder), series)

    def save(self, folder: str | Path) -> Prints:
        """Writes a folder, whole or not at all, and returns the prints with its hash."""
        from kilohour.datafeeds.print_folder import save

        return save(self, Path(folder))

    def _rows(self, series: str) -> npt.NDArray[np.intp]:
        if series not in self.names["series"]:
            raise UnknownName("series", series, self.names["series"], where="these prints")
        code = self.names["series"].index(series)
        first, end = np.searchsorted(self.series, [code, code + 1])
        return np.arange(first, end)


def _table(rows: list[Print], units: Mapping[str, str], *, notes: tuple[str, ...]) -> Prints:
    rows = sorted(rows, key=lambda row: (row.series, row.value_at, row.known_at))
    for row in rows:
        if row.known_at < row.value_at:
            raise DataError(
                f"{row.series}: a value must not be known before the time it stands for, found {_time(row.value_at)} "
                f"known at {_time(row.known_at)}"
            )
        if row.series not in units:
            raise DataError(f"{row.series}: a series needs a unit, found none")
    revision = np.zeros(len(rows), np.int64)
    for i, (before, row) in enumerate(itertools.pairwise(rows), 1):
        if (before.series, before.value_at) == (row.series, row.value_at):
            revision[i] = revision[i - 1] + 1
            if before.known_at == row.known_at:
                raise DataError(
                    f"{row.series}: a print needs a time of its own, found two of {_time(row.value_at)} known at {_time(row.known_at)}"
                )
    names = {name: tuple(sorted({getattr(row, name) for row in rows})) for name in WORDS}
    codes = {name: {word: code for code, word in enumerate(words)} for name, words in names.items()}
    columns: dict[str, Any] = {
        name: np.array([getattr(row, name) for row in rows], dtype=np.int64) for name in ("value_at", "known_at", "value")
    }
    columns |= {name: np.array([codes[name][getattr(row, name)] for row in rows], dtype=np.int32) for name in WORDS}
    return Prints(**columns, revision=revision, names=names, units={code: units[code] for code in names["series"]}, notes=notes)


def _time(nanos: int) -> str:
    return f"{datetime_of(nanos):%Y-%m-%d %H:%M}"
