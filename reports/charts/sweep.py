# SPDX-License-Identifier: Apache-2.0
"""A sweep's trials as a heat map over two parameters, a line over one, and in sample against out of sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from kilohour.reports.charts.style import BLUE, DIVERGING, GREY, SEQUENCE, VERMILION, Figure, layout, value_axis
from kilohour.reports.table import Floats, Table

METRICS = {
    "sharpe": "Sharpe ratio",
    "net_usd": "Net profit, USD",
    "max_drawdown_usd": "Largest drawdown, USD",
    "fills": "Fills",
}
"""Columns of a trial that are results, and what a reader sees."""
OUTSIDE = "out_of_sample_"


@dataclass(frozen=True, slots=True)
class Axis:
    """A swept parameter: its values in order, and the place of each trial's value among them."""

    name: str
    values: tuple[Any, ...]
    place: np.ndarray[Any, np.dtype[np.int64]]


def swept(trials: Table) -> list[Axis]:
    """Parameters with more than one value, those with the most values first."""
    axes = [_axis(trials, name) for name in parameters(trials)]
    return sorted((axis for axis in axes if len(axis.values) > 1), key=lambda axis: (-len(axis.values), axis.name))


def parameters(trials: Table) -> list[str]:
    """Columns that are no result."""
    return [name for name in trials.columns if name not in METRICS and not name.startswith(OUTSIDE)]


def metrics(trials: Table, prefix: str = "") -> dict[str, str]:
    """Result columns that are there, in reading order; ``prefix`` for those out of sample."""
    return {prefix + name: title for name, title in METRICS.items() if prefix + name in trials.numbers}


def heat_map(trials: Table, prefix: str = "") -> Figure:
    """Two parameters against a result the reader picks; with more parameters a cell is the median over the others.

    Raises ValueError with fewer than two swept parameters.
    """
    axes, shown = swept(trials), metrics(trials, prefix)
    if len(axes) < 2:
        raise ValueError(f"a heat map needs two swept parameters, found {len(axes)}")
    across, down = axes[0], axes[1]
    cells = [_median(trials.floats(name), across, down) for name in shown]
    colours = [_colours(name, cell) for name, cell in zip(shown, cells, strict=True)]
    trace: dict[str, Any] = {
        "type": "heatmap", "x": [str(v) for v in across.values], "y": [str(v) for v in down.values],
        "z": _plain(cells[0]), **colours[0], "hoverongaps": False, "colorbar": {"thickness": 10, "outlinewidth": 0},
        "hovertemplate": f"{across.name} %{{x}}, {down.name} %{{y}}: %{{z:,.4g}}<extra></extra>", "xgap": 1, "ygap": 1,
    }  # fmt: skip
    buttons = [
        {"label": title, "method": "restyle", "args": [{"z": [_plain(cell)], **{k: [v] for k, v in colour.items()}}]}
        for title, cell, colour in zip(shown.values(), cells, colours, strict=True)
    ]
    return {
        "data": [trace],
        "layout": layout(
            430,
            hovermode="closest",
            margin={"l": 64, "r": 14, "t": 54, "b": 50},
            xaxis={"title": {"text": across.name}, "type": "category", "automargin": True},
            yaxis={"title": {"text": down.name}, "type": "category", "automargin": True},
            updatemenus=[
                {
                    "buttons": buttons,
                    "x": 0,
                    "xanchor": "left",
                    "y": 1.02,
                    "yanchor": "bottom",
                    "showactive": True,
                    "pad": {"b": 4},
                }
            ],
        ),
    }


def lines(trials: Table) -> Figure:
    """The first swept parameter against the Sharpe ratio, in and out of sample."""
    axis = swept(trials)[0]
    traces = []
    for name, title, colour in (("sharpe", "In sample", BLUE), (OUTSIDE + "sharpe", "Out of sample", VERMILION)):
        if name in trials.numbers:
            y = [_middle(trials.floats(name)[axis.place == k]) for k in range(len(axis.values))]
            traces.append({"type": "scatter", "mode": "lines+markers", "name": title, "x": list(axis.values),
                           "y": _flat(y), "line": {"color": colour}})  # fmt: skip
    return {
        "data": traces,
        "layout": layout(360, xaxis={"title": {"text": axis.name}}, yaxis=value_axis("Sharpe ratio")),
    }


def in_and_out(trials: Table) -> Figure:
    """Each trial's Sharpe ratio in sample (across) and out of sample (up); skill would lie along the diagonal."""
    inside, outside = trials.floats("sharpe"), trials.floats(OUTSIDE + "sharpe")
    both = ~(np.isnan(inside) | np.isnan(outside))
    low, high = _range(np.concatenate([inside[both], outside[both]]))
    return {
        "data": [
            {"type": "scatter", "mode": "lines", "x": [low, high], "y": [low, high], "hoverinfo": "skip",
             "showlegend": False, "line": {"color": GREY, "dash": "dot", "width": 1}},
            {"type": "scatter", "mode": "markers", "x": inside[both], "y": outside[both], "showlegend": False,
             "marker": {"size": 6, "color": BLUE, "opacity": 0.65},
             "hovertemplate": "in sample %{x:.2f}, out of sample %{y:.2f}<extra></extra>"},
        ],
        "layout": layout(430, hovermode="closest", margin={"l": 64, "r": 14, "t": 20, "b": 50},
                         xaxis=value_axis("Sharpe ratio in sample"), yaxis=value_axis("Sharpe ratio out of sample")),
    }  # fmt: skip


def _axis(trials: Table, name: str) -> Axis:
    if name in trials.strings:
        labels = trials.strings[name]
        used, place = np.unique(labels.codes, return_inverse=True)
        return Axis(name, tuple(labels.names[code] for code in used.tolist()), place)
    values, place = np.unique(trials.numbers[name], return_inverse=True)
    return Axis(name, tuple(values.tolist()), place)


def _median(values: Floats, across: Axis, down: Axis) -> Floats:
    cells = np.full((len(down.values), len(across.values)), np.nan)
    key = down.place * len(across.values) + across.place
    order = np.argsort(key, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(key[order])) + 1):
        if len(rows):
            cells.flat[int(key[rows[0]])] = _middle(values[rows])
    return cells


def _middle(values: Floats) -> float:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else float("nan")


def _colours(name: str, cells: Floats) -> dict[str, Any]:
    known = cells[~np.isnan(cells)]
    if name.endswith(("sharpe", "net_usd")):
        reach = float(np.abs(known).max(initial=0.0)) or 1.0
        return {"colorscale": DIVERGING, "zmin": -reach, "zmax": reach}
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    return {"colorscale": SEQUENCE, "zmin": low, "zmax": high if high > low else low + 1.0}


def _range(values: Floats) -> tuple[float, float]:
    return (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)


def _plain(cells: Floats) -> list[list[float | None]]:
    return [_flat(row) for row in cells.tolist()]


def _flat(row: list[float]) -> list[float | None]:
    return [None if value != value else value for value in row]
