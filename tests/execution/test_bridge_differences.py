# SPDX-License-Identifier: Apache-2.0
"""Every difference from stock backtrader that docs/backtrader.md lists, one test each; its number there is in the name."""

from __future__ import annotations

import datetime as dt
import math
import re
from pathlib import Path

import pytest

pytest.importorskip("backtrader", reason="the extra kilohour[backtrader] is not installed")

import backtrader as bt

from kilohour.errors import StrategyRaised, UsageError
from kilohour.tape import TapeBuilder
from kilohour.units import MICROS, NANOS_PER_DAY
from tests.execution.bridged import CASH, FOUR_DAYS, bars, bridged, fills, table
from tests.faces.small import market
from tests.oracle.tables import contracts_of

PAGE = Path(__file__).parents[2] / "docs" / "backtrader.md"


def nothing(strategy):
    """What a strategy does that only watches."""


class Does(bt.Strategy):
    """Runs ``first`` at its first bar and logs what happens to its orders and trades."""

    first = staticmethod(nothing)

    def next(self):
        if len(self) == 1:
            type(self).first(self)
        self.each()

    def each(self):
        pass

    def notify_order(self, order):
        if order.status != order.Submitted:
            self.log.append((len(self), order.getstatusname(), order.executed.size))

    def notify_trade(self, trade):
        if trade.isclosed:
            self.log.append((len(self), "trade", round(trade.pnlcomm, 6)))


def done(first, of=None, *, each=None, cash=CASH):
    """The session and the log of a strategy that does one thing."""
    body = {"first": staticmethod(first)} | ({"each": each} if each else {})
    kind = type("Made", (Does,), body)
    session = bridged(kind, of if of is not None else bars(), cash=cash)
    return session, kind.log


def refused(first, words):
    with pytest.raises(UsageError, match=words):
        done(first)


def limit(self, price, size=1, **named):
    return self.buy(size=size, exectype=bt.Order.Limit, price=price, **named)


def test_every_line_of_the_page_has_a_test():
    numbers = {int(n) for n in re.findall(r"^\| (\d+) \|", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)}
    tested = {int(n) for name in globals() for n in re.findall(r"^test_(\d\d)_", name)}
    assert numbers == tested == set(range(1, len(numbers) + 1))


def test_01_a_market_order_pays_half_a_spread():
    session, _ = done(lambda self: self.buy(size=1), bars(half_spread_micros=10_000))
    assert fills(session, "ts", "price_micros") == table("2 | 2.11")


def test_02_a_bar_fills_a_share_of_its_volume_and_nothing_without_volume():
    text = FOUR_DAYS.replace("2.31  | 1000", "2.31  | 0")
    session, log = done(lambda self: self.buy(size=150), bars(text, participation_ppm=100_000))
    assert fills(session, "ts", "lots") == table("2 | 100\n4 | 50")
    assert log == [(2, "Accepted", 0), (2, "Partial", 100), (4, "Completed", 150)]


def test_03_a_touch_is_not_a_fill():
    session, _ = done(lambda self: [limit(self, 2.0), limit(self, 2.01)])
    assert fills(session, "ts", "price_micros") == table("2 | 2.01")


def test_04_a_price_is_brought_to_the_tick_for_the_trader():
    def first(self):
        limit(self, 2.0149)
        self.sell(size=1, exectype=bt.Order.Limit, price=2.1801)
        self.buy(size=2, exectype=bt.Order.Stop, price=2.1801)
        self.sell(size=2, exectype=bt.Order.Stop, price=2.0149)

    session, _ = done(first)
    assert sorted(fills(session, "ts", "lots", "price_micros")) == sorted(table("""
        2 | 1  | 2.01
        2 | -1 | 2.19
        2 | 2  | 2.19
        2 | -2 | 2.01
    """))


def test_05_lots_are_whole():
    refused(lambda self: self.buy(size=1.5), "size must be whole lots, found 1.5")


def test_06_an_order_beyond_the_margin_gets_status_margin_at_the_gate():
    _, log = done(lambda self: self.buy(size=7), bars(margin_initial_floor_micros=2_000_000_000), cash=13_999 * MICROS)
    assert log == [(2, "Margin", 0)]


