# SPDX-License-Identifier: Apache-2.0
"""Everything of AX that ``../shared/market.md`` section 3 names, one row each: shown by a running server, or with a reason why it is not.

A row counts as shown when the answer or message came over a socket and had the shape that is said here.
"""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest

from kilohour.execution.sandbox import ax_sockets
from kilohour.execution.sandbox.accounts import totp
from kilohour.execution.sandbox.model import NewOrder
from kilohour.execution.sandbox.server import Server
from kilohour.units import NANOS_PER_DAY
from tests.execution.sandbox.booking import NEAR, full_exchange
from tests.execution.sandbox.serving import Client, receive, serving
from tests.execution.sandbox.test_ax import other

PERP = "SIM-H100-PERP"
TYPES = {"text": str, "whole": int, "list": list, "object": dict, "any": object}

# -- the lists ----------------------------------------------------------------------------------------------------------------------------

READS: dict[str, tuple[dict[str, str], str]] = {
    "/api/health": ({}, "status:text"),
    "/api/instruments": ({}, "instruments:list"),
    "/api/instrument": ({"symbol": NEAR}, "symbol:text state:text expiration:text tick_size:text multiplier:text"),
    "/api/tickers": ({}, "tickers:list"), "/api/ticker": ({"symbol": NEAR}, "ticker:object"), "/api/book": ({"symbol": NEAR}, "book:object"),
    "/api/trades": ({"symbol": NEAR}, "trades:list"), "/api/candles": ({"symbol": NEAR, "candle_width": "1m"}, "candles:list"),
    "/api/bbo-candles": ({"symbol": NEAR, "candle_width": "1m"}, "candles:list"), "/api/funding-rates": ({"symbol": PERP}, "funding_rates:list"),
    "/api/index-prices": ({"symbol": PERP}, "index_prices:list"), "/api/whoami": ({}, "username:text maker_fee:text taker_fee:text"),
    "/api/balances": ({}, "balances:list"), "/api/positions": ({}, "positions:list"), "/api/risk-snapshot": ({}, "risk_snapshot:object"),
    "/api/fills": ({}, "fills:list next_cursor:any"), "/api/transactions": ({}, "transactions:list"),
    "/api/funding-transactions": ({}, "transactions:list"), "/api/liquidations": ({}, "liquidations:list"),
    "/orders/open-orders": ({}, "orders:list total_count:whole limit:whole offset:whole"), "/orders/orders": ({}, "orders:list"),
    "/orders/order-status": ({"order_id": "$order"}, "status:object"), "/orders/order-fills": ({"order_id": "$order"}, "fills:list"),
}  # fmt: skip
"""GET paths, a query, and what the answer holds."""
PREVIEW = {"symbol": NEAR, "quantity": 1, "side": "B"}
WRITES: dict[str, tuple[dict[str, Any], str]] = {
    "/api/authenticate": ({"api_key": "$key", "api_secret": "$secret", "expiration_seconds": 60}, "token:text"),
    "/api/sandbox/deposit": ({"symbol": "USD", "amount": "100000"}, "balances:list"),
    "/api/preview-aggressive-limit-order": (PREVIEW, "filled_quantity:whole remaining_quantity:whole limit_price:any"),
    "/orders/preview-aggressive-limit-order": (PREVIEW, "filled_quantity:whole remaining_quantity:whole limit_price:any"),
    "/orders/place-order": ({"s": NEAR, "d": "B", "q": 1, "p": "1.5", "tif": "GTC", "po": False, "cid": 77, "tag": "x"}, "oid:text"),
    "/orders/replace-order": ({"oid": "$order", "p": "1.51"}, "oid:text"),
    "/orders/cancel-order": ({"oid": "$order"}, "cxl_rx:any"), "/orders/cancel-all-orders": ({"symbol": NEAR}, "cxl_rx:any"),
    "/orders/preview-order": ({**PREVIEW, "price": "2"}, "im:text"), "/orders/initial-margin-requirement": ({**PREVIEW, "price": "2"}, "im:text"),
}  # fmt: skip
LOGINS = ("api_key and api_secret", "username, password and totp")
ORDER_REQUESTS = ("p", "x", "X", "r", "o", "s")
ORDER_EVENTS = ("n", "p", "f", "c", "j", "x", "d", "r", "e", "h")
WIDTHS = ("1s", "5s", "1m", "5m", "15m", "1h", "1d")
MARKET_REQUESTS = ("subscribe LEVEL_1", "subscribe LEVEL_2", "subscribe LEVEL_3", "subscribe TRADES", "trades false", "ticker false", "unsubscribe",
                   *(f"{verb} {width}" for verb in ("subscribe_candles", "subscribe_bbo_candles", "unsubscribe_candles", "unsubscribe_bbo_candles")
                     for width in WIDTHS))  # fmt: skip
