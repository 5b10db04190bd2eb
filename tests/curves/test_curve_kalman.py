# SPDX-License-Identifier: Apache-2.0
"""The two-factor filter: against statsmodels, against the textbook, laws of the model, parameters that come back."""

import dataclasses
import math

import numpy as np
import pytest

from kilohour.curves.kalman import LONG_VARIANCE, Panel, TwoFactor, fit_two_factor, run_filter
from kilohour.errors import DataError, UsageError
from tests.curves.two_factor import KNOWN, drawn, parts, plain_filter, step_covariance


@pytest.fixture(scope="module")
def gappy():
    """80 days of 6 contracts with a launch every two months and holes, whole days among them."""
    panel = drawn(KNOWN, 80, 6, (0.1, 0.2, 0.45), seed=3)
    prices = panel.prices.copy()
    prices[np.random.default_rng(0).random(prices.shape) < 0.2] = np.nan
    prices[40:43] = np.nan
    return Panel(panel.years, panel.tenors, prices, panel.launches)


def test_the_likelihood_and_the_states_are_statsmodels(gappy):
    from statsmodels.tsa.statespace.kalman_filter import KalmanFilter

    days, width = gappy.prices.shape
    model = KalmanFilter(k_endog=width, k_states=2, k_posdef=2, nobs=days)
    rows = list(parts(KNOWN, gappy))
    model.bind(np.ascontiguousarray(np.log(gappy.prices)))
    model["design"] = np.stack([row[3] for row in rows], axis=2)
    model["obs_intercept"] = np.stack([row[4] for row in rows], axis=1)
    model["obs_cov"] = KNOWN.noise**2 * np.eye(width)
    later = [*rows[1:], rows[-1]]  # statsmodels moves from t to t + 1 with the matrices of t
    model["transition"] = np.stack([row[0] for row in later], axis=2)
    model["state_intercept"] = np.stack([row[1] for row in later], axis=1)
    model["selection"] = np.eye(2)
    model["state_cov"] = np.stack([row[2] for row in later], axis=2)
    first = np.log(gappy.prices[0][~np.isnan(gappy.prices[0])]).mean()
    model.initialize_known(np.array([0.0, first]), np.diag([KNOWN.volatility_short**2 / (2 * KNOWN.reversion), LONG_VARIANCE]))
    theirs = model.filter()
    ours = run_filter(KNOWN, gappy)
    assert ours.log_likelihood == pytest.approx(theirs.llf, rel=1e-10)
    np.testing.assert_allclose(ours.states, theirs.filtered_state.T, rtol=1e-8, atol=1e-11)
    np.testing.assert_allclose(ours.covariances[:, 0], theirs.filtered_state_cov[0, 0], rtol=1e-7, atol=1e-13)


