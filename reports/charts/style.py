# SPDX-License-Identifier: Apache-2.0
"""Colours, layouts and thinning shared by all figures.

The colours are of Okabe and Ito (2008), "Color Universal Design", which readers with any common colour vision tell
apart; sequences use cividis (Nunez, Anderton and Renslow 2018). The report's script repaints text and grid to suit a
dark page.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kilohour.reports.table import Floats, Ints
from kilohour.units import MICROS

Figure = dict[str, Any]
"""``{"data": [...], "layout": {...}}``."""

BLUE, ORANGE, GREEN, VERMILION = "#1f77b4", "#e69f00", "#009e73", "#d55e00"
SKY, PURPLE, GREY = "#56b4e9", "#b8689a", "#808892"
CYCLE = (BLUE, ORANGE, GREEN, PURPLE, SKY, GREY)
SEQUENCE = "Cividis"
DIVERGING = [[0.0, "#b3560a"], [0.25, "#e69f4d"], [0.5, "#d9dce0"], [0.75, "#6aa9d8"], [1.0, "#0b5a94"]]
"""Short, flat, long."""
INK, GRID = "#26303a", "#dfe3e8"
FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Liberation Sans", Arial, sans-serif'


def layout(height: int, **more: Any) -> dict[str, Any]:
    """The layout every figure starts from; height in pixels, the width follows the page."""
    base: dict[str, Any] = {
        "height": height,
        "autosize": True,
        "margin": {"l": 64, "r": 14, "t": 34, "b": 36},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": FONT, "size": 12, "color": INK},
        "hovermode": "x unified",
        "hoverlabel": {"font": {"family": FONT, "size": 12}},
        "legend": {
            "orientation": "h",
            "x": 0,
            "y": 1,
            "yanchor": "bottom",
            "xanchor": "left",
            "bgcolor": "rgba(0,0,0,0)",
        },
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": GREY, "activecolor": BLUE},
        "colorway": list(CYCLE),
    }
    return {**base, **more}


def time_axis(**more: Any) -> dict[str, Any]:
    """A UTC axis whose values are milliseconds since 1970."""
    return {"type": "date", "showgrid": False, "linecolor": GRID, "ticks": "outside", "tickcolor": GRID,
            "hoverformat": "%Y-%m-%d", "nticks": 8, **more}  # fmt: skip


def value_axis(title: str, **more: Any) -> dict[str, Any]:
    """A vertical axis with thousands separators; the title says the unit."""
    return {"title": {"text": title, "font": {"size": 11}, "standoff": 6}, "gridcolor": GRID,
            "zerolinecolor": "#b4bcc6", "automargin": True, "nticks": 6, **more}  # fmt: skip


MONEY = {"tickformat": "$~s", "hoverformat": "$,.2f"}


def line(name: str, x: Any, y: Any, colour: str, width: float = 1.6, **more: Any) -> dict[str, Any]:
    """A line trace."""
    return {"type": "scatter", "mode": "lines", "name": name, "x": x, "y": y,
            "line": {"color": colour, "width": width, **more.pop("line", {})}, **more}  # fmt: skip


def note(text: str, **more: Any) -> dict[str, Any]:
    """A line of text on the figure's paper."""
    return {"text": text, "xref": "paper", "yref": "paper", "showarrow": False, "font": {"size": 12}, **more}


def rows(count: int, weights: list[float], gap: float) -> list[list[float]]:
    """Vertical domains for ``count`` panels from the top down, with the given relative heights."""
    free = 1.0 - gap * (count - 1)
    heights = [free * weight / sum(weights) for weight in weights]
    domains, top = [], 1.0
    for height in heights:
        domains.append([max(0.0, top - height), top])
        top -= height + gap
    return domains


def milliseconds(ts: Ints) -> Floats:
    """Nanoseconds since 1970 as plotly's milliseconds; shape kept."""
    return ts / 1e6


def extent(*times: Ints) -> list[float] | None:
    """The first and last of some times as an axis' range in milliseconds; None when there are none."""
    found = [ts for ts in times if len(ts)]
    return [min(int(ts.min()) for ts in found) / 1e6, max(int(ts.max()) for ts in found) / 1e6] if found else None


def dollars(micros: Ints) -> Floats:
    """Integer micros as floats of dollars; shape kept."""
    return micros / MICROS


def in_order(names: Iterable[str], first: Sequence[str]) -> list[str]:
    """Names in the order of ``first``, then the others by the alphabet."""
    found = set(names)
    return [name for name in first if name in found] + sorted(found.difference(first))


def single(values: NDArray[Any]) -> NDArray[np.float32]:
    """Seven digits: enough to draw a price, half the bytes. Never for money."""
    return values.astype(np.float32)


def thin(values: NDArray[Any], limit: int) -> Ints:
    """Row numbers, sorted, of at most about ``limit`` rows.

    They are the first, the last, and the lowest and highest of each stretch, so a drawn line keeps every peak and
    trough that a screen can show. NaN rows are passed over, save the ends.
    """
    count = len(values)
    if count <= max(limit, 4):
        return np.arange(count, dtype=np.int64)
    buckets = max(1, (limit - 2) // 2)
    size = -(-count // buckets)
    padded = np.full(size * buckets, np.nan)
    padded[:count] = values
    shaped = padded.reshape(buckets, size)
    full = ~np.isnan(shaped).all(axis=1)
    start = np.flatnonzero(full) * size
    low = start + np.nanargmin(shaped[full], axis=1)
    high = start + np.nanargmax(shaped[full], axis=1)
    return np.unique(np.concatenate([low, high, np.array([0, count - 1])])).astype(np.int64)


def spread_out(count: int, limit: int) -> Ints:
    """At most ``limit`` of ``count`` row numbers at even steps, first and last included; for surfaces and sliders."""
    return np.unique(np.linspace(0, count - 1, min(count, limit)).round()).astype(np.int64) if count else np.arange(0)
