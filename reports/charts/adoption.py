# SPDX-License-Identifier: Apache-2.0
"""An adoption series as known on a day, curves through it with their bands, and what came later."""

from __future__ import annotations

from typing import Any

import numpy as np

from kilohour.reports.charts.style import BLUE, GREEN, GREY, INK, ORANGE, Figure, layout, line, single, time_axis, value_axis
from kilohour.reports.table import Floats

COLOURS = {"logistic": (BLUE, "rgba(31,119,180,0.16)"), "gompertz": (ORANGE, "rgba(230,159,0,0.16)"),
           "bass": (GREEN, "rgba(0,158,115,0.16)")}  # fmt: skip


def curves(points: tuple[Floats, Floats], later: tuple[Floats, Floats], fits: dict[str, tuple[Floats, Floats, Floats, Floats]], unit: str,
           on: float, top: float) -> Figure:
    """``points`` and ``later``: milliseconds and values; ``fits``: name to milliseconds, curve, lower and upper end. ``top``: the largest
    value drawn: a band without end is cut there."""
    traces: list[dict[str, Any]] = []
    for name, (x, middle, low, high) in fits.items():
        colour, shade = COLOURS[name]
        hover = "%{y:,.4g}"
        traces.append(line(f"{name}, low", x, _cut(low, top), colour, 0, showlegend=False, hovertemplate=hover))
        traces.append(line(f"{name}, 90 %", x, _cut(high, top), colour, 0, fill="tonexty", fillcolor=shade, hovertemplate=hover))
        traces.append(line(name, x, _cut(middle, top), colour, 1.8, hovertemplate=hover))
    marks = {"type": "scatter", "mode": "markers", "hovertemplate": "%{y:,.4g}"}
    traces.append({**marks, "name": "known", "x": points[0], "y": points[1], "marker": {"color": INK, "size": 7}})
    if len(later[0]):
        traces.append({**marks, "name": "came later", "x": later[0], "y": later[1],
                       "marker": {"color": "rgba(0,0,0,0)", "size": 7, "line": {"color": GREY, "width": 1.5}}})  # fmt: skip
    today = {"type": "line", "x0": on, "x1": on, "yref": "paper", "y0": 0, "y1": 1, "line": {"color": GREY, "width": 1, "dash": "dot"}}
    axis = value_axis(unit, type="log", tickformat=",~s", range=[float(np.log10(0.5 * _least(points, later))), float(np.log10(top))])
    margin = {"l": 64, "r": 14, "t": 64, "b": 36}
    return {"data": traces, "layout": layout(440, xaxis=time_axis(), yaxis=axis, shapes=[today], margin=margin)}


def _least(points: tuple[Floats, Floats], later: tuple[Floats, Floats]) -> float:
    return float(np.concatenate([points[1], later[1]]).min())


def _cut(values: Floats, top: float) -> Any:
    return single(np.clip(values, 1e-9, top * 10.0))
