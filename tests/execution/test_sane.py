# SPDX-License-Identifier: Apache-2.0
"""Row 23 of the fault matrix: ticks of ten times the price, of zero and below; by hand."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace

import pytest

from kilohour.execution.ax.market import AxFeed
from kilohour.execution.ccxt_feed import CcxtFeed
from kilohour.execution.sane import Sane
from kilohour.live import Event
from kilohour.tape.schema import Kind
from tests.backtests.tapes import sim_tape

CODE = "SIM:H100-2030-01"


def bar(close: float, low: float | None = None, high: float | None = None, row: int = 0) -> Event:
    at, top, bottom = (round(price * 1e6) for price in (close, close if high is None else high, close if low is None else low))
    return Event(1, 1, int(Kind.BAR), row, at, top, bottom, at, 5)


@pytest.mark.parametrize(("bars", "taken"), [
    ([bar(2.0), bar(20.0), bar(2.1)],                 [2.0, 2.1]),            # ten times, once
    ([bar(2.0), bar(2.0, high=20.0), bar(2.1)],       [2.0, 2.1]),            # ten times within a bar
    ([bar(2.0), bar(2.0, low=0.2), bar(2.1)],         [2.0, 2.1]),            # a tenth
    ([bar(2.0), bar(0.0), bar(-2.0), bar(2.1)],       [2.0, 2.1]),
    ([bar(2.0), bar(2.0, low=0.0), bar(2.1)],         [2.0, 2.1]),
    ([bar(2.0), bar(2.0, low=2.1), bar(2.1)],         [2.0, 2.1]),            # a low above its close
    ([bar(2.0), bar(4.0), bar(1.9)],                  [2.0, 4.0]),            # twice is still taken, and then less than half is not
    ([bar(2.0), bar(5.0), bar(5.2), bar(5.1)],        [2.0, 5.2, 5.1]),       # it did move: the second says so
    ([bar(2.0), bar(20.0), bar(2.1), bar(20.0)],      [2.0, 2.1]),            # the same bad tick again confirms nothing
    ([bar(20.0), bar(2.0), bar(2.1)],                 [20.0, 2.1]),           # the first was bad: one bar is lost
    ([bar(2.0), bar(20.0, row=1), bar(2.1)],          [2.0, 20.0, 2.1]),      # each contract by itself
])  # fmt: skip
def test_a_bar_that_is_no_price_or_far_from_the_last_waits_for_another(bars, taken):
    sane = Sane()
    assert [event.close / 1e6 for each in bars for event in sane.taken([each])] == taken
    assert sane.taken([Event(1, 1, int(Kind.MARK), 0, 0, 0, 0, 0, 0)]), "a mark is the venue's own word"


def test_the_feed_of_ax_shows_no_bad_tick():
    feed = AxFeed("http://127.0.0.1:1", dict, sim_tape(days=2), {"X": CODE}, width="1m")
    feed._last, closes = 1, []
    for minute, price in enumerate(("2", "2.01", "20.1", "0", "2.02", "2.03"), 1):
        candle = {"t": "c", "symbol": "X", "width": "1m", **dict.fromkeys(("open", "high", "low", "close"), price), "volume": 3}
        for moment in feed._heard(json.dumps({**candle, "ts": 60 * minute, "tn": 0})):
            closes += [event.close for event in moment.events]
    assert closes == [2_000_000, 2_010_000, 2_020_000]


def test_the_feed_of_ccxt_shows_no_bad_tick_also_when_it_asks_again():
    candles = [[60_000 * minute, price, price, price, price, 3.0] for minute, price in enumerate((2.0, 2.01, 20.1, 0.0, 2.02), 1)]

    async def fetch(symbol, width, since, most):
        return candles

    exchange = SimpleNamespace(parse_timeframe=lambda _: 60, fetch_ohlcv=fetch)

    async def go() -> list[int]:
        closes: list[int] = []
        feed = CcxtFeed(exchange, sim_tape(days=2), {"X": CODE}, lambda: 60_000_000_000 * at, width="1m", start=1)
        moments = feed.moments()
        await anext(moments)
        for _ in range(3):
            closes += [event.close for event in (await anext(moments)).events]
        await moments.aclose()
        return closes

    at = 10
    pytest.importorskip("ccxt", reason="the extra kilohour[live] is not installed")
    assert asyncio.run(go()) == [2_000_000, 2_010_000, 2_020_000]
