# SPDX-License-Identifier: Apache-2.0
"""How long orders live, what their flags forbid, what amending does, and what slippage and latency cost; by hand.

As in the tables of single orders: tick 0.01, half the spread 0.005.
"""

from __future__ import annotations

import pytest

from kilohour.units import NANOS_PER_DAY
from tests.oracle.books import FillRules, Terms
from tests.oracle.runners import RUNNERS, rows_by
from tests.oracle.tables import case_of, shown, table

TERMS = Terms(half_spread_micros=5_000)
FILLS = ("ts", "order", "contract", "lots", "price_micros")
ENDS = ("order", "lots", "filled_lots", "status", "code")
pytestmark = pytest.mark.parametrize("runner", RUNNERS)


def days(*bars):
    """Bars of NEAR on days 1, 2, ...: one price or open, high, low, close and volume; a mark ``m2.10``; or both."""
    lines = ["day | event | of | open | high | low | close | volume | price"]
    for day, bar in enumerate(bars, 1):
        cells = [cell for cell in bar.split() if cell[0] != "m"]
        if len(cells) == 1:
            lines.append(f"{day} | bar | NEAR | | | | | | {cells[0]}")
        elif cells:
            lines.append(f"{day} | bar | NEAR | {' | '.join(cells)} |")
        lines += [f"{day} | mark | NEAR | | | | | | {cell[1:]}" for cell in bar.split() if cell[0] == "m"]
    return "\n".join(lines)


def play(runner, bars, requests, contracts="contract\nNEAR", **of):
    lines = "\n".join(line.strip() for line in requests.strip().splitlines())
    return rows_by(runner, case_of(contracts, bars, f"day | request\n{lines}", **{"terms": TERMS, **of}))


def test_immediate_orders_look_at_one_open_and_lapse(runner):
    run = play(runner, days("2", "1.94 2 1.8 1.9 12", "1.9"), """
        1 | limit NEAR 5 1.90 ioc
        1 | limit NEAR 5 1.95 ioc
        1 | limit NEAR 5 1.95 fok
        1 | market NEAR 3 fok
        1 | market NEAR 9 ioc
        1 | market NEAR 9 gtc
        """)
    # 1 opens above its limit (the low below it does not count); 2 takes 5, 3 takes 5 of 12; 4 wants 3 of 2: nothing.
    assert shown(run.fills, *FILLS) == table("""
        2 | 2 | NEAR | 5 | 1.945
        2 | 3 | NEAR | 5 | 1.945
        2 | 5 | NEAR | 2 | 1.945
        3 | 6 | NEAR | 9 | 1.905
        """)
    assert shown(run.orders, *ENDS) == table("""
        1 | 5 | 0 | lapsed |
        2 | 5 | 5 | filled |
        3 | 5 | 5 | filled |
        4 | 3 | 0 | lapsed |
        5 | 9 | 2 | lapsed |
        6 | 9 | 9 | filled |
        """)


def test_good_till_a_date_works_through_that_time_and_lapses_before_later_bars(runner):
    run = play(runner, days("2", "2", "2", "1.8"), """
        1 | limit NEAR 1 1.90 gtd until=3.5
        1 | limit NEAR 1 1.90 gtd until=4
        1 | stop NEAR -1 1.90 gtd until=0
        """)
    assert shown(run.orders, *ENDS) == table("""
        1 | 1  | 0 | lapsed |
        2 | 1  | 1 | filled |
        3 | -1 | 0 | lapsed |
        """)


def test_day_orders_of_every_kind_lapse_at_the_next_mark_after_its_bar(runner):
    run = play(runner, days("2 m2", "2", "2.2 m2", "2"), """
        1 | stop NEAR 1 2.10 day
        1 | stop NEAR 1 2.30 day
        1 | trailing_stop NEAR -1 0.5 day
        1 | if_touched NEAR 1 1.5 day
        1 | if_touched NEAR 1 1.5 gtc
        """)
    assert shown(run.orders, *ENDS) == table("""
        1 | 1  | 1 | filled  |
        2 | 1  | 0 | lapsed  |
        3 | -1 | 0 | lapsed  |
        4 | 1  | 0 | lapsed  |
        5 | 1  | 0 | working |
        """)


