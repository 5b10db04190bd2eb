# SPDX-License-Identifier: Apache-2.0
"""The indicators over whole arrays: fast, and equal to the streaming classes of the same name.

Values are a numpy array, a list, a pandas Series or a DataFrame (column by column); the answer is of the same kind and
length, NaN where the streaming indicator is not ready. ``out`` takes a float64 array to write to, which saves its
allocation.

Raises :class:`~kilohour.errors.DataError` for NaN or an infinity inside, and :class:`~kilohour.errors.UsageError` for a
parameter out of range, each with the rule and the value found.

>>> rolling_mean([1.0, 2.0, 4.0, 8.0], 2)
array([nan, 1.5, 3. , 6. ])
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from kilohour.errors import DataError, UsageError
from kilohour.indicators.rules import LARGEST
from kilohour.kernels.rolling_checks import first_unfit
from kilohour.kernels.rolling_extremes import rolling_max as max_kernel
from kilohour.kernels.rolling_extremes import rolling_min as min_kernel
from kilohour.kernels.rolling_models import free_s_curve as free_kernel
from kilohour.kernels.rolling_models import hedge_ratio as hedge_kernel
from kilohour.kernels.rolling_models import rolling_half_life as half_life_kernel
from kilohour.kernels.rolling_moments import rolling_variance as variance_kernel
from kilohour.kernels.rolling_moments import rolling_z as z_kernel
from kilohour.kernels.rolling_quantile import rolling_quantile as quantile_kernel
from kilohour.kernels.rolling_recursive import average_true_range, exponential_mean, relative_strength
from kilohour.kernels.rolling_recursive import ewma_volatility as ewma_kernel
from kilohour.kernels.rolling_regression import rolling_correlation as correlation_kernel
from kilohour.kernels.rolling_regression import rolling_slope as slope_kernel
from kilohour.kernels.rolling_s_curve import s_curve_surprise as s_curve_kernel
from kilohour.kernels.rolling_sums import rolling_mean as mean_kernel
from kilohour.kernels.rolling_sums import rolling_sum as sum_kernel

Floats = npt.NDArray[np.float64]


def rolling_sum(x: Any, window: int, *, out: Floats | None = None) -> Any:
    """Σ of the last ``window`` values."""
    window = _whole("window", window, 1)
    return _over((x,), lambda a, o: sum_kernel(a, window, o), out)


def rolling_mean(x: Any, window: int, *, out: Floats | None = None) -> Any:
    """Simple moving average of the last ``window`` values."""
    window = _whole("window", window, 1)
    return _over((x,), lambda a, o: mean_kernel(a, window, o), out)


def rolling_variance(x: Any, window: int, *, ddof: int = 1, out: Floats | None = None) -> Any:
    """Variance of the last ``window`` values: the sample's (``ddof`` 1) or the population's (0)."""
    window, ddof = _whole("window", window, 2), _whole("ddof", ddof, 0, 1)
    return _over((x,), lambda a, o: variance_kernel(a, window, ddof, o), out)


def rolling_z(x: Any, window: int, *, ddof: int = 1, out: Floats | None = None) -> Any:
    """(x − mean) / deviation of each value among the last ``window``; NaN where they are all equal."""
    window, ddof = _whole("window", window, 2), _whole("ddof", ddof, 0, 1)
    return _over((x,), lambda a, o: z_kernel(a, window, ddof, o), out)


def rolling_min(x: Any, window: int, *, out: Floats | None = None) -> Any:
    """Smallest of the last ``window`` values."""
    window = _whole("window", window, 1)
    return _over((x,), lambda a, o: min_kernel(a, window, o), out)


def rolling_max(x: Any, window: int, *, out: Floats | None = None) -> Any:
    """Largest of the last ``window`` values."""
    window = _whole("window", window, 1)
    return _over((x,), lambda a, o: max_kernel(a, window, o), out)


def rolling_median(x: Any, window: int, *, out: Floats | None = None) -> Any:
    """Median of the last ``window`` values."""
    return rolling_quantile(x, window, 0.5, out=out)


def rolling_quantile(x: Any, window: int, quantile: float, *, out: Floats | None = None) -> Any:
    """The ``quantile`` (0 to 1) of the last ``window`` values, linear between order statistics."""
    window = _whole("window", window, 1)
    if not 0.0 <= quantile <= 1.0:
        raise UsageError(f"quantile must be from 0 to 1, found {quantile!r}")
    return _over((x,), lambda a, o: quantile_kernel(a, window, float(quantile), o), out)


def rolling_slope(x: Any, window: int, *, out: Floats | None = None) -> Any:
    """Least-squares slope of the last ``window`` values, per place."""
    window = _whole("window", window, 2)
    return _over((x,), lambda a, o: slope_kernel(a, window, o), out)


def rolling_correlation(x: Any, y: Any, window: int, *, out: Floats | None = None) -> Any:
    """Pearson's correlation of the last ``window`` pairs; NaN where all x or all y are equal."""
    window = _whole("window", window, 2)
    return _over((x, y), lambda a, b, o: correlation_kernel(a, b, window, o), out)


