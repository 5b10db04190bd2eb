# SPDX-License-Identifier: Apache-2.0
"""The bar of those who wait: on a terminal only, once a command has taken its time, and with what an import has read."""

from __future__ import annotations

import io
import sys
import time

import pytest

from kilohour.cli import output
from tests.cli.test_data_command import HEAD, MAPPING

ROW = "2026-01-{:02d}T00:00:00Z,H100,2.5\n"


class Terminal(io.StringIO):
    """Standard error as a person has it."""

    def isatty(self):
        return True


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    return Terminal()


def seen(terminal, words):
    """Waits for the bar's own thread; false after ten seconds."""
    for _ in range(1_000):
        if words in terminal.getvalue():
            return True
        time.sleep(0.01)
    return False


def test_a_command_that_takes_its_time_shows_how_far_it_is(monkeypatch, terminal):
    monkeypatch.setattr(output, "PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr(sys, "stderr", terminal)
    with output.Waiting("import aws-spot") as waiting:
        waiting(250, 1_000)
        assert seen(terminal, "import aws-spot")
        assert seen(terminal, "25%")
        waiting(750, 1_000)
        assert seen(terminal, "75%")


def test_a_quick_command_shows_none(monkeypatch, terminal):
    monkeypatch.setattr(sys, "stderr", terminal)
    with output.Waiting("import aws-spot") as waiting:
        waiting(250, 1_000)
    assert terminal.getvalue() == ""


def test_a_pipe_is_told_nothing(monkeypatch):
    monkeypatch.setattr(output, "PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with output.Waiting("import aws-spot") as waiting:
        waiting(250, 1_000)
        time.sleep(0.05)
    assert sys.stderr.getvalue() == ""


def test_an_import_tells_the_bar_what_it_has_read(monkeypatch, here, kilohour):
    told = []
    monkeypatch.setattr(output.Waiting, "__call__", lambda waiting, done, total: told.append((waiting.what, done, total)))
    (here / "mine.toml").write_text(MAPPING, encoding="utf-8")
    for name, days in (("a.csv", range(1, 9)), ("b.csv", range(9, 17))):
        (here / name).write_text(HEAD + "".join(ROW.format(day) for day in days), encoding="utf-8")
    assert kilohour("data import my-file a.csv b.csv --mapping mine.toml --out quotes").code == 0
    assert told == [("import my-file", 1_000, 2_000), ("import my-file", 2_000, 2_000)]
