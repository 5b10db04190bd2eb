# SPDX-License-Identifier: Apache-2.0
"""Clients we did not write: what they sent, sent again in every run; and the clients themselves, where a python that has them is named.

The transcripts say which version of a client sent them. ``KILOHOUR_WRITE_TRANSCRIPTS=1`` beside the client's python writes them anew
(docs/sandbox-clients.md). What an answer must hold is what the client was seen to need: without it, or with null, it stumbles.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest

from kilohour.execution.sandbox.bots import Bots
from kilohour.execution.sandbox.market import Pulse, open_market
from kilohour.execution.sandbox.okx import kind_of
from kilohour.execution.sandbox.server import Server
from kilohour.execution.sandbox.wire import decimal
from kilohour.units import NANOS_PER_DAY
from tests.execution.sandbox.booking import NEAR, NOON, small_exchange
from tests.execution.sandbox.recording import FOLDER, Transcript, recording
from tests.execution.sandbox.serving import SEED, Client, Clock, receive, serving
from tests.execution.sandbox.test_ax import other, play
from tests.execution.sandbox.test_okx import ask

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "docs" / "examples"
TEXT, NUMBER, WHOLE, FLAG, NOTHING = "text", "decimal", "whole", "flag", "nothing"
TESTS = {
    TEXT: lambda value: isinstance(value, str) and value != "",
    NUMBER: lambda value: isinstance(value, str) and float(value) == float(value),
    WHOLE: lambda value: isinstance(value, int) and not isinstance(value, bool),
    FLAG: lambda value: isinstance(value, bool),
    NOTHING: lambda value: value is None,
}
AX_ORDER = {"oid": TEXT, "u": TEXT, "s": TEXT, "p": NUMBER, "q": WHOLE, "xq": WHOLE, "rq": WHOLE, "o": TEXT, "d": TEXT, "tif": TEXT, "ts": WHOLE,
            "tn": WHOLE, "cid": WHOLE, "tag": TEXT, "po": FLAG}  # fmt: skip
AX_EVENT = {"t": TEXT, "ts": WHOLE, "tn": WHOLE, "eid": TEXT, "o": AX_ORDER}
AX_FILL = {"xs": {"tid": TEXT, "s": TEXT, "q": WHOLE, "p": NUMBER, "d": TEXT, "agg": FLAG}}
AX_NEEDS: dict[str, Any] = {
    "GET /api/instruments": {"instruments": [{
        "symbol": TEXT, "multiplier": NUMBER, "minimum_order_size": NUMBER, "tick_size": NUMBER, "quote_currency": TEXT,
        "funding_settlement_currency": TEXT, "category": TEXT, "initial_margin_pct": NUMBER, "maintenance_margin_pct": NUMBER, "expiration": TEXT,
        "state": TEXT}]},
    "POST /api/authenticate": {"token": TEXT},
    "GET /api/balances": {"balances": [{"symbol": TEXT, "amount": NUMBER}]},
    "GET /orders/open-orders": {"orders": [AX_ORDER], "total_count": WHOLE, "limit": WHOLE, "offset": WHOLE},
    "GET /api/fills": {"fills": [{
        "trade_id": TEXT, "order_id": TEXT, "account_id": TEXT, "symbol": TEXT, "side": TEXT, "price": NUMBER, "quantity": WHOLE, "fee": NUMBER,
        "is_taker": FLAG, "timestamp": TEXT}], "next_cursor": NOTHING},
    "GET /api/positions": {"positions": [{
        "account_id": TEXT, "symbol": TEXT, "signed_quantity": WHOLE, "signed_notional": NUMBER, "timestamp": TEXT, "realized_pnl": NUMBER}]},
    "GET /orders/order-status": {"status": {
        "symbol": TEXT, "order_id": TEXT, "state": TEXT, "clord_id": WHOLE, "filled_quantity": WHOLE, "remaining_quantity": WHOLE}},
    "POST /api/preview-aggressive-limit-order": {"filled_quantity": WHOLE, "remaining_quantity": WHOLE, "limit_price": NUMBER},
    "/orders/ws p": {"res": {"oid": TEXT}}, "/orders/ws x": {"res": {"cxl_rx": FLAG}},
    "/md/ws subscribe": {"result": {"subscribed": TEXT}}, "/md/ws unsubscribe": {"result": {"unsubscribed": TEXT}},
}  # fmt: skip


OKX_NEEDS: dict[str, Any] = {
    "GET public/instruments": [{
        "instType": TEXT, "instId": TEXT, "uly": TEXT, "settleCcy": TEXT, "ctVal": NUMBER, "ctType": TEXT, "state": TEXT, "tickSz": NUMBER, "lotSz": NUMBER,
        "minSz": NUMBER, "maxLmtSz": NUMBER, "lever": NUMBER, "listTime": NUMBER}],
    "GET public/position-tiers": [{"tier": NUMBER, "minSz": NUMBER, "maxSz": NUMBER, "mmr": NUMBER, "maxLever": NUMBER}],
    "GET public/time": [{"ts": NUMBER}], "GET asset/currencies": [{"ccy": TEXT, "chain": TEXT}],
    "GET account/config": [{"posMode": TEXT, "acctLv": TEXT}], "GET account/balance": [{"details": [{"ccy": TEXT, "eq": NUMBER, "availEq": NUMBER, "availBal": NUMBER}]}],
    "GET account/positions": [{"instId": TEXT, "pos": NUMBER, "posSide": TEXT, "avgPx": NUMBER, "upl": NUMBER, "markPx": NUMBER, "mgnMode": TEXT, "lever": NUMBER}],
    "GET account/bills-archive": [{"billId": TEXT, "ts": NUMBER, "balChg": NUMBER, "instId": TEXT, "ccy": TEXT}],
    "GET market/candles": [], "GET market/books": [{"asks": [], "bids": [], "ts": NUMBER}],
    "POST account/set-leverage": [{"instId": TEXT, "lever": NUMBER, "mgnMode": TEXT, "posSide": TEXT}],
    "POST trade/batch-orders": [{"ordId": TEXT, "clOrdId": TEXT, "sCode": TEXT}],
    "GET trade/order": [{
        "instId": TEXT, "ordId": TEXT, "clOrdId": TEXT, "side": TEXT, "ordType": TEXT, "px": NUMBER, "sz": NUMBER, "accFillSz": NUMBER, "avgPx": NUMBER,
        "state": TEXT, "cTime": NUMBER, "uTime": NUMBER, "fillTime": NUMBER, "fee": NUMBER, "feeCcy": TEXT, "reduceOnly": TEXT}],
}  # fmt: skip
READS = (("/orders/open-orders", "orders"), ("/api/fills", "fills"), ("/api/positions", "positions"))


def holds(found: Any, needed: Any, where: str) -> None:
    """Every field that is needed is there, with a value of its kind."""
    if isinstance(needed, dict):
        assert isinstance(found, dict), f"{where}: {found!r}"
        for key, each in needed.items():
            assert key in found, f"{where}: no {key} in {found!r}"
            holds(found[key], each, f"{where}.{key}")
    elif isinstance(needed, list):
        assert isinstance(found, list), f"{where}: {found!r}"
        for each in found if needed else ():
            holds(each, needed[0], where)
    else:
        assert TESTS[needed](found), f"{where}: {found!r} is not {needed}"


class AxReplay:
    """Sends a transcript again, with this market's contract, keys, times and prices for the names."""

    def __init__(self, server: Server, client: Client) -> None:
        self.server, self.client = server, client
        self.sockets: dict[str, aiohttp.ClientWebSocketResponse] = {}
        self.orders: dict[str, Any] = {}

    def value(self, key: str, name: Any, body: dict[str, Any]) -> Any:
        """What a name stands for."""
        if not isinstance(name, str) or not name.startswith("$"):
            return name
        if name.startswith("$client"):
            return (1 << 63) + int(name.removeprefix("$client"))
        if name in ("$cross", "$rest"):
            bids, asks = self.server.exchange.depth(self.server.exchange.listing.by_symbol[NEAR], 1)
            side = asks if (body["d"] == "B") == (name == "$cross") else bids
            return decimal(side[0][0] - (0 if name == "$cross" else 100_000))
        if name.startswith("$order"):
            return self.orders[name]
        return {"$s": NEAR, "$symbol": NEAR, "$api_key": self.client.keys.api_key, "$api_secret": self.client.keys.api_secret,
                "$start_timestamp_ns": str(self.server.exchange.now - NANOS_PER_DAY), "$end_timestamp_ns": str(self.server.exchange.now)}[name]  # fmt: skip

    def filled(self, body: dict[str, Any]) -> dict[str, Any]:
        return {key: self.value(key, each, body) for key, each in body.items()}

    async def send(self, entry: dict[str, Any]) -> None:
        """One entry, and that its answer holds what the client needs."""
        if "ask" in entry:
            method, path = entry["ask"].split(" ")
            query, body = self.filled(entry.get("query", {})), self.filled(entry["body"]) if "body" in entry else None
            async with self.client.http.request(method, self.client.base + path, params=query, json=body, headers=self.client.headers) as answer:
                assert answer.status == 200, f"{entry['ask']}: {await answer.text()}"
                holds(await answer.json(), AX_NEEDS[entry["ask"]], entry["ask"])
            return
        path, body = entry["on"], self.filled(entry["say"])
        if path not in self.sockets:
            self.sockets[path] = await self.client.http.ws_connect(self.client.base + path, headers=self.client.headers)
            if path == "/orders/ws":
                holds(await receive(self.sockets[path]), {"rid": WHOLE, "res": {"li": TEXT}}, "login")
        await self.sockets[path].send_str(json.dumps(body))
        reply = await self._reply(path, body["rid"])
        kind = body.get("t") or body["type"]
        holds(reply, AX_NEEDS[f"{path} {kind}"], f"{path} {kind}")
        if kind == "p":
            self.orders[f"$order{len(self.orders) + 1}"] = reply["res"]["oid"]
            await self._events("nf" if body["tif"] == "IOC" else "np" if entry["say"]["p"] == "$cross" else "n")
        elif kind == "x":
            await self._events("c")

    async def _reply(self, path: str, rid: int) -> Any:
        """The reply to a message; what the market socket says beside it is another test's."""
        while True:
            message = await receive(self.sockets[path])
            if message.get("rid") == rid:
                return message
            assert path == "/md/ws", f"an event before the reply: {message}"

    async def _events(self, letters: str) -> None:
        for letter in letters:
            event = await receive(self.sockets["/orders/ws"])
            assert event["t"] == letter, event
            holds(event, {**AX_EVENT, **(AX_FILL if letter in "pf" else {})}, f"event {letter}")


