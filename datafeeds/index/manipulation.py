# SPDX-License-Identifier: Apache-2.0
"""How far one provider can move a month's settlement: the whole method is run again without it, and with it moved.

Exact: every figure is the mean of the index over the published days of a month, as a fraction of micros, less the mean
as it was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from kilohour.datafeeds.index.series import IndexSeries, accept, prints_of
from kilohour.datafeeds.index.votes import Days, Vote
from kilohour.errors import UsageError
from kilohour.units import date_of

SHIFTS = (Fraction(-1, 2), Fraction(-1, 10), Fraction(1, 10), Fraction(1, 2))
"""A provider's quotes times 1 + shift, all month."""


@dataclass(frozen=True, slots=True)
class Influence:
    """What one provider can do to the settlement of one month."""

    month: int
    """YYYYMM."""
    provider: str
    days: int
    """Published days on which it had a vote."""
    settlement: Fraction
    """Mean of the month as it was, micros."""
    without: Fraction | None
    """Move of the mean when its quotes are gone; None when a day would then have no print and no settlement is sure."""
    moved: Mapping[Fraction, Fraction | None]
    """The same by shift."""

    @property
    def largest(self) -> Fraction:
        """The largest size of the moves that leave a settlement."""
        return max((abs(move) for move in (self.without, *self.moved.values()) if move is not None), default=Fraction(0))


def manipulation(series: IndexSeries, shifts: Sequence[Fraction] = SHIFTS) -> list[Influence]:
    """Every provider in every whole or partial month, the largest move of a month first.

    The move filter and the price bounds judge the moved quotes as they would judge any: votes beyond the
    bounds are left out. Raises :class:`UsageError` for a shift of −1 or less.
    """
    for shift in shifts:
        if shift <= -1:
            raise UsageError(f"a shift must leave a price above 0, found {float(shift):g}")
    found = []
    for month in sorted({month_of(p.day) for p in series.prints}):
        days = [p.day for p in series.prints if month_of(p.day) == month]
        base = settlement(series, series.votes, days)
        assert base is not None, "a published month has a mean"
        rows = [_influence(series, month, days, base, provider, shifts) for provider in _providers(series.votes, days)]
        found += sorted(rows, key=lambda row: (-row.largest, row.provider))
    return found


def settlement(series: IndexSeries, votes: Days, days: Sequence[int]) -> Fraction | None:
    """Mean over ``days`` of the index of ``votes``, exact and unrounded; None when one of them has no value."""
    before = days[0] - series.method.publication.missing_days_max
    span = series.days[(series.days >= before) & (series.days <= days[-1])]
    values = [p.value for p in prints_of(votes, series.method, span) if p.day >= days[0]]
    return sum(values, Fraction(0)) / len(values) if len(values) == len(days) else None


def month_of(day: int) -> int:
    """YYYYMM of a day.

    >>> month_of(0)
    197001
    """
    date = date_of(day)
    return date.year * 100 + date.month


def _providers(votes: Days, days: Sequence[int]) -> list[str]:
    return sorted({vote.provider for day in days for vote in votes.get(day, [])})


def _influence(series: IndexSeries, month: int, days: Sequence[int], base: Fraction, provider: str,
               shifts: Sequence[Fraction]) -> Influence:
    def move(change: Fraction | None) -> Fraction | None:
        changed, _ = accept(_changed(series, days, provider, change), series.method)
        after = settlement(series, changed, days)
        return None if after is None else after - base

    present = sum(any(vote.provider == provider for vote in series.votes.get(day, [])) for day in days)
    return Influence(month, provider, present, base, move(None), {shift: move(shift) for shift in shifts})


def _changed(series: IndexSeries, days: Sequence[int], provider: str, shift: Fraction | None) -> Days:
    """All votes up to the month's end, those of a provider in the month's days moved or taken away."""
    low, high = series.method.price_bounds

    def one(vote: Vote, is_inside: bool) -> Vote | None:
        if vote.provider != provider or not is_inside:
            return vote
        if shift is None:
            return None
        price = vote.price * (1 + shift)
        return Vote(vote.voter, vote.provider, price, vote.weight, vote.quotes) if low <= price <= high else None

    return {day: [v for v in (one(vote, days[0] <= day <= days[-1]) for vote in votes) if v is not None]
            for day, votes in series.raw.items() if day <= days[-1]}
