# SPDX-License-Identifier: Apache-2.0
"""What traded while no runner was there is asked for when one comes back, however long it was away."""

from __future__ import annotations

import asyncio
from fractions import Fraction
from types import SimpleNamespace

import pytest

from kilohour.backtests.live import fills_from
from kilohour.execution import port
from kilohour.execution.ax.venue import AxVenue
from kilohour.execution.sandbox.model import Fill
from kilohour.units import NANOS_PER_DAY
from tests.execution.sandbox.booking import NEAR, NOON, small_exchange
from tests.execution.sandbox.serving import serving

CODE = "SIM:H100-2030-01"
DAYS = (30.0, 16.0, *[8.129 - i / 1000 for i in range(130)], 6.9, 0.5, 0.0)
"""How long ago each trade was: one page is not enough for a week of them."""
LATE_HOUR = NANOS_PER_DAY // 24


def told(since: int | None, *, off: int = 0) -> list[str]:
    """Numbers of the trades that an adapter is told which knows the venue up to ``since``; ``off``: of its own clock."""

    async def go() -> list[port.Fact]:
        exchange = small_exchange()
        async with serving(exchange) as (server, client):
            for number, days in enumerate(DAYS):
                at = exchange.now - round(days * NANOS_PER_DAY)
                exchange.fills["one"].append(Fill(id=f"T{number}", order="O-9", account="one", symbol=NEAR, side=1, lots=1, price=2_000_000,
                                                  fee=0, is_taker=True, ts=at))
            keys = {"api_key": client.keys.api_key, "api_secret": client.keys.api_secret}
            venue = AxVenue(client.base, keys, {NEAR: CODE}, lambda: exchange.now + off)
            venue.fills_from = since
            facts: list[port.Fact] = []
            await venue.open(facts.append)
            if off:
                venue._hear(f'{{"t": "h", "ts": {exchange.now // 10**9}, "tn": 0}}')
            await venue.do(port.LookUpFills())
            await venue.do(port.LookUpFills())
            await venue.close()
            assert server.faults == 0
            return facts

    facts = asyncio.run(asyncio.wait_for(go(), 120))
    return list(dict.fromkeys(fact.legs[0].trade for fact in facts if isinstance(fact, port.Filled)))


@pytest.mark.parametrize(("days", "first"), [(40.0, 0), (20.0, 1), (7.0, 132), (0.0, 134)])
def test_every_fill_of_the_downtime_is_told_and_none_of_before(days, first):
    """By windows of a week, which is the longest that the venue answers, and pages of a hundred."""
    assert told(NOON - round(days * NANOS_PER_DAY)) == [f"T{number}" for number in range(first, len(DAYS))]


@pytest.mark.parametrize("off", [-400 * NANOS_PER_DAY, -LATE_HOUR, LATE_HOUR, 400 * NANOS_PER_DAY])
def test_a_clock_that_is_wrong_hides_no_fill(off):
    assert told(NOON - 20 * NANOS_PER_DAY, off=off) == [f"T{number}" for number in range(1, len(DAYS))]


@pytest.mark.parametrize("off", [0, -400 * NANOS_PER_DAY, -LATE_HOUR, LATE_HOUR, 400 * NANOS_PER_DAY])
def test_a_run_that_begins_is_told_nothing_of_before_by_the_clock_of_the_venue(off):
    assert told(None, off=off) == [f"T{len(DAYS) - 1}"], "the trade of this instant"


def test_ccxt_asks_from_the_last_fill_known():
    pytest.importorskip("ccxt", reason="the extra kilohour[live] is not installed")
    from kilohour.execution.ccxt_venue import CcxtVenue
    from tests.execution.wild import SYMBOL, Wild

    async def go(since: int) -> list[port.Fact]:
        exchange = Wild()
        venue = CcxtVenue(exchange, {SYMBOL: "OKX:H100-PERP"}, {"OKX:H100-PERP": Fraction(100)}, lambda: 10**18)
        venue.fills_from = since
        facts: list[port.Fact] = []
        await venue.open(facts.append)
        await exchange.create_order(SYMBOL, "limit", "buy", 8, 2.5, {"clientOrderId": "77"})
        exchange.trade("1", 3)  # at 10**9 milliseconds, when nobody was there
        await venue.do(port.LookUpFills())
        await venue.close()
        return [fact for fact in facts if isinstance(fact, port.Filled)]

    (fill,) = asyncio.run(go(9 * 10**14))
    assert fill.legs[0].lots == 3


