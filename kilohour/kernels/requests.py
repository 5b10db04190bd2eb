# SPDX-License-Identifier: Apache-2.0
"""The strategy's requests, in the order they were made. Rules: docs/engine.md, "Orders"."""

from __future__ import annotations

import numpy as np

from kilohour.kernels.baskets import submit_basket
from kilohour.kernels.compiling import inner
from kilohour.kernels.gate import plain_order, refusal, submit, takes_cancels
from kilohour.kernels.memory import copy_record
from kilohour.kernels.output import write_order
from kilohour.kernels.records import (
    ADDED,
    CANCELLED,
    DAY,
    FROM_ORDER,
    IN_SESSION,
    LIMIT,
    MARKET,
    MISSING,
    REFUSED,
    REQUEST_AMEND,
    REQUEST_CANCEL,
    REQUEST_TARGET,
    SIZE,
    STOP_LIMIT,
    TAKEN,
    TRAILING_STOP,
    VENUE,
    WORKING,
    ZERO,
)
from kilohour.kernels.working import end_order, leave, set_units, sweep_orders


@inner
def micros(price):
    """Dollars to micros."""
    return np.int64(round(price * 1e6))


@inner
def slot_of(book, ticket):
    """Where the working order of a ticket stands, -1 when there is none."""
    for slot in range(book.orders_working):
        if book.order[slot].origin == FROM_ORDER and book.order[slot].ticket == ticket:
            return slot
    return -1


@inner
def set_price(order, price, sign):
    """Puts a request's price where the order's kind has it."""
    if order.kind == TRAILING_STOP:
        order.distance = price
    elif order.kind == LIMIT:
        order.limit = sign * price
    elif order.kind != MARKET:
        order.trigger = sign * price


@inner
def order_of(book, desk, request, order):
    """The order that a request asks for; of two legs it always buys, its legs' signs are its sides."""
    plain_order(order, desk.request_order[request], FROM_ORDER)
    lots, against = desk.request_lots[request], desk.request_against[request]
    side = -1 if lots < 0 else 1
    order.contract[0], order.ratio[0], order.legs, order.units = desk.request_contract[request], side, 1, abs(lots)
    if against >= 0:
        order.contract[1], order.ratio[1], order.legs = against, -side, 2
    sign = side if against >= 0 else 1
    set_price(order, micros(desk.request_price[request]), sign)
    if order.kind == STOP_LIMIT:
        order.limit = sign * micros(desk.request_limit[request])
    order.life, order.until, order.flags = desk.request_life[request], desk.request_until[request], desk.request_flags[request]
    order.ticket, order.group = desk.request_ticket[request], desk.request_group[request]
    if desk.request_parent[request]:
        order.parent = parent_of(book, desk.request_parent[request])
    untied = order.parent == 0 and order.group == 0 and order.flags == 0
    order.plain = untied and order.life <= DAY and (order.kind == MARKET or (order.kind == LIMIT and order.legs == 1))
    if order.kind == TRAILING_STOP:
        begin_trail(desk, order)


@inner
def parent_of(book, ticket):
    """Number of the working order that a child waits for, -1 when it is not there or is a child itself."""
    slot = slot_of(book, ticket)
    if slot < 0 or book.order[slot].parent:
        return -1
    book.order[slot].has_children, book.order[slot].plain = 1, 0
    return book.order[slot].number


@inner
def begin_trail(desk, order):
    """The first level of a trailing stop: from the last price; a sleeping one begins where it wakes."""
    falling = order.legs == 1 and order.ratio[0] < 0
    if order.parent:
        order.trigger = -(1 << 60) if falling else 1 << 60
        return
    if order.legs == 1:
        last = micros(desk.last[order.contract[0]])
    else:
        last = order.ratio[0] * (micros(desk.last[order.contract[0]]) - micros(desk.last[order.contract[1]]))
    order.trigger = last - order.distance if falling else last + order.distance


@inner
def ask(book, desk, terms, request, order, out):
    """Submits one order; when it is refused, so is what is tied to it."""
    order_of(book, desk, request, order)
    if submit(book, desk, terms, order, out) or not (order.group or desk.request_parent[request]):
        return
    group, parent = order.group, desk.request_parent[request]
    for slot in range(book.orders_working):
        other = book.order[slot]
        if other.number and other.origin == FROM_ORDER and ((parent and other.ticket == parent) or (group > 0 and other.group == group)):
            end_order(book, desk, other, CANCELLED, out)
    sweep_orders(book)
    for later in range(request + 1, desk.request_count):
        if group > 0 and desk.request_group[later] == group:
            desk.request_group[later] = -1