def test_the_ax_dialect_answers_what_nautilus_sent() -> None:
    found = json.loads((FOLDER / "nautilus_trader.json").read_text(encoding="utf-8"))
    assert found["client"] == "nautilus_trader 1.231.0"

    async def talk(server: Server, client: Client) -> None:
        other(server, -1, 1, 2_510_000)
        other(server, 1, 20, 2_490_000)
        replay, again = AxReplay(server, client), False
        for entry in found["entries"]:
            if entry.get("say", {}).get("oid") == "$order1" and not again:
                again = True
                counts = [await read_again(client, path, key) for path, key in READS]
                assert counts == [2, 1, 1], "open orders, fills and positions as the node finds them when it starts again"
            await replay.send(entry)
        assert [fill.side * fill.lots for fill in server.exchange.fills["one"]] == [1, -1]
        assert not server.exchange.open_orders["one"]

    play(talk)


async def read_again(client: Client, path: str, key: str) -> int:
    """What is read to reconcile, with something in it."""
    found = await client.get(path, limit=100)
    holds(found, AX_NEEDS[f"GET {path}"], path)
    return len(found[key])


class OkxReplay:
    """Sends a transcript again, signed, on the perpetual of the market if it has one and else on a dated future."""

    def __init__(self, server: Server, client: Client) -> None:
        self.server, self.client = server, client
        listing = server.exchange.listing
        self.each = next((each for each in listing.outrights if each.contract.is_perpetual), listing.by_symbol[NEAR])
        self.orders: dict[str, str] = {}

    def value(self, key: str, name: Any, body: dict[str, Any]) -> Any:
        """What a name stands for."""
        if key == "instType" and name == "SWAP":
            return kind_of(self.each)
        if not isinstance(name, str) or not name.startswith("$"):
            return name
        if name == "$cross":
            bids, asks = self.server.exchange.depth(self.each, 1)
            return decimal((asks if body["side"] == "buy" else bids)[0][0])
        return {"$instId": self.each.okx, "$instFamily": self.each.okx.rpartition("-")[0], "$sz": "2", "$client1": "one", "$client2": "two", **self.orders}[name]

    def filled(self, body: Any) -> Any:
        if isinstance(body, list):
            return [self.filled(each) for each in body]
        return {key: self.filled(each) if isinstance(each, list) else self.value(key, each, body) for key, each in body.items()}

    async def send(self, entry: dict[str, Any]) -> list[Any]:
        """One entry, and that its answer holds what the client needs; its rows."""
        if "on" in entry:
            socket = await self.client.http.ws_connect(self.client.base + entry["on"])
            await socket.send_str(json.dumps(self.filled(entry["say"])))
            message = await receive(socket)
            assert message["event"] == "subscribe", message
            await socket.close()
            return []
        method, path = entry["ask"].split(" ")
        query = urlencode(self.filled(entry.get("query", {})))
        found = await ask(self.client, method, f"{path}?{query}" if query else path, self.filled(entry["body"]) if "body" in entry else None)
        assert found["code"] == "0", f"{entry['ask']}: {found}"
        what = f"{method} {path.removeprefix('/api/v5/')}"
        holds(found["data"], OKX_NEEDS[what], what)
        if what == "POST trade/batch-orders":
            self.orders[f"$order{len(self.orders) + 1}"] = found["data"][0]["ordId"]
        return found["data"]


