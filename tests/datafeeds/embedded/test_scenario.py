# SPDX-License-Identifier: Apache-2.0
"""A scenario moves the market when it becomes known, by what it says, and not before."""

from __future__ import annotations

import datetime as dt
import functools

import numpy as np
import pytest

from kilohour.datafeeds.embedded import EmbeddedMarket, MarketConfig, Paths
from kilohour.datafeeds.embedded.scenario import Scenario, shipped_scenarios
from kilohour.errors import UnknownName, UsageError

MARKET = {"first": "2026-01-02", "last": "2026-11-30",
          "chips": [{"product": "SIM:H100"}, {"product": "SIM:B200", "work": 2.4, "work_at_release": 1.9, "release": "2025-02-04"}]}
KNOWN = dt.date(2026, 5, 4)
EVENTS = {
    "winter": {"from": "2026-05-04", "depth": 0.5, "months_to_bottom": 3},
    "adoption": {"from": "2026-05-04", "ceiling": 20_000, "pace": 2.0},
    "launch": {"name": "surprise", "day": "2026-07-01", "known": "2026-05-04", "markdown": 0.4},
    "capacity_delay": {"from": "2026-06-01", "known": "2026-05-04", "months": 6},
    "supply_shock": {"from": "2026-05-04", "lost": 0.3},
    "restatement": {"product": "SIM:H100", "day": "2026-05-04", "by": -0.1, "days_back": 30, "lasting": True},
}


def scenario(**events) -> Scenario:
    return Scenario.from_dict({"name": "test", "market": MARKET, **events})


@functools.cache
def plain(seed: int = 5) -> Paths:
    return EmbeddedMarket.under(scenario(), seed).paths()


def close_on(paths: Paths, row: int, c: int = 0) -> np.ndarray:
    """Closing fair values of all contracts of a chip on a day, NaN where one is not listed."""
    fair = paths.fair[c]
    alive = (fair.line.first <= row) & (fair.line.last >= row)
    return np.where(alive, fair.close[np.where(alive, fair.offset + row - fair.line.first, 0)], np.nan)


@pytest.mark.parametrize("kind", EVENTS)
def test_nothing_moves_before_it_is_known_and_the_curve_moves_that_day(kind):
    paths, base = EmbeddedMarket.under(scenario(**{kind: EVENTS[kind]}), 5).paths(), plain()
    row = paths.schedule.row_of(KNOWN)
    np.testing.assert_array_equal(paths.spot[:row], base.spot[:row])
    np.testing.assert_array_equal(paths.prints[:row], base.prints[:row])
    for c in range(2):
        for fair, other in ((paths.fair[c], base.fair[c]),):
            for k in range(len(fair.line.contracts)):
                before = slice(int(fair.offset[k]), int(fair.offset[k]) + max(0, row - int(fair.line.first[k])))
                np.testing.assert_array_equal(fair.close[before], other.close[before])
                np.testing.assert_array_equal(fair.open[before], other.open[before])
    moved = close_on(paths, row) / close_on(base, row) - 1.0
    assert np.nanmax(np.abs(moved)) > 0.02
    rises = kind in ("adoption", "capacity_delay", "supply_shock")
    far = moved[~np.isnan(moved)][3:9]
    assert (far > 0.0).all() if rises else (far < 0.0).all()


def test_an_odd_chance_stands_in_the_curve_beforehand():
    """A third of the capacity lost for good: before it is known a later month is worth 1 + odds · (e^move - 1) of what it was."""
    shock = {"from": "2026-07-01", "lost": 1 / 3, "half_life_months": 240.0, "odds": 0.25}
    paths, base = EmbeddedMarket.under(scenario(supply_shock=shock), 5).paths(), plain()
    row = paths.schedule.row_of(dt.date(2026, 6, 1))
    line = paths.fair[0].line
    k = int(np.argmax(line.fix_day[line.fix_from] > paths.schedule.row_of(dt.date(2026, 8, 3))))
    ratio = float(close_on(paths, row)[k] / close_on(base, row)[k])
    loss = (2 / 3) ** -0.8  # elasticity 0.8: demand over capacity rises to 3/2
    assert ratio == pytest.approx(1 + 0.25 * (loss - 1), abs=2e-3)
    after = paths.schedule.row_of(dt.date(2026, 7, 1))
    assert float(close_on(paths, after)[k] / close_on(base, after)[k]) == pytest.approx(loss, abs=4e-3)


