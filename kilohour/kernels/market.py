# SPDX-License-Identifier: Apache-2.0
"""The hidden state of the embedded market, and what its participants can know of it.

State vector (length n): growth of adoption off its plan, gap between demand and capacity, adoption off its plan,
long-run price of work, scarcity, one factor a chip, then slots that remember past adoption until it is published.
``x(t+1) = transition x(t) + gain w(t)``, w independent standard normals. Matrices are float64, row major.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from kilohour.kernels.arithmetic import exp, exponential, fill_normals, uniform
from kilohour.kernels.compiling import njit

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
State = npt.NDArray[np.uint64]

GROWTH, GAP, ADOPTION, LONG_RUN, SCARCITY, CHIPS = range(6)


@njit(cache=True)
def multiply(a: Floats, b: Floats, out: Floats) -> None:
    """out = a b, summed in index order; not numpy's product, whose order of summation differs by processor."""
    for i in range(a.shape[0]):
        for j in range(b.shape[1]):
            total = 0.0
            for k in range(a.shape[1]):
                total += a[i, k] * b[k, j]
            out[i, j] = total


@njit(cache=True)
def multiply_transposed(a: Floats, b: Floats, out: Floats) -> None:
    """out = a bᵀ."""
    for i in range(a.shape[0]):
        for j in range(b.shape[0]):
            total = 0.0
            for k in range(a.shape[1]):
                total += a[i, k] * b[j, k]
            out[i, j] = total


@njit(cache=True)
def apply(matrix: Floats, vector: Floats, out: Floats) -> None:
    """out = matrix vector."""
    for i in range(matrix.shape[0]):
        total = 0.0
        for k in range(matrix.shape[1]):
            total += matrix[i, k] * vector[k]
        out[i] = total


@njit(cache=True)
def put(vector: Floats, out: Floats) -> None:
    """out = vector. A loop: numba needs two seconds to compile the assignment of a slice."""
    for i in range(len(vector)):
        out[i] = vector[i]


@njit(cache=True)
def put_all(matrix: Floats, out: Floats) -> None:
    """out = matrix."""
    for i in range(matrix.shape[0]):
        for j in range(matrix.shape[1]):
            out[i, j] = matrix[i, j]


@njit(cache=True)
def simulate(state: State, transition: Floats, gain: Floats, start: Floats, remember: Floats, remember_noise: float,
             is_value_day: Bools, out: Floats) -> None:
    """One path of the hidden state.

    ``start`` is a root of the first day's covariance; ``out`` (days × n) holds each day's state before the day's
    adoption is put into its slot (``remember`` moves the slots on, and the first gets noise of that size).
    """
    days, n = out.shape
    noise = np.empty(gain.shape[1])
    first = np.empty(start.shape[1])
    moved, before, shock = np.empty(n), np.empty(n), np.empty(n)
    extra = np.empty(1)
    fill_normals(state, first)
    apply(start, first, before)
    for t in range(days):
        if t > 0:
            fill_normals(state, noise)
            apply(transition, before, moved)
            apply(gain, noise, shock)
            for i in range(n):
                before[i] = moved[i] + shock[i]
        for i in range(n):
            out[t, i] = before[i]
        if is_value_day[t]:
            fill_normals(state, extra)
            apply(remember, before, moved)
            for i in range(n):
                before[i] = moved[i]
            slot = n - slots(remember)
            before[slot] += remember_noise * extra[0]


@njit(cache=True)
def slots(remember: Floats) -> int:
    """How many slots the state has: its rows that are not kept as they are."""
    count = 0
    for i in range(remember.shape[0]):
        if remember[i, i] == 0.0:
            count += 1
    return count


@njit(cache=True)
def observe(mean: Floats, cover: Floats, row: Floats, value: float, variance: float, work: Floats) -> float:
    """Bayes' rule for one number ``value = row · x + noise``; changes ``mean`` and ``cover``, returns the surprise."""
    n = len(mean)
    apply(cover, row, work)
    total, expected = variance, 0.0
    for i in range(n):
        total += row[i] * work[i]
        expected += row[i] * mean[i]
    surprise = value - expected
    for i in range(n):
        mean[i] += work[i] / total * surprise
    for i in range(n):
        for j in range(i + 1):
            cover[i, j] -= work[i] * work[j] / total
            cover[j, i] = cover[i, j]
    return surprise


