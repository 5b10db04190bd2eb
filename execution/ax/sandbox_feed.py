# SPDX-License-Identifier: Apache-2.0
"""The sandbox's own feed, ``/_feed`` and ``/_lockstep``: a tape's events by code, grouped into timestamps."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import aiohttp

from kilohour.contracts.contract import Contract
from kilohour.errors import DataError, UsageError
from kilohour.execution.runner import Moment, unnamed
from kilohour.live import Event
from kilohour.tape.schema import COLUMNS, Index, Kind
from kilohour.tape.tape import Tape
from kilohour.units import MISSING

LULL_SECONDS = 0.02
"""Without an event for so long, a timestamp is taken as complete (in lock-step the barrier says so)."""
CLOSE_SECONDS = 0.5
RETRIES = (0.1, 0.2, 0.5, 1.0, 2.0)
"""Seconds before each attempt to get the feed back."""
PRICES = ("open", "high", "low", "close", "volume")


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
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._steps: aiohttp.ClientWebSocketResponse | None = None
        self._seq = 0
        self.skip_until = 0
        """Events up to this time were seen by the run before."""

    async def open(self) -> Mapping[str, Any]:
        """Connects; the hello. Raises :class:`UsageError` when nobody answers there."""
        self._session = aiohttp.ClientSession()
        try:
            await self._connect()
        except (aiohttp.ClientError, OSError, TimeoutError, KeyError, TypeError) as error:
            await self.close()
            raise UsageError(f"{self.base}: no sandbox answers there ({type(error).__name__}); start one with kilohour sandbox") from None
        return self.hello

    async def _connect(self) -> None:
        """From the event behind the last one on: what came while the line was down comes now."""
        assert self._session is not None
        patience = aiohttp.ClientWSTimeout(ws_close=CLOSE_SECONDS)
        asked = f"{self.base}/_feed?from={self._seq + 1}"
        self._socket = await self._session.ws_connect(asked, max_msg_size=64 << 20, timeout=patience)
        self.hello = json.loads((await self._socket.receive(30)).data)["hello"]

    def trade(self, tape: Tape) -> None:
        """Which contracts and indices the run has: the others' events are passed over."""
        self._rows = {contract.code: row for row, contract in enumerate(tape.contracts)}
        self._indices = {index.code: row for row, index in enumerate(tape.indices)}

    async def close(self) -> None:
        """Disconnects."""
        for socket in (self._socket, self._steps):
            if socket is not None:
                await socket.close()
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
        if self._steps is not None and moment.barrier is not None:
            await self._steps.send_str(json.dumps({"done": moment.barrier}))

    async def _by_barrier(self) -> AsyncIterator[Moment]:
        assert self._session is not None
        patience = aiohttp.ClientWSTimeout(ws_close=CLOSE_SECONDS)
        steps = f"{self.base}/_lockstep?account={self.account}"
        self._steps = await self._session.ws_connect(steps, max_msg_size=1 << 20, timeout=patience)
        async for message in self._steps:
            self.point("received")
            said = json.loads(message.data)
            if "barrier" not in said or said.get("end"):
                break
            rows = []
            while self._seq < said["feed_seq"]:
                row = await self._next()
                if row is not None:
                    rows.append(row)
            for ts in sorted({row["ts"] for row in rows})[:-1]:  # a runner that joins late catches up first
                yield Moment(tuple(self._events([row for row in rows if row["ts"] == ts])))
            latest = [row for row in rows if row["ts"] == rows[-1]["ts"]]
            yield Moment(tuple(self._events(latest)), facts_due=said["orders_seq"], barrier=said["barrier"])

    async def _by_lull(self) -> AsyncIterator[Moment]:
        rows: list[dict[str, Any]] = []
        asked: asyncio.Task[dict[str, Any] | None] | None = None
        while True:
            asked = asked or asyncio.create_task(self._next())
            finished, _ = await asyncio.wait({asked}, timeout=LULL_SECONDS if rows else None)
            row = asked.result() if finished else None
            if rows and (not finished or row is None or row["ts"] != rows[0]["ts"]):
                yield Moment(tuple(self._events(rows)))
                rows = []
            if finished:
                asked = None
                if row is None:
                    return
                rows.append(row)

    async def _next(self) -> dict[str, Any] | None:
        """The next event, None at the end. Raises :class:`DataError` when one is missing or the feed does not come back."""
        for wait in (0.0, *RETRIES):
            if wait:
                await asyncio.sleep(wait)
            with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError, TypeError, KeyError):
                if wait or self._socket is None:
                    await self._connect()
                assert self._socket is not None
                message = await self._socket.receive()
                if message.type == aiohttp.WSMsgType.TEXT:
                    return self._checked(json.loads(message.data))
        raise DataError(f"{self.base}: the feed is gone and does not come back")

    def _checked(self, row: dict[str, Any]) -> dict[str, Any] | None:
        if row.get("end"):
            return None
        if row["seq"] != self._seq + 1 and self._seq:
            raise DataError(f"the feed's event {self._seq + 1} is missing, found {row['seq']}")
        self._seq = row["seq"]
        return row

    def _events(self, rows: list[dict[str, Any]]) -> list[Event]:
        found = []
        for row in rows:
            kind = Kind[row["kind"].upper()]
            ref = (self._indices if kind is Kind.PRINT else self._rows).get(row["code"])
            if ref is not None and row["ts"] > self.skip_until:
                values = (MISSING if row[name] is None else row[name] for name in PRICES)
                found.append(Event(row["ts"], row["ts_event"], int(kind), ref, *values))
        return found
