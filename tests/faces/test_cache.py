# SPDX-License-Identifier: Apache-2.0
"""The cache never runs old code: an edit of a kernel, an indicator, a helper or a constant changes the decision."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kilohour.faces import cache
from kilohour.kernels import KERNEL_HASH

ROOT = Path(__file__).parents[2]
LINKED = ("strategies", "datafeeds", "execution", "backtests", "reports")
STRATEGY = '''
import helpers_of_cache_test as helpers
from helpers_of_cache_test import size
from settings_of_cache_test import LIMIT
from kilohour import Strategy, indicator, state
from kilohour.indicators import Ema
from kilohour.kernels.arithmetic import exp

SCALE = 100.0

class Face(Strategy):
    x: float = state(0.0)
    ema: Ema = indicator(Ema, 1)

    def on_bar(self, desk):
        self.x = SCALE + size(1.0) + helpers.more(1.0) + helpers.DEPTH + LIMIT + self.ema.update(8.0) + exp(0.0)
'''
HELPERS = "DEPTH = 1000.0\n\ndef size(x):\n    return x + 1.0\n\ndef more(x):\n    return x * 10.0\n"
SCRIPT = '''
import ctypes, json, sys
import numpy as np
sys.path.insert(0, sys.argv[1])
from kilohour.backtests.resolve import strategy_class
from kilohour.faces.fields import dtype_of
from kilohour.faces.python_face import structure_of
from kilohour.kernels.records import DESK
from kilohour.step import compiled_step

face = strategy_class(sys.argv[1] + "/mine.py:Face")
memory, desk = np.zeros(1, dtype_of(face)), np.zeros(1, DESK)
structure_of(face).from_buffer(memory).__init__()
step = compiled_step(face)
place = np.zeros(2, np.int64)
call = ctypes.CFUNCTYPE(ctypes.c_int32, *[ctypes.c_void_p] * 4)(step.address)
assert call(place.ctypes.data, place[1:].ctypes.data, memory.ctypes.data, desk.ctypes.data) == 0
print(json.dumps([float(memory["x"][0]), step.cached]))
'''


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A copy of kilohour, a strategy with two modules of its own, and a cache for them alone."""
    at = tmp_path_factory.mktemp("cache")
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("kilohour", *LINKED):
        shutil.copytree(ROOT / name, at / "package" / name, symlinks=True, ignore=ignored)
    (at / "mine").mkdir()
    (at / "mine" / "mine.py").write_text(STRATEGY)
    (at / "mine" / "helpers_of_cache_test.py").write_text(HELPERS)
    (at / "mine" / "settings_of_cache_test.py").write_text("LIMIT = 10000.0\n")
    return at


