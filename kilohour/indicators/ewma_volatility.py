# SPDX-License-Identifier: Apache-2.0
"""Exponentially weighted volatility of price changes."""

from math import nan

from kilohour import maths
from kilohour.faces.fields import state
from kilohour.faces.indicator import Indicator
from kilohour.indicators.rules import LARGEST, require_between


class EwmaVolatility(Indicator):
    """√v, v ← ``decay``·v + (1 − ``decay``)·change², seeded with the first change²; price unit per update.

    Changes, not returns: a price may be negative, and a future's move is dollars. The desk's own volatility follows the
    same rule with 0.97. NaN until two prices are in. Source of the form: RiskMetrics Technical Document (1996),
    section 5.2.
    """

    decay: float = 0.97
    count: int = state(0)
    last: float = state(0.0)
    variance: float = state(0.0)

    def check(self) -> None:
        require_between(self, "decay", 0.0, 1.0)

    def update(self, x: float) -> float:
        """Takes the next price; returns :meth:`value`. Raises ValueError for NaN or an infinity."""
        if not abs(x) <= LARGEST:
            raise ValueError("an indicator takes finite numbers, at most 1e100 in size")
        change = x - self.last
        self.last = x
        if self.count == 2:
            self.variance = self.decay * self.variance + (1.0 - self.decay) * (change * change)
        elif self.count == 1:
            self.variance = change * change
            self.count = 2
        else:
            self.count = 1
        return self.value()

    def value(self) -> float:
        """The volatility, or NaN."""
        if self.count < 2:
            return nan
        return maths.sqrt(self.variance)

    def ready(self) -> bool:
        """True once two prices are in."""
        return self.count == 2

    def rebase(self, shift: float) -> None:
        """Moves the last price by ``shift``, so that a roll is no change."""
        self.last += shift
