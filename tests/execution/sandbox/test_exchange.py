# SPDX-License-Identifier: Apache-2.0
"""The book exchange, as a trader reads it; and the laws of its books."""

from __future__ import annotations

import numpy as np
import pytest

from kilohour.errors import UsageError
from kilohour.execution.sandbox import core
from kilohour.execution.sandbox.bots import Bots
from kilohour.execution.sandbox.exchange import BOTS
from kilohour.execution.sandbox.model import NewOrder, Session, State
from kilohour.execution.sandbox.wire import decimal
from kilohour.units import NANOS_PER_DAY, NANOS_PER_SECOND
from tests.execution.sandbox.booking import FAR, NEAR, NOON, Table, small_exchange

SPREAD = f"{NEAR}~{FAR}"


def test_price_then_time() -> None:
    Table(small_exchange()).play("""
        one   buy  5 @ 2.00        -> a1 accepted
        two   buy  5 @ 2.01        -> a2 accepted
        one   buy  5 @ 2.01        -> a3 accepted
        three sell 7 @ 2.00        -> a4 accepted; a2 +5 @ 2.01 maker filled; a4 -5 @ 2.01 taker; a3 +2 @ 2.01 maker; a4 -2 @ 2.01 taker filled
        three sell 9 @ 2.00 ioc    -> a5 accepted; a3 +3 @ 2.01 maker filled; a5 -3 @ 2.01 taker; a1 +5 @ 2 maker filled; a5 -5 @ 2 taker; a5 expired: nothing to trade with
        cancel a1                  -> the original order is done
    """)


def test_lives_and_flags() -> None:
    Table(small_exchange()).play("""
        one   sell 5 @ 2.10        -> a1 accepted
        two   buy  6 @ 2.10 fok    -> a2 accepted; a2 expired: nothing to trade with
        two   buy  5 @ 2.10 post   -> a3 refused: post-only order would cross the book
        two   buy  5 @ 2.09 post   -> a4 accepted
        two   buy  5 @ 2.105       -> a5 refused: the price is not on the tick
        two   sell 1 @ 2.20 reduce -> a6 refused: the order would not reduce the position
        two   buy  2 @ 2.10 fok    -> a7 accepted; a1 -2 @ 2.1 maker; a7 +2 @ 2.1 taker filled
        two   sell 9 @ 2.09 reduce -> a8 accepted; a4 cancelled: the order would trade with one of the same account
        three buy  9 @ 2.09        -> a9 accepted; a8 -2 @ 2.09 maker filled; a9 +2 @ 2.09 taker
    """)


def test_a_smaller_order_keeps_its_place_and_a_larger_one_loses_it() -> None:
    Table(small_exchange()).play("""
        one   buy  5 @ 2.00        -> a1 accepted
        two   buy  5 @ 2.00        -> a2 accepted
        replace a1 3 @ 2.00        -> a1 replaced
        three sell 3 @ 2.00        -> a3 accepted; a1 +3 @ 2 maker filled; a3 -3 @ 2 taker filled
        one   buy  5 @ 2.00        -> a4 accepted
        replace a2 6 @ 2.00        -> a2 replaced
        three sell 5 @ 2.00        -> a5 accepted; a4 +5 @ 2 maker filled; a5 -5 @ 2 taker filled
        three sell 9 @ 2.02        -> a6 accepted
        replace a2 6 @ 2.02        -> a2 replaced; a6 -6 @ 2.02 maker; a2 +6 @ 2.02 taker filled
    """)


def test_an_auction_opens_at_one_price() -> None:
    Table(small_exchange()).play("""
        preopen                    ->
        one   buy  5 @ 2.05        -> a1 accepted
        two   buy  5 @ 2.00        -> a2 accepted
        two   buy  5 market        -> a3 refused: the session does not take orders now
        three sell 4 @ 1.98        -> a4 accepted
        three sell 3 @ 2.02        -> a5 accepted
        resume                     -> a1 +4 @ 2.02 taker; a4 -4 @ 2.02 taker filled; a1 +1 @ 2.02 taker filled; a5 -1 @ 2.02 taker
        halt                       ->
        one   buy  1 @ 2.00        -> a6 refused: the session does not take orders now
        cancel a5                  -> the session does not take orders now
        close                      ->
        cancel a5                  -> a5 cancelled: cancelled by the user
    """)


