# SPDX-License-Identifier: Apache-2.0
"""What a strategy decided, in order: the orders it made and the values it recorded, and where two runs part."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from kilohour.desk import column_name
from kilohour.kernels import records as r
from kilohour.kernels import words
from kilohour.session import Session
from kilohour.units import MICROS, datetime_of

CLOSE = 1e-9
"""Relative difference below which two recorded values agree after a shifted start, where sums begin elsewhere."""


@dataclass(frozen=True, slots=True)
class Decision:
    """One order leg or one recorded value."""

    ts: int
    what: str
    """``order`` or the name of the recorded value."""
    said: str


@dataclass(frozen=True, slots=True)
class Decisions:
    """All decisions of a run up to its last event, oldest first within each kind."""

    orders: tuple[Decision, ...]
    times: tuple[int, ...]
    """Times of the recorded rows."""
    records: dict[str, tuple[float, ...]]
    """Values by name, NaN where nothing was recorded."""
    until: int
    """Time of the last event seen."""

    @classmethod
    def of(cls, session: Session) -> Decisions:
        """Reads a session that was not quiet, wherever it stands."""
        session.flush()
        rows = session.table("orders")
        begun = rows[np.isin(rows["status"], (r.WORKING, r.REFUSED)) & (rows["origin"] != r.FROM_LIQUIDATION)]
        codes = [contract.code for contract in session.market.tape.contracts]
        orders = tuple(Decision(int(row["ts"]), "order", _order_text(row, codes)) for row in begun)
        recorded, desk = session.table("records"), session.desk[0]
        names = [column_name(int(key)) for key in desk["column_key"][: int(desk["column_count"])]]
        records = {name: tuple(recorded["values"][:, at].tolist()) for at, name in enumerate(names)}
        return cls(orders, tuple(recorded["ts"].tolist()), records, int(desk["now"]))

    def first_difference(self, other: Decisions, until: int) -> tuple[Decision | None, Decision | None] | None:
        """The first decision up to ``until`` on which two runs differ, as each made it (None where it made none); None when equal."""
        found = [_first_apart(_before(self.orders, until), _before(other.orders, until))]
        nothing = (math.nan,) * len(self.times), (math.nan,) * len(other.times)
        for name in dict.fromkeys((*self.records, *other.records)):
            ours, theirs = self.records.get(name, nothing[0]), other.records.get(name, nothing[1])
            found.append(_first_apart(_values(name, self.times, ours, until), _values(name, other.times, theirs, until)))
        apart = [pair for pair in found if pair is not None]
        return min(apart, key=lambda pair: min(one.ts for one in pair if one is not None)) if apart else None

    def first_difference_between(self, other: Decisions, first: int) -> tuple[Decision | None, Decision | None] | None:
        """The first decision from ``first`` on, to the end, on which two runs differ; recorded values within :data:`CLOSE` are equal."""
        wrong = sorted({ts for ts, gap in _gaps(self, other, first) if gap > CLOSE})
        orders = _first_apart([one for one in self.orders if one.ts >= first], [one for one in other.orders if one.ts >= first])
        if not wrong:
            return orders
        at, names = wrong[0], dict.fromkeys((*self.records, *other.records))
        pairs = [(self._value(name, at), other._value(name, at)) for name in names]
        value = next((pair for pair in pairs if _are_apart(*pair)), None)
        found = [pair for pair in (orders, value) if pair is not None]
        return min(found, key=lambda pair: min(one.ts for one in pair if one is not None)) if found else None

    def _value(self, name: str, at: int) -> Decision | None:
        value = self.records[name][self.times.index(at)] if at in self.times and name in self.records else math.nan
        return None if math.isnan(value) else Decision(at, name, repr(value))


def _order_text(row: Any, codes: list[str]) -> str:
    kind = int(row["kind"])
    price = f" at {int(row['limit_micros']) / MICROS:g}" if kind in (r.LIMIT, r.STOP_LIMIT) else ""
    refused = " (refused)" if int(row["status"]) == r.REFUSED else ""
    return f"{int(row['lots']):+d} {codes[int(row['contract'])]} {words.KINDS[kind - 1]}{price}{refused}"


def _before(decisions: tuple[Decision, ...], until: int) -> list[Decision]:
    return [one for one in decisions if one.ts <= until]


def _values(name: str, times: tuple[int, ...], values: tuple[float, ...], until: int) -> list[Decision]:
    return [Decision(ts, name, repr(value)) for ts, value in zip(times, values, strict=True) if ts <= until and not math.isnan(value)]


def _first_apart(ours: list[Decision], theirs: list[Decision]) -> tuple[Decision | None, Decision | None] | None:
    if ours == theirs:
        return None
    at = next((i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), min(len(ours), len(theirs)))
    a, b = ours[at] if at < len(ours) else None, theirs[at] if at < len(theirs) else None
    if a is not None and b is not None and a.ts != b.ts:
        return (a, None) if a.ts < b.ts else (None, b)
    return a, b


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """How long the decisions of a run remember where it started, found by starting it later."""

    start: str
    """Day of the later start."""
    bars: int
    """Bars (times at which the strategy was asked) after the start."""
    records_after: int | None
    """Bars until every recorded value agrees to the end; None when they never do, or nothing was recorded."""
    orders_after: int | None
    """Bars until every order agrees to the end; None when they never do."""
    recorded: bool
    """Whether anything was recorded."""
    fades: bool
    """Recorded values that never agree come together: at most a tenth of the first differences is left at the end."""


def memory_of(whole: Decisions, late: Decisions, start: int, bar_times: list[int]) -> Memory:
    """Compares a run with one that began at ``start``; ``bar_times`` are the times of the bars from there on.

    Rule: recorded values agree when they differ by at most 1e-9 of their size; orders agree at a time when both runs make the same. What
    agrees within the last tenth of the run only by chance is not believed: then it never agrees.
    """
    apart = _gaps(whole, late, start)
    wrong_orders = {one.ts for one in set(_before(whole.orders, 2**62)) ^ set(late.orders) if one.ts >= start}
    values = [ts for ts, gap in apart if gap > CLOSE]
    count = len(bar_times)
    tenth = max(1, len(apart) // 10)
    ends = [max((gap for _, gap in part), default=0.0) for part in (apart[:tenth], apart[-tenth:])]
    return Memory(start=f"{datetime_of(start):%Y-%m-%d}", bars=count,
                  records_after=_bars_until(max(values, default=start - 1), bar_times) if apart else None,
                  orders_after=_bars_until(max(wrong_orders, default=start - 1), bar_times),
                  recorded=bool(apart), fades=bool(apart) and ends[1] <= 0.1 * ends[0])


def _gaps(whole: Decisions, late: Decisions, start: int) -> list[tuple[int, float]]:
    """Largest relative difference of a recorded value by time; infinite where only one of the runs has it."""
    places = {ts: i for i, ts in enumerate(whole.times) if ts >= start}
    others = {ts: i for i, ts in enumerate(late.times) if ts >= start}
    found = []
    for ts in sorted({*places, *others}):
        i, j = places.get(ts), others.get(ts)
        gap = 0.0
        for name in dict.fromkeys((*whole.records, *late.records)):
            a = whole.records[name][i] if i is not None and name in whole.records else math.nan
            b = late.records[name][j] if j is not None and name in late.records else math.nan
            gap = max(gap, _gap(a, b))
        found.append((ts, gap))
    return found


def _are_apart(a: Decision | None, b: Decision | None) -> bool:
    return _gap(math.nan if a is None else float(a.said), math.nan if b is None else float(b.said)) > CLOSE


def _gap(a: float, b: float) -> float:
    if math.isnan(a) or math.isnan(b):
        return 0.0 if math.isnan(a) and math.isnan(b) else math.inf
    return 0.0 if a == b else abs(a - b) / max(abs(a), abs(b))


def _bars_until(last_wrong: int, bar_times: list[int]) -> int | None:
    bars = sum(ts <= last_wrong for ts in bar_times)
    return None if bars * 10 > len(bar_times) * 9 else bars
