# SPDX-License-Identifier: Apache-2.0
"""Forwards from commitment prices: a curve with a level and a slope through spot, one year and three years.

A provider sells an hour on demand, and an hour of a one- or three-year commitment for less. Relative to on demand the
commitments cost r1 and r3. Read as the average price T(τ) of the hours of the next τ years, relative to spot S,

    T(0) = S,  T(1) = r1·S,  T(3) = r3·S,   and the forward is   f(τ) = d(τ·T(τ))/dτ.

With a level w and a slope 1 − w that decays at the rate k a year (Nelson and Siegel, Journal of Business 60, 1987,
without the hump),

    f(τ) = S·(w + (1 − w)·exp(−k·τ)),      T(τ) = S·(w + (1 − w)·(1 − exp(−k·τ))/(k·τ)),

τ in years of 365 days, S and f in USD per GPU-hour. w and k are solved exactly from r1 and r3. A commitment's discount
also pays for binding oneself and for credit, so the curve is a model and lies below what anyone may have expected.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

from kilohour.errors import DataError
from kilohour.units import date_of

DECAY_MIN, DECAY_MAX = 1e-3, 50.0
"""Bounds of k: from a curve that is almost a line to one that falls within a week."""
DAYS_OF_YEAR = 365


@dataclass(frozen=True, slots=True)
class Curve:
    """A forward curve relative to spot."""

    level: float
    """w: where the curve flattens, relative to spot."""
    decay: float
    """k: how fast the slope dies, per year."""

    def forward(self, years: float) -> float:
        """f(τ)/S, the forward of one hour in ``years``."""
        return self.level + (1.0 - self.level) * math.exp(-self.decay * years)

    def term(self, years: float) -> float:
        """T(τ)/S, the average price of the hours of the next ``years``."""
        return self.level + (1.0 - self.level) * _average(self.decay * years)


@functools.lru_cache(maxsize=64)
def forwards_by_day(curve: Curve, most: int) -> tuple[float, ...]:
    """The forwards of a curve in 0 to ``most`` days; one curve stands for weeks of closes and all their contracts."""
    return tuple(curve.forward(day / DAYS_OF_YEAR) for day in range(most + 1))


@functools.lru_cache(maxsize=4096)
def fit(one_year: float, three_years: float) -> Curve:
    """The curve with T(1)/S = ``one_year`` and T(3)/S = ``three_years``.

    Raises :class:`DataError` when no such curve exists: commitments must be cheaper the longer they are, by a
    discount that grows less than in proportion, and leave every forward of three years above zero.

    >>> curve = fit(0.6245, 0.3514)
    >>> round(curve.term(1.0), 6), round(curve.term(3.0), 6)
    (0.6245, 0.3514)
    """
    if not 0.0 < three_years < one_year < 1.0:
        raise _no_curve(one_year, three_years)
    wanted = (1.0 - three_years) / (1.0 - one_year)
    low, high = DECAY_MIN, DECAY_MAX
    if not _discounts(high) < wanted < _discounts(low):
        raise _no_curve(one_year, three_years)
    for _ in range(200):
        middle = 0.5 * (low + high)
        if middle in (low, high):
            break
        low, high = (middle, high) if _discounts(middle) > wanted else (low, middle)
    curve = Curve(1.0 - (1.0 - one_year) / (1.0 - _average(low)), low)
    if curve.forward(3.0) <= 0.0:
        raise _no_curve(one_year, three_years)
    return curve


@dataclass(frozen=True, slots=True)
class Commitments:
    """What one- and three-year commitments cost relative to on demand, as it became known."""

    chip: str
    known_days: tuple[int, ...]
    """Days on whose end each observation was known, increasing."""
    ratios: tuple[tuple[float, float], ...]

    def known_on(self, day: int) -> tuple[int, tuple[float, float]] | None:
        """The last observation known before ``day`` began, with its own day; None when there is none yet."""
        import bisect

        i = bisect.bisect_left(self.known_days, day) - 1
        return None if i < 0 else (self.known_days[i], self.ratios[i])

    def curve(self, observed: int) -> Curve:
        """The curve of the observation of a day. Raises :class:`DataError` naming chip and day."""
        try:
            return fit(*self.ratios[self.known_days.index(observed)])
        except DataError as error:
            raise DataError(f"commitments of {self.chip} on {date_of(observed)}: {error}") from None


def _average(x: float) -> float:
    """(1 − exp(−x))/x."""
    return -math.expm1(-x) / x


def _discounts(decay: float) -> float:
    """The three-year discount over the one-year discount at a decay: from 3 (a line) down to 1 (a step)."""
    return (1.0 - _average(3.0 * decay)) / (1.0 - _average(decay))


def _no_curve(one_year: float, three_years: float) -> DataError:
    return DataError("one- and three-year commitments must cost 0 < three < one < 1 of on demand, the three-year "
                     f"discount under three times the one-year one, found {one_year:.4f} and {three_years:.4f}")
