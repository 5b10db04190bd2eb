# SPDX-License-Identifier: Apache-2.0
"""AX's own market data as timestamps of a tape: candles become bars when they are over, last settlements become marks.

Not told by AX, and so not here: prints of its index, and the final price of a contract. A bar is seen at its close by the
venue's clock, which its messages carry.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp

from kilohour.errors import DataError, UsageError
from kilohour.execution.ax.wire import UNREADABLE, micros_of, object_of, time_of, whole
from kilohour.execution.runner import Moment
from kilohour.execution.sane import Sane
from kilohour.live import Event
from kilohour.tape.schema import Kind
from kilohour.tape.tape import Tape
from kilohour.units import MISSING, NANOS_PER_SECOND

WIDTHS = {"1s": 1, "5s": 5, "1m": 60, "5m": 300, "15m": 900, "1h": 3600, "1d": 86_400}
LATE_SECONDS = 1
"""A candle is over when the venue's clock is so far past its end: one more trade may still be told."""
SILENCE_SECONDS = 15.0
CLOSE_SECONDS = 0.5
"""A venue that does not answer a farewell holds up neither the next line nor the end of a run."""
RETRY_SECONDS = 1.0
"""Between two lines."""


class Bars:
    """Running candles and settlements to events, one message at a time; no socket."""

    def __init__(self, rows: Mapping[str, int], width: str) -> None:
        if width not in WIDTHS:
            raise UsageError(f"bars must be one of {', '.join(WIDTHS)}, found {width!r}")
        self.rows, self.width, self.nanos = dict(rows), width, WIDTHS[width] * NANOS_PER_SECOND
        self._running: dict[int, tuple[int, Mapping[str, Any]]] = {}
        self._settled: dict[int, int] = {}
        self.now = 0

    def hear(self, body: Mapping[str, Any]) -> list[list[Event]]:
        """Timestamps that this message completes, oldest first."""
        now = time_of(body)
        row = self.rows.get(str(body.get("s", body.get("symbol", ""))))
        done: list[Event] = []
        if body.get("t") == "c" and row is not None and body.get("width") == self.width:
            start = now - now % self.nanos
            if row in self._running and self._running[row][0] < start:
                done.append(self._bar(row))
            self._running[row] = (start, body)
            now = max(self.now, start)
        elif body.get("t") == "s" and row is not None:
            done += self._mark(row, body, now)
        self.now = max(self.now, now)
        for other, (start, _) in list(self._running.items()):
            if self.now >= start + self.nanos + LATE_SECONDS * NANOS_PER_SECOND:
                done.append(self._bar(other))
        return [[event for event in done if event.ts == ts] for ts in sorted({event.ts for event in done})]

    def forget(self) -> None:
        """Candles of a line that was lost are dropped: what traded in the rest of them nobody told. One that goes on is told whole."""
        self._running.clear()

    def _bar(self, row: int) -> Event:
        start, body = self._running.pop(row)
        open, high, low, close = (micros_of(body[name]) for name in ("open", "high", "low", "close"))
        end = start + self.nanos
        return Event(end, end, int(Kind.BAR), row, open, high, low, close, whole(body.get("volume", 0)))

    def _mark(self, row: int, body: Mapping[str, Any], now: int) -> list[Event]:
        price, at = body.get("lsp"), body.get("lst")
        if price is None or at is None or self._settled.get(row) == at:
            return []
        is_first = row not in self._settled
        self._settled[row] = at
        if is_first:
            return []  # settled before the run began
        return [Event(now, whole(at) * NANOS_PER_SECOND, int(Kind.MARK), row, MISSING, MISSING, MISSING, micros_of(price), MISSING)]


class AxFeed:
    """The market data socket of ``base`` for the contracts of a tape. ``symbols``: the venue's symbol to contract code."""

    def __init__(self, base: str, headers: Any, tape: Tape, symbols: Mapping[str, str], *, width: str) -> None:
        self.url, self._headers, self.tape = base.rstrip("/").replace("http", "ws", 1) + "/md/ws", headers, tape
        rows = {contract.code: row for row, contract in enumerate(tape.contracts)}
        self.symbols = {symbol: rows[code] for symbol, code in symbols.items() if code in rows}
        self.bars, self.sane = Bars(self.symbols, width), Sane()
        self._last = 0

    async def moments(self) -> AsyncIterator[Moment]:
        """Listings at the time of the venue's first message, then every timestamp; after a lost line it goes on, and the feed's
        age tells of the gap."""
        patience = aiohttp.ClientWSTimeout(ws_close=CLOSE_SECONDS)
        while True:
            with contextlib.suppress(aiohttp.ClientError, ConnectionError, TimeoutError, DataError):
                async with (aiohttp.ClientSession() as session,
                            session.ws_connect(self.url, headers=self._headers(), timeout=patience) as socket):
                    self.bars.forget()
                    await self._subscribe(socket)
                    while True:
                        message = await socket.receive(SILENCE_SECONDS)
                        if message.type != aiohttp.WSMsgType.TEXT:
                            raise ConnectionError("the market data socket closed")
                        for moment in self._heard(message.data):
                            yield moment
            await asyncio.sleep(RETRY_SECONDS)

    def _heard(self, text: str) -> list[Moment]:
        """What one message completes. Raises :class:`DataError` for one that cannot be read: the line is as good as lost."""
        found: list[Moment] = []
        try:
            body = object_of(text)
            if self._last == 0 and time_of(body):
                self._last = at = time_of(body)
                rows = sorted(self.symbols.values())
                found.append(Moment(tuple(Event(at, at, int(Kind.LISTING), row, *[MISSING] * 5) for row in rows)))
            for events in self.bars.hear(body) if "t" in body else ():
                if events[0].ts > self._last:  # what is not later than the last was seen, or came too late
                    self._last = events[0].ts
                    found += [Moment(tuple(taken))] if (taken := self.sane.taken(events)) else []
        except UNREADABLE as error:
            raise DataError(f"a message cannot be read ({type(error).__name__}): {text[:60]!r}") from None
        return found

    async def _subscribe(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        for rid, symbol in enumerate(self.symbols, 1):
            wanted = {"rid": 2 * rid, "type": "subscribe", "symbol": symbol, "level": "LEVEL_1", "trades": False, "ticker": True}
            await socket.send_str(json.dumps(wanted))
            await socket.send_str(json.dumps({"rid": 2 * rid + 1, "type": "subscribe_candles", "symbol": symbol, "width": self.bars.width}))

    async def done(self, moment: Moment) -> None:
        """Nobody waits."""
