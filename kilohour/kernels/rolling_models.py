# SPDX-License-Identifier: Apache-2.0
"""Small models over arrays: a wandering hedge ratio, a half-life, an S-curve with a free ceiling.

The rules are those of the streaming indicators KalmanHedge, OuHalfLife and FreeSCurve. Inputs are float64, contiguous and
finite; ``out`` is float64 of the same length, overwritten, NaN until ready.
"""

import math

import numpy as np
import numpy.typing as npt

from kilohour.kernels.compiling import njit
from kilohour.kernels.rolling_regression import suffix_products, window_products

Floats = npt.NDArray[np.float64]
GROWTH_MAX = 50.0


@njit(cache=True, nogil=True, error_model="numpy")
def hedge_ratio(x: Floats, y: Floats, noise: float, level_walk: float, beta_walk: float, start: float, out: Floats) -> None:
    """beta of y = level + beta·(x − x₀) + noise after each pair, both random walks; the first value at the second pair."""
    variance = noise * noise
    level, beta = 0.0, 0.0
    aa, ab, bb = start * start, 0.0, start * start
    for i in range(x.size):
        if i > 0:
            aa += level_walk * level_walk
            bb += beta_walk * beta_walk
        z = x[i] - x[0]
        toward_a, toward_b = aa + ab * z, ab + bb * z
        spread = toward_a + toward_b * z + variance
        gain_a, gain_b = toward_a / spread, toward_b / spread
        gap = y[i] - level - beta * z
        level += gain_a * gap
        beta += gain_b * gap
        kept_aa, kept_ab, kept_ba, kept_bb = 1.0 - gain_a, -gain_a * z, -gain_b, 1.0 - gain_b * z
        row_aa, row_ab = kept_aa * aa + kept_ab * ab, kept_aa * ab + kept_ab * bb
        row_ba, row_bb = kept_ba * aa + kept_bb * ab, kept_ba * ab + kept_bb * bb
        aa = row_aa * kept_aa + row_ab * kept_ab + gain_a * gain_a * variance
        ab = row_aa * kept_ba + row_ab * kept_bb + gain_a * gain_b * variance
        bb = row_ba * kept_ba + row_bb * kept_bb + gain_b * gain_b * variance
        out[i] = beta if i > 0 else np.nan


@njit(cache=True, nogil=True, error_model="numpy")
def half_lives(sums: Floats, window: int, out: Floats) -> None:
    """−ln 2/ln b, b the slope from the rows that window_products describes; NaN unless 0 < b < 1."""
    for k in range(out.size):
        spread = window * sums[2, k] - sums[0, k] * sums[0, k]
        slope = (window * sums[4, k] - sums[0, k] * sums[1, k]) / spread if spread > 0.0 else np.nan
        out[k] = -0.6931471805599453 / math.log(slope) if 0.0 < slope < 1.0 else np.nan


@njit(cache=True, nogil=True, error_model="numpy")
def rolling_half_life(values: Floats, window: int, out: Floats) -> None:
    """Half-life of the last ``window`` pairs of a value and the one before it; the first after ``window`` + 1 values."""
    size = values.size - 1
    out[: min(window, values.size)] = np.nan
    if size < window:
        return
    x, y, result = values[:-1], values[1:], out[1:]
    older, sums = np.empty((5, window + 1)), np.empty((5, window + 1))
    suffix_products(x[:window], y[:window], older)
    half_lives(older[:, :1], window, result[window - 1 : window])
    for start in range(window, size, window):
        length = min(window, size - start)
        a, b = x[start : start + length], y[start : start + length]
        window_products(a, b, x[start - 1], y[start - 1], older, sums)
        if length == window:
            suffix_products(a, b, older)
            for row in range(5):
                sums[row, window - 1] = older[row, 0]
        half_lives(sums, window, result[start : start + length])