def test_the_okx_dialect_answers_what_freqtrade_sent() -> None:
    found = json.loads((FOLDER / "freqtrade.json").read_text(encoding="utf-8"))
    assert found["client"] == "freqtrade 2026.9"

    async def talk(server: Server, client: Client) -> None:
        Bots(server.exchange, SEED).open()
        replay, states, held = OkxReplay(server, client), [], []
        for entry in found["entries"]:
            rows = await replay.send(entry)
            if entry.get("ask") == "GET /api/v5/trade/order":
                states.append(rows[0]["state"])
                held.append([row["pos"] for row in await replay.send({"ask": "GET /api/v5/account/positions"})])
            if entry.get("query", {}).get("instType") == "SWAP" or entry.get("ask") == "GET /api/v5/market/candles":
                assert rows or "bills" in entry["ask"], entry
        assert (states, held) == (["filled", "filled"], [["2"], []]), "it opens and closes"

    play(talk)


def python_of(variable: str, module: str) -> str:
    """The python that has a client, or a skip that says how to name one."""
    python = os.environ.get(variable)
    if not python:
        pytest.skip(f"set {variable} to a python that imports {module} (docs/sandbox-clients.md)")
    return python


def version_of(python: str, package: str) -> str:
    told = subprocess.run([python, "-c", f"from importlib.metadata import version as v; print(v('{package}'))"], capture_output=True, text=True, check=True)
    return f"{package} {told.stdout.strip()}"


