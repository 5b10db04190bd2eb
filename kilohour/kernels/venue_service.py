# SPDX-License-Identifier: Apache-2.0
"""The engine's door for a venue: an order that came over a wire, whole, instead of a strategy's request at the desk."""

from __future__ import annotations

from numba import carray

from kilohour.kernels.call import call_gate
from kilohour.kernels.compiling import entry
from kilohour.kernels.gate import submit
from kilohour.kernels.part import part_address
from kilohour.kernels.records import TRAILING_STOP
from kilohour.kernels.requests import begin_trail


def _enter(_what, book_at, desk_at, terms_at, order_at, out_at):
    """Submits the order in the scratch memory, every field of which the caller has set; a row of the table of orders says how it went."""
    book, desk, order, out = carray(book_at, 1)[0], carray(desk_at, 1)[0], carray(order_at, 1)[0], carray(out_at, 1)[0]
    terms = carray(terms_at, desk.contract_count)
    if order.kind == TRAILING_STOP:
        begin_trail(desk, order)
    for slot in range(book.orders_working):
        if order.parent > 0 and book.order[slot].number == order.parent:
            book.order[slot].has_children, book.order[slot].plain = 1, 0
    submit(book, desk, terms, order, out)
    return 0


def entry_address(with_scenarios: bool = False) -> int:
    """Address of the compiled function, which is taken from the cache where it is there."""
    return part_address(_enter, with_scenarios)


@entry
def call_part(address, what, book_at, desk_at, terms_at, order_at, out_at):
    """Calls a part of the engine from Python: the parts keep numba's own calling convention."""
    return call_gate(address, what, book_at, desk_at, terms_at, order_at, out_at)
