# SPDX-License-Identifier: Apache-2.0
"""The native AX adapter against hazards H1 to H17 (../shared/execution.md 2), as far as AX's wire can have them: each test shows
the naive way fail, and the adapter hold."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import re
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from kilohour.contracts import Registry
from kilohour.errors import DataError, UsageError
from kilohour.execution import port
from kilohour.execution.ax.instruments import check_terms, symbols_at
from kilohour.execution.ax.market import AxFeed
from kilohour.execution.ax.venue import AxVenue
from kilohour.execution.ax.wire import decimal, event_facts, found_order, leg_of, micros_of
from kilohour.execution.orders import State, Trades, VenueOrder
from kilohour.execution.sandbox.model import Fill, NewOrder
from kilohour.units import NANOS_PER_DAY
from tests.backtests.tapes import sim_tape
from tests.execution.sandbox.booking import NEAR, full_exchange, small_exchange
from tests.execution.sandbox.serving import Client, serving
from tests.execution.sandbox.test_ax import other
from tests.execution.test_ax_garbage import PLACE as WIRED
from tests.execution.test_ax_garbage import Speaks
from tests.execution.test_ax_wire import AT, ORDER, SYMBOLS

CODE, PERPETUAL = "SIM:H100-2030-01", "SIM-H100-PERP"
BUY = port.Place(cid=77, legs=((CODE, 1),), units=8, limit=2_000_000, life="gtc")
NOT_HERE = {
    6: "no hazard: it is what okx does right, eight fills of eight told, and so is AX in the first case of test_h5",
}
"""Hazards that AX's wire cannot have, and why."""


async def seen(condition: Callable[[], Any]) -> None:
    """Returns when it is so."""
    for _ in range(1_000):
        if condition():
            return
        await asyncio.sleep(0.005)
    pytest.fail("it did not come to that")


def adapter(client: Client, clock: Callable[[], int]) -> AxVenue:
    """One that leaves its orders at the venue when a line goes: no cancel of the venue's hides what the adapter makes of it."""
    keys = {"api_key": client.keys.api_key, "api_secret": client.keys.api_secret}
    return AxVenue(client.base, keys, {NEAR: CODE}, clock, cancels_on_disconnect=False)


def at_the_sandbox(story, exchange=None) -> list[port.Fact]:
    """``story(venue, facts, server, client)`` over sockets; everything the adapter told."""

    async def go() -> list[port.Fact]:
        async with serving(exchange or small_exchange()) as (server, client):
            venue, facts = adapter(client, lambda: server.exchange.now), list[port.Fact]()
            await venue.open(facts.append)
            await story(venue, facts, server, client)
            await venue.close()
            return facts

    return asyncio.run(asyncio.wait_for(go(), 120))


def said_by(speaks: Speaks, story) -> list[port.Fact]:
    """The same at a venue that says what it is told to."""
    return asyncio.run(asyncio.wait_for(speaks.play(story), 120))


def of(kind: type, facts: list[port.Fact]) -> list[Any]:
    return [fact for fact in facts if isinstance(fact, kind)]


def told(facts) -> int:
    """Lots of every fill that came, as one adds up who believes each message."""
    return sum(leg.lots for fact in of(port.Filled, facts) for leg in fact.legs)


def booked(facts) -> int:
    """Lots that the runner books of them."""
    trades = Trades()
    return sum(leg.lots for fact in of(port.Filled, facts) for leg in trades.new_legs(fact))


class Cuts(Speaks):
    """Takes every order, by socket or by GET, and drops the line instead of an answer."""

    placed = by_get = 0

    async def took(self, request: web.Request, socket: web.WebSocketResponse) -> None:
        self.placed += 1
        assert request.transport is not None
        request.transport.abort()

    async def answer(self, request: web.Request) -> web.Response:
        if request.path == "/orders/place-order":
            self.by_get += 1
            assert request.transport is not None
            request.transport.abort()
        return await super().answer(request)


