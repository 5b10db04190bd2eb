# SPDX-License-Identifier: Apache-2.0
"""The futures curve of a product as it was known at a time: nothing later on the tape can show in it."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from kilohour.contracts.contract import Contract
from kilohour.contracts.product import Product
from kilohour.curves.fit import CurveQuote
from kilohour.curves.forwards import OpenPart, open_part
from kilohour.errors import DataError, UnknownName, UsageError
from kilohour.tape import Kind, Tape
from kilohour.units import MICROS, NANOS_PER_DAY, date_of

DAYS_PER_YEAR = 365.0
MEANS = ("mean_business_days", "mean_calendar_days")


@dataclass(frozen=True, slots=True)
class Point:
    """One contract on the curve."""

    code: str
    month: int
    """YYYYMM."""
    price: int
    """Micros."""
    price_at: int
    """When that price was known, nanoseconds UTC."""
    is_mark: bool
    """An official mark; else the last close."""
    part: OpenPart | None
    """Fixed and open part of a contract on a mean; None for one that ends on a single price."""
    start: float
    end: float
    """Years from now over which the open part runs; for a single price both its last trade."""

    @property
    def open_price(self) -> float:
        """What the market says of the open part, dollars; the price itself where nothing is fixed."""
        value = self.price if self.part is None or self.part.open_forward is None else self.part.open_forward
        return float(value) / MICROS


@dataclass(frozen=True, slots=True)
class Observed:
    """A curve as known at ``at`` (nanoseconds UTC, included)."""

    product: str
    at: int
    spot: int | None
    """Last print of the index known then, micros."""
    spot_day: int | None
    """Its value date, days since 1970-01-01."""
    points: tuple[Point, ...]
    """By month; contracts with at least one open day."""

    def quotes(self, deviation: float) -> list[CurveQuote]:
        """The curve as quotes for a fit: spot, open parts of means, single prices; ``deviation`` in dollars.

        Prices that are not above zero are left out: the fit does not know them.
        """
        found = []
        if self.spot is not None and self.spot > 0:
            found.append(CurveQuote("spot", self.spot / MICROS, deviation=deviation, name="spot"))
        for point in self.points:
            if point.open_price <= 0.0:
                continue
            if point.part is None:
                found.append(CurveQuote("forward", point.open_price, end=point.end, deviation=deviation, name=point.code))
            else:
                share = float(point.part.open_share)
                found.append(CurveQuote("average", point.open_price, start=point.start, end=point.end, deviation=deviation / share,
                                        name=point.code))  # fmt: skip
        return found

    def months(self) -> Mapping[int, Fraction]:
        """Price in micros by month, as strips take it; only contracts of which nothing is fixed."""
        return {point.month: Fraction(point.price) for point in self.points if point.part is None or point.part.fixed_days == 0}


def observe(tape: Tape, product: Product, at: int) -> Observed:
    """The curve of ``product`` as known at ``at``: the last mark of each contract, split by the prints known at that mark.

    Raises :class:`UnknownName` for a product that is not on the tape, :class:`DataError` when nothing was known yet.
    """
    if product.is_perpetual:
        raise UsageError(f"{product.code} is a perpetual: a curve needs dated contracts")
    if product.code not in tape.product_codes:
        raise UnknownName("product", product.code, tape.product_codes, where="this tape")
    prices = _prices(tape, at)
    today = at // NANOS_PER_DAY
    prints_at = functools.cache(lambda known: _prints(tape, str(product.index), known))
    points = []
    for ref, contract in enumerate(tape.contracts):
        if contract.product == product.code and ref in prices and contract.last_trade_at >= at:
            price, known, is_mark = prices[ref]
            point = _point(contract, price, known, is_mark, prints_at(known), product, today)
            if point is not None:
                points.append(point)
    if not points:
        raise DataError(f"{product.code} must have a price of a listed contract by {date_of(today)}, found none; the tape begins "
                        f"{date_of(tape.start // NANOS_PER_DAY)} and ends {date_of(tape.end // NANOS_PER_DAY)}")
    prints = prints_at(at)
    last = max(prints, default=None)
    return Observed(product.code, at, None if last is None else prints[last], last, tuple(sorted(points, key=lambda p: p.month)))


def _point(contract: Contract, price: int, known: int, is_mark: bool, prints: Mapping[int, int], product: Product,
           today: int) -> Point | None:
    if product.get("settlement") not in MEANS or not contract.fixing_days:
        years = max(0.0, contract.last_trade_at // NANOS_PER_DAY - today) / DAYS_PER_YEAR
        return Point(contract.code, contract.month, price, known, is_mark, None, years, years)
    fixed = [prints[day] for day in contract.fixing_days if day in prints]
    open_days = [day for day in contract.fixing_days if day not in prints]
    if not open_days:
        return None
    start = max(0.0, open_days[0] - today) / DAYS_PER_YEAR
    end = max(1.0, open_days[-1] + 1 - today) / DAYS_PER_YEAR
    part = open_part(price, fixed, len(contract.fixing_days))
    return Point(contract.code, contract.month, price, known, is_mark, part, start, max(end, start + 1.0 / DAYS_PER_YEAR))


def _prints(tape: Tape, index: str, at: int) -> dict[int, int]:
    """Value by value date of an index, each as last known at ``at``."""
    events = tape.events
    refs = [row for row, known in enumerate(tape.indices) if known.code == index]
    end = int(np.searchsorted(events["ts"], at, side="right"))
    rows = np.flatnonzero((events["kind"][:end] == Kind.PRINT) & np.isin(events["ref"][:end], refs))
    days = events["ts_event"][rows] // NANOS_PER_DAY
    return dict(zip(days.tolist(), events["close"][rows].tolist(), strict=True))


def _prices(tape: Tape, at: int) -> dict[int, tuple[int, int, bool]]:
    """Price, time and whether it is a mark, by contract: its last mark known at ``at``, or else its last close."""
    events = tape.events
    end = int(np.searchsorted(events["ts"], at, side="right"))
    found: dict[int, tuple[int, int, bool]] = {}
    for kind in (Kind.BAR, Kind.MARK):
        rows = np.flatnonzero(events["kind"][:end] == kind)
        last, place = np.unique(events["ref"][rows][::-1], return_index=True)
        for ref, row in zip(last.tolist(), rows[::-1][place].tolist(), strict=True):
            found[ref] = (int(events["close"][row]), int(events["ts"][row]), kind == Kind.MARK)
    return found
