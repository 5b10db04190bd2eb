# SPDX-License-Identifier: Apache-2.0
"""Smallest and largest of the last ``window`` values, in constant time.

The window is cut where the ring last wrapped: the extreme of the values since then, and the extremes of the older ones
from each place up to the cut, worked out once at the wrap (van Herk 1992; Gil and Werman 1993).
"""

from math import nan

from kilohour.faces.fields import Ring, state
from kilohour.faces.indicator import Indicator
from kilohour.indicators.rules import LARGEST, require_window


class RollingMin(Indicator):
    """Smallest of the last ``window`` values, exact. NaN until ``window`` values are in."""

    window: int = 20
    at: int = state(0)
    filled: bool = state(False)
    fresh: float = state(0.0)
    """Smallest value since the wrap."""
    ring: Ring
    """Below ``at`` the values since the wrap; from ``at`` on, the smallest of the older ones from there to the wrap."""

    def check(self) -> None:
        require_window(self)

    def update(self, x: float) -> float:
        """Takes the next value; returns :meth:`value`. Raises ValueError for NaN or an infinity."""
        if not abs(x) <= LARGEST:
            raise ValueError("an indicator takes finite numbers, at most 1e100 in size")
        at = self.at
        self.ring[at] = x
        if at == 0 or x < self.fresh:
            self.fresh = x
        self.at = at + 1
        if at + 1 == self.window:
            self.wrap()
        return self.value()

    def wrap(self) -> None:
        ring = self.ring
        for i in range(self.window - 2, -1, -1):
            if ring[i + 1] < ring[i]:
                ring[i] = ring[i + 1]
        self.at = 0
        self.filled = True

    def value(self) -> float:
        """The smallest value, or NaN."""
        if not self.filled:
            return nan
        older = self.ring[self.at]
        if self.at > 0 and self.fresh < older:
            return self.fresh
        return older

    def ready(self) -> bool:
        """True once ``window`` values are in."""
        return bool(self.filled)

    def rebase(self, shift: float) -> None:
        """Adds ``shift`` to every remembered value, as at a roll."""
        for i in range(self.window):
            self.ring[i] += shift
        self.fresh += shift


class RollingMax(Indicator):
    """Largest of the last ``window`` values, exact. NaN until ``window`` values are in."""

    window: int = 20
    at: int = state(0)
    filled: bool = state(False)
    fresh: float = state(0.0)
    """Largest value since the wrap."""
    ring: Ring
    """Below ``at`` the values since the wrap; from ``at`` on, the largest of the older ones from there to the wrap."""

    def check(self) -> None:
        require_window(self)

    def update(self, x: float) -> float:
        """Takes the next value; returns :meth:`value`. Raises ValueError for NaN or an infinity."""
        if not abs(x) <= LARGEST:
            raise ValueError("an indicator takes finite numbers, at most 1e100 in size")
        at = self.at
        self.ring[at] = x
        if at == 0 or x > self.fresh:
            self.fresh = x
        self.at = at + 1
        if at + 1 == self.window:
            self.wrap()
        return self.value()

    def wrap(self) -> None:
        ring = self.ring
        for i in range(self.window - 2, -1, -1):
            if ring[i + 1] > ring[i]:
                ring[i] = ring[i + 1]
        self.at = 0
        self.filled = True

    def value(self) -> float:
        """The largest value, or NaN."""
        if not self.filled:
            return nan
        older = self.ring[self.at]
        if self.at > 0 and self.fresh > older:
            return self.fresh
        return older

    def ready(self) -> bool:
        """True once ``window`` values are in."""
        return bool(self.filled)

    def rebase(self, shift: float) -> None:
        """Adds ``shift`` to every remembered value, as at a roll."""
        for i in range(self.window):
            self.ring[i] += shift
        self.fresh += shift
