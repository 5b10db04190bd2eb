# SPDX-License-Identifier: Apache-2.0
"""Wilder's average true range."""

from math import nan

from kilohour.faces.fields import state
from kilohour.faces.indicator import Indicator
from kilohour.indicators.rules import LARGEST, require_span


class Atr(Indicator):
    """Wilder average of the true range max(high, last close) − min(low, last close); unit of the prices.

    The first bar only gives its close. NaN until ``window`` ranges (``window`` + 1 bars) are in, as in TA-Lib.
    Source: J. Welles Wilder, New Concepts in Technical Trading Systems (1978), section III.
    """

    window: int = 14
    count: int = state(0)
    """Bars seen, up to ``window`` + 1."""
    last: float = state(0.0)
    range: float = state(0.0)

    def check(self) -> None:
        require_span(self)

    def update(self, high: float, low: float, close: float) -> float:
        """Takes a bar; returns :meth:`value`. Raises ValueError for NaN, an infinity, or a close outside its range."""
        if not (abs(high) <= LARGEST and abs(low) <= LARGEST and abs(close) <= LARGEST):
            raise ValueError("an indicator takes finite numbers, at most 1e100 in size")
        if not low <= close <= high:
            raise ValueError("a bar's close must lie between its low and its high")
        if self.count > 0:
            weight = 1.0 / min(self.count, self.window)
            self.range += (max(high, self.last) - min(low, self.last) - self.range) * weight
        if self.count <= self.window:
            self.count += 1
        self.last = close
        return self.value()

    def value(self) -> float:
        """The average true range, or NaN."""
        if self.count <= self.window:
            return nan
        return self.range

    def ready(self) -> bool:
        """True once ``window`` ranges are in."""
        return self.count > self.window

    def rebase(self, shift: float) -> None:
        """Moves the last close by ``shift``, so that a roll is no range."""
        self.last += shift
