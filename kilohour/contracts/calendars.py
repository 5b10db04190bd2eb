# SPDX-License-Identifier: Apache-2.0
"""Business days, from exchange_calendars and dated exceptions; days are days since 1970-01-01.

Two calendars belong to a product. The *trading* calendar has a session; the *fixing* calendar counts business
days: CME Globex trades 258 days of 2026 (``CMES``), the business days that fix are 251 (``XNYS``). The name ``24/7``
is every day.

The library is imported when days are first asked for that are not kept on disk, never at start-up.
"""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from kilohour.contracts.kept_days import EVERY_DAY, FIRST, LAST, Days, days_of
from kilohour.errors import UsageError
from kilohour.units import date_of, day_of


@dataclass(frozen=True, slots=True)
class DatedException:
    """A day on which a calendar differs from its base."""

    day: dt.date
    is_open: bool
    reason: str


@dataclass(frozen=True, slots=True)
class CalendarRule:
    """A named calendar: a library calendar, with dated exceptions."""

    name: str
    base: str
    exceptions: tuple[DatedException, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; :meth:`from_dict` reads them back."""
        return {"name": self.name, "base": self.base,
                "exceptions": [[e.day.isoformat(), e.is_open, e.reason] for e in self.exceptions]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> CalendarRule:
        """The rule that :meth:`to_dict` wrote."""
        return cls(data["name"], data["base"], tuple(
            DatedException(dt.date.fromisoformat(day), is_open, reason) for day, is_open, reason in data["exceptions"]))


@dataclass(frozen=True, slots=True, eq=False)
class BusinessDays:
    """The days of one calendar, with arithmetic on them."""

    name: str
    version: str
    """The library that computed it, with its release."""
    days: Days
    """Increasing."""
    first: int
    last: int
    """Bounds of what is known, inclusive."""

    def __contains__(self, day: int) -> bool:
        self._check(day)
        i = int(np.searchsorted(self.days, day))
        return i < len(self.days) and int(self.days[i]) == day

    def between(self, first: int, last: int) -> Days:
        """Business days from ``first`` to ``last``, both inclusive."""
        self._check(first)
        self._check(last)
        return self.days[np.searchsorted(self.days, first):np.searchsorted(self.days, last, side="right")]

    def on_or_before(self, day: int) -> int:
        """The latest business day that is not after ``day``."""
        self._check(day)
        return self._at(int(np.searchsorted(self.days, day, side="right")) - 1, day)

    def before(self, day: int, count: int = 1) -> int:
        """The ``count``-th business day before ``day``, which need not be one itself."""
        self._check(day)
        return self._at(int(np.searchsorted(self.days, day)) - count, day)

    def after(self, day: int, count: int = 1) -> int:
        """The ``count``-th business day after ``day``, which need not be one itself."""
        self._check(day)
        return self._at(int(np.searchsorted(self.days, day, side="right")) + count - 1, day)

    def _at(self, i: int, day: int) -> int:
        if not 0 <= i < len(self.days):
            raise self._outside(day)
        return int(self.days[i])

    def _check(self, day: int) -> None:
        if not self.first <= day <= self.last:
            raise self._outside(day)

    def _outside(self, day: int) -> UsageError:
        return UsageError(f"calendar {self.name} ({self.version}) is known from {date_of(self.first)} to "
                          f"{date_of(self.last)}, found a day at {date_of(day)}")


@functools.lru_cache(maxsize=64)
def business_days(rule: CalendarRule) -> BusinessDays:
    """The days of a calendar. Raises :class:`UnknownName` when the library has no such calendar."""
    if rule.base == EVERY_DAY:
        days = np.arange(day_of(FIRST), day_of(LAST) + 1, dtype=np.int64)
        version, first, last = "every day", int(day_of(FIRST)), int(day_of(LAST))
    else:
        days, version, first, last = days_of(rule.base)
    opened = [int(day_of(e.day)) for e in rule.exceptions if e.is_open]
    closed = [int(day_of(e.day)) for e in rule.exceptions if not e.is_open]
    days = np.setdiff1d(np.union1d(days, np.array(opened, dtype=np.int64)), np.array(closed, dtype=np.int64))
    days.flags.writeable = False
    if rule.name != rule.base:
        version = f"{rule.base} of {version} with {len(rule.exceptions)} dated exceptions"
    return BusinessDays(rule.name, version, days, first, last)
