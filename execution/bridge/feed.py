# SPDX-License-Identifier: Apache-2.0
"""One backtrader data feed a contract: bars are pushed in one by one as the session sees them, so there is no future in it.

backtrader keeps times as floats of days, which cannot tell microseconds apart in our century; each feed carries the
integer nanoseconds beside them and answers ``datetime()``, ``date()`` and ``time()`` from those.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from kilohour.execution.bridge.extra import bt
from kilohour.tape.schema import Kind
from kilohour.tape.tape import Tape
from kilohour.units import MICROS, MISSING, NANOS_PER_DAY, datetime_of

NANOS_PER_MINUTE = 60 * 10**9
FIRST_DAY = dt.date(1970, 1, 1).toordinal()
"""The day that backtrader counts as this number is 1970-01-01."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of one contract: time in nanoseconds UTC, prices in dollars, volume in lots, NaN when unknown."""

    ts: int
    ref: int
    open: float
    high: float
    low: float
    close: float
    volume: float


def days_of(ts: int) -> float:
    """A time as backtrader counts it: days since the year one, as a float."""
    days, rest = divmod(ts, NANOS_PER_DAY)
    return FIRST_DAY + days + rest / NANOS_PER_DAY


def bars_of(tape: Tape, refs: frozenset[int]) -> Iterator[Bar]:
    """The bars of some contracts in the order of the tape."""
    events = tape.events
    rows = np.flatnonzero((events["kind"] == Kind.BAR) & np.isin(events["ref"], sorted(refs)))
    for row in rows.tolist():
        lots = int(events["volume"][row])
        volume = math.nan if lots == MISSING else float(lots)
        opened, high, low, close = (int(events[name][row]) / MICROS for name in ("open", "high", "low", "close"))
        yield Bar(int(events["ts"][row]), int(events["ref"][row]), opened, high, low, close, volume)


def timeframe_of(tape: Tape, ref: int) -> int:
    """backtrader's name for the distance of a contract's bars: days, minutes, or anything shorter."""
    events = tape.events
    times = events["ts"][(events["kind"] == Kind.BAR) & (events["ref"] == ref)]
    gap = int(np.diff(times).min()) if len(times) > 1 else NANOS_PER_DAY
    if gap >= NANOS_PER_DAY // 2:
        return int(bt.TimeFrame.Days)
    return int(bt.TimeFrame.Minutes if gap >= NANOS_PER_MINUTE else bt.TimeFrame.MicroSeconds)


class ExactTimes(bt.linebuffer.LineBuffer):  # type: ignore[misc]
    """A line of times that knows its nanoseconds: ``stamps`` runs along with the floats."""

    stamps: list[int]

    def datetime(self, ago: int = 0, tz: Any = None, naive: bool = True) -> dt.datetime:
        """The time of a bar as a datetime, exact to the microsecond: UTC, or in ``tz``; naive unless asked otherwise."""
        zone = tz or self._tz
        moment = datetime_of(self.stamps[self.idx + ago])
        if zone is not None:
            moment = moment.astimezone(zone)
            return moment.replace(tzinfo=None) if naive else moment
        return moment.replace(tzinfo=None)

    def date(self, ago: int = 0, tz: Any = None, naive: bool = True) -> dt.date:
        """The day of a bar."""
        return self.datetime(ago, tz, naive).date()

    def time(self, ago: int = 0, tz: Any = None, naive: bool = True) -> dt.time:
        """The time of day of a bar."""
        return self.datetime(ago, tz, naive).time()


def made_exact(line: Any) -> ExactTimes:
    """Turns a line of float times into one with nanoseconds; its memory stays where backtrader has it."""
    line.__class__ = ExactTimes
    line.stamps = []
    exact: ExactTimes = line
    return exact


class TapeFeed(bt.feed.DataBase):  # type: ignore[misc]
    """The bars of one contract, as they come. ``row`` is the contract's row of the tape."""

    params = (("row", -1),)

    def start(self) -> None:
        """Called by backtrader before the first bar."""
        super().start()
        self.times = made_exact(self.lines.datetime)
        self.bar: Bar | None = None
        self.interest = 0

    def push(self, bar: Bar, interest: int) -> None:
        """Shows the next bar, and the open interest as last published."""
        self.bar, self.interest = bar, interest
        self.next()

    def num2date(self, dt: float | None = None, tz: Any = None, naive: bool = True) -> Any:
        """The time of the current bar exactly, or backtrader's reading of a float."""
        return self.times.datetime(0, tz, naive) if dt is None else super().num2date(dt, tz, naive)

    def _load(self) -> bool:
        bar, lines = self.bar, self.lines
        if bar is None:
            return False
        lines.datetime[0] = days_of(bar.ts)
        lines.open[0], lines.high[0], lines.low[0], lines.close[0] = bar.open, bar.high, bar.low, bar.close
        lines.volume[0], lines.openinterest[0] = bar.volume, float(self.interest)
        self.times.stamps.append(bar.ts)
        self.bar = None
        return True