def ema(x: Any, window: int, *, out: Floats | None = None) -> Any:
    """Exponential average of weight 2/(window + 1), seeded with the mean of the first ``window`` values."""
    window = _whole("window", window, 1)
    return _over((x,), lambda a, o: exponential_mean(a, window, 2.0 / (window + 1), o), out)


def wilder(x: Any, window: int, *, out: Floats | None = None) -> Any:
    """Exponential average of weight 1/window, seeded with the mean of the first ``window`` values."""
    window = _whole("window", window, 1)
    return _over((x,), lambda a, o: exponential_mean(a, window, 1.0 / window, o), out)


def rsi(x: Any, window: int = 14, *, out: Floats | None = None) -> Any:
    """Wilder's relative strength index of prices, 0 to 100."""
    window = _whole("window", window, 1)
    return _over((x,), lambda a, o: relative_strength(a, window, o), out)


def atr(high: Any, low: Any, close: Any, window: int = 14, *, out: Floats | None = None) -> Any:
    """Wilder's average true range of bars."""
    window = _whole("window", window, 1)

    def kernel(h: Floats, low: Floats, c: Floats, o: Floats) -> None:
        _refuse_where((low > c) | (c > h), "a close must lie between its low and its high", c)
        average_true_range(h, low, c, window, o)

    return _over((high, low, close), kernel, out)


def ewma_volatility(x: Any, decay: float = 0.97, *, out: Floats | None = None) -> Any:
    """Root of the exponentially weighted mean of squared changes of prices, in price units."""
    if not 0.0 < decay < 1.0:
        raise UsageError(f"decay must be above 0 and below 1, found {decay!r}")
    return _over((x,), lambda a, o: ewma_kernel(a, float(decay), o), out)


def donchian(high: Any, low: Any, window: int) -> tuple[Any, Any]:
    """Highest high and lowest low of the last ``window`` bars."""
    if not _is_frame(high):
        highs, lows = _floats(high, "high"), _floats(low, "low")
        _same_size(highs, lows)
        _refuse_where(highs < lows, "a high must not be below its low", highs)
    return rolling_max(high, window), rolling_min(low, window)


def carry(near: Any, far: Any, years: Any) -> Any:
    """Roll yield per year, (near − far) / (far·years); NaN where near or far is not above zero."""

    def kernel(near: Floats, far: Floats, years: Floats, out: Floats) -> None:
        _refuse_where(years <= 0.0, "years must be above zero", years)
        positive = (near > 0.0) & (far > 0.0)
        out[:] = np.nan
        np.divide(near - far, far * years, out=out, where=positive)

    return _over((near, far, years), kernel, None)


def curve_slope(near: Any, far: Any, years: Any) -> Any:
    """(far − near) / years, dollars per unit and year."""

    def kernel(near: Floats, far: Floats, years: Floats, out: Floats) -> None:
        _refuse_where(years <= 0.0, "years must be above zero", years)
        np.divide(far - near, years, out=out)

    return _over((near, far, years), kernel, None)


