# SPDX-License-Identifier: Apache-2.0
"""``kilohour data continuous``: one contract's marks after another, joined at rolls, as a table or CSV."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kilohour.cli import options

if TYPE_CHECKING:
    import pandas as pd

EXAMPLE = "Example: [cyan]kilohour data continuous SIM:H100 --roll interest --csv h100.csv[/cyan]"

ProductCode = Annotated[str, typer.Argument(metavar="PRODUCT", show_default=False, help="Code of a product, as SIM:H100.")]
Method = Annotated[str, typer.Option("--method", help="What happens to the gap at a roll: difference, ratio or none.")]
Schedule = Annotated[str, typer.Option("--roll", help="When it rolls: days, volume or interest.")]
Days = Annotated[int, typer.Option("--days", help="Calendar days before the fixing window, at the latest.")]
Confirm = Annotated[int, typer.Option("--confirm", help="Days running that volume or interest must be the larger.")]
Anchor = Annotated[str, typer.Option("--anchor", help="Which prices stay as they are: last or first.")]
Csv = Annotated[Path | None, typer.Option("--csv", metavar="FILE", show_default=False, help="Write the whole series as CSV.")]


def add_to(group: typer.Typer) -> None:
    """Adds the command to ``kilohour data``."""
    group.command("continuous", epilog=EXAMPLE)(continuous_series)


def continuous_series(
    product: ProductCode, tape: options.TapeFolder = None, market: options.Market = None, method: Method = "difference",
    roll: Schedule = "days", days: Days = 5, confirm: Confirm = 1, anchor: Anchor = "last", csv: Csv = None, json: options.Json = False,
) -> None:  # fmt: skip
    """Join a product's contracts into one series, for indicators and plots. Nobody can trade it."""
    from kilohour.cli.output import print_json
    from kilohour.cli.source import tape_of
    from kilohour.tape.continuous import continuous
    from kilohour.tape.store import load

    found = tape_of(tape, market, None)
    held = load(found) if isinstance(found, Path) else found
    frame = continuous(held, product, method=method, roll=roll, days=days, confirm=confirm, anchor=anchor)
    if csv is not None:
        frame.assign(day=frame.index.strftime("%Y-%m-%d")).set_index("day").to_csv(csv, float_format="%.6f")  # type: ignore[attr-defined]
    if json:
        print_json(_plain(frame, csv))
    else:
        _print(frame, csv)


def _plain(frame: pd.DataFrame, csv: Path | None) -> dict[str, Any]:
    days = [str(day.date()) for day in frame.index]
    rows = zip(days, frame.contract, frame.mark, frame.price, strict=True)
    return {
        "code": frame.attrs["code"],
        "csv": None if csv is None else str(csv),
        "rolls": int(frame.rolled.sum()),
        "series": [{"day": day, "contract": code, "mark": mark, "price": round(price, 6)} for day, code, mark, price in rows],
    }


def _print(frame: pd.DataFrame, csv: Path | None) -> None:
    from kilohour.cli.output import grid, line, show

    held = frame.groupby(frame.rolled.cumsum())
    rows = [(part.contract.iloc[0], str(part.index[0].date()), str(part.index[-1].date()), f"{part.mark.iloc[-1]:,.4f}",
             f"{part.price.iloc[-1]:,.4f}") for _, part in held]
    line(f"{frame.attrs['code']}: {len(frame):,} days, {len(rows) - 1} rolls; for indicators and plots only")
    show(grid("", ("Contract", "From", "To", "Last mark", "Joined"), rows, right=("Last mark", "Joined")))
    if csv is not None:
        line(f"series: {csv}")
