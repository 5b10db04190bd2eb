# SPDX-License-Identifier: Apache-2.0
"""``kilohour report``: makes ``report.html`` again from a run's folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

RunFolder = Annotated[Path, typer.Argument(metavar="RUN", show_default=False, help="Folder of a run or of a sweep.")]


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(epilog="Example: [cyan]kilohour report runs/calendar-spread[/cyan]")(report)


def report(run: RunFolder) -> None:
    """Make report.html again from the folder of a run or a sweep."""
    from kilohour.cli.output import Waiting, line
    from kilohour.reports.report import write_report
    from kilohour.reports.sweep import write_sweep_report

    write = write_sweep_report if (run / "trials.parquet").is_file() else write_report
    with Waiting("report"):
        path = write(run)
    line(f"report: {path}")
