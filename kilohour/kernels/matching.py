# SPDX-License-Identifier: Apache-2.0
"""Working orders meet the bars of one timestamp. Rules: docs/engine.md, "Orders"."""

from __future__ import annotations

from kilohour.kernels.books import book_fee_row, book_fill, fee_of_fill
from kilohour.kernels.compiling import inner
from kilohour.kernels.integers import half_even
from kilohour.kernels.output import write_fill, write_order
from kilohour.kernels.records import FILLED, FROM_ORDER, LIMIT, MISSING, TAKEN, ZERO


@inner
def leave(desk, order, lots_sign, units):
    """Adds ``lots_sign · units`` of the order's legs to what is working; liquidations count towards targets."""
    for leg in range(order.legs):
        lots = lots_sign * order.ratio[leg] * units
        if order.origin != FROM_ORDER:
            desk.on_target[order.contract[leg]] += lots
        else:
            desk.on_order[order.contract[leg]] += lots


@inner
def end_order(book, desk, order, status, ts, out):
    """Ends a working order; its slot is swept by :func:`sweep_orders`."""
    leave(desk, order, TAKEN, order.units - order.filled)
    if not book.quiet:
        write_order(out, ts, order, status, ZERO)
    order.number = 0


@inner
def sweep_orders(book):
    """Closes the gaps that ended orders left, keeping the order of age."""
    keep = 0
    for slot in range(book.orders_working):
        if book.order[slot].number:
            if keep != slot:
                copy_order(book.order[slot], book.order[keep])
            keep += 1
    book.orders_working = keep


@inner
def copy_order(source, target):
    """Copies one order record."""
    target.number, target.ticket, target.kind, target.life = source.number, source.ticket, source.kind, source.life
    target.origin, target.limit, target.units, target.filled = source.origin, source.limit, source.units, source.filled
    target.accepted_at, target.legs = source.accepted_at, source.legs
    for leg in range(source.legs):
        target.contract[leg] = source.contract[leg]
        target.ratio[leg] = source.ratio[leg]


@inner
def lots_available(book, term, contract, now):
    """Lots the bar still offers, computed once a timestamp and shared by all orders."""
    if book.stamp[contract] != now:
        book.stamp[contract] = now
        size = book.bar_volume[contract]
        if size == MISSING:
            book.available[contract] = 1 << 40
        else:
            book.available[contract] = size * term.participation_ppm // 1_000_000
    return book.available[contract]


@inner
def limit_price(limit, buys, half_spread, open, high, low):
    """The fill price of a limit order in one bar, MISSING when it does not fill; a touch is not a fill."""
    if buys:
        if open <= limit:
            return min(open + half_spread, limit)
        return limit if low < limit else MISSING
    if open >= limit:
        return max(open - half_spread, limit)
    return limit if high > limit else MISSING


@inner
def units_fillable(book, desk, terms, order):
    """Whole units that every leg's bar can take."""
    units = order.units - order.filled
    for leg in range(order.legs):
        contract = order.contract[leg]
        if desk.seen_at[contract] != desk.now:
            return 0
        offered = lots_available(book, terms[contract], contract, desk.now)
        units = min(units, offered // abs(order.ratio[leg]))
    return units


@inner
def leg_price(book, terms, order, leg):
    """Fill price of one leg in micros, MISSING when a limit is not reached."""
    contract = order.contract[leg]
    open, half_spread = book.bar_open[contract], terms[contract].half_spread
    buys = order.ratio[leg] > 0
    if order.kind == LIMIT:
        return limit_price(order.limit, buys, half_spread, open, book.bar_high[contract], book.bar_low[contract])
    return open + half_spread if buys else open - half_spread


@inner
def fill_order(book, desk, terms, order, units, out):
    """Fills ``units`` of an order on all its legs."""
    for leg in range(order.legs):
        contract = order.contract[leg]
        term = terms[contract]
        price = leg_price(book, terms, order, leg)
        lots = order.ratio[leg] * units
        fee = fee_of_fill(term, lots, price)
        book.available[contract] -= abs(lots)
        book_fill(book, desk, term, contract, lots, price, fee)
        if not book.quiet:
            # A limit that waited for its price gives nothing up; one the bar opened through pays like a market order.
            paid = price - book.bar_open[contract]
            cost = half_even(max(lots * paid, 0) * term.lot_num, term.lot_den)
            write_fill(out, desk.now, order, contract, lots, price, fee, cost, book.position[contract])
            book_fee_row(book, contract, fee, desk.now, out)
    leave(desk, order, TAKEN, units)
    order.filled += units


@inner
def match_orders(book, desk, terms, out):
    """Lets every working order, oldest first, meet the bars of ``desk.now``."""
    ended = False
    for slot in range(book.orders_working):
        order = book.order[slot]
        if order.accepted_at >= desk.now:
            continue
        units = units_fillable(book, desk, terms, order)
        if units <= 0:
            continue
        if order.kind == LIMIT and leg_price(book, terms, order, ZERO) == MISSING:
            continue
        fill_order(book, desk, terms, order, units, out)
        if order.filled == order.units:
            end_order(book, desk, order, FILLED, desk.now, out)
            ended = True
    if ended:
        sweep_orders(book)
