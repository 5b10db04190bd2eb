# SPDX-License-Identifier: Apache-2.0
"""The engine's third part, which exists only for strategies that can ask for more than targets: meeting.py behind an address."""

from __future__ import annotations

from numba import carray

from kilohour.kernels.meeting import meet_bar, meet_marks
from kilohour.kernels.memory import pointed_at
from kilohour.kernels.part import part_address
from kilohour.kernels.records import MEET_MARKS


def _meet(what, book_at, desk_at, terms_at, _order_at, out_at):
    book, desk, out = pointed_at(book_at), pointed_at(desk_at), pointed_at(out_at)
    terms = carray(terms_at, desk.contract_count)
    if what == MEET_MARKS:
        meet_marks(book, desk, terms, out)
    else:
        meet_bar(book, desk, terms, what, out)
    return 0


def meeting_address(with_scenarios: bool = False) -> int:
    """Address of the compiled function, which is taken from the cache where it is there."""
    return part_address(_meet, with_scenarios)
