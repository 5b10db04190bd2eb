# SPDX-License-Identifier: Apache-2.0
"""The desk: what it answers, what it refuses, and what its verbs ask for."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

import numpy as np
import pytest

from kilohour.desk import Desk, column_key, column_name
from kilohour.faces.python_face import structure_of
from kilohour.kernels import records as r
from kilohour.units import NANOS_PER_DAY
from tests.faces.small import market
from tests.oracle.tables import tape_of

CONTRACTS = """
contract | listed | last | final | fixings
A        | 0      | 11.5 | 12    | 12
B        | 0      | 15   | 16    | 13 14
C        | 0      | -    | -     |
"""
EVENTS = """
day | event | of | price | volume
10  | bar   | A  | 2.00  | 100
10  | bar   | B  | -2.10 | 5
"""


@pytest.fixture
def memory():
    of = market(tape_of(CONTRACTS, EVENTS))
    memory = of.desk.copy()
    view = memory[0]
    view["now"] = 10 * NANOS_PER_DAY
    view["chain"][:3], view["chain_count"][0] = [0, 1, 2], 3
    view["listed"][:3] = 1
    view["last"][:2], view["seen_at"][:2] = [2.0, -2.1], 10 * NANOS_PER_DAY - 5
    view["column_limit"] = 16
    view["index_count"] = 1
    return memory


@pytest.fixture
def desk(memory):
    structure: Any = structure_of(Desk)
    return structure.from_buffer(memory)


ONE = ["is_listed", "month", "days_to_fixing", "days_to_last_trade", "price", "mark", "age", "volume", "interest", "has_volatility",
       "volatility", "unit_count", "fixed_share", "fixed_mean", "position", "working"]
SERIES = ["has_value", "value", "value_day", "is_new"]
PRODUCT = ["count", "rolled", "flat"]


@pytest.mark.parametrize("row", [-1, 3, 1023, 5000])
@pytest.mark.parametrize("name", ONE)
def test_a_reader_refuses_a_row_that_is_no_contract(desk, name, row):
    with pytest.raises(ValueError, match="desk: no such contract in this run"):
        getattr(desk, name)(row)


@pytest.mark.parametrize("row", [-1, 1, 64])
@pytest.mark.parametrize("name", SERIES)
def test_a_reader_refuses_a_row_that_is_no_series(desk, name, row):
    with pytest.raises(ValueError, match="desk: no such series in this run"):
        getattr(desk, name)(row)


@pytest.mark.parametrize("row", [-1, 1, 16])
@pytest.mark.parametrize("name", PRODUCT)
def test_a_row_that_is_no_product_is_refused(desk, name, row):
    with pytest.raises(ValueError, match="no such product in this run"):
        getattr(desk, name)(row)


VERBS = [("target", (-1, 0)), ("target", (3, 1)), ("target_spread", (-1, 0, 1)), ("target_spread", (0, 3, 0)), ("target_only", (-1, 0, 0)),
         ("target_only", (0, 3, 0)), ("limit", (3, 1, 2.0)), ("market", (-1, 1)), ("close_outside", (-1, 0)), ("close_outside", (0, 3)),
         ("lots_for_dollars", (3, 1.0)), ("lots_for_percent", (-1, 1.0)), ("lots_for_volatility", (3, 1.0)), ("months_between", (0, 3))]


@pytest.mark.parametrize("name, arguments", VERBS, ids=str)
def test_a_verb_refuses_a_row_that_is_no_contract(desk, name, arguments):
    with pytest.raises(ValueError, match="desk: no such contract in this run"):
        getattr(desk, name)(*arguments)


@pytest.mark.parametrize("name, arguments, words", [
    ("nth", (0, 0), "fewer contracts are listed than n"),
    ("nth", (0, 4), "fewer contracts are listed than n"),
    ("volatility", (0,), "fewer than two marks"),
    ("age", (2,), "no bar yet"),
    ("fixed_mean", (0,), "no print of the window is known"),
    ("value", (0,), "no print yet"),
    ("value_day", (0,), "no print yet"),
    ("equity", (), "must be called by name"),
    ("cash", (), "must be called by name"),
    ("limit", (0, 1, math.nan), "a price must be a number below a billion"),
    ("limit", (0, 1, math.inf), "a price must be a number below a billion"),
    ("limit", (0, 1, 1e300), "a price must be a number below a billion"),
    ("target_spread", (0, 0, 1), "near and far must be two contracts"),
    ("target_only", (1, 1, 1), "near and far must be two contracts"),
    ("lots_for_dollars", (2, 1.0), "notional must be positive"),
])
def test_a_question_without_an_answer_raises(desk, name, arguments, words):
    with pytest.raises(ValueError, match=words):
        getattr(desk, name)(*arguments)


def test_what_was_not_seen_yet_is_told_apart(desk):
    assert math.isnan(desk.price(2))
    assert math.isnan(desk.mark(0))
    assert desk.volume(0) == -1
    assert desk.age(0) == 5
    assert not desk.has_volatility(0)


def test_the_chain_is_counted_from_the_first_unfixed(desk):
    assert [desk.nth(0, n) for n in (1, 2, 3)] == [0, 1, 2]
    assert [desk.count(0, days) for days in (0, 1, 2, 3, 4)] == [3, 3, 2, 1, 1]
    assert desk.nth(0, 1, 2) == 1
    assert desk.days_to_fixing(1) == 3.0
    assert desk.days_to_last_trade(0) == 1.5


def test_sizes_keep_their_sign_and_round_towards_zero(desk):
    """A lot of A is 730 hours at 2.00: 1,460 dollars; B's price is negative, its notional is not."""
    assert [desk.lots_for_dollars(0, x) for x in (1459.0, 1460.0, 14_700.0, -14_700.0)] == [0, 1, 10, -10]
    assert desk.lots_for_dollars(1, 1533.0 * 3) == 3
    assert desk.lots_for_percent(0, 146.0) == 10


