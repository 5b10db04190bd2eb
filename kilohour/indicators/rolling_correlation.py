# SPDX-License-Identifier: Apache-2.0
"""Correlation and regression coefficient of the last ``window`` pairs, without drift and at any offset."""

from math import nan

from kilohour import maths
from kilohour.faces.fields import Ring, state
from kilohour.faces.indicator import Indicator
from kilohour.indicators.rules import LARGEST, require_window


class RollingCorrelation(Indicator):
    """Pearson's r of the last ``window`` pairs (x, y); no unit. :meth:`beta` is the slope of y on x, a hedge ratio.

    r = Sxy / √(Sxx·Syy). NaN until ``window`` pairs are in, and while all x or all y are equal.
    Sums of deviations from an origin inside the window, cut at the wrap: see
    :mod:`kilohour.indicators.rolling_variance`.
    """

    window: int = 20
    at: int = state(0)
    filled: bool = state(False)
    origin_x: float = state(0.0)
    origin_y: float = state(0.0)
    last_x: float = state(0.0)
    last_y: float = state(0.0)
    fresh_x: float = state(0.0)
    fresh_y: float = state(0.0)
    fresh_xx: float = state(0.0)
    fresh_yy: float = state(0.0)
    fresh_xy: float = state(0.0)
    ring_x: Ring
    """Below ``at`` the values since the wrap; from ``at`` on, sums of older deviations from there to the wrap."""
    ring_y: Ring
    ring_xx: Ring
    ring_yy: Ring
    ring_xy: Ring

    def check(self) -> None:
        require_window(self, "ring_x", least=2)

    def update(self, x: float, y: float) -> float:
        """Takes the next pair; returns :meth:`value`. Raises ValueError for NaN or an infinity."""
        if not (abs(x) <= LARGEST and abs(y) <= LARGEST):
            raise ValueError("an indicator takes finite numbers, at most 1e100 in size")
        at = self.at
        if at == 0 and not self.filled:
            self.origin_x = x
            self.origin_y = y
        deviation_x = x - self.origin_x
        deviation_y = y - self.origin_y
        self.ring_x[at] = x
        self.ring_y[at] = y
        self.last_x = x
        self.last_y = y
        self.fresh_x += deviation_x
        self.fresh_y += deviation_y
        self.fresh_xx += deviation_x * deviation_x
        self.fresh_yy += deviation_y * deviation_y
        self.fresh_xy += deviation_x * deviation_y
        self.at = at + 1
        if at + 1 == self.window:
            self.wrap()
        return self.value()

    def wrap(self) -> None:
        total_x = 0.0
        total_y = 0.0
        total_xx = 0.0
        total_yy = 0.0
        total_xy = 0.0
        for i in range(self.window - 1, -1, -1):
            deviation_x = self.ring_x[i] - self.last_x
            deviation_y = self.ring_y[i] - self.last_y
            total_x += deviation_x
            total_y += deviation_y
            total_xx += deviation_x * deviation_x
            total_yy += deviation_y * deviation_y
            total_xy += deviation_x * deviation_y
            self.ring_x[i] = total_x
            self.ring_y[i] = total_y
            self.ring_xx[i] = total_xx
            self.ring_yy[i] = total_yy
            self.ring_xy[i] = total_xy
        self.at = 0
        self.origin_x = self.last_x
        self.origin_y = self.last_y
        self.fresh_x = 0.0
        self.fresh_y = 0.0
        self.fresh_xx = 0.0
        self.fresh_yy = 0.0
        self.fresh_xy = 0.0
        self.filled = True

    def sum_xx(self) -> float:
        """n·Sxx, from the window's sums."""
        total = self.ring_x[self.at] + self.fresh_x
        return self.window * (self.ring_xx[self.at] + self.fresh_xx) - total * total

    def sum_yy(self) -> float:
        """n·Syy."""
        total = self.ring_y[self.at] + self.fresh_y
        return self.window * (self.ring_yy[self.at] + self.fresh_yy) - total * total

    def sum_xy(self) -> float:
        """n·Sxy."""
        total_x = self.ring_x[self.at] + self.fresh_x
        total_y = self.ring_y[self.at] + self.fresh_y
        return self.window * (self.ring_xy[self.at] + self.fresh_xy) - total_x * total_y

    def value(self) -> float:
        """The correlation, from −1 to 1, or NaN."""
        if not self.filled:
            return nan
        spread_x = self.sum_xx()
        spread_y = self.sum_yy()
        if spread_x <= 0.0 or spread_y <= 0.0:
            return nan
        found = self.sum_xy() / (maths.sqrt(spread_x) * maths.sqrt(spread_y))
        return min(1.0, max(-1.0, found))

    def beta(self) -> float:
        """Sxy / Sxx, the least-squares slope of y on x, or NaN."""
        if not self.filled:
            return nan
        spread_x = self.sum_xx()
        if spread_x <= 0.0:
            return nan
        return self.sum_xy() / spread_x

    def intercept(self) -> float:
        """The least-squares line of y on x at x = 0, or NaN."""
        mean_x = self.origin_x + (self.ring_x[self.at] + self.fresh_x) / self.window
        mean_y = self.origin_y + (self.ring_y[self.at] + self.fresh_y) / self.window
        return mean_y - self.beta() * mean_x

    def ready(self) -> bool:
        """True once ``window`` pairs are in."""
        return bool(self.filled)

    def rebase(self, shift_x: float, shift_y: float) -> None:
        """Adds the shifts to every remembered x and y, as at a roll: deviations stay, their origins move."""
        for i in range(self.at):
            self.ring_x[i] += shift_x
            self.ring_y[i] += shift_y
        self.origin_x += shift_x
        self.origin_y += shift_y
        self.last_x += shift_x
        self.last_y += shift_y
