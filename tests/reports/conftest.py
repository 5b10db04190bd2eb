# SPDX-License-Identifier: Apache-2.0
"""Run folders made by hand-written bookkeeping in plain Python integers: no engine, no report code."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

Row = tuple[Any, ...]
DAY = 86_400 * 10**9
FIRST_DAY = 18_263  # 2020-01-02
LOT = 730
FEE = 5_500_000
HALF_SPREAD = 10_000
SCHEMAS = {
    "equity": "ts equity_micros cash_micros margin_initial_micros margin_maintenance_micros baseline_micros",
    "orders": "order ts basket contract* lots kind* limit_micros tif* origin* status* code* filled_lots",
    "fills": "fill order ts contract* lots price_micros fee_micros half_spread_micros position_after purpose*",
    "positions": "ts contract* lots mark_micros",
    "ledger": "ts contract* kind* micros",
    "settlements": "ts contract* lots price_micros fixings prints_sum_micros missing rule*",
    "curve": "ts contract* product* month nth mark_micros",
    "prices": "ts contract* close_micros",
}


def write_table(folder: Path, name: str, rows: list[Row], schema: str) -> None:
    """Rows as Parquet: a starred column holds strings, the others integers."""
    columns = schema.split()
    arrays = {}
    for place, column in enumerate(columns):
        kind = pa.string() if column.endswith("*") else pa.int64()
        arrays[column.rstrip("*")] = pa.array([row[place] for row in rows], type=kind)
    pq.write_table(pa.table(arrays), folder / f"{name}.parquet")


@dataclass
class Books:
    """One account's bookkeeping, a line a rule."""

    rows: dict[str, list[Row]] = field(default_factory=lambda: {name: [] for name in SCHEMAS})
    cash: int = 0
    held: dict[str, int] = field(default_factory=dict)
    marks: dict[str, int] = field(default_factory=dict)

    def book(self, ts: int, contract: str, kind: str, micros: int) -> None:
        if micros:
            self.cash += micros
            self.rows["ledger"].append((ts, contract, kind, micros))

    def fill(self, ts: int, contract: str, lots: int, middle: int, purpose: str, origin: str = "target") -> None:
        if not lots:
            return
        price = middle + (HALF_SPREAD if lots > 0 else -HALF_SPREAD)
        order = len(self.rows["orders"])
        self.held[contract] = self.held.get(contract, 0) + lots
        fee = abs(lots) * FEE
        self.rows["orders"].append(
            (order, ts - DAY, order, contract, lots, "market", -(2**63), "gtc", origin, "filled", "", lots)
        )
        self.rows["fills"].append(
            (order, order, ts, contract, lots, price, fee, abs(lots) * LOT * HALF_SPREAD, self.held[contract], purpose)
        )
        self.book(ts, contract, "fee", -fee)
        self.book(ts, contract, "variation", lots * LOT * (self.marks[contract] - price))

    def refuse(self, ts: int, contract: str, lots: int, code: str) -> None:
        order = len(self.rows["orders"])
        self.rows["orders"].append(
            (order, ts, order, contract, lots, "market", -(2**63), "gtc", "target", "refused", code, 0)
        )

    def mark(self, ts: int, contract: str, price: int) -> None:
        before = self.marks.get(contract, price)
        self.marks[contract] = price
        self.book(ts, contract, "variation", self.held.get(contract, 0) * LOT * (price - before))

    def settle(self, ts: int, contract: str, prints: list[int], missing: int) -> None:
        lots = self.held.pop(contract, 0)
        if not lots:
            return
        price = round(sum(prints) / len(prints) / 10_000) * 10_000
        self.book(ts, contract, "settlement", lots * LOT * (price - self.marks[contract]))
        self.book(ts, contract, "settlement_fee", -abs(lots) * 1_350_000)
        self.rows["settlements"].append(
            (
                ts,
                contract,
                lots,
                price,
                len(prints),
                sum(prints),
                missing,
                "mean over business days, missing day: previous print",
            )
        )


def month_number(day: int) -> int:
    return int(np.datetime64(day, "D").astype("datetime64[M]").astype(int))


