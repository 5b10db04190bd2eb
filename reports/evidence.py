# SPDX-License-Identifier: Apache-2.0
"""The lower part of a report, for whoever checks it: curve, positions, trades, profit, margin, ledgers, manifest."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

import numpy as np

from kilohour.reports.charts import curve as curve_chart
from kilohour.reports.charts import money
from kilohour.reports.charts.positions import PANELS
from kilohour.reports.charts.positions import positions as positions_chart
from kilohour.reports.charts.style import in_order
from kilohour.reports.charts.trades import RECORDS, recorded_names
from kilohour.reports.charts.trades import trades as trades_chart
from kilohour.reports.folder import RunFolder
from kilohour.reports.page import details, empty, escape, fields, figure, number, percent, section, table, usd
from kilohour.reports.profit import PARTS, Profit, profit_by_contract, profit_by_product, total
from kilohour.reports.rolls import rolls
from kilohour.reports.table import Ints, Table

CODES = {
    "not_listed": "a leg is not listed, or past its last trade",
    "no_price": "a leg has never had a bar",
    "size": "zero lots, or more than a million in a leg",
    "session": "the contract's session takes no order, or no cancel, at the time",
    "price": "a price below the least that the product can have",
    "tick": "a price or a distance off the tick",
    "capacity": "256 orders were working already",
    "venue": "the venue does not take such an order",
    "margin": "the initial margin of all positions and working orders would exceed equity",
    "band": "a limit outside the venue's price band",
    "position_limit": "more lots than the venue's position limit",
    "life": "a life or a flag that the kind of order does not have",
    "group": "tied to an order that is not there, was refused, or is itself a child",
    "reduce_only": "reduce-only, and nothing held that it would reduce",
    "post_only": "post-only, and it would have taken liquidity",
    "halted": "a risk limit has halted trading",
    "reducing": "positions may only be reduced after a loss, and it does more",
    "restricted": "a contract on the restricted list, and it does not only reduce",
    "near_expiry": "too near the contract's last trade, and it does not only reduce",
    "position_lots": "more lots of a contract than the run's limit",
    "product_gross": "more units of a product, long and short together, than the run's limit",
    "product_net": "more units of a product, long less short, than the run's limit",
    "order_lots": "more lots in a leg than the run's limit for an order",
    "order_notional": "more dollars than the run's limit for an order",
    "open_orders": "more open orders than the run's limit",
    "open_notional": "more dollars in open orders than the run's limit",
    "order_rate": "more orders in a second or a minute than the run's limit",
    "duplicate": "the same order was sent a moment before",
    "self_match": "it could trade with an order of one's own",
}
"""Refusal codes of the risk gate in words (docs/engine.md, "Orders" and "Risk limits")."""
LISTED = 2000


def curve(run: RunFolder, detail: float) -> str:
    """The curve through time of each product, the run's own products first."""
    known = curve_chart.products_of(run["curve"])
    products = [code for code in run.products if code in known] + [code for code in known if code not in run.products]
    if not products:
        return section(
            "curve", "The curve through time", empty("No dated contract was on the tape: there is no curve.")
        )
    lead = "Official marks by week and contract, counted from the first not yet fixing. Pick a day with the slider."
    blocks = []
    for place, code in enumerate(products):
        surface = figure(
            f"surface-{place}", curve_chart.surface(run["curve"], code, int(300 * detail)), f"Curve surface of {code}"
        )
        days = figure(
            f"days-{place}", curve_chart.days(run["curve"], code, int(60 * detail)), f"Curves of {code} on chosen days"
        )
        block = f'<div class="columns"><div>{surface}</div><div>{days}</div></div>'
        blocks.append(f"<h3>{escape(code)}</h3>{block}" if place == 0 else details(code, block))
    return section("curve", "The curve through time", *blocks, lead=lead)


