# SPDX-License-Identifier: Apache-2.0
"""Bars of a venue that ccxt reaches, asked for by REST: its streams keep levels and candles that are gone (hazard H9)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from kilohour.execution.runner import Moment
from kilohour.execution.sane import Sane
from kilohour.live import Event
from kilohour.tape.schema import Kind
from kilohour.tape.tape import Tape
from kilohour.units import MISSING, micros

MILLISECOND = 1_000_000
POLL_SECONDS = 5.0


class CcxtFeed:
    """Candles of ``width`` (``1m`` ...) that are over. ``symbols``: unified symbol to contract code."""

    def __init__(self, exchange: Any, tape: Tape, symbols: Mapping[str, str], clock: Callable[[], int], *, width: str, start: int) -> None:
        rows = {contract.code: row for row, contract in enumerate(tape.contracts)}
        self.exchange, self.clock, self.width, self.start = exchange, clock, width, start
        self.symbols = {symbol: rows[code] for symbol, code in symbols.items() if code in rows}
        self.nanos = exchange.parse_timeframe(width) * 1_000_000_000
        self._last, self.sane = start, Sane()

    async def moments(self) -> AsyncIterator[Moment]:
        """Listings first, then the bars of each timestamp, once all contracts were asked."""
        yield Moment(tuple(Event(self.start, self.start, int(Kind.LISTING), row, *[MISSING] * 5) for row in sorted(self.symbols.values())))
        while True:
            for events in await self.fresh():
                self._last = events[0].ts
                if taken := self.sane.taken(events):
                    yield Moment(tuple(taken))
            await asyncio.sleep(POLL_SECONDS)

    async def fresh(self) -> list[list[Event]]:
        """Timestamps that are over and later than the last one. What cannot be asked now is asked again."""
        import ccxt

        found: list[Event] = []
        for symbol, row in self.symbols.items():
            try:
                candles = await self.exchange.fetch_ohlcv(symbol, self.width, (self._last - self.nanos) // MILLISECOND, 100)
            except ccxt.BaseError:
                return []
            found += [self._bar(row, candle) for candle in candles]
        ready = [event for event in found if self._last < event.ts <= self.clock()]
        return [[event for event in ready if event.ts == ts] for ts in sorted({event.ts for event in ready})]

    def _bar(self, row: int, candle: list[Any]) -> Event:
        end, volume = int(candle[0]) * MILLISECOND + self.nanos, candle[5]
        open, high, low, close = (micros(float(price)) for price in candle[1:5])
        return Event(end, end, int(Kind.BAR), row, open, high, low, close, MISSING if volume is None else int(volume))

    async def done(self, moment: Moment) -> None:
        """Nobody waits."""
