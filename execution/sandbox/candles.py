# SPDX-License-Identifier: Apache-2.0
"""Candles of every instrument in every width a dialect asks for, of trades and of quotes, built as they come; a bounded number is kept."""

from __future__ import annotations

from array import array
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kilohour.units import MISSING

NANOS = 1_000_000_000
WIDTHS = {"1s": NANOS, "5s": 5 * NANOS, "1m": 60 * NANOS, "5m": 300 * NANOS, "15m": 900 * NANOS, "1h": 3600 * NANOS, "1d": 86_400 * NANOS}
"""Width by its name, nanoseconds."""
KEPT = 500
WAITING_MOST = 250
"""What a symbol has seen is worked into its candles when somebody asks for them, or when there is so much of it."""


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
        self._kept: dict[str, dict[str, deque[Candle]]] = defaultdict(_empty)
        self._waiting: dict[str, list[tuple[int, int, int, int, int, int, int]]] = defaultdict(list)

    def see(self, symbol: str, ts: int, open: int, high: int, low: int, close: int, lots: int, side: int = 0) -> None:
        """One trade, or a whole bar of another source."""
        waiting = self._waiting[symbol]
        waiting.append((ts, open, high, low, close, lots, side))
        if len(waiting) >= WAITING_MOST:
            self._work_in(symbol)

    def _work_in(self, symbol: str) -> None:
        for kept, width in zip(self._kept[symbol].values(), WIDTHS.values(), strict=True):
            for ts, open, high, low, close, lots, side in self._waiting[symbol]:
                start = ts - ts % width
                buys, sells = lots if side > 0 else 0, lots if side < 0 else 0
                if not kept or kept[-1].start < start:
                    kept.append(Candle(start, open, high, low, close, lots, buys, sells))
                    continue
                candle = kept[-1]
                candle.high, candle.low, candle.close = max(candle.high, high), min(candle.low, low), close
                candle.volume += lots
                candle.buys += buys
                candle.sells += sells
        del self._waiting[symbol]

    def of(self, symbol: str, width: str) -> list[Candle]:
        """Oldest first."""
        if symbol in self._waiting:
            self._work_in(symbol)
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
        self._kept: dict[str, dict[str, deque[QuoteCandle]]] = defaultdict(_empty)
        self._stands: dict[str, tuple[int | None, int | None]] = {}
        """The best prices by symbol as they were told last."""
        self._began: dict[str, tuple[int | None, ...]] = defaultdict(lambda: (None, None, None))
        """Those and their middle, before what waits."""
        self._waiting: dict[str, list[tuple[int, int | None, int | None]]] = defaultdict(list)

    def see(self, symbol: str, ts: int, bid: int | None, ask: int | None) -> None:
        """The best prices of a book as they are told; None for a side without orders."""
        prices = bid, ask
        if self._stands.get(symbol, (None, None)) == prices:
            return
        self._stands[symbol] = prices
        waiting = self._waiting[symbol]
        waiting.append((ts, bid, ask))
        if len(waiting) >= WAITING_MOST:
            self._work_in(symbol)

    def _work_in(self, symbol: str) -> None:
        before = self._began[symbol]
        for ts, bid, ask in self._waiting.pop(symbol):
            stood = array("q", [MISSING if price is None else price for price in before for _ in range(4)])
            before = bid, ask, None if bid is None or ask is None else (bid + ask) // 2
            for kept, width in zip(self._kept[symbol].values(), WIDTHS.values(), strict=True):
                start = ts - ts % width
                if not kept or kept[-1].start < start:
                    kept.append(QuoteCandle(start, stood[:]))
                _move(kept[-1].prices, before)
        self._began[symbol] = before

    def of(self, symbol: str, width: str) -> list[QuoteCandle]:
        """Oldest first."""
        if symbol in self._waiting:
            self._work_in(symbol)
        return list(self._kept[symbol][width]) if symbol in self._kept else []


def _move(seen: array[int], prices: Sequence[int | None]) -> None:
    """The numbers of a candle, with the quote that is new."""
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


def _empty() -> dict[str, deque[Any]]:
    """Room for the candles of a symbol, by the name of their width."""
    return {name: deque(maxlen=KEPT) for name in WIDTHS}
