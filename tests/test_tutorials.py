# SPDX-License-Identifier: Apache-2.0
"""Every Python line of the data pages and tutorials runs and prints what the page says; every command ends well."""

import doctest
import os
import re
import shlex
from pathlib import Path

import pytest

from kilohour.cli.main import main
from kilohour.datafeeds import BUILT_IN
from tests.datafeeds.sources.test_shipped_sources import FILES

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("KILOHOUR_DATA", ROOT / ".." / "shared" / "data"))
NEEDS = {
    "docs/data.md": (),
    "docs/sources.md": ("aws_gpu_spot_6h.parquet", "gcp_gpu_prices_weekly.parquet", "openrouter_weekly_revenue.csv"),
    "docs/curve.md": (),
    "docs/index-methods.md": ("neocloud_market_30min_by_provider.parquet",),
    "docs/tutorials/every-source.md": tuple(FILES.values()),
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


LONG = ("docs/tutorials/every-source.md",)  # imports every file there is


@pytest.mark.parametrize("page", [pytest.param(page, marks=pytest.mark.soak) if page in LONG else page for page in NEEDS])
def test_the_commands_of_a_page_end_well(page, tmp_path, monkeypatch, capsys):
    for name in NEEDS[page]:
        if not (DATA / name).exists():
            pytest.skip(f"{name} is not here: set KILOHOUR_DATA")
    (tmp_path / "shared").mkdir()
    (tmp_path / "run").mkdir()
    if DATA.exists():
        (tmp_path / "shared" / "data").symlink_to(DATA.resolve())
    monkeypatch.chdir(tmp_path / "run")
    for command in commands(ROOT / page):
        code = main(command)
        assert code == 0, f"{shlex.join(command)}\n{capsys.readouterr().err}"


def commands(page: Path) -> list[list[str]]:
    blocks = re.findall(r"```sh\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return [shlex.split(line, comments=True)[1:] for line in lines if line.startswith("kilohour ")]


def test_every_file_of_the_data_folder_is_read_by_a_source_or_named_as_an_aggregate():
    if not (DATA / "MANIFEST.csv").exists():
        pytest.skip("MANIFEST.csv is not here: set KILOHOUR_DATA")
    listed = {line.partition(",")[0] for line in (DATA / "MANIFEST.csv").read_text(encoding="utf-8").splitlines()[1:]}
    page = (ROOT / "docs/sources.md").read_text(encoding="utf-8")
    walked = {name for names in NEEDS.values() for name in names}
    assert {name for name in listed - walked if f"`{name}`" not in page} == set()
    assert len(listed) > 20


def test_every_source_has_its_walk():
    text = (ROOT / "docs/tutorials/every-source.md").read_text(encoding="utf-8")
    assert set(re.findall(r"\*\*([a-z-]+)\*\*", text)) == set(BUILT_IN)
    linked = {"energy-strip": "wti-calendar.md", "gpu-prices": "gpu-prices.md"}
    for name in BUILT_IN:
        page = text if name not in linked else (ROOT / "docs/tutorials" / linked[name]).read_text(encoding="utf-8")
        assert f"data import {name} " in page or f'source("{name}")' in page or name in ("ccxt", "my-file")
