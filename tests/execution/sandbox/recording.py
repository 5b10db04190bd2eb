# SPDX-License-Identifier: Apache-2.0
"""A proxy before a sandbox that writes down what a client asks, so that a test can ask the same without the client.

An entry of a transcript is a REST request (``ask`` with ``query`` or ``body``) or a message on a socket (``on`` with ``say``). What differs from one
run to the next is a name with a dollar: keys, the contract, times, client ids and order ids by number, and prices as ``$cross`` (meets the
book) or ``$rest`` (does not). An entry that was there before is not written again: polls are there once.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from kilohour.execution.sandbox.server import Server
from kilohour.execution.sandbox.wire import micros_of

FOLDER = Path(__file__).parent / "transcripts"
ORDER_IDS, CLIENT_IDS = ("oid", "order_id", "ordId"), ("cid", "clOrdId")
BY_KEY = (
    "api_key", "api_secret", "s", "symbol", "instId", "instIdCode", "instFamily", "sz",
    "start_timestamp_ns", "end_timestamp_ns", "begin", "end", "after", "before",
)  # fmt: skip
"""Keys whose value is written as the key with a dollar."""
PRICES = ("p", "px")


class Transcript:
    """What one client asked, in order."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.entries: list[dict[str, Any]] = []
        self._names: dict[str, str] = {}

    def learn(self, answer: Any) -> None:
        """Order ids of an answer, numbered as they come."""
        if isinstance(answer, list):
            for each in answer:
                self.learn(each)
        elif isinstance(answer, dict):
            for key, value in answer.items():
                if key in ORDER_IDS and value and str(value) not in self._names:
                    self._names[str(value)] = f"$order{sum(name.startswith('$order') for name in self._names.values()) + 1}"
                self.learn(value)

    def add(self, entry: dict[str, Any]) -> None:
        """One request, with names for what differs between runs."""
        plain = {key: self._named(value) if isinstance(value, dict | list) else value for key, value in entry.items()}
        if plain not in self.entries:
            self.entries.append(plain)

    def _named(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._named(each) for each in value]
        if not isinstance(value, dict):
            return value
        return {key: self._name(key, each, value) for key, each in value.items()}

    def _name(self, key: str, value: Any, body: dict[str, Any]) -> Any:
        if isinstance(value, dict | list):
            return self._named(value)
        if key in PRICES and value:
            return "$cross" if self._crosses(body, str(value)) else "$rest"
        if key in CLIENT_IDS and value:
            return self._names.setdefault(str(value), f"$client{sum(n.startswith('$client') for n in self._names.values()) + 1}")
        if key in ORDER_IDS and value:
            return self._names[str(value)]
        return f"${key}" if key in BY_KEY and value not in (None, "") else value

    def _crosses(self, body: dict[str, Any], price: str) -> bool:
        listing, micros = self.server.exchange.listing, micros_of(price)
        each = listing.find(body.get("s")) or listing.by_okx.get(str(body.get("instId"))) or listing.by_number.get(body.get("instIdCode", 0))
        assert each is not None
        assert micros is not None
        bids, asks = self.server.exchange.depth(each, 1)
        return bool(asks and micros >= asks[0][0]) if body.get("d", body.get("side")) in ("B", "buy") else bool(bids and micros <= bids[0][0])

    def text(self, client: str) -> str:
        """The file: the client with its version, then a line for each entry."""
        lines = ",\n".join(json.dumps(entry) for entry in self.entries)
        return f'{{"client": {json.dumps(client)},\n"entries": [\n{lines}\n]}}\n'


@contextlib.asynccontextmanager
async def recording(server: Server) -> AsyncIterator[tuple[int, Transcript]]:
    """A proxy on a free port before a server, and what it wrote down."""
    transcript = Transcript(server)
    async with aiohttp.ClientSession(auto_decompress=False) as http:

        async def handle(request: web.Request) -> web.StreamResponse:
            if request.headers.get("Upgrade", "").lower() == "websocket":
                return await _socket(request, http, transcript)
            return await _rest(request, http, transcript)

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            yield runner.addresses[0][1], transcript
        finally:
            await runner.cleanup()


async def _rest(request: web.Request, http: aiohttp.ClientSession, transcript: Transcript) -> web.Response:
    raw = await request.read()
    entry: dict[str, Any] = {"ask": f"{request.method} {request.path}"}
    if request.query:
        entry["query"] = dict(request.query)
    if raw:
        entry["body"] = json.loads(raw)
    transcript.add(entry)
    url = f"http://127.0.0.1:{transcript.server.port}{request.raw_path}"
    async with http.request(request.method, url, data=raw or None, headers=_passed(request)) as answer:
        body = await answer.read()
        with contextlib.suppress(ValueError):
            transcript.learn(json.loads(body))
        return web.Response(body=body, status=answer.status, headers={"Content-Type": answer.headers.get("Content-Type", "text/plain")})


async def _socket(request: web.Request, http: aiohttp.ClientSession, transcript: Transcript) -> web.WebSocketResponse:
    near = web.WebSocketResponse()
    await near.prepare(request)
    url = f"http://127.0.0.1:{transcript.server.port}{request.raw_path}"
    async with http.ws_connect(url, headers=_passed(request)) as far:

        async def back() -> None:
            async for message in far:
                with contextlib.suppress(ValueError):
                    transcript.learn(json.loads(message.data))
                await near.send_str(message.data)
            await near.close()

        task = asyncio.get_running_loop().create_task(back())
        async for message in near:
            if message.type is not aiohttp.WSMsgType.TEXT:
                continue
            with contextlib.suppress(ValueError):
                transcript.add({"on": request.path, "say": json.loads(message.data)})
            await far.send_str(message.data)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    return near


def _passed(request: web.Request) -> dict[str, str]:
    """The headers that mean something to a venue."""
    return {k: v for k, v in request.headers.items() if k == "Authorization" or k == "Content-Type" or k.upper().startswith("OK-ACCESS-")}
