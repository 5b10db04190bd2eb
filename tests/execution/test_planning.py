# SPDX-License-Identifier: Apache-2.0
"""What the engine wants against what the venue has: amendments, what holds an order back, and what only the run-time states refuse."""

from __future__ import annotations

import pytest

from kilohour import GTC, Product, Strategy, product, state
from kilohour.execution import port
from kilohour.execution.orders import State
from kilohour.execution.risk import LiveLimits, Trading
from tests.execution.test_trader import NEAR, SECOND, START, Table, places, refusals


class Bids(Strategy):
    """One bid, which gets another size and price as soon as the test sets them; ``more`` asks for a second order beside it, which
    may be reduce-only."""

    chip: Product = product("SIM:H100")
    lots: int = 4
    price: float = 1.9
    more: int = 0
    capped: bool = False
    spread: bool = False
    ticket: int = state(0)
    was: int = state(0)
    second: int = state(0)

    def on_bar(self, desk):
        """Once a bar."""
        if self.ticket == 0:
            self.ticket = desk.limit(0, self.lots, self.price)
        elif self.lots != self.was:
            desk.amend(self.ticket, self.lots, self.price)
        self.was = self.lots
        if self.more and self.second == 0 and self.spread:
            self.second = desk.limit(0, self.more, 0.0, against=1)
        elif self.more and self.second == 0:
            self.second = desk.limit(0, self.more, 2.1, GTC, 0, False, self.capped)


def bidding(extension: str = "", **asked) -> tuple[Table, port.Place]:
    """A table at which a bid for four is at work, and the bid."""
    table = Table(Bids, **asked)
    table.trader.extension = extension
    (bid,) = places(table.bar())
    table.ack(bid)
    return table, bid


def resized(table: Table, lots: int) -> list:
    table.trader.session.state["lots"] = lots
    return table.bar()


def test_an_amendment_asks_for_the_intended_total_once_and_is_not_doubled_while_its_answer_is_due():
    """Row 13: one of four has filled when six in all are wanted; three more fill before the venue answers: two are left."""
    table, bid = bidding("replay")
    table.fill(bid, 1)
    (amend,) = resized(table, 6)
    assert (amend.cid, amend.units) == (bid.cid, 6)
    assert resized(table, 7) == [], "the answer is due"
    table.fill(bid, 3, trade="T2")
    (again,) = table.fact(port.Amended(cid=bid.cid, oid="O-new", units=6, ts=START))
    assert (again.cid, again.units) == (bid.cid, 7)
    order = table.trader.orders[bid.cid]
    assert (order.oid, order.lots_at_risk) == ("O-new", {NEAR: 3})
    table.fact(port.Amended(cid=bid.cid, oid="O-newer", units=7, ts=START))
    assert places(table.bar()) == []
    fill = port.LegFill(contract=NEAR, trade="T3", lots=3, price=1_900_000)
    table.fact(port.Filled(cid=0, oid="O-newer", legs=(fill,), cumulative=7, is_maker=True, ts=START))
    assert (table.trader.positions(), table.trader.foreign_fills, order.state) == ({NEAR: 7}, 0, State.FILLED)


@pytest.mark.parametrize("how", ["refused", "unanswered", "restarted"])
def test_an_order_of_which_nobody_knows_its_size_is_cancelled_by_our_number_before_another_takes_its_place(how):
    table, bid = bidding("replay")
    (amend,) = resized(table, 6)
    assert isinstance(amend, port.Amend)
    if how == "refused":
        commands = table.fact(port.AmendRefused(cid=bid.cid, reason="maintenance"))
    elif how == "unanswered":
        table.now += 2 * SECOND
        commands = [command for command in table.trader.take_time(table.now) if not isinstance(command, port.LookUp)]
    else:
        commands = table.trader.take_word("recover", table.now)
        table.fact(port.Linked(is_up=True))
        shown = port.Found(cid=bid.cid, oid="O-new", state="live", filled=0, ts=START)
        table.fact(port.Account(positions={}, cash=None, open_orders=(shown,), ts=table.now))
    assert commands == [port.Cancel(cid=bid.cid, oid="")]
    (bids,) = places(table.ended(bid, "canceled", 0))
    assert (bids.units, bids.cid == bid.cid) == (6, False)


