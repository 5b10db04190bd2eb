# SPDX-License-Identifier: Apache-2.0
"""The oracle against tables worked by hand: orders, targets, volume and refusals."""

from __future__ import annotations

import pytest

from tests.oracle.books import Terms
from tests.oracle.tables import play, shown, table

NEAR = """contract
          NEAR"""
PAIR = """contract
          NEAR
          FAR"""
FILLS = ("ts", "order", "contract", "lots", "price_micros")
ORDERS = ("order", "ts", "contract", "lots", "status", "filled_lots")
TENTH = Terms(participation_ppm=100_000)


def bars(days: range, *names: str) -> str:
    """A table of bars at 2.00 without volume."""
    return "day | event | of | price\n" + "\n".join(f"{day} | bar | {name} | 2" for day in days for name in names)


def test_a_tenth_of_the_volume_fills_and_the_rest_is_carried_on():
    run = play(NEAR, """
        day | event | of   | price | volume
        1   | bar   | NEAR | 2     | 1000
        2   | bar   | NEAR | 2     | 95
        3   | bar   | NEAR | 2     | 9
        4   | bar   | NEAR | 2     | 0
        5   | bar   | NEAR | 2     |
        """, """
        day | request
        1   | target NEAR 20
        2   | target NEAR 20
        """, terms=TENTH)
    # Day 2's request finds 9 held and 11 coming: nothing to do. Day 5's volume is unknown and does not limit.
    assert shown(run.fills, *FILLS) == table("""
        2 | 1 | NEAR | 9  | 2
        5 | 1 | NEAR | 11 | 2
        """)


def test_orders_share_the_volume_oldest_first():
    run = play(NEAR, """
        day | event | of   | price | volume
        1   | bar   | NEAR | 2     | 1000
        2   | bar   | NEAR | 2     | 95
        3   | bar   | NEAR | 2     | 1000
        """, """
        day | request
        1   | market NEAR 5 gtc
        1   | market NEAR -10 gtc
        1   | market NEAR 1 gtc
        """, terms=TENTH)
    assert shown(run.fills, *FILLS) == table("""
        2 | 1 | NEAR | 5  | 2
        2 | 2 | NEAR | -4 | 2
        3 | 2 | NEAR | -6 | 2
        3 | 3 | NEAR | 1  | 2
        """)


def test_legs_of_a_spread_fill_together_or_wait():
    run = play(PAIR, """
        day | event | of   | price | volume
        1   | bar   | NEAR | 2.00  |
        1   | bar   | FAR  | 1.50  |
        2   | bar   | NEAR | 2.10  | 100
        2   | bar   | FAR  | 1.60  | 45
        3   | bar   | NEAR | 2.20  | 900
        4   | bar   | FAR  | 1.70  | 900
        5   | bar   | NEAR | 2.20  | 900
        5   | bar   | FAR  | 1.70  | 900
        """, """
        day | request
        1   | target_spread NEAR FAR -10
        """, terms=Terms(participation_ppm=100_000, half_spread_micros=5_000))
    assert shown(run.fills, *FILLS) == table("""
        2 | 1 | NEAR | -4 | 2.095
        2 | 1 | FAR  | 4  | 1.605
        5 | 1 | NEAR | -6 | 2.195
        5 | 1 | FAR  | 6  | 1.705
        """)


