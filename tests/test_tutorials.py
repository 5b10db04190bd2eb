# SPDX-License-Identifier: Apache-2.0
"""Every Python line of the data pages and tutorials runs and prints what the page says."""

import doctest
import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("KILOHOUR_DATA", ROOT / ".." / "shared" / "data"))
NEEDS = {
    "docs/data.md": (),
    "docs/tutorials/wti-calendar.md": ("futures_strip_energy.parquet", "futures_expiry_energy.csv"),
    "docs/tutorials/gpu-prices.md": ("gpu_price_daily.csv", "ai_adoption.csv"),
}


@pytest.mark.parametrize("page", NEEDS)
def test_a_page_runs(page, tmp_path, monkeypatch):
    for name in NEEDS[page]:
        if not (DATA / name).exists():
            pytest.skip(f"{name} is not here: set KILOHOUR_DATA")
    (tmp_path / "shared").mkdir()
    (tmp_path / "run").mkdir()
    if DATA.exists():
        (tmp_path / "shared" / "data").symlink_to(DATA.resolve())
    monkeypatch.chdir(tmp_path / "run")
    failed, attempted = doctest.testfile(str(ROOT / page), module_relative=False, encoding="utf-8")
    assert attempted > 0
    assert failed == 0
