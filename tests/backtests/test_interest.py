# SPDX-License-Identifier: Apache-2.0
"""Interest on cash: worked out by hand, and again in exact fractions from the ledger alone."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from numba import njit

import kilohour as kh
from kilohour.backtests.house import house
from kilohour.errors import UsageError
from kilohour.kernels import records as r
from kilohour.kernels.interest import pay_interest
from kilohour.session import _empty_book
from kilohour.units import NANOS_PER_DAY
from tests.backtests.tapes import FIRST, sim_tape

PAID = ("ts", "kind", "micros")


def rows_of(run):
    ledger = run.tables["ledger"].select(list(PAID)).to_pydict()
    return list(zip(*(ledger[name] for name in PAID), strict=True))


class Idle(kh.Strategy):
    """Holds cash."""

    product: kh.Product = kh.product("SIM:H100")

    def on_bar(self, desk: kh.Desk) -> None:
        pass


class Swings(kh.Strategy):
    """Long and short, ten bars each."""

    product: kh.Product = kh.product("SIM:H100")
    bars: int = kh.state(0)

    def on_bar(self, desk: kh.Desk) -> None:
        self.bars += 1
        desk.target(desk.nth(self.product, 1), 20 if self.bars // 10 % 2 == 0 else -20)


def test_cash_earns_actual_days_over_360_from_mark_to_mark():
    """At 3.6 % a million earns 100 dollars a day, and those earn a cent: 100, 100.01, then 100.020001."""
    run = kh.backtest(Idle, sim_tape(4), cash_rate=0.036)
    assert [micros for _, _, micros in rows_of(run)] == [100_000_000, 100_010_000, 100_020_001]
    assert run.tables["ledger"]["contract"].to_pylist() == ["cash"] * 3
    assert run.result["net_micros"] == 300_030_001
    assert "Cash earns 3.6 % a year, actual days over 360, booked daily; a debt pays the same." in run.manifest["modelled"]


def test_a_weekend_earns_its_days_and_a_second_mark_of_a_day_nothing():
    tape = sim_tape(8, marks_a_day=2)
    ts = tape.events["ts"]
    gap = (ts // NANOS_PER_DAY == FIRST + 3) | (ts // NANOS_PER_DAY == FIRST + 4)
    events = {name: column[~gap] for name, column in tape.events.items()}
    shorter = kh.Tape(events=events, contracts=tape.contracts, indices=tape.indices, source="with a gap")
    paid = [(ts // NANOS_PER_DAY - FIRST, micros) for ts, _, micros in rows_of(kh.backtest(Idle, shorter, cash_rate=0.036))]
    assert [day for day, _ in paid] == [1, 2, 5, 6, 7]
    assert paid[2][1] == round(Fraction(1_000_200_010_000 * 36 * 3, 360_000))


@pytest.mark.parametrize("rate", [0.0433, -0.005])
def test_interest_is_exact_on_the_cash_that_stood_after_the_last_mark(rate):
    """The rows of a trading account, once more from the rows alone."""
    run = kh.backtest(Swings, sim_tape(60), cash_rate=rate)
    marks = sorted(set(run.tables["equity"]["ts"].to_pylist()))
    rows, paid, expected = rows_of(run), 0, []
    for before, mark in pairwise(marks):
        base = 10**12 + paid + sum(micros for ts, kind, micros in rows if kind != "interest" and ts <= before)
        days = mark // NANOS_PER_DAY - before // NANOS_PER_DAY
        expected.append(round(Fraction(base * days, 360) * Fraction(str(rate))))
        paid += expected[-1]
    assert expected == [micros for _, kind, micros in rows if kind == "interest"]
    assert len(expected) == 59
    assert len({kind for _, kind, _ in rows} - {"interest"}) >= 2
    assert sum(micros for *_, micros in rows) == run.result["net_micros"]
    assert house({"only": run}).total == 0
    assert house({"only": run}).parties["bank"] == -sum(expected)


@njit
def pay_twice(books, outs, first, second):
    pay_interest(books[0], first, outs[0])
    pay_interest(books[0], second, outs[0])


def test_a_debt_pays_the_same_rate():
    book, out = _empty_book(-(10**12), True), np.zeros(1, r.OUT)
    book["cash_rate"] = 36_000
    pay_twice(book, out, 10 * NANOS_PER_DAY, 12 * NANOS_PER_DAY)
    assert book["cash"][0] == -(10**12) - 200_000_000


@pytest.mark.parametrize("rate", [1.5, 0.00000012, float("nan")])
def test_a_rate_that_makes_no_sense_is_refused(rate):
    with pytest.raises(UsageError, match="cash_rate must be a share a year from -1 to 1 with at most six decimals"):
        kh.backtest(Idle, sim_tape(4), cash_rate=rate)
