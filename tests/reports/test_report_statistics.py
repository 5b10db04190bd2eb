# SPDX-License-Identifier: Apache-2.0
"""Statistics against published figures, scipy, pandas, the standard library and plain loops."""

from __future__ import annotations

import math
import statistics as standard
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kilohour.reports import statistics as s

DAY = 86_400 * 10**9
equities = st.lists(st.integers(-(10**13), 10**13), min_size=1, max_size=60)

DRAWDOWNS = """
start  equity            micros  fraction
100    110 120 90 130    30      1/4
100    90 80 85          20      1/5
100    101 102 103       0       0
100    50 200 120        80      1/2
100    40 -20 10         120     6/5
100    -                 0       0
"""


@pytest.mark.parametrize("line", DRAWDOWNS.split("\n")[2:-1])
def test_drawdown_of_paths_a_reader_can_follow(line):
    start, *path, micros, fraction = line.split()
    equity = np.array([int(v) for v in path if v != "-"], dtype=np.int64)
    found = s.max_drawdown(equity, int(start))
    assert (found.micros, found.fraction) == (int(micros), float(Fraction(fraction)))


@given(equities, st.integers(1, 10**12))
def test_drawdown_equals_every_pair_of_days_compared(path, start):
    whole = [start, *path]
    falls = [(a - b, Fraction(a - b, a) if a > 0 else Fraction(0)) for k, a in enumerate(whole) for b in whole[k:]]
    # Only a running peak counts: an earlier, higher peak gives the larger fall, not always the larger fraction.
    peaks = [max(whole[: k + 1]) for k in range(len(whole))]
    fraction = max(Fraction(p - v, p) for p, v in zip(peaks, whole, strict=True))
    found = s.max_drawdown(np.array(path, dtype=np.int64), start)
    assert found.micros == max(fall for fall, _ in falls)
    assert found.fraction == pytest.approx(float(fraction), rel=1e-12)


@given(st.lists(st.integers(-(10**9), 10**9), min_size=2, max_size=60))
def test_sharpe_equals_the_standard_library(changes):
    equity = np.cumsum(changes) + 10**9
    found = s.sharpe(np.arange(len(changes)) * DAY, equity.astype(np.int64), 10**9, 252)
    if len(set(changes)) == 1:
        assert found is None
    else:
        assert found == pytest.approx(
            standard.mean(changes) / standard.stdev(changes) * math.sqrt(252), rel=1e-9, abs=1e-9
        )


@pytest.mark.parametrize("path", [[], [105], [100, 100, 100], [110, 120, 130]])
def test_sharpe_is_undefined_without_variation(path):
    assert s.sharpe(np.arange(len(path)) * DAY, np.array(path, dtype=np.int64), 100, 365) is None


def test_sharpe_counts_days_not_rows():
    """Three marks on one day are one change of equity."""
    ts = np.array([0, 1, 2, DAY, 2 * DAY], dtype=np.int64)
    many = s.sharpe(ts, np.array([90, 130, 110, 105, 125], dtype=np.int64), 100, 252)
    few = s.sharpe(np.array([2, DAY, 2 * DAY]), np.array([110, 105, 125], dtype=np.int64), 100, 252)
    assert many == few == pytest.approx(standard.mean([10, -5, 20]) / standard.stdev([10, -5, 20]) * math.sqrt(252))


def test_monthly_returns_equal_pandas():
    generator = np.random.default_rng(5)
    days = pd.date_range("2021-11-17", "2023-02-09", freq="B", tz="UTC")
    equity = 10**11 + np.cumsum(generator.integers(-(10**9), 10**9, len(days)))
    closes = pd.Series(equity, index=days.tz_localize(None)).resample("ME").last()
    before = closes.shift(1, fill_value=10**11)
    found = s.monthly_returns(days.as_unit("ns").asi8, equity, 10**11)
    assert [m.micros for m in found] == (closes - before).astype(int).tolist()
    assert [m.fraction for m in found] == pytest.approx((closes / before - 1).tolist())
    assert [(m.year, m.month) for m in found] == [(t.year, t.month) for t in closes.index]
    assert sum(m.micros for m in found) == equity[-1] - 10**11


