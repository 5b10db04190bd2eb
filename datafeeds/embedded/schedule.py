# SPDX-License-Identifier: Apache-2.0
"""What is known in advance: business days, contracts and their fixing days, when adoption is published."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kilohour.contracts import Contract, Product, Registry
from kilohour.datafeeds.embedded.config import Chip, MarketConfig
from kilohour.errors import UsageError
from kilohour.units import NANOS_PER_DAY, date_of, day_of

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_MONTHS_BEYOND = 38


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Line:
    """The contracts of one chip. ``first`` and ``last`` are the rows of :attr:`Schedule.days` on which each has a
    price; its fixing days are ``fix_day[fix_from:fix_to]``, rows too."""

    chip: Chip
    product: Product
    contracts: tuple[Contract, ...]
    first: Ints
    last: Ints
    fix_from: Ints
    fix_to: Ints
    fix_day: Ints
    release: int
    """Row from which index and futures exist."""

    @property
    def spacing(self) -> float:
        """Sessions from one delivery to the next, in a usual year: 21 for months, 63 for quarters."""
        months = [contract.month // 100 * 12 + contract.month % 100 for contract in self.contracts[:2]]
        return 21.0 * (months[1] - months[0]) if len(months) == 2 else 21.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Publications:
    """When adoption becomes known: one row a number, sorted by the day it is known (rows of :attr:`Schedule.days`)."""

    value_day: Ints
    known_day: Ints
    is_revision: Bools
    age: Ints
    """How many newer month ends have passed when the number is known."""

    @property
    def slots(self) -> int:
        """How many past month ends must be remembered."""
        return int(self.age.max()) + 1 if len(self.age) else 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Schedule:
    """Sessions and what happens on them. ``days`` are days since 1970; the first ``span`` of them are traded,
    the others are only fixing days of contracts that outlive the span."""

    days: Ints
    span: int
    is_business: Bools
    """Which of the days have an index print: the business days. The other sessions are traded without one."""
    lines: tuple[Line, ...]
    is_value_day: Bools
    """Which days of the span are month ends, for which adoption is measured."""
    publications: Publications

    def business_after(self, row: int, count: int = 1) -> int:
        """The row of the ``count``-th business day after a row; the number of days when there is none."""
        rows = np.flatnonzero(self.is_business)
        place = int(np.searchsorted(rows, row, side="right")) + count - 1
        return int(rows[place]) if place < len(rows) else len(self.days)

    def row_of(self, date: dt.date) -> int:
        """The first row on or after a date."""
        return int(np.searchsorted(self.days, day_of(date)))


def make_schedule(config: MarketConfig, registry: Registry) -> Schedule:
    """The schedule of a market. Raises :class:`UsageError` when the span holds too few business days."""
    products = [registry.product(chip.product) for chip in config.chips]
    calendars = {f"{product.calendar_trading} and {product.calendar_fixing}" for product in products}
    if len(calendars) > 1:
        raise UsageError("market: all chips must trade and fix on the same calendars, "
                         f"found {'; '.join(sorted(calendars))}")
    first, beyond = day_of(config.first), day_of(config.last + dt.timedelta(days=31 * _MONTHS_BEYOND))
    business = np.asarray(products[0].business_days().between(first, beyond), dtype=np.int64)
    days = np.union1d(business, np.asarray(products[0].trading_days().between(first, beyond), dtype=np.int64))
    is_business = np.isin(days, business)
    span = int(np.searchsorted(days, day_of(config.last), side="right"))
    if span < 2:
        raise UsageError(f"market: the span must hold at least two business days, found {span} from {config.first} "
                         f"to {config.last}")
    lines = tuple(_line(chip, product, config, days, span)
                  for chip, product in zip(config.chips, products, strict=True))
    is_value_day = month_ends(days, is_business)[:span]
    return Schedule(days=days, span=span, is_business=is_business, lines=lines, is_value_day=is_value_day,
                    publications=_publications(config, days, span, is_value_day))


def month_ends(days: Ints, is_business: Bools) -> Bools:
    """Which of the days are the last business day of their month."""
    rows = np.flatnonzero(is_business)
    months = np.array([date_of(int(day)).month for day in days[rows]])
    out = np.zeros(len(days), dtype=np.bool_)
    out[rows[:-1]] = months[:-1] != months[1:]
    return out


def _line(chip: Chip, product: Product, config: MarketConfig, days: Ints, span: int) -> Line:
    release = int(np.searchsorted(days, day_of(chip.release)))
    rows: list[tuple[Contract, int, int, list[int]]] = []
    start = max(config.first, chip.release)
    contracts = product.contracts(start, config.last) if start <= config.last else []
    for contract in contracts:
        # A month that began before there were prints cannot settle on them.
        if contract.fixing_days[0] < max(int(days[0]), day_of(chip.release)):
            continue
        fixing = [int(row) for row in np.searchsorted(days, contract.fixing_days)]
        if fixing[-1] >= len(days) or any(int(days[r]) != d for r, d in zip(fixing, contract.fixing_days, strict=True)):
            raise UsageError(f"market: {contract.code} fixes on days that its product's calendar does not have")
        first = max(int(np.searchsorted(days, contract.listed_at // NANOS_PER_DAY)), release)
        last = min(int(np.searchsorted(days, contract.last_trade_at // NANOS_PER_DAY, side="right")) - 1, span - 1)
        if first <= last:
            rows.append((contract, first, last, fixing))
    ends = np.cumsum([len(row[3]) for row in rows], dtype=np.int64)
    return Line(
        chip=chip, product=product, release=release, contracts=tuple(row[0] for row in rows),
        first=np.array([row[1] for row in rows], dtype=np.int64),
        last=np.array([row[2] for row in rows], dtype=np.int64),
        fix_from=ends - np.array([len(row[3]) for row in rows], dtype=np.int64), fix_to=ends,
        fix_day=np.array([day for row in rows for day in row[3]], dtype=np.int64),
    )


def _publications(config: MarketConfig, days: Ints, span: int, is_value_day: Bools) -> Publications:
    ends = np.flatnonzero(is_value_day)
    found: list[tuple[int, int, bool]] = []
    for row in ends:
        earliest = 0
        for lag, is_revision in ((config.publication_lag_days, False), (config.revision_lag_days, True)):
            known = max(earliest, int(np.searchsorted(days, days[row] + lag)))
            earliest = known + 1
            if known < span:
                found.append((known, int(row), is_revision))
    found.sort()
    age = [int(np.count_nonzero((ends > value) & (ends < known))) for known, value, _ in found]
    return Publications(
        known_day=np.array([row[0] for row in found], dtype=np.int64),
        value_day=np.array([row[1] for row in found], dtype=np.int64),
        is_revision=np.array([row[2] for row in found], dtype=np.bool_), age=np.array(age, dtype=np.int64),
    )
