# SPDX-License-Identifier: Apache-2.0
"""Exponential averages, both seeded with the simple mean of the first ``window`` values, as TA-Lib seeds them."""

from math import nan

from kilohour.faces.fields import state
from kilohour.faces.indicator import Indicator
from kilohour.indicators.rules import LARGEST, require_span


class Ema(Indicator):
    """Exponential moving average: m += (x − m)·2/(n + 1), n = ``window``; unit of the values.

    NaN until ``window`` values are in; the first is their simple mean (TA-Lib's EMA; pandas seeds with the first
    value).
    """

    window: int = 20
    count: int = state(0)
    mean: float = state(0.0)

    def check(self) -> None:
        require_span(self)

    def weight(self) -> float:
        return 2.0 / (self.window + 1)

    def update(self, x: float) -> float:
        """Takes the next value; returns :meth:`value`. Raises ValueError for NaN or an infinity."""
        if not abs(x) <= LARGEST:
            raise ValueError("an indicator takes finite numbers, at most 1e100 in size")
        if self.count < self.window:
            self.count += 1
            self.mean += (x - self.mean) / self.count
        else:
            self.mean += (x - self.mean) * self.weight()
        return self.value()

    def value(self) -> float:
        """The average, or NaN."""
        if self.count < self.window:
            return nan
        return self.mean

    def ready(self) -> bool:
        """True once ``window`` values are in."""
        return self.count == self.window

    def rebase(self, shift: float) -> None:
        """Moves the average by ``shift``, as if every value had been, at a roll."""
        if self.count > 0:
            self.mean += shift


class Wilder(Ema):
    """Wilder's smoothing: m += (x − m)/n, n = ``window``; unit of the values.

    NaN until ``window`` values are in; the first is their simple mean.
    Source: J. Welles Wilder, New Concepts in Technical Trading Systems (1978).
    """

    def weight(self) -> float:
        return 1.0 / self.window
