# SPDX-License-Identifier: Apache-2.0
"""Orders that cancel or trigger each other, against bars that touch one side, both, or neither; worked out by hand.

As in the tables of single orders: last traded at 2.00, tick 0.01, half the spread 0.005. ``fills`` names the orders
by number in the order in which they fill.
"""

from __future__ import annotations

import pytest

from tests.oracle.books import Terms
from tests.oracle.runners import RUNNERS, rows_by
from tests.oracle.tables import case_of, rows_of, shown, table

TERMS = Terms(half_spread_micros=5_000)

PAIRS = """
older            | younger        | open | high | low  | close | volume | fills                   | ends                | why
limit -5 2.05    | stop -5 1.95   | 2.00 | 2.04 | 1.96 | 2.00  | 100    | -                       | working, working    | neither side
limit -5 2.05    | stop -5 1.95   | 2.00 | 2.10 | 1.96 | 2.00  | 100    | #1 -5 2.05              | filled, cancelled   | the limit alone
limit -5 2.05    | stop -5 1.95   | 2.00 | 2.04 | 1.95 | 2.00  | 100    | #2 -5 1.945             | cancelled, filled   | the stop alone
limit -5 2.05    | stop -5 1.95   | 2.00 | 2.05 | 1.95 | 2.00  | 100    | #2 -5 1.945             | cancelled, filled   | both touched: a limit needs more
limit -5 2.05    | stop -5 1.95   | 2.00 | 2.10 | 1.90 | 2.00  | 100    | #2 -5 1.945             | cancelled, filled   | both sides, as near: the low first
limit -5 2.05    | stop -5 1.95   | 2.01 | 2.10 | 1.90 | 2.00  | 100    | #1 -5 2.05              | filled, cancelled   | both sides, the high is nearer
limit -5 2.05    | stop -5 1.95   | 1.90 | 2.10 | 1.85 | 2.00  | 100    | #2 -5 1.895             | cancelled, filled   | gap through the stop
limit -5 2.05    | stop -5 1.95   | 2.10 | 2.15 | 1.90 | 2.00  | 100    | #1 -5 2.095             | filled, cancelled   | gap through the limit
limit -5 2.05    | stop -5 1.95   | 2.00 | 2.10 | 1.90 | 2.00  | 0      | -                       | working, working    | both sides, no volume
limit -5 2.05    | stop -5 1.95   | 2.01 | 2.10 | 1.90 | 2.00  | 3      | #1 -3 2.05              | working, working    | three of five: each has two left
limit -5 2.05    | stop -5 1.95   | 2.00 | 2.10 | 1.90 | 2.00  | 3      | #2 -3 1.945             | working, working    | three of five by the younger
limit -3 2.05    | stop -5 1.95   | 2.01 | 2.10 | 1.90 | 2.00  | 100    | #1 -3 2.05, #2 -2 1.945 | filled, filled      | the greater one goes on with what is left
stop -5 1.95     | limit -5 2.05  | 2.00 | 2.10 | 1.90 | 2.00  | 100    | #1 -5 1.945             | filled, cancelled   | the older first on the way
stop -5 1.95     | limit -5 2.05  | 2.01 | 2.10 | 1.90 | 2.00  | 100    | #2 -5 2.05              | cancelled, filled   | the younger first on the way
stop -5 1.95     | stop -5 1.95   | 2.00 | 2.10 | 1.90 | 2.00  | 100    | #1 -5 1.945             | filled, cancelled   | the same place: the older
stop -5 1.95     | stop -5 1.97   | 2.00 | 2.10 | 1.90 | 2.00  | 100    | #2 -5 1.965             | cancelled, filled   | the nearer stop
stop -5 1.95     | stop -5 1.97   | 1.90 | 2.10 | 1.90 | 2.00  | 100    | #1 -5 1.895             | filled, cancelled   | gap through both: the same place
market 5         | stop -5 1.95   | 2.00 | 2.10 | 1.90 | 2.00  | 100    | #1 5 2.005              | filled, cancelled   | a market order is at the open
if_touched 5 1.9 | stop 5 2.05    | 2.00 | 2.10 | 1.90 | 2.00  | 100    | #1 5 1.905              | filled, cancelled   | buys the dip or the breakout: the dip first
if_touched 5 1.9 | stop 5 2.05    | 2.01 | 2.10 | 1.90 | 2.00  | 100    | #2 5 2.055              | cancelled, filled   | the breakout first
"""

