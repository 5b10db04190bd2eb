# SPDX-License-Identifier: Apache-2.0
"""The result of a run as a table for the terminal (rich) and for a notebook cell (HTML)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kilohour.reports.page import escape, number, percent, usd

if TYPE_CHECKING:
    from rich.table import Table


def lines(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The result table, (name, value) a line, from the JSON of a run; plain text."""

    def micros(name: str) -> int | None:
        value = result.get(f"{name}_micros")
        return None if value is None else int(value)

    calls = int(result.get("margin_calls") or 0)
    found = [
        ("Dates", f"{str(result.get('start'))[:10]} to {str(result.get('end'))[:10]}"),
        ("Net profit", usd(micros("net"), 2, sign=True)),
        ("Equity", f"{usd(micros('equity_start'), 2)} to {usd(micros('equity_end'), 2)}"),
        (
            "Largest drawdown",
            f"{usd(micros('max_drawdown'), 2)} ({percent(result.get('max_drawdown'))} of a peak at worst)",
        ),
        ("Sharpe ratio", number(result.get("sharpe"), 2)),
        ("Fees", usd(micros("fees"), 2)),
        ("Orders", f"{number(result.get('orders'))} accepted, {number(result.get('refused'))} refused"),
        ("Fills", f"{number(result.get('fills'))}, {number(result.get('lots_traded'))} lots"),
        ("Settlements", number(result.get("settlements"))),
        ("Margin", f"{usd(micros('margin_peak'), 2)} at its peak, {calls:,} call{'' if calls == 1 else 's'}"),
        ("Bars", _speed(result)),
    ]
    return [*found, ("Report", str(result["report"]))] if result.get("report") else found


def result_table(result: Mapping[str, Any]) -> Table:
    """The same as a rich table, titled with the strategy."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    title = Text(str(result.get("strategy") or result.get("run") or "run"))
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, show_header=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in lines(result):
        loss = name == "Net profit" and value.startswith("−")
        table.add_row(name, Text(value, style="bold red" if loss else "bold" if name == "Net profit" else ""))
    return table


def summary_html(manifest: Mapping[str, Any]) -> str:
    """The same as an HTML table from a run's manifest, for ``_repr_html_``; what is modelled stands below."""
    result = manifest["result"]
    rows = "".join(
        f'<tr><th style="text-align:left;font-weight:normal">{escape(name)}</th>'
        f'<td style="text-align:left">{escape(value)}</td></tr>'
        for name, value in lines(result)
    )
    title = escape(result.get("strategy") or result.get("run") or "run")
    head = f'<caption style="text-align:left;font-weight:bold">{title}</caption>'
    told = "".join(f"<li>{escape(line)}</li>" for line in manifest.get("modelled", ()))
    notes = f"<details><summary>What is modelled</summary><ul>{told}</ul></details>" if told else ""
    return f"<table>{head}<tbody>{rows}</tbody></table>{notes}"


def _speed(result: Mapping[str, Any]) -> str:
    rate, seconds = result.get("bars_per_second"), result.get("seconds") or {}
    told = number(result.get("bars"))
    if seconds.get("run") is not None:
        told += f" in {float(seconds['run']):.3g} s"
    return told + (f", {number(rate)} a second" if rate is not None else "")
