# SPDX-License-Identifier: Apache-2.0
"""What looks wrong in the values of a tape: each fault planted by hand on a clean one, and no alarm on clean ones."""

import dataclasses

import numpy as np
import pytest

from kilohour.contracts.contract import Contract
from kilohour.tape import Index, Kind, TapeBuilder
from kilohour.tape.doubts import doubts
from kilohour.tape.series_doubts import out_of_band, outliers, stale_runs, unit_slips, weekend_days
from kilohour.units import NANOS_PER_DAY as DAY
from kilohour.units import date_of

FIRST, LAST = 20_000, 20_100  # a Friday in October 2024 and a hundred days on
BUSINESS = np.array([day for day in range(FIRST, LAST) if (day + 3) % 7 < 5])


def wave(count, level=3.0, seed=1):
    """A random walk on a tick of a tenth of a cent."""
    steps = np.random.default_rng(seed).normal(0, 0.02, count)
    return np.rint(level * np.exp(np.cumsum(steps)) * 1000).astype(np.int64) * 1000


def make_tape(*, change=None, prints=None, print_days=BUSINESS, bar_days=BUSINESS, again=None):
    """Three months of one product with marks, and its index; ``change`` edits the marks of the middle month."""
    builder = TapeBuilder(source="clean")
    index = builder.index(Index(code="Y", unit="USD"))
    base = wave(len(bar_days))
    for place in range(3):
        ref = builder.contract(Contract(code=f"X:Y-2025-0{place + 3}", product="X:Y", symbol="", month=202503 + place, listed_at=1,
                                        last_trade_at=2**61, settlement_at=2**61, fixing_days=(), rule="by hand"))
        price = base - place * 20_000
        if place == 1 and change is not None:
            price = price.copy()
            change(price)
        ts = bar_days * DAY + DAY // 2
        builder.bars(ref, ts, price, price, price, price, np.ones(len(price), np.int64))
        builder.marks(ref, ts, price)
    values = wave(len(print_days), seed=2) if prints is None else prints
    rows = np.arange(len(print_days)) if again is None else np.append(np.arange(len(print_days)), again)
    late = np.where(np.arange(len(rows)) < len(print_days), 1, 2)
    builder.prints(index, print_days[rows], (print_days[rows] + late) * DAY, values[rows])
    return builder.build()


def found(tape):
    return [(one.rule, one.contract, one.count) for one in doubts(tape)]


def test_a_clean_tape_raises_no_alarm():
    assert found(make_tape()) == []


def spike(factor, at=40):
    def change(price):
        price[at] = round(price[at] * factor)

    return change


def level(factor, at=40):
    def change(price):
        price[at:] = np.rint(price[at:] * factor)

    return change


def still(first, last):
    def change(price):
        price[first:last] = price[first]

    return change


MONTH = "X:Y-2025-04"


@pytest.mark.parametrize(("change", "wanted"), [
    (spike(1.6), [("outlier", MONTH, 1), ("outside neighbours", MONTH, 1)]),
    (spike(0.4), [("outlier", MONTH, 1), ("outside neighbours", MONTH, 1)]),
    (spike(-1.0), [("outlier", MONTH, 1), ("outside neighbours", MONTH, 1)]),
    (spike(8.0), [("unit slip", MONTH, 2), ("outside neighbours", MONTH, 1)]),
    (spike(1 / 8), [("unit slip", MONTH, 2), ("outside neighbours", MONTH, 1)]),
    (spike(100.0), [("unit slip", MONTH, 2), ("outside neighbours", MONTH, 1)]),
    (level(8.0), [("unit slip", MONTH, 1)]),
    (level(0.01), [("unit slip", MONTH, 1)]),
    (still(20, 40), [("stale", MONTH, 1)]),
])
def test_a_planted_fault_in_marks_is_found_and_nothing_else(change, wanted):
    assert found(make_tape(change=change)) == wanted