MARKET_EVENTS = ("h", "s", "t", "1", "2", "3", "c", "bc")
ORDER_STATES = ("PENDING", "ACCEPTED", "PARTIALLY_FILLED", "FILLED", "CANCELED", "REJECTED", "EXPIRED", "REPLACED", "DONE_FOR_DAY")
SESSIONS = ("CLOSED_FROZEN", "PRE_OPEN", "OPEN", "CLOSED", "HALTED", "MATCH_AND_CLOSE_AUCTION", "SUSPENDED", "DELISTED")
REJECTS = ("CLOSE_ONLY", "INSUFFICIENT_MARGIN", "MAX_OPEN_ORDERS_EXCEEDED", "UNKNOWN_SYMBOL", "EXCHANGE_CLOSED", "INCORRECT_QUANTITY",
           "INVALID_PRICE_INCREMENT", "INCORRECT_ORDER_TYPE", "PRICE_OUT_OF_BOUNDS", "NO_LIQUIDITY", "INSUFFICIENT_CREDIT_LIMIT",
           "ORIGINAL_ORDER_TERMINATED")  # fmt: skip
OTHERS = ("an id that begins with O-", "an id of a liquidation, L-", "paths with underscores", "login with the open orders", "401 without a token",
          "order-status by client_order_id", "cancel_on_disconnect")  # fmt: skip

NOT_SHOWN = {
    "state PENDING": "no message about an order is sent before the exchange has taken or refused it",
}
ALL = {*(f"GET {path}" for path in READS), *(f"POST {path}" for path in WRITES), *(f"login by {way}" for way in LOGINS),
       *(f"request {letter}" for letter in ORDER_REQUESTS), *(f"event {letter}" for letter in ORDER_EVENTS),
       *(f"market request {name}" for name in MARKET_REQUESTS), *(f"market event {letter}" for letter in MARKET_EVENTS),
       *(f"state {name}" for name in ORDER_STATES), *(f"session {name}" for name in SESSIONS), *(f"reject {name}" for name in REJECTS), *OTHERS}  # fmt: skip

# -- the conversation ---------------------------------------------------------------------------------------------------------------------


def holds(found: Any, shape: str, where: str) -> None:
    """Every field that is named is there and of its kind."""
    for field in shape.split():
        name, _, kind = field.partition(":")
        assert name in found, f"{where}: no {name} in {found}"
        assert isinstance(found[name], TYPES[kind]), f"{where}: {name} is {found[name]!r}"


class Ears:
    """Everything that was shown."""

    def __init__(self) -> None:
        self.shown: set[str] = set()
        self.orders: dict[str, str] = {}

    def hear_order(self, message: dict[str, Any]) -> None:
        """A message of the orders socket: its letter, the state of the orders in it, and why something was refused or ended."""
        if "t" not in message:
            return
        holds(message, "ts:whole tn:whole", "an event")
        if message["t"] != "h":
            holds(message, "eid:text o:object", "an event")
            holds(message["o"], "oid:text u:text s:text p:text q:whole xq:whole rq:whole o:text d:text tif:text po:any", "an order")
        if message["t"] in ("p", "f"):
            holds(message["xs"], "tid:text s:text q:whole p:text d:text agg:any", "a fill")
        self.shown.add(f"event {message['t']}")
        self.shown |= {f"state {message[name]['o']}" for name in ("o", "ro") if name in message}
        self.shown |= {f"reject {message[name]}" for name in ("r", "xr") if f"reject {message.get(name)}" in ALL}
        if message.get("o", {}).get("oid", "").startswith("O-"):
            self.shown.add("an id that begins with O-")
        if message.get("o", {}).get("oid", "").startswith("L-"):
            self.shown.add("an id of a liquidation, L-")


async def drain(socket: Any, hear: Any) -> None:
    """Everything that was sent so far: it comes before the answer to a question without sense."""
    await socket.send_str('{"rid":"that is all"}')
    while (message := await receive(socket)).get("rid") != "that is all":
        hear(message)


async def log_in(client: Client, ears: Ears) -> None:
    keys = client.keys
    by = ({"api_key": keys.api_key, "api_secret": keys.api_secret},
          {"username": "one", "password": keys.password, "totp": totp(base64.b32decode(keys.totp_secret), client.server.wall())})  # fmt: skip
    for way, body in zip(LOGINS, by, strict=True):
        holds(await client.post("/api/authenticate", {**body, "expiration_seconds": 3600}), "token:text", way)
        ears.shown.add(f"login by {way}")
    token, client.token = client.token, ""
    for path in READS:
        if (await client.get(path, **READS[path][0])).get("code") == 401:
            ears.shown.add("401 without a token")
    client.token = token