def test_a_closing_auction_closes_at_one_price() -> None:
    """Worked by hand: at 2.03 nine lots each way and none over, at 2.01 six are offered, at 2.05 five are bid for."""
    exchange = small_exchange()
    stop = exchange.place("three", NewOrder(symbol=NEAR, side=1, lots=1, kind="stop", trigger=2_030_000))
    Table(exchange).play("""
        closing                    ->
        one   buy  5 @ 2.05        -> a1 accepted
        one   buy  4 @ 2.04        -> a2 accepted
        two   sell 6 @ 2.01        -> a3 accepted
        two   sell 3 @ 2.03        -> a4 accepted
        two   sell 2 @ 2.06        -> a5 accepted
        two   sell 2 @ 2.01 ioc    -> a6 refused: the session does not take orders now
        replace a2 4 @ 2.03        -> a2 replaced
        close                      -> a1 +5 @ 2.03 taker filled; a3 -5 @ 2.03 taker; a2 +1 @ 2.03 taker; a3 -1 @ 2.03 taker filled; a2 +3 @ 2.03 taker filled; a4 -3 @ 2.03 taker filled
        one   buy  1 @ 2.00        -> a7 refused: the session does not take orders now
    """)
    assert stop.state is State.ACCEPTED, "it sleeps while nothing trades"
    exchange.set_session(exchange.listing.by_symbol[NEAR], Session.OPEN)
    assert (stop.state, stop.average) == (State.FILLED, 2_060_000.0)


def test_what_is_suspended_stands_still() -> None:
    Table(small_exchange()).play("""
        one   buy  5 @ 2.05        -> a1 accepted
        suspend                    ->
        two   sell 5 @ 2.05        -> a2 refused: the session does not take orders now
        cancel a1                  -> the session does not take orders now
        replace a1 3 @ 2.05        -> the session does not take orders now
        resume                     ->
        cancel a1                  -> a1 cancelled: cancelled by the user
    """)


