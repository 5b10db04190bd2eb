# SPDX-License-Identifier: Apache-2.0
"""A replayed tape: orders that come over the wire give what the same orders give in a backtest, to the micro."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from kilohour.backtests.backtest import between
from kilohour.cli.main import main
from kilohour.errors import UsageError
from kilohour.execution.sandbox.accounts import Keyring
from kilohour.execution.sandbox.ax import REASONS
from kilohour.execution.sandbox.chaos import Chaos
from kilohour.execution.sandbox.engines import CODES, LEDGER
from kilohour.execution.sandbox.model import NewOrder, Reason, Session, State
from kilohour.execution.sandbox.okx import CODES as OKX_CODES
from kilohour.execution.sandbox.server import Server
from kilohour.kernels import records as r
from kilohour.tape import Kind, Tape
from tests.backtests.tapes import sim_tape
from tests.execution.papers import MONTHS, nearest
from tests.execution.sandbox.replaying import ENDED_BY_THE_STRATEGY, exchange_of, new_order, play_orders
from tests.execution.sandbox.serving import Clock, receive, serving
from tests.strategies.runs import LIVELY, market, session_of

TOLD = ("ts_event", "kind", "code", "open", "high", "low", "close", "volume")
NEAR, FAR = "SIM-H100-2030-JAN", "SIM-H100-2030-FEB"


def books_of(book: Any) -> tuple[Any, ...]:
    names = ("cash", "fees", "fills", "lots_traded", "settlements", "orders_made", "orders_refused")
    return (*(int(book[name]) for name in names), book["position"].tolist(), book["open_value"].tolist(), book["residue"].tolist())


IN_EVERY_RUN = ("calendar-spread", "rolled-exposure")


@pytest.mark.parametrize("name", [name if name in IN_EVERY_RUN else pytest.param(name, marks=pytest.mark.soak) for name in LIVELY])
def test_the_orders_of_a_strategy_give_the_same_books_as_its_backtest(name: str) -> None:
    tape = between(market(), "2026-01-01", "2026-03-31" if name in IN_EVERY_RUN else "2026-12-31")
    session, _ = session_of(name, tape, **LIVELY[name])
    exchange = exchange_of(tape, session.cash_micros)
    play_orders(session, exchange)

    fills = [(int(row["lots"]), int(row["price_micros"]), int(row["fee_micros"])) for row in session.table("fills")]
    assert fills
    assert fills == [(fill.side * fill.lots, fill.price, fill.fee) for fill in exchange.fills["one"]]
    # close_books of the backtest marks what is still open; the exchange goes on
    ledger = [int(row["micros"]) for row in session.table("ledger") if int(row["kind"]) != r.UNSETTLED]
    assert sum(ledger) == sum(t.micros for t in exchange.transactions["one"])
    assert exchange.statement("one").equity == int(session.book[0]["equity"])
    assert exchange.statement("two").cash == session.cash_micros, "accounts do not meet"


def test_what_has_traded_has_a_best_bid_and_ask_until_it_has_ended() -> None:
    exchange = exchange_of(nearest(between(market(), "2026-03-01", "2026-03-31"), MONTHS), 10**12)
    ended = set()
    while not exchange.is_over:
        exchange.step()
        ended = {each.symbol for each in exchange.listing.outrights if exchange.session(each) is Session.EXPIRED}
    for each in exchange.listing.outrights:
        is_quoted = exchange.tickers[each.symbol].last is not None and each.symbol not in ended
        assert [side is not None for side in exchange.best(each)] == [is_quoted] * 2
        assert [len(side) for side in exchange.depth(each, 1)] == [is_quoted] * 2
    assert any(exchange.tickers[symbol].last is not None for symbol in ended)


def test_a_speed_is_a_multiple_of_the_clock_as_a_whole_number_too() -> None:
    exchange = exchange_of(between(market(), "2026-03-01", "2026-03-31"), 10**12)
    for speed, wanted in ((3_600, 3_600.0), (0.5, 0.5), ("max", "max"), ("lockstep", "lockstep")):
        server = Server(exchange, Keyring(1, ["one"]), Chaos(1), Clock(), speed=speed)
        assert server.replayer is not None
        assert (server.replayer.speed, type(server.replayer.speed)) == (wanted, type(wanted))
    for wrong in (0, -1, True, float("nan"), float("inf"), "fast", "60"):
        with pytest.raises(UsageError, match=f"speed must be a number above 0, max or lockstep, found {wrong!r}"):
            Server(exchange, Keyring(1, ["one"]), Chaos(1), Clock(), speed=wrong)


def test_lock_step_over_sockets_gives_the_same_books_as_the_exchange_alone() -> None:
    tape = nearest(between(market(), "2026-03-01", "2026-04-30"), MONTHS)
    session, _ = session_of("calendar-spread", tape, **LIVELY["calendar-spread"])
    alone = exchange_of(tape, session.cash_micros)
    play_orders(session, alone)
    wired = exchange_of(tape, session.cash_micros)
    rows = session.table("orders")
    symbols = {row: wired.listing.of_contract(c.code).symbol for row, c in enumerate(session.market.tape.contracts)}

    async def run() -> list[Any]:
        events: list[Any] = []
        at, ids = 0, {}
        async with serving(wired, speed="lockstep") as (server, client):
            orders = await client.orders_socket()
            feed = await client.http.ws_connect(server.addresses["feed"])
            hello = (await receive(feed))["hello"]
            assert (hello["venue"], hello["events"], hello["contracts"][0]["code"]) == ("sandbox", len(tape), tape.contracts[0].code)
            lockstep = await client.http.ws_connect(server.addresses["lockstep"] + "?account=one")
            seen = 0
            while "end" not in (barrier := await receive(lockstep)):
                while len(events) < barrier["feed_seq"]:
                    body = await receive(feed)
                    events += [dict(zip(TOLD, told, strict=True), seq=body["seq"] + i, ts=body["ts"]) for i, told in enumerate(body["events"])]
                while seen < barrier["orders_seq"]:
                    seen = int((await receive(orders)).get("eid", seen))  # a heartbeat has none
                while at < len(rows) and rows[at]["ts"] == barrier["ts"]:
                    row = rows[at]
                    legs = [e for e in rows[at:] if (e["order"], e["ts"], e["status"]) == (row["order"], row["ts"], row["status"])]
                    at += len(legs)
                    new = new_order(legs, symbols)
                    if row["status"] == r.WORKING:
                        place = {"t": "p", "s": new.symbol, "d": "B" if new.side > 0 else "S", "q": new.lots, "cid": int(row["order"])}
                        reply, early = await client.ask(orders, **place, x={"kind": "market"})
                        ids[int(row["order"])] = reply["res"]["oid"]
                    elif int(row["status"]) in ENDED_BY_THE_STRATEGY:
                        reply, early = await client.ask(orders, t="x", oid=ids[int(row["order"])])
                        assert reply["res"] == {"cxl_rx": True}
                    else:
                        continue
                    seen = max([seen, *(int(event.get("eid", 0)) for event in early)])
                await lockstep.send_str(json.dumps({"done": barrier["barrier"]}))
            books = await client.get("/_account/one")
            assert books["cash"] == alone.statement("one").cash
            assert books["positions"] == {
                wired.listing.by_symbol[h.symbol].contract.code: h.lots for h in alone.statement("one").holdings if h.lots
            }
        return events

    events = asyncio.run(run())
    assert alone.fills["one"]
    assert list(alone.fills["one"]) == list(wired.fills["one"])
    assert [event["seq"] for event in events] == list(range(1, len(tape) + 1))
    assert [(e["ts"], e["ts_event"], e["close"]) for e in events] == [
        (int(ts), int(of), None if close == r.MISSING else int(close))
        for ts, of, close in zip(tape.events["ts"], tape.events["ts_event"], tape.events["close"], strict=True)
    ]


def test_the_wire_says_that_a_bar_is_open_and_that_between_bars_is_pre_open() -> None:
    tape = sim_tape(4)
    bars = sum(int(kind) == Kind.BAR for kind, ref in zip(tape.events["kind"], tape.events["ref"], strict=True) if ref == 0)

    async def run() -> tuple[list[str], list[str]]:
        ticks: list[str] = []
        states: list[str] = []
        async with serving(exchange_of(tape), speed="lockstep") as (server, client):
            market = await client.http.ws_connect(f"{client.base}/md/ws", headers=client.headers)
            await market.send_json({"rid": 1, "type": "subscribe", "symbol": NEAR, "level": "LEVEL_1"})
            okx = await client.http.ws_connect(f"{client.base}/ws/v5/public")
            await okx.send_json({"op": "subscribe", "args": [{"channel": "instruments", "instType": "FUTURES"}]})
            lockstep = await client.http.ws_connect(server.addresses["lockstep"] + "?account=one")
            okx_id = server.exchange.listing.by_symbol[NEAR].okx
            while "end" not in (barrier := await receive(lockstep)):
                assert (await client.get("/api/instrument", symbol=NEAR))["state"] == "PRE_OPEN"
                async with client.http.get(f"{client.base}/api/v5/public/instruments?instType=FUTURES&instId={okx_id}") as answer:
                    assert (await answer.json())["data"][0]["state"] == "preopen"
                await lockstep.send_json({"done": barrier["barrier"]})
            for socket in (market, okx):
                await socket.send_str("!")
            while "error" not in (message := await receive(market)):
                ticks += [message["i"]] if message.get("t") == "s" and message["p"] is not None else []
            while message.get("event") != "error":
                message = await receive(okx)
                states += [row["state"] for row in message.get("data", []) if row["instId"] == okx_id]
        return ticks, states

    ticks, states = asyncio.run(run())
    changes = [tick for tick, before in zip(ticks, ["PRE_OPEN", *ticks], strict=False) if tick != before]
    assert changes == ["OPEN", "PRE_OPEN"] * bars
    assert states == ["preopen", *["live", "preopen"] * bars]


def test_between_bars_orders_rest_and_a_cancel_takes_them_out() -> None:
    exchange = exchange_of(sim_tape(5))
    exchange.step()
    order = exchange.place("one", NewOrder(symbol=NEAR, side=1, lots=3, price=1_000_000, client_id="1"))
    assert order.state.is_open
    assert exchange.session(exchange.listing.by_symbol[NEAR]) is Session.PRE_OPEN
    assert exchange.cancel(order) is None
    assert order.state.value == "canceled"
    assert exchange.cancel(order) is Reason.GONE
    assert not exchange.open_orders["one"]


def test_a_spread_fills_its_legs_together_and_counts_units() -> None:
    exchange = exchange_of(sim_tape(5))
    exchange.step()
    order = exchange.place("one", NewOrder(symbol=f"{NEAR}~{FAR}", side=-1, lots=2, kind="market"))
    exchange.step()
    exchange.step()
    fills = list(exchange.fills["one"])
    assert order.state is State.FILLED
    assert order.filled == 2
    assert [(fill.symbol, fill.side, fill.lots) for fill in fills] == [(NEAR, -1, 2), (FAR, 1, 2)]


def test_an_order_that_grows_goes_on_under_a_new_id() -> None:
    exchange = exchange_of(sim_tape(5))
    exchange.step()
    old = exchange.place("one", NewOrder(symbol=NEAR, side=1, lots=1, price=1_000_000, client_id="9"))
    new = exchange.replace(old, lots=4, price=1_010_000)
    assert not isinstance(new, Reason)
    assert (old.state, new.state, new.lots, new.price, new.replaces) == (State.REPLACED, State.ACCEPTED, 4, 1_010_000, old.id)
    assert exchange.replace(new, lots=4, price=1_010_001) is Reason.TICK
    assert list(exchange.open_orders["one"]) == [new.id]


@pytest.mark.parametrize(
    ("new", "reason"),
    [
        (NewOrder(symbol="SIM-H100-2031-JAN", side=1, lots=1, price=1_000_000), Reason.UNKNOWN_SYMBOL),
        (NewOrder(symbol=NEAR, side=1, lots=0, price=1_000_000), Reason.QUANTITY),
        (NewOrder(symbol=NEAR, side=1, lots=10**9, price=1_000_000), Reason.QUANTITY),
        (NewOrder(symbol=NEAR, side=1, lots=1, price=1_000_001), Reason.TICK),
        (NewOrder(symbol=NEAR, side=1, lots=1, price=10**16), Reason.BAND),
        (NewOrder(symbol=NEAR, side=1, lots=1, price=1_000_000, reduce_only=True), Reason.REDUCE_ONLY),
        (NewOrder(symbol=NEAR, side=1, lots=1_000_000, kind="market"), Reason.MARGIN),
        (NewOrder(symbol=NEAR, side=1, lots=1, price=1_000_000, life="IOC", post_only=True), Reason.ORDER_TYPE),
        (NewOrder(symbol=NEAR, side=1, lots=1, price=1_000_000, parent="O-NOBODY"), Reason.GROUP),
    ],
)
def test_what_the_exchange_refuses(new: NewOrder, reason: Reason) -> None:
    exchange = exchange_of(sim_tape(5))
    exchange.step()
    order = exchange.place("one", new)
    assert order.state is State.REJECTED
    assert [event.reason for event in exchange.take_changes().events] == [reason]


def test_every_refusal_and_every_ledger_row_of_the_engine_has_a_name_on_the_wire() -> None:
    assert set(r.CODES) - set(CODES) == {"rejected", "feed_age", "dry_run"}, "said by a live run about itself, never by an engine"
    assert set(CODES) <= set(r.CODES)
    assert set(CODES.values()) <= set(REASONS)
    assert set(CODES.values()) - set(OKX_CODES) == {Reason.POST_ONLY, Reason.SELF_TRADE}, "taken and cancelled there; no code there"
    written = {int(getattr(r, name)) for name in ("VARIATION", "FEE", "SETTLEMENT", "SETTLEMENT_FEE", "VARIATION_REVERSED",
               "SETTLEMENT_REVERSED", "FUNDING_PAID", "CLEARING_FEE", "INTEREST_PAID")}  # fmt: skip
    assert set(LEDGER) == written == set(range(1, 11)) - {int(r.UNSETTLED)}, "an exchange never closes its books"


def told_of(tape: Any) -> list[Any]:
    """Its events by code, in an order of their own."""
    names = ("ts", "ts_event", "kind", "open", "high", "low", "close", "volume")
    codes = [tape.indices[ref].code if kind == Kind.PRINT else tape.contracts[ref].code
             for kind, ref in zip(tape.events["kind"].tolist(), tape.events["ref"].tolist(), strict=True)]  # fmt: skip
    return sorted(zip(*(tape.events[name].tolist() for name in names), codes, strict=True))


def test_what_is_recorded_over_the_wire_is_imported_as_the_tape_that_was_replayed(tmp_path: Any) -> None:
    """``kilohour record`` of a sandbox, twice into one folder, then ``kilohour data import recorded``: every event, once."""
    replayed = sim_tape(5)
    recording, out = str(tmp_path / "recording"), tmp_path / "tape"

    async def run() -> list[int]:
        async with serving(exchange_of(replayed)) as (server, _):
            words = ["record", "--venue", "sandbox", "--url", f"http://127.0.0.1:{server.port}", "--out", recording, "--for", "0.5"]
            return [await asyncio.to_thread(main, words), await asyncio.to_thread(main, words)]

    assert asyncio.run(run()) == [0, 0]
    assert main(["data", "import", "recorded", recording, "--out", str(out)]) == 0
    assert told_of(Tape.load(out)) == told_of(replayed)
