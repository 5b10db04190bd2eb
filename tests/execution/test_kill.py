# SPDX-License-Identifier: Apache-2.0
"""The runner is killed (-9) between journal write, send, acknowledgement and fill; what it does in all its lives is one run.

And other runners that end by a signal: forked by one process for all tests of this file.
"""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections import Counter
from pathlib import Path

import aiohttp
import pytest

from kilohour.backtests.live import replayed
from kilohour.backtests.paper import Paper, paper, sandbox
from kilohour.execution.journal import read
from kilohour.execution.orders import State
from kilohour.execution.sandbox.model import State as Venue
from kilohour.units import NANOS_PER_DAY
from tests.execution.forking import Forks
from tests.execution.invariants import check_invariants
from tests.execution.papers import ACCOUNT, CASH, SPREAD, short

RANDOM = {"strategy": f"{Path(__file__).with_name('everything.py')}:AsksAtRandom", "parameters": {"seed": 3}, "interpreted": True, "cash": 10 * CASH}
AT_ONCE = {"look_seconds": 0.02, "absence_seconds": 0.1}
"""What a life sent is in the venue's socket before the next one asks for it, and nothing delays it there."""


@pytest.fixture(scope="module")
def forks():
    made = Forks()
    yield made
    made.close()


def killed(forks: Forks, folder: Path, tape, kills: int, seed: int, **more):
    """Runs to the end through so many deaths; how often each point was hit, and the exchange as it is then."""

    async def go():
        async with sandbox(tape, clock=time.time_ns, cash=more.get("cash", CASH)) as (url, keys, server):
            asked = {"strategy": "calendar-spread", "parameters": SPREAD, "url": url, "keys": keys, "account": ACCOUNT, "cash": CASH,
                     "folder": str(folder), "kills": kills, "seed": seed, "snapshot_every": 10, "limits": AT_ONCE, **more}
            code, out, err = await asyncio.wait_for(forks.run("killing", asked, folder.parent), 280)
            assert code == 0, err
            return json.loads(out), server.exchange

    return asyncio.run(go())


def check(forks: Forks, folder: Path, tape, kills: int, seed: int, **more) -> None:
    hits, exchange = killed(forks, folder, tape, kills, seed, **more)
    assert sum(hits.values()) == kills
    assert all(hits.values()), f"not killed everywhere: {hits}"
    trader, apart = replayed(folder)
    assert apart is None
    sent = Counter(order.client_id for order in exchange.history(ACCOUNT) if order.state is not Venue.REPLACED)  # that one goes on
    assert max(sent.values()) == 1, "an intent became two orders"
    assert not [order for order in trader.orders.values() if order.state == State.UNKNOWN]
    assert set(map(int, sent)) <= set(trader.orders), "the venue has an order that the journal has not"
    assert len(trader.trades) == len(exchange.fills[ACCOUNT])
    statement = exchange.statement(ACCOUNT)
    assert trader.cash() == statement.cash
    codes = {each.symbol: each.contract.code for each in exchange.listing.outrights}
    assert trader.positions() == {codes[held.symbol]: held.lots for held in statement.holdings if held.lots}
    assert not exchange.open_orders[ACCOUNT]


def test_killed_twenty_five_times_nothing_is_doubled_unknown_or_lost(forks, tmp_path):
    check(forks, tmp_path / "run", short("SIM:H100", last="2026-04-17"), 25, 1, plain=True)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(8))
def test_killed_at_length(seed, forks, tmp_path):
    check(forks, tmp_path / "run", short("SIM:H100", last="2026-05-29"), 25, 100 + seed, plain=bool(seed % 2))


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(8))
def test_killed_over_orders_of_every_kind(seed, forks, tmp_path):
    check(forks, tmp_path / "run", short("SIM:H100", last="2026-05-29"), 25, 200 + seed, **RANDOM)


def test_a_strategy_that_hangs_is_ended_and_its_orders_are_cancelled_compiled_or_not(forks, tmp_path):
    async def go():
        mine = {"clock": time.time_ns, "cash": CASH, "seed": 0}
        async with sandbox(short("SIM:H100"), **mine) as first, sandbox(short("SIM:H100"), **mine) as second:
            asked = {"venues": [{"url": url, "keys": keys} for url, keys, _ in (first, second)], "account": ACCOUNT, "cash": CASH,
                     "folder": str(tmp_path), "seconds": 0.7}
            _, out, err = await asyncio.wait_for(forks.run("hanging", asked, tmp_path), 100)
            return out.split(), err, [server.exchange for _, _, server in (first, second)]

    ended, said, exchanges = asyncio.run(go())
    assert ended == ["-9", "-9"], said
    assert len(said.splitlines()) == 2
    for face, exchange in zip(("plain", "compiled"), exchanges, strict=True):
        (line,) = [each for each in said.splitlines() if f"/{face}: " in each]
        assert line == (f"kilohour: {tmp_path}/{face}: the strategy has been in one step for 0.7 s: 2 orders cancelled, 0 open; "
                        "the runner was ended")
        assert not exchange.open_orders[ACCOUNT]
        assert len(list(exchange.history(ACCOUNT))) == 2


async def days_pass(url: str, exchange, enough) -> None:
    """Somebody else is done at each barrier, until it is enough."""
    async with aiohttp.ClientSession() as session, session.ws_connect(f"{url}/_lockstep?account=nobody") as line:
        while not enough():
            said = json.loads((await line.receive(10)).data)
            await line.send_str(json.dumps({"done": said["barrier"]}))
            await asyncio.sleep(0.01)
        assert not exchange.is_over


def test_a_runner_that_was_killed_books_what_its_resting_order_traded_days_before_it_came_back(forks, tmp_path):
    """Two stays of days at the venue: until the order trades, and three days more."""
    folder, strategy = tmp_path / "run", f"{Path(__file__).with_name('waiting.py')}:Waits"

    async def go():
        async with sandbox(short("SIM:H100"), clock=time.time_ns, cash=CASH) as (url, keys, server):
            exchange = server.exchange
            asked = {"strategy": strategy, "url": url, "keys": keys, "account": ACCOUNT, "cash": CASH, "snapshot_every": 20}
            code, _, err = await asyncio.wait_for(forks.run("waiting", {**asked, "folder": str(folder)}, tmp_path), 60)
            assert code == -signal.SIGKILL, err
            assert len(exchange.open_orders[ACCOUNT]) == 1, "it rests while nobody is there"
            known = read(folder)[-1].seq
            await days_pass(url, exchange, lambda: exchange.fills[ACCOUNT] and exchange.fills[ACCOUNT][-1].ts < exchange.now - 3 * NANOS_PER_DAY)
            back = exchange.now
            runner = await paper(Paper(clock=time.time_ns, is_lockstep=True, folder=folder, **asked))
            return exchange, runner, known, back

    exchange, runner, known, back = asyncio.run(asyncio.wait_for(go(), 100))
    assert sum(fill.lots for fill in exchange.fills[ACCOUNT]) == 3
    told = [record for record in read(folder) if record.kind == "fill"]
    assert all(record.seq > known and record.body["ts"] < back - 2 * NANOS_PER_DAY for record in told)
    (recover,) = [record.body for record in read(folder) if record.kind == "word" and record.body["word"] == "recover"]
    assert recover["passed_over"] == []
    assert runner.trader.positions() == {told[0].body["legs"][0][0]: 3}
    assert runner.trader.risk.is_reconciled
    check_invariants(folder, exchange)
