# SPDX-License-Identifier: Apache-2.0
"""Logistic, Gompertz and Bass curves fitted to the logs of a series by least squares (Levenberg-Marquardt), three parameters each.

Parameters (a, b, c): a = ln ceiling; logistic and Gompertz: b = ln rate a year, c = midpoint in years (Gompertz: where 1/e of the ceiling
is reached); Bass: b = ln p, c = ln q, both a year, times counted from the launch. Fitting logs makes errors relative, as adoption's are.
"""

import math

import numpy as np
import numpy.typing as npt

from kilohour.kernels.compiling import njit

Floats = npt.NDArray[np.float64]

LOGISTIC, GOMPERTZ, BASS = range(3)
STEPS_MAX = 200


@njit(cache=True, nogil=True, error_model="numpy")
def log_curve(kind: int, a: float, b: float, c: float, t: float, slope: Floats) -> float:
    """ln of the curve at time t (years); ``slope`` (3) gets its derivatives by a, b and c."""
    slope[0] = 1.0
    if kind == BASS:
        p, q = math.exp(b), math.exp(c)
        left, ratio = math.exp(-(p + q) * t), math.exp(c - b)
        under = 1.0 + ratio * left
        grown = t * left / -math.expm1(-(p + q) * t)
        slope[1] = p * grown + ratio * left * (p * t + 1.0) / under
        slope[2] = q * grown + ratio * left * (q * t - 1.0) / under
        return a + math.log(-math.expm1(-(p + q) * t)) - math.log(under)
    rate = math.exp(b)
    x = rate * (t - c)
    if kind == GOMPERTZ:
        left = math.exp(-max(x, -30.0))
        slope[1], slope[2] = left * x, -left * rate
        return a - left
    share = 1.0 / (1.0 + math.exp(min(x, 700.0)))
    slope[1], slope[2] = share * x, -share * rate
    return a - (max(-x, 0.0) + math.log1p(math.exp(-abs(x))))


@njit(cache=True, nogil=True, error_model="numpy")
def normal_equations(kind: int, at: Floats, times: Floats, logs: Floats, matrix: Floats, right: Floats, slope: Floats) -> float:
    """JᵀJ (3 × 3), Jᵀr (3) and the sum of squared residuals r = logs - curve at the parameters ``at``."""
    for i in range(3):
        right[i] = 0.0
        for j in range(3):
            matrix[i, j] = 0.0
    total = 0.0
    for n in range(len(times)):
        gap = logs[n] - log_curve(kind, at[0], at[1], at[2], times[n], slope)
        total += gap * gap
        for i in range(3):
            right[i] += slope[i] * gap
            for j in range(3):
                matrix[i, j] += slope[i] * slope[j]
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def inverse(m: Floats, out: Floats) -> float:
    """Inverse of a symmetric 3 × 3 matrix by cofactors; returns its determinant."""
    c00 = m[1, 1] * m[2, 2] - m[1, 2] * m[2, 1]
    c01 = m[1, 2] * m[2, 0] - m[1, 0] * m[2, 2]
    c02 = m[1, 0] * m[2, 1] - m[1, 1] * m[2, 0]
    whole = m[0, 0] * c00 + m[0, 1] * c01 + m[0, 2] * c02
    out[0, 0], out[0, 1], out[0, 2] = c00 / whole, c01 / whole, c02 / whole
    out[1, 1] = (m[0, 0] * m[2, 2] - m[0, 2] * m[2, 0]) / whole
    out[1, 2] = (m[0, 2] * m[1, 0] - m[0, 0] * m[1, 2]) / whole
    out[2, 2] = (m[0, 0] * m[1, 1] - m[0, 1] * m[1, 0]) / whole
    out[1, 0], out[2, 0], out[2, 1] = out[0, 1], out[0, 2], out[1, 2]
    return whole