def test_a_roll_is_one_order_of_four_legs():
    run = play("""contract
                  A
                  B
                  C
                  D""", """
        day | event | of | price | volume
        1   | bar   | A  | 2     |
        1   | bar   | B  | 2     |
        1   | bar   | C  | 2     |
        1   | bar   | D  | 2     |
        2   | bar   | A  | 2     |
        2   | bar   | B  | 2     |
        2   | bar   | C  | 2     |
        2   | bar   | D  | 2     |
        3   | bar   | A  | 2     | 100
        3   | bar   | B  | 2     | 100
        3   | bar   | C  | 2     | 39
        3   | bar   | D  | 2     | 100
        """, """
        day | request
        1   | target_spread A B 10
        2   | target_only D C 20
        """, terms=TENTH)
    # Ratios -1 : +1 : -2 : +2; three lots of C are there, which is one unit.
    assert shown(run.orders[2:], *ORDERS) == table("""
        2 | 2 | A | -10 | working | -1
        2 | 2 | B | 10  | working | 1
        2 | 2 | C | -20 | working | -2
        2 | 2 | D | 20  | working | 2
        """)
    assert run.final_positions == {"A": 9, "B": -9, "C": -2, "D": 2}


def test_a_ratio_above_four_is_traded_leg_by_leg():
    run = play("""contract
                  A
                  B
                  C""", bars(range(1, 4), "A", "B", "C"), """
        day | request
        1   | target A 10
        2   | target_only B C 2
        """)
    assert shown(run.orders[1:], *ORDERS) == table("""
        2 | 2 | A | -10 | filled | -10
        3 | 2 | B | 2   | filled | 2
        4 | 2 | C | -2  | filled | -2
        """)
    assert run.legged == 1


def test_more_than_eight_legs_are_traded_leg_by_leg():
    names = [f"M{month}" for month in range(9)]
    targets = "\n".join(f"1 | target {name} 3" for name in names)
    run = play("contract\n" + "\n".join(names), bars(range(1, 4), *names),
               f"day | request\n{targets}\n2 | flat X:GPU")
    assert run.legged == 1
    assert [(row.order, row.contract, row.lots) for row in run.orders[9:]] == [
        (10 + place, name, -3) for place, name in enumerate(names)]
    assert run.final_positions == {}


def test_a_new_target_replaces_the_working_one_and_flat_closes_all():
    run = play(PAIR, """
        day | event | of   | price | volume
        1   | bar   | NEAR | 2     |
        1   | bar   | FAR  | 2     |
        2   | bar   | NEAR | 2     | 30
        2   | bar   | FAR  | 2     | 30
        3   | bar   | NEAR | 2     | 30
        3   | bar   | FAR  | 2     | 30
        4   | bar   | NEAR | 2     | 30
        4   | bar   | FAR  | 2     | 30
        5   | bar   | NEAR | 2     | 90
        5   | bar   | FAR  | 2     | 90
        """, """
        day | request
        1   | target_spread NEAR FAR 10
        2   | target NEAR 6
        3   | target NEAR 6
        4   | flat X:GPU
        """, terms=TENTH)
    # Day 2 touches the spread order, which held both legs at +-3: it is cancelled, and FAR stays at -3.
    assert shown(run.orders, *ORDERS) == table("""
        1 | 1 | NEAR | 10  | replaced | 3
        1 | 1 | FAR  | -10 | replaced | -3
        2 | 2 | NEAR | 3   | filled   | 3
        3 | 4 | NEAR | -6  | filled   | -6
        3 | 4 | FAR  | 3   | filled   | 3
        """)


def test_a_later_request_sees_the_order_of_an_earlier_one():
    run = play(PAIR, bars(range(1, 3), "NEAR", "FAR"), """
        day | request
        1   | target NEAR 10
        1   | target_only FAR NEAR 2
        1   | market NEAR 3 gtc
        1   | flat X:GPU
        1   | cancel #1
        1   | cancel #9
        """)
    assert shown(run.orders, *ORDERS) == table("""
        1 | 1 | NEAR | 10 | replaced  | 0
        2 | 1 | NEAR | -2 | replaced  | 0
        2 | 1 | FAR  | 2  | replaced  | 0
        3 | 1 | NEAR | 3  | cancelled | 0
        """)