def check_transcript(transcript: Transcript, client: str, name: str) -> None:
    """The file is what the client sent now; or it is written."""
    if os.environ.get("KILOHOUR_WRITE_TRANSCRIPTS"):
        (FOLDER / name).write_text(transcript.text(client), encoding="utf-8")
    kept = json.loads((FOLDER / name).read_text(encoding="utf-8"))
    assert kept["client"] == client, f"another version: read what changed, then write {name} anew"
    assert said(kept["entries"]) == said(transcript.entries)


def said(entries: list[dict[str, Any]]) -> list[str]:
    """What was said, each thing once: how often, and under which number of a request, is by chance, as tasks of the client take turns."""
    return sorted({re.sub(r'"rid": \d+, ', "", json.dumps(entry)) for entry in entries})


def embedded_market(accounts: list[str]) -> Any:
    """The embedded market, opened now: these clients compare its clock with theirs."""
    from kilohour.cli.source import tape_of
    from kilohour.tape import Tape

    source = tape_of(None, str(SEED), None)
    return open_market(source if isinstance(source, Tape) else Tape.load(source), accounts, 10**12, time.time_ns(), SEED)


def test_a_nautilus_node_trades_and_reconciles_after_a_restart() -> None:
    python = python_of("KILOHOUR_NAUTILUS_PYTHON", "nautilus_trader")

    async def run() -> None:
        exchange = embedded_market(["one"])
        Bots(exchange, SEED).open()
        async with serving(exchange, clock=time.time_ns) as (server, client), recording(server) as (port, transcript):
            keys = {"AX_API_KEY": client.keys.api_key, "AX_API_SECRET": client.keys.api_secret}

            def node() -> list[str]:
                command = [python, str(EXAMPLES / "nautilus_node.py"), f"127.0.0.1:{port}", "SIM-H100-2027-MAR"]
                done = subprocess.run(command, env={**os.environ, **keys}, capture_output=True, text=True, timeout=120, check=True)
                return [line.partition("Twice: ")[2] for line in done.stdout.splitlines() if "Twice: FOUND" in line or "Twice: DONE" in line]

            first = await asyncio.to_thread(node)
            held = exchange.statement("one").holdings[0].lots
            rows = [f"{o.id} {o.filled}/{o.lots} at {o.price / 1e6:.2f}" for o in exchange.open_orders["one"].values()]
            left = f"position {held} lots, open orders: {', '.join(rows)}"
            assert sorted(row.split()[1] for row in rows) == ["0/1", f"{held}/{held + 1}"], rows
            assert first == ["FOUND position 0 lots, open orders: none", f"DONE {left}"]
            assert await asyncio.to_thread(node) == [f"FOUND {left}", "DONE position 0 lots, open orders: none"]
            assert not exchange.open_orders["one"]
            assert [fill.side * fill.lots for fill in exchange.fills["one"]] == [held, -held]
            check_transcript(transcript, version_of(python, "nautilus_trader"), "nautilus_trader.json")

    asyncio.run(run())


