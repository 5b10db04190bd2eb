# SPDX-License-Identifier: Apache-2.0
"""The engine's fourth part: margin calls, liquidations, and scenario margin, which most runs never need.

It is compiled when the first margin call is made (late_margin.py).
"""

from __future__ import annotations

from numba import carray

from kilohour.kernels.liquidation import call_margin
from kilohour.kernels.memory import pointed_at
from kilohour.kernels.part import part_address


def _service(_what, book_at, desk_at, terms_at, order_at, out_at):
    book, desk, order, out = pointed_at(book_at), pointed_at(desk_at), pointed_at(order_at), pointed_at(out_at)
    call_margin(book, desk, carray(terms_at, desk.contract_count), order, out)
    return 0


def compiled_margin() -> int:
    """Address of the compiled function, which is taken from the cache where it is there."""
    return part_address(_service, with_scenarios=True)
