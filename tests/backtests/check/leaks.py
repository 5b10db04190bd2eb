# SPDX-License-Identifier: Apache-2.0
"""Strategies that see the future, each by another door, and some that look like it and do not."""

from __future__ import annotations

import dataclasses
import functools
import statistics
import types

import numpy as np
import pandas as pd

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


def hidden() -> dict[str, tuple[type[kh.Strategy], str]]:
    """One strategy for each place where a series can lie beside the desk, and the name by which the detector is to call it."""
    series = np.linspace(2.0, 3.0, 100)
    rows = series.tolist()
    ups = [(at // 7) % 2 == 0 for at in range(100)]
    words = ["up" if up else "down" for up in ups]
    days = pd.date_range("2026-01-05", periods=100, tz="UTC")
    frame, timed = pd.DataFrame({"day": days, "side": words}), pd.DataFrame({"side": ups}, index=days)
    table, listed, nested = {"close": series}, [("a", one, one) for one in rows], (1.0, [series])
    truths, flags, labels, chosen = np.array(ups), ups, words, set(range(100))
    space, model, frozen = types.SimpleNamespace(close=series), Model(series), Frozen(rows)
    bound, partial, cached = Model(series).up, functools.partial(above, series), functools.lru_cache(lambda at: rows[at])

    class Frame(kh.Strategy):
        def on_bar(self, desk):
            return frame

    class Timed(kh.Strategy):
        def on_bar(self, desk):
            return timed

    class Table(kh.Strategy):
        def on_bar(self, desk):
            return table["close"]

    class Listed(kh.Strategy):
        def on_bar(self, desk):
            return listed

    class Nested(kh.Strategy):
        def on_bar(self, desk):
            return nested[1][0]

    class Truths(kh.Strategy):
        def on_bar(self, desk):
            return truths

    class Flags(kh.Strategy):
        def on_bar(self, desk):
            return flags

    class Labels(kh.Strategy):
        def on_bar(self, desk):
            return labels

    class Chosen(kh.Strategy):
        def on_bar(self, desk):
            return chosen

    class Space(kh.Strategy):
        def on_bar(self, desk):
            return space.close

    class Object(kh.Strategy):
        def on_bar(self, desk):
            return model.close

    class FrozenOne(kh.Strategy):
        def on_bar(self, desk):
            return frozen.rows

    class Bound(kh.Strategy):
        def on_bar(self, desk):
            return bound(5)

    class Partial(kh.Strategy):
        def on_bar(self, desk):
            return partial(5)

    class Cached(kh.Strategy):
        def on_bar(self, desk):
            return cached.__wrapped__(5)

    return {
        "a frame": (Frame, "frame"), "a frame of truths with times": (Timed, "timed"), "a table of arrays": (Table, "table.*'close'"),
        "rows of a list": (Listed, "listed"), "a list in a tuple": (Nested, "nested.*1..0"), "an array of truths": (Truths, "truths"),
        "a list of truths": (Flags, "flags"), "a list of labels": (Labels, "labels"), "a set": (Chosen, "chosen"),
        "a namespace": (Space, "space.*close"), "an object": (Object, "model.*close"), "a frozen object": (FrozenOne, "frozen.*rows"),
        "a bound method": (Bound, "bound.*close"), "a partial function": (Partial, "argument 1 of partial"), "a cached function": (Cached, "rows"),
    }  # fmt: skip


class Model:
    """A user's own object that holds a series."""

    def __init__(self, close):
        self.close = close

    def up(self, at):
        return float(self.close[at])


@dataclasses.dataclass(frozen=True, slots=True)
class Frozen:
    rows: list[float]


def above(series, at):
    return float(series[at])
