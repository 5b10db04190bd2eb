# SPDX-License-Identifier: Apache-2.0
"""The kill switch: a session of its own at the venue, which needs nothing of the runner whose orders it cancels."""

from __future__ import annotations

import asyncio
import time

import pytest

from kilohour.backtests.kill import newest, stop_run
from kilohour.backtests.paper import sandbox, sandbox_keys
from kilohour.cli.paper import word_of
from kilohour.errors import UsageError
from kilohour.execution import port
from kilohour.execution.ax.venue import AxVenue
from kilohour.execution.journal import Journal
from tests.execution.papers import ACCOUNT, CASH, short

SEED = 0


def test_it_cancels_what_a_runner_that_answers_nothing_has_open(tmp_path):
    tape = short("SIM:H100")

    async def go():
        async with sandbox(tape, clock=time.time_ns, cash=CASH, speed="max", seed=SEED) as (url, keys, server):
            while not server.exchange.is_over:
                await asyncio.sleep(0.01)
            codes = {each.symbol: each.contract.code for each in server.exchange.listing.outrights}
            venue = AxVenue(url, keys, codes, time.time_ns)
            await venue.open(lambda _: None)
            listed = [contract.code for contract in tape.contracts if contract.last_trade_at > tape.end]
            for number, code in enumerate(listed[:3], 1):
                await venue.do(port.Place(cid=number, legs=((code, 1),), units=1, limit=100_000, life="gtc"))
            while len(server.exchange.open_orders[ACCOUNT]) < 3:
                await asyncio.sleep(0.01)
            journal = Journal(tmp_path / "run")
            journal.append(0, [("start", {"mode": "paper", "account": ACCOUNT, "url": url, "venue": "the sandbox"})]).result(5)
            told = await stop_run(tmp_path / "run", seed=SEED, clock=time.time_ns, end_process=False)
            journal.close()
            await venue.close()
            return told, list(server.exchange.open_orders[ACCOUNT])

    told, left = asyncio.run(asyncio.wait_for(go(), 60))
    assert (told["cancelled"], told["open"], left) == (3, 0, [])
    assert told["runner"] == "was told"
    assert word_of(tmp_path / "run")() == "kill"
    assert word_of(tmp_path / "run")() is None
    assert newest(tmp_path) == tmp_path / "run"


def test_without_a_run_it_says_so(tmp_path):
    with pytest.raises(UsageError, match="no paper or live run is there"):
        newest(tmp_path)
    with pytest.raises(UsageError, match="has no journal"):
        asyncio.run(stop_run(tmp_path, seed=SEED, clock=time.time_ns, end_process=False))
    assert sandbox_keys(1, "a") != sandbox_keys(2, "a")
