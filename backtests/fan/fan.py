# SPDX-License-Identifier: Apache-2.0
"""A fan: the same strategy over the markets of many seeds under one scenario, on every core."""

from __future__ import annotations

import json
import math
import multiprocessing
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kilohour import folders
from kilohour.backtests.backtest import Progress
from kilohour.backtests.fan.path import Outcome, Task, outcome_of
from kilohour.backtests.manifest import assumption_rows, modelled_sentences, strategy_entry, tape_entry, venue_rows
from kilohour.backtests.prepare import CASH_USD, Prepared
from kilohour.backtests.resolve import strategy_class
from kilohour.contracts import Registry
from kilohour.datafeeds.embedded.market import SEED_MAX
from kilohour.datafeeds.embedded.scenario import Scenario
from kilohour.errors import UsageError
from kilohour.fills import Fills
from kilohour.limits import RiskLimits
from kilohour.strategy import Strategy
from kilohour.units import MICROS, date_of
from kilohour.warm import engine_compiling

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

PATHS_MAX = 100_000
LEVELS = (5, 25, 50, 75, 95)
"""Per cent of the quantiles that a report shows."""
MANIFEST, PATHS, EQUITY, FRONT, REPORT = "manifest.json", "paths.parquet", "equity.parquet", "front.parquet", "report.html"


def check_target(target: Path) -> None:
    """Raises :class:`UsageError` when something that is not a fan is there."""
    folders.check_target(target, what="fan", files=(MANIFEST, PATHS, EQUITY, FRONT, REPORT), needs=(MANIFEST, PATHS))


