# SPDX-License-Identifier: Apache-2.0
"""The index day by day: the move filter, the rule across voters, and what a day without enough votes does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from kilohour.datafeeds.index.across import across
from kilohour.datafeeds.index.method import Method
from kilohour.datafeeds.index.votes import NANOS_PER_MINUTE, Days, Vote, votes_of
from kilohour.errors import DataError
from kilohour.units import MICROS, NANOS_PER_DAY, date_of

if TYPE_CHECKING:
    import pandas as pd

    from kilohour.datafeeds.quotes import Quotes

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Print:
    """The index of one day: exact, in micros."""

    day: int
    value: Fraction
    voters: int
    is_repeated: bool
    """True where the last value stands in for a day without enough votes."""


@dataclass(frozen=True, slots=True)
class IndexSeries:
    """An index as a method made it, with the votes it was made of."""

    method: Method
    prints: tuple[Print, ...]
    raw: Days
    """Votes by value day, before the move filter."""
    votes: Days
    """Votes that counted."""
    told: Mapping[str, int]
    """Quotes read, left out by each filter, and used; votes the move filter left out; days without a print."""

    @property
    def days(self) -> Ints:
        """Value days, days since 1970-01-01, increasing."""
        return np.array([p.day for p in self.prints], dtype=np.int64)

    @property
    def micros(self) -> Ints:
        """Values in micros, half-even: what is printed."""
        return np.array([round(p.value) for p in self.prints], dtype=np.int64)

    @property
    def known_at(self) -> Ints:
        """When each value is published, nanoseconds UTC."""
        after = (self.method.window.end_minutes + self.method.publication.delay_minutes) * NANOS_PER_MINUTE
        return self.days * NANOS_PER_DAY + after

    def frame(self) -> pd.DataFrame:
        """Date, value in dollars, voters, repeated: to look at."""
        import pandas as pd

        return pd.DataFrame({
            "date": [date_of(p.day) for p in self.prints], "value": self.micros / MICROS,
            "voters": [p.voters for p in self.prints], "repeated": [p.is_repeated for p in self.prints],
        })


def build_index(quotes: Quotes, method: Method) -> IndexSeries:
    """The index of ``method`` over ``quotes``.

    Raises :class:`DataError` when no quote passes the filters, or no day has enough voters.
    """
    days, told = votes_of(quotes, method)
    accepted, left_out = accept(days, method)
    span = _published_days(method, min(days), max(days))
    prints = tuple(prints_of(accepted, method, span))
    if not prints:
        most = max(map(len, accepted.values()), default=0)
        raise DataError(f"{method.name}: a print needs {method.across.voters_min} voters, found at most {most} on a day")
    counts = {**told, "votes moved too far": left_out, "days repeated": sum(p.is_repeated for p in prints),
              "days without a print": len(span) - len(prints)}
    return IndexSeries(method, prints, days, accepted, counts)


def accept(days: Days, method: Method) -> tuple[Days, int]:
    """The votes that pass the move filter, and how many do not; each day is judged by the days before it only."""
    limit = method.filters.move_max
    if limit is None:
        return days, 0
    most = Fraction(str(limit))
    last: dict[str, Fraction] = {}
    waiting: dict[str, int] = {}
    accepted: Days = {}
    left_out = 0
    for day in sorted(days):
        kept = []
        for vote in days[day]:
            before = last.get(vote.voter)
            if before is not None and abs(vote.price - before) > most * before:
                waiting[vote.voter] = waiting.get(vote.voter, 0) + 1
                if waiting[vote.voter] < method.filters.move_days:
                    left_out += 1
                    continue
            last[vote.voter], waiting[vote.voter] = vote.price, 0
            kept.append(vote)
        accepted[day] = kept
    return accepted, left_out


def prints_of(days: Mapping[int, list[Vote]], method: Method, span: Ints) -> list[Print]:
    """The prints of the days of ``span``."""
    found: list[Print] = []
    value, worked_out = Fraction(0), -1
    for day in span.tolist():
        votes = days.get(day, [])
        if len(votes) >= method.across.voters_min:
            value, worked_out = combine(votes, method), day
            found.append(Print(day, value, len(votes), is_repeated=False))
        elif worked_out >= 0 and method.publication.missing == "last" and day - worked_out <= method.publication.missing_days_max:
            found.append(Print(day, value, len(votes), is_repeated=True))
    return found


def combine(votes: list[Vote], method: Method) -> Fraction:
    """The index of one day's votes."""
    return across(method.across.rule, [v.price for v in votes], [v.weight for v in votes], method.share())


def _published_days(method: Method, first: int, last: int) -> Ints:
    from kilohour.contracts.calendars import CalendarRule, business_days

    name = method.publication.calendar
    return business_days(CalendarRule(name, name)).between(first, last)
