# SPDX-License-Identifier: Apache-2.0
"""Spreads: an order on one trades in the spread's own book or, where that is better, against its legs' books, all legs or none.

A trade in the spread's own book gives its legs derived prices: each leg but the first what it is worth, the first the rest, which may be
off the tick. Orders on a single leg do not trade against spreads that rest; a spread that rests is tried again when its legs move.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from kilohour.execution.sandbox.instruments import Instrument
from kilohour.execution.sandbox.model import Order, Reason, Session, State
from kilohour.kernels import order_book as kernel

if TYPE_CHECKING:
    from kilohour.execution.sandbox.exchange import BookExchange


def implied(exchange: BookExchange, instrument: Instrument, side: int, account: int) -> tuple[int, int] | None:
    """Price and units that the best levels of the legs offer to an order of ``side``; None when one is empty."""
    price, units = 0, 1 << 40
    for row, ratio in instrument.legs:
        direction = 1 if ratio * side > 0 else -1
        best = exchange.books.best(row, -direction)
        if best is None:
            return None
        price += ratio * best
        units = min(units, exchange.books.offered(row, direction, best, account, kernel.CANCEL_TAKER) // abs(ratio))
    return (price, units) if units > 0 else None


def match_spread(exchange: BookExchange, order: Order, instrument: Instrument, line: int) -> None:
    """Trades what an order on a spread can, best price first; the spread's own book before its legs at the same price."""
    number = exchange.numbers[order.account]
    if order.life == "FOK" and not _is_enough(exchange, order, instrument, line, number):
        return
    while order.state.is_open and order.left:
        limit = order.price or 0
        native, legs = exchange.books.best(line, -order.side), implied(exchange, instrument, order.side, number)
        if native is not None and (native - limit) * order.side > 0:
            native = None
        if legs is not None and (legs[0] - limit) * order.side > 0:
            legs = None
        if native is not None and (legs is None or (native - legs[0]) * order.side <= 0):
            row, stopped = exchange.books.match(line, order.side, native, order.left, number, exchange.policy)
            if row is not None and row[0] == kernel.TRADED:
                _trade_native(exchange, order, exchange.resting[row[1]], instrument, row[2], row[3])
            elif row is not None:
                exchange.finish(exchange.resting[row[1]], State.CANCELED, Reason.SELF_TRADE)
            if stopped:
                exchange.finish(order, State.CANCELED, Reason.SELF_TRADE)
                return
        elif legs is not None:
            _trade_legs(exchange, order, instrument, min(order.left, legs[1]), number)
        else:
            return


def _is_enough(exchange: BookExchange, order: Order, instrument: Instrument, line: int, number: int) -> bool:
    """All or none counts the spread's own book and the best level of the legs."""
    legs = implied(exchange, instrument, order.side, number)
    units = exchange.books.offered(line, order.side, order.price or 0, number, exchange.policy)
    if legs is not None and (legs[0] - (order.price or 0)) * order.side <= 0:
        units += legs[1]
    return units >= order.left


def _trade_native(exchange: BookExchange, taker: Order, maker: Order, instrument: Instrument, lots: int, price: int) -> None:
    prices = {row: exchange.value(row) or 0 for row, _ in instrument.legs}
    first, ratio = instrument.legs[0]
    rest = price - sum(r * prices[row] for row, r in instrument.legs[1:])
    prices[first] = rest // ratio
    if rest % ratio:  # a first leg of several lots that the difference does not divide: another leg of one lot takes it
        one = next((row for row, r in instrument.legs if abs(r) == 1), None)
        if one is not None:
            sign = dict(instrument.legs)[one]
            prices[one] += sign * (rest - prices[first] * ratio)
    exchange.print_trade(instrument.symbol, taker.side, lots, price)
    for order, takes in ((maker, False), (taker, True)):
        exchange.book_fill(order, [(row, r * order.side * lots, prices[row]) for row, r in instrument.legs], lots, is_taker=takes)


def _trade_legs(exchange: BookExchange, order: Order, instrument: Instrument, units: int, number: int) -> None:
    fills = []
    for row, ratio in instrument.legs:
        direction, left = 1 if ratio * order.side > 0 else -1, abs(ratio) * units
        symbol, best = exchange.listing.outrights[row].symbol, exchange.books.best(row, -direction)
        assert best is not None, "a leg that was offered is there"
        while left:
            trade, _ = exchange.books.match(row, direction, best, left, number, kernel.CANCEL_TAKER)
            assert trade is not None, "the lots that a leg offered are there"
            left -= trade[2]
            exchange.print_trade(symbol, direction, trade[2], trade[3])
            maker = exchange.resting[trade[1]]
            exchange.book_fill(maker, [(row, maker.side * trade[2], trade[3])], trade[2], is_taker=False)
        fills.append((row, direction * abs(ratio) * units, best))
        exchange.touched_rows[row] = None
    exchange.book_fill(order, fills, units, is_taker=True)


def retry_spreads(exchange: BookExchange, touched: Iterable[int]) -> None:
    """Resting spreads whose legs have come to meet them trade, the best and oldest first."""
    rows = dict.fromkeys(touched)
    for symbol, line in exchange.books.spreads.items():
        instrument = exchange.listing.find(symbol)
        if instrument is None or not any(row in rows for row, _ in instrument.legs) or exchange.session(instrument) is not Session.OPEN:
            continue
        for side in (1, -1):
            while (first := exchange.books.first(line, side)) is not None:
                order = exchange.resting[first]
                legs = implied(exchange, instrument, side, exchange.numbers[order.account])
                if legs is None or (legs[0] - (order.price or 0)) * side > 0:
                    break
                exchange.books.take_out(first)
                del exchange.resting[first]
                exchange.work(order, instrument)
