# SPDX-License-Identifier: Apache-2.0
"""``kilohour backtest --scenario``, ``kilohour scenarios`` and ``kilohour data calibrate`` at the command line."""

from __future__ import annotations

import json

import pytest

from kilohour.datafeeds.embedded import MarketConfig

WINTER = """
name = "short"
[market]
first = 2026-01-02
last = 2026-06-30
[[market.chips]]
product = "SIM:H100"
[winter]
from = 2026-03-02
depth = 0.4
"""
TARGETS = """
[market]
first = 2024-01-02
last = 2024-06-28
[[market.chips]]
product = "SIM:H100"
[fit]
parameters = ["level"]
[[target]]
statistic = "spot"
product = "SIM:H100"
on = 2024-01-02
value = 2.5
tolerance = 0.05
[[point]]
product = "SIM:H100"
day = 2024-02-01
value = 2.6
"""


def test_a_fan_and_one_of_its_paths_alone(kilohour, here):
    (here / "winter.toml").write_text(WINTER, encoding="utf-8")
    done = kilohour("backtest calendar-spread --set window=20 --scenario winter.toml --market 5 --paths 2 --cores 1 --json")
    assert done.code == 0, done.err
    fan = json.loads(done.out)
    assert (fan["first_seed"], fan["last_seed"], fan["scenario"]) == (5, 6, "short")
    assert fan["report"] == "runs/calendar-spread-scenario/report.html"
    seed = fan["worst"]["seed"]
    alone = kilohour(f"backtest calendar-spread --set window=20 --scenario winter.toml --market {seed} --json")
    assert json.loads(alone.out)["net_micros"] == fan["worst"]["net_micros"]
    table = kilohour("backtest calendar-spread --set window=20 --scenario winter.toml --market 5 --paths 2 --cores 1")
    assert "Chance of a margin call" in table.out


@pytest.mark.parametrize("line, said", [
    ("--paths 3", "--paths goes with --scenario, found --paths 3 without one"),
    ("--scenario ai-winter --tape x", "give --tape or --scenario, not both"),
    ("--scenario ai-winter --cores 2", "--cores goes with --paths"),
    ("--scenario ai-winter --paths 2 --from 2026-02-01", "--from does not go with --paths"),
    ("--scenario ai-winter --market my.toml", "with --scenario, --market must be a seed"),
    ("--scenario ai-wintr", "unknown scenario 'ai-wintr'"),
])
def test_what_does_not_go_together_is_one_line(kilohour, here, line, said):
    done = kilohour(f"backtest calendar-spread {line}")
    assert done.code == 2
    assert said in done.err
    assert done.err.count("\n") == 1


def test_scenarios_are_listed_and_one_is_checked(kilohour, here):
    found = json.loads(kilohour("scenarios --json").out)["scenarios"]
    assert [one["file"] for one in found] == ["adoption-boom", "ai-winter", "capacity-delay", "early-launch", "index-restatement", "supply-shock"]
    assert "[supply_shock]" in kilohour("scenarios supply-shock").out
    (here / "wrong.toml").write_text(WINTER.replace("depth = 0.4", "depth = 4"), encoding="utf-8")
    assert "wrong.toml: winter 1: depth: must be less than or equal to 0.95, found 4" in kilohour("scenarios wrong.toml").err


def test_a_calibration_writes_a_market_and_a_page(kilohour, here):
    (here / "bands.toml").write_text(TARGETS, encoding="utf-8")
    done = kilohour("data calibrate bands.toml --seeds 2 --out market.toml --html fit.html --json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert found["missed"] == []
    assert abs(found["targets"][0]["after"] - 2.5) < 0.05
    assert MarketConfig.load(here / "market.toml").level == found["parameters"]["level"]["after"]
    assert "observed" in (here / "fit.html").read_text(encoding="utf-8")
    told = kilohour("data calibrate bands.toml --start market.toml --seeds 2 --out same.toml").out
    assert "no parameter moves: the start meets every target" in told
    assert MarketConfig.load(here / "same.toml") == MarketConfig.load(here / "market.toml")
    calm = TARGETS.replace('statistic = "spot"', 'statistic = "volatility"').replace('"level"', '"chips.SIM:H100.volatility"')
    (here / "calm.toml").write_text(calm.replace("value = 2.5", "value = 0.05").replace("tolerance = 0.05", "tolerance = 0.01"), encoding="utf-8")
    told = " ".join(kilohour("data calibrate calm.toml --seeds 2 --out market.toml").out.split())
    assert "missed: SIM:H100 volatility 2024-01-02: let more move, as --fit scarcity_volatility" in told
    assert "must be a TOML file, found x.csv" in kilohour("data calibrate bands.toml --out x.csv").err
    assert "--prices needs --segment" in kilohour("data calibrate bands.toml --out x.toml --prices p.csv").err
