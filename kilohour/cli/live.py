# SPDX-License-Identifier: Apache-2.0
"""``kilohour live``: the paper runner on a real venue's hosts; without ``--confirm`` it sends nothing."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from kilohour.cli import options
from kilohour.cli.backtest import Assignments

EXAMPLES = """[bold]Examples[/bold]

[cyan]kilohour live calendar-spread --venue ax --account me --set product=AX:NVDA-H100 --assume ax-2026[/cyan]   (a dry run)

[cyan]kilohour live ./my_idea.py:MyIdea --venue ccxt:okx --account me --confirm me --limit loss_day_usd=500[/cyan]"""
_PANEL = "Live"

VenueName = Annotated[str, typer.Option("--venue", metavar="NAME", rich_help_panel=_PANEL, help="ax, ax-sandbox, or ccxt:NAME.")]
AccountName = Annotated[str, typer.Option("--account", metavar="ID", rich_help_panel=_PANEL, help="Whose keys, and whose orders.")]
Confirm = Annotated[
    str | None,
    typer.Option("--confirm", metavar="ID", rich_help_panel=_PANEL, show_default="a dry run", help="The account again: orders are sent."),
]
Url = Annotated[
    str | None, typer.Option("--url", metavar="URL", rich_help_panel=_PANEL, show_default=False, help="Another host of the same protocol.")
]
Width = Annotated[str, typer.Option("--bars", metavar="WIDTH", rich_help_panel=_PANEL, help="Width of the bars: 1m, 5m, 15m, 1h, 1d.")]
LimitWords = Annotated[
    list[str] | None,
    typer.Option(
        "--limit",
        metavar="NAME=VALUE",
        rich_help_panel=_PANEL,
        show_default=False,
        help="loss_day_usd, drawdown_usd, feed_age_seconds, messages_per_second, order_lots, open_orders, collar_percent.",
    ),
]
Accept = Annotated[bool, typer.Option("--accept-positions", rich_help_panel=_PANEL, help="Trade from the positions the account has.")]
Seconds = Annotated[
    float | None,
    typer.Option("--for", metavar="SECONDS", rich_help_panel=_PANEL, show_default="until killed", help="End by itself after so long."),
]
SCALES = {"loss_day_usd": ("loss_day_most", 1e6), "drawdown_usd": ("drawdown_most", 1e6), "feed_age_seconds": ("feed_age_most", 1e9),
          "messages_per_second": ("messages_per_second", 1), "order_lots": ("order_lots_most", 1), "open_orders": ("open_orders_most", 1),
          "collar_percent": ("collar_ppm", 1e4)}  # fmt: skip


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(epilog=EXAMPLES)(live)


def live(
    name: options.Name,
    venue: VenueName,
    account: AccountName,
    confirm: Confirm = None,
    url: Url = None,
    width: Width = "1m",
    limit: LimitWords = None,
    assignments: Assignments = None,
    cash: options.Cash = options.CASH_USD,
    assume: options.Assume = None,
    contracts: options.Contracts = None,
    interpreted: options.Interpreted = False,
    accept: Accept = False,
    seconds: Seconds = None,
    out: options.Out = None,
    json: options.Json = False,
) -> None:
    """Run a strategy at a real venue: a dry run unless --confirm names the account."""
    import asyncio
    import time

    from kilohour.backtests.real import Real, check, summary
    from kilohour.backtests.real import live as run_live
    from kilohour.backtests.resolve import strategy_class
    from kilohour.cli.assignments import parameters_of
    from kilohour.cli.output import grid, only_json, print_json, show
    from kilohour.cli.paper import word_of
    from kilohour.cli.places import folder_for
    from kilohour.cli.screen import Screen

    with only_json(json):
        limits = limits_of(limit or [])
        parameters = parameters_of(strategy_class(name), assignments or [])
        with folder_for(out, f"{name if '.py' not in name else strategy_class(name).__name__}-live") as folder:
            asked = Real(strategy=name, venue=venue, account=account, folder=folder, clock=time.time_ns, confirmed=confirm, url=url,
                         width=width, parameters=parameters, cash=cash, assume=tuple(assume or ()),
                         contracts=None if contracts is None else str(contracts), interpreted=interpreted, accept_positions=accept,
                         limits=limits, word=word_of(folder), seconds=seconds)
            check(asked)
            with Screen(folder):
                told = summary(asyncio.run(run_live(asked)))
    if json:
        print_json(told)
    else:
        show(grid(f"{name} at {venue}", ("what", "value"), [(key.replace("_", " "), value) for key, value in told.items()]))


def limits_of(words: list[str]) -> Any:
    """``--limit`` words over the careful limits. Raises :class:`~kilohour.errors.UnknownName` or UsageError."""
    import dataclasses

    from kilohour.backtests.real import CAREFUL
    from kilohour.errors import UnknownName, UsageError

    changed: dict[str, int] = {}
    for word in words:
        name, _, text = word.partition("=")
        if name not in SCALES:
            raise UnknownName("limit", name, SCALES, where="--limit")
        try:
            number = float(text)
        except ValueError:
            number = -1.0
        if not 0 <= number <= 1e12:
            raise UsageError(f"--limit {name} must be a number that is not negative, found {word!r}")
        field, scale = SCALES[name]
        changed[field] = round(number * scale)
    return dataclasses.replace(CAREFUL, **changed)
