# SPDX-License-Identifier: Apache-2.0
"""A trading day of the embedded market: bars between two fair values, lots traded, open interest.

A contract's price path within a day is the straight line from its opening to its closing fair value plus a Brownian
bridge of its own width. To first order that is a martingale, so neither a limit order nor a look at the last trade
finds a bounce to live on; what a bar's extremes and close add to the fair value is not given back by the next open.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from kilohour.kernels.arithmetic import exp, fill_normals, poisson, uniform
from kilohour.kernels.compiling import njit

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
State = npt.NDArray[np.uint64]

RESPONSE = 0.08
"""Share of the gap to its usual size that a contract's open interest closes in a day."""
SPREAD_OF_VOLUME = 0.6
"""Standard deviation of the log of a day's volume around its usual size."""


@njit(cache=True)
def on_tick(price: float, tick: int) -> int:
    """A price in dollars as micros, on the nearest tick."""
    return math.floor(price * 1_000_000.0 / tick + 0.5) * tick


@njit(cache=True)
def marks(fair: Floats, tick: int, out: Ints) -> None:
    """Fair values in dollars to marks in micros."""
    for i in range(len(fair)):
        out[i] = on_tick(fair[i], tick)


@njit(cache=True)
def activity(state: State, first: int, last: int, window: int, window_end: int, size: Floats, reach: float,
             spacing: float, volume: Ints, interest: Ints) -> None:
    """Lots traded and open interest of one contract for its days first..last.

    ``size`` is the product's usual open interest on each day of the span; a contract's share falls with e to the
    business days left to its fixing window over ``reach``, and in the window with the share of days still open;
    ``spacing`` is the business days from one delivery to the next.
    Interest follows its usual size slowly. Volume is Poisson around a turnover that is highest in front. Neither
    looks at prices.
    """
    normals = np.empty(2)
    held = 0.0
    scale = spacing / reach
    for t in range(first, last + 1):
        ahead = max(0, window - t)
        open_share = 1.0 if t < window else (window_end - t) / (window_end - window + 1.0)
        near = exp(-ahead / reach)
        usual = size[t] * (near + 0.02) * scale * open_share
        fill_normals(state, normals)
        held += RESPONSE * (usual - held)
        if t >= window:
            held = min(held, size[t] * scale * (open_share + 0.02))
        turnover = 0.02 + 0.05 * exp(-ahead / 42.0)
        mean = held * turnover * exp(SPREAD_OF_VOLUME * normals[0] - 0.5 * SPREAD_OF_VOLUME * SPREAD_OF_VOLUME)
        i = t - first
        volume[i] = poisson(state, mean, normals[1])
        interest[i] = math.floor(held + 0.5)
        if volume[i] > 0 and interest[i] == 0:
            interest[i] = 1


@njit(cache=True)
def daily_bars(state: State, first: int, bridges: Floats, opening: Floats, closing: Floats, width: Floats,
               volume: Ints, tick: int, bars: Ints) -> None:
    """Bars (days × open, high, low, close, in micros) of one contract from the nodes of its path.

    ``bridges`` is days × nodes. A day with at least as many lots as nodes trades at all of them; a thinner day
    trades at as many nodes as it has lots, drawn at random. A day without volume gets a row of zeros.
    """
    nodes = bridges.shape[1]
    for i in range(len(volume)):
        lots = volume[i]
        if lots == 0:
            bars[i, 0], bars[i, 1], bars[i, 2], bars[i, 3] = 0, 0, 0, 0
            continue
        trades = min(lots, nodes)
        first_node, last_node = nodes, -1
        high, low, begin, end = 0, 0, 0, 0
        for k in range(trades):
            node = k if lots >= nodes else int(uniform(state) * nodes)
            path = opening[i] + (closing[i] - opening[i]) * node / (nodes - 1) + width[i] * bridges[first + i, node]
            price = on_tick(path, tick)
            if k == 0 or price > high:
                high = price
            if k == 0 or price < low:
                low = price
            if node < first_node:
                first_node, begin = node, price
            if node > last_node:
                last_node, end = node, price
        bars[i, 0], bars[i, 1], bars[i, 2], bars[i, 3] = begin, high, low, end


@njit(cache=True)
def minute_bars(state: State, opening: float, closing: float, width: float, mean_volume: float, tick: int,
                shared: Floats, common: float, path: Floats, bars: Ints, volume: Ints) -> None:
    """One contract's minutes of one day: bars (minutes × 4, micros) and volumes.

    ``shared`` are normals (steps) common to the curve, ``path`` is scratch for steps + 1 nodes; there are
    ``steps / minutes`` steps in a minute, and a minute's bar runs over its own nodes from the last of the minute
    before.
    """
    minutes = len(volume)
    steps = len(shared)
    per_minute = steps // minutes
    fill_normals(state, path[1:])
    rest = math.sqrt(1.0 - common * common)
    level = 0.0
    scale = 1.0 / math.sqrt(float(steps))
    path[0] = 0.0
    for k in range(1, steps + 1):
        level += (common * shared[k - 1] + rest * path[k]) * scale
        path[k] = level
    for k in range(steps + 1):
        along = k / steps
        path[k] = opening + (closing - opening) * along + width * (path[k] - level * along)
    per = mean_volume / minutes
    for m in range(minutes):
        volume[m] = poisson(state, per, 0.0)
        high = low = on_tick(path[m * per_minute], tick)
        bars[m, 0] = high
        for k in range(1, per_minute + 1):
            price = on_tick(path[m * per_minute + k], tick)
            high, low = max(high, price), min(low, price)
            bars[m, 3] = price
        bars[m, 1], bars[m, 2] = high, low
