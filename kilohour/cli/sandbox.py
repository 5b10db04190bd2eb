# SPDX-License-Identifier: Apache-2.0
"""``kilohour sandbox``: an exchange on localhost until Ctrl-C, or for so many seconds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kilohour.cli import options

if TYPE_CHECKING:
    from kilohour.execution.sandbox.bots import Bots
    from kilohour.execution.sandbox.core import Exchange
    from kilohour.execution.sandbox.exchange import BookExchange
    from kilohour.execution.sandbox.server import Server

EXAMPLES = """[bold]Examples[/bold]

[cyan]kilohour sandbox --market 7 --port 8765[/cyan]

[cyan]kilohour sandbox --market 7 --from 2026-03-02 --speed 60 --for 120[/cyan]

[cyan]kilohour sandbox --replay tapes/mine --speed lockstep --port 8765 --json[/cyan]"""

_PANEL = "Sandbox"
OPENED_AT = 14 * 3600 * 10**9
"""A market opened on a day opens at 14:00 UTC, in the middle of trading."""
ACCOUNTS = "trader,second"
ACCOUNTS_MOST, RATE_MOST = 64, 1000

Replay = Annotated[
    Path | None,
    typer.Option("--replay", metavar="TAPE", rich_help_panel="Data", show_default=False, help="A tape folder whose bars are the market."),
]
First = Annotated[
    str | None,
    typer.Option("--from", metavar="DAY", rich_help_panel="Data", show_default=False,
                 help="First day of a replay, or the day a market is opened on; a market opens now unless given."),
]
Speed = Annotated[
    str,
    typer.Option(
        "--speed",
        metavar="N|max|lockstep",
        rich_help_panel=_PANEL,
        help="Seconds of the market in a second, as fast as it goes, or one timestamp at a time with a runner.",
    ),
]
Port = Annotated[int, typer.Option("--port", metavar="P", rich_help_panel=_PANEL, show_default="a free one", help="Port on 127.0.0.1.")]
Accounts = Annotated[str, typer.Option("--accounts", metavar="NAMES", rich_help_panel=_PANEL, help="Accounts, with commas between them.")]
Seed = Annotated[int, typer.Option("--seed", metavar="N", rich_help_panel=_PANEL, help="Seed of keys and of random faults.")]
ChaosFile = Annotated[
    Path | None,
    typer.Option("--chaos", metavar="FILE", rich_help_panel=_PANEL, show_default=False, help="A TOML file of faults to inject."),
]
Rate = Annotated[
    float, typer.Option("--bots", metavar="RATE", rich_help_panel=_PANEL, help="What the bots of a market do in a second; 0: no bots.")
]
Seconds = Annotated[
    float | None,
    typer.Option("--for", metavar="SECONDS", rich_help_panel=_PANEL, show_default="until Ctrl-C", help="End by itself after so long."),
]


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(epilog=EXAMPLES)(sandbox)


def sandbox(
    replay: Replay = None,
    speed: Speed = "1",
    port: Port = 0,
    accounts: Accounts = ACCOUNTS,
    cash: options.Cash = options.CASH_USD,
    market: options.Market = None,
    first: First = None,
    last: options.Last = None,
    assume: options.Assume = None,
    contracts: options.Contracts = None,
    fills: options.Fills = None,
    seed: Seed = 7,
    bots: Rate = 20.0,
    chaos: ChaosFile = None,
    seconds: Seconds = None,
    json: options.Json = False,
) -> None:
    """Start an exchange on localhost that speaks a subset of real venues' wire dialects."""
    import asyncio

    from kilohour.errors import UsageError

    pace, names = _speed(speed), _accounts(accounts)
    if not 0 <= port <= 65_535:
        raise UsageError(f"port must be between 0 and 65535, found {port}")
    if seconds is not None and not 0 < seconds <= 1e9:
        raise UsageError(f"for must be above 0 seconds, found {seconds:g}")
    rules = _rules(chaos)
    if replay is not None and market is not None:
        raise UsageError(f"give --market or --replay, not both, found --market {market} and --replay {replay}")
    if not 0 <= bots <= RATE_MOST:
        raise UsageError(f"bots must be between 0 and {RATE_MOST}, found {bots:g}")
    exchange: Exchange
    if replay is not None:
        exchange = _replay(replay, names, cash, first, last, assume, contracts, fills)
    else:
        if not isinstance(pace, float):
            raise UsageError(f"speed must be a number for a market; {pace} is for --replay")
        if last is not None or fills:
            raise UsageError("--to and --fills are for --replay: a market goes on, and its orders fill in its book")
        exchange = _market(market, names, cash, first, seed, assume, contracts)
    # a market opened now was opened before it was compiled and quoted: clients would find its clock as late as that took
    begun = exchange.now if replay is None and first is None else None
    asyncio.run(_serve(exchange, seed, pace, port, rules, seconds, bots, json, begun))


def _speed(text: str) -> float | str:
    from kilohour.errors import UsageError

    if text in ("max", "lockstep"):
        return text
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number <= 1e9:
        raise UsageError(f"speed must be a number above 0, max or lockstep, found {text!r}")
    return number