def test_months_without_a_mark_and_months_begun_in_ruin():
    ts = np.array([0, 70 * DAY, 100 * DAY], dtype=np.int64)  # January, March, April 1970
    found = s.monthly_returns(ts, np.array([-50, -50, 20], dtype=np.int64), 100)
    assert [(m.month, m.micros, m.fraction) for m in found] == [
        (1, -150, -1.5),
        (2, 0, None),
        (3, 0, None),
        (4, 70, None),
    ]


PAPER_ANNUAL, PAPER_DAYS, PAPER_VARIANCE = 2.5, 250, 0.5
"""Bailey and Lopez de Prado (2014), "A numerical example": five years of days, skew -3, kurtosis 10."""


def paper(trials: int, skew: float = -3.0, kurtosis: float = 10.0) -> tuple[float, float]:
    luck = s.expected_maximum_sharpe(trials, PAPER_VARIANCE / PAPER_DAYS)
    return luck, s.probabilistic_sharpe(PAPER_ANNUAL / math.sqrt(PAPER_DAYS), luck, 1250, skew, kurtosis)


def test_the_published_example_of_the_deflated_sharpe_ratio():
    luck, deflated = paper(100)
    assert luck == pytest.approx(0.1132, abs=5e-5)
    assert deflated == pytest.approx(0.9004, abs=5e-5)
    assert paper(46)[1] == pytest.approx(0.9505, abs=5e-5)


def test_normal_returns_pass_the_published_number_of_trials():
    """The paper: had returns been normal, 88 trials would have been allowed at 95 %, not 46."""
    assert paper(88, 0.0, 3.0)[1] == pytest.approx(0.9505, abs=5e-5)


@pytest.mark.parametrize("trials", [2, 10, 100, 1000, 100_000])
def test_expected_maximum_equals_scipy_and_nears_the_true_expectation(trials):
    from scipy import integrate, stats

    gamma, inverse = np.euler_gamma, stats.norm.ppf
    high = (1 - gamma) * inverse(1 - 1 / trials) + gamma * inverse(1 - 1 / (trials * np.e))
    found = s.expected_maximum_sharpe(trials, 0.04)
    assert found == pytest.approx(0.2 * high, rel=1e-12)

    def density(x: float) -> float:
        return float(x * trials * stats.norm.pdf(x) * stats.norm.cdf(x) ** (trials - 1))

    true = integrate.quad(density, -8, 8, limit=400)[0]
    # The paper's formula is an approximation from extreme value theory; it is good for more than a few trials.
    assert found == pytest.approx(0.2 * true, rel=0.15 if trials < 5 else 0.025)


def test_one_trial_needs_no_deflation_and_impossible_input_is_refused():
    assert s.expected_maximum_sharpe(1, 0.3) == 0.0
    for trials, variance in ((0, 1.0), (5, -1.0), (5, math.nan)):
        with pytest.raises(ValueError, match="found"):
            s.expected_maximum_sharpe(trials, variance)
    for observations, skew in ((1, 0.0), (9, 9.0)):
        with pytest.raises(ValueError, match=r"found|cannot"):
            s.probabilistic_sharpe(1.0, 0.0, observations, skew, 3.0)


@given(st.lists(st.floats(-100, 100), min_size=8, max_size=200).filter(lambda v: np.std(v) > 1e-3))
def test_moments_equal_scipy(values):
    from scipy import stats

    changes = np.array(values)
    skew, kurtosis = s.moments(changes)
    assert skew == pytest.approx(stats.skew(changes), rel=1e-6, abs=1e-9)
    assert kurtosis == pytest.approx(stats.kurtosis(changes, fisher=False), rel=1e-6, abs=1e-9)


def test_deflated_sharpe_equals_the_formula_in_scipy():
    from scipy import stats

    changes = np.random.default_rng(3).standard_t(4, 700) + 0.12
    ratio = changes.mean() / changes.std(ddof=1)
    luck = math.sqrt(0.002) * (
        (1 - np.euler_gamma) * stats.norm.ppf(1 - 1 / 60) + np.euler_gamma * stats.norm.ppf(1 - 1 / (60 * math.e))
    )
    spread = 1 - stats.skew(changes) * ratio + (stats.kurtosis(changes, fisher=False) - 1) / 4 * ratio**2
    expected = stats.norm.cdf((ratio - luck) * math.sqrt(699) / math.sqrt(spread))
    assert s.deflated_sharpe(changes, 60, 0.002) == pytest.approx(expected, rel=1e-9)
    assert s.deflated_sharpe(np.zeros(10), 60, 0.002) is None
