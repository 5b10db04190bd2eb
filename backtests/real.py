# SPDX-License-Identifier: Apache-2.0
"""Runs a strategy at a real venue's hosts: decides and records, and sends only when the operator has confirmed the account."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kilohour.backtests.live import fills_from, prepared_of, recovered, start_body, start_of, trader_of, watchdog_of
from kilohour.backtests.prepare import prepare
from kilohour.backtests.resolve import strategy_class
from kilohour.contracts import Assumptions, Contract, Product, Registry
from kilohour.contracts.codes import split_code
from kilohour.errors import UsageError
from kilohour.execution.journal import Journal, tail
from kilohour.execution.keys import keys_of
from kilohour.execution.risk import LiveLimits
from kilohour.execution.runner import Feed, Runner, Steady
from kilohour.faces.fields import fields_of
from kilohour.limits import RiskLimits
from kilohour.tape import Index, Tape
from kilohour.tape.schema import COLUMNS
from kilohour.units import datetime_of

HOSTS = {"ax": "https://gateway.architect.exchange", "ax-sandbox": "https://gateway.sandbox.architect.exchange"}
CAREFUL = LiveLimits(messages_per_second=10, cancels_reserved=3, feed_age_seconds=300.0, step_seconds=30.0)
"""What both open adapters of AX keep to in messages."""
NEAR_THE_MARKET = RiskLimits(collar_percent=2.0)
"""Unless the run's limits say otherwise, no order is sent farther beyond the market."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Real:
    """What is asked of a live run. ``confirmed``: the account once more; without it nothing is sent."""

    strategy: str
    venue: str
    account: str
    folder: Path
    clock: Callable[[], int]
    confirmed: str | None = None
    url: str | None = None
    width: str = "1m"
    parameters: Mapping[str, Any] = field(default_factory=dict)
    cash: float = 1_000_000.0
    assume: tuple[str, ...] = ()
    contracts: str | None = None
    interpreted: bool = False
    accept_positions: bool = False
    limits: LiveLimits = CAREFUL
    risk: RiskLimits = NEAR_THE_MARKET
    """The limits of the gate that a backtest has too."""
    word: Callable[[], str | None] | None = None
    seconds: float | None = None

    @property
    def is_dry(self) -> bool:
        """True when nothing is sent."""
        return self.confirmed is None


def check(asked: Real) -> None:
    """Raises :class:`UsageError` for a venue that is not known or an account that was confirmed as another."""
    if asked.venue not in HOSTS and not asked.venue.startswith("ccxt:"):
        raise UsageError(f"venue must be {', '.join(HOSTS)} or ccxt:NAME, found {asked.venue!r}")
    if asked.confirmed is not None and asked.confirmed != asked.account:
        raise UsageError(f"--confirm must name the account {asked.account!r}, found {asked.confirmed!r}: nothing was sent")


async def live(asked: Real) -> Runner:
    """Trades, or decides without trading, until it is killed or its time is over. Raises :class:`UsageError` in one line."""
    check(asked)
    return await (_ccxt(asked) if asked.venue.startswith("ccxt:") else _ax(asked))


async def _ax(asked: Real) -> Runner:
    from kilohour.execution.ax.instruments import check_terms, symbols_at
    from kilohour.execution.ax.market import AxFeed
    from kilohour.execution.ax.venue import AxVenue

    base, keys = (asked.url or HOSTS[asked.venue]).rstrip("/"), keys_of(asked.venue, asked.account)
    products = traded_products(asked)
    listed = await symbols_at(base)
    symbols = named_contracts(products, listed, datetime_of(asked.clock()).year)
    for symbol, contract in symbols.items():
        check_terms(symbol, listed[symbol], next(product for product in products if product.code == contract.product))
    tape = tape_of(asked.venue, products, list(symbols.values()))
    codes = {symbol: contract.code for symbol, contract in symbols.items()}
    venue = AxVenue(base, keys, codes, asked.clock, name=asked.venue, cancels_on_disconnect=not asked.is_dry,
                    account=asked.account)

    def feed(part: Tape) -> Feed:
        return AxFeed(base, venue.headers, part, codes, width=asked.width)

    return await _run(asked, tape, venue, feed, url=base, table="ax", keys=keys, symbols=codes)


async def _ccxt(asked: Real) -> Runner:
    from kilohour.contracts import Venue
    from kilohour.execution.ccxt_feed import CcxtFeed
    from kilohour.execution.ccxt_rules import check_class
    from kilohour.execution.ccxt_venue import DEAD_MAN_SECONDS, CcxtVenue, closed, exchange_of, loaded

    products = traded_products(asked)
    keys = keys_of(asked.venue, asked.account)
    exchange = exchange_of(asked.venue.removeprefix("ccxt:"), keys, asked.url)
    try:
        check_class(exchange)
        await loaded(exchange)
        symbols = unified_symbols(exchange, products, datetime_of(asked.clock()).year)
        sizes = {product.code: product.ratio("lot") for product in products}
        lots = {contract.code: sizes[contract.product] for contract in symbols.values()}
        codes = {symbol: contract.code for symbol, contract in symbols.items()}
        kind = "swap" if all(contract.is_perpetual for contract in symbols.values()) else "future"
        venue = CcxtVenue(exchange, codes, lots, asked.clock, kind=kind, currency=products[0].currency,
                          dead_man_seconds=0.0 if asked.is_dry else DEAD_MAN_SECONDS)

        def feed(part: Tape) -> Feed:
            return CcxtFeed(exchange, part, codes, venue.clock, width=asked.width, start=asked.clock())

        table = products[0].venue.lower()
        return await _run(asked, tape_of(asked.venue, products, list(symbols.values())), venue, feed, url=asked.url or "",
                          table=table if table in Venue.names() else "sandbox", keys=keys, symbols=codes)
    finally:
        await closed(exchange)


