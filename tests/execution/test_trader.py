# SPDX-License-Identifier: Apache-2.0
"""The deciding part without sockets: reconciliation, foreign orders, fees, races, risk states, triggers, legs one by one."""

from __future__ import annotations

import numpy as np
import pytest

from kilohour import FOK, Product, Strategy, product, state
from kilohour.backtests.outputs import tables_of
from kilohour.backtests.prepare import fill_state, prepare
from kilohour.execution import port
from kilohour.execution.orders import State
from kilohour.execution.risk import LiveLimits, Risk, Trading
from kilohour.execution.trader import Trader
from kilohour.faces.fields import dtype_of
from kilohour.kernels import records as r
from kilohour.limits import RiskLimits
from kilohour.live import Event, LiveSession
from kilohour.tape.schema import Kind
from kilohour.units import MISSING, NANOS_PER_DAY
from tests.backtests.tapes import FIRST, sim_tape

NEAR, FAR = "SIM:H100-2030-01", "SIM:H100-2030-02"
SECOND = 1_000_000_000
START = FIRST * NANOS_PER_DAY


class Asks(Strategy):
    """What the test sets in ``what``: a target, a spread, a limit, a stop, a bracket, then nothing; or a bid that moves from contract to
    contract."""

    chip: Product = product("SIM:H100")
    what: int = 1
    lots: int = 4
    ticket: int = state(0)

    def on_bar(self, desk):
        """Once a bar."""
        if self.what == 1:
            desk.target(0, self.lots)
        elif self.what == 2:
            desk.target_spread(0, 1, self.lots)
        elif self.what == 3 and self.ticket == 0:
            self.ticket = desk.limit(0, self.lots, 1.9)
        elif self.what == 4 and self.ticket == 0:
            self.ticket = desk.stop(0, -self.lots, 1.9)
        elif self.what == 5 and self.ticket == 0:
            self.ticket = desk.bracket(0, self.lots, 2.0, 2.1, 1.9)
        elif self.what == 6 and self.ticket == 0:
            self.ticket = desk.market(0, self.lots, FOK)
        elif self.what == 7:
            if self.ticket:
                desk.cancel(self.ticket)
            self.ticket = desk.limit((self.ticket + 1) % 2, self.lots, 1.9)


class Table:
    """A trader, a clock, and the words of a story."""

    def __init__(self, strategy=Asks, *, limits: LiveLimits | None = None, risk: RiskLimits | None = None, can_spread: bool = True, cash: bool = False, **parameters) -> None:
        tape = sim_tape(days=2)
        prepared = prepare(strategy, tape, parameters=parameters, venue="sandbox", limits=risk, interpreted=True)
        memory = np.zeros(1, dtype_of(strategy))
        fill_state(strategy, memory, prepared.parameters, prepared.market)
        session = LiveSession(prepared.market, strategy, memory, prepared.cash_micros, interpreted=True)
        self.trader = Trader(session, limits or LiveLimits(messages_per_second=1000, cancels_reserved=10), prefix=1, can_spread=can_spread,
                             compares_cash=cash)
        self.now, self.day = 0, 0
        self.trader.take_fact(self.account(), 0)
        rows = range(2)
        self.trader.take_feed([Event(START, START, int(Kind.LISTING), row, *[MISSING] * 5) for row in rows], 0)

    def account(self, cash: int | None = None, **positions: int) -> port.Account:
        named = {{"near": NEAR, "far": FAR}[name]: lots for name, lots in positions.items()}
        return port.Account(positions=named, cash=cash, open_orders=(), ts=self.now if hasattr(self, "now") else 0)

    def bar(self, price: float = 2.0, low: float | None = None) -> list:
        """One bar of both contracts; the commands it leads to."""
        self.day += 1
        self.now += SECOND
        ts, p = START + self.day * NANOS_PER_DAY, round(price * 1e6)
        bottom = p if low is None else round(low * 1e6)
        events = [Event(ts, ts, int(Kind.BAR), row, p, p, bottom, p, 1000) for row in (0, 1)]
        return self.trader.take_feed(events, self.now)

    def fact(self, fact) -> list:
        self.now += SECOND // 100
        return self.trader.take_fact(fact, self.now)

    def ack(self, place) -> list:
        return self.fact(port.Acknowledged(cid=place.cid, oid=f"O-{place.cid}", ts=START))

    def fill(self, place, lots: int, code: str = NEAR, trade: str = "T1", price: int = 2_000_000, fee: int | None = None) -> list:
        leg = port.LegFill(contract=code, trade=trade, lots=lots, price=price, fee=fee)
        return self.fact(port.Filled(cid=place.cid if place else 0, oid="" if place else "X", legs=(leg,), cumulative=None, is_maker=False,
                                     ts=START + self.day * NANOS_PER_DAY))

    def ended(self, place, how: str, filled: int) -> list:
        return self.fact(port.Ended(cid=place.cid, oid="", state=how, filled=filled, reason=how, ts=START))


