# SPDX-License-Identifier: Apache-2.0
"""The Kalman filter of the two-factor model over a panel of log prices; the model is in kilohour/curves/kalman.py.

A day has many prices and two states, so the day's prices are first reduced to sums over their loadings (Jungbacker and
Koopman, "Likelihood-based dynamic factor analysis", Econometrics Journal 18, 2015): with noise of one variance r the
update needs H'H/r, H'v/r and v'v/r only, H being the loadings and v the innovations.
"""

import math

import numpy as np
import numpy.typing as npt

from kilohour.kernels.compiling import njit

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

LOG_TWO_PI = math.log(2.0 * math.pi)


@njit(cache=True, nogil=True, error_model="numpy")
def filter_panel(steps: Floats, passed: Floats, first: Ints, tenors: Floats, ahead: Floats, logs: Floats, loads: Floats, model: Floats,
                 start: Floats, states: Floats, covers: Floats) -> float:
    """The log-likelihood of a panel; states and covariances after each day are written where the arrays have rows.

    ``steps`` (days,): years since the day before, 0 on the first; ``passed`` (days,): launches since then. Day t has the
    prices ``first[t]`` to ``first[t + 1]`` of ``tenors``, ``ahead`` (launches until delivery), ``logs`` and ``loads``
    (e^(−reversion·tenor)). ``model``: reversion, short and long volatility, correlation, drift, priced drift, short
    premium, log mark-down, its deviation, noise. ``start``: mean of short and long and their variances before the first
    day. ``states`` (days, 2) and ``covers`` (days, 3: short, both, long), or no rows.
    """
    reversion, short, long, correlation, drift = model[0], model[1], model[2], model[3], model[4]
    jump, size, variance = model[7], model[8], model[9] * model[9]
    # A log forward is load·short + long + flat + linear·load + square·load² + slope·tenor + jump·ahead
    both = correlation * short * long / reversion
    square = -0.25 * short * short / reversion
    linear = model[6] / reversion - both
    flat = -linear - square
    slope = model[5] + 0.5 * long * long
    x, y, p, q, s = start[0], start[1], start[2], 0.0, start[3]
    total = 0.0
    keeps = len(states) > 0
    for t in range(len(steps)):
        step = steps[t]
        if step > 0.0 or passed[t] > 0.0:
            kept = math.exp(-reversion * step)
            x *= kept
            y += drift * step + passed[t] * (jump - 0.5 * size * size)
            p = kept * kept * p + short * short * (1.0 - kept * kept) / (2.0 * reversion)
            q = kept * q + both * (1.0 - kept)
            s += long * long * step + passed[t] * size * size
        aa, a, av, v, vv = 0.0, 0.0, 0.0, 0.0, 0.0
        base, turn = y + flat, x + linear
        for i in range(first[t], first[t + 1]):
            load = loads[i]
            gap = logs[i] - base - load * (turn + square * load) - slope * tenors[i] - jump * ahead[i]
            aa += load * load
            a += load
            av += load * gap
            v += gap
            vv += gap * gap
        count = first[t + 1] - first[t]
        if count > 0:
            aa, a, n, av, v = aa / variance, a / variance, count / variance, av / variance, v / variance
            # I + P·M, its determinant and its inverse times P
            e, f, g, h = 1.0 + p * aa + q * a, p * a + q * n, q * aa + s * a, 1.0 + q * a + s * n
            determinant = e * h - f * g
            p, q, s = (h * p - f * q) / determinant, (h * q - f * s) / determinant, (e * s - g * q) / determinant
            quadratic = vv / variance - (p * av * av + 2.0 * q * av * v + s * v * v)
            total -= 0.5 * (count * (LOG_TWO_PI + math.log(variance)) + math.log(determinant) + quadratic)
            x += p * av + q * v
            y += q * av + s * v
        if keeps:
            states[t, 0], states[t, 1] = x, y
            covers[t, 0], covers[t, 1], covers[t, 2] = p, q, s
    return total
