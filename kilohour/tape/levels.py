# SPDX-License-Identifier: Apache-2.0
"""Checks quotes and recorded levels before they enter a tape, and turns trades into bars."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kilohour.contracts.contract import Contract
from kilohour.errors import DataError
from kilohour.kernels.records import LEVELS
from kilohour.units import MISSING, datetime_of

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


def checked_levels(
    contract: Contract, ts: Ints, bid: Ints, bid_size: Ints, ask: Ints, ask_size: Ints, level: Ints | None,
) -> dict[str, Ints]:  # fmt: skip
    """The tape's columns for rows of levels, a price without size MISSING. Raises :class:`DataError` with the value found."""
    whole = [np.asarray(column) for column in (bid, bid_size, ask, ask_size)]
    levels = np.zeros(len(ts), dtype=np.int64) if level is None else np.asarray(level)
    for name, column in zip(("bid", "bid_size", "ask", "ask_size", "level"), (*whole, levels), strict=True):
        if column.dtype.kind not in "iu" or column.shape != np.shape(ts):
            raise DataError(f"{contract.code}: {name} must be {len(ts)} integers, found {column.dtype} of shape {column.shape}")
    bids, bid_lots, asks, ask_lots = whole
    for name, sizes in (("bid_size", bid_lots), ("ask_size", ask_lots)):
        _refuse(contract, ts, sizes < 0, sizes, f"{name} must not be negative")
    has_bid, has_ask = bid_lots > 0, ask_lots > 0
    _refuse(contract, ts, has_bid & (bids == MISSING) | has_ask & (asks == MISSING), levels, "a displayed size needs a price: level")
    _refuse(contract, ts, np.asarray(ts) > contract.last_trade_at, levels, "no quote after the last trade: level")
    _check_order(contract, ts, levels)
    begins = levels == 0
    crossed = begins & has_bid & has_ask & (bids > asks)
    _refuse(contract, ts, crossed, bids / 1e6, "the best bid must not be above the best ask, a crossed quote: bid")
    _refuse(contract, ts, ~begins & ~has_bid & ~has_ask, levels, "a level needs a bid or an ask, found neither on level")
    for name, prices, has, sign in (("bid", bids, has_bid, 1), ("ask", asks, has_ask, -1)):
        deeper = ~begins[1:] & has[1:]
        hole = np.append(False, deeper & ~has[:-1])
        _refuse(contract, ts, hole, levels, f"a {name} needs one on every better level, found none before level")
        better = np.append(False, deeper & has[:-1] & (sign * (prices[1:] - prices[:-1]) >= 0))
        _refuse(contract, ts, better, prices / 1e6, f"levels go away from the best: {name}")
    return {"open": np.where(has_bid, bids, MISSING), "high": bid_lots, "low": np.where(has_ask, asks, MISSING), "close": ask_lots,
            "volume": levels}


def _check_order(contract: Contract, ts: Ints, levels: Ints) -> None:
    """Snapshots in increasing order of time, each with the levels 0, 1, 2 ..."""
    before = np.append(-1, levels[:-1])
    steps = np.append(1, np.diff(np.asarray(ts)))
    _refuse(contract, ts, (steps < 0) | (steps == 0) & (levels == 0), levels, "snapshots must be in increasing order of time: level")
    _refuse(contract, ts, (levels != 0) & ((steps != 0) | (levels != before + 1)) | (levels < 0), levels,
            "the levels of a snapshot count up from 0: level")
    _refuse(contract, ts, levels >= LEVELS, levels, f"a snapshot has at most {LEVELS} levels: level")


def _refuse(contract: Contract, ts: Ints, bad: Bools, values: npt.NDArray[np.generic], rule: str) -> None:
    if bad.any():
        row = int(np.argmax(bad))
        raise DataError(f"{contract.code}: {rule}, found {values[row]:g} at {datetime_of(int(ts[row])):%Y-%m-%d %H:%M:%S}")


def bars_of_trades(code: str, ts: Ints, price: Ints, size: Ints) -> tuple[Ints, Ints, Ints, Ints, Ints, Ints]:
    """Time, open, high, low, close and volume: one bar for the trades of one time. Raises :class:`DataError`."""
    times, prices, sizes = (np.asarray(column) for column in (ts, price, size))
    if (np.diff(times) < 0).any():
        row = int(np.argmax(np.diff(times) < 0)) + 1
        raise DataError(f"{code}: trades must be in order of time, found {datetime_of(int(times[row])):%Y-%m-%d %H:%M:%S} at row {row}")
    if (sizes <= 0).any():
        row = int(np.argmax(sizes <= 0))
        raise DataError(f"{code}: a trade must be of at least one lot, found {int(sizes[row])} at row {row}")
    if len(times) == 0:
        return times, prices, prices, prices, prices, sizes
    first = np.flatnonzero(np.append(True, np.diff(times) > 0))
    last = np.append(first[1:], len(times)) - 1
    return (times[first], prices[first], np.maximum.reduceat(prices, first), np.minimum.reduceat(prices, first), prices[last],
            np.add.reduceat(sizes, first))
