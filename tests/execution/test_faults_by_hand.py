# SPDX-License-Identifier: Apache-2.0
"""Rows 7, 11, 23 and 37 of the fault matrix over sockets: the control plane has no verb for them, so the test itself makes the sandbox
say a trade twice under two numbers, trade with an order that is being cancelled, tell candles that are none, and charge other fees."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kilohour.backtests.live import replayed
from kilohour.backtests.real import CAREFUL, Real, live
from kilohour.execution.journal import read
from kilohour.execution.keys import variable
from kilohour.execution.orders import State
from kilohour.execution.risk import Trading
from kilohour.execution.runner import Runner
from kilohour.execution.sandbox import ax_sockets
from kilohour.execution.sandbox.exchange import BookExchange
from kilohour.execution.sandbox.model import NewOrder
from tests.execution.hasty import Loop, hasty
from tests.execution.invariants import check_invariants
from tests.execution.papers import ACCOUNT, hastened, short
from tests.execution.sandbox.booking import NEAR, small_exchange
from tests.execution.sandbox.serving import serving

CHASES = f"{Path(__file__).with_name('chasing.py')}:Chases"
SETTLING = f"{Path(__file__).with_name('settling.py')}:IntoSettlement"
CODE = "SIM:H100-2030-01"
SECOND = 10**9
BARS = 60
QUICK = dataclasses.replace(CAREFUL, messages_per_second=10_000, cancels_reserved=100, step_seconds=0.0)


def chased(folder: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[BookExchange], None],
           last: Callable[[BookExchange], Any] = id) -> tuple[Runner, BookExchange]:  # fmt: skip
    """A live run by AX's own messages on a book in which two others trade a lot each second, at 2.00 and a tick about it; ``last`` happens
    when they have gone."""

    async def trade(server: Any) -> None:
        exchange = server.exchange
        while len(server.hub.open) < 2:  # the run's two sockets
            await asyncio.sleep(0.005)
        for bar in range(BARS):
            placed = orders_of(exchange)
            exchange.advance(exchange.now + SECOND)
            price = 2_000_000 + 10_000 * (bar % 3)
            for name, side in (("two", -1), ("three", 1)):
                exchange.place(name, NewOrder(symbol=NEAR, side=side, lots=1, price=price))
            server.publish()
            await asyncio.sleep(0.02)
            for _ in range(60):  # a busy machine is slower: bars that piled up would leave two bids at rest for a moment
                if orders_of(exchange) > placed:
                    break
                await asyncio.sleep(0.005)
        last(exchange)
        await asyncio.sleep(0.3)

    async def go(_: Loop) -> tuple[Runner, BookExchange]:
        exchange = small_exchange()
        change(exchange)
        async with serving(exchange) as (server, client):
            for name in ("api_key", "api_secret"):
                monkeypatch.setenv(variable("ax", name), getattr(client.keys, name))
            trading = asyncio.create_task(trade(server))
            runner = await live(Real(strategy=CHASES, venue="ax", account="one", folder=folder, clock=lambda: exchange.now, url=client.base,
                                     word=lambda: "finish" if trading.done() else None, confirmed="one", width="1s", limits=QUICK))
            await trading
            return runner, exchange

    return hasty(go)


def orders_of(exchange: BookExchange) -> int:
    """How many orders the run has sent."""
    return sum(1 for _ in exchange.history("one"))


def equal(folder: Path, runner: Runner, exchange: Any, account: str) -> None:
    """Orders, fills and positions are the venue's, and the journal replays."""
    trader, apart = replayed(folder)
    assert apart is None
    assert trader.fingerprint() == runner.trader.fingerprint()
    for venue_order in exchange.history(account):
        assert trader.orders[int(venue_order.client_id)].filled == venue_order.filled
    codes = {each.symbol: each.contract.code for each in exchange.listing.outrights}
    assert trader.positions() == {codes[held.symbol]: held.lots for held in exchange.statement(account).holdings if held.lots}
    assert len(trader.trades) == len(exchange.fills[account])
    assert not exchange.open_orders[account]


@pytest.mark.parametrize("is_late", [False, True], ids=["fill told first", "cancel told first"])
def test_row_11_what_fills_between_a_cancel_and_its_effect_is_booked(is_late, tmp_path, monkeypatch):
    """Somebody sells three lots to the bid while its cancel is on the venue's desk: three have filled of an order that is cancelled."""
    raced: list[Any] = []

    def change(exchange: BookExchange) -> None:
        cancel = exchange.cancel

        def late(order, *reason):
            if order.account != "one" or len(raced) == 5:
                return cancel(order, *reason)
            raced.append(order)
            exchange.place("two", NewOrder(symbol=NEAR, side=-1, lots=3, price=order.price, life="IOC"))
            said = cancel(order, *reason)
            if is_late:
                mine = [event for event in exchange.changes.events if event.order is order]
                assert [event.kind for event in mine] == ["partial", "canceled"]
                exchange.changes.events = [event for event in exchange.changes.events if event.order is not order] + mine[::-1]
            return said

        exchange.cancel = late  # type: ignore[method-assign]

    runner, exchange = chased(tmp_path / "run", monkeypatch, change)
    assert (runner.fault, runner.trader.risk.trading, len(raced)) == ("", Trading.ACTIVE, 5)
    ours = [runner.trader.orders[int(order.client_id)] for order in raced]
    assert [(order.filled, order.state) for order in ours] == [(3, State.CANCELED)] * 5
    assert runner.trader.positions() == {CODE: 15}
    assert runner.trader.made > 10, "and it went on"
    equal(tmp_path / "run", runner, exchange, "one")


