# SPDX-License-Identifier: Apache-2.0
"""Every settlement rule from a product's data to the ledger, against February 2027 worked out by hand.

The index prints 2.00 and a cent for each day of the month, with as many hours behind it as the day's number. February 2027
begins on a Monday; the 15th is Presidents' Day, so nineteen business days fix.
"""

import dataclasses
import datetime as dt
from dataclasses import asdict

import numpy as np
import pytest

from kilohour.backtests.outputs import tables_of
from kilohour.contracts import Registry, engine_terms
from kilohour.errors import DataError
from kilohour.tape import Index, TapeBuilder
from kilohour.units import MISSING, NANOS_PER_DAY, day_of
from tests.oracle.books import Terms
from tests.oracle.both import both
from tests.oracle.cases import Case
from tests.oracle.compare import differences
from tests.oracle.play import scripted
from tests.oracle.tables import shown

FREE = {"fee_per_lot": 0, "fee_settlement_per_lot": 0, "half_spread_ticks": 0, "index": "MY-GPU"}
HOUR = NANOS_PER_DAY // 24
FIRST = day_of(dt.date(2027, 2, 1))


def product_with(**terms):
    sim = Registry.shipped().product("SIM:H100")
    return dataclasses.replace(sim, code="MY:GPU").replace(**{**FREE, **terms})


def february(product, skip=()):
    """Ten lots bought at 2.00 on 29 January and held; the last mark, on 26 February, is 2.20."""
    contract = product.contract(202702)
    builder = TapeBuilder(source="by hand")
    ref, index = builder.contract(contract), builder.index(Index(code="MY-GPU", unit="USD per GPU-hour"))
    bars = np.array([FIRST - 4, FIRST - 3]) * NANOS_PER_DAY + 20 * HOUR
    price = np.full(2, 2_000_000)
    builder.bars(ref, bars, price, price, price, price, np.full(2, MISSING))
    builder.marks(ref, np.array([contract.last_trade_at]), np.array([2_200_000]))
    days = np.array([day for day in range(1, 33) if day not in skip])
    builder.prints(index, FIRST + days - 1, (FIRST + days) * NANOS_PER_DAY + 9 * HOUR, 2_000_000 + days * 10_000, days)
    builder.interest(ref, np.array([(FIRST + 40) * NANOS_PER_DAY]), np.array([0]))
    if product.text("settlement") == "last_mark":
        builder.finals(ref, contract.settlement_at)
    tape = builder.build()
    known = asdict(engine_terms(product))
    terms = {product.code: Terms(**{field.name: known[field.name] for field in dataclasses.fields(Terms)})}
    return Case(tape=tape, terms=terms, actions={int(bars[0]): [("market", contract.code, 10, "gtc")]},
                cash_micros=10**12, watched={product.code})


def settled(case):
    expected, session = case.run(), scripted(case)
    session.run(len(case.tape))
    session.close()
    tables = tables_of(session)
    assert differences(expected, tables) == []
    row = tables["settlements"].to_pylist()[0]
    assert sum(tables["ledger"]["micros"].to_pylist()) == 7_300 * (row["price_micros"] - 2_000_000)
    return row


@pytest.mark.parametrize(("settlement", "price", "fixings", "words"), [
    # The 1st to 5th, 8th to 12th, 16th to 19th, 22nd to 26th add up to 255; over 19 that is 13.42105.
    ("mean_business_days", 2_134_200, 19, "mean of 19 prints"),
    # 1 to 28 add up to 406, 14.5 a day.
    ("mean_calendar_days", 2_145_000, 28, "mean of 28 prints"),
    # The last trade is on Friday the 26th.
    ("single_print", 2_260_000, 1, "single print"),
    # Squares over sums: 4,685 / 255 is 18.37255, 7,714 / 406 is 19.
    ("volume_weighted_business_days", 2_183_700, 19, "volume-weighted mean of 19 prints"),
    ("volume_weighted_calendar_days", 2_190_000, 28, "volume-weighted mean of 28 prints"),
    ("last_mark", 2_200_000, 0, "last official mark"),
])
def test_a_rule_in_the_product_settles_the_ledger(settlement, price, fixings, words):
    row = settled(february(product_with(settlement=settlement)))
    assert (row["price_micros"], row["fixings"], row["missing"], row["rule"]) == (price, fixings, 0, words)


