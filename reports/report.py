# SPDX-License-Identifier: Apache-2.0
"""``report.html`` of a run: one offline file, made from the run folder alone."""

from __future__ import annotations

from pathlib import Path

from kilohour.errors import EngineError
from kilohour.reports import evidence, sections
from kilohour.reports.folder import RunFolder, read_run
from kilohour.reports.page import escape, write_page

SIZE_MAX = 6_000_000
"""Bytes of a report, plotly.js (4.8 MB) included."""


def write_report(run_folder: Path) -> Path:
    """Writes ``report.html`` into a run folder and returns its path.

    Reads only the folder's manifest and tables. Long series are thinned, keeping their peaks and troughs, until the
    page fits in :data:`SIZE_MAX` bytes. Raises DataError when the folder lacks something or its books do not balance.
    """
    run = read_run(Path(run_folder))
    path = run.path / "report.html"
    for detail in (1.0, 0.5, 0.25, 0.1):
        written = write_page(path, sections.title(run), body(run, detail))
        if written.stat().st_size < SIZE_MAX:
            return written
    path.unlink()
    raise EngineError(f"a report must be under {SIZE_MAX:,} bytes; {run.path} gave more at the lowest detail")


def body(run: RunFolder, detail: float) -> str:
    """The page between header and footer; ``detail`` of 1 draws series in full, less draws fewer points."""
    points = int(3000 * detail)
    parts = [
        sections.header(run),
        sections.headline(run),
        sections.modelled(run.manifest),
        sections.equity(run, points),
        evidence.curve(run, detail),
        evidence.positions(run, detail),
        evidence.trades(run, detail),
        evidence.profit(run),
        evidence.margin(run, points),
        sections.months(run),
        evidence.settlements(run),
        evidence.orders(run),
        evidence.run_details(run),
        f"<footer>kilohour {escape(run.manifest.get('kilohour'))}. All times are UTC. "
        "This file loads nothing from the network.</footer>",
    ]
    return "".join(parts)
