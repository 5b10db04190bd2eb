# SPDX-License-Identifier: Apache-2.0
"""The sandbox's own feed, ``/_feed`` and ``/_lockstep``: a tape's events by code, grouped into timestamps."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import aiohttp

from kilohour.contracts.contract import Contract
from kilohour.errors import DataError, UsageError
from kilohour.execution.runner import Moment, unnamed
from kilohour.kernels import records as r
from kilohour.live import Event
from kilohour.tape.schema import COLUMNS, Index, Kind
from kilohour.tape.tape import Tape
from kilohour.units import MISSING

LULL_SECONDS = 0.02
"""Without an event for so long, a timestamp is taken as complete (in lock-step the barrier says so)."""
CLOSE_SECONDS = 0.5
SILENCE_SECONDS = 15.0
"""Without a message for so long a line is opened anew, from the event behind the last one on."""
RETRIES = (0.0, 0.1, 0.2, 0.5, 1.0, 2.0)
"""Seconds before each attempt to get the feed back."""
KINDS = {kind.name.lower(): int(kind) for kind in Kind}
Message = tuple[int, list[list[Any]]]
"""A timestamp and its events as docs/sandbox.md has them."""


def tape_of(hello: Mapping[str, Any]) -> Tape:
    """The contracts and indices that the sandbox introduces itself with, as a tape without events."""
    import numpy as np

    from kilohour.contracts import Product

    names = list(Contract.__dataclass_fields__)
    contracts = tuple(Contract(**{**{name: given[name] for name in names}, "fixing_days": tuple(given["fixing_days"])})
                      for given in hello["contracts"])
    return Tape(events={name: np.zeros(0, dtype) for name, dtype in COLUMNS.items()}, contracts=contracts,
                indices=tuple(Index(**index) for index in hello["indices"]), source=hello["source"], notes=tuple(hello["notes"]),
                days_per_year=hello["days_per_year"], assumptions=tuple(hello["assumptions"]),
                products=tuple(Product.from_dict(given) for given in hello.get("definitions", ())))


def symbols_of(hello: Mapping[str, Any]) -> dict[str, str]:
    """Symbol in AX's form to contract code."""
    return {given["ax"]: given["code"] for given in hello["contracts"]}


class Line:
    """A socket that is opened anew when it breaks or is silent. ``connect`` opens it; silence alone never ends it."""

    def __init__(self, name: str, connect: Callable[[], Awaitable[aiohttp.ClientWebSocketResponse]]) -> None:
        self.name, self._connect = name, connect
        self.socket: aiohttp.ClientWebSocketResponse | None = None

    async def open(self) -> aiohttp.ClientWebSocketResponse:
        """The socket, connected."""
        if self.socket is None:
            self.socket = await self._connect()
        return self.socket

    async def drop(self) -> None:
        """Closes it; the next message comes over another one."""
        socket, self.socket = self.socket, None
        if socket is not None:
            await socket.close()

    async def hear(self) -> dict[str, Any]:
        """The next message. Raises :class:`DataError` when the line does not come back."""
        for wait in RETRIES:
            with contextlib.suppress(aiohttp.ClientError, OSError, TypeError, KeyError):
                while True:
                    socket = await self.open()
                    try:
                        message = await socket.receive(SILENCE_SECONDS)
                        break
                    except TimeoutError:  # nothing to tell, or nobody there any more
                        await self.drop()
                if message.type == aiohttp.WSMsgType.TEXT:
                    body: dict[str, Any] = json.loads(message.data)
                    return body
            await self.drop()
            await asyncio.sleep(wait)
        raise DataError(f"{self.name} is gone and does not come back")


