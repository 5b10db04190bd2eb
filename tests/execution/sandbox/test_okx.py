# SPDX-License-Identifier: Apache-2.0
"""The OKX dialect: signatures, error codes, books that chain, one message a fill; and ccxt's own client, by its urls only."""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import hashlib
import hmac
import json
import time
from typing import Any

import pytest

from kilohour.execution.sandbox.bots import Bots
from kilohour.execution.sandbox.server import Server
from tests.execution.sandbox.booking import NEAR, small_exchange
from tests.execution.sandbox.serving import Client, receive, serving
from tests.execution.sandbox.test_ax import other, play

ID = "SIMH100-USD-300128"
ORDER = {"instId": ID, "tdMode": "cross", "side": "buy", "ordType": "limit", "sz": "2", "px": "2.00"}


def sign(client: Client, text: str) -> str:
    return base64.b64encode(hmac.new(client.keys.api_secret.encode(), text.encode(), hashlib.sha256).digest()).decode()


async def ask(client: Client, method: str, path: str, body: Any = None, **changed: str) -> Any:
    raw = "" if body is None else body if isinstance(body, str) else json.dumps(body)
    stamp = changed.get("stamp", f"{dt.datetime.fromtimestamp(client.server.wall() / 1e9, dt.UTC):%Y-%m-%dT%H:%M:%S}.000Z")
    headers = {
        "OK-ACCESS-KEY": changed.get("key", client.keys.api_key),
        "OK-ACCESS-SIGN": changed.get("sign", sign(client, stamp + method + path + raw)),
        "OK-ACCESS-TIMESTAMP": stamp,
        "OK-ACCESS-PASSPHRASE": changed.get("passphrase", client.keys.passphrase),
    }
    async with client.http.request(method, client.base + path, data=raw or None, headers=headers) as answer:
        return await answer.json()


def test_only_a_right_signature_opens_the_door() -> None:
    async def talk(server: Server, client: Client) -> None:
        path = "/api/v5/account/balance"
        assert (await ask(client, "GET", path))["data"][0]["details"][0]["eq"] == "1000000"
        for changed, code in (
            ({"key": "nobody"}, "50111"), ({"passphrase": "wrong"}, "50105"), ({"sign": "wrong"}, "50113"),
            ({"stamp": "2020-01-01T00:00:00.000Z"}, "50102"), ({"stamp": "yesterday"}, "50112"), ({"stamp": "99999999999999999999"}, "50112"),
        ):  # fmt: skip
            assert (await ask(client, "GET", path, **changed))["code"] == code
        await client.post("/_chaos", {"do": "skew", "seconds": 0})
        async with client.http.get(client.base + path) as answer:
            assert (await answer.json())["code"] == "50103"
        server.skew = 3600 * 10**9
        stamp = f"{dt.datetime.fromtimestamp((server.wall() - server.skew) / 1e9, dt.UTC):%Y-%m-%dT%H:%M:%S}.000Z"
        assert (await ask(client, "GET", path, stamp=stamp))["code"] == "50102", "a venue clock an hour off"

    play(talk)


def test_what_is_no_order_or_does_not_go_has_its_code() -> None:
    async def talk(server: Server, client: Client) -> None:
        other(server, -1, 1, 2_500_000)
        for changed, code in (
            ({"instId": "NOPE-USD-300128"}, "51001"), ({"side": "hold"}, "51000"), ({"ordType": "stop"}, "51000"), ({"px": "-1"}, "51000"),
            ({"px": "cheap"}, "51000"), ({"px": None}, "51000"), ({"sz": None}, "51000"), ({"sz": "lots"}, "51000"), ({"sz": "1.5"}, "51121"),
            ({"sz": "0"}, "51121"), ({"sz": "9" * 30}, "51000"), ({"sz": "10000000"}, "51020"), ({"px": "2.005"}, "51000"), ({"clOrdId": "x" * 33}, "51000"),
            ({"clOrdId": "a-b"}, "51000"), ({"sz": "900000"}, "51008"), ({"reduceOnly": True}, "51169"), ({"posSide": "long"}, "51000"),
        ):  # fmt: skip
            found = await ask(client, "POST", "/api/v5/trade/order", {**ORDER, **changed})
            assert (found["code"], found["data"][0]["sCode"]) == ("1", code), (changed, found)
        both = await ask(client, "POST", "/api/v5/trade/batch-orders", [{**ORDER, "clOrdId": "one"}, {**ORDER, "clOrdId": "one"}])
        assert (both["code"], [row["sCode"] for row in both["data"]]) == ("2", ["0", "51016"])
        post = await ask(client, "POST", "/api/v5/trade/order", {**ORDER, "ordType": "post_only", "px": "2.50"})
        row = (await ask(client, "GET", f"/api/v5/trade/order?instId={ID}&ordId={post['data'][0]['ordId']}"))["data"][0]
        assert (post["data"][0]["sCode"], row["state"], row["ordType"]) == ("0", "canceled", "post_only")
        for body, code in (("[" * 100_000, "50002"), ('{"sz":' + "9" * 100_000 + "}", "50002"), ("5", "50002")):
            assert (await ask(client, "POST", "/api/v5/trade/order", body))["code"] == code
        assert (await ask(client, "POST", "/api/v5/trade/cancel-order", {"instId": ID, "ordId": "nobody"}))["data"][0]["sCode"] == "51603"
        assert (await ask(client, "POST", "/api/v5/trade/cancel-all-after", {"timeOut": "5"}))["code"] == "51000"
        assert (await ask(client, "GET", "/api/v5/public/instruments?instType=SPOT"))["data"] == []
        assert (await ask(client, "GET", "/api/v5/nothing"))["code"] == "50002"
        await client.post("/_chaos", {"do": "too_many", "on": "place"})
        assert (await ask(client, "POST", "/api/v5/trade/order", ORDER))["code"] == "50011"

    play(talk)


