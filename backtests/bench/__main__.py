# SPDX-License-Identifier: Apache-2.0
"""``python -m kilohour.backtests.bench [--json FILE] [--page FILE --date DAY] [--quick] [--only NAME]``."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Iterator
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from kilohour.backtests.bench import curve, data, engine, indicators, live, process, sandbox, scenario
from kilohour.backtests.bench.page import into, number, page_of, told
from kilohour.backtests.bench.timing import Row, Sizes, pin, processors
from kilohour.errors import UnknownName

WORK: dict[str, Callable[[Sizes], Iterator[Row]]] = {
    "cross": engine.one_instrument,
    "spread": engine.many_contracts,
    "resting": engine.resting_orders,
    "sweep": engine.parameter_sweep,
    "indicators": indicators.rolling,
    "curve": curve.work,
    "scenario": scenario.fan,
    "live": live.event_to_order,
    "process": process.command_line,
    "memory": process.load_and_memory,
    "data": data.import_quotes,
    "sandbox": sandbox.round_trips,
}
LIBRARIES = ("kilohour", "numpy", "numba", "pandas", "pyarrow", "vectorbt", "vectorbt-rust", "backtesting", "backtrader", "TA-Lib",
             "bottleneck", "polars", "scipy", "statsmodels")


def run(sizes: Sizes, names: list[str], show: Callable[[Row], None]) -> dict[str, Any]:
    """Measures the named pieces of work on one core and returns all rows with the machine they were measured on."""
    unknown = [name for name in names if name not in WORK]
    if unknown:
        raise UnknownName("work", unknown[0], WORK, where="the benchmark")
    pin(processors(1))
    rows: list[Row] = []
    for name in names or list(WORK):
        for row in WORK[name](sizes):
            rows.append(row)
            show(row)
    return {"machine": _machine(), "rows": [asdict(row) for row in rows]}


def _machine() -> dict[str, Any]:
    load = os.getloadavg() if hasattr(os, "getloadavg") else ()
    return {"processor": _processor(), "cores": os.cpu_count(), "python": platform.python_version(), "system": platform.platform(),
            "load_average": [round(value, 2) for value in load], "versions": {name: _version(name) for name in LIBRARIES}}


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def cells(row: Row) -> list[str]:
    """A row as the table shows it: ours, the bar and the goal with whether they are reached, the peers with the ratio."""
    marks = [f"{number(aim)} {'yes' if row.reaches(aim) else 'NO'}" if aim is not None else "" for aim in (row.bar, row.goal)]
    return [row.work, f"{number(row.ours)} {row.unit}", *marks, "\n".join(told(row)), row.note]


def table_of(rows: list[Row]) -> Table:
    """All rows as one table."""
    table = Table(title="kilohour, one core, median of five; (x) is how many times better we are", title_justify="left")
    for heading in ("work", "ours", "bar", "goal", "peers", "note"):
        table.add_column(heading, justify="right" if heading in ("ours", "bar", "goal") else "left")
    for row in rows:
        table.add_row(*cells(row))
    return table


def main(
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write machine and rows as JSON.")] = None,
    page: Annotated[Path | None, typer.Option("--page", metavar="FILE", help="Write the rows into a page, as docs/speed.md.")] = None,
    date: Annotated[str, typer.Option("--date", metavar="DAY", help="Day of the measurement, for the page.")] = "",
    quick: Annotated[bool, typer.Option("--quick", help="Tiny sizes: does it work?")] = False,
    only: Annotated[list[str] | None, typer.Option("--only", metavar="NAME", help=f"One of {', '.join(WORK)}; may be repeated.")] = None,
) -> None:
    """Measure speed and memory, beside peers where they are installed."""
    rows: list[Row] = []
    if page is not None and not date:
        raise typer.BadParameter("a page states its day: give --date")
    errors = Console(stderr=True, soft_wrap=True)

    def show(row: Row) -> None:
        rows.append(row)
        errors.print(f"{row.work}: {number(row.ours)} {row.unit}", highlight=False)

    try:
        found = run(Sizes.quick() if quick else Sizes(), only or [], show)
    except UnknownName as error:
        raise typer.BadParameter(str(error)) from None
    Console(width=None if errors.is_terminal else 200).print(table_of(rows))
    if page is not None:
        page.write_text(into(page.read_text(encoding="utf-8"), page_of(found, date)), encoding="utf-8")
    if json_file is not None:
        json_file.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
