# SPDX-License-Identifier: Apache-2.0
"""A replayed tape on the wire: ``/_feed`` tells its events, ``/_lockstep`` holds the exchange until the runner is done.

One timestamp at a time: its events go out on the feed and what they did to orders on the orders sockets; then a barrier names
how many messages of each there are by now, and the exchange waits for ``{"done": n}`` before it matches the next. So a
runner misses nothing and nothing depends on how fast anybody is.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from aiohttp import WSMsgType, web

from kilohour.errors import UsageError
from kilohour.execution.sandbox.hub import Outbox
from kilohour.execution.sandbox.replay import ReplayExchange
from kilohour.execution.sandbox.tape_rows import TOLD, feed_rows
from kilohour.execution.sandbox.wire import BODY_MOST, BadText, dump, read_json, whole_of
from kilohour.units import NANOS_PER_SECOND

if TYPE_CHECKING:
    from kilohour.execution.sandbox.server import Server

LOCKSTEP, FASTEST = "lockstep", "max"
SLEEP_MOST = 0.25


def messages(rows: Iterable[dict[str, Any]], seq: int) -> Iterator[str]:
    """The feed's messages of events, the first of which has number ``seq``: one for each timestamp."""
    for ts, group in groupby(rows, itemgetter("ts")):
        told = [[row[name] for name in TOLD] for row in group]
        yield dump({"seq": seq, "ts": ts, "events": told})
        seq += len(told)


class Feed:
    """``/_feed``: a hello, then a JSON object a timestamp with its events, numbered from 1, which is their row on the tape plus one."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.seq = 0
        self.is_over = False

    def publish_rows(self, rows: list[dict[str, Any]]) -> None:
        """Tells the next events."""
        boxes = self.server.hub.each("feed")
        if boxes:
            for text in messages(rows, self.seq + 1):
                for box in boxes:
                    box.send(text)
        self.seq += len(rows)

    def end(self) -> None:
        """Tells that nothing follows."""
        self.is_over = True
        for box in self.server.hub.each("feed"):
            box.send(dump({"end": True, "seq": self.seq}))

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One reader; ``?from=N`` begins with event N of a replayed tape, however late it comes."""
        start = whole_of(request.query.get("from", ""))
        socket = web.WebSocketResponse(max_msg_size=BODY_MOST, compress=False)
        await socket.prepare(request)
        box = self.server.hub.join(socket, request, "feed")
        try:
            box.reply(dump({"hello": {**self.server.exchange.hello(), "next_seq": self.seq + 1}}))
            exchange = self.server.exchange
            if start is not None and 1 <= start <= self.seq and isinstance(exchange, ReplayExchange):
                for text in messages(feed_rows(exchange.tape, start - 1, self.seq), start):
                    box.reply(text)
            if self.is_over:
                box.reply(dump({"end": True, "seq": self.seq}))
            async for message in socket:
                if message.type is WSMsgType.ERROR:
                    break
        finally:
            self.server.hub.leave(box)
        return socket


class Replayer:
    """Moves a replay on: by the wall clock (``speed`` times as fast), as fast as it goes (``max``), or in ``lockstep``.

    Raises :class:`UsageError` for another speed."""

    def __init__(self, server: Server, exchange: ReplayExchange, speed: float | str) -> None:
        is_number = isinstance(speed, int | float) and not isinstance(speed, bool) and 0 < speed < math.inf
        if not is_number and speed not in (FASTEST, LOCKSTEP):
            raise UsageError(f"speed must be a number above 0, {FASTEST} or {LOCKSTEP}, found {speed!r}")
        self.server, self.exchange, self.speed = server, exchange, float(speed) if is_number else speed
        self.barrier = 0
        self._runners: dict[Outbox, str] = {}
        self._done: dict[Outbox, int] = {}
        self._moved = asyncio.Event()

    async def run(self) -> None:
        """Steps to the end of the tape."""
        await self._meet()
        while not self.exchange.is_over:
            await self._wait()
            first, last = self.exchange.match()
            self.server.feed.publish_rows(list(feed_rows(self.exchange.tape, first, last)))
            self.server.publish()
            self.exchange.pause()
            self.server.publish()
            await self._meet()
        self.server.feed.end()
        for box in self._runners:
            box.reply(dump({"end": True, "barrier": self.barrier}))

    async def _wait(self) -> None:
        """Until it is time for the next timestamp; a gap is slept in parts, so that a change of speed would be seen."""
        if not isinstance(self.speed, float):
            await asyncio.sleep(0)
            while any(box.is_busy for box in self.server.hub.open):
                await asyncio.sleep(0.002)
            return
        left = (self.exchange.next_time - self.exchange.now) / NANOS_PER_SECOND / self.speed
        while left > 0:
            await asyncio.sleep(min(left, SLEEP_MOST))
            left -= SLEEP_MOST

    async def _meet(self) -> None:
        """The barrier: every runner has to say that it is done; without a runner nothing moves."""
        if self.speed != LOCKSTEP:
            return
        self.barrier += 1
        for box, account in self._runners.items():
            box.reply(self._text(account))
        while not self._runners or any(self._done[box] < self.barrier for box in self._runners):
            self._moved.clear()
            await self._moved.wait()

    def _text(self, account: str) -> str:
        sent = self.server.ax.orders.sent
        return dump(
            {
                "barrier": self.barrier,
                "ts": self.exchange.now if self.server.feed.seq else None,
                "feed_seq": self.server.feed.seq,
                "orders_seq": sent.get(account, 0),
                "orders_seqs": sent,
            }
        )

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One runner; ``?account=NAME`` says whose orders it counts, the first account's unless given."""
        if self.speed != LOCKSTEP:
            return web.json_response(
                {"error": "this sandbox does not replay in lock-step: start it with --replay TAPE --speed lockstep"}, status=409
            )
        account = request.query.get("account", self.exchange.accounts[0])
        socket = web.WebSocketResponse(max_msg_size=BODY_MOST, compress=False)
        await socket.prepare(request)
        box = self.server.hub.join(socket, request, "lockstep")
        self._runners[box], self._done[box] = account, self.barrier - 1
        try:
            if self.server.feed.is_over:
                box.reply(dump({"end": True, "barrier": self.barrier}))
            elif self.barrier:
                box.reply(self._text(account))
            async for message in socket:
                if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                    break
                self._take(box, message.data)
        finally:
            del self._runners[box], self._done[box]
            self._moved.set()
            self.server.hub.leave(box)
        return socket

    def _take(self, box: Outbox, raw: str | bytes) -> None:
        try:
            done = whole_of(read_json(raw).get("done"))
        except BadText as error:
            box.reply(dump({"error": str(error)}))
            return
        if done != self.barrier:
            box.reply(dump({"error": f"done must be the number of the barrier, {self.barrier}"}))
            return
        self._done[box] = done
        self._moved.set()
