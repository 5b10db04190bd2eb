# SPDX-License-Identifier: Apache-2.0
"""Algo orders: what wakes them, in tables worked by hand; the wire's own words; and ccxt's own client, by its urls only."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from kilohour.execution.sandbox.exchange import BookExchange
from kilohour.execution.sandbox.model import NewOrder, State
from kilohour.execution.sandbox.server import Server
from kilohour.execution.sandbox.wire import decimal
from tests.backtests.tapes import sim_tape
from tests.execution.sandbox.booking import NEAR, small_exchange
from tests.execution.sandbox.replaying import exchange_of
from tests.execution.sandbox.serving import Client, receive, serving
from tests.execution.sandbox.test_ax import play
from tests.execution.sandbox.test_okx import ID, ask, settings, sign

ALGO = {"instId": ID, "tdMode": "cross", "side": "sell", "sz": "2"}
PENDING = "/api/v5/trade/orders-algo-pending"
HISTORY = "/api/v5/trade/orders-algo-history"


def trade_at(exchange: BookExchange, price: int, lots: int = 1) -> None:
    """Two others trade at a price."""
    exchange.place("two", NewOrder(symbol=NEAR, side=1, lots=lots, price=price))
    exchange.place("three", NewOrder(symbol=NEAR, side=-1, lots=lots, price=price))


def woken(new: dict[str, Any], prices: tuple[float, ...]) -> tuple[int | None, str, str | None]:
    """The place of the price that wakes an order of two lots, the kind that it then has, and its limit."""
    exchange = small_exchange()
    trade_at(exchange, 2_000_000)
    levels = {name: round(value * 1e6) if isinstance(value, float) else value for name, value in new.items()}
    order = exchange.place("one", NewOrder(symbol=NEAR, lots=2, **levels))
    assert order.is_asleep, exchange.take_changes().events[-1].text
    for place, price in enumerate(prices):
        trade_at(exchange, round(price * 1e6))
        if order.woke_at:
            return place, order.kind, None if order.kind == "market" else decimal(order.price)
    return None, order.kind, None


@pytest.mark.parametrize(
    ("new", "prices", "expected"),
    [
        ({"side": -1, "kind": "stop", "trigger": 1.95}, (1.96, 2.05, 1.95), (2, "market", None)),
        ({"side": -1, "kind": "stop_limit", "trigger": 1.95, "price": 1.94}, (1.96, 1.93), (1, "limit", "1.94")),
        ({"side": 1, "kind": "stop", "trigger": 2.05}, (1.9, 2.04, 2.06), (2, "market", None)),
        ({"side": -1, "kind": "market_if_touched", "trigger": 2.05}, (1.9, 2.04, 2.05), (2, "market", None)),
        ({"side": -1, "kind": "market_if_touched", "trigger": 2.05, "price": 2.04}, (2.04, 2.06), (1, "limit", "2.04")),
        ({"side": 1, "kind": "market_if_touched", "trigger": 1.95, "price": 1.96}, (1.96, 1.95), (1, "limit", "1.96")),
        # a stop at 1.95 and a profit at 2.05: whichever comes first, each with its own limit
        ({"side": -1, "kind": "stop", "trigger": 1.95, "touch": 2.05, "touch_price": 2.04}, (2.0, 1.95, 2.05), (1, "market", None)),
        ({"side": -1, "kind": "stop", "trigger": 1.95, "touch": 2.05, "touch_price": 2.04}, (2.0, 2.06, 1.95), (1, "limit", "2.04")),
        ({"side": 1, "kind": "stop_limit", "trigger": 2.05, "price": 2.06, "touch": 1.95}, (2.04, 1.95), (1, "market", None)),
        ({"side": 1, "kind": "stop_limit", "trigger": 2.05, "price": 2.06, "touch": 1.95}, (1.96, 2.05), (1, "limit", "2.06")),
        # five cents behind the best price: from 2.00 the level is 1.95, from 2.10 it is 2.05
        ({"side": -1, "kind": "trailing_stop", "distance": 0.05}, (2.1, 2.06, 2.05), (2, "market", None)),
        # a twentieth behind: from 2.00 it is 1.90, from 2.10 it is 1.995, and 2.00 does not reach it
        ({"side": -1, "kind": "trailing_stop", "distance": 0.1, "distance_ppm": 50_000}, (2.1, 2.0, 1.99), (2, "market", None)),
        ({"side": 1, "kind": "trailing_stop", "distance": 0.1, "distance_ppm": 50_000}, (1.9, 1.99, 2.0), (2, "market", None)),
    ],
)  # fmt: skip
def test_what_wakes_an_order_and_as_what(new: dict[str, Any], prices: tuple[float, ...], expected: Any) -> None:
    assert woken(new, prices) == expected


def test_levels_that_the_gate_does_not_know_are_checked_too(monkeypatch: pytest.MonkeyPatch) -> None:
    exchange = small_exchange()
    monkeypatch.setattr(exchange, "band", lambda _: (1_000_000, 3_000_000))
    trade_at(exchange, 2_000_000)
    kinds: dict[str, Any]
    for kinds, text in (
        ({"kind": "stop", "trigger": 1_950_000, "touch": 2_050_001}, "the price is not on the tick"),
        ({"kind": "market_if_touched", "trigger": 2_050_000, "price": 2_040_001}, "the price is not on the tick"),
        ({"kind": "market_if_touched", "trigger": 2_050_000, "price": 9_000_000}, "the price is outside the price band"),
        ({"kind": "stop", "trigger": 1_950_000, "touch": 2_050_000, "touch_price": 10**16}, "the price is outside the price band"),
        ({"kind": "limit", "price": 2_050_000, "touch": 2_060_000}, "the venue takes no such order"),
    ):
        assert exchange.place("one", NewOrder(symbol=NEAR, side=-1, lots=1, **kinds)).state is State.REJECTED
        assert exchange.take_changes().events[-1].text == text
    replay = exchange_of(sim_tape(5))
    replay.step()
    for kinds in ({"kind": "stop", "trigger": 1_000_000, "touch": 3_000_000}, {"kind": "market_if_touched", "trigger": 3_000_000, "price": 3_000_000},
                  {"kind": "trailing_stop", "distance": 100_000, "distance_ppm": 5}):  # fmt: skip
        assert replay.place("one", NewOrder(symbol=NEAR, side=-1, lots=1, **kinds)).state is State.REJECTED
        assert replay.take_changes().events[-1].text == "the venue takes no such order"


def test_a_replayed_tape_wakes_orders_too() -> None:
    exchange = exchange_of(sim_tape(20))
    exchange.step()
    last = exchange.tickers[NEAR].last
    assert last is not None
    stop = exchange.place("one", NewOrder(symbol=NEAR, side=1, lots=1, kind="stop", trigger=last - last % 10_000))
    limit = exchange.place("one", NewOrder(symbol=NEAR, side=1, lots=1, kind="stop_limit", trigger=last - last % 10_000, price=1_000_000))
    assert stop.is_asleep
    assert limit.is_asleep
    while stop.is_asleep and not exchange.is_over:
        exchange.step()
    assert (stop.state, stop.woke_at) == (State.FILLED, exchange.now)
    assert (limit.state, limit.is_asleep) == (State.ACCEPTED, False)


def test_what_is_no_algo_order_or_does_not_go_has_its_code() -> None:
    async def talk(server: Server, client: Client) -> None:
        assert isinstance(server.exchange, BookExchange)
        trade_at(server.exchange, 2_000_000)
        trigger = {**ALGO, "ordType": "trigger", "triggerPx": "1.9", "orderPx": "-1"}
        stop, profit = {"slTriggerPx": "1.9", "slOrdPx": "-1"}, {"tpTriggerPx": "2.1", "tpOrdPx": "-1"}
        for body, code in (
            ({**trigger, "instId": "NOPE-USD-300128"}, "51001"), ({**trigger, "side": "hold"}, "51000"), ({**trigger, "sz": "1.5"}, "51121"),
            ({**trigger, "ordType": "iceberg"}, "51000"), ({**trigger, "ordType": "twap"}, "51000"), ({**trigger, "ordType": "limit"}, "51000"),
            ({**trigger, "triggerPx": None}, "51000"), ({**trigger, "triggerPx": "low"}, "51000"), ({**trigger, "triggerPx": "-1"}, "51000"),
            ({**trigger, "orderPx": None}, "51000"), ({**trigger, "orderPx": "0"}, "51000"), ({**trigger, "triggerPx": "1.905"}, "51000"),
            ({**trigger, "triggerPxType": "mark"}, "51000"), ({**trigger, "closeFraction": "1"}, "51000"), ({**trigger, "posSide": "long"}, "51000"),
            ({**trigger, "attachAlgoOrds": [stop]}, "51000"), ({**trigger, "algoClOrdId": "a-b"}, "51000"), ({**trigger, "reduceOnly": True}, "51169"),
            ({**trigger, "sz": "900000"}, "51008"), ({**ALGO, "ordType": "conditional"}, "51000"), ({**ALGO, "ordType": "oco", **stop}, "51000"),
            ({**ALGO, "ordType": "conditional", **stop, "slTriggerPx": "2.1"}, "51280"), ({**ALGO, "ordType": "oco", **stop, **profit, "tpTriggerPx": "1.9"}, "51279"),
            ({**ALGO, "ordType": "conditional", **stop, "side": "buy"}, "51278"), ({**ALGO, "ordType": "conditional", **profit, "side": "buy"}, "51277"),
            ({**ALGO, "ordType": "move_order_stop"}, "51000"), ({**ALGO, "ordType": "move_order_stop", "callbackRatio": "1.5"}, "51000"),
            ({**ALGO, "ordType": "move_order_stop", "callbackRatio": "0.1", "callbackSpread": "1"}, "51000"),
            ({**ALGO, "ordType": "move_order_stop", "callbackRatio": "0.1", "activePx": "2"}, "51000"),
        ):  # fmt: skip
            found = await ask(client, "POST", "/api/v5/trade/order-algo", body)
            assert (found["code"], found["data"][0]["sCode"]) == ("1", code), (body, found)
        attached = {**ALGO, "ordType": "limit", "px": "2", "attachAlgoOrds": [stop]}
        assert (await ask(client, "POST", "/api/v5/trade/order", attached))["data"][0]["sCode"] == "51000", "never an order without its stop"
        assert not server.exchange.open_orders["one"]
        for path in (PENDING, HISTORY, f"{HISTORY}?ordType=trigger&state=live"):
            assert (await ask(client, "GET", path))["code"] == "51000"
        assert (await ask(client, "GET", "/api/v5/trade/order-algo?algoId=nobody"))["code"] == "51603"
        assert (await ask(client, "POST", "/api/v5/trade/cancel-algos", [{"algoId": "nobody", "instId": ID}]))["data"][0]["sCode"] == "51603"

    play(talk)


def test_an_algo_order_is_told_on_its_channel_and_goes_on_as_an_order() -> None:
    async def talk(server: Server, client: Client) -> None:
        exchange = server.exchange
        assert isinstance(exchange, BookExchange)
        trade_at(exchange, 2_000_000)
        sockets = []
        for path, channel in (("business", "orders-algo"), ("private", "orders")):
            socket = await client.http.ws_connect(f"{client.base}/ws/v5/{path}")
            stamp = str(server.wall() // 10**9)
            arg = {"apiKey": client.keys.api_key, "passphrase": client.keys.passphrase, "timestamp": stamp, "sign": sign(client, f"{stamp}GET/users/self/verify")}
            for op, args in (("login", [arg]), ("subscribe", [{"channel": channel, "instType": "FUTURES"}])):
                await socket.send_json({"op": op, "args": args})
                assert (await receive(socket))["event"] == op
            sockets.append(socket)
        algo, orders = sockets
        both = {"slTriggerPx": "1.9", "slOrdPx": "-1", "tpTriggerPx": "2.1", "tpOrdPx": "2.09"}
        placed = await ask(client, "POST", "/api/v5/trade/order-algo", {**ALGO, "ordType": "oco", "algoClOrdId": "mine", "tag": "x", **both})
        number = placed["data"][0]["algoId"]
        live = (await receive(algo))["data"][0]
        assert {key: live[key] for key in ("algoId", "ordId", "state", "ordType", "sz", "side", *both)} == {
            "algoId": number, "ordId": "", "state": "live", "ordType": "oco", "sz": "2", "side": "sell", **both}  # fmt: skip
        assert (await ask(client, "GET", f"/api/v5/trade/order?instId={ID}&ordId={number}"))["code"] == "51603", "no order yet"
        assert (await ask(client, "GET", "/api/v5/trade/orders-pending"))["data"] == []
        pending = (await ask(client, "GET", f"{PENDING}?ordType=conditional,oco"))["data"]
        assert [row["algoClOrdId"] for row in pending] == ["mine"]
        assert (await ask(client, "GET", f"{PENDING}?ordType=trigger"))["data"] == []
        trade_at(exchange, 2_100_000)
        server.publish()
        effective = (await receive(algo))["data"][0]
        assert (effective["state"], effective["ordId"], effective["actualSide"], effective["actualPx"]) == ("effective", number, "tp", "2.09")
        order = (await receive(orders))["data"][0]
        assert (order["ordId"], order["state"], order["ordType"], order["px"], order["accFillSz"]) == (number, "live", "limit", "2.09", "0")
        assert [row["ordId"] for row in (await ask(client, "GET", "/api/v5/trade/orders-pending"))["data"]] == [number]
        assert (await ask(client, "POST", "/api/v5/trade/cancel-algos", [{"algoClOrdId": "mine"}]))["data"][0]["sCode"] == "51400"
        exchange.place("two", NewOrder(symbol=NEAR, side=1, lots=2, price=2_090_000))
        server.publish()
        assert (await receive(orders))["data"][0]["state"] == "filled"
        assert [row["state"] for row in (await ask(client, "GET", f"{HISTORY}?ordType=oco&state=effective"))["data"]] == ["effective"]
        second = await ask(client, "POST", "/api/v5/trade/order-algo", {**ALGO, "ordType": "move_order_stop", "callbackSpread": "0.05"})
        assert (await receive(algo))["data"][0]["moveTriggerPx"] == "2.04", "behind what the contract is worth now: its last trade"
        row = {"algoId": second["data"][0]["algoId"], "instId": ID}
        assert (await ask(client, "POST", "/api/v5/trade/cancel-algos", [row]))["data"][0]["sCode"] == "0"
        assert (await receive(algo))["data"][0]["state"] == "canceled"
        assert (await ask(client, "GET", f"{HISTORY}?ordType=move_order_stop&state=canceled"))["data"][0]["algoId"] == row["algoId"]
        assert row["algoId"] not in [each["ordId"] for each in (await ask(client, "GET", "/api/v5/trade/orders-history"))["data"]]

    play(talk)


def protect_by_ccxt(server: Server) -> dict[str, Any]:
    """Every conditional order that ccxt's synchronous client makes, each read back and cancelled by it."""
    import ccxt

    client = ccxt.okx(settings(server))
    client.load_markets()
    symbol = next(market["symbol"] for market in client.markets.values() if market["id"] == ID)
    makes: dict[str, tuple[tuple[Any, ...], dict[str, Any], dict[str, Any]]] = {
        "stop": (("market", "sell", 1), {"stopPrice": 1.9}, {"stop": True}),
        "trigger": (("limit", "sell", 1, 1.89), {"triggerPrice": 1.9, "clientOrderId": "t1"}, {"trigger": True}),
        "rising": (("limit", "buy", 1, 2.2), {"triggerPrice": 2.1}, {"trigger": True}),
        "stop loss": (("market", "sell", 1), {"stopLossPrice": 1.9, "reduceOnly": True}, {"trigger": True, "ordType": "conditional"}),
        "take profit": (("limit", "sell", 1, 2.09), {"takeProfitPrice": 2.1}, {"trigger": True, "ordType": "conditional"}),
        "oco": (("market", "sell", 1), {"stopLossPrice": 1.9, "takeProfitPrice": 2.1}, {"trigger": True, "ordType": "oco"}),
        "trailing share": (("market", "sell", 1), {"trailingPercent": 5}, {"trailing": True}),
        "trailing amount": (("market", "buy", 1), {"trailingAmount": "0.1"}, {"trailing": True}),
    }
    found = {}
    for name, (words, params, how) in makes.items():
        placed = client.create_order(symbol, *words, params=params)
        seen = [order["id"] for order in client.fetch_open_orders(symbol, params=how)]
        assert seen == [placed["id"]], name
        one = client.fetch_order(placed["id"], symbol, {key: how[key] for key in how if key != "ordType"})
        found[name] = (one["triggerPrice"], one["stopLossPrice"], one["takeProfitPrice"], one["price"], one["amount"], one["status"])
        assert client.fetch_open_orders(symbol) == []
        client.cancel_order(placed["id"], symbol, {"trailing": True} if "trailing" in how else {"trigger": True})
        assert client.fetch_open_orders(symbol, params=how) == []
    gone = {order["id"] for kind in ("trigger", "conditional", "oco") for order in client.fetch_canceled_orders(symbol, params={"trigger": True, "ordType": kind})}
    client.session.close()
    return {"symbol": symbol, "canceled": len(gone), **found}