def positions(run: RunFolder, detail: float) -> str:
    """Positions by contract month."""
    held = run["positions"]
    held = held.where(held.integers("lots") != 0)
    if not held.rows:
        return section("positions", "Positions by contract month", empty("No position was held in this run."))
    content = positions_chart(held, run["equity"].integers("ts"), run.products, int(360 * detail))
    lead = "Lots by months to delivery. Blue is long, orange is short; the month of delivery is in the hover text."
    lead += _only(len({name.rsplit("-", 2)[0] for name in held.labels("contract").names}), PANELS, "products")
    return section(
        "positions",
        "Positions by contract month",
        figure("positions", content, "Positions by contract month"),
        lead=lead,
    )


def trades(run: RunFolder, detail: float) -> str:
    """Fills on the price, recorded columns below."""
    fills, prices, names = run["fills"], run["prices"], recorded_names(run["records"])
    parts = [] if names else [empty("The strategy recorded no columns of its own.")]
    if not prices.rows and not names:
        return section("trades", "Trades on the price", empty("No trade was made in this run."), *parts)
    if not fills.rows:
        parts.append(empty("No trade was made in this run."))
    content = trades_chart(prices, fills, run["records"], run.products, int(9000 * detail), int(2400 * detail))
    lead = "Fills of one contract, side and day are one marker at their mean price. Below: what the strategy recorded."
    lead += _only(len(names), RECORDS, "recorded columns")
    parts += _market_share(run)
    return section("trades", "Trades on the price", figure("trades", content, "Trades on the price"), *parts, lead=lead)


def _market_share(run: RunFolder) -> list[str]:
    """When the run was the market: a line a contract."""
    shares = run.manifest.get("market_share") or []
    if not shares:
        return []
    body = [
        [escape(its["contract"]), number(its["days"]), number(its["lots"]), number(its["volume"]),
         percent(its["lots"] / its["volume"]) if its["volume"] else "n/a", f"{percent(its['most'])} {escape(its['most_day'])}",
         number(its["notable_days"]), number(its["alone_days"]), number(its["unknown_days"])]
        for its in shares
    ]  # fmt: skip
    head = ["Contract", "Days with a fill", "Your lots", "Volume", "Your share", "Most on a day", "Days above 5%", "Days alone",
            "Days unknown"]
    return [details("Your share of the volume: when you were the market", table(head, body, total=True, tall=True))]


def profit(run: RunFolder) -> str:
    """Net profit by purpose, product and contract, in parts that add up."""
    by_contract = profit_by_contract(run["ledger"], run["fills"])
    if not by_contract:
        return section(
            "profit", "Where the profit came from", empty("Nothing was booked in this run: no profit, no cost.")
        )
    whole = total(by_contract.values())
    lead = (
        "The parts add up to net profit exactly, to the millionth of a dollar. Trading is the price change of "
        "positions before costs; final settlement is the step from the last mark to the final price; roll costs are "
        "the fees and half spreads of moving between months; the half spread is paid inside the fill price and shown "
        "as a cost."
    )
    products = profit_by_product(by_contract)
    by_code = [(code, products[code]) for code in in_order(products, run.products)]
    contracts = [*by_contract.items(), ("All", whole)]
    return section(
        "profit",
        "Where the profit came from",
        figure("purpose", money.profit_by_purpose(whole), "Profit by purpose"),
        _parts_table("Product", [*by_code, ("All", whole)]),
        f"<p>{_sum_check(whole, run)}</p>",
        "<h3>By contract</h3>",
        figure("contracts", money.profit_by_contract(by_contract, run.products), "Net profit by contract"),
        details(f"All {len(by_contract):,} contracts as a table", _parts_table("Contract", contracts, places=2)),
        lead=lead,
    )


def _parts_table(what: str, rows: list[tuple[str, Profit]], places: int = 0) -> str:
    shown = [key for key in PARTS if key not in ("funding", "interest") or any(getattr(part, key) for _, part in rows)]
    body = [
        [escape(name), *(usd(getattr(part, key), places) for key in shown), f"<strong>{usd(part.net, places)}</strong>"]
        for name, part in rows
    ]
    return table([what, *(PARTS[key] for key in shown), "Net"], body, total=True, tall=True)


