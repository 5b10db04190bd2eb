# SPDX-License-Identifier: Apache-2.0
"""What traded while no runner was there is asked for when one comes back, however long it was away."""

from __future__ import annotations

import asyncio
from fractions import Fraction

import pytest

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

    facts = asyncio.run(asyncio.wait_for(go(), 30))
    return list(dict.fromkeys(fact.legs[0].trade for fact in facts if isinstance(fact, port.Filled)))


@pytest.mark.parametrize(("days", "first"), [(40.0, 0), (20.0, 1), (7.0, 132), (0.0, 134)])
def test_every_fill_of_the_downtime_is_told_and_none_of_before(days, first):
    """By windows of a week, which is the longest that the venue answers, and pages of a hundred."""
    assert told(NOON - round(days * NANOS_PER_DAY)) == [f"T{number}" for number in range(first, len(DAYS))]


@pytest.mark.parametrize("off", [-400 * NANOS_PER_DAY, -LATE_HOUR, LATE_HOUR, 400 * NANOS_PER_DAY])
def test_a_clock_that_is_wrong_hides_no_fill(off):
    assert told(NOON - 20 * NANOS_PER_DAY, off=off) == [f"T{number}" for number in range(1, len(DAYS))]


def test_a_run_that_begins_is_told_nothing_of_before():
    assert told(None) == [f"T{len(DAYS) - 1}"], "the trade of this instant"


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
