# SPDX-License-Identifier: Apache-2.0
"""The ccxt adapter through ccxt's own okx class, over sockets, on the sandbox's OKX dialect: facts, truth after a lost reply, fees."""

from __future__ import annotations

import asyncio
import contextlib
import time
from fractions import Fraction

import pytest

from kilohour.backtests.kill import stop_run
from kilohour.execution import port
from kilohour.execution.journal import Journal
from kilohour.execution.keys import variable
from kilohour.execution.orders import Trades
from kilohour.execution.sandbox.chaos import Chaos
from kilohour.execution.sandbox.model import Fill
from tests.execution.by_ccxt import hurry
from tests.execution.sandbox.booking import NEAR, small_exchange
from tests.execution.sandbox.serving import serving
from tests.execution.sandbox.test_ax import other
from tests.execution.sandbox.test_okx import ID, settings

pytest.importorskip("ccxt", reason="the extra kilohour[live] is not installed")
CODE = "SIM:H100-2030-01"


@pytest.fixture(autouse=True)
def _hurried(monkeypatch):
    hurry(monkeypatch)


async def until(facts: list, wanted, seconds: float = 8.0):
    """The first fact that is wanted."""
    for _ in range(int(seconds / 0.02)):
        for fact in facts:
            if wanted(fact):
                return fact
        await asyncio.sleep(0.02)
    raise AssertionError(f"it did not come: {facts}")


def test_an_order_lives_fills_and_survives_a_lost_reply():
    async def run() -> None:
        import ccxt.pro

        from kilohour.execution.ccxt_venue import CcxtVenue, unrepeated_session

        async with serving(small_exchange(), clock=time.time_ns) as (server, _):
            exchange = ccxt.pro.okx({**settings(server), "session": unrepeated_session()})
            await exchange.load_markets()
            symbol = next(market["symbol"] for market in exchange.markets.values() if market["id"] == ID)
            venue = CcxtVenue(exchange, {symbol: CODE}, {CODE: Fraction(730)}, time.time_ns, kind="future", currency="USD")
            facts: list = []
            venue.fills_from = server.exchange.now
            await venue.open(facts.append)
            other(server, -1, 3, 2_000_000)

            bid = port.Place(cid=101, legs=((CODE, 1),), units=5, limit=2_000_000, life="gtc")
            await venue.do(bid)
            await until(facts, lambda f: isinstance(f, port.Acknowledged) and f.cid == 101)
            fill = await until(facts, lambda f: isinstance(f, port.Filled) and f.cid == 101)
            assert (fill.legs[0].lots, fill.legs[0].price) == (3, 2_000_000)
            assert fill.legs[0].fee is not None
            account = await venue.account()
            assert account.positions == {CODE: 3}
            assert [(found.cid, found.state, found.filled) for found in account.open_orders] == [(101, "live", 3)]
            await venue.do(port.Cancel(cid=101, oid=""))
            ended = await until(facts, lambda f: isinstance(f, port.Ended) and f.cid == 101)
            assert (ended.state, ended.filled) == ("canceled", 3)

            server.chaos.add({"do": "lose_reply", "on": "place", "count": 1})
            await venue.do(port.Place(cid=102, legs=((CODE, 1),), units=2, limit=1_990_000, life="gtc"))
            assert await until(facts, lambda f: isinstance(f, port.Unsure) and f.cid == 102)
            assert not [f for f in facts if isinstance(f, port.Rejected)]
            await venue.do(port.LookUp(cid=102))
            assert (await until(facts, lambda f: isinstance(f, port.Found) and f.cid == 102)).state == "live"
            await venue.do(port.LookUp(cid=999))
            assert await until(facts, lambda f: isinstance(f, port.Absent) and f.cid == 999)
            sent = [order.client_id for order in server.exchange.history("one") if order.client_id]
            assert sorted(sent) == ["101", "102"], "one order an intent"

            await venue.do(port.LookUpFills())
            trades = Trades()
            assert sum(leg.lots for f in facts if isinstance(f, port.Filled) for leg in trades.new_legs(f)) == 3
            await venue.do(port.CancelAll())
            await until(facts, lambda f: isinstance(f, port.Ended) and f.cid == 102)
            assert not server.exchange.open_orders["one"]
            await venue.close()

    asyncio.run(asyncio.wait_for(run(), 120))


