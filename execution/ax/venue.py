# SPDX-License-Identifier: Apache-2.0
"""AX as the runner's port: orders over the orders socket, truth over REST, facts into one inbox.

Unverified, for no venue was reached: whether a client id stays unique for good, which numbers its errors have, and how often
one may ask. Where the protocol leaves a choice the careful one is made: what is not proven is :class:`~kilohour.execution.port.Unsure`.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import aiohttp

from kilohour.errors import DataError, UsageError
from kilohour.execution.ax.wire import (
    UNREADABLE,
    Symbols,
    amend_message,
    cid_of,
    event_facts,
    fill_fact,
    fill_time,
    found_order,
    is_definite,
    micros_of,
    object_of,
    place_message,
    time_of,
    whole,
)
from kilohour.execution.port import (
    Absent,
    Account,
    Amend,
    AmendRefused,
    Cancel,
    CancelAll,
    CancelRefused,
    Command,
    Found,
    Inbox,
    Linked,
    LookUp,
    LookUpFills,
    Place,
    Rejected,
    Unsure,
)
from kilohour.kernels import records as r

HEARTBEAT_SECONDS = 15.0
"""AX sends one every five; without any message for so long the line is dead, whatever TCP says."""
CLOSE_SECONDS = 0.5
"""A line that broke answers no farewell."""
TOKEN_SECONDS = 3600
GAP_SECONDS = 0.1
"""In lock-step, how long to wait for a message that the exchange says it has sent, and how often: a wait may end while a step of our own
holds the loop and the message lies there unread, two in a row may not."""
GAP_LOOKS, GAP_LOOKS_RECONNECTED = 5, 2
PAGE = 100
FILLS_WINDOW = 7 * 86_400 * 10**9
"""The longest range of ``/api/fills``, nanoseconds."""
FILLS_OVERLAP = 60 * 10**9
"""Fills are asked for again so far back: a venue may show one late."""
BACKOFF_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0)
LINE_MOST = 8 << 20
_ENCODER = json.JSONEncoder(separators=(",", ":"))
EXPRESSES = {"kinds": frozenset({r.MARKET, r.LIMIT, r.STOP, r.STOP_LIMIT, r.TRAILING_STOP, r.MARKET_IF_TOUCHED}),
             "lives": frozenset({r.GTC, r.DAY, r.IOC, r.GTD}), "flags": frozenset({r.POST_ONLY, r.REDUCE_ONLY})}
"""AX has limit orders only; the others wait here, or are limits that live at once (docs/venues/ax.md)."""


def expressed(extension: str) -> dict[str, frozenset[int]]:
    """What a venue takes on this wire. ``extension``: empty for AX; ``book`` or ``replay`` for a sandbox that has said which it is
    (docs/sandbox.md, "Ours beside AX")."""
    more = {"lives": EXPRESSES["lives"] | {r.FOK}} if extension else {}
    kinds = {"kinds": EXPRESSES["kinds"] | {r.AT_SETTLEMENT}} if extension == "replay" else {}
    return {**EXPRESSES, **more, **kinds}


class AxVenue:
    """One account at ``base`` (``http://host``). ``keys``: api_key and api_secret. ``codes``: symbol to contract code.
    ``cancels_on_disconnect``: the venue cancels the account's orders when its last orders socket goes. ``market_time``: how far a
    venue has come whose time is not the clock's, nanoseconds, such as a replay. ``account``: whose keys they are, for messages."""

    def __init__(self, base: str, keys: Mapping[str, str], codes: Mapping[str, str], clock: Callable[[], int], *, name: str = "ax",
                 can_spread: bool = False, tag: str = "kilohour", cancels_on_disconnect: bool = True,
                 market_time: Callable[[], int] | None = None, account: str = "") -> None:
        self.name, self.base, self.clock, self.tag = name, base.rstrip("/"), clock, tag[:10]
        self._whose = f" of account {account!r}" if account else ""
        self._keys, self.symbols = dict(keys), Symbols(codes)
        self.expresses = {**EXPRESSES, "spreads": frozenset({1, 2} if can_spread else ())}
        self.can_spread, self.cancels_on_disconnect = can_spread, cancels_on_disconnect
        self.messages = 0
        self._is_gap = False
        self._rid = 0
        self._told = asyncio.Event()
        self._waiting: dict[int, Place | Cancel | Amend | None] = {}
        self._cid_of: dict[str, int] = {}
        self.market_time, self._heard = market_time, 0
        self.fills_from: int | None = None
        """The venue's time of the last fill known, nanoseconds; None until :meth:`open`: what traded before it is not asked for."""
        self.is_own_time = False
        """It is by our own clock, until the first message tells how far the venue's is from it."""
        self._token, self._token_at = "", 0
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._session: aiohttp.ClientSession | None = None
        self._jobs: list[asyncio.Task[None]] = []
        self._up = asyncio.Event()
        self._is_closing = False
        self._unread: set[str] = set()
        """What was said of answers that cannot be read."""

    async def open(self, inbox: Inbox) -> None:
        """Logs in and opens the orders socket, which is kept open from then on. Raises :class:`UsageError` for a wrong key."""
        self.inbox = inbox
        if self.fills_from is None:
            self.fills_from, self.is_own_time = self.clock(), True
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10), auto_decompress=True)
        try:
            await self._login()
            self._jobs = [asyncio.create_task(self._keep_open())]
            await asyncio.wait_for(self._up.wait(), 15)
        except (ConnectionError, TimeoutError, UsageError) as error:
            await self.close()
            raise UsageError(str(error) or f"{self.name}: {self.base} opens no orders socket") from None

    async def close(self) -> None:
        """Closes the socket."""
        self._is_closing = True
        for job in self._jobs:
            job.cancel()
        await asyncio.gather(*self._jobs, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    async def caught_up(self, messages: int) -> None:
        """Returns when so many events of the account have come (their ``eid``). What a broken line swallowed comes by REST."""
        while self.messages < messages:
            if await self._is_told():
                continue
            with contextlib.suppress(ConnectionError), self._reading("fills"):
                await self.look_up_fills()
                self._is_gap, self.messages = False, messages
                self.inbox(Linked(is_up=True, why="messages are missing"))

    async def _is_told(self) -> bool:
        """Waits for the next message; False when none comes."""
        known = self.messages
        for _ in range(GAP_LOOKS_RECONNECTED if self._is_gap else GAP_LOOKS):
            self._told.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._told.wait(), GAP_SECONDS)
            if self._told.is_set() or self.messages > known:
                return True
        return False

    async def do(self, command: Command) -> None:
        """Sends one command; reads are answered as facts."""
        if isinstance(command, Place):
            await self._send(place_message(command, self.symbols, self._next(command), self.tag))
        elif isinstance(command, Cancel):
            named = {"oid": command.oid} if command.oid else {"cid": command.cid}
            await self._send({"rid": self._next(command), "t": "x", **named})
        elif isinstance(command, Amend):
            await self._send(amend_message(command, self._next(command)))
        elif isinstance(command, CancelAll):
            await self.cancel_all()
        elif isinstance(command, LookUp):
            with self._reading("an order"):
                await self.look_up(command.cid)
        elif isinstance(command, LookUpFills):
            with self._reading("fills"):
                await self.look_up_fills()

    async def cancel_all(self) -> None:
        """By the socket and by REST: one of them may be gone."""
        with contextlib.suppress(ConnectionError):
            await self._send({"rid": self._next(None), "t": "X"})
        with contextlib.suppress(ConnectionError, DataError):
            await self._post("/orders/cancel-all-orders", {})

    async def look_up(self, cid: int) -> None:
        """What became of an order."""
        status, body = await self._get("/orders/order-status", {"cid": str(cid)})
        if status == 404:
            self.inbox(Absent(cid=cid))
        elif status == 200 and isinstance(body.get("status"), Mapping):
            found = found_order(body["status"])
            self.inbox(dataclasses.replace(found, cid=cid, ts=self.clock()))

    async def look_up_fills(self) -> None:
        """Every fill since shortly before the last one known up to the venue's own time: those that were not told, and fees.

        Raises ConnectionError when the venue does not answer, also half-way."""
        until = (max(self._heard, self.market_time()) if self.market_time else self._heard or self.clock()) + FILLS_OVERLAP
        start = max((self.fills_from or 0) - FILLS_OVERLAP, 0)
        while True:
            await self._fills_between(start, start + FILLS_WINDOW)
            start += FILLS_WINDOW
            if start > until:
                break
        self.fills_from = max(self.fills_from or 0, self._heard - FILLS_WINDOW // 2)  # a quiet market is not walked again and again

    async def _fills_between(self, start: int, end: int) -> None:
        """Page by page. Settlements and block trades have no order; they are not fills of ours."""
        query = {"start_timestamp_ns": str(start), "end_timestamp_ns": str(end), "limit": str(PAGE), "sort_ts": "asc"}
        while True:
            body = await self._wanted("/api/fills", query)
            for row in body.get("fills", []):
                if row.get("order_id"):
                    cid = await self._cid_named(str(row["order_id"]))
                    called = cid == 0 and str(row["trade_id"]) in await self._liquidations()
                    self.inbox(fill_fact(row, cid, self.symbols, is_liquidation=called))
                    self.fills_from = fill_time(row) if self.is_own_time else max(self.fills_from or 0, fill_time(row))
                    self.is_own_time = False
            if not body.get("next_cursor"):
                return
            query["cursor"] = str(body["next_cursor"])

    async def _liquidations(self) -> set[str]:
        """Numbers of the trades by which the venue closed positions itself."""
        status, body = await self._get("/api/liquidations", {})
        return {str(row["trade_id"]) for row in body.get("liquidations", [])} if status == 200 else set()

    async def _cid_named(self, oid: str) -> int:
        """Our number of an order that only the venue's is known of, 0 when it has none: after a restart nothing else tells."""
        if oid not in self._cid_of:
            status, body = await self._get("/orders/order-status", {"order_id": oid})
            if status not in (200, 404):
                raise ConnectionError(f"{self.name}: order {oid}: status {status}")
            self._cid_of[oid] = cid_of({"cid": body["status"].get("clord_id")}) if status == 200 else 0
        return self._cid_of[oid]

    async def account(self) -> Account:
        """Positions, cash and open orders. Raises ConnectionError while the venue does not answer."""
        with self._reading("the account"):
            positions = (await self._wanted("/api/positions", {}))["positions"]
            balances = (await self._wanted("/api/balances", {}))["balances"]
            orders = await self._open_orders()
            code = self.symbols.code_of
            held = {code.get(p["symbol"], p["symbol"]): whole(p["signed_quantity"]) for p in positions if p["signed_quantity"]}
            cash = sum(micros_of(b["amount"]) for b in balances if b["symbol"] == "USD")
            return Account(positions=held, cash=cash, open_orders=tuple(orders), ts=self.clock())

    async def open_orders(self) -> int:
        """How many orders are open. Raises ConnectionError while the venue does not answer."""
        with self._reading("open orders"):
            return len(await self._open_orders())

    async def _open_orders(self) -> list[Found]:
        orders: list[Found] = []
        while True:
            page = await self._wanted("/orders/open-orders", {"limit": str(PAGE), "offset": str(len(orders))})
            orders += [found_order(row) for row in page["orders"]]
            if len(orders) >= whole(page["total_count"]) or not page["orders"]:
                return orders

    # --- the socket -----------------------------------------------------------------------------------------------------

    def _next(self, command: Place | Cancel | Amend | None) -> int:
        self._rid += 1
        self._waiting[self._rid] = command
        return self._rid

    async def _send(self, body: Mapping[str, Any]) -> None:
        if self._socket is None or self._socket.closed:
            self._waiting.pop(body["rid"], None)
            raise ConnectionError("the orders socket is down")
        await self._socket.send_str(_ENCODER.encode(body))

    async def _keep_open(self) -> None:
        tries = 0
        while not self._is_closing:
            try:
                await self._listen()
                tries = 0
            except (aiohttp.ClientError, ConnectionError, TimeoutError, DataError, UsageError) as error:
                self._lost(f"{type(error).__name__}: {error}")
            await asyncio.sleep(BACKOFF_SECONDS[min(tries, len(BACKOFF_SECONDS) - 1)])
            tries += 1

    async def _listen(self) -> None:
        assert self._session is not None
        if self.clock() - self._token_at > TOKEN_SECONDS // 2 * 10**9:
            await self._login()
        ws = self.base.replace("http", "ws", 1) + "/orders/ws" + ("?cancel_on_disconnect=true" if self.cancels_on_disconnect else "")
        try:
            patience = aiohttp.ClientWSTimeout(ws_close=CLOSE_SECONDS)
            async with self._session.ws_connect(ws, headers=self.headers(), max_msg_size=LINE_MOST, timeout=patience) as socket:
                self._socket = socket
                while True:
                    message = await socket.receive(HEARTBEAT_SECONDS)
                    if message.type != aiohttp.WSMsgType.TEXT:
                        raise ConnectionError(f"the orders socket closed ({socket.close_code})")
                    try:
                        self._hear(message.data)
                    except UNREADABLE as error:
                        raise DataError(f"a message cannot be read ({type(error).__name__}): {message.data[:60]!r}") from None
        except aiohttp.WSServerHandshakeError as error:
            if error.status == 401:
                await self._login()
            raise
        finally:
            self._socket = None

    def _hear(self, text: str) -> None:
        body = object_of(text)
        if "rid" in body:
            self._answered(body)
            return
        if isinstance(body.get("o"), Mapping) and cid_of(body["o"]):
            self._cid_of[str(body["o"].get("oid", ""))] = cid_of(body["o"])
        self._hear_time(time_of(body))
        for fact in event_facts(body, self.symbols):
            self.inbox(fact)
        if str(body.get("eid", "")).isdecimal():
            self._count(int(body["eid"]))

    def _hear_time(self, ts: int) -> None:
        if ts and self.is_own_time:
            self.fills_from, self.is_own_time = max((self.fills_from or 0) + ts - self.clock(), 0), False
        self._heard = max(self._heard, ts)

    def _count(self, number: int) -> None:
        """Messages are numbered: one that is passed over was lost, or comes late; the account tells what it said."""
        if number > self.messages + 1 and self.messages:
            self.inbox(Linked(is_up=True, why="messages are missing"))
        self.messages = max(self.messages, number)
        self._told.set()

    def _answered(self, body: Mapping[str, Any]) -> None:
        if body["rid"] == 0:
            self._is_gap = True
            self._told.set()
            self._up.set()
            self.inbox(Linked(is_up=True))
            return
        command = self._waiting.pop(whole(body["rid"]), None)
        error = body.get("err")
        if error is None:
            if isinstance(command, Place) and isinstance(body.get("res"), Mapping):
                self._cid_of[str(body["res"].get("oid", ""))] = command.cid
            return
        reason = f"{error.get('code')} {error.get('msg')}" if isinstance(error, Mapping) else str(error)
        code = error.get("code") if isinstance(error, Mapping) else None
        if isinstance(command, Place) and is_definite(code):
            self.inbox(Rejected(cid=command.cid, reason=reason, ts=self.clock()))
        elif isinstance(command, Place):
            self.inbox(Unsure(cid=command.cid, why=reason))
        elif isinstance(command, Cancel):
            self.inbox(CancelRefused(cid=command.cid, reason=reason))
        elif isinstance(command, Amend):
            self.inbox(AmendRefused(cid=command.cid, reason=reason))

    def _lost(self, why: str) -> None:
        if self._is_closing:
            return
        waiting, self._waiting = self._waiting, {}
        self.inbox(Linked(is_up=False, why=why[:200]))
        for command in waiting.values():
            if isinstance(command, Place):
                self.inbox(Unsure(cid=command.cid, why="the connection was lost before the answer"))
            elif isinstance(command, Cancel):
                self.inbox(CancelRefused(cid=command.cid, reason="the connection was lost before the answer"))
            elif isinstance(command, Amend):
                self.inbox(AmendRefused(cid=command.cid, reason="the connection was lost before the answer"))

    @contextlib.contextmanager
    def _reading(self, what: str) -> Iterator[None]:
        """An answer that cannot be read is as good as none: it is asked for again. What it was is told once."""
        try:
            yield
        except (DataError, *UNREADABLE) as error:
            why = f"{what}: the answer cannot be read ({type(error).__name__}: {str(error)[:100]})"
            if why not in self._unread:
                self._unread.add(why)
                self.inbox(Linked(is_up=self._socket is not None, why=why))
            raise ConnectionError(f"{self.name}: {why}") from None

    # --- REST -----------------------------------------------------------------------------------------------------------

    def headers(self) -> dict[str, str]:
        """What a request or an upgrade to a socket carries."""
        return {"Authorization": f"Bearer {self._token}"}

    async def _login(self) -> None:
        assert self._session is not None
        asked = {**self._keys, "expiration_seconds": TOKEN_SECONDS}
        try:
            async with self._session.post(f"{self.base}/api/authenticate", json=asked) as answer:
                status, body = answer.status, await answer.json(content_type=None) if answer.status == 200 else {}
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError, RecursionError) as error:
            raise ConnectionError(f"{self.name}: {self.base} does not answer ({type(error).__name__})") from None
        if status in (400, 401, 403):
            raise UsageError(f"{self.name}: the venue refused the key{self._whose} (status {status})")
        if not isinstance(body, Mapping) or not isinstance(body.get("token"), str):
            raise ConnectionError(f"{self.name}: no token, status {status}")
        self._token, self._token_at = body["token"], self.clock()

    async def _wanted(self, path: str, query: Mapping[str, str]) -> Mapping[str, Any]:
        status, body = await self._get(path, query)
        if status != 200:
            raise ConnectionError(f"{self.name}: {path} answered {status}")
        return body

    async def _get(self, path: str, query: Mapping[str, str]) -> tuple[int, Mapping[str, Any]]:
        return await self._ask("GET", path, params=dict(query))

    async def _post(self, path: str, body: Mapping[str, Any]) -> tuple[int, Mapping[str, Any]]:
        return await self._ask("POST", path, json=dict(body))

    async def _ask(self, method: str, path: str, **more: Any) -> tuple[int, Mapping[str, Any]]:
        """A read, or a cancel of everything: both may be asked again without harm. Orders are never placed this way."""
        assert self._session is not None
        try:
            for again in (True, False):
                async with self._session.request(method, self.base + path, headers=self.headers(), **more) as answer:
                    if answer.status == 401 and again:
                        await self._login()
                        continue
                    text = await answer.text()
                    body = json.loads(text)
                    return answer.status, body if isinstance(body, Mapping) else {}
        except (aiohttp.ClientError, TimeoutError, ValueError, RecursionError) as error:
            raise ConnectionError(f"{self.name}: {path}: {type(error).__name__}") from None
        raise ConnectionError(f"{self.name}: {path}: the token is refused")
