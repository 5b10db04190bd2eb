# SPDX-License-Identifier: Apache-2.0
"""The days of a contract: last trade, fixing days, settlement, listing; each rule a small named function.

Days are days since 1970-01-01, times nanoseconds UTC, months YYYYMM.
"""

from __future__ import annotations

import calendar
import datetime as dt
import functools
from collections.abc import Callable, Iterator
from zoneinfo import ZoneInfo

from kilohour.contracts.calendars import BusinessDays
from kilohour.contracts.codes import MONTH_NAMES, add_months
from kilohour.errors import UsageError
from kilohour.units import date_of, day_of, nanos_of


def first_day(month: int) -> int:
    """First calendar day of a month."""
    return day_of(dt.date(month // 100, month % 100, 1))


def last_day(month: int) -> int:
    """Last calendar day of a month.

    >>> date_of(last_day(202402)).isoformat()
    '2024-02-29'
    """
    return day_of(dt.date(month // 100, month % 100, calendar.monthrange(month // 100, month % 100)[1]))


def last_business_day_of_month(days: BusinessDays, month: int) -> int:
    """GPU1, GPU2: the last business day of the contract month."""
    return days.on_or_before(last_day(month))


def third_business_day_before_25th(days: BusinessDays, month: int) -> int:
    """WTI: the third business day before the 25th of the month before delivery; when the 25th is no business day,
    the third before the last business day that precedes it."""
    previous = add_months(month, -1)
    return days.before(days.on_or_before(day_of(dt.date(previous // 100, previous % 100, 25))), 3)


def third_last_business_day_of_month_before(days: BusinessDays, month: int) -> int:
    """Henry Hub: the third last business day of the month before delivery."""
    return days.before(first_day(month), 3)


LAST_TRADE_RULES: dict[str, Callable[[BusinessDays, int], int]] = {
    rule.__name__: rule
    for rule in (last_business_day_of_month, third_business_day_before_25th, third_last_business_day_of_month_before)
}
"""Rules that count business days; ``last_day_of_month`` is :func:`last_day` and needs none."""


def fixing_days_of(settlement: str, days: BusinessDays, month: int, last_trade: int) -> tuple[int, ...]:
    """Value dates that settle a contract under a settlement rule; none when the venue states the price."""
    if settlement in ("mean_business_days", "volume_weighted_business_days"):
        return tuple(int(day) for day in days.between(first_day(month), last_day(month)))
    if settlement in ("mean_calendar_days", "volume_weighted_calendar_days"):
        return tuple(range(first_day(month), last_day(month) + 1))
    return (last_trade,) if settlement == "single_print" else ()


@functools.lru_cache(maxsize=1 << 14)
def clock(text: str, day: int) -> int:
    """Nanoseconds UTC of a clock reading ``HH:MM ZONE`` on a day of that zone; products of one clock ask for the same days.

    Raises :class:`UsageError` for an unknown zone.

    >>> clock("16:00 America/Chicago", day_of(dt.date(2026, 7, 1))) - clock("21:00 UTC", day_of(dt.date(2026, 7, 1)))
    0
    """
    reading, zone = text.split(" ", 1)
    hour, minute = map(int, reading.split(":"))
    try:
        tz = dt.UTC if zone == "UTC" else ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        raise UsageError(f"a time of day must name a zone such as UTC or America/Chicago, found {text!r}") from None
    return nanos_of(dt.datetime.combine(date_of(day), dt.time(hour, minute), tz))


def settlement_time(known: str, days: BusinessDays, anchor: int) -> int:
    """When a final price is known: ``N business|calendar days, HH:MM ZONE`` after the day ``anchor``."""
    lag, reading = known.split(", ")
    count, kind, _ = lag.split(" ")
    if kind == "calendar" or int(count) == 0:
        return clock(reading, anchor + int(count))
    return clock(reading, days.after(anchor, int(count)))


def funding_times(hours: int, first: int, last: int) -> range:
    """Times of funding every ``hours`` from 00:00 UTC, later than ``first`` and up to ``last``, nanoseconds UTC.

    >>> [at // 3_600_000_000_000 for at in funding_times(8, 0, 86_400_000_000_000)]
    [8, 16, 24]
    """
    step = hours * 3_600_000_000_000
    return range((first // step + 1) * step, last + 1, step)


def listed_sequence(listed_months: str) -> tuple[tuple[int, ...], int]:
    """Months of the year that are listed, and how many contracts are listed at once.

    >>> listed_sequence("Mar Jun Sep Dec, 12 listed"), listed_sequence("36 consecutive")
    (((3, 6, 9, 12), 12), ((1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12), 36))
    """
    if listed_months.endswith(" consecutive"):
        return tuple(range(1, 13)), int(listed_months.removesuffix(" consecutive"))
    names, count = listed_months.removesuffix(" listed").split(", ")
    return tuple(sorted(MONTH_NAMES.index(name.upper()) + 1 for name in names.split(" "))), int(count)


def months_from(months: tuple[int, ...], first: int) -> Iterator[int]:
    """Months of the listing sequence, from ``first`` on, without end."""
    while True:
        if first % 100 in months:
            yield first
        first = add_months(first, 1)


def step_back(months: tuple[int, ...], month: int, count: int) -> int:
    """The month ``count`` places before ``month`` in the listing sequence.

    >>> step_back((3, 6, 9, 12), 202612, 3), step_back((3, 6, 9, 12), 202603, 1)
    (202603, 202512)
    """
    place = (month // 100) * len(months) + months.index(month % 100) - count
    return place // len(months) * 100 + months[place % len(months)]
