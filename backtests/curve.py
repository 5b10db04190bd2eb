# SPDX-License-Identifier: Apache-2.0
"""The curve through time and the prices of what was traded, cut down to what a page can show."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kilohour.backtests.baseline import mark_grid
from kilohour.session import Market
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
    rows = np.flatnonzero((events["kind"] == Kind.BAR) & np.isin(events["ref"], traded))
    day = events["ts"][rows] // NANOS_PER_DAY
    key = events["ref"][rows].astype(np.int64) * (1 << 32) + day
    order = np.argsort(key, kind="stable")
    last = order[np.r_[np.diff(key[order]) > 0, True]] if len(order) else order
    rows = np.sort(rows[last])
    codes = [c.code for c in market.tape.contracts]
    return table({"ts": events["ts"][rows], "contract": named(events["ref"][rows], codes),
                     "close_micros": events["close"][rows]})