def test_h1_an_order_is_one_message_on_a_socket_and_not_a_get_that_the_library_sends_twice():
    cuts = Cuts()

    async def story(venue, facts):
        await venue.do(WIRED)
        await seen(lambda: cuts.lines == 2)
        await asyncio.sleep(0.1)  # as long as one takes who sends again on the new line
        assert (cuts.placed, cuts.by_get) == (1, 0)
        with pytest.raises(aiohttp.ClientError):
            await venue._session.get(f"{venue.base}/orders/place-order")
        assert cuts.by_get == 2, "the naive order doubles, over the adapter's own session"

    facts = said_by(cuts, story)
    assert [fact.cid for fact in of(port.Unsure, facts)] == [77]
    assert not of(port.Rejected, facts)


def test_h2_a_lost_reply_is_unsure_and_never_sent_again_and_a_number_in_use_is_no_rejection():
    async def story(venue, facts, server, client):
        await client.post("/_chaos", {"do": "lose_reply", "on": "place", "count": 1})
        await venue.do(BUY)
        await seen(lambda: len(of(port.Linked, facts)) == 3)
        assert [fact.cid for fact in of(port.Unsure, facts)] == [77]
        assert len(server.exchange.open_orders["one"]) == 1
        await venue.do(port.LookUp(cid=77))
        assert [(fact.cid, fact.state) for fact in of(port.Found, facts)] == [(77, "live")]
        await venue.do(BUY)
        await seen(lambda: len(of(port.Unsure, facts)) == 2)
        assert of(port.Unsure, facts)[1].why.startswith("409 "), "who takes every 4xx for a no gives up an order that lives"
        assert len(server.exchange.open_orders["one"]) == 1
        await venue.do(dataclasses.replace(BUY, cid=78))
        await seen(lambda: of(port.Acknowledged, facts))
        assert len(server.exchange.open_orders["one"]) == 2, "the naive retry, under a number of its own, is a second order"

    assert not of(port.Rejected, at_the_sandbox(story))


def test_h3_a_fill_that_the_stream_dropped_is_missed_by_its_number_and_asked_for():
    async def story(venue, facts, server, client):
        await venue.do(BUY)
        await seen(lambda: of(port.Acknowledged, facts))
        await client.post("/_chaos", {"do": "drop", "on": "private", "count": 1})
        other(server, -1, 8, 2_000_000)
        await venue.do(dataclasses.replace(BUY, cid=78, limit=1_900_000))
        await seen(lambda: len(of(port.Acknowledged, facts)) == 2)
        assert told(facts) == 0, "who believes the stream has bought nothing"
        assert of(port.Linked, facts)[-1].why == "messages are missing"
        await venue.do(port.LookUpFills())

    assert booked(at_the_sandbox(story)) == 8


def test_h4_what_was_told_does_not_change_when_the_order_does():
    kept: list[str] = []
    cache: dict[str, Any] = {}
    naive: list[dict[str, Any]] = []

    async def story(venue, facts, server, client):
        venue.inbox = lambda fact: (facts.append(fact), kept.append(repr(fact)))
        facts.clear()
        hear = venue._hear

        def watched(text):
            if "o" in (body := json.loads(text)):
                cache.update(body["o"])
                naive.append(cache)
            hear(text)

        venue._hear = watched
        await venue.do(BUY)
        for lots in (3, 5):
            await seen(lambda: of(port.Acknowledged, facts))
            other(server, -1, lots, 2_000_000)
        await seen(lambda: len(of(port.Filled, facts)) == 2)

    facts = at_the_sandbox(story)
    assert [fact.cumulative for fact in of(port.Filled, facts)] == [3, 8]
    assert [repr(fact) for fact in facts] == kept
    assert [order["xq"] for order in naive] == [8, 8, 8], "an order that is kept and updated says of its first fill what came later"
    for fact in facts:
        with pytest.raises(dataclasses.FrozenInstanceError):
            fact.ts = 0  # type: ignore[misc]


