# SPDX-License-Identifier: Apache-2.0
"""What ``kilohour data sources`` says of where data comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def sources_of() -> list[dict[str, Any]]:
    """Name, result and one line of each source."""
    from kilohour.datafeeds import source, source_names

    return [{"name": name, "gives": source(name).gives, "about": source(name).about} for name in source_names()]


def source_of(name: str) -> dict[str, Any]:
    """All a source says of itself. Raises :class:`~kilohour.errors.UnknownName` with the nearest name."""
    from kilohour.datafeeds import source

    its = source(name)
    return {
        "name": its.name,
        "gives": its.gives,
        "about": its.about,
        "time": its.time,
        "licence": its.licence,
        "defects": list(its.defects),
        "columns": [{"name": column.name, "unit": column.unit, "meaning": column.meaning} for column in its.columns],
        "options": dict(its.options),
        "needs": list(its.needs),
    }


def print_sources(rows: Sequence[Mapping[str, Any]]) -> None:
    """The list as a table."""
    from kilohour.cli.output import grid, line, show

    show(grid("", ("Source", "Gives", "What it holds"), [(row["name"], row["gives"], row["about"]) for row in rows]))
    line("kilohour data sources NAME tells columns, times and licence")


def print_source(row: Mapping[str, Any]) -> None:
    """One source as tables."""
    from kilohour.cli.output import grid, show

    told = [("Source", row["name"]), ("Gives", row["gives"]), ("Holds", row["about"]), ("Times", row["time"]), ("Licence", row["licence"])]
    show(grid("", ("What", "Value"), [*told, *(("Defect", text) for text in row["defects"])]))
    show(grid("Columns", ("Column", "Unit", "Meaning"), [(c["name"], c["unit"], c["meaning"]) for c in row["columns"]]))
    if row["options"]:
        needed = [(f"{name} (needed)" if name in row["needs"] else name, text) for name, text in row["options"].items()]
        show(grid("Options", ("Option", "Meaning"), needed))
