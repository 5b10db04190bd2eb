# SPDX-License-Identifier: Apache-2.0
"""From the start of a process to its end: the command line on a ready tape, help, loading, memory."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from kilohour.backtests.bench.children import child, environment
from kilohour.backtests.bench.markets import ten_years
from kilohour.backtests.bench.timing import PROCESSORS, Row, Sizes, median_seconds, nothing, pin, processors

COLD_REPEATS = 3
"""A cold start compiles the engine, and its time varies little."""


def command_line(sizes: Sizes) -> Iterator[Row]:
    """Wall time of whole processes."""
    with tempfile.TemporaryDirectory() as folder:
        tape = ten_years(Path(folder) / "tape", sizes.days)
        run = ["backtest", "calendar-spread", "--json", "--tape", str(tape), "--out", str(Path(folder) / "run")]
        cold = median_seconds(lambda cache: _kilohour(run, cache), lambda: tempfile.mkdtemp(dir=folder), min(COLD_REPEATS, sizes.repeats))
        pin(processors(len(PROCESSORS)))
        both = median_seconds(lambda cache: _kilohour(run, cache), lambda: tempfile.mkdtemp(dir=folder), min(COLD_REPEATS, sizes.repeats))
        pin(processors(1))
        warm_cache = tempfile.mkdtemp(dir=folder)
        _kilohour(run, warm_cache)
        warm = median_seconds(lambda _: _kilohour(run, warm_cache), nothing, sizes.repeats)
        _kilohour(["--help"], warm_cache)
        told = median_seconds(lambda _: _kilohour(["--help"], warm_cache), nothing, sizes.repeats)
    work = "kilohour backtest calendar-spread --json, ten years daily"
    yield Row("process", f"{work}, warm cache", "s", warm, False, 1.5, 0.8, note="with its report")
    yield Row("process", f"{work}, cold cache, all cores", "s", both, False, 10.0, note="compiles engine and strategy side by side")
    yield Row("process", f"{work}, cold cache, one core", "s", cold, False, 10.0, note="compiles engine and strategy in turn")
    yield Row("process", "kilohour --help", "s", told, False, 0.3)


def load_and_memory(sizes: Sizes) -> Iterator[Row]:
    """A tape's load and a run's peak memory, each in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        tape = Path(folder) / "tape"
        child("make", sizes, folder=tape)
        child("run", sizes, folder=tape)  # compiles, which takes more memory than the run
        load, run = child("load", sizes, folder=tape), child("run", sizes, folder=tape)
    yield Row("process", "load a tape of 1 instrument, minute bars", "s", load["seconds"], False, 0.3, note=load["note"])
    yield Row("process", "peak memory, 1 instrument, minute bars", "MB", run["megabytes"], False, 300.0, 200.0, note=run["note"])


def _kilohour(words: list[str], cache: str) -> None:
    subprocess.run([sys.executable, "-m", "kilohour", *words], env=environment(KILOHOUR_CACHE=cache), capture_output=True, check=True)
