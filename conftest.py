# SPDX-License-Identifier: Apache-2.0
"""Keeps doctest collection away from modules that need an extra which is not installed."""

from __future__ import annotations

from importlib.util import find_spec

collect_ignore_glob: list[str] = []
if find_spec("backtrader") is None:
    collect_ignore_glob += ["execution/bridge/*", "kilohour/execution/bridge/*", "tests/execution/bridged.py"]
    collect_ignore_glob += ["backtests/certify.py", "kilohour/backtests/certify.py"]
if find_spec("aiohttp") is None:
    collect_ignore_glob += ["execution/sandbox/*", "kilohour/execution/sandbox/*", "tests/execution/sandbox/*"]
