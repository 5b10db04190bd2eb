# SPDX-License-Identifier: Apache-2.0
"""``report.html`` of a sweep: a heat map, the count of trials, and how much of the best one is luck."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from kilohour.errors import DataError
from kilohour.reports.charts import sweep as charts
from kilohour.reports.folder import read_manifest
from kilohour.reports.page import empty, escape, figure, number, percent, section, table, tiles, write_page
from kilohour.reports.sections import modelled
from kilohour.reports.table import Table, read_table

LISTED = 25


def write_sweep_report(folder: Path) -> Path:
    """Writes ``report.html`` beside a sweep's ``manifest.json`` and ``trials.parquet`` and returns its path.

    ``trials.parquet`` has a column a parameter, then ``net_usd sharpe max_drawdown_usd fills`` (NaN for an undefined
    Sharpe ratio) and, when some of the tape was held back, the same with the prefix ``out_of_sample_``. The manifest
    has ``trials``, ``best`` (an object of the same columns) and ``deflated_sharpe`` (null when undefined), beside
    ``strategy``, ``tape``, ``modelled`` and ``assumptions`` as a run has them. Raises DataError when something is
    missing.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    trials = read_table(folder / "trials.parquet", ("net_usd", "sharpe", "max_drawdown_usd", "fills"))
    for key in ("trials", "best", "deflated_sharpe"):
        if key not in manifest:
            raise DataError(f"the manifest of a sweep must state {key!r}, found {', '.join(sorted(manifest))}")
    name = str(manifest.get("strategy", {}).get("name", "strategy"))
    return write_page(folder / "report.html", f"Sweep of {name}", "".join(_body(name, manifest, trials)))


def _body(name: str, manifest: dict[str, Any], trials: Table) -> list[str]:
    tape = manifest.get("tape", {})
    first, last = str(tape.get("start"))[:10], str(tape.get("end"))[:10]
    header = (
        f"<header><h1>Sweep of {escape(name)}</h1><p>{escape(first)} to {escape(last)} (UTC) · "
        f"prices: {escape(tape.get('source'))}</p></header>"
    )
    footer = f"<footer>kilohour {escape(manifest.get('kilohour'))}. This file loads nothing from the network.</footer>"
    return [header, _headline(manifest), modelled(manifest), _maps(trials), _outside(trials), _list(trials), footer]


def _headline(manifest: dict[str, Any]) -> str:
    best, count, deflated = manifest["best"] or {}, int(manifest["trials"]), manifest["deflated_sharpe"]
    outside = best.get(charts.OUTSIDE + "sharpe")
    boxes = [
        ("Trials", number(count), "every one counts against the best"),
        ("Best Sharpe ratio", number(best.get("sharpe"), 2), "a year, in sample"),
        ("Deflated Sharpe ratio", number(deflated, 3), "probability of more than luck, every trial counted"),
        ("Best net profit", _usd(best.get("net_usd")), "in sample, after all costs"),
    ]
    if charts.OUTSIDE + "sharpe" in best:
        boxes.append(("Out of sample", number(outside, 2), "Sharpe ratio of the best, on data it was not chosen on"))
    said = _verdict(count, deflated)
    known = [f"{k} = {v}" for k, v in best.items() if k not in charts.METRICS and not k.startswith(charts.OUTSIDE)]
    chosen = f"<p>Best trial: <code>{escape(', '.join(known))}</code></p>" if known else ""
    return f'<p class="verdict">{said}</p>{tiles(boxes)}{chosen}'


def _verdict(count: int, deflated: float | None) -> str:
    if deflated is None:
        return f"{count:,} trials; the best one's Sharpe ratio is undefined, so nothing can be said about its skill."
    chance = f"the probability that the best is better than luck makes the best of {count:,} is {percent(deflated)}"
    if deflated >= 0.95:
        return f"Counting every trial, {chance}: beyond the usual 95%, which says nothing about modelled prices."
    return f"Counting every trial, {chance}: not to be told from luck at the usual 95%."


def _maps(trials: Table) -> str:
    axes = charts.swept(trials)
    if not axes:
        return section("map", "Results over the parameters", empty("No parameter was varied."))
    if len(axes) == 1:
        return section(
            "map",
            "Results over the parameter",
            figure("lines", charts.lines(trials), f"Sharpe ratio over {axes[0].name}"),
        )
    others = ", ".join(axis.name for axis in axes[2:])
    lead = f"A cell is the median over {escape(others)}." if others else "A good region matters more than a good cell."
    inside = figure("map", charts.heat_map(trials), f"Results over {axes[0].name} and {axes[1].name}")
    if not charts.metrics(trials, charts.OUTSIDE):
        return section("map", "Results over the parameters", inside, lead=lead)
    outside = figure("outside", charts.heat_map(trials, charts.OUTSIDE), "The same out of sample")
    pair = f'<div class="columns"><div><h3>In sample</h3>{inside}</div><div><h3>Out of sample</h3>{outside}</div></div>'
    return section("map", "Results over the parameters", pair, lead=lead)


def _outside(trials: Table) -> str:
    if charts.OUTSIDE + "sharpe" not in trials.numbers:
        return section(
            "luck",
            "In sample against out of sample",
            empty("No data was held back: nothing shows how the choice travels."),
        )
    lead = "Each point is a trial. Skill lies along the dotted line; luck in sample falls to zero out of sample."
    return section(
        "luck",
        "In sample against out of sample",
        figure("luck", charts.in_and_out(trials), "In and out of sample"),
        lead=lead,
    )


def _list(trials: Table) -> str:
    ratio = trials.floats("sharpe")
    order = np.argsort(np.where(np.isnan(ratio), -np.inf, ratio), kind="stable")[::-1]
    shown = order[:LISTED]
    names = [*charts.parameters(trials), *charts.metrics(trials), *charts.metrics(trials, charts.OUTSIDE)]
    heads = [_head(name) for name in names]
    rows = [[_cell(trials, name, row) for name in names] for row in shown.tolist()]
    best = table(heads, rows, text=0, tall=True)
    whole = f"Best {len(rows):,} of {trials.rows:,} trials by Sharpe ratio in sample"
    return section("trials", "Trials", f'<p class="lead">{whole}; all are in trials.parquet.</p>', best)


def _head(name: str) -> str:
    if name.startswith(charts.OUTSIDE):
        return charts.METRICS.get(name.removeprefix(charts.OUTSIDE), name) + ", out of sample"
    return charts.METRICS.get(name, name)


def _cell(trials: Table, name: str, row: int) -> str:
    if name in trials.strings:
        return escape(trials.strings[name].text(row))
    value = trials.numbers[name][row].item()
    if value != value:
        return "n/a"
    plain = name.removeprefix(charts.OUTSIDE)
    if plain in ("net_usd", "max_drawdown_usd"):
        return _usd(value)
    return number(value, 2 if plain == "sharpe" else 0) if plain in charts.METRICS else f"<code>{escape(value)}</code>"


def _usd(value: float | None) -> str:
    if value is None:
        return "n/a"
    return ("−$" if value < 0 else "$") + number(abs(value))
