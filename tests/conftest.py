# SPDX-License-Identifier: Apache-2.0
"""Studies marked ``soak`` run when they are asked for by name (``pytest -m soak``), never by the way; the order of the files."""

from __future__ import annotations

import gc

import pytest

FIRST = ("tests/backtests/check/test_check.py", "tests/datafeeds/embedded/test_market_determinism.py", "tests/indicators/test_two_faces.py",
         "tests/indicators/test_accuracy.py", "tests/indicators/test_models.py", "tests/oracle/test_engine.py",
         "tests/execution/test_faults.py", "tests/execution/test_paper.py")
"""The first worker's file compiles the engine into the cache. The second's compiles the market for a lesser processor meanwhile, and the
next three only indicators: any other file that runs a strategy would compile the same engine beside the first. Then the longest: a long
one at the end is waited for by every other worker."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Puts :data:`FIRST` first, and leaves the soak out of every run whose ``-m`` does not speak of it."""
    items.sort(key=lambda item: FIRST.index(file) if (file := item.nodeid.split("::")[0]) in FIRST else len(FIRST))
    if "soak" in (config.option.markexpr or ""):
        return
    kept = [item for item in items if "soak" not in item.keywords]
    if len(kept) < len(items):
        config.hook.pytest_deselected(items=[item for item in items if "soak" in item.keywords])
        items[:] = kept



def pytest_collection_finish() -> None:
    """Thousands of tests and the modules behind them stay to the end: the collector need not look through them each time, nor wait until
    a quarter as much is garbage, which the last look is for."""
    gc.collect()
    gc.freeze()
    gc.collect()
