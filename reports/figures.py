# SPDX-License-Identifier: Apache-2.0
"""Figures for notebooks: one function a figure, DataFrames in, a plotly Figure out, as the report draws them.

Each takes the tables of a run as the run folder names them (columns: ``kilohour.reports.folder.COLUMNS``), as
DataFrames or Arrow tables; times may be integers of nanoseconds or datetimes, as a column ``ts`` or as the index.
:class:`Figures` makes them from a run's own tables: ``run.figures.equity()``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from kilohour.errors import UnknownName
from kilohour.reports import profit as parts
from kilohour.reports.charts import curve as curve_chart
from kilohour.reports.charts import money, style
from kilohour.reports.charts import positions as positions_chart
from kilohour.reports.charts import sweep as sweep_chart
from kilohour.reports.charts import trades as trades_chart
from kilohour.reports.evidence import margin_calls
from kilohour.reports.folder import COLUMNS, product_codes
from kilohour.reports.table import Table, table_from_arrow, table_of

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go
    import pyarrow as pa

    Frame: TypeAlias = pd.DataFrame | pa.Table


def equity(equity: Frame, start_micros: int) -> go.Figure:
    """Equity, the same average exposure held and rolled, nothing held; the drawdown below."""
    return _figure(money.equity(_table(equity, "equity"), start_micros), "Equity and drawdown")


def margin(equity: Frame, orders: Frame) -> go.Figure:
    """Equity above initial and maintenance margin, with margin calls."""
    return _figure(money.margin(_table(equity, "equity"), margin_calls(_table(orders, "orders"))), "Margin")


def curve_surface(curve: Frame, product: str) -> go.Figure:
    """The curve through time of one product, as a surface."""
    return _figure(curve_chart.surface(_table(curve, "curve"), product), f"{product}: curve through time")


def curve_days(curve: Frame, product: str) -> go.Figure:
    """The curve of one product on chosen days, with a slider."""
    return _figure(curve_chart.days(_table(curve, "curve"), product), f"{product}: curve on chosen days")


def positions(positions: Frame, equity: Frame, products: Sequence[str] = ()) -> go.Figure:
    """Lots held by months to delivery through time."""
    times = _table(equity, "equity").integers("ts")
    return _figure(
        positions_chart.positions(_table(positions, "positions"), times, products), "Positions by contract month"
    )


def trades(prices: Frame, fills: Frame, records: Frame, products: Sequence[str] = ()) -> go.Figure:
    """Fills on the price, the strategy's recorded columns below."""
    content = trades_chart.trades(
        _table(prices, "prices"), _table(fills, "fills"), _table(records, "records"), products
    )
    return _figure(content, "Trades on the price")


def profit_by_purpose(ledger: Frame, fills: Frame) -> go.Figure:
    """Net profit as a waterfall of trading, settlement and costs."""
    by_contract = parts.profit_by_contract(_table(ledger, "ledger"), _table(fills, "fills"))
    return _figure(money.profit_by_purpose(parts.total(by_contract.values())), "Where the profit came from")


def profit_by_contract(ledger: Frame, fills: Frame, products: Sequence[str] = ()) -> go.Figure:
    """Net profit of each contract."""
    by_contract = parts.profit_by_contract(_table(ledger, "ledger"), _table(fills, "fills"))
    return _figure(money.profit_by_contract(by_contract, products), "Net profit by contract")


def sweep(trials: pd.DataFrame) -> go.Figure:
    """A sweep's results over two parameters, or over one."""
    table = table_of(trials, "trials")
    return _figure(
        sweep_chart.heat_map(table) if len(sweep_chart.swept(table)) > 1 else sweep_chart.lines(table), "Sweep"
    )


class Figures:
    """The figures of one run, a method each; ``names`` says which have something to show."""

    def __init__(self, manifest: Mapping[str, Any], tables: Mapping[str, Frame]) -> None:
        self._manifest, self._tables, self._products = manifest, tables, product_codes(manifest)

    @property
    def names(self) -> tuple[str, ...]:
        """Methods that have something to show for this run."""
        needs = {"equity": "equity", "margin": "equity", "curve_surface": "curve", "curve_days": "curve",
                 "positions": "positions", "trades": "prices",
                 "profit_by_purpose": "ledger", "profit_by_contract": "ledger"}  # fmt: skip
        return tuple(name for name, table in needs.items() if _table(self._tables[table], table).rows)

    def equity(self) -> go.Figure:
        """Equity, the same average exposure held and rolled, nothing held; the drawdown below."""
        return equity(self._tables["equity"], int(self._manifest["result"]["equity_start_micros"]))

    def margin(self) -> go.Figure:
        """Equity above initial and maintenance margin, with margin calls."""
        return margin(self._tables["equity"], self._tables["orders"])

    def curve_surface(self, product: str | None = None) -> go.Figure:
        """The curve through time of one product (the run's first unless named), as a surface."""
        return curve_surface(self._tables["curve"], self._product(product))

    def curve_days(self, product: str | None = None) -> go.Figure:
        """The curve of one product (the run's first unless named) on chosen days, with a slider."""
        return curve_days(self._tables["curve"], self._product(product))

    def positions(self) -> go.Figure:
        """Lots held by months to delivery through time."""
        return positions(self._tables["positions"], self._tables["equity"], self._products)

    def trades(self) -> go.Figure:
        """Fills on the price, the strategy's recorded columns below."""
        return trades(self._tables["prices"], self._tables["fills"], self._tables["records"], self._products)

    def profit_by_purpose(self) -> go.Figure:
        """Net profit as a waterfall of trading, settlement and costs."""
        return profit_by_purpose(self._tables["ledger"], self._tables["fills"])

    def profit_by_contract(self) -> go.Figure:
        """Net profit of each contract."""
        return profit_by_contract(self._tables["ledger"], self._tables["fills"], self._products)

    def __repr__(self) -> str:
        return f"<Figures: {', '.join(f'{name}()' for name in self.names)}>"

    def _product(self, product: str | None) -> str:
        known = curve_chart.products_of(_table(self._tables["curve"], "curve"))
        wanted = product if product is not None else next((code for code in self._products if code in known), None)
        if wanted is None and known:
            return known[0]
        if wanted not in known:
            raise UnknownName("product", str(wanted), known, where="this run's curve")
        return wanted


def _table(frame: Frame, name: str) -> Table:
    import pyarrow as pa

    if isinstance(frame, pa.Table):
        return table_from_arrow(frame, name, COLUMNS[name])
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
