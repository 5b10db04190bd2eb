# SPDX-License-Identifier: Apache-2.0
"""How kernels are compiled."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator
from importlib.util import find_spec

from numba import njit


def _look_for_blas_only() -> None:
    """Lets numba find scipy without importing scipy.linalg, which takes 0.2 s and which no kernel uses.

    numba.np.arraymath asks once, when it is imported, whether there is a BLAS. Functions that call one still import it
    when they are compiled.
    """
    from numba.np import linalg

    ensure = getattr(linalg, "ensure_blas", None)
    if ensure is None or find_spec("scipy") is None:
        return
    linalg.ensure_blas = lambda: None
    try:
        import numba.np.arraymath  # noqa: F401
    finally:
        linalg.ensure_blas = ensure


_look_for_blas_only()
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