def _sum_check(whole: Profit, run: RunFolder) -> str:
    booked = int(run["ledger"].integers("micros").sum())
    same = "equals" if booked == whole.net else "differs from"
    return f"The parts sum to {usd(whole.net, 6)}, which {same} the ledger's {usd(booked, 6)}."


def margin(run: RunFolder, points: int) -> str:
    """Margin use and calls."""
    equity, calls = run["equity"], margin_calls(run["orders"])
    need = equity.integers("margin_initial_micros")
    if not equity.rows or not need.any():
        return section("margin", "Margin", empty("No margin was required in this run."))
    value = equity.integers("equity_micros")
    solvent = value > 0
    use = float((need[solvent] / value[solvent]).max()) if solvent.any() else None
    counted = int(run.result.get("margin_calls") or 0)
    said = f"{counted:,} margin call{'' if counted == 1 else 's'}" if counted else "No margin call"
    lead = f"Initial margin took {percent(use, 0)} of equity at its peak. {said}.{_liquidation_cost(run['fills'])}"
    content = money.margin(equity, calls, points)
    return section("margin", "Margin", figure("margin", content, "Equity and margin through time"), lead=lead)


def _liquidation_cost(fills: Table) -> str:
    rows = fills.labels("purpose").is_any("liquidation")
    if not rows.any():
        return ""
    lots = int(np.abs(fills.integers("lots")[rows]).sum())
    fees, spread = (int(fills.integers(name)[rows].sum()) for name in ("fee_micros", "half_spread_micros"))
    return (f" Liquidation traded {lots:,} lot{'' if lots == 1 else 's'} at a cost of {usd(fees + spread, 2)}: "
            f"fees {usd(fees, 2)}, half spreads {usd(spread, 2)}.")


def margin_calls(orders: Table) -> Ints:
    """Times at which positions were reduced or orders cancelled by a margin call, nanoseconds, each once."""
    rows = orders.labels("origin").is_any("liquidation") | orders.labels("status").is_any("margin_call")
    return np.unique(orders.integers("ts")[rows])


def settlements(run: RunFolder) -> str:
    """The settlement ledger: every final price and how it came about."""
    found = run["settlements"]
    if not found.rows:
        return section(
            "settlements",
            "Settlement ledger",
            empty("No settlements in this run: no position was held to a final price."),
        )
    rows = [_settlement(found, row) for row in range(min(found.rows, LISTED))]
    head = [
        "Contract",
        "Settled (UTC)",
        "Lots",
        "Final price",
        "Sum of prints",
        "Fixings N",
        "Sum / N",
        "Missing",
        "Rule",
    ]
    lead = "The final price is the mean of the index over the fixing days, rounded by the contract's rule."
    return section(
        "settlements", "Settlement ledger", table(head, rows, words="Rule", tall=True), _cut(found.rows), lead=lead
    )


def _settlement(found: Table, row: int) -> list[str]:
    def take(column: str) -> int:
        return int(found.integers(column)[row])

    fixings = take("fixings")
    stated = found.labels("rule").text(row)
    parts = take("weight") if "weight" in found.columns else fixings  # of a volume-weighted mean, the sum of the weights
    mean = f"{float(Fraction(take('prints_sum_micros'), parts * 1_000_000)):,.6f}" if fixings else stated
    missing = take("missing")
    return [
        escape(found.labels("contract").text(row)), _moment(take("ts")), number(take("lots"), sign=True),
        usd(take("price_micros"), 4), f"{take('prints_sum_micros') / 1e6:,.6f}" if fixings else stated,
        f"{fixings:,}", mean, f"<strong>{missing:,}</strong>" if missing else "0",
        f'<span class="wrap">{escape(found.labels("rule").text(row))}</span>',
    ]  # fmt: skip