@njit(cache=True)
def follow(transition: Floats, process: Floats, cover_first: Floats, remember: Floats, remember_noise: float,
           is_value_day: Bools, spot_rows: Floats, spots: Floats, known_day: Ints, known_slot: Ints,
           known_variance: Floats, known_value: Floats, slow: float, slow_keep: float,
           mean_open: Floats, cover_open: Floats, mean_close: Floats, cover_close: Floats, surprise: Floats,
           ) -> None:
    """What the market knows: a Kalman filter over adoption publications and the chips' spot prices.

    On each day first the publications that become known (``known_*``, sorted by day), giving ``mean_open`` and
    ``cover_open`` (days × n, days × n × n), then the day's log spot prices ``spots`` (days × chips), giving
    ``mean_close`` and ``cover_close``. ``slow`` is the share of a publication's news that prices leave out at first
    and take in later, ``slow_keep`` of it being left each day; zero is an efficient market.
    """
    days, chips = spots.shape
    n = transition.shape[0]
    mean, cover = np.zeros(n), cover_first.copy()
    work, moved = np.empty(n), np.empty(n)
    left, half = np.empty((n, n)), np.empty((n, n))
    withheld, before, row = np.zeros(n), np.empty(n), np.zeros(n)
    last_slot, k = n - slots(remember), 0
    for t in range(days):
        if t > 0:
            apply(transition, mean, moved)
            put(moved, mean)
            apply(transition, withheld, moved)
            for i in range(n):
                withheld[i] = slow_keep * moved[i]
            multiply(transition, cover, half)
            multiply_transposed(half, transition, left)
            for i in range(n):
                for j in range(n):
                    cover[i, j] = left[i, j] + process[i, j]
        put(mean, before)
        while k < len(known_day) and known_day[k] == t:
            row[known_slot[k]] = 1.0
            surprise[k] = observe(mean, cover, row, known_value[k], known_variance[k], work)
            row[known_slot[k]] = 0.0
            k += 1
        for i in range(n):
            withheld[i] += slow * (mean[i] - before[i])
            mean_open[t, i] = mean[i] - withheld[i]
        put_all(cover, cover_open[t])
        for c in range(chips):
            observe(mean, cover, spot_rows[c], spots[t, c], 0.0, work)
        for i in range(n):
            mean_close[t, i] = mean[i] - withheld[i]
        put_all(cover, cover_close[t])
        if is_value_day[t]:
            apply(remember, mean, moved)
            put(moved, mean)
            multiply(remember, cover, half)
            multiply_transposed(half, remember, left)
            put_all(left, cover)
            cover[last_slot, last_slot] += remember_noise * remember_noise


@njit(cache=True)
def spikes(state: State, chances: Floats, sizes: Floats, decay: float, warm: int, out: Floats) -> None:
    """Upward spikes of the log price: on a day each source fires with its chance, by an exponential size.

    ``chances`` and ``sizes`` hold the chips' own sources, then the common one; ``out`` is days × chips.
    ``warm`` days run before the first one that is kept.
    """
    days, chips = out.shape
    level = np.zeros(chips)
    for t in range(-warm, days):
        for c in range(chips):
            level[c] *= decay
        for source in range(chips + 1):
            fires = uniform(state) < chances[source]
            size = sizes[source] * exponential(state)
            if not fires:
                continue
            if source < chips:
                level[source] += size
            else:
                for c in range(chips):
                    level[c] += size
        if t >= 0:
            for c in range(chips):
                out[t, c] = level[c]


@njit(cache=True)
def exp_all(values: Floats, out: Floats) -> None:
    """out = exp of each value, both flat."""
    for i in range(len(values)):
        out[i] = exp(values[i])


@njit(cache=True)
def draw_pairs(state: State, out: Floats) -> None:
    """Pairs of uniform numbers (rows × 2), row by row."""
    for i in range(out.shape[0]):
        out[i, 0] = uniform(state)
        out[i, 1] = uniform(state)


@njit(cache=True)
def horizon_tables(transition: Floats, process: Floats, row: Floats, loads: Floats, variance: Floats) -> None:
    """How a chip's expected log price n days ahead depends on today's state, and the variance still to come.

    ``loads[n] = row transitionⁿ`` (horizons × state), ``variance[n] = Σ_{k<n} loads[k] process loads[k]ᵀ``.
    """
    n = len(row)
    total = 0.0
    for i in range(n):
        loads[0, i] = row[i]
    variance[0] = 0.0
    for h in range(1, loads.shape[0]):
        for i in range(n):
            for j in range(n):
                total += loads[h - 1, i] * process[i, j] * loads[h - 1, j]
        variance[h] = total
        for j in range(n):
            value = 0.0
            for i in range(n):
                value += loads[h - 1, i] * transition[i, j]
            loads[h, j] = value


@njit(cache=True)
def spread_evenly(state: State, bridges: Floats, common: float) -> None:
    """Random paths from 0 to 0 with the variance of a unit Brownian bridge (days × chips × nodes).

    ``common`` is the share of each path that all chips have in common.
    """
    days, chips, nodes = bridges.shape
    steps = nodes - 1
    shared, own = np.empty(steps), np.empty(steps)
    rest = math.sqrt(1.0 - common * common)
    for t in range(days):
        fill_normals(state, shared)
        for c in range(chips):
            fill_normals(state, own)
            level = 0.0
            for k in range(nodes):
                bridges[t, c, k] = level
                if k < steps:
                    level += (common * shared[k] + rest * own[k]) / math.sqrt(float(steps))
            for k in range(nodes):
                bridges[t, c, k] -= level * k / steps
