# SPDX-License-Identifier: Apache-2.0
"""Window kernels against slow twins in exact fractions, at offsets, ties, constants and every cut of the blocks."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kilohour.kernels.rolling_extremes import rolling_max, rolling_min
from kilohour.kernels.rolling_moments import rolling_variance, rolling_z
from kilohour.kernels.rolling_regression import rolling_correlation, rolling_slope
from kilohour.kernels.rolling_sums import rolling_mean, rolling_sum

COMPILED_FIRST = settings(deadline=None)
"""The first example pays for the compilation."""

OFFSETS = st.sampled_from([0.0, 1.0, -37.63, 1e6, -1e9])
STEPS = st.sampled_from([0.0, 0.01, 1.0, 1e-6])


@pytest.fixture(autouse=True)
def _quiet_division():
    """Interpreted (NUMBA_DISABLE_JIT), numpy warns of divisions whose result is not used."""
    with np.errstate(all="ignore"):
        yield


@st.composite
def series(draw, size=None):
    """Noise on a grid (so with ties), on an offset, sometimes with a level shift or a spike."""
    size = draw(st.integers(0, 40)) if size is None else size
    offset, step = draw(OFFSETS), draw(STEPS)
    ticks = draw(st.lists(st.integers(-9, 9), min_size=size, max_size=size))
    x = offset + step * np.array(ticks, dtype=float).reshape(size)
    if size and draw(st.booleans()):
        x[draw(st.integers(0, size - 1)) :] += draw(st.sampled_from([3.0, 1e4]))
    if size and draw(st.booleans()):
        x[draw(st.integers(0, size - 1))] = draw(st.sampled_from([1e6, -1e8]))
    return x


def windows_of(x, window):
    """The windows as whole numbers and what they were all multiplied by: a float is a whole number over a power of two."""
    ratios = [value.as_integer_ratio() for value in x.tolist()]
    scale = max((low for _, low in ratios), default=1)
    whole = [high * (scale // low) for high, low in ratios]
    return [whole[i + 1 - window : i + 1] for i in range(window - 1, len(x))], scale


def products(xs, ys):
    """n Σ xy - Σ x Σ y: n times the sum of the products of what is left without the means."""
    return len(xs) * sum(x * y for x, y in zip(xs, ys, strict=True)) - sum(xs) * sum(ys)


def run(kernel, *arguments, size):
    out = np.full(size, 7.0)
    kernel(*arguments, out)
    return out


def assert_warm(out, window):
    head = out[: min(window - 1, out.size)]
    assert np.isnan(head).all()


def variance_twin(values, ddof):
    return Fraction(products(values, values), len(values) * (len(values) - ddof))


def slope_twin(values):
    n = len(values)
    return Fraction(6 * sum((2 * k - n + 1) * v for k, v in enumerate(values)), n * (n * n - 1))


def correlation_twin(xs, ys):
    xx, yy, xy = products(xs, xs), products(ys, ys), products(xs, ys)
    return math.copysign(math.sqrt(Fraction(xy * xy, xx * yy)), xy) if xx and yy else math.nan


@COMPILED_FIRST
@given(series(), st.integers(1, 12))
def test_sum_and_mean(x, window):
    total, mean = run(rolling_sum, x, window, size=x.size), run(rolling_mean, x, window, size=x.size)
    assert_warm(total, window)
    assert_warm(mean, window)
    windows, scale = windows_of(x, window)
    for i, values in enumerate(windows, window - 1):
        size, exact = sum(abs(v) for v in values) / scale, Fraction(sum(values), scale)
        assert abs(Fraction(total[i]) - exact) <= 1e-15 * window * size
        assert abs(Fraction(mean[i]) - exact / window) <= 1e-15 * size


@COMPILED_FIRST
@given(series(), st.integers(1, 12))
def test_smallest_and_largest_are_exact(x, window):
    low, high = run(rolling_min, x, window, size=x.size), run(rolling_max, x, window, size=x.size)
    assert_warm(low, window)
    assert_warm(high, window)
    windows, scale = windows_of(x, window)
    for i, values in enumerate(windows, window - 1):
        assert (low[i] * scale, high[i] * scale) == (min(values), max(values))


@COMPILED_FIRST
@given(series(), st.integers(2, 12), st.integers(0, 1))
def test_variance(x, window, ddof):
    out = run(rolling_variance, x, window, ddof, size=x.size)
    assert_warm(out, window)
    windows, scale = windows_of(x, window)
    for i, values in enumerate(windows, window - 1):
        assert out[i] == pytest.approx(float(variance_twin(values, ddof) / scale**2), rel=1e-12, abs=0)


@COMPILED_FIRST
@given(series(), st.integers(2, 12), st.integers(0, 1))
def test_z(x, window, ddof):
    out = run(rolling_z, x, window, ddof, size=x.size)
    assert_warm(out, window)
    for i, values in enumerate(windows_of(x, window)[0], window - 1):
        variance = variance_twin(values, ddof)
        if variance == 0:
            assert math.isnan(out[i])
        else:
            gap = window * values[-1] - sum(values)
            exact = math.copysign(math.sqrt(gap * gap / variance) / window, gap)
            assert out[i] == pytest.approx(exact, rel=1e-12, abs=1e-13)


@COMPILED_FIRST
@given(series(), st.integers(2, 12))
def test_slope(x, window):
    out = run(rolling_slope, x, window, size=x.size)
    assert_warm(out, window)
    windows, scale = windows_of(x, window)
    for i, values in enumerate(windows, window - 1):
        spread = (max(values) - min(values)) / scale
        assert out[i] == pytest.approx(float(slope_twin(values) / scale), rel=1e-12, abs=1e-14 * spread)


@COMPILED_FIRST
@given(st.data(), st.integers(0, 40), st.integers(2, 12))
def test_correlation(data, size, window):
    x, y = data.draw(series(size)), data.draw(series(size))
    out = run(rolling_correlation, x, y, window, size=size)
    assert_warm(out, window)
    for i, (xs, ys) in enumerate(zip(windows_of(x, window)[0], windows_of(y, window)[0], strict=True), window - 1):
        assert out[i] == pytest.approx(correlation_twin(xs, ys), rel=0, abs=1e-12, nan_ok=True)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 9), st.sampled_from([1e9, -1e12]))
def test_a_spike_leaves_no_trace_once_it_has_left_the_window(window, spike):
    """A subtracted running sum keeps the rounding error of a bad tick for ever."""
    clean = np.random.default_rng(window).normal(size=60)
    dirty = clean.copy()
    dirty[20] = spike
    for kernel in (rolling_sum, rolling_mean):
        a, b = run(kernel, clean, window, size=60), run(kernel, dirty, window, size=60)
        assert (a[20 + window :] == b[20 + window :]).all()


def test_equal_values_have_no_spread():
    x = np.full(50, 0.1)
    assert (run(rolling_variance, x, 7, 1, size=50)[6:] == 0.0).all()
    assert np.isnan(run(rolling_z, x, 7, 1, size=50)).all()
    assert (run(rolling_slope, x, 7, size=50)[6:] == 0.0).all()
    assert np.isnan(run(rolling_correlation, x, np.arange(50.0), 7, size=50)).all()
