# SPDX-License-Identifier: Apache-2.0
"""The list of bad input, each line of it against both dialects over real sockets: an answer in the dialect's own form, and nobody else notices.

What garbage does not break is found by trying: every path and every message with every field wrong. A mistake of ours on the way fails the
test (``serving`` counts them).
"""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import io
import json
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from kilohour.execution.sandbox.accounts import totp
from kilohour.execution.sandbox.hub import QUEUED_BYTES
from kilohour.execution.sandbox.server import Server
from tests.execution.sandbox import test_checklist_ax as ax
from tests.execution.sandbox import test_checklist_okx as okx
from tests.execution.sandbox.booking import NEAR, full_exchange
from tests.execution.sandbox.serving import Client, receive, serving
from tests.execution.sandbox.test_okx import ID, ask, sign
from tests.execution.sandbox.test_rude import BODIES, raw_socket

HOUR = 3_600 * 10**9
SENTENCES = ("wrong key", "wrong passphrase", "expired token", "skewed timestamp", "wrong tick", "unknown symbol", "order on a halted contract",
             "order on an expired contract", "malformed frame", "deep JSON", "a body of 10 MB", "a body that is not UTF-8", "a reader that never reads",
             "1,000 half-open connections", "a venue clock an hour off")  # fmt: skip
ELSEWHERE = {
    ("AX", "1,000 half-open connections"): "test_rude.py: of TCP, which knows no dialect; then an order goes through",
    ("OKX", "1,000 half-open connections"): "the same connections",
}
Talk = Callable[[Server, Client], Awaitable[None]]
TALKS: dict[tuple[str, str], Talk] = {}
AX_PLACE = {"t": "p", "s": NEAR, "d": "B", "q": 1, "p": "1.9"}
OKX_PLACE = {"instId": ID, "tdMode": "cross", "side": "buy", "ordType": "limit", "sz": "1", "px": "1.9"}


def row(dialect: str, *sentences: str) -> Callable[[Talk], Talk]:
    def add(talk: Talk) -> Talk:
        TALKS.update({(dialect, sentence): talk for sentence in sentences})
        return talk

    return add


async def refused(client: Client, path: str, body: Any, status: int) -> None:
    """AX's error form over REST, with its status."""
    async with client.http.post(client.base + path, json=body, headers=client.headers) as answer:
        assert answer.status == status
        found = await answer.json()
        assert (set(found), found["code"]) == ({"code", "msg", "error"}, status)


async def rejected(client: Client, reason: str, **changed: Any) -> None:
    """AX's refusal of an order: an event ``j``."""
    socket = await client.orders_socket()
    reply, events = await client.ask(socket, **{**AX_PLACE, **changed})
    assert "oid" in reply["res"]
    event = events[-1] if events else await receive(socket)
    assert (event["t"], event["r"]) == ("j", reason)
    await socket.close()


async def s_code(client: Client, **changed: Any) -> str:
    """OKX's code of an order, the same by REST and by socket."""
    found = (await ask(client, "POST", "/api/v5/trade/order", {**OKX_PLACE, **changed}))["data"][0]["sCode"]
    socket = await okx.socket_of(client, "private", set())
    await socket.send_json({"id": "1", "op": "order", "args": [{**OKX_PLACE, **changed}]})
    assert (await receive(socket))["data"][0]["sCode"] == found
    await socket.close()
    return found


