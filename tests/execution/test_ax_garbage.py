# SPDX-License-Identifier: Apache-2.0
"""A venue that sends what nobody can read: the native adapter takes the line for lost and says why, and its books stay as they are."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
from typing import Any

import pytest
from aiohttp import web

from kilohour.backtests.real import Real, live
from kilohour.contracts import Registry
from kilohour.errors import DataError, UsageError
from kilohour.execution import port
from kilohour.execution.ax.instruments import check_terms
from kilohour.execution.ax.market import AxFeed, Bars
from kilohour.execution.ax.venue import AxVenue
from kilohour.execution.ax.wire import event_facts
from kilohour.execution.keys import variable
from kilohour.tape.schema import Kind
from tests.backtests.tapes import sim_tape
from tests.execution.sandbox.booking import small_exchange
from tests.execution.sandbox.serving import serving
from tests.execution.test_ax_wire import AT, NEAR, ORDER, SYMBOLS

WRONG: tuple[Any, ...] = (None, True, -1.5, "x", "９" * 5_000, [], {}, [{}])
XS = {"tid": "T1", "s": ORDER["s"], "q": 1, "p": "2.814", "d": "B", "agg": False}
EVENTS = [{"t": "f", **AT, "eid": "7", "o": ORDER, "xs": XS}, {"t": "n", **AT, "eid": "7", "o": ORDER},
          {"t": "c", **AT, "o": ORDER, "xr": "USER"}, {"t": "r", **AT, "o": ORDER, "ro": ORDER, "no": {**ORDER, "oid": "O-2"}},
          {"t": "e", **AT, "o": ORDER}]  # fmt: skip
CANDLE: dict[str, Any] = {"t": "c", "symbol": ORDER["s"], "width": "1m", "open": "2", "high": "2", "low": "2", "close": "2", "volume": 3, **AT}
GARBAGE = {
    "no JSON": '{"t":', "a page": "<html>", "deep": "[" * 100_000, "a list": "[1]", "a number": "7", "a fill without its block": json.dumps({"t": "f", **AT, "o": ORDER}),
    "an endless number": '{"t": "h", "ts": ' + "9" * 5_000 + "}", "an endless count": json.dumps({"t": "h", **AT, "eid": "9" * 5_000}),
    "an answer to a list": '{"rid": []}', "an order that is none": json.dumps({"t": "n", **AT, "o": []}),
}  # fmt: skip
PLACE = port.Place(cid=77, legs=((NEAR, 1),), units=2, limit=2_000_000, life="gtc")


def spoiled(body: Any):
    """A message with each of its fields, however deep, missing or wrong in every way."""
    for name in body if isinstance(body, dict) else ():
        yield {key: value for key, value in body.items() if key != name}
        for wrong in WRONG:
            yield {**body, name: wrong}
        for inner in spoiled(body[name]):
            yield {**body, name: inner}


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event["t"])
def test_no_field_of_an_event_is_more_than_data_that_cannot_be_read(event):
    unread = 0
    for bad in spoiled(event):
        try:
            facts = event_facts(bad, SYMBOLS)
        except DataError:
            unread += 1
        else:
            assert all(type(leg.lots) is int and type(leg.price) is int for fact in facts if isinstance(fact, port.Filled) for leg in fact.legs)
    assert unread > 0 or event["t"] == "e"


def test_no_field_of_a_candle_is_more_than_data_that_cannot_be_read():
    """The candle after it is a bar all the same."""
    tape = sim_tape(days=2)
    later = {**CANDLE, "ts": int(AT["ts"]) + 600}
    for bad in spoiled(CANDLE):
        feed = AxFeed("http://127.0.0.1:1", dict, tape, {str(ORDER["s"]): tape.contracts[0].code}, width="1m")
        feed._last = 1
        for message in (bad, {"t": "h", "ts": int(AT["ts"]) + 300}, later):
            with contextlib.suppress(DataError):
                feed._heard(json.dumps(message))
        moments = feed._heard(json.dumps({"t": "h", "ts": later["ts"] + 90}))
        assert [event.close for moment in moments for event in moment.events if event.kind == Kind.BAR] == [2_000_000], bad
    with pytest.raises(DataError):
        feed._heard("[" * 100_000)
    assert Bars({}, "1m").hear({"t": "h"}) == []


class Speaks:
    """A venue on loopback whose orders socket says what it is told to, and whose reads answer the same text each time."""

    def __init__(self, *said: str, read: str = "{}") -> None:
        self.said, self.read, self.lines, self.asked = list(said), read, 0, 0

    async def socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.lines += 1
        await socket.send_str('{"rid": 0, "res": []}')
        async for message in socket:
            if json.loads(message.data)["t"] == "p":
                await self.took(request, socket)
        return socket

    async def took(self, request: web.Request, socket: web.WebSocketResponse) -> None:
        """An order came."""
        if self.said:
            await socket.send_str(self.said.pop())

    async def answer(self, request: web.Request) -> web.Response:
        self.asked += request.path != "/api/authenticate"
        return web.Response(text='{"token": "t"}' if request.path == "/api/authenticate" else self.read)

    async def play(self, story) -> list[port.Fact]:
        app = web.Application()
        app.router.add_get("/orders/ws", self.socket)
        app.router.add_route("*", "/{path:.*}", self.answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        venue = AxVenue(f"http://127.0.0.1:{runner.addresses[0][1]}", {"api_key": "k", "api_secret": "s"}, SYMBOLS.code_of, lambda: 10**18)
        facts: list[port.Fact] = []
        await venue.open(facts.append)
        await story(venue, facts)
        await venue.close()
        await runner.cleanup()
        return facts


@pytest.mark.parametrize("what", GARBAGE)
def test_garbage_on_the_orders_socket_is_a_lost_line_with_a_reason_and_an_order_on_its_way_is_unsure(what):
    speaks = Speaks(GARBAGE[what])

    async def story(venue, facts):
        await venue.do(PLACE)
        for _ in range(400):
            if speaks.lines == 2 and isinstance(facts[-1], port.Linked) and facts[-1].is_up:
                break
            await asyncio.sleep(0.01)

    facts = asyncio.run(asyncio.wait_for(speaks.play(story), 120))
    told = [fact.is_up for fact in facts if isinstance(fact, port.Linked)]
    assert told == [True, False, True]
    assert [fact.cid for fact in facts if isinstance(fact, port.Unsure)] == [77]
    (why,) = [fact.why for fact in facts if isinstance(fact, port.Linked) and not fact.is_up]
    assert why.startswith("DataError: ")
    assert "\n" not in why
    assert len(facts) == 4


def test_a_line_that_falls_silent_is_lost_and_opened_again(monkeypatch):
    """Row 15: TCP says nothing, and neither does the venue, which owes a heartbeat."""
    monkeypatch.setattr("kilohour.execution.ax.venue.HEARTBEAT_SECONDS", 0.05)
    speaks = Speaks()

    async def story(venue, facts):
        await venue.do(PLACE)
        for _ in range(400):
            if speaks.lines >= 2 and [fact for fact in facts if isinstance(fact, port.Unsure)]:
                break
            await asyncio.sleep(0.01)

    facts = asyncio.run(asyncio.wait_for(speaks.play(story), 120))
    assert [fact.is_up for fact in facts if isinstance(fact, port.Linked)][:2] == [True, False]
    assert [fact.cid for fact in facts if isinstance(fact, port.Unsure)] == [77]
    assert speaks.lines >= 2


@pytest.mark.parametrize("read", ["<html>", "[" * 100_000, "[]", "{}", '{"status": {"state": "STRANGE"}, "fills": [{"order_id": 1}], "positions": [{}]}',
                                  '{"status": {"filled_quantity": "x"}, "fills": [7], "positions": 7, "balances": []}'])  # fmt: skip
def test_an_answer_that_cannot_be_read_is_as_good_as_none_and_told_once(read):
    speaks = Speaks(read=read)

    async def story(venue, facts):
        for _ in range(3):
            with pytest.raises(ConnectionError):
                await venue.account()
            for command in (port.LookUp(cid=77), port.LookUpFills()):
                with contextlib.suppress(ConnectionError):
                    await venue.do(command)
        assert await venue_is_up(venue)

    async def venue_is_up(venue) -> bool:
        await venue.do(PLACE)
        return venue._socket is not None

    facts = asyncio.run(asyncio.wait_for(speaks.play(story), 120))
    assert speaks.asked >= 9
    reasons = [fact.why for fact in facts if isinstance(fact, port.Linked)]
    assert len(reasons) == len(set(reasons)) <= 4
    assert not [fact for fact in facts if not isinstance(fact, port.Linked)]


def test_a_message_that_is_passed_over_is_noticed_by_its_number():
    """The second never came, the first comes again: one gap, and the account tells what was in it."""
    heartbeats = [json.dumps({"t": "h", **AT, "eid": str(number)}) for number in (4, 5, 7, 5, 8)]
    venue, facts = AxVenue("http://127.0.0.1:1", {}, SYMBOLS.code_of, lambda: 0), list[port.Fact]()
    venue.inbox = facts.append
    for text in heartbeats:
        venue._hear(text)
    assert facts == [port.Linked(is_up=True, why="messages are missing")]
    assert venue.messages == 8


@pytest.mark.parametrize(("name", "found"), [("multiplier", "1000"), ("multiplier", None), ("tick_size", "0.01"), ("tick_size", "x"), ("tick_size", 0.001)])
def test_a_contract_whose_terms_have_changed_at_the_venue_is_refused(name, found):
    """Row 35: 730 hours and a tenth of a cent, as the venue listed them in September 2026."""
    product, row = Registry.shipped().product("AX:NVDA-H100"), {"multiplier": "730", "tick_size": "0.001"}
    check_terms("NVDA-H100-2026-DEC", row, product)
    check_terms("NVDA-H100-2026-DEC", {"multiplier": 730, "tick_size": "0.0010"}, product)
    with pytest.raises(UsageError, match=f"^NVDA-H100-2026-DEC: {name} must be .* in the registry, found {found!r}$"):
        check_terms("NVDA-H100-2026-DEC", {**row, name: found}, product)


def test_a_run_does_not_begin_at_a_venue_whose_contracts_have_changed(tmp_path, monkeypatch):
    async def go() -> None:
        async with serving(small_exchange()) as (server, client):
            monkeypatch.setenv(variable("ax", "api_key"), client.keys.api_key)
            monkeypatch.setenv(variable("ax", "api_secret"), client.keys.api_secret)
            asked = Real(strategy="calendar-spread", venue="ax", account="one", folder=tmp_path / "run", clock=lambda: server.exchange.now,
                         parameters={"product": "SIM:H100"}, url=client.base, seconds=0.2)
            await live(asked)
            each = server.exchange.listing.outrights[0]
            monkeypatch.setattr(type(each), "multiplier", property(lambda _: "1000"))
            with pytest.raises(UsageError, match="multiplier must be 730"):
                await live(dataclasses.replace(asked, folder=tmp_path / "again"))

    asyncio.run(asyncio.wait_for(go(), 120))
    assert not (tmp_path / "again").exists()
