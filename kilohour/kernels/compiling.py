# SPDX-License-Identifier: Apache-2.0
"""How kernels are compiled."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator

from numba import njit

inner = njit(nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)
"""For functions that only other kernels call: without wrappers and without a cache file of their own, which halves the
time the engine takes to compile. From Python, ``function.py_func`` is the plain function."""
entry = njit(cache=True, nogil=True)
"""For functions that Python calls."""


@contextlib.contextmanager
def collector_paused() -> Iterator[None]:
    """Pauses Python's cyclic garbage collector: numba's compiler makes millions of objects and keeps most of them."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
