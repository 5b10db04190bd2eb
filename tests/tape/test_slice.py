# SPDX-License-Identifier: Apache-2.0
"""A part of a tape is a tape: what was known at its start is known in it."""

import numpy as np
import pytest

from kilohour.contracts.contract import Contract
from kilohour.errors import UsageError
from kilohour.tape import Index, Kind, TapeBuilder
from kilohour.tape.slice import between
from kilohour.units import NANOS_PER_DAY as DAY


def contract(month, last_trade, fixing_days, listed=0):
    return Contract(code=f"X:Y-{month // 100}-{month % 100:02d}", product="X:Y", symbol="", month=month,
                    listed_at=listed * DAY, last_trade_at=last_trade * DAY, settlement_at=(last_trade + 1) * DAY,
                    fixing_days=fixing_days, rule="by hand")


def make_tape():
    """Three contracts: over on day 10, on day 30, and listed on day 40; prints on days 1 to 30, day 12 restated."""
    builder = TapeBuilder(source="test")
    index = builder.index(Index(code="Y", unit="USD"))
    for life, months in ((range(1, 11), contract(197001, 10, (8, 9, 10))),
                         (range(1, 31), contract(197002, 30, (12, 13, 30))),
                         (range(40, 51), contract(197003, 60, (58, 59), listed=40))):
        ref = builder.contract(months)
        times = np.array(life) * DAY
        price = times // DAY * 1_000_000
        builder.bars(ref, times, price, price, price, price, price // 1_000_000)
        builder.marks(ref, times, price)
    days = np.arange(1, 31)
    builder.prints(index, np.append(days, 12), np.append(days + 1, 14) * DAY, np.append(days, 99) * 1_000_000)
    return builder.build()


def rows(tape, kind):
    keep = tape.events["kind"] == kind
    return {name: column[keep].tolist() for name, column in tape.events.items()}


def test_contracts_that_do_not_live_in_the_range_are_dropped():
    part = between(make_tape(), 15 * DAY, 24 * DAY)
    assert [c.code for c in part.contracts] == ["X:Y-1970-02"]
    assert rows(part, Kind.BAR)["ts"] == [day * DAY for day in range(15, 25)]
    assert set(rows(part, Kind.BAR)["ref"]) == {0}
    assert part.sha256 == ""


def test_listings_are_made_again_at_the_start():
    part = between(make_tape(), 15 * DAY, 44 * DAY)
    assert [c.month for c in part.contracts] == [197002, 197003]
    listings = rows(part, Kind.LISTING)
    assert list(zip(listings["ref"], listings["ts"], strict=True)) == [(0, part.start), (1, 40 * DAY)]


def test_prints_from_before_the_start_are_known_at_the_start_in_their_order():
    part = between(make_tape(), 15 * DAY, 34 * DAY)
    prints = rows(part, Kind.PRINT)
    of_day_12 = [(ts, value) for ts, event, value in zip(prints["ts"], prints["ts_event"], prints["close"], strict=True)
                 if event == 12 * DAY]
    # Known before day 15: the prints of days 1 to 13 and, on day 14 and before that of day 13, the restated day 12:
    # fourteen in all. The first bar comes at the start itself, so they come just before it.
    assert of_day_12 == [(15 * DAY - 14 + 11, 12_000_000), (15 * DAY - 14 + 12, 99_000_000)]
    assert part.start == 15 * DAY - 14
    assert {event // DAY for event in prints["ts_event"]} >= set(part.contracts[0].fixing_days)
    final = rows(part, Kind.FINAL)
    assert final["ts"] == [31 * DAY]
    assert max(ts for ts, event in zip(prints["ts"], prints["ts_event"], strict=True) if event == 30 * DAY) <= 31 * DAY


def test_the_part_is_sorted_as_a_tape_is():
    events = between(make_tape(), 5 * DAY - 1, 44 * DAY).events
    keys = list(zip(events["ts"].tolist(), events["kind"].tolist(), events["ref"].tolist(), strict=True))
    assert keys == sorted(keys)


def test_events_inside_are_those_of_the_whole():
    whole, part = make_tape(), between(make_tape(), 5 * DAY, 44 * DAY)
    for kind in (Kind.BAR, Kind.MARK, Kind.FINAL, Kind.EXPIRY):
        before, after = rows(whole, kind), rows(part, kind)
        pairs = zip(before["ts"], before["close"], strict=True)
        wanted = [(ts, close) for ts, close in pairs if 5 * DAY <= ts < 45 * DAY]
        assert list(zip(after["ts"], after["close"], strict=True)) == wanted


def test_the_whole_range_is_the_tape_itself():
    tape = make_tape()
    assert between(tape, tape.start, tape.end) is tape


def test_cutting_twice_is_cutting_once():
    once = between(make_tape(), 15 * DAY, 24 * DAY)
    twice = between(between(make_tape(), 10 * DAY, 44 * DAY), 15 * DAY, 24 * DAY)
    assert once.contracts == twice.contracts
    for name, column in once.events.items():
        np.testing.assert_array_equal(column, twice.events[name], err_msg=name)


@pytest.mark.parametrize(("first", "last"), [(31, 39), (25, 15), (100, 200)])
def test_an_empty_range_is_refused_with_the_range_there_is(first, last):
    with pytest.raises(UsageError, match=r"must hold at least one bar: from 1970-.* to 1970-.* has none; "
                                         r"this tape runs from 1970-01-02 to 1970-02-20"):
        between(make_tape(), first * DAY, last * DAY)
