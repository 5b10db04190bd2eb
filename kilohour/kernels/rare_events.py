# SPDX-License-Identifier: Apache-2.0
"""The part of the engine for events that few tapes hold: corrections by the venue, funding, quotes; and interest on cash.

A native function of its own, compiled only for a run that needs one. ``book.rare`` carries the event.
"""

from __future__ import annotations

from numba import carray

from kilohour.kernels.funding import see_funding
from kilohour.kernels.interest import pay_interest
from kilohour.kernels.memory import pointed_at
from kilohour.kernels.official import correct_final, correct_mark
from kilohour.kernels.part import part_address
from kilohour.kernels.quotes import see_quote
from kilohour.kernels.records import CASH_INTEREST, FINAL, MARK, QUOTE


def _rare(what, book_at, desk_at, terms_at, _order_at, out_at):
    book, desk, out = pointed_at(book_at), pointed_at(desk_at), pointed_at(out_at)
    terms, event = carray(terms_at, desk.contract_count), book.rare
    if what == QUOTE:
        see_quote(book, desk, event)
    elif what == MARK:
        correct_mark(book, desk, terms, event.contract, event.price, event.of, out)
    elif what == FINAL:
        correct_final(book, desk, terms, event.contract, event.price, event.revision, out)
    elif what == CASH_INTEREST:
        pay_interest(book, desk, out)
    elif not see_funding(book, desk, terms, event.contract, event.price, out):
        event.failed = 1
    return 0


def rare_events_address(with_scenarios: bool = False) -> int:
    """Address of the compiled function, which is taken from the cache where it is there."""
    return part_address(_rare, with_scenarios)
