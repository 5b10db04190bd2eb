# SPDX-License-Identifier: Apache-2.0
"""Variance and z-score of the last ``window`` values, without drift and at any offset.

Sums of deviations and of their squares, cut at the wrap as in :mod:`kilohour.indicators.rolling_mean`: nothing is
subtracted again. Deviations are from the newest value before the wrap, which is itself in the window as long as it is
the origin. So Σd² exceeds the sum of squares about the mean by at most the factor ``window``, whatever the offset of
the data (Chan, Golub, LeVeque 1983, "Algorithms for computing the sample variance", section 3: shifted data).
"""

from math import nan

from kilohour import maths
from kilohour.faces.fields import Ring, state
from kilohour.faces.indicator import Indicator
from kilohour.indicators.rules import LARGEST, require_whole, require_window


class RollingVariance(Indicator):
    """Σ(x − mean)² / (n − ``ddof``) over the last n = ``window`` values, in the unit squared.

    ``ddof`` 1 is the sample variance, 0 that of a population. NaN until ``window`` values are in.
    """

    window: int = 20
    ddof: int = 1
    at: int = state(0)
    filled: bool = state(False)
    origin: float = state(0.0)
    last: float = state(0.0)
    fresh: float = state(0.0)
    """Sum of the deviations from ``origin`` since the wrap."""
    fresh_squares: float = state(0.0)
    ring: Ring
    """Below ``at`` the values since the wrap; from ``at`` on, sums of older deviations from there to the wrap."""
    squares: Ring
    """From ``at`` on, sums of older squared deviations from there to the wrap."""

    def check(self) -> None:
        require_window(self, least=2)
        require_whole(self, "ddof", 0, 1, "population, sample")

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
        self.fresh_squares += deviation * deviation
        self.at = at + 1
        if at + 1 == self.window:
            self.wrap()
        return self.value()

    def wrap(self) -> None:
        ring = self.ring
        squares = self.squares
        origin = self.last
        total = 0.0
        total_squares = 0.0
        for i in range(self.window - 1, -1, -1):
            deviation = ring[i] - origin
            total += deviation
            total_squares += deviation * deviation
            ring[i] = total
            squares[i] = total_squares
        self.at = 0
        self.origin = origin
        self.fresh = 0.0
        self.fresh_squares = 0.0
        self.filled = True

    def mean(self) -> float:
        """Mean of the window, or NaN."""
        if self.filled:
            return self.origin + (self.ring[self.at] + self.fresh) / self.window
        return nan

    def variance(self) -> float:
        """Variance of the window, or NaN."""
        if not self.filled:
            return nan
        total = self.ring[self.at] + self.fresh
        spread = self.window * (self.squares[self.at] + self.fresh_squares) - total * total
        return max(spread, 0.0) / (self.window * (self.window - self.ddof))

    def deviation(self) -> float:
        """Standard deviation of the window, or NaN."""
        if not self.filled:
            return nan
        return maths.sqrt(self.variance())

    def value(self) -> float:
        """The variance, or NaN."""
        return self.variance()

    def ready(self) -> bool:
        """True once ``window`` values are in."""
        return bool(self.filled)

    def rebase(self, shift: float) -> None:
        """Adds ``shift`` to every remembered value, as at a roll: deviations stay, their origin moves."""
        for i in range(self.at):
            self.ring[i] += shift
        self.origin += shift
        self.last += shift


class RollingZ(RollingVariance):
    """(x − mean) / deviation of the newest value x among the last ``window`` values, itself included; no unit.

    The deviation is the sample's (``ddof`` 1) unless set to 0. NaN until ``window`` values are in, and while all of
    them are equal.
    """

    def value(self) -> float:
        """The z-score of the newest value, or NaN."""
        if not self.filled:
            return nan
        window = self.window
        total = self.ring[self.at] + self.fresh
        spread = window * (self.squares[self.at] + self.fresh_squares) - total * total
        if spread <= 0.0:
            return nan
        return (window * (self.last - self.origin) - total) / maths.sqrt(spread * (window / float(window - self.ddof)))
