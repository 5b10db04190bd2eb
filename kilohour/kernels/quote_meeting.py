# SPDX-License-Identifier: Apache-2.0
"""Orders meet quotes, recorded levels and the trades between them. Rules: docs/fills.md."""

from __future__ import annotations

import numpy as np

from kilohour.kernels.books import book_fee_row, book_fill, fee_of_fill
from kilohour.kernels.compiling import inner
from kilohour.kernels.displayed import (
    best_level,
    displayed_price,
    left_of,
    levels_of,
    middle,
    price_of,
    queue_up,
    units_displayed,
    use_up,
    within_limit,
)
from kilohour.kernels.integers import half_even, share_half_even
from kilohour.kernels.matching import share_of
from kilohour.kernels.meeting import is_open, is_stranded, lapse_dates, settle_units, units_reducible
from kilohour.kernels.output import write_fill
from kilohour.kernels.path import draw_path, reach, trail
from kilohour.kernels.records import (
    AT_SETTLEMENT,
    CANCELLED,
    FOK,
    IOC,
    LAPSED,
    LEVELS,
    LIMIT,
    MARKET,
    MARKET_IF_TOUCHED,
    MISSING,
    NEVER,
    POST_ONLY,
    REDUCE_ONLY,
    REFUSED,
    STOP_LIMIT,
    TICKETS,
    TRAILING_STOP,
    ZERO,
)
from kilohour.kernels.working import end_order

ONE = np.int64(1)


@inner
def taking_cost(term, price):
    """What taking a displayed price costs per unit beside it: slippage alone, for the quote has its spread."""
    cost = term.slippage
    if term.slippage_ppm:
        cost += share_half_even(abs(price), term.slippage_ppm, 1_000_000)
    return cost


@inner
def is_due(desk, order):
    """True when an order may fill now."""
    return (order.number != 0 and order.units > order.filled and order.earliest <= desk.now and order.kind != AT_SETTLEMENT
            and is_open(desk, order))


@inner
def fill(book, desk, terms, order, leg, units, price, reference, maker, out):
    """Enters the fill of one leg at one price."""
    contract = order.contract[leg]
    term, lots = terms[contract], order.ratio[leg] * units
    fee = fee_of_fill(term, lots, price, maker)
    book_fill(book, desk, term, contract, lots, price, fee)
    if order.ticket:
        desk.ticket_value[order.ticket % TICKETS] += lots * price
    if not book.quiet:
        cost = half_even(max(lots * (price - reference), 0) * term.lot_num, term.lot_den)
        write_fill(out, desk.now, order, contract, lots, price, fee, cost, book.position[contract], maker)
        book_fee_row(term, contract, lots, fee, desk.now, out)


@inner
def units_wanted(book, order):
    """Units the order still may fill; of a reduce-only order no more than it may reduce."""
    units = order.units - order.filled
    return units_reducible(book, order, units) if order.flags & REDUCE_ONLY else units


@inner
def trigger(order):
    """A stop or a touch that was met is a market or a limit order from now on."""
    order.kind = LIMIT if order.kind == STOP_LIMIT else MARKET


@inner
def meet_trades(book, desk, terms, slot, out):
    """Phase 1: one order, in its turn, and the trades of this timestamp."""
    if book.lapsed_at != desk.now:
        lapse_dates(book, desk, out)
    order = book.order[slot]
    contract = order.contract[0]
    if not is_due(desk, order) or order.legs > 1 or desk.seen_at[contract] != desk.now or book.bar_volume[contract] == 0:
        return
    if order.kind > LIMIT:
        if is_triggered_by_trades(book, order, contract):
            trigger(order)
    elif order.kind == LIMIT and order.ahead_at == order.limit:
        rest(book, desk, terms, order, contract, out)


@inner
def is_triggered_by_trades(book, order, contract):
    """True when the way of the trades meets the trigger; a trailing level moves along."""
    buys = order.ratio[0] > 0
    draw_path(book.path, book.bar_open[contract], book.bar_high[contract], book.bar_low[contract], book.bar_close[contract])
    if order.kind == TRAILING_STOP:
        at, level = trail(book.path, order.trigger, order.distance, not buys, ZERO)
        order.trigger = level
        return at != NEVER
    return reach(book.path, order.trigger, buys != (order.kind == MARKET_IF_TOUCHED), ZERO) != NEVER


@inner
def is_print(book, contract):
    """True when all that was traded is known to be at one price."""
    return book.bar_high[contract] == book.bar_low[contract] and book.bar_volume[contract] != MISSING


@inner
def trades_left(book, desk, term, contract):
    """Lots of this timestamp's trades that our orders may have been part of: all of a print's, a share of a bar's."""
    if book.stamp[contract] != desk.now:
        book.stamp[contract] = desk.now
        volume = book.bar_volume[contract]
        book.available[contract] = volume if is_print(book, contract) else share_of(term, volume)
    return book.available[contract]


