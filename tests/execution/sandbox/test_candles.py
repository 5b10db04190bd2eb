# SPDX-License-Identifier: Apache-2.0
"""Candles are worked out when somebody asks: when that is makes no difference."""

from __future__ import annotations

import random

from kilohour.execution.sandbox.candles import NANOS, WAITING_MOST, WIDTHS, Candles, QuoteCandles


def test_candles_are_the_same_whether_somebody_looks_at_every_price_or_only_at_the_end() -> None:
    rng, ts = random.Random(4), 10**18
    looked, unseen, quotes, unseen_quotes = Candles(), Candles(), QuoteCandles(), QuoteCandles()
    for _ in range(2 * WAITING_MOST + 30):
        ts += rng.choice((0, NANOS // 3, 2 * NANOS, 70 * NANOS, 4000 * NANOS))
        prices, lots, side = [rng.randrange(1, 50) for _ in range(4)], rng.randrange(9), rng.choice((-1, 0, 1))
        best = [rng.choice((None, 1, 2, 3, 4)) for _ in range(2)]
        for candles, quoted in ((looked, quotes), (unseen, unseen_quotes)):
            candles.see("A", ts, *prices, lots, side)
            quoted.see("A", ts, *best)
        last, quote = looked.of("A", "1s")[-1], quotes.of("A", "1s")
        assert (last.start, last.close) == (ts - ts % NANOS, prices[3])
        assert not quote or quote[-1].prices[3] == best[0] or best[0] is None
    for width in WIDTHS:
        assert looked.of("A", width) == unseen.of("A", width)
        assert quotes.of("A", width) == unseen_quotes.of("A", width)
    assert len(unseen.of("A", "1s")) > WAITING_MOST > len(unseen.of("A", "1d")) > 1
    assert unseen.of("B", "1s") == unseen_quotes.of("B", "1s") == []
