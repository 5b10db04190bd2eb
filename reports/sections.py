# SPDX-License-Identifier: Apache-2.0
"""The top of a report: what was run, how it went, and what of it is real, where nobody can miss it."""

from __future__ import annotations

import re
from typing import Any

from kilohour.reports.folder import RunFolder, product_codes
from kilohour.reports.page import details, empty, escape, figure, number, percent, section, table, tiles, usd
from kilohour.reports.statistics import MonthReturn, monthly_returns

_NAMED = re.compile(r"([A-Z][A-Z0-9]*:[A-Za-z0-9_-]+): ")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def title(run: RunFolder) -> str:
    """The page's title: the strategy, its products, the dates."""
    result = run.result
    products = ", ".join(run.products) or "no product"
    return f"{strategy_name(run)} on {products}, {_day(result, 'start')} to {_day(result, 'end')}"


def strategy_name(run: RunFolder) -> str:
    """The strategy's name as the manifest gives it."""
    return str(run.manifest.get("strategy", {}).get("name", "strategy"))


def header(run: RunFolder) -> str:
    """Title, the strategy's own first line, where prices came from, and the way to each section."""
    strategy, tape, result = run.manifest.get("strategy", {}), run.manifest.get("tape", {}), run.result
    doc = str(strategy.get("doc") or "").strip().split("\n\n")[0]
    links = "".join(f'<a href="#{key}">{name}</a>' for key, name in CONTENTS.items())
    return (
        f"<header><h1>{escape(strategy_name(run))} on {escape(', '.join(run.products) or 'no product')}</h1>"
        f"<p>{escape(doc)}</p>"
        f"<p>{escape(_day(result, 'start'))} to {escape(_day(result, 'end'))} (UTC) · "
        f"prices: {escape(tape.get('source'))} · run <code>{escape(run.manifest.get('run'))}</code></p>"
        f"<nav>{links}</nav></header>"
    )


CONTENTS = {
    "assumptions": "Assumptions",
    "equity": "Equity",
    "curve": "Curve",
    "positions": "Positions",
    "trades": "Trades",
    "profit": "Profit",
    "margin": "Margin",
    "months": "Months",
    "settlements": "Settlements",
    "orders": "Orders",
    "details": "Run details",
}
"""Sections in the order of the page."""


def headline(run: RunFolder) -> str:
    """One sentence and the headline numbers, all from the manifest."""
    r = run.result
    start, net = _micros(r, "equity_start"), _micros(r, "net")
    gain = net / start if net is not None and start else None
    boxes = [
        ("Net profit", usd(net, sign=True), f"{percent(gain, 1, sign=True)} of the {usd(start)} at the start"),
        ("Largest drawdown", usd(_micros(r, "max_drawdown")), f"{percent(r.get('max_drawdown'))} of a peak at worst"),
        ("Sharpe ratio", number(r.get("sharpe"), 2), "a year, from daily changes of equity"
         if r.get("sharpe") is not None else "undefined: equity did not vary"),
        ("Fees paid", usd(_micros(r, "fees")),
         f"{number(r.get('lots_traded'))} lots in {number(r.get('fills'))} fills"),
        ("Peak margin", usd(_micros(r, "margin_peak")), _calls(r)),
        ("Orders", number(r.get("orders")), f"accepted, and {number(r.get('refused'))} refused"),
        ("Settlements", number(r.get("settlements")), "positions held to the final price"),
    ]  # fmt: skip
    return f'<p class="verdict">{verdict(run)}</p>{tiles(boxes)}'


def verdict(run: RunFolder) -> str:
    """What happened in one plain sentence or two."""
    r, equity = run.result, run["equity"]
    net, start = _micros(r, "net"), _micros(r, "equity_start")
    if not r.get("fills"):
        return "The strategy never traded: there is no profit and no loss to explain."
    word = "made" if net is not None and net >= 0 else "lost"
    said = f"The strategy {word} {usd(abs(net or 0))} after all costs"
    if equity.rows and start is not None:
        held = int(equity.integers("baseline_micros")[-1]) - start
        other = "made" if held >= 0 else "lost"
        said += f"; the same average exposure, simply held and rolled, {other} {usd(abs(held))}"
    said += "."
    if equity.rows and int(equity.integers("equity_micros").min()) <= 0:
        said += " <strong>Equity fell to zero or below: the account was ruined on the way.</strong>"
    return said