def places(commands):
    return [command for command in commands if isinstance(command, port.Place)]


def test_a_target_is_an_immediate_limit_at_the_collar_and_goes_on_with_its_rest_at_the_next_bar():
    table = Table()
    (first,) = places(table.bar(2.0))
    assert (first.units, first.life, first.limit, first.legs) == (4, "ioc", 2_200_000, ((NEAR, 1),))
    table.ack(first)
    assert table.fill(first, 1) == []
    assert table.ended(first, "expired", 1) == [], "in the same bar it is not tried again"
    (rest,) = places(table.bar(2.0))
    assert rest.units == 3
    assert rest.cid != first.cid
    assert table.trader.positions() == {NEAR: 1}


def test_a_replaced_target_is_cancelled_first_and_the_new_one_waits_for_the_answer():
    table = Table(what=1)
    (first,) = places(table.bar())
    table.ack(first)
    table.trader.session.state["lots"] = -2
    commands = table.bar()
    assert [type(command).__name__ for command in commands] == ["Cancel"]
    (second,) = places(table.ended(first, "canceled", 0))
    assert (second.units, second.legs) == (2, ((NEAR, -1),))


def test_a_fill_that_races_the_cancel_drops_what_was_worked_out_without_it():
    table = Table(what=1)
    (first,) = places(table.bar())
    table.ack(first)
    table.trader.session.state["lots"] = 6
    table.bar()
    assert places(table.fill(first, 4)) == [], "six more would have made ten"
    assert table.trader.positions() == {NEAR: 4}
    (more,) = places(table.bar())
    assert more.units == 2


def test_an_overfill_halts_everything():
    table = Table()
    (first,) = places(table.bar())
    table.ack(first)
    table.fill(first, 4)
    table.fill(first, 1, trade="T2")
    assert table.trader.risk.trading == Trading.HALTED
    assert "filled" in table.trader.risk.reason
    assert places(table.bar()) == []
    assert table.trader.positions() == {NEAR: 5}, "it is booked all the same"


def test_an_unknown_order_is_asked_for_and_never_sent_again_until_it_is_proven_absent():
    table = Table()
    (first,) = places(table.bar())
    table.fact(port.Unsure(cid=first.cid, why="lost"))
    assert places(table.bar()) == []
    assert [c.cid for c in table.trader.take_time(table.now)] == [first.cid]
    table.fact(port.Absent(cid=first.cid))
    assert table.trader.orders[first.cid].state == State.UNKNOWN, "not found is no rejection before its time"
    table.now += 10 * SECOND
    table.fact(port.Absent(cid=first.cid))
    assert table.trader.orders[first.cid].state == State.REJECTED
    (again,) = places(table.bar())
    assert again.cid != first.cid