async def ask_rest(client: Client, ears: Ears) -> None:
    """Every path, with hyphens and with underscores."""
    order = ""
    for path, (body, shape) in WRITES.items():
        names = {"$order": order, "$key": client.keys.api_key, "$secret": client.keys.api_secret}
        filled = {key: names.get(value, value) if isinstance(value, str) else value for key, value in body.items()}
        found = await client.post(path, filled)
        holds(found, shape, path)
        order = found.get("oid", order)
        ears.shown.add(f"POST {path}")
    for path, (query, shape) in READS.items():
        named = {key: order if value == "$order" else value for key, value in query.items()}
        found = await client.get(path, **named)
        holds(found, shape, path)
        assert (await client.get(path.replace("-", "_"), **named)) == found, "paths with underscores"
        ears.shown.add(f"GET {path}")
    ears.shown.add("paths with underscores")
    holds((await client.get("/orders/order-status", client_order_id="77"))["status"], "order_id:text state:text", "order-status")
    ears.shown.add("order-status by client_order_id")


async def trade(server: Server, client: Client, ears: Ears) -> None:
    """Orders through every state and every refusal."""
    exchange, socket = server.exchange, await client.orders_socket()

    async def ask(**body: Any) -> Any:
        reply, events = await client.ask(socket, **body)
        ears.shown.add(f"request {body['t']}")
        for event in events:
            ears.hear_order(event)
        return reply["res"]

    base = {"t": "p", "s": NEAR, "d": "B", "q": 3, "p": "2"}
    taken = (await ask(**base))["oid"]
    other(server, -1, 1, 2_000_000, NEAR)
    other(server, -1, 2, 2_000_000, NEAR)
    other(server, -1, 5, 2_300_000, NEAR)
    await ask(t="x", oid=taken)  # done by now: an event e
    for refused in ({"q": 0}, {"p": "2.001"}, {"p": "2.3", "po": True}, {"s": "NOPE"}, {"q": 900_000}, {"p": "2000000000"}, {"tif": "IOC"},
                    {"d": "B", "x": {"reduce_only": True}}):  # fmt: skip
        await ask(**{**base, **refused})
    rests = (await ask(**{**base, "p": "1.9"}))["oid"]
    again = (await ask(t="r", oid=rests, p="1.91"))["oid"]
    assert [row["oid"] for row in await ask(t="o")] == [again]
    assert (await ask(t="s", oid=again))["o"] == "ACCEPTED"
    await ask(t="x", oid=again)
    await ask(**{**base, "p": "1.9", "tif": "DAY"})
    exchange.advance(exchange.now + NANOS_PER_DAY)
    server.publish()
    for _ in range(256):
        exchange.place("one", NewOrder(symbol=NEAR, side=1, lots=1, price=1_000_000))
    await ask(**{**base, "p": "1"})
    await ask(t="X", symbol=NEAR)
    other(server, 1, 9, 1_950_000, NEAR)
    await client.post("/_chaos", {"do": "liquidate", "account": "one"})
    await drain(socket, ears.hear_order)
    await client.post("/_chaos", {"do": "credit", "account": "one", "limit": "1"})
    await ask(**base)
    await client.post("/_chaos", {"do": "credit", "account": "one"})
    await client.post("/_chaos", {"do": "halt", "symbol": NEAR})
    await ask(**base)
    await drain(socket, ears.hear_order)
    await client.post("/_chaos", {"do": "resume", "symbol": NEAR})
    await socket.close()
    going = await client.http.ws_connect(f"{client.base}/orders/ws?cancel_on_disconnect=true", headers=client.headers)
    await client.ask(going, **{**base, "p": "1.9"})
    staying = await client.http.ws_connect(f"{client.base}/orders/ws", headers=client.headers)
    if len((await receive(staying))["res"]["o"]) == 1:
        ears.shown.add("login with the open orders")
    await staying.close()
    await going.close()
    for _ in range(200):
        if not exchange.open_orders["one"]:
            ears.shown.add("cancel_on_disconnect")
            return
        await asyncio.sleep(0.01)


