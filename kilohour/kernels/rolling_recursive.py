# SPDX-License-Identifier: Apache-2.0
"""Exponential averages of arrays, and what is made of them.

A recursion ``m += (x − m)·w`` waits three operations for each value. Over a group of eight values its end is also
m + Σ w·(1 − w)^(7 − j)·(x_j − m), which waits only once for m: the groups follow that formula, the values inside a
group the recursion. Both are the same number up to rounding, which the weights shrink again at every step.

All kernels: inputs float64, contiguous and finite; ``out`` float64 of the same length, overwritten, NaN until ready.
"""

import numpy as np
import numpy.typing as npt

from kilohour.kernels.compiling import njit

Floats = npt.NDArray[np.float64]


@njit(cache=True, nogil=True, error_model="numpy")
def seed_mean(x: Floats, window: int) -> float:
    """Mean of the first ``window`` values, by the streaming indicators' running mean."""
    mean = 0.0
    for i in range(window):
        mean += (x[i] - mean) / (i + 1)
    return mean


@njit(cache=True, nogil=True, error_model="numpy")
def exponential_mean(x: Floats, window: int, weight: float, out: Floats) -> None:
    """m += (x − m)·weight from the mean of the first ``window`` values; Wilder's smoothing has weight 1/window."""
    size = x.size
    out[: min(window - 1, size)] = np.nan
    if size < window:
        return
    mean = seed_mean(x, window)
    out[window - 1] = mean
    kept = 1.0 - weight
    w7 = weight
    w6 = w7 * kept
    w5 = w6 * kept
    w4 = w5 * kept
    w3 = w4 * kept
    w2 = w3 * kept
    w1 = w2 * kept
    w0 = w1 * kept
    i = window
    while i + 8 <= size:
        group = x[i : i + 8]
        early = (w0 * (group[0] - mean) + w1 * (group[1] - mean)) + (w2 * (group[2] - mean) + w3 * (group[3] - mean))
        late = (w4 * (group[4] - mean) + w5 * (group[5] - mean)) + (w6 * (group[6] - mean) + w7 * (group[7] - mean))
        end = mean + (early + late)
        for j in range(7):
            mean += (group[j] - mean) * weight
            out[i + j] = mean
        mean = end
        out[i + 7] = mean
        i += 8
    while i < size:
        mean += (x[i] - mean) * weight
        out[i] = mean
        i += 1


@njit(cache=True, nogil=True, error_model="numpy")
def strength(gain: float, loss: float) -> float:
    """100·gain / (gain + loss), or 50 when neither moved."""
    moved = gain + loss
    return 100.0 * (gain / moved) if moved > 0.0 else 50.0


@njit(cache=True, nogil=True, error_model="numpy")
def relative_strength(x: Floats, window: int, out: Floats) -> None:
    """Wilder's RSI; the first value after ``window`` + 1 prices."""
    size = x.size
    out[: min(window, size)] = np.nan
    gain = 0.0
    loss = 0.0
    for i in range(1, min(window + 1, size)):
        change = x[i] - x[i - 1]
        weight = 1.0 / i
        gain += (max(change, 0.0) - gain) * weight
        loss += (max(-change, 0.0) - loss) * weight
    if size > window:
        out[window] = strength(gain, loss)
    weight = 1.0 / window
    for i in range(window + 1, size):
        change = x[i] - x[i - 1]
        gain += (max(change, 0.0) - gain) * weight
        loss += (max(-change, 0.0) - loss) * weight
        out[i] = strength(gain, loss)


@njit(cache=True, nogil=True, error_model="numpy")
def average_true_range(high: Floats, low: Floats, close: Floats, window: int, out: Floats) -> None:
    """Wilder's ATR; the first value after ``window`` + 1 bars."""
    size = close.size
    out[: min(window, size)] = np.nan
    mean = 0.0
    for i in range(1, min(window + 1, size)):
        mean += (max(high[i], close[i - 1]) - min(low[i], close[i - 1]) - mean) * (1.0 / i)
    if size > window:
        out[window] = mean
    weight = 1.0 / window
    for i in range(window + 1, size):
        mean += (max(high[i], close[i - 1]) - min(low[i], close[i - 1]) - mean) * weight
        out[i] = mean


@njit(cache=True, nogil=True, error_model="numpy")
def ewma_volatility(x: Floats, decay: float, out: Floats) -> None:
    """√v, v = decay·v + (1 − decay)·change², seeded with the first change²."""
    size = x.size
    out[: min(1, size)] = np.nan
    if size < 2:
        return
    change = x[1] - x[0]
    variance = change * change
    out[1] = np.sqrt(variance)
    for i in range(2, size):
        change = x[i] - x[i - 1]
        variance = decay * variance + (1.0 - decay) * (change * change)
        out[i] = np.sqrt(variance)
