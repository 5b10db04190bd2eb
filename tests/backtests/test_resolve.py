# SPDX-License-Identifier: Apache-2.0
"""A strategy by name, by file, by plug-in, and what is said when there is none."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from typing import Any

import pytest

from kilohour import Strategy
from kilohour.backtests import resolve
from kilohour.backtests.resolve import strategy_class, strategy_names
from kilohour.errors import KilohourError, StrategyRaised, UnknownName, UsageError
from kilohour.strategies import BUILT_IN

FILE = """
from kilohour import Strategy
import beside_it

class One(Strategy):
    x: int = beside_it.X
    def on_bar(self, desk): pass
"""


@pytest.fixture
def file(tmp_path):
    (tmp_path / "mine.py").write_text(FILE)
    (tmp_path / "beside_it.py").write_text("X = 5\n")
    return tmp_path / "mine.py"


@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_built_in_names(name):
    assert issubclass(strategy_class(name), Strategy)
    assert name in strategy_names()


def test_a_class_stands_for_itself():
    face = strategy_class("calendar-spread")
    assert strategy_class(face) is face


def test_a_file_with_and_without_the_class(file):
    face: Any = strategy_class(f"{file}:One")
    assert face.x == 5
    assert strategy_class(str(file)) is face


def test_an_edited_file_is_read_again(file):
    before: Any = strategy_class(str(file))
    file.write_text(FILE.replace("x: int = beside_it.X", "x: int = 6"))
    after: Any = strategy_class(str(file))
    assert (before.x, after.x) == (5, 6)


def test_an_installed_plug_in_is_found_by_its_name(tmp_path, monkeypatch):
    """A distribution as pip leaves it: a module, and beside it a folder that names the entry point."""
    (tmp_path / "their_strategies.py").write_text("from kilohour import Strategy\n\n\nclass Theirs(Strategy):\n    def on_bar(self, desk): pass\n")
    info = tmp_path / "their_strategies-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their-strategies\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[kilohour.strategies]\ntheirs = their_strategies:Theirs\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert strategy_class("theirs").__name__ == "Theirs"
    assert "theirs" in strategy_names()
    with pytest.raises(UnknownName, match="did you mean 'theirs'"):
        strategy_class("their")


def test_a_plug_in_by_its_entry_point(monkeypatch):
    point = EntryPoint("mine", "kilohour.strategies.calendar_spread:CalendarSpread", resolve.GROUP)
    monkeypatch.setattr(resolve, "_plug_ins", lambda: [point])
    assert strategy_class("mine").__name__ == "CalendarSpread"
    assert "mine" in strategy_names()


@pytest.mark.parametrize("given, words", [
    ("calendar-spred", "unknown strategy 'calendar-spred'"),
    ("calendar-spred", "did you mean 'calendar-spread'"),
    ("nowhere.py:One", "strategy: no such file 'nowhere.py'"),
    (int, "a strategy must be a class that derives from kilohour.Strategy, found <class 'int'>"),
    (Strategy, "Strategy has no on_bar(self, desk)"),
])
def test_what_is_no_strategy_is_refused(given, words):
    with pytest.raises(UsageError) as caught:
        strategy_class(given)
    assert words in str(caught.value)


def test_what_a_file_lacks_is_named(file):
    with pytest.raises(UnknownName, match=r"unknown strategy 'On' in .*mine\.py; did you mean 'One'"):
        strategy_class(f"{file}:On")
    file.write_text(FILE + "\nclass Two(One): pass\n")
    with pytest.raises(UsageError, match=r"holds 2 strategies \(One, Two\): name one as .*mine.py:Class"):
        strategy_class(str(file))
    file.write_text("x = 1\n")
    with pytest.raises(UsageError, match=r"holds 0 strategies \(none\)"):
        strategy_class(str(file))


@pytest.mark.parametrize("text, last", [
    ("x = 1\nraise ValueError('not today')\n", "ValueError: not today"),
    ("x = (\n", "SyntaxError: '(' was never closed"),
    ("import no_such_module_anywhere\n", "ModuleNotFoundError: No module named 'no_such_module_anywhere'"),
])
def test_a_file_that_fails_shows_its_own_lines_only(file, text, last):
    file.write_text(text)
    with pytest.raises(StrategyRaised) as caught:
        strategy_class(str(file))
    lines = str(caught.value).splitlines()
    assert lines[0] == "mine.py failed while it was read"
    assert lines[-1] == last
    assert all(str(file) in line for line in lines if line.lstrip().startswith("File "))
    assert str(file) in str(caught.value)


def test_a_plug_in_that_fails_says_which(monkeypatch):
    monkeypatch.setattr(resolve, "_plug_ins", lambda: [EntryPoint("broken", "no_such_module_anywhere:Face", resolve.GROUP)])
    with pytest.raises(KilohourError, match="broken"):
        strategy_class("broken")