def hourly(*, closes=None, highs=None, lows=None):
    """Four bars a day, of which the mark takes the last; one of them may be spoilt by a factor, at 08:00 of the 21st day."""
    builder = TapeBuilder(source="hours")
    ref = builder.contract(Contract(code="X:Y", product="X:Y", symbol="", month=0, listed_at=1, last_trade_at=2**61, settlement_at=2**61,
                                    fixing_days=(), rule="by hand"))
    ts = (BUSINESS[:, None] * DAY + np.array([4, 8, 12, 16]) * DAY // 24).ravel()
    price = wave(len(ts))
    close, high, low = price.copy(), price + 2_000, price - 2_000
    for column, factor in ((close, closes), (high, highs), (low, lows)):
        column[81] = round(column[81] * (factor or 1))
    builder.bars(ref, ts, price, np.maximum(high, close), np.minimum(low, close), close, np.ones(len(ts), np.int64))
    builder.marks(ref, ts[3::4] + 1, price[3::4])
    return builder.build()


@pytest.mark.parametrize(("fault", "wanted"), [
    ({}, []),
    ({"closes": 8}, [("unit slip", "X:Y", 2)]),
    ({"closes": 0.01}, [("unit slip", "X:Y", 2)]),
    ({"closes": 1.6}, [("outlier", "X:Y", 1)]),
    ({"highs": 100}, [("unit slip", "X:Y", 1)]),
    ({"lows": 1 / 8}, [("unit slip", "X:Y", 1)]),
])
def test_a_fault_in_a_bar_between_two_marks_is_found(fault, wanted):
    assert found(hourly(**fault)) == wanted


def test_a_bad_tick_says_where_it_lies():
    (one,) = doubts(hourly(highs=100))
    assert "a bar's high of" in one.detail
    assert "is 100 times its open and close" in one.detail


def test_an_index_that_falls_silent_has_a_gap():
    """Ten business days are gone; and of a list of changes nobody can say when it is late."""
    (one,) = doubts(make_tape(print_days=np.delete(BUSINESS, slice(20, 30))))
    assert (one.rule, one.contract, one.count, one.day) == ("gap", "Y", 1, str(date_of(BUSINESS[19])))
    assert one.detail == f"the longest: 15.0 days from {date_of(BUSINESS[19])}, usual are 1.0"
    changes = FIRST + np.array([0, 1, 2, 9, 10, 30, 33, 34, 60, 61, 62, 99])
    assert found(make_tape(print_days=changes)) == []


def test_stale_prints_are_found():
    values = wave(len(BUSINESS))
    values[10:30] = values[10]
    (one,) = doubts(make_tape(prints=values))
    assert (one.rule, one.contract) == ("stale", "Y")
    assert "the longest run has 20 equal values" in one.detail


def test_weekend_prints_are_found_where_weekends_have_none():
    days = np.sort(np.append(BUSINESS, [20_001, 20_009]))  # a Saturday and a Sunday
    assert found(make_tape(print_days=days)) == [("weekend", "Y", 2)]
    assert found(make_tape(print_days=np.arange(FIRST, LAST))) == []  # a daily index has weekends
    assert found(make_tape(print_days=BUSINESS[::10])) == []


def test_weekend_bars_are_found_on_a_tape_of_business_days():
    assert ("weekend", "X:Y", 1) in found(make_tape(bar_days=np.sort(np.append(BUSINESS, [20_002]))))


def test_a_restatement_that_changes_nothing_is_a_duplicate():
    assert found(make_tape(again=np.array([3, 4]))) == [("duplicated row", "Y", 2)]


def test_rows_twice_and_out_of_order_are_found():
    tape = make_tape()
    bars = np.flatnonzero(tape.events["kind"] == Kind.BAR)
    doubled = np.sort(np.append(np.arange(len(tape)), bars[5]))
    twice = dataclasses.replace(tape, events={name: column[doubled] for name, column in tape.events.items()})
    assert found(twice) == [("duplicated row", tape.contracts[int(tape.events["ref"][bars[5]])].code, 1)]
    turned = np.arange(len(tape))
    turned[[100, 200]] = turned[[200, 100]]
    mixed = dataclasses.replace(tape, events={name: column[turned] for name, column in tape.events.items()})
    assert next(rule for rule, _, _ in found(mixed)) == "out of order"


def test_a_step_to_a_new_level_and_a_steep_way_up_are_no_outliers():
    step = np.concatenate([np.full(30, 3.0), np.full(30, 5.0)]) + np.linspace(0, 0.01, 60)
    steep = 3.0 * np.exp(np.concatenate([np.zeros(20), np.linspace(0, 2, 10), np.full(20, 2.0)])) + np.linspace(0, 0.01, 50)
    assert outliers(step).tolist() == outliers(steep).tolist() == []


def test_the_last_value_but_one_can_be_an_outlier():
    """As WTI's May 2020 was: 18.27, -37.63, 10.01."""
    values = np.array([20.0, 20.5, 19.8, 21.0, 20.7, 20.1, 19.9, 20.2, 19.5, 19.9, 18.27, -37.63, 10.01])
    assert outliers(values).tolist() == [11]


def test_a_list_price_that_hardly_ever_moves_is_not_stale():
    prices = np.repeat([4_000_000, 3_900_000], [200, 30])
    assert stale_runs(prices) == []


def test_a_month_that_always_stands_out_is_no_finding():
    """Winter gas lies above its neighbours on every day."""
    groups, places = np.repeat(np.arange(50), 6), np.tile(np.arange(6), 50)
    values = np.tile([3.0, 3.1, 4.4, 3.2, 3.1, 3.0], 50) + np.repeat(np.random.default_rng(0).normal(0, 0.1, 50), 6)
    assert out_of_band(groups, places, values, share=0.25).tolist() == []
    values[6 * 10 + 4] *= 5
    assert out_of_band(groups, places, values, share=0.25).tolist() == [64]


def test_slips_name_their_factor():
    assert unit_slips(np.array([2.0, 16.4, 2.0, 200.0])) == [(1, 8.0), (2, 0.125), (3, 100.0)]
    assert unit_slips(np.array([2.0, 7.0, 0.0, -3.0])) == []
    spread = np.array([0.4, 0.1, 0.8, 0.3, 0.5, 0.2, 0.6, 0.1, 0.4, 0.7, 0.2, 0.5])  # 8 times is its market
    assert unit_slips(spread) == []
    assert weekend_days(np.empty(0, np.int64)).tolist() == []
