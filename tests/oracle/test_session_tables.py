# SPDX-License-Identifier: Apache-2.0
"""Halts, session states and price bands that queue; worked out by hand: tick 0.01, half the spread 0.005."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.oracle.books import Terms
from tests.oracle.runners import RUNNERS, rows_by
from tests.oracle.tables import case_of, rows_of, shown, table

TERMS = Terms(half_spread_micros=5_000)
FILLS = ("ts", "order", "contract", "lots", "price_micros")
ENDS = ("order", "lots", "filled_lots", "status", "code")
BARS = "\n".join(f"{day} | bar | NEAR | 2" for day in range(1, 7))


def play(runner, events, requests, terms=TERMS, contracts="contract\nNEAR\nFAR"):
    events, requests = ("\n".join(line.strip() for line in text.strip().splitlines()) for text in (events, requests))
    return rows_by(runner, case_of(contracts, f"day | event | of | price\n{events}", f"day | request\n{requests}", terms=terms))


# What is asked on day 3, in a state that began on day 2 and ends on day 4: a new market order, an amendment and a cancel of
# limit orders from day 1. A venue that lets orders in during a halt, or cancels, or neither.
STATES = """
state     | orders in a halt | cancels in a halt | new     | amended | cancelled
open      | 0                | 0                 |         |         |
pre_open  | 0                | 0                 |         |         |
no_cancel | 0                | 0                 |         | session | session
halted    | 1                | 1                 |         |         |
halted    | 1                | 0                 |         | session | session
halted    | 0                | 1                 | session | session |
halted    | 0                | 0                 | session | session | session
closed    | 1                | 1                 | session | session | session
"""


@pytest.mark.parametrize("runner", RUNNERS)
@pytest.mark.parametrize("row", rows_of(STATES), ids=lambda row: "-".join(list(row.values())[:3]))
def test_what_each_session_state_lets_in(row, runner):
    terms = replace(TERMS, order_in_halt=int(row["orders in a halt"]), cancel_in_halt=int(row["cancels in a halt"]))
    run = play(runner, f"{BARS}\n2 | {row['state']} | NEAR |\n4 | open | NEAR |", """
        1 | limit NEAR 1 1.50 gtc
        1 | limit NEAR 1 1.60 gtc
        3 | market NEAR 1 gtc
        3 | amend #1 2 1.50
        3 | cancel #2""", terms)
    codes = {(order.kind, order.lots): order.code for order in run.orders if order.ts // 86_400_000_000_000 == 3}
    assert codes["market", 1] == row.get("new", "")
    assert [order.lots for order in run.orders if order.order == 1] == [1 if "amended" in row else 2]
    assert codes.get(("limit", 2), "") == row.get("amended", "")
    assert {order.status for order in run.orders if order.order == 2} == {"working" if "cancelled" in row else "cancelled"}
    assert codes.get(("limit", 1), "") == row.get("cancelled", "")
    # The market order meets the first bar after the opening: that of day 4 is still before it.
    expected = [] if "new" in row else ["4" if row["state"] == "open" else "5"]
    assert shown(run.fills, "ts") == expected


@pytest.mark.parametrize("runner", RUNNERS)
def test_nothing_matches_in_a_halt_and_orders_live_on_in_it(runner):
    run = play(runner, f"""{BARS}
        1 | halted | NEAR |
        3 | mark | NEAR | 1.5
        4 | open | NEAR |
        5 | mark | NEAR | 2
        """, """
        1 | stop NEAR 1 1.90 gtc
        1 | limit NEAR 1 2.10 day
        1 | limit NEAR 1 2.10 gtd until=2.5
        1 | at_settlement NEAR 1 gtc
        1 | at_settlement NEAR 1 day
        1 | market NEAR 1 gtc against=FAR
        """)
    # No bar of day 2 or 3 is met: not even the stop's trigger. The day orders lapse at the mark of day 3.
    assert shown(run.orders, "order", "contract", "filled_lots", "status") == table("""
        1 | NEAR | 1 | filled
        2 | NEAR | 0 | lapsed
        3 | NEAR | 0 | lapsed
        4 | NEAR | 1 | filled
        5 | NEAR | 0 | lapsed
        6 | NEAR | 0 | refused
        6 | FAR  | 0 | refused
        """)
    assert shown(run.fills, *FILLS) == table("""
        5 | 1 | NEAR | 1 | 2.005
        5 | 4 | NEAR | 1 | 2.005
        """)


@pytest.mark.parametrize("runner", RUNNERS)
def test_a_spread_waits_until_both_legs_are_open_and_a_target_stays_where_it_cannot_be_replaced(runner):
    both = "\n".join(f"{day} | bar | {name} | 2" for day in range(1, 7) for name in ("NEAR", "FAR"))
    run = play(runner, f"{both}\n1 | halted | FAR |\n3 | no_cancel | NEAR |\n4 | open | NEAR |\n4 | open | FAR |", """
        1 | target_spread NEAR FAR 2
        3 | target NEAR 5
        4 | target NEAR 5
        """)
    # Day 3: the spread order may not be cancelled, so the target is not served; day 4 it is, and FAR has nothing at work.
    assert shown(run.orders, "order", "ts", "contract", "lots", "status") == table("""
        1 | 1 | NEAR | 2  | replaced
        1 | 1 | FAR  | -2 | replaced
        2 | 4 | NEAR | 5  | filled
        """)


@pytest.mark.parametrize("runner", RUNNERS)
def test_each_leg_must_be_listed_open_and_priced(runner):
    run = play(runner, f"{BARS}\n1 | bar | FAR | 2\n2 | closed | FAR |", """
        3 | market SOON 1 gtc
        3 | market NEAR 1 gtc against=SOON
        3 | market NEAR 1 gtc against=FAR
        3 | market NEAR 1 gtc against=DARK
        """, contracts="contract | listed\nNEAR | 0\nFAR | 0\nDARK | 0\nSOON | 5")
    assert {order.order: order.code for order in run.orders} == {1: "not_listed", 2: "not_listed", 3: "session", 4: "no_price"}


# The mark is 2.00 and the band 5 %: 1.90 to 2.10. What the row then shows as the order's limit, or the code.
BANDS = """
order                     | refuses | queues
limit NEAR 1 2.10         | 2.1     | 2.1
limit NEAR 1 2.11         | band    | 2.1
limit NEAR -1 1.89        | band    | 1.9
limit NEAR 1 1.89         | band    | 1.89
limit NEAR -1 2.11        | band    | 2.11
stop_limit NEAR 1 2.05 3  | band    | 2.1
market NEAR 1             |         |
"""


@pytest.mark.parametrize("runner", RUNNERS)
@pytest.mark.parametrize("rule", ["refuses", "queues"])
@pytest.mark.parametrize("row", rows_of(BANDS), ids=lambda row: row["order"])
def test_an_order_beyond_the_band_is_refused_or_waits_at_it(row, rule, runner):
    run = play(runner, "1 | bar | NEAR | 2\n1 | mark | NEAR | 2", f"1 | {row['order']} gtc",
               replace(TERMS, band_ppm=50_000, band_queues=int(rule == "queues")))
    (found,) = [order.code or text for order, text in zip(run.orders, shown(run.orders, "limit_micros"), strict=True)]
    assert found == row.get(rule, "")


@pytest.mark.parametrize("runner", RUNNERS)
def test_an_order_that_waits_at_the_band_fills_there_and_no_higher(runner):
    run = play(runner, """
        1 | bar | NEAR | 2
        1 | mark | NEAR | 2
        2 | bar | NEAR | 2.5
        2 | mark | NEAR | 2.105
        3 | bar | NEAR | 2.1
        """, "1 | limit NEAR 1 3 gtc\n2 | limit NEAR 1 3 gtc\n2 | amend #1 1 2.9", replace(TERMS, band_ppm=50_000, band_queues=1))
    # 2.10 on day 1. On day 2 the band ends at 2.105 + 0.10525 = 2.21025: 2.21 on the tick; the amendment moves the first there too.
    assert shown(run.orders, "order", "limit_micros") == ["1 | 2.21", "2 | 2.21"]
    assert shown(run.fills, *FILLS) == ["3 | 2 | NEAR | 1 | 2.105", "3 | 1 | NEAR | 1 | 2.105"]


def test_a_halt_needs_an_end_after_its_beginning_and_a_known_state():
    from kilohour.errors import DataError
    from kilohour.tape import TapeBuilder
    from tests.oracle.tables import contracts_of

    builder = TapeBuilder(source="by hand")
    ref = builder.contract(contracts_of("contract\nNEAR")[0])
    with pytest.raises(DataError, match="NEAR: a halt must end after it begins, 1970-01-01 00:00, found 1970-01-01 00:00"):
        builder.halt(ref, 5, 5)
    with pytest.raises(DataError, match="a session state must be one of open, pre_open, no_cancel, halted, closed, found 'paused'"):
        builder.session(ref, 5, "paused")
