# SPDX-License-Identifier: Apache-2.0
"""An account on which others trade too, and a venue that acts by itself, over sockets: rows 29, 30, 34 and 36 of the fault matrix."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
from pathlib import Path

import numpy as np
import pytest

from kilohour.backtests import paper as papers
from kilohour.backtests.backtest import backtest
from kilohour.backtests.live import replayed, run_of_journal
from kilohour.backtests.real import CAREFUL, Real, live
from kilohour.execution.journal import read
from kilohour.execution.keys import variable
from kilohour.execution.risk import Trading
from kilohour.execution.sandbox.model import NewOrder
from kilohour.tape import Tape
from kilohour.tape.schema import Kind
from tests.execution.papers import ACCOUNT, CASH, hastened, short
from tests.execution.sandbox.booking import NEAR, full_exchange
from tests.execution.sandbox.serving import serving
from tests.execution.sandbox.test_ax import other

SETTLING = f"{Path(__file__).with_name('settling.py')}:IntoSettlement"
APRIL, MAY, SEPTEMBER = "SIM-H100-2026-APR", "SIM-H100-2026-MAY", "SIM-H100-2026-SEP"


def foreign(server, symbol: str, lots: int, price: int | None = None) -> str:
    """Somebody else's order on our account; its number."""
    kind = "market" if price is None else "limit"
    order = server.exchange.place(ACCOUNT, NewOrder(symbol=symbol, side=1 if lots > 0 else -1, lots=abs(lots), kind=kind, price=price))
    server.publish()
    return order.id


def acted(folder, acts, **asked):
    """A run in which ``acts[n](server)`` happens when the n-th command was sent; the runner and the exchange."""
    found, passed = {}, [0]

    async def inject(server):
        found["server"] = server

    def point(name):
        passed[0] += name == "sent"
        if name == "sent" and passed[0] in acts:
            acts.pop(passed[0])(found["server"])

    runner = hastened(folder, short("SIM:H100", last="2026-04-17"), SETTLING, inject=inject, point=point, **asked)
    assert not acts, "it did not come to all of them"
    return runner, found["server"].exchange


def equal(folder, runner, exchange) -> None:
    """Positions and cash are the venue's, every fill of the account is booked once, and the journal replays."""
    trader, apart = replayed(folder)
    assert apart is None
    assert trader.fingerprint() == runner.trader.fingerprint()
    statement = exchange.statement(ACCOUNT)
    codes = {each.symbol: each.contract.code for each in exchange.listing.outrights}
    assert trader.positions() == {codes[held.symbol]: held.lots for held in statement.holdings if held.lots}
    assert trader.cash() == statement.cash
    assert len(trader.trades) == len(exchange.fills[ACCOUNT])


def test_foreign_orders_and_fills_are_seen_counted_and_left_alone(tmp_path, monkeypatch):
    """One that fills and one that rests: the first counts in position and cash, the second is there at the end as it was. (Where the
    venue cancels for a line that went, it cancels all of the account.)"""
    monkeypatch.setattr(papers, "AxVenue", functools.partial(papers.AxVenue, cancels_on_disconnect=False))
    placed = []
    runner, exchange = acted(tmp_path / "run", {4: lambda server: placed.append(foreign(server, MAY, 5)),
                                                6: lambda server: placed.append(foreign(server, SEPTEMBER, 2, 1_000_000))})
    trader = runner.trader
    assert (trader.foreign_orders, trader.risk.trading, runner.fault) == (2, Trading.ACTIVE, "")
    assert trader.foreign_fills >= 1
    assert sum(fill.lots for fill in exchange.fills[ACCOUNT] if fill.order == placed[0]) == 5
    assert list(exchange.open_orders[ACCOUNT]) == [placed[1]]
    equal(tmp_path / "run", runner, exchange)


def test_a_venue_that_closes_positions_by_itself_is_booked_and_told_apart(tmp_path):
    runner, exchange = acted(tmp_path / "run", {8: lambda server: (server.exchange.liquidate(ACCOUNT), server.publish())})
    ours = [fill for fill in exchange.fills[ACCOUNT] if fill.order.startswith("L-")]
    assert ours
    assert (runner.fault, runner.trader.foreign_fills) == ("", 0)
    equal(tmp_path / "run", runner, exchange)


