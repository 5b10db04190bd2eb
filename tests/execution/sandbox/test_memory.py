# SPDX-License-Identifier: Apache-2.0
"""The sandbox at length: 50 clients whose orders fill, and the memory of its process each minute.

``KILOHOUR_SOAK_MINUTES=60 pytest -m soak -s tests/execution/sandbox/test_memory.py``
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest

CLIENTS, EVERY_SECONDS, READS_EVERY = 50, 0.5, 20
MEGABYTES_MOST = 900.0
"""What an hour may take: 50,000 orders, 250,000 fills and as many transactions of less than 500 bytes each, the market, and what a cold
cache leaves behind it."""
LAST, GROWTH_MOST = 12, 10.0
"""Once everything that is kept has reached its number the last minutes of an hour take no more than a few megabytes."""


def megabytes(pid: int) -> float:
    """Memory that a process has now."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024


class Trades:
    """A client that takes what the bots show, in and out by turns, and looks at its fills and transactions from time to time."""

    def __init__(self, http: aiohttp.ClientSession, told: dict[str, Any], number: int, symbols: list[str]) -> None:
        self.http, self.rest, self.keys, self.wire = http, told["addresses"]["ax_rest"], told["accounts"][number], told["addresses"]["ax_orders_ws"]
        self.symbol, self.side, self.orders, self.fills, self.pages = symbols[number % len(symbols)], 1, 0, 0, 0

    async def run(self, until: float) -> None:
        keys = {name: self.keys[name] for name in ("api_key", "api_secret")}
        async with self.http.post(f"{self.rest}/authenticate", json={**keys, "expiration_seconds": 86_400}) as answer:
            self.headers = {"Authorization": f"Bearer {(await answer.json())['token']}"}
        async with self.http.ws_connect(self.wire, headers=self.headers) as socket:
            reader = asyncio.create_task(self._read(socket))
            while time.monotonic() < until and not reader.done():
                price = await self._price()
                if price is not None:
                    self.orders += 1
                    await socket.send_str(json.dumps({"rid": self.orders, "t": "p", "s": self.symbol, "d": "B" if self.side > 0 else "S",
                                                      "q": 1, "p": price, "tif": "IOC"}))
                if self.orders % READS_EVERY == 0:
                    await self._look()
                await asyncio.sleep(EVERY_SECONDS)
            reader.cancel()

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for message in socket:
            if json.loads(message.data).get("t") == "f":
                self.fills, self.side = self.fills + 1, -self.side

    async def _price(self) -> str | None:
        async with self.http.get(f"{self.rest}/book", params={"symbol": self.symbol, "level": "2"}, headers=self.headers) as answer:
            book = (await answer.json())["book"]
        other = book["a" if self.side > 0 else "b"]
        return other[0]["p"] if other else None

    async def _look(self) -> None:
        for path, rows in (("fills", "fills"), ("transactions", "transactions")):
            async with self.http.get(f"{self.rest}/{path}", params={"limit": "100", "sort_ts": "desc"}, headers=self.headers) as answer:
                found = (await answer.json())[rows]
        self.pages += 1
        assert len(found) <= 100


async def soaked(told: dict[str, Any], pid: int, minutes: float) -> tuple[list[Trades], list[float]]:
    """Trades for so long; the clients, and megabytes at the end of each minute."""
    until = time.monotonic() + 60 * minutes
    seen: list[float] = []
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        async with http.get(f"{told['addresses']['ax_rest']}/instruments") as answer:
            symbols = [row["symbol"] for row in (await answer.json())["instruments"]]
        clients = [Trades(http, told, number, symbols) for number in range(CLIENTS)]
        work = asyncio.gather(*(client.run(until) for client in clients))
        while not work.done():
            await asyncio.wait([work], timeout=60.0)
            seen.append(megabytes(pid))
            sys.stdout.write(f"{minutes - (until - time.monotonic()) / 60:.1f} minutes: {seen[-1]:.1f} MB, {sum(client.orders for client in clients)} orders, "
                             f"{sum(client.fills for client in clients)} fills\n")
            sys.stdout.flush()
        await work
    return clients, seen


@pytest.mark.soak
def test_memory_is_bounded_with_fifty_clients_that_trade(tmp_path: Path) -> None:
    minutes = float(os.environ.get("KILOHOUR_SOAK_MINUTES", "2"))
    market = tmp_path / "market.toml"
    market.write_text("first = 2026-01-02\nlast = 2026-12-30\n", encoding="utf-8")
    words = [sys.executable, "-m", "kilohour", "sandbox", "--market", f"{market}:7", "--from", "2026-06-02", "--json", "--accounts",
             ",".join(f"client{number}" for number in range(CLIENTS)), "--for", str(60 * minutes + 120)]  # fmt: skip
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            told = json.loads(server.stdout.readline())
            clients, seen = asyncio.run(soaked(told, server.pid, minutes))
        finally:
            server.terminate()
    assert all(client.fills > 0 and client.pages > 0 for client in clients)
    assert max(seen) < MEGABYTES_MOST
    if minutes >= 60:
        assert max(seen) - seen[-LAST] < GROWTH_MOST
