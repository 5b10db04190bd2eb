# SPDX-License-Identifier: Apache-2.0
"""Clients that do not know how to behave: text that is none, and connections that lead nowhere (the rest: test_bad_input.py).
And what is left of a server when it has stopped."""

from __future__ import annotations

import asyncio
import gc
import io
import resource
import sys
import weakref
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from kilohour.execution.sandbox import hub
from kilohour.execution.sandbox.server import Server
from kilohour.execution.sandbox.wire import BadText, micros_of, read_json, whole_of
from tests.execution.sandbox.booking import NEAR
from tests.execution.sandbox.serving import Client
from tests.execution.sandbox.test_ax import play
from tests.execution.sandbox.test_okx import ORDER, ask

DEEP = '{"a":' * 100_000
LONG = '{"rid":1,"q":' + "9" * 1_000_000 + "}"
BODIES = {
    "deep": DEEP.encode(), "deep lists": b"[" * 200_000, "a million digits": LONG[:1_000_000].encode() + b"}", "not utf-8": b'{"rid": "\xff\xfe"}',
    "a list": b"[1,2]", "half": b'{"rid":', "nothing": b" ", "nan": b'{"rid":1,"q":NaN}', "text": b"place an order please", "null": b"null",
}  # fmt: skip


@pytest.mark.parametrize("name", BODIES)
def test_text_that_is_no_object_is_refused_in_a_few_words(name: str) -> None:
    with pytest.raises(BadText) as found:
        read_json(BODIES[name])
    assert len(str(found.value)) < 120


def test_numbers_that_are_none_are_none() -> None:
    bad: Any
    for bad in (True, None, "1e5", "0x10", "--1", "1_000", "９", float("inf"), [], {}, "1" * 40, 10**40):
        assert micros_of(bad) is None, bad
        assert whole_of(bad) is None, bad
    assert micros_of(1.5) == 1_500_000
    assert micros_of("-0.000001") == -1


def test_bad_logins_paths_and_orders_are_answered_in_form() -> None:
    async def talk(server: Server, client: Client) -> None:
        for body in BODIES.values():
            async with client.http.post(f"{client.base}/api/authenticate", data=body) as answer:
                assert answer.status in (400, 401)
        for path in ("/orders/place-order", "/api/authenticate", "/_chaos"):
            async with client.http.post(client.base + path, data=io.BytesIO(b"x" * (10 << 20)), headers=client.headers) as answer:
                assert answer.status in (400, 413)
                assert (await answer.json())["msg"]
        async with client.http.get(f"{client.base}/nothing/here") as answer:
            assert (answer.status, (await answer.json())["code"]) == (404, 404)
        socket = await client.orders_socket()
        for bad in ({"t": "?"}, {}, {"t": "p"}, {"t": "p", "s": 5}, {"t": "p", "s": NEAR, "d": "X"}, {"t": "p", "s": NEAR, "d": "B", "q": 1.5, "p": "2"},
                    {"t": "p", "s": NEAR, "d": "B", "q": 1, "p": None}, {"t": "p", "s": NEAR, "d": "B", "q": 1, "p": "2", "tif": "FOK"},
                    {"t": "p", "s": NEAR, "d": "B", "q": 1, "p": "2", "cid": -1}, {"t": "p", "s": NEAR, "d": "B", "q": 1, "p": "2", "cid": 1 << 64},
                    {"t": "p", "s": NEAR, "d": "B", "q": 1, "p": "2", "tag": "much too long a tag"}, {"t": "p", "s": NEAR, "x": 5, "d": "B", "q": 1},
                    {"t": "x"}, {"t": "x", "oid": [1]}, {"t": "r", "oid": "O-1", "p": []}):  # fmt: skip
            reply, _ = await client.ask(socket, **bad)
            assert reply["err"]["code"] in (400, 404), (bad, reply)
        assert (await client.ask(socket, t="o"))[0]["res"] == []

    play(talk)