def test_flat_leaves_a_contract_that_awaits_its_settlement():
    run = play("""contract | last
                  NEAR     | 2
                  FAR      | -""", bars(range(1, 3), "NEAR", "FAR") + "\n3 | bar | FAR | 2\n4 | bar | FAR | 2", """
        day | request
        1   | target_spread NEAR FAR 2
        3   | flat X:GPU
        """)
    assert run.final_positions == {"NEAR": 2}


@pytest.mark.parametrize("words, order, open, high, low, price", [
    ("touch is no fill", "5 2.00", "2.05", "2.10", "2.00", None),
    ("through", "5 2.00", "2.05", "2.10", "1.99", "2"),
    ("gap, half a spread is paid", "5 2.00", "1.95", "2.10", "1.90", "1.955"),
    ("open at the limit", "5 2.00", "2.00", "2.00", "2.00", "2"),
    ("open just inside", "5 2.00", "1.998", "1.998", "1.998", "2"),
    ("touch is no fill", "-5 2.00", "1.95", "2.00", "1.90", None),
    ("through", "-5 2.00", "1.95", "2.01", "1.90", "2"),
    ("gap, half a spread is paid", "-5 2.00", "2.05", "2.10", "1.90", "2.045"),
    ("open at the limit", "-5 2.00", "2.00", "2.00", "2.00", "2"),
    ("below zero", "5 -37.00", "-36.90", "-36.90", "-37.63", "-37"),
])
def test_limit_orders(words, order, open, high, low, price):
    run = play(NEAR, f"""
        day | event | of   | open   | high   | low   | close  | price
        1   | bar   | NEAR |        |        |       |        | 2
        2   | bar   | NEAR | {open} | {high} | {low} | {open} |
        """, f"""
        day | request
        1   | limit NEAR {order} gtc
        """, terms=Terms(half_spread_micros=5_000))
    assert shown(run.fills, "ts", "price_micros") == ([] if price is None else [f"2 | {price}"]), words


def test_a_day_order_lapses_at_the_next_mark_and_a_gtc_order_stays():
    run = play(NEAR, """
        day | event | of   | price | volume
        1   | bar   | NEAR | 2     |
        1   | mark  | NEAR | 2     |
        2   | bar   | NEAR | 2     | 20
        3   | bar   | NEAR | 2     | 0
        3   | mark  | NEAR | 2     |
        4   | bar   | NEAR | 1     | 80
        """, """
        day | request
        1   | limit NEAR 5 1.5 day
        1   | limit NEAR 6 1.5 gtc
        1   | market NEAR 7 day
        3   | limit NEAR 1 1.5 day
        """, terms=TENTH)
    assert shown(run.orders, *ORDERS, "tif") == table("""
        1 | 1 | NEAR | 5 | lapsed | 0 | day
        2 | 1 | NEAR | 6 | filled | 6 | gtc
        3 | 1 | NEAR | 7 | lapsed | 2 | day
        4 | 3 | NEAR | 1 | filled | 1 | day
        """)


def test_an_expiry_cancels_every_order_with_a_leg_on_the_contract():
    run = play("""contract | last
                  NEAR     | 3
                  FAR      | -""", """
        day | event | of   | price | volume
        1   | bar   | NEAR | 2     |
        1   | bar   | FAR  | 2     |
        2   | bar   | NEAR | 2     |
        3   | bar   | NEAR | 2     | 20
        3   | bar   | FAR  | 2     | 30
        4   | bar   | FAR  | 2     |
        """, """
        day | request
        1   | target_spread NEAR FAR 5
        2   | limit NEAR 1 1.5 gtc
        2   | limit FAR 1 1.5 gtc
        """, terms=TENTH)
    assert shown(run.orders, *ORDERS) == table("""
        1 | 1 | NEAR | 5  | expired | 2
        1 | 1 | FAR  | -5 | expired | -2
        2 | 2 | NEAR | 1  | expired | 0
        3 | 2 | FAR  | 1  | working | 0
        """)


