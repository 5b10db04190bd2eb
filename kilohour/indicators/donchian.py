# SPDX-License-Identifier: Apache-2.0
"""Donchian's channel: the highest high and the lowest low of the last ``window`` bars."""

from math import nan

from kilohour.faces.fields import Ring, state
from kilohour.faces.indicator import Indicator
from kilohour.indicators.rules import LARGEST, require_window


class Donchian(Indicator):
    """Upper = max of highs, lower = min of lows over the last ``window`` bars, the newest included.

    A breakout compares a price with :meth:`upper` or :meth:`lower` *before* the bar's own update.
    Unit of the prices. NaN until ``window`` bars are in.
    """

    window: int = 20
    at: int = state(0)
    filled: bool = state(False)
    fresh_high: float = state(0.0)
    fresh_low: float = state(0.0)
    highs: Ring
    """Below ``at`` the highs since the wrap; from ``at`` on, the highest of the older ones from there to the wrap."""
    lows: Ring

    def check(self) -> None:
        require_window(self, "highs")

    def update(self, high: float, low: float) -> float:
        """Takes a bar; returns :meth:`middle`. Raises ValueError for NaN, an infinity, or a high below its low."""
        if not (abs(high) <= LARGEST and abs(low) <= LARGEST):
            raise ValueError("an indicator takes finite numbers, at most 1e100 in size")
        if high < low:
            raise ValueError("a bar's high must not be below its low")
        at = self.at
        self.highs[at] = high
        self.lows[at] = low
        if at == 0 or high > self.fresh_high:
            self.fresh_high = high
        if at == 0 or low < self.fresh_low:
            self.fresh_low = low
        self.at = at + 1
        if at + 1 == self.window:
            self.wrap()
        return self.middle()

    def wrap(self) -> None:
        highs = self.highs
        lows = self.lows
        for i in range(self.window - 2, -1, -1):
            if highs[i + 1] > highs[i]:
                highs[i] = highs[i + 1]
            if lows[i + 1] < lows[i]:
                lows[i] = lows[i + 1]
        self.at = 0
        self.filled = True

    def upper(self) -> float:
        """Highest high, or NaN."""
        if not self.filled:
            return nan
        older = self.highs[self.at]
        if self.at > 0 and self.fresh_high > older:
            return self.fresh_high
        return older

    def lower(self) -> float:
        """Lowest low, or NaN."""
        if not self.filled:
            return nan
        older = self.lows[self.at]
        if self.at > 0 and self.fresh_low < older:
            return self.fresh_low
        return older

    def middle(self) -> float:
        """Half way between the two, or NaN."""
        return 0.5 * (self.upper() + self.lower())

    def value(self) -> float:
        """The middle of the channel, or NaN."""
        return self.middle()

    def ready(self) -> bool:
        """True once ``window`` bars are in."""
        return bool(self.filled)

    def rebase(self, shift: float) -> None:
        """Adds ``shift`` to every remembered price, as at a roll."""
        for i in range(self.window):
            self.highs[i] += shift
            self.lows[i] += shift
        self.fresh_high += shift
        self.fresh_low += shift
