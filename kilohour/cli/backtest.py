# SPDX-License-Identifier: Apache-2.0
"""``kilohour backtest``: one strategy over one tape, a table and a report."""

from __future__ import annotations

from typing import Annotated

import typer

from kilohour.cli import options

EXAMPLES = """[bold]Examples[/bold]

[cyan]kilohour backtest calendar-spread[/cyan]

[cyan]kilohour backtest calendar-spread --set window=90 --set entry=1.5 --from 2026-01-01 --json[/cyan]

[cyan]kilohour backtest ./my_idea.py:MyIdea --market 11 --cash 250000[/cyan]

[cyan]kilohour backtest calendar-spread --tape tapes/energy --set product=NYMEX:CL --assume energy[/cyan]

[cyan]kilohour backtest ./my_idea.py:BtStrategy --feed SIM:H100-2027-12[/cyan]

[cyan]kilohour backtest calendar-spread --scenario ai-winter --paths 500[/cyan]"""

Assignments = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="FIELD=VALUE",
        rich_help_panel="Run",
        show_default=False,
        help="Set a parameter of the strategy; may be repeated.",
    ),
]

Feeds = Annotated[
    list[str] | None,
    typer.Option(
        "--feed",
        metavar="CONTRACT",
        rich_help_panel="Run",
        show_default=False,
        help="A contract that a backtrader strategy sees; may be repeated.",
    ),
]

Paths = Annotated[
    int | None,
    typer.Option(
        "--paths",
        metavar="N",
        rich_help_panel="Scenario",
        show_default=False,
        help="With a scenario: run N markets of it, seeds from that of --market on, and report the distribution.",
    ),
]
Cores = Annotated[
    int | None,
    typer.Option("--cores", metavar="N", min=1, rich_help_panel="Scenario", show_default="all", help="Processes for --paths."),
]


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(epilog=EXAMPLES)(backtest)


def backtest(
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
    cash_rate: options.CashRate = 0.0,
    limits: options.Limits = None,
    interpreted: options.Interpreted = False,
    feed: Feeds = None,
    scenario: options.ScenarioFile = None,
    paths: Paths = None,
    cores: Cores = None,
    out: options.Out = None,
    json: options.Json = False,
) -> None:
    """Run a strategy over a tape and write its report; over many markets of a scenario with --scenario and --paths."""
    from kilohour.backtests.backtest import backtest as run_backtest
    from kilohour.backtests.resolve import strategy_class
    from kilohour.backtests.run import check_target
    from kilohour.cli.assignments import fills_of, limits_of, parameters_of
    from kilohour.cli.fan import check_options, run_fan
    from kilohour.cli.output import Waiting, line, only_json, print_json, show
    from kilohour.cli.places import folder_for
    from kilohour.cli.source import scenario_tape, tape_of

    check_options(scenario, paths, cores, tape=tape, first=first, last=last, feeds=feed)
    if paths is not None and scenario is not None:
        run_fan(name, scenario, market, paths, cores, assignments or [], out, json, cash=cash, assume=assume or (), contracts=contracts,
                venue=venue, fills=fills_of(fills or []), limits=limits_of(limits), interpreted=interpreted)  # fmt: skip
        return
    with only_json(json):
        if out is not None:
            check_target(out)
        face = strategy_class(name)
        parameters = parameters_of(face, assignments or [])
        source = tape_of(tape, market, contracts) if scenario is None else scenario_tape(scenario, market, contracts)
        shown = name if ".py" not in name else face.__name__
        with folder_for(out, shown) as folder, Waiting(f"backtest {shown}") as waiting:
            run = run_backtest(
                name,
                source,
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
                feeds=feed or (),
                out=folder,
                progress=waiting,
                **parameters,
            )
    if json:
        print_json(run.result)
        return
    from kilohour.reports.summary import result_table

    show(result_table({**run.result, "report": None}))
    line(f"report: {run.result['report']}")
