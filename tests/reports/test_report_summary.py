# SPDX-License-Identifier: Apache-2.0
"""The terminal's table and the notebook's, from the JSON of a run."""

from __future__ import annotations

import io
import json

import plotly.graph_objects as go
from rich.console import Console

import kilohour as kh
from kilohour.reports.summary import result_table, summary_html

EXPECTED = """
Dates             2020-01-02 to 2029-12-31
Net profit        −$1,234.57
Equity            $10,000.00 to $8,765.43
Largest drawdown  $2,000.00 (18.5% of a peak at worst)
Sharpe ratio      n/a
Fees              $11.00
Orders            5 accepted, 1 refused
Fills             4, 1,200 lots
Settlements       0
Margin            $900.00 at its peak, 1 call
Bars              80,101 in 0.004 s, 20,000,000 a second
Report            runs/1/report.html
"""
RESULT = {
    "strategy": "calendar-spread", "start": "2020-01-02T21:00:00Z", "end": "2029-12-31T21:00:00Z",
    "net_micros": -1_234_570_000,
    "equity_start_micros": 10_000_000_000, "equity_end_micros": 8_765_430_000, "max_drawdown_micros": 2_000_000_000,
    "max_drawdown": 0.185, "sharpe": None, "fees_micros": 11_000_000, "orders": 5, "refused": 1, "fills": 4,
    "lots_traded": 1200, "settlements": 0, "margin_peak_micros": 900_000_000, "margin_calls": 1, "bars": 80101,
    "seconds": {"run": 0.004}, "bars_per_second": 2e7, "report": "runs/1/report.html",
}  # fmt: skip


def test_the_terminal_shows_every_line():
    out = io.StringIO()
    Console(file=out, width=90, color_system=None).print(result_table(RESULT))
    shown = [" ".join(line.split()) for line in out.getvalue().splitlines() if line.strip()]
    assert shown == ["calendar-spread", *(" ".join(line.split()) for line in EXPECTED.strip().splitlines())]


def test_a_notebook_shows_the_same_and_escapes():
    text = summary_html({"result": {**RESULT, "strategy": "<b>mine</b>"}, "modelled": ["All prices are synthetic."]})
    assert "&lt;b&gt;mine" in text
    assert "−$1,234.57" in text
    assert "All prices are synthetic." in text


def test_a_run_shows_itself_in_a_notebook(make_run):
    """What a notebook asks an object for, and the figures that are drawn beside it."""
    folder = make_run(days=120)
    run = kh.Run.load(folder)
    shown, result = run._repr_html_(), json.loads((folder / "manifest.json").read_text())["result"]
    assert "<table>" in shown
    assert f"${abs(result['net_micros']) / 1e6:,.2f}" in shown
    assert "All prices are synthetic" in shown
    assert isinstance(run.figures.equity(), go.Figure)


def test_a_made_run_has_its_table(make_run):
    result = json.loads((make_run(days=40) / "manifest.json").read_text())["result"]
    assert result_table(result).row_count == 12