@njit(cache=True, nogil=True, error_model="numpy")
def fit(kind: int, times: Floats, logs: Floats, low: Floats, high: Floats, at: Floats, cover: Floats) -> float:
    """Improves ``at`` (3, the start) to the least squares between ``low`` and ``high``; ``cover`` (3 × 3) gets (JᵀJ)⁻¹ there.

    Returns the sum of squared residuals. Marquardt (1963): the diagonal is raised until a step makes the sum smaller.
    """
    matrix, raised, solved = np.zeros((3, 3)), np.zeros((3, 3)), np.zeros((3, 3))
    right, slope, tried = np.zeros(3), np.zeros(3), np.zeros(3)
    best = normal_equations(kind, at, times, logs, matrix, right, slope)
    damping = 1e-3
    for _ in range(STEPS_MAX):
        for i in range(3):
            for j in range(3):
                raised[i, j] = matrix[i, j]
            raised[i, i] = matrix[i, i] * (1.0 + damping) + 1e-14
        inverse(raised, solved)
        moved = 0.0
        for i in range(3):
            step = solved[i, 0] * right[0] + solved[i, 1] * right[1] + solved[i, 2] * right[2]
            tried[i] = min(max(at[i] + step, low[i]), high[i])
            moved = max(moved, abs(tried[i] - at[i]))
        found = normal_equations(kind, tried, times, logs, raised, right, slope)
        if found <= best:
            done = best - found <= 1e-15 * best or moved < 1e-12
            best = found
            for i in range(3):
                at[i] = tried[i]
                for j in range(3):
                    matrix[i, j] = raised[i, j]
            if done:
                break
            damping = max(damping * 0.2, 1e-12)
        else:
            normal_equations(kind, at, times, logs, matrix, right, slope)
            damping *= 8.0
            if damping > 1e12:
                break
    normal_equations(kind, at, times, logs, matrix, right, slope)
    inverse(matrix, cover)
    return best


@njit(cache=True, nogil=True, error_model="numpy")
def fit_anew(kind: int, times: Floats, logs: Floats, low: Floats, high: Floats, at: Floats, cover: Floats) -> float:
    """The best :func:`fit` of five starts, whose ceilings stand 0.05, 0.5, 1.5, 3 and 5 (logs) above the largest value."""
    start, other = np.zeros(3), np.zeros((3, 3))
    top = logs[0]
    for n in range(len(logs)):
        top = max(top, logs[n])
    best = np.inf
    for above in (0.05, 0.5, 1.5, 3.0, 5.0):
        begin(kind, times, logs, top + above, start)
        for i in range(3):
            start[i] = min(max(start[i], low[i]), high[i])
        found = fit(kind, times, logs, low, high, start, other)
        if found < best:
            best = found
            for i in range(3):
                at[i] = start[i]
                for j in range(3):
                    cover[i, j] = other[i, j]
    return best


@njit(cache=True, nogil=True, error_model="numpy")
def begin(kind: int, times: Floats, logs: Floats, ceiling: float, at: Floats) -> None:
    """A start for a given log ceiling: the straight line through the transformed series (Fisher and Pry 1971 for the logistic)."""
    count, mean_t, mean_z, tt, tz = 0.0, 0.0, 0.0, 0.0, 0.0
    for n in range(len(times)):
        short = max(ceiling - logs[n], 1e-9)
        z = -math.log(short) if kind == GOMPERTZ else -math.log(math.expm1(short))
        count += 1.0
        step = times[n] - mean_t
        mean_t += step / count
        tz += step * (z - mean_z)
        mean_z += (z - mean_z) / count
        tt += step * (times[n] - mean_t)
    rate = max(tz / tt, 1e-3) if tt > 0.0 else 1.0
    at[0] = ceiling
    if kind == BASS:
        # Late in its life a Bass curve is a logistic of rate p + q, with ln(q / p) / (p + q) for its midpoint.
        middle = max(mean_t - mean_z / rate, 0.1)
        ratio = min(max(math.exp(min(rate * middle, 20.0)), 1.5), 1e6)
        at[1], at[2] = math.log(rate / (1.0 + ratio)), math.log(rate * ratio / (1.0 + ratio))
        return
    at[1], at[2] = math.log(rate), mean_t - mean_z / rate


@njit(cache=True, nogil=True, error_model="numpy")
def fit_expanding(kind: int, times: Floats, logs: Floats, low: Floats, high: Floats, least: int, out: Floats) -> None:
    """A fit to the first n prints for each n from ``least`` on, each started from the one before: ``out`` is prints × 4, NaN before.

    Columns: the three parameters and the sum of squared residuals.
    """
    at, cover = np.zeros(3), np.zeros((3, 3))
    for n in range(len(times)):
        for i in range(4):
            out[n, i] = np.nan
        if n + 1 < least:
            continue
        if n + 1 == least:
            out[n, 3] = fit_anew(kind, times[: n + 1], logs[: n + 1], low, high, at, cover)
        else:
            out[n, 3] = fit(kind, times[: n + 1], logs[: n + 1], low, high, at, cover)
        for i in range(3):
            out[n, i] = at[i]
