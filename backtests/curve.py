# SPDX-License-Identifier: Apache-2.0
"""The curve through time and the prices of what was traded, cut down to what a page can show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kilohour.backtests.baseline import mark_grid
from kilohour.market import Market
from kilohour.tape.arrow import named, table
from kilohour.tape.schema import Kind
from kilohour.units import NANOS_PER_DAY

if TYPE_CHECKING:
    import pyarrow as pa

CURVE_DAYS = 260
"""Most days of the curve that a run keeps; a longer run keeps every second, third ... week."""


def curve_table(market: Market) -> pa.Table:
    """Marks by contract on one day a week (fewer in long runs), first and last day included."""
    times, marks, places = mark_grid(market)
    weeks = times // (7 * NANOS_PER_DAY)
    first_of_week = np.r_[True, np.diff(weeks) > 0] if len(times) else np.zeros(0, dtype=bool)
    chosen = np.flatnonzero(first_of_week)
    chosen = np.unique(np.r_[chosen[:: max(1, -(-len(chosen) // CURVE_DAYS))], len(times) - 1]) if len(times) else chosen
    day, contract = np.nonzero(~np.isnan(marks[chosen]))
    at = chosen[day]
    contracts = market.tape.contracts
    return table({
        "ts": times[at],
        "contract": named(contract, [c.code for c in contracts]),
        "product": named(contract, [c.product for c in contracts]),
        "month": np.array([contracts[c].month for c in contract], dtype=np.int64),
        "nth": places[at, contract],
        "mark_micros": np.rint(marks[at, contract] * 1e6).astype(np.int64),
    })


def prices_table(market: Market, traded: list[int]) -> pa.Table:
    """The last close of each day of the contracts in ``traded`` (rows)."""
    events = market.tape.events
    is_bar = events["kind"] == Kind.BAR
    rows = np.sort(np.concatenate([_last_of_days(events, is_bar, contract) for contract in traded] or [np.zeros(0, dtype=np.int64)]))
    codes = [c.code for c in market.tape.contracts]
    return table({"ts": events["ts"][rows], "contract": named(events["ref"][rows], codes),
                     "close_micros": events["close"][rows]})


def _last_of_days(events: Mapping[str, Any], is_bar: npt.NDArray[np.bool_], contract: int) -> npt.NDArray[np.int64]:
    """Rows of a contract's last bar of each day, without a column of days: that would take as much as the prices."""
    rows, ts = np.flatnonzero(is_bar & (events["ref"] == contract)), events["ts"]
    if not len(rows):
        return rows
    first, last = ts[rows[0]] // NANOS_PER_DAY, ts[rows[-1]] // NANOS_PER_DAY
    ends = np.searchsorted(ts, np.arange(first + 1, last + 2) * NANOS_PER_DAY)
    return rows[np.unique(np.searchsorted(rows, ends) - 1)]
