# SPDX-License-Identifier: Apache-2.0
"""The engine's second part: the strategy's requests.

It is a native function of its own that ``advance`` calls by address: compiled apart, so that a cold start can compile
both parts at once, and out of the way of the bars. Where a product has scenario margin it is compiled for longer terms.
A strategy that names no order verb asks for targets only, and its part is a quarter smaller.
"""

from __future__ import annotations

from numba import carray

from kilohour.kernels.memory import pointed_at
from kilohour.kernels.part import part_address
from kilohour.kernels.requests import serve_requests, serve_targets


def _service(_what, book_at, desk_at, terms_at, order_at, out_at):
    book, desk, order, out = pointed_at(book_at), pointed_at(desk_at), pointed_at(order_at), pointed_at(out_at)
    terms = carray(terms_at, desk.contract_count)
    serve_requests(book, desk, terms, order, out)
    return 0


def _targets(_what, book_at, desk_at, terms_at, order_at, out_at):
    book, desk, order, out = pointed_at(book_at), pointed_at(desk_at), pointed_at(order_at), pointed_at(out_at)
    terms = carray(terms_at, desk.contract_count)
    serve_targets(book, desk, terms, order, out)
    return 0


def service_address(with_scenarios: bool = False, targets_only: bool = False) -> int:
    """Address of the compiled function, which is taken from the cache where it is there."""
    return part_address(_targets if targets_only else _service, with_scenarios)
