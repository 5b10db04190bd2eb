# SPDX-License-Identifier: Apache-2.0
"""What `kilohour data check` finds, each fault planted by hand."""

import numpy as np
import pytest

from kilohour.contracts.contract import Contract
from kilohour.tape import Index, TapeBuilder
from kilohour.tape.check import check
from kilohour.units import NANOS_PER_DAY as DAY

INDICES = {"X:Y": "Y"}


def make_tape(*, bars=range(1, 31), marks=None, prints=range(1, 31), listed=0, lag=1, other=range(1, 31)):
    builder = TapeBuilder(source="test", days_per_year=365)
    builder.index(Index(code="DECOY", unit="USD"))
    index = builder.index(Index(code="Y", unit="USD"))
    for month, days in ((2, bars), (3, other)):
        last = 30 if month == 2 else 90
        ref = builder.contract(Contract(
            code=f"X:Y-1970-0{month}", product="X:Y", symbol="", month=197000 + month, listed_at=listed * DAY,
            last_trade_at=last * DAY, settlement_at=(last + 1) * DAY, fixing_days=(28, 29, 30) if month == 2 else (80,),
            rule="by hand"))
        times = np.array(days) * DAY
        price = np.full(len(times), 5)
        builder.bars(ref, times, price, price, price, price, price)
        marked = np.array(days if marks is None or month == 3 else marks) * DAY
        builder.marks(ref, marked, np.full(len(marked), 5))
    for known_index in (0, index):
        days = np.array(range(1, 31) if known_index == 0 else prints)
        builder.prints(known_index, days, (days + lag) * DAY, days)
    return builder.build()


def found(tape):
    return [(f.rule, f.contract, f.day, f.count) for f in check(tape, indices=INDICES)]


def test_a_sound_tape_has_no_findings():
    assert found(make_tape()) == []


def without(*gone):
    return [day for day in range(1, 31) if day not in gone]


@pytest.mark.parametrize(("fault", "finding"), [
    ({"bars": without(5, 6)}, ("missing bar", "X:Y-1970-02", "1970-01-06", 2)),
    ({"bars": without(5, 6), "other": without(5, 6)}, ("gap", "X:Y", "1970-01-05", 1)),
    ({"marks": without(7)}, ("missing mark", "X:Y-1970-02", "1970-01-08", 1)),
    ({"prints": without(29)}, ("missing print", "X:Y-1970-02", "1970-01-30", 1)),
    ({"prints": without(28)}, ("missing print", "X:Y-1970-02", "1970-01-29", 1)),
])
def test_a_planted_fault_is_found(fault, finding):
    assert found(make_tape(**fault)) == [finding]


def test_a_print_known_too_late_is_missing():
    findings = check(make_tape(lag=2), indices=INDICES)
    assert [(f.rule, f.day) for f in findings] == [("missing print", "1970-01-31")]
    assert "needs a print known by 1970-02-01 00:00, found one first known 1970-02-02 00:00" in str(findings[0])


def test_days_before_the_first_print_are_the_tapes_beginning_and_no_hole():
    assert found(make_tape(prints=[30])) == [("window before prints", "X:Y-1970-02", "1970-01-29", 2)]
    assert found(make_tape(prints=[28])) == [("missing print", "X:Y-1970-02", f"1970-01-{day}", 1) for day in (30, 31)]


def test_a_final_that_the_venue_states_needs_no_prints():
    builder = TapeBuilder(source="stated", days_per_year=365)
    ref = builder.contract(Contract(code="X:Y-1970-02", product="X:Y", symbol="", month=197002, listed_at=0, last_trade_at=3 * DAY,
                                    settlement_at=4 * DAY, fixing_days=(1, 2, 3), rule="by hand"))
    price = np.full(4, 5)
    builder.bars(ref, np.arange(4) * DAY, price, price, price, price, price)
    builder.marks(ref, np.arange(4) * DAY, price)
    builder.finals(ref, 4 * DAY, 5)
    assert found(builder.build()) == []


def test_bars_before_the_listing_are_found():
    assert ("bar outside listing", "X:Y-1970-02", "1970-01-02", 2) in found(make_tape(listed=3))
