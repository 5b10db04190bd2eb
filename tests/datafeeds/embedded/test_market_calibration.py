# SPDX-License-Identifier: Apache-2.0
"""The embedded market is calibrated to published numbers, over 20 seeds; the bands are those of the project's brief.

Sources, as collected in docs/embedded-market.md: Silicon Data's annualised volatilities of August 2026, launch
mark-downs of Schwartz-Smith calibrations (-0.22 log), forward points of September 2026, work factors of 2026.
"""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

H100, B200 = 0, 2
PUBLISHED = dt.date(2026, 9, 8)


def volatility(paths, c: int) -> float:
    """Of the printed index, over business days, a year of 252."""
    rows = np.flatnonzero(paths.schedule.is_business[: paths.schedule.span])
    rows = rows[rows >= paths.fair[c].line.release]
    return float(np.diff(np.log(paths.prints[rows, c] / 1e6)).std() * np.sqrt(252))


@pytest.mark.parametrize("c, target, band", [(H100, 0.26, 0.05), (B200, 0.30, 0.06)])
def test_index_volatility(markets, c, target, band):
    each = [volatility(paths, c) for paths in markets]
    assert max(abs(value - target) for value in each) < band, "every seed, not only their mean"


def test_launches_mark_incumbents_down_by_a_fifth(markets):
    """In total and realised, over every launch within the span: 20 ± 5 % on average, and 5 % the usual surprise."""
    realised = np.array([1 - np.exp(-paths.markdown[i, H100]) for paths in markets for i in range(6)])
    assert abs(realised.mean() - 0.20) < 0.05
    assert 0.03 < realised.std() < 0.07


def test_the_markdown_is_in_the_prices(markets):
    """Spot over the ramp of a launch against an equal stretch without one, both as log changes."""
    with_launch, without = [], []
    for paths in markets:
        for launch in paths.config.launches[1:6]:
            row = paths.schedule.row_of(launch.day)
            log = np.log(paths.spot[:, H100])
            with_launch.append(log[row + launch.ramp_days] - log[row - 1])
            without.append(log[row - 1] - log[row - 1 - launch.ramp_days])
    fall = 1 - np.exp(np.mean(with_launch) - np.mean(without))
    assert abs(fall - 0.20) < 0.05


@pytest.mark.parametrize("c", [H100, B200])
def test_twelve_month_forwards_stand_5_to_20_percent_under_spot(curves, c):
    medians = [float(np.nanmedian(curve.month[:, 12] / curve.spot - 1)) for curve in curves[c]]
    assert -0.20 < np.mean(medians) < -0.05
    assert -0.20 < np.median(medians) < -0.05
    # Longer is lower: there is no storage, and hardware ages.
    assert np.mean([np.nanmedian(curve.month[:, 30] / curve.month[:, 12]) for curve in curves[c]]) < 0.95


def test_the_short_end_of_b200_is_humped_when_it_was_published(markets, curves):
    """7 September 2026 (a holiday here): 3-month term +0.7 %, 6-month forward -4.9 %, 12-month forward -11.6 %."""
    row = markets[0].schedule.row_of(PUBLISHED)
    spot = np.array([curve.spot[row] for curve in curves[B200]])
    months = np.array([curve.month[row] for curve in curves[B200]])
    term = np.mean(np.nanmean(months[:, 1:4], axis=1) / spot) - 1
    six, twelve = np.mean(months[:, 6] / spot) - 1, np.mean(months[:, 12] / spot) - 1
    assert 0 < term < 0.03
    assert six < term
    assert -0.20 < twelve < -0.05
    assert abs(twelve - -0.116) < 0.02
    assert twelve < six


@pytest.mark.parametrize("c", [H100, B200])
def test_humps_come_and_go(curves, c):
    """A hump (3-month term over spot and over the 12-month forward) is neither always there nor never."""
    share = []
    for curve in curves[c]:
        seen = np.isfinite(curve.month[:, [1, 2, 3, 12]]).all(axis=1)
        term = curve.month[seen, 1:4].mean(axis=1)
        share.append(np.mean((term > curve.spot[seen]) & (curve.month[seen, 12] < term)))
    assert 0.15 < np.mean(share) < 0.60


def test_generations_are_tied_by_work_factors(markets):
    """B200 over H100: typical ratio within the published 2.25 to 2.53, and within 1.8 to 3.0 nearly always."""
    start = markets[0].fair[B200].line.release + 252
    ratios = [paths.spot[start:, B200] / paths.spot[start:, H100] for paths in markets]
    assert 2.25 < np.mean([np.median(ratio) for ratio in ratios]) < 2.53
    assert np.mean([np.mean((ratio > 1.8) & (ratio < 3.0)) for ratio in ratios]) > 0.90


def test_levels_are_those_of_2026(markets):
    """H100 about 2.7 and B200 about 5.7 dollars in September 2026: the mean of the seeds is within a fifth."""
    row = markets[0].schedule.row_of(PUBLISHED)
    assert abs(np.mean([paths.spot[row, H100] for paths in markets]) / 2.63 - 1) < 0.2
    assert abs(np.mean([paths.spot[row, B200] for paths in markets]) / 5.69 - 1) < 0.2


def test_adoption_runs_on_an_s_curve_and_capacity_follows(markets):
    """Through about 400 and 800 million users in February and October 2025, slowing after the midpoint; what was not
    planned reaches capacity with a lag: its changes go with adoption's of half a year before, not after."""
    plan, schedule = markets[0].adoption_plan, markets[0].schedule
    assert abs(plan[schedule.row_of(dt.date(2025, 2, 3))] / 400 - 1) < 0.15
    assert abs(plan[schedule.row_of(dt.date(2025, 10, 1))] / 800 - 1) < 0.15
    yearly = np.diff(plan[: schedule.span: 252])
    assert yearly.argmax() in (2, 3)
    lead, lag = [], []
    for paths in markets:
        demand = np.diff(np.log(paths.adoption / plan[: schedule.span])[::21])
        supply = np.diff(np.log(paths.capacity / plan[: schedule.span])[::21])
        lead.append(np.corrcoef(demand[:-6], supply[6:])[0, 1])
        lag.append(np.corrcoef(demand[6:], supply[:-6])[0, 1])
    assert np.mean(lead) > np.mean(lag) + 0.2
