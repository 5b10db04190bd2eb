# SPDX-License-Identifier: Apache-2.0
"""``kilohour live``: the paper runner on a real venue's hosts; without ``--confirm`` it sends nothing."""

from __future__ import annotations

from typing import Annotated

import typer

from kilohour.cli import options
from kilohour.cli.backtest import Assignments

EXAMPLES = """[bold]Examples[/bold]

[cyan]kilohour live calendar-spread --venue ax --account me --set product=AX:NVDA-H100 --assume ax-2026[/cyan]   (a dry run)

[cyan]kilohour live ./my_idea.py:MyIdea --venue ccxt:okx --account me --confirm me --limits limits.toml[/cyan]"""
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
Accept = Annotated[bool, typer.Option("--accept-positions", rich_help_panel=_PANEL, help="Trade from the positions the account has.")]
Seconds = Annotated[
    float | None,
    typer.Option("--for", metavar="SECONDS", rich_help_panel=_PANEL, show_default="until killed", help="End by itself after so long."),
]


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
    limits: options.Limits = None,
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
    """Run a strategy at a real venue: a dry run unless --confirm names the account. Ctrl-C ends it in order, with a report."""
    import asyncio
    import time

    from kilohour.backtests.live import report_of
    from kilohour.backtests.real import CAREFUL, NEAR_THE_MARKET, Real, check, summary
    from kilohour.backtests.real import live as run_live
    from kilohour.backtests.resolve import strategy_class
    from kilohour.cli.assignments import limits_of, live_limits_of, parameters_of
    from kilohour.cli.output import grid, only_json, print_json, show
    from kilohour.cli.paper import Interrupted, _check_folder, word_of
    from kilohour.cli.places import folder_for
    from kilohour.cli.screen import Screen

    with only_json(json):
        parameters = parameters_of(strategy_class(name), assignments or [])
        with folder_for(out, f"{name if '.py' not in name else strategy_class(name).__name__}-live") as folder:
            _check_folder(folder)
            interrupted = Interrupted(word_of(folder))
            asked = Real(strategy=name, venue=venue, account=account, folder=folder, clock=time.time_ns, confirmed=confirm, url=url,
                         width=width, parameters=parameters, cash=cash, assume=tuple(assume or ()),
                         contracts=None if contracts is None else str(contracts), interpreted=interpreted, accept_positions=accept,
                         limits=live_limits_of(limits, CAREFUL), risk=limits_of(limits, NEAR_THE_MARKET) or NEAR_THE_MARKET,
                         word=interrupted.word, seconds=seconds)
            check(asked)
            with Screen(folder), interrupted:
                runner = asyncio.run(run_live(asked))
            told = {**summary(runner), **({"report": None} if runner.fault else report_of(folder))}
    if json:
        print_json(told)
    else:
        show(grid(f"{name} at {venue}", ("what", "value"), [(key.replace("_", " "), value) for key, value in told.items()]))

