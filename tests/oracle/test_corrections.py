# SPDX-License-Identifier: Apache-2.0
"""The venue corrects a mark or a final settlement: hand-worked tables, played by the oracle and by the engine."""

from collections import Counter
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from kilohour.errors import DataError
from kilohour.tape import Kind, Tape
from tests.oracle.books import Terms
from tests.oracle.both import both
from tests.oracle.scripts import case
from tests.oracle.tables import micros_of, shown, table, tape_of

LEDGER = ("ts", "contract", "kind", "micros")
ONE = "contract\nNEAR"
BOUGHT = """
    day | event | of   | price | volume
    1   | bar   | NEAR | 2.00  |
    2   | bar   | NEAR | 2.00  |
    2   | mark  | NEAR | 2.00  |
    3   | mark  | NEAR | 2.10  |"""
BUY = """
    day | request
    1   | target NEAR 10
    """


def test_a_corrected_mark_is_reversed_and_booked_anew_when_it_is_known():
    run, session = both(ONE, BOUGHT + """
    3.5 | mark corrected | NEAR | 2.05 | 3
    4   | mark           | NEAR | 2.20 |""", BUY)
    # 10 lots of 730 hours: 7,300 hours. +0.10 is 730; +0.05 is 365; from 2.05 to 2.20 is 1,095.
    assert shown(run.ledger, *LEDGER) == table("""
        3   | NEAR | variation          | 730
        3.5 | NEAR | variation_reversed | -730
        3.5 | NEAR | variation          | 365
        4   | NEAR | variation          | 1095
        """)
    # A correction is a mark of the account: margin is looked at, and equity gets a row.
    assert shown(run.equity, "ts", "equity_micros") == table("""
        2   | 1000000
        3   | 1000730
        3.5 | 1000365
        4   | 1001460
        """)
    assert session.desk[0]["official"][0] == 2.2


def test_a_correction_is_of_the_lots_that_the_mark_margined_not_of_those_held_when_it_is_known():
    run, _ = both(ONE, BOUGHT + """
    3.4 | bar            | NEAR | 2.30 |
    3.5 | mark corrected | NEAR | 2.05 | 3
    4   | mark           | NEAR | 2.20 |""", BUY + "2 | target NEAR 10\n3.4 | flat X:GPU")
    assert run.fills[-1].lots == 10  # flat is asked for on the last bar: nothing has filled it when the run ends
    run, _ = both(ONE, BOUGHT + """
    3.3 | bar            | NEAR | 2.10 |
    3.4 | bar            | NEAR | 2.30 |
    3.5 | mark corrected | NEAR | 2.05 | 3
    4   | mark           | NEAR | 2.20 |""", BUY + "3.3 | flat X:GPU")
    # Sold at 2.30 before the correction: day 4 pays 2.30 - 2.05 on 7,300 hours, and 2.30 - 2.00 in all.
    assert shown(run.ledger, *LEDGER) == table("""
        3   | NEAR | variation          | 730
        3.5 | NEAR | variation_reversed | -730
        3.5 | NEAR | variation          | 365
        4   | NEAR | variation          | 1825
        """)
    assert run.cash_end - run.cash_start == micros_of("2190")


def test_a_price_seen_after_the_mark_still_values_the_position():
    run, session = both(ONE, BOUGHT + """
    3.4 | bar            | NEAR | 2.30 |
    3.5 | mark corrected | NEAR | 2.05 | 3""", BUY)
    # The reversal moves cash; equity is what the last trade says: 7,300 hours times 0.30.
    assert run.equity[-1].equity_micros == run.cash_start + micros_of("2190")
    assert run.equity[-1].cash_micros == run.cash_start + micros_of("365")
    assert session.book[0]["value_price"][0] == 2_300_000


def test_a_correction_after_a_later_mark_moves_no_cash():
    run, session = both(ONE, BOUGHT + """
    4   | mark           | NEAR | 2.20 |
    4.5 | mark corrected | NEAR | 2.05 | 3""", BUY)
    # What day 3 loses by it day 4 gains: the books of both days add up to the same 7,300 * 0.20.
    assert shown(run.ledger, *LEDGER) == table("""
        3   | NEAR | variation | 730
        4   | NEAR | variation | 730
        """)
    assert session.desk[0]["official"][0] == 2.2


def test_corrections_of_one_mark_follow_one_another_and_the_volatility_is_that_of_the_last():
    run, session = both(ONE, BOUGHT + """
    3.5 | mark corrected | NEAR | 9.05 | 3
    3.6 | mark corrected | NEAR | 2.10 | 3
    3.7 | mark corrected | NEAR | 2.04 | 3""", BUY)
    assert shown(run.ledger, *LEDGER) == table("""
        3   | NEAR | variation          | 730
        3.5 | NEAR | variation_reversed | -730
        3.5 | NEAR | variation          | 51465
        3.6 | NEAR | variation_reversed | -51465
        3.6 | NEAR | variation          | 730
        3.7 | NEAR | variation_reversed | -730
        3.7 | NEAR | variation          | 292
        """)
    assert session.desk[0]["variance"][0] == pytest.approx(0.04**2, rel=1e-9)


def test_a_lot_that_is_a_fraction_of_a_unit_keeps_its_residue_through_a_correction():
    run, _ = both(ONE, """
        day | event          | of   | price    | volume
        1   | bar            | NEAR | 2        |
        2   | bar            | NEAR | 2        |
        3   | mark           | NEAR | 2.000050 |
        3.5 | mark corrected | NEAR | 2.000160 | 3
        4   | mark           | NEAR | 2.000250 |
        """, "day | request\n1 | target NEAR 1", terms=Terms(lot_num=1, lot_den=100, tick_micros=1))
    # Micros owed: 0.5 (0 is booked, 0.5 kept); corrected 1.6 (2, -0.4 kept); then 0.9 - 0.4 = 0.5 (0, 0.5 kept).
    assert shown(run.ledger, *LEDGER) == table("""
        3.5 | NEAR | variation | 0.000002
        """)