def test_ccxt_places_stops_triggers_profits_and_trailing_orders_by_its_urls_alone() -> None:
    pytest.importorskip("ccxt", reason="needs the extra `live`")

    async def run() -> None:
        import ccxt.pro

        exchange = small_exchange()
        exchange.place("one", NewOrder(symbol=NEAR, side=1, lots=5, price=2_000_000))
        exchange.place("two", NewOrder(symbol=NEAR, side=-1, lots=5, price=2_000_000))
        async with serving(exchange, clock=time.time_ns) as (server, _):
            found = await asyncio.to_thread(protect_by_ccxt, server)
            assert found == {
                "symbol": "SIMH100/USD:USD-300128", "canceled": 6,
                "stop": (1.9, None, None, -1.0, 1.0, "open"), "trigger": (1.9, None, None, 1.89, 1.0, "open"), "rising": (2.1, None, None, 2.2, 1.0, "open"),
                "stop loss": (None, 1.9, None, None, 1.0, "open"), "take profit": (None, None, 2.1, None, 1.0, "open"),
                "oco": (None, 1.9, 2.1, None, 1.0, "open"), "trailing share": (1.9, None, None, None, 1.0, "open"),
                "trailing amount": (2.1, None, None, None, 1.0, "open"),
            }  # fmt: skip
            pro = ccxt.pro.okx(settings(server))
            try:
                watched = asyncio.ensure_future(pro.watch_orders(found["symbol"], params={"trigger": True}))
                for _ in range(300):
                    if any(("orders-algo", "") in line.wanted for line in server.okx.sockets.lines):
                        break
                    await asyncio.sleep(0.01)
                placed = await pro.create_order(found["symbol"], "market", "sell", 2, None, {"stopLossPrice": 1.9, "reduceOnly": True})
                assert [(order["id"], order["status"]) for order in await asyncio.wait_for(watched, 60)] == [(placed["id"], "open")]
                exchange.place("three", NewOrder(symbol=NEAR, side=1, lots=9, price=1_890_000))
                trade_at(exchange, 1_900_000)
                server.publish()
                closed = await pro.fetch_closed_orders(found["symbol"], params={"trigger": True, "ordType": "conditional"})
                assert [(order["id"], order["status"], order["info"]["ordId"]) for order in closed] == [(placed["id"], "closed", placed["id"])]
                order = await pro.fetch_order(placed["id"], found["symbol"])
                assert (order["status"], order["filled"], order["average"]) == ("closed", 2.0, 1.89)
            finally:
                await pro.close()

    asyncio.run(run())