def modelled(manifest: dict[str, Any]) -> str:
    """The box of what is modelled and assumed; it stands above every figure.

    What the tape's maker said of the prices comes first, then what the run says of trading on them. Notes on products
    that were not traded are left to the manifest.
    """
    about_prices = [str(line) for line in manifest.get("tape", {}).get("notes", ())]
    traded = product_codes(manifest)
    shown = [line for line in dict.fromkeys(about_prices) if _concerns(line, traded)]
    about_trading = [str(line) for line in manifest.get("modelled", ()) if str(line) not in about_prices]
    said = _list("Prices", shown) + _list("Trading on them", about_trading)
    rows = [
        (escape(a.get("product")), f"<code>{escape(a.get('term'))}</code>", escape(a.get("value")),
         f'<span class="wrap">{escape(a.get("source"))}</span>', f"<code>{escape(a.get('file'))}</code>")
        for a in manifest.get("assumptions", ())
    ]  # fmt: skip
    files = ", ".join(dict.fromkeys(str(a.get("file")) for a in manifest.get("assumptions", ())))
    count = f"{len(rows)} contract term{'' if len(rows) == 1 else 's'} nobody published, filled by assumption: {files}"
    terms = table(["Product", "Term", "Value", "Why", "File"], rows, text=5)
    filled = (
        details(count, terms, is_open=True) if rows else "<p>No contract term was filled by an assumptions file.</p>"
    )
    return (
        '<section id="assumptions" class="notice"><h2>Read this first: what is modelled and what is assumed</h2>'
        f"{said or '<p>The run states nothing that is modelled.</p>'}{filled}</section>"
    )


def _list(title: str, lines: list[str]) -> str:
    if not lines:
        return ""
    return f"<h3>{title}</h3><ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>"


def _concerns(line: str, traded: tuple[str, ...]) -> bool:
    named = _NAMED.match(line)
    return named is None or not traded or named.group(1) in traded


def equity(run: RunFolder, points: int) -> str:
    """Equity and drawdown beside the two baselines."""
    from kilohour.reports.charts import money

    lead = (
        "Against two baselines: the run's average lots, held throughout and rolled without a view or costs, and "
        "nothing held. A strategy that does not beat both has earned its exposure's return at best."
    )
    if not run["equity"].rows:
        return section(
            "equity", "Equity and drawdown", empty("This run has no day with an official mark: no equity to draw.")
        )
    content = money.equity(run["equity"], _micros(run.result, "equity_start") or 0, points)
    return section(
        "equity", "Equity and drawdown", figure("equity", content, "Equity and drawdown through time"), lead=lead
    )


def months(run: RunFolder) -> str:
    """Monthly returns, a row a year."""
    table_ = run["equity"]
    found = monthly_returns(
        table_.integers("ts"), table_.integers("equity_micros"), _micros(run.result, "equity_start") or 0
    )
    if not found:
        return section("months", "Monthly returns", empty("This run covers no month with an official mark."))
    worst = max((abs(m.fraction) for m in found if m.fraction is not None), default=0.0) or 1.0
    rows = []
    for year in range(found[0].year, found[-1].year + 1):
        own = {m.month: m for m in found if m.year == year}
        first = found[0] if year == found[0].year else own[min(own)]
        base = _equity_before(found, first, run)
        total = sum(m.micros for m in own.values())
        whole = percent(total / base, 1) if base > 0 else "n/a"
        rows.append(
            [
                str(year),
                *(_month_cell(own.get(k), worst) for k in range(1, 13)),
                f"<strong>{whole}</strong>",
                usd(total, sign=True),
            ]
        )
    lead = "Change of equity within each calendar month (UTC), as a percentage of equity when the month began."
    return section("months", "Monthly returns", table(["Year", *MONTHS, "Total", "USD"], rows), lead=lead)


def _equity_before(found: list[MonthReturn], first: MonthReturn, run: RunFolder) -> int:
    earlier = [m.micros for m in found if (m.year, m.month) < (first.year, first.month)]
    return (_micros(run.result, "equity_start") or 0) + sum(earlier)


def _month_cell(month: MonthReturn | None, worst: float) -> str:
    if month is None:
        return ""
    if month.fraction is None:
        return f'<span title="{usd(month.micros, 2)}">n/a</span>'
    colour = "gain" if month.fraction >= 0 else "loss"
    strength = 0.42 * abs(month.fraction) / worst
    return (
        f'<span class="month" style="background:rgba(var(--{colour}),{strength:.2f})" '
        f'title="{usd(month.micros, 2, sign=True)}">'
        f"{number(month.fraction * 100, 1)}</span>"
    )


def _calls(result: dict[str, Any]) -> str:
    calls = int(result.get("margin_calls") or 0)
    return "no margin call" if not calls else f"{calls:,} margin call{'s' if calls > 1 else ''}"


def _day(result: dict[str, Any], name: str) -> str:
    return str(result.get(name) or "no date")[:10]


def _micros(result: dict[str, Any], name: str) -> int | None:
    value = result.get(f"{name}_micros")
    return None if value is None else int(value)
