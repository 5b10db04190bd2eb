# SPDX-License-Identifier: Apache-2.0
"""A part of the engine that ``advance`` calls by address: compiled apart, and only when a run needs it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from numba import cfunc, from_dtype, types

from kilohour.kernels.call import native_address
from kilohour.kernels.compiling import collector_paused, set_aside
from kilohour.kernels.records import BOOK, DESK, MARGIN_TERMS, ORDER, OUT, TERMS

_KEPT: list[Any] = []
"""Keeps the code behind the addresses alive."""


def part_address(function: Callable[..., int], with_scenarios: bool = False) -> int:
    """Address of ``function(what, book, desk, terms, order, out)``, compiled once; with scenario margin for the longer terms."""
    return _address(function, bool(with_scenarios))


@functools.cache
def _address(function: Callable[..., int], with_scenarios: bool) -> int:
    records = [types.CPointer(from_dtype(dtype)) for dtype in (BOOK, DESK, MARGIN_TERMS if with_scenarios else TERMS, ORDER, OUT)]
    with collector_paused():
        compiled = cfunc(types.int64(types.int64, *records), cache=True)(function)
        set_aside(compiled.cache_hits)
    _KEPT.append(compiled)
    return native_address(compiled)
