# SPDX-License-Identifier: Apache-2.0
"""Runs a strategy on a sandbox exchange: over sockets, on this machine, to the end of its feed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kilohour.backtests.live import fills_from, prepared_of, recovered, start_body, start_of, trader_of, watchdog_of
from kilohour.backtests.prepare import prepare
from kilohour.backtests.resolve import strategy_class
from kilohour.errors import UsageError
from kilohour.execution.ax.sandbox_feed import SandboxFeed, symbols_of, tape_of
from kilohour.execution.ax.venue import AxVenue, expressed
from kilohour.execution.journal import Journal, tail
from kilohour.execution.risk import LiveLimits
from kilohour.execution.runner import SNAPSHOT_EVERY, Runner, Steady, unnamed
from kilohour.limits import RiskLimits
from kilohour.tape import Tape

if TYPE_CHECKING:
    from kilohour.execution.sandbox.server import Server

TABLE = "sandbox"
FAST = LiveLimits(messages_per_second=100_000, cancels_reserved=1_000, look_seconds=0.05, absence_seconds=0.5)
"""A sandbox has no limit of messages, and whatever it does it does at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """What is asked of a paper run."""

    strategy: str
    url: str
    account: str
    keys: Mapping[str, str]
    folder: Path
    clock: Callable[[], int]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    cash: float = 1_000_000.0
    assume: tuple[str, ...] = ()
    contracts: str | None = None
    interpreted: bool = False
    is_lockstep: bool = False
    plain: bool = False
    """Says all in AX's own words, as a live run does: what it has none for waits here, or is refused."""
    accept_positions: bool = False
    limits: LiveLimits = FAST
    """Of what is sent, and how fast."""
    risk: RiskLimits | None = None
    """The limits of the gate that a backtest has too."""
    word: Callable[[], str | None] | None = None
    on_step: Callable[[Runner], None] | None = None
    point: Callable[[str], None] = unnamed
    steps_most: int | None = None
    snapshot_every: int = SNAPSHOT_EVERY


async def paper(asked: Paper) -> Runner:
    """Trades until the feed is over; the runner, with its journal closed. A folder with a journal goes on where that ended.

    Raises :class:`UsageError` in one line for what cannot run, :class:`~kilohour.errors.DataError` for a damaged journal.
    """
    feed = SandboxFeed(asked.url, is_lockstep=asked.is_lockstep, account=asked.account, point=asked.point)
    hello = await feed.open()
    journal = Journal(asked.folder)
    try:
        runner = _runner(asked, feed, hello, journal)
        feed.trade(runner.trader.session.market.tape)
        await runner.run()
        return runner
    finally:
        journal.close()
        await feed.close()


def _runner(asked: Paper, feed: SandboxFeed, hello: Mapping[str, Any], journal: Journal) -> Runner:
    is_recovery, how = journal.seq > 0, dict[str, Any]()
    if is_recovery:
        start = start_of(tail(asked.folder, 0, 1))
        if (start["strategy"], start["account"]) != (asked.strategy, asked.account):
            raise UsageError(f"{asked.folder} is a run of {start['strategy']} for {start['account']}; give another folder for "
                             f"{asked.strategy} and {asked.account}")
        trader, how = recovered(asked.folder, prepared_of(start))
        feed.skip_until = trader.session.seen_until
    else:
        tape, face = tape_of(hello), strategy_class(asked.strategy)
        extension = hello["kind"] if hello["venue"] == "sandbox" and not asked.plain else ""
        prepared = prepare(face, tape, parameters=asked.parameters, cash=asked.cash, assume=asked.assume, contracts=asked.contracts,
                           venue=TABLE, interpreted=asked.interpreted, limits=asked.risk, live_from=hello["start"])
        start = start_body(asked.strategy, prepared, tape=tape, venue="the sandbox", url=asked.url, account=asked.account,
                           limits=asked.limits, can_spread=True, compares_cash=True, began=hello["start"], made_at=asked.clock(),
                           mode="paper", expresses=expressed(extension), extension=extension, assume=asked.assume,
                           contracts=asked.contracts, table=TABLE, symbols=symbols_of(hello))
        trader = trader_of(start, prepared)
        journal.append(asked.clock(), [("start", start)])
    trader.session.warm_up()
    clock = Steady(asked.clock, asyncio.get_running_loop().time, journal.at)
    venue = AxVenue(asked.url, asked.keys, symbols_of(hello), clock, name="sandbox", can_spread=True,
                    market_time=lambda: trader.session.now, account=asked.account)
    venue.fills_from = fills_from(start, trader)
    return Runner(trader, venue, feed, journal, clock, is_lockstep=asked.is_lockstep, is_recovery=is_recovery, how=how,
                  accept_positions=asked.accept_positions, word=asked.word, on_step=asked.on_step, point=asked.point,
                  steps_most=asked.steps_most, snapshot_every=asked.snapshot_every,
                  watchdog=watchdog_of(asked.folder, {**start, "url": asked.url}, asked.keys))


def sandbox_keys(seed: int, account: str) -> dict[str, str]:
    """The ready-made keys of a sandbox's account."""
    from kilohour.execution.sandbox.accounts import credentials

    held = credentials(seed, account)
    return {"api_key": held.api_key, "api_secret": held.api_secret}


def local_url(url: str) -> str:
    """The address of a sandbox. Raises :class:`UsageError` unless it is http on this machine."""
    from urllib.parse import urlsplit

    from kilohour.execution.loopback import is_local

    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname or not is_local(parts.hostname):
        raise UsageError(f"url must be http://127.0.0.1:PORT, for paper trading stays on this machine, found {url!r}")
    return url.rstrip("/")


def only_wanted(tape: Tape, asked: Mapping[str, Any]) -> Tape:
    """The part of a tape that the strategy trades: a sandbox of one's own need not replay the rest."""
    from kilohour.backtests.prepare import prepare
    from kilohour.tape.select import select

    prepared = prepare(strategy_class(asked["strategy"]), tape, parameters=asked["parameters"], cash=asked["cash"],
                       assume=asked["assume"], contracts=asked["contracts"], venue=TABLE, interpreted=asked["interpreted"])
    part = prepared.market.tape
    return select(tape, set(part.product_codes), {index.code for index in part.indices})


@contextlib.asynccontextmanager
async def sandbox(tape: Tape, *, clock: Callable[[], int], cash: float, account: str = "paper", speed: float | str = "lockstep",
                  seed: int = 0, assume: tuple[str, ...] = ()) -> AsyncIterator[tuple[str, dict[str, str], Server]]:  # fmt: skip
    """A sandbox of one's own that replays a tape: its address, the keys of the account, and the server."""
    from kilohour.execution.sandbox.accounts import Keyring
    from kilohour.execution.sandbox.chaos import Chaos
    from kilohour.execution.sandbox.engines import market_of
    from kilohour.execution.sandbox.replay import ReplayExchange
    from kilohour.execution.sandbox.server import Server
    from kilohour.units import micros

    market, listing = market_of(tape, assume)
    server = Server(ReplayExchange(market, listing, {account: micros(cash)}), Keyring(seed, [account]), Chaos(seed), clock, speed=speed)
    port = await server.start()
    try:
        yield f"http://127.0.0.1:{port}", sandbox_keys(seed, account), server
    finally:
        await server.stop()
