# SPDX-License-Identifier: Apache-2.0
"""The same strategies in other libraries: decided at the close, filled at the next open, one basis point, one unit.

A peer gets the same numbers as the engine, and hands back its fills and its final equity so that they can be compared.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kilohour.backtests.bench.markets import CASH_USD, FEE, ohlc
from kilohour.backtests.bench.timing import Sizes, installed, median_seconds
from kilohour.tape import Tape

Columns = dict[str, npt.NDArray[Any]]
EQUAL_USD = 0.01
"""Peers keep money as floats, we round each fee to a millionth of a dollar."""
FAST, SLOW, WINDOW, ENTRY, EXIT, NEAR, FAR = 50, 200, 60, 2.0, 0.5, 0, 3


@dataclass(frozen=True, slots=True)
class Result:
    """Fills and final equity in dollars."""

    fills: int
    equity: float


@dataclass(frozen=True, slots=True)
class Played:
    """A peer's time and outcome; nothing of either when it is not installed or failed."""

    name: str
    seconds: float | None
    result: Result | None
    note: str = ""


def play(name: str, make: Callable[[Any, Columns], Callable[[], Result]], tape: Tape, bars: int, sizes: Sizes) -> Played:
    """Times one peer on the first ``bars`` bars of the tape's first contract."""
    module = installed(name)
    if module is None:
        return Played(name, None, None, "not installed")
    columns = {key: column[:bars] for key, column in ohlc(tape, 0).items()}
    return _timed(name, lambda: make(module, columns), sizes)


def spread(tape: Tape, sizes: Sizes) -> Iterator[Played]:
    """The spread of twelve contracts in the peers that can hold many columns."""
    module = installed("vectorbt")
    if module is None:
        yield Played("vectorbt", None, None, "not installed")
        return
    legs = [ohlc(tape, ref) for ref in range(len(tape.contracts))]
    close, opening = (np.column_stack([leg[name] for leg in legs]) for name in ("close", "open"))
    yield _timed("vectorbt", lambda: _vectorbt_spread(module, close, opening), sizes)


def _timed(name: str, make: Callable[[], Callable[[], Result]], sizes: Sizes) -> Played:
    found: list[Result] = []
    try:
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):  # progress bars
            warnings.simplefilter("ignore")
            run = make()
            run()  # compiled, cached and warm like ours
            seconds = median_seconds(lambda go: found.append(go()), lambda: run, sizes.repeats)
    except Exception as error:  # a peer's failure is a line of the table, not the end of it
        return Played(name, None, None, f"failed: {type(error).__name__}: {str(error)[:80]}")
    return Played(name, seconds, found[-1])


def _vectorbt_cross(vbt: Any, bars: Columns) -> Callable[[], Result]:
    close, opening = bars["close"], bars["open"]

    def run() -> Result:
        fast, slow = (vbt.MA.run(close, window).ma.to_numpy().ravel() for window in (FAST, SLOW))
        side = np.where(fast > slow, 1.0, np.where(fast < slow, -1.0, np.nan))
        return _vectorbt_orders(vbt, close, opening, np.r_[np.nan, side[:-1]])

    return run


def vectorbt_sweep(vbt: Any, bars: Columns, fast: list[int], slow: list[int]) -> tuple[float, int]:
    """Best final equity over every pair of windows, and how many there were."""
    portfolio = _vectorbt_pairs(vbt, bars, fast, slow)
    return float(np.max(portfolio.final_value())), len(fast) * len(slow)


def vectorbt_trials(vbt: Any, bars: Columns, fast: list[int], slow: list[int]) -> list[Result]:
    """Fills and final equity of every pair of windows, the slow ones of one fast one beside each other."""
    portfolio = _vectorbt_pairs(vbt, bars, fast, slow)
    found = zip(portfolio.orders.count(), portfolio.final_value(), strict=True)
    return [Result(int(fills), float(equity)) for fills, equity in found]


def _vectorbt_pairs(vbt: Any, bars: Columns, fast: list[int], slow: list[int]) -> Any:
    close, opening = bars["close"], bars["open"]
    means = {window: vbt.MA.run(close, window).ma.to_numpy().ravel() for window in sorted({*fast, *slow})}
    pairs = [(a, b) for a in fast for b in slow]
    size = np.full((len(close), len(pairs)), np.nan)
    for column, (a, b) in enumerate(pairs):
        size[1:, column] = np.where(means[a] > means[b], 1.0, np.where(means[a] < means[b], -1.0, np.nan))[:-1]
    return vbt.Portfolio.from_orders(
        np.broadcast_to(close[:, None], size.shape), size=size, size_type="targetamount", price=opening[:, None], fees=FEE,
        init_cash=CASH_USD)