def curve_curvature(near: Any, middle: Any, far: Any, years_near: Any, years_far: Any) -> Any:
    """Second derivative of the parabola through three points of the curve, dollars per unit and year²."""

    def kernel(near: Floats, middle: Floats, far: Floats, first: Floats, second: Floats, out: Floats) -> None:
        _refuse_where((first <= 0.0) | (second <= 0.0), "years must be above zero", first)
        np.divide(2.0 * ((far - middle) / second - (middle - near) / first), first + second, out=out)

    return _over((near, middle, far, years_near, years_far), kernel, None)


def s_curve_surprise(t_years: Any, values: Any, ceiling: float, *, memory: float = 2.0, warmup: int = 4, out: Floats | None = None) -> Any:
    """value / (S-curve fitted to the earlier values) − 1; see :class:`kilohour.indicators.SCurve`."""
    warmup = _whole("warmup", warmup, 2)
    for name, number in (("ceiling", ceiling), ("memory", memory)):
        if not 0.0 < number < LARGEST:
            raise UsageError(f"{name} must be above 0 and finite, found {number!r}")

    def kernel(t: Floats, v: Floats, o: Floats) -> None:
        _refuse_where(np.diff(t, prepend=t[:1]) < 0.0, "times must not fall", t)
        _refuse_where((v <= 0.0) | (v >= ceiling), f"values must be above 0 and below the ceiling {ceiling:g}", v)
        s_curve_kernel(t, v, float(ceiling), float(memory), warmup, o)

    return _over((t_years, values), kernel, out)


def kalman_hedge(x: Any, y: Any, *, noise: float = 0.01, level_walk: float = 0.001, beta_walk: float = 0.001, start: float = 100.0,
                 out: Floats | None = None) -> Any:
    """beta of y = level + beta·(x − x₀) + noise, filtered; see :class:`kilohour.indicators.KalmanHedge`."""
    for name, number in (("noise", noise), ("start", start)):
        if not 0.0 < number < LARGEST:
            raise UsageError(f"{name} must be above 0 and finite, found {number!r}")
    for name, number in (("level_walk", level_walk), ("beta_walk", beta_walk)):
        if not 0.0 <= number < LARGEST:
            raise UsageError(f"{name} must be 0 or more and finite, found {number!r}")
    walks = (float(noise), float(level_walk), float(beta_walk), float(start))
    return _over((x, y), lambda a, b, o: hedge_kernel(a, b, *walks, o), out)


def ou_half_life(x: Any, window: int = 60, *, out: Floats | None = None) -> Any:
    """Half-life in places of the last ``window`` steps as an Ornstein-Uhlenbeck process; NaN where it does not revert."""
    window = _whole("window", window, 3)
    return _over((x,), lambda a, o: half_life_kernel(a, window, o), out)


def curve_factors(near: Any, middle: Any, far: Any, years_near: Any, years_middle: Any, years_far: Any, *,
                  decay: float = 1.5) -> tuple[Any, Any, Any]:
    """Level, slope and curvature of Nelson and Siegel through three points; see :class:`kilohour.indicators.CurveFactors`."""
    if not 1e-3 < decay < 1e3:
        raise UsageError(f"decay must be above 0.001 and below 1000, found {decay!r}")

    def one(place: int) -> Any:
        def kernel(*columns: Floats) -> None:
            prices, years, out = columns[:3], columns[3:6], columns[6]
            rising = (years[0] > 0.0) & (years[0] < years[1]) & (years[1] < years[2]) & (years[2] <= 1000.0)
            _refuse_where(~rising, "the years to three deliveries must increase, from above 0 to 1000 at most", years[0])
            slopes = [-np.expm1(-decay * t) / (decay * t) for t in years]
            bends = [slope - np.exp(-decay * t) for slope, t in zip(slopes, years, strict=True)]
            rows = [np.stack([np.ones_like(slope), slope, bend], axis=-1) for slope, bend in zip(slopes, bends, strict=True)]
            loads = np.stack(rows, axis=-2)
            out[:] = np.linalg.solve(loads, np.stack(prices, axis=-1)[..., None])[:, place, 0]

        return _over((near, middle, far, years_near, years_middle, years_far), kernel, None)

    return one(0), one(1), one(2)


