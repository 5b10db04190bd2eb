# SPDX-License-Identifier: Apache-2.0
"""The engine's fourth part: margin calls, liquidations, and scenario margin, which most runs never need.

It is compiled when the first margin call is made (late_margin.py).
"""

from __future__ import annotations

from typing import Any

from numba import carray, cfunc, from_dtype, types

from kilohour.kernels.call import native_address
from kilohour.kernels.compiling import collector_paused
from kilohour.kernels.liquidation import call_margin
from kilohour.kernels.records import BOOK, DESK, MARGIN_TERMS, ORDER, OUT

_KEPT: list[Any] = []
"""Keeps the code behind the address alive."""


def _service(_what, book_at, desk_at, terms_at, order_at, out_at):
    book, desk, order, out = carray(book_at, 1)[0], carray(desk_at, 1)[0], carray(order_at, 1)[0], carray(out_at, 1)[0]
    call_margin(book, desk, carray(terms_at, desk.contract_count), order, out)
    return 0


def compiled_margin():
    """Address of the compiled function, which is taken from the cache where it is there."""
    records = [types.CPointer(from_dtype(dtype)) for dtype in (BOOK, DESK, MARGIN_TERMS, ORDER, OUT)]
    with collector_paused():
        compiled = cfunc(types.int64(types.int64, *records), cache=True)(_service)
    _KEPT.append(compiled)
    return native_address(compiled)
