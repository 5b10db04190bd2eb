# SPDX-License-Identifier: Apache-2.0
"""What every contract is worth at any moment of a market: from one official mark to the next, by a path of its own.

Between two marks the path is the straight line and a Brownian bridge drawn from (seed, contract, interval), as wide as the contract's
marks have moved lately: in law a random walk, so that nothing is to be had from looking at it.
"""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt

from kilohour.tape.schema import Kind
from kilohour.tape.tape import Tape

NODES = 256
LOOK_BACK = 20
PATHS_KEPT = 4_096


class FairCurve:
    """Fair values of the contracts of a tape, in micros."""

    def __init__(self, tape: Tape, seed: int) -> None:
        events = tape.events
        marks = np.flatnonzero((events["kind"] == Kind.MARK) & (events["volume"] <= 0))
        refs = events["ref"][marks]
        order = np.argsort(refs, kind="stable")
        marks, refs = marks[order], refs[order]
        cuts = np.searchsorted(refs, np.arange(len(tape.contracts) + 1))
        self._times = [events["ts"][marks[a:b]] for a, b in itertools.pairwise(cuts)]
        self._prices = [events["close"][marks[a:b]] for a, b in itertools.pairwise(cuts)]
        self._seed = seed
        self._paths: dict[tuple[int, int], npt.NDArray[np.float64]] = {}

    def at(self, row: int, ts: int) -> float | None:
        """The fair value of a contract, None before its first mark."""
        times, prices = self._times[row], self._prices[row]
        place = int(times.searchsorted(ts, side="right")) - 1
        if place < 0:
            return None
        if place == len(times) - 1:
            return float(prices[place])
        begin, end = int(times[place]), int(times[place + 1])
        share = (ts - begin) / (end - begin)
        path = self._path(row, place)
        node = share * NODES
        low = min(int(node), NODES - 1)
        bridge = path[low] + (path[low + 1] - path[low]) * (node - low)
        return float(prices[place] + (prices[place + 1] - prices[place]) * share + bridge)

    def _path(self, row: int, place: int) -> npt.NDArray[np.float64]:
        path = self._paths.get((row, place))
        if path is None:
            prices = self._prices[row][max(place - LOOK_BACK, 0) : place + 1]
            width = float(np.sqrt(np.mean(np.square(np.diff(prices))))) if len(prices) > 1 else 0.0
            steps = np.random.default_rng([self._seed, row, place]).standard_normal(NODES)
            walk = np.concatenate([[0.0], np.cumsum(steps)]) / np.sqrt(NODES)
            path = width * (walk - np.linspace(0.0, 1.0, NODES + 1) * walk[-1])
            if len(self._paths) >= PATHS_KEPT:
                self._paths.clear()
            self._paths[row, place] = path
        return path