def test_what_was_on_its_way_when_the_runner_died_is_unknown_and_asked_for():
    """Written down, perhaps sent: neither sent again nor taken for live until the venue has told."""
    table = Table()
    (first,) = places(table.bar())
    assert places(table.trader.take_word("recover", table.now)) == []
    assert table.trader.orders[first.cid].state == State.UNKNOWN
    table.fact(table.account())
    assert places(table.bar()) == []
    assert [c.cid for c in table.trader.take_time(table.now) if isinstance(c, port.LookUp)] == [first.cid]


def test_a_fill_owed_is_waited_for_before_anything_else_is_sent():
    table = Table()
    (first,) = places(table.bar())
    table.ack(first)
    table.ended(first, "canceled", 3)
    assert places(table.bar()) == []
    assert any(isinstance(c, port.LookUpFills) for c in table.trader.take_time(table.now))
    (rest,) = places(table.fill(first, 3))
    assert rest.units == 1


def test_foreign_fills_are_seen_and_count_in_the_position():
    table = Table()
    table.trader.session.state["what"] = 0
    table.bar()
    table.fill(None, -3)
    assert (table.trader.foreign_fills, table.trader.positions()) == (1, {NEAR: -3})


def test_the_venues_fee_corrects_what_was_booked():
    table = Table()
    (first,) = places(table.bar())
    table.ack(first)
    table.fill(first, 4)
    before = table.trader.cash()
    booked = table.trader.session.fees
    table.fill(first, 4, fee=booked + 7)
    assert table.trader.cash() == before - 7
    table.fill(first, 4, fee=booked + 7)
    assert table.trader.cash() == before - 7


def test_positions_that_differ_stop_trading_until_they_are_accepted_or_equal():
    table = Table()
    trader = table.trader
    trader.risk.is_reconciled = False
    table.fact(table.account(near=5))
    assert places(table.bar()) == [], "the account has lots that this run does not know"
    trader.take_word("accept", table.now)
    assert trader.positions() == {NEAR: 5}
    (reduced,) = places(table.bar())
    assert (reduced.legs, reduced.units) == (((NEAR, -1),), 1)
    trades = len(trader.trades)
    trader.take_word("accept", table.now)
    assert len(trader.trades) == trades, "the adjustment has the same number each time"


def test_a_difference_that_stays_is_reduce_only():
    table = Table(what=0)
    table.bar()
    table.fact(table.account(near=5))
    first = table.trader.risk.trading
    table.fact(table.account(near=5))
    assert [first, table.trader.risk.trading] == [Trading.ACTIVE, Trading.REDUCE_ONLY]


def test_a_resting_order_that_the_account_does_not_show_is_asked_for_and_counts_until_it_is_known_to_be_gone():
    """Rows 16 and 31: the venue cancelled it, or forgot it, while nobody listened; the strategy never touches it again."""
    table = Table(what=3)
    (bid,) = places(table.bar())
    table.ack(bid)
    order = table.trader.orders[bid.cid]
    shown = port.Found(cid=bid.cid, oid=order.oid, state="live", filled=0, ts=START)
    table.now += SECOND
    table.fact(port.Account(positions={}, cash=None, open_orders=(shown,), ts=table.now))
    assert order.state == State.LIVE
    table.fact(table.account())
    assert (order.state, order.lots_at_risk) == (State.UNKNOWN, {NEAR: 4})
    assert table.trader.take_time(table.now) == [port.LookUp(cid=bid.cid)]
    table.fact(port.Found(cid=bid.cid, oid=order.oid, state="canceled", filled=0, ts=START))
    assert table.trader.open_orders() == []
    assert table.trader.session.working() == []


def test_legs_go_one_by_one_where_the_venue_takes_no_spread_and_whole_units_count():
    table = Table(what=2, can_spread=False)
    near, far = places(table.bar())
    assert [(p.legs, p.units) for p in (near, far)] == [(((NEAR, 1),), 4), (((FAR, -1),), 4)]
    table.ack(near)
    table.ack(far)
    table.fill(near, 4)
    working = table.trader.session.working()[0]
    assert working.filled == 0
    assert int(table.trader.session.desk["on_target"][0][0]) == 0, "the lots that filled work no longer"
    table.fill(far, -1, code=FAR, trade="T2")
    assert table.trader.session.working()[0].filled == 1
    table.ended(far, "expired", 1)
    (rest,) = places(table.bar())
    assert (rest.legs, rest.units) == (((FAR, -1),), 3)
    table.ack(rest)
    table.fill(rest, -3, code=FAR, trade="T3")
    assert table.trader.session.working() == []
    assert table.trader.positions() == {NEAR: 4, FAR: -4}