def test_the_kernel_is_the_textbook_filter(gappy):
    total, states, covers = plain_filter(KNOWN, gappy)
    ours = run_filter(KNOWN, gappy)
    assert ours.log_likelihood == pytest.approx(total, rel=1e-10)
    np.testing.assert_allclose(ours.states, states, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(ours.covariances, covers, rtol=1e-6, atol=1e-12)


def test_a_launch_over_a_ramp_counts_in_part(gappy):
    ramped = dataclasses.replace(gappy, ramp=0.15)
    total, states, _ = plain_filter(KNOWN, ramped)
    ours = run_filter(KNOWN, ramped)
    assert ours.log_likelihood == pytest.approx(total, rel=1e-10)
    np.testing.assert_allclose(ours.states, states, rtol=1e-8, atol=1e-10)
    assert ours.log_likelihood != pytest.approx(run_filter(KNOWN, gappy).log_likelihood, rel=1e-3)


@pytest.mark.parametrize("tenor", [0.2, 1.0, 3.0])
def test_a_forward_is_a_martingale_under_its_own_measure(tenor):
    """E*[F(t + dt, T)] = F(t, T): the mean of a lognormal over the risk-neutral step, in closed form."""
    dt, state = 0.1, np.array([0.15, 0.8])
    kept = math.exp(-KNOWN.reversion * dt)
    mean = np.array([kept * state[0] - (1 - kept) * KNOWN.premium / KNOWN.reversion, state[1] + KNOWN.drift_priced * dt])
    load = np.array([math.exp(-KNOWN.reversion * (tenor - dt)), 1.0])
    later = KNOWN.log_forward(0.0, 0.0, tenor - dt) + load @ mean + 0.5 * load @ step_covariance(KNOWN, dt) @ load
    assert later == pytest.approx(KNOWN.log_forward(state[0], state[1], tenor), rel=1e-12)


def test_a_launch_is_in_the_forwards_beyond_it_and_in_no_other():
    """A fifth less: ln 0.8 between the forward just before and just after the day."""
    model = dataclasses.replace(KNOWN, markdown=math.log(0.8))
    assert math.exp(model.log_forward(0.1, 1.0, 0.5, 1) - model.log_forward(0.1, 1.0, 0.5, 0)) == pytest.approx(0.8, rel=1e-14)
    panel = drawn(dataclasses.replace(model, noise=1e-9), 2, 12, (0.5,), seed=1)
    ahead = panel.years[0] + panel.tenors[0] >= 0.5
    ratio = np.log(panel.prices[0][ahead][0] / panel.prices[0][~ahead][-1])
    assert ratio == pytest.approx(math.log(0.8), abs=0.03)  # less what one month of the curve does


def test_known_parameters_come_back_within_three_standard_errors():
    """500 days of 12 months with four launches; drift and premium are known to be barely told, as their errors say."""
    fitted = fit_two_factor(drawn(KNOWN, 500, 12, (0.4, 0.9, 1.4, 2.4), seed=5))
    for name, error in fitted.errors.items():
        if name == "markdown_deviation":  # three sizes were drawn: no more than the order of magnitude
            continue
        assert error > 0.0, name
        assert abs(getattr(fitted.model, name) - getattr(KNOWN, name)) < 3.0 * error, name
    assert fitted.errors["markdown"] < 0.002
    assert fitted.errors["drift"] > 0.05
    assert 0.005 < fitted.model.markdown_deviation < 0.3
    low, middle, high = fitted.filtered.band(fitted.model, 1.0)
    assert low < middle < high < 1.01 * middle  # twelve prices within a percent each


def test_without_launches_the_model_is_schwartz_and_smiths():
    calm = dataclasses.replace(KNOWN, markdown=0.0)
    fitted = fit_two_factor(drawn(calm, 300, 8, (), seed=2))
    assert "markdown" not in fitted.errors
    assert abs(fitted.model.reversion - calm.reversion) < 3.0 * fitted.errors["reversion"]


def test_what_the_model_cannot_hold_is_refused():
    years, tenors = np.array([0.0, 0.1]), np.full((2, 1), 0.5)
    with pytest.raises(DataError, match="needs prices above 0, found -37.63 on day 1, contract 0"):
        Panel(years, tenors, np.array([[20.0], [-37.63]]))
    with pytest.raises(UsageError, match="years of a panel must increase"):
        Panel(years[::-1], tenors, np.ones((2, 1)))
    with pytest.raises(UsageError, match=r"one shape \(days, contracts\), found 2 days, \(2, 1\) and \(2, 2\)"):
        Panel(years, tenors, np.ones((2, 2)))
    with pytest.raises(DataError, match="needs a tenor of 0 years or more"):
        Panel(years, -tenors, np.ones((2, 1)))
    with pytest.raises(UsageError, match="the correlation between −1 and 1"):
        TwoFactor(reversion=1.0, volatility_short=0.3, volatility_long=0.2, correlation=1.0)


@pytest.mark.soak
def test_ten_years_of_36_months_come_back():
    """20 markets of 2,520 days: each parameter's error over its standard error is about standard normal."""
    launches = tuple(np.arange(1.5, 13.0, 1.5).tolist())
    scores = []
    for seed in range(20):
        fitted = fit_two_factor(drawn(KNOWN, 2520, 36, launches, seed))
        names = ("reversion", "volatility_short", "volatility_long", "correlation", "drift_priced", "markdown", "noise")
        scores.append([(getattr(fitted.model, name) - getattr(KNOWN, name)) / fitted.errors[name] for name in names])
    assert np.abs(np.mean(scores, axis=0)).max() < 1.0
    assert 0.6 < np.std(scores) < 1.5
