# SPDX-License-Identifier: Apache-2.0
"""``kilohour data adoption``: S-curves through a series of adoption, as it was known on a day."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kilohour.cli import options

if TYPE_CHECKING:
    from kilohour.adoption import AdoptionFit, Known

EXAMPLES = """[bold]Examples[/bold]

[cyan]kilohour data adoption SIM-ADOPTION --on 2027-06-30[/cyan]

[cyan]kilohour data adoption chatgpt_weekly_active_users_million --file ai_adoption.csv --on 2026-06-30 --launch 2022-11-30 \
--html users.html[/cyan]"""

Series = Annotated[str, typer.Argument(metavar="SERIES", show_default=False, help="Code on the tape, or metric in the file.")]
On = Annotated[str, typer.Option("--on", metavar="DATE", show_default=False, help="Only what was known at the end of this day.")]
File = Annotated[
    Path | None,
    typer.Option("--file", metavar="FILE", show_default=False, help="A CSV or Parquet file with columns date, metric, value."),
]
Lag = Annotated[int, typer.Option("--release-lag", metavar="DAYS", min=0, help="With --file: days from a date until its value is known.")]
Launch = Annotated[
    str | None,
    typer.Option("--launch", metavar="DATE", show_default=False, help="Day from which adoption counts: adds the Bass curve."),
]
Html = Annotated[Path | None, typer.Option("--html", metavar="FILE", show_default=False, help="Write a page with the curves and bands.")]


def add_to(group: typer.Typer) -> None:
    """Adds the command to ``kilohour data``."""
    group.command("adoption", epilog=EXAMPLES)(adoption)


def adoption(
    series: Series,
    on: On,
    tape: options.TapeFolder = None,
    market: options.Market = None,
    file: File = None,
    release_lag: Lag = 45,
    launch: Launch = None,
    html: Html = None,
    json: options.Json = False,
) -> None:
    """Fit logistic, Gompertz and Bass curves to what was known of adoption on a day."""
    from kilohour.adoption import fit_adoption
    from kilohour.cli.output import line, print_json

    known, unit = _known(series, on, tape, market, file, release_lag)
    curves = ("logistic", "gompertz", *(("bass",) if launch is not None else ()))
    fits = [fit_adoption(known, curve=curve, launch=launch) for curve in curves]
    if html is not None:
        from kilohour.reports.adoption import write_adoption_page

        write_adoption_page(html, series, unit, fits)
    if json:
        print_json({"series": series, "unit": unit, "on": str(known.on), "values": len(known.days), "lag": known.lag,
                    "fits": [fit.to_dict() for fit in fits], "page": None if html is None else str(html)})  # fmt: skip
        return
    _show(series, unit, fits)
    if launch is None:
        line("no Bass curve: it needs the day from which adoption counts, --launch DATE")
    if html is not None:
        line(f"page: {html}")


def _known(series: str, on: str, tape: Path | None, market: str | None, file: Path | None, lag: int) -> tuple[Known, str]:
    from kilohour.adoption import known_series
    from kilohour.cli.source import tape_of
    from kilohour.errors import UnknownName, UsageError
    from kilohour.tape import Tape

    if file is None:
        source = tape_of(tape, market, None)
        loaded = Tape.load(source) if isinstance(source, Path) else source
        known = known_series(loaded, series, on=on)
        return known, next(index.unit for index in loaded.indices if index.code == series)
    if tape is not None or market is not None:
        raise UsageError(f"give --file or a tape, not both, found --file {file}")
    from kilohour.datafeeds.reading import read_table
    from kilohour.units import date_of

    table = read_table(file, {"date": "day", "metric": "text", "value": "number"})
    own = table[table["metric"] == series]
    if not len(own):
        raise UnknownName("metric", series, table["metric"], where=file.name)
    return known_series(([date_of(int(day)) for day in own["date"]], own["value"].tolist()), on=on, release_lag_days=lag), "as in the file"


def _show(series: str, unit: str, fits: list[AdoptionFit]) -> None:
    from kilohour.cli.output import grid, line, show

    known = fits[0].known
    rows = []
    for fit in fits:
        ceiling, band, rate = fit.told()
        known_too = "yes" if fit.is_identified else "no"
        rows.append((fit.curve, ceiling, band, known_too, str(fit.midpoint), rate, f"{100 * fit.sigma:.1f} %"))
    show(grid(f"{series} on {known.on}, {unit}", ("Curve", "Ceiling", "90 % band", "Known", "Steepest", "Rate a year", "Error"), rows))
    line(f"{len(known.days)} values; {known.lag}")
