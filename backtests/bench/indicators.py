# SPDX-License-Identifier: Apache-2.0
"""Rolling indicators over arrays, nanoseconds an element, beside TA-Lib, bottleneck, polars and pandas.

Ours write to ``out`` and check every input for NaN; the peers allocate their answer, because most cannot do otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from kilohour.backtests.bench.timing import NONE_OF_IT, Peer, Row, Sizes, installed, median_seconds, nothing
from kilohour.indicators import arrays

WINDOWS = (20, 200)
Work = Callable[[], object]


def rolling(sizes: Sizes) -> Iterator[Row]:
    """One row an indicator and window."""
    talib, bottleneck, polars, pandas = (installed(name) for name in ("talib", "bottleneck", "polars", "pandas"))
    rng = np.random.default_rng(4)
    x = rng.normal(100.0, 1.0, sizes.floats)
    y = rng.normal(0.0, 1.0, sizes.floats) + x
    out = np.zeros_like(x)
    libraries = {"TA-Lib": _talib(talib, x, y), "bottleneck": _bottleneck(bottleneck, x), "polars": _polars(polars, x),
                 "pandas": _pandas(pandas, x, y)}
    for window in WINDOWS:
        for name, ours in _ours(x, y, out, window).items():
            made = {library: works.get(name) for library, works in libraries.items()}
            peers = [_peer(library, work, window, sizes, libraries[library]) for library, work in made.items()]
            known = [peer.value for peer in peers if peer.value is not None]
            fastest = min(known) if known else None
            yield Row("indicators", f"{name}, window {window}", "ns/element", _nanos(ours, sizes), False,
                      3.0 * fastest if fastest else None, fastest, peers)


def _nanos(work: Work, sizes: Sizes) -> float:
    work()
    return median_seconds(lambda _: work(), nothing, sizes.repeats) / sizes.floats * 1e9


def _peer(name: str, work: Callable[[int], object] | None, window: int, sizes: Sizes, has: dict[str, Any]) -> Peer:
    if work is None:
        return Peer(name, None, NONE_OF_IT if has else "not installed")
    return Peer(name, _nanos(lambda: work(window), sizes))


def _ours(x: Any, y: Any, out: Any, window: int) -> dict[str, Work]:
    return {
        "sum": lambda: arrays.rolling_sum(x, window, out=out),
        "mean": lambda: arrays.rolling_mean(x, window, out=out),
        "variance": lambda: arrays.rolling_variance(x, window, out=out),
        "z-score": lambda: arrays.rolling_z(x, window, out=out),
        "min": lambda: arrays.rolling_min(x, window, out=out),
        "max": lambda: arrays.rolling_max(x, window, out=out),
        "median": lambda: arrays.rolling_median(x, window, out=out),
        "slope": lambda: arrays.rolling_slope(x, window, out=out),
        "correlation": lambda: arrays.rolling_correlation(x, y, window, out=out),
        "EMA": lambda: arrays.ema(x, window, out=out),
        "RSI": lambda: arrays.rsi(x, window, out=out),
    }


def _talib(talib: Any, x: Any, y: Any) -> dict[str, Callable[[int], object]]:
    if talib is None:
        return {}
    return {
        "sum": lambda w: talib.SUM(x, w), "mean": lambda w: talib.SMA(x, w), "variance": lambda w: talib.VAR(x, w),
        "min": lambda w: talib.MIN(x, w), "max": lambda w: talib.MAX(x, w), "slope": lambda w: talib.LINEARREG_SLOPE(x, w),
        "correlation": lambda w: talib.CORREL(x, y, w), "EMA": lambda w: talib.EMA(x, w), "RSI": lambda w: talib.RSI(x, w),
    }


def _bottleneck(bn: Any, x: Any) -> dict[str, Callable[[int], object]]:
    if bn is None:
        return {}
    return {
        "sum": lambda w: bn.move_sum(x, w), "mean": lambda w: bn.move_mean(x, w), "variance": lambda w: bn.move_var(x, w, ddof=1),
        "min": lambda w: bn.move_min(x, w), "max": lambda w: bn.move_max(x, w), "median": lambda w: bn.move_median(x, w),
    }


def _polars(pl: Any, x: Any) -> dict[str, Callable[[int], object]]:
    if pl is None:
        return {}
    s = pl.Series(x)
    return {
        "sum": lambda w: s.rolling_sum(w), "mean": lambda w: s.rolling_mean(w), "variance": lambda w: s.rolling_var(w),
        "min": lambda w: s.rolling_min(w), "max": lambda w: s.rolling_max(w), "median": lambda w: s.rolling_median(w),
        "EMA": lambda w: s.ewm_mean(span=w, adjust=False),
    }


def _pandas(pd: Any, x: Any, y: Any) -> dict[str, Callable[[int], object]]:
    if pd is None:
        return {}
    s, t = pd.Series(x), pd.Series(y)
    return {
        "sum": lambda w: s.rolling(w).sum(), "mean": lambda w: s.rolling(w).mean(), "variance": lambda w: s.rolling(w).var(),
        "z-score": lambda w: (s - s.rolling(w).mean()) / s.rolling(w).std(), "min": lambda w: s.rolling(w).min(),
        "max": lambda w: s.rolling(w).max(), "median": lambda w: s.rolling(w).median(),
        "correlation": lambda w: s.rolling(w).corr(t), "EMA": lambda w: s.ewm(span=w, adjust=False).mean(),
    }
