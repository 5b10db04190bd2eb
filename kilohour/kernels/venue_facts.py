# SPDX-License-Identifier: Apache-2.0
"""What a venue said happened to an order, entered into the same books as a backtest's fills. Rules: docs/live-trading.md.

A part of its own: a backtest never compiles it, and ``advance`` knows nothing of it.
"""

from __future__ import annotations

from kilohour.kernels.books import book_fee_row, book_fill, fee_of_fill
from kilohour.kernels.compiling import entry, inner
from kilohour.kernels.gate import plain_order
from kilohour.kernels.integers import half_even
from kilohour.kernels.meeting import tell_others
from kilohour.kernels.output import write_fill, write_ledger, write_order
from kilohour.kernels.records import (
    AT_VENUE,
    FEE,
    FILLED,
    FROM_LIQUIDATION,
    FROM_ORDER,
    MARKET,
    MISSING,
    REFUSED,
    TICKETS,
    WORKING,
    ZERO,
)
from kilohour.kernels.working import end_order, finish, leave_leg, note_spent, release_children, sweep_orders

FILL_LEG, COUNT_UNITS, END_ORDER, CORRECT_FEE, REFUSE_ORDER = 1, 2, 3, 4, 5


@inner
def slot_of_number(book, number):
    """Where the working order of a number stands, -1 when there is none."""
    for slot in range(book.orders_working):
        if book.order[slot].number == number:
            return slot
    return -1


@inner
def strange_order(book, origin, contract, lots, order):
    """A fill of an order that is not ours stands beside an order row of its own."""
    plain_order(order, MARKET, origin)
    book.orders_made += 1
    order.number, order.legs, order.contract[0] = book.orders_made, 1, contract
    order.ratio[0] = -1 if lots < 0 else 1
    order.size = order.units = order.filled = abs(lots)


@inner
def book_leg(book, desk, term, order, is_working, contract, lots, price, fee, maker, reference, ts, out):
    """One leg's fill. Its lots work no longer, whether or not the other legs have filled."""
    if is_working:
        leave_leg(desk, order, contract, -lots)
        for leg in range(order.legs):
            if order.contract[leg] == contract:
                order.beyond[leg] += lots
    if fee == MISSING:
        fee = fee_of_fill(term, lots, price, maker)
    book_fill(book, desk, term, contract, lots, price, fee)
    note_spent(desk, order, lots, price)
    cost = half_even(max(lots * (price - reference), 0) * term.lot_num, term.lot_den)
    write_fill(out, ts, order, contract, lots, price, fee, cost, book.position[contract], maker)
    book_fee_row(term, contract, lots, fee, ts, out)


@inner
def count_units(book, desk, order, units, out):
    """Units whose every leg has filled; the orders tied to this one hear of it, and nothing of them fills here."""
    order.filled += units
    for leg in range(order.legs):
        order.beyond[leg] -= order.ratio[leg] * units
    if order.ticket:
        desk.ticket_filled[order.ticket % TICKETS] += units * abs(order.ratio[0])
    if order.group or order.has_children:
        tell_others(book, desk, order, units, ZERO, out)
        for slot in range(book.orders_working):
            book.order[slot].earliest = desk.now + AT_VENUE
    if order.filled == order.units and (order.parent == 0 or order.filled == order.size):
        end_order(book, desk, order, FILLED, out)
    sweep_orders(book)


@inner
def refuse_at_venue(book, desk, order, code, out):
    """The venue refused what our gate had let through: the row has the venue's code."""
    number, quiet = order.number, book.quiet
    book.orders_refused += 1
    write_order(out, desk.now, order, REFUSED, code)
    book.quiet = 1
    finish(book, desk, order, REFUSED, out)
    book.quiet = quiet
    if order.has_children:
        release_children(book, desk, number, out)
    sweep_orders(book)


@entry
def book_fact(desks, books, terms, outs, scratch, what, ts, number, contract, lots, price, fee, maker, reference):
    """Enters one fact. ``what`` decides which of the others carry something.

    FILL_LEG: ``lots`` signed, ``price``, ``fee`` (MISSING: by the product's terms), ``reference`` the price without cost; a
    ``number`` 0 is an order that is not ours, -1 one by which the venue liquidates. COUNT_UNITS: ``lots`` units.
    END_ORDER: ``lots`` is the status.
    REFUSE_ORDER: ``lots`` is the code. CORRECT_FEE: ``fee`` more than was booked.
    """
    desk, book, out = desks[0], books[0], outs[0]
    desk.now = max(desk.now, ts)
    slot = slot_of_number(book, number)
    if what == CORRECT_FEE:
        book.cash -= fee
        book.fees += fee
        write_ledger(out, ts, contract, FEE, -fee)
    elif what == FILL_LEG:
        if slot >= 0:
            book_leg(book, desk, terms[contract], book.order[slot], True, contract, lots, price, fee, maker, reference, ts, out)
        else:
            order = scratch[0]
            if number < 1:
                strange_order(book, FROM_LIQUIDATION if number < 0 else FROM_ORDER, contract, lots, order)
                write_order(out, ts, order, WORKING, ZERO)
                write_order(out, ts, order, FILLED, ZERO)
            else:
                plain_order(order, MARKET, FROM_ORDER)
                order.number = number
            book_leg(book, desk, terms[contract], order, False, contract, lots, price, fee, maker, reference, ts, out)
    elif slot < 0:
        return
    elif what == COUNT_UNITS:
        count_units(book, desk, book.order[slot], lots, out)
    elif what == REFUSE_ORDER:
        refuse_at_venue(book, desk, book.order[slot], lots, out)
    elif what == END_ORDER:
        end_order(book, desk, book.order[slot], lots, out)
        sweep_orders(book)
