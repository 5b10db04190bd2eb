# SPDX-License-Identifier: Apache-2.0
"""Rolling variance and z-score of an array.

Blocks as in :mod:`kilohour.kernels.rolling_sums`, with sums of deviations and of their squares. A window's deviations
are from the last value of the older block, which lies in the window: so an offset of the data costs no digits.
The streaming indicators do the same in the same order, so the results agree to the bit.
"""

import numpy as np
import numpy.typing as npt

from kilohour.kernels.compiling import njit

Floats = npt.NDArray[np.float64]


@njit(cache=True, nogil=True, error_model="numpy")
def suffix_moments(block: Floats, sums: Floats, squares: Floats) -> None:
    """``sums[k]``, ``squares[k]`` become Σd and Σd² of ``block[k:]``, d the deviation from the block's last value."""
    size = block.size
    origin = block[size - 1]
    total = 0.0
    square = 0.0
    sums[size] = 0.0
    squares[size] = 0.0
    for k in range(size - 1, -1, -1):
        deviation = block[k] - origin
        total += deviation
        square += deviation * deviation
        sums[k] = total
        squares[k] = square


@njit(cache=True, nogil=True, error_model="numpy")
def window_moments(
    block: Floats,
    origin: float,
    older: Floats,
    older_squares: Floats,
    newer: Floats,
    newer_squares: Floats,
    sums: Floats,
    squares: Floats,
) -> None:
    """Σd and Σd² of the windows that end in ``block``, into ``sums`` and ``squares``; suffixes of the block into
    ``newer``.

    d is the deviation from ``origin``, the value before the block; for the last window of a full block, which is the
    block, from the block's own last value.
    """
    length = block.size
    last = block[length - 1]
    ends = older[1 : length + 1]
    ends_squares = older_squares[1 : length + 1]
    total = 0.0
    square = 0.0
    suffix = 0.0
    suffix_square = 0.0
    newer[length] = 0.0
    newer_squares[length] = 0.0
    for k in range(length):
        deviation = block[k] - origin
        total += deviation
        square += deviation * deviation
        sums[k] = ends[k] + total
        squares[k] = ends_squares[k] + square
        deviation = block[length - 1 - k] - last
        suffix += deviation
        suffix_square += deviation * deviation
        newer[length - 1 - k] = suffix
        newer_squares[length - 1 - k] = suffix_square
    if length + 1 == newer.size:
        sums[length - 1] = suffix
        squares[length - 1] = suffix_square


@njit(cache=True, nogil=True, error_model="numpy")
def rolling_variance(x: Floats, window: int, ddof: int, out: Floats) -> None:
    """Sample (``ddof`` 1) or population (0) variance of the last ``window`` values; never below zero."""
    size = x.size
    out[: min(window - 1, size)] = np.nan
    if size < window:
        return
    older, older_squares = np.empty(window + 1), np.empty(window + 1)
    newer, newer_squares = np.empty(window + 1), np.empty(window + 1)
    sums, squares = np.empty(window), np.empty(window)
    suffix_moments(x[:window], older, older_squares)
    scale = window * (window - ddof)
    out[window - 1] = max(window * older_squares[0] - older[0] * older[0], 0.0) / scale
    for start in range(window, size, window):
        length = min(window, size - start)
        block = x[start : start + length]
        window_moments(block, x[start - 1], older, older_squares, newer, newer_squares, sums, squares)
        result = out[start : start + length]
        for k in range(length):
            spread = window * squares[k] - sums[k] * sums[k]
            result[k] = (spread if spread > 0.0 else 0.0) / scale
        older, newer = newer, older
        older_squares, newer_squares = newer_squares, older_squares


@njit(cache=True, nogil=True, error_model="numpy")
def rolling_z(x: Floats, window: int, ddof: int, out: Floats) -> None:
    """(x − mean) / deviation of each value among the last ``window``; NaN where they are all equal."""
    size = x.size
    out[: min(window - 1, size)] = np.nan
    if size < window:
        return
    older, older_squares = np.empty(window + 1), np.empty(window + 1)
    newer, newer_squares = np.empty(window + 1), np.empty(window + 1)
    sums, squares = np.empty(window), np.empty(window)
    suffix_moments(x[:window], older, older_squares)
    scale = window / (window - ddof)
    out[window - 1] = z_of(0.0, older[0], older_squares[0], window, scale)
    for start in range(window, size, window):
        length = min(window, size - start)
        block = x[start : start + length]
        origin = x[start - 1]
        window_moments(block, origin, older, older_squares, newer, newer_squares, sums, squares)
        result = out[start : start + length]
        for k in range(length):
            result[k] = z_of(block[k] - origin, sums[k], squares[k], window, scale)
        if length == window:
            result[window - 1] = z_of(0.0, sums[window - 1], squares[window - 1], window, scale)
        older, newer = newer, older
        older_squares, newer_squares = newer_squares, older_squares


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def z_of(deviation: float, total: float, square: float, window: int, scale: float) -> float:
    """The z-score of a value from the window's sums about the same origin."""
    spread = window * square - total * total
    found = (window * deviation - total) / np.sqrt(spread * scale)
    return found if spread > 0.0 else np.nan