def test_kill_goes_to_the_venue_that_the_journal_names_and_the_venues_own_timer_does_the_same(tmp_path, monkeypatch):
    """A runner at ccxt:okx: killed by command from another session; gone without a word, cancelled by the venue's timer."""
    async def run() -> None:
        from kilohour.execution.ccxt_venue import CcxtVenue, exchange_of

        monkeypatch.setattr("kilohour.execution.ccxt_venue.SIGNS_OF_LIFE", 110)
        async with serving(small_exchange(), clock=time.time_ns) as (server, client):
            url, timers = server.addresses["okx_rest"], server.okx.trading._timers
            keys = {"api_key": client.keys.api_key, "api_secret": client.keys.api_secret, "passphrase": client.keys.passphrase}
            for name, value in keys.items():
                monkeypatch.setenv(variable("ccxt:okx", name), value)
            exchange = exchange_of("okx", keys, url)
            await exchange.load_markets()
            symbol = next(market["symbol"] for market in exchange.markets.values() if market["id"] == ID)
            venue = CcxtVenue(exchange, {symbol: CODE}, {CODE: Fraction(730)}, time.time_ns, kind="future", currency="USD",
                              dead_man_seconds=11.0)
            await venue.open(lambda _: None)
            first = timers["one"].when()
            for cid in (1, 2):
                await venue.do(port.Place(cid=cid, legs=((CODE, 1),), units=1, limit=1_900_000, life="gtc"))
            other(server, 1, 1, 1_800_000)  # somebody else's
            journal = Journal(tmp_path / "run")
            journal.append(0, [("start", {"mode": "live", "account": "one", "url": url, "venue": "ccxt:okx",
                                          "symbols": {symbol: CODE}})]).result(5)
            told = await stop_run(tmp_path / "run", seed=0, clock=time.time_ns, end_process=False)
            journal.close()
            assert (told["cancelled"], told["open"], told["runner"]) == (2, 0, "was told")
            assert not server.exchange.open_orders["one"]
            assert sum(map(len, server.exchange.open_orders.values())) == 1, "the other's stays"

            await venue.do(port.Place(cid=3, legs=((CODE, 1),), units=1, limit=1_900_000, life="gtc"))
            for _ in range(800):
                if timers["one"].when() > first + 0.5:
                    break
                await asyncio.sleep(0.01)
            assert timers["one"].when() > first + 0.5, "it is held as long as the runner lives"
            for job in venue._jobs:
                job.cancel()
            assert 0 < timers["one"].when() - asyncio.get_running_loop().time() < 11.1
            server.okx.trading.fire("one")  # the time is over
            assert not server.exchange.open_orders["one"]
            await venue.close()

    asyncio.run(asyncio.wait_for(run(), 120))


def test_every_fill_of_a_downtime_is_told_also_when_a_page_does_not_hold_them():
    """260 trades, 150 of them in one millisecond: a page of OKX holds the newest hundred, and names older ones by number only."""
    ages = [5_000_000 - i for i in range(60)] + [3_000_000] * 150 + [50 - i for i in range(50)]  # milliseconds ago

    async def run() -> None:
        import ccxt.pro

        from kilohour.execution.ccxt_venue import CcxtVenue, closed, unrepeated_session

        async with serving(small_exchange(), clock=time.time_ns) as (server, _):
            now = server.exchange.now
            for number, age in enumerate(ages):
                server.exchange.fills["one"].append(Fill(id=f"T{number:03}", order="O-9", account="one", symbol=NEAR, side=1, lots=1,
                                                         price=2_000_000, fee=7, is_taker=True, ts=now - age * 10**6))
            exchange = ccxt.pro.okx({**settings(server), "session": unrepeated_session()})
            await exchange.load_markets()
            symbol = next(market["symbol"] for market in exchange.markets.values() if market["id"] == ID)

            async def told(since: int) -> tuple[list[str], list[str]]:
                venue = CcxtVenue(exchange, {symbol: CODE}, {CODE: Fraction(730)}, lambda: now, kind="future", currency="USD")
                venue.fills_from = since
                facts: list = []
                venue.inbox, venue._since = facts.append, {symbol: since // 10**6}
                await venue.do(port.LookUpFills())
                return ([fact.legs[0].trade for fact in facts if isinstance(fact, port.Filled)],
                        [fact.why for fact in facts if isinstance(fact, port.Linked)])

            assert await told(now - 6_000 * 10**9) == ([f"T{number:03}" for number in range(260)], [])
            assert (await told(now - 4_000 * 10**9))[0] == [f"T{number:03}" for number in range(60, 260)]
            trades, why = await told(now - 100 * 86_400 * 10**9)
            assert len(trades) == 260
            assert why == [f"the history of trades may be cut: {symbol}: trades from 100 days ago on were asked for, and the venue shows 90"]
            await closed(exchange)

    asyncio.run(asyncio.wait_for(run(), 120))


def test_the_names_here_are_those_of_the_sandbox():
    assert NEAR == "SIM-H100-2030-JAN"
    assert Chaos(0).rules == []


def test_a_job_whose_library_swallows_a_cancel_ends_all_the_same():
    from kilohour.execution.ccxt_venue import ended

    async def stubborn() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        await asyncio.sleep(60)

    async def run() -> None:
        jobs = [asyncio.create_task(stubborn()) for _ in range(2)]
        await asyncio.sleep(0)
        await ended(jobs)
        assert all(job.cancelled() for job in jobs)

    asyncio.run(asyncio.wait_for(run(), 120))
