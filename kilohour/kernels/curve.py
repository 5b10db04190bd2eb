# SPDX-License-Identifier: Apache-2.0
"""Fair values of monthly average contracts in the embedded market: exact expectations, less a premium."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from kilohour.kernels.arithmetic import exp
from kilohour.kernels.compiling import njit

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

FACTORS = 5
"""State entries that move one chip's price: growth, gap, long run, scarcity, and the chip's own."""


@njit(cache=True)
def pick(vector: Floats, places: Ints, out: Floats) -> None:
    """out = vector[places]."""
    for i in range(FACTORS):
        out[i] = vector[places[i]]


@njit(cache=True)
def pick_block(matrix: Floats, places: Ints, out: Floats) -> None:
    """The upper triangle of matrix[places, places] with its off-diagonal doubled, as a vector of 15."""
    k = 0
    for i in range(FACTORS):
        for j in range(i, FACTORS):
            out[k] = matrix[places[i], places[j]] * (1.0 if i == j else 2.0)
            k += 1


@njit(cache=True)
def quadratic(block: Floats, load: Floats) -> float:
    """load · matrix · load for a block made by :func:`pick_block`."""
    k, total = 0, 0.0
    for i in range(FACTORS):
        for j in range(i, FACTORS):
            total += block[k] * load[i] * load[j]
            k += 1
    return total


@njit(cache=True)
def fair_values(chip: Ints, first: Ints, last: Ints, offset: Ints, fix_from: Ints, fix_to: Ints, fix_day: Ints,
                places: Ints, loads: Floats, variance: Floats, spike_mean: Floats, spike_decay: Floats,
                discount: Floats, log_mean: Floats, launches_known: Ints, season: Floats, spike: Floats,
                mean_open: Floats, cover_open: Floats, mean_close: Floats, cover_close: Floats,
                prints: Floats, restated_day: Ints, restated: Floats,
                out_open: Floats, out_close: Floats, out_floating: Floats, out_width: Floats) -> None:
    """Opening and closing fair value of each contract on each of its days (flat arrays, ``offset`` per contract).

    A closing value on day t is Σ over fixing days s of the print as known (s ≤ t) or
    ``discount[s-t] · E[spot(s) | known at the close of t]`` (s > t), over N. An opening value is the same before the
    day's spot is known, with one more day of discount. ``out_floating`` is the second sum over N: what still floats.
    ``out_width`` is the standard deviation, in dollars, of close minus open, to first order.
    """
    state_open, state_close = np.empty(FACTORS), np.empty(FACTORS)
    block_open, block_close = np.empty(15), np.empty(15)
    load = np.empty(FACTORS)
    for k in range(len(chip)):
        c = chip[k]
        count = fix_to[k] - fix_from[k]
        for t in range(first[k], last[k] + 1):
            pick(mean_open[t], places[c], state_open)
            pick(mean_close[t], places[c], state_close)
            pick_block(cover_open[t], places[c], block_open)
            pick_block(cover_close[t], places[c], block_close)
            known = launches_known[t]
            fixed, today, opening, floating, width = 0.0, 0.0, 0.0, 0.0, 0.0
            for f in range(fix_from[k], fix_to[k]):
                s = fix_day[f]
                if s < t:
                    value = restated[s, c] if restated_day[s, c] <= t else prints[s, c]
                    fixed += value
                    continue
                h = s - t
                known_open, known_close = 0.0, 0.0
                for i in range(FACTORS):
                    load[i] = loads[c, h, i]
                    known_open += load[i] * state_open[i]
                    known_close += load[i] * state_close[i]
                spread_open, spread_close = quadratic(block_open, load), quadratic(block_close, load)
                base = (log_mean[known, c, s] + season[t] + 0.5 * variance[c, h] + spike_mean[c, h]
                        + spike[t, c] * spike_decay[h])
                value = discount[h + 1] * exp(base + known_open + 0.5 * spread_open)
                opening += value
                width += value * math.sqrt(max(0.0, spread_open - spread_close))
                if h == 0:
                    today = prints[s, c]
                else:
                    floating += discount[h] * exp(base + known_close + 0.5 * spread_close)
            i = offset[k] + t - first[k]
            out_open[i] = (fixed + opening) / count
            out_close[i] = (fixed + today + floating) / count
            out_floating[i] = floating / count
            out_width[i] = width / count
            if t == 0:
                # Nobody traded the day before: the market opens on what its first day shows.
                out_open[i], out_width[i] = out_close[i], 0.0