def test_a_market_opened_a_while_ago_is_at_the_clock_of_its_clients() -> None:
    async def run() -> None:
        exchange, begun = small_exchange(), 1_800_000_000 * 10**9
        clock = Clock(begun + 5 * 10**9)
        async with serving(exchange, clock=clock) as (server, _):
            task = asyncio.create_task(Pulse(server, exchange, None, clock, 1.0, begun).run())
            await asyncio.sleep(0.2)
            task.cancel()
            assert exchange.now == NOON + 5 * 10**9

    asyncio.run(run())


async def until_true(what: Callable[[], bool], seconds: float) -> None:
    """Waits for something, and fails when it does not come."""
    for _ in range(round(seconds * 10)):
        if what():
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"it did not happen within {seconds:g} seconds")


def test_freqtrade_opens_restarts_and_closes_in_live_mode(tmp_path: Path) -> None:
    python = python_of("KILOHOUR_FREQTRADE_PYTHON", "freqtrade")
    settings = (EXAMPLES / "freqtrade" / "config.json").read_text(encoding="utf-8")

    async def run() -> None:
        exchange = embedded_market(["one"])
        bots = Bots(exchange, SEED)
        bots.open()
        async with serving(exchange, clock=time.time_ns) as (server, client), recording(server) as (port, transcript):
            (tmp_path / "config.json").write_text(settings.replace("8765", str(port)), encoding="utf-8")
            keys = client.keys
            env = {**os.environ, "FREQTRADE__EXCHANGE__KEY": keys.api_key, "FREQTRADE__EXCHANGE__SECRET": keys.api_secret,
                   "FREQTRADE__EXCHANGE__PASSWORD": keys.passphrase}  # fmt: skip
            command = [python, "-m", "freqtrade", "trade", "--userdir", str(tmp_path), "--config", str(tmp_path / "config.json"), "--strategy", "InAndOut",
                       "--strategy-path", str(EXAMPLES / "freqtrade"), "--db-url", f"sqlite:///{tmp_path}/trades.sqlite"]  # fmt: skip

            async def trade(is_wanted: Callable[[str], bool]) -> str:
                log = tmp_path / "log.txt"
                with log.open("w", encoding="utf-8") as file, subprocess.Popen(command, env=env, stdout=file, stderr=file) as process:
                    try:
                        await until_true(lambda: is_wanted(log.read_text(encoding="utf-8")) or process.poll() is not None, 200)
                    finally:
                        process.send_signal(signal.SIGTERM)
                        await asyncio.to_thread(process.wait, 60)
                return log.read_text(encoding="utf-8")

            def held() -> int:
                return sum(each.lots for each in exchange.statement("one").holdings)

            pulse = asyncio.create_task(Pulse(server, exchange, bots, time.time_ns, 1.0, exchange.now).run())
            first = await trade(lambda log: "LIMIT_BUY has been fulfilled" in log)
            assert "LIMIT_BUY has been fulfilled" in first, first[-3000:]
            assert held() == exchange.fills["one"][0].lots > 0
            second = await trade(lambda log: "LIMIT_SELL has been fulfilled" in log)
            pulse.cancel()
            assert "LIMIT_SELL has been fulfilled" in second, second[-3000:]
            assert held() == 0
            with contextlib.closing(sqlite3.connect(tmp_path / "trades.sqlite")) as trades:
                rows = trades.execute("select is_open, amount from trades").fetchall()
            assert rows == [(0, float(exchange.fills["one"][0].lots))]
            check_transcript(transcript, version_of(python, "freqtrade"), "freqtrade.json")

    asyncio.run(run())