def test_a_spread_of_which_one_leg_has_filled_is_replaced_by_what_the_new_target_lacks():
    """By hand: 4 near are held and no far; 2 of the spread are wanted, so 2 near and 2 far are sold, and nothing is left over."""
    table = Table(what=2, can_spread=False)
    near, far = places(table.bar())
    table.ack(near)
    table.ack(far)
    table.fill(near, 4)
    table.ended(far, "expired", 0)
    table.trader.session.state["lots"] = 2
    less = places(table.bar())
    assert [(p.legs, p.units) for p in less] == [(((NEAR, -1),), 2), (((FAR, -1),), 2)]
    for number, (place, code) in enumerate(zip(less, (NEAR, FAR), strict=True), 2):
        table.ack(place)
        table.fill(place, -2, code=code, trade=f"T{number}")
    assert table.trader.positions() == {NEAR: 2, FAR: -2}
    assert places(table.bar()) == []
    assert table.trader.session.desk["on_target"][0][:2].tolist() == [0, 0]


def test_a_stop_waits_here_until_a_bar_reaches_it():
    table = Table(what=4)
    assert places(table.bar(2.0)) == []
    assert places(table.bar(2.0, low=1.95)) == []
    (stop,) = places(table.bar(2.0, low=1.90))
    assert (stop.legs, stop.units, stop.life) == (((NEAR, -1),), 4, "ioc")


def test_the_exits_of_a_bracket_are_sent_for_what_the_entry_filled_and_cancel_each_other():
    table = Table(what=5)
    (entry,) = places(table.bar(2.05))
    assert (entry.limit, entry.life) == (2_000_000, "gtc")
    table.ack(entry)
    (profit,) = places(table.fill(entry, 3))
    assert (profit.legs, profit.units, profit.limit) == (((NEAR, -1),), 3, 2_100_000)
    table.ack(profit)
    (loss,) = places(table.bar(2.0, low=1.90))
    assert (loss.legs, loss.units, loss.life) == (((NEAR, -1),), 3, "ioc")


def test_a_rejected_order_reaches_the_strategy_as_refused():
    table = Table(what=3)
    (bid,) = places(table.bar())
    table.fact(port.Rejected(cid=bid.cid, reason="INSUFFICIENT_MARGIN", ts=START))
    assert table.trader.session.working() == []
    assert int(table.trader.session.book["orders_refused"][0]) == 1
    assert places(table.bar()) == []


def refusals(table) -> list[tuple[str, str]]:
    """Status and code of the orders that were refused, in the words of a run's table."""
    table.trader.session.fresh()
    orders = tables_of(table.trader.session)["orders"].to_pylist()
    return [(row["status"], row["code"]) for row in orders if row["status"] == "refused"]


def test_our_own_gate_the_runs_controls_and_the_venue_refuse_in_words_of_their_own():
    gate = Table(what=1, risk=RiskLimits(order_lots=3))
    assert places(gate.bar()) == []
    assert refusals(gate) == [("refused", "order_lots")]
    reduced = Table(what=3)
    reduced.trader.take_word("reduce", 0)
    assert places(reduced.bar()) == []
    assert refusals(reduced) == [("refused", "reducing")]
    stale = Table(what=0, limits=LiveLimits(feed_age_seconds=1.0))
    stale.bar()
    stale.trader.session.state["what"] = 3
    (bid,) = places(stale.bar())
    stale.fact(port.Rejected(cid=bid.cid, reason="INSUFFICIENT_MARGIN", ts=START))
    assert refusals(stale) == [("refused", "rejected")]


