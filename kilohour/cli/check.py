# SPDX-License-Identifier: Apache-2.0
"""``kilohour check``: does a strategy see the future, and how long does it remember its start?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from kilohour.cli import options
from kilohour.cli.backtest import Assignments

if TYPE_CHECKING:
    from kilohour.backtests.check.check import Check
    from kilohour.backtests.check.decisions import Memory

EXAMPLES = """[bold]Examples[/bold]

[cyan]kilohour check calendar-spread[/cyan]

[cyan]kilohour check ./my_idea.py:MyIdea --set window=90 --warm-up 90 --json[/cyan]

[cyan]kilohour check ./my_model.py:Model --interpreted --allow weights.npy[/cyan]"""

Allow = Annotated[
    list[str] | None,
    typer.Option(
        "--allow",
        metavar="NAME",
        rich_help_panel="Check",
        show_default=False,
        help="Outside data or a file that is known and meant, by its name; may be repeated.",
    ),
]
WarmUp = Annotated[
    int | None,
    typer.Option(
        "--warm-up",
        metavar="BARS",
        rich_help_panel="Check",
        show_default=False,
        help="Bars after which a later start must make no difference; without it that is only reported.",
    ),
]
Cuts = Annotated[int, typer.Option("--cuts", metavar="N", rich_help_panel="Check", help="Times at which the future is changed.")]


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(epilog=EXAMPLES)(check)


def check(
    name: options.Name,
    tape: options.TapeFolder = None,
    market: options.Market = None,
    assignments: Assignments = None,
    first: options.First = None,
    last: options.Last = None,
    cash: options.Cash = options.CASH_USD,
    assume: options.Assume = None,
    contracts: options.Contracts = None,
    venue: options.Venue = None,
    fills: options.Fills = None,
    interpreted: options.Interpreted = False,
    allow: Allow = None,
    warm_up: WarmUp = None,
    cuts: Cuts = 6,
    json: options.Json = False,
) -> None:
    """Look for decisions that depend on the future; exit code 1 with the first differing decision."""
    from kilohour.backtests.check.check import check as look
    from kilohour.backtests.check.doors import watched
    from kilohour.backtests.resolve import strategy_class
    from kilohour.cli.assignments import fills_of, parameters_of
    from kilohour.cli.output import Waiting, only_json, print_json
    from kilohour.cli.source import tape_of

    with only_json(json):
        with watched() as loading:
            face = strategy_class(name)
        parameters = parameters_of(face, assignments or [])
        source = tape_of(tape, market, contracts)
        with Waiting(f"check {name}") as waiting:
            found = look(name, source, cash=cash, start=first, end=last, assume=assume or (), contracts=contracts, venue=venue,
                         fills=fills_of(fills or []), interpreted=interpreted, cuts=cuts, warm_up=warm_up, allow=allow or (),
                         already_read=loading, progress=waiting, **parameters)  # fmt: skip
    if json:
        print_json(found.to_dict())
    else:
        _show(found)
    if not found.is_clean:
        raise typer.Exit(1)


def _show(found: Check) -> None:
    from kilohour.cli.output import line

    for one in found.findings:
        line(f"{one.probe}: {one.detail}")
        line(f"  first differing decision: {one.what}{f', {one.time} UTC' if one.time else ''}")
        line(f"  decided:         {one.expected}")
        line(f"  under the probe: {one.found}")
    if found.is_clean:
        line(f"clean: {found.decisions:,} decisions over {found.bars:,} bars stand under {found.probes} probes")
    for memory in found.memory:
        told = [_told("recorded values", memory.records_after, memory)] if memory.recorded else []
        line(f"started on {memory.start} ({memory.bars:,} bars): {'; '.join([*told, _told('orders', memory.orders_after, memory)])}")


def _told(what: str, after: int | None, memory: Memory) -> str:
    if after is not None:
        return f"{what} agree after {after:,} bars"
    if what == "orders":
        return "orders do not agree to the end (they may follow from positions held, or equity)"
    together = ", but come together: a memory without end, as an exponential average has" if memory.fades else ""
    return f"{what} do not agree to the end{together}"
