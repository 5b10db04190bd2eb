# SPDX-License-Identifier: Apache-2.0
"""Indices of the real quotes beside published figures: the numbers of docs/index-methods.md."""

import datetime as dt
import os
import time
from pathlib import Path

import pytest

from kilohour.cli.main import main
from kilohour.datafeeds.index import Method, build_index
from kilohour.datafeeds.index.manipulation import manipulation
from kilohour.datafeeds.quotes import Quotes

DATA = Path(os.environ.get("KILOHOUR_DATA", Path(__file__).parents[3] / ".." / "shared" / "data"))


def real(source, file, folder):
    if not (DATA / file).exists():
        pytest.skip(f"{file} is not here: set KILOHOUR_DATA")
    assert main(["data", "import", source, str(DATA / file), "--out", str(folder / "quotes")]) == 0
    return Quotes.load(folder / "quotes")


def index_of(quotes, name, **changes):
    text = Method.load(name).text
    for key, value in changes.items():
        line = next(line for line in text.splitlines() if line.startswith(f"{key} ="))
        text = text.replace(line, f"{key} = {value}")
    return build_index(quotes, Method.parse(text))


def on(series, day):
    frame = series.frame()
    return float(frame[frame["date"] <= dt.date.fromisoformat(day)]["value"].iloc[-1])


def test_hyperscaler_list_prices(tmp_path, capsys):
    """Published: "AWS list cut ~44 %" of June 2025 (compux.net); Silicon Data's hyperscaler H100 7.43 on 2026-04-18."""
    quotes = real("hyperscaler-lists", "hyperscaler_ondemand_list.csv", tmp_path)
    amazon = index_of(quotes.where(provider="AWS"), "hyperscaler-list")
    assert (on(amazon, "2025-05-15"), on(amazon, "2025-12-01")) == (12.29, 6.88)
    assert on(amazon, "2025-12-01") / on(amazon, "2025-05-15") - 1 == pytest.approx(-0.44, abs=0.005)
    assert on(amazon, "2026-04-18") / 7.43 - 1 == pytest.approx(-0.074, abs=0.001)
    assert on(index_of(quotes, "hyperscaler-list"), "2026-04-18") / 7.43 - 1 == pytest.approx(0.544, abs=0.001)
    a100 = [on(index_of(one, "hyperscaler-list", chips='["A100-80"]'), "2026-04-18") / 3.69 - 1 for one in (quotes.where(provider="AWS"), quotes)]
    assert a100 == pytest.approx([-0.070, 0.135], abs=0.001)


def test_googles_regions_lie_far_above(tmp_path, capsys):
    """Published: Silicon Data's hyperscaler A100 3.69 on 2026-04-18."""
    quotes = real("google-prices", "gcp_gpu_prices_weekly.parquet", tmp_path)
    google = on(index_of(quotes.where(term="on-demand"), "hyperscaler-list", chips='["A100-80"]'), "2026-04-18")
    assert (round(google, 2), google / 3.69 - 1) == (6.27, pytest.approx(0.70, abs=0.001))


def test_tables_kept_by_hand_lag_a_falling_market(tmp_path, capsys):
    """Published: neoclouds "about 2.85" in early 2024 (neighborhoodsf.com, citing SemiAnalysis)."""
    quotes = real("cloud-tables", "cloud_list_prices_2022_2025.csv", tmp_path)
    posted = index_of(quotes, "hyperscaler-list", segments='["neocloud"]', rule='"median"')
    assert on(posted, "2024-02-29") == 4.76
    assert on(posted, "2024-02-29") / 2.85 - 1 == pytest.approx(0.67, abs=0.001)


def test_neocloud_offers(tmp_path, capsys):
    """Published: SDH100RT 2.43 to 2.63 in the quarter that follows (kineticalpha.com)."""
    quotes = real("neocloud-offers", "neocloud_market_30min_by_provider.parquet", tmp_path)
    series = index_of(quotes, "neocloud-median")
    values = series.micros / 1e6
    assert len(values) == 29
    assert values.mean() == pytest.approx(2.350, abs=0.001)
    assert values.min() > 0.9 * 2.43
    assert values.max() < 2.63
    november = {row.provider: row for row in manipulation(series) if row.month == 202511}
    assert float(november["hyperstack"].settlement) == pytest.approx(2_347_500, abs=1)
    assert float(november["hyperstack"].largest) == pytest.approx(342_600, abs=100)
    assert float(november["nebius"].without) == pytest.approx(146_200, abs=100)


def test_marketplace_asks_lie_a_third_below_the_neocloud_index(tmp_path, capsys):
    """Published: SDH100RT 2.43 to 2.63 in 2026-Q1; Ornn's H200 2.6263 in March 2026 (clearmarket.fyi)."""
    quotes = real("marketplace-asks", "vast_offers_2026q1.parquet", tmp_path)
    h100 = index_of(quotes, "neocloud-median", segments='["marketplace"]').micros / 1e6
    h200 = index_of(quotes, "neocloud-median", segments='["marketplace"]', chips='["H200"]').micros / 1e6
    assert 1.54 < h100.min() < h100.max() < 1.69
    assert 2.38 < h200.min() < h200.max() < 2.46
    assert h100.max() / 2.43 - 1 < -0.30


@pytest.mark.soak
def test_the_daily_index_of_a_year_and_a_half_of_amazon_spot_in_under_a_second(tmp_path, capsys):
    """536,814 rows. One provider sets every vote: half more is half more."""
    quotes = real("aws-spot", "aws_gpu_spot_6h.parquet", tmp_path)
    method = Method.load("aws-spot-us")
    began = time.perf_counter()
    series = build_index(quotes, method)
    assert time.perf_counter() - began < 1.0
    assert len(series.prints) == 521
    row = next(row for row in manipulation(series) if row.month == 202305)
    assert float(row.largest / row.settlement) == 0.5