def test_lives_and_flags_that_a_kind_does_not_have(runner):
    run = play(runner, days("2", "2"), """
        1 | stop NEAR 1 2.10 ioc
        1 | trailing_stop NEAR 1 0.10 fok
        1 | if_touched NEAR 1 1.90 ioc
        1 | at_settlement NEAR 1 fok
        1 | stop_limit NEAR 1 2.10 2.10 ioc
        """)
    assert {(row.status, row.code) for row in run.orders} == {("refused", "life")}


def test_at_settlement_takes_the_mark_of_its_day_and_a_share_of_the_bar_for_itself(runner):
    run = play(runner, days("2 m2", "2 2 2 2 10", "2.1 2.1 2.1 2.1 4 m2.2", "2 2 2 2 100 m2.3"), """
        1 | at_settlement NEAR 5 day
        1 | at_settlement NEAR -5 gtc
        1 | market NEAR 7 gtc
        3 | at_settlement NEAR 1 day
        """)
    # The mark of day 3 is the first after day 1, four lots traded that day: one lapses with four, two is carried on.
    assert shown(run.fills, *FILLS) == table("""
        2 | 3 | NEAR | 7  | 2.005
        3 | 1 | NEAR | 4  | 2.205
        3 | 2 | NEAR | -4 | 2.195
        4 | 2 | NEAR | -1 | 2.295
        4 | 4 | NEAR | 1  | 2.305
        """)
    assert shown(run.orders, *ENDS) == table("""
        1 | 5  | 4  | lapsed |
        2 | -5 | -5 | filled |
        3 | 7  | 7  | filled |
        4 | 1  | 1  | filled |
        """)


def test_a_spread_at_settlement_waits_for_the_marks_of_both_legs(runner):
    run = play(runner, """day | event | of | price
        1 | bar  | NEAR | 2
        1 | bar  | FAR  | 1.8
        2 | mark | NEAR | 2.1
        3 | mark | NEAR | 2.2
        3 | mark | FAR  | 1.9
        """, """
        1 | at_settlement NEAR 5 gtc against=FAR
        1 | at_settlement NEAR 5 day against=FAR
        """, contracts="contract\nNEAR\nFAR")
    assert shown(run.fills, *FILLS) == table("""
        3 | 1 | NEAR | 5  | 2.205
        3 | 1 | FAR  | -5 | 1.895
        """)
    assert {row.status for row in run.orders if row.order == 2} == {"lapsed"}


def test_post_only_is_refused_where_it_would_pay_and_fills_at_its_limit_where_it_rests(runner):
    run = play(runner, days("2", "2 2 1.96 1.96 100", "1.94 1.95 1.92 1.92 100", "1.80"), """
        1 | limit NEAR 1 2.01 gtc post_only=yes
        1 | limit NEAR 1 1.99 gtc post_only=yes
        1 | limit NEAR 1 1.96 gtc post_only=yes
        1 | limit NEAR 1 1.90 gtc post_only=yes
        1 | limit NEAR -1 1.99 gtc post_only=yes
        1 | limit NEAR 1 1.90 ioc post_only=yes
        """)
    # Day 2 opens at 2.00: 1 and 5 would pay there; 2 rests and 1.96 goes through it; 3 is touched and not filled.
    # Day 3 gaps below 3, which gets its limit as the maker it is; day 4 gaps below 4.
    assert shown(run.fills, *FILLS) == table("""
        2 | 2 | NEAR | 1 | 1.99
        3 | 3 | NEAR | 1 | 1.96
        4 | 4 | NEAR | 1 | 1.9
        """)
    assert shown(run.orders, *ENDS) == table("""
        1 | 1  | 0 | refused | post_only
        2 | 1  | 1 | filled  |
        3 | 1  | 1 | filled  |
        4 | 1  | 1 | filled  |
        5 | -1 | 0 | refused | post_only
        6 | 1  | 0 | refused | life
        """)


