# SPDX-License-Identifier: Apache-2.0
"""Hedge ratio, half-life, curve factors, S-curve with a free ceiling: against statsmodels, scipy and numpy, on many series.

1,000 series each; where the other library is slow, ``make test`` takes 50 of them and the soak all. statsmodels is imported where it is asked: at the top every worker would, for it collects every file.
"""

import math

import numpy as np
import pandas as pd
import pytest
import scipy

from kilohour.errors import DataError, UsageError
from kilohour.indicators import CurveFactors, FreeSCurve, KalmanHedge, OuHalfLife, RollingCorrelation, RollingSlope, arrays
from tests.indicators.drive import bars, interpreted

MANY = pytest.mark.parametrize("count", [50, pytest.param(1000, marks=pytest.mark.soak)])


def wandering(rng, size=60):
    """y on x with a beta that walks from 1.5."""
    x = 2.5 + np.cumsum(rng.normal(0.0, 0.05, size))
    beta = 1.5 + np.cumsum(rng.normal(0.0, 0.01, size))
    return x, 0.3 + beta * x + rng.normal(0.0, 0.02, size)


def reverting(rng, size=200, slope=0.85, level=0.4):
    x = np.empty(size)
    x[0] = level
    for i in range(1, size):
        x[i] = level + slope * (x[i - 1] - level) + rng.normal(0.0, 0.05)
    return x


def adopted(rng, size=30, noise=0.02):
    times = 2024.0 + np.cumsum(rng.uniform(0.15, 0.35, size))
    rate, middle, top = rng.uniform(0.8, 2.0), 2024.0 + rng.uniform(2.0, 5.0), rng.uniform(50.0, 5000.0)
    return times, top / (1.0 + np.exp(-rate * (times - middle))) * np.exp(rng.normal(0.0, noise, size)), (top, rate, middle)


def statsmodels_filter(x, y, noise, level_walk, beta_walk, start):
    from statsmodels.tsa.statespace.kalman_filter import KalmanFilter

    model = KalmanFilter(k_endog=1, k_states=2, k_posdef=2, nobs=len(x))
    model.bind(np.ascontiguousarray(y[:, None]))
    model["design"] = np.stack([np.ones_like(x), x - x[0]])[None]
    model["obs_cov"] = [[noise**2]]
    model["transition"] = model["selection"] = np.eye(2)
    model["state_cov"] = np.diag([level_walk**2, beta_walk**2])
    model.initialize_known(np.zeros(2), start**2 * np.eye(2))
    return model.filter()


@MANY
def test_the_hedge_ratio_is_statsmodels_filter(count):
    rng = np.random.default_rng(1)
    for _ in range(count):
        x, y = wandering(rng)
        theirs = statsmodels_filter(x, y, 0.02, 0.002, 0.01, 10.0)
        ours = arrays.kalman_hedge(x, y, noise=0.02, level_walk=0.002, beta_walk=0.01, start=10.0)
        np.testing.assert_allclose(ours[1:], theirs.filtered_state[1, 1:], rtol=1e-7)


def test_the_other_readings_of_the_hedge_ratio_are_statsmodels_too():
    x, y = wandering(np.random.default_rng(2))
    theirs = statsmodels_filter(x, y, 0.02, 0.002, 0.01, 10.0)
    hedge = KalmanHedge(noise=0.02, level_walk=0.002, beta_walk=0.01, start=10.0)
    interpreted(hedge, x, y)
    found = (hedge.alpha(), hedge.residual(), hedge.standardised(), hedge.deviation())
    error, spread = theirs.forecasts_error[0, -1], theirs.forecasts_error_cov[0, 0, -1]
    wanted = (theirs.filtered_state[0, -1] - theirs.filtered_state[1, -1] * x[0], error, error / math.sqrt(spread), math.sqrt(theirs.filtered_state_cov[1, 1, -1]))
    assert found == pytest.approx(wanted, rel=1e-7)


def test_without_walks_the_hedge_ratio_is_least_squares():
    x, y = wandering(np.random.default_rng(3))
    still = arrays.kalman_hedge(x, y, noise=0.02, level_walk=0.0, beta_walk=0.0, start=1e4)
    assert still[-1] == pytest.approx(scipy.stats.linregress(x, y).slope, rel=1e-6)


def test_a_roll_moves_alpha_and_not_beta():
    """A filter rebased half-way agrees with one that was fed shifted prices from the start."""
    x, y = wandering(np.random.default_rng(4))
    rolled = KalmanHedge(start=1e4)
    interpreted(rolled, x[:40], y[:40])
    rolled.rebase(0.5, -0.2)
    whole = KalmanHedge(start=1e4)
    interpreted(whole, x[:40] + 0.5, y[:40] - 0.2)
    later = (x[40:] + 0.5, y[40:] - 0.2)
    np.testing.assert_allclose(interpreted(rolled, *later), interpreted(whole, *later), rtol=1e-9)


