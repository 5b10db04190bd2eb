# SPDX-License-Identifier: Apache-2.0
"""Strips: the exact price of a quarter or a calendar year from its months, by a weight that is stated.

``lots``: each month counts once, as when one lot of 730 GPU-hours is traded in each. ``hours``: each month counts by its
hours, as when a machine runs through all of them (a power trader's strip).
"""

from __future__ import annotations

import calendar
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Literal

from kilohour.errors import DataError, UnknownName, UsageError

Weights = Literal["lots", "hours"]
WEIGHTS = ("lots", "hours")


def quarter(year: int, number: int) -> tuple[int, ...]:
    """Months (YYYYMM) of a quarter.

    >>> quarter(2027, 1)
    (202701, 202702, 202703)
    """
    if number not in (1, 2, 3, 4):
        raise UsageError(f"a quarter must be from 1 to 4, found {number}")
    return tuple(year * 100 + month for month in range(3 * number - 2, 3 * number + 1))


def calendar_year(year: int) -> tuple[int, ...]:
    """Months (YYYYMM) of a year."""
    return tuple(year * 100 + month for month in range(1, 13))


def hours_of(month: int) -> int:
    """Hours of a month (YYYYMM), UTC.

    >>> hours_of(202802)
    696
    """
    return 24 * calendar.monthrange(month // 100, month % 100)[1]


def strip(prices: Mapping[int, int | Fraction], months: Sequence[int], weights: Weights) -> Fraction:
    """The price of a strip, Σ w·p / Σ w, exact in the unit of ``prices`` (month YYYYMM: price).

    Raises :class:`DataError` naming the months that have no price.

    >>> months = {202701: 2_600_000, 202702: 2_500_000, 202703: 2_400_000}
    >>> str(strip(months, quarter(2027, 1), "lots")), str(strip(months, quarter(2027, 1), "hours"))
    ('2500000', '2500000')
    """
    if weights not in WEIGHTS:
        raise UnknownName("strip weight", str(weights), WEIGHTS)
    missing = [str(month) for month in months if month not in prices]
    if missing or not months:
        raise DataError(f"a strip needs a price of every month, found none of {', '.join(missing) or 'any'}")
    weight = [Fraction(1 if weights == "lots" else hours_of(month)) for month in months]
    total = sum((w * Fraction(prices[month]) for w, month in zip(weight, months, strict=True)), Fraction(0))
    return total / sum(weight, Fraction(0))


def strips_of(prices: Mapping[int, int | Fraction], weights: Weights) -> dict[str, Fraction]:
    """Every whole quarter (``2027Q1``) and calendar year (``Cal 2027``) that the months cover."""
    found = {}
    for year in sorted({month // 100 for month in prices}):
        spans = [(f"{year}Q{number}", quarter(year, number)) for number in (1, 2, 3, 4)]
        for name, months in [*spans, (f"Cal {year}", calendar_year(year))]:
            if all(month in prices for month in months):
                found[name] = strip(prices, months, weights)
    return found
