# SPDX-License-Identifier: Apache-2.0
"""The runner is killed (-9) between journal write, send, acknowledgement and fill; what it does in all its lives is one run."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from kilohour.backtests.live import replayed
from kilohour.backtests.paper import sandbox
from kilohour.execution.orders import State
from kilohour.execution.sandbox.model import State as Venue
from tests.execution.papers import ACCOUNT, CASH, SPREAD, short

RANDOM = {"strategy": f"{Path(__file__).with_name('everything.py')}:AsksAtRandom", "parameters": {"seed": 3}, "interpreted": True, "cash": 10 * CASH}


def killed(folder: Path, tape, kills: int, seed: int, **more):
    """Runs to the end through so many deaths; how often each point was hit, and the exchange as it is then."""

    async def go():
        async with sandbox(tape, clock=time.time_ns, cash=more.get("cash", CASH)) as (url, keys, server):
            asked = {"strategy": "calendar-spread", "parameters": SPREAD, "url": url, "keys": keys, "account": ACCOUNT, "cash": CASH,
                     "folder": str(folder), "kills": kills, "seed": seed, "snapshot_every": 10, **more}
            child = await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.execution.killing", json.dumps(asked),
                                                         stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
            out, err = await asyncio.wait_for(child.communicate(), 280)
            assert child.returncode == 0, err.decode()
            return json.loads(out), server.exchange

    return asyncio.run(go())


def check(folder: Path, tape, kills: int, seed: int, **more) -> None:
    hits, exchange = killed(folder, tape, kills, seed, **more)
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


def test_killed_twenty_five_times_nothing_is_doubled_unknown_or_lost(tmp_path):
    check(tmp_path / "run", short("SIM:H100", last="2026-04-17"), 25, 1, plain=True)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(8))
def test_killed_at_length(seed, tmp_path):
    check(tmp_path / "run", short("SIM:H100", last="2026-05-29"), 25, 100 + seed, plain=bool(seed % 2))


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(8))
def test_killed_over_orders_of_every_kind(seed, tmp_path):
    check(tmp_path / "run", short("SIM:H100", last="2026-05-29"), 25, 200 + seed, **RANDOM)
