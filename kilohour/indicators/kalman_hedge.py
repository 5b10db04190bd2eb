# SPDX-License-Identifier: Apache-2.0
"""A hedge ratio that wanders: the Kalman filter of a line whose level and slope are random walks."""

from math import nan

from kilohour import maths
from kilohour.faces.fields import state
from kilohour.faces.indicator import Indicator
from kilohour.indicators.rules import LARGEST, require_between


class KalmanHedge(Indicator):
    """beta of y = level + beta·(x − x₀) + noise, level and beta each a random walk, x₀ the first x; y per x.

    ``noise`` is the standard deviation of the noise (unit of y), ``level_walk`` and ``beta_walk`` those of a step of level
    and beta per update, ``start`` that of both before the first pair, around zero. Without walks it is recursive least
    squares. :meth:`residual` is y less what was expected of it before it came. NaN until two pairs are in. Source: Kalman
    (1960); as a hedge ratio, Montana, Triantafyllopoulos, Tsagaris, "Flexible least squares for temporal data mining and
    statistical arbitrage", Expert Systems with Applications 36 (2009).
    """

    noise: float = 0.01
    level_walk: float = 0.001
    beta_walk: float = 0.001
    start: float = 100.0
    count: int = state(0)
    origin: float = state(0.0)
    """x₀: pairs near it tell level and beta apart without loss of digits, and a roll only moves it."""
    level: float = state(0.0)
    ratio: float = state(0.0)
    """beta."""
    cover_aa: float = state(0.0)
    """Variance of the level; then covariance, then variance of beta."""
    cover_ab: float = state(0.0)
    cover_bb: float = state(0.0)
    gap: float = state(nan)
    spread: float = state(nan)
    """Variance that was expected of the gap."""

    def check(self) -> None:
        require_between(self, "noise", 0.0, LARGEST)
        require_between(self, "level_walk", 0.0, LARGEST, closed=True)
        require_between(self, "beta_walk", 0.0, LARGEST, closed=True)
        require_between(self, "start", 0.0, LARGEST)

    def update(self, x: float, y: float) -> float:
        """Takes the next pair; returns :meth:`value`. Raises ValueError for NaN or an infinity."""
        if not (abs(x) <= LARGEST and abs(y) <= LARGEST):
            raise ValueError("an indicator takes finite numbers, at most 1e100 in size")
        if self.count == 0:
            self.origin = x
            self.cover_aa = self.start * self.start
            self.cover_bb = self.start * self.start
        else:
            self.cover_aa += self.level_walk * self.level_walk
            self.cover_bb += self.beta_walk * self.beta_walk
        self.learn(x - self.origin, y)
        if self.count < 2:
            self.count += 1
        return self.value()

    def learn(self, x: float, y: float) -> None:
        """The filter's step in Joseph's form, whose covariance stays one."""
        noise = self.noise * self.noise
        aa = self.cover_aa
        ab = self.cover_ab
        bb = self.cover_bb
        toward_a = aa + ab * x
        toward_b = ab + bb * x
        self.spread = toward_a + toward_b * x + noise
        gain_a = toward_a / self.spread
        gain_b = toward_b / self.spread
        self.gap = y - self.level - self.ratio * x
        self.level += gain_a * self.gap
        self.ratio += gain_b * self.gap
        kept_aa = 1.0 - gain_a
        kept_ab = -gain_a * x
        kept_ba = -gain_b
        kept_bb = 1.0 - gain_b * x
        row_aa = kept_aa * aa + kept_ab * ab
        row_ab = kept_aa * ab + kept_ab * bb
        row_ba = kept_ba * aa + kept_bb * ab
        row_bb = kept_ba * ab + kept_bb * bb
        self.cover_aa = row_aa * kept_aa + row_ab * kept_ab + gain_a * gain_a * noise
        self.cover_ab = row_aa * kept_ba + row_ab * kept_bb + gain_a * gain_b * noise
        self.cover_bb = row_ba * kept_ba + row_bb * kept_bb + gain_b * gain_b * noise

    def value(self) -> float:
        """beta, the hedge ratio: so many x against one y; or NaN."""
        if self.count < 2:
            return nan
        return self.ratio

    def alpha(self) -> float:
        """The line at x = 0, or NaN."""
        if self.count < 2:
            return nan
        return self.level - self.ratio * self.origin

    def residual(self) -> float:
        """The newest y less what the pairs before it made of its x; NaN before the first."""
        return self.gap

    def standardised(self) -> float:
        """The residual over its expected deviation, or NaN."""
        if not (self.spread > 0.0):
            return nan
        return self.gap / maths.sqrt(self.spread)

    def deviation(self) -> float:
        """Standard deviation of beta, or NaN."""
        if self.count < 2:
            return nan
        return maths.sqrt(max(0.0, self.cover_bb))

    def ready(self) -> bool:
        """True once two pairs are in."""
        return self.count == 2

    def rebase(self, shift_x: float, shift_y: float) -> None:
        """Counts every x and y so far as so much higher, as at a roll."""
        self.origin += shift_x
        self.level += shift_y
