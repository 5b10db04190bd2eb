# SPDX-License-Identifier: Apache-2.0
"""Array versions against the streaming classes, and what they take, give and refuse."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kilohour import indicators
from kilohour.errors import DataError, UsageError
from kilohour.indicators import arrays
from tests.indicators.drive import bars, interpreted

TICKS = st.lists(st.integers(-300, 300), max_size=60)
OFFSETS = st.sampled_from([0.0, 3.0, -37.63, 1e6, 1e9])
WINDOWS = st.integers(2, 17)


@st.composite
def prices(draw):
    """Cents on an offset: ties, constants, a level shift."""
    x = draw(OFFSETS) + np.array(draw(TICKS), dtype=float) / 100.0
    if x.size and draw(st.booleans()):
        x[draw(st.integers(0, x.size - 1)) :] += 1e4
    if x.size and draw(st.booleans()):
        x[:] = x[0]
    return x


SINGLE = [
    # array function        streaming class      equal to the bit
    ("rolling_sum", "RollingSum", True),
    ("rolling_mean", "RollingMean", True),
    ("rolling_variance", "RollingVariance", True),
    ("rolling_z", "RollingZ", True),
    ("rolling_min", "RollingMin", True),
    ("rolling_max", "RollingMax", True),
    ("rolling_median", "RollingMedian", True),
    ("rolling_slope", "RollingSlope", True),
    ("ema", "Ema", False),
    ("wilder", "Wilder", False),
    ("rsi", "Rsi", True),
]


@pytest.mark.parametrize("function, name, to_the_bit", SINGLE)
@settings(max_examples=60, deadline=None)
@given(prices(), WINDOWS)
def test_equal_to_the_streaming_class(function, name, to_the_bit, x, window):
    found = getattr(arrays, function)(x, window)
    expected = interpreted(getattr(indicators, name)(window=window), x)
    if to_the_bit:
        np.testing.assert_array_equal(found, expected)
    else:
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=0)


@settings(max_examples=60, deadline=None)
@given(prices(), WINDOWS, st.floats(0.0, 1.0), st.floats(0.01, 0.99))
def test_quantile_and_volatility_equal_the_streaming_class(x, window, quantile, decay):
    ranked = interpreted(indicators.RollingQuantile(window=window, quantile=quantile), x)
    np.testing.assert_array_equal(arrays.rolling_quantile(x, window, quantile), ranked)
    volatility = interpreted(indicators.EwmaVolatility(decay=decay), x)
    np.testing.assert_array_equal(arrays.ewma_volatility(x, decay), volatility)


@settings(max_examples=60, deadline=None)
@given(prices(), WINDOWS, st.integers(0, 2**31))
def test_correlation_equals_the_streaming_class(x, window, seed):
    y = np.round(np.random.default_rng(seed).normal(size=x.size), 1)
    streaming = indicators.RollingCorrelation(window=window)
    np.testing.assert_array_equal(arrays.rolling_correlation(x, y, window), interpreted(streaming, x, y))


@pytest.mark.parametrize("seed", range(5))
def test_bars_and_curves_equal_the_streaming_classes(seed):
    rng = np.random.default_rng(seed)
    high, low, close = bars(rng, 200)
    np.testing.assert_array_equal(
        arrays.atr(high, low, close, 9), interpreted(indicators.Atr(window=9), high, low, close)
    )
    channel = indicators.Donchian(window=9)
    levels = [(channel.update(h, lo), channel.upper(), channel.lower()) for h, lo in zip(high, low, strict=True)]
    upper, lower = arrays.donchian(high, low, 9)
    np.testing.assert_array_equal(np.column_stack([(upper + lower) / 2, upper, lower]), levels)
    near, middle, far = rng.normal(1.0, 1.0, (3, 200))
    a, b = rng.uniform(0.1, 2.0, (2, 200))
    np.testing.assert_array_equal(arrays.carry(near, far, a), interpreted(indicators.Carry(), near, far, a))
    np.testing.assert_array_equal(arrays.curve_slope(near, far, a), interpreted(indicators.CurveSlope(), near, far, a))
    bend = interpreted(indicators.CurveCurvature(), near, middle, far, a, b)
    np.testing.assert_array_equal(arrays.curve_curvature(near, middle, far, a, b), bend)


def test_s_curve_equals_the_streaming_class():
    rng = np.random.default_rng(1)
    times = np.cumsum(rng.uniform(0.0, 0.3, 300))
    values = 100.0 / (1.0 + np.exp(-0.4 * (times - 20.0) + rng.normal(0.0, 0.1, 300)))
    streaming = indicators.SCurve(ceiling=101.0, memory=1.5, warmup=5)
    found = arrays.s_curve_surprise(times, values, 101.0, memory=1.5, warmup=5)
    np.testing.assert_allclose(found, interpreted(streaming, times, values), rtol=1e-12, atol=1e-13)


def test_the_same_kind_comes_back():
    x = [1.0, 2.0, 4.0]
    index = pd.date_range("2026-01-01", periods=3)
    expected = [np.nan, 1.5, 3.0]
    assert isinstance(arrays.rolling_mean(x, 2), np.ndarray)
    series = arrays.rolling_mean(pd.Series(x, index=index, name="H100"), 2)
    pd.testing.assert_series_equal(series, pd.Series(expected, index=index, name="H100"))
    frame = arrays.rolling_mean(pd.DataFrame({"near": x, "far": x}, index=index), 2)
    pd.testing.assert_frame_equal(frame, pd.DataFrame({"near": expected, "far": expected}, index=index))
    whole = arrays.rolling_sum(np.array([1, 2, 4]), 2)
    np.testing.assert_array_equal(whole, [np.nan, 3.0, 6.0])
    carry = arrays.carry(pd.Series([3.0, 2.0]), pd.Series([2.0, -1.0]), 0.5)
    pd.testing.assert_series_equal(carry, pd.Series([1.0, np.nan]))


def test_a_strided_view_is_read_as_it_is():
    x = np.arange(20.0)
    np.testing.assert_array_equal(arrays.rolling_sum(x[::-2], 2)[1:], x[::-2][1:] + x[::-2][:-1])


def test_out_is_written_and_returned():
    x, out = np.arange(10.0), np.zeros(10)
    assert arrays.rolling_mean(x, 3, out=out) is out
    np.testing.assert_array_equal(out, arrays.rolling_mean(x, 3))


@pytest.mark.parametrize("window", [4, 5, 1000])
def test_a_window_longer_than_the_array_is_never_full(window):
    for name in ("rolling_sum", "rolling_z", "rolling_min", "rolling_median", "rolling_slope", "ema", "rsi"):
        assert np.isnan(getattr(arrays, name)([1.0, 2.0, 3.0], window)).all()
        assert getattr(arrays, name)(np.zeros(0), window).size == 0


LINE = np.arange(6.0)
TWO: Any = 2.0
REFUSED = [
    (lambda: arrays.rolling_mean([1.0, np.nan], 2), DataError, r"x\[1\] must be a finite number, .* found nan"),
    (lambda: arrays.rolling_mean([-np.inf], 2), DataError, r"x\[0\] must be a finite number, .* found -inf"),
    (lambda: arrays.rolling_correlation(LINE, [1.0] * 5 + [np.nan], 2), DataError, r"input 2\[5\] must be a finite"),
    (lambda: arrays.rolling_mean(LINE, 0), UsageError, "window must be a whole number from 1 to 2147483648, found 0"),
    (lambda: arrays.rolling_mean(LINE, TWO), UsageError, "window must be a whole number .* found 2.0"),
    (lambda: arrays.rolling_z(LINE, True), UsageError, "window must be a whole number .* found True"),
    (lambda: arrays.rolling_z(LINE, 1), UsageError, "window must be a whole number from 2 .* found 1"),
    (lambda: arrays.rolling_z(LINE, 2, ddof=2), UsageError, "ddof must be a whole number from 0 to 1, found 2"),
    (lambda: arrays.rolling_quantile(LINE, 2, 1.1), UsageError, "quantile must be from 0 to 1, found 1.1"),
    (lambda: arrays.ewma_volatility(LINE, 1.0), UsageError, "decay must be above 0 and below 1, found 1.0"),
    (lambda: arrays.rolling_mean(np.ones((2, 2)), 2), UsageError, "x must have one dimension, found 2"),
    (lambda: arrays.rolling_correlation(LINE, LINE[1:], 2), UsageError, r"of one length, found \[6, 5\]"),
    (lambda: arrays.rolling_mean(LINE, 2, out=np.zeros(5)), UsageError, r"shape \(6,\), found \(5,\)"),
    (lambda: arrays.rolling_mean(LINE, 2, out=LINE), UsageError, "out must not share memory with an input"),
    (lambda: arrays.atr(LINE, LINE, LINE + 1), DataError, r"a close must lie .*; broken at \[0\], found 1"),
    (lambda: arrays.donchian(LINE, LINE + 1, 2), DataError, r"a high must not be below its low; broken at \[0\]"),
    (lambda: arrays.carry(LINE, LINE, 0.0), DataError, r"years must be above zero; broken at \[0\], found 0"),
    (
        lambda: arrays.s_curve_surprise(LINE, LINE, 10.0),
        DataError,
        r"above 0 and below the ceiling 10; broken at \[0\]",
    ),
    (lambda: arrays.s_curve_surprise(-LINE, LINE + 1, 10.0), DataError, r"times must not fall; broken at \[1\]"),
    (lambda: arrays.s_curve_surprise(LINE, LINE, -1.0), UsageError, "ceiling must be above 0 and finite, found -1.0"),
]


@pytest.mark.parametrize("call, error, message", REFUSED)
def test_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
