# SPDX-License-Identifier: Apache-2.0
"""A series as it was known on a day: from the prints of a tape, or from dated values and a lag that is stated."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kilohour.errors import DataError, UnknownName, UsageError
from kilohour.tape.schema import Kind
from kilohour.tape.tape import Tape
from kilohour.units import MICROS, NANOS_PER_DAY, date_of, day_of

if TYPE_CHECKING:
    import pandas as pd

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
RELEASE_LAG_DAYS = 45


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """What was known at the end of a day: value dates (days since 1970, rising) and values; and what was known only later."""

    days: Ints
    values: Floats
    on: dt.date
    lag: str
    """How it is known what was known then, in words."""
    later_days: Ints
    later_values: Floats
    """The last known values of the dates that came later, for looking, never for fitting."""


def known_series(data: Tape | pd.Series[Any] | tuple[Sequence[Any], Sequence[float]], series: str | None = None, *,
                 on: dt.date | str | None = None, release_lag_days: int = RELEASE_LAG_DAYS) -> Known:
    """The series as known at the end of ``on`` (the last day of the data unless given).

    A :class:`Tape` says itself when each print and each restatement became known; ``series`` is its code there. A Series indexed by
    dates, or a pair of dates and values, is known ``release_lag_days`` after its dates, which is an assumption.

    Raises :class:`UnknownName` for a series that the tape lacks, :class:`UsageError` for a lag or a day, :class:`DataError` for
    values that are not above zero, or dates twice.
    """
    day = _day(on)
    if isinstance(data, Tape):
        return _from_tape(data, series, day)
    if not 0 <= release_lag_days <= 3650:
        raise UsageError(f"release_lag_days must be from 0 to 3650, found {release_lag_days}")
    days, values = _columns(data)
    order = np.argsort(days, kind="stable")
    days, values = days[order], values[order]
    if (np.diff(days) == 0).any():
        raise DataError(f"a series must have one value a date, found two for {date_of(int(days[int(np.argmax(np.diff(days) == 0))]))}")
    until = int(days[-1]) + release_lag_days if day is None else day_of(day)
    kept = days + release_lag_days <= until
    return _known(days, values, kept, date_of(until), f"each value is taken as known {release_lag_days} days after its date, an assumption")


def _from_tape(tape: Tape, series: str | None, day: dt.date | None) -> Known:
    codes = [index.code for index in tape.indices]
    if series not in codes:
        raise UnknownName("series", str(series), codes, where="this tape")
    events = tape.events
    rows = np.flatnonzero((events["kind"] == Kind.PRINT) & (events["ref"] == codes.index(series)))
    if not len(rows):
        raise DataError(f"{series}: the tape has no print of it")
    until = (int(tape.end) if day is None else (day_of(day) + 1) * NANOS_PER_DAY - 1)
    now, last = ({int(events["ts_event"][row]) // NANOS_PER_DAY: int(events["close"][row]) for row in rows if events["ts"][row] <= limit}
                 for limit in (until, tape.end))
    days = np.array(sorted(last), dtype=np.int64)
    values = np.array([now.get(int(d), last[int(d)]) for d in days]) / MICROS
    kept = np.array([int(d) in now for d in days])
    return _known(days, values, kept, date_of(until // NANOS_PER_DAY), "the tape says when each value and each restatement became known")


def _known(days: Ints, values: Floats, kept: npt.NDArray[np.bool_], on: dt.date, lag: str) -> Known:
    bad = ~(np.isfinite(values) & (values > 0.0))
    if bad.any():
        row = int(np.argmax(bad))
        raise DataError(f"adoption must be above zero, found {values[row]:g} for {date_of(int(days[row]))}")
    return Known(days[kept], values[kept], on, lag, days[~kept], values[~kept])


def _columns(data: Any) -> tuple[Ints, Floats]:
    if isinstance(data, tuple):
        dates, values = data
    else:
        dates, values = [stamp.date() for stamp in data.index], data.to_numpy()
    days = np.array([day_of(_as_date(date)) for date in dates], dtype=np.int64)
    if not len(days):
        raise DataError("a series needs at least one value, found none")
    return days, np.asarray(values, dtype=np.float64)


def _as_date(value: Any) -> dt.date:
    found = _day(value)
    assert found is not None
    return found


def _day(value: dt.date | str | None) -> dt.date | None:
    if isinstance(value, dt.datetime):
        return value.date()
    if value is None or isinstance(value, dt.date):
        return value
    try:
        return dt.date.fromisoformat(str(value))
    except ValueError:
        raise UsageError(f"a day must be like 2026-01-31, found {value!r}") from None
