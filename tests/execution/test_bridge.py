# SPDX-License-Identifier: Apache-2.0
"""An unmodified bt.Strategy on our tapes: its indicators, orders, notifications and trades, and a run folder like any other."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("backtrader", reason="the extra kilohour[backtrader] is not installed")

import backtrader as bt

import kilohour
from kilohour import Strategy, maths, state
from kilohour.cli.main import main
from kilohour.errors import StrategyRaised, UnknownName, UsageError
from kilohour.indicators.arrays import rolling_mean
from kilohour.units import MICROS
from tests.backtests.tapes import sim_tape
from tests.execution.bridged import CASH, bars, bridged, fills, table
from tests.faces.small import market, played, tape_of_bars

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
    assert any("on 2 feeds: backtrader decides, kilohour fills" in line and "waited for 8 of 80 bars" in line for line in manifest["modelled"])
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


class Native(Strategy):
    """Market, limit and stop orders and cancels from a linear congruence; :class:`Twin` asks for the same through backtrader."""

    seed: int = 1
    ticket: int = state(0)

    def draw(self, count: int) -> int:
        self.seed = (self.seed * 1103515245 + 12345) % 2147483648
        return self.seed // 65536 % count

    def on_bar(self, desk):
        contract, kind, lots, off, life = self.draw(2), self.draw(5), self.draw(4) + 1, self.draw(9) - 4, 1 + self.draw(2)
        lots = lots if self.draw(2) else -lots
        price = (maths.nearest(desk.price(contract) * 100.0) + off) / 100.0
        if kind == 0:
            desk.market(contract, lots, life)
        elif kind == 1:
            self.ticket = desk.limit(contract, lots, price, life)
        elif kind == 2:
            self.ticket = desk.stop(contract, lots, price, life)
        elif kind == 3:
            desk.trailing_stop(contract, lots, 0.03, life)
        elif self.ticket:
            desk.cancel(self.ticket)


class Twin(bt.Strategy):
    params = (("seed", 1),)

    def __init__(self):
        self.seed, self.kept = self.p.seed, None

    def draw(self, count):
        self.seed = (self.seed * 1103515245 + 12345) % 2147483648
        return self.seed // 65536 % count

    def next(self):
        contract, kind, lots, off, life = self.draw(2), self.draw(5), self.draw(4) + 1, self.draw(9) - 4, self.draw(2)
        ask = self.buy if self.draw(2) else self.sell
        data, valid = self.datas[contract], (None, bt.Order.DAY)[life]
        price = (round(data.close[0] * 100.0) + off) / 100.0
        if kind == 0:
            ask(data, lots, valid=valid)
        elif kind == 1:
            self.kept = ask(data, lots, price, exectype=bt.Order.Limit, valid=valid)
        elif kind == 2:
            self.kept = ask(data, lots, price, exectype=bt.Order.Stop, valid=valid)
        elif kind == 3:
            ask(data, lots, exectype=bt.Order.StopTrail, trailamount=0.03, valid=valid)
        elif self.kept:
            self.cancel(self.kept)

    def notify_order(self, order):
        if order.status in (order.Partial, order.Completed):
            bit = order.executed.exbits[-1]
            self.log.append((order.data.p.row, bit.size, round(bit.price * MICROS), round(bit.comm * MICROS), self.getposition(order.data).size))


@pytest.mark.parametrize("seed", range(12))
def test_the_same_decisions_give_the_same_orders_fills_and_ledger(seed):
    """Half spread, fees, volume cap, margin and marks on: what comes through backtrader is what a kilohour strategy would get."""
    terms = {"half_spread_micros": 5_000, "fee_per_lot_micros": 1_500_000, "fee_ppm": 100, "participation_ppm": 60_000,
             "margin_initial_ppm": 200_000, "margin_maintenance_ppm": 150_000}  # fmt: skip
    of = market(tape_of_bars(150, contracts=2, seed=seed, marks_every=20), **terms)
    native = played(Native, of, interpreted=True, seed=seed + 1)
    native.close()
    twin = bridged(Twin, of, seed=seed + 1)
    for name in ("orders", "fills", "ledger", "equity", "positions"):
        assert twin.table(name).tobytes() == native.table(name).tobytes(), name
    assert len(native.table("fills")) > 30
    rows = native.table("fills")
    told = [tuple(int(row[name]) for name in ("contract", "lots", "price_micros", "fee_micros")) for row in rows]
    assert [row[:4] for row in Twin.log] == told