def test_what_filled_untold_just_before_a_run_ends_is_booked_before_it_has_ended(tmp_path, monkeypatch):
    """The stream says nothing of it, and the account is compared every thirty seconds: the cancel that comes too late finds it out."""

    def last(exchange: BookExchange) -> None:
        (order,) = exchange.open_orders["one"].values()
        exchange.place("two", NewOrder(symbol=NEAR, side=-1, lots=10, price=order.price, life="IOC"))
        exchange.take_changes()

    runner, exchange = chased(tmp_path / "run", monkeypatch, id, last)
    assert runner.trader.positions() == {CODE: 10}
    equal(tmp_path / "run", runner, exchange, "one")


def test_row_23_no_order_is_made_of_a_candle_that_is_no_price(tmp_path, monkeypatch):
    """Ten times the price, nothing, less than nothing, and a high of ten times alone."""
    spoilt: list[int] = []
    usual = ax_sockets.candle_row

    def change(exchange: BookExchange) -> None:
        wrong = ({"open": "20", "high": "20", "low": "20", "close": "20"}, {"open": "0", "high": "0", "low": "0", "close": "0"},
                 {"open": "-2", "high": "-2", "low": "-2", "close": "-2"}, {"high": "20"})
        bad = {exchange.now // SECOND + second: change for second, change in zip((10, 20, 30, 40), wrong, strict=True)}

        def told(candle):
            row = usual(candle)
            if candle.start // SECOND in bad:
                spoilt.append(candle.start // SECOND)
                row |= bad[candle.start // SECOND]
            return row

        monkeypatch.setattr(ax_sockets, "candle_row", told)

    runner, exchange = chased(tmp_path / "run", monkeypatch, change)
    assert len(set(spoilt)) == 4
    assert (runner.fault, runner.trader.risk.trading) == ("", Trading.ACTIVE)
    prices = [record.body["limit"] for record in read(tmp_path / "run") if record.kind == "intent"]
    assert len(prices) > 20
    assert set(prices) == {1_950_000, 1_960_000, 1_970_000}
    assert {order.price for order in exchange.history("one")} == set(prices)
    equal(tmp_path / "run", runner, exchange, "one")


def replay_run(folder: Path, change: Callable[[Any], None]) -> tuple[Runner, Any]:
    """A paper run in lock-step on an exchange that ``change`` has got at."""
    found = {}

    async def inject(server):
        found["exchange"] = server.exchange
        change(server.exchange)

    return hastened(folder, short("SIM:H100", last="2026-04-17"), SETTLING, inject=inject), found["exchange"]


def test_row_7_a_trade_told_again_under_another_number_halts_the_run(tmp_path):
    """More has filled than was ordered: it is booked as told, nothing new is sent, and what is open is cancelled."""
    again: list[Any] = []

    def change(exchange: Any) -> None:
        take = exchange.take_changes

        def doubled():
            changes = take()
            for event in list(changes.events):
                if event.kind == "filled" and event.order.account == ACCOUNT and len(exchange.fills[ACCOUNT]) > 5 and not again:
                    again.append(dataclasses.replace(event, fill=dataclasses.replace(event.fill, id="T-again")))
                    changes.events.append(again[0])
            return changes

        exchange.take_changes = doubled

    runner, exchange = replay_run(tmp_path / "run", change)
    trader, apart = replayed(tmp_path / "run")
    assert apart is None
    (event,) = again
    assert (trader.risk.trading, trader.risk.reason) == (
        Trading.HALTED, f"order {event.order.client_id} filled {event.order.lots + event.fill.lots} of {event.order.lots} units")
    records = list(read(tmp_path / "run"))
    halted = next(record.seq for record in records if record.kind == "risk" and record.body["state"] == "HALTED")
    intents = [record.seq for record in records if record.kind == "intent"]
    assert max(intents) < halted < records[-1].seq
    assert len(trader.trades) == len(exchange.fills[ACCOUNT]) + 1, "booked as told"
    assert not exchange.open_orders[ACCOUNT]
    codes = {each.symbol: each.contract.code for each in exchange.listing.outrights}
    held = {codes[one.symbol]: one.lots for one in exchange.statement(ACCOUNT).holdings}
    more = {code: lots - held.get(code, 0) for code, lots in trader.positions().items() if lots != held.get(code, 0)}
    assert more == {codes[event.fill.symbol]: event.fill.side * event.fill.lots}, "which the account shows"
    assert runner.trader.fingerprint() == trader.fingerprint()


def test_row_37_a_fee_that_the_stream_leaves_out_is_booked_by_the_table_and_corrected_by_the_history(tmp_path):
    """The venue charges 37 cents a lot more than its table says."""
    more = 370_000

    def change(exchange: Any) -> None:
        for name in ("fee_per_lot", "fee_maker_per_lot"):
            exchange.market.terms[name] += more

    runner, exchange = replay_run(tmp_path / "run", change)
    trader = check_invariants(tmp_path / "run", exchange)
    fills = exchange.fills[ACCOUNT]
    assert len(fills) > 10
    corrected = {record.body["trade"]: record.body["fee"] - record.body["booked"] for record in read(tmp_path / "run") if record.kind == "fee"}
    assert corrected == {fill.id: more * fill.lots for fill in fills}
    codes = {each.symbol: each.contract.code for each in exchange.listing.outrights}
    assert [trader.trades.fee_of(codes[fill.symbol], fill.id, fill.side * fill.lots) for fill in fills] == [fill.fee for fill in fills]
    assert (runner.fault, runner.trader.risk.trading) == ("", Trading.ACTIVE)
