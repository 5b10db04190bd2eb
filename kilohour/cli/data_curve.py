# SPDX-License-Identifier: Apache-2.0
"""``kilohour data curve``: a product's futures curve as it was known on a day, with a fit and its band."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kilohour.cli import options

if TYPE_CHECKING:
    from kilohour.curves import Launch
    from kilohour.curves.report import CurveReport, HistoryLaunches

EXAMPLE = "Example: [cyan]kilohour data curve SIM:B200 --on 2026-08-14 --html curve.html[/cyan]"

Code = Annotated[str, typer.Argument(metavar="PRODUCT", show_default=False, help="A product on the tape, as SIM:H100.")]
On = Annotated[str, typer.Option("--on", metavar="DATE", show_default=False, help="The day at whose end (UTC) the curve is known.")]
Page = Annotated[Path | None, typer.Option("--html", metavar="FILE", show_default=False, help="Write the curve as one page.")]
Launches = Annotated[
    list[str] | None,
    typer.Option(
        "--launch",
        metavar="DATE[:JUMP[:DEVIATION]]",
        show_default=False,
        help="A launch known by then, as 2027-03-01:-0.2:0.05; may be repeated. The embedded market brings its own.",
    ),
]
History = Annotated[bool, typer.Option("--history", help="Fit two factors to every curve until then, too.")]
Weights = Annotated[str, typer.Option("--strips", metavar="lots|hours", help="What a month weighs in a strip.")]


def add_to(group: typer.Typer) -> None:
    """Adds the command to ``kilohour data``."""
    group.command("curve", epilog=EXAMPLE)(curve)


def curve(
    product: Code,
    on: On,
    tape: options.TapeFolder = None,
    market: options.Market = None,
    launch: Launches = None,
    strips: Weights = "lots",
    history: History = False,
    assume: options.Assume = None,
    contracts: options.Contracts = None,
    html: Page = None,
    json: options.Json = False,
) -> None:
    """Show the futures curve as known on a day: fixed and open parts, strips, a fit with its band."""
    from kilohour.cli.output import Waiting, print_json
    from kilohour.cli.source import market_named, tape_of
    from kilohour.contracts import Assumptions, Registry
    from kilohour.curves.report import HistoryLaunches, report_of
    from kilohour.tape import Tape

    day = _day("on", on)
    past = HistoryLaunches(tuple(_day("launch", text.split(":")[0]) for text in launch or ()))
    launches = [_launch(text, day) for text in launch or () if not history or _day("launch", text.split(":")[0]) > day]
    if tape is None and not launch:
        config = market_named(market, contracts).config
        launches = _scheduled(config, product, day)
        past = _all_scheduled(config, product)
    found = tape_of(tape, market, contracts)
    loaded = found if isinstance(found, Tape) else Tape.load(found)
    registry = Registry.shipped(contracts).adding(loaded.products).assuming(*map(Assumptions.load, (*loaded.assumptions, *(assume or ()))))
    with Waiting(f"curve of {product}"):
        report = report_of(loaded, registry.product(product), day, launches, strips, past if history else None)
    if html is not None:
        from kilohour.reports.curve_page import write_curve_page

        write_curve_page(html, report)
    if json:
        print_json({**report.plain(), "html": None if html is None else str(html)})
    else:
        _print(report, html)


def _day(name: str, text: str) -> dt.date:
    from kilohour.errors import UsageError

    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"--{name} must be a day like 2026-08-14, found {text!r}") from None


def _launch(text: str, day: dt.date) -> Launch:
    from kilohour.curves import Launch
    from kilohour.errors import UsageError

    date, *numbers = text.split(":")
    try:
        jump, deviation = (*map(float, numbers), *(-0.20, 0.05)[len(numbers) :])
    except ValueError:
        raise UsageError(f"--launch must be DATE[:JUMP[:DEVIATION]], found {text!r}") from None
    return Launch((_day("launch", date) - day).days / 365.0, jump, deviation, name=date)


def _scheduled(config: Any, product: str, day: dt.date) -> list[Launch]:
    """The embedded market's launches that mark this chip down, from their day on and over what is left of their ramp."""
    from kilohour.curves import Launch

    released = next((chip.release for chip in config.chips if chip.product == product), None)
    found = []
    for launch in config.launches:
        begins = (launch.day - day).days / 365.0
        ramp = launch.ramp_days / 252.0
        left = min(ramp, begins + ramp)
        if released is not None and launch.day > released and left > 0.0 and begins < 3.0:
            jump = (1.0 - launch.markdown) ** (left / ramp) - 1.0
            found.append(Launch(max(begins, 1.0 / 365.0), jump, launch.surprise * left / ramp, left, launch.name))
    return found


def _all_scheduled(config: Any, product: str) -> HistoryLaunches:
    """Every launch of the embedded market that marks this chip down, for the history."""
    from kilohour.curves.report import HistoryLaunches

    released = next((chip.release for chip in config.chips if chip.product == product), None)
    later = [launch for launch in config.launches if released is not None and launch.day > released]
    return HistoryLaunches(tuple(launch.day for launch in later), max((launch.ramp_days for launch in later), default=0) / 252.0)


def _print(report: CurveReport, html: Path | None) -> None:
    from kilohour.cli.output import grid, line, show

    line(report.sentence())
    heads = ("Month", "Price", "Fixed", "Fixed mean", "Open part", "Fit", "Off")
    show(grid(report.unit, heads, report.rows(), right=heads[1:]))
    columns = ("Months", "Price", "Fit", "± 2 deviations")
    show(grid("Constant maturity", columns, report.maturities(), right=columns[1:]))
    if report.strips:
        show(grid(f"Strips by {report.weights}", ("Strip", "Price"), report.strip_rows(), right=("Price",)))
    show(grid("The fit", ("Parameter", "Value", "Meaning"), report.parameters(), right=("Value",)))
    if report.history is not None:
        rows = report.two_factors()
        show(grid(f"Two factors over {report.days:,} days", ("Parameter", "Value", "Standard error"), rows, right=("Value",)))
    for note in report.notes():
        line(f"- {note}")
    if html is not None:
        line(f"page: {html}")
