# SPDX-License-Identifier: Apache-2.0
"""The calibration finds parameters that are known, and computes what it says of observed prices."""

from __future__ import annotations

import dataclasses
import datetime as dt
import math

import numpy as np
import pytest

from kilohour.cli.calibrate import market_text
from kilohour.contracts import Registry
from kilohour.datafeeds.embedded import MarketConfig
from kilohour.datafeeds.embedded.calibrate import _fitted, calibrate, read_parameter, statistics
from kilohour.datafeeds.embedded.schedule import make_schedule
from kilohour.datafeeds.embedded.targets import Targets, from_prices
from kilohour.errors import DataError, UnknownName, UsageError

MARKET = {"first": "2024-01-02", "last": "2024-10-31", "chips": [{"product": "SIM:H100"}]}
WORDS = {
    "market": MARKET,
    "fit": {"parameters": ["level", "chips.SIM:H100.volatility"]},
    "target": [
        {"statistic": "volatility", "product": "SIM:H100", "value": 0.3, "tolerance": 0.01},
        {"statistic": "spot", "product": "SIM:H100", "on": "2024-01-02", "value": 3.0, "tolerance": 0.1},
        {"statistic": "forward", "product": "SIM:H100", "on": "2024-01-02", "months": 6, "value": 0.0, "tolerance": 0.01},
    ],
}  # fmt: skip


def test_known_parameters_are_found_again():
    """Targets are the statistics of a market whose parameters we know, on the seeds of the fit: then the fit is exact."""
    base = MarketConfig.from_dict(MARKET)
    truth = dataclasses.replace(base, level=2.4, chips=(dataclasses.replace(base.chips[0], volatility=0.24),))
    targets = Targets.from_dict(WORDS)
    values = statistics(truth, make_schedule(base, Registry.shipped()), targets.target, range(2))
    wanted = [{**row, "value": float(value)} for row, value in zip(WORDS["target"], values, strict=True)]
    found = calibrate(Targets.from_dict({**WORDS, "target": wanted}), seeds=2)
    assert found.parameters["level"][1] == pytest.approx(2.4, rel=2e-3)
    assert found.parameters["chips.SIM:H100.volatility"][1] == pytest.approx(0.24, rel=5e-3)
    assert (found.misses, found.at_bound) == ((), ())
    assert found.config.level == found.parameters["level"][1]
    assert found.quantiles["SIM:H100"].shape == (5, len(found.days))
    assert (np.diff(found.quantiles["SIM:H100"], axis=0) >= 0).all()


def test_the_default_market_meets_every_published_target_and_the_command_leaves_it_as_it_is():
    found = calibrate(Targets.load("compute-2026"), start=MarketConfig())
    assert (found.misses, found.config) == ((), MarketConfig())
    assert all(before == after for before, after in found.parameters.values())
    assert len(found.parameters) == 6
    again = zip(found.targets.target, found.checked, strict=True)
    assert [one.name for one, value in again if abs(value - one.value) > one.tolerance] == []


@pytest.mark.soak
def test_the_default_market_is_what_the_command_finds():
    found = calibrate(Targets.load("compute-2026"))
    assert [one for one, before in zip(found.targets.target, found.before, strict=True) if abs(before - one.value) > one.tolerance]
    assert found.config == MarketConfig()


@pytest.mark.soak
def test_from_afar_the_command_comes_back_to_the_default_market():
    """Every parameter a quarter to a half off; the digits that are kept leave a hundredth of the squared misses open."""
    words = Targets.load("compute-2026")
    afar = {"level": 4.0, "growth": 0.0, "chips.SIM:H100.volatility": 0.25, "chips.SIM:B200.volatility": 0.12, "chips.SIM:B200.work": 3.0,
            "launches.markdown": 0.30}  # fmt: skip
    found = calibrate(words.model_copy(update={"fit": words.fit.model_copy(update={"start": afar})}))
    assert found.misses == ()
    for name, (_, after) in found.parameters.items():
        assert after == pytest.approx(read_parameter(MarketConfig(), name), rel=0.03), name


def test_a_parameter_is_written_in_the_fewest_digits_that_fit_as_well():
    """Two targets that are the parameters themselves, in units of a tolerance of 1: 0.30 is exact in two digits, 2.7182818 costs
    1e-3 of the squared misses (1.0, of the target out of reach) in 2.7, and at a tenth of the tolerance not before 2.72."""
    limits = np.array([[0.0, 0.0], [10.0, 10.0]])

    def miss(at, tolerance):
        return np.array([(at[0] - 0.3) / tolerance, (at[1] - 2.7182818) / tolerance, 1.0])

    start = np.array([1.0, 5.0])
    np.testing.assert_array_equal(_fitted(lambda at: miss(at, 1.0), start, limits), [0.30, 2.7])
    np.testing.assert_array_equal(_fitted(lambda at: miss(at, 0.1), start, limits), [0.30, 2.72])
    np.testing.assert_array_equal(_fitted(lambda at: miss(at, 100.0), start, limits), start)


