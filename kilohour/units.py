# SPDX-License-Identifier: Apache-2.0
"""Integer units: micros (millionths of a dollar, or of an index's unit), lots, nanoseconds UTC, days since 1970.

Floats may decide, integers record. A float becomes an integer here and nowhere else.
"""

from __future__ import annotations

import datetime as dt
import math
from fractions import Fraction
from typing import NewType

Micros = NewType("Micros", int)
Lots = NewType("Lots", int)
Nanos = NewType("Nanos", int)
Day = NewType("Day", int)

MICROS = 1_000_000
NANOS_PER_SECOND = 1_000_000_000
NANOS_PER_DAY = 86_400 * NANOS_PER_SECOND
MISSING = -(2**63)
"""The integer that stands for "no value" in a column of micros."""


def micros(value: float | int | Fraction) -> Micros:
    """Millionths of ``value``, half-even.

    >>> micros(2.815), micros(-37.63)
    (2815000, -37630000)
    """
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"a price must be finite, found {value}")
        return Micros(round(value * MICROS))
    return Micros(round(Fraction(value) * MICROS))


def dollars(value: int) -> float:
    """Micros as a float of dollars.

    >>> dollars(2815000)
    2.815
    """
    return value / MICROS


def divide_half_even(numerator: int, denominator: int) -> int:
    """``numerator / denominator`` to the nearest integer, ties to even; exact at any size.

    >>> [divide_half_even(n, 2) for n in (1, 3, -1, -3)]
    [0, 2, 0, -2]
    """
    whole, rest = divmod(numerator, denominator)
    odds = 2 * abs(rest) - abs(denominator)
    return whole + 1 if odds > 0 or (odds == 0 and whole % 2) else whole


def day_of(date: dt.date) -> Day:
    """Days since 1970-01-01.

    >>> day_of(dt.date(1970, 1, 2))
    1
    """
    return Day((date - dt.date(1970, 1, 1)).days)


def date_of(day: int) -> dt.date:
    """The date of a day number.

    >>> date_of(1).isoformat()
    '1970-01-02'
    """
    return dt.date(1970, 1, 1) + dt.timedelta(days=int(day))


def nanos_of(moment: dt.datetime | dt.date) -> Nanos:
    """Nanoseconds UTC of an aware datetime, or of a date's midnight UTC; exact to the microsecond.

    >>> nanos_of(dt.date(1970, 1, 2))
    86400000000000
    """
    if isinstance(moment, dt.datetime):
        if moment.tzinfo is None:
            raise ValueError(f"a time must carry its zone, found {moment.isoformat()}")
        delta = moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
        return Nanos((delta.days * 86_400 + delta.seconds) * NANOS_PER_SECOND + delta.microseconds * 1_000)
    return Nanos(day_of(moment) * NANOS_PER_DAY)


def datetime_of(nanos: int) -> dt.datetime:
    """The UTC datetime of a time in nanoseconds, cut to the microsecond.

    >>> datetime_of(86_400_000_000_000).isoformat()
    '1970-01-02T00:00:00+00:00'
    """
    return dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=int(nanos) // 1_000)