def free_s_curve(t_years: Any, values: Any, *, window: int = 40, warmup: int = 6) -> tuple[Any, Any]:
    """(surprise, ceiling) of each value, the ceiling fitted; see :class:`kilohour.indicators.FreeSCurve`."""
    window = _whole("window", window, 5)
    warmup = _whole("warmup", warmup, 5, window)

    def one(wants_ceiling: bool) -> Any:
        def kernel(t: Floats, v: Floats, o: Floats) -> None:
            _refuse_where(np.diff(t, prepend=t[:1]) < 0.0, "times must not fall", t)
            _refuse_where(v <= 0.0, "values must be above 0", v)
            other = np.empty_like(o)
            free_kernel(t, v, window, warmup, other if wants_ceiling else o, o if wants_ceiling else other)

        return _over((t_years, values), kernel, None)

    return one(False), one(True)


def _over(inputs: tuple[Any, ...], kernel: Callable[..., None], out: Floats | None) -> Any:
    """Runs a kernel on checked copies or views of the inputs, and dresses the answer as the last array-like of them."""
    model = next((i for i in inputs if np.ndim(i) > 0), inputs[0])
    if _is_frame(model):
        columns = {c: _over((model[c], *inputs[1:]), kernel, None) for c in model.columns}
        return type(model)(columns, index=model.index)
    size = np.size(model)
    values = [_floats(i, f"input {n}" if len(inputs) > 1 else "x", size) for n, i in enumerate(inputs, 1)]
    _same_size(*values)
    result = np.empty(size) if out is None else _checked_out(out, values)
    kernel(*values, result)
    if _pandas() is not None and isinstance(model, _pandas().Series):
        return type(model)(result, index=model.index, name=model.name)
    return result


def _pandas() -> Any:
    """pandas if somebody has imported it: else no input can be a Series."""
    return sys.modules.get("pandas")


def _is_frame(values: Any) -> bool:
    return _pandas() is not None and isinstance(values, _pandas().DataFrame)


def _floats(values: Any, name: str, size: int = 1) -> Floats:
    array = np.ascontiguousarray(values, dtype=np.float64)
    if np.ndim(values) == 0:
        array = np.full(size, float(values))
    if array.ndim != 1:
        raise UsageError(f"{name} must have one dimension, found {array.ndim}")
    place = int(first_unfit(array, LARGEST))
    if place >= 0:
        raise DataError(f"{name}[{place}] must be a finite number, at most {LARGEST:g} in size, found {array[place]}")
    return array


def _same_size(*arrays: Floats) -> None:
    sizes = [a.size for a in arrays]
    if len(set(sizes)) > 1:
        raise UsageError(f"inputs must be of one length, found {sizes}")


def _checked_out(out: Floats, inputs: list[Floats]) -> Floats:
    size = inputs[0].size
    fits = isinstance(out, np.ndarray) and out.dtype == np.float64 and out.shape == (size,) and out.flags.c_contiguous
    if not fits:
        found = getattr(out, "shape", out)
        raise UsageError(f"out must be a contiguous float64 array of shape ({size},), found {found!r}")
    if any(np.may_share_memory(out, i) for i in inputs):
        raise UsageError("out must not share memory with an input: windows look back")
    return out


def _refuse_where(breaks: npt.NDArray[np.bool_], rule: str, values: Floats) -> None:
    if breaks.any():
        place = int(np.argmax(breaks))
        raise DataError(f"{rule}; broken at [{place}], found {values[place]:g}")


def _whole(name: str, value: int, least: int, most: int = 2**31) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not least <= value <= most:
        raise UsageError(f"{name} must be a whole number from {least} to {most}, found {value!r}")
    return int(value)
