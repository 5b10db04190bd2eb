# SPDX-License-Identifier: Apache-2.0
"""The forward curve between spot and commitments, against quadrature and another root finder."""

import math

import pytest
import scipy
from hypothesis import given
from hypothesis import strategies as st

from kilohour.datafeeds.commitments import Commitments, fit
from kilohour.errors import DataError


@pytest.mark.parametrize(("one", "three"), [(0.624501, 0.351407), (0.694156, 0.439114), (0.9, 0.75), (0.5, 0.45)])
def test_the_mean_of_the_forwards_is_what_a_commitment_costs(one, three):
    curve = fit(one, three)
    assert scipy.integrate.quad(curve.forward, 0, 1)[0] == pytest.approx(one, abs=1e-12)
    assert scipy.integrate.quad(curve.forward, 0, 3)[0] / 3 == pytest.approx(three, abs=1e-12)
    assert curve.forward(0.0) == 1.0


def test_level_and_decay_agree_with_another_root_finder():
    """Observed on Google Cloud from 2022 to 2026 for the A100-40."""
    def level(k):
        average = (1 - math.exp(-k)) / k
        return (0.624501 - average) / (1 - average)

    def miss(k):
        return level(k) + (1 - level(k)) * (1 - math.exp(-3 * k)) / (3 * k) - 0.351407

    decay = scipy.optimize.brentq(miss, 0.1, 10, xtol=1e-14)
    curve = fit(0.624501, 0.351407)
    assert curve.decay == pytest.approx(decay, rel=1e-9)
    assert curve.level == pytest.approx(level(decay), rel=1e-9)


@given(st.floats(0.2, 0.98), st.floats(0.2, 8.0))
def test_a_curve_is_found_again_from_its_own_commitments(level, decay):
    def average(x):
        return -math.expm1(-x) / x

    one, three = (level + (1 - level) * average(decay * years) for years in (1, 3))
    curve = fit(one, three)
    for years in (0.1, 0.5, 1.0, 2.0):
        wanted = level + (1 - level) * math.exp(-decay * years)
        assert curve.forward(years) == pytest.approx(wanted, abs=1e-7)


@given(st.floats(0.2, 0.98), st.floats(0.2, 8.0), st.floats(0.01, 3.0))
def test_forwards_fall_and_stay_above_zero(level, decay, years):
    one, three = (level + (1 - level) * -math.expm1(-decay * term) / (decay * term) for term in (1, 3))
    curve = fit(one, three)
    assert 0 < curve.forward(years) < 1
    assert curve.forward(years) < curve.term(years) < 1


@pytest.mark.parametrize(("one", "three", "why"), [
    (1.0, 0.9, "no discount for a year"),
    (0.8, 0.8, "no further discount for three"),
    (0.8, 0.9, "three years dearer than one"),
    (0.9, 0.69, "the discount grows more than in proportion"),
    (0.4, -0.1, "below nothing"),
    (0.4, 0.05, "forwards of three years below zero"),
])
def test_commitments_without_a_curve_are_refused(one, three, why):
    with pytest.raises(DataError, match=f"found {one:.4f} and {three:.4f}"):
        fit(one, three)


def test_an_observation_is_known_from_the_day_after_it():
    commitments = Commitments("H100", (100, 107), ((0.6, 0.35), (0.7, 0.45)))
    assert commitments.known_on(100) is None
    assert commitments.known_on(101) == (100, (0.6, 0.35))
    assert commitments.known_on(107) == (100, (0.6, 0.35))
    assert commitments.known_on(108) == (107, (0.7, 0.45))
