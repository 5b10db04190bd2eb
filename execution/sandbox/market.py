# SPDX-License-Identifier: Apache-2.0
"""A market to trade on: the official events of a tape, a fair curve through its marks, an order book, and bots."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kilohour.contracts import Registry
from kilohour.errors import UsageError
from kilohour.execution.sandbox.bots import Bots
from kilohour.execution.sandbox.engines import market_of
from kilohour.execution.sandbox.exchange import BOTS, BookExchange
from kilohour.execution.sandbox.fair import FairCurve
from kilohour.execution.sandbox.ledger import without_bars
from kilohour.execution.sandbox.perpetual import with_perpetuals
from kilohour.tape.tape import Tape
from kilohour.units import datetime_of

if TYPE_CHECKING:
    from kilohour.execution.sandbox.server import Server

BOT_CASH = 10**15
PULSE_SECONDS = 0.05
"""How often the clock of a market moves on the wall clock."""


def open_market(
    tape: Tape,
    accounts: Sequence[str],
    cash: int,
    start: int,
    seed: int,
    *,
    assume: Sequence[str | Path] = (),
    contracts: str | Path | None = None,
    self_trade: str = "cancel_resting",
) -> BookExchange:
    """The exchange of a market at a moment of its tape. Raises :class:`UsageError` for a moment that is not on it."""
    if not tape.start <= start < tape.end:
        raise UsageError(
            f"the market must be opened between {datetime_of(tape.start):%Y-%m-%d} and {datetime_of(tape.end):%Y-%m-%d}, "
            f"found {datetime_of(start):%Y-%m-%d}"
        )
    if set(BOTS) & set(accounts):
        raise UsageError(f"the accounts {' and '.join(BOTS)} are the bots': give yours another name")
    tape = with_perpetuals(tape, Registry.shipped(contracts), seed)
    market, listing = market_of(without_bars(tape), assume, contracts)
    balances = {**dict.fromkeys(accounts, cash), **dict.fromkeys(BOTS, BOT_CASH)}
    return BookExchange(market, listing, balances, start, FairCurve(tape, seed), self_trade=self_trade)


class Pulse:
    """Moves a market by the wall clock, ``speed`` times as fast: official events, bots, and what the sockets are told of it.

    ``begun``: when, on the wall clock, the exchange stood where it stands; the moment of the first run unless given.
    """

    def __init__(
        self, server: Server, exchange: BookExchange, bots: Bots | None, clock: Callable[[], int], speed: float, begun: int | None = None
    ) -> None:
        self.server, self.exchange, self.bots, self.clock, self.speed, self.begun = server, exchange, bots, clock, speed, begun

    async def run(self) -> None:
        """Until the market's tape is over."""
        begun, opened = self.clock() if self.begun is None else self.begun, self.exchange.now
        end = self.exchange.market.tape.end
        while self.exchange.now < end:
            await asyncio.sleep(PULSE_SECONDS)
            self.beat(min(opened + round((self.clock() - begun) * self.speed), end))
        self.server.feed.end()

    def beat(self, now: int) -> None:
        """One step to a moment."""
        rows = self.exchange.advance(now)
        if self.bots is not None:
            self.bots.act()
        if rows:
            self.server.feed.publish_rows(rows)
        self.server.publish()