def test_07_other_refusals_are_rejected_with_the_gates_code():
    codes = []

    def each(self):
        if len(self) == 3:
            self.buy(size=1)

    def notify(self, order):
        if order.status != order.Submitted:
            codes.append((order.getstatusname(), order.info.get("code")))

    kind = type("Late", (Does,), {"each": each, "notify_order": notify})
    both = FOUR_DAYS + "".join(f"{day} | bar | B | 2 | 2 | 2 | 2 | 9\n" for day in (1, 2, 3, 4))
    bridged(kind, bars("\n".join(line for line in both.splitlines() if not re.match(r"[34] +\| bar +\| A", line)), "contract | last\nA | 2\nB | -"))
    assert codes == [("Rejected", "not_listed")]


FALL = """
day | event | of | price | volume
1   | bar   | A  | 2.00  | 1000
2   | bar   | A  | 2.00  | 1000
2.5 | mark  | A  | 1.00  |
3   | bar   | A  | 1.00  | 1000
4   | bar   | A  | 1.00  | 1000
"""


def test_08_a_margin_call_cancels_and_liquidates_and_the_strategy_is_told():
    terms = {"margin_initial_floor_micros": 1_000 * MICROS, "margin_maintenance_floor_micros": 900 * MICROS}
    told = []

    def first(self):
        self.buy(size=5)
        limit(self, 0.5)

    def notify(self, order):
        told.append((len(self), order.getstatusname(), order.executed.size, order.info.get("liquidation", False)))

    kind = type("Called", (Does,), {"first": staticmethod(first), "notify_order": notify})
    session = bridged(kind, bars(FALL, **terms), cash=6_500 * MICROS)
    assert session.book["margin_calls"][0] == 1
    assert [row for row in told if row[1] not in ("Submitted", "Accepted")] == [(2, "Completed", 5, False), (3, "Margin", 0, False), (3, "Completed", -3, True)]


def test_09_value_is_the_ledgers_equity_and_cash_is_what_no_margin_binds():
    seen = []

    def each(self):
        seen.append((self.broker.getvalue(), self.broker.getcash(), self.position.size))

    done(lambda self: self.buy(size=5), bars(FALL, margin_initial_floor_micros=100 * MICROS), each=each, cash=6_500 * MICROS)
    assert seen == [(6_500.0, 6_500.0, 0), (6_500.0, 6_500.0, 5), (2_850.0, 2_350.0, 5), (2_850.0, 2_350.0, 5)]


FIXED = """
day | event | of | price | volume
1   | bar   | A  | 2.00  | 1000
2   | bar   | A  | 2.00  | 1000
2   | bar   | B  | 5.00  | 1000
3   | final | A  | 2.40  |
4   | bar   | B  | 5.00  | 1000
"""


def test_10_a_final_settlement_closes_the_position_and_its_trade():
    held = []
    kind = type("Holds", (Does,), {"prenext": lambda self: self.next(), "first": staticmethod(lambda self: self.buy(self.data0, size=2)),
                                   "each": lambda self: held.append(self.getposition(self.data0).size)})
    session = bridged(kind, bars(FIXED, "contract | last | final\nA | 2.5 | 3\nB | - | -", fee_settlement_micros=MICROS))
    assert held == [0, 2, 0]
    assert kind.log[-1] == (3, "trade", round(2 * 730 * 0.4 - 2, 6))
    assert session.book["settlements"][0] == 1


def test_11_a_day_order_ends_with_the_next_mark():
    of = bars("day | event | of | price\n1 | bar | A | 2\n2 | bar | A | 2\n2.5 | mark | A | 2\n3 | bar | A | 1\n4 | bar | A | 1")
    for valid in (bt.Order.DAY, 0):
        session, log = done(lambda self, valid=valid: limit(self, 1.5, valid=valid), of)
        assert log == [(2, "Accepted", 0), (3, "Expired", 0)]
        assert len(session.table("fills")) == 0


def test_12_an_end_is_told_with_the_next_bar():
    seen = []

    def each(self):
        if len(self) == 1:
            self.order = limit(self, 1.0)
        if len(self) == 2:
            self.cancel(self.order)
        seen.append(self.order.getstatusname())

    done(nothing, each=each)
    assert seen == ["Submitted", "Accepted", "Canceled", "Canceled"]


