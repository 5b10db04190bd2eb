# SPDX-License-Identifier: Apache-2.0
"""The life of an order at a venue: late, doubled and reordered facts, told as tables a trader can read."""

from __future__ import annotations

import pytest

from kilohour.execution.orders import State, Trades, VenueOrder
from kilohour.execution.port import Filled, LegFill, Place

PLACE = Place(cid=7, legs=(("A", 1),), units=10, limit=2_500_000, life="gtc")


def order_after(story: str) -> VenueOrder:
    """An order to which the words of a story happened, in turn."""
    order = VenueOrder(1, PLACE, made_at=0)
    for word in story.split():
        verb, _, number = word.partition(":")
        if verb == "sent":
            order.sent()
        elif verb == "unsure":
            order.unsure()
        elif verb == "ack":
            order.acknowledged("O-1")
        elif verb == "fill":
            order.fill([LegFill(contract="A", trade=f"T{number}", lots=int(number), price=2_500_000)])
        elif verb == "told":
            order.told_filled(int(number))
        elif verb == "absent":
            order.end(State.REJECTED, "absent")
        else:
            order.end(State[verb.upper()], verb)
    return order


@pytest.mark.parametrize(("story", "state", "filled", "owed"), [
    ("sent",                               State.SENT,     0, 0),
    ("sent ack",                           State.LIVE,     0, 0),
    ("sent unsure",                        State.UNKNOWN,  0, 0),
    ("sent unsure ack",                    State.LIVE,     0, 0),
    ("sent ack unsure",                    State.LIVE,     0, 0),   # what was seen to live is not doubted again
    ("sent fill:4 ack",                    State.PARTIAL,  4, 0),   # a fill before its acknowledgement
    ("sent ack fill:4 fill:6",             State.FILLED,  10, 0),
    ("sent ack fill:4 canceled",           State.CANCELED, 4, 0),
    ("sent ack canceled fill:4",           State.CANCELED, 4, 0),   # a late fill is booked all the same
    ("sent ack canceled ack",              State.CANCELED, 0, 0),   # an old message brings nothing back to life
    ("sent ack told:7 canceled",           State.CANCELED, 0, 7),   # the venue counts fills that are not told yet
    ("sent ack told:7 told:3 fill:2",      State.PARTIAL,  2, 5),   # counts only grow
    ("sent unsure absent ack",             State.LIVE,     0, 0),   # taken for absent, and it shows up: proof beats inference
    ("sent ack expired canceled",          State.EXPIRED,  0, 0),   # what ended it first stands
])
def test_facts_in_any_order(story, state, filled, owed):
    order = order_after(story)
    assert (order.state, order.filled, order.owes_fills) == (state, filled, owed)


def test_an_unknown_order_counts_at_its_full_size():
    assert order_after("sent unsure").lots_at_risk == {"A": 10}
    assert order_after("sent ack fill:4").lots_at_risk == {"A": 6}
    assert order_after("sent ack fill:4 canceled").lots_at_risk == {"A": 0}
    assert order_after("sent ack told:9 canceled").lots_at_risk == {"A": 9}


def test_more_than_was_ordered_is_told():
    assert not order_after("sent ack fill:10").is_overfilled
    assert order_after("sent ack fill:10 fill:1").is_overfilled
    assert order_after("sent ack told:11").is_overfilled


def test_a_spread_has_filled_what_every_leg_has():
    order = VenueOrder(1, Place(cid=8, legs=(("A", 1), ("B", -2)), units=3, limit=0, life="ioc"), made_at=0)
    order.fill([LegFill(contract="A", trade="1", lots=3, price=1)])
    assert order.filled == 0
    order.fill([LegFill(contract="B", trade="2", lots=-4, price=1)])
    assert (order.filled, order.state) == (2, State.PARTIAL)
    order.fill([LegFill(contract="B", trade="3", lots=-2, price=1)])
    assert (order.filled, order.state) == (3, State.FILLED)


def test_a_trade_counts_once_by_contract_number_and_side():
    trades = Trades()
    buy, sell = (LegFill(contract="A", trade="1", lots=lots, price=5) for lots in (2, -2))
    other = LegFill(contract="B", trade="1", lots=2, price=5)

    def fill(*legs: LegFill) -> Filled:
        return Filled(cid=1, oid="", legs=legs, cumulative=None, is_maker=False, ts=0)

    assert trades.new_legs(fill(buy, sell)) == [buy, sell]
    assert trades.new_legs(fill(buy, other)) == [other]
    assert trades.new_legs(fill(buy, sell, other)) == []


def test_an_amended_order_goes_on_under_its_new_number_with_what_has_filled():
    """Row 13: 4 of 10 filled, made 6 in all: 2 may still fill, and a cancel that was sent in between stays due."""
    order = order_after("sent ack fill:4")
    order.amend_sent(5, 1, 2, 6)
    assert order.lots_at_risk == {"A": 6}, "until the answer the larger one counts"
    order.amended("O-2", 6)
    assert (order.oid, order.place.units, order.lots_at_risk, order.pending_cancel) == ("O-2", 6, {"A": 2}, False)
    order.cancel_sent(6, 1)
    order.amended("O-3", 4)
    assert (order.oid, order.state, order.pending_cancel) == ("O-3", State.FILLED, True)


def test_a_larger_size_counts_from_the_moment_it_is_asked_for_and_a_refusal_leaves_the_order_to_be_cancelled_by_our_number():
    """Row 13: nobody knows yet whether the venue has made it 15, and of a lost answer nobody ever does."""
    order = order_after("sent ack fill:4")
    order.amend_sent(5, 1, 2, 15)
    assert order.lots_at_risk == {"A": 11}
    order.amend_refused()
    assert (order.oid, order.lots_at_risk, order.pending_cancel, order.is_fixed) == ("", {"A": 11}, False, True)


def test_one_leg_of_a_spread_that_fills_too_much_is_told_though_no_unit_is_whole():
    order = VenueOrder(number=1, place=Place(cid=7, legs=(("A", 1), ("B", -2)), units=2, limit=None, life="ioc"), made_at=0)
    order.sent()
    for trade, (code, lots, over) in enumerate([("B", -4, False), ("A", 1, False), ("A", 2, True)]):
        order.fill([LegFill(contract=code, trade=f"T{trade}", lots=lots, price=2_500_000)])
        assert order.is_overfilled is over
    assert order.filled <= order.place.units
