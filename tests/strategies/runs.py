# SPDX-License-Identifier: Apache-2.0
"""What the tests of the strategies share: a market, curves made by hand, and what was decided as plain rows."""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import kilohour as kh
from kilohour.backtests.backtest import finish, play
from kilohour.backtests.prepare import prepare
from kilohour.strategies.adoption_momentum import AdoptionMomentum
from kilohour.strategies.calendar_spread import CalendarSpread
from kilohour.strategies.generation_roll import GenerationRoll
from kilohour.strategies.rolled_exposure import RolledExposure
from kilohour.tape import Index, Kind, Tape, TapeBuilder
from kilohour.units import MICROS, NANOS_PER_DAY, day_of

STRATEGIES = {"calendar-spread": CalendarSpread, "generation-roll": GenerationRoll, "adoption-momentum": AdoptionMomentum,
              "rolled-exposure": RolledExposure}
LIVELY: dict[str, dict[str, Any]] = {
    "calendar-spread": {"window": 30, "entry": 1.0, "ticks": 0.0},
    "generation-roll": {"factor_low": 2.2, "factor": 2.25, "factor_high": 2.3, "edge": 0.0, "patience": 2},
    "adoption-momentum": {"warmup": 3},
    "rolled-exposure": {"as_spread": False, "stages": 2, "naked_most": 20, "move_on": 20260301},
}
"""Parameters under which each strategy trades often within four years."""

Price = Callable[[int, int], float]
"""Close of a contract, by session and by months from that session's month to its delivery."""


@functools.cache
def market(seed: int = 7) -> Tape:
    """Four years of two chips of the embedded market."""
    chips = tuple(chip for chip in kh.MarketConfig().chips if chip.product in ("SIM:H100", "SIM:B200"))
    config = kh.MarketConfig(first=dt.date(2024, 1, 2), last=dt.date(2027, 12, 30), chips=chips)
    return kh.EmbeddedMarket(seed=seed, config=config).tape()


def orders_of(run: kh.Run, until: int = 2**63 - 1) -> list[tuple[Any, ...]]:
    """What was decided up to a time, without what became of it later."""
    table = run.tables["orders"].to_pydict()
    names = ("ts", "order", "basket", "contract", "lots", "kind", "limit_micros", "tif", "origin")
    return [row for row in zip(*(table[name] for name in names), strict=True) if row[0] <= until]


def session_of(name: str, tape: Tape, *, interpreted: bool = False, **parameters: Any) -> tuple[Any, kh.Run]:
    """A finished session, its run beside it."""
    prepared, session = finished(name, tape, interpreted=interpreted, **parameters)
    return session, finish(prepared, session, tape, name, {"run": 0.0}, name)


def finished(name: str, tape: Tape, *, interpreted: bool = False, **parameters: Any) -> tuple[Any, Any]:
    """What was prepared and the session after it: a run hashes the whole tape and prices every curve besides."""
    prepared = prepare(STRATEGIES[name], tape, parameters=parameters, interpreted=interpreted)
    session = prepared.session()
    play(session)
    return prepared, session


def perturbed(tape: Tape, after: int, seed: int) -> Tape:
    """The same tape up to a time; later prices, prints, volumes and open interest are others."""
    random = np.random.default_rng(seed)
    events = {name: column.copy() for name, column in tape.events.items()}
    later = events["ts"] > after
    factor = np.exp(random.normal(0.0, 0.3, len(later)))
    for kind in (Kind.BAR, Kind.MARK, Kind.PRINT, Kind.INTEREST, Kind.FINAL):
        rows = later & (events["kind"] == kind)
        columns = ("open", "high", "low", "close") if kind == Kind.BAR else ("close",)
        for column in columns:
            known = rows & (events[column] > 0)
            events[column][known] = (events[column][known] * factor[known]).astype(np.int64)
        traded = rows & (events["volume"] > 0)
        events["volume"][traded] = random.integers(0, 1000, int(traded.sum()))
    return dataclasses.replace(tape, events=events, sha256="")


def weekdays(first: dt.date, count: int) -> list[int]:
    """Days since 1970 of the first ``count`` weekdays from a day on."""
    days = range(day_of(first), day_of(first) + count * 2)
    return [day for day in days if (day + 3) % 7 < 5][:count]


def made(prices: Mapping[str, Price], *, sessions: int, first: dt.date = dt.date(2025, 3, 3), volume: int = 100_000,
         interest: int = 1_000_000, adoption: list[tuple[int, int, float]] = ()) -> Tape:  # type: ignore[assignment]
    """A tape of curves made by hand: 18 months of each product, one bar, one mark and one open interest a weekday.

    ``adoption``: rows of value date, day on which it is known (13:00 UTC), value.
    """
    days = weekdays(first, sessions)
    builder = TapeBuilder(source="made by hand")
    registry = kh.Registry.shipped()
    for code, price in prices.items():
        product = registry.product(code)
        closes = np.array([product.close_at(day) for day in days], dtype=np.int64)
        dates = [dt.date(1970, 1, 1) + dt.timedelta(days=day) for day in days]
        for contract in product.contracts(dates[0], dates[-1]):
            away = [contract.month // 100 * 12 + contract.month % 100 - d.year * 12 - d.month for d in dates]
            kept = [i for i, months in enumerate(away) if months <= 17 and closes[i] <= contract.last_trade_at]
            if not kept:
                continue
            ref = builder.contract(contract)
            close = np.array([round(price(i, away[i]) * 10_000) * (MICROS // 10_000) for i in kept], dtype=np.int64)
            builder.bars(ref, closes[kept], close, close, close, close, np.full(len(kept), volume))
            builder.marks(ref, closes[kept] + 1, close)
            builder.interest(ref, closes[kept] + 2, np.full(len(kept), interest))
    if adoption:
        value_day, known_day, value = (np.array(column) for column in zip(*adoption, strict=True))
        ref = builder.index(Index(code="SIM-ADOPTION", unit="trillion tokens a month", note="made by hand"))
        builder.prints(ref, value_day, known_day * NANOS_PER_DAY + 13 * 3600 * 10**9, (value * MICROS).astype(np.int64))
    return builder.build()