@inner
def cancel_ticket(book, desk, terms, ticket, order, out):
    """Cancels the working order of a ticket, if there still is one; where its venue's session takes no cancels a row says so."""
    slot = slot_of(book, ticket)
    if slot < 0:
        return
    if takes_cancels(desk, terms, book.order[slot]):
        end_order(book, desk, book.order[slot], CANCELLED, out)
        sweep_orders(book)
    else:
        copy_record(order, book.order[slot])
        refuse_change(book, desk, order, IN_SESSION, out)


@inner
def amend(book, desk, terms, request, order, out):
    """Gives a working order another size and price. Refused, the old one stays, and a row says what was refused."""
    slot = slot_of(book, desk.request_ticket[request])
    if slot < 0:
        return
    old = book.order[slot]
    copy_record(order, old)
    size = desk.request_lots[request] * order.ratio[0]
    if 0 <= size <= old.filled:
        cancel_ticket(book, desk, terms, old.ticket, order, out)
        return
    reprice(order, micros(desk.request_price[request]))
    order.size = size
    order.earliest, order.place = desk.now + max(book.latency, 1), 0
    leave(desk, old, TAKEN, old.units - old.filled)
    order.units = order.filled
    code = amendment_refusal(book, desk, terms, order)
    if code:
        leave(desk, old, ADDED, old.units - old.filled)
        refuse_change(book, desk, order, code, out)
        return
    moved = order.limit != old.limit or order.trigger != old.trigger or order.distance != old.distance
    if moved:
        order.looked = 0
    if not book.quiet:
        write_order(out, desk.now, order, WORKING, ZERO)
    set_units(desk, order)
    if moved or size > old.size:
        order.ahead_at = MISSING
        to_the_end(book, slot, order)
        if order.has_children:
            bring_children(book, order.number, order)
    else:
        copy_record(old, order)


@inner
def to_the_end(book, slot, order):
    """The order of a slot stands behind all others, as ``order`` has it."""
    book.order[slot].number = 0
    sweep_orders(book)
    copy_record(book.order[book.orders_working], order)
    book.orders_working += 1


@inner
def bring_children(book, number, order):
    """The sleeping children of order ``number`` follow it to the end of the queue. ``order`` is scratch memory."""
    slot = 0
    for _ in range(book.orders_working):
        if book.order[slot].parent == number and book.order[slot].units == book.order[slot].filled:
            copy_record(order, book.order[slot])
            to_the_end(book, slot, order)
        else:
            slot += 1


@inner
def reprice(order, price):
    """Puts an amended price where the order's kind has it; a trailing level stays by the distance from the best price seen."""
    distance = order.distance
    set_price(order, price, order.ratio[0] if order.legs > 1 else 1)
    if order.kind == TRAILING_STOP:
        falling = order.legs == 1 and order.ratio[0] < 0
        order.trigger += distance - order.distance if falling else order.distance - distance


@inner
def amendment_refusal(book, desk, terms, order):
    """The first rule that an amended order breaks, 0 when it may go."""
    if order.size < 0:
        return SIZE
    if not takes_cancels(desk, terms, order):
        return IN_SESSION
    for leg in range(order.legs):
        if not terms[order.contract[leg]].can_amend:
            return VENUE
    return refusal(book, desk, terms, order, ZERO)


@inner
def refuse_change(book, desk, order, code, out):
    """The row of a refused amendment or cancel has a number of its own."""
    book.orders_refused += 1
    book.orders_made += 1
    order.number, order.filled = book.orders_made, 0
    if not book.quiet:
        write_order(out, desk.now, order, REFUSED, code)


@inner
def end_of_basket(desk, request):
    """The request behind the targets that were named together with this one."""
    last = request + 1
    while (last < desk.request_count and desk.request_kind[last] == REQUEST_TARGET
           and desk.request_basket[last] == desk.request_basket[request]):
        last += 1
    return last


@inner
def serve_targets(book, desk, terms, order, out):
    """Serves requests that are all targets. ``order`` is scratch memory."""
    request = ZERO
    while request < desk.request_count:
        last = end_of_basket(desk, request)
        submit_basket(book, desk, terms, request, last, order, out)
        request = last
    desk.request_count = 0
    desk.basket_count = 0


@inner
def serve_requests(book, desk, terms, order, out):
    """Serves every request. ``order`` is scratch memory."""
    request = ZERO
    while request < desk.request_count:
        kind = desk.request_kind[request]
        last = request + 1
        if kind == REQUEST_TARGET:
            last = end_of_basket(desk, request)
            submit_basket(book, desk, terms, request, last, order, out)
        elif kind == REQUEST_CANCEL:
            cancel_ticket(book, desk, terms, desk.request_ticket[request], order, out)
        elif kind == REQUEST_AMEND:
            amend(book, desk, terms, request, order, out)
        else:
            ask(book, desk, terms, request, order, out)
        request = last
    desk.request_count = 0
    desk.basket_count = 0