def test_a_winter_that_is_known_is_priced_as_it_will_come():
    """The August month on the first day, against the mean of its prints over many seeds, less the premium; unknown, it is far off."""
    words = {"from": "2026-03-02", "depth": 0.6, "months_to_bottom": 2, "months_at_bottom": 9}
    known = EmbeddedMarket.under(scenario(winter={**words, "known": "2026-01-02"}), 1)
    unknown = EmbeddedMarket.under(scenario(winter=words), 1)
    fair = known.paths().fair[0]
    line = fair.line
    k = [contract.month for contract in line.contracts].index(202608)
    days = line.fix_day[line.fix_from[k] : line.fix_to[k]]
    from kilohour.datafeeds.embedded.paths import simulate

    settled = np.array([simulate(seed, known.plan(), ()).spot[days, 0].mean() for seed in range(100, 180)])
    error = settled.std(ddof=1) / np.sqrt(len(settled))
    # Each seed begins somewhere else: what its first day was expected to be is the level of the market.
    firsts = np.array([float(close_on(simulate(seed, known.plan(), ("SIM:H100",)), 0)[k]) for seed in range(100, 180)])
    discount = np.exp(-0.05 * (days.mean() - 0) / 252)
    assert abs(firsts.mean() / discount - settled.mean()) < 3.5 * np.std(settled - firsts / discount, ddof=1) / np.sqrt(len(settled))
    assert close_on(unknown.paths(), 0)[k] > 1.2 * close_on(known.paths(), 0)[k]
    assert error < 0.1 * settled.mean()


def test_adoption_falls_short_of_its_plan_by_what_the_winter_says():
    winter = {"from": "2026-02-02", "depth": 0.5, "months_to_bottom": 2, "months_at_bottom": 24}
    paths, base = EmbeddedMarket.under(scenario(winter=winter), 5).paths(), plain()
    row = paths.schedule.row_of(dt.date(2026, 4, 15))
    assert paths.adoption[row] / base.adoption[row] == pytest.approx(0.5, rel=1e-12)
    published = paths.published[-1] / base.published[-1]
    assert published == pytest.approx(0.5, rel=1e-12)
    # Capacity goes down too, later and by less.
    assert 0.55 < paths.capacity[row] / base.capacity[row] < 1.0


def test_a_new_s_curve_passes_through_the_old_level_and_reaches_its_ceiling():
    words = {"from": "2026-05-04", "ceiling": 8000, "pace": 1.5}
    plan = EmbeddedMarket.under(scenario(adoption=words), 5).plan()
    old = EmbeddedMarket.under(scenario(), 5).plan().adoption
    row = plan.schedule.row_of(KNOWN)
    assert plan.adoption[row] == pytest.approx(old[row], rel=1e-12)
    years = (plan.schedule.days[row:] - plan.schedule.days[row]) / 365.25
    expected = 8000 / (1 + (8000 / old[row] - 1) * np.exp(-1.5 * years))
    np.testing.assert_allclose(plan.adoption[row:], expected, rtol=1e-9)


def test_a_launch_that_is_moved_is_expected_on_its_old_day_until_it_is_known():
    launch = {"name": "late", "replaces": "R200", "day": "2026-11-16", "known": "2026-05-04", "markdown": 0.2}
    market = {**MARKET, "launches": [{"name": "R200", "day": "2026-08-03", "markdown": 0.2}]}
    late = EmbeddedMarket.under(Scenario.from_dict({"name": "late", "market": market, "launch": launch}), 5).paths()
    on_time = EmbeddedMarket.under(Scenario.from_dict({"name": "on time", "market": market}), 5).paths()
    row = late.schedule.row_of(KNOWN)
    np.testing.assert_array_equal(close_on(late, row - 1), close_on(on_time, row - 1))
    line = late.fair[0].line
    october = [contract.month for contract in line.contracts].index(202610)
    later = [contract.month for contract in line.contracts].index(202810)
    moved = close_on(late, row) / close_on(on_time, row)
    assert moved[october] > 1.05
    assert moved[later] == pytest.approx(1.0, abs=1e-9)


def test_a_restatement_moves_one_index_by_the_product_s_rule():
    words = {"product": "SIM:H100", "day": "2026-05-20", "by": -0.1, "days_back": 30}
    paths, base = EmbeddedMarket.under(scenario(restatement=words), 5).paths(), plain()
    row = paths.schedule.row_of(dt.date(2026, 5, 20))
    np.testing.assert_array_equal(paths.spot, base.spot)
    changed = np.flatnonzero(paths.restated_day[:, 0] == row)
    assert 28 <= len(changed) <= 30
    np.testing.assert_allclose(paths.restated[changed, 0], paths.prints[changed, 0] * 0.9, atol=51)
    months = [contract.month for contract in paths.fair[0].line.contracts]
    moved = close_on(paths, row) / close_on(base, row) - 1.0
    assert moved[months.index(202605)] < -0.03  # its window is open: the days that are restated count anew
    assert moved[months.index(202606)] == 0.0
    np.testing.assert_array_equal(paths.fair[1].close, base.fair[1].close)


