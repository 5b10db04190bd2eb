# SPDX-License-Identifier: Apache-2.0
"""The parametric curve: closed forms, parameters that come back, the published points, what the band promises."""

import math

import numpy as np
import pytest
import scipy

from kilohour.curves import CurveQuote, Launch, Prior, Shape, Step, fit
from kilohour.errors import DataError, UnknownName, UsageError

TICK = 0.01
BENT = Shape(2.0, 0.5, 0.3, 0.8, 0.2, 0.15, (Step(0.4, -0.2), Step(1.1, -0.15, 0.5)))


@pytest.mark.parametrize("span", [(0.0, 0.3), (0.2, 0.9), (0.4, 1.1), (0.0, 3.0), (1.2, 1.5), (1.6, 2.5)])
def test_averages_in_closed_form_are_scipys_integrals(span):
    cuts = [u for u in (0.4, 1.1, 1.6) if span[0] < u < span[1]]
    whole, _ = scipy.integrate.quad(BENT.forward, *span, points=cuts or None, epsabs=1e-13)
    assert BENT.average(*span) == pytest.approx(whole / (span[1] - span[0]), rel=1e-11)


@pytest.mark.parametrize("pull", [0.7, 3.0, 200.0])
def test_a_perpetual_in_closed_form_is_scipys_integral(pull):
    pieces = [0.0, 0.4, 1.1, 1.6, 5.0, math.inf]
    worth = sum(scipy.integrate.quad(lambda u: pull * math.exp(-pull * u) * BENT.forward(u), a, b, epsabs=1e-13)[0]
                for a, b in zip(pieces, pieces[1:], strict=False))  # fmt: skip
    assert BENT.perpetual(pull) == pytest.approx(worth, rel=1e-9)


def test_a_flat_curve_is_flat_in_every_form():
    flat = Shape(2.5)
    assert flat.forward(1.0) == flat.term(0.0) == 2.5
    assert [flat.average(0.1, 2.0), flat.term(3.0), flat.perpetual(10.0)] == pytest.approx([2.5] * 3, rel=1e-14)


def test_a_launch_multiplies_what_comes_after_it():
    """At once: 2.00 until a year, 1.60 after; over half a year: 2.00·0.8^(1/2) in its middle."""
    at_once = Shape(2.0, steps=(Step(1.0, -0.2),))
    assert (at_once.forward(0.99), at_once.forward(1.0)) == pytest.approx((2.0, 1.6), rel=1e-14)
    assert at_once.average(0.5, 1.5) == pytest.approx(1.8, rel=1e-14)
    ramped = Shape(2.0, steps=(Step(1.0, -0.2, 0.5),))
    assert [ramped.forward(u) for u in (1.0, 1.25, 1.5, 9.0)] == pytest.approx([2.0, 2.0 * 0.8**0.5, 1.6, 1.6], rel=1e-14)


def quotes_of(shape, deviation=0.002):
    averages = [CurveQuote("average", shape.average(m / 12, (m + 1) / 12), start=m / 12, end=(m + 1) / 12, deviation=deviation) for m in range(36)]
    terms = [CurveQuote("term", shape.term(t), end=t, deviation=deviation) for t in (0.25, 1.0, 3.0)]
    return [CurveQuote("spot", shape.forward(0.0), deviation=deviation), *averages, *terms]


def test_known_parameters_come_back():
    """Exact quotes of 36 months, spot and three terms; stated tolerance: the curve within a tenth of a tick, jumps within 0.01."""
    found = fit(quotes_of(BENT), [Launch(0.4, -0.25, 0.1), Launch(1.1, -0.25, 0.1, 0.5)])
    times = np.linspace(0.0, 3.0, 200)
    assert np.abs(found.shape.forwards(times) - BENT.forwards(times)).max() < TICK / 10
    assert [step.jump for step in found.shape.steps] == pytest.approx([-0.2, -0.15], abs=0.01)
    assert found.within(TICK)


def test_flat_and_linear_markets_are_met():
    """A line in dollars over three years is no member of the family; it is met within a tick all the same."""
    flat = fit(quotes_of(Shape(2.5)))
    assert flat.shape.forwards([0.0, 1.0, 3.0]) == pytest.approx([2.5] * 3, abs=TICK / 10)
    line = [CurveQuote("forward", 3.0 - 0.2 * u, end=u) for u in np.linspace(0.0, 3.0, 37)]
    assert fit(line).within(TICK)


B200 = [("spot", 5.69, 0.0), ("term", 5.73, 0.25), ("term", 5.64, 0.5), ("term", 5.39, 1.0), ("forward", 5.68, 0.25),
        ("forward", 5.41, 0.5), ("forward", 5.03, 1.0)]  # fmt: skip