@pytest.mark.parametrize("lost", [0, 6])
def test_h5_a_sweep_of_eight_resting_orders_is_eight_fills_however_many_the_stream_tells(lost):
    async def story(venue, facts, server, client):
        for number in range(8):
            await venue.do(dataclasses.replace(BUY, cid=100 + number, units=1))
        await seen(lambda: len(of(port.Acknowledged, facts)) == 8)
        if lost:
            await client.post("/_chaos", {"do": "drop", "on": "private", "count": lost})
        other(server, -1, 8, 2_000_000)
        await seen(lambda: len(of(port.Filled, facts)) == 8 - lost)
        await asyncio.sleep(0.05)
        assert told(facts) == 8 - lost
        await venue.do(port.LookUpFills())

    facts = at_the_sandbox(story)
    assert booked(facts) == 8
    assert {fact.cid for fact in of(port.Filled, facts)} == set(range(100, 108))


def test_h7_three_fills_told_as_one_are_three_at_their_own_prices():
    """Eight lots have filled, says the order, and the block beside it has the last three: five are owed, and the history has them."""
    rows = [(1, 2, "2.10"), (2, 3, "2.20"), (3, 3, "2.30")]
    fills = [{"trade_id": f"T{n}", "order_id": "O-1", "symbol": ORDER["s"], "side": "B", "quantity": lots, "price": price, "fee": "0.5",
              "timestamp_ns": int(AT["ts"]) * 10**9} for n, lots, price in rows]  # fmt: skip
    block = {"tid": "T3", "s": ORDER["s"], "q": 3, "p": "2.30", "d": "B", "agg": True}
    event = {"t": "f", **AT, "o": {**ORDER, "cid": 77, "q": 8, "xq": 8, "rq": 0, "o": "FILLED"}, "xs": block}
    order = VenueOrder(1, dataclasses.replace(WIRED, units=8), 0, state=State.LIVE)
    trades, paid = Trades(), 0

    async def story(venue, facts):
        await venue.do(WIRED)
        await seen(lambda: of(port.Filled, facts))
        (only,) = of(port.Filled, facts)
        assert told(facts) == 3, "one fill an event"
        order.told_filled(only.cumulative)
        order.fill(only.legs)
        assert order.owes_fills == 5
        await venue.do(port.LookUpFills())

    facts = said_by(Speaks(json.dumps(event), read=json.dumps({"fills": fills})), story)
    for fact in of(port.Filled, facts):
        paid += sum(leg.lots * leg.price for leg in trades.new_legs(fact))
    assert paid == 2 * 2_100_000 + 3 * 2_200_000 + 3 * 2_300_000
    assert paid != 8 * 2_300_000, "which is what the count at the price of the message makes of it"


def test_h8_a_fill_told_twice_is_booked_once_and_both_sides_of_a_trade_are_two():
    async def story(venue, facts, server, client):
        await venue.do(BUY)
        await seen(lambda: of(port.Acknowledged, facts))
        await client.post("/_chaos", {"do": "duplicate", "on": "private", "count": 2})
        for lots in (3, 5):
            other(server, -1, lots, 2_000_000)
        await seen(lambda: len(of(port.Filled, facts)) == 4)
        assert told(facts) == 16, "the naive sum"
        await venue.do(port.LookUpFills())

    assert booked(at_the_sandbox(story)) == 8
    block = {"tid": "T1", "s": ORDER["s"], "q": 1, "p": "2.8", "d": "B"}
    sides = [port.Filled(cid=1, oid="", legs=(leg_of({**block, "d": side}, SYMBOLS),), cumulative=None, is_maker=False, ts=0) for side in "BS"]
    trades = Trades()
    assert [leg.lots for fact in sides for leg in trades.new_legs(fact)] == [1, -1], "one number is of both"