@MANY
def test_the_half_life_is_statsmodels_regression(count):
    import statsmodels.api as sm

    rng = np.random.default_rng(5)
    for _ in range(count):
        x = reverting(rng)
        slope = sm.OLS(x[-60:], sm.add_constant(x[-61:-1])).fit().params[1]
        expected = -math.log(2.0) / math.log(slope) if 0.0 < slope < 1.0 else math.nan
        assert arrays.ou_half_life(x, 60)[-1] == pytest.approx(expected, rel=1e-8, nan_ok=True)


def test_slope_and_beta_are_statsmodels_rolling_regression():
    import statsmodels.api as sm
    from statsmodels.regression.rolling import RollingOLS

    rng = np.random.default_rng(11)
    close, other = bars(rng, 600)[2], np.round(rng.normal(size=600), 3)
    fit = RollingOLS(close, sm.add_constant(np.arange(600.0)), window=30).fit()
    np.testing.assert_allclose(interpreted(RollingSlope(window=30), close), fit.params[:, 1], rtol=1e-7, atol=1e-9)
    beta = RollingOLS(close, sm.add_constant(other), window=30).fit().params[:, 1]
    correlation = RollingCorrelation(window=30)
    found = [(correlation.update(x, y), correlation.beta())[1] for x, y in zip(other, close, strict=True)]
    np.testing.assert_allclose(found, beta, rtol=1e-8, atol=1e-9)


def test_the_half_life_is_scipys_regression():
    rng = np.random.default_rng(15)
    told = 0
    for _ in range(1000):
        x = reverting(rng)
        slope = scipy.stats.linregress(x[-61:-1], x[-60:]).slope
        expected = -math.log(2.0) / math.log(slope) if 0.0 < slope < 1.0 else math.nan
        assert arrays.ou_half_life(x, 60)[-1] == pytest.approx(expected, rel=1e-8, nan_ok=True)
        told += expected == expected
    assert told > 900


def test_half_life_and_level_of_a_process_that_is_known():
    """b = 0.85: half a deviation is gone after ln 2/−ln 0.85 = 4.265 updates, around 0.4."""
    x = reverting(np.random.default_rng(6), size=1000)
    life = OuHalfLife(window=999)
    interpreted(life, x)
    assert life.value() == pytest.approx(4.265, rel=0.1)
    assert life.level() == pytest.approx(0.4, abs=0.02)


def test_what_does_not_come_back_has_no_half_life():
    walk = OuHalfLife(window=10)
    assert np.isnan(interpreted(walk, np.arange(30.0) ** 2)).all()
    assert walk.ready()
    assert math.isnan(walk.level())


