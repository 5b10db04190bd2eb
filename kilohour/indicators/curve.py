# SPDX-License-Identifier: Apache-2.0
"""The shape of the futures curve at one moment: carry, slope, curvature.

Times between deliveries are in years. Slope and curvature are in dollars, so they hold at any price, zero and
negative ones included; carry as a yield is a ratio and needs prices above zero.
"""

from math import nan

from kilohour.faces.fields import state
from kilohour.faces.indicator import Indicator
from kilohour.indicators.rules import LARGEST


class Carry(Indicator):
    """Roll yield of holding the far contract while the curve stands still: (near − far) / (far·years), per year.

    Positive in backwardation. NaN while near or far is not above zero: a yield on such a price means nothing;
    :meth:`dollars` still does. Source: Koijen, Moskowitz, Pedersen, Vrugt, "Carry", Journal of Financial Economics
    127 (2018), section 2.
    """

    near: float = state(nan)
    far: float = state(nan)
    years: float = state(nan)

    def update(self, near: float, far: float, years: float) -> float:
        """Takes two prices and the years between their deliveries; returns :meth:`value`.

        Raises ValueError for NaN or an infinity, and for years that are not above zero.
        """
        if not (abs(near) <= LARGEST and abs(far) <= LARGEST and years <= LARGEST):
            raise ValueError("an indicator takes finite numbers, at most 1e100 in size")
        if years <= 0.0:
            raise ValueError("the years between two deliveries must be above zero")
        self.near = near
        self.far = far
        self.years = years
        return self.value()

    def value(self) -> float:
        """The roll yield per year as a fraction, or NaN."""
        if self.near > 0.0 and self.far > 0.0:
            return (self.near - self.far) / (self.far * self.years)
        return nan

    def dollars(self) -> float:
        """near − far per year between them, in the unit of the prices; NaN before the first update."""
        return (self.near - self.far) / self.years

    def ready(self) -> bool:
        """True once a pair is in."""
        return self.years > 0.0


class CurveSlope(Indicator):
    """(far − near) / years: dollars per unit and year, positive in contango. NaN before the first update."""

    slope: float = state(nan)

    def update(self, near: float, far: float, years: float) -> float:
        """Takes two prices and the years between their deliveries; returns :meth:`value`.

        Raises ValueError for NaN or an infinity, and for years that are not above zero.
        """
        if not (abs(near) <= LARGEST and abs(far) <= LARGEST and years <= LARGEST):
            raise ValueError("an indicator takes finite numbers, at most 1e100 in size")
        if years <= 0.0:
            raise ValueError("the years between two deliveries must be above zero")
        self.slope = (far - near) / years
        return self.slope

    def value(self) -> float:
        """The slope, or NaN."""
        return self.slope

    def ready(self) -> bool:
        """True once a pair is in."""
        return self.slope == self.slope


class CurveCurvature(Indicator):
    """Second derivative of the parabola through three points of the curve, dollars per unit and year².

    2·((far − middle)/b − (middle − near)/a) / (a + b), a and b the years between the deliveries: twice the second
    divided difference. Negative where the middle stands above the line, a hump. NaN before the first update.
    """

    curvature: float = state(nan)

    def update(self, near: float, middle: float, far: float, years_near: float, years_far: float) -> float:
        """Takes three prices, and the years from near to middle and from middle to far; returns :meth:`value`.

        Raises ValueError for NaN or an infinity, and for years that are not above zero.
        """
        if not (abs(near) <= LARGEST and abs(middle) <= LARGEST and abs(far) <= LARGEST):
            raise ValueError("an indicator takes finite numbers, at most 1e100 in size")
        if not (years_near <= LARGEST and years_far <= LARGEST):
            raise ValueError("an indicator takes finite numbers, at most 1e100 in size")
        if years_near <= 0.0 or years_far <= 0.0:
            raise ValueError("the years between two deliveries must be above zero")
        bend = (far - middle) / years_far - (middle - near) / years_near
        self.curvature = 2.0 * bend / (years_near + years_far)
        return self.curvature

    def value(self) -> float:
        """The curvature, or NaN."""
        return self.curvature

    def ready(self) -> bool:
        """True once three points are in."""
        return self.curvature == self.curvature
