# SPDX-License-Identifier: Apache-2.0
"""Cells of columns: numbers, times and days of every way a file may hold them, and what cannot be read."""

import datetime as dt
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from kilohour.datafeeds.importing.cells import days, numbers, texts, times
from kilohour.units import nanos_of

NY = "America/New_York"


def reasons(read):
    found = [""] * len(read.empty)
    for reason, mask in read.bad.items():
        for row in np.flatnonzero(mask):
            found[row] = reason
    return ["empty" if empty else reason for empty, reason in zip(read.empty, found, strict=True)]


def utc(text):
    return nanos_of(dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC))


@pytest.mark.parametrize(("column", "values"), [
    (pa.array(["1.5", " 2 ", "-3e2", ".5"]), [1.5, 2.0, -300.0, 0.5]),
    (pa.array(["1.5", "1.5"]).dictionary_encode(), [1.5, 1.5]),
    (pa.array([1, 2], pa.int8()), [1.0, 2.0]),
    (pa.array([Decimal("1.25")]), [1.25]),
    (pa.array([17.12345, 40.96566], pa.float32()), [17.12345, 40.96566]),
])
def test_numbers_are_what_the_file_means(column, values):
    read = numbers(column)
    assert read.values.tolist() == values
    assert reasons(read) == [""] * len(values)


def test_cells_that_are_no_numbers_are_told_apart():
    read = numbers(pa.array(["1", "", None, "abc", "nan", "inf", "1,5", "1 USD"]))
    assert reasons(read) == ["", "empty", "empty", *["not a number"] * 5]
    assert reasons(numbers(pa.array([1.0, None, float("nan"), float("inf")]))) == ["", "empty", "not finite", "not finite"]
    assert reasons(numbers(pa.array(["1e999"]))) == ["not finite"]
    assert reasons(numbers(pa.array([True, None]))) == ["not a number", "empty"]


def test_texts_are_trimmed_and_an_empty_cell_is_an_empty_text():
    assert texts(pa.array([" a", None, "a", "b "])).to_pylist() == ["a", "", "a", "b"]
    assert texts(pa.array(["a", None, "a"]).dictionary_encode()).to_pylist() == ["a", "", "a"]
    assert texts(pa.array([8, None])).to_pylist() == ["8", ""]


@pytest.mark.parametrize("column", [
    pa.array(["2024-03-10T12:00:00Z", "2024-03-10 12:00:00+00:00", "2024-03-10 08:00:00-0400"]),
    pa.array([dt.datetime(2024, 3, 10, 12, tzinfo=dt.UTC)] * 3, pa.timestamp("s", "UTC")),
    pa.array([dt.datetime(2024, 3, 10, 12, tzinfo=dt.UTC)] * 3, pa.timestamp("ns", NY)),
])
def test_times_with_a_zone_need_no_more(column):
    assert times(column).values.tolist() == [utc("2024-03-10 12:00")] * 3
    assert reasons(times(column)) == [""] * 3


def test_fractions_of_a_second_are_exact_to_the_nanosecond():
    read = times(pa.array(["2024-03-10T12:00:00.123456789Z", "2024-03-10T12:00:00.5+01:00", "1969-12-31T23:59:59.999999999Z"]))
    assert read.values.tolist() == [utc("2024-03-10 12:00") + 123_456_789, utc("2024-03-10 11:00") + 500_000_000, -1]


def test_wall_clock_times_are_read_in_the_zone_that_is_given():
    column = ["2024-03-10 01:59:59", "2024-03-10 02:30:00", "2024-03-10 03:00:00", "2024-11-03 01:30:00", "2024-11-03 02:00:00"]
    for given in (pa.array(column), pa.array([dt.datetime.fromisoformat(text) for text in column], pa.timestamp("ms"))):
        read = times(given, zone=NY)
        assert reasons(read) == ["", "a time that its zone has twice or never", "", "a time that its zone has twice or never", ""]
        assert read.values[[0, 2, 4]].tolist() == [utc("2024-03-10 06:59:59"), utc("2024-03-10 07:00"), utc("2024-11-03 07:00")]


def test_mixed_zones_are_refused():
    column = pa.array(["2024-07-01 12:00:00", "2024-07-01T12:00:00Z", "2024-07-01T12:00:00-04:00", "2024-12-01T12:00:00-05:00"])
    assert reasons(times(column)) == ["a time without a zone", "", "", ""]
    assert reasons(times(column, zone="UTC")) == ["", "", *["a time of another zone than UTC"] * 2]
    assert reasons(times(column, zone=NY)) == ["", f"a time of another zone than {NY}", "", ""]


def test_what_is_no_time_is_refused():
    column = pa.array(["2024-02-30", "yesterday", "", None, "2024-01-01T25:00:00", "01/02/2024", "9999-01-01T00:00:00Z"])
    assert reasons(times(column, zone="UTC")) == ["not a time", "not a time", "empty", "empty", *["not a time"] * 3]
    assert reasons(times(pa.array([1.0, None]))) == ["not a time", "empty"]
    assert reasons(times(pa.array([dt.datetime.fromisoformat("2024-01-01")]))) == ["a time without a zone"]


def test_epochs_count_in_their_unit():
    assert times(pa.array([1_700_000_000_123]), epoch="ms").values.tolist() == [1_700_000_000_123 * 1_000_000]
    assert reasons(times(pa.array(["1.5", "x", "1e30"]), epoch="s")) == ["not a whole number", "not a number", "a time out of range"]


def test_days_are_days():
    wanted = (dt.date(2024, 5, 1) - dt.date(1970, 1, 1)).days
    stamps = [pa.array([dt.datetime.fromisoformat("2024-05-01")], pa.timestamp("ms", zone)) for zone in (None, "UTC")]
    for column in (pa.array(["2024-05-01"]), pa.array([dt.date(2024, 5, 1)]), *stamps):
        assert days(column).values.tolist() == [wanted]
        assert reasons(days(column)) == [""]
    assert reasons(days(pa.array(["2024-05-01 12:00", "May 1", None]))) == ["a date with a time of day", "not a time", "empty"]
    assert reasons(days(pa.array([20240501]))) == ["not a date"]
    assert reasons(days(pa.array([dt.datetime.fromisoformat("2024-05-01")], pa.timestamp("ms", NY)))) == ["a time of another zone than UTC"]
