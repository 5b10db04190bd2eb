# SPDX-License-Identifier: Apache-2.0
"""The random scripts do what they are for: everything the page speaks of happens in them, and often enough."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict

import numpy as np
import pytest

from tests.oracle.books import FillRules, Result
from tests.oracle.cases import Case
from tests.oracle.explain import outcome
from tests.oracle.play import fills_of
from tests.oracle.scripts import case
from tests.oracle.test_engine import case_of, with_desk

CASES = 90
"""The first of the cases that the engine is held against."""
KINDS = {"market", "limit", "stop", "stop_limit", "trailing_stop", "market_if_touched", "at_settlement"}
CODES = {"not_listed", "no_price", "size", "tick", "life", "group", "reduce_only", "capacity", "margin", "post_only"}
LIMITS = {"halted", "reducing", "restricted", "near_expiry", "position_lots", "product_gross", "product_net", "order_lots", "order_notional",
          "collar", "open_orders", "open_notional", "order_rate", "duplicate", "self_match"}
STATUSES = {"filled", "working", "replaced", "cancelled", "lapsed", "expired", "margin_call", "refused"}


@pytest.fixture(scope="module")
def played() -> list[tuple[Case, Result]]:
    pairs = ((of, outcome(of)) for of in map(case_of, range(CASES)))
    return [(of, run) for of, run in pairs if run is not None]


def least(counts, names, number):
    """The names that came up less often than ``number``."""
    return {name: counts[name] for name in names if counts[name] < number}


def test_every_kind_fills_outright_and_as_a_spread(played):
    outright: Counter[str] = Counter()
    spreads: Counter[str] = Counter()
    for _, run in played:
        legs = Counter(row.order for row in run.orders)
        for row in run.orders:
            if row.filled_lots and row.origin == "order":
                (spreads if legs[row.order] > 1 else outright)[row.kind] += 1
    assert not least(outright, KINDS, 36)
    assert not least(spreads, KINDS, 6)


def test_every_kind_fills_under_both_models_and_with_slippage_and_latency(played):
    for has in (lambda its: its.model == "path", lambda its: its.model == "open", lambda its: its.slippage_ticks > 0,
                lambda its: its.slippage_ppm > 0, lambda its: its.latency_ns > 0):
        kinds = Counter(row.kind for of, run in played if has(of.rules) for row in run.orders if row.filled_lots)
        assert not least(kinds, KINDS, 6)


def test_every_life_fills_and_every_order_ends_in_every_way(played):
    rows = [row for _, run in played for row in run.orders]
    assert not least(Counter(row.tif for row in rows if row.filled_lots), {"gtc", "day", "gtd", "ioc", "fok"}, 9)
    assert not least(Counter(row.tif for row in rows if row.status == "lapsed"), {"day", "gtd", "ioc", "fok"}, 9)
    assert not least(Counter(row.status for row in rows), STATUSES, 18)


def test_every_refusal_occurs(played):
    assert not least(Counter(row.code for _, run in played for row in run.orders), CODES, 3)


def test_every_limit_refuses_and_losses_end_and_close():
    runs = [run for run in (outcome(with_desk(seed)) for seed in range(0, 2 * CASES, 3)) if run is not None]
    codes = Counter(row.code for run in runs for row in run.orders)
    assert not least(codes, LIMITS, 3)
    assert not least(Counter(row.status for run in runs for row in run.orders), {"risk"}, 6)
    assert not least(Counter(row.origin for run in runs for row in run.orders if row.filled_lots), {"risk"}, 3)


def test_ties_are_decided_either_way_and_flags_and_amendments_have_their_effect(played):
    counts: Counter[str] = sum((run.counts for _, run in played), Counter())
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