@inner
def rest(book, desk, terms, order, contract, out):
    """A resting limit order is filled by trades through its price, and by those at it that its queue leaves over."""
    buys = order.ratio[0] > 0
    extreme = book.bar_low[contract] if buys else book.bar_high[contract]
    left = trades_left(book, desk, terms[contract], contract)
    if extreme < order.limit if buys else extreme > order.limit:
        order.ahead = 0
    elif extreme == order.limit and is_print(book, contract):
        ahead = order.ahead
        order.ahead = max(ahead - left, 0)
        left -= ahead
    else:
        return
    units = min(units_wanted(book, order), left)
    if is_stranded(book, order):
        end_order(book, desk, order, CANCELLED, out)
    elif units > 0:
        book.available[contract] -= units
        fill(book, desk, terms, order, ZERO, units, order.limit, order.limit, ONE, out)
        settle_units(book, desk, order, units, ZERO, out)


@inner
def meet_quotes(book, quotes, desk, terms, slot, out):
    """Phase 4: one order, in its turn, and what is displayed now."""
    order = book.order[slot]
    if not is_due(desk, order):
        return
    buys = order.legs > 1 or order.ratio[0] > 0
    if order.kind > LIMIT:
        if not is_triggered_by_quotes(book, quotes, desk, order, buys):
            return
        trigger(order)
    price = displayed_price(book, quotes, desk, order, True)
    pays = price != MISSING and within_limit(order, price, buys)
    if pays and not order.looked and order.flags & POST_ONLY:
        book.orders_refused += 1
        end_order(book, desk, order, REFUSED, out)
        return
    order.looked = 1
    if pays:
        take(book, quotes, desk, terms, order, out)
    if order.number and (order.life == IOC or order.life == FOK):
        end_order(book, desk, order, LAPSED, out)
    elif order.number and order.kind == LIMIT and order.legs == 1:
        queue_up(book, quotes, desk, order)


@inner
def is_triggered_by_quotes(book, quotes, desk, order, buys):
    """A stop is met by the opposite side, so that a wide quote alone triggers nothing; a touch by the side it would take."""
    pay = displayed_price(book, quotes, desk, order, True)
    if order.kind == MARKET_IF_TOUCHED:
        return pay != MISSING and (pay <= order.trigger if buys else pay >= order.trigger)
    get = displayed_price(book, quotes, desk, order, False)
    if get != MISSING and (get >= order.trigger if buys else get <= order.trigger):
        return True
    if order.kind == TRAILING_STOP and pay != MISSING:
        order.trigger = min(order.trigger, pay + order.distance) if buys else max(order.trigger, pay - order.distance)
    return False


@inner
def take(book, quotes, desk, terms, order, out):
    """Fills what is displayed for an order; it ends or is told so once."""
    if is_stranded(book, order):
        end_order(book, desk, order, CANCELLED, out)
        return
    units = min(units_wanted(book, order), units_displayed(book, quotes, desk, order))
    if units <= 0 or (order.life == FOK and units < order.units - order.filled):
        return
    if order.legs == 1:
        walk(book, quotes, desk, terms, order, units, out)
    else:
        take_together(book, quotes, desk, terms, order, units, out)
    settle_units(book, desk, order, units, ZERO, out)


@inner
def walk(book, quotes, desk, terms, order, units, out):
    """Level by level, a fill each. An order that rested is hit at its limit, and is the maker."""
    contract, buys, rested = order.contract[0], order.ratio[0] > 0, order.kind == LIMIT and order.ahead_at == order.limit
    for level in range(levels_of(book, quotes, desk, contract)):
        at = contract * LEVELS + level
        part, price = min(units, left_of(quotes, at, buys)), price_of(quotes, at, buys)
        if part == 0:
            continue
        if rested:
            paid, reference = order.limit, order.limit
        else:
            cost, reference = taking_cost(terms[contract], price), middle(quotes, contract, price)
            paid = price + cost if buys else price - cost
            if order.kind == LIMIT:
                paid = min(paid, order.limit) if buys else max(paid, order.limit)
        use_up(quotes, desk, contract, at, buys, part)
        fill(book, desk, terms, order, ZERO, part, paid, reference, np.int64(rested), out)
        units -= part


@inner
def costs_together(book, quotes, desk, terms, order):
    """What taking every leg costs per unit of the order."""
    cost = 0
    for leg in range(order.legs):
        contract, buys = order.contract[leg], order.ratio[leg] > 0
        price = price_of(quotes, best_level(book, quotes, desk, contract, buys), buys)
        cost += abs(order.ratio[leg]) * taking_cost(terms[contract], price)
    return cost


@inner
def take_together(book, quotes, desk, terms, order, units, out):
    """Every leg at its best price with its cost; the first gives what the order's limit is better."""
    better = 0
    if order.kind == LIMIT:
        paid = displayed_price(book, quotes, desk, order, True) + costs_together(book, quotes, desk, terms, order)
        better = max(paid - order.limit, 0)
    for leg in range(order.legs):
        contract, buys = order.contract[leg], order.ratio[leg] > 0
        at = best_level(book, quotes, desk, contract, buys)
        price = price_of(quotes, at, buys)
        cost = taking_cost(terms[contract], price)
        paid = price + cost if buys else price - cost
        if leg == 0:
            paid -= better // order.ratio[leg]
        use_up(quotes, desk, contract, at, buys, abs(order.ratio[leg]) * units)
        fill(book, desk, terms, order, leg, units, paid, middle(quotes, contract, price), ZERO, out)
