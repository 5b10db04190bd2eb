# SPDX-License-Identifier: Apache-2.0
"""Streaming indicators: one plain class each, the same code compiled and in CPython; array versions in ``arrays``.

Each ``update`` takes the next value and returns the indicator, NaN until it is ready; NaN and infinities are refused.
The table of all of them, with formulas and sources, is docs/indicators.md.
"""

from kilohour.indicators.atr import Atr
from kilohour.indicators.curve import Carry, CurveCurvature, CurveSlope
from kilohour.indicators.curve_factors import CurveFactors
from kilohour.indicators.donchian import Donchian
from kilohour.indicators.ema import Ema, Wilder
from kilohour.indicators.ewma_volatility import EwmaVolatility
from kilohour.indicators.free_s_curve import FreeSCurve
from kilohour.indicators.kalman_hedge import KalmanHedge
from kilohour.indicators.ou_half_life import OuHalfLife
from kilohour.indicators.rolling_correlation import RollingCorrelation
from kilohour.indicators.rolling_extremes import RollingMax, RollingMin
from kilohour.indicators.rolling_mean import RollingMean, RollingSum
from kilohour.indicators.rolling_quantile import RollingMedian, RollingQuantile
from kilohour.indicators.rolling_slope import RollingSlope
from kilohour.indicators.rolling_variance import RollingVariance, RollingZ
from kilohour.indicators.rsi import Rsi
from kilohour.indicators.s_curve import SCurve

__all__ = [
    "Atr",
    "Carry",
    "CurveCurvature",
    "CurveFactors",
    "CurveSlope",
    "Donchian",
    "Ema",
    "EwmaVolatility",
    "FreeSCurve",
    "KalmanHedge",
    "OuHalfLife",
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
    "SCurve",
    "Wilder",
]
