# SPDX-License-Identifier: Apache-2.0
"""The calibration finds parameters that are known, and computes what it says of observed prices."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from kilohour.cli.calibrate import market_text
from kilohour.contracts import Registry
from kilohour.datafeeds.embedded import MarketConfig
from kilohour.datafeeds.embedded.calibrate import calibrate, statistics
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
    ({"fit": {}}, UsageError, "fit.parameters and a target must be given"),
    ({"target": [{"statistic": "spot", "product": "SIM:H100", "value": 1.0, "tolerance": 0.1}]}, UsageError, "target.1: on must be given for spot"),
    ({"target": [{"statistic": "volatility", "product": "SIM:H100", "value": 1.0, "tolerance": 0.0}]}, UsageError, "target.1.tolerance"),
])
def test_wrong_targets_are_refused(change, error, rule):
    with pytest.raises(error, match=rule):
        calibrate(Targets.from_dict({**WORDS, **change}), seeds=2)
