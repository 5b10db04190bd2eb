# SPDX-License-Identifier: Apache-2.0
"""The control plane's faults in OKX's form, by REST and by socket: the same rules as on AX, which test_chaos.py shows."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import pytest

from kilohour.execution.sandbox.server import Server
from tests.execution.sandbox.booking import NEAR, full_exchange
from tests.execution.sandbox.serving import Client, receive, serving
from tests.execution.sandbox.test_ax import other
from tests.execution.sandbox.test_checklist_okx import socket_of
from tests.execution.sandbox.test_okx import ID, ask

ORDER = {"instId": ID, "tdMode": "cross", "side": "buy", "ordType": "limit", "sz": "1", "px": "1.9"}
PATH = "/api/v5/trade/order"


def played(talk: Any) -> None:
    async def run() -> None:
        async with serving(full_exchange()) as (server, client):
            await talk(server, client)

    asyncio.run(run())


async def inject(client: Client, **rule: Any) -> None:
    assert "rules" in await client.post("/_chaos", rule)


def live(server: Server) -> set[str]:
    return {order.client_id for order in server.exchange.open_orders["one"].values()}


@pytest.mark.parametrize(("verb", "arrives"), [("lose_reply", True), ("drop_request", False)])
def test_a_line_is_cut_before_or_after_the_order(verb: str, arrives: bool) -> None:
    async def talk(server: Server, client: Client) -> None:
        await inject(client, do=verb, on="place")
        with pytest.raises(aiohttp.ClientError):
            await ask(client, "POST", PATH, {**ORDER, "clOrdId": "rest"})
        assert ("rest" in live(server)) is arrives
        socket = await socket_of(client, "private", set())
        await inject(client, do=verb, on="place")
        await socket.send_json({"id": "1", "op": "order", "args": [{**ORDER, "clOrdId": "socket"}]})
        assert (await socket.receive(timeout=60)).type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.ERROR)
        assert ("socket" in live(server)) is arrives
        assert server.chaos.hits == {verb: 2}

    played(talk)


def test_a_reply_is_late_refused_over_the_limit_or_garbage() -> None:
    async def talk(server: Server, client: Client) -> None:
        socket, loop = await socket_of(client, "private", set()), asyncio.get_running_loop()

        async def by_socket(name: str) -> str:
            await socket.send_json({"id": name, "op": "order", "args": [{**ORDER, "clOrdId": name}]})
            return await asyncio.wait_for(socket.receive_str(), 60)

        for number, (verb, code, said) in enumerate((("too_many", "", "50011"), ("reject", "51008", "51008"), ("reject", "maintenance", "50001"))):
            await inject(client, do=verb, on="place", count=2, **({"code": code} if code else {}))
            assert (await ask(client, "POST", PATH, {**ORDER, "clOrdId": f"r{number}"}))["code"] == said
            told = json.loads(await by_socket(f"s{number}"))
            assert (told["id"], told["op"], told["data"]) == (f"s{number}", "order", [])
            assert told["code"] == (said if code != "maintenance" else "maintenance")
        assert live(server) == set(), "refused before it was matched"
        await inject(client, do="malformed", on="place", count=2)
        with pytest.raises(aiohttp.ContentTypeError):
            await ask(client, "POST", PATH, {**ORDER, "clOrdId": "m1"})
        with pytest.raises(ValueError, match="Expecting value"):
            json.loads(await by_socket("m2"))
        await inject(client, do="delay_reply", on="place", ms=80, count=2)
        for send in (ask(client, "POST", PATH, {**ORDER, "clOrdId": "d1"}), by_socket("d2")):
            begun = loop.time()
            await send
            assert loop.time() - begun > 0.07
        assert live(server) == {"m1", "m2", "d1", "d2"}, "what came back says nothing of what was done"

    played(talk)


def test_an_order_that_shows_up_late_is_in_no_answer_until_then() -> None:
    async def talk(server: Server, client: Client) -> None:
        clock = server._clock
        for number in range(2):
            socket = await socket_of(client, "private", set())
            await inject(client, do="late_order", on="place", ms=60_000)
            order = {**ORDER, "clOrdId": f"late{number}"}
            if number:
                await socket.send_json({"id": "1", "op": "order", "args": [order]})
                assert json.loads(await asyncio.wait_for(socket.receive_str(), 60))["code"] == "0"
            else:
                assert (await ask(client, "POST", PATH, order))["code"] == "0"
            asked = f"{PATH}?instId={ID}&clOrdId=late{number}"
            pending = "/api/v5/trade/orders-pending?instType=FUTURES"
            assert (await ask(client, "GET", asked))["code"] == "51603"
            assert f"late{number}" not in [row["clOrdId"] for row in (await ask(client, "GET", pending))["data"]]
            assert f"late{number}" in live(server)
            clock.now += 61 * 10**9
            assert (await ask(client, "GET", asked))["data"][0]["state"] == "live"
            assert f"late{number}" in [row["clOrdId"] for row in (await ask(client, "GET", pending))["data"]]

    played(talk)


@pytest.mark.parametrize(("verb", "states"), [
    ("drop", ["partially_filled", "filled"]), ("duplicate", ["live", "live", "partially_filled", "filled"]),
    ("delay", ["partially_filled", "filled", "live"]), ("reorder", ["partially_filled", "live", "filled"])])
def test_messages_of_orders_are_dropped_doubled_late_or_out_of_order(verb: str, states: list[str]) -> None:
    async def talk(server: Server, client: Client) -> None:
        socket = await socket_of(client, "private", set())
        await socket.send_json({"op": "subscribe", "args": [{"channel": "orders", "instType": "FUTURES"}]})
        assert (await receive(socket))["event"] == "subscribe"
        await inject(client, do=verb, on="private", ms=100)
        await ask(client, "POST", PATH, {**ORDER, "sz": "2"})
        for _ in range(2):
            other(server, -1, 1, 1_900_000, NEAR)
        assert [(await receive(socket))["data"][0]["state"] for _ in states] == states

    played(talk)


def test_sockets_are_closed_or_fall_silent() -> None:
    async def talk(server: Server, client: Client) -> None:
        private, public = await socket_of(client, "private", set()), await client.http.ws_connect(f"{client.base}/ws/v5/public")
        await public.send_str("ping")
        assert await public.receive_str() == "pong"
        await inject(client, do="half_open", channel="market")
        await public.send_str("ping")
        with pytest.raises(asyncio.TimeoutError):
            await public.receive(timeout=0.15)
        await private.send_str("ping")
        assert await private.receive_str() == "pong"
        await inject(client, do="disconnect", channel="orders")
        closed = await private.receive(timeout=60)
        assert (closed.type, closed.data) == (aiohttp.WSMsgType.CLOSE, 1012)

    played(talk)


def test_a_liquidation_and_a_corrected_settlement_are_told() -> None:
    async def talk(server: Server, client: Client) -> None:
        other(server, -1, 1, 1_900_000, NEAR)
        await ask(client, "POST", PATH, ORDER)
        other(server, 1, 1, 1_890_000, NEAR)
        await inject(client, do="liquidate", account="one")
        fills = (await ask(client, "GET", "/api/v5/trade/fills-history?instType=FUTURES"))["data"]
        assert [(row["side"], row["fillSz"], row["ordId"][:2]) for row in fills] == [("sell", "1", "L-"), ("buy", "1", "O-")]
        assert not [row for row in (await ask(client, "GET", "/api/v5/account/positions"))["data"] if row["pos"] != "0"]
        other(server, -1, 1, 1_900_000, NEAR)
        await ask(client, "POST", PATH, ORDER)
        await inject(client, do="expire", symbol=NEAR, price="2.10")
        before = float((await ask(client, "GET", "/api/v5/account/balance"))["data"][0]["details"][0]["cashBal"])
        await inject(client, do="correct_settlement", symbol=NEAR, price="2.05")
        after = float((await ask(client, "GET", "/api/v5/account/balance"))["data"][0]["details"][0]["cashBal"])
        assert after - before == pytest.approx(-730 * 0.05)

    played(talk)