@njit(cache=True, nogil=True, error_model="numpy")
def s_curve_miss(times: Floats, logs: Floats, now: float, level: float, growth: float, fill: float) -> float:
    """Sum of squared gaps of ln y = level − ln(fill + (1 − fill)·e^(−growth·s)), s = time − now."""
    total = 0.0
    for i in range(times.size):
        under = fill + (1.0 - fill) * math.exp(min(-growth * (times[i] - now), 600.0))
        gap = logs[i] - level + math.log(max(under, 1e-300))
        total += gap * gap
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def s_curve_step(times: Floats, logs: Floats, now: float, curve: Floats, damping: float, step: Floats) -> bool:
    """The damped Gauss-Newton step of (level, growth, fill); False where the normal equations are singular."""
    a1 = a2 = b1 = b2 = c2 = g0 = g1 = g2 = 0.0
    for i in range(times.size):
        time = times[i] - now
        faded = math.exp(min(-curve[1] * time, 600.0))
        under = max(curve[2] + (1.0 - curve[2]) * faded, 1e-300)
        gap = logs[i] - curve[0] + math.log(under)
        by_growth, by_fill = (1.0 - curve[2]) * faded / under * time, (faded - 1.0) / under
        a1 += by_growth
        a2 += by_fill
        b1 += by_growth * by_growth
        b2 += by_growth * by_fill
        c2 += by_fill * by_fill
        g0 += gap
        g1 += by_growth * gap
        g2 += by_fill * gap
    a0, b1, c2 = (1.0 + damping) * times.size, b1 * (1.0 + damping), c2 * (1.0 + damping)
    minor0, minor1, minor2 = b1 * c2 - b2 * b2, a1 * c2 - a2 * b2, a1 * b2 - a2 * b1
    determinant = a0 * minor0 - a1 * minor1 + a2 * minor2
    if not abs(determinant) > 0.0:
        return False
    cross, turn = g1 * c2 - g2 * b2, a1 * g2 - a2 * g1
    step[0] = (g0 * minor0 - a1 * cross + a2 * (g1 * b2 - g2 * b1)) / determinant
    step[1] = (a0 * cross - g0 * minor1 + a2 * turn) / determinant
    step[2] = (a0 * (b1 * g2 - b2 * g1) - a1 * turn + g0 * minor2) / determinant
    return True


@njit(cache=True, nogil=True, error_model="numpy")
def s_curve_fit(times: Floats, logs: Floats, now: float, curve: Floats, step: Floats) -> None:
    """Levenberg and Marquardt on ``curve``, which holds (level, growth, fill) of the start."""
    damping = 1e-3
    squares = s_curve_miss(times, logs, now, curve[0], curve[1], curve[2])
    for _ in range(40):
        if not s_curve_step(times, logs, now, curve, damping, step):
            return
        fill = min(max(curve[2] + step[2], 0.0), 1.0)
        growth = min(max(curve[1] + step[1], -GROWTH_MAX), GROWTH_MAX)
        trial = s_curve_miss(times, logs, now, curve[0] + step[0], growth, fill)
        if trial <= squares:
            moved = abs(step[0]) + abs(growth - curve[1]) + abs(fill - curve[2])
            curve[0] += step[0]
            curve[1] = growth
            curve[2] = fill
            squares = trial
            damping = max(damping * 0.1, 1e-12)
            if moved < 1e-10:
                return
        else:
            damping *= 10.0
            if damping > 1e12:
                return


@njit(cache=True, nogil=True, error_model="numpy")
def free_s_curve(times: Floats, values: Floats, window: int, warmup: int, surprise: Floats, ceiling: Floats) -> None:
    """Surprise of each value against the fit of the ``window`` before it, and the ceiling of the fit with it."""
    curve, step = np.zeros(3), np.zeros(3)
    logs = np.log(values)
    fitted = False
    for i in range(values.size):
        surprise[i] = ceiling[i] = np.nan
        if fitted:
            under = curve[2] + (1.0 - curve[2]) * math.exp(min(-curve[1] * (times[i] - times[i - 1]), 600.0))
            expected = min(max(curve[0] - math.log(max(under, 1e-300)), -700.0), 700.0)
            surprise[i] = values[i] / math.exp(expected) - 1.0
            curve[2] = min(1.0, curve[2] * math.exp(expected - curve[0]))
            curve[0] = expected
        if i + 1 < warmup:
            continue
        first = max(0, i + 1 - window)
        t, x, now = times[first : i + 1], logs[first : i + 1], times[i]
        if not fitted:
            gaps = t - now - np.mean(t - now)
            spread = np.sum(gaps * gaps)
            if spread > 0.0:
                curve[1] = min(max(np.sum(gaps * (x - np.mean(x))) / spread, -GROWTH_MAX), GROWTH_MAX)
                curve[0] = np.mean(x) - curve[1] * np.mean(t - now)
                curve[2] = 0.3
                fitted = True
        if fitted:
            s_curve_fit(t, x, now, curve, step)
            ceiling[i] = math.exp(min(curve[0] - math.log(curve[2]), 700.0)) if curve[2] > 0.0 else np.nan
