# SPDX-License-Identifier: Apache-2.0
"""Keeps doctest collection away from modules that need an extra which is not installed, and from those without an example."""

from __future__ import annotations

from collections.abc import Generator
from importlib.util import find_spec
from pathlib import Path

import pytest

collect_ignore_glob: list[str] = []
if find_spec("backtrader") is None:
    collect_ignore_glob += ["execution/bridge/*", "kilohour/execution/bridge/*", "tests/execution/bridged.py"]
    collect_ignore_glob += ["backtests/certify.py", "kilohour/backtests/certify.py"]
if find_spec("aiohttp") is None:
    collect_ignore_glob += ["execution/sandbox/*", "kilohour/execution/sandbox/*", "tests/execution/sandbox/*"]


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path: Path) -> Generator[None, list[pytest.Collector], list[pytest.Collector]]:
    """Each worker would import every module to look through all its names, four hundred of them for seventeen with an example."""
    found = yield
    if file_path.suffix == ".py" and ">>>" not in file_path.read_text(encoding="utf-8"):
        return [each for each in found if type(each).__name__ != "DoctestModule"]
    return found