def orders(run: RunFolder) -> str:
    """What became of the orders, and why some were refused."""
    table_ = run["orders"]
    if not table_.rows:
        return section("orders", "Orders and refusals", empty("No order was made in this run."))
    _, first = np.unique(table_.integers("order"), return_index=True)
    each = table_.where(first)
    status = table([*("What became of it", "Orders")], [[escape(n), f"{c:,}"] for n, c in _counts(each, "status")])
    refused = each.where(each.labels("status").is_any("refused"))
    if not refused.rows:
        return section("orders", "Orders and refusals", status, empty("No order was refused in this run."), rolls(run))
    rows = [
        [f"<code>{escape(n)}</code>", f'<span class="wrap">{escape(meaning(run, n))}</span>', f"{c:,}"]
        for n, c in _counts(refused, "code")
    ]
    why = table(["Code", "Refused when", "Orders"], rows, text=2)
    lead = "The same risk gate stands before every order, in backtest, paper and live."
    return section(
        "orders", "Orders and refusals", f'<div class="columns"><div>{status}</div><div>{why}</div></div>', rolls(run), lead=lead
    )


def meaning(run: RunFolder, code: str) -> str:
    """What a refusal's code says: our own rule's words with the venues' own codes, or what the run's venues refuse with it."""
    venues = run.manifest.get("venues", ())
    if code in CODES:
        theirs = [f"{venue['reasons'][code]} at {venue['name']}" for venue in venues if venue["reasons"].get(code, code) != code]
        return CODES[code] + (f" ({', '.join(theirs)})" if theirs else "")
    features = [f"{feature.replace('_', ' ')} at {venue['name']}" for venue in venues
                for feature, its in venue["refused"].items() if its == code]  # fmt: skip
    return f"the venue refuses it: {', '.join(features)}" if features else ""


def _counts(orders_: Table, column: str) -> list[tuple[str, int]]:
    labels = orders_.labels(column)
    codes, counts = np.unique(labels.codes, return_counts=True)
    found = [(labels.names[code], count) for code, count in zip(codes.tolist(), counts.tolist(), strict=True)]
    return sorted(found, key=lambda item: (-item[1], item[0]))


def run_details(run: RunFolder) -> str:
    """Parameters, hashes, versions, timings, and the manifest as it stands."""
    m, result = run.manifest, run.result
    strategy, tape, seconds = m.get("strategy", {}), m.get("tape", {}), result.get("seconds") or {}
    parameters = [(name, f"<code>{escape(value)}</code>") for name, value in (m.get("parameters") or {}).items()]
    origin: list[tuple[str, Any]] = [
        ("kilohour", m.get("kilohour")), ("Strategy", strategy.get("class")), ("File", strategy.get("file")),
        ("Face", m.get("face")), ("Tape", tape.get("source")),
        ("Tape from", tape.get("start")), ("Tape to", tape.get("end")),
        ("Contracts", tape.get("contracts")), ("Events", result.get("events")), ("Bars", result.get("bars")),
        *((f"Seconds: {name}", value) for name, value in seconds.items() if name != "report"),  # not known while it is written
    ]  # fmt: skip
    files = {str(a.get("file")): str(a.get("sha256")) for a in m.get("assumptions", ())}
    hashes = [("Tape SHA-256", f'<span class="hash">{escape(tape.get("sha256"))}</span>')]
    hashes += [(name, f'<span class="hash">{escape(value)}</span>') for name, value in files.items()]
    return section(
        "details", "Run details",
        "<h3>Parameters</h3>", fields(parameters) if parameters else empty("The strategy has no parameters."),
        "<h3>Where it came from</h3>", fields((name, _plain(value)) for name, value in origin),
        fields(hashes),
        details("The manifest as it stands", f"<pre>{escape(json.dumps(m, indent=1, ensure_ascii=False))}</pre>"),
    )  # fmt: skip


def _plain(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, float):
        return f"{value:,.4g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else escape(value)


def _moment(ts: int) -> str:
    return str(np.datetime64(ts, "ns").astype("datetime64[m]")).replace("T", " ")


def _only(count: int, limit: int, what: str) -> str:
    return f" The first {limit} of {count} {what} are drawn." if count > limit else ""


def _cut(count: int) -> str:
    return f"<p>The first {LISTED:,} of {count:,} rows; the rest is in the run folder.</p>" if count > LISTED else ""