def code_of(product: str, month: int) -> str:
    return f"{product}-{1970 + month // 12:04d}-{month % 12 + 1:02d}"


def simulate(
    products: list[str], days: int, lots: int, level: float, seed: int, start: int, trade: bool, shift: int
) -> tuple[Books, list[Row]]:
    """A near-far spread, turned round every 60 days, rolled each month; in some months the near leg settles instead."""
    generator = np.random.default_rng(seed)
    books, records = Books(cash=start), []
    walk = {p: level * (1 + 0.5 * k) for k, p in enumerate(products)}
    prints: dict[str, list[int]] = {p: [] for p in products}
    baseline, previous = start, None
    calendar = [d for d in range(FIRST_DAY, FIRST_DAY + math.ceil(days * 7 / 5)) if (d + 3) % 7 < 5][:days]
    for step, day in enumerate(calendar):
        ts, month = day * DAY + 21 * 3600 * 10**9, month_number(day)
        rolled = previous is not None and month != previous
        for product in products:
            walk[product] += generator.normal(0, 0.016) * abs(level) + 0.01 * (level - walk[product])
            curve = {
                m: round((walk[product] - 0.015 * level * (m - month) + 0.05 * level * math.sin(step / 90)) * 100)
                * 10_000
                + shift
                for m in range(month, month + 13)
            }
            move = 0
            for m, price in curve.items():
                move += (price - books.marks.get(code_of(product, m), price)) if m == month + 1 else 0
                books.mark(ts, code_of(product, m), price)
                if step % 5 == 0 or step == days - 1:
                    books.rows["curve"].append(
                        (ts, code_of(product, m), product, 1970 * 100 + (m // 12) * 100 + m % 12 + 1, m - month, price)
                    )
            baseline += move * LOT * lots // 4
            if rolled and trade:
                roll(books, product, ts, month, prints[product] or [curve[month]], curve)
                prints[product] = []
            prints[product].append(curve[month])
            side = 1 if (step // 60) % 2 == 0 else -1
            if trade and step > 20:
                for m, want in ((month + 1, -side * lots), (month + 4, side * lots)):
                    code = code_of(product, m)
                    purpose = "roll" if rolled else "open" if not books.held.get(code) else "close"
                    books.fill(ts, code, want - books.held.get(code, 0), curve[m], purpose)
                if step % 97 == 0:
                    books.refuse(ts, code_of(product, month + 1), lots * 100, "margin" if step % 2 else "tick")
            if trade:
                books.rows["prices"] += [(ts, code_of(product, m), curve[m]) for m in (month, month + 1, month + 4)]
        previous = month
        need = sum(abs(q) * LOT * abs(books.marks[c]) // 5 for c, q in books.held.items())
        books.rows["positions"] += [(ts, c, q, books.marks[c]) for c, q in sorted(books.held.items()) if q]
        books.rows["equity"].append((ts, books.cash, books.cash, need, need * 3 // 4, baseline))
        records.append((ts, math.sin(step / 30) * 2 if step > 10 else math.nan, walk[products[0]]))
    return books, records


def roll(books: Books, product: str, ts: int, month: int, prints: list[int], curve: dict[int, int]) -> None:
    """Out of last month's contracts: every other month the near leg is held into settlement, the rest is traded out."""
    books.settle(ts, code_of(product, month - 1), prints, missing=int(month % 5 == 0))
    for m in (month, month + 3):
        if m != month or month % 2:
            books.fill(ts, code_of(product, m), -books.held.get(code_of(product, m), 0), curve[m], "roll")


def result_of(books: Books, start: int, days: int) -> dict[str, Any]:
    """The JSON of a run, by loops."""
    equity = [row[1] for row in books.rows["equity"]]
    peak, deepest, fraction = start, 0, 0.0
    for value in equity:
        peak = max(peak, value)
        deepest, fraction = max(deepest, peak - value), max(fraction, (peak - value) / peak)
    changes = np.diff([start, *equity]).astype(float)
    deviation = changes.std(ddof=1) if len(changes) > 1 else 0.0
    money = {
        "fees": sum(row[6] for row in books.rows["fills"]),
        "net": sum(row[3] for row in books.rows["ledger"]),
        "equity_start": start,
        "equity_end": equity[-1] if equity else start,
        "max_drawdown": deepest,
        "margin_peak": max((row[3] for row in books.rows["equity"]), default=0),
    }
    return {
        **{f"{name}_usd": value / 1e6 for name, value in money.items()},
        **{f"{name}_micros": value for name, value in money.items()},
        "start": "2020-01-02T21:00:00Z", "end": "2029-12-31T21:00:00Z", "events": 91_234, "bars": 80_101,
        "orders": len(books.rows["orders"]), "refused": sum(r[9] == "refused" for r in books.rows["orders"]),
        "fills": len(books.rows["fills"]), "lots_traded": sum(abs(r[4]) for r in books.rows["fills"]),
        "settlements": len(books.rows["settlements"]), "max_drawdown": fraction,
        "sharpe": float(changes.mean() / deviation * math.sqrt(252)) if deviation else None,
        "margin_calls": 0, "seconds": {"load": 0.02, "compile": 0.01, "run": 0.004, "report": 0.2},
        "bars_per_second": 20_000_000.0, "report": "report.html",
    }  # fmt: skip


def make_run_folder(
    folder: Path,
    *,
    products: tuple[str, ...] = ("SIM:H100",),
    days: int = 504,
    lots: int = 10,
    level: float = 2.8,
    seed: int = 7,
    start: int = 250_000_000_000,
    trade: bool = True,
    records: bool = True,
    calls: int = 0,
    shift: int = 0,
) -> Path:
    """Writes a run folder whose books balance; ``shift`` below zero (micros) gives negative prices, many lots ruin."""
    folder.mkdir(parents=True, exist_ok=True)
    books, recorded = simulate(list(products), days, lots, level, seed, start, trade, shift)
    for row in books.rows["equity"][40 : 40 + calls]:
        books.rows["orders"].append(
            (
                len(books.rows["orders"]),
                row[0],
                0,
                code_of(products[0], 601),
                -1,
                "market",
                -(2**63),
                "gtc",
                "liquidation",
                "filled",
                "",
                -1,
            )
        )
    result = result_of(books, start, days)
    result["margin_calls"] = calls
    for name, schema in SCHEMAS.items():
        write_table(folder, name, books.rows[name], schema)
    names = ["ts", "z", "spread"] if records else ["ts"]
    values = list(zip(*recorded, strict=True)) if recorded and records else [(), (), ()]
    pq.write_table(
        pa.table({n: pa.array(values[k], type=pa.int64() if n == "ts" else pa.float64()) for k, n in enumerate(names)}),
        folder / "records.parquet",
    )
    manifest = {
        "kilohour": "0.1.0", "run": "calendar-spread-20291231",
        "strategy": {"name": "calendar-spread", "class": "CalendarSpread", "file": "calendar_spread.py",
                     "doc": "Fade a rich or cheap front of the curve, near against far, in whole lots."},
        "parameters": {"product": products[0], "near": 1, "far": 4, "window": 60, "entry": 2.0, "exit": 0.5,
                       "lots": lots},
        "tape": {"source": "embedded market, seed 7", "sha256": "3f1c" * 16, "start": "2020-01-02", "end": "2029-12-31",
                 "events": 91_234, "bars": 80_101, "contracts": 156,
                 "notes": ["Filled at the next settlement: an assumption.", "31 settles were snapped to the tick."]},
        "products": [{"code": code, "name": code, "unit": "GPU-hour", "currency": "USD"} for code in products],
        "assumptions": [{"file": "gpu1-2026.toml", "sha256": "ab" * 32, "product": products[0],
                         "term": "margin_initial_ppm", "value": "200000",
                         "source": "assumed: the initial margin AX publishes for its own contracts"}],
        "modelled": ["All prices are synthetic: a seeded model made them. Profit on them is no evidence.",
                     "Orders fill at the next bar's open, half a spread away, at most 10 % of its volume."],
        "result": result, "face": "compiled", "seed": 7,
    }  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    return folder


@pytest.fixture
def make_run(tmp_path):
    """make_run(name, **options) -> Path of a run folder."""
    return lambda name="run", **options: make_run_folder(tmp_path / name, **options)
