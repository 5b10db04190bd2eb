# SPDX-License-Identifier: Apache-2.0
"""What an order finds displayed: prices, sizes, its place in the queue. Rules: docs/fills.md."""

from __future__ import annotations

from kilohour.kernels.compiling import inner
from kilohour.kernels.matching import UNLIMITED
from kilohour.kernels.quotes import is_fresh
from kilohour.kernels.records import FILL_BY_BOOK, LEVELS, LIMIT, MISSING


@inner
def levels_of(book, quotes, desk, contract):
    """How many levels of a contract count: none when stale, one under the fill model ``quote``."""
    if not is_fresh(quotes, contract, desk.now):
        return 0
    return quotes.depth[contract] if book.fill_model == FILL_BY_BOOK else 1


@inner
def price_of(quotes, at, asks):
    """Price of one side of a level."""
    return quotes.ask[at] if asks else quotes.bid[at]


@inner
def left_of(quotes, at, asks):
    """Lots that are left of one side of a level."""
    return quotes.ask_left[at] if asks else quotes.bid_left[at]


@inner
def best_level(book, quotes, desk, contract, asks):
    """The first level of a side that has lots left, -1 without one."""
    for level in range(levels_of(book, quotes, desk, contract)):
        if left_of(quotes, contract * LEVELS + level, asks) > 0:
            return contract * LEVELS + level
    return -1


@inner
def displayed_price(book, quotes, desk, order, pays):
    """The best price on the sides that the order would take, or on the opposite ones; MISSING when a leg has none."""
    total = 0
    for leg in range(order.legs):
        asks = (order.ratio[leg] > 0) == pays
        at = best_level(book, quotes, desk, order.contract[leg], asks)
        if at < 0:
            return MISSING
        price = price_of(quotes, at, asks)
        total += price if order.legs == 1 else order.ratio[leg] * price
    return total


@inner
def within_limit(order, price, buys):
    """True when an order may trade at a displayed price."""
    if order.kind != LIMIT:
        return True
    return price <= order.limit if buys else price >= order.limit


@inner
def units_displayed(book, quotes, desk, order):
    """Whole units that may trade now. Of several legs only the best level of each counts."""
    if order.legs == 1:
        units, contract, buys = 0, order.contract[0], order.ratio[0] > 0
        for level in range(levels_of(book, quotes, desk, contract)):
            at = contract * LEVELS + level
            if left_of(quotes, at, buys) and within_limit(order, price_of(quotes, at, buys), buys):
                units += left_of(quotes, at, buys)
        return units
    units = int(UNLIMITED)
    for leg in range(order.legs):
        buys = order.ratio[leg] > 0
        at = best_level(book, quotes, desk, order.contract[leg], buys)
        units = min(units, left_of(quotes, at, buys) // abs(order.ratio[leg]) if at >= 0 else 0)
    return units


@inner
def use_up(quotes, desk, contract, at, asks, lots):
    """Takes lots from what is displayed."""
    if asks:
        quotes.ask_left[at] -= lots
        if at == contract * LEVELS:
            desk.ask_lots[contract] -= lots
    else:
        quotes.bid_left[at] -= lots
        if at == contract * LEVELS:
            desk.bid_lots[contract] -= lots


@inner
def middle(quotes, contract, price):
    """The middle of the recorded best bid and ask; ``price`` where one side has none."""
    bid, ask = quotes.bid[contract * LEVELS], quotes.ask[contract * LEVELS]
    return price if bid == MISSING or ask == MISSING else (bid + ask) // 2


@inner
def lots_at(book, quotes, desk, contract, asks, limit):
    """Lots displayed at a limit on its own side: 0 ahead of the best or where that side ends, UNLIMITED when it is not recorded."""
    levels = levels_of(book, quotes, desk, contract)
    for level in range(levels):
        at = contract * LEVELS + level
        price = price_of(quotes, at, asks)
        if price == MISSING or (limit < price if asks else limit > price):
            return 0
        if price == limit:
            return left_of(quotes, at, asks)
    return UNLIMITED


@inner
def queue_up(book, quotes, desk, order):
    """A resting limit order joins the back of its price, and is never behind more than is displayed there."""
    ahead = lots_at(book, quotes, desk, order.contract[0], order.ratio[0] < 0, order.limit)
    order.ahead = min(order.ahead, ahead) if order.ahead_at == order.limit else ahead
    order.ahead_at = order.limit