async def raw_socket(server: Server, client: Client, path: str, **named: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A websocket without a library, after its handshake."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, **named)
    writer.write(
        f"GET {path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Bearer {client.token}\r\n\r\n".encode()
    )
    await reader.readuntil(b"\r\n\r\n")
    return reader, writer


def test_a_frame_of_ten_megabytes_closes_its_socket_and_no_other() -> None:
    async def talk(server: Server, client: Client) -> None:
        small = await client.orders_socket()
        _, writer = await raw_socket(server, client, "/orders/ws")
        writer.write(bytes([0x81, 0xFF]) + (10 << 20).to_bytes(8, "big") + bytes(4))
        for _ in range(500):
            if len(server.hub.each("orders")) == 1:
                break
            writer.write(b"x" * (1 << 14))
            await asyncio.sleep(0.001)
        assert len(server.hub.each("orders")) == 1
        assert (await client.ask(small, t="o"))[0]["res"] == []
        writer.transport.abort()

    play(talk)


def test_lines_on_which_nobody_says_a_word_give_way_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "SOCKETS_MOST", 20)

    async def talk(server: Server, client: Client) -> None:
        orders = await client.orders_socket()
        speaks = await client.http.ws_connect(f"{client.base}/ws/v5/public")
        await speaks.send_str("ping")
        assert await speaks.receive_str() == "pong"
        held = [await raw_socket(server, client, path) for _ in range(30) for path in ("/ws/v5/public", "/md/ws")]
        assert len(server.hub.open) == 20
        again = await client.orders_socket()
        for socket in (orders, again):
            assert (await client.ask(socket, t="o"))[0]["res"] == []
        await speaks.send_str("ping")
        assert await speaks.receive_str() == "pong"
        for _, writer in held:
            writer.transport.abort()
        full = [await client.orders_socket() for _ in range(20 - 3)]
        for _ in range(200):
            if len(server.hub.open) == 20:
                break
            await asyncio.sleep(0.01)
        with pytest.raises(aiohttp.WSServerHandshakeError, match="503"):
            await client.orders_socket()
        assert len(full) == 17

    play(talk)


def test_a_thousand_half_open_connections_keep_nobody_out() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 2_500:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(4_096, hard), hard))

    async def talk(server: Server, client: Client) -> None:
        held: list[Any] = []
        try:
            for number in range(1_000):
                reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
                writer.write(b"GET /api/health HTTP/1.1\r\nHo" if number % 2 else b"")
                held.append((reader, writer))
            reply = await client.post("/orders/place-order", {"s": NEAR, "d": "B", "q": 1, "p": "2.00"})
            assert "oid" in reply
            okx = await ask(client, "POST", "/api/v5/trade/batch-orders", [ORDER])
            assert (okx["code"], okx["data"][0]["sCode"]) == ("0", "0")
            resting = server.exchange.open_orders[client.account]
            assert {(order.side, order.lots, order.price) for order in resting.values()} == {(1, 1, 2_000_000), (1, 2, 2_000_000)}
            assert okx["data"][0]["ordId"] in resting
        finally:
            for _, writer in held:
                writer.transport.abort()

    play(talk)


def test_a_server_that_has_stopped_leaves_nothing_of_its_exchange_in_memory() -> None:
    seen: list[weakref.ref[Any]] = []

    async def talk(server: Server, client: Client) -> None:
        assert "instruments" in await client.get("/api/instruments")
        seen.append(weakref.ref(server.exchange))

    play(talk)
    gc.collect()
    assert seen[0]() is None


@pytest.mark.skipif(sys.platform != "linux", reason="reads the kernel's list of sockets")
def test_the_sandbox_listens_on_this_machine_alone() -> None:
    """The kernel's own list of what listens, and a knock at another address of this machine, where one that listens everywhere answers."""

    async def talk(server: Server, client: Client) -> None:
        listening = [line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines()[1:] if line.split()[3] == "0A"]
        assert [address for address in listening if address.endswith(f":{server.port:04X}")] == [f"0100007F:{server.port:04X}"]
        assert f":{server.port:04X} " not in Path("/proc/net/tcp6").read_text()
        assert "instruments" in await client.get("/api/instruments")
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.2", server.port)

    play(talk)
