# SPDX-License-Identifier: Apache-2.0
"""From the strategy's requests to orders: baskets of targets, and the risk gate. Rules: docs/engine.md, "Orders"."""

from __future__ import annotations

import numpy as np

from kilohour.kernels.books import equity_now
from kilohour.kernels.compiling import inner
from kilohour.kernels.integers import common_divisor
from kilohour.kernels.margin import initial_requirement
from kilohour.kernels.matching import copy_order, end_order, leave, sweep_orders
from kilohour.kernels.output import write_order
from kilohour.kernels.records import (
    ADDED,
    CANCELLED,
    CAPACITY,
    FROM_LIQUIDATION,
    FROM_ORDER,
    FROM_TARGET,
    GTC,
    LEGS,
    LIMIT,
    MARGIN,
    MARKET,
    NO_PRICE,
    NOT_LISTED,
    ORDERS,
    REFUSED,
    REPLACED,
    REQUEST_CANCEL,
    REQUEST_LIMIT,
    REQUEST_TARGET,
    SIZE,
    TICK,
    WORKING,
)

LOTS_MAX = 1_000_000
RATIO_MAX = 4


@inner
def lots_committed(desk, contract):
    """Lots held once everything working has filled."""
    return desk.held[contract] + desk.on_target[contract] + desk.on_order[contract]


@inner
def only_reduces(desk, order):
    """True when every leg makes the committed position smaller without changing its side."""
    for leg in range(order.legs):
        before = lots_committed(desk, order.contract[leg])
        after = before + order.ratio[leg] * order.units
        if abs(after) >= abs(before) or (after != 0 and (after > 0) != (before > 0)):
            return False
    return True


@inner
def requirement_with(book, desk, terms, order):
    """Initial requirement of positions, all working lots and this order together, micros."""
    total = 0
    for contract in range(desk.contract_count):
        lots = lots_committed(desk, contract)
        for leg in range(order.legs):
            if order.contract[leg] == contract:
                lots += order.ratio[leg] * order.units
        if lots:
            total += initial_requirement(terms[contract], lots, book.value_price[contract])
    return total


@inner
def refusal(book, desk, terms, order):
    """The first rule the order breaks, 0 when it may go. A liquidation only needs a slot: what is held must close."""
    if order.origin == FROM_LIQUIDATION:
        return CAPACITY if book.orders_working == ORDERS else 0
    for leg in range(order.legs):
        if not desk.listed[order.contract[leg]]:
            return NOT_LISTED
    for leg in range(order.legs):
        if desk.seen_at[order.contract[leg]] < 0:
            return NO_PRICE
    for leg in range(order.legs):
        lots = abs(order.ratio[leg] * order.units)
        if lots == 0 or lots > LOTS_MAX:
            return SIZE
    if order.kind == LIMIT and order.limit % terms[order.contract[0]].tick:
        return TICK
    if book.orders_working == ORDERS:
        return CAPACITY
    if not only_reduces(desk, order) and requirement_with(book, desk, terms, order) > equity_now(book, terms):
        return MARGIN
    return 0


@inner
def submit(book, desk, terms, order, out):
    """Numbers an order and lets it through the risk gate."""
    book.orders_made += 1
    order.number = book.orders_made
    order.filled = 0
    order.accepted_at = desk.now
    code = refusal(book, desk, terms, order)
    if code:
        book.orders_refused += 1
    else:
        copy_order(order, book.order[book.orders_working])
        book.orders_working += 1
        leave(desk, order, ADDED, order.units)
    if not book.quiet:
        write_order(out, desk.now, order, REFUSED if code else WORKING, code)
    return code == 0


@inner
def replace_targets(book, desk, first, last, out):
    """Cancels working target orders that touch one of the contracts named in requests ``first:last``."""
    ended = False
    for slot in range(book.orders_working):
        order = book.order[slot]
        if order.origin != FROM_TARGET:
            continue
        touches = False
        for leg in range(order.legs):
            for request in range(first, last):
                touches = touches or order.contract[leg] == desk.request_contract[request]
        if touches:
            end_order(book, desk, order, REPLACED, desk.now, out)
            ended = True
    if ended:
        sweep_orders(book)


