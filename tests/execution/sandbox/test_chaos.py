# SPDX-License-Identifier: Apache-2.0
"""Every fault that the control plane can inject, seen from a client; and the random ones come from the seed alone."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import aiohttp
import pytest

from kilohour.execution.sandbox.chaos import ACTIONS, REQUEST_VERBS, STREAM_VERBS, Chaos
from kilohour.execution.sandbox.model import NewOrder
from kilohour.execution.sandbox.server import Server
from tests.execution.sandbox.booking import NEAR, full_exchange
from tests.execution.sandbox.serving import Client, receive, serving, until
from tests.execution.sandbox.test_ax import other, play

ORDER: dict[str, Any] = {"s": NEAR, "d": "B", "q": 1, "p": "2.00"}


async def inject(client: Client, **rule: Any) -> Any:
    return await client.post("/_chaos", rule)


def live(server: Server) -> list[str]:
    return [order.client_id for order in server.exchange.open_orders["one"].values()]


def test_a_reply_is_lost_and_a_request_is_dropped() -> None:
    async def talk(server: Server, client: Client) -> None:
        for number, (verb, arrives) in enumerate((("lose_reply", True), ("drop_request", False))):
            await inject(client, do=verb, on="place")
            with pytest.raises(aiohttp.ClientError):
                await client.post("/orders/place-order", {**ORDER, "cid": 10 + number})
            assert (str(10 + number) in live(server)) is arrives
            socket = await client.orders_socket()
            await inject(client, do=verb, on="place")
            with pytest.raises((TypeError, aiohttp.ClientError)):
                await client.ask(socket, t="p", cid=20 + number, **ORDER)
            assert (str(20 + number) in live(server)) is arrives
        assert server.chaos.hits == {"lose_reply": 2, "drop_request": 2}

    play(talk)


def test_a_reply_is_late_refused_over_the_limit_or_garbage() -> None:
    async def talk(server: Server, client: Client) -> None:
        loop = asyncio.get_running_loop()
        await inject(client, do="delay_reply", on="place", ms=80)
        begun = loop.time()
        assert "oid" in await client.post("/orders/place-order", {**ORDER, "cid": 1})
        assert loop.time() - begun > 0.07
        await inject(client, do="too_many", on="any", count=2)
        async with client.http.get(f"{client.base}/api/positions", headers=client.headers) as answer:
            assert answer.status == 429
        socket = await client.orders_socket()
        assert (await client.ask(socket, t="p", cid=2, **ORDER))[0]["err"]["code"] == 429
        await inject(client, do="reject", on="place", code="INSUFFICIENT_CREDIT_LIMIT")
        assert (await client.ask(socket, t="p", cid=3, **ORDER))[0]["err"] == {"code": 400, "msg": "INSUFFICIENT_CREDIT_LIMIT"}
        await inject(client, do="malformed", on="place")
        async with client.http.post(f"{client.base}/orders/place-order", json={**ORDER, "cid": 4}, headers=client.headers) as answer:
            assert answer.status == 502
            assert (await answer.text()).startswith("<html>")
        assert live(server) == ["1", "4"], "garbage came back, the order is there"
        await inject(client, do="late_order", on="place", ms=60_000)
        await client.post("/orders/place-order", {**ORDER, "cid": 5})
        assert (await client.get("/orders/order-status", cid="5"))["code"] == 404
        assert live(server) == ["1", "4", "5"]

    play(talk)


@pytest.mark.parametrize(
    ("verb", "letters"), [("drop", "pf"), ("duplicate", "nnpf"), ("delay", "pfn"), ("reorder", "pnf")], ids=lambda value: str(value)
)
def test_messages_of_a_stream_are_dropped_doubled_late_or_out_of_order(verb: str, letters: str) -> None:
    async def talk(server: Server, client: Client) -> None:
        socket = await client.orders_socket()
        await inject(client, do=verb, on="private", ms=60)
        await client.post("/orders/place-order", {**ORDER, "q": 2})
        other(server, -1, 1, 2_000_000)
        other(server, -1, 1, 2_000_000)
        assert "".join([(await receive(socket))["t"] for _ in letters]) == letters

    play(talk)


def test_sockets_are_closed_or_fall_silent() -> None:
    async def talk(server: Server, client: Client) -> None:
        gone, silent = await client.orders_socket(), await client.http.ws_connect(f"{client.base}/md/ws", headers=client.headers)
        await inject(client, do="half_open", channel="market")
        await inject(client, do="disconnect", channel="orders")
        closed = await gone.receive(timeout=60)
        assert (closed.type, closed.data) == (aiohttp.WSMsgType.CLOSE, 1012)
        await silent.send_json({"rid": 1, "type": "subscribe", "symbol": NEAR, "level": "LEVEL_2"})
        with pytest.raises(asyncio.TimeoutError):
            await silent.receive(timeout=0.15)

    play(talk)


def test_instruments_halt_close_expire_and_come_back() -> None:
    async def talk(server: Server, client: Client) -> None:
        socket = await client.orders_socket()
        reply, _ = await client.ask(socket, t="p", cid=1, **ORDER)
        await until(socket, "n")
        await inject(client, do="halt", symbol=NEAR)
        assert (await client.get("/api/instrument", symbol=NEAR))["state"] == "HALTED"
        await client.ask(socket, t="p", cid=2, **ORDER)
        assert (await until(socket, "j"))["r"] == "EXCHANGE_CLOSED"
        await client.ask(socket, t="x", oid=reply["res"]["oid"])
        assert (await until(socket, "e"))["r"] == "EXCHANGE_CLOSED"
        await inject(client, do="resume", symbol=NEAR)
        await inject(client, do="close", symbol=NEAR)
        assert (await client.get("/api/instrument", symbol=NEAR))["state"] == "CLOSED"
        await inject(client, do="resume", symbol=NEAR)
        other(server, -1, 1, 2_000_000)
        await client.ask(socket, t="p", cid=3, **ORDER)
        await inject(client, do="expire", symbol=NEAR, price="2.10")
        assert (await until(socket, "x"))["o"]["cid"] == 3
        books = await client.get("/_account/one")
        assert books["positions"] == {}
        assert books["cash"] == 10**12 + 730 * 100_000 - books["fees"]
        await inject(client, do="correct_settlement", symbol=NEAR, price="2.05")
        assert (await client.get("/_account/one"))["cash"] == books["cash"] - 730 * 50_000
        await client.ask(socket, t="p", cid=4, **ORDER)
        assert (await until(socket, "j"))["r"] == "UNKNOWN_SYMBOL"
        for verb in ("resume", "halt", "close"):
            async with client.http.post(f"{client.base}/_chaos", json={"do": verb, "symbol": NEAR}) as answer:
                assert (answer.status, f"{verb}: {NEAR} has expired, and stays so" in await answer.text()) == (400, True)
        await client.ask(socket, t="p", cid=5, **ORDER)
        assert (await until(socket, "j"))["r"] == "UNKNOWN_SYMBOL"

    play(talk)


def test_a_closing_auction_and_a_suspension_on_the_wire() -> None:
    async def talk(server: Server, client: Client) -> None:
        socket = await client.orders_socket()
        await inject(client, do="closing_auction", symbol=NEAR)
        assert (await client.get("/api/ticker", symbol=NEAR))["ticker"]["i"] == "MATCH_AND_CLOSE_AUCTION"
        resting = (await client.ask(socket, t="p", cid=1, **ORDER))[0]["res"]["oid"]
        other(server, -1, 1, 1_990_000)
        await client.ask(socket, t="p", cid=2, **{**ORDER, "tif": "IOC"})
        assert (await until(socket, "j"))["r"] == "EXCHANGE_CLOSED"
        assert server.exchange.orders[resting].filled == 0, "crossed, and nothing trades yet"
        await inject(client, do="close", symbol=NEAR)
        assert (await until(socket, "f"))["o"]["oid"] == resting
        assert (await client.get("/api/instrument", symbol=NEAR))["state"] == "CLOSED"
        await inject(client, do="resume", symbol=NEAR)
        staying = (await client.ask(socket, t="p", cid=3, **{**ORDER, "p": "1.90"}))[0]["res"]["oid"]
        await inject(client, do="suspend", symbol=NEAR)
        assert (await client.get("/api/instrument", symbol=NEAR))["state"] == "SUSPENDED"
        await client.ask(socket, t="p", cid=4, **ORDER)
        assert (await until(socket, "j"))["r"] == "EXCHANGE_CLOSED"
        await client.ask(socket, t="x", oid=staying)
        assert (await until(socket, "e"))["r"] == "EXCHANGE_CLOSED"

    play(talk)


def test_a_credit_limit_is_of_notional_and_lets_positions_shrink() -> None:
    """A lot is 730 hours at a mark of 2.00: 1460 dollars, so that 2920 are two lots."""

    async def talk(server: Server, client: Client) -> None:
        socket = await client.orders_socket()
        await inject(client, do="credit", account="one", limit="2920")
        two = {**ORDER, "q": 2, "p": "1.90"}
        resting = (await client.ask(socket, t="p", cid=1, **two))[0]["res"]["oid"]
        await client.ask(socket, t="p", cid=2, **ORDER)
        assert (await until(socket, "j"))["r"] == "INSUFFICIENT_CREDIT_LIMIT"
        assert "INSUFFICIENT_CREDIT_LIMIT" in (await client.ask(socket, t="r", oid=resting, q=3))[0]["err"]["msg"]
        await client.ask(socket, t="p", cid=3, **{**two, "d": "S", "p": "2.10"})
        assert len(server.exchange.open_orders["one"]) == 2, "the other way it is two lots as well"
        other(server, -1, 2, 1_900_000)
        await until(socket, "f")
        await inject(client, do="credit", account="one", limit="0")
        await client.ask(socket, t="p", cid=4, **ORDER)
        assert (await until(socket, "j"))["r"] == "INSUFFICIENT_CREDIT_LIMIT"
        await client.ask(socket, t="p", cid=5, **{**two, "d": "S", "p": "2.20"})
        assert len(server.exchange.open_orders["one"]) == 2, "long two: to sell four is short two at most"
        await inject(client, do="credit", account="one", limit=None)
        await client.ask(socket, t="p", cid=6, **ORDER)
        assert len(server.exchange.open_orders["one"]) == 3

    async def run() -> None:
        async with serving(full_exchange()) as (server, client):
            await talk(server, client)

    asyncio.run(run())


def test_a_venue_liquidates() -> None:
    async def talk(server: Server, client: Client) -> None:
        socket = await client.orders_socket()
        await client.ask(socket, t="p", cid=1, **ORDER)
        other(server, -1, 1, 2_000_000)
        other(server, 1, 1, 1_990_000)
        await until(socket, "f")
        await inject(client, do="liquidate", account="one")
        event = await until(socket, "f")
        assert event["o"]["oid"].startswith("L-")
        assert "cid" not in event["o"]
        assert (await client.get("/_account/one"))["positions"] == {}
        assert len((await client.get("/api/liquidations"))["liquidations"]) == 1

    play(talk)


@pytest.mark.parametrize("state", ["keep", "wipe"])
def test_a_venue_restarts_with_and_without_its_orders(state: str) -> None:
    async def talk(server: Server, client: Client) -> None:
        socket = await client.orders_socket()
        await client.ask(socket, t="p", cid=1, **ORDER)
        await until(socket, "n")
        await inject(client, do="restart", state=state)
        assert (await socket.receive(timeout=60)).type is aiohttp.WSMsgType.CLOSE
        assert (await client.get("/api/whoami"))["code"] == 401
        await client.login()
        rows = (await client.get("/orders/open-orders"))["orders"]
        assert [row["cid"] for row in rows] == ([1] if state == "keep" else [])

    play(talk)


def test_the_clock_is_off_and_tokens_end() -> None:
    async def talk(server: Server, client: Client) -> None:
        await inject(client, do="expire_tokens")
        assert (await client.get("/api/whoami"))["code"] == 401
        await client.login()
        await inject(client, do="skew", seconds=3600)
        assert server.wall() - server._clock() == 3600 * 10**9
        assert (await client.get("/api/whoami"))["code"] == 401, "the token of an hour is over by the venue's clock"

    play(talk)


def test_a_storm_is_the_same_again_from_its_seed() -> None:
    def storm() -> list[str]:
        chaos = Chaos(5)
        for verb in REQUEST_VERBS:
            chaos.add({"do": verb, "on": "any", "count": -1, "p": 0.1})
        return [rule.do if (rule := chaos.request("place")) else "" for _ in range(200)]

    assert storm() == storm()
    assert len(set(storm())) == len(REQUEST_VERBS) + 1


def test_the_control_plane_says_what_is_wrong() -> None:
    async def talk(server: Server, client: Client) -> None:
        for rule, words in (
            ({"do": "explode"}, "unknown fault 'explode'"),
            ({"do": "lose_reply", "on": "private"}, "on must be one of place"),
            ({"do": "drop", "p": 2}, "p must be between 0 and 1"),
            ({"do": "drop", "colour": "red"}, "unknown key 'colour'"),
            ({"do": "delay", "ms": "soon"}, "ms must be a whole number"),
            ({"do": "halt", "symbol": "NOPE"}, "unknown symbol"),
            ({"do": "liquidate", "account": "nobody"}, "unknown account"),
            ({"do": "skew", "seconds": "late"}, "seconds must be a number"),
            ({"do": "credit", "account": "one", "limit": "much"}, "limit must be a decimal of at least 0"),
            ({"do": "correct_settlement", "symbol": NEAR}, "price must be a decimal"),
        ):
            found = await client.post("/_chaos", rule)
            assert words in found["msg"], found
        shown = await client.get("/_chaos")
        assert set(shown["verbs"]) == {*REQUEST_VERBS, *STREAM_VERBS, *ACTIONS}
        await inject(client, do="drop", count=-1)
        await inject(client, do="clear")
        assert server.chaos.rules == []

    play(talk)


async def storming(client: Client, orders: int) -> None:
    """Orders without a thought for what comes of them."""
    for number in range(orders):
        with contextlib.suppress(aiohttp.ClientError, asyncio.TimeoutError, ValueError):
            await client.post("/orders/place-order", {**ORDER, "cid": number, "d": "BS"[number % 2]})


def test_after_a_storm_no_intent_has_two_orders_and_the_books_add_up() -> None:
    async def talk(server: Server, client: Client) -> None:
        for verb in ("lose_reply", "drop_request", "reject", "too_many", "malformed"):
            server.chaos.add({"do": verb, "on": "place", "count": -1, "p": 0.15})
        await storming(client, 120)
        ids = [order.client_id for order in server.exchange.orders.values()]
        assert 40 < len(ids) < 120
        assert len(set(ids)) == len(ids)
        s = server.exchange.statement("one")
        assert s.cash == 10**12 + sum(t.micros for t in server.exchange.transactions["one"])
        server.exchange.place("two", NewOrder(symbol=NEAR, side=1, lots=1, price=2_000_000))

    play(talk)
