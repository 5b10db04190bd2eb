# SPDX-License-Identifier: Apache-2.0
"""The search for the lowest point on surfaces whose lowest points are known, and what a fit says when it is in doubt."""

import dataclasses
import math
import re

import numpy as np
import pytest

from kilohour.curves import search
from kilohour.curves.kalman import RIVAL, fit_two_factor, run_filter
from kilohour.curves.starts import starts_of
from tests.curves.two_factor import KNOWN, drawn

TILT = 3.0
WELLS = sorted(np.roots([160.0, 0.0, -160.0, TILT]).real)[::2]
"""Where the slope 160·x·(x² - 1) + 3 of the two wells is nothing, without the ridge between."""


def two_wells(x):
    return 40.0 * (x[0] ** 2 - 1.0) ** 2 + TILT * x[0] + 50.0 * (x[1] - 0.5 * x[0] ** 2) ** 2


@pytest.mark.parametrize(("starts", "bottoms"), [([2.0, 1.5, -0.4], WELLS), ([0.3, 3.0], WELLS[1:])])
def test_each_well_is_found_once_and_the_lowest_comes_first(starts, bottoms):
    found = search.lowest(two_wells, two_wells, [np.array([x, 0.0]) for x in starts])
    # One well is 2·3 above the other, which a rough look at half the size leaves within reach.
    halves = search.lowest(two_wells, lambda x: 0.5 * two_wells(x), [np.array([x, 0.0]) for x in starts])
    assert [rest.x[0] for rest in halves] == pytest.approx(bottoms, abs=1e-4)
    assert [rest.x[1] for rest in halves] == pytest.approx([0.5 * x * x for x in bottoms], abs=1e-4)
    assert found[0].x == pytest.approx(halves[0].x, abs=1e-4)
    assert len(found) == 1  # at full size the higher one lies beyond reach


def test_the_next_step_promises_what_a_parabola_still_falls():
    bends, bottom, x = np.array([[5.0, 2.0], [2.0, 3.0]]), np.array([1.0, -2.0]), np.array([0.7, -1.0])
    rest = search.settle(lambda at: 7.0 + 0.5 * float((at - bottom) @ bends @ (at - bottom)), x, rounds=0)
    assert rest.promised == pytest.approx(rest.value - 7.0, rel=1e-5)
    assert rest.promised > search.AT_REST


def test_a_coordinate_that_the_rough_surface_does_not_tell_stays_as_started():
    """There the search runs up a plateau, from which the well at 0 cannot be felt."""
    well = search.lowest(lambda x: 50.0 * (x[0] - 1.0) ** 2 - 10.0 * math.exp(-0.5 * x[1] ** 2),
                         lambda x: 2.0 * (x[0] - 1.0) ** 2 + math.exp(-x[1]), [np.array([0.0, 1.0])])  # fmt: skip
    assert well[0].x == pytest.approx([1.0, 0.0], abs=1e-3)
    assert well[0].value == pytest.approx(-10.0, abs=1e-5)


def test_the_curves_alone_start_a_fit_near_its_parameters():
    """1,000 days, every tenth: the steps of launches and the noise well, the moves to a third."""
    start = starts_of(drawn(KNOWN, 1000, 12, (1.0, 2.0, 3.0), 4).every(10))[0]
    assert start["markdown"] == pytest.approx(KNOWN.markdown, abs=0.005)
    assert start["noise"] == pytest.approx(KNOWN.noise, rel=0.1)
    assert start["drift_priced"] == pytest.approx(KNOWN.drift_priced, abs=0.05)  # twelve months show little of the far end
    for name in ("reversion", "volatility_short", "volatility_long"):
        assert start[name] == pytest.approx(getattr(KNOWN, name), rel=0.33), name


def test_other_parameters_about_as_likely_are_told():
    """Sixty days of four prices; the parameters told are put through the filter, which says what the doubt says of them."""
    panel = drawn(KNOWN, 60, 4, (), 2)
    fitted = fit_two_factor(panel)
    (doubt,) = fitted.doubts
    behind, told = re.fullmatch(r"other parameters are about as likely, (\S+) less in log-likelihood: (.+)", doubt).groups()
    values = {name: float(value) for name, value in (pair.split() for pair in told.split(", "))}
    assert values.keys() == fitted.errors.keys()
    other = dataclasses.replace(fitted.model, **values)
    assert abs(other.volatility_short - fitted.model.volatility_short) > 2.0 * fitted.errors["volatility_short"]
    less = fitted.filtered.log_likelihood - run_filter(other, panel).log_likelihood
    assert 0.0 <= less < RIVAL
    assert less == pytest.approx(float(behind), abs=0.02)


def test_a_search_cut_short_says_so(monkeypatch):
    panel = drawn(KNOWN, 60, 4, (), 0)
    assert fit_two_factor(panel).doubts == ()
    monkeypatch.setattr(search, "ROUGH_ROUNDS", 0)
    monkeypatch.setattr(search, "ROUNDS", 0)
    assert fit_two_factor(panel).doubts[0].startswith("the search had not come to rest: its next step promises ")
