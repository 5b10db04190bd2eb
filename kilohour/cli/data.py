# SPDX-License-Identifier: Apache-2.0
"""``kilohour data``: make tapes from files or from the embedded market, look at them, check them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kilohour.cli import adoption, calibrate, options

if TYPE_CHECKING:
    from kilohour.tape import Tape

group = typer.Typer(
    help="Make, show and check tapes.",
    rich_markup_mode="rich",
    no_args_is_help=True,
    epilog="Example: [cyan]kilohour data show tapes/energy[/cyan]",
)

IMPORT_EXAMPLES = """[bold]Examples[/bold]

[cyan]kilohour data import energy-strip strip.parquet --expiries expiry.csv --out tapes/energy[/cyan]

[cyan]kilohour data import gpu-prices prices.csv --adoption adoption.csv --segment aws_spot_us --out tapes/gpu[/cyan]"""

Importer = Annotated[str, typer.Argument(metavar="NAME", show_default=False, help="energy-strip or gpu-prices.")]
Inputs = Annotated[list[Path], typer.Argument(metavar="INPUT...", show_default=False, help="The file to import.")]
Expiries = Annotated[
    Path | None,
    typer.Option("--expiries", metavar="FILE", show_default=False, help="Last trading days (energy-strip)."),
]
Adoption = Annotated[
    Path | None,
    typer.Option("--adoption", metavar="FILE", show_default=False, help="A series of adoption (gpu-prices)."),
]
Segment = Annotated[str | None, typer.Option("--segment", show_default=False, help="Segment of the market (gpu-prices).")]
Carry = Annotated[
    str | None,
    typer.Option("--carry", show_default=False, help="What a day without a price does: refuse or last (gpu-prices)."),
]
ReleaseLag = Annotated[
    int | None,
    typer.Option(
        "--release-lag",
        metavar="DAYS",
        min=0,
        show_default=False,
        help="Days from an adoption date until it is known (gpu-prices).",
    ),
]
Folder = Annotated[Path, typer.Argument(metavar="TAPE", show_default=False, help="Folder of a tape.")]
OfProduct = Annotated[str | None, typer.Option("--product", metavar="CODE", show_default=False, help="One product, contract by contract.")]
Seed = Annotated[str, typer.Argument(metavar="SEED|FILE", help="Seed, TOML file, or FILE:SEED.")]


def add_to(app: typer.Typer) -> None:
    """Adds the group."""
    adoption.add_to(group)
    calibrate.add_to(group)
    app.add_typer(group, name="data")


@group.command("import", epilog=IMPORT_EXAMPLES)
def import_data(
    name: Importer,
    inputs: Inputs,
    out: options.OutTape,
    expiries: Expiries = None,
    adoption: Adoption = None,
    segment: Segment = None,
    carry: Carry = None,
    release_lag: ReleaseLag = None,
) -> None:
    """Make a tape from files of prices."""
    from kilohour.cli.importing import arguments_of
    from kilohour.cli.output import Waiting
    from kilohour.datafeeds import importer
    from kilohour.tape.store import check_replaceable

    function = importer(name)
    given = {"expiries": expiries, "adoption": adoption, "segment": segment, "carry": carry, "release-lag": release_lag}
    files, named = arguments_of(name, function, inputs, {key: value for key, value in given.items() if value is not None})
    check_replaceable(out)
    with Waiting(f"import {name}") as waiting:
        tape = function(*files, progress=waiting, **named).save(out)
    _wrote(tape, out)


@group.command("embedded", epilog="Example: [cyan]kilohour data embedded 11 --out tapes/market-11[/cyan]")
def embedded(out: options.OutTape, market: Seed = "7", contracts: options.Contracts = None) -> None:
    """Write the embedded market as a tape."""
    from kilohour.cli.output import Waiting
    from kilohour.cli.source import market_named
    from kilohour.tape.store import check_replaceable

    made = market_named(market, contracts)
    check_replaceable(out)
    with Waiting(f"making the embedded market, seed {made.seed}"):
        tape = made.tape().save(out)
    _wrote(tape, out)


@group.command("show", epilog="Example: [cyan]kilohour data show tapes/energy --product NYMEX:CL[/cyan]")
def show_tape(tape: Folder, product: OfProduct = None, json: options.Json = False) -> None:
    """Show what a tape holds: source, span, contracts, counts, notes."""
    from kilohour.cli.output import print_json
    from kilohour.cli.tapes import describe, print_tape
    from kilohour.tape.store import load

    found = describe(load(tape), product)
    if json:
        print_json(found)
    else:
        print_tape(found)


@group.command("check", epilog="Example: [cyan]kilohour data check tapes/energy[/cyan]")
def check_tape(tape: Folder, json: options.Json = False) -> None:
    """Look a tape over; exit code 1 when a run could not trust it."""
    from kilohour.cli.output import grid, line, print_json, show
    from kilohour.cli.tapes import graded
    from kilohour.tape.store import load

    findings = graded(load(tape))
    errors = sum(row["grade"] == "error" for row in findings)
    if json:
        print_json({"tape": str(tape), "errors": errors, "warnings": len(findings) - errors, "findings": findings})
    else:
        if findings:
            rows = [(row["grade"], row["contract"], row["rule"], row["day"], row["count"], row["detail"]) for row in findings]
            show(grid("", ("Grade", "Contract", "Rule", "First day", "Count", "Detail"), rows, right=("Count",)))
        line(f"{errors} errors, {len(findings) - errors} warnings")
    if errors:
        raise typer.Exit(1)


def _wrote(tape: Tape, out: Path) -> None:
    from kilohour.cli.output import line

    line(f"{tape.source}: {tape.bars:,} bars of {len(tape.contracts)} contracts")
    for note in tape.notes:
        line(f"  - {note}")
    line(f"tape: {out}")
