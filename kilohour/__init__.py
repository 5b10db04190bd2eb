# SPDX-License-Identifier: Apache-2.0
"""kilohour: trading and backtesting for compute futures, contracts on the price of a GPU-hour.

::

    import kilohour as kh

    run = kh.backtest("calendar-spread", kh.EmbeddedMarket(seed=7).tape(), window=90)
    run.result["net_usd"], run.equity, run.figures.equity()

Names are imported when they are first used, so that ``import kilohour`` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "Strategy": "kilohour.strategy",
    "Desk": "kilohour.desk",
    "Indicator": "kilohour.faces.indicator",
    "Ring": "kilohour.faces.fields",
    "IntRing": "kilohour.faces.fields",
    "indicator": "kilohour.faces.fields",
    "component": "kilohour.faces.fields",
    "product": "kilohour.faces.fields",
    "index": "kilohour.faces.fields",
    "state": "kilohour.faces.fields",
    **dict.fromkeys(("GTC", "DAY", "IOC", "FOK", "GTD"), "kilohour.kernels.records"),
    "Fills": "kilohour.fills",
    "RiskLimits": "kilohour.limits",
    "Product": "kilohour.contracts",
    "Registry": "kilohour.contracts",
    "Assumptions": "kilohour.contracts",
    "Index": "kilohour.tape",
    "Tape": "kilohour.tape",
    "TapeBuilder": "kilohour.tape",
    "EmbeddedMarket": "kilohour.datafeeds.embedded",
    "MarketConfig": "kilohour.datafeeds.embedded",
    "backtest": "kilohour.backtests.backtest",
    "backtest_accounts": "kilohour.backtests.accounts",
    "fit_adoption": "kilohour.adoption",
    "check": "kilohour.backtests.check.check",
    "scenario": "kilohour.backtests.fan.fan",
    "Scenario": "kilohour.datafeeds.embedded.scenario",
    "continuous": "kilohour.tape.continuous",
    "sweep": "kilohour.backtests.sweep",
    "Run": "kilohour.backtests.run",
    "house": "kilohour.backtests.house",
    "KilohourError": "kilohour.errors",
    **dict.fromkeys(("LeggedSpread", "Roll", "WorkFactors", "set_factors"), "kilohour.trading"),
    "Atr": "kilohour.indicators",
    "Carry": "kilohour.indicators",
    "CurveCurvature": "kilohour.indicators",
    "CurveFactors": "kilohour.indicators",
    "CurveSlope": "kilohour.indicators",
    "Donchian": "kilohour.indicators",
    "Ema": "kilohour.indicators",
    "EwmaVolatility": "kilohour.indicators",
    "FreeSCurve": "kilohour.indicators",
    "KalmanHedge": "kilohour.indicators",
    "OuHalfLife": "kilohour.indicators",
    "RollingCorrelation": "kilohour.indicators",
    "RollingMax": "kilohour.indicators",
    "RollingMean": "kilohour.indicators",
    "RollingMedian": "kilohour.indicators",
    "RollingMin": "kilohour.indicators",
    "RollingQuantile": "kilohour.indicators",
    "RollingSlope": "kilohour.indicators",
    "RollingSum": "kilohour.indicators",
    "RollingVariance": "kilohour.indicators",
    "RollingZ": "kilohour.indicators",
    "Rsi": "kilohour.indicators",
    "SCurve": "kilohour.indicators",
    "Wilder": "kilohour.indicators",
}
_MODULES = {"indicators", "maths", "errors", "units"}

__all__ = [
    "DAY",
    "FOK",
    "GTC",
    "GTD",
    "IOC",
    "Assumptions",
    "Atr",
    "Carry",
    "CurveCurvature",
    "CurveFactors",
    "CurveSlope",
    "Desk",
    "Donchian",
    "Ema",
    "EmbeddedMarket",
    "EwmaVolatility",
    "Fills",
    "FreeSCurve",
    "Index",
    "Indicator",
    "IntRing",
    "KalmanHedge",
    "KilohourError",
    "LeggedSpread",
    "MarketConfig",
    "OuHalfLife",
    "Product",
    "Registry",
    "Ring",
    "RiskLimits",
    "Roll",
    "RollingCorrelation",
    "RollingMax",
    "RollingMean",
    "RollingMedian",
    "RollingMin",
    "RollingQuantile",
    "RollingSlope",
    "RollingSum",
    "RollingVariance",
    "RollingZ",
    "Rsi",
    "Run",
    "SCurve",
    "Scenario",
    "Strategy",
    "Tape",
    "TapeBuilder",
    "Wilder",
    "WorkFactors",
    "__version__",
    "backtest",
    "backtest_accounts",
    "check",
    "component",
    "continuous",
    "errors",
    "fit_adoption",
    "house",
    "index",
    "indicator",
    "indicators",
    "maths",
    "product",
    "scenario",
    "set_factors",
    "state",
    "sweep",
    "units",
]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _MODULES:
        return import_module(f"kilohour.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'kilohour' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)


if TYPE_CHECKING:
    from kilohour import errors, indicators, maths, units
    from kilohour.adoption import fit_adoption
    from kilohour.backtests.accounts import backtest_accounts
    from kilohour.backtests.backtest import backtest
    from kilohour.backtests.check.check import check
    from kilohour.backtests.fan.fan import scenario
    from kilohour.backtests.house import house
    from kilohour.backtests.run import Run
    from kilohour.backtests.sweep import sweep
    from kilohour.contracts import Assumptions, Product, Registry
    from kilohour.datafeeds.embedded import EmbeddedMarket, MarketConfig
    from kilohour.datafeeds.embedded.scenario import Scenario
    from kilohour.desk import Desk
    from kilohour.errors import KilohourError
    from kilohour.faces.fields import IntRing, Ring, component, index, indicator, product, state
    from kilohour.faces.indicator import Indicator
    from kilohour.fills import Fills
    from kilohour.indicators import (
        Atr,
        Carry,
        CurveCurvature,
        CurveFactors,
        CurveSlope,
        Donchian,
        Ema,
        EwmaVolatility,
        FreeSCurve,
        KalmanHedge,
        OuHalfLife,
        RollingCorrelation,
        RollingMax,
        RollingMean,
        RollingMedian,
        RollingMin,
        RollingQuantile,
        RollingSlope,
        RollingSum,
        RollingVariance,
        RollingZ,
        Rsi,
        SCurve,
        Wilder,
    )
    from kilohour.kernels.records import DAY, FOK, GTC, GTD, IOC
    from kilohour.limits import RiskLimits
    from kilohour.strategy import Strategy
    from kilohour.tape import Index, Tape, TapeBuilder
    from kilohour.tape.continuous import continuous
    from kilohour.trading import LeggedSpread, Roll, WorkFactors, set_factors