def test_an_order_that_waited_for_the_line_past_the_feeds_age_is_denied():
    table = Table(what=3, limits=LiveLimits(feed_age_seconds=1.0))
    table.fact(port.Linked(is_up=False))
    assert places(table.bar()) == []
    table.fact(port.Linked(is_up=True))
    table.now += 2 * SECOND
    assert places(table.fact(table.account())) == []
    assert refusals(table) == [("refused", "feed_age")]
    assert [body["why"] for kind, body in table.trader.drain() if kind == "deny"] == ["the feed is old"]


@pytest.mark.parametrize(("collar", "limit"), [
    ({}, 2_200_000),                                              # nothing said: 10 % beyond the last price, 2.00
    ({"collar_percent": 2.0}, 2_040_000),
    ({"collar_ticks": 7}, 2_070_000),
    ({"collar_percent": 0.5, "collar_ticks": 7}, 2_010_000),
    ({"collar_percent": 0.7}, 2_010_000),                         # 2.014, on the tick of 0.01 inside
])  # fmt: skip
def test_a_market_order_goes_no_farther_than_the_collar(collar, limit):
    table = Table(risk=RiskLimits(**collar) if collar else None)
    (buys,) = places(table.bar(2.0))
    assert (buys.limit, buys.life) == (limit, "ioc")
    table = Table(risk=RiskLimits(**collar) if collar else None, lots=-4)
    (sells,) = places(table.bar(2.0))
    assert sells.limit == 4_000_000 - limit


def test_a_dry_run_decides_and_sends_nothing():
    table = Table()
    table.trader.is_dry = True
    assert table.bar() == []
    assert [body["why"] for kind, body in table.trader.drain() if kind == "deny"] == ["dry run: nothing is sent"]


@pytest.mark.parametrize(("most", "state_then"), [(58.0, Trading.REDUCE_ONLY), (59.0, Trading.ACTIVE), (0.0, Trading.ACTIVE)])
def test_a_loss_of_the_clocks_day_leaves_reducing_only(most, state_then):
    table = Table(limits=LiveLimits(messages_per_second=100, cancels_reserved=5, loss_today=most))
    (first,) = places(table.bar(2.0))
    table.ack(first)
    table.fill(first, 4, fee=0)
    table.bar(1.98)  # four lots of 730 units lose 0.02 each: 58.40
    assert table.trader.risk.trading == state_then


def test_a_loss_closes_everything_by_the_gates_limits_and_the_operator_lets_it_trade_again():
    table = Table(risk=RiskLimits(flat_drawdown=50.0))
    (first,) = places(table.bar(2.0))
    table.ack(first)
    table.fill(first, 4, fee=0)
    (closing,) = places(table.bar(1.98))
    assert (closing.legs, closing.units, closing.life) == (((NEAR, -1),), 4, "ioc")
    said = [body["state"] for kind, body in table.trader.drain() if kind == "risk"]
    assert said == ["HALTED"]
    table.ack(closing)
    table.fill(closing, -4, trade="T2", price=1_980_000, fee=0)
    assert places(table.bar(1.98)) == [], "halted for good"
    table.trader.take_word("resume", table.now)
    (again,) = places(table.bar(1.98))
    assert again.units == 4


def test_a_strategy_that_raises_halts_the_run_and_nothing_else():
    class Raises(Asks):
        interpreted = True

        def on_bar(self, desk):
            raise ValueError("no")

    table = Table()
    table.trader.session.python = None
    table.trader.session.face, table.trader.session.step, table.trader.session.interpreted = Raises, None, True
    table.bar()
    assert table.trader.risk.trading == Trading.HALTED
    assert "StrategyRaised" in table.trader.risk.reason


