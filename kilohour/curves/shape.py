# SPDX-License-Identifier: Apache-2.0
"""A forward curve whose parameters mean something, with every average of it in closed form.

    f(u) = (level + slope·e^(−u/fade) + hump·(u/peak)·e^(1 − u/peak)) · e^(−hazard·u) · Π over launches before u of (1 + jump)

u in years, f in USD per GPU-hour. ``level`` is where the curve rests, ``slope`` what spot stands above it and ``fade`` how
many years that takes to fade, ``hump`` the most that the short end stands above both and ``peak`` when, ``hazard`` the
part of its worth an ageing chip loses a year, ``jump`` what a launch at a known date does to it (−0.2: a fifth less), at once
or, with a ramp, in equal parts of its logarithm over the ramp.
Level, slope and hump are Nelson and Siegel's (Journal of Business 60, 1987), each with its own time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from kilohour.errors import UsageError

Floats = npt.NDArray[np.float64]
FOREVER = 1e4
"""Years that stand for no end: e^(−10,000) is 0."""


@dataclass(frozen=True, slots=True)
class Launch:
    """A chip that comes at a known date and marks the older ones down by a size that is not known."""

    years: float
    """From now; above 0."""
    jump: float = -0.20
    """Expected; market models put it near a fifth."""
    deviation: float = 0.05
    """Of the size."""
    ramp: float = 0.0
    """Years over which spot takes it."""
    name: str = ""

    def __post_init__(self) -> None:
        if not (self.years > 0.0 and -1.0 < self.jump < 1.0 and self.deviation >= 0.0 and self.ramp >= 0.0):
            raise UsageError("a launch must lie ahead, its jump between −1 and 1, its deviation and ramp not below 0, "
                             f"found {self.years:g} years, {self.jump:g}, {self.deviation:g}, {self.ramp:g}")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Step:
    """A launch with its size: the price is multiplied by 1 + jump from ``years`` on, over ``ramp`` years."""

    years: float
    jump: float
    ramp: float = 0.0

    def factor(self, at: float) -> float:
        """What is left of a price ``at`` years from now."""
        if at < self.years:
            return 1.0
        done = 1.0 if at >= self.years + self.ramp else (at - self.years) / self.ramp
        return math.exp(done * math.log1p(self.jump))

    def rate(self, low: float, high: float) -> float:
        """Loss a year, in logarithms, between two times without an end of the ramp between them."""
        return -math.log1p(self.jump) / self.ramp if self.ramp and self.years <= low and high <= self.years + self.ramp else 0.0


@dataclass(frozen=True, slots=True)
class Shape:
    """One curve."""

    level: float
    slope: float = 0.0
    hump: float = 0.0
    fade: float = 1.0
    peak: float = 0.25
    hazard: float = 0.0
    steps: tuple[Step, ...] = ()

    def forward(self, years: float) -> float:
        """f(years); at a launch the price after it."""
        body = self.level + self.slope * math.exp(-years / self.fade) + self.hump * years / self.peak * math.exp(1.0 - years / self.peak)
        return body * math.exp(-self.hazard * years) * math.prod(step.factor(years) for step in self.steps)

    def term(self, years: float) -> float:
        """Mean of f over the next ``years``; at 0 the forward of now."""
        return self.forward(0.0) if years == 0.0 else self.average(0.0, years)

    def average(self, start: float, end: float) -> float:
        """Mean of f from ``start`` to ``end``: the open part of an averaging contract."""
        if not 0.0 <= start < end:
            raise UsageError(f"an average needs 0 <= start < end, found {start:g} and {end:g}")
        return self._integral(start, end, 0.0) / (end - start)

    def perpetual(self, pull: float) -> float:
        """∫ pull·e^(−pull·u)·f(u) du: see :func:`kilohour.curves.forwards.front_of_perpetual`."""
        if not pull > 0.0:
            raise UsageError(f"pull must be above 0 a year: a perpetual that funds nothing says nothing of spot, found {pull!r}")
        return pull * self._integral(0.0, FOREVER, pull)

    def forwards(self, years: Sequence[float] | Floats) -> Floats:
        """f at each of some times."""
        return np.array([self.forward(float(u)) for u in years])

    def _integral(self, start: float, end: float, pull: float) -> float:
        """∫ e^(−pull·u)·f(u) du."""
        if not self.steps:
            return self._piece(self.hazard + pull, start, end)
        ends = {at for step in self.steps for at in (step.years, step.years + step.ramp) if start < at < end}
        cuts = [start, *sorted(ends), end]
        total = 0.0
        for low, high in pairwise(cuts):
            extra, left = 0.0, 1.0
            for step in self.steps:
                if low >= step.years:
                    left *= step.factor(low)
                    extra += step.rate(low, high)
            total += left * math.exp(extra * low) * self._piece(self.hazard + pull + extra, low, high)
        return total

    def _piece(self, base: float, low: float, high: float) -> float:
        """∫ of level, slope and hump, each times e^(−base·u), from low to high; written out, for a fit asks for it 100,000 times."""
        exp, long, fade, peak = math.exp, high - low, 1.0 / self.fade, 1.0 / self.peak
        level = exp(-base * low) * -math.expm1(-base * long) / base if base else long
        base_slope, base_hump = base + fade, base + peak
        slope = exp(-base_slope * low) * -math.expm1(-base_slope * long) / base_slope if base_slope else long
        first, last = base_hump * low, base_hump * high
        hump = (exp(-first) * (first + 1.0) - exp(-last) * (last + 1.0)) / (base_hump * base_hump)
        return self.level * level + self.slope * slope + self.hump * math.e / self.peak * hump
