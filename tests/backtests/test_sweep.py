# SPDX-License-Identifier: Apache-2.0
"""A sweep is every parameter set run alone; its choice is made in sample and deflated by the number of trials."""

from __future__ import annotations

import math
import threading
from itertools import pairwise
from statistics import NormalDist, mean, variance
from typing import Any

import numpy as np
import pytest

import kilohour as kh
from kilohour import Product, Strategy, indicator, product
from kilohour.backtests.sweep import sweep
from kilohour.backtests.trial import play
from kilohour.errors import UsageError
from kilohour.indicators import RollingMean
from kilohour.units import NANOS_PER_DAY
from tests.backtests.tapes import FIRST, sim_tape


class Cross(Strategy):
    chip: Product = product("SIM:H100")
    fast: int = 3
    slow: int = 12
    scale: float = 5.0
    a: RollingMean = indicator(RollingMean, "fast")
    b: RollingMean = indicator(RollingMean, "slow")

    def check(self):
        if self.fast >= self.slow:
            raise UsageError(f"Cross: fast must be below slow, found fast {self.fast}, slow {self.slow}")

    def on_bar(self, desk):
        near = desk.nth(self.chip, 1)
        a, b = self.a.update(desk.price(near)), self.b.update(desk.price(near))
        if a > b:
            desk.target(near, kh.maths.truncate(self.scale))
        elif a < b:
            desk.target(near, -kh.maths.truncate(self.scale))


GRID: dict[str, Any] = {"fast": [2, 3, 5], "slow": [5, 12], "scale": [4.0, 7.0]}
TAPE = sim_tape(days=150, marks_a_day=2, bars_after=3)


def rows(found):
    return found.trials.drop(columns=["fast", "slow", "scale"]).to_numpy()


@pytest.fixture(scope="module")
def found():
    return sweep(Cross, TAPE, GRID, cores=1)


def test_each_trial_is_the_run_of_its_parameters_alone(found):
    """Also with two marks a day (one change of equity a day) and bars after the last mark (valued at the last price)."""
    assert len(found.trials) == 10
    for trial in found.trials.itertuples():
        run = kh.backtest(Cross, TAPE, fast=trial.fast, slow=trial.slow, scale=trial.scale)
        result = run.result
        assert trial.net_usd == result["net_usd"]
        assert trial.fills == result["fills"] > 0
        assert trial.fees_usd == result["fees_usd"]
        assert trial.margin_calls == result["margin_calls"]
        assert trial.max_drawdown_usd == result["max_drawdown_usd"]
        assert trial.sharpe == pytest.approx(result["sharpe"], rel=1e-9)


def test_refused_combinations_are_counted_and_not_trials(found):
    assert found.result["skipped"] == 2
    assert found.result["trials"] == len(found.trials) == 10
    assert not ((found.trials["fast"] == 5) & (found.trials["slow"] == 5)).any()
    with pytest.raises(UsageError, match="the strategy refuses every combination; the first: Cross: fast must be below slow"):
        sweep(Cross, TAPE, {"fast": [12, 13]})


@pytest.mark.parametrize("options", [{"cores": 2}, {"cores": 5}, {"cores": 1, "interpreted": True}, {"cores": 2, "interpreted": True}],
                         ids=str)
def test_cores_threads_processes_and_faces_change_nothing(found, options):
    other = sweep(Cross, TAPE, GRID, **options)
    assert rows(other).tobytes() == rows(found).tobytes()
    assert other.result["best"] == found.result["best"]
    assert other.result["deflated_sharpe"] == found.result["deflated_sharpe"]


