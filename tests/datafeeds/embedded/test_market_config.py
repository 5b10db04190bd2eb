# SPDX-License-Identifier: Apache-2.0
"""A market from a TOML file, and what is refused."""

from __future__ import annotations

import datetime as dt

import pytest
import tomli_w

from kilohour.datafeeds.embedded import MarketConfig
from kilohour.errors import UnknownName, UsageError


def test_fields_tables_and_days_are_read(tmp_path):
    path = tmp_path / "market.toml"
    path.write_text("""
        first = 2025-01-02
        last = "2026-12-31"
        premium = 0
        [[chips]]
        product = "SIM:H100"
        release = 2023-03-21
        [[launches]]
        name = "R200"
        day = 2026-08-26
        markdown = 0.25
    """)
    config = MarketConfig.load(path)
    assert (config.first, config.last, config.premium) == (dt.date(2025, 1, 2), dt.date(2026, 12, 31), 0.0)
    assert [chip.product for chip in config.chips] == ["SIM:H100"]
    assert config.launches[0].markdown == 0.25
    assert config.scarcity_volatility == MarketConfig().scarcity_volatility


def test_a_configuration_survives_toml(tmp_path):
    path = tmp_path / "market.toml"
    path.write_text(tomli_w.dumps(MarketConfig(seasonality=0.1).to_dict()))
    assert MarketConfig.load(path) == MarketConfig(seasonality=0.1)


@pytest.mark.parametrize("text, error, words", [
    ("premum = 0.1", UnknownName, "unknown field 'premum' in market; did you mean 'premium'"),
    ("[[chips]]\nproduct = 'SIM:H100'\nworks = 2", UnknownName, "did you mean 'work'"),
    ("[[launches]]\nname = 'x'", UsageError, "launches: day must be given, found none"),
    ("premium = 'high'", UsageError, "market: premium must be a float, found 'high'"),
    ("premium = true", UsageError, "market: premium must be a float, found True"),
    ("premium = 2.0", UsageError, "market: premium must be between 0 and 1, found 2"),
    ("premium = nan", UsageError, "market: premium must be between 0 and 1, found nan"),
    ("publication_lag_days = 1.5", UsageError, "market: publication_lag_days must be a int, found 1.5"),
    ("first = 'soon'", UsageError, "market: first must be a day like 2024-01-02, found 'soon'"),
    ("last = 2023-01-01", UsageError, "market: last must be after first 2024-01-02, found 2023-01-01"),
    ("revision_lag_days = 30", UsageError, "revision_lag_days must exceed publication_lag_days 45, found 30"),
    ("chips = []", UsageError, "chips must name at least one chip, found none"),
    ("chips = [1]", UsageError, r"chips must be a list of tables \[\[chips\]\], found \[1\]"),
    ("[[chips]]\nproduct = 'SIM:H100'\n[[chips]]\nproduct = 'SIM:H100'", UsageError, "each product must appear once"),
    ("premium =", UsageError, "must be TOML"),
])
def test_wrong_files_are_refused(tmp_path, text, error, words):
    path = tmp_path / "market.toml"
    path.write_text(text)
    with pytest.raises(error, match=words):
        MarketConfig.load(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(UsageError, match="does not exist"):
        MarketConfig.load(tmp_path / "none.toml")


def test_switches_are_off_by_default():
    assert MarketConfig().switches == ()
