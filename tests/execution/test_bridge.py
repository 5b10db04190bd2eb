# SPDX-License-Identifier: Apache-2.0
"""An unmodified bt.Strategy on our tapes: its indicators, orders, notifications and trades, and a run folder like any other."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("backtrader", reason="the extra kilohour[backtrader] is not installed")

import backtrader as bt

import kilohour
from kilohour.cli.main import main
from kilohour.errors import StrategyRaised, UnknownName, UsageError
from kilohour.indicators.arrays import rolling_mean
from kilohour.units import MICROS
from tests.backtests.tapes import sim_tape
from tests.execution.bridged import CASH, bars, bridged, fills, table
from tests.faces.small import market, tape_of_bars

FILE = '''
import backtrader as bt


class Cross(bt.Strategy):
    """Two means."""

    params = (("fast", 3), ("slow", 8), ("lots", 2), ("name", "plain"))

    def __init__(self):
        self.side = bt.ind.CrossOver(bt.ind.SMA(period=self.p.fast), bt.ind.SMA(period=self.p.slow))

    def next(self):
        if self.side[0]:
            self.order_target_size(target=int(self.side[0]) * self.p.lots)
'''


class BuyOnce(bt.Strategy):
    """Buys at the first bar and sells at the third; notes everything it is told."""

    params = {"lots": 3, "limit": 0.0}

    def next(self):
        if len(self) == 1:
            self.order = self.buy(size=self.p.lots)
        elif len(self) == 3:
            self.close()

    def notify_order(self, order):
        self.log.append((len(self), order.getstatusname(), order.executed.size, order.executed.price))

    def notify_trade(self, trade):
        self.log.append((len(self), "closed" if trade.isclosed else "open", trade.size, round(trade.pnlcomm, 6)))


def test_a_market_order_fills_at_the_next_open_and_everybody_is_told():
    session = bridged(BuyOnce, bars(fee_per_lot_micros=1_500_000))
    assert fills(session, "ts", "lots", "price_micros", "fee_micros") == table("""
        2 | 3  | 2.1 | 4.5
        4 | -3 | 2.4 | 4.5
    """)
    gain = 3 * 730 * 0.3
    assert BuyOnce.log == [
        (2, "Submitted", 0, 0.0), (2, "Accepted", 0, 0.0), (2, "Completed", 3, 2.1), (2, "open", 3, -4.5),
        (4, "Submitted", 0, 0.0), (4, "Accepted", 0, 0.0), (4, "Completed", -3, 2.4), (4, "closed", 0, round(gain - 9.0, 6)),
    ]  # fmt: skip
    assert session.book["equity"][0] == CASH + round((gain - 9.0) * MICROS)


class Limits(bt.Strategy):
    def next(self):
        if len(self) == 1:
            self.kept = self.buy(size=1, exectype=bt.Order.Limit, price=2.01)
            self.gone = self.buy(size=1, exectype=bt.Order.Limit, price=1.50)
        elif len(self) == 2:
            self.cancel(self.gone)

    def notify_order(self, order):
        if order.status != order.Submitted:
            self.log.append((len(self), order.created.price, order.getstatusname()))


def test_limit_orders_fill_through_their_price_and_can_be_cancelled():
    session = bridged(Limits, bars())
    assert fills(session, "ts", "lots", "price_micros") == table("2 | 1 | 2.01")
    assert Limits.log == [(2, 2.01, "Accepted"), (2, 1.5, "Accepted"), (2, 2.01, "Completed"), (3, 1.5, "Canceled")]


class Means(bt.Strategy):
    params = (("period", 4),)

    def __init__(self):
        self.mean = bt.ind.SMA(self.data.close, period=self.p.period)
        self.far = bt.ind.SMA(self.data1.close, period=self.p.period)

    def next(self):
        self.log.append((self.mean[0], self.far[0], self.mean[-1]))


def test_indicators_are_backtraders_and_see_the_tapes_closes():
    of = market(tape_of_bars(60, contracts=2))
    bridged(Means, of)
    events = of.tape.events
    for ref, at in ((0, 0), (1, 1)):
        close = events["close"][(events["kind"] == 1) & (events["ref"] == ref)] / MICROS
        assert np.allclose([row[at] for row in Means.log], rolling_mean(close, 4)[3:])


def test_the_command_writes_a_run_and_its_report(tmp_path, capsys):
    (tmp_path / "cross.py").write_text(FILE)
    sim_tape(80).save(tmp_path / "tape")
    words = ["backtest", f"{tmp_path / 'cross.py'}:Cross", "--tape", str(tmp_path / "tape"), "--out", str(tmp_path / "run"), "--json"]
    assert main([*words, "--set", "lots=4"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["fills"] > 0
    assert result["parameters"] == {"fast": 3, "slow": 8, "lots": 4}
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert manifest["strategy"] == {"name": "Cross", "class": "Cross", "file": "cross.py", "doc": "Two means."}
    assert "Cross" in (tmp_path / "run" / "report.html").read_text()
    assert main([*words, "--set", "name=x"]) == 2
    assert "unknown field 'name'" in capsys.readouterr().err
    assert main([*words, "--feed", "SIM:H100-2030-1"]) == 2
    assert "unknown contract 'SIM:H100-2030-1' in this run" in capsys.readouterr().err


def test_two_runs_are_the_same_to_the_byte():
    tables = []
    for _ in range(2):
        session = bridged(BuyOnce, bars(fee_ppm=300))
        tables.append([session.table(name).tobytes() for name in ("orders", "fills", "ledger")])
    assert tables[0] == tables[1]


class Raises(bt.Strategy):
    params = (("early", False),)

    def __init__(self):
        if self.p.early:
            raise ValueError("before the first bar")

    def next(self):
        raise ValueError("at a bar")


def test_what_a_strategy_raises_comes_back_with_its_line():
    with pytest.raises(StrategyRaised, match=r"(?s)Raises raised at 1970-01-02.*test_bridge\.py.*ValueError: at a bar"):
        bridged(Raises, bars())
    with pytest.raises(StrategyRaised, match=r"(?s)Raises raised outside its bars.*ValueError: before the first bar"):
        bridged(Raises, bars(), early=True)


class Waits(bt.Strategy):
    def next(self):
        self.log.append(len(self))


TWO = """
day | event | of | price
1   | bar   | A  | 2.00
2   | bar   | A  | 2.00
"""


def test_feeds_are_the_contracts_with_bars_or_those_that_are_named():
    of = bars(TWO + "2 | bar | B | 1.00\n3 | bar | C | 3.00\n", "contract\nA\nB\nC\nD")
    bridged(Waits, of)
    assert Waits.log == [3]
    bridged(Waits, of, feeds=["B"])
    assert Waits.log == [1]
    with pytest.raises(UnknownName, match="unknown contract 'D'"):
        bridged(Waits, of, feeds=["D"])


class WaitsForMean(Waits):
    def __init__(self):
        self.mean = bt.ind.SMA(period=5)


def test_a_strategy_that_never_ran_says_why():
    with pytest.raises(UsageError, match=r"WaitsForMean\.next never ran: .* A has 4 in the whole tape; choose contracts with --feed"):
        bridged(WaitsForMean, bars())


def test_a_sweep_of_one_is_refused():
    with pytest.raises(UsageError, match="BuyOnce is a backtrader strategy: kilohour backtest runs it, a sweep cannot"):
        kilohour.sweep(BuyOnce, sim_tape(20), {"lots": [1, 2]}, cores=1)


def test_feeds_are_for_backtrader_strategies():
    with pytest.raises(UsageError, match="feeds are for backtrader strategies, found A"):
        kilohour.backtest("calendar-spread", sim_tape(20), feeds=["A"])
