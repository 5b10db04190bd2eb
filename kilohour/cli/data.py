# SPDX-License-Identifier: Apache-2.0
"""``kilohour data``: make tapes, quotes and series from sources or the embedded market, look at them, check them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kilohour.cli import adoption, calibrate, options

if TYPE_CHECKING:
    from kilohour.tape import Tape

group = typer.Typer(
    help="Make, show and check tapes, quotes and series.",
    rich_markup_mode="rich",
    no_args_is_help=True,
    epilog="Example: [cyan]kilohour data show tapes/energy[/cyan]",
)

IMPORT_EXAMPLES = """[bold]Examples[/bold]

[cyan]kilohour data import aws-spot snapshots.parquet --out quotes/aws[/cyan]

[cyan]kilohour data import my-file prices.csv --mapping mine.toml --out quotes/mine[/cyan]

[cyan]kilohour data import energy-strip strip.parquet --expiries expiry.csv --out tapes/energy[/cyan]

[cyan]kilohour data import gpu-prices prices.csv --adoption adoption.csv --segment aws_spot_us --out tapes/gpu[/cyan]"""

Source = Annotated[str, typer.Argument(metavar="NAME", show_default=False, help="A source: [cyan]kilohour data sources[/cyan] lists them.")]
Inputs = Annotated[list[Path] | None, typer.Argument(metavar="INPUT...", show_default=False, help="Files to import.")]
Expiries = Annotated[
    Path | None,
    typer.Option("--expiries", metavar="FILE", show_default=False, help="Last trading days (energy-strip)."),
]
Adoption = Annotated[
    Path | None,
    typer.Option("--adoption", metavar="FILE", show_default=False, help="A series of adoption (gpu-prices)."),
]
Mapping = Annotated[
    Path | None,
    typer.Option("--mapping", metavar="FILE", show_default=False, help="TOML that says which column is what (my-file)."),
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
RejectedMax = Annotated[
    str | None,
    typer.Option(
        "--rejected-max",
        metavar="SHARE",
        show_default="5%",
        help="More refused rows than this end the import; each goes to rejected.csv with its reason.",
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", show_default=False, help="An option of the source; may be repeated."),
]
SourceName = Annotated[str | None, typer.Argument(metavar="NAME", show_default=False, help="One source, in full.")]
OutData = Annotated[Path, typer.Option("--out", metavar="FOLDER", show_default=False, help="Folder to write: a tape, quotes or prints.")]
Data = Annotated[Path, typer.Argument(metavar="FOLDER", show_default=False, help="Folder of a tape, of quotes or of prints.")]
Html = Annotated[
    Path | None, typer.Option("--html", metavar="FILE", show_default=False, help="Write the findings as a page too, small and offline.")
]
OfProduct = Annotated[str | None, typer.Option("--product", metavar="CODE", show_default=False, help="One product, contract by contract.")]
Seed = Annotated[str, typer.Argument(metavar="SEED|FILE", help="Seed, TOML file, or FILE:SEED.")]


def add_to(app: typer.Typer) -> None:
    """Adds the group."""
    adoption.add_to(group)
    calibrate.add_to(group)
    app.add_typer(group, name="data")


@group.command("import", epilog=IMPORT_EXAMPLES)
def import_data(
    name: Source,
    out: OutData,
    inputs: Inputs = None,
    expiries: Expiries = None,
    adoption: Adoption = None,
    mapping: Mapping = None,
    segment: Segment = None,
    carry: Carry = None,
    release_lag: ReleaseLag = None,
    rejected_max: RejectedMax = None,
    options_set: Set = None,
    json: options.Json = False,
) -> None:
    """Make a tape, quotes or series from a source."""
    from kilohour.cli.importing import arguments_of
    from kilohour.cli.output import Waiting, line, print_json
    from kilohour.datafeeds import source

    its = source(name)
    given = {"expiries": expiries, "adoption": adoption, "mapping": mapping, "segment": segment, "carry": carry}
    named = {key: value for key, value in {**given, "release-lag": release_lag, "rejected-max": rejected_max}.items() if value is not None}
    files, arguments = arguments_of(its, inputs or [], named, options_set or [])
    with Waiting(f"import {name}") as waiting:
        told = list(its.run(files, out, progress=waiting, **arguments))
    if json:
        print_json({"source": name, "gives": its.gives, "out": str(out), "told": told})
        return
    for text in told:
        line(text)


@group.command("sources", epilog="Example: [cyan]kilohour data sources aws-spot[/cyan]")
def list_sources(name: SourceName = None, json: options.Json = False) -> None:
    """List where data comes from; or one source with its columns, times and licence."""
    from kilohour.cli.output import print_json
    from kilohour.cli.sources import print_source, print_sources, source_of, sources_of

    if name is None:
        rows = sources_of()
        print_json({"sources": rows}) if json else print_sources(rows)
    else:
        row = source_of(name)
        print_json(row) if json else print_source(row)


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
def show_data(data: Data, product: OfProduct = None, json: options.Json = False) -> None:
    """Show what a tape holds: source, span, contracts, counts, notes; or a table of quotes or prints."""
    from kilohour.cli.output import print_json
    from kilohour.cli.tables import described, print_table
    from kilohour.cli.tapes import describe, print_tape
    from kilohour.errors import UsageError
    from kilohour.tape.store import load

    table = described(data)
    if table is not None:
        if product is not None:
            raise UsageError(f"--product is for tapes, found {table['kind']} in {data}")
        print_json(table) if json else print_table(table)
        return
    found = describe(load(data), product)
    if json:
        print_json(found)
    else:
        print_tape(found)


@group.command("check", epilog="Example: [cyan]kilohour data check tapes/energy --html check.html[/cyan]")
def check_data(data: Data, html: Html = None, json: options.Json = False) -> None:
    """Look a tape, quotes or series over; exit code 1 when a run or an index could not trust them."""
    from kilohour.cli.checking import check_folder, check_html, print_findings
    from kilohour.cli.output import print_json

    check_html(html)
    checked = check_folder(data)
    if html is not None:
        from kilohour.reports.data_check import write_check

        write_check(html, checked)
    if json:
        print_json(checked)
    else:
        print_findings(checked, html)
    if checked["errors"]:
        raise typer.Exit(1)


def _wrote(tape: Tape, out: Path) -> None:
    from kilohour.cli.output import line

    line(f"{tape.source}: {tape.bars:,} bars of {len(tape.contracts)} contracts")
    for note in tape.notes:
        line(f"  - {note}")
    line(f"tape: {out}")
