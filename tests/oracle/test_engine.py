# SPDX-License-Identifier: Apache-2.0
"""The real engine against the exact-fraction oracle, row by row, and laws 1 and 5 on the engine alone.

``KILOHOUR_SOAK_CASES`` sets how many cases ``make soak`` plays, ``KILOHOUR_SOAK_PART`` which slice of them (tests/soaking.py).
"""

from __future__ import annotations

import os
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from kilohour.backtests.outputs import tables_of
from kilohour.faces.fields import dtype_of
from kilohour.faces.python_face import structure_of
from kilohour.kernels.records import TABLES as OUTPUTS
from kilohour.session import Session
from kilohour.tape import Kind
from kilohour.units import MISSING
from tests.oracle import reference
from tests.oracle.books import Result
from tests.oracle.cases import Case
from tests.oracle.explain import difference, ended, has_run, outcome, report
from tests.oracle.order_prober import ProberOfOrders
from tests.oracle.play import Log, market_of, scripted
from tests.oracle.prober import Prober, ProberOfEvents
from tests.oracle.scripts import case, limited
from tests.soaking import played

CASES = 500
SOAK_CASES = int(os.environ.get("KILOHOUR_SOAK_CASES", "10000"))
CHUNK = 50
FACES_OF_PROBERS = [Prober, ProberOfEvents, ProberOfOrders]
FACES = 24
"""Cases played by a compiled strategy and by its Python face."""


def case_of(seed: int) -> Case:
    """One case in ten is long, with three products, eight months each and a crowded script."""
    if seed % 10:
        return case(seed)
    return case(seed, days=48, products=3, months=8, requests=150)


@cache
def kept(seed: int) -> Case:
    """The same, for the few dozen cases that many tests play: nobody changes one."""
    return case_of(seed)


def with_desk(seed: int) -> Case:
    """Every third case has a risk desk, half of these are plain."""
    if seed % 3:
        return case_of(seed)
    return limited(case(seed, plain=True) if seed % 2 else case_of(seed), seed)


def assert_same(seed: int, of: Case, expected: Result | None, session: Session | None) -> None:
    found = difference(of, expected, session)
    assert not found, f"seed {seed}: {found}"


@pytest.mark.parametrize("first", range(0, CASES, CHUNK))
def test_engine_and_oracle_book_the_same_rows(first):
    """Every kind, life, flag and tie of ``drawn.py`` together, under both models, with slippage and latency, with limits and without."""
    found = report(range(first, first + CHUNK), with_desk)
    assert not found, found


@pytest.mark.soak
def test_engine_and_oracle_book_the_same_rows_for_long():
    found = report(played("oracle scripts", range(CASES, CASES + SOAK_CASES)), with_desk)
    assert not found, found


def test_the_257th_working_order_is_refused_by_both():
    of = case(3, days=12, plain=True)
    code, listed = next((its.code, its.listed_at) for its in of.tape.contracts if its.last_trade_at > of.tape.end)
    days = [event.ts for event in reference.events_of(of.tape)
            if event.kind == Kind.BAR and event.code == code and event.ts >= listed]
    terms = {product: replace(its, margin_initial_ppm=0, margin_initial_floor_micros=0, band_ppm=0, price_minimum=MISSING)
             for product, its in of.terms.items()}
    actions: dict[int, list[reference.Action]] = {ts: [("limit", code, 1, -5_000_000, "gtc")] * 60 for ts in days[:5]}
    crowd = replace(of, terms=terms, actions=actions, watched=set(terms))
    expected = outcome(crowd)
    assert expected is not None
    assert [row.code for row in expected.orders if row.origin == "order"] == [""] * 256 + ["capacity"] * 44
    assert_same(3, crowd, expected, ended(scripted(crowd)))


