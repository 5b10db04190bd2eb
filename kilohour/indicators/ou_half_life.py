# SPDX-License-Identifier: Apache-2.0
"""How fast a spread comes back: the half-life of an Ornstein-Uhlenbeck process."""

from math import nan

from kilohour import maths
from kilohour.faces.fields import indicator, state
from kilohour.faces.indicator import Indicator
from kilohour.indicators.rolling_correlation import RollingCorrelation
from kilohour.indicators.rules import LARGEST, require_whole

LOG_TWO = 0.6931471805599453


class OuHalfLife(Indicator):
    """ln 2 / −ln b updates, b the least-squares slope of x on the x before it over the last ``window`` such pairs.

    An Ornstein-Uhlenbeck process seen at even times is x' = a + b·x + noise with b = e^(−speed); half of a deviation from
    :meth:`level` = a/(1 − b) is gone after ln 2/speed. NaN until ``window`` pairs (``window`` + 1 values) are in, and where
    b is not between 0 and 1: such a window does not come back. b is biased down by about (1 + 3b)/window (Kendall 1954).
    """

    window: int = 60
    last: float = state(0.0)
    started: bool = state(False)
    pairs: RollingCorrelation = indicator(RollingCorrelation, "window")

    def check(self) -> None:
        require_whole(self, "window", 3, len(self.pairs.ring_x), "its capacity")

    def update(self, x: float) -> float:
        """Takes the next value; returns :meth:`value`. Raises ValueError for NaN or an infinity."""
        if not abs(x) <= LARGEST:
            raise ValueError("an indicator takes finite numbers, at most 1e100 in size")
        if self.started:
            self.pairs.update(self.last, x)
        self.last = x
        self.started = True
        return self.value()

    def value(self) -> float:
        """The half-life in updates, or NaN."""
        slope = self.pairs.beta()
        if slope > 0.0 and slope < 1.0:
            return -LOG_TWO / maths.log(slope)
        return nan

    def slope(self) -> float:
        """b, or NaN."""
        return self.pairs.beta()

    def level(self) -> float:
        """a/(1 − b), where it comes back to; NaN where it does not."""
        slope = self.pairs.beta()
        if slope > 0.0 and slope < 1.0:
            return self.pairs.intercept() / (1.0 - slope)
        return nan

    def ready(self) -> bool:
        """True once ``window`` pairs are in."""
        return self.pairs.ready()

    def rebase(self, shift: float) -> None:
        """Adds ``shift`` to every remembered value, as at a roll."""
        self.last += shift
        self.pairs.rebase(shift, shift)
