# SPDX-License-Identifier: Apache-2.0
"""Forward curves by exact arithmetic: from term prices, from averaging contracts, from a perpetual.

A curve here is constant between edges; edges and prices are fractions in any unit that the caller keeps to (years and
micros, say), so that each conversion and its way back give the same numbers, not nearly the same.

With f(u) the forward of an hour in u years and T(τ) the price of an hour of a term of τ years,

    T(τ) = ∫₀^τ f(u) du / τ,     f between τ₁ and τ₂ = (τ₂·T(τ₂) − τ₁·T(τ₁)) / (τ₂ − τ₁).

No discounting, as the providers' own forwards (Silicon Data, April 2026: the derivative of tenor times term price).
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from kilohour.errors import DataError, UsageError

Exact = int | Fraction


@dataclass(frozen=True, slots=True)
class Buckets:
    """A forward curve that is ``prices[i]`` from ``edges[i]`` to ``edges[i + 1]``; ``edges[0]`` is 0, now.

    >>> curve = Buckets.from_terms([1, 3], [4, 2])      # a year at 4, three years at 2 an hour
    >>> [str(price) for price in curve.prices]
    ['4', '1']
    >>> [str(curve.term(tenor)) for tenor in (1, 2, 3)]
    ['4', '5/2', '2']
    """

    edges: tuple[Fraction, ...]
    prices: tuple[Fraction, ...]

    def __post_init__(self) -> None:
        if len(self.edges) != len(self.prices) + 1 or not self.prices:
            raise UsageError(f"a curve needs one edge more than prices, found {len(self.edges)} and {len(self.prices)}")
        if self.edges[0] != 0 or any(b <= a for a, b in pairwise(self.edges)):
            raise UsageError(f"edges must start at 0 and increase, found {', '.join(map(str, self.edges))}")

    @classmethod
    def from_terms(cls, tenors: Sequence[Exact], rates: Sequence[Exact]) -> Buckets:
        """The curve whose terms of ``tenors`` cost ``rates``. Raises :class:`UsageError` for tenors that do not increase."""
        edges = (Fraction(0), *map(Fraction, tenors))
        if len(tenors) != len(rates):
            raise UsageError(f"each tenor needs one rate, found {len(tenors)} and {len(rates)}")
        totals = (Fraction(0), *(t * Fraction(r) for t, r in zip(edges[1:], rates, strict=True)))
        if any(b <= a for a, b in pairwise(edges)):
            raise UsageError(f"tenors must be above 0 and increase, found {', '.join(map(str, tenors))}")
        prices = tuple((totals[i + 1] - totals[i]) / (edges[i + 1] - edges[i]) for i in range(len(tenors)))
        return cls(edges, prices)

    def terms(self) -> tuple[Fraction, ...]:
        """T at each edge but the first: the way back from :meth:`from_terms`."""
        return tuple(self.term(edge) for edge in self.edges[1:])

    def forward(self, at: Exact) -> Fraction:
        """f(at); at an edge the price after it, at the end the last one. Raises :class:`UsageError` beyond the end."""
        self._check(Fraction(at))
        return self.prices[min(bisect_right(self.edges, Fraction(at)) - 1, len(self.prices) - 1)]

    def term(self, tenor: Exact) -> Fraction:
        """T(tenor); T(0) is the forward of now. Raises :class:`UsageError` beyond the end."""
        return self.forward(0) if tenor == 0 else self.average(0, tenor)

    def average(self, start: Exact, end: Exact) -> Fraction:
        """The mean of f from ``start`` to ``end``. Raises :class:`UsageError` outside the curve or for no length."""
        low, high = Fraction(start), Fraction(end)
        self._check(low)
        self._check(high)
        if high <= low:
            raise UsageError(f"an average needs an end after its start, found {start} and {end}")
        spans = zip(self.edges, self.edges[1:], self.prices, strict=False)
        total = sum((max(Fraction(0), min(b, high) - max(a, low)) * price for a, b, price in spans), Fraction(0))
        return total / (high - low)

    def _check(self, at: Fraction) -> None:
        if not 0 <= at <= self.edges[-1]:
            raise UsageError(f"the curve is known from 0 to {self.edges[-1]}, found {at}")


@dataclass(frozen=True, slots=True)
class OpenPart:
    """An averaging contract inside its window: what is locked in, and what the market still says of the rest."""

    fixed_days: int
    open_days: int
    fixed_mean: Fraction | None
    """Mean of the prints that are known; None before the first."""
    open_forward: Fraction | None
    """Mean the open days must have for the contract to end where it trades; None when every day is fixed."""

    @property
    def open_share(self) -> Fraction:
        """Delta of the contract to the forward of its open days."""
        return Fraction(self.open_days, self.fixed_days + self.open_days)


def open_part(price: Exact, prints: Iterable[Exact], days: int) -> OpenPart:
    """Splits a contract on the mean of ``days`` prints that trades at ``price``, the ``prints`` being known so far.

    (days · price − Σ prints) / open days. Raises :class:`DataError` for more prints than days.

    >>> part = open_part(250, [240, 244], days=5)
    >>> str(part.fixed_mean), str(part.open_forward), str(part.open_share)
    ('242', '766/3', '3/5')
    """
    known = [Fraction(value) for value in prints]
    left = days - len(known)
    if days < 1 or left < 0:
        raise DataError(f"a contract of {days} fixing days must have at most so many prints and one day, found {len(known)} prints")
    total = sum(known, Fraction(0))
    mean = total / len(known) if known else None
    return OpenPart(len(known), left, mean, (days * Fraction(price) - total) / left if left else None)


def constant_maturity(tenors: Sequence[Exact], prices: Sequence[Exact], at: Exact) -> Fraction:
    """The price at a fixed distance, on the line between the two neighbours; exact where the curve is a line.

    Raises :class:`UsageError` outside the tenors: nothing is extrapolated.

    >>> str(constant_maturity([1, 3], [260, 240], 2))
    '250'
    """
    points = sorted((Fraction(t), Fraction(p)) for t, p in zip(tenors, prices, strict=True))
    if not points or not points[0][0] <= at <= points[-1][0]:
        span = f"{points[0][0]} to {points[-1][0]}" if points else "no tenor at all"
        raise UsageError(f"a constant maturity must lie within the curve, {span}, found {at}")
    after = next(i for i, (tenor, _) in enumerate(points) if tenor >= at)
    if points[after][0] == at:
        return points[after][1]
    (a, low), (b, high) = points[after - 1], points[after]
    return low + (high - low) * (Fraction(at) - a) / (b - a)


def front_of_perpetual(perpetual: float, pull: float, edges: Sequence[float], prices: Sequence[float]) -> float:
    """The forward from now to the first edge that makes a perpetual worth what it trades at, beside dated contracts.

    ``edges`` are the ends in years of the pieces: the unknown first one ends at ``edges[0]``, the piece of ``prices[i]``
    at ``edges[i + 1]``, the last price holding for ever. A perpetual whose holder pays ``pull`` times its premium over
    spot per year (a funding rate equal to the premium every eight hours is a pull of 1,095) is worth

        P = ∫₀^∞ pull · e^(−pull·u) · f(u) du,

    without interest: the expected spot at a random time of that intensity (Ackerer, Hugonnier, Jermann, "Perpetual Futures
    Pricing", Mathematical Finance, 2025). Raises
    :class:`UsageError` for a pull of zero: a perpetual without funding is tied to nothing.
    """
    if not pull > 0.0:
        raise UsageError(f"pull must be above 0 a year: a perpetual that funds nothing says nothing of spot, found {pull!r}")
    if len(edges) != len(prices) or not edges:
        raise UsageError(f"each price needs the edge where it begins, found {len(edges)} edges and {len(prices)} prices")
    left = [math.exp(-pull * edge) for edge in edges]
    weights = [*(left[i] - left[i + 1] for i in range(len(left) - 1)), left[-1]]
    known = math.fsum(weight * price for weight, price in zip(weights, prices, strict=True))
    return (perpetual - known) / -math.expm1(-pull * edges[0])