def _accounts(text: str) -> list[str]:
    from kilohour.errors import UsageError

    names = text.split(",")
    if not all(name.replace("-", "").isalnum() and len(name) <= 32 for name in names) or len(set(names)) != len(names):
        raise UsageError(f"accounts must be different names of letters, digits and hyphens, with commas between them, found {text!r}")
    if len(names) > ACCOUNTS_MOST:
        raise UsageError(f"accounts must be at most {ACCOUNTS_MOST}, found {len(names)}")
    return names


def _rules(file: Path | None) -> list[dict[str, Any]]:
    """The faults of a TOML file: a list of tables called ``rule``."""
    import tomllib

    from kilohour.errors import UsageError

    if file is None:
        return []
    try:
        found = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{file.name}: not TOML: {error}") from None
    rules = found.get("rule", [])
    if set(found) - {"rule"} or not isinstance(rules, list) or not all(isinstance(rule, dict) for rule in rules):
        raise UsageError(f"{file.name}: must hold [[rule]] tables and nothing else, found {', '.join(sorted(found))}")
    return rules


def _replay(folder: Path, names: list[str], cash: float, first: str | None, last: str | None, assume: list[str] | None,
            contracts: Path | None, fills: list[str] | None) -> Exchange:  # fmt: skip
    from kilohour.backtests.backtest import between
    from kilohour.backtests.prepare import checked_cash
    from kilohour.cli.assignments import fills_of
    from kilohour.execution.sandbox.engines import market_of
    from kilohour.execution.sandbox.replay import ReplayExchange
    from kilohour.tape.tape import Tape

    tape = between(Tape.load(folder), first, last)
    market, listing = market_of(tape, assume or (), contracts, fills_of(fills or []))
    return ReplayExchange(market, listing, dict.fromkeys(names, checked_cash(cash)))


def _market(market: str | None, names: list[str], cash: float, first: str | None, seed: int, assume: list[str] | None,
            contracts: Path | None) -> BookExchange:  # fmt: skip
    import datetime as dt
    import time

    from kilohour.backtests.prepare import checked_cash
    from kilohour.cli.source import tape_of
    from kilohour.errors import UsageError
    from kilohour.execution.sandbox.market import open_market
    from kilohour.tape.tape import Tape
    from kilohour.units import nanos_of

    source = tape_of(None, market, contracts)
    tape = source if isinstance(source, Tape) else Tape.load(source)
    start = time.time_ns()
    if first is not None:
        try:
            start = nanos_of(dt.date.fromisoformat(first)) + OPENED_AT
        except ValueError:
            raise UsageError(f"from must be a day as 2026-03-02, found {first!r}") from None
    return open_market(tape, names, checked_cash(cash), start, seed, assume=assume or (), contracts=contracts)


async def _serve(exchange: Exchange, seed: int, speed: float | str, port: int, rules: list[dict[str, Any]], seconds: float | None,
                 rate: float, json: bool, begun: int | None) -> None:  # fmt: skip
    import gc
    import time

    from kilohour.errors import UsageError
    from kilohour.execution.sandbox.accounts import Keyring
    from kilohour.execution.sandbox.chaos import Chaos
    from kilohour.execution.sandbox.exchange import BOTS, BookExchange
    from kilohour.execution.sandbox.market import Pulse
    from kilohour.execution.sandbox.server import Server

    people = [name for name in exchange.accounts if name not in BOTS]
    server = Server(exchange, Keyring(seed, people), Chaos(seed), time.time_ns, speed=speed)
    for rule in rules:
        await server.control.apply(rule)
    if isinstance(exchange, BookExchange) and isinstance(speed, float):
        server.pulse = Pulse(server, exchange, _bots(exchange, seed, rate / speed), time.time_ns, speed, begun)
    try:
        await server.start(port)
    except OSError as error:
        raise UsageError(f"port {port} cannot be used: {error.strerror}") from None
    gc.collect()
    gc.freeze()  # the market, its tape and the code stay for good: no collection need look through them again
    try:
        _tell(server, json)
        await server.wait(seconds)
    finally:
        await server.stop()


def _bots(exchange: BookExchange, seed: int, rate: float) -> Bots | None:
    from kilohour.execution.sandbox.bots import Bots

    if not rate:
        return None
    bots = Bots(exchange, seed, rate)
    bots.open()
    bots.warm_up()
    return bots


def _tell(server: Server, json: bool) -> None:
    """Addresses and keys; flushed, for whoever started the process waits for them."""
    import dataclasses
    import sys

    from kilohour.cli.output import line, print_json

    keys = [dataclasses.asdict(each) for each in server.keyring.all]
    if json:
        print_json({"exchange": server.exchange.kind, "port": server.port, "addresses": server.addresses, "accounts": keys})
    else:
        line(f"kilohour sandbox on 127.0.0.1:{server.port}: speaks a subset of the AX and OKX v5 dialects, and is neither. Ctrl-C ends it.")
        for what, address in server.addresses.items():
            line(f"{what:14}{address}")
        for key in keys:
            line("  ".join(f"{name} {value}" for name, value in key.items()))
    sys.stdout.flush()
