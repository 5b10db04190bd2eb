# SPDX-License-Identifier: Apache-2.0
"""A legged spread: naked never by more than its limit, whatever fills; every broken leg counted and priced."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kilohour.errors import UsageError
from kilohour.kernels import records as r
from kilohour.trading import LeggedSpread
from tests.trading.exchange import Exchange

A, B = 0, 1
TWO = """
contract | listed
A        | 0
B        | 0
"""


def two(a: float = 2.50, b: float = 2.00, volume: tuple[int, int] = (10, 500)) -> Exchange:
    """Contracts A and B; A is the thinner one unless said."""
    exchange = Exchange(TWO)
    exchange.at(100)
    exchange.chain(0, A, B)
    exchange.price(A, a, volume[0])
    exchange.price(B, b, volume[1])
    return exchange


def step(spread: Any, exchange: Exchange) -> bool:
    busy = spread.work(exchange.desk)
    exchange.serve()
    return bool(busy)


def naked_lots(exchange: Exchange, size: int, hedge_size: int, worked: int) -> float:
    """Lots of hedge missing, from what the exchange filled alone, to the exact fraction."""
    return abs(abs(exchange.position(worked)) * hedge_size / size - abs(exchange.position(1 - worked)))


def test_the_thinner_leg_is_worked_and_the_other_waits_for_its_fills():
    exchange, spread = two(), LeggedSpread(naked_most=3)
    spread.start(exchange.desk, A, 10, B, -10)
    step(spread, exchange)
    [order] = exchange.orders
    assert (order.legs, order.limit) == ([(A, 3)], 2.50), "no more than could stand naked"
    exchange.fill(order, 2, 2.50)
    step(spread, exchange)
    assert [o.legs for o in exchange.orders] == [[(A, 3)], [(B, -2)]]


@pytest.mark.parametrize(("volume", "worked"), [((10, 500), A), ((500, 10), B), ((7, 7), A)])
def test_the_worked_leg_is_the_one_that_trades_less_as_seen_then(volume, worked):
    exchange, spread = two(volume=volume), LeggedSpread()
    spread.start(exchange.desk, A, 4, B, -4)
    step(spread, exchange)
    assert [o.legs[0][0] for o in exchange.orders] == [worked]


def test_a_lot_that_would_need_more_hedge_than_may_be_missing_is_the_hedge_itself():
    """One A for six B with five naked lots at most: B is worked, although A is thinner."""
    exchange, spread = two(volume=(1, 500)), LeggedSpread(naked_most=5)
    spread.start(exchange.desk, A, 1, B, -6)
    step(spread, exchange)
    assert exchange.orders[0].legs == [(B, -6)], "the first three need no A, the others one"


def test_where_volume_is_unknown_open_interest_tells_the_thinner_leg():
    exchange, spread = two(volume=(-1, 500)), LeggedSpread()
    exchange.memory[0]["open_interest"][:2] = [900, 30]
    spread.start(exchange.desk, A, 4, B, -4)
    step(spread, exchange)
    assert exchange.orders[0].legs == [(B, -4)]


@pytest.mark.parametrize(("side", "b", "price", "limit"), [
    (+1, 2.00, 0.40, 2.40),
    (+1, 2.003, 0.40, 2.40),  # 2.403, bought: down to the tick
    (-1, 2.003, 0.40, 2.41),  # sold: up
])  # fmt: skip
def test_a_limit_on_the_spread_follows_the_hedge_and_lies_on_the_tick(side, b, price, limit):
    exchange, spread = two(b=b), LeggedSpread()
    spread.start(exchange.desk, A, side * 4, B, -side * 4, price)
    step(spread, exchange)
    assert exchange.orders[0].limit == pytest.approx(limit, abs=1e-12)
    exchange.price(B, b + 0.10, 500)
    step(spread, exchange)
    assert exchange.orders[0].limit == pytest.approx(limit + 0.10, abs=1e-12)


def test_when_the_second_leg_is_worked_its_limit_is_the_spread_turned_round():
    """Buy A, sell B, pay at most 0.40: B must fetch 2.50 - 0.40 = 2.10."""
    exchange, spread = two(volume=(500, 10)), LeggedSpread()
    spread.start(exchange.desk, A, 4, B, -4, 0.40)
    step(spread, exchange)
    assert exchange.orders[0].legs == [(B, -4)]
    assert exchange.orders[0].limit == pytest.approx(2.10)


def test_a_leg_that_waits_too_long_is_unwound_and_its_cost_is_counted():
    """Three of A bought at 2.50, one hedged; two sold again at 2.41 cost 2 x 0.09 x 730 hours = 131.40 dollars."""
    exchange, spread = two(), LeggedSpread(naked_most=3, patience=1.0)
    spread.start(exchange.desk, A, 9, B, -9)
    step(spread, exchange)
    exchange.fill(exchange.orders[0], 3, 2.50)
    step(spread, exchange)
    [hedge] = exchange.working(B)
    exchange.fill(hedge, 1, 2.00)
    exchange.at(100.5)
    step(spread, exchange)
    exchange.at(101.6)
    step(spread, exchange)
    assert spread.broken == 1
    step(spread, exchange)
    [back] = exchange.orders
    assert back.legs == [(A, -2)]
    exchange.fill(back, 2, 2.41)
    assert not step(spread, exchange)
    assert (exchange.position(A), exchange.position(B), spread.first_done()) == (1, -1, 1)
    assert spread.broken_cost == pytest.approx(2 * 0.09 * 730, abs=1e-9)


def test_without_unwinding_the_hedge_is_taken_at_any_price_and_no_more_is_worked():
    """Three of A at 2.50 when B stood at 2.00; the hedge is sold at 1.88, 0.12 too low: 3 x 0.12 x 730 = 262.80 dollars."""
    exchange, spread = two(), LeggedSpread(naked_most=5, patience=1.0, unwind=False)
    spread.start(exchange.desk, A, 9, B, -9)
    step(spread, exchange)
    exchange.fill(exchange.orders[0], 3, 2.50)
    step(spread, exchange)
    exchange.at(101.6)
    step(spread, exchange)
    assert spread.broken == 1
    assert [o.legs for o in exchange.orders] == [[(B, -3)]], "what worked is cancelled, the hedge stays"
    exchange.fill(exchange.orders[0], 3, 1.88)
    step(spread, exchange)
    assert not step(spread, exchange)
    assert (exchange.position(A), exchange.position(B)) == (3, -3)
    assert spread.broken_cost == pytest.approx(3 * 0.12 * 730, abs=1e-9)


def test_unequal_lots_end_exactly_as_asked_and_an_overhang_of_the_hedge_is_trimmed():
    """2 lots of A stand for 5 of B, so the first A needs 3 (2.5, halves up). Two of three hedged: A goes back, then both B."""
    exchange, spread = two(), LeggedSpread(naked_most=3, patience=0.0)
    spread.start(exchange.desk, A, 2, B, -5)
    step(spread, exchange)
    exchange.fill(exchange.orders[0], 1, 2.50)
    step(spread, exchange)
    exchange.fill(exchange.working(B)[0], 2, 2.00)
    for day in (101, 102, 103):
        exchange.at(day)
        step(spread, exchange)
    exchange.fill(exchange.working(A)[0], 1, 2.49)
    step(spread, exchange)
    assert exchange.working(B)[0].legs == [(B, 2)]
    exchange.fill(exchange.working(B)[0], 2, 2.02)
    assert not step(spread, exchange)
    assert (exchange.position(A), exchange.position(B)) == (0, 0)
    assert spread.broken_cost == pytest.approx((0.01 + 2 * 0.02) * 730, abs=1e-9)


def test_what_is_not_done_in_time_is_given_up_hedged():
    exchange, spread = two(), LeggedSpread(naked_most=5, give_up=2.0)
    spread.start(exchange.desk, A, 9, B, -9)
    step(spread, exchange)
    exchange.fill(exchange.orders[0], 2, 2.50)
    step(spread, exchange)
    exchange.fill(exchange.working(B)[0], 2, 2.00)
    for day in (103, 104, 105):
        exchange.at(day)
        step(spread, exchange)
    assert (spread.is_busy(), exchange.orders, spread.first_done(), spread.second_done()) == (False, [], 2, 2)


def test_an_order_that_the_desk_would_forget_is_cancelled_and_asked_for_again():
    exchange, spread = two(), LeggedSpread()
    spread.start(exchange.desk, A, 4, B, -4)
    step(spread, exchange)
    for _ in range(4):
        for _ in range(60):
            exchange.desk.market(A, 1)
        exchange.orders, held = [o for o in exchange.orders if o.legs == [(A, 4)]], exchange.position(A)
        exchange.desk.request_count = 0
        step(spread, exchange)
        assert exchange.position(A) == held
    assert len(exchange.orders) == 1
    assert exchange.desk.ticket_count - exchange.orders[0].ticket < 128


@pytest.mark.parametrize(("lots", "words"), [
    ((0, -4), "lots of opposite signs"), ((4, 4), "lots of opposite signs"), ((-4, -4), "lots of opposite signs"),
])  # fmt: skip
def test_a_spread_that_makes_no_sense_is_refused(lots, words):
    exchange, spread = two(), LeggedSpread(naked_most=5)
    with pytest.raises(ValueError, match=words):
        spread.start(exchange.desk, A, lots[0], B, lots[1])


def test_a_second_start_while_busy_is_refused():
    exchange, spread = two(), LeggedSpread()
    spread.start(exchange.desk, A, 4, B, -4)
    with pytest.raises(ValueError, match="still being worked"):
        spread.start(exchange.desk, A, 4, B, -4)


@pytest.mark.parametrize(("name", "value"), [("naked_most", 0), ("patience", -1.0), ("give_up", -0.5)])
def test_a_parameter_that_makes_no_sense_is_named(name, value):
    with pytest.raises(UsageError, match=f"LeggedSpread.{name} must be"):
        LeggedSpread(**{name: value})


ACTS = st.lists(st.tuples(st.sampled_from(["fill", "fill", "fill", "step", "step", "day", "refuse", "allow", "deliver", "call", "stop"]),
                          st.integers(0, 9), st.integers(1, 9)), min_size=5, max_size=60)


DRAWN = given(
    acts=ACTS, size=st.integers(1, 12), hedge_size=st.integers(0, 12), naked_most=st.integers(1, 6), side=st.sampled_from([1, -1]),
    volume=st.tuples(st.integers(0, 9), st.integers(0, 9)), options=st.tuples(st.booleans(), st.booleans(), st.booleans()))


@settings(max_examples=100, deadline=None, derandomize=True)
@DRAWN
def test_the_naked_exposure_never_exceeds_its_limit_whatever_fills(**drawn):
    work_through(**drawn)


@pytest.mark.soak
@settings(max_examples=3_000, deadline=None, derandomize=True)
@DRAWN
def test_the_naked_exposure_never_exceeds_its_limit_for_long(**drawn):
    work_through(**drawn)


def work_through(acts, size, hedge_size, naked_most, side, volume, options):
    """Partial fills in any order, refusals, halts, cancels that arrive late, margin calls: after every single fill."""
    exchange = two(volume=volume)
    exchange.slow = options[0]
    spread = LeggedSpread(naked_most=naked_most, patience=2.0, at_market=options[1], unwind=options[2])
    spread.start(exchange.desk, A, side * size, B, -side * hedge_size)
    worked, sizes = spread.worked, (spread.size, spread.hedge_size)
    day = 100.0
    for act, which, lots in acts:
        if act == "fill" and exchange.orders:
            order = exchange.orders[which % len(exchange.orders)]
            exchange.fill(order, min(lots, order.size - order.filled), 2.0)
            # an exact fraction is at most half a lot from the nearest whole lots that the limit is counted in
            assert naked_lots(exchange, *sizes, worked) <= naked_most + 0.5
        elif act == "call":
            for order in list(exchange.orders):
                exchange.end(order.ticket, r.MARGIN_CALL)
        elif act == "stop" and which == 0:
            spread.stop()
        elif act in ("refuse", "allow"):
            (exchange.refuses.add if act == "refuse" else exchange.refuses.discard)(which % 2)
        elif act == "deliver":
            exchange.deliver()
        elif act == "day":
            day += lots / 3
            exchange.at(day)
        step(spread, exchange)
        assert abs(spread.naked()) <= naked_most
    settle(spread, exchange, day)
    assert abs(exchange.position(worked)) == spread.done
    assert abs(exchange.position(1 - worked)) == spread.hedged == (2 * spread.done * sizes[1] + sizes[0]) // (2 * sizes[0])
    assert exchange.orders == []


def settle(spread, exchange, day):
    """The market is kind again: within a few bars nothing may be left open."""
    exchange.refuses.clear()
    exchange.slow = False
    for _ in range(60):
        exchange.deliver()
        for order in list(exchange.orders):
            exchange.fill(order, order.size - order.filled, 2.0)
        day += 0.1
        exchange.at(day)
        if not step(spread, exchange):
            return
    raise AssertionError("the spread never came to an end")
