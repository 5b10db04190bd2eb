# SPDX-License-Identifier: Apache-2.0
"""Least-squares slope of the last ``window`` values against their number, without drift and at any offset."""

from math import nan

from kilohour.faces.fields import Ring, state
from kilohour.faces.indicator import Indicator
from kilohour.indicators.rules import LARGEST, require_window


class RollingSlope(Indicator):
    """b of the least-squares line a + b·k through the last n = ``window`` values, k = 0 .. n − 1; unit per update.

    b = Σ(k − k̄)·x / (n(n² − 1)/12). NaN until ``window`` values are in.
    Sums of deviations from an origin inside the window, cut at the wrap: see
    :mod:`kilohour.indicators.rolling_variance`.
    """

    window: int = 20
    at: int = state(0)
    filled: bool = state(False)
    origin: float = state(0.0)
    last: float = state(0.0)
    fresh: float = state(0.0)
    """Sum of the deviations from ``origin`` since the wrap."""
    fresh_moment: float = state(0.0)
    """The same, each times its number, counted from 0 at the wrap (older values have negative numbers)."""
    ring: Ring
    """Below ``at`` the values since the wrap; from ``at`` on, sums of older deviations from there to the wrap."""
    moments: Ring

    def check(self) -> None:
        require_window(self, least=2)

    def update(self, x: float) -> float:
        """Takes the next value; returns :meth:`value`. Raises ValueError for NaN or an infinity."""
        if not abs(x) <= LARGEST:
            raise ValueError("an indicator takes finite numbers, at most 1e100 in size")
        at = self.at
        if at == 0 and not self.filled:
            self.origin = x
        deviation = x - self.origin
        self.ring[at] = x
        self.last = x
        self.fresh += deviation
        self.fresh_moment += deviation * at
        self.at = at + 1
        if at + 1 == self.window:
            self.wrap()
        return self.value()

    def wrap(self) -> None:
        ring = self.ring
        moments = self.moments
        window = self.window
        origin = self.last
        total = 0.0
        moment = 0.0
        for i in range(window - 1, -1, -1):
            deviation = ring[i] - origin
            total += deviation
            moment += deviation * (i - window)
            ring[i] = total
            moments[i] = moment
        self.at = 0
        self.origin = origin
        self.fresh = 0.0
        self.fresh_moment = 0.0
        self.filled = True

    def mean(self) -> float:
        """Mean of the window, or NaN."""
        if self.filled:
            return self.origin + (self.ring[self.at] + self.fresh) / self.window
        return nan

    def value(self) -> float:
        """The slope, or NaN."""
        if not self.filled:
            return nan
        window = self.window
        centre = self.at - 0.5 * (window + 1)
        moment = (self.moments[self.at] + self.fresh_moment) - centre * (self.ring[self.at] + self.fresh)
        return moment * (12.0 / (window * (window * window - 1.0)))

    def fitted(self) -> float:
        """The line at the newest value, or NaN."""
        return self.mean() + 0.5 * (self.window - 1) * self.value()

    def ready(self) -> bool:
        """True once ``window`` values are in."""
        return bool(self.filled)

    def rebase(self, shift: float) -> None:
        """Adds ``shift`` to every remembered value, as at a roll: deviations stay, their origin moves."""
        for i in range(self.at):
            self.ring[i] += shift
        self.origin += shift
        self.last += shift
