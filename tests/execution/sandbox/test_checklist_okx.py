# SPDX-License-Identifier: Apache-2.0
"""Everything of OKX v5 that ``../shared/execution.md`` sections 3.1 and 11 name, one row each: shown by a running server, or with a reason.

Beside what clients were seen to need stand the paths and channels that the sandbox has beyond them: none is taken and then silent.
"""

from __future__ import annotations

import asyncio
from typing import Any

from kilohour.execution.sandbox.model import NewOrder
from kilohour.execution.sandbox.okx import BARS
from kilohour.execution.sandbox.okx_sockets import PRIVATE, PUBLIC
from kilohour.execution.sandbox.server import Server
from kilohour.units import NANOS_PER_DAY
from tests.execution.sandbox.booking import NEAR, full_exchange
from tests.execution.sandbox.serving import Client, receive, serving
from tests.execution.sandbox.test_ax import other
from tests.execution.sandbox.test_okx import ID, ask, sign

SWAP = "SIMH100-USD-SWAP"
ONE = f"instId={ID}"
FUTURES = "instType=FUTURES"

# -- the lists ----------------------------------------------------------------------------------------------------------------------------

READS: dict[str, tuple[str, str]] = {
    "public/time": ("", "ts"),
    "public/instruments": (FUTURES, "instType instId instIdCode uly settleCcy ctVal ctType expTime state tickSz lotSz minSz maxLmtSz lever listTime"),
    "public/mark-price": (f"{FUTURES}&{ONE}", "instId markPx ts"), "public/position-tiers": (FUTURES, "tier minSz maxSz mmr maxLever"),
    "public/funding-rate": (f"instId={SWAP}", "fundingRate fundingTime nextFundingTime"),
    "public/funding-rate-history": (f"instId={SWAP}", "fundingRate realizedRate fundingTime"), "public/open-interest": (FUTURES, "instId oi"),
    "market/ticker": (ONE, "instId last bidPx askPx vol24h ts"), "market/tickers": (FUTURES, "instId last bidPx askPx vol24h ts"),
    "market/index-tickers": ("quoteCcy=USD", "instId idxPx"), "market/books": (f"{ONE}&sz=5", "asks bids ts"), "market/trades": (ONE, "tradeId px sz side ts"),
    "market/candles": (f"{ONE}&bar=1m", "0 1 2 3 4 5 8"), "market/history-candles": (f"{ONE}&bar=1m", "0 1 2 3 4 5 8"),
    "market/mark-price-candles": (f"{ONE}&bar=1m", "0 1 2 3 4 5 8"), "market/history-mark-price-candles": (f"{ONE}&bar=1m", "0 1 2 3 4 5 8"),
    "asset/currencies": ("", "ccy chain"), "account/config": ("", "posMode acctLv"), "account/leverage-info": (f"{ONE}&mgnMode=cross", "lever"),
    "account/balance": ("", "totalEq details"), "account/trade-fee": (FUTURES, "maker taker"),
    "account/positions": (FUTURES, "instId pos posSide avgPx upl markPx notionalUsd imr mmr mgnMode"),
    "account/bills": ("", "billId ts balChg"), "account/bills-archive": ("", "billId ts balChg instId ccy"),
    "trade/order": (f"{ONE}&ordId=$order", "ordId clOrdId instId side ordType px sz accFillSz avgPx state cTime uTime fillTime fee feeCcy reduceOnly"),
    "trade/orders-pending": (FUTURES, "ordId state"), "trade/orders-history": (f"{FUTURES}&state=canceled", "ordId state"),
    "trade/orders-history-archive": (f"{FUTURES}&state=filled", "ordId state"), "trade/fills": (FUTURES, "tradeId ordId fillPx"),
    "trade/fills-history": (FUTURES, "tradeId ordId fillPx fillSz side execType fee feeCcy ts"),
    "trade/order-algo": ("algoId=$algo", "algoId ordType state sz"), "trade/orders-algo-pending": ("ordType=trigger", "algoId ordType state"),
    "trade/orders-algo-history": ("ordType=trigger&state=canceled", "algoId ordType state"),
}  # fmt: skip
"""GET paths, a query, and the fields of the first row of the answer, which is never empty here."""
ORDER = {"instId": ID, "tdMode": "cross", "side": "buy", "ordType": "limit", "sz": "1", "px": "1.9"}
ALGO = {"instId": ID, "tdMode": "cross", "side": "sell", "ordType": "trigger", "sz": "1", "triggerPx": "1.9", "orderPx": "-1"}
WRITES: dict[str, tuple[Any, str]] = {
    "trade/batch-orders": ([{**ORDER, "clOrdId": "b1"}], "ordId clOrdId sCode sMsg"), "trade/order": ({**ORDER, "clOrdId": "b2"}, "ordId clOrdId sCode sMsg"),
    "trade/amend-order": ({"instId": ID, "clOrdId": "b1", "newPx": "1.91"}, "ordId sCode"),
    "trade/amend-batch-orders": ([{"instId": ID, "clOrdId": "b2", "newSz": "2"}], "ordId sCode"),
    "trade/cancel-order": ({"instId": ID, "clOrdId": "b1"}, "ordId clOrdId sCode"),
    "trade/cancel-batch-orders": ([{"instId": ID, "clOrdId": "b2"}], "ordId clOrdId sCode"),
    "trade/order-algo": ({**ALGO, "algoClOrdId": "a1"}, "algoId algoClOrdId sCode"),
    "trade/cancel-algos": ([{"instId": ID, "algoClOrdId": "a1"}], "algoId sCode"), "trade/cancel-all-after": ({"timeOut": "0"}, "triggerTime ts"),
    "account/set-leverage": ({"instId": ID, "lever": 2, "mgnMode": "cross"}, "instId lever mgnMode posSide"),
    "account/set-position-mode": ({"posMode": "net_mode"}, "posMode"),
}  # fmt: skip
CHANNELS = ("books", "books5", "bbo-tbt", "tickers", "trades", "candle1m", "mark-price", "funding-rate", "instruments")
PRIVATE_CHANNELS = ("orders", "orders-algo", "account", "positions", "fills", "balance_and_position")
OPS = ("order", "batch-orders", "amend-order", "batch-amend-orders", "cancel-order", "batch-cancel-orders")
OTHERS = ("ping", "login", "unsubscribe", "empty list for SPOT", "empty list for OPTION", "order entry by instIdCode", "order by clOrdId")
NOT_SHOWN = {
    "spreads (sprd/*, /ws/v5/business sprd-*)": "a spread is an instrument of its own on the AX side; no client that was observed asks OKX for one",
    "POST trade/amend-algos": "a sleeping order is cancelled and placed again",
    "algo iceberg, twap, chase": "no such order at the exchange; refused with 51000",
}
ALL = {*(f"GET {path}" for path in READS), *(f"POST {path}" for path in WRITES), *(f"channel {name}" for name in CHANNELS + PRIVATE_CHANNELS),
       *(f"op {name}" for name in OPS), *OTHERS, *NOT_SHOWN}  # fmt: skip

