# SPDX-License-Identifier: Apache-2.0
"""``kilohour certify``: a strategy in our engine and in stock backtrader, fill by fill."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from kilohour.cli import options
from kilohour.cli.backtest import Assignments

if TYPE_CHECKING:
    from kilohour.backtests.certify import Certificate

EXAMPLES = """[bold]Examples[/bold]

[cyan]kilohour certify calendar-spread[/cyan]

[cyan]kilohour certify ./my_idea.py:MyIdea --tape tapes/energy --json[/cyan]"""


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(epilog=EXAMPLES)(certify)


def certify(
    name: options.Name,
    tape: options.TapeFolder = None,
    market: options.Market = None,
    assignments: Assignments = None,
    first: options.First = None,
    last: options.Last = None,
    cash: options.Cash = options.CASH_USD,
    assume: options.Assume = None,
    contracts: options.Contracts = None,
    interpreted: options.Interpreted = False,
    json: options.Json = False,
) -> None:
    """Compare a strategy's fills and cash in our engine with those in stock backtrader (needs the extra backtrader)."""
    from kilohour.backtests.certify import certify as make_certificate
    from kilohour.backtests.resolve import strategy_class
    from kilohour.cli.assignments import parameters_of
    from kilohour.cli.output import Waiting, only_json, print_json
    from kilohour.cli.source import tape_of

    with only_json(json):
        parameters = parameters_of(strategy_class(name), assignments or [])
        source = tape_of(tape, market, contracts)
        with Waiting(f"certify {name}"):
            certificate = make_certificate(name, source, cash=cash, start=first, end=last, assume=assume or (), contracts=contracts,
                                           interpreted=interpreted, **parameters)
    if json:
        print_json(certificate.to_dict())
    else:
        _show(certificate)
    if not certificate.is_equal:
        raise typer.Exit(1)


def _show(certificate: Certificate) -> None:
    from kilohour.cli.output import grid, line, show

    rows = [
        ("fills", certificate.fills, certificate.backtrader_fills),
        ("equity", f"${certificate.equity_micros / 1e6:,.2f}", f"${certificate.backtrader_equity_micros / 1e6:,.2f}"),
    ]
    show(grid(f"{certificate.strategy} on {certificate.tape}", ("", "kilohour", "backtrader"), rows, right=("kilohour", "backtrader")))
    if certificate.held_past_last_trade:
        line(f"not compared: the settlement of {', '.join(certificate.held_past_last_trade)}")
    difference = certificate.difference
    if difference is None:
        line("equal: every fill, and the cash to the cent")
        return
    ours, theirs = difference.kilohour or {}, difference.backtrader or {}
    title = f"first difference: {difference.what} {difference.number}" if difference.what == "fill" else f"difference: {difference.what}"
    fields = [(name.removesuffix("_usd"), ours.get(name, "none"), theirs.get(name, "none")) for name in ours or theirs]
    show(grid(title, ("", "kilohour", "backtrader"), fields, right=("kilohour", "backtrader")))