def test_reduce_only_reduces_or_is_refused_capped_and_cancelled(runner):
    run = play(runner, days("2", "2", "2 2 1.9 1.95 100", "1.9", "1.8"), """
        1 | limit NEAR -5 2.50 gtc reduce_only=yes
        1 | market NEAR 5 gtc
        2 | market NEAR 1 gtc reduce_only=yes
        2 | stop NEAR -8 1.95 gtc reduce_only=yes
        2 | stop NEAR -2 1.85 gtc reduce_only=yes
        """)
    # 1: nothing is held yet. 3 would add. 4: five of its eight, then nothing is left to reduce; 5 finds nothing.
    assert shown(run.fills, *FILLS) == table("""
        2 | 2 | NEAR | 5  | 2.005
        3 | 4 | NEAR | -5 | 1.945
        """)
    assert shown(run.orders, *ENDS) == table("""
        1 | -5 | 0  | refused   | reduce_only
        2 | 5  | 5  | filled    |
        3 | 1  | 0  | refused   | reduce_only
        4 | -8 | -5 | cancelled |
        5 | -2 | 0  | cancelled |
        """)


def test_an_amended_order_is_checked_like_a_new_one_and_goes_behind_the_others(runner):
    run = play(runner, days("2", "2 2 2 2 3", "2 2 1.8 1.9 5", "1.8"), """
        1 | limit NEAR 5 1.70 gtc
        1 | limit NEAR 5 1.90 gtc
        1 | market NEAR 6 gtc
        2 | amend #1 5 1.90
        2 | amend #2 4 1.90
        2 | amend #3 3 0
        2 | amend #2 4 1.905
        3 | amend #2 4 1.60
        """)
    # 3 has had three: a size of three ends it. 2 got smaller at its price and stays before 1, whose price moved; its second
    # amendment is off the tick, and the old one stays. Day 3: four for 2, one for 1. Day 4: the rest of 1 at the open.
    assert shown(run.fills, *FILLS) == table("""
        2 | 3 | NEAR | 3 | 2.005
        3 | 2 | NEAR | 4 | 1.9
        3 | 1 | NEAR | 1 | 1.9
        4 | 1 | NEAR | 4 | 1.805
        """)
    assert shown(run.orders, *ENDS) == table("""
        1 | 5 | 5 | filled    |
        2 | 4 | 4 | filled    |
        3 | 6 | 3 | cancelled |
        4 | 4 | 0 | refused   | tick
        """)


def test_amending_moves_the_trigger_of_what_is_not_a_limit_order(runner):
    run = play(runner, days("2", "2", "2.2 2.2 2.2 2.2 100", "2.4"), """
        1 | stop NEAR 1 2.10 gtc
        1 | stop_limit NEAR 1 2.10 2.50 gtc
        1 | trailing_stop NEAR -1 0.10 gtc
        1 | if_touched NEAR -1 2.10 gtc
        2 | amend #1 2 2.30
        2 | amend #2 1 2.30
        2 | amend #3 -1 0.25
        2 | amend #4 -1 2.30
        2 | amend #1 -2 2.30
        2 | amend #1 2 2.305
        3 | amend #3 -2 0.30
        """)
    # The two amendments of 1 that are refused leave it as it is, and say so in rows of their own.
    assert shown(run.fills, *FILLS) == table("""
        4 | 1 | NEAR | 2  | 2.405
        4 | 2 | NEAR | 1  | 2.405
        4 | 4 | NEAR | -1 | 2.395
        """)


def test_slippage_is_paid_by_those_who_take(runner):
    rules = FillRules(slippage_ticks=1, slippage_ppm=1_000)
    run = play(runner, days("2", "2 2.1 1.9 2 100"), """
        1 | market NEAR 1 gtc
        1 | market NEAR -1 gtc
        1 | stop NEAR 1 2.05 gtc
        1 | limit NEAR 1 2.01 gtc
        1 | limit NEAR 1 1.95 gtc
        """, rules=rules)
    # 0.005 + 0.01 + 0.1% of 2.00 or of 2.05; a limit is never exceeded, and one that waited pays nothing.
    assert shown(run.fills, "order", "lots", "price_micros") == table("""
        1 | 1  | 2.017
        2 | -1 | 1.983
        3 | 1  | 2.06705
        4 | 1  | 2.01
        5 | 1  | 1.95
        """)