def reducing(held: int, more: int, beside: int = 0) -> list:
    """What is sent of a second order, while positions may only be reduced: ``held`` lots of the first bid have filled."""
    table, bid = bidding()
    table.fill(bid, held, price=1_900_000)
    if beside:
        table.trader.session.state["more"] = beside
        (other,) = places(table.bar())
        table.ack(other)
        table.trader.session.state["second"] = 0
    table.trader.take_word("reduce", table.now)
    table.trader.session.state["more"] = more
    return [place.units for place in places(table.bar())]


@pytest.mark.parametrize(("more", "beside", "sent"), [(-4, 0, [4]), (-5, 0, []), (1, 0, []), (-2, -2, [2]), (-3, -2, [])])
def test_while_positions_may_only_be_reduced_what_is_held_covers_an_order_and_those_beside_it(more, beside, sent):
    """By docs/engine.md, "Risk limits": together with everything that works on its side; four lots are held."""
    assert reducing(4, more, beside) == sent


@pytest.mark.parametrize("why", ["word", "loss"])
def test_who_comes_to_reduce_only_loses_the_resting_order_that_could_make_the_position_larger(why):
    """One of four has filled; the offer of that one lot stays. At 1.80 it has lost 73 dollars."""
    table, bid = bidding(limits=LiveLimits(loss_today=70.0))
    table.fill(bid, 1, price=1_900_000, fee=0)
    table.trader.session.state["more"] = -1
    (offer,) = places(table.bar(1.9))
    table.ack(offer)
    commands = table.trader.take_word("reduce", table.now) if why == "word" else table.bar(1.8)
    assert table.trader.risk.trading == Trading.REDUCE_ONLY
    assert commands == [port.Cancel(cid=bid.cid, oid=f"O-{bid.cid}")]
    assert places(table.ended(bid, "canceled", 1)) == []
    assert [order.place.cid for order in table.trader.open_orders()] == [offer.cid]
    assert [working.number for working in table.trader.session.working()] == [table.trader.orders[offer.cid].number]
    assert places(table.bar(1.9)) == []


def test_a_spread_reduces_only_when_every_leg_does():
    """Four of the near month are held and none of the far one: to sell the near against it makes a new position."""
    table, bid = bidding(spread=True)
    table.fill(bid, 4, price=1_900_000)
    table.trader.take_word("reduce", table.now)
    table.trader.session.state["more"] = -2
    assert places(table.bar()) == []
    assert refusals(table) == [("refused", "reducing")] * 2


def test_reduce_only_orders_see_to_themselves_while_positions_may_only_be_reduced():
    """By docs/engine.md they are not asked; a venue that replays caps them itself, so six may rest where four are held."""
    table, bid = bidding("replay", capped=True)
    table.fill(bid, 4, price=1_900_000)
    table.trader.session.state["more"] = -6
    (offer,) = places(table.bar())
    assert (offer.units, offer.native.reduce_only) == (6, True)
    table.ack(offer)
    assert table.trader.take_word("reduce", table.now) == []
    table.trader.session.state["second"] = 0
    (more,) = places(table.bar())
    assert more.units == 6


def test_nothing_is_sent_until_the_line_is_back_and_the_account_was_compared_since():
    """Row 14: an account that REST shows while the stream is down says nothing of what comes before the stream is back."""
    table = Table()
    table.fact(port.Linked(is_up=False))
    for fact in (table.account(), port.Linked(is_up=True)):
        assert places(table.bar()) == []
        assert places(table.fact(fact)) == []
        assert places(table.bar()) == []
    (first,) = places(table.fact(table.account()))
    assert first.units == 4


def test_what_works_when_trading_is_halted_is_cancelled_and_goes_on_when_the_operator_resumes():
    table, bid = bidding()
    commands = table.trader.take_word("halt", table.now)
    assert port.Cancel(cid=bid.cid, oid=f"O-{bid.cid}") in commands
    assert port.CancelAll() in commands
    assert [*places(table.ended(bid, "canceled", 0)), *places(table.bar())] == []
    (again,) = places(table.trader.take_word("resume", table.now))
    assert again.units == 4


def test_a_run_that_is_over_sends_nothing_more():
    table = Table()
    table.trader.take_word("stop", table.now)
    assert places(table.bar()) == []


def test_a_cancel_is_asked_for_once_while_its_answer_is_due():
    table, bid = bidding()
    assert resized(table, 2) == [port.Cancel(cid=bid.cid, oid=f"O-{bid.cid}")]
    assert [*table.bar(), *resized(table, 3)] == []


