# SPDX-License-Identifier: Apache-2.0
"""Observed prices of a product beside the quantiles of its simulated prices."""

from __future__ import annotations

from typing import Any

from kilohour.reports.charts.style import BLUE, INK, Figure, layout, line, single, spread_out, time_axis, value_axis
from kilohour.reports.table import Floats

SHADES = ("rgba(31,119,180,0.14)", "rgba(31,119,180,0.28)")


def beside(days: Floats, quantiles: Floats, points: tuple[Floats, Floats]) -> Figure:
    """``days``: milliseconds (days,); ``quantiles``: 5, 25, 50, 75, 95 % × days; ``points``: milliseconds and values observed."""
    keep = spread_out(len(days), 500)
    x, some = days[keep], quantiles[:, keep]
    traces: list[dict[str, Any]] = []
    for (low, high), shade, name in zip(((0, 4), (1, 3)), SHADES, ("5 to 95 % of seeds", "25 to 75 % of seeds"), strict=True):
        traces.append(line(name, x, single(some[low]), BLUE, 0, showlegend=False, hoverinfo="skip"))
        traces.append(line(name, x, single(some[high]), BLUE, 0, fill="tonexty", fillcolor=shade, hovertemplate="%{y:$,.2f}"))
    traces.append(line("simulated, median", x, single(some[2]), BLUE, 1.8, hovertemplate="%{y:$,.2f}"))
    mode = "markers" if len(points[0]) <= 60 else "lines"
    traces.append({"type": "scatter", "mode": mode, "name": "observed", "x": points[0], "y": points[1], "hovertemplate": "%{y:$,.2f}",
                   "marker": {"color": INK, "size": 7}, "line": {"color": INK, "width": 1.3}})  # fmt: skip
    axis = value_axis("USD per GPU-hour", tickformat="$,.2f")
    return {"data": traces, "layout": layout(380, xaxis=time_axis(), yaxis=axis, margin={"l": 64, "r": 14, "t": 64, "b": 36})}