def test_ledger_and_equity_change_by_the_same_micros():
    for seed in range(CASES, CASES + 36):
        session = ended(probing(Prober, kept(seed), seed))
        if session is not None:
            tables = tables_of(session)
            ledger = tables["ledger"].to_pylist()
            booked = sum(row["micros"] for row in ledger)
            book = session.book[0]
            assert session.cash_micros + booked == book["equity"] == book["cash"], f"seed {seed}"
            fees = -sum(row["micros"] for row in ledger if row["kind"].endswith("fee"))
            assert fees == book["fees"] >= sum(tables["fills"]["fee_micros"].to_pylist()), f"seed {seed}"


# Law 5: compiled equals interpreted, and both equal the oracle.


def probing(face: Any, of: Case, seed: int, *, interpreted: bool = False, quiet: bool = False) -> Session:
    """A session of a prober that begins its sequence at ``seed``."""
    state = np.zeros(1, dtype_of(face))
    structure_of(face).from_buffer(state).__init__(seed=seed)  # type: ignore[attr-defined]
    return Session(market_of(of), face, state, of.cash_micros, interpreted=interpreted, quiet=quiet)


@cache
def compiled(face: Any, seed: int) -> Session | None:
    """What a compiled prober leaves at its end; to be read."""
    return ended(probing(face, kept(seed), seed))


def bytes_of(session: Session) -> dict[str, bytes]:
    """Everything a session remembers: the strategy, the books, the desk, the prints, every table."""
    memory = {name: getattr(session, name).tobytes() for name in ("state", "book", "desk", "latest", "first")}
    return memory | {name: session.table(name).tobytes() for name in OUTPUTS}


@pytest.mark.parametrize("face", FACES_OF_PROBERS)
def test_compiled_and_interpreted_leave_the_same_bytes(face):
    asked = 0
    for seed in range(FACES):
        native, python = compiled(face, seed), probing(face, kept(seed), seed, interpreted=True)
        assert (native is not None) == (ended(python) is not None), f"seed {seed}"
        assert python.python is not None
        calls = ("calls", "events") if face is ProberOfEvents else ("calls",)
        assert python.python.calls == sum(python.state[name][0] for name in calls) > 0
        if native is not None:
            assert native.python is None
            asked += int(native.book["orders_made"][0])
            ours, theirs = bytes_of(native), bytes_of(python)
            assert [name for name in ours if ours[name] != theirs[name]] == [], f"seed {seed}"
    assert asked > 20 * FACES


@pytest.mark.parametrize("face", [Prober, ProberOfOrders])
def test_a_strategy_that_answers_prices_books_what_the_oracle_books(face):
    for seed in range(CASES, CASES + FACES):
        of = replace(kept(seed), watched=set(kept(seed).terms))
        session = probing(face, of, seed, interpreted=True)
        log = Log(session)
        if ended(session) is not None:
            answered = replace(of, actions=log.actions())
            assert_same(seed, answered, outcome(answered), session)


def test_a_quiet_run_comes_to_the_same_books():
    for seed in range(FACES):
        loud, quiet = (probing(Prober, kept(seed), seed, quiet=is_quiet) for is_quiet in (False, True))
        if has_run(loud) and has_run(quiet):
            quiet.book["quiet"] = 0
            assert loud.state.tobytes() == quiet.state.tobytes(), f"seed {seed}"
            assert loud.book.tobytes() == quiet.book.tobytes(), f"seed {seed}"


# Resumability: a run can be cut anywhere, and its buffers emptied anywhere.


@pytest.mark.parametrize("face", FACES_OF_PROBERS)
def test_event_by_event_is_the_same_run(face):
    for seed in range(FACES):
        whole, cut = compiled(face, seed), probing(face, kept(seed), seed)
        if whole is None:
            continue
        while cut.cursor < len(cut.market.tape):
            before = cut.cursor
            cut.run(before + 1)
            assert cut.cursor > before
            if before % 3 == 0:
                cut._drain()
        cut.close()
        ours, theirs = bytes_of(whole), bytes_of(cut)
        assert [name for name in ours if ours[name] != theirs[name]] == [], f"seed {seed}"
