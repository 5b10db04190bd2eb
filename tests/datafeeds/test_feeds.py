# SPDX-License-Identifier: Apache-2.0
"""Sources are found by name and by entry point, and each says what a trader must know of it."""

import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from kilohour.datafeeds import BUILT_IN, GROUP, source, source_names
from kilohour.datafeeds.chips import chip_names
from kilohour.datafeeds.feed import Feed
from kilohour.errors import UnknownName, UsageError

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "sources.md").read_text(encoding="utf-8")


def test_our_sources_stand_behind_the_entry_point_too():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["entry-points"][GROUP] == BUILT_IN


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_source_says_columns_times_and_licence_and_has_its_place_on_the_page(name):
    its = source(name)
    assert its.name == name
    assert its.columns
    assert min(len(text) for text in (its.about, its.time, its.licence)) > 20
    assert f"| `{name}` |" in PAGE
    assert set(its.needs) <= set(its.options)


def test_a_plug_in_is_found_and_a_broken_one_is_named(monkeypatch, tmp_path):
    (tmp_path / "acme_feed.py").write_text(
        "from kilohour.datafeeds.feed import Feed\n"
        "FEED = Feed(name='acme', about='', gives='quotes', columns=(), time='', licence='', run=lambda *a, **k: ['ran'])\nOTHER = 5\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    points = [EntryPoint(name, f"acme_feed:{attribute}", GROUP) for name, attribute in (("acme", "FEED"), ("odd", "OTHER"), ("gone", "NONE"))]
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: points if group == GROUP else [])
    assert isinstance(source("acme"), Feed)
    assert {"acme", "aws-spot"} <= set(source_names())
    with pytest.raises(UsageError, match=r"'odd' \(acme_feed:OTHER\) must be a kilohour.datafeeds.feed.Feed, found int"):
        source("odd")
    with pytest.raises(UsageError, match="'gone' .* failed while it was read: AttributeError"):
        source("gone")


def test_an_unknown_source_is_refused_with_the_nearest():
    with pytest.raises(UnknownName, match="did you mean 'aws-spot'"):
        source("aws-spots")


def test_no_chip_has_the_name_of_another():
    text = (ROOT / "datafeeds" / "chips.toml").read_text(encoding="utf-8")
    table = tomllib.loads(text)
    spoken = [name for ours, others in table.items() for name in (ours, *others)]
    assert len(spoken) == len(set(spoken)) == len(chip_names())
    assert {chip_names()[name] for name in ("H100", "H100 SXM", "H100-SXM")} == {"H100"}