async def _run(asked: Real, tape: Tape, venue: Any, feed_of: Callable[[Tape], Feed], *, url: str, table: str, keys: Mapping[str, str],
               symbols: Mapping[str, str]) -> Runner:  # fmt: skip
    import asyncio

    mode = "dry" if asked.is_dry else "live"
    journal = Journal(asked.folder)
    try:
        is_recovery, how = journal.seq > 0, dict[str, Any]()
        if is_recovery:
            start = start_of(tail(asked.folder, 0, 1))
            if (start["strategy"], start["account"], start["mode"]) != (asked.strategy, asked.account, mode):
                raise UsageError(f"{asked.folder} is a {start['mode']} run of {start['strategy']} for {start['account']}; "
                                 "give another folder with --out")
            trader, how = recovered(asked.folder, prepared_of(start))
        else:
            now = asked.clock()
            prepared = prepare(strategy_class(asked.strategy), tape, parameters=asked.parameters, cash=asked.cash, assume=asked.assume,
                               contracts=asked.contracts, venue=table, interpreted=asked.interpreted, limits=asked.risk, live_from=now)
            start = start_body(asked.strategy, prepared, tape=tape, venue=asked.venue, url=url, account=asked.account, limits=asked.limits,
                               can_spread=False, compares_cash=False, began=now, made_at=now, mode=mode, expresses=venue.expresses,
                               assume=asked.assume, contracts=asked.contracts, table=table, symbols=symbols)
            trader = trader_of(start, prepared)
            journal.append(now, [("start", start)])
        trader.session.warm_up()
        clock = Steady(asked.clock, asyncio.get_running_loop().time, journal.at)
        venue.clock, venue.fills_from = clock, fills_from(start, trader)
        venue.is_own_time = venue.fills_from == start["began"]
        runner = Runner(trader, venue, feed_of(trader.session.market.tape), journal, clock, is_recovery=is_recovery, how=how,
                        accept_positions=asked.accept_positions, word=asked.word, watchdog=watchdog_of(asked.folder, start, keys))
        if asked.seconds is None:
            await runner.run()
        else:
            asyncio.get_running_loop().call_later(asked.seconds, runner.inbox.put_nowait, ("word", "finish"))
            await runner.run()
        return runner
    finally:
        journal.close()


def traded_products(asked: Real) -> list[Product]:
    """The products that the strategy's parameters name, with their terms assumed. Raises :class:`UsageError` without any."""
    registry = Registry.shipped(asked.contracts).assuming(*map(Assumptions.load, asked.assume))
    face = strategy_class(asked.strategy)
    codes = [str(asked.parameters.get(f.name, f.default.code)) for f in fields_of(face) if f.kind == "product"]
    if not codes:
        raise UsageError(f"{asked.strategy} names no product: a live strategy must say what it trades")
    return [registry.product(code) for code in dict.fromkeys(codes)]


def named_contracts(products: list[Product], symbols: Mapping[str, Any], year: int) -> dict[str, Contract]:
    """The venue's symbols that are contracts of the products. Raises :class:`UsageError` when a product has none."""
    found: dict[str, Contract] = {}
    for product in products:
        mine = {}
        for symbol, row in symbols.items():
            code = row.get("kilohour_code") if isinstance(row, Mapping) else None  # a sandbox says which contract it means
            named, month = split_code(code) if code else (product.code, product.month_named(symbol, near=year))
            if named == product.code and month is not None:
                mine[symbol] = product.contract(month)
        if not mine:
            raise UsageError(f"{product.code}: the venue lists no contract of it now ({len(symbols)} instruments were read)")
        found |= mine
    return found


def unified_symbols(exchange: Any, products: list[Product], year: int) -> dict[str, Contract]:
    """ccxt's own symbols of the products' contracts, by the venue's symbols that it keeps beside them."""
    listed = {market["id"]: {"kilohour_code": market["info"].get("kilohourCode")} for market in exchange.markets.values()}
    return {exchange.markets_by_id[symbol][0]["symbol"]: contract for symbol, contract in named_contracts(products, listed, year).items()}


def tape_of(venue: str, products: list[Product], contracts: list[Contract]) -> Tape:
    """What is known of the market before its first event."""
    import numpy as np

    indices = tuple(Index(code=code, unit="USD") for code in dict.fromkeys(p.index for p in products if p.index))
    nothing = {name: np.zeros(0, dtype) for name, dtype in COLUMNS.items()}
    return Tape(events=nothing, contracts=tuple(contracts), indices=indices, source=f"live from {venue}", days_per_year=365)


def summary(runner: Runner) -> dict[str, Any]:
    """What a live run came to, for the command line."""
    trader = runner.trader
    return {"mode": "dry" if trader.is_dry else "live", "timestamps": trader.steps, "orders_sent": trader.made,
            "trades": len(trader.trades), "positions": trader.positions(), "cash_micros": trader.cash(),
            "risk": trader.risk.trading.name, "why": trader.risk.reason, "fault": runner.fault,
            "foreign_orders": trader.foreign_orders, "foreign_fills": trader.foreign_fills}