@pytest.mark.parametrize("accepts", [False, True])
def test_a_position_from_before_is_no_part_of_a_run_until_it_is_accepted(accepts, tmp_path, monkeypatch):
    """The account bought five lots before the run began, and one it does not trade: no fill of the run explains them."""

    async def go():
        async with serving(full_exchange()) as (server, client):
            for symbol in (NEAR, "SIM-H100-PERP"):
                other(server, -1, 5, 2_000_000, symbol)
                server.exchange.place("one", NewOrder(symbol=symbol, side=1, lots=5, price=2_000_000))
            server.exchange.advance(server.exchange.now + 600 * 10**9)
            for name in ("api_key", "api_secret"):
                monkeypatch.setenv(variable("ax", name), getattr(client.keys, name))
            asked = Real(strategy="calendar-spread", venue="ax", account="one", folder=tmp_path / "run", clock=lambda: server.exchange.now,
                         parameters={"product": "SIM:H100"}, url=client.base, seconds=0.5, confirmed="one", accept_positions=accepts,
                         limits=dataclasses.replace(CAREFUL, step_seconds=0.0))
            return await live(asked)

    runner = asyncio.run(asyncio.wait_for(go(), 120))
    risk = runner.trader.risk
    told = [record.body for record in read(tmp_path / "run") if record.kind == "mismatch"]
    assert told[0]["positions"] == {"SIM-H100-PERP": [0, 5], "SIM:H100-2030-01": [0, 5]}
    if accepts:
        assert (risk.may_wait(), runner.trader.positions(), runner.trader.accepted) == ("", {"SIM:H100-2030-01": 5}, {"SIM-H100-PERP": 5})
    else:
        assert (risk.may_wait(), runner.trader.positions()) == ("the account is not reconciled", {})
    assert replayed(tmp_path / "run")[1] is None


def corrected(tape: Tape, days: tuple[int, ...]) -> Tape:
    """The venue corrects some marks of every contract by two ticks, six hours after it told them."""
    marks = np.flatnonzero(tape.events["kind"] == int(Kind.MARK))
    times = np.unique(tape.events["ts"][marks])[list(days)]
    rows = marks[np.isin(tape.events["ts"][marks], times)]
    again = {name: column[rows].copy() for name, column in tape.events.items()}
    again["open"] = tape.events["close"][rows].copy()
    again["close"], again["volume"], again["ts"] = again["close"] + 20_000, np.ones_like(again["volume"]), again["ts"] + 6 * 3_600 * 10**9
    columns = {name: np.concatenate([tape.events[name], again[name]]) for name in tape.events}
    order = np.lexsort((columns["ref"], columns["kind"], columns["ts"]))
    return dataclasses.replace(tape, events={name: np.ascontiguousarray(column[order]) for name, column in columns.items()}, sha256="")


def test_marks_that_the_venue_corrects_are_booked_as_in_the_backtest(tmp_path):
    """Row 34 as a tape tells it: the first entry is reversed and the right one booked, at the venue, in the run and in the backtest."""
    tape = corrected(short("SIM:H100", last="2026-05-08"), (12, 20, 33))
    plain, wanted = (backtest(SETTLING, each, venue="sandbox", cash=CASH) for each in (short("SIM:H100", last="2026-05-08"), tape))
    assert len(wanted.tables["ledger"]) > len(plain.tables["ledger"])
    found = {}

    async def inject(server):
        found["exchange"] = server.exchange

    runner = hastened(tmp_path / "run", tape, SETTLING, inject=inject)
    assert (runner.fault, runner.trader.risk.trading) == ("", Trading.ACTIVE)
    run = run_of_journal(tmp_path / "run", "paper")
    for table in ("fills", "ledger", "settlements", "equity", "positions"):
        assert run.tables[table].equals(wanted.tables[table]), table
    equal(tmp_path / "run", runner, found["exchange"])
