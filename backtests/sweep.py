# SPDX-License-Identifier: Apache-2.0
"""A sweep: the same strategy over a grid of parameters, on every core, every trial counted."""

from __future__ import annotations

import datetime as dt
import itertools
import json
import math
import multiprocessing
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import numpy as np

from kilohour import folders
from kilohour.backtests.backtest import Progress, between
from kilohour.backtests.manifest import assumption_rows, modelled_sentences, strategy_entry, tape_entry, venue_rows
from kilohour.backtests.prepare import CASH_USD, Prepared, parameter_values, prepare
from kilohour.backtests.resolve import strategy_class
from kilohour.backtests.trial import Player, refusal
from kilohour.errors import UsageError
from kilohour.faces.fields import fields_of
from kilohour.fills import Fills
from kilohour.limits import RiskLimits
from kilohour.reports import statistics
from kilohour.session import Session
from kilohour.strategy import Strategy
from kilohour.tape.tape import Tape
from kilohour.units import NANOS_PER_DAY
from kilohour.warm import engine_compiling

if TYPE_CHECKING:
    import pandas as pd

TRIALS_MAX = 1_000_000
MANIFEST, TRIALS, REPORT = "manifest.json", "trials.parquet", "report.html"
_SHARED: list[Player] = []
"""What a forked worker of an interpreted sweep inherits."""


def check_target(target: Path) -> None:
    """Raises :class:`UsageError` when something that is not a sweep is there."""
    folders.check_target(target, what="sweep", files=(MANIFEST, TRIALS, REPORT), needs=(MANIFEST, TRIALS))