def published(points):
    return [CurveQuote(kind, price, end=end, deviation=TICK / 2) for kind, price, end in points]


@pytest.mark.parametrize(
    "points",
    [
        [("spot", 5.62, 0.0), ("term", 5.17, 3.0)],
        [("spot", 2.72, 0.0), ("term", 2.38, 3.0)],
        [("spot", 1.65, 0.0), ("term", 1.40, 3.0)],
        [("spot", 2.63, 0.0), ("forward", 2.50, 0.25), ("forward", 2.14, 1.0)],
    ],
    ids=["B200 2026-07-19", "H100 2026-07-19", "A100 2026-07-19", "H100 2026-09-07"],
)
def test_published_points_are_met_to_the_tick(points):
    """Silicon Data's points (https://www.silicondata.com/blog/gpu-futures and its practitioner guide)."""
    assert fit(published(points)).within(TICK)


def test_the_b200_of_september_bends_as_no_smooth_curve_does_but_as_a_launch_would():
    """2026-09-07: six points of seven within a tick, the year's term two ticks off. The terms put the mean forward of
    months 6 to 12 at (12·5.39 − 6·5.64)/6 = 5.14, the forwards at its ends are 5.41 and 5.03: the fall comes early in the
    half year and then stops. One launch in it meets all seven."""
    smooth = fit(published(B200))
    off = np.abs(smooth.residuals)
    assert np.count_nonzero(off > TICK) == 1
    assert 1.5 * TICK < off[3] < 2.5 * TICK
    launched = fit(published(B200), [Launch(0.6, -0.05, 0.05)])
    assert launched.within(TICK)
    assert -0.04 < launched.shape.steps[0].jump < -0.01
    assert launched.shape.hump > 0.2  # three-month term above spot


def test_few_points_say_nothing_of_most_parameters_and_the_fit_says_so():
    found = fit(published([("spot", 2.72, 0.0), ("term", 2.38, 3.0)]))
    assert set(found.unmoved) >= {"hump", "fade", "peak", "hazard"}
    assert "level" not in found.unmoved
    assert found.deviation(0.0) == pytest.approx(TICK / 2, rel=0.05)  # spot was quoted to half a tick
    assert found.deviation(5.0) > 20 * TICK


def test_the_band_covers_as_often_as_it_says():
    """100 markets quoted with errors of 0.01: the truth lies within two deviations 95 % of the times, and 90 to 99 % will do."""
    truth = Shape(2.4, 0.4, 0.2, 0.9, 0.3, 0.1)
    priors = {"fade": Prior(math.log(0.9), 0.0), "peak": Prior(math.log(0.3), 0.0), "hazard": Prior(0.1, 0.0)}
    rng = np.random.default_rng(1)
    times = np.array([0.0, 0.5, 1.5])
    inside = []
    for _ in range(100):
        quotes = [CurveQuote("forward", truth.forward(u) + rng.normal(0.0, 0.01), end=u, deviation=0.01) for u in np.linspace(0.0, 2.0, 9)]
        low, high = fit(quotes, priors=priors).band(times)
        inside.append((low <= truth.forwards(times)) & (truth.forwards(times) <= high))
    assert 0.90 < np.mean(inside) < 0.99


def test_a_launch_of_unknown_size_widens_outcomes_from_its_day_on():
    """Size −20 ± 5 %, spot 2.00 known to 0.01: after the launch the outcome is 2.00·0.05 = 0.10 wider."""
    priors = {name: Prior(0.0, 0.0) for name in ("slope", "hump", "hazard")}
    found = fit([CurveQuote("spot", 2.0, deviation=0.01)], [Launch(0.5, -0.2, 0.05)], priors)
    assert found.deviation(0.4, outcome=True) == pytest.approx(found.deviation(0.4), rel=1e-9)
    outcome, curve = found.deviation(0.6, outcome=True), found.deviation(0.6)
    assert math.sqrt(outcome**2 - curve**2) == pytest.approx(0.10, rel=0.02)


def test_a_fit_refuses_what_it_cannot_mean():
    with pytest.raises(DataError, match="at least one quote, found none"):
        fit([])
    with pytest.raises(UnknownName, match="unknown kind of quote 'swap'"):
        CurveQuote("swap", 2.0)
    with pytest.raises(DataError, match="needs a price and a deviation above 0, found -37.63"):
        CurveQuote("spot", -37.63)
    with pytest.raises(UnknownName, match="unknown parameter of the curve 'humpp'.*did you mean 'hump'"):
        fit(published(B200), priors={"humpp": Prior(0.0, 1.0)})
    with pytest.raises(UsageError, match="a launch must lie ahead"):
        Launch(0.0)
    with pytest.raises(UsageError, match="launches must lie apart in time"):
        fit(published(B200), [Launch(0.5), Launch(0.5)])
