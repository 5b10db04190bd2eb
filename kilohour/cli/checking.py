# SPDX-License-Identifier: Apache-2.0
"""``kilohour data check``: what the folder holds, its findings with their grades, and how they are shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kilohour.errors import UsageError

HEADINGS = ("Grade", "Of", "Rule", "First day", "Count", "Detail")


def check_folder(folder: Path) -> dict[str, Any]:
    """What a tape, a table of quotes or one of prints shows: ``kind``, counts of errors and warnings, and each finding."""
    from kilohour.datafeeds.print_folder import TABLE as PRINTS
    from kilohour.datafeeds.quote_folder import TABLE as QUOTES

    if QUOTES.holds(folder):
        kind, findings = "quotes", _of_quotes(folder)
    elif PRINTS.holds(folder):
        kind, findings = "prints", _of_prints(folder)
    else:
        from kilohour.cli.tapes import graded
        from kilohour.tape.store import load

        kind, findings = "tape", graded(load(folder))
    errors = sum(row["grade"] == "error" for row in findings)
    return {kind: str(folder), "kind": kind, "errors": errors, "warnings": len(findings) - errors, "findings": findings}


def print_findings(checked: Mapping[str, Any], html: Path | None) -> None:
    """The findings as a table, then the counts."""
    from kilohour.cli.output import grid, line, show

    findings = checked["findings"]
    if findings:
        rows = [(row["grade"], row["contract"], row["rule"], row["day"], row["count"], row["detail"]) for row in findings]
        show(grid("", HEADINGS, rows, right=("Count",)))
    line(f"{checked['errors']} errors, {checked['warnings']} warnings")
    if html is not None:
        line(f"page: {html}")


def check_html(html: Path | None) -> None:
    """Raises :class:`UsageError` for a page that could not be written, before anything is computed."""
    if html is None:
        return
    if html.suffix != ".html":
        raise UsageError(f"--html must name a file that ends in .html, found {str(html)!r}")
    if not html.absolute().parent.is_dir() or html.is_dir():
        raise UsageError(f"--html must name a file in a folder that is there, found {str(html)!r}")


def _of_quotes(folder: Path) -> list[dict[str, Any]]:
    from kilohour.datafeeds.quote_check import STOPPING, check_quote_table
    from kilohour.datafeeds.quotes import Quotes

    found = check_quote_table(Quotes.load(folder))
    return [{"grade": "error" if one.rule in STOPPING else "warning", **asdict(one)} for one in found]


def _of_prints(folder: Path) -> list[dict[str, Any]]:
    from kilohour.datafeeds.print_check import check_prints
    from kilohour.datafeeds.prints import Prints

    return [{"grade": "error" if one.rule == "unit slip" else "warning", **asdict(one)} for one in check_prints(Prints.load(folder))]
