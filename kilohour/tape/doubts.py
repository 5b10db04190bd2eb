# SPDX-License-Identifier: Apache-2.0
"""What a trader would ask about the values on a tape: stale, out of line, in another unit, on a weekend, twice, or out of order.

:mod:`kilohour.tape.check` looks at what is there; this looks at what it says. A doubt is not always a fault: WTI did settle at -37.63.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from kilohour.tape.check import Finding
from kilohour.tape.schema import Kind
from kilohour.tape.series_doubts import bad_ticks, holes, out_of_band, outliers, slices_of, stale_runs, unit_slips, weekend_days
from kilohour.tape.tape import Tape
from kilohour.units import MICROS, MISSING, NANOS_PER_DAY, date_of, datetime_of

Ints = npt.NDArray[np.int64]

BAND_SHARE = 0.25
"""A contract may lie so far outside the months next to it."""


def doubts(tape: Tape) -> list[Finding]:
    """Doubts in order of their rule and of the tape's contracts and series; empty when nothing looks wrong.

    - ``out of order``: an event that could be known before the one it follows;
    - ``duplicated row``: two bars, marks or fundings of one contract at one time that are no correction; a print that restates nothing;
    - ``gap``: an index that prints regularly is silent for longer than is usual for it;
    - ``unit slip``: a value 8 or 100 times the one before it, or that part of it; a bar's high or low the same beside its open and close;
    - ``outlier``: a value far from those on both sides;
    - ``stale``: no change for :data:`~kilohour.tape.series_doubts.STALE_STEPS` values or more in a series that moves otherwise;
    - ``weekend``: a value of a Saturday or Sunday in a series that has few;
    - ``outside neighbours``: a mark outside those of the months before and after on the same day by more than :data:`BAND_SHARE`.
    """
    return [*_disorder(tape), *_repeats(tape), *_values(tape), *_weekends(tape), *_bands(tape)]


def series_findings(code: str, days: Ints, values: Ints) -> Iterator[Finding]:
    """Doubts about one series: ``values`` in millionths of ``days``, in order."""
    slips = unit_slips(values)
    if slips:
        row, factor = slips[0]
        yield Finding(rule="unit slip", contract=code, day=str(date_of(days[row])), count=len(slips),
                      detail=f"{_factor(factor)} the value before: {_money(values[row - 1])} to {_money(values[row])}")  # fmt: skip
    near_slip = {row + side for row, _ in slips for side in (-1, 0, 1)}
    odd = [row for row in outliers(values).tolist() if row not in near_slip]
    if odd:
        row = odd[0]
        yield Finding(rule="outlier", contract=code, day=str(date_of(days[row])), count=len(odd),
                      detail=f"{_money(values[row - 1])}, then {_money(values[row])}, then {_money(values[row + 1])}")  # fmt: skip
    runs = stale_runs(values)
    if runs:
        first, last = runs[0]
        longest = 1 + max(end - start for start, end in runs)
        detail = f"{_money(values[first])} until {date_of(days[last])}; the longest run has {longest} equal values"
        yield Finding(rule="stale", contract=code, day=str(date_of(days[first])), count=len(runs), detail=detail)


def _disorder(tape: Tape) -> Iterator[Finding]:
    ts = tape.events["ts"]
    back = np.flatnonzero(np.diff(ts) < 0) + 1
    if len(back):
        row = int(back[0])
        its, before = (f"{datetime_of(int(ts[place])):%Y-%m-%d %H:%M}" for place in (row, row - 1))
        detail = f"{its} follows {before}"
        yield Finding(rule="out of order", contract=_code(tape, row), day=_day(ts[row]), count=len(back), detail=detail)


def _repeats(tape: Tape) -> Iterator[Finding]:
    events = tape.events
    for kind in (Kind.BAR, Kind.MARK, Kind.FUNDING):
        rows = np.flatnonzero(events["kind"] == kind)
        if kind == Kind.MARK:
            rows = rows[events["volume"][rows] <= 0]  # corrections have a revision
        rows = rows[np.lexsort((events["ts"][rows], events["ref"][rows]))]
        ref, ts = events["ref"][rows], events["ts"][rows]
        yield from _told_once(tape, rows[1:][(np.diff(ref) == 0) & (np.diff(ts) == 0)], f"a second {kind.name.lower()} at one time")
    rows = np.flatnonzero((events["kind"] == Kind.PRINT) & (events["volume"] > 0))
    yield from _told_once(tape, rows[events["open"][rows] == events["close"][rows]], "a restatement that changes nothing")


def _told_once(tape: Tape, rows: npt.NDArray[np.intp], detail: str) -> Iterator[Finding]:
    codes: dict[str, list[int]] = {}
    for row in rows.tolist():
        codes.setdefault(_code(tape, row), []).append(row)
    for code, its in codes.items():
        yield Finding(rule="duplicated row", contract=code, day=_day(tape.events["ts"][its[0]]), count=len(its), detail=detail)


def _values(tape: Tape) -> Iterator[Finding]:
    """Marks of each contract and, for what marks do not show, its bars; the latest value of each day of each index, and its gaps."""
    events = tape.events
    bars, marks = _by_ref(tape, Kind.BAR, len(tape.contracts)), _by_ref(tape, Kind.MARK, len(tape.contracts))
    for ref, contract in enumerate(tape.contracts):
        rows = marks[ref] if len(marks[ref]) else bars[ref]
        found = list(series_findings(contract.code, events["ts"][rows] // NANOS_PER_DAY, events["close"][rows]))
        yield from found
        yield from _within(tape, contract.code, bars[ref], rows, {one.rule for one in found})
    for ref, rows in enumerate(_by_ref(tape, Kind.PRINT, len(tape.indices))):
        order = rows[np.lexsort((events["ts"][rows], events["ts_event"][rows]))]
        days = events["ts_event"][order] // NANOS_PER_DAY
        last = np.append(np.diff(days) != 0, True)[: len(days)]
        yield from series_findings(tape.indices[ref].code, days[last], events["close"][order][last])
        yield from gap_findings(tape.indices[ref].code, np.unique(events["ts_event"][rows]))


def _within(tape: Tape, code: str, rows: Ints, seen: Ints, told: set[str]) -> Iterator[Finding]:
    """Slips and outliers of bars between two marks, unless what was ``seen`` of the contract is the same; then bad ticks inside a bar."""
    events = tape.events
    days, closes = events["ts"][rows] // NANOS_PER_DAY, events["close"][rows]
    if not (np.array_equal(days, events["ts"][seen] // NANOS_PER_DAY) and np.array_equal(closes, events["close"][seen])):
        for one in series_findings(code, days, closes):
            if one.rule in ("unit slip", "outlier") and one.rule not in told:
                yield one
    ticks = bad_ticks(*(events[name][rows] for name in ("open", "high", "low", "close")))
    if ticks:
        row, factor = ticks[0]
        side = "high" if factor > 1 else "low"
        value, close = (_money(events[name][rows[row]]) for name in (side, "close"))
        yield Finding(rule="unit slip", contract=code, day=_day(events["ts"][rows[row]]), count=len(ticks),
                      detail=f"a bar's {side} of {value} is {_factor(factor)} its open and close, {close}")  # fmt: skip


def gap_findings(code: str, times: Ints) -> Iterator[Finding]:
    """Gaps of a series that stands for ``times`` (nanoseconds, rising)."""
    after = holes(times)
    if after:
        steps = np.diff(times)
        worst = max(after, key=lambda row: int(steps[row]))
        longest, usual = steps[worst] / NANOS_PER_DAY, np.median(steps) / NANOS_PER_DAY
        detail = f"the longest: {longest:.1f} days from {_day(times[worst])}, usual are {usual:.1f}"
        yield Finding(rule="gap", contract=code, day=_day(times[after[0]]), count=len(after), detail=detail)


def _weekends(tape: Tape) -> Iterator[Finding]:
    events = tape.events
    if tape.days_per_year == 252:
        for product in tape.product_codes:
            refs = [ref for ref, contract in enumerate(tape.contracts) if contract.product == product]
            bars = (events["kind"] == Kind.BAR) & np.isin(events["ref"], refs)
            yield from weekend_findings(product, events["ts"][bars] // NANOS_PER_DAY, "bars")
    for ref, rows in enumerate(_by_ref(tape, Kind.PRINT, len(tape.indices))):
        yield from weekend_findings(tape.indices[ref].code, events["ts_event"][rows] // NANOS_PER_DAY, "prints")


def weekend_findings(code: str, days: Ints, what: str) -> Iterator[Finding]:
    """Days (since 1970) on weekends of a series that has few, as ``what``: ``bars`` or ``prints``."""
    found = weekend_days(days)
    if len(found):
        day = date_of(found[0])
        detail = f"{what} of a {day:%A}, and few other weekends have any"
        yield Finding(rule="weekend", contract=code, day=str(day), count=len(found), detail=detail)


def _bands(tape: Tape) -> Iterator[Finding]:
    events = tape.events
    months = np.array([contract.month for contract in tape.contracts], dtype=np.int64)
    of_product = {code: number for number, code in enumerate(tape.product_codes)}
    product = np.array([of_product[contract.product] for contract in tape.contracts], dtype=np.int64)
    rows = np.flatnonzero((events["kind"] == Kind.MARK) & (events["volume"] <= 0) & (events["close"] != MISSING))
    for number in range(len(of_product)):
        own = rows[(product[events["ref"][rows]] == number) & (months[events["ref"][rows]] > 0)]
        days = events["ts"][own] // NANOS_PER_DAY
        far = own[out_of_band(days, months[events["ref"][own]], events["close"][own].astype(np.float64), share=BAND_SHARE)]
        for part in slices_of(np.sort(events["ref"][far]).astype(np.int64)):
            its = far[np.argsort(events["ref"][far], kind="stable")][part]
            yield Finding(rule="outside neighbours", contract=_code(tape, int(its[0])), day=_day(events["ts"][its[0]]), count=len(its),
                          detail=f"{_money(events['close'][its[0]])}, and the months before and after are not near it")  # fmt: skip


def _by_ref(tape: Tape, kind: Kind, count: int) -> list[Ints]:
    events = tape.events
    rows = np.flatnonzero(events["kind"] == kind)
    if kind == Kind.MARK:
        rows = rows[events["volume"][rows] <= 0]
    order = rows[np.argsort(events["ref"][rows], kind="stable")]
    return np.split(order, np.searchsorted(events["ref"][order], np.arange(1, count))) if count else []


def _code(tape: Tape, row: int) -> str:
    ref = int(tape.events["ref"][row])
    return tape.indices[ref].code if tape.events["kind"][row] == Kind.PRINT else tape.contracts[ref].code


def _factor(factor: float) -> str:
    return f"{factor:g} times" if factor > 1 else f"1/{1 / factor:g} of"


def _money(micros: int) -> str:
    return f"{int(micros) / MICROS:g}"


def _day(nanos: int) -> str:
    return f"{datetime_of(int(nanos)):%Y-%m-%d}"