FIXED = """contract | last | final | fixings
           NEAR     | 5    | 6.5   | 4 5"""
SETTLED = """
    day | event | of   | price | volume
    1   | bar   | NEAR | 2.00  |
    2   | bar   | NEAR | 2.00  |
    4.5 | print | 4    | 2.10  |
    5.5 | print | 5    | 2.30  |
    6   | mark  | NEAR | 2.25  |"""


def test_a_corrected_final_settlement_is_reversed_and_booked_anew_and_its_fee_stays():
    run, _ = both(FIXED, SETTLED + """
    7   | final corrected | NEAR | 2.24 |
    8   | final corrected | NEAR | 2.20 |""", BUY, terms=Terms(fee_settlement_micros=1_350_000))
    # The mean of 2.10 and 2.30 is 2.20; the venue then says 2.24, and takes it back.
    assert shown(run.ledger, *LEDGER) == table("""
        6   | NEAR | variation           | 1825
        6.5 | NEAR | settlement          | -365
        6.5 | NEAR | settlement_fee      | -13.5
        7   | NEAR | settlement_reversed | 365
        7   | NEAR | settlement          | -73
        8   | NEAR | settlement_reversed | 73
        8   | NEAR | settlement          | -365
        """)
    assert shown(run.settlements, "ts", "lots", "price_micros", "fixings", "revision") == table("""
        6.5 | 10 | 2.2  | 2 | 0
        7   | 10 | 2.24 | 0 | 1
        8   | 10 | 2.2  | 0 | 2
        """)


def test_a_provisional_settlement_is_booked_and_the_definitive_one_is_its_first_revision():
    run, _ = both("contract | last | final\nNEAR | 5 | 6", SETTLED.replace("6   | mark", "6   | final") + """
    6.2 | final corrected | NEAR | 2.27 |""", BUY)
    assert shown(run.ledger, *LEDGER) == table("""
        6   | NEAR | settlement          | 1825
        6.2 | NEAR | settlement_reversed | -1825
        6.2 | NEAR | settlement          | 1971
        """)


def test_a_print_restated_after_the_final_changes_nothing_and_before_it_only_as_the_rule_says():
    late, early = "\n7 | print | 5 | 9.99 |", "\n6 | print | 5 | 2.50 |"
    for latest, events, final in ((1, late, "2.2"), (0, late, "2.2"), (1, early, "2.3"), (0, early, "2.2")):
        run, _ = both(FIXED, SETTLED + events + "\n8 | mark | NEAR | 2.00 |", BUY, terms=Terms(restatement_latest=latest))
        assert shown(run.settlements, "ts", "price_micros") == [f"6.5 | {final}"]
        assert sum(row.micros for row in run.ledger) == Fraction(final) * 7_300_000_000 - 14_600_000_000


def test_random_books_meet_corrections_of_every_sort():
    kinds = Counter(row.kind for seed in range(60) for row in ledger_of(seed))
    assert min(kinds["variation_reversed"], kinds["settlement_reversed"]) > 20


def ledger_of(seed):
    try:
        return case(seed).run().ledger
    except DataError:
        return []


# Bad input


@pytest.mark.parametrize(("events", "rule"), [
    ("\n7 | mark corrected | NEAR | 2.05 | 4", "NEAR: a correction of a mark needs one to correct, found none of 1970-01-05 00:00"),
    ("\n6 | mark corrected | NEAR | 2.05 | 6", "NEAR: a correction of a mark must be known later than what it corrects, "
                                               "1970-01-07 00:00, found 1970-01-07 00:00"),
    ("\n6 | final | NEAR | 2 |\n6 | final | NEAR | 2 |", "NEAR: a contract is settled once, found a second final settlement at "
                                                        "1970-01-07 00:00; the venue's correction is correct_final"),
])
def test_what_cannot_be_corrected_is_refused(events, rule):
    with pytest.raises(DataError) as error:
        tape_of(FIXED, SETTLED + events)
    assert str(error.value) == rule


def test_a_tape_that_settles_a_contract_twice_is_found_and_not_loaded(tmp_path):
    tape = tape_of(FIXED, SETTLED + """
    3 | bar  | NEAR | 2.00 |
    4 | bar  | NEAR | 2.00 |
    5 | bar  | NEAR | 2.00 |
    7 | mark | NEAR | 2.20 |""")
    final = int(np.flatnonzero(tape.events["kind"] == Kind.FINAL)[0])
    rows = np.append(np.arange(len(tape)), final)
    order = np.lexsort((tape.events["kind"][rows], tape.events["ts"][rows]))
    twice = replace(tape, events={name: np.ascontiguousarray(column[rows][order]) for name, column in tape.events.items()})
    from kilohour.tape.check import check

    assert "settled twice" in [finding.rule for finding in check(twice, indices={"X:GPU": "X-GPU"})]
    assert "settled twice" not in [finding.rule for finding in check(tape, indices={"X:GPU": "X-GPU"})]
    saved = twice.save(tmp_path / "tape")
    with pytest.raises(DataError, match="a contract is settled once, found 2 final settlements of NEAR without a revision number"):
        Tape.load(tmp_path / "tape")
    assert saved.sha256 != tape.save(tmp_path / "once").sha256
    assert len(Tape.load(tmp_path / "once")) == len(tape)
