# SPDX-License-Identifier: Apache-2.0
"""A fan of paths: bands of quantiles through time, and the spread of what was left at the end."""

from __future__ import annotations

from typing import Any

import numpy as np

from kilohour.reports.charts.style import (
    BLUE,
    GREEN,
    GREY,
    MONEY,
    ORANGE,
    VERMILION,
    Figure,
    layout,
    line,
    single,
    spread_out,
    time_axis,
    value_axis,
)
from kilohour.reports.table import Floats, Ints

BANDS = ((5, 95, "rgba(31,119,180,0.16)"), (25, 75, "rgba(31,119,180,0.30)"))


def bands(days: Ints, values: Floats, shown: dict[str, int], unit: str, *, start: float | None = None, points: int = 500) -> Figure:
    """Quantiles of many paths by day, and single paths by name.

    ``days``: milliseconds (days,); ``values``: paths × days, NaN where a path has none; ``shown``: name to row of a single path.
    """
    keep = spread_out(len(days), points)
    x, some = days[keep], values[:, keep]
    known = ~np.isnan(some).all(axis=0)
    quantile = np.full((5, len(keep)), np.nan)
    if known.any():
        quantile[:, known] = np.nanquantile(some[:, known], (0.05, 0.25, 0.5, 0.75, 0.95), axis=0)
    at = {5: 0, 25: 1, 50: 2, 75: 3, 95: 4}
    hover = "%{y:$,.2f}" if start is None else "%{y:$,.0f}"
    traces: list[dict[str, Any]] = []
    for low, high, colour in BANDS:
        name = f"{low} to {high} % of paths"
        traces.append(line(f"{low} %", x, _drawn(quantile[at[low]]), BLUE, 0, showlegend=False, hovertemplate=hover))
        traces.append(line(name, x, _drawn(quantile[at[high]]), BLUE, 0, fill="tonexty", fillcolor=colour, hovertemplate=hover))
    traces.append(line("Median of each day", x, _drawn(quantile[2]), BLUE, 2.0, hovertemplate=hover))
    for (name, row), colour in zip(shown.items(), (VERMILION, ORANGE, GREEN), strict=False):
        traces.append(line(name, x, _drawn(some[row]), colour, 1.1, hovertemplate=hover))
    if start is not None:
        traces.append(line("Cash at the start", x[[0, -1]], np.full(2, start), GREY, 1.0, line={"dash": "dot"}, hoverinfo="skip"))
    axis = value_axis(unit, **(MONEY if start is not None else {"tickformat": "$,.2f"}))
    return {"data": traces, "layout": layout(420, xaxis=time_axis(), yaxis=axis, margin={"l": 64, "r": 14, "t": 64, "b": 36})}


def spread(values: Floats, title: str, bins: int = 40) -> Figure:
    """A histogram; the dotted line stands at zero."""
    edges = np.histogram_bin_edges(values, bins=bins) if np.ptp(values) > 0 else np.array([values[0] - 1.0, values[0] + 1.0])
    counts, _ = np.histogram(values, bins=edges)
    middle = (edges[1:] + edges[:-1]) / 2
    bars = {"type": "bar", "x": single(middle), "y": counts.astype(np.int32), "width": single(np.diff(edges)), "showlegend": False,
            "marker": {"color": np.where(middle < 0, VERMILION, BLUE).tolist(), "line": {"width": 0}},
            "hovertemplate": "%{x:$,.0f}: %{y} paths<extra></extra>"}  # fmt: skip
    x = {"title": {"text": title, "font": {"size": 11}, "standoff": 6}, "showgrid": False, "nticks": 7, "tickformat": "$~s"}
    return {"data": [bars], "layout": layout(300, xaxis=x, yaxis=value_axis("Paths"), hovermode="closest", bargap=0.0)}


def _drawn(values: Floats) -> Any:
    """NaN cannot be written in JSON but can in a packed array; floats of single precision are enough to draw."""
    return single(values)
