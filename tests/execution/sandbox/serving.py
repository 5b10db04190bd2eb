# SPDX-License-Identifier: Apache-2.0
"""A sandbox server for one test, on a free port, and a small client that speaks AX without anybody's library."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp

from kilohour.execution.sandbox.accounts import Keyring
from kilohour.execution.sandbox.chaos import Chaos
from kilohour.execution.sandbox.core import Exchange
from kilohour.execution.sandbox.server import Server

SEED = 7
PATIENCE = 60.0
"""Seconds after which nothing more is expected: many, for what is compiled first on a busy machine takes ten."""


class Clock:
    """A wall clock that stands still until it is moved."""

    def __init__(self, now: int = 1_800_000_000 * 10**9) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now


class Client:
    """One account on the wire."""

    def __init__(self, server: Server, http: aiohttp.ClientSession, account: str) -> None:
        self.server, self.http, self.account = server, http, account
        self.base = f"http://127.0.0.1:{server.port}"
        self.keys = next(each for each in server.keyring.all if each.account == account)
        self.token = ""
        self.rid = 0

    async def login(self) -> str:
        body = {"api_key": self.keys.api_key, "api_secret": self.keys.api_secret, "expiration_seconds": 3600}
        async with self.http.post(f"{self.base}/api/authenticate", json=body) as answer:
            self.token = (await answer.json())["token"]
        return self.token

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    async def get(self, path: str, **query: Any) -> Any:
        async with self.http.get(self.base + path, params=query, headers=self.headers) as answer:
            return await answer.json()

    async def post(self, path: str, body: Any = None) -> Any:
        async with self.http.post(self.base + path, json=body or {}, headers=self.headers) as answer:
            return await answer.json()

    async def orders_socket(self, query: str = "") -> aiohttp.ClientWebSocketResponse:
        socket = await self.http.ws_connect(f"{self.base}/orders/ws{query}", headers=self.headers)
        assert (await receive(socket))["rid"] == 0
        return socket

    async def ask(self, socket: aiohttp.ClientWebSocketResponse, **body: Any) -> tuple[Any, list[Any]]:
        """One request; the reply, and the events that came before it."""
        self.rid += 1
        await socket.send_str(json.dumps({"rid": self.rid, **body}))
        events: list[Any] = []
        while True:
            message = await receive(socket)
            if message.get("rid") == self.rid:
                return message, events
            events.append(message)


async def receive(socket: aiohttp.ClientWebSocketResponse) -> Any:
    return json.loads(await asyncio.wait_for(socket.receive_str(), PATIENCE))


async def until(socket: aiohttp.ClientWebSocketResponse, letter: str) -> Any:
    """The next event of a letter."""
    while True:
        message = await receive(socket)
        if message.get("t") == letter:
            return message


@contextlib.asynccontextmanager
async def serving(exchange: Exchange, *, speed: float | str = "max", clock: Any = None) -> AsyncIterator[tuple[Server, Client]]:
    """A server and a client of its first account, logged in."""
    server = Server(exchange, Keyring(SEED, list(exchange.accounts)), Chaos(SEED), clock or Clock(), speed=speed)
    await server.start()
    try:
        async with aiohttp.ClientSession() as http:
            client = Client(server, http, exchange.accounts[0])
            await client.login()
            yield server, client
    finally:
        await server.stop()
    assert server.faults == 0, "a request ended in an exception"
