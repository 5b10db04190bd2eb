# SPDX-License-Identifier: Apache-2.0
"""``kilohour data calibrate``: the embedded market fitted to published bands or to observed prices."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kilohour.cli import options

if TYPE_CHECKING:
    from kilohour.datafeeds.embedded.calibrate import Calibration
    from kilohour.datafeeds.embedded.config import MarketConfig

EXAMPLES = """[bold]Examples[/bold]

[cyan]kilohour data calibrate --out my-market.toml --html fit.html[/cyan]

[cyan]kilohour data calibrate --prices gpu_price_daily.csv --segment aws_spot_us --chip H100=SIM:H100 --out aws.toml[/cyan]"""

Source = Annotated[str, typer.Argument(metavar="NAME|FILE", help="A shipped calibration, or a TOML file of targets.")]
Prices = Annotated[
    Path | None,
    typer.Option("--prices", metavar="FILE", show_default=False, help="Observed prices (date, chip, segment, median) in place of bands."),
]
Segment = Annotated[str | None, typer.Option("--segment", show_default=False, help="With --prices: the segment of the market.")]
Chips = Annotated[
    list[str] | None,
    typer.Option("--chip", metavar="CHIP=PRODUCT", show_default=False, help="With --prices: whose product a chip's prices are; repeat."),
]
Fit = Annotated[
    list[str] | None,
    typer.Option(
        "--fit",
        metavar="PARAMETER",
        show_default=False,
        help="One more parameter that may move, as spike_size, chips.SIM:H100.spike_rate or launches.surprise; may be repeated.",
    ),
]
Start = Annotated[
    Path | None,
    typer.Option("--start", metavar="FILE", show_default=False, help="Market file to start from, in place of the calibration's start."),
]
OutFile = Annotated[Path, typer.Option("--out", metavar="FILE", show_default=False, help="Market file to write, for --market FILE.")]
Html = Annotated[Path | None, typer.Option("--html", metavar="FILE", show_default=False, help="Write a page with the fit beside the data.")]
Seeds = Annotated[int, typer.Option("--seeds", metavar="N", help="Markets that every statistic is a mean of.")]


def add_to(group: typer.Typer) -> None:
    """Adds the command to ``kilohour data``."""
    group.command("calibrate", epilog=EXAMPLES)(calibrate)


def calibrate(
    out: OutFile,
    source: Source = "compute-2026",
    prices: Prices = None,
    segment: Segment = None,
    chip: Chips = None,
    fit: Fit = None,
    start: Start = None,
    seeds: Seeds = 100,
    contracts: options.Contracts = None,
    html: Html = None,
    json: options.Json = False,
) -> None:
    """Fit the embedded market to what is published or observed, and write it as a market file."""
    from kilohour.cli.output import Waiting, line, print_json
    from kilohour.contracts import Registry
    from kilohour.datafeeds.embedded.calibrate import calibrate as run_calibration
    from kilohour.datafeeds.embedded.config import MarketConfig
    from kilohour.datafeeds.embedded.targets import Targets, from_prices
    from kilohour.errors import UsageError

    targets = Targets.load(source)
    if out.suffix != ".toml":
        raise UsageError(f"out must be a TOML file, found {out}")
    targets = targets.fitting(fit or [])
    if prices is not None:
        if segment is None or not chip:
            raise UsageError(f"--prices needs --segment and at least one --chip CHIP=PRODUCT, found --prices {prices} alone")
        targets = from_prices(targets, prices, segment, _products(chip))
    begun = None if start is None else MarketConfig.load(start)
    with Waiting("calibrate") as waiting:
        found = run_calibration(targets, seeds=seeds, start=begun, registry=Registry.shipped(contracts), progress=waiting)
    out.write_text(market_text(found.config, found.to_dict()["missed"], f"{source}, seeds 0 to {seeds - 1}"), encoding="utf-8")
    if html is not None:
        from kilohour.reports.calibration import write_calibration_page

        points = [(one.product, str(one.day), one.value) for one in targets.point]
        write_calibration_page(html, found.to_dict(), found.days, found.quantiles, points)
    if json:
        print_json({**found.to_dict(), "market": str(out), "page": None if html is None else str(html)})
        return
    _show(found)
    line(f"market: {out}" + ("" if html is None else f", page: {html}"))


def _products(chips: list[str]) -> dict[str, str]:
    from kilohour.errors import UsageError

    found = {}
    for text in chips:
        name, _, product = text.partition("=")
        if not name or not product:
            raise UsageError(f"--chip must be CHIP=PRODUCT such as H100=SIM:H100, found {text!r}")
        found[name] = product
    return found


def _show(found: Calibration) -> None:
    from kilohour.cli.output import grid, line, show

    told = found.to_dict()
    rows = [(one["target"], *(f"{one[key]:.4g}" for key in ("value", "tolerance", "before", "after", "checked")),
             "no" if one["target"] in told["missed"] else "yes") for one in told["targets"]]  # fmt: skip
    numbers = ("Asked", "Within", "Before", "After", "Check")
    show(grid(f"means over {found.seeds} seeds", ("Target", *numbers, "Met"), rows, right=numbers))
    pairs = [(name, f"{a:.4g}", f"{b:.4g}") for name, (a, b) in found.parameters.items()]
    show(grid("", ("Parameter", "Before", "After"), pairs, right=("Before", "After")))
    if all(a == b for a, b in found.parameters.values()):
        line("no parameter moves: the start meets every target")
    if told["missed"]:
        stuck = f"; {', '.join(told['at_bound'])} at its bound" if told["at_bound"] else ""
        line(f"missed: {', '.join(told['missed'])}{stuck}: let more move, as --fit scarcity_volatility")


def market_text(config: MarketConfig, missed: list[str], source: str) -> str:
    """A configuration as TOML that ``MarketConfig.load`` reads back."""
    said = "every target was met" if not missed else f"missed: {', '.join(missed)}"
    lines, tables = [f"# Made by kilohour data calibrate from {source}; {said}."], []
    for name, value in config.to_dict().items():
        if isinstance(value, list):
            tables += [(name, row) for row in value]
        else:
            lines.append(f"{name} = {_toml(value)}")
    for name, row in tables:
        lines += ["", f"[[{name}]]", *(f"{key} = {_toml(value)}" for key, value in row.items())]
    return "\n".join(lines) + "\n"


def _toml(value: object) -> str:
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return repr(value)