BRACKETS = """
bracket            | open | high | low  | close | volume | fills                           | ends                          | why
5 1.95 2.05 1.85   | 2.00 | 2.10 | 1.96 | 2.00  | 100    | -                               | working, working, working     | no entry: the children sleep through the high
5 1.95 2.05 1.85   | 2.00 | 2.04 | 1.94 | 2.00  | 100    | #1 5 1.95                       | filled, working, working      | entry alone
5 1.95 2.05 1.85   | 2.00 | 2.10 | 1.90 | 2.00  | 100    | #1 5 1.95, #2 -5 2.05           | filled, filled, cancelled     | low first: entry, then the profit
5 1.95 2.05 1.85   | 2.01 | 2.10 | 1.90 | 1.96  | 100    | #1 5 1.95                       | filled, working, working      | high first: it was before the entry
5 1.95 2.05 1.85   | 2.00 | 2.10 | 1.80 | 1.90  | 100    | #1 5 1.95, #3 -5 1.845          | filled, cancelled, filled     | high first; entry and loss on one way down
5 1.95 2.05 1.85   | 1.90 | 2.10 | 1.80 | 2.00  | 100    | #1 5 1.905, #3 -5 1.845         | filled, cancelled, filled     | entry by a gap, low first
5 1.95 2.05 1.85   | 1.90 | 2.10 | 1.60 | 2.00  | 100    | #1 5 1.905, #2 -5 2.05          | filled, filled, cancelled     | entry by a gap, high first
5 1.95 2.05 1.85   | 1.80 | 2.04 | 1.79 | 2.00  | 100    | #1 5 1.805, #3 -5 1.795         | filled, cancelled, filled     | gap below the loss: in and out at the open
5 1.95 2.05 1.85   | 2.00 | 2.10 | 1.90 | 2.00  | 8      | #1 5 1.95, #2 -3 2.05           | filled, working, working      | three lots of volume left for the profit
5 1.95 2.05 1.85   | 2.00 | 2.10 | 1.90 | 2.00  | 4      | #1 4 1.95                       | working, working, working     | a part of the entry, no volume for more
5 1.95 2.05 1.85   | 2.00 | 2.10 | 1.90 | 2.00  | 0      | -                               | working, working, working     | no volume
-5 2.05 1.95 2.15  | 2.00 | 2.10 | 1.90 | 2.10  | 100    | #1 -5 2.05                      | filled, working, working      | selling: low first, before the entry
-5 2.05 1.95 2.15  | 2.00 | 2.10 | 1.90 | 1.94  | 100    | #1 -5 2.05, #2 5 1.95           | filled, filled, cancelled     | selling: the close is below the profit
-5 2.05 1.95 2.15  | 2.00 | 2.20 | 1.90 | 2.10  | 100    | #1 -5 2.05, #3 5 2.155          | filled, cancelled, filled     | selling: the loss
"""


def bar_of(row):
    return " | ".join(row[name] for name in ("open", "high", "low", "close", "volume"))


def play_requests(runner, requests, row):
    return rows_by(runner, case_of("contract\nNEAR", f"""
        day | event | of   | open | high | low | close | volume
        1   | bar   | NEAR | 2    | 2    | 2   | 2     | 100
        2   | bar   | NEAR | {bar_of(row)}
        """, "day | request\n" + "\n".join(f"1 | {request}" for request in requests), terms=TERMS))


def fills_of(run):
    return ", ".join("#" + text.replace(" | ", " ") for text in shown(run.fills, "order", "lots", "price_micros")) or "-"


def spoken(order):
    verb, *rest = order.split()
    return " ".join([verb, "NEAR", *rest, "gtc"])


@pytest.mark.parametrize("runner", RUNNERS)
@pytest.mark.parametrize("row", rows_of(PAIRS), ids=lambda row: row["why"])
def test_one_cancels_the_other(row, runner):
    run = play_requests(runner, [spoken(row["older"]), spoken(row["younger"]), "one_cancels_other #1 #2"], row)
    assert fills_of(run) == row["fills"]
    assert ", ".join(order.status for order in run.orders) == row["ends"]


@pytest.mark.parametrize("runner", RUNNERS)
@pytest.mark.parametrize("row", rows_of(BRACKETS), ids=lambda row: f"{row['bracket']}: {row['why']}")
def test_brackets(row, runner):
    size, *prices = row["bracket"].split()
    run = play_requests(runner, [f"bracket NEAR {size} {' '.join(prices)}"], row)
    assert fills_of(run) == row["fills"]
    assert ", ".join(order.status for order in run.orders) == row["ends"]


