# SPDX-License-Identifier: Apache-2.0
"""Equity and drawdown beside two baselines, margin use, and where the profit came from."""

from __future__ import annotations

from collections.abc import Sequence
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
    dollars,
    extent,
    in_order,
    layout,
    line,
    milliseconds,
    rows,
    thin,
    time_axis,
    value_axis,
)
from kilohour.reports.folder import month_of, product_of
from kilohour.reports.profit import PARTS, Profit
from kilohour.reports.statistics import drawdown_path
from kilohour.reports.table import Ints, Table
from kilohour.units import MICROS, divide_half_even


def equity(table: Table, start: int, points: int = 3000) -> Figure:
    """Equity, the same average exposure held and rolled, nothing held; below, the drawdown in dollars.

    ``start`` is the equity at the start in micros, ``points`` about how many days are drawn at most.
    """
    value, baseline = table.integers("equity_micros"), table.integers("baseline_micros")
    fall = drawdown_path(value, start)
    keep = (
        np.union1d(thin(value, points // 2), thin(baseline, points // 2))
        if table.rows > points
        else thin(value, points)
    )
    x = milliseconds(table.integers("ts")[keep])
    ends = x[[0, -1]] if len(x) else x
    hover = "%{y:$,.0f}"
    upper, lower = rows(2, [3, 1.2], 0.06)
    dotted = {"dash": "dot"}
    traces = [
        line("Nothing held", ends, np.full(len(ends), start / 1e6), GREY, 1.2, line=dotted, hovertemplate=hover),
        line("Same average exposure, held and rolled", x, dollars(baseline[keep]), ORANGE, 1.3, hovertemplate=hover),
        line("Strategy", x, dollars(value[keep]), BLUE, 1.9, hovertemplate=hover),
        line("Drawdown", x, dollars(fall[keep]), VERMILION, 1.0, yaxis="y2", fill="tozeroy", showlegend=False,
             fillcolor="rgba(213,94,0,0.22)", hovertemplate=hover),
    ]  # fmt: skip
    return {
        "data": traces,
        "layout": layout(
            440,
            xaxis=time_axis(anchor="y2"),
            yaxis=value_axis("Equity, USD", domain=upper, **MONEY),
            yaxis2=value_axis("Drawdown, USD", domain=lower, **{**MONEY, "nticks": 3}),
        ),
    }


def margin(table: Table, calls: Ints, points: int = 3000) -> Figure:
    """Equity above what the clearing house asks for; a mark at each margin call (``calls``: nanoseconds)."""
    ts, value = table.integers("ts"), table.integers("equity_micros")
    need = table.integers("margin_initial_micros")
    keep = np.union1d(thin(value, points // 2), thin(need, points // 2)) if table.rows > points else thin(value, points)
    x, hover = milliseconds(ts[keep]), "%{y:$,.0f}"
    low = dollars(table.integers("margin_maintenance_micros")[keep])
    at_call = value[np.clip(np.searchsorted(ts, calls), 0, max(0, table.rows - 1))] if table.rows else calls
    traces = [
        line("Equity", x, dollars(value[keep]), BLUE, 1.4, hovertemplate=hover),
        line("Initial margin", x, dollars(need[keep]), ORANGE, 1.2, fill="tozeroy", fillcolor="rgba(230,159,0,0.20)",
             hovertemplate=hover),
        line("Maintenance margin", x, low, VERMILION, 1.0, line={"dash": "dot"}, hovertemplate=hover),
    ]  # fmt: skip
    if len(calls):
        traces.append({"type": "scatter", "mode": "markers", "name": "Margin call", "x": milliseconds(calls),
                       "y": dollars(at_call), "hovertemplate": "margin call",
                       "marker": {"symbol": "x", "size": 9, "color": "#000000",
                                  "line": {"width": 1, "color": "#ffffff"}}})  # fmt: skip
    return {"data": traces, "layout": layout(300, xaxis=time_axis(range=extent(ts)), yaxis=value_axis("USD", **MONEY))}


def profit_by_purpose(part: Profit) -> Figure:
    """A waterfall from trading through settlement and costs to net; the amounts stand beside the names."""
    wanted = [name for name in PARTS if name in ("trading", "costs") or getattr(part, name)]
    micros = [getattr(part, name) for name in wanted]
    names = [*(PARTS[name] for name in wanted), "Net"]
    trace: dict[str, Any] = {
        "type": "waterfall", "orientation": "h", "x": [value / 1e6 for value in (*micros, part.net)],
        "y": [f"{name}<br><b>{_money(value)}</b>" for name, value in zip(names, (*micros, part.net), strict=True)],
        "measure": ["relative"] * len(micros) + ["total"], "hoverinfo": "y",
        "connector": {"line": {"color": GREY, "width": 1}},
        "increasing": {"marker": {"color": BLUE}}, "decreasing": {"marker": {"color": VERMILION}},
        "totals": {"marker": {"color": "#5f6b77"}},
    }  # fmt: skip
    return {
        "data": [trace],
        "layout": layout(
            70 + 46 * len(names),
            hovermode="closest",
            showlegend=False,
            margin={"l": 10, "r": 20, "t": 10, "b": 44},
            xaxis=value_axis("USD", **MONEY),
            yaxis={"autorange": "reversed", "automargin": True, "showgrid": False},
        ),
    }


def profit_by_contract(parts: dict[str, Profit], first: Sequence[str] = ()) -> Figure:
    """Net profit of each contract, a bar a contract, one colour a product."""
    traces = []
    products = in_order((product_of(name) for name in parts), first)
    for place, code in enumerate(products):
        names = [name for name in parts if product_of(name) == code]
        traces.append({
            "type": "bar", "name": code, "x": [_delivery(name) for name in names],
            "y": [parts[name].net / 1e6 for name in names], "text": names, "textposition": "none",
            "hovertemplate": "%{text}: %{y:$,.2f}<extra></extra>",
            "marker": {"color": (BLUE, ORANGE, GREEN, GREY)[place % 4]},
        })  # fmt: skip
    dated = all(month_of(name) for name in parts)
    axis = time_axis(title={"text": "Delivery month", "font": {"size": 11}}) if dated else {"automargin": True}
    return {
        "data": traces,
        "layout": layout(
            280, hovermode="closest", showlegend=len(products) > 1, xaxis=axis, yaxis=value_axis("Net, USD", **MONEY)
        ),
    }


def _delivery(contract: str) -> str:
    month = month_of(contract)
    return f"{month // 100:04d}-{month % 100:02d}-01" if month else contract


def _money(micros: int) -> str:
    return f"{'−' if micros < 0 else ''}${divide_half_even(abs(micros), MICROS):,}"