@pytest.mark.parametrize("hours, ts", [(0, 2), (24, 2), (25, 3), (48, 3)])
def test_latency_holds_an_order_back(runner, hours, ts):
    rules = FillRules(latency_ns=hours * NANOS_PER_DAY // 24)
    run = play(runner, days("2", "2", "2.1", "2.2"), "1 | market NEAR 1 ioc\n1 | trailing_stop NEAR 1 0.05 gtc", rules=rules)
    # The trailing stop began at 2.00, and its level is met on day 3.
    assert [(row.order, row.ts // NANOS_PER_DAY) for row in run.fills] == [(1, ts), (2, 3)]


@pytest.mark.parametrize("order", ["stop NEAR 5 2.10", "if_touched NEAR -5 2.10", "trailing_stop NEAR 5 0.10"])
def test_once_triggered_always_triggered_what_the_volume_did_not_let_fill_is_a_market_order(runner, order):
    run = play(runner, days("2", "2 2.1 2 2 3", "1.9 2.05 1.9 2 100", "2 2.1 2 2 100"), f"1 | {order} gtc")
    side = -1 if "-5" in order else 1
    assert shown(run.fills, "ts", "lots", "price_micros") == [
        f"2 | {3 * side} | {'2.095' if side < 0 else '2.105'}", f"3 | {2 * side} | {'1.895' if side < 0 else '1.905'}"]
    assert [row.kind for row in run.orders] == [order.split()[0].replace("if_touched", "market_if_touched")]


def test_a_stop_that_was_hit_in_a_bar_without_volume_fills_at_the_next_open(runner):
    run = play(runner, days("2", "2 2.1 2 2 0", "1.9 2.05 1.9 2 100"), "1 | stop NEAR 5 2.10 gtc\n2 | amend #1 4 2.50")
    # Its trigger is behind it: amending gives it another size, the price is not asked for.
    assert shown(run.fills, "ts", "lots", "price_micros") == ["3 | 4 | 1.905"]


def test_a_stop_limit_stays_a_limit_order_once_it_was_triggered(runner):
    run = play(runner, days("2", "2.2 2.2 2.2 2.2 9", "2.15 2.15 2.13 2.14 9", "2 2 2 2 9"),
               "1 | stop_limit NEAR 5 2.10 2.12 gtc\n1 | stop_limit NEAR -5 1.90 1.95 gtc")
    assert shown(run.fills, *FILLS) == ["4 | 1 | NEAR | 5 | 2.005"]


def test_a_trailing_level_is_kept_from_bar_to_bar_and_never_falls_back(runner):
    run = play(runner, days("2", "2.2 2.4 2.2 2.35 9", "2.32 2.35 2.31 2.35 9", "2.34 2.34 2.3 2.33 9"),
               "1 | trailing_stop NEAR -5 0.10 gtc")
    assert shown(run.fills, *FILLS) == ["4 | 1 | NEAR | -5 | 2.295"]


def test_a_post_only_order_that_is_moved_to_where_it_would_pay_is_refused_and_keeps_what_it_has(runner):
    run = play(runner, days("2", "2 2 1.96 1.96 3", "1.94"), "1 | limit NEAR 5 1.98 gtc post_only=yes\n2 | amend #1 6 2.10")
    assert shown(run.fills, *FILLS) == ["2 | 1 | NEAR | 3 | 1.98"]
    assert shown(run.orders, *ENDS) == ["1 | 6 | 3 | refused | post_only"]


@pytest.mark.parametrize("day", [1, 2])
def test_the_sleeping_children_of_an_amended_parent_stay_behind_it(day, runner):
    quiet, met = "2 2 2 2 100", "2 2.1 1.9 2 100"
    run = play(runner, days("2", *[quiet] * (day - 1), met), f"1 | bracket NEAR 5 1.93 2.05 1.85\n{day} | amend #1 6 1.95")
    # Low first: the entry fills where it was moved to, the profit on the way up in the same bar. Before its parent in the queue it would
    # have had its turn by then and wait for the next bar.
    assert shown(run.fills, *FILLS) == [f"{day + 1} | 1 | NEAR | 6 | 1.95", f"{day + 1} | 2 | NEAR | -5 | 2.05"]


def test_a_child_that_was_woken_in_a_bar_looks_from_the_next_open_once_it_is_amended(runner):
    run = play(runner, days("2", "2 2 1.9 2 100", "2.10 2.2 1.8 2 100"), """
        1 | market NEAR 5 gtc
        1 | limit NEAR -5 2.50 gtc
        1 | triggers #1 #2
        2 | amend #2 -5 2.05""", rules=FillRules(latency_ns=NANOS_PER_DAY))
    assert shown(run.fills, *FILLS) == ["2 | 1 | NEAR | 5 | 2.005", "3 | 2 | NEAR | -5 | 2.095"]
