# SPDX-License-Identifier: Apache-2.0
"""Candles of every instrument in every width a dialect asks for, of trades and of quotes, built as they come; a bounded number is kept."""

from __future__ import annotations

from array import array
from collections import deque
from dataclasses import dataclass

from kilohour.units import MISSING

NANOS = 1_000_000_000
WIDTHS = {"1s": NANOS, "5s": 5 * NANOS, "1m": 60 * NANOS, "5m": 300 * NANOS, "15m": 900 * NANOS, "1h": 3600 * NANOS, "1d": 86_400 * NANOS}
"""Width by its name, nanoseconds."""
KEPT = 500


@dataclass(slots=True)
class Candle:
    """Micros and lots; ``start`` is the candle's first nanosecond."""

    start: int
    open: int
    high: int
    low: int
    close: int
    volume: int = 0
    buys: int = 0
    sells: int = 0


class Candles:
    """The latest :data:`KEPT` candles of each symbol and width. A width without a trade has no candle."""

    def __init__(self) -> None:
        self._kept: dict[str, dict[str, deque[Candle]]] = {}

    def see(self, symbol: str, ts: int, open: int, high: int, low: int, close: int, lots: int, side: int = 0) -> None:
        """One trade, or a whole bar of another source."""
        if symbol not in self._kept:
            self._kept[symbol] = {name: deque(maxlen=KEPT) for name in WIDTHS}
        buys, sells = lots if side > 0 else 0, lots if side < 0 else 0
        for kept, width in zip(self._kept[symbol].values(), WIDTHS.values(), strict=True):
            start = ts - ts % width
            if not kept or kept[-1].start < start:
                kept.append(Candle(start, open, high, low, close, lots, buys, sells))
                continue
            candle = kept[-1]
            candle.high, candle.low, candle.close = max(candle.high, high), min(candle.low, low), close
            candle.volume += lots
            candle.buys += buys
            candle.sells += sells

    def of(self, symbol: str, width: str) -> list[Candle]:
        """Oldest first."""
        return list(self._kept[symbol].get(width, ())) if symbol in self._kept else []


QUOTED = tuple(f"{side}_{what}" for side in ("bid", "ask", "mid") for what in ("open", "high", "low", "close"))
"""The numbers of a candle of quotes, in their order."""


@dataclass(slots=True)
class QuoteCandle:
    """The best bid, the best ask and the middle between them as :data:`QUOTED` says, micros; MISSING as long as there is none."""

    start: int
    prices: array[int]


class QuoteCandles:
    """The latest :data:`KEPT` candles of quotes of each symbol and width.

    A width in which the quote did not move has no candle; one in which it did opens with the quote that stood when it began.
    """

    def __init__(self) -> None:
        self._kept: dict[str, dict[str, deque[QuoteCandle]]] = {}
        self._stands: dict[str, tuple[int | None, ...]] = {}

    def see(self, symbol: str, ts: int, bid: int | None, ask: int | None) -> None:
        """The best prices of a book as they are told; None for a side without orders."""
        before = self._stands.get(symbol, (None, None, None))
        if before[0] == bid and before[1] == ask:
            return
        prices = self._stands[symbol] = bid, ask, None if bid is None or ask is None else (bid + ask) // 2
        stood = array("q", [MISSING if price is None else price for price in before for _ in range(4)])
        if symbol not in self._kept:
            self._kept[symbol] = {name: deque(maxlen=KEPT) for name in WIDTHS}
        for kept, width in zip(self._kept[symbol].values(), WIDTHS.values(), strict=True):
            start = ts - ts % width
            if not kept or kept[-1].start < start:
                kept.append(QuoteCandle(start, stood[:]))
            seen = kept[-1].prices
            for first, price in zip((0, 4, 8), prices, strict=True):
                if price is None:
                    continue
                seen[first + 3] = price
                if seen[first] == MISSING:
                    seen[first] = seen[first + 1] = seen[first + 2] = price
                elif price > seen[first + 1]:
                    seen[first + 1] = price
                elif price < seen[first + 2]:
                    seen[first + 2] = price

    def of(self, symbol: str, width: str) -> list[QuoteCandle]:
        """Oldest first."""
        return list(self._kept[symbol][width]) if symbol in self._kept else []
