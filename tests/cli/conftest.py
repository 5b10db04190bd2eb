# SPDX-License-Identifier: Apache-2.0
"""A small market as a tape, and a way to run a command line in this process."""

from __future__ import annotations

import datetime as dt
import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from kilohour.cli.main import main
from kilohour.datafeeds.embedded import EmbeddedMarket, MarketConfig
from kilohour.tape import Tape

SPAN = MarketConfig(first=dt.date(2026, 1, 2), last=dt.date(2027, 6, 30))


class Outcome(NamedTuple):
    """How a command line ended."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def tape() -> Tape:
    """A year and a half of the embedded market."""
    return EmbeddedMarket(seed=7, config=SPAN).tape()


@pytest.fixture(scope="session")
def tape_folder(tape: Tape, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same on disk; tests only read it."""
    folder = tmp_path_factory.mktemp("tapes") / "small"
    tape.save(folder)
    return folder


@pytest.fixture
def kilohour(capsys: pytest.CaptureFixture[str]) -> Callable[[str], Outcome]:
    """``kilohour("contracts list")`` runs that command line."""

    def run(line: str) -> Outcome:
        capsys.readouterr()
        code = main(shlex.split(line))
        out, err = capsys.readouterr()
        return Outcome(code, out, err)

    return run


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def environment() -> dict[str, str]:
    """For a process of its own: this package, wherever it is imported from."""
    root = str(Path(__file__).parents[2])
    return {**os.environ, "PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])}
