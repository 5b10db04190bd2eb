# SPDX-License-Identifier: Apache-2.0
"""The engine's second part: what happens on request only, a margin call and the strategy's requests.

It is a native function of its own that ``advance`` calls by address: compiled apart, so that a cold start can compile
both parts at once, and out of the way of the bars.
"""

from __future__ import annotations

import functools
from typing import Any

from numba import carray, cfunc, from_dtype, types

from kilohour.kernels.call import native_address
from kilohour.kernels.compiling import collector_paused
from kilohour.kernels.liquidation import call_margin
from kilohour.kernels.records import BOOK, CALL_MARGIN, DESK, ORDER, OUT, TERMS
from kilohour.kernels.requests import serve_requests

_KEPT: list[Any] = []
"""Keeps the code behind the address alive."""


def _service(what, book_at, desk_at, terms_at, order_at, out_at):
    book, desk, order, out = carray(book_at, 1)[0], carray(desk_at, 1)[0], carray(order_at, 1)[0], carray(out_at, 1)[0]
    terms = carray(terms_at, desk.contract_count)
    if what == CALL_MARGIN:
        call_margin(book, desk, terms, order, out)
    else:
        serve_requests(book, desk, terms, order, out)
    return 0


@functools.cache
def service_address():
    """Address of the compiled function, which is taken from the cache where it is there."""
    records = [types.CPointer(from_dtype(dtype)) for dtype in (BOOK, DESK, TERMS, ORDER, OUT)]
    with collector_paused():
        compiled = cfunc(types.int64(types.int64, *records), cache=True)(_service)
    _KEPT.append(compiled)
    return native_address(compiled)