@pytest.mark.parametrize(("missing_day", "price", "fixings"), [
    # Without the 26th: 229 over 18 is 12.7222.
    ("skip", 2_127_200, 18),
    # The 25th stands in: 254 over 19 is 13.36842.
    ("previous", 2_133_700, 19),
])
def test_a_missing_day_by_the_products_rule(missing_day, price, fixings):
    row = settled(february(product_with(missing_day=missing_day), skip=(26,)))
    assert (row["price_micros"], row["fixings"], row["missing"]) == (price, fixings, 1)


def test_days_after_the_last_print_on_the_tape_take_the_one_before_them():
    row = settled(february(product_with(missing_day="previous"), skip=range(24, 33)))
    # The 23rd stands in for the 24th to 26th: 255 - 75 + 69 = 249 over 19 is 13.10526.
    assert (row["price_micros"], row["missing"]) == (2_131_100, 3)


def test_rounding_is_the_contracts_own():
    row = settled(february(product_with(settlement_rounding="0.01")))
    assert row["price_micros"] == 2_130_000
    row = settled(february(product_with(settlement_rounding="0.000001")))
    assert row["price_micros"] == 2_134_211


WINDOW = """contract | last | final | fixings
            NEAR     | 6    | 7.5   | 4 5 6"""
HELD = """
    day | event | of   | price | volume
    1   | bar   | NEAR | 2.00  |
    2   | bar   | NEAR | 2.00  |
    4.5 | print | 4    | 2.10  | 100
    5.5 | print | 5    | 2.40  | 50
    6.5 | print | 6    | 2.90  | {last}
    {more}
    8   | mark  | NEAR | 2.00  |"""
WEIGHTED = Terms(weighted=1, missing_rule=2)
BUY = "day | request\n1 | target NEAR 1"


@pytest.mark.parametrize(("last", "more", "latest", "price", "weight"), [
    ("0", "", 1, "2.2", 150),  # a print with nothing behind it says nothing
    ("", "", 1, "2.2", 150),  # one without a weight is no print
    ("50", "", 1, "2.375", 200),
    ("50", "7 | print | 6 | 2.90 | 250", 1, "2.6375", 400),  # a restatement may be of the weight alone
    ("50", "7 | print | 6 | 2.90 | 250", 0, "2.375", 200),
])
def test_weights_count_as_known_at_settlement(last, more, latest, price, weight):
    run, session = both(WINDOW, HELD.format(last=last, more=more or "7 | mark | NEAR | 2.00 |"), BUY,
                        terms=dataclasses.replace(WEIGHTED, restatement_latest=latest))
    assert shown(run.settlements, "price_micros", "weight") == [f"{price} | {weight}"]
    fixed = session.desk[0]
    count = fixed["fixed_count"][0]
    assert fixed["fixed_sum"][0] / count == pytest.approx(float(price), rel=1e-12)
    assert count == (2 if last == "" else 3)


def test_weights_that_are_all_zero_make_no_price():
    events = HELD.replace("100", "0").replace("| 50", "| 0").format(last="0", more="7 | mark | NEAR | 2.00 |")
    with pytest.raises(DataError):
        both(WINDOW, events, BUY, terms=WEIGHTED)


def test_the_last_mark_settles_only_a_contract_that_has_one():
    events = "day | event | of | price | volume\n1 | bar | NEAR | 2 |\n2 | bar | NEAR | 2 |\n5 | final | NEAR | |"
    with pytest.raises(DataError, match="NEAR"):
        both("contract | last | final\nNEAR | 4 | 5", events, BUY, terms=Terms(settles_at_mark=1))


def test_weights_must_be_whole_and_small_enough():
    builder = TapeBuilder(source="by hand")
    index = builder.index(Index(code="X-GPU", unit="USD per GPU-hour"))
    for weight, value in ((-1, 2), (10**9 + 1, 2), (10**9, 10**9)):
        with pytest.raises(DataError, match="X-GPU: a print's weight must be from 0 to 1,000,000,000"):
            builder.prints(index, np.array([4]), np.array([5]), np.array([value]), np.array([weight]))