async def listen(server: Server, client: Client, ears: Ears) -> None:
    """Every subscription; each counts when what it asks for came, and nothing else."""
    exchange = server.exchange
    prices = iter(range(1_960_000, 2_000_000, 10_000))

    async def told(first: dict[str, Any], *more: dict[str, Any]) -> set[str]:
        socket = await client.http.ws_connect(f"{client.base}/md/ws", headers=client.headers)
        for message in (first, *more):
            await socket.send_json({"rid": 1, "symbol": NEAR, **message})
        found: list[str] = []
        answers: list[Any] = []

        def hear(message: dict[str, Any]) -> None:
            if "rid" in message:
                answers.append(message["result"])
            else:
                holds(message, "t:text ts:whole tn:whole", "a market event")
                found.append(message["t"])

        await drain(socket, hear)
        assert len(answers) == 1 + len(more)
        before = len(found)
        price = next(prices, 1_990_000)
        for side in (1, -1):
            exchange.place("two", NewOrder(symbol=NEAR, side=side, lots=1, price=price))
            exchange.place("one", NewOrder(symbol=NEAR, side=-side, lots=1, price=price))
        exchange.place("two", NewOrder(symbol=NEAR, side=-1, lots=1, price=2_200_000 - 10_000 * len(ears.shown) % 100_000))
        server.publish()
        await drain(socket, hear)
        await socket.close()
        return set(found[before:]) - {"h"} if more else set(found) - {"h"}

    for level, expected in (("LEVEL_1", {"1", "s", "t"}), ("LEVEL_2", {"2", "s", "t"}), ("LEVEL_3", {"3", "s", "t"}), ("TRADES", {"t"})):
        assert await told({"type": "subscribe", "level": level}) == expected
        ears.shown |= {f"market request subscribe {level}", *(f"market event {letter}" for letter in expected)}
    assert await told({"type": "subscribe", "level": "LEVEL_2", "trades": False}) == {"2", "s"}
    assert await told({"type": "subscribe", "level": "LEVEL_2", "ticker": False}) == {"2", "t"}
    assert await told({"type": "subscribe", "level": "LEVEL_2"}, {"type": "unsubscribe"}) == set()
    ears.shown |= {"market request trades false", "market request ticker false", "market request unsubscribe"}
    for what, letter in (("candles", "c"), ("bbo_candles", "bc")):
        for width in WIDTHS:
            exchange.now += 10**9
            assert await told({"type": f"subscribe_{what}", "width": width}) == {letter}
            assert await told({"type": f"subscribe_{what}", "width": width}, {"type": f"unsubscribe_{what}", "width": width}) == set()
            ears.shown |= {f"market request {verb}subscribe_{what} {width}" for verb in ("", "un")} | {f"market event {letter}"}


async def see_sessions(server: Server, client: Client, ears: Ears) -> None:
    """The state of an instrument over REST and as the ticker's ``i``."""

    async def state() -> None:
        found = (await client.get("/api/instrument", symbol=NEAR))["state"]
        assert (await client.get("/api/ticker", symbol=NEAR))["ticker"]["i"] == found
        ears.shown.add(f"session {found}")

    await state()
    for verb in ("halt", "suspend", "closing_auction", "close", "freeze", "resume"):
        await client.post("/_chaos", {"do": verb, "symbol": NEAR})
        await state()
    server.exchange.advance(server.exchange.now - server.exchange.now % NANOS_PER_DAY + NANOS_PER_DAY * 209 // 240)  # 20:54
    server.exchange.advance(server.exchange.now + 2 * 60 * 10**9)
    await state()
    await client.post("/_chaos", {"do": "expire", "symbol": NEAR, "price": "2"})
    await state()


async def hear_hearts(client: Client, ears: Ears) -> None:
    for path, what in (("/orders/ws", "event h"), ("/md/ws", "market event h")):
        socket = await client.http.ws_connect(client.base + path, headers=client.headers)
        while (await receive(socket)).get("t") != "h":
            pass
        ears.shown.add(what)
        await socket.close()


def test_every_row_of_the_protocol_is_shown_or_has_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    ears = Ears()

    async def run() -> None:
        async with serving(full_exchange()) as (server, client):
            await log_in(client, ears)
            await ask_rest(client, ears)
            await trade(server, client, ears)
            await listen(server, client, ears)
            await see_sessions(server, client, ears)
            monkeypatch.setattr(ax_sockets, "HEARTBEAT_SECONDS", 0.02)
            await hear_hearts(client, ears)

    asyncio.run(run())
    assert set(NOT_SHOWN) <= ALL
    assert ears.shown & set(NOT_SHOWN) == set(), "shown after all: it needs no reason"
    assert ALL - ears.shown - set(NOT_SHOWN) == set()
    assert ears.shown - ALL == set(), "shown, and on no list"


def test_no_path_of_the_server_is_on_no_list() -> None:
    async def run() -> None:
        async with serving(full_exchange()) as (server, _):
            found = {(route.method, route.resource.canonical) for route in server.app().router.routes() if route.resource is not None}
        ours = {(method, path) for method, path in found if path.startswith(("/api/", "/orders/")) and not path.startswith("/api/v5/")}
        listed = {("GET", path) for path in READS} | {("POST", path) for path in WRITES}
        listed |= {(method, path.replace("-", "_")) for method, path in listed} | {("GET", "/orders/ws")}
        assert {pair for pair in ours if pair[0] != "HEAD"} == listed

    asyncio.run(run())