def test_the_gate_refuses_with_a_code_and_the_first_failure_wins():
    run = play("""contract | listed | last
                  NEAR     | 0      | -
                  FAR      | 0      | -
                  SOON     | 3      | -
                  OVER     | 0      | 1""", """
        day | event | of   | price
        1   | bar   | OVER | 2
        2   | bar   | NEAR | 2
        3   | bar   | NEAR | 2
        """, """
        day | request
        2   | limit SOON 0 1.505 gtc
        2   | target OVER 1
        2   | limit FAR 0 1.505 gtc
        2   | market NEAR 0 gtc
        2   | limit NEAR 0 1.505 gtc
        2   | market NEAR 1000001 gtc
        2   | target NEAR -1000001
        2   | limit NEAR 1 1.505 gtc
        2   | target_spread NEAR FAR 1
        2   | target NEAR 11
        2   | target NEAR 10
        3   | limit SOON 1 1 gtc
        """, cash="1000", terms=Terms(margin_initial_floor_micros=100_000_000))
    assert shown(run.orders, "order", "contract", "lots", "status", "code") == table("""
        1  | SOON | 0        | refused | not_listed
        2  | OVER | 1        | refused | not_listed
        3  | FAR  | 0        | refused | no_price
        4  | NEAR | 0        | refused | size
        5  | NEAR | 0        | refused | size
        6  | NEAR | 1000001  | refused | size
        7  | NEAR | -1000001 | refused | size
        8  | NEAR | 1        | refused | tick
        9  | NEAR | 1        | refused | no_price
        9  | FAR  | -1       | refused | no_price
        10 | NEAR | 11       | refused | margin
        11 | NEAR | 10       | filled  |
        12 | SOON | 1        | refused | no_price
        """)


def test_the_257th_working_order_is_refused():
    requests = "\n".join(["1 | limit NEAR 1 1 gtc"] * 257)
    run = play(NEAR, bars(range(1, 3), "NEAR"), f"day | request\n{requests}\n2 | cancel #1\n2 | limit NEAR 1 1 gtc")
    assert {row.status for row in run.orders[1:256]} == {"working"}
    assert (run.orders[256].status, run.orders[256].code) == ("refused", "capacity")
    assert run.orders[257].status == "working"


def test_working_lots_use_margin_and_an_order_that_only_reduces_is_free_of_it():
    run = play(NEAR, """
        day | event | of   | price
        1   | bar   | NEAR | 2
        2   | bar   | NEAR | 2
        3   | bar   | NEAR | 1
        """, """
        day | request
        1   | market NEAR 6 gtc
        1   | market NEAR 5 gtc
        1   | market NEAR 4 gtc
        3   | market NEAR 1 gtc
        3   | market NEAR -4 gtc
        3   | market NEAR -7 gtc
        3   | market NEAR -6 gtc
        """, cash="1000", terms=Terms(margin_initial_floor_micros=100_000_000))
    # Day 3: ten lots have lost 7,300. Minus 4 and minus 6 shrink what is left; minus 7 would turn it.
    assert shown(run.orders, "order", "lots", "status", "code") == table("""
        1 | 6  | filled  |
        2 | 5  | refused | margin
        3 | 4  | filled  |
        4 | 1  | refused | margin
        5 | -4 | working |
        6 | -7 | refused | margin
        7 | -6 | working |
        """)


def test_the_strategy_is_called_for_bars_of_its_products_only():
    run = play("""contract | product
                  NEAR     | X:GPU
                  OTHER    | X:TPU""", """
        day | event | of    | price
        1   | bar   | NEAR  | 2
        2   | bar   | OTHER | 2
        3   | mark  | NEAR  | 2
        4   | bar   | NEAR  | 2
        4   | bar   | OTHER | 2
        """, """
        day | request
        2   | target NEAR 1
        """, watched={"X:GPU"})
    assert [ts // 86_400_000_000_000 for ts in run.calls] == [1, 4]
    assert run.orders == []
