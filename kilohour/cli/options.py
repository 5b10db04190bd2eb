# SPDX-License-Identifier: Apache-2.0
"""Options that several commands share: what to trade on, and with which assumptions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_DATA = "Data"
_RUN = "Run"

Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        show_default=False,
        help="A built-in strategy, a plug-in, or [cyan]path/to/file.py:Class[/cyan].",
    ),
]
TapeFolder = Annotated[
    Path | None,
    typer.Option(
        "--tape",
        metavar="DIR",
        rich_help_panel=_DATA,
        show_default=False,
        help="A tape folder, as [cyan]kilohour data import[/cyan] writes it.",
    ),
]
Market = Annotated[
    str | None,
    typer.Option(
        "--market",
        metavar="SEED|FILE",
        rich_help_panel=_DATA,
        show_default=False,
        help="The embedded market of a seed, or of a TOML file (FILE:SEED for both); seed 7 unless given.",
    ),
]
ScenarioFile = Annotated[
    str | None,
    typer.Option(
        "--scenario",
        metavar="NAME|FILE",
        rich_help_panel="Scenario",
        show_default=False,
        help="What happens to the embedded market: the name of a shipped scenario ([cyan]kilohour scenarios[/cyan] lists them) "
        "or a TOML file; --market is its seed.",
    ),
]
First = Annotated[
    str | None,
    typer.Option("--from", metavar="DAY", rich_help_panel=_DATA, show_default=False, help="First day, as 2026-01-31."),
]
Last = Annotated[
    str | None,
    typer.Option("--to", metavar="DAY", rich_help_panel=_DATA, show_default=False, help="Last day, included."),
]
Cash = Annotated[
    float,
    typer.Option("--cash", metavar="USD", rich_help_panel=_RUN, show_default="1,000,000", help="Cash at the start."),
]
Assume = Annotated[
    list[str] | None,
    typer.Option(
        "--assume",
        metavar="FILE",
        rich_help_panel=_RUN,
        show_default=False,
        help="Assumptions for unknown terms, by name or file; may be repeated.",
    ),
]
Contracts = Annotated[
    Path | None,
    typer.Option(
        "--contracts",
        metavar="FILE",
        rich_help_panel=_RUN,
        show_default=False,
        help="A TOML file of products of your own.",
    ),
]
Venue = Annotated[
    str | None,
    typer.Option(
        "--venue",
        metavar="NAME|FILE",
        rich_help_panel=_RUN,
        show_default="the product's own",
        help="Whose orders are accepted and refused: [cyan]kilohour contracts venues[/cyan] lists them; or a TOML file of your own.",
    ),
]
Fills = Annotated[
    list[str] | None,
    typer.Option(
        "--fills",
        metavar="NAME=VALUE",
        rich_help_panel=_RUN,
        show_default=False,
        help="How orders fill: model=path, open, quote or book, slippage_ticks=1, slippage_percent=0.01, latency_ms=50, "
        "stale_after_s=60; may be repeated.",
    ),
]
CashRate = Annotated[
    str,
    typer.Option(
        "--cash-rate",
        metavar="SHARE|SERIES",
        rich_help_panel=_RUN,
        show_default=False,
        help="Interest on cash a year, actual/360: 0.0433 for 4.33 %, or a series of the tape that prints per cent; none unless given.",
    ),
]
Limits = Annotated[
    Path | None,
    typer.Option(
        "--limits",
        metavar="FILE",
        rich_help_panel=_RUN,
        show_default=False,
        help="A TOML file of a risk desk's limits, such as [cyan]order_lots = 50[/cyan]; its table \\[live] is for paper and live runs.",
    ),
]
Interpreted = Annotated[
    bool,
    typer.Option("--interpreted", rich_help_panel=_RUN, help="Run the strategy in CPython instead of compiling it."),
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="DIR",
        rich_help_panel=_RUN,
        show_default=False,
        help="Folder of the run; without it a new one under runs/.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")]
OutTape = Annotated[Path, typer.Option("--out", metavar="TAPE", show_default=False, help="Folder of the tape to write.")]

CASH_USD = 1_000_000.0
"""Repeats :data:`kilohour.backtests.prepare.CASH_USD`, which costs an import of numpy; a test compares the two."""
