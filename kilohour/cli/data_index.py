# SPDX-License-Identifier: Apache-2.0
"""``kilohour data index``: an index by a documented method over quotes, and how far one provider could move it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kilohour.cli import options

if TYPE_CHECKING:
    from kilohour.datafeeds.index import IndexSeries
    from kilohour.datafeeds.index.manipulation import Influence

EXAMPLE = "Example: [cyan]kilohour data index neocloud-median --quotes quotes/neocloud --out tapes/h100[/cyan]"

MethodName = Annotated[
    str,
    typer.Argument(metavar="METHOD", show_default=False, help="A TOML file, or neocloud-median, hyperscaler-list or aws-spot-us."),
]
QuotesFolder = Annotated[Path, typer.Option("--quotes", metavar="DIR", show_default=False, help="Folder of quotes, from data import.")]
Page = Annotated[Path | None, typer.Option("--html", metavar="FILE", show_default=False, help="Write index and influence as one page.")]
Months = Annotated[int, typer.Option("--months", metavar="N", min=1, help="Months of the influence table, the last ones.")]


def add_to(group: typer.Typer) -> None:
    """Adds the command to ``kilohour data``."""
    group.command("index", epilog=EXAMPLE)(index)


def index(
    method: MethodName, quotes: QuotesFolder, out: options.OutTape, html: Page = None, months: Months = 1, json: options.Json = False
) -> None:
    """Build an index from quotes by a method, as a tape of prints, and say how far one provider could move it."""
    from kilohour.cli.output import Waiting, print_json
    from kilohour.datafeeds.index import Method, build_index
    from kilohour.datafeeds.index.manipulation import manipulation
    from kilohour.datafeeds.index.taped import tape_of
    from kilohour.datafeeds.quotes import Quotes
    from kilohour.tape.store import check_replaceable

    rules = Method.load(method)
    check_replaceable(out)
    with Waiting(f"index {rules.name}"):
        series = build_index(Quotes.load(quotes), rules)
        influences = manipulation(series)
        tape_of(series, quotes.name).save(out)
    last = sorted({row.month for row in influences})[-months:]
    shown = [row for row in influences if row.month in last]
    if html is not None:
        from kilohour.reports.index_page import write_index_page

        write_index_page(html, series, influences)
    if json:
        print_json(_plain(series, shown, out, html))
    else:
        _print(series, shown, out, html)


def _plain(series: IndexSeries, shown: list[Influence], out: Path, html: Path | None) -> dict[str, Any]:
    from kilohour.units import date_of

    return {
        "method": series.method.name,
        "sha256": series.method.sha256,
        "code": series.method.code,
        "segments": list(series.method.filters.segments),
        "quotes": dict(series.told),
        "prints": len(series.prints),
        "first": str(date_of(series.prints[0].day)),
        "last": str(date_of(series.prints[-1].day)),
        "last_value_micros": int(series.micros[-1]),
        "tape": str(out),
        "html": None if html is None else str(html),
        "influence": [_row(influence) for influence in shown],
    }


def _row(influence: Influence) -> dict[str, Any]:
    def micros(move: Any) -> int | None:
        return None if move is None else round(move)

    return {
        "month": influence.month,
        "provider": influence.provider,
        "days": influence.days,
        "settlement_micros": micros(influence.settlement),
        "without_micros": micros(influence.without),
        "moved_micros": {f"{float(shift):+g}": micros(move) for shift, move in influence.moved.items()},
        "largest_micros": micros(influence.largest),
    }


def _print(series: IndexSeries, shown: list[Influence], out: Path, html: Path | None) -> None:
    from kilohour.cli.output import grid, line, show
    from kilohour.datafeeds.index.taped import notes_of
    from kilohour.units import MICROS

    line(f"{series.method.title}: {len(series.prints):,} prints, the last {series.micros[-1] / MICROS:.4f} USD per GPU-hour")
    for note in notes_of(series):
        line(f"  - {note}")
    for month in sorted({row.month for row in shown}):
        rows = [row for row in shown if row.month == month]
        settled = f"{float(rows[0].settlement) / MICROS:.4f}"
        heads = ("Provider", "Days", "Gone", *(f"{float(shift):+.0%}" for shift in rows[0].moved), "Largest")
        cells = [
            (row.provider, row.days, _move(row.without), *map(_move, row.moved.values()), f"{float(row.largest / row.settlement):.1%}")
            for row in rows
        ]
        show(grid(f"What one provider alone could do to the mean of {month}, {settled} USD", heads, cells, right=heads[1:]))
    line(f"tape: {out}")
    if html is not None:
        line(f"page: {html}")


def _move(move: Any) -> str:
    return "no print" if move is None else f"{float(move) / 1e6:+.4f}"
