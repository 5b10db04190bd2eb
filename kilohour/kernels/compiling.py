# SPDX-License-Identifier: Apache-2.0
"""How kernels are compiled."""

from __future__ import annotations

from numba import njit

inner = njit(nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)
"""For functions that only other kernels call: without wrappers and without a cache file of their own, which halves the
time the engine takes to compile. From Python, ``function.py_func`` is the plain function."""
entry = njit(cache=True, nogil=True)
"""For functions that Python calls."""
