# SPDX-License-Identifier: Apache-2.0
"""Continuous series: the marks of one contract after another, joined at rolls. For indicators and plots; nobody can trade one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kilohour.contracts.codes import continuous_code
from kilohour.contracts.contract import NEVER
from kilohour.errors import DataError, UnknownName, UsageError
from kilohour.tape.schema import Kind
from kilohour.tape.tape import Tape
from kilohour.units import MICROS, MISSING, NANOS_PER_DAY, date_of

if TYPE_CHECKING:
    import pandas as pd

METHODS = ("difference", "ratio", "none")
SCHEDULES = ("days", "volume", "interest")
ANCHORS = ("last", "first")
USED_KINDS = tuple(int(kind) for kind in (Kind.BAR, Kind.MARK, Kind.INTEREST))


def continuous(tape: Tape, product: str, *, method: str = "difference", roll: str = "days", days: int = 5, confirm: int = 1,
               anchor: str = "last") -> pd.DataFrame:
    """The official marks of a product, one contract after another.

    A row a day with a mark of the contract held: ``price`` (joined), ``mark`` (as published), ``contract`` (its code),
    ``rolled`` (True on the first day of a contract). The index is the day, UTC; prices are dollars per unit, floats.

    - ``roll``: ``days`` leaves a contract once its fixing window (its last trade, when nothing fixes) begins within ``days``
      calendar days; ``volume`` and ``interest`` once the next contract has had the larger one, as known at the mark, on
      ``confirm`` days running, and at the latest ``days`` before the window. A roll happens between a day on which both have a
      mark and the day after.
    - ``method``: at each roll the gap between the two marks of that day is taken out, as a ``difference`` or a ``ratio``;
      ``none`` leaves the jump.
    - ``anchor``: ``last`` leaves the newest prices as they are, so each later roll moves all earlier ones; ``first`` leaves the
      oldest, so a price never changes once it is there: take that one for anything that decides.

    A ratio needs prices above zero: oil was -37.63. Raises :class:`DataError` naming contract, day and price, and when the tape
    has no mark of the product; :class:`UnknownName` for a product that is not on the tape; :class:`UsageError` for a parameter.
    """
    import pandas as pd

    _check(tape, product, method, roll, days, confirm, anchor)
    facts = _facts_of(tape, product)
    rows, gaps = _walk(facts, roll, days, confirm)
    if not rows:
        raise DataError(f"{product}: the tape {tape.source!r} has no official mark of a contract that is not due to roll")
    if method == "ratio":
        _require_positive(facts, rows, gaps)
    marks = np.array([facts[row.contract].marks[row.day] / MICROS for row in rows])
    price = _joined(marks, np.array([row.segment for row in rows]), gaps, facts, method, anchor)
    frame = pd.DataFrame({
        "price": price, "mark": marks, "contract": [facts[row.contract].code for row in rows],
        "rolled": [i > 0 and row.segment != rows[i - 1].segment for i, row in enumerate(rows)],
    }, index=pd.DatetimeIndex([pd.Timestamp(row.day * NANOS_PER_DAY, tz="UTC") for row in rows], name="day"))
    frame.attrs["code"] = continuous_code(product)
    return frame


@dataclass(frozen=True, slots=True)
class _Facts:
    """One contract: its marks by day, the volume traded and the interest known by then, and the day it must be left by."""

    code: str
    month: int
    due: int
    marks: dict[int, int]
    volume: dict[int, int]
    interest: dict[int, int]


@dataclass(frozen=True, slots=True)
class _Row:
    day: int
    contract: int
    segment: int


_Gap = tuple[int, int, int]
"""A roll: the day, the contract left, the contract taken."""


def _check(tape: Tape, product: str, method: str, roll: str, days: int, confirm: int, anchor: str) -> None:
    if product not in tape.product_codes:
        raise UnknownName("product", product, tape.product_codes, where="this tape")
    for name, value, known in (("method", method, METHODS), ("roll", roll, SCHEDULES), ("anchor", anchor, ANCHORS)):
        if value not in known:
            raise UnknownName(name, value, known, where="continuous")
    if not 0 <= days <= 365:
        raise UsageError(f"continuous: days must be from 0 to 365, found {days}")
    if not 1 <= confirm <= 100:
        raise UsageError(f"continuous: confirm must be from 1 to 100, found {confirm}")


def _facts_of(tape: Tape, product: str) -> list[_Facts]:
    """The product's contracts by delivery month. Marks count as first published: a correction came later."""
    events, found = tape.events, []
    refs = [ref for ref, contract in enumerate(tape.contracts) if contract.product == product]
    rows = np.flatnonzero(np.isin(events["kind"], USED_KINDS) & np.isin(events["ref"], refs))
    rows = rows[np.argsort(events["ref"][rows], kind="stable")]  # one contract after another, each in the order of the tape
    used = {name: events[name][rows] for name in ("kind", "ts", "ts_event", "close", "volume")}
    edges = np.searchsorted(events["ref"][rows], [*refs, len(tape.contracts)])
    for ref, first, end in zip(refs, edges[:-1], edges[1:], strict=True):
        contract, own = tape.contracts[ref], {name: column[first:end] for name, column in used.items()}
        is_mark = (own["kind"] == Kind.MARK) & (own["volume"] <= 0)
        marks = dict(zip((own["ts_event"][is_mark] // NANOS_PER_DAY).tolist(), own["close"][is_mark].tolist(), strict=True))
        known = dict(zip(marks, own["ts"][is_mark].tolist(), strict=False))
        ends = contract.last_trade_at
        due = min(contract.fixing_days) if len(contract.fixing_days) > 1 else (ends if ends == NEVER else ends // NANOS_PER_DAY)
        found.append(_Facts(contract.code, contract.month, int(due), marks, _volumes(own), _interests(own, known)))
    return sorted(found, key=lambda facts: (facts.month, facts.code))


def _volumes(own: dict[str, Any]) -> dict[int, int]:
    """Lots traded in the bars of each day."""
    total: dict[int, int] = {}
    is_bar = (own["kind"] == Kind.BAR) & (own["volume"] != MISSING)
    for day, lots in zip((own["ts_event"][is_bar] // NANOS_PER_DAY).tolist(), own["volume"][is_bar].tolist(), strict=True):
        total[day] = total.get(day, 0) + lots
    return total


def _interests(own: dict[str, Any], known: dict[int, int]) -> dict[int, int]:
    """The open interest last published when each day's mark came."""
    rows = own["kind"] == Kind.INTEREST
    times, lots = own["ts"][rows], own["volume"][rows]
    places = np.searchsorted(times, np.fromiter(known.values(), np.int64, len(known)), side="right") - 1
    return {day: int(lots[place]) for day, place in zip(known, places.tolist(), strict=True) if place >= 0}


def _walk(facts: list[_Facts], roll: str, days: int, confirm: int) -> tuple[list[_Row], list[_Gap]]:
    """Which contract stands for each day, and the rolls between them; every choice uses that day and the days before it."""
    rows: list[_Row] = []
    gaps: list[_Gap] = []
    current, crossed = -1, 0
    for day in sorted(set().union(*(contract.marks for contract in facts))):
        if current < 0:
            current = _next_of(facts, -1, day, days)
        if current < 0 or day not in facts[current].marks:
            continue
        rows.append(_Row(day, current, len(gaps)))
        following = _next_of(facts, current, day, days)
        if following < 0:
            continue
        crossed = crossed + 1 if _is_larger(facts[following], facts[current], roll, day) else 0
        if facts[current].due - day <= days or crossed >= confirm:
            gaps.append((day, current, following))
            current, crossed = following, 0
    return rows, gaps


def _next_of(facts: list[_Facts], after: int, day: int, days: int) -> int:
    """The first later contract that is not due itself and has a mark today, -1 without one."""
    for place in range(after + 1, len(facts)):
        if facts[place].due - day > days and day in facts[place].marks:
            return place
    return -1


def _is_larger(following: _Facts, current: _Facts, roll: str, day: int) -> bool:
    if roll == "volume":
        return following.volume.get(day, 0) > current.volume.get(day, 0)
    return roll == "interest" and following.interest.get(day, 0) > current.interest.get(day, 0)


def _require_positive(facts: list[_Facts], rows: list[_Row], gaps: list[_Gap]) -> None:
    used = [(row.day, row.contract) for row in rows] + [(day, taken) for day, _, taken in gaps]
    for day, contract in used:
        mark = facts[contract].marks[day]
        if mark <= 0:
            raise DataError(f"continuous: method 'ratio' needs prices above zero, {facts[contract].code} was {mark / MICROS:g} on "
                            f"{date_of(day)}; use method='difference'")


def _joined(marks: np.ndarray[Any, Any], segment: np.ndarray[Any, Any], gaps: list[_Gap], facts: list[_Facts], method: str,
            anchor: str) -> Any:
    """Marks moved by what the rolls after them (anchor last) or before them (anchor first) jumped."""
    if method == "none":
        return marks.copy()
    old = np.array([facts[left].marks[day] / MICROS for day, left, _ in gaps], dtype=float)
    new = np.array([facts[taken].marks[day] / MICROS for day, _, taken in gaps], dtype=float)
    if method == "difference":
        jumps = np.concatenate([[0.0], np.cumsum(new - old)])
        return marks - jumps[segment] + (jumps[segment[-1]] if anchor == "last" else 0.0)
    jumps = np.concatenate([[1.0], np.cumprod(new / old)])
    return marks / jumps[segment] * (jumps[segment[-1]] if anchor == "last" else 1.0)
