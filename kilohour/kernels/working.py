# SPDX-License-Identifier: Apache-2.0
"""The queue of working orders, oldest first. Rules: docs/engine.md, "Orders"."""

from __future__ import annotations

from kilohour.kernels.compiling import inner
from kilohour.kernels.memory import copy_record
from kilohour.kernels.output import write_order
from kilohour.kernels.records import ADDED, AT_VENUE, CANCELLED, FILLED, FROM_ORDER, REFUSED, RESTS, TAKEN, TICKETS, ZERO


@inner
def leave(desk, order, sign, units):
    """Adds ``sign · units`` of the order's legs to what is working; liquidations count towards targets."""
    for leg in range(order.legs):
        lots = sign * order.ratio[leg] * units
        leave_leg(desk, order, order.contract[leg], lots)


@inner
def leave_leg(desk, order, contract, lots):
    """Adds lots of one contract to what is working."""
    if order.origin != FROM_ORDER:
        desk.on_target[contract] += lots
    else:
        desk.on_order[contract] += lots


@inner
def start_legs(book, order):
    """An order that goes to a venue has no leg of it filled."""
    if book.latency == AT_VENUE:
        for leg in range(order.legs):
            order.beyond[leg] = 0


@inner
def set_units(desk, order):
    """Brings what may fill up to date with the order's size and, of a child, with what has arrived."""
    units = max(min(order.size, order.arrived), order.filled) if order.parent else order.size
    leave(desk, order, ADDED, units - order.units)
    order.units = units


@inner
def note_spent(desk, order, lots, price):
    """What a leg's fill cost or brought, for the order's ticket."""
    if order.ticket:
        desk.ticket_value[order.ticket % TICKETS] += lots * price


@inner
def finish(book, desk, order, status, out):
    """Ends one order; its slot is swept by :func:`sweep_orders`. Who is refused once it works would not have rested."""
    leave(desk, order, TAKEN, order.units - order.filled)
    if book.latency == AT_VENUE:  # what has filled beyond whole units works no longer as it is
        for leg in range(order.legs):
            leave_leg(desk, order, order.contract[leg], order.beyond[leg])
    if order.ticket:
        desk.ticket_status[order.ticket % TICKETS] = status
    if not book.quiet:
        write_order(out, desk.now, order, status, RESTS if status == REFUSED else ZERO)
    order.number = 0


@inner
def end_order(book, desk, order, status, out):
    """Ends an order, and lets go of its children."""
    number = order.number
    finish(book, desk, order, status, out)
    if order.has_children:
        release_children(book, desk, number, out)


@inner
def release_children(book, desk, number, out):
    """Children of an order that is over: those that never woke are cancelled, the others stand alone from now on."""
    for slot in range(book.orders_working):
        child = book.order[slot]
        if child.number and child.parent == number:
            child.parent = 0
            child.size = child.units
            if child.filled == child.units:
                finish(book, desk, child, FILLED if child.units else CANCELLED, out)


@inner
def sweep_orders(book):
    """Closes the gaps that ended orders left, keeping the order of age."""
    keep = 0
    for slot in range(book.orders_working):
        if book.order[slot].number:
            if keep != slot:
                copy_record(book.order[keep], book.order[slot])
            keep += 1
    book.orders_working = keep
