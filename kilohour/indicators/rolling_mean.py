# SPDX-License-Identifier: Apache-2.0
"""Sum and mean of the last ``window`` values, without drift.

No value is ever subtracted again. The window is cut where the ring last wrapped: the sum of the values since then
grows by addition, and the sums of the older values, from each place up to the cut, were worked out once at the wrap.
So an error never outlives the window it arose in: not after ten million updates, and not after a bad tick.
"""

from math import nan

from kilohour.faces.fields import Ring, state
from kilohour.faces.indicator import Indicator
from kilohour.indicators.rules import LARGEST, require_window


class RollingSum(Indicator):
    """Σ of the last ``window`` values, in the unit of the values. NaN until ``window`` values are in."""

    window: int = 20
    at: int = state(0)
    filled: bool = state(False)
    fresh: float = state(0.0)
    """Sum of the values since the wrap."""
    ring: Ring
    """Below ``at`` the values since the wrap; from ``at`` on, sums of the older values from there to the wrap."""

    def check(self) -> None:
        require_window(self)

    def update(self, x: float) -> float:
        """Takes the next value; returns :meth:`value`. Raises ValueError for NaN or an infinity."""
        return self.push(x)

    def push(self, x: float) -> float:
        """Takes the next value; returns the sum, or NaN. Few look-ups of fields: they are what CPython's face costs."""
        if not -LARGEST <= x <= LARGEST:
            raise ValueError("an indicator takes finite numbers, at most 1e100 in size")
        at = self.at
        ring = self.ring
        ring[at] = x
        fresh = self.fresh + x
        at += 1
        if at == self.window:
            self.wrap()
            return ring[0]
        self.at = at
        self.fresh = fresh
        if self.filled:
            return ring[at] + fresh
        return nan

    def wrap(self) -> None:
        ring = self.ring
        total, i = 0.0, self.window
        while i > 0:  # compiled, this spares the question whether an index counts from the end
            i -= 1
            total += ring[i]
            ring[i] = total
        self.at = 0
        self.fresh = 0.0
        self.filled = True

    def value(self) -> float:
        """The sum, or NaN."""
        if self.filled:
            return self.ring[self.at] + self.fresh
        return nan

    def ready(self) -> bool:
        """True once ``window`` values are in."""
        return bool(self.filled)

    def rebase(self, shift: float) -> None:
        """Adds ``shift`` to every remembered value, as at a roll."""
        ring = self.ring
        for i in range(self.at):
            ring[i] += shift
        self.fresh += shift * self.at
        if self.filled:
            for i in range(self.at, self.window):
                ring[i] += shift * (self.window - i)


class RollingMean(RollingSum):
    """Simple moving average: (1/n) Σ of the last n = ``window`` values. NaN until ``window`` values are in."""

    def update(self, x: float) -> float:
        """Takes the next value; returns :meth:`value`. Raises ValueError for NaN or an infinity."""
        return self.push(x) / self.window

    def value(self) -> float:
        """The mean, or NaN."""
        if self.filled:
            return (self.ring[self.at] + self.fresh) / self.window
        return nan
