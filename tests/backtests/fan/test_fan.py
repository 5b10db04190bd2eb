# SPDX-License-Identifier: Apache-2.0
"""A fan: each path is a backtest, and the result says of them what they say."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import kilohour as kh
from kilohour.errors import UsageError
from kilohour.tape import Kind
from kilohour.units import NANOS_PER_DAY

WORDS = {
    "name": "a short winter", "about": "Half a year with a winter in spring.",
    "market": {"first": "2026-01-02", "last": "2026-09-30", "chips": [
        {"product": "SIM:H100"}, {"product": "SIM:B200", "work": 2.4, "work_at_release": 1.9, "release": "2025-02-04"}]},
    "winter": {"from": "2026-04-01", "depth": 0.5, "months_to_bottom": 2},
}  # fmt: skip


class Long(kh.Strategy):
    """Long two months out, too large for its cash when prices fall."""

    chip: kh.Product = kh.product("SIM:B200")
    lots: int = 12

    def on_bar(self, desk):
        if desk.count(self.chip) >= 3:
            desk.target(desk.nth(self.chip, 3), self.lots)


@pytest.fixture(scope="module")
def words() -> kh.Scenario:
    return kh.Scenario.from_dict(WORDS)


@pytest.fixture(scope="module")
def fan(words, tmp_path_factory):
    return kh.scenario(Long, words, paths=6, first_seed=40, cores=2, cash=16_000, out=tmp_path_factory.mktemp("fans") / "long")


def test_each_path_is_the_backtest_of_its_seed_to_the_micro(fan, words):
    for word in ("worst", "median"):
        one = fan.result[word]
        run = kh.backtest(Long, kh.EmbeddedMarket.under(words, one["seed"]).tape(), cash=16_000)
        assert run.result["net_micros"] == one["net_micros"]
        assert run.result["margin_calls"] == one["margin_calls"]
        outcome = next(path for path in fan.outcomes if path.seed == one["seed"])
        assert set(run.equity["equity_micros"]) <= {*outcome.equity.tolist(), 16_000 * 10**6}
        assert outcome.numbers["fills"] == run.result["fills"]


def test_the_result_says_what_the_paths_say(fan):
    table = pq.read_table(fan.folder / "paths.parquet").to_pydict()
    nets = np.array(table["net_usd"])
    assert table["seed"] == list(range(40, 46))
    for level, value in fan.result["net_usd"].items():
        assert value == pytest.approx(np.percentile(nets, int(level)))
    assert fan.result["chance"]["profit"] == np.mean(nets > 0)
    assert fan.result["chance"]["margin_call"] == np.mean(np.array(table["margin_calls"]) > 0)
    assert fan.result["chance"]["half_lost"] == np.mean(np.array(table["lowest_usd"]) <= 8_000)
    assert fan.result["worst"]["seed"] == table["seed"][int(nets.argmin())]
    assert np.sum(nets < fan.result["median"]["net_usd"]) == 2
    assert fan.result["chance"]["margin_call"] > 0, "the winter must bite"


def test_one_core_and_two_find_the_same(fan, words):
    alone = kh.scenario(Long, words, paths=3, first_seed=40, cores=1, cash=16_000)
    assert [path.net_micros for path in alone.outcomes] == [path.net_micros for path in fan.outcomes[:3]]
    assert all(np.array_equal(a.equity, b.equity) for a, b in zip(alone.outcomes, fan.outcomes, strict=False))


def test_the_front_price_is_that_of_the_first_month_not_fixing(fan, words):
    """Through February the March month: its marks, which stand on the cent."""
    seed = fan.outcomes[0].seed
    tape = kh.EmbeddedMarket.under(words, seed).tape(["SIM:B200"], [])
    rows = (tape.events["kind"] == Kind.MARK) & (tape.events["ref"] == tape.contract_ref("SIM:B200-2026-03"))
    marks = dict(zip(tape.events["ts"][rows] // NANOS_PER_DAY, tape.events["close"][rows] / 1e6, strict=True))
    front = fan.front[seed]
    february = front[(front.index >= "2026-02-02") & (front.index <= "2026-02-27")]
    assert len(february) == 20  # CME trades on the third Monday too
    for day, price in february.items():
        assert abs(marks[(day - pd.Timestamp(0)).days] - price) < 0.00501


def test_the_folder_is_whole_and_the_page_small(fan):
    names = sorted(path.name for path in fan.folder.iterdir())
    assert names == ["equity.parquet", "front.parquet", "manifest.json", "paths.parquet", "report.html"]
    assert (fan.folder / "report.html").stat().st_size < 6_000_000
    page = (fan.folder / "report.html").read_text(encoding="utf-8")
    assert "A band says how many paths lie within it" in page
    assert "seed 4" in page
    manifest = json.loads((fan.folder / "manifest.json").read_text(encoding="utf-8"))
    assert kh.Scenario.from_dict(manifest["scenario"]).winter[0].depth == 0.5
    equity = pq.read_table(fan.folder / "equity.parquet")
    assert equity.column_names == ["day", *(str(seed) for seed in range(40, 46))]


@pytest.mark.parametrize("asked, rule", [
    ({"paths": 0}, "paths must be from 1 to 100,000, found 0"),
    ({"first_seed": -1}, "first_seed must be from 0 to"),
    ({"cores": 0}, "cores must be at least 1, found 0"),
])
def test_numbers_out_of_range_are_refused(words, asked, rule):
    with pytest.raises(UsageError, match=rule):
        kh.scenario(Long, words, **asked)
