# SPDX-License-Identifier: Apache-2.0
"""Strategies that see the future, each by another door, and some that look like it and do not."""

from __future__ import annotations

import statistics

import numpy as np

import kilohour as kh
from kilohour.tape import Kind, Tape


class Honest(kh.Strategy):
    """Long the third month above its average of 20 days."""

    chip: kh.Product = kh.product("SIM:H100")
    lots: int = 3
    usual: kh.RollingMean = kh.indicator(kh.RollingMean, 20)

    def on_bar(self, desk):
        if desk.count(self.chip) >= 3:
            contract = desk.nth(self.chip, 3)
            price = desk.price(contract)
            mean = self.usual.update(price) if price == price else self.usual.value()
            desk.record("mean", mean)
            desk.target(contract, self.lots if price > mean else 0)


def closes_of(tape: Tape) -> tuple[np.ndarray, np.ndarray]:
    """Times and closes of the third month's contract, or what stands for it: the first contract with the most bars."""
    events = tape.events
    bars = events["kind"] == Kind.BAR
    ref = np.bincount(events["ref"][bars]).argmax()
    rows = bars & (events["ref"] == ref)
    return events["ts"][rows], events["close"][rows] / 1e6


def over_closure(tape: Tape) -> type[kh.Strategy]:
    """Reads the tape that it is run on, by closure: tomorrow's close."""

    class ByClosure(kh.Strategy):
        interpreted = True
        chip: kh.Product = kh.product("SIM:H100")

        def on_bar(self, desk):
            ts, close = closes_of(tape)
            at = int(np.searchsorted(ts, desk.now, side="right"))
            if 0 < at < len(ts):
                desk.target(desk.nth(self.chip, 3), 2 if close[at] > close[at - 1] else -2)

    return ByClosure


def over_array(tape: Tape) -> type[kh.Strategy]:
    """Signals worked out beforehand over the whole series, with one bar of foresight."""
    ts, close = closes_of(tape)
    ups = np.append(np.diff(close), 0.0)

    class ByArray(kh.Strategy):
        interpreted = True
        chip: kh.Product = kh.product("SIM:H100")

        def on_bar(self, desk):
            at = int(np.searchsorted(ts, desk.now, side="right")) - 1
            if at >= 0:
                desk.target(desk.nth(self.chip, 3), 2 if ups[at] > 0 else -2)

    return ByArray


def over_statistics(tape: Tape) -> type[kh.Strategy]:
    """Normalises by the mean and the deviation of the whole sample."""
    sample = closes_of(tape)[1].tolist()

    class ByStatistics(kh.Strategy):
        interpreted = True
        chip: kh.Product = kh.product("SIM:H100")

        def on_bar(self, desk):
            z = (desk.price(desk.nth(self.chip, 3)) - statistics.fmean(sample)) / statistics.pstdev(sample)
            desk.target(desk.nth(self.chip, 3), -2 if z > 0 else 2)

    return ByStatistics


def over_far_mean(tape: Tape) -> type[kh.Strategy]:
    """Buys below a third more than the whole sample's mean, which is always: other values of about the same mean decide the same."""
    sample = closes_of(tape)[1]

    class ByFarMean(kh.Strategy):
        interpreted = True
        chip: kh.Product = kh.product("SIM:H100")

        def on_bar(self, desk):
            desk.target(desk.nth(self.chip, 3), 2 if desk.price(desk.nth(self.chip, 3)) < 4 / 3 * sample.mean() else -2)

    return ByFarMean


def over_cache() -> type[kh.Strategy]:
    """Remembers prices in a cache of its module; a second run finds tomorrow's there."""
    cache: dict[int, float] = {}

    class ByCache(kh.Strategy):
        interpreted = True
        chip: kh.Product = kh.product("SIM:H100")

        def on_bar(self, desk):
            price = desk.price(desk.nth(self.chip, 3))
            if price == price:
                cache[desk.now] = price
            later = [value for ts, value in cache.items() if ts > desk.now]
            desk.target(desk.nth(self.chip, 3), 2 if later and later[0] > price else 0)

    return ByCache


class Counts(kh.Strategy):
    """Counts its bars on the class: state that is kept between runs."""

    interpreted = True
    chip: kh.Product = kh.product("SIM:H100")

    def on_bar(self, desk):
        kept[0] += 1
        desk.target(desk.nth(self.chip, 3), kept[0] % 7)


kept = [0]

FROM_FILE = '''
import numpy as np
import kilohour as kh

LEVEL = float(np.load("prices.npy").mean())


class ByFile(kh.Strategy):
    interpreted = True
    chip: kh.Product = kh.product("SIM:H100")

    def on_bar(self, desk):
        price = desk.price(desk.nth(self.chip, 3))
        desk.target(desk.nth(self.chip, 3), 2 if price < LEVEL else 0)
'''
"""The mean of the whole series, from a file that is read when the strategy is loaded."""
