# SPDX-License-Identifier: Apache-2.0
"""Own exponential, logarithm and random numbers against exact decimal arithmetic and published values."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext

import numba
import numpy as np
import pytest
import scipy

from kilohour.kernels import arithmetic as a

DRAWS = 4_000 if numba.config.DISABLE_JIT else 400_000


def error_in_ulps(found: float, exact: Decimal) -> float:
    return float(abs(Decimal(found) - exact) / Decimal(math.ulp(found)))


def test_exp_is_within_one_ulp_of_exact():
    rng = np.random.default_rng(1)
    xs = [*rng.uniform(-708, 709.7, 1500), *rng.normal(0, 1, 1500), *rng.normal(0, 1e-6, 300), 709.782712893384, 1e-300]
    with localcontext() as context:
        context.prec = 60
        assert max(error_in_ulps(a.exp(float(x)), Decimal(float(x)).exp()) for x in xs) < 1.0


def test_log_is_within_one_ulp_of_exact():
    rng = np.random.default_rng(2)
    xs = [*np.exp(rng.uniform(-700, 700, 1500)), *rng.uniform(0.5, 2, 1500), *(1 + rng.normal(0, 1e-9, 300)),
          5e-324, 2.2e-308, 1.7e308]
    with localcontext() as context:
        context.prec = 60
        assert max(error_in_ulps(a.log(float(x)), Decimal(float(x)).ln()) for x in xs if x != 1.0) < 1.0


@pytest.mark.parametrize("x, expected", [
    (0.0, 1.0), (-0.0, 1.0), (710.0, math.inf), (math.inf, math.inf), (-746.0, 0.0), (-math.inf, 0.0),
])
def test_exp_at_the_ends(x, expected):
    assert a.exp(x) == expected


@pytest.mark.parametrize("x, expected", [(1.0, 0.0), (0.0, -math.inf), (math.inf, math.inf)])
def test_log_at_the_ends(x, expected):
    assert a.log(x) == expected


def test_not_a_number_stays_one():
    assert math.isnan(a.exp(math.nan))
    assert math.isnan(a.log(math.nan))
    assert math.isnan(a.log(-1.0))


def test_exp_of_a_subnormal_result_is_near():
    assert abs(a.exp(-740.0) - math.exp(-740.0)) <= 2 * 5e-324


def test_random_words_are_those_of_splitmix64():
    # Published with the algorithm's reference implementation (seed 1234567).
    expected = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431,
                16408922859458223821]
    state = np.array([1234567], dtype=np.uint64)
    with np.errstate(over="ignore"):
        assert [int(a.next_word(state)) for _ in expected] == expected


def draw(name: str, count: int, *arguments: float) -> np.ndarray:
    state = a.stream(11, 3)
    kernel = getattr(a, name)
    with np.errstate(over="ignore"):
        return np.array([kernel(state, *arguments) for _ in range(count)])


def test_normals_have_the_distribution():
    out = np.empty(DRAWS + 1)
    with np.errstate(over="ignore"):
        a.fill_normals(a.stream(5, 0), out)
    assert scipy.stats.kstest(out, "norm").pvalue > 0.01
    root = math.sqrt(len(out))
    for power, moment, spread in ((1, 0, 1), (2, 1, math.sqrt(2)), (3, 0, math.sqrt(15)), (4, 3, math.sqrt(96))):
        assert abs((out**power).mean() - moment) < 3.5 * spread / root
    for lag in (1, 2):
        assert abs(np.corrcoef(out[:-lag], out[lag:])[0, 1]) < 3.5 / root


def test_uniforms_and_exponentials_have_the_distribution():
    assert scipy.stats.kstest(draw("uniform", 3_000), "uniform").pvalue > 0.01
    assert scipy.stats.kstest(draw("exponential", 3_000), "expon").pvalue > 0.01


def test_poisson_counts_have_mean_and_variance():
    for mean in (0.3, 4.0, 19.0):
        counts = draw("poisson", 3_000, mean, 0.0)
        assert abs(counts.mean() - mean) < 4 * math.sqrt(mean / 3_000)
        assert abs(counts.var() / mean - 1) < 0.15


def test_poisson_above_twenty_is_the_rounded_normal():
    state = a.stream(1, 1)
    assert a.poisson(state, 100.0, 0.0) == 100
    assert a.poisson(state, 100.0, 1.54) == 115
    assert a.poisson(state, 25.0, -9.0) == 0


def test_streams_of_a_seed_share_nothing():
    words = set()
    with np.errstate(over="ignore"):
        for seed in (0, 1, 7, 2**63 - 1):
            for number in range(9):
                state = a.stream(seed, number)
                words |= {int(a.next_word(state)) for _ in range(50)}
    assert len(words) == 4 * 9 * 50