async def okx_login(client: Client, **changed: Any) -> str:
    """The code of a login on a socket."""
    socket = await client.http.ws_connect(f"{client.base}/ws/v5/private")
    stamp = changed.get("timestamp", str(client.server.wall() // 10**9))
    given = {"apiKey": client.keys.api_key, "passphrase": client.keys.passphrase, "timestamp": stamp,
             "sign": sign(client, f"{stamp}GET/users/self/verify"), **changed}  # fmt: skip
    await socket.send_json({"op": "login", "args": [given]})
    found = await receive(socket)
    await socket.close()
    return found["code"]


@row("AX", "wrong key", "wrong passphrase")
async def ax_keys(server: Server, client: Client) -> None:
    good = {"api_key": client.keys.api_key, "api_secret": client.keys.api_secret, "expiration_seconds": 60}
    for changed in ({"api_key": "nobody"}, {"api_key": None}, {"api_secret": "wrong"}, {"api_secret": ["wrong"]}, {"username": "one", "password": "wrong"}):
        await refused(client, "/api/authenticate", {**good, **changed}, 401)
    client.token = "nobody's"
    await refused(client, "/orders/place-order", AX_PLACE, 401)
    for path in ("/orders/ws", "/md/ws"):
        with pytest.raises(aiohttp.WSServerHandshakeError, match="401"):
            await client.http.ws_connect(client.base + path, headers=client.headers)


@row("OKX", "wrong key", "wrong passphrase")
async def okx_keys(server: Server, client: Client) -> None:
    for changed, code, socket_code in (({"key": "nobody"}, "50111", "60005"), ({"passphrase": "wrong"}, "50105", "60024"), ({"sign": "wrong"}, "50113", "60007")):
        assert await ask(client, "GET", "/api/v5/account/balance", **changed) == {"code": code, "msg": Any_, "data": []}
        named = {{"key": "apiKey"}.get(name, name): value for name, value in changed.items()}
        assert await okx_login(client, **named) == socket_code


@row("AX", "expired token")
async def ax_token(server: Server, client: Client) -> None:
    socket = await client.orders_socket()
    server.keyring.expire()
    await refused(client, "/orders/place-order", AX_PLACE, 401)
    with pytest.raises(aiohttp.WSServerHandshakeError, match="401"):
        await client.http.ws_connect(f"{client.base}/orders/ws", headers=client.headers)
    assert (await client.ask(socket, t="o"))[0]["res"] == [], "an open socket goes on"


@row("OKX", "expired token", "skewed timestamp")
async def okx_timestamp(server: Server, client: Client) -> None:
    """OKX has no tokens: a signature lives for half a minute by its timestamp."""
    for seconds in (-31, 31, -3_600):
        at = server.wall() // 10**9 + seconds
        stamp = f"{dt.datetime.fromtimestamp(at, dt.UTC):%Y-%m-%dT%H:%M:%S}.000Z"
        assert (await ask(client, "GET", "/api/v5/account/balance", stamp=stamp))["code"] == "50102"
        assert await okx_login(client, timestamp=str(at)) == "60006"
    assert await okx_login(client, timestamp="yesterday") == "60004"
    assert await okx_login(client) == "0"


@row("AX", "skewed timestamp")
async def ax_timestamp(server: Server, client: Client) -> None:
    """AX has one clock that a client reads: the one-time password's."""
    secret, keys = base64.b32decode(client.keys.totp_secret), client.keys
    for seconds in (-61, 61):
        code = totp(secret, server.wall() + seconds * 10**9)
        await refused(client, "/api/authenticate", {"username": "one", "password": keys.password, "totp": code}, 401)
    for bad in ({"start_timestamp_ns": "soon"}, {"start_timestamp_ns": "0", "end_timestamp_ns": str(8 * 24 * HOUR)}):
        assert (await client.get("/api/fills", **bad))["code"] == 400


@row("AX", "wrong tick", "unknown symbol", "order on a halted contract", "order on an expired contract")
async def ax_orders(server: Server, client: Client) -> None:
    await rejected(client, "INVALID_PRICE_INCREMENT", p="1.9001")
    await rejected(client, "UNKNOWN_SYMBOL", s="NVDA-H100-2031-DEC")
    socket = await client.http.ws_connect(f"{client.base}/md/ws", headers=client.headers)
    await socket.send_json({"rid": 1, "type": "subscribe", "symbol": "NOPE", "level": "LEVEL_1"})
    assert (await receive(socket))["error"]["code"] == 404
    await client.post("/_chaos", {"do": "halt", "symbol": NEAR})
    await rejected(client, "EXCHANGE_CLOSED")
    await client.post("/_chaos", {"do": "expire", "symbol": NEAR, "price": "2"})
    await rejected(client, "UNKNOWN_SYMBOL")


@row("OKX", "wrong tick", "unknown symbol", "order on a halted contract", "order on an expired contract")
async def okx_orders(server: Server, client: Client) -> None:
    assert await s_code(client, px="1.9001") == "51000"
    assert await s_code(client, instId="BTC-USD-311226") == "51001"
    assert (await ask(client, "GET", "/api/v5/market/ticker?instId=NOPE"))["code"] == "51001"
    await client.post("/_chaos", {"do": "halt", "symbol": NEAR})
    assert await s_code(client) == "51030"
    await client.post("/_chaos", {"do": "expire", "symbol": NEAR, "price": "2"})
    assert await s_code(client) == "51027"


RAW_FRAMES = {
    "reserved opcode": (bytes([0x83, 0x80, 0, 0, 0, 0]), b"\x03\xea"), "reserved bit": (bytes([0xC1, 0x80, 0, 0, 0, 0]), b"\x03\xea"),
    "text not UTF-8": (bytes([0x81, 0x82, 0, 0, 0, 0, 0xFF, 0xFE]), b"\x03\xef"), "a ping too long": (bytes([0x89, 0xFE, 0, 200, 0, 0, 0, 0]), b"\x03\xea"),
    "a continuation of nothing": (bytes([0x80, 0x80, 0, 0, 0, 0]), b"\x03\xea"),
}  # fmt: skip
"""Frames that break RFC 6455, and the close code that it wants: 1002 protocol error, 1007 not UTF-8."""


async def frames(server: Server, client: Client, path: str, socket: Any, answer: Callable[[Any], str]) -> None:
    """Frames without sense are answered on the line; frames that are none close the line with the code of the RFC, and no other line."""
    for name, body in BODIES.items():
        if len(body) < 1_000:
            await (socket.send_bytes(body) if name == "not utf-8" else socket.send_str(body.decode()))
            assert answer(await receive(socket)), name
    for name, (frame, code) in RAW_FRAMES.items():
        reader, writer = await raw_socket(server, client, path)
        writer.write(frame)
        said = await asyncio.wait_for(reader.read(), 60)
        assert code in said[-150:], f"{name}: {said[-50:]!r}"
        writer.transport.abort()
    await socket.send_str("[]")
    assert answer(await receive(socket)), "the first line goes on"


@row("AX", "malformed frame", "deep JSON", "a body of 10 MB", "a body that is not UTF-8")
async def ax_bodies(server: Server, client: Client) -> None:
    for body in BODIES.values():
        async with client.http.post(f"{client.base}/orders/place-order", data=body, headers=client.headers) as answer:
            assert (answer.status, (await answer.json())["code"]) == (400, 400)
    socket = await client.orders_socket()
    await frames(server, client, "/orders/ws", socket, lambda message: message["err"]["msg"])
    market = await client.http.ws_connect(f"{client.base}/md/ws", headers=client.headers)
    await frames(server, client, "/md/ws", market, lambda message: message["error"]["message"])
    await socket.send_str("[" * 100_000)
    assert (await receive(socket))["err"]["code"] == 400
    async with client.http.post(f"{client.base}/orders/place-order", data=io.BytesIO(b"x" * (10 << 20)), headers=client.headers) as answer:
        assert (answer.status, (await answer.json())["code"]) == (413, 413)


@row("OKX", "malformed frame", "deep JSON", "a body of 10 MB", "a body that is not UTF-8")
async def okx_bodies(server: Server, client: Client) -> None:
    for name, body in BODIES.items():
        if name not in ("not utf-8", "a list"):
            found = await ask(client, "POST", "/api/v5/trade/order", body.decode())
            assert (found["code"], found["data"]) == ("50002", []), name
    assert (await ask(client, "POST", "/api/v5/trade/order", "[1,2]"))["code"] == "50014"
    headers = {"OK-ACCESS-KEY": client.keys.api_key, "OK-ACCESS-PASSPHRASE": client.keys.passphrase, "OK-ACCESS-SIGN": "x", "OK-ACCESS-TIMESTAMP": "1"}
    for raw, status in ((BODIES["not utf-8"], 401), (b"x" * (10 << 20), 413)):
        async with client.http.post(f"{client.base}/api/v5/trade/order", data=io.BytesIO(raw), headers=headers) as answer:
            assert (answer.status, (await answer.json())["data"]) == (status, [])
    for path in ("public", "private", "business"):
        socket = await client.http.ws_connect(f"{client.base}/ws/v5/{path}")
        await frames(server, client, f"/ws/v5/{path}", socket, lambda message: message["event"] == "error" and message["code"] == "60012")
        await socket.send_str("[" * 100_000)
        assert (await receive(socket))["code"] == "60012"
        await socket.close()
    _, writer = await raw_socket(server, client, "/ws/v5/public")
    before = len(server.okx.sockets.lines)
    writer.write(bytes([0x81, 0xFF]) + (10 << 20).to_bytes(8, "big") + bytes(4))
    for _ in range(500):
        if len(server.okx.sockets.lines) < before:
            break
        writer.write(b"x" * (1 << 14))
        await asyncio.sleep(0.001)
    assert len(server.okx.sockets.lines) < before, "a frame of 10 MB closes its line"
    writer.transport.abort()


async def never_reads(server: Server, client: Client, path: str, message: dict[str, Any]) -> None:
    """A subscriber that reads nothing is cut once its queue is full, and the memory of it is given back."""
    _, writer = await raw_socket(server, client, path, limit=1024)
    frame = json.dumps(message).encode()
    writer.write(bytes([0x81, 0x80 | len(frame), 0, 0, 0, 0]) + frame)
    await writer.drain()
    await asyncio.sleep(0.05)
    box = server.hub.each("market")[-1]
    for _ in range(400):
        box.send("x" * 100_000)
        if box.is_gone:
            break
    assert box.is_gone
    assert box._bytes <= QUEUED_BYTES
    writer.transport.abort()


@row("AX", "a reader that never reads")
async def ax_reader(server: Server, client: Client) -> None:
    await never_reads(server, client, "/md/ws", {"rid": 1, "type": "subscribe", "symbol": NEAR, "level": "LEVEL_2"})


@row("OKX", "a reader that never reads")
async def okx_reader(server: Server, client: Client) -> None:
    await never_reads(server, client, "/ws/v5/public", {"op": "subscribe", "args": [{"channel": "books", "instId": ID}]})


@row("AX", "a venue clock an hour off")
async def ax_clock(server: Server, client: Client) -> None:
    """An hour ahead the venue finds its own tokens of an hour expired; a new login helps. An hour behind it takes them longer."""
    server.skew = HOUR + 10**9
    assert (await client.get("/api/whoami"))["code"] == 401
    await client.login()
    assert (await client.get("/api/whoami"))["id"] == "one"
    server.skew = -HOUR
    assert (await client.get("/api/whoami"))["id"] == "one"
    server.skew = 0


@row("OKX", "a venue clock an hour off")
async def okx_clock(server: Server, client: Client) -> None:
    """A client that asks the venue for its time is let in, one that goes by its own clock is not."""
    for skew in (HOUR, -HOUR):
        server.skew = 0
        own = f"{dt.datetime.fromtimestamp(server.wall() / 1e9, dt.UTC):%Y-%m-%dT%H:%M:%S}.000Z"
        server.skew = skew
        assert (await ask(client, "GET", "/api/v5/account/balance", stamp=own))["code"] == "50102"
        async with client.http.get(f"{client.base}/api/v5/public/time") as answer:
            told = int((await answer.json())["data"][0]["ts"])
        theirs = f"{dt.datetime.fromtimestamp(told / 1e3, dt.UTC):%Y-%m-%dT%H:%M:%S}.000Z"
        assert (await ask(client, "GET", "/api/v5/account/balance", stamp=theirs))["code"] == "0"
    server.skew = 0


class _Any:
    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and bool(other)

    __hash__ = None  # type: ignore[assignment]


Any_ = _Any()
"""Equal to any text that says something."""


def play(talk: Talk) -> None:
    """One conversation; afterwards both dialects still take an order, and its cancel."""

    async def run() -> None:
        async with serving(full_exchange()) as (server, client):
            await talk(server, client)
            await client.login()
            placed = await client.post("/orders/place-order", {"s": "SIM-H100-PERP", "d": "B", "q": 1, "p": "1.9"})
            assert (await client.post("/orders/cancel-order", {"oid": placed["oid"]})) == {"cxl_rx": True}
            assert (await ask(client, "POST", "/api/v5/trade/order", {**OKX_PLACE, "instId": okx.SWAP}))["code"] == "0"

    asyncio.run(run())


def test_every_line_of_the_list_is_tried_on_both_dialects() -> None:
    assert {(dialect, sentence) for dialect in ("AX", "OKX") for sentence in SENTENCES} == {*TALKS, *ELSEWHERE}


@pytest.mark.parametrize("talk", dict.fromkeys(TALKS.values()), ids=lambda talk: talk.__name__)
def test_bad_input_is_answered_in_form(talk: Talk) -> None:
    play(talk)


WRONG: tuple[Any, ...] = (None, True, -1, 1e308, "x" * 5_000, "９", "", [], {}, [{}])


def spoiled(body: Any) -> list[Any]:
    """A body with each field wrong in every way, or missing."""
    rows = body if isinstance(body, list) else [body]
    found = [{**rows[0], name: wrong} for name in rows[0] for wrong in WRONG] + [
        {k: v for k, v in rows[0].items() if k != name} for name in rows[0]
    ]
    return [[each] for each in found] if isinstance(body, list) else found


def test_no_field_of_any_request_breaks_the_exchange() -> None:
    async def talk(server: Server, client: Client) -> None:
        for path, (body, _) in ax.WRITES.items():
            for bad in spoiled(body):
                async with client.http.post(client.base + path, json=bad, headers=client.headers) as answer:
                    assert answer.status < 500, (path, bad)
        for path, (good, _) in okx.WRITES.items():
            for bad in spoiled(good):
                assert (await ask(client, "POST", f"/api/v5/{path}", bad))["code"] != "50000", (path, bad)
        texts = ("", "x" * 500, "-1", "9" * 30, "%00", "NaN", "1e9", "O-")
        for path, (query, _) in ax.READS.items():
            for text in texts:
                names = {*query, "limit", "offset", "cursor", "level", "width", "start_timestamp_ns", "sort_ts"}
                assert "code" not in (found := await client.get(path, **dict.fromkeys(names, text))) or found["code"] < 500, (path, text)
        for path, (asked, _) in okx.READS.items():
            for text in texts:
                words = {*(word.partition("=")[0] for word in asked.split("&") if word), "limit", "after", "before", "begin", "end", "bar", "sz"}
                found = await ask(client, "GET", f"/api/v5/{path}?" + "&".join(f"{word}={text}" for word in sorted(words)))
                assert found["code"] != "50000", (path, text)

    play(talk)


def test_no_field_of_any_message_breaks_a_line() -> None:
    async def talk(server: Server, client: Client) -> None:
        orders = await client.orders_socket()
        place: dict[str, Any] = {**AX_PLACE, "tif": "GTC", "po": False, "cid": 1, "tag": "x", "x": {"kind": "stop", "life": "GTC", "trigger": "2.1", "distance": "1"}}
        inner = [{**place, "x": bad} for bad in spoiled({**place["x"], "until": 1, "group": 1, "parent": "O-1", "reduce_only": True})]
        for bad in [*spoiled(place), *inner, *spoiled({"t": "x", "oid": "O-1", "cid": 1}), *spoiled({"t": "r", "oid": "O-1", "p": "1", "q": 1, "tif": "GTC"}),
                    *spoiled({"t": "X", "symbol": NEAR}), *spoiled({"t": "s", "oid": "O-1"})]:  # fmt: skip
            await client.ask(orders, **bad)
        market = await client.http.ws_connect(f"{client.base}/md/ws", headers=client.headers)
        for good in ({"type": "subscribe", "symbol": NEAR, "level": "LEVEL_2", "trades": True, "ticker": True},
                     {"type": "subscribe_candles", "symbol": NEAR, "width": "1m"}, {"type": "unsubscribe_bbo_candles", "symbol": NEAR, "width": "1m"}):  # fmt: skip
            for bad in spoiled(good):
                await market.send_json({"rid": 9, **bad})
                while "rid" not in await receive(market):
                    pass
        line = await okx.socket_of(client, "private", set())
        for op in ("subscribe", "unsubscribe", "order", "amend-order", "cancel-order", "login"):
            args = {"channel": "instruments", "instType": "FUTURES", "instId": ID} if "sub" in op else {**OKX_PLACE, "ordId": "O-1", "newSz": "1", "newPx": "1"}
            for bad in [*spoiled(args), *spoiled({"op": op, "args": [], "id": "1"})]:
                await line.send_json(bad if "op" in bad and "args" in bad else {"op": op, "args": [bad]})
                await receive(line)
        assert len(server.hub.open) == 3

    play(talk)
