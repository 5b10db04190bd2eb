# SPDX-License-Identifier: Apache-2.0
"""A part of a tape is a tape: what was known at its start is known in it."""

import itertools

import numpy as np
import pytest

from kilohour.contracts.contract import Contract
from kilohour.errors import DataError, UsageError
from kilohour.tape import Index, Kind, TapeBuilder
from kilohour.tape.slice import between, load_between
from kilohour.tape.store import load
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


def cut(make, *given):
    try:
        part = make(*given)
    except UsageError as error:
        return str(error)
    return part.notes, part.contracts, part.sha256, {name: column.tolist() for name, column in part.events.items()}


@pytest.mark.parametrize("group", [7, 50, 1 << 20])
def test_a_part_read_from_a_folder_is_the_part_of_the_whole(tmp_path, monkeypatch, group):
    monkeypatch.setattr("kilohour.tape.events.ROW_GROUP", group)
    tape = make_tape().save(tmp_path / "t")
    for first, last in itertools.product([None, 0, 5, 15, 24, 45], [None, 24, 31, 44, 90]):
        from_ns, to_ns = (None if day is None else day * DAY for day in (first, last))
        wanted = cut(between, tape, tape.start if from_ns is None else from_ns, tape.end if to_ns is None else to_ns)
        assert cut(load_between, tmp_path / "t", from_ns, to_ns) == wanted


def test_a_part_read_from_a_folder_holds_only_what_it_needs_and_checks_all(tmp_path, monkeypatch):
    monkeypatch.setattr("kilohour.tape.events.ROW_GROUP", 16)
    make_tape().save(tmp_path / "t")
    part = load(tmp_path / "t", (15 * DAY, 24 * DAY))
    bars = part.events["ts"][part.events["kind"] == Kind.BAR] // DAY
    assert bars.tolist() == [1, *range(15, 25)]  # the tape's first event tells where it begins
    path = tmp_path / "t" / "events.parquet"
    data = bytearray(path.read_bytes())
    data[40] ^= 1
    path.write_bytes(data)
    with pytest.raises(DataError, match="events.parquet"):
        load(tmp_path / "t", (35 * DAY, 50 * DAY))
