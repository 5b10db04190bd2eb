# SPDX-License-Identifier: Apache-2.0
"""Trades on the price of the contracts they were made in, with what the strategy recorded below."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kilohour.reports.charts.style import (
    BLUE,
    CYCLE,
    PURPLE,
    VERMILION,
    Figure,
    dollars,
    extent,
    in_order,
    layout,
    line,
    milliseconds,
    rows,
    single,
    thin,
    time_axis,
    value_axis,
)
from kilohour.reports.folder import by_product, months_of
from kilohour.reports.table import Floats, Ints, Table
from kilohour.units import NANOS_PER_DAY

PANELS = 4
RECORDS = 6


def trades(
    prices: Table, fills: Table, records: Table, products: Sequence[str] = (), points: int = 9000, markers: int = 2400
) -> Figure:
    """One panel a product (at most four) with prices and fills, one panel a recorded column (at most six).

    Prices are drawn around the days a contract was traded. Fills of one contract, side, purpose and day are one marker
    at their mean price. ``points`` and ``markers`` bound how much is drawn; longer stretches are merged then.
    """
    labels, sold = by_product(prices.labels("contract")), by_product(fills.labels("contract"))
    codes = in_order((labels.names[code] for code in np.unique(labels.codes).tolist()), products)[:PANELS]
    names = recorded_names(records)[:RECORDS]
    weights = [2.6] * len(codes) + [1.0] * len(names)
    domains = rows(max(1, len(weights)), weights or [1.0], 0.05)
    figure: dict[str, Any] = layout(
        70 + 270 * max(1, len(codes)) + 120 * len(names),
        hovermode="closest",
        xaxis=time_axis(
            anchor=f"y{len(weights)}" if len(weights) > 1 else "y",
            range=extent(prices.integers("ts"), records.integers("ts")),
        ),
    )
    traces: list[dict[str, Any]] = []
    for panel, name in enumerate(codes):
        axis = "y" if panel == 0 else f"y{panel + 1}"
        figure["yaxis" + axis[1:]] = value_axis(f"{name}, USD", domain=domains[panel], tickformat="$~g")
        traces += _price_lines(prices.where(labels.is_any(name)), fills, axis, points // len(codes))
        traces += _fill_marks(fills.where(sold.is_any(name)), axis, markers // len(codes))
    for place, name in enumerate(names):
        panel = len(codes) + place
        axis = "y" if panel == 0 else f"y{panel + 1}"
        scale = month_scale(records.floats(name)) if holds_months(records, name) else {"nticks": 3}
        figure["yaxis" + axis[1:]] = value_axis(name, domain=domains[panel], **scale)
        traces.append(_record(records, name, axis, 1600 if len(names) < 4 else 900))
    named: set[str] = set()
    for trace in traces:
        if "legendgroup" in trace:
            trace["showlegend"] = trace["name"] not in named
            named.add(trace["name"])
    return {"data": traces, "layout": figure}


def recorded_names(records: Table) -> list[str]:
    """Columns the strategy recorded at least one number in."""
    names = [name for name in records.numbers if name != "ts"]
    return [name for name in names if records.rows and not np.isnan(records.floats(name)).all()]


def _record(records: Table, name: str, axis: str, points: int) -> dict[str, Any]:
    values = records.floats(name)
    keep = thin(values, points)
    if holds_months(records, name):
        return line(name, milliseconds(records.integers("ts")[keep]), _starts(values[keep]), PURPLE, 1.1, yaxis=axis, showlegend=False,
                    line={"shape": "hv"}, hovertemplate="%{x|%Y-%m-%d} " + name + " %{y|%Y-%m}<extra></extra>")  # fmt: skip
    return line(name, milliseconds(records.integers("ts")[keep]), single(values[keep]), PURPLE, 1.1, yaxis=axis,
                showlegend=False, hovertemplate="%{x|%Y-%m-%d} " + name + " %{y:,.4g}<extra></extra>")  # fmt: skip


def holds_months(records: Table, name: str) -> bool:
    """True for a recorded column that says it holds delivery months and does, as ``desk.month`` gives them: 202512."""
    values = records.floats(name)
    known = values[np.isfinite(values)]
    return "month" in name and bool(len(known) and np.all((known % 1 == 0) & (known // 100 >= 1970) & (known // 100 < 2200)
                                                         & (known % 100 >= 1) & (known % 100 <= 12)))  # fmt: skip


def month_scale(months: Floats) -> dict[str, Any]:
    """An axis of whole months, three of them or so, from the first one on."""
    known = months[np.isfinite(months)]
    first, last = int(known.min()), int(known.max())
    span = (last // 100 - first // 100) * 12 + last % 100 - first % 100
    return {"type": "date", "tickformat": "%b %Y", "tick0": f"{first // 100}-{first % 100:02d}-01", "dtick": f"M{max(1, -(-span // 2))}"}


def _starts(months: Floats) -> Floats:
    """The first day of months as plotly's milliseconds, NaN where there is none."""
    whole = np.nan_to_num(months, nan=197001.0).astype(np.int64)
    starts = ((whole // 100 - 1970) * 12 + whole % 100 - 1).astype("datetime64[M]").astype("datetime64[ms]")
    return np.where(np.isfinite(months), starts.astype(np.float64), np.nan)


def _price_lines(prices: Table, fills: Table, axis: str, points: int) -> list[dict[str, Any]]:
    contracts = prices.labels("contract")
    month = months_of(contracts)
    order = np.argsort(contracts.codes, kind="stable")
    stretches = [s for s in np.split(order, np.flatnonzero(np.diff(contracts.codes[order])) + 1) if len(s)]
    windows = _windows(fills)
    ts, close = prices.integers("ts"), dollars(prices.integers("close_micros"))
    drawn: list[tuple[int, Ints]] = []
    for stretch in stretches:
        first, last = windows.get(contracts.text(stretch[0]), (0, 2**62))
        kept = stretch[(ts[stretch] >= first) & (ts[stretch] <= last)]
        if len(kept):
            drawn.append((int(month[kept[0]]), kept))
    drawn.sort(key=lambda item: item[0])
    share = points / max(1, sum(len(rows) for _, rows in drawn))
    lines: list[list[tuple[Floats, Any, Any]]] = [[] for _ in CYCLE]
    for place, (delivery, kept) in enumerate(drawn):
        kept = kept[thin(close[kept], max(8, int(len(kept) * share)))]
        nan = np.array([np.nan])
        x = np.append(milliseconds(ts[kept]), milliseconds(ts[kept[-1:]]))
        lines[place % len(CYCLE)].append(
            (x, np.append(close[kept], nan), np.full(len(kept) + 1, delivery, dtype=np.int32))
        )
    return [
        line("Price", np.concatenate([p[0] for p in parts]), single(np.concatenate([p[1] for p in parts])), colour, 1.0,
             customdata=np.concatenate([p[2] for p in parts]), opacity=0.65, showlegend=False, yaxis=axis,
             hovertemplate="%{x|%Y-%m-%d} delivery %{customdata}: %{y:$,.4f}<extra></extra>")
        for colour, parts in zip(CYCLE, lines, strict=True) if parts
    ]  # fmt: skip


def _windows(fills: Table) -> dict[str, tuple[int, int]]:
    # A contract's price matters from a month before its first fill to a month after its last.
    labels, ts = fills.labels("contract"), fills.integers("ts")
    first = np.full(len(labels.names), 2**62, dtype=np.int64)
    last = np.zeros(len(labels.names), dtype=np.int64)
    np.minimum.at(first, labels.codes, ts)
    np.maximum.at(last, labels.codes, ts)
    month = 31 * NANOS_PER_DAY
    return {name: (int(first[k]) - month, int(last[k]) + month) for k, name in enumerate(labels.names) if last[k]}


def merged_fills(fills: Table, span: int) -> tuple[Ints, Ints, Ints, Ints, Ints, Floats]:
    """Fills of one contract, side, purpose and stretch of ``span`` nanoseconds as one.

    Returns (time of the first, contract code, side +1 or -1, purpose code, lots signed, mean price in dollars), each of
    shape (groups,), ordered by time.
    """
    ts, lots = fills.integers("ts"), fills.integers("lots")
    contract, purpose = fills.labels("contract").codes, fills.labels("purpose").codes
    keys = np.stack([ts // span, contract, (lots > 0).astype(np.int64), purpose])
    _, first, group = np.unique(keys, axis=1, return_index=True, return_inverse=True)
    group = group.reshape(-1)
    volume = np.zeros(len(first), dtype=np.int64)
    paid = np.zeros(len(first))
    np.add.at(volume, group, lots)
    np.add.at(paid, group, lots * dollars(fills.integers("price_micros")))
    return ts[first], contract[first], np.sign(lots[first]), purpose[first], volume, paid / volume


def _fill_marks(fills: Table, axis: str, limit: int) -> list[dict[str, Any]]:
    if not fills.rows:
        return []
    span = NANOS_PER_DAY
    ts, contract, side, purpose, lots, price = merged_fills(fills, span)
    while len(ts) > limit and span < 2**60:
        span *= 2
        ts, contract, side, purpose, lots, price = merged_fills(fills, span)
    names, purposes = fills.labels("contract").names, fills.labels("purpose").names
    forced = np.isin(purpose, [k for k, name in enumerate(purposes) if name == "liquidation"])
    kinds = (
        ("Bought", "triangle-up", BLUE, (side > 0) & ~forced),
        ("Sold", "triangle-down", VERMILION, (side < 0) & ~forced),
        ("Liquidated", "x", "#000000", forced),
    )
    traces = []
    for label, symbol, colour, rows_wanted in kinds:
        chosen = np.flatnonzero(rows_wanted)
        if len(chosen):
            text = [f"{names[contract[k]]} {lots[k]:+,d} ({purposes[purpose[k]]})" for k in chosen.tolist()]
            traces.append({
                "type": "scatter", "mode": "markers", "name": label, "legendgroup": label, "yaxis": axis,
                "x": milliseconds(ts[chosen]), "y": single(price[chosen]), "text": text,
                "hovertemplate": "%{x|%Y-%m-%d} %{text} at %{y:$,.4f}<extra></extra>",
                "marker": {"symbol": symbol, "size": 8, "color": colour, "line": {"width": 0.7, "color": "#ffffff"}},
            })  # fmt: skip
    return traces
