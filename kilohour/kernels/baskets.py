# SPDX-License-Identifier: Apache-2.0
"""Targets become orders: what the strategy names in one verb is one basket. Rules: docs/engine.md, "Targets"."""

from __future__ import annotations

import numpy as np

from kilohour.kernels.compiling import inner
from kilohour.kernels.gate import plain_order, submit, submit_outright, takes_cancels
from kilohour.kernels.integers import common_divisor
from kilohour.kernels.records import FROM_TARGET, LEGS, MARKET, REPLACED
from kilohour.kernels.working import end_order, sweep_orders

RATIO_MAX = 4


@inner
def replace_targets(book, desk, first, last, out):
    """Cancels working target orders that touch one of the contracts named in requests ``first:last``."""
    ended = False
    for slot in range(book.orders_working):
        order = book.order[slot]
        if order.origin == FROM_TARGET and touches_basket(desk, order, first, last):
            end_order(book, desk, order, REPLACED, out)
            ended = True
    if ended:
        sweep_orders(book)


@inner
def can_replace(book, desk, terms, first, last):
    """True when every working target order on a contract of requests ``first:last`` may be cancelled now."""
    for slot in range(book.orders_working):
        order = book.order[slot]
        if order.origin == FROM_TARGET and touches_basket(desk, order, first, last) and not takes_cancels(desk, terms, order):
            return False
    return True


@inner
def touches_basket(desk, order, first, last):
    """True when a leg is on one of the contracts named in requests ``first:last``."""
    for leg in range(order.legs):
        for request in range(first, last):
            if order.contract[leg] == desk.request_contract[request]:
                return True
    return False


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
    if settled or not can_replace(book, desk, terms, first, last):
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
    plain_order(order, MARKET, FROM_TARGET)
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