@dataclass(slots=True)
class Fan:
    """The outcome of one strategy over many seeds. ``result`` is the object that ``--json`` prints."""

    manifest: dict[str, Any]
    outcomes: list[Outcome]
    days: list[str]
    """ISO days of the sessions that equity and front have values for."""
    folder: Path | None = None

    @property
    def result(self) -> dict[str, Any]:
        """Quantiles of profit and drawdown, chances, and the seeds of the worst, the median and the best path."""
        found: dict[str, Any] = self.manifest["result"]
        return found

    @property
    def paths(self) -> pd.DataFrame:
        """One row a seed: money in dollars, counts, Sharpe ratio."""
        import pandas as pd

        return pd.DataFrame([{"seed": one.seed, **one.numbers} for one in self.outcomes]).set_index("seed")

    @property
    def equity(self) -> pd.DataFrame:
        """Equity in dollars: a row a session, a column a seed."""
        import pandas as pd

        columns = {one.seed: one.equity / MICROS for one in self.outcomes}
        return pd.DataFrame(columns, index=pd.DatetimeIndex(self.days, name="day"))

    @property
    def front(self) -> pd.DataFrame:
        """Price of the first month that is not fixing yet, dollars: a row a session, a column a seed."""
        import pandas as pd

        return pd.DataFrame({one.seed: one.front for one in self.outcomes}, index=pd.DatetimeIndex(self.days, name="day"))

    def save(self, folder: str | Path) -> Path:
        """Writes manifest, Parquet of the paths and the report, together or not at all; returns the report's path.

        Raises :class:`UsageError` when something that is not a fan is there.
        """
        import pyarrow.parquet as pq

        from kilohour.reports.fan import write_fan_report

        target = Path(folder)
        check_target(target)
        with folders.written_whole(target) as draft:
            for name, table in self._tables().items():
                pq.write_table(table, draft / name, compression="zstd")
            self.result["report"] = str(target / REPORT)
            (draft / MANIFEST).write_text(json.dumps(self.manifest, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
            write_fan_report(draft)
        self.folder = target
        return target / REPORT

    def _tables(self) -> dict[str, pa.Table]:
        import pyarrow as pa

        rows = {name: [one.numbers[name] for one in self.outcomes] for name in self.outcomes[0].numbers}
        paths = {"seed": [one.seed for one in self.outcomes], "net_micros": [one.net_micros for one in self.outcomes], **rows}
        equity = {"day": self.days, **{str(one.seed): one.equity for one in self.outcomes}}
        front = {"day": self.days, **{str(one.seed): one.front for one in self.outcomes}}
        return {PATHS: pa.table(paths), EQUITY: pa.table(equity), FRONT: pa.table(front)}

    def __repr__(self) -> str:
        r = self.result
        return f"<Fan of {r['strategy']} under {r['scenario']!r}: {r['paths']} paths, median net {r['net_usd']['50']:,.2f} USD>"


def scenario(
    strategy: str | type[Strategy],
    scenario: str | Path | Scenario,
    *,
    paths: int = 500,
    first_seed: int = 7,
    cores: int | None = None,
    cash: float = CASH_USD,
    assume: Sequence[str | Path] = (),
    contracts: str | Path | None = None,
    venue: str | Path | None = None,
    interpreted: bool = False,
    fills: Fills | None = None,
    limits: RiskLimits | None = None,
    out: str | Path | None = None,
    progress: Progress | None = None,
    **parameters: Any,
) -> Fan:
    """Runs a strategy over ``paths`` embedded markets of a scenario, seeds ``first_seed`` on, and returns the :class:`Fan`.

    ``scenario``: a shipped name, a TOML file or a :class:`Scenario`. ``cores``: processes, all cores unless given. Other arguments are
    those of :func:`kilohour.backtests.backtest.backtest`. A single path is ``kh.backtest(strategy, kh.EmbeddedMarket.under(scenario,
    seed).tape())``, to the micro.

    Raises :class:`UsageError` and the errors of a backtest.
    """
    began = time.perf_counter()
    words = scenario if isinstance(scenario, Scenario) else Scenario.load(scenario)
    face = strategy_class(strategy)
    seeds = checked_seeds(face, paths, first_seed, cores)
    task = Task.of(face, parameters, Registry.shipped(contracts), scenario=words, cash=cash, assume=tuple(assume), contracts=contracts,
                   venue=venue, interpreted=interpreted, fills=fills, limits=limits)
    market = task.market(seeds[0])
    first_tape = market.tape(task.products, task.series)
    prepared = task.prepared(first_tape)
    with engine_compiling(face, prepared.interpreted):
        session = prepared.session()
    session.warm_up()
    compiled = time.perf_counter()
    found = _played(task, seeds, cores or _cores(), progress)
    seconds = {"load": compiled - began, "run": time.perf_counter() - compiled}
    name = strategy if isinstance(strategy, str) and ".py" not in strategy else face.__name__
    run = Path(out).name if out is not None else name
    schedule = market.schedule()
    days = [str(date_of(int(day))) for day in schedule.days[: schedule.span]]
    result = _result(found, words, name, run, prepared, cash, seconds, cores or _cores())
    fan = Fan(_manifest(prepared, words, name, run, result), found, days)
    if out is not None:
        fan.save(out)
    return fan


def checked_seeds(face: type[Strategy], paths: int, first_seed: int, cores: int | None) -> range:
    """The seeds of a fan. Raises :class:`UsageError` for numbers out of range, or a backtrader strategy."""
    if hasattr(face, "original"):
        raise UsageError(f"{face.__name__} is a backtrader strategy: kilohour backtest runs it on one path, a fan cannot")
    if not 1 <= paths <= PATHS_MAX:
        raise UsageError(f"paths must be from 1 to {PATHS_MAX:,}, found {paths}")
    if not 0 <= first_seed <= SEED_MAX - paths:
        raise UsageError(f"first_seed must be from 0 to {SEED_MAX - paths}, found {first_seed}")
    if cores is not None and cores < 1:
        raise UsageError(f"cores must be at least 1, found {cores}")
    return range(first_seed, first_seed + paths)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _played(task: Task, seeds: range, cores: int, progress: Progress | None) -> list[Outcome]:
    """Every path in the order of its seed; in processes, which inherit what was compiled and planned."""
    found: list[Outcome] = []

    def count(one: Outcome) -> None:
        found.append(one)
        if progress is not None:
            progress(len(found), len(seeds))

    if cores == 1 or len(seeds) == 1:
        for seed in seeds:
            count(outcome_of(task, seed))
        return found
    count(outcome_of(task, seeds[0]))
    _SHARED[:] = [task]
    try:
        with multiprocessing.get_context("fork").Pool(min(cores, len(seeds) - 1)) as pool:
            for one in pool.imap(_forked, seeds[1:], chunksize=max(1, min(8, len(seeds) // (4 * cores)))):
                count(one)
    finally:
        _SHARED.clear()
    return found


_SHARED: list[Task] = []
"""What a forked worker inherits."""


def _forked(seed: int) -> Outcome:
    return outcome_of(_SHARED[0], seed)


def _result(found: list[Outcome], words: Scenario, name: str, run: str, prepared: Prepared, cash: float, seconds: dict[str, float],
            cores: int) -> dict[str, Any]:
    nets = np.array([one.net_micros for one in found])
    order = np.argsort(nets, kind="stable")
    at = {"worst": int(order[0]), "median": int(order[(len(order) - 1) // 2]), "best": int(order[-1])}
    column = {key: np.array([one.numbers[key] for one in found]) for key in found[0].numbers}
    bars = sum(one.bars for one in found)
    return {
        "run": run, "strategy": name, "scenario": words.name, "parameters": prepared.parameters, "paths": len(found),
        "first_seed": found[0].seed, "last_seed": found[-1].seed, "cash_usd": cash,
        **{key: quantiles(column[key]) for key in ("net_usd", "max_drawdown_usd", "front_usd", "sharpe", "margin_calls")},
        "mean_net_usd": float(column["net_usd"].mean()), "mean_net_error_usd": _error_of_mean(column["net_usd"]),
        "chance": {"profit": float((nets > 0).mean()), "margin_call": float((column["margin_calls"] > 0).mean()),
                   "half_lost": float((column["lowest_usd"] <= 0.5 * cash).mean()), "ruin": float((column["lowest_usd"] <= 0.0).mean())},
        **{key: {"seed": found[i].seed, "net_usd": found[i].net_micros / MICROS, "net_micros": found[i].net_micros,
                 "max_drawdown_usd": found[i].numbers["max_drawdown_usd"], "margin_calls": int(found[i].numbers["margin_calls"])}
           for key, i in at.items()},
        "cores": cores, "bars": bars, "seconds": seconds, "bars_per_second": bars / seconds["run"] if seconds["run"] > 0 else None,
        "report": None,
    }  # fmt: skip


def quantiles(values: np.ndarray[Any, np.dtype[np.float64]]) -> dict[str, float | None]:
    """The :data:`LEVELS` of the values that are defined, by level; None where none is."""
    known = values[~np.isnan(values)]
    return {str(level): float(np.quantile(known, level / 100.0)) if len(known) else None for level in LEVELS}


def _error_of_mean(values: np.ndarray[Any, np.dtype[np.float64]]) -> float | None:
    return float(values.std(ddof=1) / math.sqrt(len(values))) if len(values) > 1 else None


def _modelled(prepared: Prepared, result: dict[str, Any]) -> list[str]:
    """What is modelled on every path: the sentences of one, its seed replaced, without that of the baseline, which a fan has not."""
    return [sentence for sentence in _of_all(modelled_sentences(prepared), result) if not sentence.startswith("The baseline holds")]


def _of_all(sentences: Sequence[str], result: dict[str, Any]) -> list[str]:
    seeds = f"seeds {result['first_seed']} to {result['last_seed']}"
    return [sentence.replace(f"seed {result['first_seed']};", f"{seeds};") for sentence in sentences]


def _manifest(prepared: Prepared, words: Scenario, name: str, run: str, result: dict[str, Any]) -> dict[str, Any]:
    import kilohour

    tape = prepared.market.tape
    entry = {**tape_entry(tape, tape), "source": f"embedded markets, seeds {result['first_seed']} to {result['last_seed']}"}
    entry["notes"] = _of_all(tape.notes, result)
    del entry["sha256"]
    return {"kilohour": kilohour.__version__, "run": run, "kind": "fan", "strategy": strategy_entry(prepared, name),
            "parameters": prepared.parameters, "scenario": words.to_dict(), "tape": entry, "assumptions": assumption_rows(prepared),
            "venues": venue_rows(prepared), "modelled": _modelled(prepared, result), "result": result,
            "face": "interpreted" if prepared.interpreted else "compiled"}  # fmt: skip
