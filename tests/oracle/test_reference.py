# SPDX-License-Identifier: Apache-2.0
"""The oracle against tables worked by hand: money and settlement."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kilohour.errors import DataError
from tests.oracle.books import MILLION, Terms
from tests.oracle.tables import micros_of, play, shown, table

NEAR = """contract
          NEAR"""
LEDGER = ("ts", "contract", "kind", "micros")
FILLS = ("ts", "order", "contract", "lots", "price_micros", "fee_micros")


def test_daily_variation_runs_from_the_fill_to_each_mark_and_the_end_marks_what_is_open():
    run = play(NEAR, """
        day | event | of   | open | high | low  | close | price
        1   | bar   | NEAR |      |      |      |       | 2.00
        1   | mark  | NEAR |      |      |      |       | 2.00
        2   | bar   | NEAR | 2.10 | 2.25 | 2.05 | 2.20  |
        2   | mark  | NEAR |      |      |      |       | 2.15
        3   | bar   | NEAR |      |      |      |       | 2.25
        3   | mark  | NEAR |      |      |      |       | 2.30
        4   | bar   | NEAR |      |      |      |       | 2.40
        """, """
        day | request
        1   | target NEAR 10
        """, terms=Terms(half_spread_micros=5_000, fee_per_lot_micros=5_000_000))
    # 7,300 hours: 0.045, 0.15 and 0.10 a GPU-hour.
    assert shown(run.fills, *FILLS) == table("2 | 1 | NEAR | 10 | 2.105 | 50")
    assert shown(run.ledger, *LEDGER) == table("""
        2 | NEAR | fee       | -50
        2 | NEAR | variation | 328.5
        3 | NEAR | variation | 1095
        4 | NEAR | unsettled | 730
        """)
    assert shown(run.equity, "ts", "equity_micros", "cash_micros") == table("""
        1 | 1000000   | 1000000
        2 | 1000278.5 | 1000278.5
        3 | 1001373.5 | 1001373.5
        """)
    assert run.cash_end == run.equity_end == micros_of("1002103.5")


def test_a_position_closed_since_the_last_mark_is_settled_at_the_end():
    run = play(NEAR, """
        day | event | of   | price
        1   | bar   | NEAR | 2.00
        2   | bar   | NEAR | 2.10
        3   | bar   | NEAR | 2.30
        """, """
        day | request
        1   | target NEAR 1
        2   | target NEAR 0
        """)
    assert shown(run.ledger, *LEDGER) == table("3 | NEAR | unsettled | 146")
    assert run.final_positions == {}


def test_fees_per_lot_and_by_notional_on_a_negative_price():
    run = play(NEAR, """
        day | event | of   | price
        1   | bar   | NEAR | 1.00
        2   | bar   | NEAR | -37.63
        """, """
        day | request
        1   | target NEAR -2
        """, terms=Terms(lot_num=1000, fee_per_lot_micros=micros_of("1.5"), fee_ppm=100))
    # 2 x 1.50 + 2 x 37.63 x 1,000 x 0.0001
    assert shown(run.ledger, *LEDGER) == table("2 | NEAR | fee | -10.526")


WINDOW = """contract | last | final | fixings
            AVG      | 22   | 23    | 20 21 22"""
PRINTS = """
    day   | event | of  | price
    19    | bar   | AVG | 2.00
    19    | print | 18  | 1.70
    19.5  | bar   | AVG | 2.00
    21    | print | 20  | 2.00
    22    | print | 21  | 2.10
    22.25 | print | 20  | 2.06
    22.5  | print | 22  | 2.30
    24    | print | 22  | 9.99
    """
BUY = """
    day | request
    19  | target AVG 4
    """


def without(value_day: int) -> str:
    return "\n".join(line for line in PRINTS.splitlines() if f"| {value_day}  |" not in line)


@pytest.mark.parametrize("name, prints, latest, missing_rule, price, fixings, sum_of_prints, missing", [
    ("restated, latest counts", PRINTS, 1, 0, "2.153333", 3, "6.46", 0),
    ("restated, first counts", PRINTS, 0, 0, "2.133333", 3, "6.4", 0),
    ("21 missing, previous", without(21), 1, 1, "2.14", 3, "6.42", 1),
    ("21 missing, previous, first print", without(21), 0, 1, "2.1", 3, "6.3", 1),
    ("20 missing, previous is before the window", without(20), 1, 1, "2.033333", 3, "6.1", 1),
    ("21 missing, skip", without(21), 1, 2, "2.18", 2, "4.36", 1),
])
def test_average_settlement(name, prints, latest, missing_rule, price, fixings, sum_of_prints, missing):
    terms = Terms(restatement_latest=latest, missing_rule=missing_rule, fee_settlement_micros=micros_of("0.25"))
    run = play(WINDOW, prints, BUY, terms=terms)
    assert shown(run.settlements, "ts", "contract", "lots", "price_micros", "fixings", "prints_sum_micros",
                 "missing") == [f"23 | AVG | 4 | {price} | {fixings} | {sum_of_prints} | {missing}"], name
    paid = micros_of(price) * 2920 - micros_of("5840")
    assert [(row.kind, row.micros) for row in run.ledger] == [("settlement", paid), ("settlement_fee", -1_000_000)]
    assert run.final_positions == {}


@pytest.mark.parametrize("prints, rule, words", [
    (without(21), 0, "AVG: no print for the fixing day 1970-01-22"),
    (without(20).replace("| 18  |", "| 29  |"), 1, "nor for any day before it"),
    (without(20).replace("| 21  |", "| 31  |").replace("| 22  |", "| 32  |"), 2, "not one print"),
])
def test_a_missing_print_stops_the_run_of_who_holds_it(prints, rule, words):
    with pytest.raises(DataError, match=words):
        play(WINDOW, prints, BUY, terms=Terms(missing_rule=rule))
    assert play(WINDOW, prints, terms=Terms(missing_rule=rule)).settlements == []


@pytest.mark.parametrize("first, second, price", [
    ("2.00", "2.01", "2"), ("2.01", "2.02", "2.02"), ("-2.00", "-2.01", "-2"), ("2.02", "2.01", "2.02"),
    ("2.00", "2.0102", "2.01"), ("-0.01", "0", "0"),
])
def test_the_mean_is_rounded_once_and_ties_go_to_the_even_cent(first, second, price):
    run = play("""contract | last | final | fixings
                  AVG      | 5    | 6     | 4 5""", f"""
        day | event | of  | price
        1   | bar   | AVG | 2.00
        2   | bar   | AVG | 2.00
        5   | print | 4   | {first}
        6   | print | 5   | {second}
        """, """
        day | request
        1   | target AVG -1
        """, terms=Terms(rounding_micros=10_000))
    assert shown(run.settlements, "price_micros") == [price]


def test_a_single_print_and_a_price_the_venue_states():
    run = play("""contract | last | final | fixings
                  ONE      | 5    | 6     | 5
                  SAID     | 5    | -     |""", """
        day | event | of   | price
        1   | bar   | ONE  | 2.00
        1   | bar   | SAID | 3.00
        2   | bar   | ONE  | 2.00
        2   | bar   | SAID | 3.00
        6   | print | 5    | 2.126
        6   | final | SAID | 3.337
        """, """
        day | request
        1   | target ONE 1
        1   | target SAID -1
        """, terms=Terms(rounding_micros=10_000))
    assert shown(run.settlements, "ts", "contract", "lots", "price_micros", "fixings") == table("""
        6 | ONE  | 1  | 2.13  | 1
        6 | SAID | -1 | 3.337 | 0
        """)
    assert shown(run.ledger, *LEDGER) == table("""
        6 | ONE  | settlement | 94.9
        6 | SAID | settlement | -246.01
        """)


def test_a_position_is_margined_between_its_last_trade_and_its_final():
    run = play("""contract | last | final | fixings
                  ONE      | 3    | 5     | 3""", """
        day | event | of  | price
        1   | bar   | ONE | 2.00
        2   | bar   | ONE | 2.00
        4   | mark  | ONE | 2.50
        5   | print | 3   | 2.40
        """, """
        day | request
        1   | target ONE 1
        """)
    assert shown(run.ledger, *LEDGER) == table("""
        4 | ONE | variation  | 365
        5 | ONE | settlement | -73
        """)


def test_a_lot_of_a_hundredth_carries_what_rounding_keeps_back():
    run = play(NEAR, """
        day | event | of   | price
        1   | bar   | NEAR | 2.000000
        2   | bar   | NEAR | 2.000000
        3   | mark  | NEAR | 2.000050
        4   | mark  | NEAR | 2.000100
        5   | mark  | NEAR | 2.000250
        6   | mark  | NEAR | 2.000300
        7   | mark  | NEAR | 2.000340
        """, """
        day | request
        1   | target NEAR 1
        """, terms=Terms(lot_num=1, lot_den=100, tick_micros=1))
    # Micros owed: 0.5, 0.5 (+0.5 kept), 1.5, 0.5 (-0.5 paid ahead), 0.4.
    assert shown(run.ledger, *LEDGER) == table("""
        4 | NEAR | variation | 0.000001
        5 | NEAR | variation | 0.000002
        """)
    assert run.cash_end == run.equity_end == MILLION * MILLION + 3


MARGIN = Terms(lot_num=100, margin_initial_floor_micros=50_000_000, margin_maintenance_floor_micros=40_000_000)
BIG_AND_SMALL = """contract
                   BIG
                   SMALL"""
TWENTY_FOUR_LOTS = """
    day | event | of    | price | volume
    1   | bar   | BIG   | 10    |
    1   | bar   | SMALL | 10    |
    2   | bar   | BIG   | 10    |
    2   | bar   | SMALL | 10    |"""
REQUESTS = """
    day | request
    1   | target BIG 20
    1   | target SMALL -4
    2   | limit BIG -1 50 gtc
    """


def test_equity_at_the_maintenance_requirement_is_enough():
    run = play(BIG_AND_SMALL, TWENTY_FOUR_LOTS + """
        3   | mark  | BIG   | 9.88  |
        """, REQUESTS, cash="1200", terms=MARGIN)
    # 1,200 - 20 x 100 x 0.12 = 960 = 24 x 40.
    assert run.margin_calls == 0
    assert shown(run.equity, "ts", "equity_micros", "margin_initial_micros", "margin_maintenance_micros") == [
        "3 | 960 | 1200 | 960"]


def test_margin_call_reduces_what_frees_most_by_the_fewest_lots():
    run = play(BIG_AND_SMALL, TWENTY_FOUR_LOTS + """
        3   | mark  | BIG   | 9.87  |
        4   | bar   | BIG   | 9.87  | 3
        4   | mark  | BIG   | 9.87  |
        5   | bar   | BIG   | 9.87  | 100
        5   | mark  | BIG   | 9.87  |
        """, REQUESTS, cash="1200", terms=MARGIN)
    # Equity 940 < 960. Initial 24 x 50 = 1,200: 6 lots must go (18 x 50 = 900 <= 940). Three are sold on day 4:
    # 21 x 40 = 840 is then below 940, so there is no second call and the order works on.
    assert run.margin_calls == 1
    assert shown(run.orders, "order", "ts", "contract", "lots", "origin", "status", "filled_lots") == table("""
        1 | 1 | BIG   | 20 | target      | filled      | 20
        2 | 1 | SMALL | -4 | target      | filled      | -4
        3 | 2 | BIG   | -1 | order       | margin_call | 0
        4 | 3 | BIG   | -6 | liquidation | filled      | -6
        """)
    assert shown(run.fills[2:], *FILLS) == table("""
        4 | 4 | BIG | -3 | 9.87 | 0
        5 | 4 | BIG | -3 | 9.87 | 0
        """)


GRACE = """
    3   | mark  | BIG   | 9.87  |
    4   | bar   | SMALL | 10    |
    4   | mark  | BIG   | {}  |
    5   | mark  | BIG   | 9.87  |
    6   | bar   | BIG   | 9.87  |
    7   | mark  | BIG   | 9.99  |
    8   | mark  | BIG   | 9.80  |
    """


@pytest.mark.parametrize("marks, sent", [(0, ["3 | -6"]), (1, ["4 | -6"]), (2, ["5 | -6"]), (3, [])])
def test_a_call_has_its_marks_of_grace_and_is_one_call(marks, sent):
    # Equity 940 < 960 on day 3 and until day 7. There 9.99 makes 1,180: enough only for who was liquidated, at 18 x 50 = 900;
    # with three marks of grace 1,180 < 24 x 50, and one lot must go; it has not gone when day 8 leaves 800 = 16 x 50.
    run = play(BIG_AND_SMALL, TWENTY_FOUR_LOTS + GRACE.format("9.87"), REQUESTS, cash="1200", terms=replace(MARGIN, margin_grace_marks=marks))
    late = [] if sent else ["7 | -1", "8 | -8"]
    assert shown([row for row in run.orders if row.origin == "liquidation"], "ts", "lots") == sent + late
    assert run.margin_calls == 1
    assert run.orders[2].status == "margin_call"


def test_an_account_that_is_back_in_time_is_left_alone_and_called_again():
    run = play(BIG_AND_SMALL, TWENTY_FOUR_LOTS + GRACE.format("10.00"), REQUESTS, cash="1200", terms=replace(MARGIN, margin_grace_marks=2))
    # Day 4: 1,200 = 24 x 50 ends the call of day 3; day 5 begins another, whose second mark is on day 8.
    assert run.margin_calls == 2
    assert shown([row for row in run.orders if row.origin == "liquidation"], "ts", "lots") == ["8 | -8"]


def test_a_contract_closed_whole_is_followed_by_the_next_best():
    run = play(BIG_AND_SMALL, TWENTY_FOUR_LOTS + """
        3   | mark  | BIG   | 9.48  |
        """, REQUESTS, cash="1200", terms=MARGIN)
    # Equity 1,200 - 1,040 = 160: closing all of BIG leaves 4 x 50 = 200, so one lot of SMALL goes too.
    assert shown(run.orders[3:], "contract", "lots") == ["BIG | -20", "SMALL | 1"]


def test_when_equity_is_gone_every_position_is_closed_the_largest_first():
    run = play("""contract | last | final | fixings
                  SMALL    | -    | -     |
                  BIG      | -    | -     |
                  OVER     | 2    | -     |
                  EVEN     | -    | -     |""", """
        day | event | of    | price
        1   | bar   | SMALL | 10
        1   | bar   | BIG   | 10
        1   | bar   | OVER  | 10
        1   | bar   | EVEN  | 10
        2   | bar   | SMALL | 10
        2   | bar   | BIG   | 10
        2   | bar   | OVER  | 10
        2   | bar   | EVEN  | 10
        3   | mark  | BIG   | 9
        """, """
        day | request
        1   | target SMALL 1
        1   | target BIG 5
        1   | target OVER 1
        1   | target EVEN -1
        """, cash="450", terms=Terms(lot_num=100, margin_initial_floor_micros=50_000_000,
                                     margin_maintenance_floor_micros=40_000_000))
    # OVER is past its last trade: it can only wait for its final.
    assert shown(run.orders[4:], "order", "contract", "lots", "origin", "status") == table("""
        5 | BIG   | -5 | liquidation | working
        6 | SMALL | -1 | liquidation | working
        7 | EVEN  | 1  | liquidation | working
        """)


def test_equity_below_zero_closes_all_even_where_no_margin_is_asked_and_nobody_cancels_that():
    run = play(NEAR, """
        day | event | of   | price
        1   | bar   | NEAR | 2
        2   | bar   | NEAR | 2
        3   | bar   | NEAR | 1
        3   | mark  | NEAR | 1
        4   | bar   | NEAR | 1
        4   | mark  | NEAR | 1
        """, """
        day | request
        1   | target NEAR 3
        3   | cancel #2
        """, cash="2000")
    assert shown(run.orders, "order", "ts", "contract", "lots", "origin", "status") == table("""
        1 | 1 | NEAR | 3  | target      | filled
        2 | 3 | NEAR | -3 | liquidation | filled
        """)
    # Day 4: nothing is held and nothing required, yet equity is still below zero, so the call stands: it is the same call.
    assert run.margin_calls == 1


def test_margin_by_percent_of_notional_rounds_half_even_and_a_floor_takes_over():
    def initial(price: str, ppm: int, floor: str) -> str:
        run = play(NEAR, f"""
            day | event | of   | price
            1   | bar   | NEAR | 0.01
            2   | bar   | NEAR | 0.01
            2   | mark  | NEAR | {price}
            """, """
            day | request
            1   | target NEAR -1
            """, terms=Terms(lot_num=1, margin_initial_ppm=ppm, margin_initial_floor_micros=micros_of(floor)))
        return shown(run.equity, "margin_initial_micros")[0]

    assert initial("-2.00", 100_000, "0.15") == "0.2"
    assert initial("2.00", 100_000, "0.25") == "0.25"
    assert initial("0.000005", 500_000, "0") == "0.000002"
    assert initial("0.000007", 500_000, "0") == "0.000004"