# -- the conversation ---------------------------------------------------------------------------------------------------------------------


def first_row(found: Any, shape: str, where: str) -> Any:
    """The first row of an answer that went well and has every field, which is text but for a few; a candle's fields are places."""
    assert found.get("code") == "0", f"{where}: {found}"
    assert found["data"], f"{where}: no row"
    row = found["data"][0]
    for name in shape.split():
        assert (int(name) < len(row)) if name.isdecimal() else (name in row), f"{where}: no {name} in {row}"
        value = row[int(name)] if name.isdecimal() else row[name]
        assert isinstance(value, str | list) or name == "instIdCode", f"{where}: {name} is {value!r}"
    return row


async def ask_rest(client: Client, shown: set[str]) -> None:
    """Every path of the server, once."""
    named = {}
    kept = await ask(client, "POST", "/api/v5/trade/order", {**ORDER, "clOrdId": "kept"})
    named["$order"] = kept["data"][0]["ordId"]
    named["$algo"] = (await ask(client, "POST", "/api/v5/trade/order-algo", ALGO))["data"][0]["algoId"]
    for path, (body, shape) in WRITES.items():
        row = first_row(await ask(client, "POST", f"/api/v5/{path}", body), shape, path)
        assert row.get("sCode", "0") == "0", f"{path}: {row}"
        shown.add(f"POST {path}")
    for path, (query, shape) in READS.items():
        for name, value in named.items():
            query = query.replace(name, value)
        first_row(await ask(client, "GET", f"/api/v5/{path}" + (f"?{query}" if query else "")), shape, path)
        shown.add(f"GET {path}")
    assert first_row(await ask(client, "GET", f"/api/v5/trade/order?{ONE}&clOrdId=kept"), "ordId", "order")["ordId"] == named["$order"]
    shown.add("order by clOrdId")
    for kind in ("SPOT", "OPTION"):
        assert (await ask(client, "GET", f"/api/v5/public/instruments?instType={kind}&uly=BTC-USD")) == {"code": "0", "msg": "", "data": []}
        shown.add(f"empty list for {kind}")
    for form in ("iceberg", "twap", "chase"):
        assert (await ask(client, "POST", "/api/v5/trade/order-algo", {**ALGO, "ordType": form}))["data"][0]["sCode"] == "51000"