def test_cancels_have_messages_of_their_own_and_a_second_goes_by():
    risk = Risk(LiveLimits(messages_per_second=5, cancels_reserved=2))
    for _ in range(3):
        assert risk.has_room(0, cancel=False)
        risk.sent(0)
    assert not risk.has_room(0, cancel=False)
    assert risk.has_room(0, cancel=True)
    risk.sent(0)
    risk.sent(0)
    assert not risk.has_room(0, cancel=True)
    assert risk.has_room(SECOND, cancel=False)


def test_an_old_feed_and_a_stricter_state_refuse():
    risk = Risk(LiveLimits(feed_age_seconds=1.0))
    risk.saw_feed(0)
    assert risk.refusal(SECOND, reduces=False) == (0, "")
    assert risk.refusal(SECOND + 1, reduces=False) == (int(r.FEED_AGE), "the feed is old")
    assert risk.raise_to(Trading.REDUCE_ONLY, "loss")
    assert not risk.raise_to(Trading.ACTIVE, "hope")
    assert risk.refusal(0, reduces=False) == (int(r.REDUCING), "reduce only: loss")
    assert risk.refusal(0, reduces=True) == (0, "")


def test_fok_in_a_market_with_a_book_is_a_limit_at_the_collar_that_is_sent_once():
    table = Table(what=6)
    table.trader.extension = "book"
    (place,) = places(table.bar(2.0))
    assert (place.units, place.life, place.limit, place.native) == (4, "fok", 2_200_000, None)
    table.ack(place)
    assert table.ended(place, "expired", 0) == []
    assert [row["status"] for row in table.trader.session.fresh()] == [r.LAPSED]
    assert places(table.bar(2.0)) == []


def test_a_second_final_settlement_halts_in_the_words_of_a_tape_and_pays_nothing():
    """Bought at 2.00 and settled at 2.10: four lots of 730 hours win 292 dollars, once; the far month's mark beside it is seen."""
    table = Table(what=1)
    (first,) = places(table.bar(2.0))
    table.ack(first)
    table.fill(first, 4, fee=0)
    cash = table.trader.cash()
    table.trader.session.state["what"] = 0

    def final(day: int, price: int, *beside: tuple[Kind, int]) -> None:
        ts = START + day * NANOS_PER_DAY
        rows = ((Kind.FINAL, 0), *beside)
        table.trader.take_feed([Event(ts, ts, int(kind), row, MISSING, MISSING, MISSING, price, MISSING) for kind, row in rows], table.now)

    final(2, 2_100_000, (Kind.MARK, 1))
    paid = table.trader.cash() - cash
    assert paid + int(table.trader.session.book["fees"][0]) == 292_000_000
    assert not table.trader.risk.reason
    final(3, 2_300_000, (Kind.MARK, 1))
    final(4, 2_300_000)
    assert table.trader.cash() - cash == paid
    assert table.trader.risk.trading == Trading.HALTED
    assert table.trader.risk.reason == f"DataError: a contract is settled once, found 2 final settlements of {NEAR} without a revision number"
    assert int(table.trader.session.book["mark"][0][1]) == 2_300_000


@pytest.mark.parametrize(("limits", "waits"), [({}, False), ({"open_notional": 12_000.0}, False), ({"open_notional": 11_000.0}, True),
                                               ({"open_orders": 1}, True)])  # fmt: skip
@pytest.mark.parametrize("answer", ["canceled", "filled"])
def test_what_nobody_has_confirmed_to_be_cancelled_counts_towards_the_limits(limits, waits, answer):
    """Four lots of 730 GPU-hours at $1.90 are $5,548, and two such orders $11,096."""
    table = Table(what=7, risk=RiskLimits(**limits))
    (first,) = places(table.bar())
    table.ack(first)
    commands = table.bar()
    assert [type(command).__name__ for command in commands] == ["Cancel"] + ([] if waits else ["Place"])
    if waits:
        commands = table.fill(first, 4, code=first.legs[0][0], price=1_900_000) if answer == "filled" else table.ended(first, "canceled", 0)
    (second,) = places(commands)
    assert {place.legs[0][0] for place in (first, second)} == {NEAR, FAR}