def requests(memory):
    view = memory[0]
    n = int(view["request_count"])
    return [(int(view["request_kind"][i]), int(view["request_contract"][i]), int(view["request_lots"][i]), int(view["request_basket"][i]))
            for i in range(n)]


def test_targets_name_what_is_off_and_nothing_else(memory, desk):
    memory["held"][0, :2] = [5, -5]
    desk.target(0, 5)
    desk.target_spread(0, 1, 5)
    desk.target_only(0, 1, 5)
    assert requests(memory) == []
    desk.target_only(1, 2, 3)
    assert requests(memory) == [(r.REQUEST_TARGET, 1, 3, 0), (r.REQUEST_TARGET, 2, -3, 0), (r.REQUEST_TARGET, 0, 0, 0)]
    desk.flat(0)
    assert requests(memory)[3:] == [(r.REQUEST_TARGET, c, 0, 1) for c in (0, 1, 2)]


def test_tickets_count_up_and_64_requests_are_the_most(memory, desk):
    assert [desk.market(0, 1), desk.limit(0, -1, 2.5, r.DAY)] == [1, 2]
    assert memory["request_life"][0, :2].tolist() == [r.GTC, r.DAY]
    for _ in range(62):
        desk.cancel(1)
    with pytest.raises(ValueError, match="at most 64"):
        desk.market(0, 1)
    assert memory["request_count"][0] == 64


def test_the_date_is_the_calendars(desk):
    for day in [*range(-200_000, 200_000, 997), 0, 59, 11_016, 19_782, 19_783, 24_164]:
        desk.now = day * NANOS_PER_DAY if abs(day) < 100_000 else 0
        date = dt.date(1970, 1, 1) + dt.timedelta(day if abs(day) < 100_000 else 0)
        assert desk.date() == date.year * 10_000 + date.month * 100 + date.day


def test_months_between(memory, desk):
    memory["delivery_month"][0, :3] = [202611, 202702, 202611]
    assert [desk.months_between(0, 1), desk.months_between(1, 0), desk.months_between(0, 2)] == [3, -3, 0]


def test_a_recorded_name_is_found_again(memory, desk):
    desk.record("z", 1.5)
    desk.record("z", 2.5)
    assert memory["column_count"][0] == 1
    assert memory["column_value"][0, 0] == 2.5
    assert column_name(int(memory["column_key"][0, 0])) == "z"
    assert column_key("z") != column_key("Z")


def test_there_is_no_address_in_the_desk():
    fields = r.DESK.fields
    assert fields
    assert all(np.dtype(fields[name][0].base).kind in "if" for name in fields)
