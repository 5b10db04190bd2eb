# SPDX-License-Identifier: Apache-2.0
"""Margin call after marks, and the orders that reduce positions. Rules: docs/engine.md, "Margin"."""

from __future__ import annotations

from kilohour.kernels.compiling import inner
from kilohour.kernels.gate import plain_order, submit_outright
from kilohour.kernels.margin import initial_requirement, lots_to_free, maintenance_requirement
from kilohour.kernels.records import FROM_LIQUIDATION, MARGIN_CALL, MARKET
from kilohour.kernels.working import end_order


@inner
def measure_margin(book, desk, terms):
    """Brings both requirements up to date, in the book and on the desk."""
    initial, maintenance = 0, 0
    for line in range(book.open_count):
        contract = book.open_contract[line]
        lots, price = book.position[contract], book.value_price[contract]
        if lots:
            initial += initial_requirement(terms[contract], lots, price)
            maintenance += maintenance_requirement(terms[contract], lots, price)
    book.initial, book.maintenance = initial, maintenance
    desk.initial_micros = initial


@inner
def largest_requirement(book, desk, terms):
    """The tradable contract that binds most initial margin beyond its liquidation orders, -1 without one."""
    best, best_amount = -1, 0
    for contract in range(desk.contract_count):
        left = desk.held[contract] + desk.on_target[contract]
        if left and desk.listed[contract]:
            amount = initial_requirement(terms[contract], left, book.value_price[contract])
            if amount > best_amount or best < 0:
                best, best_amount = contract, amount
    return best


@inner
def call_margin(book, desk, terms, order, out):
    """When equity is under maintenance: cancels what works, and reduces until the initial requirement is met."""
    if book.equity >= book.maintenance:
        return
    book.margin_calls += 1
    for slot in range(book.orders_working):
        if book.order[slot].number:  # a child may have ended with its parent
            end_order(book, desk, book.order[slot], MARGIN_CALL, out)
    book.orders_working = 0
    requirement = book.initial
    plain_order(order, MARKET, FROM_LIQUIDATION)
    while book.equity <= 0 or requirement > book.equity:
        contract = largest_requirement(book, desk, terms)
        if contract < 0:
            return
        term, left, price = terms[contract], desk.held[contract] + desk.on_target[contract], book.value_price[contract]
        closing = abs(left)
        if book.equity > 0:
            closing = lots_to_free(term, left, price, requirement - book.equity)
        requirement -= initial_requirement(term, left, price)
        left_after = abs(left) - closing
        requirement += initial_requirement(term, left_after, price)
        if not submit_outright(book, desk, terms, contract, -closing if left > 0 else closing, order, out):
            return