def test_the_deflated_sharpe_is_the_formula_of_bailey_and_lopez_de_prado(found):
    best = found.trials.loc[found.trials["sharpe"].idxmax()]
    assert found.result["best"]["sharpe"] == best["sharpe"]
    run = kh.backtest(Cross, TAPE, fast=int(best["fast"]), slow=int(best["slow"]), scale=float(best["scale"]))
    days = {}
    for ts, equity in zip(run.tables["equity"]["ts"].to_pylist(), run.tables["equity"]["equity_micros"].to_pylist(), strict=True):
        days[ts // NANOS_PER_DAY] = equity
    closes = [10**12, *days.values()]
    changes = [(b - a) / 1e6 for a, b in pairwise(closes)]
    n, trials = len(changes), len(found.trials)
    ratio = mean(changes) / math.sqrt(variance(changes))
    centred = [c - mean(changes) for c in changes]
    second, third, fourth = (mean([c**k for c in centred]) for k in (2, 3, 4))
    skew, kurtosis = third / second**1.5, fourth / second**2
    spread = math.sqrt(variance([s / math.sqrt(TAPE.days_per_year) for s in found.trials["sharpe"]]))
    gamma, normal = 0.5772156649015329, NormalDist()
    chance = spread * ((1 - gamma) * normal.inv_cdf(1 - 1 / trials) + gamma * normal.inv_cdf(1 - 1 / (trials * math.e)))
    score = (ratio - chance) * math.sqrt(n - 1) / math.sqrt(1 - skew * ratio + (kurtosis - 1) / 4 * ratio**2)
    assert found.result["deflated_sharpe"] == pytest.approx(normal.cdf(score), rel=1e-9)


@pytest.mark.parametrize("share", [0.3, 0.5])
def test_out_of_sample_is_the_whole_less_what_was_in_sample(share):
    found = sweep(Cross, TAPE, GRID, out_of_sample=share, cores=2)
    at = TAPE.start + round((TAPE.end - TAPE.start) * (1.0 - share))
    split_day = at // NANOS_PER_DAY
    for trial in found.trials.itertuples():
        run = kh.backtest(Cross, TAPE, fast=trial.fast, slow=trial.slow, scale=trial.scale)
        equity = run.tables["equity"].to_pydict()
        before = [e for ts, e in zip(equity["ts"], equity["equity_micros"], strict=True) if ts // NANOS_PER_DAY < split_day]
        fills = [ts // NANOS_PER_DAY < split_day for ts in run.tables["fills"]["ts"].to_pylist()]
        assert trial.net_usd == (before[-1] - 10**12) / 1e6
        assert trial.out_of_sample_net_usd == pytest.approx(run.result["net_usd"] - trial.net_usd, abs=1e-6)
        assert (trial.fills, trial.out_of_sample_fills) == (sum(fills), len(fills) - sum(fills))
        assert trial.max_drawdown_usd == fall([10**12, *before])
        after = [e for ts, e in zip(equity["ts"], equity["equity_micros"], strict=True) if ts // NANOS_PER_DAY >= split_day]
        assert trial.out_of_sample_max_drawdown_usd == fall([before[-1], *after, run.result["equity_end_micros"]])
        assert trial.sharpe == pytest.approx(sharpe(10**12, equity, lambda day: day < split_day), rel=1e-9)
        assert trial.out_of_sample_sharpe == pytest.approx(sharpe(before[-1], equity, lambda day: day >= split_day), rel=1e-9)


def fall(path):
    path = np.array(path)
    return float((np.maximum.accumulate(path) - path).max()) / 1e6


def sharpe(start, equity, wanted):
    closes = {ts // NANOS_PER_DAY: e for ts, e in zip(equity["ts"], equity["equity_micros"], strict=True) if wanted(ts // NANOS_PER_DAY)}
    changes = np.diff([start, *closes.values()]) / 1e6
    return changes.mean() / changes.std(ddof=1) * math.sqrt(TAPE.days_per_year)


def test_the_best_is_chosen_in_sample_only():
    found = sweep(Cross, TAPE, GRID, out_of_sample=0.5)
    assert found.result["best"]["sharpe"] == found.trials["sharpe"].max()


@pytest.mark.parametrize("grid, options, words", [
    ({}, {}, "a sweep needs at least one parameter with at least one value"),
    ({"fast": []}, {}, "a sweep needs at least one parameter with at least one value"),
    ({"fast": [2]}, {"out_of_sample": 1.0}, "out_of_sample must be at least 0 and below 1, found 1.0"),
    ({"fast": [2]}, {"out_of_sample": -0.1}, "out_of_sample must be at least 0 and below 1, found -0.1"),
    ({"fast": [2]}, {"out_of_sample": 0.9999}, "out_of_sample leaves one part of the tape empty, found 0.9999"),
    ({"fast": [2]}, {"cores": 0}, "cores must be at least 1, found 0"),
    ({"fast": [2]}, {"fast": 3}, "parameter 'fast' is given twice"),
    ({"fst": [2]}, {}, "unknown field 'fst' in Cross; did you mean 'fast'"),
    ({"fast": [2, 2.5]}, {}, "Cross.fast must be an int, found 2.5"),
    ({"scale": [1.0, math.nan]}, {}, "Cross.scale must be finite, found nan"),
    ({"fast": range(1000), "slow": range(1001)}, {}, "a sweep has at most 1,000,000 trials, found 1,001,000"),
    ({"chip": ["SIM:H100", "SIM:B200"]}, {}, "a sweep varies numbers: run one sweep for each 'chip'"),
])
def test_what_makes_no_sense_is_refused(grid, options, words):
    with pytest.raises(UsageError) as caught:
        sweep(Cross, TAPE, grid, **options)
    assert words in str(caught.value)


def test_a_sweep_is_saved_and_only_over_a_sweep(tmp_path, found):
    found.save(tmp_path / "sweep")
    assert sorted(p.name for p in (tmp_path / "sweep").iterdir()) == ["manifest.json", "report.html", "trials.parquet"]
    found.save(tmp_path / "sweep")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep")
    with pytest.raises(UsageError, match="a sweep is only written to a new folder, an empty one, or over a sweep"):
        found.save(tmp_path / "mine")
    assert (tmp_path / "mine" / "notes.txt").read_text() == "keep"


def test_a_strategy_that_raises_in_a_process_says_so():
    with pytest.raises(kh.errors.StrategyRaised, match="Breaks raised at 2024-10-04 20:00 UTC"):
        sweep(Breaks, TAPE, {"x": [1, 2, 3]}, cores=2, interpreted=True)


class Breaks(Strategy):
    x: int = 1

    def on_bar(self, desk):
        raise ValueError("broken")


def test_on_one_core_the_callers_thread_plays_every_trial(monkeypatch):
    threads = []

    def noted(*args):
        threads.append(threading.get_ident())
        return play(*args)

    monkeypatch.setattr("kilohour.backtests.trial.play", noted)
    sweep(Cross, TAPE, {"fast": [2, 3, 5]}, cores=1)
    assert threads == [threading.get_ident()] * 3


@pytest.mark.parametrize("cores", [1, 2])
def test_a_compiled_trial_that_raises_shows_the_users_line(cores):
    with pytest.raises(kh.errors.StrategyRaised, match=r"(?s)Late raised at 2024-1\d-\d\d .*raise ValueError"):
        sweep(Late, TAPE, {"x": [1, 2, 3]}, cores=cores)


class Late(Strategy):
    chip: Product = product("SIM:H100")
    x: int = 1
    seen: int = 0

    def on_bar(self, desk):
        self.seen += 1
        if self.seen == 40 * self.x and self.x == 2:
            raise ValueError("broken")


def test_a_trial_leaves_nothing_behind_for_the_next():
    """Resting orders, a loss limit that was hit, quantities of the day: each trial as when it is the only one, whatever came before."""
    limits = kh.RiskLimits(loss_daily=2_000.0, open_orders=4)
    grid = {"lots": [1, 40, 3, 25], "ticks": [1, 6]}
    together = sweep(Rests, TAPE, grid, cores=1, limits=limits).trials
    assert together["fills"].nunique() > 2
    for trial in together.to_dict("records"):
        alone = sweep(Rests, TAPE, {"lots": [trial["lots"]], "ticks": [trial["ticks"]]}, cores=1, limits=limits).trials.to_dict("records")
        assert alone == [trial]


class Rests(Strategy):
    chip: Product = product("SIM:H100")
    lots: int = 1
    ticks: int = 1
    seen: int = 0

    def on_bar(self, desk):
        near = desk.nth(self.chip, 1)
        self.seen += 1
        if self.seen % 3 == 1:
            desk.limit(near, self.lots, desk.price(near) - 0.005 * self.ticks)
        if self.seen % 5 == 2:
            desk.limit(near, -self.lots, desk.price(near) + 0.005 * self.ticks)


def test_days_count_from_the_tape():
    assert TAPE.start // NANOS_PER_DAY == FIRST
