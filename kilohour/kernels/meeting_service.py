# SPDX-License-Identifier: Apache-2.0
"""The engine's third part, which exists only for strategies that can ask for more than targets: meeting.py behind an address."""

from __future__ import annotations

import functools
from typing import Any

from numba import carray, cfunc, from_dtype, types

from kilohour.kernels.call import native_address
from kilohour.kernels.compiling import collector_paused
from kilohour.kernels.meeting import meet_bar, meet_marks
from kilohour.kernels.records import BOOK, DESK, MARGIN_TERMS, MEET_MARKS, ORDER, OUT, TERMS

_KEPT: list[Any] = []
"""Keeps the code behind the address alive."""


def _meet(what, book_at, desk_at, terms_at, _order_at, out_at):
    book, desk, out = carray(book_at, 1)[0], carray(desk_at, 1)[0], carray(out_at, 1)[0]
    terms = carray(terms_at, desk.contract_count)
    if what == MEET_MARKS:
        meet_marks(book, desk, terms, out)
    else:
        meet_bar(book, desk, terms, what, out)
    return 0


@functools.cache
def meeting_address(with_scenarios=False):
    """Address of the compiled function, which is taken from the cache where it is there."""
    records = [types.CPointer(from_dtype(dtype)) for dtype in (BOOK, DESK, MARGIN_TERMS if with_scenarios else TERMS, ORDER, OUT)]
    with collector_paused():
        compiled = cfunc(types.int64(types.int64, *records), cache=True)(_meet)
    _KEPT.append(compiled)
    return native_address(compiled)
