# SPDX-License-Identifier: Apache-2.0
"""One case played by both, and in words what parts them."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import Any

from kilohour.backtests.outputs import tables_of
from kilohour.errors import DataError
from kilohour.session import Session
from kilohour.tape import Kind
from kilohour.units import datetime_of
from tests.oracle.books import Result
from tests.oracle.cases import Case
from tests.oracle.compare import differences, parted_at
from tests.oracle.events import events_of
from tests.oracle.play import scripted
from tests.oracle.requests import Action


def outcome(of: Case) -> Result | None:
    """The oracle's answer; None when a missing print stops the run."""
    try:
        return of.run()
    except DataError:
        return None


def ended(session: Session) -> Session | None:
    """The session after its run; None when a missing print stops it."""
    if not has_run(session):
        return None
    session.close()
    return session


def has_run(session: Session) -> bool:
    try:
        session.run(len(session.market.tape))
    except DataError:
        return False
    return True


def difference(of: Case, expected: Result | None, session: Session | None) -> str:
    """Every table, and the counts that no table holds; empty when both booked the same."""
    if (expected is None) != (session is None):
        stopped = "the oracle" if expected is None else "the engine"
        return f"a missing print must stop both or none, and stopped {stopped} alone"
    if expected is None or session is None:
        return ""
    tables = tables_of(session)
    found = differences(expected, tables)
    book = session.book[0]
    for name, theirs, ours in (("margin_calls", book["margin_calls"], expected.margin_calls),
                               ("legged", book["orders_legged"], expected.legged),
                               ("cash at the end", book["cash"], expected.cash_end),
                               ("equity at the end", book["equity"], expected.equity_end)):
        if theirs != ours:
            found.append(f"{name}: oracle {ours}, engine {theirs}")
    return "\n".join([*found, *background(of, expected, tables)]) if found else ""


def played(of: Case, answer: Callable[[], Result | None] | None = None) -> str:
    """Plays a case with both and compares; also an engine's exception is a difference. ``answer`` gives the oracle's where it is
    known already."""
    try:
        session = ended(scripted(of))
        return difference(of, answer() if answer else outcome(of), session)
    except Exception:  # the report must name the case, whatever went wrong in it
        return "the engine raised\n" + traceback.format_exc(limit=-4)


def shrunk(of: Case, tries: int = 150) -> Case:
    """The case with as few of its requests as still part the two: halves, quarters, single ones are left out."""
    asked = [(ts, action) for ts in sorted(of.actions) for action in of.actions[ts]]
    size = len(asked)
    while size:
        start = 0
        while start < len(asked) and tries:
            tries -= 1
            fewer = asked[:start] + asked[start + size:]
            if still_parts(with_requests(of, fewer)):
                asked = fewer
            else:
                start += size
        size //= 2
    return with_requests(of, asked)


def still_parts(of: Case) -> bool:
    """Both part, and not because a tie was left without its order."""
    text = played(of)
    return bool(text) and "can be tied" not in text


def with_requests(of: Case, asked: list[tuple[int, Action]]) -> Case:
    actions: dict[int, list[Action]] = {}
    for ts, action in asked:
        actions.setdefault(ts, []).append(action)
    return replace(of, actions=actions)


def report(seeds: Iterable[int], case_of: Callable[[int], Case], known: Callable[[int], Result | None] | None = None) -> str:
    """The first difference in full, with as few requests as show one, and which other cases differ; empty when none. ``known`` gives
    the oracle's answer to a seed's case, where it is kept."""
    wrong: dict[int, str] = {}
    for seed in seeds:
        text = played(case_of(seed), partial(known, seed) if known else None)
        if text:
            wrong[seed] = text
    if not wrong:
        return ""
    first = next(iter(wrong))
    few = shrunk(case_of(first))
    left = [f"  {datetime_of(ts):%Y-%m-%d %H:%M} ({ts}) {action}" for ts, asked in few.actions.items() for action in asked]
    return "\n".join([f"{len(wrong)} cases differ: {list(wrong)}. The first is case {first}:", wrong[first],
                      f"Case {first} with these {len(left)} requests alone:", *left, played(few)])


def background(of: Case, expected: Result, tables: Any) -> list[str]:
    """What one needs to work the first difference out by hand: rules, terms, the order's requests, the bar or mark."""
    lines = [f"  {of.rules}"]
    ts, number = parted_at(expected, tables)
    rows = [row for row in expected.orders if row.order == number]
    for row in rows:
        terms = of.terms[next(its.product for its in of.tape.contracts if its.code == row.contract)]
        lines += [f"  oracle's order: {row}", f"  {terms}"]
    for at in dict.fromkeys([*(row.ts for row in rows[:1]), *([ts] if ts is not None else [])]):
        lines.append(f"  requests at {datetime_of(at):%Y-%m-%d %H:%M} ({at}):")
        lines += [f"    {action}" for action in of.actions.get(at, ())]
    legs = {row.contract for row in rows}
    lines += [f"  {event}" for event in events_of(of.tape)
              if event.ts == ts and event.code in legs and event.kind in (Kind.BAR, Kind.MARK)]
    return lines
