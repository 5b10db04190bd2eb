# SPDX-License-Identifier: Apache-2.0
"""Rolling least-squares slope, and correlation of two arrays.

Blocks and origins as in :mod:`kilohour.kernels.rolling_moments`; the results agree with the streaming indicators to
the bit.
"""

import numpy as np
import numpy.typing as npt

from kilohour.kernels.compiling import njit

Floats = npt.NDArray[np.float64]


@njit(cache=True, nogil=True, error_model="numpy")
def suffix_slopes(block: Floats, sums: Floats, moments: Floats) -> None:
    """``sums[k]``, ``moments[k]`` become Σd and Σd·(i − n) of ``block[k:]``, d the deviation from its last."""
    size = block.size
    origin = block[size - 1]
    total = 0.0
    moment = 0.0
    sums[size] = 0.0
    moments[size] = 0.0
    for k in range(size - 1, -1, -1):
        deviation = block[k] - origin
        total += deviation
        moment += deviation * (k - size)
        sums[k] = total
        moments[k] = moment


@njit(cache=True, nogil=True, error_model="numpy")
def rolling_slope(x: Floats, window: int, out: Floats) -> None:
    """Slope of the least-squares line through the last ``window`` values, per place."""
    size = x.size
    out[: min(window - 1, size)] = np.nan
    if size < window:
        return
    older, older_moments = np.empty(window + 1), np.empty(window + 1)
    newer, newer_moments = np.empty(window + 1), np.empty(window + 1)
    sums, moments = np.empty(window), np.empty(window)
    scale = 12.0 / (window * (window * float(window) - 1.0))
    half = 0.5 * (window + 1)
    suffix_slopes(x[:window], older, older_moments)
    out[window - 1] = (older_moments[0] + half * older[0]) * scale
    for start in range(window, size, window):
        length = min(window, size - start)
        block = x[start : start + length]
        result = out[start : start + length]
        origin = x[start - 1]
        last = block[length - 1]
        ends, ends_moments = older[1 : length + 1], older_moments[1 : length + 1]
        total = moment = suffix = suffix_moment = 0.0
        newer[length] = 0.0
        newer_moments[length] = 0.0
        for k in range(length):
            deviation = block[k] - origin
            total += deviation
            moment += deviation * k
            sums[k] = ends[k] + total
            moments[k] = ends_moments[k] + moment
            deviation = block[length - 1 - k] - last
            suffix += deviation
            suffix_moment += deviation * (-1 - k)
            newer[length - 1 - k] = suffix
            newer_moments[length - 1 - k] = suffix_moment
        for k in range(length):
            result[k] = (moments[k] - (k + 1 - half) * sums[k]) * scale
        if length == window:
            result[window - 1] = (suffix_moment + half * suffix) * scale
        older, newer = newer, older
        older_moments, newer_moments = newer_moments, older_moments


@njit(cache=True, nogil=True, error_model="numpy")
def suffix_products(x: Floats, y: Floats, sums: Floats) -> None:
    """Rows of ``sums``: Σa, Σb, Σa², Σb², Σab of ``x[k:]``, ``y[k:]``; a and b deviations from the last x and y."""
    size = x.size
    origin_x = x[size - 1]
    origin_y = y[size - 1]
    total_x = total_y = total_xx = total_yy = total_xy = 0.0
    sums[:, size] = 0.0
    for k in range(size - 1, -1, -1):
        a = x[k] - origin_x
        b = y[k] - origin_y
        total_x += a
        total_y += b
        total_xx += a * a
        total_yy += b * b
        total_xy += a * b
        sums[0, k] = total_x
        sums[1, k] = total_y
        sums[2, k] = total_xx
        sums[3, k] = total_yy
        sums[4, k] = total_xy


@njit(cache=True, nogil=True, error_model="numpy")
def window_products(x: Floats, y: Floats, origin_x: float, origin_y: float, older: Floats, sums: Floats) -> None:
    """Rows of ``sums``: Σa, Σb, Σa², Σb², Σab of the windows that end in the block, about the values before it."""
    total_x = total_y = total_xx = total_yy = total_xy = 0.0
    for k in range(x.size):
        a = x[k] - origin_x
        b = y[k] - origin_y
        total_x += a
        total_y += b
        total_xx += a * a
        total_yy += b * b
        total_xy += a * b
        sums[0, k] = older[0, k + 1] + total_x
        sums[1, k] = older[1, k + 1] + total_y
        sums[2, k] = older[2, k + 1] + total_xx
        sums[3, k] = older[3, k + 1] + total_yy
        sums[4, k] = older[4, k + 1] + total_xy


@njit(cache=True, nogil=True, error_model="numpy")
def rolling_correlation(x: Floats, y: Floats, window: int, out: Floats) -> None:
    """Pearson's correlation of the last ``window`` pairs; NaN where all x or all y are equal."""
    size = x.size
    out[: min(window - 1, size)] = np.nan
    if size < window:
        return
    older = np.empty((5, window + 1))
    sums = np.empty((5, window + 1))
    suffix_products(x[:window], y[:window], older)
    correlations(older[:, :1], window, out[window - 1 : window])
    for start in range(window, size, window):
        length = min(window, size - start)
        a = x[start : start + length]
        b = y[start : start + length]
        window_products(a, b, x[start - 1], y[start - 1], older, sums)
        if length == window:
            suffix_products(a, b, older)
            for row in range(5):
                sums[row, window - 1] = older[row, 0]
        correlations(sums, window, out[start : start + length])


@njit(cache=True, nogil=True, error_model="numpy")
def correlations(sums: Floats, window: int, out: Floats) -> None:
    """Correlations from the rows that :func:`window_products` describes."""
    sums_x, sums_y, sums_xx, sums_yy, sums_xy = sums[0], sums[1], sums[2], sums[3], sums[4]
    for k in range(out.size):
        spread_x = window * sums_xx[k] - sums_x[k] * sums_x[k]
        spread_y = window * sums_yy[k] - sums_y[k] * sums_y[k]
        found = (window * sums_xy[k] - sums_x[k] * sums_y[k]) / (np.sqrt(spread_x) * np.sqrt(spread_y))
        found = 1.0 if found > 1.0 else found
        found = -1.0 if found < -1.0 else found
        out[k] = found if spread_x > 0.0 and spread_y > 0.0 else np.nan