def test_a_tape_of_some_products_holds_the_events_of_the_whole_one():
    """Also of a product whose random numbers come after another's."""
    from kilohour.tape.select import select

    market = EmbeddedMarket.under(scenario(winter=EVENTS["winter"]), 9)
    whole = market.tape()
    for product, series in (("SIM:H100", "SIM-H100"), ("SIM:B200", "SIM-B200")):
        part, same = market.tape([product], [series]), select(whole, [product], [series])
        assert [c.code for c in part.contracts] == [c.code for c in same.contracts]
        for name, column in same.events.items():
            np.testing.assert_array_equal(part.events[name], column, err_msg=name)


@pytest.mark.parametrize("name", shipped_scenarios())
def test_a_shipped_scenario_is_read_and_says_what_it_is(name):
    words = Scenario.load(name)
    assert len(words.about) > 150
    again = Scenario.from_dict(words.to_dict())
    assert (again.config(), again.events, again.launch, again.restatement) == (words.config(), words.events, words.launch, words.restatement)
    assert (words.config().last - words.config().first).days > 5 * 365 - 5


def test_six_are_shipped():
    assert len(shipped_scenarios()) == 6


@pytest.mark.parametrize("events, error, words", [
    ({"winter": {"from": "2026-05-04", "depth": 1.2}}, UsageError, "winter 1: depth: must be less than or equal to 0.95, found 1.2"),
    ({"winter": {"from": "2026-05-04", "deph": 0.5}}, UnknownName, "unknown field 'deph' in scenario: winter 1; did you mean 'depth'"),
    ({"winter": {"depth": 0.5}}, UsageError, "winter 1: from must be given, found none"),
    ({"winter": {"from": "2026-05-04", "depth": 0.5, "known": "2026-06-01"}}, UsageError,
     "winter 1: known must be on or before the day it begins, 2026-05-04: spot prices are public; found 2026-06-01"),
    ({"winter": {"from": "2031-05-04", "depth": 0.5}}, UsageError, "winter: its day must lie within the market, 2026-01-02 to 2026-11-30"),
    ({"adoption": {"from": "2026-05-04"}}, UsageError, "adoption 1: ceiling or pace must be given, found neither"),
    ({"supply_shock": [{"from": "2026-05-04", "lost": 0.1}, {"from": "soon", "lost": 0.1}]}, UsageError, "supply_shock 2: from: must be a valid date"),
    ({"supply_shock": {"from": "2026-05-04", "lost": 0.1, "chips": ["SIM:H10"]}}, UnknownName, "unknown product 'SIM:H10'.*did you mean 'SIM:H100'"),
    ({"launch": {"name": "x", "day": "2026-05-04", "replaces": "R20"}}, UnknownName, "unknown launch 'R20'.*did you mean 'R200'"),
    ({"launch": {"name": "x", "day": "2027-05-04", "replaces": "R200", "known": "2027-02-01"}}, UsageError,
     "launch 'x': known must be on or before 2027-01-05, when 'R200' was to come, found 2027-02-01"),
    ({"wintr": {}}, UnknownName, "unknown field 'wintr' in scenario; did you mean 'winter'"),
    ({"market": {"levl": 3.0}}, UnknownName, "unknown field 'levl' in market; did you mean 'level'"),
])
def test_a_wrong_scenario_names_the_field_and_the_rule(events, error, words):
    with pytest.raises(error, match=words):
        Scenario.from_dict({"name": "test", "market": MARKET, **events})


def test_a_ceiling_below_what_is_planned_is_refused_with_the_plan():
    market = EmbeddedMarket.under(scenario(adoption={"from": "2026-05-04", "ceiling": 500}), 1)
    with pytest.raises(UsageError, match="adoption: ceiling must be above what is planned for 2026-05-04, 12.*, found 500"):
        market.plan()


def test_a_missing_file_and_an_unknown_name_are_refused(tmp_path):
    with pytest.raises(UsageError, match="does not exist"):
        Scenario.load(tmp_path / "none.toml")
    with pytest.raises(UnknownName, match="unknown scenario 'ai-wintr'.*did you mean 'ai-winter'"):
        Scenario.load("ai-wintr")


def test_a_scenario_s_market_keeps_what_it_does_not_name():
    assert scenario().config().elasticity == MarketConfig().elasticity
