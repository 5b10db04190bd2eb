# SPDX-License-Identifier: Apache-2.0
"""What the same exposure would have made without the idea: the average lots at each place of the curve, held and rolled.

Baseline lots are the run's average signed lots on the n-th unfixed contract of each product. They are known only
afterwards, carry no costs, and roll at the mark: a yardstick, not a strategy.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from kilohour.kernels.records import Array
from kilohour.market import Market
from kilohour.tape.schema import Kind

PLACES = 48


def mark_grid(market: Market) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Times of marks, marks in dollars (times, contracts), and each contract's place on the curve.

    A mark stands until the contract's next one (products are marked at times of their own) or its correction; NaN
    before the first and after the last. A correction that comes after a later mark changes nothing.

    Place 1 is the first contract of its product whose fixing window has not begun; 0 stands for fixing, expired or unlisted.
    """
    events = market.tape.events
    rows = np.flatnonzero(events["kind"] == Kind.MARK)
    times, at = np.unique(events["ts"][rows], return_inverse=True)
    marks = np.full((len(times), len(market.tape.contracts)), np.nan)
    stands = _standing_marks(events, rows)
    marks[at[stands], events["ref"][rows[stands]]] = events["close"][rows[stands]] / 1e6
    marks = _standing(marks)
    return times, marks, _places(market, times, ~np.isnan(marks))


def _standing_marks(events: Any, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """False for corrections of a mark that a later one has followed."""
    stands = np.ones(len(rows), dtype=bool)
    for place in np.flatnonzero(events["volume"][rows] > 0):
        before = rows[:place][events["ref"][rows[:place]] == events["ref"][rows[place]]]
        stands[place] = not (events["ts_event"][before] > events["ts_event"][rows[place]]).any()
    return stands


def _standing(marks: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    row = np.arange(len(marks))[:, None]
    own = np.where(np.isnan(marks), -1, row)
    latest = np.maximum.accumulate(own, axis=0)
    stands = (latest >= 0) & (row <= own.max(axis=0, initial=-1))
    return np.where(stands, np.take_along_axis(marks, np.maximum(latest, 0), axis=0), np.nan)


def _places(market: Market, times: npt.NDArray[np.int64], seen: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    desk, count = market.desk[0], len(market.tape.contracts)
    open_still = seen & (desk["fixing_at"][:count][None, :] > times[:, None])
    places = np.zeros(seen.shape, dtype=np.int64)
    for product in range(len(market.products)):
        own = np.flatnonzero(desk["product_of"][:count] == product)
        own = own[np.argsort(desk["delivery_month"][own], kind="stable")]
        places[:, own] = np.cumsum(open_still[:, own], axis=1) * open_still[:, own]
    return places


def baseline_equity(market: Market, positions: Array, equity: Array, cash_micros: int) -> npt.NDArray[np.int64]:
    """Equity in micros of the average exposure, at the times of the run's equity rows."""
    times, marks, places = mark_grid(market)
    count = len(market.tape.contracts)
    at = np.searchsorted(times, positions["ts"])
    place_of = np.minimum(places[at, positions["contract"]], PLACES - 1)
    product_of = market.desk[0]["product_of"][:count]
    average = np.zeros((len(market.products), PLACES))
    np.add.at(average, (product_of[positions["contract"]], place_of), positions["lots"])
    average /= max(len(times), 1)
    average[:, 0] = 0.0
    lots = average[product_of[None, :], np.minimum(places, PLACES - 1)]
    change = np.zeros_like(marks)
    change[1:] = marks[1:] - marks[:-1]
    units = market.desk[0]["units_per_lot"][:count]
    gain = np.zeros(len(times))
    gain[1:] = np.nansum(lots[:-1] * change[1:] * units[None, :], axis=1)
    total = cash_micros + np.rint(np.cumsum(gain) * 1e6).astype(np.int64)
    return np.asarray(total[np.searchsorted(times, equity["ts"])], dtype=np.int64)
