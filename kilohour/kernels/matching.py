# SPDX-License-Identifier: Apache-2.0
"""Working orders meet the bars of one timestamp. Rules: docs/engine.md, "Orders".

Market and limit orders without flags and ties are plain and are matched here; the others in meeting.py, which is
compiled only when a strategy can ask for them.
"""

from __future__ import annotations

import numpy as np

from kilohour.kernels.books import book_fee_row, book_fill, fee_of_fill, is_maker
from kilohour.kernels.call import call_gate
from kilohour.kernels.compiling import inner
from kilohour.kernels.integers import half_even, share_half_even
from kilohour.kernels.output import write_fill
from kilohour.kernels.records import FILL_AT_OPEN, FILLED, LIMIT, MISSING, OPEN, TAKEN, TICKETS, ZERO
from kilohour.kernels.working import end_order, leave, sweep_orders

UNLIMITED = np.int64(1 << 40)


@inner
def share_of(term, volume):
    """Lots that one account may take of a bar's volume."""
    return UNLIMITED if volume == MISSING else volume * term.participation_ppm // 1_000_000


@inner
def lots_available(book, term, contract, now):
    """Lots the bar still offers, computed once a timestamp and shared by all orders."""
    if book.stamp[contract] != now:
        book.stamp[contract] = now
        book.available[contract] = share_of(term, book.bar_volume[contract])
    return book.available[contract]


@inner
def cost_at(term, price):
    """What taking liquidity costs per unit, micros: half the spread and the slippage."""
    cost = term.half_spread + term.slippage
    if term.slippage_ppm:
        cost += share_half_even(abs(price), term.slippage_ppm, 1_000_000)
    return cost


@inner
def limit_price(limit, buys, cost, open, high, low):
    """The fill price of a limit order in one bar, MISSING when it does not fill; a touch is not a fill."""
    if buys:
        if open <= limit:
            return min(open + cost, limit)
        return limit if low < limit else MISSING
    if open >= limit:
        return max(open - cost, limit)
    return limit if high > limit else MISSING


@inner
def units_fillable(book, desk, terms, order):
    """Whole units that every leg's bar can take."""
    units = order.units - order.filled
    for leg in range(order.legs):
        contract = order.contract[leg]
        if desk.seen_at[contract] != desk.now or desk.session[contract] != OPEN:
            return 0
        offered = lots_available(book, terms[contract], contract, desk.now)
        units = min(units, offered // abs(order.ratio[leg]))
    return units


@inner
def leg_price(book, terms, order, leg):
    """Fill price of one leg of a plain order in micros, MISSING when a limit is not reached."""
    contract = order.contract[leg]
    open = book.bar_open[contract]
    cost, buys = cost_at(terms[contract], open), order.ratio[leg] > 0
    if order.kind != LIMIT:
        return open + cost if buys else open - cost
    if book.fill_model == FILL_AT_OPEN:
        return limit_price(order.limit, buys, cost, open, open, open)
    return limit_price(order.limit, buys, cost, open, book.bar_high[contract], book.bar_low[contract])


@inner
def fill_leg(book, desk, terms, order, leg, units, price, reference, out):
    """Enters the fill of one leg; ``reference`` is the price it would have had without cost."""
    contract = order.contract[leg]
    term, lots = terms[contract], order.ratio[leg] * units
    maker = is_maker(book, order)
    fee = fee_of_fill(term, lots, price, maker)
    book.available[contract] -= abs(lots)
    book_fill(book, desk, term, contract, lots, price, fee)
    if order.ticket:
        desk.ticket_value[order.ticket % TICKETS] += lots * price
    if not book.quiet:
        # A limit that waited for its price gives nothing up; one the bar opened through pays like a market order.
        cost = half_even(max(lots * (price - reference), 0) * term.lot_num, term.lot_den)
        write_fill(out, desk.now, order, contract, lots, price, fee, cost, book.position[contract], maker)
        book_fee_row(term, contract, lots, fee, desk.now, out)


@inner
def count_filled(desk, order, units):
    """Takes filled units from what is working."""
    leave(desk, order, TAKEN, units)
    order.filled += units
    if order.ticket:
        desk.ticket_filled[order.ticket % TICKETS] += units * abs(order.ratio[0])


@inner
def match_orders(book, desk, terms, out, meet_address, book_address, desk_address, terms_address, order_address, out_address):
    """Lets every working order, oldest first, meet the bars of ``desk.now``."""
    ended = False
    for slot in range(book.orders_working):
        order = book.order[slot]
        if not order.plain:
            ended = True
            call_gate(meet_address, slot, book_address, desk_address, terms_address, order_address, out_address)
            continue
        if order.earliest > desk.now:
            continue
        units = units_fillable(book, desk, terms, order)
        if units <= 0 or (order.kind == LIMIT and leg_price(book, terms, order, ZERO) == MISSING):
            continue
        for leg in range(order.legs):
            reference = book.bar_open[order.contract[leg]]
            fill_leg(book, desk, terms, order, leg, units, leg_price(book, terms, order, leg), reference, out)
        count_filled(desk, order, units)
        if order.filled == order.units:
            end_order(book, desk, order, FILLED, out)
            ended = True
    if ended:
        sweep_orders(book)
