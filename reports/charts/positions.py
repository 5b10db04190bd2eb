# SPDX-License-Identifier: Apache-2.0
"""Positions by contract month through time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kilohour.reports.charts.style import DIVERGING, Figure, in_order, layout, milliseconds, rows, time_axis, value_axis
from kilohour.reports.folder import by_product, months_of
from kilohour.reports.table import Floats, Ints, Table

PANELS = 4


def positions(table: Table, marks: Ints, products: Sequence[str] = (), columns: int = 360) -> Figure:
    """Lots held by months to delivery (down) and time (across), a panel a product, at most four.

    Blue is long, orange is short. ``marks`` are the times of all mark groups, so that a time without a position stays
    empty. Each column shows a contract's largest position of its stretch of time. A perpetual stands at zero months.
    """
    labels = by_product(table.labels("contract"))
    held = in_order((labels.names[code] for code in np.unique(labels.codes).tolist()), products)[:PANELS]
    domains = rows(max(1, len(held)), [1.0] * max(1, len(held)), 0.09)
    largest = max(1, int(np.abs(table.integers("lots")).max(initial=0)))
    figure: dict[str, Any] = layout(
        110 + 190 * max(1, len(held)),
        hovermode="closest",
        xaxis=time_axis(anchor=f"y{len(held)}" if len(held) > 1 else "y"),
        annotations=[],
    )
    traces = []
    for panel, name in enumerate(held):
        axis = "" if panel == 0 else str(panel + 1)
        own = table.where(labels.is_any(name))
        x, y, lots, months = _grid(own, marks, columns)
        traces.append({
            "type": "heatmap", "x": x, "y": y, "z": lots, "customdata": months, "yaxis": f"y{axis}", "zmid": 0,
            "zmin": -largest, "zmax": largest, "colorscale": DIVERGING, "hoverongaps": False, "showscale": panel == 0,
            "colorbar": {"thickness": 10, "title": {"text": "lots", "side": "top"}, "outlinewidth": 0,
                         "tickformat": "d"},
            "hovertemplate": "%{x|%Y-%m-%d}, delivery %{customdata}: %{z:+,d} lots<extra></extra>",
        })  # fmt: skip
        figure[f"yaxis{axis}"] = value_axis(
            "Months to delivery", domain=domains[panel], zeroline=False, dtick=max(1, -(-len(y) // 7))
        )
        figure["annotations"].append(
            {
                "text": name,
                "xref": "paper",
                "yref": "paper",
                "x": 0,
                "y": domains[panel][1],
                "yanchor": "bottom",
                "showarrow": False,
                "font": {"size": 12},
            }
        )
    return {"data": traces, "layout": figure}


def _grid(own: Table, marks: Ints, columns: int) -> tuple[Floats, Ints, Any, Any]:
    ts, lots, delivery = own.integers("ts"), own.integers("lots"), months_of(own.labels("contract"))
    edges = marks if len(marks) <= columns else marks[np.linspace(0, len(marks) - 1, columns).round().astype(np.int64)]
    edges = np.unique(edges) if len(edges) else np.unique(ts)
    column = np.clip(np.searchsorted(edges, ts, side="right") - 1, 0, len(edges) - 1)
    ahead = np.where(delivery > 0, delivery // 100 * 12 + delivery % 100 - 1 - _month_number(ts), 0)
    first, last = min(0, int(ahead.min())), int(ahead.max())
    row = ahead - first
    order = np.argsort(np.abs(lots), kind="stable")
    z = np.full((last - first + 1, len(edges)), np.nan, dtype=np.float32)
    months = np.zeros(z.shape, dtype=np.int32)
    z[row[order], column[order]] = lots[order]
    months[row[order], column[order]] = delivery[order]
    return milliseconds(edges), np.arange(first, last + 1), z, months


def _month_number(ts: Ints) -> Ints:
    return 1970 * 12 + ts.astype("datetime64[ns]").astype("datetime64[M]").astype(np.int64)
