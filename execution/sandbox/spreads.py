# SPDX-License-Identifier: Apache-2.0
"""Spreads: an order on one trades in the spread's own book or, where that is better, against its legs' books, all legs or none.

A trade in the spread's own book gives its legs derived prices: each leg but the first what it is worth, the first the rest, which may be
off the tick. An order on a single leg trades against a spread that rests, where that is better than the leg's own book: the spread's
other legs trade at once in theirs, and the leg's price is what the spread's leaves. One spread stands behind a price, never two in a
chain. A spread that rests is tried again when its legs move.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
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
    exchange.touch(instrument)  # who stands behind it may trade with the legs
    for order, takes in ((maker, False), (taker, True)):
        exchange.book_fill(order, [(row, r * order.side * lots, prices[row]) for row, r in instrument.legs], lots, is_taker=takes)


def _trade_legs(exchange: BookExchange, order: Order, instrument: Instrument, units: int, number: int) -> None:
    fills = [_trade_leg(exchange, row, ratio * order.side * units, number) for row, ratio in instrument.legs]
    exchange.book_fill(order, fills, units, is_taker=True)


def _trade_leg(exchange: BookExchange, row: int, lots: int, number: int) -> tuple[int, int, int]:
    """Signed lots of a leg at the best price of its book, for the account with this number: its fill, to be booked with the other legs."""
    direction, left = 1 if lots > 0 else -1, abs(lots)
    symbol, best = exchange.listing.outrights[row].symbol, exchange.books.best(row, -direction)
    assert best is not None, "a leg that was offered is there"
    while left:
        trade, _ = exchange.books.match(row, direction, best, left, number, kernel.CANCEL_TAKER)
        assert trade is not None, "the lots that a leg offered are there"
        left -= trade[2]
        exchange.print_trade(symbol, direction, trade[2], trade[3])
        maker = exchange.resting[trade[1]]
        exchange.book_fill(maker, [(row, maker.side * trade[2], trade[3])], trade[2], is_taker=False)
    exchange.touched_rows[row] = None
    return row, lots, best


@dataclass(frozen=True, slots=True)
class Behind:
    """A spread that rests and stands behind a price of one of its legs: the price, for so many units."""

    price: int
    units: int
    spread: Order
    instrument: Instrument


def implied_out(exchange: BookExchange, account: str, row: int, side: int, limit: int, lots: int) -> Behind | None:
    """The best price within the limit at which a resting spread and the books of its other legs take an order on one leg.

    Of several spreads at one price the one that came first. Spreads with more than one lot of the leg do not take part, so that the
    price is exact; nor do those of the order's own account.
    """
    found: Behind | None = None
    for symbol, line in exchange.books.quoted_spreads():
        instrument = exchange.listing.find(symbol)
        ratio = dict(instrument.legs).get(row, 0) if instrument is not None else 0
        if instrument is None or abs(ratio) != 1:
            continue
        first = exchange.books.first(line, -side * ratio)
        spread = None if first is None else exchange.resting[first]
        if spread is None or spread.account == account or exchange.session(instrument) is not Session.OPEN:
            continue
        rest, units = spread.price or 0, min(lots, spread.left)
        for leg, each in instrument.legs:
            direction = 1 if each * spread.side > 0 else -1
            best = exchange.books.best(leg, -direction)
            if leg == row:
                continue
            if best is None:
                units = 0
                break
            rest -= each * best
            offered = exchange.books.offered(leg, direction, best, exchange.numbers[spread.account], kernel.CANCEL_TAKER)
            units = min(units, offered // abs(each))
        price = rest * ratio
        if units < 1 or (price - limit) * side > 0:
            continue
        if found is None or (price * side, spread.number) < (found.price * side, found.spread.number):
            found = Behind(price, units, spread, instrument)
    return found


def crosses(exchange: BookExchange, account: str, instrument: Instrument, side: int, price: int) -> bool:
    """True when an order would trade at once: in its own book, or against what is implied."""
    if exchange.session(instrument) is not Session.OPEN:
        return False
    best = exchange.books.best(exchange.line(instrument), -side)
    if best is not None and (best - price) * side <= 0:
        return True
    if not instrument.is_spread:
        return implied_out(exchange, account, instrument.row, side, price, 1) is not None
    legs = implied(exchange, instrument, side, exchange.numbers[account])
    return legs is not None and (legs[0] - price) * side <= 0


def trade_out(exchange: BookExchange, order: Order, row: int, behind: Behind) -> None:
    """An order on a leg trades against a resting spread, whose other legs trade in their books."""
    spread, units, number = behind.spread, behind.units, exchange.numbers[behind.spread.account]
    legs = [(row, -order.side * units, behind.price) if leg == row else _trade_leg(exchange, leg, ratio * spread.side * units, number)
            for leg, ratio in behind.instrument.legs]  # fmt: skip
    exchange.print_trade(order.symbol, order.side, units, behind.price)
    if units == spread.left:
        exchange.books.take_out(spread.number)
    else:
        exchange.books.shrink(spread.number, spread.left - units)
    exchange.book_fill(spread, legs, units, is_taker=False)
    exchange.book_fill(order, [(row, order.side * units, behind.price)], units, is_taker=True)
    exchange.touch(behind.instrument)
    exchange.touched_rows[row] = None


def retry_spreads(exchange: BookExchange, touched: Iterable[int]) -> None:
    """Resting spreads whose legs have come to meet them trade, the best and oldest first."""
    rows = dict.fromkeys(touched)
    for symbol, line in exchange.books.quoted_spreads():
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
