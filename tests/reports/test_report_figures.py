# SPDX-License-Identifier: Apache-2.0
"""Notebook figures: valid for plotly's own schema, and the same from a folder as from DataFrames."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from kilohour.errors import DataError, UnknownName
from kilohour.reports import figures


def frames(folder: Path) -> dict[str, pd.DataFrame]:
    return {file.stem: pd.read_parquet(file) for file in folder.glob("*.parquet")}


def figures_of(folder: Path) -> figures.Figures:
    tables = {file.stem: pq.read_table(file) for file in folder.glob("*.parquet")}
    return figures.Figures(json.loads((folder / "manifest.json").read_text()), tables)


ALL = (
    "equity",
    "margin",
    "curve_surface",
    "curve_days",
    "positions",
    "trades",
    "profit_by_purpose",
    "profit_by_contract",
)


def test_every_figure_passes_plotlys_validation(make_run):
    of = figures_of(make_run(days=200, products=("SIM:H100", "SIM:B200"), calls=1))
    assert of.names == ALL
    for name in ALL:
        figure = getattr(of, name)()
        assert figure.layout.title.text
        assert len(figure.data)
    assert of.curve_days("SIM:B200").layout.title.text == "SIM:B200: curve on chosen days"
    with pytest.raises(UnknownName, match="did you mean 'SIM:B200'"):
        of.curve_days("SIM:B20")


def test_a_run_without_trades_has_the_figures_it_can_have(make_run):
    assert figures_of(make_run(days=30, trade=False)).names == ("equity", "margin", "curve_surface", "curve_days")


@pytest.mark.parametrize("times", ["integers", "datetimes", "aware datetimes", "index"])
def test_frames_give_the_figures_of_the_folder(make_run, times):
    folder = make_run(days=120)
    tables = frames(folder)
    for name, table in tables.items():
        if times != "integers":
            tables[name] = table.assign(ts=pd.to_datetime(table.ts, utc=times == "aware datetimes"))
        if times == "index":
            tables[name] = tables[name].set_index("ts").rename_axis("time")
    of = figures_of(folder)
    start = 250_000_000_000
    made = {
        "equity": figures.equity(tables["equity"], start),
        "margin": figures.margin(tables["equity"], tables["orders"]),
        "positions": figures.positions(tables["positions"], tables["equity"]),
        "trades": figures.trades(tables["prices"], tables["fills"], tables["records"]),
        "profit_by_purpose": figures.profit_by_purpose(tables["ledger"], tables["fills"]),
        "profit_by_contract": figures.profit_by_contract(tables["ledger"], tables["fills"]),
        "curve_surface": figures.curve_surface(tables["curve"], "SIM:H100"),
        "curve_days": figures.curve_days(tables["curve"], "SIM:H100"),
    }
    for name, figure in made.items():
        assert figure.to_json() == getattr(of, name)().to_json(), name


def test_surface_holds_the_marks(make_run):
    folder = make_run(days=60)
    curve = frames(folder)["curve"]
    wide = curve[curve.nth > 0].pivot(index="ts", columns="nth", values="mark_micros") / 1e6
    surface = figures_of(folder).curve_surface().data[0]
    np.testing.assert_allclose(np.asarray(surface.z), wide.to_numpy(), rtol=1e-6)
    assert list(surface.x) == list(wide.columns)


def test_positions_show_each_contract_at_its_months_to_delivery(make_run):
    folder = make_run(days=60)
    held = frames(folder)["positions"]
    heat = figures_of(folder).positions().data[0]
    z, months = np.asarray(heat.z), np.asarray(heat.customdata)
    drawn = sorted(
        (float(heat.x[c]), int(months[r, c]), int(z[r, c])) for r, c in zip(*np.nonzero(~np.isnan(z)), strict=True)
    )
    stated = sorted(
        (t / 1e6, int(c[-7:-3] + c[-2:]), int(q)) for t, c, q in zip(held.ts, held.contract, held.lots, strict=True)
    )
    assert drawn == stated


def test_recorded_delivery_months_stand_on_an_axis_of_months_and_nothing_else_does(make_run):
    tables = frames(make_run(days=10))
    ts = tables["records"].ts[:4]
    records = pd.DataFrame({"ts": ts, "near_month": [202512.0, np.nan, 202601.0, 202601.0], "lots": [202512.0] * 4, "months": [3.0, 3.5, 4.0, 13.0],
                            "month_no": [202513.0] * 4})
    made = figures.trades(tables["prices"], tables["fills"], records)
    y, kinds = {}, {}
    for trace in made.data:
        if trace.name in records.columns:
            y[trace.name] = np.asarray(trace.y, dtype=float)
            kinds[trace.name] = made.layout["yaxis" + trace.yaxis[1:]].type
    assert kinds == {"near_month": "date", "lots": None, "months": None, "month_no": None}
    axis = next(made.layout["yaxis" + trace.yaxis[1:]] for trace in made.data if trace.name == "near_month")
    assert (axis.tick0, axis.dtick, axis.tickformat) == ("2025-12-01", "M1", "%b %Y")
    starts = [pd.Timestamp(day, tz="UTC").timestamp() * 1e3 for day in ("2025-12-01", "2026-01-01", "2026-01-01")]
    np.testing.assert_array_equal(y["near_month"][[0, 2, 3]], starts)
    assert np.isnan(y["near_month"][1])
    assert y["months"].tolist() == [3.0, 3.5, 4.0, 13.0]


def test_a_missing_column_is_named():
    with pytest.raises(DataError, match="table 'equity' must have the column 'equity_micros'"):
        figures.equity(pd.DataFrame({"ts": [1]}), 0)
