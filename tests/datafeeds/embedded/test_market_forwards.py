# SPDX-License-Identifier: Apache-2.0
"""Fair values against independent computations: nested Monte Carlo, and conditioning of the whole Gaussian history."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from kilohour.datafeeds.embedded import EmbeddedMarket, Launch, MarketConfig, Paths
from kilohour.datafeeds.embedded.model import markdown_mean
from tests.datafeeds.embedded.conftest import paths_of


def root_of(cover: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(cover)
    return vectors * np.sqrt(np.maximum(values, 0))


def monte_carlo(paths, c: int, t: int, k: int, draws: int, rng) -> tuple[float, float]:
    """Mean and standard error of contract k's settlement seen from the close of day t, by simulation with numpy.

    The Gaussian state goes to the first day that is still to fix in one step, spikes day by day.
    """
    config, model, line = paths.config, paths.model, paths.fair[c].line
    fixing = line.fix_day[line.fix_from[k]:line.fix_to[k]]
    mean, cover, begin = paths.mean_close[t], paths.cover_close[t], int(fixing[fixing > t][0])
    for _ in range(t + 1, begin):
        mean, cover = model.transition @ mean, model.transition @ cover @ model.transition.T + model.gain @ model.gain.T
    state = mean + rng.normal(size=(draws, len(mean))) @ root_of(cover).T
    jump = np.full(draws, paths.spike[t, c])
    chip = config.chips[c]
    sizes = {i: np.where(launch.day <= dt.date(1970, 1, 1) + dt.timedelta(days=int(paths.schedule.days[t])),
                         paths.markdown[i, c],
                         rng.normal(markdown_mean(launch.markdown, launch.surprise), launch.surprise, size=draws))
             for i, launch in enumerate(config.launches) if launch.day > chip.release}
    total = np.zeros(draws)
    for s in range(t + 1, int(fixing[-1]) + 1):
        if s >= begin:
            state = state @ model.transition.T + rng.normal(size=(draws, model.gain.shape[1])) @ model.gain.T
        jump = jump * np.exp(-np.log(2) / config.spike_half_life_days)
        for rate, size in ((chip.spike_rate, chip.spike_size), (config.spike_rate, config.spike_size)):
            hit = np.flatnonzero(rng.random(draws) < rate / 252)
            jump[hit] += rng.exponential(size, size=len(hit))
        if s not in fixing:
            continue
        level = paths.log_mean[-1, c, s]
        for i, size in sizes.items():
            row = paths.schedule.row_of(config.launches[i].day)
            share = min(1.0, max(0.0, (s - row) / config.launches[i].ramp_days))
            level = level + share * (paths.markdown[i, c] - size)
        spot = np.exp(level + state @ model.spot_rows[c] + jump)
        total += spot * np.exp(-config.premium * (s - t) / 252)
    settled = sum(paths.prints[s, c] / 1e6 for s in fixing if s <= t)
    each = (total + settled) / len(fixing)
    return float(each.mean()), float(each.std() / np.sqrt(draws))


@pytest.fixture(scope="module")
def third() -> Paths:
    return paths_of(3, MarketConfig(last=dt.date(2027, 12, 31)), 0, 2)


@pytest.mark.parametrize("chip, ahead", [(0, 0), (0, 4), (2, 7)])
def test_a_future_is_the_expected_mean_less_the_premium(third, chip, ahead):
    """From 20 November 2026, with a launch on 5 January 2027: the month being fixed, and months beyond the launch."""
    paths = third
    t = paths.schedule.row_of(dt.date(2026, 11, 20))
    fair = paths.fair[chip]
    k = int(np.flatnonzero((fair.line.first <= t) & (fair.line.last >= t))[0]) + ahead
    value = fair.close[int(fair.offset[k]) + t - int(fair.line.first[k])]
    mean, error = monte_carlo(paths, chip, t, k, 20_000, np.random.default_rng(8))
    assert abs(value - mean) < 4 * error
    assert error / value < 0.003


def test_the_market_knows_what_bayes_would(small):
    """Mean and covariance after five months equal those of conditioning the whole Gaussian history at once."""
    paths = EmbeddedMarket(seed=4, config=small).paths()
    model, schedule = paths.model, paths.schedule
    span, n, m = schedule.span, len(model.transition), model.gain.shape[1]
    publications, slots = schedule.publications, schedule.publications.slots
    basis = n + span * (m + 1)
    maps = np.zeros((span, n, basis))
    maps[0, :, :n] = model.start
    for t in range(1, span):
        before = maps[t - 1].copy()
        if schedule.is_value_day[t - 1]:
            before = model.remember @ before
            before[n - slots, n + (t - 1) * (m + 1) + m] += small.revision_noise
        maps[t] = model.transition @ before
        maps[t, :, n + t * (m + 1): n + t * (m + 1) + m] += model.gain
    gaussian = np.log(paths.spot) - paths.spike - np.stack(
        [paths.log_mean[paths.launches_known, c, np.arange(span)] for c in range(len(small.chips))], axis=1)
    rows, seen, noise = [], [], []
    for t in range(span):
        for c in range(len(small.chips)):
            rows.append(model.spot_rows[c] @ maps[t])
            seen.append(gaussian[t, c])
            noise.append(0.0)
    off_plan = np.log(paths.published / paths.adoption_plan[publications.value_day])
    for i, t in enumerate(publications.known_day):
        rows.append(maps[t, n - slots + publications.age[i]])
        seen.append(off_plan[i])
        noise.append(0.0 if publications.is_revision[i] else small.publication_noise**2)
    assert len(publications.known_day) >= 7
    observed = np.array(rows)
    gain = np.linalg.solve(observed @ observed.T + np.diag(noise), observed @ maps[-1].T).T
    mean = gain @ np.array(seen)
    cover = maps[-1] @ maps[-1].T - gain @ observed @ maps[-1].T
    np.testing.assert_allclose(paths.mean_close[-1], mean, atol=1e-8)
    np.testing.assert_allclose(paths.cover_close[-1], cover, atol=1e-9)


def test_nobody_sees_adoption_before_it_is_published(small):
    """The hidden state stays uncertain, and a publication that is still to come changes no earlier price."""
    paths = EmbeddedMarket(seed=4, config=small).paths()
    assert paths.cover_close[-1][0, 0] > 0.25 * small.growth_volatility**2
    late = MarketConfig.from_dict(small.to_dict() | {"publication_lag_days": 30})
    other = EmbeddedMarket(seed=4, config=late).paths()
    first = int(paths.schedule.publications.known_day[0])
    assert paths.schedule.publications.slots == other.schedule.publications.slots
    for mine, theirs in zip(paths.fair, other.fair, strict=True):
        for k in range(len(mine.line.contracts)):
            days = first - int(mine.line.first[k])
            if days > 0:
                np.testing.assert_array_equal(mine.close[mine.of(k)][:days], theirs.close[theirs.of(k)][:days])
    assert not np.array_equal(paths.fair[0].close, other.fair[0].close)


def test_a_launch_is_in_the_curve_before_and_moves_it_by_its_surprise_only():
    """Opening over the close before, on a launch day without other news, far behind its ramp: exp(μ - m - σ²/2)."""
    day = dt.date(2025, 6, 3)
    launch = Launch(name="surprise", day=day, markdown=0.2, surprise=0.1, ramp_days=20)
    config = MarketConfig(first=dt.date(2025, 1, 2), last=dt.date(2025, 9, 30), chips=MarketConfig().chips[:1],
                          launches=(launch,), spike_rate=0.0, publication_lag_days=200, revision_lag_days=210)
    config = MarketConfig.from_dict(config.to_dict() | {
        "chips": [{"product": "SIM:H100", "spike_rate": 0.0, "release": "2023-03-21"}]})
    for seed in range(5):
        paths = EmbeddedMarket(seed=seed, config=config).paths()
        fair, row = paths.fair[0], paths.schedule.row_of(day)
        k = int(np.flatnonzero(fair.line.first < row)[-1])
        at = int(fair.offset[k]) + row - int(fair.line.first[k])
        expected = np.exp(markdown_mean(0.2, 0.1) - 0.005 - paths.markdown[0, 0])
        assert abs(fair.open[at] / fair.close[at - 1] - expected) < 1e-9
        # The mark-down itself stood in the curve from the beginning.
        near = fair.close[int(fair.offset[0])]
        assert fair.close[int(fair.offset[k])] < 0.9 * near * np.exp(0.05 * 3)