def test_the_dead_man_timer_cancels_when_it_is_not_renewed() -> None:
    async def talk(server: Server, client: Client) -> None:
        await ask(client, "POST", "/api/v5/trade/order", ORDER)
        found = await ask(client, "POST", "/api/v5/trade/cancel-all-after", {"timeOut": "10"})
        assert int(found["data"][0]["triggerTime"]) - int(found["data"][0]["ts"]) == 10_000
        server.okx.trading.fire("one")
        row = (await ask(client, "GET", f"/api/v5/trade/orders-history?instType=FUTURES&instId={ID}&state=canceled"))["data"][0]
        assert row["state"] == "canceled"

    play(talk)


def test_the_dead_man_timer_is_a_timer() -> None:
    """The loop's own clock is moved on: nothing goes before the ten seconds, everything after, and a timer of 0 is none."""
    async def talk(server: Server, client: Client) -> None:
        loop, moved = asyncio.get_running_loop(), [0.0]
        time_of = loop.time
        loop.time = lambda: time_of() + moved[0]  # type: ignore[method-assign]

        async def passes(seconds: float) -> list[str]:
            moved[0] += seconds
            await asyncio.sleep(0.02)
            return [order.client_id for order in server.exchange.open_orders["one"].values()]

        await ask(client, "POST", "/api/v5/trade/order", {**ORDER, "clOrdId": "a"})
        after = "/api/v5/trade/cancel-all-after"
        await ask(client, "POST", after, {"timeOut": "10"})
        assert await passes(9) == ["a"]
        await ask(client, "POST", after, {"timeOut": "10"})
        assert await passes(9) == ["a"], "it was renewed"
        await ask(client, "POST", after, {"timeOut": "0"})
        assert await passes(60) == ["a"], "it is off"
        await ask(client, "POST", after, {"timeOut": "10"})
        assert await passes(10) == []
        loop.time = time_of  # type: ignore[method-assign]

    play(talk)


