# SPDX-License-Identifier: Apache-2.0
"""Prices that a resting spread implies for its legs: tables worked by hand, and laws over random orders."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

from kilohour.execution.sandbox.exchange import BookExchange
from kilohour.execution.sandbox.model import NewOrder, State
from tests.execution.sandbox.booking import FAR, NEAR, Table, small_exchange
from tests.execution.sandbox.test_exchange import laws_of

SPREAD = f"{NEAR}~{FAR}"


def test_a_leg_trades_against_a_spread_at_what_the_other_leg_leaves() -> None:
    """The spread sells NEAR and buys FAR at 0.10; FAR is offered at 1.90: NEAR is offered at 2.00, for as many as there are of both."""
    Table(small_exchange()).play(f"""
        one   sell 5 @ 0.10 on {SPREAD} -> a1 accepted
        two   sell 3 @ 1.90 on {FAR}    -> a2 accepted
        three buy  1 @ 1.99             -> a3 accepted
        three buy  2 @ 2.05 ioc         -> a4 accepted; a2 -2 @ 1.9 maker; a1 -2 @ 2 maker JAN; a1 +2 @ 1.9 maker FEB; a4 +2 @ 2 taker filled
        three buy  4 market             -> a5 accepted; a2 -1 @ 1.9 maker filled; a1 -1 @ 2 maker JAN; a1 +1 @ 1.9 maker FEB; a5 +1 @ 2 taker; a5 expired: nothing to trade with
        cancel a1                       -> a1 cancelled: cancelled by the user
    """)


def test_the_second_leg_has_its_price_too() -> None:
    """The spread buys NEAR and sells FAR at 0.10; NEAR is offered at 2.05: FAR is offered at 1.95."""
    Table(small_exchange()).play(f"""
        one   buy  2 @ 0.10 on {SPREAD}   -> a1 accepted
        two   sell 2 @ 2.05               -> a2 accepted
        three buy  1 @ 1.94 on {FAR}      -> a3 accepted
        three buy  1 @ 1.95 post on {FAR} -> a4 refused: post-only order would cross the book
        three buy  1 @ 1.95 on {FAR}      -> a5 accepted; a2 -1 @ 2.05 maker; a1 +1 @ 2.05 maker JAN; a1 -1 @ 1.95 maker FEB; a5 +1 @ 1.95 taker filled
    """)


def test_the_better_price_goes_first_then_the_own_book_then_the_older_spread() -> None:
    """Implied offers of NEAR are 2.00 (a4, then a5 behind it) and 2.01 (a6: its other leg is a ratio away); its own book has 2.00 and 1.99."""
    other = f"2*{FAR}~-1*{NEAR}"  # sells nothing of NEAR when it is bought: the buyer of this spread sells NEAR
    Table(small_exchange()).play(f"""
        two   sell 9 @ 1.90 on {FAR}      -> a1 accepted
        two   sell 1 @ 1.99               -> a2 accepted
        two   sell 1 @ 2.00               -> a3 accepted
        one   sell 1 @ 0.10 on {SPREAD}   -> a4 accepted
        one   sell 1 @ 0.10 on 1*{NEAR}~-1*{FAR} -> a5 accepted
        one   buy  1 @ 1.79 on {other}    -> a6 accepted
        three buy  6 @ 2.01 ioc           -> a7 accepted; a2 -1 @ 1.99 maker filled; a7 +1 @ 1.99 taker; a3 -1 @ 2 maker filled; a7 +1 @ 2 taker; a1 -1 @ 1.9 maker; a4 -1 @ 2 maker JAN; a4 +1 @ 1.9 maker FEB filled; a7 +1 @ 2 taker; a1 -1 @ 1.9 maker; a5 -1 @ 2 maker JAN; a5 +1 @ 1.9 maker FEB filled; a7 +1 @ 2 taker; a1 -2 @ 1.9 maker; a6 +2 @ 1.9 maker FEB; a6 -1 @ 2.01 maker JAN filled; a7 +1 @ 2.01 taker; a7 expired: nothing to trade with
    """)  # fmt: skip


def test_nobody_trades_with_a_spread_of_his_own_nor_a_spread_with_its_own_other_leg() -> None:
    Table(small_exchange()).play(f"""
        one   sell 5 @ 0.10 on {SPREAD} -> a1 accepted
        two   sell 1 @ 1.90 on {FAR}    -> a2 accepted
        one   buy  1 @ 2.05 ioc         -> a3 accepted; a3 expired: nothing to trade with
        one   sell 1 @ 1.89 on {FAR}    -> a4 accepted
        three buy  1 @ 2.05 ioc         -> a5 accepted; a5 expired: nothing to trade with
    """)


def test_a_post_only_spread_does_not_trade_with_its_legs() -> None:
    Table(small_exchange()).play(f"""
        one   sell 5 @ 2.00                  -> a1 accepted
        two   buy  5 @ 1.90 on {FAR}         -> a2 accepted
        three buy  1 @ 0.10 post on {SPREAD} -> a3 refused: post-only order would cross the book
        three buy  1 @ 0.09 post on {SPREAD} -> a4 accepted
    """)


def test_reduce_only_orders_close_no_more_than_there_is_all_together() -> None:
    """Ten held, five and five to close; five are sold otherwise: the older of the two keeps its five, the younger goes."""
    Table(small_exchange()).play("""
        one   buy  10 @ 2.00        -> a1 accepted
        two   sell 10 @ 2.00        -> a2 accepted; a1 +10 @ 2 maker filled; a2 -10 @ 2 taker filled
        one   sell 5 @ 2.10 reduce  -> a3 accepted
        one   sell 5 @ 2.10 reduce  -> a4 accepted
        three buy  7 @ 1.95         -> a5 accepted
        one   sell 2 @ 1.95 ioc     -> a6 accepted; a5 +2 @ 1.95 maker; a6 -2 @ 1.95 taker filled
        two   buy  9 @ 2.10 ioc     -> a7 accepted; a3 -5 @ 2.1 maker filled; a7 +5 @ 2.1 taker; a4 -3 @ 2.1 maker filled; a7 +3 @ 2.1 taker; a7 expired: nothing to trade with
    """)


def new_order(random: np.random.Generator, symbol: str) -> NewOrder:
    tick, side, lots = 10_000, int(random.choice([-1, 1])), int(random.integers(1, 6))
    if symbol == SPREAD:
        price = int(random.integers(-4, 5)) * tick
    else:
        price = 2_000_000 + int(random.integers(-4, 5)) * tick
    life = str(random.choice(["GTC", "GTC", "GTC", "IOC", "FOK"]))
    return NewOrder(symbol=symbol, side=side, lots=lots, price=price, life=life, post_only=life == "GTC" and random.random() < 0.1)


def fits(exchange: BookExchange, fills: list[Any]) -> None:
    """What one command did: every lot has its other side, nobody is his own, and no order is filled beyond its limit or its lots."""
    for symbol in (NEAR, FAR):
        for price in {fill.price for fill in fills if fill.symbol == symbol}:
            here = [fill for fill in fills if (fill.symbol, fill.price) == (symbol, price)]
            assert sum(fill.side * fill.lots for fill in here) == 0
            for name in exchange.accounts:
                assert 2 * sum(fill.lots for fill in here if fill.account == name) <= sum(fill.lots for fill in here), "somebody trades with himself"
    for fill in fills:
        order = exchange.orders[fill.order]
        assert order.price is not None
        assert order.filled <= order.lots
        assert order.symbol == SPREAD or (fill.price - order.price) * order.side <= 0


def flat_to_its_spread(exchange: BookExchange) -> int:
    """Each spread order has its legs lot for lot, and in total paid its price or better; how many have any."""
    count = 0
    for order in (order for order in exchange.orders.values() if order.symbol == SPREAD and order.filled):
        fills = [fill for fill in exchange.fills[order.account] if fill.order == order.id]
        lots = {symbol: sum(fill.side * fill.lots for fill in fills if fill.symbol == symbol) for symbol in (NEAR, FAR)}
        assert lots == {NEAR: order.side * order.filled, FAR: -order.side * order.filled}
        paid = sum(fill.side * fill.lots * fill.price for fill in fills)
        assert order.price is not None
        assert paid <= order.side * order.price * order.filled
        count += 1
    return count


def nothing_crosses(exchange: BookExchange) -> None:
    """Of the orders that are first in their books no two, and no spread with one of each leg, of different accounts, could trade."""
    first: dict[tuple[str, int], Any] = {}
    for symbol, side in product((NEAR, FAR, SPREAD), (1, -1)):
        resting = [o for o in exchange.resting.values() if (o.symbol, o.side) == (symbol, side)]
        first[symbol, side] = min(resting, key=lambda o: (-side * (o.price or 0), o.number)) if resting else None
    for symbol in (NEAR, FAR, SPREAD):
        buy, sell = first[symbol, 1], first[symbol, -1]
        assert buy is None or sell is None or buy.price < sell.price
    for side in (1, -1):
        spread, near, far = first[SPREAD, side], first[NEAR, -side], first[FAR, side]
        if spread and near and far and spread.account not in (near.account, far.account):
            assert (near.price - far.price - spread.price) * side > 0, "a spread and its legs could trade"


@pytest.mark.parametrize("seed", range(3))
def test_laws_of_random_orders_on_legs_and_spread(seed: int) -> None:
    exchange, random = small_exchange(), np.random.default_rng(seed)
    implied = 0
    for _ in range(600):
        name = exchange.accounts[int(random.integers(3))]
        before = {each: len(exchange.fills[each]) for each in exchange.accounts}
        if random.random() < 0.2 and exchange.open_orders[name]:
            exchange.cancel(next(iter(exchange.open_orders[name].values())))
        else:
            symbol = (NEAR, FAR, SPREAD)[int(random.integers(3))]
            order = exchange.place(name, new_order(random, symbol))
            makers = [event.order for event in exchange.take_changes().events if event.fill is not None and not event.fill.is_taker]
            implied += symbol != SPREAD and any(maker.symbol == SPREAD for maker in makers)
            assert order.life == "GTC" or order.state in (State.FILLED, State.EXPIRED, State.CANCELED, State.REJECTED)
        fits(exchange, [fill for each in exchange.accounts for fill in exchange.fills[each][before[each] :]])
        nothing_crosses(exchange)
    assert implied >= 5, "the case that this is about came up"
    assert flat_to_its_spread(exchange) > 20
    laws_of(exchange)