def test_a_calibration_starts_where_it_says_and_ends_with_the_market_of_the_file():
    """The statistics look at a market that ends in June 2024; the one that is written keeps its own last day."""
    fit = {"parameters": ["level"], "start": {"level": 5.0}, "until": "2024-06-28"}
    target = [{"statistic": "spot", "product": "SIM:H100", "on": "2024-01-02", "value": 3.0, "tolerance": 0.1}]
    found = calibrate(Targets.from_dict({**WORDS, "fit": fit, "target": target}), seeds=2)
    assert found.parameters["level"][0] == 5.0
    assert found.days[-1] == "2024-06-28"
    assert found.config.last == dt.date(2024, 10, 31)


def test_a_series_calmer_than_what_all_chips_share_is_missed_and_says_why():
    """Scarcity and the long run alone move a price by more than 5 % a year, so the chip's own part ends at zero."""
    words = {**WORDS, "target": [{"statistic": "volatility", "product": "SIM:H100", "value": 0.05, "tolerance": 0.01}], "fit": {"parameters": [
        "chips.SIM:H100.volatility"]}}  # fmt: skip
    found = calibrate(Targets.from_dict(words), seeds=2)
    assert [one.name for one in found.misses] == ["SIM:H100 volatility"]
    assert found.at_bound == ("chips.SIM:H100.volatility",)
    assert found.to_dict()["at_bound"] == ["chips.SIM:H100.volatility"]


def test_the_market_file_is_read_back(tmp_path):
    config = MarketConfig(level=2.5, growth=-0.01)
    path = tmp_path / "market.toml"
    path.write_text(market_text(config, [], "bands"), encoding="utf-8")
    assert MarketConfig.load(path) == config


def test_volatility_and_kurtosis_of_observed_prices_are_those_of_the_textbook(tmp_path):
    """Changes of one per cent up and down: variance 1e-4 a day over the years they span, kurtosis 1, in excess -2."""
    rows = ["date,chip,segment,median"]
    rows += [f"{np.datetime64('2024-01-01') + k},H100,spot,{2.0 * math.exp(0.01 * (k % 2)):.12f}" for k in range(301)]
    path = tmp_path / "prices.csv"
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    found = from_prices(Targets.from_dict(WORDS), path, "spot", {"H100": "SIM:H100"})
    volatility = next(one for one in found.target if one.statistic == "volatility")
    kurtosis = next(one for one in found.target if one.statistic == "kurtosis")
    assert volatility.value == pytest.approx(math.sqrt(300 * 1e-4 / (300 / 365.25)))
    assert kurtosis.value == pytest.approx(-2.0)
    assert [one.statistic for one in found.target].count("volatility") == 1
    assert len(found.point) == 301
    with pytest.raises(DataError, match="segment 'list' has no series of at least 30 days of H100"):
        from_prices(Targets.from_dict(WORDS), path, "list", {"H100": "SIM:H100"})


def test_the_shipped_targets_are_read():
    targets = Targets.load("compute-2026")
    assert {one.statistic for one in targets.target} == {"volatility", "spot", "forward", "term", "markdown"}
    assert all(one.source for one in (*targets.target, *targets.point))


@pytest.mark.parametrize("change, error, rule", [
    ({"fit": {"parameters": ["levl"]}}, UnknownName, "unknown parameter 'levl' in levl; did you mean 'level'"),
    ({"fit": {"parameters": ["chips.SIM:H10.volatility"]}}, UnknownName, "unknown product 'SIM:H10'"),
    ({"fit": {"parameters": ["level"], "start": {"growth": 0.1}}}, UsageError, "fit: start must name parameters that may move, level, found growth"),
    ({"fit": {"parameters": ["level"], "start": {"level": -1.0}}}, UsageError, "level must be between 0.01 and 10000, found -1"),
    ({"fit": {}}, UsageError, "fit.parameters and a target must be given"),
    ({"target": [{"statistic": "spot", "product": "SIM:H100", "value": 1.0, "tolerance": 0.1}]}, UsageError, "target.1: on must be given for spot"),
    ({"target": [{"statistic": "volatility", "product": "SIM:H100", "value": 1.0, "tolerance": 0.0}]}, UsageError, "target.1.tolerance"),
])
def test_wrong_targets_are_refused(change, error, rule):
    with pytest.raises(error, match=rule):
        calibrate(Targets.from_dict({**WORDS, **change}), seeds=2)
