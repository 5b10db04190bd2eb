# SPDX-License-Identifier: Apache-2.0
"""Exponential kernels against twins that follow the definitions, in exact fractions where no root is taken."""

import math
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kilohour.kernels.rolling_checks import first_unfit
from kilohour.kernels.rolling_recursive import average_true_range, ewma_volatility, exponential_mean, relative_strength
from kilohour.kernels.rolling_s_curve import logistic, s_curve_surprise

COMPILED_FIRST = settings(deadline=None)
"""The first example pays for the compilation."""

PRICES = st.lists(st.integers(-4000, 9000).map(lambda cents: cents / 100.0), max_size=50).map(np.array)


@pytest.fixture(autouse=True)
def _quiet_division():
    """Interpreted (NUMBA_DISABLE_JIT), numpy warns of divisions whose result is not used."""
    with np.errstate(all="ignore"):
        yield


def exponential_twin(values, window, weight):
    """Fractions rounded to 2⁻²⁰⁰, so that they stay short."""
    means, mean = [], None
    for i, value in enumerate(values):
        if i == window - 1:
            mean = sum(values[:window]) / window
        elif mean is not None:
            mean += (value - mean) * weight
            mean = Fraction(round(mean * 2**200), 2**200)
        means.append(mean)
    return means


def assert_equal(out, expected, scale):
    for found, exact in zip(out, expected, strict=True):
        if exact is None:
            assert math.isnan(found)
        else:
            assert found == pytest.approx(float(exact), rel=1e-12, abs=1e-13 * scale)


@COMPILED_FIRST
@given(PRICES, st.integers(1, 12), st.booleans())
def test_exponential_mean(x, window, wilder):
    x = x.astype(float) + 1e6
    out = np.full(x.size, 7.0)
    weight = 1.0 / window if wilder else 2.0 / (window + 1)
    exponential_mean(x, window, weight, out)
    exact = Fraction(1, window) if wilder else Fraction(2, window + 1)
    assert_equal(out, exponential_twin([Fraction(v) for v in x.tolist()], window, exact), 1.0)


@COMPILED_FIRST
@given(PRICES, st.integers(1, 12))
def test_relative_strength(x, window):
    x = x.astype(float)
    out = np.full(x.size, 7.0)
    relative_strength(x, window, out)
    values = [Fraction(v) for v in x.tolist()]
    changes = [b - a for a, b in pairwise(values)]
    gains = exponential_twin([max(c, Fraction(0)) for c in changes], window, Fraction(1, window))
    losses = exponential_twin([max(-c, Fraction(0)) for c in changes], window, Fraction(1, window))
    expected: list[Any] = [None] * min(1, x.size)
    for gain, loss in zip(gains, losses, strict=True):
        moved = None if gain is None else gain + loss
        expected.append(None if moved is None else Fraction(50) if moved == 0 else 100 * gain / moved)
    assert_equal(out, expected, 100.0)


@COMPILED_FIRST
@given(PRICES, st.integers(1, 12), st.integers(0, 99))
def test_average_true_range(close, window, width):
    close = close.astype(float)
    high, low = close + width / 100.0, close - width / 50.0
    out = np.full(close.size, 7.0)
    average_true_range(high, low, close, window, out)
    h, low_, c = ([Fraction(v) for v in column.tolist()] for column in (high, low, close))
    ranges = [max(h[i], c[i - 1]) - min(low_[i], c[i - 1]) for i in range(1, len(c))]
    assert_equal(out, [None] * min(1, len(c)) + exponential_twin(ranges, window, Fraction(1, window)), 1.0)


@COMPILED_FIRST
@given(PRICES, st.floats(0.01, 0.99))
def test_ewma_volatility(x, decay):
    x = x.astype(float)
    out = np.full(x.size, 7.0)
    ewma_volatility(x, decay, out)
    expected: list[Any] = [None] * min(1, x.size)
    variance, kept = None, Fraction(decay)
    for a, b in pairwise(x.tolist()):
        square = (Fraction(b) - Fraction(a)) ** 2
        variance = square if variance is None else kept * variance + (1 - kept) * square
        variance = Fraction(round(variance * 2**300), 2**300)
        expected.append(math.sqrt(variance))
    assert_equal(out, expected, 1e-10)


def s_curve_twin(times, values, ceiling, memory, warmup):
    """Each surprise from a weighted least-squares line through all earlier logits, fitted anew by numpy."""
    surprises = []
    logits = [math.log(v / (ceiling - v)) for v in values]
    for i in range(len(values)):
        earlier = np.array(times[:i])
        if i < warmup or np.ptp(earlier) == 0.0:
            surprises.append(math.nan)
            continue
        # polyfit's weights multiply residuals, not their squares
        weights = np.exp(0.5 * (earlier - earlier[-1]) / memory)
        rate, constant = np.polyfit(earlier, logits[:i], 1, w=weights)
        level = ceiling / (1.0 + math.exp(-(rate * times[i] + constant)))
        surprises.append(values[i] / level - 1.0)
    return surprises


@pytest.mark.parametrize(("memory", "warmup"), [(0.5, 2), (2.0, 4), (1e6, 6)])
def test_s_curve_surprise(memory, warmup):
    rng = np.random.default_rng(warmup)
    times = np.cumsum(rng.uniform(0.0, 0.5, 30))
    values = 80.0 / (1.0 + np.exp(-0.9 * (times - 5.0) + rng.normal(0.0, 0.1, 30)))
    out = np.zeros(30)
    s_curve_surprise(times, values, 80.0 + 20.0, memory, warmup, out)
    expected = np.array(s_curve_twin(times.tolist(), values.tolist(), 100.0, memory, warmup))
    np.testing.assert_allclose(out, expected, atol=1e-10)


def test_logistic_at_the_ends():
    assert (logistic(0.0), logistic(1e5), logistic(-1e5)) == (0.5, 1.0, math.exp(-700.0))


@pytest.mark.parametrize("place", [0, 1, 4095, 4096, 9999])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 2e100])
def test_first_unfit_names_the_place(place, value):
    x = np.zeros(10_000)
    assert first_unfit(x, 1e100) == -1
    x[place] = value
    x[-1] = value
    assert first_unfit(x, 1e100) == place
