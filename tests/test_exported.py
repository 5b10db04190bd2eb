# SPDX-License-Identifier: Apache-2.0
"""The exported names are a promise, and importing them costs nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import kilohour

EXPORTED = [
    "Assumptions", "DAY", "Desk", "EmbeddedMarket", "FOK", "Fills", "GTC", "GTD", "IOC", "Index", "Indicator", "IntRing", "KilohourError", "MarketConfig", "Product", "Registry",
    "Ring", "RiskLimits", "Run", "Scenario", "Strategy", "Tape", "TapeBuilder", "__version__", "backtest", "backtest_accounts", "check", "errors", "fit_adoption", "house", "index", "indicator", "indicators", "maths",
    "product", "scenario", "state", "sweep", "units", "LeggedSpread", "Roll", "WorkFactors", "component", "continuous", "set_factors",
]  # fmt: skip
INDICATORS = [
    "Atr", "Carry", "CurveCurvature", "CurveFactors", "CurveSlope", "Donchian", "Ema", "EwmaVolatility", "FreeSCurve", "KalmanHedge", "OuHalfLife", "RollingCorrelation", "RollingMax", "RollingMean",
    "RollingMedian", "RollingMin", "RollingQuantile", "RollingSlope", "RollingSum", "RollingVariance", "RollingZ", "Rsi", "SCurve", "Wilder",
]  # fmt: skip
HEAVY = ("numpy", "numba", "pandas", "pyarrow", "plotly", "scipy", "exchange_calendars", "pydantic", "llvmlite")


def test_the_exported_names():
    names = sorted([*EXPORTED, *INDICATORS])
    assert sorted(kilohour.__all__) == sorted(dir(kilohour)) == names
    assert all(getattr(kilohour, name) is not None for name in names)
    assert all(getattr(kilohour, name) is getattr(kilohour.indicators, name) for name in INDICATORS)


def test_the_exported_indicators():
    assert sorted(kilohour.indicators.__all__) == INDICATORS


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'kilohour' has no attribute 'bactest'"):
        kilohour.bactest  # noqa: B018


@pytest.mark.parametrize("module", ["kilohour", "kilohour.cli.main", "kilohour.errors"])
def test_importing_pulls_in_nothing_heavy(module):
    code = f"import sys, {module}; print(*sorted(m for m in {HEAVY!r} if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ""
