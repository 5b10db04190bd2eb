# SPDX-License-Identifier: Apache-2.0
"""The history of a product's curve on a tape as a panel for the two-factor filter, as known at a time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import numpy as np

from kilohour.contracts.product import Product
from kilohour.curves.kalman import Panel
from kilohour.curves.observed import DAYS_PER_YEAR, MEANS
from kilohour.errors import DataError, UnknownName
from kilohour.tape import Kind, Tape
from kilohour.units import MICROS, NANOS_PER_DAY, date_of, day_of


def panel_of(tape: Tape, product: Product, at: int, launches: Sequence[dt.date] = (), *,
             ramp: float = 0.0) -> Panel:
    """Every mark known at ``at`` (nanoseconds UTC) of contracts of which nothing is fixed yet, a row a day.

    A contract on a mean counts as the forward of the middle of its fixing days, another as that of its last trade. Prices
    that are not above zero are gaps. ``years`` are counted from 1970, as :func:`year_of` does; the launches may lie before,
    within or after the history. Raises :class:`UnknownName` for a product that is not on the tape, :class:`DataError` for
    fewer than two days.
    """
    if product.code not in tape.product_codes:
        raise UnknownName("product", product.code, tape.product_codes, where="this tape")
    dated = [ref for ref, contract in enumerate(tape.contracts) if contract.product == product.code and not contract.is_perpetual]
    events = tape.events
    end = int(np.searchsorted(events["ts"], at, side="right"))
    rows = np.flatnonzero((events["kind"][:end] == Kind.MARK) & np.isin(events["ref"][:end], dated))
    column = np.searchsorted(dated, events["ref"][rows])
    day = events["ts"][rows] // NANOS_PER_DAY
    middle, until = _days(tape, product, dated)
    keep = (day < until[column]) & (events["close"][rows] > 0)
    days, place = np.unique(day[keep], return_inverse=True)
    if len(days) < 2:
        raise DataError(f"{product.code} must have marks on two days by {date_of(at // NANOS_PER_DAY)}, found {len(days)}")
    prices = np.full((len(days), len(dated)), np.nan)
    prices[place, column[keep]] = events["close"][rows][keep] / MICROS
    tenors = np.maximum(middle[None, :] - days[:, None], 0.0) / DAYS_PER_YEAR
    return Panel(days / DAYS_PER_YEAR, tenors, prices, tuple(sorted(map(year_of, launches))), ramp)


def year_of(date: dt.date) -> float:
    """A date on the scale of a panel's years.

    >>> year_of(dt.date(1971, 1, 1))
    1.0
    """
    return day_of(date) / DAYS_PER_YEAR


def _days(tape: Tape, product: Product, dated: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """The middle of each contract's delivery, and the first day on which it is no plain forward any more."""
    middle, until = [], []
    for ref in dated:
        contract = tape.contracts[ref]
        if product.get("settlement") in MEANS and contract.fixing_days:
            middle.append((contract.fixing_days[0] + contract.fixing_days[-1] + 1) / 2.0)
            until.append(contract.fixing_days[0])
        else:
            last = contract.last_trade_at // NANOS_PER_DAY
            middle.append(float(last))
            until.append(last + 1)
    return np.array(middle), np.array(until, dtype=np.int64)
