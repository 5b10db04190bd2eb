# SPDX-License-Identifier: Apache-2.0
"""Load for a sandbox from outside: clients that place and cancel over AX sockets at a steady rate, and how long each answer took."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp

PATIENCE_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What came of it: answers in a second over all clients, and milliseconds from request to answer."""

    round_trips: int
    per_second: float
    median_ms: float
    p99_ms: float


async def load(addresses: Mapping[str, str], accounts: Sequence[Mapping[str, str]], *, per_second: float, seconds: float) -> Load:
    """One client an account; each sends its share of the requests at even times, whether or not the last one was late.

    Raises :class:`aiohttp.ClientError` when the sandbox goes away, TimeoutError when it does not answer.
    """
    taken: list[float] = []
    async with aiohttp.ClientSession() as http:
        async with http.get(f"{addresses['ax_rest']}/instruments") as answer:
            rows = (await answer.json())["instruments"]
        begun = time.perf_counter()
        every = len(accounts) / per_second
        await asyncio.gather(*(
            _client(http, addresses, keys, rows[at % len(rows)], every, begun + 0.5 + every * at / len(accounts), seconds, taken)
            for at, keys in enumerate(accounts)))
        span = time.perf_counter() - begun - 0.5
    taken.sort()
    half, last = taken[len(taken) // 2], taken[len(taken) * 99 // 100]
    return Load(round_trips=len(taken), per_second=len(taken) / span, median_ms=1e3 * half, p99_ms=1e3 * last)


async def _client(http: aiohttp.ClientSession, addresses: Mapping[str, str], keys: Mapping[str, str], instrument: Mapping[str, Any],
                  every: float, first: float, seconds: float, taken: list[float]) -> None:  # fmt: skip
    body = {"api_key": keys["api_key"], "api_secret": keys["api_secret"], "expiration_seconds": 3600}
    async with http.post(f"{addresses['ax_rest']}/authenticate", json=body) as answer:
        token = (await answer.json())["token"]
    async with http.ws_connect(addresses["ax_orders_ws"], headers={"Authorization": f"Bearer {token}"}) as socket:
        place = {"t": "p", "s": instrument["symbol"], "d": "B", "q": 1, "p": instrument["tick_size"], "tif": "GTC"}
        order = ""
        for number in range(1, round(seconds / every) + 1):
            await asyncio.sleep(max(first + (number - 1) * every - time.perf_counter(), 0))
            sent = time.perf_counter()
            await socket.send_str(json.dumps({"rid": number, **({"t": "x", "oid": order} if order else place)}))
            async with asyncio.timeout(PATIENCE_SECONDS):
                reply = await _reply(socket, number)
            taken.append(time.perf_counter() - sent)
            order = "" if order else reply["res"]["oid"]


async def _reply(socket: aiohttp.ClientWebSocketResponse, number: int) -> Any:
    while True:
        message = json.loads(await socket.receive_str())
        if message.get("rid") == number:
            return message
