# SPDX-License-Identifier: Apache-2.0
"""Where a series can lie beside the desk: one strategy a place, which returns what it sees there."""

from __future__ import annotations

import dataclasses
import functools
import types

import numpy as np
import pandas as pd

import kilohour as kh


class Model:
    """A user's own object that holds a series."""

    def __init__(self, close):
        self.close = close

    def up(self, at):
        return float(self.close[at])


@dataclasses.dataclass(frozen=True, slots=True)
class Frozen:
    rows: list[float]


@dataclasses.dataclass(frozen=True)
class Bar:
    day: str
    close: float


def above(series, at):
    return float(series[at])


series = np.linspace(2.0, 3.0, 100)
rows = series.tolist()
ups = [(at // 7) % 2 == 0 for at in range(100)]
words = ["up" if up else "down" for up in ups]
days = pd.date_range("2026-01-05", periods=100, tz="UTC")
frame, timed = pd.DataFrame({"day": days, "side": words}), pd.DataFrame({"side": ups}, index=days)
table, listed, nested = {"close": series}, [("a", one, one) for one in rows], (1.0, [series])
truths, flags, labels, chosen = np.array(ups), ups, words, set(range(100))
space, model, frozen = types.SimpleNamespace(close=series), Model(series), Frozen(rows)
bars = [Bar("", one) for one in rows]
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


class Bars(kh.Strategy):
    def on_bar(self, desk):
        return [bar.close for bar in bars]


class Bound(kh.Strategy):
    def on_bar(self, desk):
        return bound(5)


class Partial(kh.Strategy):
    def on_bar(self, desk):
        return partial(5)


class Cached(kh.Strategy):
    def on_bar(self, desk):
        return cached.__wrapped__(5)


PLACES = {
    "a frame": (Frame, "frame"), "a frame of truths with times": (Timed, "timed"), "a table of arrays": (Table, "table.*'close'"),
    "rows of a list": (Listed, "listed"), "a list in a tuple": (Nested, "nested.*1..0"), "an array of truths": (Truths, "truths"),
    "a list of truths": (Flags, "flags"), "a list of labels": (Labels, "labels"), "a set": (Chosen, "chosen"),
    "a namespace": (Space, "space.*close"), "an object": (Object, "model.*close"), "a frozen object": (FrozenOne, "rows"),
    "a list of bars": (Bars, "bars"),
    "a bound method": (Bound, "bound.*close"), "a partial function": (Partial, "argument 1 of partial"), "a cached function": (Cached, "rows"),
}  # fmt: skip
"""Each place with its strategy and the pattern of the name by which the detector is to call it."""