@inner
def sort_by_contract(desk, first, last):
    """Brings the requests ``first:last`` of one basket into contract order: the order of an order's legs."""
    for request in range(first + 1, last):
        contract, lots, at = desk.request_contract[request], desk.request_lots[request], request
        while at > first and desk.request_contract[at - 1] > contract:
            desk.request_contract[at], desk.request_lots[at] = desk.request_contract[at - 1], desk.request_lots[at - 1]
            at -= 1
        desk.request_contract[at], desk.request_lots[at] = contract, lots


@inner
def lots_to_target(desk, request):
    """What a request still lacks, once working target orders on its contract are cancelled; liquidations are not."""
    contract = desk.request_contract[request]
    return desk.request_lots[request] - desk.held[contract] - desk.on_target[contract]


@inner
def submit_basket(book, desk, terms, first, last, order, out):
    """One basket of targets, requests ``first:last``, becomes one order, or outrights where it cannot."""
    settled = True
    for request in range(first, last):
        contract = desk.request_contract[request]
        if desk.held[contract] + desk.on_target[contract] != desk.request_lots[request]:
            settled = False
    if settled:
        return
    sort_by_contract(desk, first, last)
    replace_targets(book, desk, first, last, out)
    legs, units, largest = 0, np.int64(0), 0
    for request in range(first, last):
        lots = abs(lots_to_target(desk, request))
        if lots:
            legs += 1
            units = common_divisor(lots, units)
            largest = max(largest, lots)
    if legs == 0:
        return
    together = legs == 1 or (legs <= LEGS and largest <= RATIO_MAX * units)
    order.kind, order.life, order.origin, order.limit, order.ticket = MARKET, GTC, FROM_TARGET, 0, 0
    order.legs = 0
    for request in range(first, last):
        contract = desk.request_contract[request]
        lots = lots_to_target(desk, request)
        if lots == 0:
            continue
        if together:
            order.contract[order.legs] = contract
            order.ratio[order.legs] = lots // units
            order.legs += 1
            order.units = units
        else:
            submit_outright(book, desk, terms, contract, lots, order, out)
    if together:
        submit(book, desk, terms, order, out)
    else:
        book.orders_legged += 1


@inner
def submit_outright(book, desk, terms, contract, lots, order, out):
    """One order of one leg; the caller has set its kind, life, origin and limit."""
    order.legs = 1
    order.contract[0] = contract
    order.ratio[0] = -1 if lots < 0 else 1
    order.units = abs(lots)
    return submit(book, desk, terms, order, out)


@inner
def cancel_ticket(book, desk, ticket, out):
    """Cancels the working order of a ticket, if there still is one."""
    for slot in range(book.orders_working):
        if book.order[slot].origin == FROM_ORDER and book.order[slot].ticket == ticket:
            end_order(book, desk, book.order[slot], CANCELLED, desk.now, out)
            sweep_orders(book)
            return


@inner
def serve_requests(book, desk, terms, order, out):
    """Serves the strategy's requests in the order they were made. ``order`` is scratch memory."""
    request = np.int64(0)
    while request < desk.request_count:
        kind = desk.request_kind[request]
        last = request + 1
        if kind == REQUEST_TARGET:
            while (last < desk.request_count and desk.request_kind[last] == REQUEST_TARGET
                   and desk.request_basket[last] == desk.request_basket[request]):
                last += 1
            submit_basket(book, desk, terms, request, last, order, out)
        elif kind == REQUEST_CANCEL:
            cancel_ticket(book, desk, desk.request_ticket[request], out)
        else:
            order.kind = LIMIT if kind == REQUEST_LIMIT else MARKET
            order.life, order.origin = desk.request_life[request], FROM_ORDER
            order.ticket = desk.request_ticket[request]
            order.limit = np.int64(round(desk.request_price[request] * 1e6)) if kind == REQUEST_LIMIT else 0
            submit_outright(book, desk, terms, desk.request_contract[request], desk.request_lots[request], order, out)
        request = last
    desk.request_count = 0
    desk.basket_count = 0
