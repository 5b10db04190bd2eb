# SPDX-License-Identifier: Apache-2.0
"""When you were the market: shares of the volume counted by hand."""

import numpy as np
import pytest

from kilohour.backtests.share import ALL, share_sentence, shares_of
from kilohour.contracts.contract import NEVER, Contract
from kilohour.kernels.records import OUT_FILLS
from kilohour.tape import TapeBuilder
from kilohour.units import MISSING, NANOS_PER_DAY

HOUR = NANOS_PER_DAY // 24


def tape_of(**volumes):
    """By contract the volume of two bars a day."""
    builder = TapeBuilder(source="by hand")
    for code, lots in volumes.items():
        ref = builder.contract(Contract(code=code, product="X", symbol=code, month=0, listed_at=0, last_trade_at=NEVER,
                                        settlement_at=NEVER, fixing_days=(), rule=""))
        ts = (100 + np.arange(len(lots)) // 2) * NANOS_PER_DAY + (10 + np.arange(len(lots)) % 2) * HOUR
        price = np.full(len(lots), 10**6)
        builder.bars(ref, ts, price, price, price, price, np.array(lots))
    return builder.build()


def fills_of(*rows):
    fills = np.zeros(len(rows), OUT_FILLS)
    for fill, (day, contract, lots) in zip(fills, rows, strict=True):
        fill["ts"], fill["contract"], fill["lots"] = (100 + day) * NANOS_PER_DAY + 11 * HOUR, contract, lots
    return fills


def test_shares_are_counted_by_contract_and_utc_day():
    tape = tape_of(A=[50, 50, 0, 0, 40, 60], B=[100, 0, 10, 0, 20, MISSING], C=[900, 0, 0, 0, 0, 0])
    a, b, every = shares_of(tape, fills_of((0, 0, 3), (0, 0, -4), (1, 0, 2), (2, 0, 5), (0, 1, -1), (1, 1, 9), (2, 1, 1)))
    assert (a.contract, a.days, a.lots, a.volume, a.notable_days, a.alone_days) == ("A", 3, 14, 200, 2, 1)
    assert (a.most, a.most_day, a.unknown_days) == (0.07, "1970-04-11", 0)
    assert (b.days, b.lots, b.volume, b.notable_days, b.alone_days, b.unknown_days) == (2, 10, 110, 1, 0, 1)
    assert (b.most, b.most_day) == (0.9, "1970-04-12")
    assert (every.contract, every.days, every.lots, every.volume) == (ALL, 2, 19, 1110)
    assert (every.notable_days, every.unknown_days, every.most) == (1, 1, 11 / 10)
    assert share_sentence([a, b, every]) == ("You were more than 5% of a contract's volume on 3 of 5 days with a fill, 90.0% at most "
                                             "(B on 1970-04-12), on 1 of them nobody else traded, on 1 day the volume is not known.")


def test_without_a_fill_nothing_is_said():
    assert shares_of(tape_of(A=[1, 1]), fills_of()) == []
    assert share_sentence([]) == ""


@pytest.mark.parametrize(("volume", "sentence"), [
    ([MISSING, MISSING], "Your share of the volume: on 1 day the volume is not known."),
    ([0, 0], "You were more than 5% of a contract's volume on 1 of 1 day with a fill, on 1 of them nobody else traded."),
    ([100, 0], "You were more than 5% of a contract's volume on 0 of 1 day with a fill, 5.0% at most (A on 1970-04-11)."),
])
def test_what_the_report_says(volume, sentence):
    assert share_sentence(shares_of(tape_of(A=volume), fills_of((0, 0, 5)))) == sentence
