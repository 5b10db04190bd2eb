# SPDX-License-Identifier: Apache-2.0
"""``kilohour sweep``: one strategy over a grid of parameters, every trial counted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from kilohour.cli import options

EXAMPLES = """[bold]Examples[/bold]

[cyan]kilohour sweep calendar-spread --set window=20:120:10 --set entry=1,1.5,2[/cyan]

[cyan]kilohour sweep calendar-spread --set window=20:120:10 --out-of-sample 30% --json[/cyan]"""

Grid = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="FIELD=VALUES",
        rich_help_panel="Run",
        show_default=False,
        help="Values of a parameter: 1,1.5,2 or start:stop:step (stop included); may be repeated.",
    ),
]
OutOfSample = Annotated[
    str,
    typer.Option(
        "--out-of-sample",
        metavar="SHARE",
        rich_help_panel="Run",
        help="Share of the time at the end on which nothing is chosen, as 30%.",
    ),
]
Cores = Annotated[
    int | None,
    typer.Option("--cores", metavar="N", min=1, rich_help_panel="Run", show_default="all", help="Cores to use."),
]


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(epilog=EXAMPLES)(sweep)


def sweep(
    name: options.Name,
    tape: options.TapeFolder = None,
    market: options.Market = None,
    assignments: Grid = None,
    out_of_sample: OutOfSample = "0%",
    cores: Cores = None,
    first: options.First = None,
    last: options.Last = None,
    cash: options.Cash = options.CASH_USD,
    assume: options.Assume = None,
    contracts: options.Contracts = None,
    venue: options.Venue = None,
    fills: options.Fills = None,
    cash_rate: options.CashRate = 0.0,
    limits: options.Limits = None,
    interpreted: options.Interpreted = False,
    out: options.Out = None,
    json: options.Json = False,
) -> None:
    """Run a strategy over a grid of parameters; the report has the heat map and the deflated Sharpe ratio."""
    from kilohour.backtests.resolve import strategy_class
    from kilohour.backtests.sweep import check_target
    from kilohour.backtests.sweep import sweep as run_sweep
    from kilohour.cli.assignments import fills_of, grid_of, limits_of
    from kilohour.cli.output import Waiting, line, only_json, print_json, show
    from kilohour.cli.places import folder_for
    from kilohour.cli.source import tape_of

    with only_json(json):
        if out is not None:
            check_target(out)
        held_back = share(out_of_sample)
        face = strategy_class(name)
        grid, parameters = grid_of(face, assignments or [])
        source = tape_of(tape, market, contracts)
        shown = name if ".py" not in name else face.__name__
        with folder_for(out, f"{shown}-sweep") as folder, Waiting(f"sweep {shown}") as waiting:
            found = run_sweep(
                name,
                source,
                grid,
                out_of_sample=held_back,
                cores=cores,
                cash=cash,
                start=first,
                end=last,
                assume=assume or (),
                contracts=contracts,
                venue=venue,
                fills=fills_of(fills or []),
                cash_rate=cash_rate,
                limits=limits_of(limits),
                interpreted=interpreted,
                out=folder,
                progress=waiting,
                **parameters,
            )
    if json:
        print_json(found.result)
        return
    show(_table(found.result))
    line(f"report: {found.result['report']}")


def share(text: str) -> float:
    """``30%`` or ``0.3`` as 0.3. Raises :class:`~kilohour.errors.UsageError` unless it is at least 0 and below 1."""
    from kilohour.errors import UsageError

    try:
        value = float(text[:-1]) / 100.0 if text.endswith("%") else float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value < 1.0:
        raise UsageError(f"out-of-sample must be a share from 0% to below 100%, found {text!r}")
    return value


def _table(result: Mapping[str, Any]) -> Any:
    from kilohour.cli.output import grid

    def number(value: Any) -> str:
        return "undefined" if value is None else f"{value:,.2f}" if isinstance(value, float) else f"{value:,}"

    best = dict(result["best"])
    varied = [(name, str(best.pop(name))) for name in result["grid"]]
    rows = [
        (
            "Trials",
            f"{result['trials']:,}" + (f", {result['skipped']:,} refused by the strategy" if result["skipped"] else ""),
        ),
        *((f"Best {name}", value) for name, value in varied),
        *((name.replace("_", " "), number(value)) for name, value in best.items()),
        (
            "Deflated Sharpe",
            "undefined"
            if result["deflated_sharpe"] is None
            else f"{result['deflated_sharpe']:.3f}, the probability that the best is more than luck",
        ),
    ]
    return grid(f"sweep of {result['strategy']}", ("What", "Value"), rows)
