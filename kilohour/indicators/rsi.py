# SPDX-License-Identifier: Apache-2.0
"""Wilder's relative strength index."""

from math import nan

from kilohour.faces.fields import state
from kilohour.faces.indicator import Indicator
from kilohour.indicators.rules import LARGEST, require_span


class Rsi(Indicator):
    """100·G / (G + L), G and L the Wilder averages of the rises and of the falls; 0 to 100.

    NaN until ``window`` changes (``window`` + 1 prices) are in; 50 when nothing has moved (TA-Lib says 0 there).
    Source: J. Welles Wilder, New Concepts in Technical Trading Systems (1978), section VI.
    """

    window: int = 14
    count: int = state(0)
    """Prices seen, up to ``window`` + 1."""
    last: float = state(0.0)
    gain: float = state(0.0)
    loss: float = state(0.0)

    def check(self) -> None:
        require_span(self)

    def update(self, x: float) -> float:
        """Takes the next price; returns :meth:`value`. Raises ValueError for NaN or an infinity."""
        if not abs(x) <= LARGEST:
            raise ValueError("an indicator takes finite numbers, at most 1e100 in size")
        if self.count == 0:
            self.last = x
            self.count = 1
            return nan
        change = x - self.last
        self.last = x
        weight = 1.0 / min(self.count, self.window)
        if self.count <= self.window:
            self.count += 1
        gain = 0.0
        loss = 0.0
        if change > 0.0:
            gain = change
        else:
            loss = -change
        self.gain += (gain - self.gain) * weight
        self.loss += (loss - self.loss) * weight
        return self.value()

    def value(self) -> float:
        """The index, or NaN."""
        if self.count <= self.window:
            return nan
        moved = self.gain + self.loss
        if moved <= 0.0:
            return 50.0
        return 100.0 * (self.gain / moved)

    def ready(self) -> bool:
        """True once ``window`` changes are in."""
        return self.count > self.window

    def rebase(self, shift: float) -> None:
        """Moves the last price by ``shift``, so that a roll is no change."""
        self.last += shift