@dataclass(slots=True)
class Sweep:
    """The outcome of a sweep. ``result`` is the object that ``--json`` prints; ``trials`` has a row a parameter set."""

    manifest: dict[str, Any]
    columns: dict[str, list[Any]]
    folder: Path | None = None

    @property
    def result(self) -> dict[str, Any]:
        """Counts, the best trial, its deflated Sharpe ratio."""
        found: dict[str, Any] = self.manifest["result"]
        return found

    @property
    def trials(self) -> pd.DataFrame:
        """One row a trial: the parameters that were varied, then the results."""
        import pandas as pd

        return pd.DataFrame(self.columns)

    def save(self, folder: str | Path) -> Path:
        """Writes manifest, ``trials.parquet`` and the report; returns the report's path.

        Raises :class:`UsageError` when something that is not a sweep is there.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        from kilohour.reports.sweep import write_sweep_report

        target = Path(folder)
        check_target(target)
        with folders.written_whole(target) as draft:
            pq.write_table(pa.table(self.columns), draft / TRIALS, compression="zstd")
            self.result["report"] = str(target / REPORT)
            (draft / MANIFEST).write_text(json.dumps(self.manifest, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
            write_sweep_report(draft)
        self.folder = target
        return target / REPORT

    def __repr__(self) -> str:
        return f"<Sweep of {self.result['strategy']}: {self.result['trials']} trials, best {self.result['best']}>"


def sweep(
    strategy: str | type[Strategy],
    tape: Tape | str | Path,
    grid: Mapping[str, Sequence[Any]],
    *,
    out_of_sample: float = 0.0,
    cores: int | None = None,
    cash: float = CASH_USD,
    start: dt.date | str | None = None,
    end: dt.date | str | None = None,
    assume: Sequence[str | Path] = (),
    contracts: str | Path | None = None,
    venue: str | Path | None = None,
    interpreted: bool = False,
    fills: Fills | None = None,
    cash_rate: float | str = 0.0,
    limits: RiskLimits | None = None,
    out: str | Path | None = None,
    progress: Progress | None = None,
    **parameters: Any,
) -> Sweep:
    """Runs every combination of ``grid`` (parameter name to values) and returns the :class:`Sweep`.

    ``out_of_sample``: the share of the time at the end that nothing is chosen on, 0 to below 1. Combinations that the
    strategy itself refuses are counted as skipped; all others are trials. Other arguments are those of
    :func:`~kilohour.backtests.backtest.backtest`.

    Raises :class:`UsageError` and the errors of a backtest.
    """
    began = time.perf_counter()
    face = strategy_class(strategy)
    check_request(face, grid, out_of_sample, cores, parameters)
    whole = between(tape, start, end)
    combinations = _combinations(face, grid, parameters)
    first = _first_accepted(face, combinations, parameters)
    prepared = prepare(face, whole, parameters={**parameters, **first}, cash=cash, assume=assume, contracts=contracts, venue=venue,
                       interpreted=interpreted, fills=fills, cash_rate=cash_rate, limits=limits)
    split = _split(prepared.market.tape, out_of_sample)
    loaded = time.perf_counter()
    with engine_compiling(face, prepared.interpreted):
        session = prepared.session(quiet=True)
    session.warm_up()
    compiled = time.perf_counter()
    played = _play(prepared, combinations, split, cores or os.cpu_count() or 1, progress)
    accepted = [values for values, row in zip(combinations, played, strict=True) if row is not None]
    rows, skipped = [row for row in played if row is not None], len(combinations) - len(accepted)
    seconds = {"load": loaded - began, "compile": compiled - loaded, "run": time.perf_counter() - compiled}
    columns: dict[str, list[Any]] = {name: [a[name] for a in accepted] for name in grid}
    bars = sum(row.pop("bars") for row in rows)
    for metric in rows[0]:
        columns[metric] = [row[metric] for row in rows]
    name = strategy if isinstance(strategy, str) and ".py" not in strategy else face.__name__
    best, deflated = _best(prepared, columns, accepted, split)
    found = Sweep(_manifest(prepared, whole, name, {
        "run": Path(out).name if out is not None else name, "strategy": name, "tape": whole.source,
        "grid": {k: list(v) for k, v in grid.items()}, "parameters": parameters, "trials": len(accepted), "skipped": skipped,
        "best": best, "deflated_sharpe": deflated, "out_of_sample": out_of_sample, "cores": cores or os.cpu_count() or 1,
        "bars": int(bars), "seconds": seconds, "bars_per_second": bars / seconds["run"] if seconds["run"] > 0 else None, "report": None,
    }), columns)  # fmt: skip
    if out is not None:
        found.save(out)
    return found


def check_request(face: type[Strategy], grid: Mapping[str, Sequence[Any]], out_of_sample: float, cores: int | None,
                  fixed: Mapping[str, Any]) -> None:
    """Raises :class:`UsageError` for a grid, a share or a number of cores that makes no sense."""
    if hasattr(face, "original"):
        raise UsageError(f"{face.__name__} is a backtrader strategy: kilohour backtest runs it, a sweep cannot")
    if not 0.0 <= out_of_sample < 1.0:
        raise UsageError(f"out_of_sample must be at least 0 and below 1, found {out_of_sample}")
    if cores is not None and cores < 1:
        raise UsageError(f"cores must be at least 1, found {cores}")
    handles = [f.name for f in fields_of(face) if f.kind in ("product", "index") and len(grid.get(f.name, ())) > 1]
    if handles:
        raise UsageError(f"a sweep varies numbers: run one sweep for each {handles[0]!r}, found {list(grid[handles[0]])}")
    if not grid or not all(len(values) for values in grid.values()):
        raise UsageError("a sweep needs at least one parameter with at least one value, as --set window=20:120:10")
    count = math.prod(len(values) for values in grid.values())
    if count > TRIALS_MAX:
        raise UsageError(f"a sweep has at most {TRIALS_MAX:,} trials, found {count:,}")
    both = [name for name in grid if name in fixed]
    if both:
        raise UsageError(f"parameter {both[0]!r} is given twice, once with one value and once with several")


def _manifest(prepared: Prepared, tape: Tape, name: str, result: dict[str, Any]) -> dict[str, Any]:
    import kilohour

    return {
        "kilohour": kilohour.__version__, "run": result["run"], "strategy": strategy_entry(prepared, name),
        "tape": tape_entry(tape, prepared.market.tape), "assumptions": assumption_rows(prepared),
        "venues": venue_rows(prepared), "modelled": modelled_sentences(prepared), "trials": result["trials"], "best": result["best"],
        "deflated_sharpe": result["deflated_sharpe"], "result": result,
    }  # fmt: skip


def _combinations(face: type[Strategy], grid: Mapping[str, Sequence[Any]], fixed: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every combination, its values checked for their kinds, each value once."""
    checked = [[parameter_values(face, {**fixed, name: value})[name] for value in values] for name, values in grid.items()]
    return [dict(zip(grid, values, strict=True)) for values in itertools.product(*checked)]


