# SPDX-License-Identifier: Apache-2.0
"""What holds for every order whatever the script: limits, flags, lives and ties, asked of the oracle's own orders."""

from __future__ import annotations

from collections import defaultdict
from itertools import groupby

import pytest

from kilohour.errors import DataError
from tests.oracle.reference import Oracle, events_of
from tests.oracle.scripts import case

SEEDS = range(7_000, 7_036)
"""Cases that no other test of the oracle plays; a missing print stops some."""


@pytest.fixture(scope="module")
def whole():
    """The cases as they are; to be read."""
    return [game for game in map(played, SEEDS) if game is not None]


@pytest.fixture(scope="module")
def never_amended():
    """The same without amendments; to be read."""
    return [game for seed in SEEDS if (game := played(seed, without=("amend",))) is not None]


def played(seed, *, without=()):
    """The oracle after a case, and each order's fills by time: units and the price of a unit as its buyer sees it. None when a
    missing print stops it."""
    of = case(seed, requests=60)
    actions = {ts: [action for action in asked if action[0] not in without] for ts, asked in of.actions.items()}
    oracle = Oracle(of.tape, of.terms, actions, of.cash_micros, of.watched, rules=of.rules)
    try:
        for ts, group in groupby(events_of(of.tape), key=lambda event: event.ts):
            oracle.step(ts, list(group))
    except DataError:
        return None
    oracle.finish(of.tape.end)
    orders = {order.number: order for order in oracle.orders}
    fills = defaultdict(list)
    for (number, ts), rows in groupby(oracle.result.fills, key=lambda row: (row.order, row.ts)):
        legs = list(rows)
        order = orders[number]
        units = {row.lots // order.ratios[row.contract] for row in legs}
        assert len(units) == 1
        assert [row.contract for row in legs] == list(order.ratios)
        fills[number].append((ts, units.pop(), sum(order.ratios[row.contract] * row.price_micros for row in legs)))
    return oracle, orders, fills


def test_no_limit_is_ever_exceeded_and_a_maker_gets_his_exactly(never_amended):
    assert len(never_amended) > 24
    for _, orders, fills in never_amended:
        for number, its in fills.items():
            order = orders[number]
            if order.limit is not None:
                assert all(price <= order.limit for _, _, price in its)
                assert not order.post_only or all(price == order.limit for _, _, price in its)


def test_a_reduce_only_order_only_reduces(whole):
    assert len(whole) > 24
    for oracle, orders, _ in whole:
        for row in oracle.result.fills:
            if orders[row.order].reduce_only:
                before = row.position_after - row.lots
                assert abs(row.position_after) < abs(before)
                assert row.position_after * before >= 0


def test_immediate_orders_have_one_chance_and_others_end_in_their_time(whole):
    assert len(whole) > 24
    for _, orders, fills in whole:
        for number, order in orders.items():
            if order.tif in ("ioc", "fok"):
                assert len(fills[number]) <= 1
            if order.tif == "fok":
                assert order.units_filled in (0, order.units)
            if order.tif == "gtd":
                assert all(ts <= order.until for ts, _, _ in fills[number])


def test_tied_orders_together_fill_no_more_than_the_largest_and_a_child_no_more_than_its_parent(never_amended):
    assert len(never_amended) > 24
    for _, orders, _ in never_amended:
        for order in orders.values():
            assert order.units_filled <= order.units
            if order.group:
                assert sum(member.units_filled for member in order.group) <= max(member.units for member in order.group)
            if order.parent is not None:
                assert order.units_filled <= order.parent.units_filled
                if order.group and all(member.parent is order.parent for member in order.group):
                    assert sum(member.units_filled for member in order.group) <= order.parent.units_filled


def test_nobody_sleeps_whose_parent_is_done(whole):
    assert len(whole) > 24
    for _, orders, _ in whole:
        for order in orders.values():
            if order.is_alive and order.parent is not None and not order.parent.is_alive:
                assert order.parent.units_filled > 0