def test_13_there_is_no_future_in_a_feed():
    lengths = []

    def first(self):
        lengths.append(self.data.buflen())
        return self.data.close[1]

    with pytest.raises(StrategyRaised, match="IndexError"):
        done(first)
    assert lengths == [1]


def test_14_times_are_exact_to_the_microsecond():
    import numpy as np

    builder = TapeBuilder(source="microseconds")
    ref = builder.contract(contracts_of("contract\nA")[0])
    ts = 20_000 * NANOS_PER_DAY + 1_000 * (1 + 7_919 * np.arange(600))
    price = np.full(600, 2_000_000)
    builder.bars(ref, ts, price, price, price, price, price)
    seen = []

    def each(self):
        seen.append((self.data.datetime.datetime(0), self.datetime.datetime(), self.data.num2date()))

    done(nothing, market(builder.build()), each=each)
    start = dt.datetime.fromisoformat("1970-01-01")
    exact = [start + dt.timedelta(microseconds=int(at) // 1_000) for at in ts]
    assert seen == [(at, at, at) for at in exact]
    floats = [bt.num2date(bt.date2num(at)) for at in exact]
    assert sum(a != b for a, b in zip(floats, exact, strict=True)) > 300


@pytest.mark.parametrize("kind", ["Close", "Historical"])
def test_15_orders_without_a_counterpart_are_refused(kind):
    refused(lambda self: self.buy(size=1, exectype=getattr(bt.Order, kind)), f"an order must be .*, found {kind}")


def test_16_what_only_backtrader_has_is_refused():
    trail = {"size": 1, "exectype": bt.Order.StopTrail}
    refused(lambda self: self.buy(size=1, exectype=bt.Order.StopTrailLimit, price=2.0, trailamount=0.1), "found StopTrailLimit")
    refused(lambda self: self.buy(**trail, trailpercent=0.1), "a StopTrail needs trailamount, found trailpercent 0.1")
    refused(lambda self: self.buy(**trail, trailamount=0.1, price=2.5), "a StopTrail trails from the last price, 2.02, found price 2.5")
    refused(lambda self: limit(self, 2.0, valid=7.5), "valid must be None, Order.DAY, a date or a timedelta, found 7.5")
    refused(lambda self: self.data.compensate(self.data) or self.buy(size=1), "a feed cannot compensate another")


@pytest.mark.parametrize("name", ["set_coc", "set_coo", "set_slippage_perc", "set_slippage_fixed", "set_filler", "set_checksubmit", "set_cash",
                                  "setcash", "add_cash", "setcommission", "addcommissioninfo", "set_fundmode", "set_shortcash", "set_int2pnl"])
def test_17_the_broker_is_not_the_strategys_to_change(name):
    refused(lambda self: getattr(self.broker, name)(True), rf"broker\.{name} must not be called: ")


def test_18_timers_run_but_not_before_the_broker():
    rung = []

    class Rings(Does):
        cheat = False

        def __init__(self):
            self.add_timer(when=dt.time(0, 0), cheat=self.cheat)

        def notify_timer(self, timer, when, *args, **kwargs):
            rung.append(when)

    bridged(Rings, bars())
    assert len(rung) == 4
    Rings.cheat = True
    with pytest.raises(UsageError, match="add_timer must be called with cheat=False"):
        bridged(Rings, bars())


def test_19_an_unknown_volume_is_nan():
    seen = []
    done(nothing, bars("day | event | of | price\n1 | bar | A | 2"), each=lambda self: seen.append(self.data.volume[0]))
    assert math.isnan(seen[0])


def test_20_fees_and_margin_are_the_contracts_terms():
    seen = []

    def first(self):
        info = self.broker.getcommissioninfo(self.data)
        seen.append((info.getcommission(2, 2.0), info.get_margin(2.0), info.p.mult, info.getsize(2.0, 3_000.0)))

    done(first, bars(fee_per_lot_micros=1_500_000, fee_ppm=1_000, margin_initial_ppm=200_000))
    assert seen == [(2 * (1.5 + 1.46), 292.0, 730.0, 10)]


def test_21_a_target_by_value_is_margin_and_works_on_both_sides():
    def each(self):
        self.order_target_value(target={1: 1_000.0, 2: -500.0}.get(len(self), 0.0))

    session, _ = done(nothing, bars(margin_initial_floor_micros=100 * MICROS), each=each)
    assert fills(session, "ts", "lots") == table("2 | 10\n3 | -15\n4 | 5")


def test_22_stopping_early_stops_the_strategy_and_not_the_tape():
    calls = []

    def each(self):
        calls.append(len(self))
        if len(self) == 2:
            self.env.runstop()

    session, _ = done(lambda self: self.buy(size=1), each=each)
    assert calls == [1, 2]
    assert session.cursor == len(session.market.tape)
    assert session.book["position"][0][0] == 1


def test_23_at_most_sixty_four_orders_a_bar():
    with pytest.raises(StrategyRaised, match="at most 64 contracts and orders"):
        done(lambda self: [self.buy(size=1) for _ in range(65)])


def test_24_nothing_runs_beside_the_strategy():
    seen = []

    def first(self):
        seen.append((len(self.observers), len(self.analyzers), len(self.writers)))

    done(first)
    assert seen == [(0, 0, 0)]


FALLING_BACK = """
day | event | of | open | high | low  | close
1   | bar   | A  | 2.00 | 2.00 | 2.00 | 2.00
2   | bar   | A  | 2.05 | 2.40 | 2.04 | 2.10
3   | bar   | A  | 2.10 | 2.10 | 2.10 | 2.10
"""


def test_25_a_trailing_stop_and_a_stop_limit_walk_the_way_of_the_price():
    """2.05, 2.04, 2.40, 2.10: the trail of 0.2 is hit on the way down from 2.40, the stop at 2.20 buys back at its limit 2.15 there."""
    def first(self):
        self.sell(size=1, exectype=bt.Order.StopTrail, trailamount=0.2)
        self.buy(size=2, exectype=bt.Order.StopLimit, price=2.2, plimit=2.15)

    session, _ = done(first, bars(FALLING_BACK))
    assert sorted(fills(session, "ts", "lots", "price_micros")) == sorted(table("2 | -1 | 2.2\n2 | 2 | 2.15"))


def test_26_one_cancels_the_other_lot_by_lot_and_only_what_is_made_together():
    text = FOUR_DAYS.replace("1000", "10")
    session, log = done(lambda self: limit(self, 2.01, 5, oco=limit(self, 2.05, 5)), bars(text, participation_ppm=200_000))
    assert fills(session, "ts", "lots", "price_micros") == table("2 | 2 | 2.05")
    assert session.book["orders_working"][0] == 2

    def each(self):
        if len(self) == 2:
            limit(self, 1.0, oco=self.old)

    with pytest.raises(UsageError, match=r"orders are tied \(oco, parent\) when they are made at the same bar"):
        done(lambda self: setattr(self, "old", limit(self, 1.0)), each=each)


def test_27_a_brackets_children_reduce_only_and_wake_where_the_parent_filled():
    """The parent buys at 2.04 on the way down, the profit at 2.30 is taken on the way up of the same bar, the loss is cancelled."""
    def first(self):
        self.buy_bracket(size=3, price=2.04, limitprice=2.30, stopprice=1.90)

    session, log = done(first, bars(FALLING_BACK.replace("2.04", "2.03")))
    assert fills(session, "ts", "lots", "price_micros") == table("2 | 3 | 2.04\n2 | -3 | 2.3")
    assert [row for row in log if row[1] != "Accepted"] == [(2, "Completed", 3), (2, "Completed", -3), (2, "Canceled", 0),
                                                            (2, "trade", round(3 * 730 * 0.26, 6))]  # fmt: skip


def test_28_good_till_a_date_ends_in_the_first_group_after_it():
    day = dt.datetime.fromisoformat("1970-01-03T00:00:00")
    for valid, ends in ((day, 3), (dt.timedelta(days=1), 3), (day.date(), 3), (dt.timedelta(days=2), 4)):
        _, log = done(lambda self, valid=valid: limit(self, 1.5, valid=valid))
        assert log == [(2, "Accepted", 0), (ends, "Expired", 0)], (valid, log)
