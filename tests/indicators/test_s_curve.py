# SPDX-License-Identifier: Apache-2.0
"""The S-curve fit: what a surprise means, and what forgetting does."""

import math

import numpy as np
import pytest

from kilohour.indicators import SCurve


def logistic(t, ceiling=100.0, rate=0.8, midpoint=6.0):
    return ceiling / (1.0 + math.exp(-rate * (t - midpoint)))


def fed(times, curve=None, **parameters):
    curve = curve or SCurve(ceiling=100.0, **parameters)
    for t in times:
        curve.update(t, logistic(t))
    return curve


def test_the_first_surprise_follows_the_warm_up():
    curve = SCurve(ceiling=100.0, warmup=4)
    surprises = [curve.update(t, logistic(t)) for t in (0.0, 0.25, 0.5, 0.75, 1.0)]
    assert [math.isnan(s) for s in surprises] == [True, True, True, True, False]


def test_prints_of_one_day_are_no_line():
    curve = SCurve(ceiling=100.0, warmup=2)
    assert all(math.isnan(curve.update(1.0, v)) for v in (10.0, 11.0, 12.0))
    assert not curve.ready()
    assert math.isnan(curve.rate())
    assert math.isnan(curve.midpoint())
    assert math.isnan(curve.level(2.0))


def test_a_surprise_is_the_fraction_above_the_fit_of_earlier_prints():
    curve = fed(np.arange(0.0, 3.0, 0.25))
    assert curve.level(3.0) == pytest.approx(logistic(3.0), rel=1e-9)
    assert curve.update(3.0, 1.1 * logistic(3.0)) == pytest.approx(0.1, abs=1e-9)
    assert curve.update(3.25, 0.9 * logistic(3.25)) < -0.1  # the fit has moved up with the print before


def test_rate_and_midpoint_of_an_exact_curve():
    curve = fed(np.arange(0.0, 3.0, 0.25))
    assert curve.rate() == pytest.approx(0.8, rel=1e-9)
    assert curve.midpoint() == pytest.approx(6.0, rel=1e-9)


def test_forgetting_follows_a_new_rate():
    """Adoption halves its rate at year 3: three years later a short memory knows, a long one is still surprised."""
    rates = {}
    for memory in (0.5, 50.0):
        curve = SCurve(ceiling=100.0, memory=memory)
        for t in np.arange(0.0, 6.0, 0.25):
            logit = 0.8 * (t - 6.0) if t < 3.0 else 0.8 * -3.0 + 0.4 * (t - 3.0)
            curve.update(t, 100.0 / (1.0 + math.exp(-logit)))
        rates[memory] = curve.rate()
    assert rates[0.5] == pytest.approx(0.4, abs=0.01)
    assert rates[50.0] > 0.5


def test_forgetting_goes_by_time_not_by_prints():
    """Ten prints on one day and one print a day later weigh as their ages say."""
    sparse, dense = SCurve(ceiling=1.0, memory=1.0), SCurve(ceiling=1.0, memory=1.0)
    for curve, repeats in ((sparse, 1), (dense, 1)):
        for _ in range(repeats):
            curve.update(0.0, 0.5)
    sparse.update(2.0, 0.5)
    dense.update(1.0, 0.5)
    dense.update(2.0, 0.5)
    assert sparse.weight == pytest.approx(1.0 + math.exp(-2.0))
    assert dense.weight == pytest.approx(1.0 + math.exp(-1.0) + math.exp(-2.0))


def test_the_standardised_surprise_counts_in_usual_misses():
    rng = np.random.default_rng(0)
    curve = SCurve(ceiling=100.0, memory=100.0)
    for t in np.arange(0.0, 10.0, 0.1):
        curve.update(t, 100.0 / (1.0 + math.exp(-0.8 * (t - 6.0) - rng.normal(0.0, 0.05))))
    curve.update(10.0, 100.0 / (1.0 + math.exp(-0.8 * 4.0 - 0.15)))
    assert curve.standardised() == pytest.approx(3.0, abs=0.6)


def test_far_from_the_data_the_level_stays_inside():
    curve = fed(np.arange(0.0, 3.0, 0.25))
    assert 0.0 <= curve.level(-1e6) < 1e-290
    assert curve.level(1e6) == 100.0
