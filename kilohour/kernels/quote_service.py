# SPDX-License-Identifier: Apache-2.0
"""The part of the engine that fills at quotes and books, instead of bars: compiled only for a run that asks for it."""

from __future__ import annotations

from numba import carray

from kilohour.kernels.meeting import meet_marks
from kilohour.kernels.memory import pointed_at, record_at
from kilohour.kernels.part import part_address
from kilohour.kernels.quote_meeting import meet_quotes, meet_trades
from kilohour.kernels.records import MEET_MARKS, MEET_QUOTES
from kilohour.kernels.working import sweep_orders


def _meet(what, book_at, desk_at, terms_at, _order_at, out_at):
    book, desk, out = pointed_at(book_at), pointed_at(desk_at), pointed_at(out_at)
    terms = carray(terms_at, desk.contract_count)
    if what == MEET_MARKS:
        meet_marks(book, desk, terms, out)
    elif what == MEET_QUOTES:
        quotes = record_at(book.quotes)
        for slot in range(book.orders_working):
            meet_quotes(book, quotes, desk, terms, slot, out)
        sweep_orders(book)
    else:
        meet_trades(book, desk, terms, what, out)
    return 0


def quote_address(with_scenarios: bool = False) -> int:
    """Address of the compiled function, which is taken from the cache where it is there."""
    return part_address(_meet, with_scenarios)
