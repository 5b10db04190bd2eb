# SPDX-License-Identifier: Apache-2.0
"""The engine's doors for a venue: orders that came over a wire, and trades that were matched in a book of the venue's own."""

from __future__ import annotations

from numba import carray

from kilohour.kernels.books import book_fill, book_final, book_final_correction, fee_of_fill
from kilohour.kernels.call import call_gate
from kilohour.kernels.chain import expire_contract
from kilohour.kernels.compiling import entry
from kilohour.kernels.gate import refusal, submit
from kilohour.kernels.memory import pointed_at
from kilohour.kernels.official import correct_mark
from kilohour.kernels.part import part_address
from kilohour.kernels.records import ADDED, CANCELLED, TAKEN, TRAILING_STOP
from kilohour.kernels.requests import begin_trail
from kilohour.kernels.working import end_order, leave, sweep_orders

ASK, ADD, TAKE, TRADE, END_WORKING, FINISH, CORRECT_MARK, CORRECT_FINAL = range(1, 9)


def _enter(_what, book_at, desk_at, terms_at, order_at, out_at):
    """Submits the order in the scratch memory, every field of which the caller has set; a row of the table of orders says how it went."""
    book, desk, order, out = pointed_at(book_at), pointed_at(desk_at), pointed_at(order_at), pointed_at(out_at)
    terms = carray(terms_at, desk.contract_count)
    if order.kind == TRAILING_STOP:
        begin_trail(desk, order)
    for slot in range(book.orders_working):
        if order.parent > 0 and book.order[slot].number == order.parent:
            book.order[slot].has_children, book.order[slot].plain = 1, 0
    submit(book, desk, terms, order, out)
    return 0


def _act(what, book_at, desk_at, terms_at, order_at, out_at):
    """One act of a venue on an account's books, told by the scratch order; what it finds out is left in ``order.place``.

    ASK: the gate's code for the order. ADD and TAKE: ``filled`` units of it work, or do not any more. TRADE: ``units`` signed lots of
    the first contract at ``limit``, as a maker when ``looked``; leaves the fee. FINISH: the contract settles at ``limit`` and expires.
    """
    book, desk, order, out = pointed_at(book_at), pointed_at(desk_at), pointed_at(order_at), pointed_at(out_at)
    terms = carray(terms_at, desk.contract_count)
    contract = order.contract[0]
    if what == ASK:
        order.place = refusal(book, desk, terms, order, ADDED)
    elif what == ADD:
        leave(desk, order, ADDED, order.filled)
    elif what == TAKE:
        leave(desk, order, TAKEN, order.filled)
    elif what == TRADE:
        order.place = fee_of_fill(terms[contract], order.units, order.limit, order.looked == 1)
        book_fill(book, desk, terms[contract], contract, order.units, order.limit, order.place)
    elif what == END_WORKING:
        for slot in range(book.orders_working):
            if book.order[slot].number:
                end_order(book, desk, book.order[slot], CANCELLED, out)
        sweep_orders(book)
    elif what == FINISH:
        book.value_price[contract] = order.limit
        book_final(book, desk, terms[contract], contract, order.limit, desk.now, out)
        expire_contract(desk, contract)
    elif what == CORRECT_MARK:
        correct_mark(book, desk, terms, contract, order.limit, book.past[contract].mark_of, out)
    else:
        book_final_correction(book, terms[contract], contract, order.limit, desk.now, out)
    return 0


def entry_address(with_scenarios: bool = False) -> int:
    """Address of :func:`_enter`, compiled or taken from the cache."""
    return part_address(_enter, with_scenarios)


def act_address(with_scenarios: bool = False) -> int:
    """Address of :func:`_act`, compiled or taken from the cache."""
    return part_address(_act, with_scenarios)


@entry
def call_part(address, what, book_at, desk_at, terms_at, order_at, out_at):
    """Calls a part of the engine from Python: the parts keep numba's own calling convention."""
    return call_gate(address, what, book_at, desk_at, terms_at, order_at, out_at)