def test_curve_factors_solve_three_equations():
    rng = np.random.default_rng(7)
    for _ in range(1000):
        years, prices = np.cumsum(rng.uniform(0.05, 1.0, 3)), rng.normal(2.5, 1.0, 3)
        slope = (1.0 - np.exp(-1.5 * years)) / (1.5 * years)
        loads = np.column_stack([np.ones(3), slope, slope - np.exp(-1.5 * years)])
        expected = np.linalg.solve(loads, prices)
        factors = CurveFactors(decay=1.5)
        factors.update(*prices.tolist(), *years.tolist())
        np.testing.assert_allclose((factors.value(), factors.slope(), factors.curvature()), expected, rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose([f[0] for f in arrays.curve_factors(*([p] for p in prices), *([t] for t in years))], expected, rtol=1e-9, atol=1e-11)


def test_a_flat_curve_has_a_level_only():
    factors = CurveFactors()
    assert factors.update(2.5, 2.5, 2.5, 0.1, 0.5, 2.0) == pytest.approx(2.5, rel=1e-13)
    assert (factors.slope(), factors.curvature()) == pytest.approx((0.0, 0.0), abs=1e-12)


@MANY
def test_the_free_ceiling_is_scipys(count):
    """scipy's least squares on the same logs, from the truth; both must stand at the same smallest sum of squares."""
    rng, told = np.random.default_rng(8), 0
    for number in range(count):
        times, values, (top, rate, middle) = adopted(rng)
        logs = np.log(values)

        def gaps(p, times=times, logs=logs):
            return logs - p[0] + np.log1p(np.exp(-p[1] * (times - p[2])))

        theirs = scipy.optimize.least_squares(gaps, (math.log(top), rate, middle), xtol=1e-14, ftol=1e-14, gtol=1e-14, x_scale="jac")
        surprise, ceiling = arrays.free_s_curve(times, values, window=40)
        told += bool(math.exp(theirs.x[0]) < 2.0 * values[-1])
        if math.exp(theirs.x[0]) < 2.0 * values[-1]:  # the half is passed: a ceiling there is
            assert math.log(ceiling[-1]) == pytest.approx(theirs.x[0], rel=1e-5)
        if number % 10 == 0:
            curve = FreeSCurve(window=40)
            assert interpreted(curve, times, values)[-1] == pytest.approx(surprise[-1], rel=1e-6, abs=1e-9)
            assert curve.squares <= 2.0 * theirs.cost * (1.0 + 1e-7)
            assert curve.ceiling() == pytest.approx(ceiling[-1], rel=1e-6)
            if curve.ceiling_error() < 0.3:
                assert (curve.rate(), curve.midpoint()) == pytest.approx(tuple(theirs.x[1:]), rel=1e-4)
    assert told > count / 2


def test_the_error_of_the_ceiling_is_scipys_covariance():
    times, values, (top, rate, middle) = adopted(np.random.default_rng(9), size=40)

    def curve(t, log_top, r, m):
        return log_top - np.log1p(np.exp(-r * (t - m)))

    _, cover = scipy.optimize.curve_fit(curve, times, np.log(values), p0=(math.log(top), rate, middle), xtol=1e-12, ftol=1e-12)
    ours = FreeSCurve(window=40)
    interpreted(ours, times, values)
    assert ours.ceiling_error() == pytest.approx(math.sqrt(cover[0, 0]), rel=1e-3)
    assert abs(math.log(ours.ceiling() / top)) < 3.0 * ours.ceiling_error()


def test_growth_without_an_end_shows_no_ceiling():
    """Exactly exponential: the share goes to nothing, and the ceiling is none or not told."""
    curve = FreeSCurve()
    times = np.arange(0.0, 5.0, 0.25)
    surprises = interpreted(curve, times, 3.0 * np.exp(0.7 * times))
    assert curve.rate() == pytest.approx(0.7, rel=1e-3)
    assert math.isnan(curve.ceiling()) or curve.ceiling() > 1e3 * 3.0 * math.exp(0.7 * 5.0)
    assert np.abs(surprises[7:]).max() < 0.02


def test_arrays_equal_the_streaming_classes():
    rng = np.random.default_rng(10)
    for _ in range(5):
        x, y = wandering(rng, 200)
        np.testing.assert_allclose(arrays.kalman_hedge(x, y), interpreted(KalmanHedge(), x, y), rtol=1e-12)
        z = reverting(rng)
        np.testing.assert_allclose(arrays.ou_half_life(z, 25), interpreted(OuHalfLife(window=25), z), rtol=1e-12)
        times, values, _ = adopted(rng)
        np.testing.assert_allclose(arrays.free_s_curve(times, values, window=12)[0], interpreted(FreeSCurve(window=12), times, values), rtol=1e-6, atol=1e-9)
    series = pd.Series(z, name="spread")
    pd.testing.assert_series_equal(arrays.ou_half_life(series, 25), pd.Series(arrays.ou_half_life(z, 25), name="spread"))


REFUSED = [
    (lambda: arrays.kalman_hedge([1.0], [1.0], noise=0.0), UsageError, "noise must be above 0 and finite, found 0.0"),
    (lambda: arrays.kalman_hedge([1.0], [1.0], beta_walk=-1.0), UsageError, "beta_walk must be 0 or more and finite, found -1.0"),
    (lambda: arrays.ou_half_life([1.0], 2), UsageError, "window must be a whole number from 3 .*found 2"),
    (lambda: arrays.free_s_curve([1.0], [1.0], warmup=4), UsageError, "warmup must be a whole number from 5 to 40, found 4"),
    (lambda: arrays.free_s_curve([2.0, 1.0], [1.0, 1.0]), DataError, r"times must not fall; broken at \[1\]"),
    (lambda: arrays.free_s_curve([1.0, 2.0], [1.0, 0.0]), DataError, r"values must be above 0; broken at \[1\]"),
    (lambda: arrays.curve_factors([1.0], [1.0], [1.0], [0.5], [0.5], [1.0]), DataError, "must increase"),
    (lambda: arrays.curve_factors([1.0], [1.0], [1.0], [0.5], [0.6], [1.0], decay=0.0), UsageError, "decay must be above"),
    (lambda: OuHalfLife(window=2), UsageError, "OuHalfLife.window must be from 3 to 1024"),
    (lambda: FreeSCurve(window=6, warmup=8), UsageError, "FreeSCurve.warmup must be from 5 to 6"),
    (lambda: KalmanHedge(noise=0.0), UsageError, "KalmanHedge.noise must be above 0"),
    (lambda: CurveFactors().update(1.0, 1.0, 1.0, 0.5, 0.5, 1.0), ValueError, "must increase"),
    (lambda: FreeSCurve().update(0.0, 0.0), ValueError, "values above zero"),
]


@pytest.mark.parametrize(("call", "error", "message"), REFUSED)
def test_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
