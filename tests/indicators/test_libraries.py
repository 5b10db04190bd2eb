# SPDX-License-Identifier: Apache-2.0
"""Readings against pandas, TA-Lib, scipy and numpy."""

import numpy as np
import pandas as pd
import pytest
import scipy
import talib

from kilohour.indicators import (
    Atr,
    Carry,
    CurveCurvature,
    CurveSlope,
    Donchian,
    Ema,
    EwmaVolatility,
    RollingCorrelation,
    RollingMax,
    RollingMean,
    RollingMedian,
    RollingMin,
    RollingQuantile,
    RollingSlope,
    RollingSum,
    RollingVariance,
    RollingZ,
    Rsi,
    SCurve,
    Wilder,
)
from tests.indicators.drive import bars, interpreted

RNG = np.random.default_rng(11)
HIGH, LOW, CLOSE = bars(RNG, 600)
SERIES = pd.Series(CLOSE)
OTHER = np.round(RNG.normal(size=600), 3)


def same(found, expected, rtol=1e-11, atol=1e-12):
    np.testing.assert_allclose(found, np.asarray(expected, dtype=float), rtol=rtol, atol=atol)


@pytest.mark.parametrize("window", [2, 7, 60, 600])
def test_pandas_rolling(window):
    rolling = SERIES.rolling(window)
    same(interpreted(RollingSum(window=window), CLOSE), rolling.sum())
    same(interpreted(RollingMean(window=window), CLOSE), rolling.mean())
    same(interpreted(RollingVariance(window=window), CLOSE), rolling.var())
    same(interpreted(RollingVariance(window=window, ddof=0), CLOSE), rolling.var(ddof=0))
    same(interpreted(RollingMin(window=window), CLOSE), rolling.min(), rtol=0, atol=0)
    same(interpreted(RollingMax(window=window), CLOSE), rolling.max(), rtol=0, atol=0)
    same(interpreted(RollingMedian(window=window), CLOSE), rolling.median())
    same(interpreted(RollingQuantile(window=window, quantile=0.9), CLOSE), rolling.quantile(0.9))
    same(
        interpreted(Donchian(window=window), HIGH, LOW),
        (pd.Series(HIGH).rolling(window).max() + pd.Series(LOW).rolling(window).min()) / 2,
    )


def test_pandas_z_and_correlation():
    rolling = SERIES.rolling(60)
    same(interpreted(RollingZ(window=60), CLOSE), (SERIES - rolling.mean()) / rolling.std())
    same(interpreted(RollingCorrelation(window=60), CLOSE, OTHER), rolling.corr(pd.Series(OTHER)))


def test_pandas_ewma_seeded_with_the_first_change():
    squares = SERIES.diff().pow(2).iloc[1:]
    expected = np.sqrt(squares.ewm(alpha=0.06, adjust=False).mean())
    same(interpreted(EwmaVolatility(decay=0.94), CLOSE), [np.nan, *expected])


@pytest.mark.parametrize("window", [2, 14, 50])
def test_talib(window):
    same(interpreted(RollingMean(window=window), CLOSE), talib.SMA(CLOSE, window))
    same(interpreted(RollingMin(window=window), CLOSE), talib.MIN(CLOSE, window))
    same(interpreted(RollingMax(window=window), CLOSE), talib.MAX(CLOSE, window))
    same(interpreted(RollingSlope(window=window), CLOSE), talib.LINEARREG_SLOPE(CLOSE, window), atol=1e-11)
    same(interpreted(Ema(window=window), CLOSE), talib.EMA(CLOSE, window))
    same(interpreted(Rsi(window=window), CLOSE), talib.RSI(CLOSE, window), atol=1e-10)
    same(interpreted(Atr(window=window), HIGH, LOW, CLOSE), talib.ATR(HIGH, LOW, CLOSE, window))


def test_wilder_is_the_average_inside_talibs_atr():
    ranges = talib.TRANGE(HIGH, LOW, CLOSE)[1:]
    same(interpreted(Wilder(window=14), ranges), talib.ATR(HIGH, LOW, CLOSE, 14)[1:])


def test_seeds_differ_from_pandas_and_fade():
    ours = interpreted(Ema(window=20), CLOSE)
    theirs = SERIES.ewm(span=20, adjust=False).mean().to_numpy()
    assert abs(ours[19] - theirs[19]) > 1e-4
    same(ours[400:], theirs[400:], rtol=1e-12)


def test_rsi_of_a_market_that_does_not_move():
    assert interpreted(Rsi(window=3), np.full(5, 2.5))[3:].tolist() == [50.0, 50.0]
    assert talib.RSI(np.full(5, 2.5), 3)[3:].tolist() == [0.0, 0.0]


def test_scipy_regression():
    slope, correlation = RollingSlope(window=25), RollingCorrelation(window=25)
    for i in range(60):
        slope.update(CLOSE[i])
        correlation.update(OTHER[i], CLOSE[i])
    line = scipy.stats.linregress(np.arange(25), CLOSE[35:60])
    same(slope.value(), line.slope)
    same(slope.fitted(), line.intercept + 24 * line.slope)
    pair = scipy.stats.linregress(OTHER[35:60], CLOSE[35:60])
    same(correlation.beta(), pair.slope)
    same(correlation.value(), pair.rvalue)


def test_numpy_parabola():
    times = np.array([0.25, 1.0, 3.5])
    prices = [2.4, 2.9, 1.1]
    found = CurveCurvature().update(2.4, 2.9, 1.1, 0.75, 2.5)
    same(found, 2.0 * np.polyfit(times, prices, 2)[0])


def test_numpy_line_between_two_deliveries_and_its_yield():
    years, prices = np.array([0.25, 3.5]), np.array([2.4, 1.1])
    slope = np.polyfit(years, prices, 1)[0]
    same(CurveSlope().update(2.4, 1.1, 3.25), slope)
    carry = Carry()
    same(carry.update(2.4, 1.1, 3.25), -slope / 1.1)
    same(carry.dollars(), -slope)


def logistic(t, rate, midpoint):
    return 100.0 / (1.0 + np.exp(-rate * (t - midpoint)))


def test_scipy_finds_the_same_s_curve():
    times = np.arange(0.0, 6.0, 0.25)
    values = logistic(times, 1.3, 3.7)
    curve = SCurve(ceiling=100.0, memory=2.0)
    surprises = interpreted(curve, times, values)
    rate, midpoint = scipy.optimize.curve_fit(logistic, times, values, p0=(1.0, 3.0))[0]
    same((curve.rate(), curve.midpoint()), (rate, midpoint), rtol=1e-9)
    same(surprises[4:], np.zeros(20), atol=1e-12)
    same(curve.level(4.0), logistic(4.0, 1.3, 3.7), rtol=1e-9)


def test_scipy_on_noisy_logits_with_forgetting():
    rng = np.random.default_rng(3)
    times = np.cumsum(rng.uniform(0.05, 0.4, 40))
    logits = 0.9 * (times - 4.0) + rng.normal(0.0, 0.1, 40)
    curve = SCurve(ceiling=5.0, memory=1.5)
    interpreted(curve, times, 5.0 / (1.0 + np.exp(-logits)))
    sigma = np.exp(0.5 * (times[-1] - times) / 1.5)
    (rate, midpoint), _ = scipy.optimize.curve_fit(lambda t, r, m: r * (t - m), times, logits, p0=(1.0, 3.0), sigma=sigma)
    same((curve.rate(), curve.midpoint()), (rate, midpoint), rtol=1e-6)