def _vectorbt_orders(vbt: Any, close: Any, opening: Any, size: Any, **grouped: Any) -> Result:
    portfolio = vbt.Portfolio.from_orders(
        close, size=size, size_type="targetamount", price=opening, fees=FEE, init_cash=CASH_USD, **grouped)
    return Result(int(np.sum(portfolio.orders.count())), float(np.sum(portfolio.final_value())))


def _vectorbt_spread(vbt: Any, close: npt.NDArray[Any], opening: npt.NDArray[Any]) -> Callable[[], Result]:
    from numba import njit

    @njit  # type: ignore[untyped-decorator]
    def held_of(z: Any, entry: float, exit: float) -> Any:
        held, now = np.zeros(len(z)), 0.0
        for i in range(len(z)):
            if z[i] > entry:
                now = -1.0
            elif z[i] < -entry:
                now = 1.0
            elif abs(z[i]) < exit:
                now = 0.0
            held[i] = now
        return held

    def run() -> Result:
        gap = close[:, NEAR] - close[:, FAR]
        mean = vbt.MA.run(gap, WINDOW).ma.to_numpy().ravel()
        deviation = vbt.MSTD.run(gap, WINDOW, ddof=1).mstd.to_numpy().ravel()
        held = held_of((gap - mean) / deviation, ENTRY, EXIT)
        size = np.full(close.shape, np.nan)
        size[1:, NEAR], size[1:, FAR] = held[:-1], -held[:-1]
        return _vectorbt_orders(vbt, close, opening, size, group_by=True, cash_sharing=True)

    return run


def _backtesting_cross(module: Any, bars: Columns) -> Callable[[], Result]:
    import pandas as pd

    from kilohour.indicators.arrays import rolling_mean

    frame = pd.DataFrame({name.capitalize(): bars[name] for name in ("open", "high", "low", "close")}, index=pd.to_datetime(bars["ts"]))
    made: list[int] = []

    class Peer(module.Strategy):  # type: ignore[misc]
        def init(self) -> None:
            self.fast = self.I(rolling_mean, self.data.Close, FAST)
            self.slow = self.I(rolling_mean, self.data.Close, SLOW)
            made.append(0)

        def next(self) -> None:
            fast, slow = self.fast[-1], self.slow[-1]
            if fast > slow and not self.position.is_long:
                self.position.close()
                self.buy(size=1)
                made[-1] += 1
            elif fast < slow and not self.position.is_short:
                self.position.close()
                self.sell(size=1)
                made[-1] += 1

    def run() -> Result:
        stats = module.Backtest(frame, Peer, cash=CASH_USD, commission=FEE).run()
        unfilled = int(len(stats["_trades"]) == 0)
        return Result(made[-1] - unfilled, float(stats["Equity Final [$]"]))

    return run


def _backtrader_cross(module: Any, bars: Columns) -> Callable[[], Result]:
    import pandas as pd

    frame = pd.DataFrame({name: bars[name] for name in ("open", "high", "low", "close")}, index=pd.to_datetime(bars["ts"]))
    fills: list[int] = []

    class Peer(module.Strategy):  # type: ignore[misc]
        def __init__(self) -> None:
            self.fast, self.slow = module.ind.SMA(period=FAST), module.ind.SMA(period=SLOW)
            fills.append(0)

        def notify_order(self, order: Any) -> None:
            fills[-1] += order.status == order.Completed

        def next(self) -> None:
            side = (self.fast[0] > self.slow[0]) - (self.fast[0] < self.slow[0])
            if side and self.position.size != side:
                self.order_target_size(target=side)

    def run() -> Result:
        cerebro = module.Cerebro(stdstats=False)
        cerebro.adddata(module.feeds.PandasData(dataname=frame, volume=None, openinterest=None, timeframe=module.TimeFrame.Minutes))
        cerebro.addstrategy(Peer)
        cerebro.broker.setcash(CASH_USD)
        cerebro.broker.setcommission(commission=FEE)
        cerebro.run()
        return Result(fills[-1], float(cerebro.broker.getvalue()))

    return run


VECTORISED: tuple[tuple[str, Any, bool], ...] = (("vectorbt", _vectorbt_cross, False),)
"""Name, how to make it, and whether it is so slow that it gets fewer bars."""
PYTHON: tuple[tuple[str, Any, bool], ...] = (("backtesting", _backtesting_cross, True), ("backtrader", _backtrader_cross, True))
