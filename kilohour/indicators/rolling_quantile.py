# SPDX-License-Identifier: Apache-2.0
"""Quantile and median of the last ``window`` values, from a copy of the window that is kept in order.

The newest value takes the place of the oldest in one pass over the values between them: exact, and cheap for the
windows of a strategy. (The array version uses another structure for long windows.)
"""

from math import nan

from kilohour import maths
from kilohour.faces.fields import Ring, state
from kilohour.faces.indicator import Indicator
from kilohour.indicators.rules import LARGEST, require_between, require_window


class RollingQuantile(Indicator):
    """The ``quantile`` (0 to 1) of the last n = ``window`` values, linear between order statistics.

    With h = (n − 1)·q and the values in order from x₀: x₍ₗ₎ + (h − l)·(x₍ₗ₊₁₎ − x₍ₗ₎), l = ⌊h⌋. That is definition 7 of
    Hyndman and Fan (1996), the default of numpy and pandas. NaN until ``window`` values are in.
    """

    window: int = 20
    quantile: float = 0.5
    count: int = state(0)
    at: int = state(0)
    ring: Ring
    """The values in the order they came."""
    ordered: Ring
    """The same values in increasing order."""

    def check(self) -> None:
        require_window(self)
        require_between(self, "quantile", 0.0, 1.0, closed=True)

    def update(self, x: float) -> float:
        """Takes the next value; returns :meth:`value`. Raises ValueError for NaN or an infinity."""
        if not abs(x) <= LARGEST:
            raise ValueError("an indicator takes finite numbers, at most 1e100 in size")
        if self.count < self.window:
            place = self.count
            self.count = place + 1
        else:
            place = self.place_of(self.ring[self.at])
        self.settle(place, x)
        self.ring[self.at] = x
        self.at += 1
        if self.at == self.window:
            self.at = 0
        return self.value()

    def place_of(self, x: float) -> int:
        """The first place in the order whose value is not below ``x``."""
        ordered = self.ordered
        low = 0
        high = self.count
        while low < high:
            middle = (low + high) // 2
            if ordered[middle] < x:
                low = middle + 1
            else:
                high = middle
        return low

    def settle(self, place: int, x: float) -> None:
        """Overwrites the value at ``place`` of the order with ``x``, and restores the order."""
        ordered = self.ordered
        last = self.count - 1
        while place > 0 and ordered[place - 1] > x:
            ordered[place] = ordered[place - 1]
            place -= 1
        while place < last and ordered[place + 1] < x:
            ordered[place] = ordered[place + 1]
            place += 1
        ordered[place] = x

    def at_fraction(self, fraction: float) -> float:
        """The quantile ``fraction`` of the window, or NaN."""
        if self.count < self.window:
            return nan
        exact = (self.window - 1) * fraction
        place = maths.truncate(exact)
        below = self.ordered[place]
        if place + 1 >= self.window:
            return below
        return below + (exact - place) * (self.ordered[place + 1] - below)

    def value(self) -> float:
        """The quantile, or NaN."""
        return self.at_fraction(self.quantile)

    def ready(self) -> bool:
        """True once ``window`` values are in."""
        return self.count == self.window

    def rebase(self, shift: float) -> None:
        """Adds ``shift`` to every remembered value, as at a roll."""
        for i in range(self.count):
            self.ring[i] += shift
            self.ordered[i] += shift


class RollingMedian(RollingQuantile):
    """Middle of the last ``window`` values, or the mean of the two middle ones. NaN until ``window`` values are in.

    ``quantile`` stays 0.5 here.
    """

    def check(self) -> None:
        require_window(self)
        require_between(self, "quantile", 0.5, 0.5, closed=True)
