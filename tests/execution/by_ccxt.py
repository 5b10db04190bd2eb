# SPDX-License-Identifier: Apache-2.0
"""A paper run through ccxt's own okx class on the sandbox's other dialect, on a clock that jumps: the same journal, the same books."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from kilohour.backtests.live import fills_from, start_body, trader_of
from kilohour.backtests.paper import FAST, TABLE, sandbox
from kilohour.backtests.prepare import prepare
from kilohour.backtests.resolve import strategy_class
from kilohour.contracts import Registry
from kilohour.execution.ax.sandbox_feed import SandboxFeed, tape_of
from kilohour.execution.journal import Journal
from kilohour.execution.runner import Moment, Runner, Steady
from kilohour.tape import Tape
from tests.execution.hasty import Loop, hasty
from tests.execution.papers import ACCOUNT, CASH

PACE_SECONDS = 3.0
"""Between two timestamps: the adapter asks once a second."""


MONTHS = 6
"""Of each product: the adapter asks for every contract by itself."""


async def unthrottled(*_: Any) -> None:
    """The sandbox has no limit."""


def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """For runs on the machine's own clock: ccxt's okx keeps to no limit and says farewell at once, and the adapter asks often."""
    okx = pytest.importorskip("ccxt.pro", reason="the extra kilohour[live] is not installed").okx
    monkeypatch.setattr(okx, "throttle", unthrottled)
    monkeypatch.setattr(okx, "timeout_on_exit", 1)
    monkeypatch.setattr("kilohour.execution.ccxt_venue.POLL_SECONDS", 0.05)


class Paced:
    """The sandbox's feed with so much time between two timestamps that what a bar led to is known before the next one, if the venue
    answers; if it does not, the market goes on all the same."""

    def __init__(self, feed: SandboxFeed) -> None:
        self.feed = feed

    async def moments(self) -> AsyncIterator[Moment]:
        async for moment in self.feed.moments():
            yield Moment(moment.events)
            await asyncio.sleep(PACE_SECONDS)
            await self.feed.done(moment)

    async def done(self, moment: Moment) -> None:
        """The exchange is told by the clock."""


async def _trade(asked: dict[str, Any], folder: Path, loop: Loop, server: Any, inject: Any) -> Runner:
    from kilohour.execution.ccxt_venue import CcxtVenue, closed, exchange_of, loaded

    held = next(each for each in server.keyring.all if each.account == ACCOUNT)
    keys = {"api_key": held.api_key, "api_secret": held.api_secret, "passphrase": held.passphrase}
    feed, journal = SandboxFeed(f"http://127.0.0.1:{server.port}", is_lockstep=True, account=ACCOUNT), Journal(folder)
    exchange = exchange_of("okx", keys, server.addresses["okx_rest"])
    exchange.throttle, exchange.milliseconds = unthrottled, lambda: loop.now() // 10**6
    exchange.options |= {"defaultType": "future", "fetchMarkets": {"types": ["future"]}}
    try:
        await loaded(exchange)  # without markets no run begins
        await inject(server)
        hello = dict(await feed.open())
        shown = [each for each in hello["contracts"] if each["okx"] in exchange.markets_by_id]  # the venue shows no others yet
        hello["contracts"] = [each for code in hello["products"] for each in [one for one in shown if one["product"] == code][:MONTHS]]
        tape = tape_of(hello)
        codes = {exchange.markets_by_id[each["okx"]][0]["symbol"]: each["code"] for each in hello["contracts"]}
        sizes = {code: Registry.shipped().product(code).ratio("lot") for code in tape.product_codes}
        venue = CcxtVenue(exchange, codes, {contract.code: sizes[contract.product] for contract in tape.contracts},
                          lambda: server.exchange.now, kind="future", currency="USD")
        prepared = prepare(strategy_class(asked["strategy"]), tape, parameters=asked["parameters"], cash=asked["cash"], venue=TABLE,
                           interpreted=asked["interpreted"], limits=asked["risk"], live_from=hello["start"])
        start = start_body(asked["strategy"], prepared, tape=tape, venue="the sandbox", url="", account=ACCOUNT, limits=FAST,
                           can_spread=False, compares_cash=False, began=hello["start"], made_at=loop.now(), mode="paper",
                           expresses=venue.expresses, table=TABLE, symbols=codes)
        trader = trader_of(start, prepared)
        journal.append(loop.now(), [("start", start)])
        venue.fills_from = fills_from(start, trader)
        feed.trade(trader.session.market.tape)
        runner = Runner(trader, venue, Paced(feed), journal, Steady(loop.now, loop.time))
        await runner.run()
        return runner
    finally:
        journal.close()
        await feed.close()
        await closed(exchange)


def ran_by_ccxt(folder: Path, tape: Tape, strategy: str, *, inject: Any, cash: float = CASH, **asked: Any) -> Runner:
    """The counterpart of :func:`tests.execution.papers.hastened`; ``inject(server)`` is awaited before it trades."""
    wanted = {"parameters": {}, "interpreted": False, "risk": None, **asked, "strategy": strategy, "cash": cash}

    async def go(loop: Loop) -> Runner:
        async with sandbox(tape, clock=loop.now, cash=cash) as (_, _, server):
            return await _trade(wanted, folder, loop, server, inject)

    return hasty(go, 7200.0)
