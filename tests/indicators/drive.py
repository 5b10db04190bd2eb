# SPDX-License-Identifier: Apache-2.0
"""Runs an indicator in its two faces over the same columns of inputs."""

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from kilohour.faces import lowering
from kilohour.faces.fields import dtype_of

Floats = npt.NDArray[np.float64]


@njit(boundscheck=True)
def _drive_1(memory: Any, a: Any, out: Any) -> None:
    indicator = memory[0]
    for i in range(len(out)):
        out[i] = indicator.update(a[i])


@njit(boundscheck=True)
def _drive_2(memory: Any, a: Any, b: Any, out: Any) -> None:
    indicator = memory[0]
    for i in range(len(out)):
        out[i] = indicator.update(a[i], b[i])


@njit(boundscheck=True)
def _drive_3(memory: Any, a: Any, b: Any, c: Any, out: Any) -> None:
    indicator = memory[0]
    for i in range(len(out)):
        out[i] = indicator.update(a[i], b[i], c[i])


@njit(boundscheck=True)
def _drive_5(memory: Any, a: Any, b: Any, c: Any, d: Any, e: Any, out: Any) -> None:
    indicator = memory[0]
    for i in range(len(out)):
        out[i] = indicator.update(a[i], b[i], c[i], d[i], e[i])


@njit(boundscheck=True)
def _drive_6(memory: Any, a: Any, b: Any, c: Any, d: Any, e: Any, f: Any, out: Any) -> None:
    indicator = memory[0]
    for i in range(len(out)):
        out[i] = indicator.update(a[i], b[i], c[i], d[i], e[i], f[i])


_DRIVES: dict[int, Any] = {1: _drive_1, 2: _drive_2, 3: _drive_3, 5: _drive_5, 6: _drive_6}


def record_of(indicator: Any, face: type) -> npt.NDArray[Any]:
    """A copy of a Python face's memory as an array of one record, whose methods numba knows."""
    lowering.register(face)
    return np.frombuffer(bytearray(bytes(indicator)), dtype_of(face))


def compiled(record: npt.NDArray[Any], *columns: Floats) -> Floats:
    """Every reading of the compiled face; the record keeps the state."""
    out = np.empty(columns[0].size)
    _DRIVES[len(columns)](record, *columns, out)
    return out


def interpreted(indicator: Any, *columns: Floats) -> Floats:
    """Every reading of the CPython face."""
    rows = zip(*(c.tolist() for c in columns), strict=True)
    return np.array([indicator.update(*row) for row in rows], dtype=float)


def bars(rng: np.random.Generator, size: int, level: float = 3.0) -> tuple[Floats, Floats, Floats]:
    """High, low and close in cents, now and then with neither range nor change."""
    close = np.round(level + 0.01 * np.cumsum(rng.integers(-3, 4, size)), 2)
    high = np.round(close + 0.01 * rng.integers(0, 4, size), 2)
    low = np.round(close - 0.01 * rng.integers(0, 4, size), 2)
    return high, low, close
