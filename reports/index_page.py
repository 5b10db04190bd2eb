# SPDX-License-Identifier: Apache-2.0
"""One page of an index: its values, the votes behind them, and how far one provider could move each month."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kilohour.reports.charts.style import BLUE, GREY, Figure, layout, line, time_axis, value_axis
from kilohour.reports.page import escape, figure, number, percent, section, table, tiles, write_page
from kilohour.units import MICROS, date_of

if TYPE_CHECKING:
    from fractions import Fraction

    from kilohour.datafeeds.index import IndexSeries
    from kilohour.datafeeds.index.manipulation import Influence

DAY_MILLISECONDS = 86_400_000


def write_index_page(path: Path, series: IndexSeries, influences: list[Influence]) -> Path:
    """Writes the page and returns its path."""
    from kilohour.datafeeds.index.taped import notes_of

    method = series.method
    span = f"{date_of(series.prints[0].day)} to {date_of(series.prints[-1].day)}"
    header = f"<header><h1>{escape(method.code)}</h1><p>{escape(method.title)} · {span} (UTC)</p></header>"
    notes = "".join(f"<li>{escape(note)}</li>" for note in notes_of(series))
    footer = f"<footer>Method {escape(method.name)}, SHA-256 {method.sha256[:16]}. This file loads nothing from the network.</footer>"
    body = [
        header,
        _headline(series, influences),
        section("values", "The index", figure("index", _values(series), "The index by day")),
        section("made", "What it was made of", f"<ul>{notes}</ul>"),
        _influences(influences),
        section("method", "The method", f'<div class="box tall"><pre>{escape(method.text)}</pre></div>'),
        footer,
    ]
    return write_page(path, method.code, "".join(body))


def _headline(series: IndexSeries, influences: list[Influence]) -> str:
    worst = max(influences, key=lambda row: row.largest / row.settlement)
    segments = series.method.filters.segments
    voters = [p.voters for p in series.prints if not p.is_repeated]
    return tiles([
        ("Last value", f"${series.micros[-1] / MICROS:.4f}", f"per GPU-hour, {date_of(series.prints[-1].day)}"),
        ("Voters", f"{min(voters)} to {max(voters)}", f"a day, one a {escape(series.method.voter.by)}"),
        ("Segment", escape(" and ".join(segments)), "mixed, as the method says" if len(segments) > 1 else "not mixed with others"),
        ("One provider could move", percent(float(worst.largest / worst.settlement)), f"of {worst.month}: {escape(worst.provider)}"),
    ])  # fmt: skip


def _values(series: IndexSeries) -> Figure:
    days = series.days * float(DAY_MILLISECONDS)
    repeated = np.array([p.is_repeated for p in series.prints])
    values = series.micros / MICROS
    traces: list[dict[str, Any]] = [line("Index", days, values, BLUE, hovertemplate="%{y:$,.4f}")]
    if repeated.any():
        marks = {"type": "scatter", "mode": "markers", "name": "Repeated for want of votes", "marker": {"color": GREY, "size": 6}}
        traces.append({**marks, "x": days[repeated], "y": values[repeated]})
    return {"data": traces, "layout": layout(360, xaxis=time_axis(), yaxis=value_axis("USD per GPU-hour", tickformat="$.2f"))}


def _influences(influences: list[Influence]) -> str:
    shifts = list(influences[0].moved)
    heads = ["Month", "Provider", "Days", "Settlement", "Gone", *(f"{float(s):+.0%}" for s in shifts), "Largest"]
    rows = [
        [str(row.month), escape(row.provider), number(row.days), f"${float(row.settlement) / MICROS:.4f}", _move(row.without),
         *(_move(row.moved[s]) for s in shifts), percent(float(row.largest / row.settlement))]
        for row in sorted(influences, key=lambda row: -row.month)
    ]  # fmt: skip
    lead = ("The whole method run again with one provider gone, or with all its quotes of the month higher or lower: the move of "
            "the month's mean, exact. Largest is of the settlement.")  # fmt: skip
    return section("influence", "What one provider alone could do", table(heads, rows, text=2, tall=True), lead=lead)


def _move(move: Fraction | None) -> str:
    return "no print" if move is None else number(float(move) / MICROS, 4, sign=True)