def test_books_chain_and_every_fill_has_a_message_of_its_own() -> None:
    async def talk(server: Server, client: Client) -> None:
        socket = await client.http.ws_connect(f"{client.base}/ws/v5/private")
        await socket.send_str("ping")
        assert await socket.receive_str() == "pong"
        await socket.send_json({"op": "subscribe", "args": [{"channel": "orders", "instType": "FUTURES"}]})
        assert (await receive(socket))["code"] == "60011"
        for key, code in (("wrong", "60005"), (client.keys.api_key, "0")):
            stamp = str(server.wall() // 10**9)
            text = sign(client, f"{stamp}GET/users/self/verify")
            arg = {"apiKey": key, "passphrase": client.keys.passphrase, "timestamp": stamp, "sign": text}
            await socket.send_json({"op": "login", "args": [arg]})
            assert (await receive(socket))["code"] == code
        await socket.send_json({"op": "subscribe", "args": [{"channel": "orders", "instType": "FUTURES"}]})
        assert (await receive(socket))["event"] == "subscribe"
        for price in (2_000_000, 2_010_000, 2_020_000):
            other(server, -1, 1, price)
        public = await client.http.ws_connect(f"{client.base}/ws/v5/public")
        await public.send_json({"op": "subscribe", "args": [{"channel": "books", "instId": ID}]})
        assert (await receive(public))["event"] == "subscribe"
        snapshot = await receive(public)
        assert (snapshot["action"], [level[0] for level in snapshot["data"][0]["asks"]]) == ("snapshot", ["2", "2.01", "2.02"])
        order = {**ORDER, "sz": "3", "px": "2.02", "clOrdId": "sweep", "instIdCode": 1}
        del order["instId"]
        await socket.send_json({"id": "7", "op": "order", "args": [order]})
        reply = await receive(socket)
        assert (reply["id"], reply["op"], reply["data"][0]["sCode"]) == ("7", "order", "0")
        states = [(await receive(socket))["data"][0] for _ in range(4)]
        assert [(s["state"], s["accFillSz"], s["fillPx"], s["fillSz"]) for s in states] == [
            ("live", "0", "", "0"), ("partially_filled", "1", "2", "1"), ("partially_filled", "2", "2.01", "1"), ("filled", "3", "2.02", "1"),
        ]  # fmt: skip
        assert len({s["tradeId"] for s in states[1:]}) == 3
        update = await receive(public)
        assert update["data"][0]["prevSeqId"] == snapshot["data"][0]["seqId"]
        assert {tuple(level[:2]) for level in update["data"][0]["asks"]} == {("2", "0"), ("2.01", "0"), ("2.02", "0")}
        for bad, code in (
            ({"op": "dance"}, "60012"),
            ({"op": "subscribe", "args": [5]}, "60012"),
            ({"op": "subscribe", "args": [{"channel": "x"}]}, "60018"),
        ):
            await public.send_json(bad)
            assert (await receive(public))["code"] == code
        await public.send_str("[" * 50_000)
        assert (await receive(public))["code"] == "60012"

    play(talk)


def settings(server: Server) -> dict[str, Any]:
    """What a user of ccxt changes: keys and urls."""
    keys = server.keyring.all[0]
    return {
        "apiKey": keys.api_key, "secret": keys.api_secret, "password": keys.passphrase, "enableRateLimit": False,
        "urls": {"api": {"rest": server.addresses["okx_rest"], "ws": server.addresses["okx_ws"]}},
        "options": {"defaultType": "future", "fetchMarkets": {"types": ["future"]}},
    }  # fmt: skip


def trade_by_rest(server: Server) -> dict[str, Any]:
    """An order's life through ccxt's synchronous client."""
    import ccxt

    client = ccxt.okx(settings(server))
    symbol = next(market["symbol"] for market in client.load_markets().values() if market["id"] == ID)
    placed = client.create_order(symbol, "limit", "buy", 3, 1.5, {"clientOrderId": "abc1"})
    with pytest.raises(ccxt.InvalidOrder):
        client.create_order(symbol, "limit", "buy", 3, 1.5, {"clientOrderId": "abc1"})
    client.edit_order(placed["id"], symbol, "limit", "buy", 2, 1.6)
    edited = client.fetch_order(None, symbol, {"clientOrderId": "abc1"})
    client.cancel_order(placed["id"], symbol)
    client.create_order(symbol, "market", "buy", 4)
    with pytest.raises(ccxt.AuthenticationError):
        ccxt.okx({**settings(server), "password": "wrong"}).fetch_balance()
    trades, positions = client.fetch_my_trades(symbol), client.fetch_positions([symbol])
    client.session.close()
    return {
        "symbol": symbol, "size": client.market(symbol)["contractSize"], "edited": (edited["amount"], edited["price"], edited["status"]),
        "canceled": [order["id"] for order in client.fetch_canceled_orders(symbol)] == [placed["id"]], "bought": sum(t["amount"] for t in trades),
        "fees": sum(t["fee"]["cost"] for t in trades), "held": positions[0]["contracts"], "book": len(client.fetch_order_book(symbol)["bids"]),
        "candles": len(client.fetch_ohlcv(symbol, "1m", limit=5)),
    }  # fmt: skip


def test_ccxt_trades_by_its_urls_alone_sync_async_and_pro() -> None:
    pytest.importorskip("ccxt", reason="needs the extra `live`")

    async def run() -> None:
        import ccxt.pro

        exchange = small_exchange()
        bots = Bots(exchange, 5, rate=2)
        bots.open()
        async with serving(exchange, clock=time.time_ns) as (server, _):
            found = await asyncio.to_thread(trade_by_rest, server)
            assert found == {
                "symbol": "SIMH100/USD:USD-300128", "size": 730.0, "edited": (2.0, 1.6, "open"), "canceled": True, "bought": 4.0, "fees": 22.0,
                "held": 4.0, "book": 5, "candles": 5,
            }  # fmt: skip
            pro, symbol = ccxt.pro.okx(settings(server)), found["symbol"]
            try:
                book = await pro.watch_order_book(symbol)
                assert [book["bids"][0][0], book["asks"][0][0]] == [
                    side[0][0] / 1e6 for side in exchange.depth(exchange.listing.by_symbol[NEAR], 1)
                ]
                watched = asyncio.gather(pro.watch_orders(symbol), pro.watch_my_trades(symbol), pro.watch_trades(symbol))
                for _ in range(300):
                    if {("orders", "")} <= {key for line in server.okx.sockets.lines for key in line.wanted} and len(
                        server.okx.sockets.lines
                    ) > 1:
                        break
                    await asyncio.sleep(0.01)
                await asyncio.sleep(0.05)
                await pro.create_order(symbol, "market", "sell", 1)
                orders, mine, trades = await asyncio.wait_for(watched, 60)
                assert orders[-1]["side"] == mine[-1]["side"] == trades[-1]["side"] == "sell"
                placed = await pro.create_order_ws(symbol, "limit", "buy", 1, 1.4)
                await pro.cancel_order_ws(placed["id"], symbol)
                assert exchange.orders[placed["id"]].state.value == "canceled"
            finally:
                await pro.close()

    asyncio.run(run())