async def socket_of(client: Client, path: str, shown: set[str]) -> Any:
    """A socket that has logged in."""
    socket = await client.http.ws_connect(f"{client.base}/ws/v5/{path}")
    await socket.send_str("ping")
    assert await socket.receive_str() == "pong"
    stamp = str(client.server.wall() // 10**9)
    given = {"apiKey": client.keys.api_key, "passphrase": client.keys.passphrase, "timestamp": stamp}
    await socket.send_json({"op": "login", "args": [{**given, "sign": sign(client, f"{stamp}GET/users/self/verify")}]})
    assert (await receive(socket))["event"] == "login"
    shown |= {"ping", "login"}
    return socket


async def data_of(socket: Any, channel: str) -> list[Any]:
    """The messages of a channel so far: they come before the answer to a question without sense."""
    found: list[Any] = []
    await socket.send_str('{"op":"that is all"}')
    while (message := await receive(socket)).get("event") != "error":
        if message.get("arg", {}).get("channel") == channel and "data" in message:
            assert message["data"], f"{channel}: an empty message"
            found.append(message)
    return found


def move(server: Server, number: int) -> None:
    """Something for every channel: a book, a trade with account one, an order, an algo order, and an instrument that halts and opens."""
    exchange = server.exchange
    for symbol in (NEAR, "SIM-H100-PERP"):
        exchange.place("two", NewOrder(symbol=symbol, side=-1, lots=1, price=2_010_000))
        exchange.place("one", NewOrder(symbol=symbol, side=1, lots=1, price=2_010_000))
        exchange.place("two", NewOrder(symbol=symbol, side=-1, lots=number + 1, price=2_050_000))
    exchange.place("one", NewOrder(symbol=NEAR, side=-1, lots=1, kind="stop", trigger=1_500_000))
    server.publish()


async def listen(server: Server, client: Client, shown: set[str]) -> None:
    """Every channel, on the path on which clients look for it: it sends what happens after the subscription, and nothing once it is given up."""
    for number, channel in enumerate(CHANNELS + PRIVATE_CHANNELS):
        path = "private" if channel in PRIVATE_CHANNELS else "public"
        path = "business" if channel.startswith(("candle", "orders-algo")) else path
        socket = await socket_of(client, path, shown)
        arg = {"channel": channel, "instId": SWAP if channel == "funding-rate" else ID}
        if channel in PRIVATE_CHANNELS or channel == "instruments":
            arg = {"channel": channel, "instType": "FUTURES"}
        await socket.send_json({"op": "subscribe", "args": [arg]})
        assert await receive(socket) == {"event": "subscribe", "arg": arg, "connId": "sandbox"}
        await data_of(socket, channel)
        move(server, number)
        if channel == "instruments":
            for verb in ("halt", "resume", "suspend", "closing_auction", "close", "resume"):
                await client.post("/_chaos", {"do": verb, "symbol": NEAR})
        found = await data_of(socket, channel)
        assert found, f"{channel} was taken and is silent"
        if channel == "instruments":
            assert [message["data"][0]["state"] for message in found] == ["suspend", "live", "suspend", "preopen", "suspend", "live"]
        await socket.send_json({"op": "unsubscribe", "args": [arg]})
        assert (await receive(socket))["event"] == "unsubscribe"
        move(server, number + 20)
        assert await data_of(socket, channel) == []
        await socket.close()
        shown |= {f"channel {channel}", "unsubscribe"}


async def look_at_positions(server: Server, client: Client) -> None:
    """What the two channels that were silent tell: of a fill once each, and of both balance and position."""
    socket = await socket_of(client, "private", set())
    await socket.send_json({"op": "subscribe", "args": [{"channel": "balance_and_position"}, {"channel": "fills", "instId": ID}]})
    snapshot = next(message for message in [await receive(socket) for _ in range(3)] if message.get("data"))
    assert (snapshot["data"][0]["eventType"], snapshot["data"][0]["trades"]) == ("snapshot", [])
    held = int(snapshot["data"][0]["posData"][0]["pos"])
    other(server, -1, 2, 2_010_000, NEAR)
    await ask(client, "POST", "/api/v5/trade/order", {**ORDER, "px": "2.01", "sz": "2"})
    fill, both = [(await receive(socket))["data"][0] for _ in range(2)]
    assert (fill["instId"], fill["fillPx"], fill["fillSz"], fill["side"], fill["execType"]) == (ID, "2.01", "2", "buy", "T")
    assert (both["eventType"], both["trades"]) == ("filled", [{"instId": ID, "tradeId": fill["tradeId"]}])
    positions = {row["instId"]: row["pos"] for row in both["posData"]}
    cash = server.exchange.statement("one").cash
    assert (positions[ID], round(float(both["balData"][0]["cashBal"]) * 1e6)) == (str(held + 2), cash)
    server.exchange.deposit("one", 1_500_000)
    server.publish()
    moved = (await receive(socket))["data"][0]
    assert (moved["eventType"], round(float(moved["balData"][0]["cashBal"]) * 1e6)) == ("transferred", cash + 1_500_000)
    await socket.close()


async def trade_by_socket(client: Client, shown: set[str]) -> None:
    """Order entry on a socket: every op echoes its id, and instruments go by number."""
    socket = await socket_of(client, "private", shown)
    number = client.server.exchange.listing.by_okx[ID].number
    first = {**{key: value for key, value in ORDER.items() if key != "instId"}, "instIdCode": number}
    for at, (op, args) in enumerate({
        "order": [{**first, "clOrdId": "s1"}], "batch-orders": [{**first, "clOrdId": "s2"}, {**first, "clOrdId": "s3"}],
        "amend-order": [{"instIdCode": number, "clOrdId": "s1", "newPx": "1.92"}], "batch-amend-orders": [{"instIdCode": number, "clOrdId": "s2", "newSz": "3"}],
        "cancel-order": [{"instIdCode": number, "clOrdId": "s1"}], "batch-cancel-orders": [{"instIdCode": number, "clOrdId": name} for name in ("s2", "s3")],
    }.items()):  # fmt: skip
        await socket.send_json({"id": str(at), "op": op, "args": args})
        reply = await receive(socket)
        assert (reply["id"], reply["op"], reply["code"], [row["sCode"] for row in reply["data"]]) == (str(at), op, "0", ["0"] * len(args))
        shown.add(f"op {op}")
    shown.add("order entry by instIdCode")
    await socket.close()


def test_every_row_of_the_protocol_is_shown_or_has_a_reason() -> None:
    shown: set[str] = set()

    async def run() -> None:
        async with serving(full_exchange()) as (server, client):
            other(server, -1, 1, 2_000_000, NEAR)
            server.exchange.place("one", NewOrder(symbol=NEAR, side=1, lots=1, price=2_000_000))
            server.exchange.advance(server.exchange.now + NANOS_PER_DAY)
            await ask_rest(client, shown)
            await trade_by_socket(client, shown)
            await listen(server, client, shown)
            await look_at_positions(server, client)

    asyncio.run(run())
    assert ALL - shown - set(NOT_SHOWN) == set()
    assert shown - ALL == set(), "shown, and on no list"


def test_no_path_and_no_channel_of_the_server_is_on_no_list() -> None:
    assert (set(PRIVATE), set(PUBLIC)) == (set(PRIVATE_CHANNELS), {name for name in CHANNELS if not name.startswith("candle")})
    assert {f"candle{bar}" for bar in BARS} >= {"candle1m", "candle5m", "candle15m", "candle1H", "candle1D"}

    async def run() -> None:
        async with serving(full_exchange()) as (server, client):
            found = {(route.method, route.resource.canonical) for route in server.app().router.routes() if route.resource is not None}
            assert {(method, path.removeprefix("/api/v5/")) for method, path in found if path.startswith("/api/v5/") and method != "HEAD"} == {
                *(("GET", path) for path in READS), *(("POST", path) for path in WRITES)}  # fmt: skip
            socket = await client.http.ws_connect(f"{client.base}/ws/v5/public")
            for arg in ({"channel": "1m", "instId": ID}, {"channel": "candle3m", "instId": ID}, {"channel": "liquidation-orders", "instType": "SWAP"},
                        {"channel": "sprd-tickers", "sprdId": "A_B"}, {"channel": "instruments"}, {"channel": "instruments", "instType": ["SWAP"]},
                        {"channel": "tickers", "instId": "NOPE"}):  # fmt: skip
                await socket.send_json({"op": "subscribe", "args": [arg]})
                assert (await receive(socket))["code"] == "60018", arg

    asyncio.run(run())