def run(place, package="package"):
    env = {**os.environ, "PYTHONPATH": str(place / package), "KILOHOUR_CACHE": str(place / "kept")}
    done = subprocess.run([sys.executable, "-c", SCRIPT, str(place / "mine")], env=env, cwd=place, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


TIMES = itertools.count(1)


def write(path, text):
    """Writes with a time that no earlier text of the file had: Python goes by whole seconds and the size when it keeps bytecode."""
    path.write_text(text)
    at = path.stat().st_mtime + next(TIMES) * 10
    os.utime(path, (at, at))


EXP = "def exp(x: float) -> float:\n"
EDITS = [
    ("mine/mine.py", "SCALE = 100.0", "SCALE = 101.0", 1.0),
    ("mine/helpers_of_cache_test.py", "x + 1.0", "x + 3.0", 2.0),
    ("mine/helpers_of_cache_test.py", "x * 10.0", "x * 13.0", 3.0),
    ("mine/helpers_of_cache_test.py", "DEPTH = 1000.0", "DEPTH = 1004.0", 4.0),
    ("mine/settings_of_cache_test.py", "10000.0", "10005.0", 5.0),
    ("package/kilohour/indicators/ema.py", "        return self.mean\n", "        return self.mean + 6.0\n", 6.0),
    ("package/kilohour/kernels/arithmetic.py", EXP, EXP + "    if x == 0.0:\n        return 8.0\n", 7.0),
]


@pytest.mark.slow
def test_an_edit_changes_the_decision_and_nothing_else_does(place):
    base, cached = run(place)
    assert cached is False
    assert run(place) == [base, True]
    assert base == 100.0 + 2.0 + 10.0 + 1000.0 + 10000.0 + 8.0 + 1.0
    shutil.copytree(place / "package", place / "elsewhere", symlinks=True)
    assert run(place, "elsewhere") == [base, True]  # the same kilohour, installed a second time, compiles nothing
    for file, old, new, more in EDITS:
        path = place / file
        text = path.read_text()
        assert text.count(old) == 1
        write(path, text.replace(old, new))
        assert run(place) == [base + more, False], f"{file}: {old} -> {new}"
        write(path, text)
    assert run(place) == [base, True]


@pytest.mark.slow
def test_a_refused_class_is_not_kept(place):
    """Refused for its types only after numba compiled and stored it: the folder must be gone, and the second start refuse again."""
    file = place / "mine" / "mine.py"
    file.write_text(STRATEGY.replace("x: float = state(0.0)", "x: int = state(0)"))
    env = {**os.environ, "PYTHONPATH": str(place / "package"), "KILOHOUR_CACHE": str(place / "other")}
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", SCRIPT, str(place / "mine")], env=env, cwd=place, capture_output=True, text=True, check=False)
        assert "a float cannot be assigned to the integer field 'x'" in done.stderr
        assert not list((place / "other").glob("strategy-*"))
    file.write_text(STRATEGY)


def test_another_numba_has_another_folder(tmp_path, monkeypatch):
    from kilohour.strategies.calendar_spread import CalendarSpread

    monkeypatch.setenv("KILOHOUR_CACHE", str(tmp_path))
    now = cache.strategy_folder(CalendarSpread)
    assert cache.strategy_folder(CalendarSpread) == now
    monkeypatch.setattr("numba.__version__", "0.0.1")
    assert cache.strategy_folder(CalendarSpread) != now


def test_a_numba_that_was_imported_first_keeps_our_code_in_our_folder_all_the_same(tmp_path):
    """In the source's own folder, or the one it was told before, an edit of another kernel would go unnoticed."""
    script = "import numba\nfrom kilohour.kernels.arithmetic import exp\nexp(1.0)\nprint(exp.stats.cache_path, sum(exp.stats.cache_hits.values()))"
    for told in ("", str(tmp_path / "another")):
        env = {**os.environ, "PYTHONPATH": str(ROOT), "KILOHOUR_CACHE": str(tmp_path / "ours"), "NUMBA_CACHE_DIR": told}
        done = subprocess.run([sys.executable, "-c", script], env=env, cwd=tmp_path, capture_output=True, text=True, check=True)
        assert done.stdout.split() == [str(tmp_path / "ours" / f"kernels-{KERNEL_HASH}" / "kernels"), "1" if told else "0"]
    assert not (tmp_path / "another").exists()


def test_pruning_keeps_the_last_used_and_the_engine(tmp_path, monkeypatch):
    monkeypatch.setenv("KILOHOUR_CACHE", str(tmp_path))
    engine = tmp_path / f"kernels-{KERNEL_HASH}"
    engine.mkdir()
    os.utime(engine, (0, 0))
    for i in range(cache.FOLDERS_KEPT + 20):
        folder = tmp_path / f"strategy-{i}"
        folder.mkdir()
        os.utime(folder, (5000 * i, 5000 * i))
    cache.prune()
    kept = {folder.name for folder in tmp_path.iterdir()}
    assert len(kept) == cache.FOLDERS_KEPT
    assert kept == {engine.name, *(f"strategy-{i}" for i in range(21, cache.FOLDERS_KEPT + 20))}


def test_pruning_leaves_what_another_process_may_be_using(tmp_path, monkeypatch):
    monkeypatch.setenv("KILOHOUR_CACHE", str(tmp_path))
    for i in range(cache.FOLDERS_KEPT + 20):
        (tmp_path / f"strategy-{i}").mkdir()
    cache.prune()
    assert len(list(tmp_path.iterdir())) == cache.FOLDERS_KEPT + 20


def test_pruning_passes_over_what_disappears_meanwhile(tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    for folder in (old, new):
        folder.mkdir()
    os.utime(old, (0, 0))
    cache.prune_folders([tmp_path / "gone", old, new], 1)
    assert [folder.name for folder in tmp_path.iterdir()] == ["new"]


LEVEL = 1.0


def test_a_global_that_changes_within_a_process_is_read_again():
    from kilohour import Strategy, state
    from tests.faces.small import market, played, tape_of_bars

    class Reads(Strategy):
        x: float = state(0.0)

        def on_bar(self, desk):
            self.x = LEVEL

    of = market(tape_of_bars(2))
    for level in (1.0, 2.0, 1.0):
        globals()["LEVEL"] = level
        assert played(Reads, of).state["x"][0] == level == played(Reads, of, interpreted=True).state["x"][0]
