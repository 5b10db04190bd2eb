# SPDX-License-Identifier: Apache-2.0
"""An S-curve whose ceiling is found with it, and what the data can say of that ceiling."""

from math import nan

from kilohour import maths
from kilohour.faces.fields import Ring, state
from kilohour.faces.indicator import Indicator
from kilohour.indicators.rules import LARGEST, require_whole

GROWTH_MAX = 50.0
"""A year; steeper steps than e^50 a year are no adoption."""
STEPS = 40
"""Most steps of a fit; from the fit before it takes few."""
CLOSE = 1e-10
"""A fit is done when a step changes nothing by more."""


class FreeSCurve(Indicator):
    """A logistic curve y(t) = K / (1 + e^(−r(t − m))) with K, r, m fitted to the logs of the last ``window`` prints.

    Least squares of ln y, by Levenberg and Marquardt, in the form ln y = ln y₀ − ln(u + (1 − u)·e^(−r·s)): s the time from
    the newest print, y₀ the curve there and u = y₀/K how full it is. With u = 0 it is plain growth without an end, so
    prints that show no ceiling give none instead of a huge one. :meth:`update` returns value / (fit of the **earlier**
    prints at its time) − 1. NaN until ``warmup`` prints at different times are in. :meth:`ceiling_error` says how little
    the prints may know of the ceiling: early on, nothing.
    """

    window: int = 40
    warmup: int = 6
    count: int = state(0)
    """Prints in the rings, up to ``window``."""
    at: int = state(0)
    last_time: float = state(0.0)
    log_level: float = state(nan)
    """ln y₀."""
    growth: float = state(0.0)
    """r."""
    fill: float = state(0.0)
    """u, from 0 to 1."""
    surprise: float = state(nan)
    fitted: bool = state(False)
    squares: float = state(nan)
    """Sum of squared gaps of the fit."""
    certainty: float = state(nan)
    """Variance of ln K per variance of a gap; NaN without a ceiling."""
    step_level: float = state(0.0)
    step_growth: float = state(0.0)
    step_fill: float = state(0.0)
    times: Ring
    logs: Ring

    def check(self) -> None:
        require_whole(self, "window", 5, len(self.times), "its capacity")
        require_whole(self, "warmup", 5, int(self.window), "three parameters need five prints; at most the window")

    def update(self, t_years: float, value: float) -> float:
        """Takes a print and its time in years; returns the surprise.

        Raises ValueError for NaN or an infinity, a value not above zero, and a time before that of the print before.
        """
        if not (abs(t_years) <= LARGEST and value <= LARGEST):
            raise ValueError("an indicator takes finite numbers, at most 1e100 in size")
        if not (value > 0.0):
            raise ValueError("an S-curve takes values above zero")
        if self.count > 0 and t_years < self.last_time:
            raise ValueError("an S-curve takes its prints in the order of their times")
        self.surprise = nan
        if self.fitted:
            expected = self.log_at(t_years)
            self.surprise = value / maths.exp(expected) - 1.0
            self.fill = min(1.0, self.fill * maths.exp(expected - self.log_level))
            self.log_level = expected
        self.times[self.at] = t_years
        self.logs[self.at] = maths.log(value)
        self.last_time = t_years
        self.at += 1
        if self.at == self.window:
            self.at = 0
        if self.count < self.window:
            self.count += 1
        if self.count >= self.warmup:
            self._fit()
        return self.surprise

    def _begin(self) -> None:
        """A straight line through the logs, a third of the ceiling reached."""
        mean_time = 0.0
        mean_log = 0.0
        for i in range(self.count):
            mean_time += (self.times[i] - self.last_time) / self.count
            mean_log += self.logs[i] / self.count
        moment = 0.0
        spread = 0.0
        for i in range(self.count):
            gap = self.times[i] - self.last_time - mean_time
            moment += gap * (self.logs[i] - mean_log)
            spread += gap * gap
        if spread > 0.0:
            self.growth = min(max(moment / spread, -GROWTH_MAX), GROWTH_MAX)
            self.log_level = mean_log - self.growth * mean_time
            self.fill = 0.3
            self.fitted = True

    def under(self, growth: float, fill: float, time: float) -> float:
        """u + (1 − u)·e^(−r·s)."""
        return fill + (1.0 - fill) * maths.exp(min(-growth * time, 600.0))

    def miss(self, log_level: float, growth: float, fill: float) -> float:
        """Sum of squared gaps of a curve."""
        total = 0.0
        for i in range(self.count):
            gap = self.logs[i] - log_level + maths.log(max(self.under(growth, fill, self.times[i] - self.last_time), 1e-300))
            total += gap * gap
        return total

    def _fit(self) -> None:
        """Levenberg and Marquardt from the fit before."""
        if not self.fitted:
            self._begin()
        if not self.fitted:
            return
        damping = 1e-3
        squares = self.miss(self.log_level, self.growth, self.fill)
        for _ in range(STEPS):
            if not self.solve(damping):
                break
            fill = min(max(self.fill + self.step_fill, 0.0), 1.0)
            growth = min(max(self.growth + self.step_growth, -GROWTH_MAX), GROWTH_MAX)
            trial = self.miss(self.log_level + self.step_level, growth, fill)
            if trial <= squares:
                moved = abs(self.step_level) + abs(growth - self.growth) + abs(fill - self.fill)
                self.log_level += self.step_level
                self.growth = growth
                self.fill = fill
                squares = trial
                damping = max(damping * 0.1, 1e-12)
                if moved < CLOSE:
                    break
            else:
                damping *= 10.0
                if damping > 1e12:
                    break
        self.squares = squares
        self.solve(0.0)

    def solve(self, damping: float) -> bool:
        """The step of the damped normal equations, by Cramer's rule; False where they have none.

        Undamped, their inverse is the covariance of the fit per variance of a gap, and with it that of ln K = ln y₀ − ln u.
        """
        a1 = 0.0
        a2 = 0.0
        b1 = 0.0
        b2 = 0.0
        c2 = 0.0
        g0 = 0.0
        g1 = 0.0
        g2 = 0.0
        for i in range(self.count):
            time = self.times[i] - self.last_time
            faded = maths.exp(min(-self.growth * time, 600.0))
            under = max(self.fill + (1.0 - self.fill) * faded, 1e-300)
            gap = self.logs[i] - self.log_level + maths.log(under)
            by_growth = (1.0 - self.fill) * faded / under * time
            by_fill = (faded - 1.0) / under
            a1 += by_growth
            a2 += by_fill
            b1 += by_growth * by_growth
            b2 += by_growth * by_fill
            c2 += by_fill * by_fill
            g0 += gap
            g1 += by_growth * gap
            g2 += by_fill * gap
        held = 1.0 + damping
        a0 = held * self.count
        b1 *= held
        c2 *= held
        minor0 = b1 * c2 - b2 * b2
        minor1 = a1 * c2 - a2 * b2
        minor2 = a1 * b2 - a2 * b1
        determinant = a0 * minor0 - a1 * minor1 + a2 * minor2
        self.certainty = nan
        if not (abs(determinant) > 0.0):
            return False
        if self.fill > 0.0 and determinant > 0.0:
            own = minor0 - 2.0 * minor2 / self.fill + (a0 * b1 - a1 * a1) / (self.fill * self.fill)
            self.certainty = own / determinant
        cross = g1 * c2 - g2 * b2
        turn = a1 * g2 - a2 * g1
        lift = b1 * g2 - b2 * g1
        self.step_level = (g0 * minor0 - a1 * cross + a2 * (g1 * b2 - g2 * b1)) / determinant
        self.step_growth = (a0 * cross - g0 * minor1 + a2 * turn) / determinant
        self.step_fill = (a0 * lift - a1 * turn + g0 * minor2) / determinant
        return True

    def log_at(self, t_years: float) -> float:
        """ln of the fitted value at a time, at most 700; the caller knows that there is a fit."""
        under = max(self.under(self.growth, self.fill, t_years - self.last_time), 1e-300)
        return min(max(self.log_level - maths.log(under), -700.0), 700.0)

    def level(self, t_years: float) -> float:
        """The fitted value at a time, or NaN."""
        if not self.fitted:
            return nan
        return maths.exp(self.log_at(t_years))

    def ceiling(self) -> float:
        """K, or NaN where the prints show none."""
        if not (self.fill > 0.0):
            return nan
        return maths.exp(min(self.log_level - maths.log(self.fill), 700.0))

    def ceiling_error(self) -> float:
        """Standard error of ln K (0.1: about ten per cent), or NaN."""
        if not (self.certainty >= 0.0) or self.count < 4:
            return nan
        return maths.sqrt(self.certainty * self.squares / (self.count - 3))

    def rate(self) -> float:
        """r, the early growth per year, or NaN."""
        if not self.fitted:
            return nan
        return self.growth

    def midpoint(self) -> float:
        """m, the time of half the ceiling, or NaN."""
        if not (self.fill > 0.0 and self.fill < 1.0) or self.growth == 0.0:
            return nan
        return self.last_time + maths.log((1.0 - self.fill) / self.fill) / self.growth

    def value(self) -> float:
        """The surprise of the newest print, or NaN."""
        return self.surprise

    def ready(self) -> bool:
        """True once a curve is fitted."""
        return bool(self.fitted)
