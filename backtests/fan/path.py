# SPDX-License-Identifier: Apache-2.0
"""One path of a fan: a seed's market made in memory, only the products the strategy trades, and what became of the account."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kilohour.backtests.prepare import Prepared, parameter_values, prepare
from kilohour.backtests.trial import Reading, run_until, sharpe_between
from kilohour.contracts import Registry
from kilohour.datafeeds.embedded import EmbeddedMarket
from kilohour.datafeeds.embedded.market import daily_tape
from kilohour.datafeeds.embedded.paths import Paths, simulate
from kilohour.datafeeds.embedded.scenario import Scenario
from kilohour.faces.fields import fields_of
from kilohour.fills import Fills
from kilohour.limits import RiskLimits
from kilohour.strategy import Strategy
from kilohour.tape import Tape
from kilohour.units import MICROS, NANOS_PER_DAY

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What every path of a fan has in common."""

    face: type[Strategy]
    scenario: Scenario
    registry: Registry
    parameters: Mapping[str, Any]
    cash: float
    assume: Sequence[str | Path] = ()
    contracts: str | Path | None = None
    venue: str | Path | None = None
    interpreted: bool = False
    fills: Fills | None = None
    limits: RiskLimits | None = None
    products: tuple[str, ...] | None = field(default=None)
    """Products that the strategy trades; all when it names none."""
    series: tuple[str, ...] | None = None

    @classmethod
    def of(cls, face: type[Strategy], parameters: Mapping[str, Any], registry: Registry, **rest: Any) -> Task:
        """Finds the products and series that the strategy's fields name."""
        values = parameter_values(face, parameters)
        products = tuple(dict.fromkeys(values[f.name] for f in fields_of(face) if f.kind == "product"))
        named = [values[f.name] for f in fields_of(face) if f.kind == "index"]
        settling = [str(registry.product(code).index) for code in products]
        return cls(face=face, parameters=dict(parameters), registry=registry, products=products or None,
                   series=tuple(dict.fromkeys([*named, *settling])) if products else None, **rest)

    def market(self, seed: int) -> EmbeddedMarket:
        """The market of a seed under the scenario."""
        return EmbeddedMarket.under(self.scenario, seed, self.registry)

    def prepared(self, tape: Tape) -> Prepared:
        """A session's beginnings on a tape of this fan."""
        return prepare(self.face, tape, parameters=self.parameters, cash=self.cash, assume=self.assume, contracts=self.contracts,
                       venue=self.venue, interpreted=self.interpreted, fills=self.fills, limits=self.limits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one path. Arrays have a value a session of the market."""

    seed: int
    numbers: dict[str, float]
    """Money in dollars: ``net_usd max_drawdown_usd lowest_usd sharpe margin_calls fills fees_usd front_usd``."""
    net_micros: int
    equity: Ints
    """Micros at the mark of each session."""
    front: npt.NDArray[np.float32]
    """Fair value of the first month that is not fixing yet, dollars; NaN where none is listed."""
    bars: int


def outcome_of(task: Task, seed: int) -> Outcome:
    """Makes a seed's market, plays the strategy on it and reads the account."""
    market = task.market(seed)
    paths = simulate(seed, market.plan(), task.products)
    prepared = task.prepared(daily_tape(paths, task.products, task.series))
    session = prepared.session()
    first = Reading.of(session)
    run_until(session, len(prepared.market.tape))
    session.close()
    last = Reading.of(session)
    equity = by_session(session.table("equity"), paths.schedule.days[: paths.schedule.span], prepared.cash_micros)
    front = front_of(paths)
    known = front[~np.isnan(front)]
    numbers = {
        "net_usd": (last.equity - first.equity) / MICROS, "max_drawdown_usd": last.fall / MICROS,
        "lowest_usd": min(int(equity.min()), last.equity) / MICROS,
        "sharpe": sharpe_between(first, last, prepared.market.tape.days_per_year),
        "margin_calls": last.calls, "fills": last.fills, "fees_usd": last.fees / MICROS,
        "front_usd": float(known[-1]) if len(known) else float("nan"),
    }  # fmt: skip
    return Outcome(seed=seed, numbers=numbers, net_micros=last.equity - first.equity, equity=equity, front=front.astype(np.float32),
                   bars=last.bars)


def by_session(rows: Any, days: Ints, cash: int) -> Ints:
    """Equity at the last mark of each session, micros; the one before it where a session has no mark."""
    place = np.searchsorted(rows["ts"] // NANOS_PER_DAY, days, side="right") - 1
    return np.where(place >= 0, rows["equity_micros"][place], cash) if len(rows) else np.full(len(days), cash, dtype=np.int64)


def front_of(paths: Paths) -> Floats:
    """Closing fair value, each session, of the first product's nearest contract whose fixing window has not begun."""
    fair, span = paths.fair[0], paths.schedule.span
    line, out = fair.line, np.full(span, np.nan)
    begins = line.fix_day[line.fix_from] if len(line.fix_day) else np.zeros(0, dtype=np.int64)
    for k in range(len(line.contracts))[::-1]:
        # The contracts are in the order of their months: a nearer one overwrites a later one on the days before its window.
        first, end = int(line.first[k]), min(int(begins[k]), int(line.last[k]) + 1)
        if end > first:
            out[first:end] = fair.close[fair.offset[k] : fair.offset[k] + end - first]
    return out
