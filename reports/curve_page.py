# SPDX-License-Identifier: Apache-2.0
"""One page of a curve as known on a day: points, fit and band, contracts, strips, parameters."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kilohour.reports.charts.style import BLUE, GREY, SKY, VERMILION, Figure, layout, line, value_axis
from kilohour.reports.page import empty, escape, figure, section, table, tiles, write_page
from kilohour.units import MICROS

if TYPE_CHECKING:
    from kilohour.curves.report import CurveReport

STEPS = 240


def write_curve_page(path: Path, report: CurveReport) -> Path:
    """Writes the page and returns its path."""
    header = f"<header><h1>{escape(report.observed.product)}</h1><p>{escape(report.sentence())}</p></header>"
    notes = "".join(f"<li>{escape(note)}</li>" for note in report.notes())
    contracts = table(["Month", "Price", "Fixed", "Fixed mean", "Open part", "Fit", "Off"], _escaped(report.rows()), tall=True)
    strips = table(["Strip", "Price"], _escaped(report.strip_rows())) if report.strips else empty("No whole quarter is listed.")
    maturities = table(["Months", "Price", "Fit", "± 2 deviations"], _escaped(report.maturities()))
    parameters = table(["Parameter", "Value", "Meaning"], _escaped(report.parameters()), words="Meaning")
    history = table(["Parameter", "Value", "Standard error"], _escaped(report.two_factors()))
    body = [
        header,
        _headline(report),
        section("curve", "The curve", figure("curve", curve_figure(report), "The curve with its fit and band"), f"<ul>{notes}</ul>"),
        section("contracts", "Contracts", contracts, lead="A contract on a mean is fixed by the prints known so far; the open part is "
                "what the market says of the rest."),
        section("maturities", "Constant maturity", maturities),
        section("strips", f"Strips, each month weighing its {report.weights}", strips),
        section("fit", "The fit", parameters),
        *([section("history", f"Two factors over {report.days:,} days", history)] if report.history is not None else []),
        f"<footer>{escape(report.unit)}. This file loads nothing from the network.</footer>",
    ]  # fmt: skip
    return write_page(path, f"{report.observed.product} on {report.day}", "".join(body))


def curve_figure(report: CurveReport) -> Figure:
    """Open parts over the months they run, spot, the fit as a line in its band, launches as upright lines."""
    points = report.observed.points
    years = np.linspace(0.0, max(point.end for point in points), STEPS)
    low, high = report.fit.band(years)
    edge = {"width": 0.0}
    traces: list[dict[str, Any]] = [
        line("Band", years * 12, low, SKY, line=edge, showlegend=False, hoverinfo="skip"),
        line("Band, two deviations", years * 12, high, SKY, line=edge, fill="tonexty", fillcolor="rgba(86,180,233,0.25)", hoverinfo="skip"),
        line("Fit", years * 12, report.fit.shape.forwards(years), VERMILION, hovertemplate="%{y:$,.4f}"),
        _segments(report),
    ]
    if report.observed.spot is not None:
        mark = {"symbol": "diamond", "size": 9, "color": GREY}
        spot = {"x": [0.0], "y": [report.observed.spot / MICROS], "marker": mark}
        traces.append({"type": "scatter", "mode": "markers", "name": "Spot", **spot})
    shapes = [
        {"type": "line", "x0": launch.years * 12, "x1": launch.years * 12, "y0": 0, "y1": 1, "yref": "paper",
         "line": {"color": GREY, "width": 1, "dash": "dot"}}
        for launch in report.fit.launches if launch.years <= years[-1]
    ]  # fmt: skip
    title = {"text": "Months from then (dotted: a launch)", "font": {"size": 11}}
    axis = {"title": title, "showgrid": False, "zeroline": False, "nticks": 13}
    return {"data": traces, "layout": layout(440, xaxis=axis, yaxis=value_axis(report.unit, tickformat="$.2f"), shapes=shapes,
                                             hovermode="closest", margin={"l": 64, "r": 14, "t": 54, "b": 44})}  # fmt: skip


def _segments(report: CurveReport) -> dict[str, Any]:
    x, y, names = [], [], []
    for point in report.observed.points:
        x += [point.start * 12, point.end * 12, None]
        y += [point.open_price, point.open_price, None]
        names += [point.code] * 3
    return {"type": "scatter", "mode": "lines+markers", "name": "Open parts", "x": x, "y": y, "text": names, "connectgaps": False,
            "line": {"color": BLUE, "width": 3}, "marker": {"size": 3}, "hovertemplate": "%{text}: %{y:$,.4f}<extra></extra>"}  # fmt: skip


def _headline(report: CurveReport) -> str:
    seen, constant = report.observed, report.constant()
    boxes = [("Spot", "none" if seen.spot is None else f"${seen.spot / MICROS:.4f}", "last print known")]
    boxes += [(f"{months} months", f"${constant[months]:.4f}", "constant maturity") for months in (3, 12, 24) if months in constant]
    boxes.append(("Hazard", f"{report.fit.shape.hazard:.1%}", "lost a year to age" + report._unmoved("hazard")))
    return tiles(boxes)


def _escaped(rows: list[Any]) -> list[list[str]]:
    return [[escape(cell) for cell in row] for row in rows]
