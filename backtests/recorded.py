# SPDX-License-Identifier: Apache-2.0
"""A venue's market data without a strategy, for the recorder."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from kilohour.backtests.real import HOSTS, named_contracts, tape_of, unified_symbols
from kilohour.contracts import Product, Registry
from kilohour.errors import UsageError
from kilohour.execution.keys import keys_of
from kilohour.execution.runner import Feed
from kilohour.tape import Tape
from kilohour.units import datetime_of

Door = tuple[Feed, Tape, Callable[[], Awaitable[None]]]
"""The feed, its contracts, and how to close it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is asked of a recording. ``width``: of the bars of a real venue; ``products``: what is recorded there."""

    venue: str
    clock: Callable[[], int]
    url: str | None = None
    account: str = ""
    products: tuple[str, ...] = ()
    width: str = "1m"
    contracts: Path | None = None


async def feed_of_venue(asked: Asked) -> Door:
    """Opens the market data. Raises :class:`UsageError` in one line."""
    if asked.venue == "sandbox":
        return await _sandbox(asked)
    if asked.venue not in HOSTS and not asked.venue.startswith("ccxt:"):
        raise UsageError(f"venue must be sandbox, {', '.join(HOSTS)} or ccxt:NAME, found {asked.venue!r}")
    if not asked.products:
        raise UsageError(f"{asked.venue} lists more than compute: say with --product what to record")
    registry = Registry.shipped(asked.contracts)
    products = [registry.product(code) for code in asked.products]
    return await (_ccxt if asked.venue.startswith("ccxt:") else _ax)(asked, products)


async def _sandbox(asked: Asked) -> Door:
    from kilohour.execution.ax import sandbox_feed

    if asked.url is None:
        raise UsageError("a sandbox is recorded at its address: give --url")
    told = sandbox_feed.SandboxFeed(asked.url, is_lockstep=False, account="")
    tape = sandbox_feed.tape_of(await told.open())
    told.trade(tape)
    return told, tape, told.close


async def _ax(asked: Asked, products: list[Product]) -> Door:
    from kilohour.execution.ax.instruments import symbols_at
    from kilohour.execution.ax.market import AxFeed
    from kilohour.execution.ax.venue import AxVenue

    base = (asked.url or HOSTS[asked.venue]).rstrip("/")
    symbols = named_contracts(products, await symbols_at(base), datetime_of(asked.clock()).year)
    door = AxVenue(base, keys_of(asked.venue, asked.account), {}, asked.clock, name=asked.venue)
    await door.open(lambda _: None)
    codes = {symbol: contract.code for symbol, contract in symbols.items()}
    tape = tape_of(asked.venue, products, list(symbols.values()))
    return AxFeed(base, door.headers, tape, codes, width=asked.width), tape, door.close


async def _ccxt(asked: Asked, products: list[Product]) -> Door:
    """Market data is public: an account is needed only where a venue shows none without."""
    from kilohour.execution.ccxt_feed import CcxtFeed
    from kilohour.execution.ccxt_venue import closed, exchange_of, loaded

    keys = keys_of(asked.venue, asked.account) if asked.account else {}
    exchange = exchange_of(asked.venue.removeprefix("ccxt:"), keys, asked.url)
    try:
        if not exchange.has.get("fetchOHLCV"):
            raise UsageError(f"ccxt:{exchange.id} has no candles (fetchOHLCV): it cannot be recorded")
        await loaded(exchange)
        if asked.width not in (exchange.timeframes or {}):
            raise UsageError(f"bars must be one of {', '.join(exchange.timeframes or {})} at ccxt:{exchange.id}, found {asked.width!r}")
        symbols = unified_symbols(exchange, products, datetime_of(asked.clock()).year)
    except UsageError:
        await closed(exchange)
        raise
    tape = tape_of(asked.venue, products, list(symbols.values()))
    codes = {symbol: contract.code for symbol, contract in symbols.items()}
    feed = CcxtFeed(exchange, tape, codes, asked.clock, width=asked.width, start=asked.clock())

    async def close() -> None:
        await closed(exchange)

    return feed, tape, close