class SandboxFeed:
    """Events as they come; ``is_lockstep`` holds the exchange at each barrier until the runner is done. ``account``: whose orders count.
    ``point("received")`` is called when the message that completes a timestamp is read, in lock-step."""

    def __init__(self, base: str, *, is_lockstep: bool, account: str, point: Callable[[str], None] = unnamed) -> None:
        self.base, self.is_lockstep, self.account = base.rstrip("/").replace("http", "ws", 1), is_lockstep, account
        self.point = point
        self.hello: dict[str, Any] = {}
        self._rows: dict[str, int] = {}
        self._indices: dict[str, int] = {}
        self._session: aiohttp.ClientSession | None = None
        self._events_line = Line(f"{self.base}: the feed", self._connect)
        self._steps_line = Line(f"{self.base}: the lock-step", self._join)
        self._seq = self._told = self._done = 0
        self.skip_until = 0
        """Events up to this time were seen by the run before."""

    async def open(self) -> Mapping[str, Any]:
        """Connects; the hello. Raises :class:`UsageError` when nobody answers there."""
        self._session = aiohttp.ClientSession()
        try:
            await self._events_line.open()
        except (aiohttp.ClientError, OSError, TimeoutError, KeyError, TypeError) as error:
            await self.close()
            raise UsageError(f"{self.base}: no sandbox answers there ({type(error).__name__}); start one with kilohour sandbox") from None
        return self.hello

    async def _connect(self) -> aiohttp.ClientWebSocketResponse:
        """From the event behind the last one on: what came while the line was down comes now."""
        assert self._session is not None
        patience = aiohttp.ClientWSTimeout(ws_close=CLOSE_SECONDS)
        socket = await self._session.ws_connect(f"{self.base}/_feed?from={self._seq + 1}", max_msg_size=64 << 20, timeout=patience)
        try:
            self.hello = json.loads((await socket.receive(30)).data)["hello"]
        except TimeoutError:
            await socket.close()
            raise ConnectionError("no hello came") from None
        return socket

    async def _join(self) -> aiohttp.ClientWebSocketResponse:
        """The exchange tells the barrier at which it stands again."""
        assert self._session is not None
        patience = aiohttp.ClientWSTimeout(ws_close=CLOSE_SECONDS)
        return await self._session.ws_connect(f"{self.base}/_lockstep?account={self.account}", max_msg_size=1 << 20, timeout=patience)

    def trade(self, tape: Tape) -> None:
        """Which contracts and indices the run has: the others' events are passed over."""
        self._rows = {contract.code: row for row, contract in enumerate(tape.contracts)}
        self._indices = {index.code: row for row, index in enumerate(tape.indices)}

    async def close(self) -> None:
        """Disconnects."""
        await self._events_line.drop()
        await self._steps_line.drop()
        if self._session is not None:
            await self._session.close()

    async def moments(self) -> AsyncIterator[Moment]:
        """Every timestamp until the tape is over."""
        if self.is_lockstep:
            async for moment in self._by_barrier():
                yield moment
        else:
            async for moment in self._by_lull():
                yield moment

    async def done(self, moment: Moment) -> None:
        """Tells the exchange that it may go on."""
        if moment.barrier is not None:
            self._done = moment.barrier
            await self._say_done()

    async def _say_done(self) -> None:
        with contextlib.suppress(aiohttp.ClientError, ConnectionError):  # it is said again when the barrier is told again
            if self._steps_line.socket is not None:
                await self._steps_line.socket.send_str(json.dumps({"done": self._done}))

    async def _by_barrier(self) -> AsyncIterator[Moment]:
        while True:
            said = await self._steps_line.hear()
            self.point("received")
            if said.get("end"):
                return
            if said.get("barrier", 0) <= self._told:  # told again over another line, or an answer to what we said twice
                if said.get("barrier", 0) == self._done:
                    await self._say_done()
                continue
            self._told = said["barrier"]
            latest: tuple[Event, ...] = ()
            while self._seq < said["feed_seq"]:
                message = await self._next()
                if message is not None:
                    if latest:  # a runner that joins late catches up first
                        yield Moment(latest)
                    latest = self._events(message)
            yield Moment(latest, facts_due=said["orders_seq"], barrier=said["barrier"])

    async def _by_lull(self) -> AsyncIterator[Moment]:
        held: list[Message] = []
        asked: asyncio.Task[Message | None] | None = None
        while True:
            asked = asked or asyncio.create_task(self._next())
            finished, _ = await asyncio.wait({asked}, timeout=LULL_SECONDS if held else None)
            message = asked.result() if finished else None
            if held and (not finished or message is None or message[0] != held[0][0]):
                yield Moment(tuple(event for one in held for event in self._events(one)))
                held = []
            if finished:
                asked = None
                if message is None:
                    return
                held.append(message)

    async def _next(self) -> Message | None:
        """The next events, None at the end: doubles are passed over, and from a missing one on all is asked for again.

        Raises :class:`DataError` when it stays missing, or when the feed does not come back."""
        for wait in (*RETRIES, None):
            body = await self._events_line.hear()
            while not body.get("end") and body["seq"] + len(body["events"]) - 1 <= self._seq:
                body = await self._events_line.hear()
            if body.get("end") and (body["seq"] == self._seq or self.hello["kind"] != "replay"):
                return None
            if not body.get("end") and (body["seq"] == self._seq + 1 or (self._seq == 0 and self.hello["kind"] != "replay")):
                self._seq = body["seq"] + len(body["events"]) - 1
                return body["ts"], body["events"]
            await self._events_line.drop()
            await asyncio.sleep(wait or 0)
        raise DataError(f"the feed's event {self._seq + 1} is missing, found {body['seq']}")

    def _events(self, message: Message) -> tuple[Event, ...]:
        ts, told = message
        if ts <= self.skip_until:
            return ()
        found = []
        for ts_event, name, code, *values in told:
            kind = KINDS[name]
            ref = (self._indices if kind == r.PRINT else self._rows).get(code)
            if ref is not None:
                if None in values:
                    values = [MISSING if value is None else value for value in values]
                found.append(Event(ts, ts_event, kind, ref, *values))
        return tuple(found)
