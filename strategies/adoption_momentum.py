# SPDX-License-Identifier: Apache-2.0
"""Adoption momentum: buy forward compute when adoption outruns its S-curve, sell it in an AI winter.

The idea, the formula, when it loses and what the embedded market says of it: docs/strategies/adoption-momentum.md.
"""

from __future__ import annotations

from kilohour import Index, Product, Strategy, index, indicator, maths, product, state
from kilohour.desk import Desk
from kilohour.errors import UsageError
from kilohour.indicators import SCurve

SATURATED = 0.98
"""Share of the ceiling at which a print is cut off: above it the logit says more of the ceiling than of adoption."""


class AdoptionMomentum(Strategy):
    """Trade the surprise in adoption: long when a print outruns the S-curve of those before it, short when it falls short.

    The fit holds the prints as they were known; the surprise is the newest print's gap to it in logits, in units of its
    usual size. What is left of the old view and the new surprise make the view, which halves every ``half_life`` days. It
    is held over the ``first`` to the ``last`` unfixed month, where news about the future belongs, at up to ``risk`` of
    equity a year when the view is ``limit``.
    """

    product: Product = product("SIM:B200")
    adoption: Index = index("SIM-ADOPTION")
    first: int = 6
    last: int = 12
    ceiling: float = 6000.0
    memory: float = 2.0
    warmup: int = 6
    half_life: float = 45.0
    threshold: float = 0.5
    limit: float = 2.0
    risk: float = 0.10
    buffer: float = 0.25
    roll_days: int = 5
    curve: SCurve = indicator(SCurve, "ceiling", "memory", "warmup")
    print_day: int = state(-1_000_000)
    print_value: float = state(0.0)
    known_at: int = state(0)
    carried: float = state(0.0)
    news: float = state(0.0)

    def check(self) -> None:
        if not 1 <= self.first <= self.last <= 36:
            raise UsageError("AdoptionMomentum: first must be from 1 to last, and last at most 36, "
                             f"found first {self.first}, last {self.last}")
        if not 0.0 < self.half_life <= 10_000.0:
            raise UsageError(f"AdoptionMomentum: half_life must be above 0 and at most 10000 days, found {self.half_life:g}")
        if not 0.0 <= self.threshold < self.limit <= 100.0:
            raise UsageError("AdoptionMomentum: threshold must be at least 0 and below limit, limit at most 100, "
                             f"found threshold {self.threshold:g}, limit {self.limit:g}")
        if not 0.0 < self.risk <= 1.0:
            raise UsageError(f"AdoptionMomentum: risk must be above 0 and at most 1 of equity a year, found {self.risk:g}")
        if not 0.0 <= self.buffer < 1.0:
            raise UsageError(f"AdoptionMomentum: buffer must be at least 0 and below 1, found {self.buffer:g}")
        if not 0 <= self.roll_days <= 365:
            raise UsageError(f"AdoptionMomentum: roll_days must be from 0 to 365, found {self.roll_days}")

    def on_bar(self, desk: Desk) -> None:
        """Reads what was published since the last bar, and holds the view it leads to."""
        if desk.is_new(self.adoption):
            self.read(desk)
        view = self.opinion(desk)
        desk.record("surprise", self.news)
        desk.record("view", view)
        if desk.count(self.product, self.roll_days) < self.last:
            desk.flat(self.product)
            return
        stance = view / self.limit if abs(view) >= self.threshold else 0.0
        self.hold(desk, stance * self.risk * max(desk.equity(), 0.0) / maths.sqrt(252.0))

    def read(self, desk: Desk) -> None:
        """Judges the newest print. It enters the fit when the next one comes, so that a restatement replaces it."""
        day, value = desk.value_day(self.adoption), desk.value(self.adoption)
        value = min(value, SATURATED * self.ceiling)
        if day > self.print_day:
            if self.print_value > 0.0:
                self.curve.update(self.print_day / 365.25, self.print_value)
            self.carried = self.opinion(desk)
            self.print_day, self.known_at = day, desk.now
        self.print_value = value
        self.news = self.surprise(day / 365.25, value)

    def surprise(self, years: float, value: float) -> float:
        """The print's gap to the fit of those before it, over the usual gap; 0 until the usual gap is known.

        The first ``warmup`` prints make the fit and as many more the yardstick.
        """
        if self.curve.count < 2 * self.warmup or not self.curve.gap_squares > 0.0:
            return 0.0
        gap = maths.log(value / (self.ceiling - value)) - self.curve.logit_at(years)
        return gap / maths.sqrt(self.curve.gap_squares / self.curve.gap_weight)

    def opinion(self, desk: Desk) -> float:
        """What is left of the view today, from −limit to limit."""
        age = (desk.now - self.known_at) / 86_400e9
        left = (self.carried + self.news) * maths.pow(0.5, age / self.half_life)
        return min(max(left, -self.limit), self.limit)

    def hold(self, desk: Desk, dollars: float) -> None:
        """Spreads dollars of daily volatility evenly over the months, as if they all moved as one.

        Lots change when they are off by more than ``buffer`` of what is wanted, or when the view turns or ends.
        """
        each = dollars / (self.last - self.first + 1)
        for n in range(self.first, self.last + 1):
            contract = desk.nth(self.product, n, self.roll_days)
            if not desk.has_volatility(contract):
                continue
            wanted = desk.lots_for_volatility(contract, each)
            have = desk.position(contract) + desk.working(contract)
            if wanted == 0 or wanted * have < 0 or abs(wanted - have) > self.buffer * abs(wanted):
                desk.target(contract, wanted)
        near = desk.nth(self.product, self.first, self.roll_days)
        desk.close_outside(near, desk.nth(self.product, self.last, self.roll_days))