def wild_venue(exchange):
    from kilohour.execution.ccxt_venue import CcxtVenue
    from tests.execution.wild import SYMBOL

    venue = CcxtVenue(exchange, {SYMBOL: "OKX:H100-PERP"}, {"OKX:H100-PERP": Fraction(100)}, lambda: 10**18)
    venue.fills_from = 9 * 10**14
    return venue


async def asked_of(venue) -> list[port.Fact]:
    facts: list[port.Fact] = []
    await venue.open(facts.append)
    await venue.do(port.LookUpFills())
    await venue.close()
    return facts


@pytest.mark.parametrize("is_newest_first", [False, True])
def test_ccxt_pages_on_in_whichever_direction_the_class_cuts(is_newest_first):
    pytest.importorskip("ccxt", reason="the extra kilohour[live] is not installed")
    from tests.execution.wild import SYMBOL, Wild

    async def go():
        exchange = Wild("gate")
        exchange.is_newest_first = is_newest_first
        await exchange.create_order(SYMBOL, "limit", "buy", 350, 2.5, {"clientOrderId": "77"})
        for _ in range(350):
            exchange.trade("1", 1)
        whole = await asked_of(wild_venue(exchange))
        exchange.trades = [{**trade, "timestamp": 10**9} for trade in exchange.trades]  # no time tells them apart
        return whole, await asked_of(wild_venue(exchange))

    whole, cut = asyncio.run(go())
    assert [fact.legs[0].trade for fact in whole if isinstance(fact, port.Filled)] == [f"T{number}" for number in range(1, 351)]
    assert all(fact.cid == 77 for fact in whole if isinstance(fact, port.Filled))
    assert [fact.why for fact in whole if isinstance(fact, port.Linked)] == [""]
    assert len([fact for fact in cut if isinstance(fact, port.Filled)]) == 100
    (why,) = [fact.why for fact in cut if isinstance(fact, port.Linked) and fact.why]
    assert why.startswith(f"the history of trades may be cut: {SYMBOL}: 100 trades or more within the millisecond 1000000000")


def test_ccxt_knows_its_own_order_by_a_trade_that_carries_no_number_of_ours():
    """The reply was lost and the runner is another one by then: neither number leads to the other but by asking."""
    pytest.importorskip("ccxt", reason="the extra kilohour[live] is not installed")
    import ccxt

    from tests.execution.wild import SYMBOL, Wild

    async def go(is_same: bool):
        exchange = Wild()
        exchange.fails, exchange.accepts_first = [ccxt.NetworkError("no reply")], True
        facts: list[port.Fact] = []
        venue = wild_venue(exchange)
        await venue.open(facts.append)
        await venue.do(port.Place(cid=77, legs=(("OKX:H100-PERP", 1),), units=3, limit=2_500_000, life="gtc"))
        assert isinstance(facts[-1], port.Unsure)
        await exchange.create_order(SYMBOL, "limit", "buy", 2, 2.5, {})
        exchange.trade("1", 3)
        exchange.trade("2", 2)  # by hand, without a number
        exchange.trade("2", 0)
        if is_same:
            await venue.do(port.LookUpFills())
        await venue.close()
        facts += [] if is_same else await asked_of(wild_venue(exchange))
        return [(fact.cid, fact.oid) for fact in facts if isinstance(fact, port.Filled)], exchange.asked

    told, asked = asyncio.run(go(is_same=True))
    assert told == [(77, "1"), (0, "2"), (0, "2")]
    assert asked == ["77", "2"], "by our number, then by theirs, and another's order once"
    told, asked = asyncio.run(go(is_same=False))
    assert told == [(77, "1"), (0, "2"), (0, "2")]
    assert asked == ["1", "2"]


@pytest.mark.parametrize(("began", "filled_at", "since"), [
    (NOON, 0, NOON), (NOON, NOON + LATE_HOUR, NOON), (NOON, NOON + NANOS_PER_DAY, NOON), (NOON, NOON + 3 * NANOS_PER_DAY, NOON + 2 * NANOS_PER_DAY)])
def test_a_restart_asks_from_a_day_before_its_last_fill_and_never_from_before_it_began(began, filled_at, since):
    assert fills_from({"began": began}, SimpleNamespace(filled_at=filled_at)) == since
