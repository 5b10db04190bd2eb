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
DECIDE = '''
import ctypes, sys
import numpy as np
from kilohour.backtests.resolve import strategy_class
from kilohour.faces.fields import dtype_of
from kilohour.faces.python_face import structure_of
from kilohour.kernels.records import DESK
from kilohour.step import compiled_step

face = strategy_class(sys.path[0] + "/mine.py:Face")
memory, desk = np.zeros(1, dtype_of(face)), np.zeros(1, DESK)
structure_of(face).from_buffer(memory).__init__()
step = compiled_step(face)
place = np.zeros(2, np.int64)
call = ctypes.CFUNCTYPE(ctypes.c_int32, *[ctypes.c_void_p] * 4)(step.address)
assert call(place.ctypes.data, place[1:].ctypes.data, memory.ctypes.data, desk.ctypes.data) == 0
print(float(memory["x"][0]), step.cached)
'''


FORKS = '''
import gc, json, os, sys, traceback
gc.disable()  # a child ends before there is anything to look for
import numba, numpy
from numba.core.registry import cpu_target
cpu_target.typing_context.refresh(), cpu_target.target_context.refresh()
for line in sys.stdin:
    words = json.loads(line)
    child = os.fork()
    if child == 0:
        with open(words["out"], "w") as out:
            sys.stdout = sys.stderr = out
            os.environ["KILOHOUR_CACHE"] = words["cache"]
            sys.path[:0] = words["path"]
            try:
                exec(compile(words["script"], "script", "exec"), {"__name__": "__main__"})
            except Exception:
                traceback.print_exc()
        os._exit(0)
    os.waitpid(child, 0)
    print(flush=True)
'''
"""A process that has numba and nothing of kilohour forks one for each line: half of a fresh process's time goes into importing numba."""


@pytest.fixture(scope="module")
def ask(tmp_path_factory):
    """What a script prints, or its traceback, in a process of its own that finds modules in ``path``."""
    at = tmp_path_factory.mktemp("asked")
    env = {**os.environ, "NUMBA_CACHE_DIR": ""}
    with subprocess.Popen([sys.executable, "-c", FORKS], env=env, cwd=at, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as forks:
        def asked(script: str, cache: Path, *path: Path) -> str:
            words = {"script": script, "cache": str(cache), "path": [str(each) for each in path], "out": str(at / "out")}
            forks.stdin.write(json.dumps(words) + "\n")
            forks.stdin.flush()
            assert forks.stdout.readline() == "\n", "the process that forks is gone"
            return (at / "out").read_text()

        yield asked
        forks.stdin.close()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A copy of kilohour, a strategy with two modules of its own, and a cache for them alone."""
    at = tmp_path_factory.mktemp("cache")
    for name in ("kilohour", *LINKED):  # with what Python compiled: the copy has the times that it goes by
        shutil.copytree(ROOT / name, at / "package" / name, symlinks=True)
    (at / "mine").mkdir()
    (at / "mine" / "mine.py").write_text(STRATEGY)
    (at / "mine" / "helpers_of_cache_test.py").write_text(HELPERS)
    (at / "mine" / "settings_of_cache_test.py").write_text("LIMIT = 10000.0\n")
    return at


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
def test_an_edit_changes_the_decision_and_nothing_else_does(ask, place):
    def run(package="package"):
        return ask(DECIDE, place / "kept", place / "mine", place / package)

    base = 100.0 + 2.0 + 10.0 + 1000.0 + 10000.0 + 8.0 + 1.0
    assert run() == f"{base} False\n"
    assert run() == f"{base} True\n"
    shutil.copytree(place / "package", place / "elsewhere", symlinks=True)
    assert run("elsewhere") == f"{base} True\n"  # the same kilohour, installed a second time, compiles nothing
    for file, old, new, more in EDITS:
        path = place / file
        text = path.read_text()
        assert text.count(old) == 1
        write(path, text.replace(old, new))
        assert run() == f"{base + more} False\n", f"{file}: {old} -> {new}"
        write(path, text)
    assert run() == f"{base} True\n"


@pytest.mark.slow
def test_a_refused_class_is_not_kept(ask, place):
    """Refused for its types only after numba compiled and stored it: the folder must be gone, and the second start refuse again."""
    file = place / "mine" / "mine.py"
    file.write_text(STRATEGY.replace("x: float = state(0.0)", "x: int = state(0)"))
    for _ in range(2):
        assert "a float cannot be assigned to the integer field 'x'" in ask(DECIDE, place / "other", place / "mine", place / "package")
        assert not list((place / "other").glob("strategy-*"))
    file.write_text(STRATEGY)


def test_another_numba_has_another_folder(tmp_path, monkeypatch):
    from kilohour.strategies.calendar_spread import CalendarSpread

    monkeypatch.setenv("KILOHOUR_CACHE", str(tmp_path))
    now = cache.strategy_folder(CalendarSpread)
    assert cache.strategy_folder(CalendarSpread) == now
    monkeypatch.setattr("numba.__version__", "0.0.1")
    assert cache.strategy_folder(CalendarSpread) != now


def test_a_numba_that_was_imported_first_keeps_our_code_in_our_folder_all_the_same(ask, tmp_path):
    """In the source's own folder, or the one it was told before, an edit of another kernel would go unnoticed."""
    script = "import numba\nfrom kilohour.kernels.arithmetic import exp\nexp(1.0)\nprint(exp.stats.cache_path, sum(exp.stats.cache_hits.values()))"
    folder = str(tmp_path / "ours" / f"kernels-{KERNEL_HASH}" / "kernels")
    assert ask(script, tmp_path / "ours", ROOT).split() == [folder, "0"]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "KILOHOUR_CACHE": str(tmp_path / "ours"), "NUMBA_CACHE_DIR": str(tmp_path / "another")}
    told = subprocess.run([sys.executable, "-c", script], env=env, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert told.stdout.split() == [folder, "1"]
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
