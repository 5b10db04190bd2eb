# SPDX-License-Identifier: Apache-2.0
"""The AX dialect over real sockets: requests, events, accounts, in the words of the protocol."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from kilohour.execution.sandbox.model import NewOrder
from kilohour.execution.sandbox.server import Server
from tests.execution.sandbox.booking import FAR, NEAR, small_exchange
from tests.execution.sandbox.serving import Client, Clock, receive, serving, until

Play = Callable[[Server, Client], Awaitable[None]]


def play(do: Play, **named: Any) -> None:
    """Runs one conversation with a server of its own."""

    async def run() -> None:
        async with serving(small_exchange(**named)) as (server, client):
            await do(server, client)

    asyncio.run(run())


def other(server: Server, side: int, lots: int, price: int, symbol: str = NEAR) -> None:
    """Another account places an order."""
    server.exchange.place("two", NewOrder(symbol=symbol, side=side, lots=lots, price=price))
    server.publish()


def test_an_instrument_has_what_clients_read() -> None:
    async def talk(server: Server, client: Client) -> None:
        client.token = ""
        rows = (await client.get("/api/instruments"))["instruments"]
        assert [row["symbol"] for row in rows] == [NEAR, FAR]
        texts = "symbol multiplier minimum_order_size tick_size quote_currency funding_settlement_currency category initial_margin_pct"
        for name in (*texts.split(), "maintenance_margin_pct"):
            assert isinstance(rows[0][name], str), name
        assert (rows[0]["multiplier"], rows[0]["tick_size"], rows[0]["state"]) == ("730", "0.01", "OPEN")
        assert (await client.get("/api/instrument", symbol=FAR))["symbol"] == FAR
        assert (await client.get("/api/instrument", symbol="NOPE"))["code"] == 404
        assert (await client.get("/api/whoami"))["code"] == 401

    play(talk)


def test_an_order_lives_from_its_acknowledgement_to_its_last_fill() -> None:
    async def talk(server: Server, client: Client) -> None:
        socket = await client.orders_socket()
        big = (1 << 64) - 1
        reply, _ = await client.ask(socket, t="p", s=NEAR, d="B", q=5, p="2.00", tif="GTC", po=False, cid=big, tag="x1")
        event = await until(socket, "n")
        order = event["o"]
        assert order["oid"] == reply["res"]["oid"]
        assert order["oid"].startswith("O-")
        assert {k: order[k] for k in ("s", "p", "q", "xq", "rq", "o", "d", "tif", "cid", "tag", "po")} == {
            "s": NEAR, "p": "2", "q": 5, "xq": 0, "rq": 5, "o": "ACCEPTED", "d": "B", "tif": "GTC", "cid": big, "tag": "x1", "po": False,
        }  # fmt: skip
        other(server, -1, 2, 2_000_000)
        part = await until(socket, "p")
        assert part["xs"] == {"tid": part["xs"]["tid"], "s": NEAR, "q": 2, "p": "2", "d": "B", "agg": False}
        assert (part["o"]["xq"], part["o"]["rq"], part["o"]["o"]) == (2, 3, "PARTIALLY_FILLED")
        status = (await client.get("/orders/order-status", cid=str(big)))["status"]
        assert (status["order_id"], status["state"], status["filled_quantity"], status["remaining_quantity"]) == (
            order["oid"], "PARTIALLY_FILLED", 2, 3)  # fmt: skip
        other(server, -1, 3, 2_000_000)
        assert (await until(socket, "f"))["o"]["o"] == "FILLED"
        fills = (await client.get("/api/fills", limit=1))["fills"]
        assert (fills[0]["quantity"], fills[0]["fee"], fills[0]["order_id"], fills[0]["is_taker"]) == (2, "11", order["oid"], False)
        assert len((await client.get("/api/fills", cursor=(await client.get("/api/fills", limit=1))["next_cursor"]))["fills"]) == 1
        position = (await client.get("/api/positions"))["positions"][0]
        assert (position["signed_quantity"], position["signed_notional"]) == (5, "10")

    play(talk)


def test_cancel_replace_and_the_words_for_what_does_not_go() -> None:
    async def talk(server: Server, client: Client) -> None:
        socket = await client.orders_socket()
        first, _ = await client.ask(socket, t="p", s=NEAR, d="S", q=5, p="2.50", cid=1)
        again, _ = await client.ask(socket, t="p", s=NEAR, d="S", q=5, p="2.50", cid=1)
        assert again["err"]["code"] == 409
        moved, _ = await client.ask(socket, t="r", oid=first["res"]["oid"], p="2.40")
        event = await until(socket, "r")
        assert (event["ro"]["oid"], event["noid"], event["no"]["p"]) == (first["res"]["oid"], moved["res"]["oid"], "2.4")
        other(server, 1, 1, 2_000_000)
        for body, reason in (
            ({"q": 1, "p": "2.00", "d": "S", "po": True}, "INCORRECT_ORDER_TYPE"),
            ({"q": 1, "p": "2.005", "d": "B"}, "INVALID_PRICE_INCREMENT"),
            ({"q": 0, "p": "2.00", "d": "B"}, "INCORRECT_QUANTITY"),
            ({"q": 1, "p": "2.00", "d": "B", "s": "NOPE"}, "UNKNOWN_SYMBOL"),
            ({"q": 900_000, "p": "2.00", "d": "B"}, "INSUFFICIENT_MARGIN"),
        ):
            reply, _ = await client.ask(socket, **{"t": "p", "s": NEAR, **body})
            assert "oid" in reply["res"], "a refusal by the exchange is an event, not an error"
            event = await until(socket, "j")
            assert (event["r"], event["o"]["o"]) == (reason, "REJECTED")
            assert body.get("po") is None or "post-only order would cross the book" in event["txt"]
        reply, _ = await client.ask(socket, t="p", s=NEAR, d="B", q=1, p="2.00", tif="IOC")
        assert (await until(socket, "x"))["o"]["oid"] == reply["res"]["oid"]
        reply, _ = await client.ask(socket, t="x", oid=moved["res"]["oid"])
        assert reply["res"] == {"cxl_rx": True}
        assert (await until(socket, "c"))["xr"] == "USER"
        await client.ask(socket, t="x", oid=moved["res"]["oid"])
        assert (await until(socket, "e"))["r"] == "ORIGINAL_ORDER_TERMINATED"
        assert (await client.ask(socket, t="x", oid="O-NOBODY"))[0]["err"]["code"] == 404

    play(talk)


def test_open_orders_come_with_the_login_and_go_with_the_connection() -> None:
    async def talk(server: Server, client: Client) -> None:
        socket = await client.orders_socket("?cancel_on_disconnect=true")
        await client.ask(socket, t="p", s=NEAR, d="B", q=1, p="2.00", cid=5)
        again = await client.http.ws_connect(f"{client.base}/orders/ws", headers=client.headers)
        login = await receive(again)
        assert (login["res"]["li"], [o["cid"] for o in login["res"]["o"]]) == ("one", [5])
        await again.close()
        await socket.close()
        for _ in range(100):
            if not server.exchange.open_orders["one"]:
                break
            await asyncio.sleep(0.01)
        page = await client.get("/orders/open_orders", limit=10, offset=0, sort_ts="desc")
        assert page == {"orders": [], "total_count": 0, "limit": 10, "offset": 0}
        assert [order["o"] for order in (await client.get("/orders/orders"))["orders"]] == ["CANCELED"]

    play(talk)


def test_market_data_is_the_whole_book_trades_and_a_ticker() -> None:
    async def talk(server: Server, client: Client) -> None:
        socket = await client.http.ws_connect(f"{client.base}/md/ws", headers=client.headers)
        await socket.send_str(
            json.dumps({"rid": 1, "type": "subscribe", "symbol": NEAR, "level": "LEVEL_2", "trades": True, "ticker": True})
        )
        assert await receive(socket) == {"rid": 1, "result": {"subscribed": NEAR}}
        assert [(await receive(socket))["t"], (await receive(socket))["t"]] == ["2", "s"]
        other(server, 1, 3, 2_000_000)
        other(server, 1, 2, 1_990_000)
        books = [message for message in [await receive(socket) for _ in range(4)] if message["t"] == "2"]
        assert books[-1]["b"] == [{"p": "2", "q": 3}, {"p": "1.99", "q": 2}]
        assert books[-1]["st"] is True
        server.exchange.place("three", NewOrder(symbol=NEAR, side=-1, lots=1, price=2_000_000))
        server.publish()
        trade, book, ticker = [await receive(socket) for _ in range(3)]
        assert (trade["t"], trade["p"], trade["q"], trade["d"]) == ("t", "2", 1, "S")
        assert book["b"][0] == {"p": "2", "q": 2}
        assert (ticker["p"], ticker["q"], ticker["i"], ticker["bp"]) == ("2", 1, "OPEN", "2")
        await socket.send_str(json.dumps({"rid": -2, "type": "subscribe", "symbol": "NOPE", "level": "LEVEL_2"}))
        assert (await receive(socket))["error"]["code"] == 404
        assert (await client.get("/api/trades", symbol=NEAR))["trades"][0]["p"] == "2"
        assert (await client.get("/api/candles", symbol=NEAR, width="1m"))["candles"][-1]["sell_volume"] == 1

    play(talk)


def test_a_market_order_of_ax_is_a_previewed_limit() -> None:
    async def talk(server: Server, client: Client) -> None:
        other(server, -1, 3, 2_000_000)
        other(server, -1, 3, 2_010_000)
        found = await client.post("/api/preview-aggressive-limit-order", {"symbol": NEAR, "quantity": 5, "side": "B"})
        assert found == {"filled_quantity": 5, "remaining_quantity": 0, "limit_price": "2.01"}
        reply = await client.post("/orders/place_order", {"s": NEAR, "d": "B", "q": 5, "p": found["limit_price"], "tif": "IOC"})
        assert (await client.get("/orders/order-status", order_id=reply["oid"]))["status"]["state"] == "FILLED"
        margin = await client.post("/orders/initial-margin-requirement", {"symbol": NEAR, "side": "B", "quantity": 1, "price": "2"})
        assert float(margin["im"]) > float(margin["im_before"]) > 0
        before = float((await client.get("/api/balances"))["balances"][0]["amount"])
        after = await client.post("/api/sandbox/deposit", {"symbol": "USD", "amount": "100.5"})
        assert float(after["balances"][0]["amount"]) == before + 100.5

    play(talk)


def test_a_token_expires() -> None:
    async def run() -> None:
        clock = Clock()
        async with serving(small_exchange(), clock=clock) as (server, client):
            assert "id" in await client.get("/api/whoami")
            clock.now += 3_601 * 10**9
            assert (await client.get("/api/whoami"))["code"] == 401
            wrong = {"api_key": client.keys.api_key, "api_secret": "wrong", "expiration_seconds": 60}
            assert (await client.post("/api/authenticate", wrong))["code"] == 401
            assert (await client.post("/api/authenticate", {**wrong, "expiration_seconds": 0}))["code"] == 400
            await client.login()
            assert "id" in await client.get("/api/whoami")

    asyncio.run(run())


def test_quote_candles_are_of_the_best_prices_as_they_are_told() -> None:
    """Worked by hand: bid 2.00, ask 2.10 from the tenth second, bid 2.05 in the eleventh, and in the thirteenth the bid gone and the ask at 2.08."""

    async def talk(server: Server, client: Client) -> None:
        exchange, start = server.exchange, server.exchange.now
        socket = await client.http.ws_connect(f"{client.base}/md/ws", headers=client.headers)
        for message in ({"type": "subscribe_bbo_candles", "width": "1s"}, {"type": "subscribe_candles", "width": "2s"}):
            await socket.send_str(json.dumps({"rid": 1, "symbol": NEAR, **message}))
        assert await receive(socket) == {"rid": 1, "result": {"subscribed": NEAR}}
        assert (await receive(socket))["error"]["code"] == 400
        placed = []
        for seconds, side, price in ((10, 1, 2_000_000), (10, -1, 2_100_000), (11, 1, 2_050_000), (13, -1, 2_080_000)):
            exchange.now = start + seconds * 10**9
            placed.append(exchange.place("two", NewOrder(symbol=NEAR, side=side, lots=1, price=price)))
            if seconds == 13:
                for order in (placed[0], placed[2]):
                    exchange.cancel(order)
            server.publish()
        told = [await receive(socket) for _ in range(4)]
        assert {row["t"] for row in told} == {"bc"}
        assert [row["ts"] - start // 10**9 for row in told] == [10, 10, 11, 13]
        names = [f"{side}_{what}" for side in ("bid", "ask", "mid") for what in ("open", "high", "low", "close")]
        assert [[row[name] for name in names] for row in told] == [
            ["2"] * 4 + [None] * 8,
            ["2"] * 4 + ["2.1"] * 4 + ["2.05"] * 4,
            ["2", "2.05", "2", "2.05"] + ["2.1"] * 4 + ["2.05", "2.075", "2.05", "2.075"],
            ["2.05"] * 4 + ["2.1", "2.1", "2.08", "2.08"] + ["2.075"] * 4,
        ]
        found = await client.get("/api/bbo-candles", symbol=NEAR, candle_width="1s", start_timestamp_ns=str(start + 11 * 10**9))
        assert [[row[name] for name in names] for row in found["candles"]] == [[row[name] for name in names] for row in told[2:]]
        minute = (await client.get("/api/bbo_candles", symbol=NEAR, width="1m"))["candles"][-1]
        assert [minute[name] for name in ("bid_open", "bid_high", "ask_low", "mid_high")] == ["2", "2.05", "2.08", "2.075"]
        await socket.send_str(json.dumps({"rid": 2, "symbol": NEAR, "type": "unsubscribe_bbo_candles", "width": "1s"}))
        assert await receive(socket) == {"rid": 2, "result": {"unsubscribed": NEAR}}

    play(talk)
