# SPDX-License-Identifier: Apache-2.0
"""Figures for notebooks: one function a figure, DataFrames in, a plotly Figure out, as the report draws them.

Each takes the tables of a run as the run folder names them (columns: ``kilohour.reports.folder.COLUMNS``); times may
be integers of nanoseconds or datetimes. ``of`` makes all of them from a run folder.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kilohour.reports import profit as parts
from kilohour.reports.charts import curve as curve_chart
from kilohour.reports.charts import money, style
from kilohour.reports.charts import positions as positions_chart
from kilohour.reports.charts import sweep as sweep_chart
from kilohour.reports.charts import trades as trades_chart
from kilohour.reports.evidence import margin_calls
from kilohour.reports.folder import COLUMNS, read_run
from kilohour.reports.table import Table, table_of

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go


def equity(equity: pd.DataFrame, start_micros: int) -> go.Figure:
    """Equity, the same average exposure held and rolled, nothing held; the drawdown below."""
    return _figure(money.equity(_table(equity, "equity"), start_micros), "Equity and drawdown")


def margin(equity: pd.DataFrame, orders: pd.DataFrame) -> go.Figure:
    """Equity above initial and maintenance margin, with margin calls."""
    return _figure(money.margin(_table(equity, "equity"), margin_calls(_table(orders, "orders"))), "Margin")


def curve_surface(curve: pd.DataFrame, product: str) -> go.Figure:
    """The curve through time of one product, as a surface."""
    return _figure(curve_chart.surface(_table(curve, "curve"), product), f"{product}: curve through time")


def curve_days(curve: pd.DataFrame, product: str) -> go.Figure:
    """The curve of one product on chosen days, with a slider."""
    return _figure(curve_chart.days(_table(curve, "curve"), product), f"{product}: curve on chosen days")


def positions(positions: pd.DataFrame, equity: pd.DataFrame, products: Sequence[str] = ()) -> go.Figure:
    """Lots held by months to delivery through time."""
    times = _table(equity, "equity").integers("ts")
    return _figure(
        positions_chart.positions(_table(positions, "positions"), times, products), "Positions by contract month"
    )


def trades(prices: pd.DataFrame, fills: pd.DataFrame, records: pd.DataFrame, products: Sequence[str] = ()) -> go.Figure:
    """Fills on the price, the strategy's recorded columns below."""
    content = trades_chart.trades(
        _table(prices, "prices"), _table(fills, "fills"), _table(records, "records"), products
    )
    return _figure(content, "Trades on the price")


def profit_by_purpose(ledger: pd.DataFrame, fills: pd.DataFrame) -> go.Figure:
    """Net profit as a waterfall of trading, settlement and costs."""
    by_contract = parts.profit_by_contract(_table(ledger, "ledger"), _table(fills, "fills"))
    return _figure(money.profit_by_purpose(parts.total(by_contract.values())), "Where the profit came from")


def profit_by_contract(ledger: pd.DataFrame, fills: pd.DataFrame, products: Sequence[str] = ()) -> go.Figure:
    """Net profit of each contract."""
    by_contract = parts.profit_by_contract(_table(ledger, "ledger"), _table(fills, "fills"))
    return _figure(money.profit_by_contract(by_contract, products), "Net profit by contract")


def sweep(trials: pd.DataFrame) -> go.Figure:
    """A sweep's results over two parameters, or over one."""
    table = table_of(trials, "trials")
    return _figure(
        sweep_chart.heat_map(table) if len(sweep_chart.swept(table)) > 1 else sweep_chart.lines(table), "Sweep"
    )


def of(run_folder: Path) -> dict[str, go.Figure]:
    """Every figure a run has something to show for, by name; curves carry their product: ``curve_surface SIM:H100``."""
    run = read_run(Path(run_folder))
    found: dict[str, go.Figure] = {}
    if run["equity"].rows:
        found["equity"] = _figure(
            money.equity(run["equity"], int(run.result["equity_start_micros"])), "Equity and drawdown"
        )
        found["margin"] = _figure(money.margin(run["equity"], margin_calls(run["orders"])), "Margin")
    for product in curve_chart.products_of(run["curve"]):
        found[f"curve_surface {product}"] = _figure(
            curve_chart.surface(run["curve"], product), f"{product}: curve through time"
        )
        found[f"curve_days {product}"] = _figure(
            curve_chart.days(run["curve"], product), f"{product}: curve on chosen days"
        )
    if run["positions"].rows:
        content = positions_chart.positions(run["positions"], run["equity"].integers("ts"), run.products)
        found["positions"] = _figure(content, "Positions by contract month")
    if run["prices"].rows:
        content = trades_chart.trades(run["prices"], run["fills"], run["records"], run.products)
        found["trades"] = _figure(content, "Trades on the price")
    if run["ledger"].rows:
        by_contract = parts.profit_by_contract(run["ledger"], run["fills"])
        found["profit_by_purpose"] = _figure(
            money.profit_by_purpose(parts.total(by_contract.values())), "Where the profit came from"
        )
        found["profit_by_contract"] = _figure(
            money.profit_by_contract(by_contract, run.products), "Net profit by contract"
        )
    return found


def _table(frame: pd.DataFrame, name: str) -> Table:
    return table_of(frame, name, COLUMNS[name])


def _figure(content: style.Figure, title: str) -> go.Figure:
    import plotly.graph_objects as go

    # On a page the heading stands above the figure; in a notebook the figure carries it.
    room: dict[str, Any] = {**content["layout"]["margin"]}
    room["t"] += 40
    layout = {**content["layout"], "margin": room, "height": content["layout"]["height"] + 40, "template": "none"}
    layout["title"] = {
        "text": title,
        "x": 0,
        "xref": "paper",
        "y": 1,
        "yref": "container",
        "yanchor": "top",
        "pad": {"t": 12},
    }
    return go.Figure(data=content["data"], layout=layout)
