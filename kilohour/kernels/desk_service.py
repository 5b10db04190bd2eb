# SPDX-License-Identifier: Apache-2.0
"""The engine's second part: the strategy's requests.

It is a native function of its own that ``advance`` calls by address: compiled apart, so that a cold start can compile
both parts at once, and out of the way of the bars. Where a product has scenario margin it is compiled for longer terms.
"""

from __future__ import annotations

import functools
from typing import Any

from numba import carray, cfunc, from_dtype, types

from kilohour.kernels.call import native_address
from kilohour.kernels.compiling import collector_paused
from kilohour.kernels.records import BOOK, DESK, MARGIN_TERMS, ORDER, OUT, TERMS
from kilohour.kernels.requests import serve_requests

_KEPT: list[Any] = []
"""Keeps the code behind the address alive."""


def _service(_what, book_at, desk_at, terms_at, order_at, out_at):
    book, desk, order, out = carray(book_at, 1)[0], carray(desk_at, 1)[0], carray(order_at, 1)[0], carray(out_at, 1)[0]
    terms = carray(terms_at, desk.contract_count)
    serve_requests(book, desk, terms, order, out)
    return 0


@functools.cache
def service_address(with_scenarios=False):
    """Address of the compiled function, which is taken from the cache where it is there."""
    records = [types.CPointer(from_dtype(dtype)) for dtype in (BOOK, DESK, MARGIN_TERMS if with_scenarios else TERMS, ORDER, OUT)]
    with collector_paused():
        compiled = cfunc(types.int64(types.int64, *records), cache=True)(_service)
    _KEPT.append(compiled)
    return native_address(compiled)
