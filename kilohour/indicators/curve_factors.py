# SPDX-License-Identifier: Apache-2.0
"""Level, slope and curvature of the futures curve, from three of its points."""

from math import nan

from kilohour import maths
from kilohour.faces.fields import state
from kilohour.faces.indicator import Indicator
from kilohour.indicators.rules import LARGEST, require_between


class CurveFactors(Indicator):
    """Nelson and Siegel's factors through three points: price(t) = level + slope·g(t) + curvature·(g(t) − e^(−``decay``·t)).

    g(t) = (1 − e^(−decay·t))/(decay·t), t in years; dollars. ``level`` is where the curve ends, ``slope`` what its start
    stands above that, ``curvature`` the hump between. The three points fix them exactly. NaN before the first update.
    Sources: Nelson and Siegel, Journal of Business 60 (1987); as factors, Diebold and Li, Journal of Econometrics 130 (2006).
    """

    decay: float = 1.5
    far_level: float = state(nan)
    lift: float = state(nan)
    bend: float = state(nan)

    def check(self) -> None:
        require_between(self, "decay", 1e-3, 1e3)

    def update(self, near: float, middle: float, far: float, years_near: float, years_middle: float, years_far: float) -> float:
        """Takes three prices and the years to their deliveries, increasing and above zero; returns the level.

        Raises ValueError for NaN or an infinity, and for years that do not increase from above zero.
        """
        if not (abs(near) <= LARGEST and abs(middle) <= LARGEST and abs(far) <= LARGEST):
            raise ValueError("an indicator takes finite numbers, at most 1e100 in size")
        if not (years_near > 0.0 and years_near < years_middle and years_middle < years_far and years_far <= 1000.0):
            raise ValueError("the years to three deliveries must increase, from above 0 to 1000 at most")
        slope_near = self.slope_load(years_near)
        slope_middle = self.slope_load(years_middle)
        slope_far = self.slope_load(years_far)
        bend_near = slope_near - maths.exp(-self.decay * years_near)
        bend_middle = slope_middle - maths.exp(-self.decay * years_middle)
        bend_far = slope_far - maths.exp(-self.decay * years_far)
        one_slope = slope_near - slope_middle
        one_bend = bend_near - bend_middle
        two_slope = slope_middle - slope_far
        two_bend = bend_middle - bend_far
        area = one_slope * two_bend - one_bend * two_slope
        if area == 0.0:
            raise ValueError("the years to three deliveries lie too near one another to tell three factors")
        self.lift = ((near - middle) * two_bend - one_bend * (middle - far)) / area
        self.bend = (one_slope * (middle - far) - (near - middle) * two_slope) / area
        self.far_level = far - self.lift * slope_far - self.bend * bend_far
        return self.far_level

    def slope_load(self, years: float) -> float:
        """g(t)."""
        return -maths.expm1(-self.decay * years) / (self.decay * years)

    def value(self) -> float:
        """The level, or NaN."""
        return self.far_level

    def slope(self) -> float:
        """What the curve's start stands above its end, or NaN; positive in backwardation."""
        return self.lift

    def curvature(self) -> float:
        """The hump, or NaN."""
        return self.bend

    def ready(self) -> bool:
        """True once three points are in."""
        return self.far_level == self.far_level