FILLS = ("ts", "order", "contract", "lots", "price_micros")
ENDS = ("order", "contract", "kind", "lots", "filled_lots", "status", "code")


def days(*bars):
    """Bars of NEAR on days 1, 2, ...: open, high, low, close and, if need be, volume."""
    return "day | event | of | open | high | low | close | volume\n" + "\n".join(
        f"{day} | bar | NEAR | {' | '.join(bar.split())}" + (" |" if len(bar.split()) == 4 else "")
        for day, bar in enumerate(bars, 1))


@pytest.mark.parametrize("runner", RUNNERS)
def test_a_bracket_grows_with_its_entry_and_shrinks_with_its_profit(runner):
    run = rows_by(runner, case_of("contract\nNEAR", days(
        "2 2 2 2", "2 2 1.94 1.96 4", "1.96 2.06 1.955 2.06 3", "1.94 1.95 1.92 1.93 4", "1.90 1.90 1.84 1.86 100"),
        "day | request\n1 | bracket NEAR 10 1.95 2.05 1.85", terms=TERMS))
    # Day 2: four in. Day 3: three out by the profit, so the loss has one. Day 4 opens at 1.94, four more in (1.945).
    # Day 5 opens at 1.90: the last two in at 1.905, and the loss, 10 - 3 = 7 lots, at 1.85 on the way down.
    assert shown(run.fills, *FILLS) == table("""
        2 | 1 | NEAR | 4  | 1.95
        3 | 2 | NEAR | -3 | 2.05
        4 | 1 | NEAR | 4  | 1.945
        5 | 1 | NEAR | 2  | 1.905
        5 | 3 | NEAR | -7 | 1.845
        """)
    assert shown(run.orders, *ENDS) == table("""
        1 | NEAR | limit | 10  | 10 | filled    |
        2 | NEAR | limit | -10 | -3 | cancelled |
        3 | NEAR | stop  | -10 | -7 | filled    |
        """)


@pytest.mark.parametrize("runner", RUNNERS)
def test_a_bracket_that_is_flat_again_still_guards_the_rest_of_its_entry(runner):
    run = rows_by(runner, case_of("contract\nNEAR", days(
        "2 2 2 2", "2 2 1.94 1.96 4", "1.96 2.06 1.955 2.06 4", "1.94 1.94 1.94 1.94 100", "1.84 1.84 1.8 1.8 100"),
        "day | request\n1 | bracket NEAR 10 1.95 2.05 1.85", terms=TERMS))
    assert shown(run.fills, *FILLS) == table("""
        2 | 1 | NEAR | 4  | 1.95
        3 | 2 | NEAR | -4 | 2.05
        4 | 1 | NEAR | 6  | 1.945
        5 | 3 | NEAR | -6 | 1.835
        """)
    assert [row.status for row in run.orders] == ["filled", "cancelled", "filled"]


@pytest.mark.parametrize("runner", RUNNERS)
def test_a_child_of_a_cancelled_parent_keeps_what_it_has_or_goes_with_it(runner):
    run = rows_by(runner, case_of("contract\nNEAR", days("2 2 2 2", "2 2 1.94 1.96 4", "1.96 2 1.96 2", "2 2.1 2 2"),
        """day | request
        1 | bracket NEAR 10 1.95 2.05 1.85
        1 | bracket NEAR 1 1.5 2.05 1.4
        2 | cancel #1
        2 | cancel #4
        """, terms=TERMS))
    assert shown(run.orders, *ENDS) == table("""
        1 | NEAR | limit | 10  | 4  | cancelled |
        2 | NEAR | limit | -10 | -4 | filled    |
        3 | NEAR | stop  | -10 | 0  | cancelled |
        4 | NEAR | limit | 1   | 0  | cancelled |
        5 | NEAR | limit | -1  | 0  | cancelled |
        6 | NEAR | stop  | -1  | 0  | cancelled |
        """)


