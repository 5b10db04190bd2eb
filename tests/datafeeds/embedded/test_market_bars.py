# SPDX-License-Identifier: Apache-2.0
"""Bars hold nothing that a strategy could live on: no bounce, no cheap limit order, no gap that comes back."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from kilohour.datafeeds.embedded import EmbeddedMarket, MarketConfig
from kilohour.tape import Kind
from kilohour.units import NANOS_PER_DAY

TICK = 10_000
SEEDS = range(6)


@pytest.fixture(scope="module")
def liquid():
    """Per seed: for bars with at least 30 lots whose next session has one too, columns in dollars.

    open, high, low, close, mark of the day, mark of the day before, open of the next bar.
    """
    out = []
    for seed in SEEDS:
        events = EmbeddedMarket(seed=seed, config=MarketConfig(last=dt.date(2028, 12, 29))).tape().events
        bars, marks = (events["kind"] == Kind.BAR) & (events["volume"] >= 30), events["kind"] == Kind.MARK
        bars = np.flatnonzero(bars)
        key = events["ref"].astype(np.int64) * 100_000 + events["ts"] // NANOS_PER_DAY
        by_key = np.argsort(key[marks])
        known, mark = key[marks][by_key], events["close"][marks][by_key] / 1e6
        order = np.argsort(events["ref"][bars], kind="stable")  # a contract's bars one after another, as they come
        before, after = bars[order[:-1]], bars[order[1:]]
        follows = (key[after] - key[before] <= 4) & np.isin(key[before], known)
        opened = np.full(len(bars), np.nan)
        opened[order[:-1][follows]] = events["open"][after[follows]] / 1e6
        at = np.sort(order[1:][follows])
        day_before = np.zeros(len(key), np.int64)
        day_before[after] = key[before]
        chosen = bars[at]
        out.append(np.column_stack([*(events[name][chosen] / 1e6 for name in ("open", "high", "low", "close")),
                                    mark[np.searchsorted(known, key[chosen])], mark[np.searchsorted(known, day_before[chosen])], opened[at]]))
    return out


def t_value(per_seed: list[float]) -> float:
    return float(np.mean(per_seed) / (np.std(per_seed, ddof=1) / np.sqrt(len(per_seed))))


CRITICAL = 6.87
"""Two-sided 0.1 % of t with 5 degrees of freedom."""


def test_there_is_enough_to_test(liquid):
    assert min(len(rows) for rows in liquid) > 10_000


def test_the_close_is_the_mark_of_a_liquid_day(liquid):
    for rows in liquid:
        assert np.abs(rows[:, 3] - rows[:, 4]).max() < 1e-9


def test_bars_open_near_the_mark_before(liquid):
    for rows in liquid:
        gap = np.abs(rows[:, 0] / rows[:, 5] - 1)
        assert np.median(gap) < 0.006
        assert np.mean(gap > 0.03) < 0.02


@pytest.mark.parametrize("ticks", [1, 2, 4])
@pytest.mark.parametrize("side", ["buy", "sell"])
def test_a_limit_order_in_the_day_earns_nothing_by_the_close(liquid, side, ticks):
    """A limit a few ticks from the open, filled when the bar trades through it, valued at the mark: not above the
    premium of a day (2 basis points) plus noise."""
    earned = []
    for rows in liquid:
        opening, high, low, mark = rows[:, 0], rows[:, 1], rows[:, 2], rows[:, 4]
        limit = opening - ticks * TICK / 1e6 if side == "buy" else opening + ticks * TICK / 1e6
        filled = low < limit - 1e-9 if side == "buy" else high > limit + 1e-9
        gain = (mark - limit) / limit if side == "buy" else (limit - mark) / limit
        earned.append(float(gain[filled].mean()))
    assert np.mean(earned) < 2e-4 + 3 * np.std(earned, ddof=1) / np.sqrt(len(earned))


def test_a_day_says_nothing_about_the_next_open(liquid):
    """Regression of the next open over the mark on the day's move and on where the close stands in its range."""
    for place in (0, 1):
        slopes = []
        for rows in liquid:
            seen = rows[np.isfinite(rows[:, 6])]
            opening, high, low, close = seen[:, :4].T
            x = (close / opening - 1, (2 * close - high - low) / close)[place]
            y = seen[:, 6] / seen[:, 4] - 1
            slopes.append(float((x - x.mean()) @ y / ((x - x.mean()) @ (x - x.mean()))))
        assert abs(t_value(slopes)) < CRITICAL
        assert abs(np.mean(slopes)) < 0.03
