# SPDX-License-Identifier: Apache-2.0
"""Synthetic tapes. Prices are random walks on a grid of micros, so that two means are never equal by chance.

Products of the venue ``BENCH`` cost one basis point and nothing else, which is what every peer can express.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kilohour.contracts import NEVER, Contract, Product, Registry
from kilohour.tape import Index, Tape, TapeBuilder
from kilohour.tape.schema import Kind
from kilohour.units import MICROS, NANOS_PER_DAY, day_of

Ints = npt.NDArray[np.int64]
MINUTE = 60_000_000_000
BEGIN = 17_897 * NANOS_PER_DAY
"""2019-01-01."""
VOLUME = 1_000
FEE = 0.0001
CASH_USD = 1_000_000.0
COLUMNS = ("open", "high", "low", "close")


def bench_product(name: str) -> Product:
    """``BENCH:name``: one unit a lot, one basis point, no half spread, no margin."""
    return Product.simple(f"BENCH:{name}", lot=1, tick="0.000001").replace(
        half_spread_ticks=0, margin_initial_ppm=0, margin_maintenance_ppm=0)


def margined_product(name: str) -> Product:
    """The same with scenario margin of two tiers and a credit for calendar spreads."""
    moves = [[sign * front, sign * back] for front, back in ((1 / 3, 1 / 4), (2 / 3, 1 / 2), (1, 3 / 4), (1, 1 / 4)) for sign in (1, -1)]
    return bench_product(name).replace(
        margin_model="scenario", margin_initial_ppm=200_000, margin_maintenance_ppm=150_000, margin_tiers=[93],
        margin_scenarios=[[f"{move:.6f}" for move in row] for row in moves], margin_calendar_credit_ppm=[800_000, 900_000],
        margin_tier_credit_ppm=700_000)


def walk(rng: np.random.Generator, count: int, scale: float, start: float) -> Ints:
    """A random walk in micros, never below a tenth of its start."""
    path = start + np.cumsum(rng.normal(0.0, scale, count))
    return np.asarray(np.rint(np.maximum(path, 0.1 * start) * MICROS), dtype=np.int64)


def minutes(bars: int, contracts: int = 1, seed: int = 1, of: Product | None = None) -> Tape:
    """``contracts`` contracts of one product with ``bars`` minute bars each, and a mark at the end of each day."""
    of = of or bench_product("A")
    builder = TapeBuilder(source=f"{contracts} x {bars} minute bars", products=[of])
    ts = BEGIN + MINUTE * np.arange(1, bars + 1, dtype=np.int64)
    rng = np.random.default_rng(seed)
    level = walk(rng, bars, 0.01, 100.0)
    for nth in range(contracts):
        own = level if contracts == 1 else level + walk(rng, bars, 0.001, 10.0) + 50_000 * nth
        _add(builder, _contract(of, nth), ts, own, ts // NANOS_PER_DAY)
    return builder.build()


def daily(days: int, contracts: int = 36, products: str = "ABCD", seed: int = 2) -> Tape:
    """Daily bars and marks of ``contracts`` contracts of each product, all listed for the whole time."""
    every = [bench_product(name) for name in products]
    builder = TapeBuilder(source=f"{len(every)} x {contracts} x {days} daily bars", products=every)
    ts = BEGIN + NANOS_PER_DAY * np.arange(1, days + 1, dtype=np.int64)
    rng = np.random.default_rng(seed)
    for of in every:
        level = walk(rng, days, 1.0, 100.0)
        for nth in range(contracts):
            _add(builder, _contract(of, nth), ts, level + walk(rng, days, 0.1, 10.0), ts)
    return builder.build()


def ten_years(folder: Path, days: int = 2_520) -> Path:
    """A saved tape of SIM:H100 as its registry lists it: 36 months out, index prints, interest, about 90,000 daily bars."""
    of = Registry.shipped().product("SIM:H100")
    first = dt.date(2016, 1, 4)
    last = first + dt.timedelta(days=days * 7 // 5)
    builder = TapeBuilder(source="ten years of SIM:H100 for the benchmark", days_per_year=252)
    rng = np.random.default_rng(3)
    sessions = of.trading_days().between(day_of(first), day_of(last))
    ts = np.array([of.close_at(int(day)) for day in sessions], dtype=np.int64)
    level = _on_tick(2.5 * np.exp(np.cumsum(rng.normal(0.0, 0.015, len(ts)))))
    for contract in of.contracts(first, last):
        own = (ts >= contract.listed_at) & (ts <= contract.last_trade_at)
        if own.any():
            noise = np.cumsum(rng.integers(-1, 2, own.sum())) * 10_000
            _add(builder, contract, ts[own], np.maximum(level[own] + noise, 10_000), ts[own])
    fixing = of.business_days().between(day_of(first) - 40, day_of(last))
    prints = _on_tick(np.interp(fixing, sessions, level / MICROS))
    ref = builder.index(Index(code=str(of.index), unit="USD per GPU-hour", note="synthetic"))
    builder.prints(ref, fixing, fixing * NANOS_PER_DAY + 34 * 60 * MINUTE, prints)
    builder.build().save(folder)
    return folder


def ohlc(tape: Tape, contract: int) -> dict[str, npt.NDArray[Any]]:
    """One contract's bars in dollars, for the peers: the same numbers the engine reads."""
    rows = (tape.events["kind"] == Kind.BAR) & (tape.events["ref"] == contract)
    return {"ts": tape.events["ts"][rows], **{name: tape.events[name][rows] / MICROS for name in COLUMNS}}


def _contract(of: Product, nth: int) -> Contract:
    month = (2090 + nth // 12) * 100 + nth % 12 + 1
    code = f"{of.code}-{month // 100}-{month % 100:02}"
    return Contract(code=code, product=of.code, symbol=code, month=month, listed_at=BEGIN, last_trade_at=NEVER,
                    settlement_at=NEVER, fixing_days=(), rule="benchmark")


def _add(builder: TapeBuilder, contract: Contract, ts: Ints, close: Ints, mark_group: Ints) -> None:
    ref = builder.contract(contract)
    opening = np.r_[close[:1], close[:-1]]
    builder.bars(ref, ts, opening, np.maximum(opening, close), np.minimum(opening, close), close, np.full(len(ts), VOLUME))
    last = np.r_[np.flatnonzero(np.diff(mark_group)), len(ts) - 1]
    builder.marks(ref, ts[last], close[last])


def _on_tick(prices: npt.NDArray[np.float64]) -> Ints:
    return np.asarray(np.rint(prices * 100.0), dtype=np.int64) * 10_000