@pytest.mark.parametrize("runner", RUNNERS)
def test_a_child_on_another_contract_wakes_with_the_next_bar(runner):
    run = rows_by(runner, case_of("contract\nNEAR\nFAR", """day | event | of | price
        1 | bar | NEAR | 2
        1 | bar | FAR  | 1.8
        2 | bar | NEAR | 2
        2 | bar | FAR  | 1.8
        3 | bar | NEAR | 2
        4 | bar | FAR  | 1.7
        """, """day | request
        1 | market NEAR 5 gtc
        1 | market FAR -5 gtc
        1 | triggers #1 #2
        """, terms=TERMS))
    assert shown(run.fills, *FILLS) == table("""
        2 | 1 | NEAR | 5  | 2.005
        4 | 2 | FAR  | -5 | 1.695
        """)


@pytest.mark.parametrize("runner", RUNNERS)
def test_ties_that_are_refused(runner):
    run = rows_by(runner, case_of("contract\nNEAR", days("2 2 2 2", "2 2 2 2"), """day | request
        1 | limit NEAR 5 1.905 gtc
        1 | limit NEAR 5 1.90 gtc
        1 | one_cancels_other #1 #2
        1 | limit NEAR 5 1.90 gtc
        1 | stop NEAR -5 1.80 gtc
        1 | triggers #3 #4
        1 | stop NEAR -5 1.70 gtc
        1 | triggers #4 #5
        1 | limit NEAR 5 1.90 gtc
        1 | stop NEAR -5 1.80 gtc
        1 | triggers #6 #7
        1 | limit NEAR 1 1.90 ioc
        1 | triggers #6 #8
        1 | stop NEAR -5 1.80 gtc
        1 | triggers #6 #9
        """, terms=TERMS))
    # 1 is off the tick, so 2 has nobody to cancel it; 5 would have a child for a parent, which is cancelled; 8 has a parent
    # and ioc: its parent goes, with the child that was accepted, and 9 finds no parent.
    assert shown(run.orders, "order", "kind", "status", "code") == table("""
        1 | limit | refused   | tick
        2 | limit | refused   | group
        3 | limit | working   |
        4 | stop  | cancelled |
        5 | stop  | refused   | group
        6 | limit | cancelled |
        7 | stop  | cancelled |
        8 | limit | refused   | life
        9 | stop  | refused   | group
        """)


@pytest.mark.parametrize("runner", RUNNERS)
def test_pairs_of_pairs_are_one_group_of_four_and_lose_none(runner):
    run = rows_by(runner, case_of("contract\nNEAR", days("2 2 2 2", "2 2 1.94 1.96 3", "1.96 1.96 1.96 1.96"), """day | request
        1 | limit NEAR 5 1.95 gtc
        1 | limit NEAR 5 1.80 gtc
        1 | limit NEAR 4 1.75 gtc
        1 | limit NEAR 3 1.70 gtc
        1 | one_cancels_other #1 #2
        1 | one_cancels_other #3 #4
        1 | one_cancels_other #2 #3
        """, terms=TERMS))
    # Three lots of 1: 2 has two left, 3 one, and 4 none.
    assert shown(run.orders, "order", "lots", "filled_lots", "status") == table("""
        1 | 5 | 3 | working
        2 | 5 | 0 | working
        3 | 4 | 0 | working
        4 | 3 | 0 | cancelled
        """)


@pytest.mark.parametrize("runner", RUNNERS)
def test_sleepers_take_no_margin_when_reduce_only_and_are_asked_for_it_otherwise(runner):
    run = rows_by(runner, case_of("contract\nNEAR", days("2 2 2 2", "2 2 2 2"), """day | request
        1 | bracket NEAR 10 1.95 2.05 1.85
        1 | stop NEAR -20 1.90 gtc
        1 | triggers #1 #4
        1 | limit NEAR 1 1.90 gtc
        1 | stop NEAR -21 1.90 gtc
        1 | triggers #1 #6
        1 | limit NEAR 1 1.90 gtc
        """, cash="1000", terms=Terms(margin_initial_floor_micros=100_000_000)))
    # A thousand dollars are margin for ten lots. 10 working - 20 = -10 can be borne and does not count afterwards, but the
    # entry does: 10 + 1 is too much, and so is 10 - 21 = -11, which takes its entry with it: then 1 can be borne.
    assert shown(run.orders, "order", "lots", "status", "code") == table("""
        1 | 10  | cancelled |
        2 | -10 | cancelled |
        3 | -10 | cancelled |
        4 | -20 | cancelled |
        5 | 1   | refused   | margin
        6 | -21 | refused   | margin
        7 | 1   | working   |
        """)
