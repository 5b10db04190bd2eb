# SPDX-License-Identifier: Apache-2.0
"""Funding of perpetuals: hand-worked tables and closed forms, played by the oracle and by the engine."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kilohour.contracts import Product, engine_terms
from kilohour.errors import DataError, UsageError
from kilohour.kernels.compiling import entry
from kilohour.kernels.funding import funding_rate
from kilohour.kernels.records import TERMS
from tests.oracle.books import Terms, half_even
from tests.oracle.both import both
from tests.oracle.tables import PRODUCT, micros_of, shown, table

LEDGER = ("ts", "contract", "kind", "micros")
PERP = "contract\nPERP"
CENTS = Terms(lot_num=1, lot_den=100, tick_micros=1000)
OPENED = """
    day  | event   | of   | price | volume
    1    | bar     | PERP | 2.00  |
    2    | bar     | PERP | 2.00  |
    2    | mark    | PERP | 2.00  |"""
SHORT = """
    day | request
    1   | target PERP -50000
    """


def test_longs_pay_a_positive_rate_and_shorts_receive_it_on_the_mark_and_the_lots_held():
    run, _ = both(PERP, OPENED + """
    2.25 | funding | PERP | 0.0001     |
    2.5  | funding | PERP | -0.00012345 |
    2.75 | funding | PERP | 0          |
    3    | mark    | PERP | 2.10       |
    3    | funding | PERP | 0.0002     |""", SHORT, terms=CENTS)
    # 50,000 lots of 1/100 are 500 GPU-hours: 1,000 USD at 2.00, 1,050 at 2.10; a mark of the same time counts.
    assert shown(run.ledger, *LEDGER) == table("""
        2.25 | PERP | funding   | 0.1
        2.5  | PERP | funding   | -0.12345
        3    | PERP | variation | -50
        3    | PERP | funding   | 0.21
        """)


def test_nothing_held_pays_nothing_and_needs_no_mark():
    run, _ = both(PERP, """
    day  | event   | of   | price | volume
    0.5  | funding | PERP | 0.01  |
    1    | bar     | PERP | 2.00  |
    2.25 | funding | PERP |       |""", terms=OKX)
    assert run.ledger == []


def test_a_lot_of_a_hundredth_pays_each_funding_to_the_nearest_micro_ties_to_even():
    rows = "".join(f"\n    {2 + n / 8} | funding | PERP | 0.0000{n}5 |" for n in range(1, 8))
    run, _ = both(PERP, OPENED + rows, SHORT.replace("-50000", "-1"), terms=CENTS)
    # 20,000 micros at 0.000015 are 0.3; at 0.000025 half a micro, which is even at nothing; at 0.000075 1.5, which is 2.
    exact = [Fraction(20_000 * (10 * n + 5), 10**6) for n in range(1, 8)]
    assert exact[1] == Fraction(1, 2)
    assert exact[6] == Fraction(3, 2)
    assert [row.micros for row in run.ledger] == [half_even(its) for its in exact if half_even(its)]


CARRY = """contract | product | last | final | fixings
           FAR      | X:GPU   | 5    | 6.5   | 4 5
           PERP     | X:PERP  | -    | -     |"""


def test_cash_and_carry_pays_its_closed_form():
    """Long a lot of 730 hours, short 73,000 perpetual lots of 1/100; fixing at 2.10 and 2.16, the perpetual ends at 2.13."""
    rates = {"2.5": ("2.03", "0.0001"), "3.5": ("2.07", "0.00031"), "4.5": ("2.11", "-0.00005"), "5.5": ("2.12", "0.00012345")}
    events = """
        day | event | of   | price | volume
        1   | bar   | FAR  | 2.05  |
        1   | bar   | PERP | 2.00  |
        2   | bar   | FAR  | 2.05  |
        2   | bar   | PERP | 2.00  |
        4.9 | print | 4    | 2.10  |
        5.9 | print | 5    | 2.16  |
        6   | bar   | PERP | 2.13  |
        6.5 | mark  | PERP | 2.13  |"""
    events += "".join(f"\n{day} | mark | PERP | {mark} |\n{day} | funding | PERP | {rate} |" for day, (mark, rate) in rates.items())
    fee = Terms(fee_per_lot_micros=5_500_000, fee_settlement_micros=1_350_000)
    run, _ = both(CARRY, events, "day | request\n1 | target_spread FAR PERP 0\n1 | market FAR 1 gtc\n1 | market PERP -73000 gtc",
                  terms={PRODUCT: fee, "X:PERP": CENTS})
    # 730 hours bought at 2.05 and settled at the mean 2.13, sold at 2.00 and worth 2.13: the basis paid is 0.05 an hour.
    carried = sum(half_even(730 * Fraction(mark) * Fraction(rate) * 10**6) for mark, rate in rates.values())
    assert shown(run.settlements, "price_micros", "fixings") == ["2.13 | 2"]
    assert run.cash_end - run.cash_start == micros_of("-36.5") + carried - 5_500_000 - 1_350_000
    assert sum(row.micros for row in run.ledger if row.kind == "funding") == carried
    assert run.final_positions == {"PERP": -73_000}


OKX = Terms(lot_num=1, lot_den=100, tick_micros=1000, funding_cap=1_500_000, funding_divisor=1)
"""okx.com/help/360053909272: clamp(premium - interest, -1.5 %, +1.5 %), interest 0."""
GATE = Terms(lot_num=1, lot_den=100, tick_micros=1000, funding_cap=100_000_000, funding_damper=50_000, funding_interest=10_000,
             funding_divisor=1)
"""gate.io/futures/introduction/funding-rate-history: premium + clamp(interest - premium, -0.05 %, +0.05 %)."""


@pytest.mark.parametrize(("terms", "mark", "index", "rate"), [
    (OKX, "2.02", "2.00", "0.01"),
    (OKX, "2.00", "2.02", "-0.00990099"),  # 0.00990099009...
    (OKX, "2.10", "2.00", "0.015"),
    (OKX, "1.90", "2.00", "-0.015"),
    (GATE, "2.0006", "2.00", "0.0001"),  # a premium of 3 bp lies within 5 bp of the interest of 1 bp
    (GATE, "2.002", "2.00", "0.0005"),  # 10 bp less the 5 bp it may be pulled
    (GATE, "1.99", "2.00", "-0.0045"),
])
def test_a_rate_by_rule_is_the_clamped_premium(terms, mark, index, rate):
    run, _ = both(PERP, OPENED + f"""
    2.1  | print   | 2    | {index} |
    2.2  | mark    | PERP | {mark} |
    2.25 | funding | PERP |        |""", SHORT, terms=terms)
    paid = half_even(500 * Fraction(mark) * Fraction(rate) * 10**6)
    assert [row.micros for row in run.ledger if row.kind == "funding"] == [paid]


def test_a_print_of_the_same_time_comes_too_late_and_a_restated_one_counts_from_when_it_is_known():
    run, _ = both(PERP, OPENED + """
    2.1  | print   | 2    | 2.00   |
    2.1  | mark    | PERP | 2.02   |
    2.25 | print   | 2    | 2.01   |
    2.25 | funding | PERP |        |
    2.5  | funding | PERP |        |""", SHORT, terms=OKX)
    # One per cent of 1,010 USD at the first print; then 0.01 over 2.01, 0.00497512 to eight decimals.
    assert [row.micros for row in run.ledger if row.kind == "funding"] == [10_100_000, half_even(Fraction(1010 * 497_512, 100))]


@entry
def compiled_rate(terms, mark, index):
    return funding_rate(terms[0], mark, index)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.integers(1, 10**10), st.integers(1, 10**10), st.integers(0, 10**8), st.integers(0, 10**8), st.integers(-(10**8), 10**8),
       st.integers(1, 24))
def test_the_formula_in_exact_fractions(mark, index, cap, damper, interest, divisor):
    term = np.zeros(1, TERMS)
    term["funding_cap"], term["funding_damper"], term["funding_interest"], term["funding_divisor"] = cap, damper, interest, divisor
    premium = half_even(Fraction((mark - index) * 10**8, index))
    rate = premium + sorted((-damper, interest - premium, damper))[1]
    assert compiled_rate(term, mark, index) == half_even(Fraction(sorted((-cap, rate, cap))[1], divisor))


# What cannot be worked out


@pytest.mark.parametrize(("events", "rule"), [
    ("2.25 | funding | PERP | |", "funding of a position needs an official mark, and by rule a positive print of its index"),
    ("2.2 | print | 2 | 0 |\n2.25 | funding | PERP | |", "funding of a position needs an official mark"),
])
def test_a_rule_without_a_print_stops_the_run(events, rule):
    with pytest.raises(DataError, match="PERP: funding"):
        both(PERP, OPENED + "\n1.5 | print | 1 | -1 |\n" + events, SHORT, terms=OKX)


def test_a_rate_by_rule_for_a_product_without_one_is_refused_before_the_run():
    with pytest.raises(UsageError, match="X:GPU: funding by rule needs the terms index and funding_cap_ppm"):
        both(PERP, OPENED + "\n2.25 | funding | PERP | |", SHORT.replace("PERP -50000", "PERP 0"), terms=CENTS)


def test_the_terms_of_a_rule_become_hundred_millionths():
    perp = Product.simple("MY:PERP", lot="1/100", tick="0.001", listed_months="perpetual", last_trade="never", index="SD-H100",
                          funding_interval_hours=8, funding_cap_ppm=15_000, funding_damper_ppm=500, funding_interest_ppm=100,
                          funding_divisor=8)
    terms = engine_terms(perp)
    assert (terms.funding_cap, terms.funding_damper, terms.funding_interest, terms.funding_divisor) == (1_500_000, 50_000, 10_000, 8)
    assert engine_terms(Product.simple("MY:GPU", lot=730, tick="0.01")).funding_divisor == 0