def test_messages_beyond_the_rate_are_put_off_and_not_forgotten():
    """Two a second, one of them for cancels alone."""
    table = Table(Bids, limits=LiveLimits(messages_per_second=2, cancels_reserved=1))
    table.trader.risk.sent(table.now + SECOND)
    assert places(table.bar()) == []
    table.now += SECOND
    (bid,) = places(table.trader.take_time(table.now))
    table.trader.risk.sent(table.now)
    assert table.ack(bid) == []
    assert table.trader.take_word("halt", table.now) == [port.CancelAll()]
    table.now += SECOND
    assert table.trader.take_time(table.now) == [port.Cancel(cid=bid.cid, oid=f"O-{bid.cid}")]


@pytest.mark.parametrize(("capped", "units"), [(True, 4), (False, 6)])
def test_where_the_venue_knows_no_reduce_only_no_more_is_sent_than_there_is_to_reduce(capped, units):
    table, bid = bidding(capped=capped)
    table.fill(bid, 4, price=1_900_000)
    table.trader.session.state["more"] = -6
    (offer,) = places(table.bar())
    assert (offer.units, offer.legs) == (units, ((NEAR, -1),))


def test_while_an_order_is_unknown_nothing_else_goes_on_its_contracts():
    table = Table()
    (first,) = places(table.bar())
    table.fact(port.Unsure(cid=first.cid, why="lost"))
    table.trader.session.state["lots"] = -2
    assert places(table.bar()) == []
    (second,) = places(table.fact(port.Found(cid=first.cid, oid="O-1", state="canceled", filled=0, ts=START)))
    assert (second.units, second.legs) == (2, ((NEAR, -1),))


def test_while_an_order_that_is_over_owes_fills_nothing_else_goes_on_its_contracts():
    table = Table()
    (first,) = places(table.bar())
    table.ack(first)
    table.ended(first, "canceled", 3)
    table.trader.session.state["lots"] = -2
    assert places(table.bar()) == []
    assert places(table.fill(first, 3)) == [], "what was worked out without them is dropped"
    (second,) = places(table.bar())
    assert (second.units, second.legs) == (5, ((NEAR, -1),))


def test_a_market_order_goes_no_farther_than_the_venues_band():
    """One per cent of 2.00, nearer than the ten of a run without a collar."""
    table = Table()
    table.trader.session.market.terms["band_ppm"][:] = 10_000
    (buys,) = places(table.bar(2.0))
    assert buys.limit == 2_020_000


def test_a_days_loss_is_seen_with_the_fill_that_makes_it():
    """Four lots of 730 hours bought ten cents above the market: 292 dollars, before any bar tells."""
    table = Table(limits=LiveLimits(loss_today=291.0))
    (first,) = places(table.bar(2.0))
    table.ack(first)
    table.fill(first, 4, price=2_100_000, fee=0)
    assert table.trader.risk.reason == "loss of 292.00 USD today"


def test_cash_that_differs_is_a_difference_where_it_is_compared():
    table = Table(what=0, cash=True)
    table.bar()
    cash = table.trader.cash()
    for dollars_more, reconciled in ((0, True), (1, False)):
        table.trader.risk.is_reconciled = False
        table.fact(table.account(cash=cash + dollars_more * 10**6))
        assert table.trader.risk.is_reconciled is reconciled


def test_a_lost_line_and_a_restart_leave_nothing_for_known():
    """Row 14: what was on its way is UNKNOWN at once, and after a restart the line and the account are to be seen first."""
    table = Table()
    (first,) = places(table.bar())
    table.fact(port.Linked(is_up=False))
    assert table.trader.orders[first.cid].state == State.UNKNOWN
    table.fact(port.Linked(is_up=True))
    table.fact(table.account())
    assert not table.trader.risk.is_reconciled, "an order is UNKNOWN"
    table.trader.risk.is_reconciled = True
    table.trader.take_word("recover", table.now)
    assert (table.trader.risk.is_linked, table.trader.risk.is_reconciled) == (False, False)


def test_a_fill_of_an_order_of_the_run_in_what_it_does_not_trade_halts():
    """Another's there is expected there (test_reconciled.py); our own order never named that contract."""
    table = Table(what=3)
    (bid,) = places(table.bar())
    table.ack(bid)
    table.fill(bid, 1, code="SIM:H100-2031-01")
    assert (table.trader.risk.trading, table.trader.risk.reason) == (
        Trading.HALTED, "a fill of SIM:H100-2031-01, which this run does not trade, for an order of its own")