def _first_accepted(face: type[Strategy], combinations: Sequence[dict[str, Any]], fixed: Mapping[str, Any]) -> dict[str, Any]:
    """Raises :class:`UsageError` when the strategy's own check lets none pass."""
    first = refusal(face, {**fixed, **combinations[0]})
    for values in combinations:
        if not refusal(face, {**fixed, **values}):
            return values
    raise UsageError(f"the strategy refuses every combination; the first: {first}")


def _split(tape: Tape, out_of_sample: float) -> int:
    """The first event of the out-of-sample part, which begins at midnight UTC: no day counts in both parts."""
    if out_of_sample == 0.0:
        return len(tape)
    at = tape.start + round((tape.end - tape.start) * (1.0 - out_of_sample))
    split = int(np.searchsorted(tape.events["ts"], at // NANOS_PER_DAY * NANOS_PER_DAY, side="left"))
    if split == 0 or split == len(tape):
        raise UsageError(f"out_of_sample leaves one part of the tape empty, found {out_of_sample}")
    return split


def _play(
    prepared: Prepared, trials: list[dict[str, Any]], split: int, cores: int, progress: Progress | None
) -> list[dict[str, float] | None]:
    """Compiled trials run in threads (the engine lets go of the interpreter), interpreted ones in processes. None for a combination
    that the strategy refuses."""
    if prepared.interpreted and cores > 1 and len(trials) > 1:
        _SHARED[:] = [Player(prepared, split)]
        with multiprocessing.get_context("fork").Pool(cores) as pool:
            found = _counted(pool.imap(_forked_trial, trials), len(trials), progress)
        _SHARED.clear()
        return found
    if cores == 1:  # a second thread that only takes the results costs a tenth of a short trial
        player = Player(prepared, split)
        return _counted(map(player.play, trials), len(trials), progress)
    players: SimpleQueue[Player] = SimpleQueue()
    for _ in range(min(cores, len(trials))):
        players.put(Player(prepared, split))
    with ThreadPoolExecutor(cores) as threads:
        return _counted(threads.map(lambda values: _threaded_trial(players, values), trials), len(trials), progress)


def _threaded_trial(players: SimpleQueue[Player], values: dict[str, Any]) -> dict[str, float] | None:
    player = players.get()
    try:
        return player.play(values)
    finally:
        players.put(player)


def _forked_trial(values: dict[str, Any]) -> dict[str, float] | None:
    return _SHARED[0].play(values)


def _counted(rows: Iterator[dict[str, float] | None], total: int, progress: Progress | None) -> list[dict[str, float] | None]:
    found = []
    for row in rows:
        found.append(row)
        if progress is not None:
            progress(len(found), total)
    return found


def _best(
    prepared: Prepared, columns: dict[str, list[Any]], trials: list[dict[str, Any]], split: int
) -> tuple[dict[str, Any], float | None]:
    """The trial with the best Sharpe ratio in sample (net profit when none is defined), and its deflated Sharpe ratio."""
    ratios = np.array(columns["sharpe"], dtype=float)
    at = int(np.nanargmax(ratios)) if not np.isnan(ratios).all() else int(np.argmax(columns["net_usd"]))
    best = {name: _plain(values[at]) for name, values in columns.items()}
    days = prepared.market.tape.days_per_year
    defined = ratios[~np.isnan(ratios)] / math.sqrt(days)
    if not len(defined) or math.isnan(ratios[at]):
        return best, None
    changes = _daily_changes(prepared.session(**trials[at]), split, prepared.cash_micros)
    variance = float(defined.var(ddof=1)) if len(defined) > 1 else 0.0
    return best, statistics.deflated_sharpe(changes, len(trials), variance)


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value


def _daily_changes(session: Session, split: int, cash: int) -> np.ndarray[Any, Any]:
    from kilohour.backtests.trial import run_until

    run_until(session, split)
    session.close()
    _, closes = statistics.daily_closes(session.table("equity")["ts"], session.table("equity")["equity_micros"])
    return np.asarray(np.diff(np.r_[cash, closes]) / 1e6, dtype=np.float64)