class Resumes:
    """A market data socket that breaks in the middle of a candle, and another that goes on from ``later``."""

    def __init__(self, later: list[dict[str, Any]]) -> None:
        self.said = [[{"t": "h", "ts": 1, "tn": 0}, candle(60, "2.5")], later]

    async def socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.receive()  # what is wanted
        for body in self.said.pop(0):
            await socket.send_str(json.dumps(body))
        if self.said:
            await asyncio.sleep(0.05)
            assert request.transport is not None
            request.transport.abort()
        await asyncio.sleep(30)
        return socket

    async def closes(self, most: int) -> list[tuple[int, int]]:
        """Second and close of the first bars."""
        app = web.Application()
        app.router.add_get("/md/ws", self.socket)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        feed = AxFeed(f"http://127.0.0.1:{runner.addresses[0][1]}", dict, sim_tape(days=2), {"X": CODE}, width="1m")
        moments, found = feed.moments(), list[tuple[int, int]]()
        await anext(moments)  # listings
        while len(found) < most:
            found += [(event.ts // 10**9, event.close) for event in (await anext(moments)).events]
        await moments.aclose()
        await runner.cleanup()
        return found


def candle(at: int, close: str) -> dict[str, Any]:
    return {"t": "c", "symbol": "X", "width": "1m", "open": "2.5", "high": "2.6", "low": "2.4", "close": close, "volume": 3, "ts": at, "tn": 0}


def test_h9_half_a_candle_of_before_the_line_broke_is_no_bar_and_no_level_of_a_book_is_kept(monkeypatch):
    """What traded in the rest of that minute nobody told: its close was that of a moment when the line broke."""
    monkeypatch.setattr("kilohour.execution.ax.market.RETRY_SECONDS", 0.01)
    monkeypatch.setattr("kilohour.execution.ax.market.CLOSE_SECONDS", 0.01)
    ghost = {"t": "2", "s": "X", "ts": 301, "tn": 0, "st": True, "b": [{"p": "2.9", "q": 5}], "a": [{"p": "2.1", "q": 5}]}
    gap = Resumes([{"t": "h", "ts": 300, "tn": 0}, ghost, candle(300, "2.55"), {"t": "h", "ts": 361, "tn": 0}])
    assert asyncio.run(asyncio.wait_for(gap.closes(1), 120)) == [(360, 2_550_000)], "the naive feed shows (120, 2_500_000) first"
    same = Resumes([candle(60, "2.58"), {"t": "h", "ts": 121, "tn": 0}])
    assert asyncio.run(asyncio.wait_for(same.closes(1), 20)) == [(120, 2_580_000)], "told whole on the new line, it is one"


def test_h10_sizes_and_prices_go_out_as_they_are_and_what_is_no_tick_is_refused_by_the_venue():
    async def story(venue, facts, server, client):
        await venue.do(dataclasses.replace(BUY, units=250))
        await venue.do(dataclasses.replace(BUY, cid=78, limit=2_000_500))
        await seen(lambda: of(port.Ended, facts))
        assert [(order.lots, order.price) for order in server.exchange.open_orders["one"].values()] == [(250, 2_000_000)]

    (refused,) = of(port.Ended, at_the_sandbox(story))
    assert (refused.cid, refused.state, refused.reason) == (78, "rejected", "INVALID_PRICE_INCREMENT")
    assert f"{2_000_500 / 1e6:.2f}" == "2.00", "rounded to its tick it is another order, and goes through"
    assert decimal(2_000_500) == "2.0005"
    for wrong in ("1.5", 1.5, "250"):
        with pytest.raises(DataError):
            leg_of({"tid": "T1", "s": NEAR, "q": wrong, "p": "2", "d": "B"}, SYMBOLS)


def test_h11_lots_are_the_venues_contracts_and_a_contract_of_another_size_is_refused():
    async def story(venue, facts, server, client):
        other(server, -1, 8, 2_000_000)
        await venue.do(BUY)
        await seen(lambda: of(port.Filled, facts))
        (row,) = (await client.get("/api/positions"))["positions"]
        assert (row["signed_quantity"], row["signed_notional"]) == (8, "16"), "the notional is without the 730 hours of a contract"
        assert float(row["signed_notional"]) / (730 * 2.0) != 8, "so who divides by what a contract costs holds next to nothing"
        assert (await venue.account()).positions == {CODE: 8}

    at_the_sandbox(story)
    product = Registry.shipped().product("AX:NVDA-H100")
    with pytest.raises(UsageError, match="multiplier must be 730"):
        check_terms("NVDA-H100-2026-DEC", {"multiplier": "1", "tick_size": "0.001"}, product)


def test_h12_fees_are_the_histories_in_dollars_and_money_of_another_kind_is_none():
    async def story(venue, facts, server, client):
        other(server, -1, 8, 2_000_000)
        await venue.do(BUY)
        await seen(lambda: of(port.Filled, facts))
        await venue.do(port.LookUpFills())
        (fill,) = server.exchange.fills["one"]
        assert fill.fee > 0
        assert [fact.legs[0].fee for fact in of(port.Filled, facts)] == [None, fill.fee], "the stream has none, and none is not nothing"

    at_the_sandbox(story)
    block = {"tid": "T1", "s": ORDER["s"], "q": 1, "p": "2.8", "d": "B", "fee": "0.05", "fee_currency": "H100"}
    assert leg_of(block, SYMBOLS).fee is None, "a fee beside a fill of the stream has no currency that anybody has told"
    balances = [{"symbol": "USD", "amount": "10.5"}, {"symbol": "H100", "amount": "3"}]
    read = json.dumps({"positions": [], "balances": balances, "orders": [], "total_count": 0})
    found: list[port.Account] = []

    async def asks(venue, facts):
        found.append(await venue.account())

    said_by(Speaks(read=read), asks)
    assert found[0].cash == 10_500_000, "not 13.5"


def test_h13_our_number_is_sent_read_wherever_the_venue_puts_it_and_looked_up_by_one_that_knows_nothing():
    async def story(venue, facts, server, client):
        other(server, -1, 8, 2_000_000)
        await venue.do(dataclasses.replace(BUY, cid=2**64 - 9))
        await seen(lambda: of(port.Filled, facts))
        (row,) = (await client.get("/api/fills"))["fills"]
        status = (await client.get("/orders/order-status", cid=str(2**64 - 9)))["status"]
        assert "cid" not in row
        assert "cid" not in status, "where the naive reader looks there is nothing"
        after, seen_after = adapter(client, lambda: server.exchange.now), list[port.Fact]()
        after.fills_from = server.exchange.now
        await after.open(seen_after.append)
        for command in (port.LookUpFills(), port.LookUp(cid=2**64 - 9), port.LookUp(cid=10)):
            await after.do(command)
        await after.close()
        assert [fact.cid for fact in of(port.Filled, seen_after)] == [2**64 - 9]
        assert [(fact.cid, fact.state) for fact in of(port.Found, seen_after)] == [(2**64 - 9, "filled")]
        assert [fact.cid for fact in of(port.Absent, seen_after)] == [10]

    at_the_sandbox(story)


class Receives(Speaks):
    """Says that it has received what it was asked, and nothing more."""

    heard: list[dict[str, Any]]

    async def socket(self, request: web.Request) -> web.WebSocketResponse:
        self.heard = []
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_str('{"rid": 0, "res": []}')
        async for message in socket:
            body = json.loads(message.data)
            self.heard.append(body)
            await socket.send_str(json.dumps({"rid": body["rid"], "res": {"oid": "O-1"} if body["t"] == "p" else {"cxl_rx": True}}))
        return socket


def test_h14_an_answer_that_only_says_received_ends_nothing_and_our_number_always_goes_along():
    receives = Receives()

    async def story(venue, facts):
        venue.tag = AxVenue("http://127.0.0.1:1", {}, {}, lambda: 0, tag="muchtoolongatag").tag
        for command in (WIRED, port.Cancel(cid=77, oid="O-1")):
            await venue.do(command)
        await seen(lambda: not venue._waiting)

    facts = said_by(receives, story)
    assert [body["t"] for body in receives.heard] == ["p", "x"]
    assert (receives.heard[0]["cid"], receives.heard[0]["tag"]) == (77, "muchtoolon")
    assert [type(fact) for fact in facts] == [port.Linked], "it is not live yet, and not cancelled yet"


def test_h15_an_instrument_that_hides_another_is_found_out():
    rows = [{"symbol": "NVDA-H100-2026-DEC", "multiplier": size} for size in ("730", "1000")]

    async def lists() -> None:
        async def answer(_: web.Request) -> web.Response:
            return web.json_response({"instruments": rows})

        app = web.Application()
        app.router.add_get("/api/instruments", answer)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            await symbols_at(f"http://127.0.0.1:{runner.addresses[0][1]}")
        finally:
            await runner.cleanup()

    assert len({row["symbol"]: row for row in rows}) == 1, "by its symbol the second hides the first"
    with pytest.raises(UsageError, match="NVDA-H100-2026-DEC is listed twice"):
        asyncio.run(asyncio.wait_for(lists(), 20))
    with pytest.raises(UsageError, match="share the contract"):
        AxVenue("http://127.0.0.1:1", {}, {NEAR: CODE, "SIM-H100-2030-JAN-B": CODE}, lambda: 0)


def test_h16_an_order_without_a_price_is_read_all_the_same():
    order = {**ORDER, "cid": 77, "p": None}
    with pytest.raises(DataError):
        micros_of(order["p"])
    assert [type(fact) for fact in event_facts({"t": "n", **AT, "o": order}, SYMBOLS)] == [port.Acknowledged]
    assert found_order({name: value for name, value in order.items() if name != "p"}).state == "live"
    status = {"status": {"order_id": "O-1", "state": "ACCEPTED", "clord_id": 77, "filled_quantity": 0, "price": None}}

    async def story(venue, facts):
        await venue.do(WIRED)
        await seen(lambda: of(port.Acknowledged, facts))
        await venue.do(port.LookUp(cid=77))

    facts = said_by(Speaks(json.dumps({"t": "n", **AT, "o": order}), read=json.dumps(status)), story)
    assert [(fact.cid, fact.state) for fact in of(port.Found, facts)] == [(77, "live")]


def test_h17_fills_are_of_the_whole_account_and_of_the_whole_time_and_not_of_what_is_answered_by_default():
    exchange = full_exchange()
    at = exchange.now - 9 * NANOS_PER_DAY
    exchange.fills["one"].append(Fill(id="T-old", order="O-9", account="one", symbol=NEAR, side=1, lots=1, price=2_000_000, fee=0, is_taker=True,
                                      ts=at))

    async def story(venue, facts, server, client):
        for symbol in (NEAR, PERPETUAL):
            other(server, -1, 2, 2_000_000, symbol)
            exchange.place("one", NewOrder(symbol=symbol, side=1, lots=2, price=2_000_000))
        at_once = await client.get("/api/fills", start_timestamp_ns=str(at), end_timestamp_ns=str(exchange.now + 1))
        assert at_once["code"] == 400
        venue.fills_from = at
        await venue.do(port.LookUpFills())

    legs = [leg for fact in of(port.Filled, at_the_sandbox(story, exchange)) for leg in fact.legs if leg.fee is not None]  # by REST
    told_of = {(leg.contract, leg.trade == "T-old", leg.lots) for leg in legs}
    naive = {each for each in told_of if each[0] == CODE}
    assert told_of == {(CODE, True, 1), (CODE, False, 2), (PERPETUAL, False, 2)}
    assert naive != told_of, "asked for by the symbols that a run trades, the perpetual's fill would be nobody's"


def test_every_hazard_has_a_test_or_a_reason():
    tested = {int(number) for name in globals() if name.startswith("test_h") for number in re.findall(r"_h(\d+)", name)}
    assert not tested & set(NOT_HERE)
    assert sorted(tested | set(NOT_HERE)) == list(range(1, 18))
    assert all(NOT_HERE.values())
