# SPDX-License-Identifier: Apache-2.0
"""The futures curve through time: a surface of weeks by months ahead, and chosen days as lines."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kilohour.reports.charts.style import (
    GRID,
    SEQUENCE,
    VERMILION,
    Figure,
    dollars,
    layout,
    line,
    single,
    spread_out,
    value_axis,
)
from kilohour.reports.table import Floats, Ints, Table

AHEAD = "Contract, counted from the first not yet fixing"
SHADES = ("#3b63a8", "#4b5a7a", "#7c7b78", "#b0a06b", "#dcc14a")
"""Cividis from its dark to its light end, oldest day first; the dark end lifted to show on a dark page."""


def products_of(curve: Table) -> tuple[str, ...]:
    """Products with at least one dated contract on the curve, in order of first row."""
    labels = curve.labels("product")
    dated = curve.where(curve.integers("nth") > 0).labels("product")
    used = set(np.unique(dated.codes).tolist())
    return tuple(name for code, name in enumerate(labels.names) if code in used)


def grid(curve: Table, product: str) -> tuple[Ints, Ints, Floats, Ints]:
    """Marks in dollars by day and place on the curve.

    Returns (times (days,), places (months,), marks (days, months) with NaN where there is none, delivery months
    (days, months) with 0 where there is none).
    """
    own = curve.where(curve.labels("product").is_any(product) & (curve.integers("nth") > 0))
    times, day = np.unique(own.integers("ts"), return_inverse=True)
    places, place = np.unique(own.integers("nth"), return_inverse=True)
    marks = np.full((len(times), len(places)), np.nan)
    months = np.zeros((len(times), len(places)), dtype=np.int64)
    marks[day, place] = dollars(own.integers("mark_micros"))
    months[day, place] = own.integers("month")
    return times, places, marks, months


def surface(curve: Table, product: str, weeks: int = 300) -> Figure:
    """Price over weeks and contracts ahead; at most ``weeks`` weeks are drawn.

    Where a browser has no WebGL the report shows the same as a heat map.
    """
    times, places, marks, _ = grid(curve, product)
    keep = spread_out(len(times), weeks)
    trace: dict[str, Any] = {
        "type": "surface", "x": places, "y": _dates(times[keep]), "z": single(marks[keep]), "colorscale": SEQUENCE,
        "connectgaps": True, "colorbar": {"thickness": 10, "len": 0.7, "tickformat": "$~g", "outlinewidth": 0},
        "hovertemplate": "%{y|%Y-%m-%d}, contract %{x}: %{z:$,.4f}<extra></extra>",
    }  # fmt: skip
    axis = {"gridcolor": GRID, "backgroundcolor": "rgba(0,0,0,0)", "showspikes": False}
    return {
        "data": [trace],
        "layout": layout(
            430,
            hovermode="closest",
            margin={"l": 0, "r": 0, "t": 0, "b": 0},
            scene={
                "xaxis": {**axis, "title": {"text": "contract"}},
                "yaxis": {**axis, "title": {"text": ""}, "type": "date", "nticks": 6},
                "zaxis": {**axis, "title": {"text": "USD"}},
                "aspectmode": "manual",
                "aspectratio": {"x": 1.0, "y": 1.7, "z": 0.7},
                "camera": {"eye": {"x": -1.8, "y": -1.9, "z": 0.9}, "center": {"x": 0.1, "y": 0.1, "z": -0.15}},
            },
        ),
    }


def days(curve: Table, product: str, choices: int = 60) -> Figure:
    """The curve on five days spread over the run, and on one the reader picks (of ``choices`` at most)."""
    times, places, marks, months = grid(curve, product)
    traces = []
    fixed = spread_out(len(times), 5)
    for place, row in enumerate(fixed.tolist()):
        shade = SHADES[place * (len(SHADES) - 1) // max(1, len(fixed) - 1)]
        traces.append(_day_line(_date(times[row]), places, marks[row], months[row], shade, 1.4))
    steps = spread_out(len(times), choices)
    if len(steps):
        chosen = int(steps[-1])
        picked = _day_line("Chosen day", places, marks[chosen], months[chosen], VERMILION, 2.6)
        traces.append({**picked, "mode": "lines+markers", "marker": {"size": 5}})
    return {
        "data": traces,
        "layout": layout(
            460,
            margin={"l": 64, "r": 14, "t": 54, "b": 44},
            xaxis={
                "title": {"text": AHEAD, "font": {"size": 11}},
                "showgrid": False,
                "linecolor": GRID,
                "nticks": 12,
                "zeroline": False,
            },
            yaxis=value_axis("USD", tickformat="$~g", hoverformat="$,.4f"),
            sliders=[_slider(times, marks, months, steps, len(traces) - 1)] if len(steps) else [],
        ),
    }


def _day_line(name: str, places: Ints, marks: Floats, months: Ints, colour: str, width: float) -> dict[str, Any]:
    return line(name, places, single(marks), colour, width, customdata=months.astype(np.int32), connectgaps=True,
                hovertemplate="%{y:$,.4f} (delivery %{customdata})")  # fmt: skip


def _slider(times: Ints, marks: Floats, months: Ints, steps: Ints, trace: int) -> dict[str, Any]:
    # A slider's arguments are taken as they stand: plain lists, no packed arrays.
    return {
        "active": len(steps) - 1,
        "pad": {"t": 62, "b": 4},
        "len": 1.0,
        "x": 0.0,
        "ticklen": 0,
        "minorticklen": 0,
        "currentvalue": {"prefix": "Chosen day: ", "xanchor": "left", "font": {"size": 12}},
        "font": {"size": 10, "color": "rgba(0,0,0,0)"},
        "steps": [
            {
                "label": _date(times[row]),
                "method": "restyle",
                "args": [{"y": [_plain(marks[row])], "customdata": [months[row].tolist()]}, [trace]],
            }
            for row in steps.tolist()
        ],
    }


def _plain(values: NDArray[Any]) -> list[float | None]:
    return [None if value != value else round(value, 6) for value in values.tolist()]


def _dates(times: Ints) -> list[str]:
    return [_date(time) for time in times]


def _date(time: Any) -> str:
    return str(np.datetime64(int(time), "ns").astype("datetime64[D]"))
