# SPDX-License-Identifier: Apache-2.0
"""The pages of venues are the tables: committed as the command makes them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from kilohour.contracts import Venue
from kilohour.contracts.venue import NAMES
from kilohour.contracts.venue_pages import COMMAND, pages, shown_state, venue_entry

FOLDER = Path(__file__).parents[2] / "docs" / "venues"
PAGES = pages()


def test_every_page_is_there_and_no_other():
    assert sorted(path.name for path in FOLDER.iterdir()) == sorted(PAGES)


@pytest.mark.parametrize("name", sorted(PAGES))
def test_a_page_is_what_the_tables_say(name):
    assert (FOLDER / name).read_text(encoding="utf-8") == PAGES[name], f"the tables have changed: run {COMMAND}"


@pytest.mark.parametrize("name", Venue.names())
def test_a_page_tells_every_feature_with_its_source(name):
    venue, text = Venue.shipped(name), PAGES[f"{name}.md"]
    lines = {line.split("`")[1]: line for line in text.splitlines() if line.startswith("| `")}
    for feature in NAMES:
        found = venue.capability(feature)
        cells = [cell.strip(" `") for cell in lines[feature].strip("|").split(" | ")]
        assert cells[1].replace("`", "") == shown_state(found).replace("refused: ", "refused "), feature
        assert found.source.split()[-1] in cells[2]


def test_the_limits_of_products_stand_on_the_page_of_their_venue():
    assert "| `NYMEX:GPU1` | position limit in the spot month | 7500 lots |" in PAGES["nymex.md"]
    assert "| `AX:NVDA-H100` | largest move from the prior mark | 100000 millionths of mark |" in PAGES["ax.md"]
    assert "| `AX:NVDA-H100` | position limit, 0 when the venue has none | unknown |" in PAGES["ax.md"]


def test_the_command_writes_them(tmp_path):
    subprocess.run([sys.executable, "-m", "kilohour.contracts.venue_pages", str(tmp_path / "new")], cwd=FOLDER.parents[1], check=True)
    assert {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / "new").iterdir()} == PAGES


@pytest.mark.parametrize("name", Venue.names())
def test_a_table_is_json(name):
    entry = json.loads(json.dumps(venue_entry(Venue.shipped(name))))
    assert list(entry["features"]) == list(NAMES)
    assert all((found["state"] == "refused") == (found["code"] is not None) for found in entry["features"].values())
