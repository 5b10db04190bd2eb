# SPDX-License-Identifier: Apache-2.0
"""The real engine against the exact-fraction oracle, row by row; what the random scripts come upon; laws 1 and 5 on the engine alone.

``KILOHOUR_SOAK_CASES`` sets how many cases ``make soak`` plays, ``KILOHOUR_SOAK_PART`` which slice of them (tests/soaking.py).
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import asdict, replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from kilohour.backtests.outputs import tables_of
from kilohour.faces.fields import dtype_of
from kilohour.faces.python_face import structure_of
from kilohour.kernels.records import TABLES as OUTPUTS
from kilohour.market import Market
from kilohour.session import Session
from kilohour.tape import Kind
from kilohour.units import MISSING
from tests.oracle import reference
from tests.oracle.books import FillRules, Result
from tests.oracle.cases import Case
from tests.oracle.explain import difference, ended, has_run, outcome, report
from tests.oracle.order_prober import ProberOfOrders
from tests.oracle.play import Log, fills_of, market_of, scripted
from tests.oracle.prober import Prober, ProberOfEvents
from tests.oracle.scripts import case, limited
from tests.soaking import played

CASES = 500
SOAK_CASES = int(os.environ.get("KILOHOUR_SOAK_CASES", "10000"))
CHUNK = 50
PLAYED, LIMITED = 150, 180
"""Statistics are of the first cases: a hundred without limits and sixty with them."""
FACES_OF_PROBERS = [Prober, ProberOfEvents, ProberOfOrders]
FACES = 24
"""Cases played by a compiled strategy and by its Python face."""
KINDS = {"market", "limit", "stop", "stop_limit", "trailing_stop", "market_if_touched", "at_settlement"}
CODES = {"not_listed", "no_price", "size", "tick", "life", "group", "reduce_only", "capacity", "margin", "post_only"}
LIMITS = {"halted", "reducing", "restricted", "near_expiry", "position_lots", "product_gross", "product_net", "order_lots", "order_notional",
          "collar", "open_orders", "open_notional", "order_rate", "duplicate", "self_match"}
STATUSES = {"filled", "working", "replaced", "cancelled", "lapsed", "expired", "margin_call", "refused"}


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


@cache
def asked(seed: int) -> Case:
    """The same, for the cases that statistics are kept of; nobody changes one."""
    return with_desk(seed)


@cache
def answered(seed: int) -> Result | None:
    """The oracle's answer to it."""
    return outcome(asked(seed))


def assert_same(seed: int, of: Case, expected: Result | None, session: Session | None) -> None:
    found = difference(of, expected, session)
    assert not found, f"seed {seed}: {found}"


@pytest.mark.parametrize("first", range(0, CASES, CHUNK))
def test_engine_and_oracle_book_the_same_rows(first):
    """Every kind, life, flag and tie of ``drawn.py`` together, under both models, with slippage and latency, with limits and without."""
    found = report(range(first, first + CHUNK), asked, answered) if first < LIMITED else report(range(first, first + CHUNK), with_desk)
    assert not found, found


@pytest.mark.soak
def test_engine_and_oracle_book_the_same_rows_for_long():
    found = report(played("oracle scripts", range(CASES, CASES + SOAK_CASES)), with_desk)
    assert not found, found


# The scripts do what they are for: everything the page speaks of happens in them, and often enough.


@pytest.fixture(scope="module")
def plays() -> list[tuple[Case, Result]]:
    pairs = ((asked(seed), answered(seed)) for seed in range(PLAYED) if seed % 3)
    return [(of, run) for of, run in pairs if run is not None]


def least(counts, names, number):
    """The names that came up less often than ``number``."""
    return {name: counts[name] for name in names if counts[name] < number}


def test_every_kind_fills_outright_and_as_a_spread(plays):
    outright: Counter[str] = Counter()
    spreads: Counter[str] = Counter()
    for _, run in plays:
        legs = Counter(row.order for row in run.orders)
        for row in run.orders:
            if row.filled_lots and row.origin == "order":
                (spreads if legs[row.order] > 1 else outright)[row.kind] += 1
    assert not least(outright, KINDS, 36)
    assert not least(spreads, KINDS, 6)


def test_every_kind_fills_under_both_models_and_with_slippage_and_latency(plays):
    for has in (lambda its: its.model == "path", lambda its: its.model == "open", lambda its: its.slippage_ticks > 0,
                lambda its: its.slippage_ppm > 0, lambda its: its.latency_ns > 0):
        kinds = Counter(row.kind for of, run in plays if has(of.rules) for row in run.orders if row.filled_lots)
        assert not least(kinds, KINDS, 6)


def test_every_life_fills_and_every_order_ends_in_every_way(plays):
    rows = [row for _, run in plays for row in run.orders]
    assert not least(Counter(row.tif for row in rows if row.filled_lots), {"gtc", "day", "gtd", "ioc", "fok"}, 9)
    assert not least(Counter(row.tif for row in rows if row.status == "lapsed"), {"day", "gtd", "ioc", "fok"}, 9)
    assert not least(Counter(row.status for row in rows), STATUSES, 18)


def test_every_refusal_occurs(plays):
    assert not least(Counter(row.code for _, run in plays for row in run.orders), CODES, 3)


def test_every_limit_refuses_and_losses_end_and_close():
    runs = [run for run in (answered(seed) for seed in range(0, LIMITED, 3)) if run is not None]
    codes = Counter(row.code for run in runs for row in run.orders)
    assert not least(codes, LIMITS, 3)
    assert not least(Counter(row.status for run in runs for row in run.orders), {"risk"}, 6)
    assert not least(Counter(row.origin for run in runs for row in run.orders if row.filled_lots), {"risk"}, 3)


def test_ties_are_decided_either_way_and_flags_and_amendments_have_their_effect(plays):
    counts: Counter[str] = sum((run.counts for _, run in plays), Counter())
    assert not least(counts, {
        "tie: the older comes first", "tie: the younger comes first", "woken in the bar", "reduce_only capped",
        "reduce_only cancelled", "amended", "cancelled by amendment"}, 12)
    assert not least(counts, {"amendment refused: margin", "amendment refused: tick", "amendment refused: size"}, 2)


def test_the_same_seed_draws_the_same_orders_and_rules_reach_a_session():
    first, second = case_of(5), case_of(5)
    assert (first.actions, first.rules) == (second.actions, second.rules)
    assert all(np.array_equal(first.tape.events[name], second.tape.events[name]) for name in first.tape.events)
    rules = FillRules(model="open", slippage_ticks=3, slippage_ppm=10_001, latency_ns=86_399_999_999_999)
    fills = fills_of(rules)
    assert (fills.model, fills.slippage_ticks, fills.slippage_ppm, fills.latency_ns) == tuple(asdict(rules).values())
    assert case(5, rules=rules).rules == rules


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
    market = market_kept(seed) if of is kept(seed) else market_of(of)
    return Session(market, face, state, of.cash_micros, interpreted=interpreted, quiet=quiet)


@cache
def market_kept(seed: int) -> Market:
    """What sessions of one case share; they write nothing into it."""
    return market_of(kept(seed))


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
