# SPDX-License-Identifier: Apache-2.0
"""An S-curve (logistic) fit of adoption with a given ceiling, and how far each print outruns it."""

from math import nan

from kilohour import maths
from kilohour.faces.fields import state
from kilohour.faces.indicator import Indicator
from kilohour.indicators.rules import LARGEST, require_between, require_whole


class SCurve(Indicator):
    """y(t) = K / (1 + e^(−r(t − m))), K = ``ceiling`` given; :meth:`update` returns the surprise of each print.

    The logit ln(y / (K − y)) = r·(t − m) is a line in t: it is fitted by least squares, each print weighted by
    e^(−age / ``memory``), both in years, the fit moving from print to print by recursive means and moments.
    Surprise = value / (fit of the **earlier** prints at its time) − 1: +0.05 is 5 % more adoption than the fit said.
    NaN until ``warmup`` prints are in the fit and they span a time. Sources: Verhulst (1838) for the curve; Fisher
    and Pry (1971), "A simple substitution model of technological change", for the line through the logits.
    """

    ceiling: float = 1.0
    memory: float = 2.0
    warmup: int = 4
    count: int = state(0)
    weight: float = state(0.0)
    time: float = state(0.0)
    """Weighted mean of the times."""
    logit: float = state(0.0)
    """Weighted mean of the logits."""
    time_time: float = state(0.0)
    time_logit: float = state(0.0)
    last_time: float = state(0.0)
    gap: float = state(nan)
    """Logit of the newest print less that of the fit before it."""
    gap_weight: float = state(0.0)
    gap_squares: float = state(0.0)
    surprise: float = state(nan)

    def check(self) -> None:
        require_between(self, "ceiling", 0.0, LARGEST)
        require_between(self, "memory", 0.0, LARGEST)
        require_whole(self, "warmup", 2, 1_000_000, "a line needs two prints")

    def update(self, t_years: float, value: float) -> float:
        """Takes a print and its time in years (any fixed origin); returns the surprise, in fractions of the fit.

        Raises ValueError for NaN or an infinity, for a value not strictly between 0 and the ceiling, and for a time
        before that of the print before.
        """
        if not abs(t_years) <= LARGEST:
            raise ValueError("an indicator takes finite numbers, at most 1e100 in size")
        if not (value > 0.0 and value < self.ceiling):
            raise ValueError("an S-curve takes values above zero and below its ceiling")
        if self.count > 0 and t_years < self.last_time:
            raise ValueError("an S-curve takes its prints in the order of their times")
        logit = maths.log(value / (self.ceiling - value))
        kept = 1.0
        if self.count > 0:
            kept = maths.exp((self.last_time - t_years) / self.memory)
        self.judge(t_years, value, logit, kept)
        self.learn(t_years, logit, kept)
        return self.surprise

    def judge(self, t_years: float, value: float, logit: float, kept: float) -> None:
        """Holds the print against the fit of the prints before it."""
        self.surprise = nan
        self.gap = nan
        if self.ready():
            expected = self.level(t_years)
            self.surprise = value / expected - 1.0
            self.gap = logit - self.logit_at(t_years)
            self.gap_weight = kept * self.gap_weight + 1.0
            self.gap_squares = kept * self.gap_squares + self.gap * self.gap

    def learn(self, t_years: float, logit: float, kept: float) -> None:
        """Moves the weighted means and moments on by one print (Welford's update with forgetting)."""
        older = kept * self.weight
        self.weight = older + 1.0
        step_time = t_years - self.time
        step_logit = logit - self.logit
        share = older / self.weight
        self.time += step_time / self.weight
        self.logit += step_logit / self.weight
        self.time_time = kept * self.time_time + share * step_time * step_time
        self.time_logit = kept * self.time_logit + share * step_time * step_logit
        self.last_time = t_years
        self.count += 1

    def logit_at(self, t_years: float) -> float:
        """The fitted logit at a time; the caller has asked :meth:`ready`."""
        return self.logit + self.time_logit / self.time_time * (t_years - self.time)

    def level(self, t_years: float) -> float:
        """The fitted value at a time, or NaN."""
        if not self.ready():
            return nan
        logit = self.logit_at(t_years)
        if logit >= 0.0:
            return self.ceiling / (1.0 + maths.exp(-min(logit, 700.0)))
        rising = maths.exp(max(logit, -700.0))
        return self.ceiling * (rising / (1.0 + rising))

    def rate(self) -> float:
        """r, the growth of the odds per year, or NaN; early adoption grows by about this rate."""
        if not self.ready():
            return nan
        return self.time_logit / self.time_time

    def midpoint(self) -> float:
        """m, the time at which the fit reaches half the ceiling, or NaN while the fit is flat."""
        if not self.ready() or self.time_logit == 0.0:
            return nan
        return self.time - self.logit * (self.time_time / self.time_logit)

    def standardised(self) -> float:
        """The newest gap in logits over the root mean square of the gaps (its own included), or NaN."""
        if not (self.gap_squares > 0.0):
            return nan
        return self.gap / maths.sqrt(self.gap_squares / self.gap_weight)

    def value(self) -> float:
        """The surprise of the newest print, or NaN."""
        return self.surprise

    def ready(self) -> bool:
        """True once ``warmup`` prints at two or more times are in the fit."""
        return self.count >= self.warmup and self.time_time > 0.0
