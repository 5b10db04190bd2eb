# SPDX-License-Identifier: Apache-2.0
"""The builder: what it refuses, the events it adds, the order it keeps, prints and their restatements."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kilohour.contracts.contract import NEVER, Contract
from kilohour.errors import DataError
from kilohour.tape import Index, Kind, TapeBuilder
from kilohour.units import MISSING
from kilohour.units import NANOS_PER_DAY as DAY


def contract(code="X:Y-1970-02", last=40, settlement=None, fixing=(38, 39, 40), listed=2, month=197002):
    settled = last + 1 if settlement is None else settlement
    return Contract(code=code, product="X:Y", symbol="", month=month, listed_at=listed * DAY,
                    last_trade_at=last * DAY, settlement_at=settled * DAY, fixing_days=fixing, rule="by hand")


def flat(builder, ref, days, price=5):
    times = np.array(days) * DAY
    column = np.full(len(times), price)
    builder.bars(ref, times, column, column, column, column, column)


def rows(tape, kind):
    keep = tape.events["kind"] == kind
    return {name: column[keep].tolist() for name, column in tape.events.items()}


def test_listing_expiry_and_final_come_from_the_contract():
    builder = TapeBuilder(source="test")
    flat(builder, builder.contract(contract()), [1, 2, 3, 40])
    flat(builder, builder.contract(contract("X:Y-1970-03", last=60, listed=50)), [55, 59])
    tape = builder.build()
    assert rows(tape, Kind.LISTING)["ts"] == [2 * DAY, 50 * DAY]
    assert rows(tape, Kind.EXPIRY)["ts"] == [40 * DAY]  # the other one trades on beyond the tape
    assert rows(tape, Kind.FINAL)["ts"] == [41 * DAY]
    assert rows(tape, Kind.FINAL)["close"] == [MISSING]


def test_a_contract_without_fixing_days_has_only_a_stated_final():
    builder = TapeBuilder(source="test")
    silent = builder.contract(contract(fixing=()))
    stated = builder.contract(contract("X:Y-1970-03"))
    flat(builder, silent, [1, 40])
    flat(builder, stated, [1, 40])
    flat(builder, builder.contract(contract("X:Y-1970-04", last=99)), [90])
    builder.finals(stated, 41 * DAY, 7_000_000)
    finals = rows(builder.build(), Kind.FINAL)
    assert list(zip(finals["ref"], finals["close"], strict=True)) == [(stated, 7_000_000)]


def test_a_perpetual_never_ends():
    builder = TapeBuilder(source="test")
    perpetual = Contract(code="X:Y-PERP", product="X:Y", symbol="", month=0, listed_at=0, last_trade_at=NEVER,
                         settlement_at=NEVER, fixing_days=(), rule="never")
    flat(builder, builder.contract(perpetual), [1, 2])
    assert set(builder.build().events["kind"].tolist()) == {Kind.BAR, Kind.LISTING}


PRINTS = st.tuples(st.integers(1, 6), st.integers(7, 30), st.integers(-5, 5))


@given(st.lists(PRINTS, unique_by=lambda p: p[:2], max_size=25))
def test_prints_know_the_value_before_and_their_revision(prints):
    builder = TapeBuilder(source="test")
    flat(builder, builder.contract(contract()), [1])
    index = builder.index(Index(code="Y", unit="USD"))
    days, known, values = (np.array([p[i] for p in prints], dtype=np.int64) for i in range(3))
    builder.prints(index, days, known, values)
    found = rows(builder.build(), Kind.PRINT)
    wanted = []
    for day, at, value in prints:
        earlier = sorted((k, v) for d, k, v in prints if d == day and k < at)
        wanted.append((at, day * DAY, value, earlier[-1][1] if earlier else MISSING, len(earlier)))
    assert sorted(zip(found["ts"], found["ts_event"], found["close"], found["open"], found["volume"], strict=True)) == \
        sorted(wanted)


def test_two_prints_of_a_day_at_one_time_are_refused():
    builder = TapeBuilder(source="test")
    index = builder.index(Index(code="Y", unit="USD"))
    with pytest.raises(DataError, match="Y: a print of a day needs a time of its own, found two of 1970-01-06"):
        builder.prints(index, np.array([4, 5, 5]), np.array([1, 9, 9]) * DAY, np.array([1, 2, 3]))


def test_events_of_one_time_keep_their_order_by_kind_and_arrival():
    builder = TapeBuilder(source="test")
    ref = builder.contract(contract(last=1, settlement=1, listed=1, fixing=(1,)))
    index = builder.index(Index(code="Y", unit="USD"))
    builder.prints(index, np.array([1]), np.array([DAY]), np.array([5]))
    builder.interest(ref, np.array([DAY]), np.array([9]))
    builder.marks(ref, np.array([DAY]), np.array([5]))
    flat(builder, ref, [1])
    kinds = builder.build().events["kind"].tolist()
    assert kinds == [Kind.BAR, Kind.MARK, Kind.PRINT, Kind.INTEREST, Kind.FINAL, Kind.EXPIRY, Kind.LISTING]


REFUSED = [
    # what is wrong, times (days), open, high, low, close, volume, and what the message says
    ("high below close", [1], 5, 4, 3, 5, 1, "a bar's high must be its highest and low its lowest price"),
    ("low above open", [1], 3, 5, 4, 5, 1, "a bar's high must be its highest and low its lowest price"),
    ("negative volume", [1], 5, 5, 5, 5, -1, "volume must not be negative, found -1 at 1970-01-02"),
    ("unsorted", [2, 1], 5, 5, 5, 5, 1, "bars must be in increasing order of time, found an earlier time"),
    ("duplicate", [2, 2], 5, 5, 5, 5, 1, "bars must be in increasing order of time, found a duplicate time"),
    ("after the end", [41], 5, 5, 5, 5, 1, "no bar after the last trade on 1970-02-10 00:00, found one at 1970-02-11"),
]


@pytest.mark.parametrize(("days", "o", "h", "lo", "c", "v", "words"), [r[1:] for r in REFUSED],
                         ids=[r[0] for r in REFUSED])
def test_bars_that_cannot_be_are_refused(days, o, h, lo, c, v, words):
    builder = TapeBuilder(source="test")
    ref = builder.contract(contract())
    with pytest.raises(DataError, match=f"X:Y-1970-02: {words}"):
        builder.bars(ref, np.array(days) * DAY, *(np.full(len(days), value) for value in (o, h, lo, c, v)))


def test_floats_wrong_lengths_unknown_refs_and_no_bars_are_refused():
    builder = TapeBuilder(source="test")
    ref = builder.contract(contract())
    one, two = np.array([5]), np.array([5, 5])
    with pytest.raises(DataError, match="times must be integer nanoseconds"):
        builder.marks(ref, np.array([1.5]), one)
    with pytest.raises(DataError, match="column 'close' must be integers"):
        builder.marks(ref, one, np.array([2.5]))
    with pytest.raises(DataError, match="column 'close' must have the length of ts, 1"):
        builder.marks(ref, one, two)
    with pytest.raises(DataError, match=r"contract ref must be in 0..0, found 3"):
        builder.marks(3, one, one)
    with pytest.raises(DataError, match="X:Y-1970-02 is registered twice"):
        builder.contract(contract())
    with pytest.raises(DataError, match="a tape needs at least one bar"):
        builder.build()
