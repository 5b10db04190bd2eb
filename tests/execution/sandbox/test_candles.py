# SPDX-License-Identifier: Apache-2.0
"""Candles are worked out when somebody asks: when that is makes no difference."""

from __future__ import annotations

import numpy as np

from kilohour.execution.sandbox.candles import NANOS, WAITING_MOST, WIDTHS, Candles, QuoteCandles


def test_candles_are_the_same_whether_somebody_looks_at_every_price_or_only_at_the_end() -> None:
    rng, ts = np.random.default_rng(4), 10**18
    looked, unseen, quotes, unseen_quotes = Candles(), Candles(), QuoteCandles(), QuoteCandles()
    for _ in range(2 * WAITING_MOST + 30):
        ts += (0, NANOS // 3, 2 * NANOS, 70 * NANOS, 4000 * NANOS)[int(rng.integers(5))]
        first, high, low, close = rng.integers(1, 50, 4).tolist()
        lots, side = int(rng.integers(9)), int(rng.integers(-1, 2))
        bid, ask = (number or None for number in rng.integers(0, 5, 2).tolist())
        for candles, quoted in ((looked, quotes), (unseen, unseen_quotes)):
            candles.see("A", ts, first, high, low, close, lots, side)
            quoted.see("A", ts, bid, ask)
        last, quote = looked.of("A", "1s")[-1], quotes.of("A", "1s")
        assert (last.start, last.close) == (ts - ts % NANOS, close)
        assert not quote or quote[-1].prices[3] == bid or bid is None
    for width in WIDTHS:
        assert looked.of("A", width) == unseen.of("A", width)
        assert quotes.of("A", width) == unseen_quotes.of("A", width)
    assert len(unseen.of("A", "1s")) > WAITING_MOST > len(unseen.of("A", "1d")) > 1
    assert not [*unseen.of("B", "1s"), *unseen_quotes.of("B", "1s")]