def test_a_market_order_goes_no_farther_than_its_collar() -> None:
    exchange = small_exchange()
    value = exchange.value(0)
    assert value is not None
    far = (value * 106 // 100) // 10_000 * 10_000
    exchange.place("one", NewOrder(symbol=NEAR, side=-1, lots=5, price=value // 10_000 * 10_000 + 10_000))
    exchange.place("one", NewOrder(symbol=NEAR, side=-1, lots=5, price=far))
    order = exchange.place("two", NewOrder(symbol=NEAR, side=1, lots=10, kind="market"))
    assert (order.state, order.filled) == (State.EXPIRED, 5)


def test_a_spread_trades_in_its_own_book_or_against_its_legs() -> None:
    exchange = small_exchange()
    near, far = ((exchange.value(row) or 0) // 10_000 * 10_000 for row in (0, 1))
    p = {"ask": near + 10_000, "bid": far - 10_000}
    gap = p["ask"] - p["bid"]
    ask, bid = decimal(p["ask"]), decimal(p["bid"])
    Table(exchange).play(f"""
        one   sell 3 @ {ask} on {NEAR}    -> a1 accepted
        one   buy  9 @ {bid} on {FAR}     -> a2 accepted
        two   buy  5 @ {gap / 1e6} on {SPREAD}       -> a3 accepted; a1 -3 @ {ask} maker filled; a2 +3 @ {bid} maker; a3 +3 @ {ask} taker JAN; a3 -3 @ {bid} taker FEB
        one   sell 1 @ {ask} on {NEAR}    -> a4 accepted; a2 +1 @ {bid} maker; a3 +1 @ {ask} maker JAN; a3 -1 @ {bid} maker FEB; a4 -1 @ {ask} taker filled
    """)
    three = exchange.place("three", NewOrder(symbol=SPREAD, side=-1, lots=1, price=gap - 5_000 if gap % 10_000 else gap - 10_000))
    fills = {fill.symbol: fill for fill in exchange.fills["three"]}
    assert three.state is State.FILLED
    assert (fills[NEAR].side, fills[FAR].side) == (-1, 1)
    assert fills[NEAR].price - fills[FAR].price == gap, "the resting spread's price"


def test_self_trade_rules() -> None:
    for rule, expected in {
        "allow": "a2 accepted; a1 -5 @ 2 maker filled; a2 +5 @ 2 taker filled",
        "cancel_resting": "a2 accepted; a1 cancelled: the order would trade with one of the same account",
        "cancel_taker": "a2 accepted; a2 cancelled: the order would trade with one of the same account",
    }.items():
        Table(small_exchange(self_trade=rule)).play(f"""
            one sell 5 @ 2.00 -> a1 accepted
            one buy  5 @ 2.00 -> {expected}
        """)
    with pytest.raises(UsageError, match="self_trade must be one of allow"):
        small_exchange(self_trade="never")


def test_orders_need_margin_and_there_are_at_most_so_many() -> None:
    exchange = small_exchange(cash=2_000 * 10**6)
    for _ in range(3):
        exchange.place("one", NewOrder(symbol=NEAR, side=1, lots=1, price=2_000_000))
    refused = exchange.place("one", NewOrder(symbol=NEAR, side=1, lots=100, price=2_000_000))
    assert (refused.state, exchange.take_changes().events[-1].text) == (State.REJECTED, "insufficient margin")


def test_a_stop_waits_for_a_trade() -> None:
    exchange = small_exchange()
    stop = exchange.place("one", NewOrder(symbol=NEAR, side=1, lots=2, kind="stop", trigger=2_050_000))
    exchange.place("two", NewOrder(symbol=NEAR, side=-1, lots=1, price=2_050_000))
    exchange.place("two", NewOrder(symbol=NEAR, side=-1, lots=5, price=2_060_000))
    assert stop.state is State.ACCEPTED
    exchange.place("three", NewOrder(symbol=NEAR, side=1, lots=1, price=2_050_000))
    assert (stop.state.value, stop.filled, stop.average) == ("filled", 2, 2_060_000.0)


def laws_of(exchange) -> None:
    """What one account gains another loses, and fees are the house's; every account's cash is its start and its movements."""
    for name in exchange.accounts:
        start = 10**15 if name in BOTS else 10**12
        moved = sum(t.micros for t in exchange.transactions[name])
        assert exchange.statement(name).cash == start + moved
    held = sum(exchange.ledger.accounts[name].book["position"].copy() for name in exchange.accounts)
    open_value = sum(exchange.ledger.accounts[name].book["open_value"].copy() for name in exchange.accounts)
    assert not held.any(), "every lot bought was sold"
    variation = sum(t.micros for name in exchange.accounts for t in exchange.transactions[name] if t.kind in ("variation", "settlement"))
    assert variation == sum(int(value) for value in open_value), "what was margined, and what is still open"


def test_cash_is_conserved_and_the_same_commands_give_the_same_bytes() -> None:
    def play():
        exchange = small_exchange()
        bots, random = Bots(exchange, 5, rate=0.01), np.random.default_rng(11)
        bots.open()
        said = []
        for _ in range(75):
            exchange.advance(exchange.now + 2_400 * NANOS_PER_SECOND)
            bots.act()
            for name in ("one", "two"):
                side, symbol = int(random.choice([-1, 1])), (NEAR, FAR, SPREAD)[int(random.integers(3))]
                exchange.place(name, NewOrder(symbol=symbol, side=side, lots=int(random.integers(1, 9)), kind="market"))
            said.append(repr(exchange.take_changes()))
        return exchange, said

    exchange, said = play()
    assert sum(len(exchange.fills[name]) for name in ("one", "two")) > 100
    assert exchange.now > NOON + 2 * NANOS_PER_DAY, "marks came by"
    laws_of(exchange)
    assert play()[1] == said


def test_an_expiry_by_the_control_plane_settles_and_a_correction_is_booked_once() -> None:
    exchange = small_exchange()
    exchange.place("one", NewOrder(symbol=NEAR, side=1, lots=4, price=2_000_000))
    exchange.place("two", NewOrder(symbol=NEAR, side=-1, lots=4, price=2_000_000))
    resting = exchange.place("one", NewOrder(symbol=NEAR, side=1, lots=1, price=1_900_000))
    each = exchange.listing.by_symbol[NEAR]
    fee = exchange.statement("one").fees
    exchange.expire(each, 2_100_000)
    assert resting.state is State.EXPIRED
    cash = exchange.statement("one").cash
    assert cash == 10**12 + 4 * 730 * 100_000 - exchange.statement("one").fees
    assert exchange.statement("one").fees - fee == 4 * 1_350_000, "the cash settlement fee"
    exchange.correct(each, 2_050_000)
    assert exchange.statement("one").cash == cash - 4 * 730 * 50_000
    assert exchange.place("one", NewOrder(symbol=NEAR, side=1, lots=1, price=2_000_000)).state is State.REJECTED
    assert not exchange.is_shown(each)


def test_a_corrected_mark_moves_the_difference() -> None:
    exchange = small_exchange()
    exchange.place("one", NewOrder(symbol=NEAR, side=1, lots=3, price=2_000_000))
    exchange.place("two", NewOrder(symbol=NEAR, side=-1, lots=3, price=2_000_000))
    exchange.advance(exchange.now + NANOS_PER_DAY)
    mark, cash = exchange.tickers[NEAR].mark, exchange.statement("one").cash
    assert mark is not None
    exchange.correct(exchange.listing.by_symbol[NEAR], mark + 10_000)
    assert exchange.statement("one").cash == cash + 3 * 730 * 10_000
    laws_of(exchange)


def test_a_margin_call_sends_the_position_to_the_book() -> None:
    exchange = small_exchange(cash=10**12)
    broke = exchange.ledger.accounts["one"].book
    exchange.place("one", NewOrder(symbol=NEAR, side=1, lots=50, price=2_000_000))
    exchange.place("two", NewOrder(symbol=NEAR, side=-1, lots=50, price=2_000_000))
    exchange.place("three", NewOrder(symbol=NEAR, side=1, lots=500, price=1_980_000))
    broke["cash"] -= broke["cash"] - 8_000 * 10**6
    exchange.advance(exchange.now + NANOS_PER_DAY)
    liquidation = [order for order in exchange.orders.values() if order.id.startswith("L-")]
    assert liquidation
    assert liquidation[0].filled > 0
    assert exchange.ledger.held("one", 0) < 50


def test_what_is_kept_is_bounded_over_all_accounts_and_an_open_order_is_never_forgotten(monkeypatch) -> None:
    for name in ("ORDERS_KEPT", "FILLS_KEPT", "TRANSACTIONS_KEPT"):
        monkeypatch.setattr(core, name, 50)
    exchange = small_exchange()
    worth = exchange.value(exchange.listing.by_symbol[NEAR].row)
    assert worth is not None
    price = worth // 1000 * 1000
    rests = exchange.place("three", NewOrder(symbol=NEAR, side=1, lots=1, price=price - 50_000, client_id="rests"))
    assert rests.state is State.ACCEPTED
    for number in range(100):
        maker, taker = ("one", "two")[:: 1 if number % 2 else -1]
        sold = exchange.place(maker, NewOrder(symbol=NEAR, side=-1, lots=1, price=price, client_id=f"m{number}"))
        exchange.place(taker, NewOrder(symbol=NEAR, side=1, lots=1, price=price, client_id=f"t{number}"))
        assert sold.state is State.FILLED
        exchange.reject_cancel(sold, core.Reason.GONE)
    assert exchange.orders[rests.id] is rests
    assert len(exchange.orders) == 50
    assert list(exchange.orders.values())[-2:] == [sold, exchange.order_of(taker, client_id="t99")]
    assert exchange.order_of("two", client_id="m0") is None
    assert set(exchange.by_client) == {(order.account, order.client_id) for order in exchange.orders.values()}
    assert len(exchange.ended) == 49
    share = 50 // len(exchange.accounts)
    numbers = [[int(fill.id[1:]) for fill in exchange.fills[name]] for name in ("one", "two")]
    assert {found[-1] for found in numbers} == {199, 200}
    assert all(share <= len(found) <= share * 5 // 4 for found in numbers)
    assert all(np.diff(found).max() <= 3 for found in numbers), "the latest, without a gap"
