# SPDX-License-Identifier: Apache-2.0
"""Fees worked by hand: maker and taker, per lot and of notional, the exchange's and clearing's."""

from dataclasses import replace

from kilohour.backtests.outputs import tables_of
from kilohour.contracts import Product, engine_terms
from kilohour.errors import DataError
from tests.oracle.books import Terms
from tests.oracle.both import both
from tests.oracle.scripts import case
from tests.oracle.tables import shown, table

ONE = "contract\nNEAR"
BARS = """
    day | event | of   | open | high | low  | close | volume
    1   | bar   | NEAR | 2.00 | 2.00 | 2.00 | 2.00  |
    2   | bar   | NEAR | 2.00 | 2.10 | 1.90 | 2.00  |
    3   | bar   | NEAR | 1.95 | 2.10 | 1.90 | 2.00  |
    4   | bar   | NEAR | 2.00 | 2.10 | 1.90 | 2.00  |"""
AX = Terms(lot_num=730, tick_micros=1_000, half_spread_micros=1_000, fee_ppm=2_500, fee_maker_ppm=200)
"""Hummingbot's default for AX: 2 basis points for makers, 25 for takers."""


def test_a_limit_that_waited_makes_and_everything_else_takes():
    run, session = both(ONE, BARS, """
        day | request
        1   | market NEAR 1 gtc
        1   | limit NEAR 1 1.95 gtc
        1   | limit NEAR 1 2.05 gtc
        2   | limit NEAR 1 1.95 gtc
        3   | limit NEAR -1 2.10 gtc
        3   | limit NEAR -1 2.05 gtc
        """, terms=AX)
    # Bought at 2.001, or at 1.95 below an open of 2.00; 1.95 is the open itself on day 3: that takes, at its limit.
    assert shown(run.fills, "ts", "order", "price_micros", "fee_micros", "liquidity") == table("""
        2 | 1 | 2.001 | 3.651825 | taker
        2 | 2 | 1.95  | 0.2847   | maker
        2 | 3 | 2.001 | 3.651825 | taker
        3 | 4 | 1.95  | 3.55875  | taker
        4 | 6 | 2.05  | 0.2993   | maker
        """)
    assert tables_of(session)["fills"]["liquidity"].to_pylist() == ["taker", "maker", "taker", "taker", "maker"]


def test_the_exchange_and_clearing_are_paid_in_rows_of_their_own():
    terms = Terms(fee_per_lot_micros=5_500_000, fee_clearing_micros=750_000, fee_maker_per_lot_micros=3_650_000)
    run, _ = both(ONE, BARS, "day | request\n1 | market NEAR 2 gtc\n1 | limit NEAR -2 2.05 gtc", terms=terms)
    assert [row for row in shown(run.ledger, "ts", "kind", "micros") if "fee" in row] == table("""
        2 | fee          | -11
        2 | clearing_fee | -1.5
        2 | fee          | -7.3
        2 | clearing_fee | -1.5
        """)
    assert shown(run.fills, "fee_micros") == ["12.5", "8.8"]


def test_makers_at_the_takers_fee_pay_what_was_paid_before():
    for seed in range(20):
        of = case(seed)
        plain, same = (
            replace(of, terms={code: replace(its, fee_clearing_micros=0, fee_maker_per_lot_micros=fee(its.fee_per_lot_micros),
                                             fee_maker_ppm=fee(its.fee_ppm)) for code, its in of.terms.items()})
            for fee in (lambda _: None, lambda its: its)
        )
        try:
            assert plain.run().ledger == same.run().ledger
        except DataError:
            continue


def test_a_product_names_its_fees():
    plain = engine_terms(Product.simple("MY:GPU", lot=730, tick="0.01"))
    assert (plain.fee_maker_per_lot_micros, plain.fee_maker_ppm, plain.fee_clearing_micros) == (None, None, 0)
    stated = engine_terms(Product.simple("MY:GPU", lot=730, tick="0.01", fee_maker_ppm=200, fee_maker_per_lot=1, fee_clearing_per_lot="0.75"))
    assert (stated.fee_maker_per_lot_micros, stated.fee_maker_ppm, stated.fee_clearing_micros) == (1_000_000, 200, 750_000)
