# SPDX-License-Identifier: Apache-2.0
"""Exact conversions: terms to forwards and back, averaging contracts, perpetuals, constant maturities, strips."""

import math
from fractions import Fraction

import pytest
import scipy
from hypothesis import given, settings
from hypothesis import strategies as st

from kilohour.curves import Buckets, calendar_year, constant_maturity, front_of_perpetual, open_part, quarter, strip, strips_of
from kilohour.errors import DataError, UnknownName, UsageError

MICROS = st.integers(1, 20_000_000)
STEPS = st.lists(st.integers(1, 1000), min_size=1, max_size=12)


@settings(max_examples=100, deadline=None)
@given(STEPS, st.data())
def test_terms_to_forwards_and_back_is_exact(steps, data):
    tenors = [Fraction(sum(steps[: i + 1]), 12) for i in range(len(steps))]
    rates = [data.draw(MICROS) for _ in steps]
    curve = Buckets.from_terms(tenors, rates)
    assert list(curve.terms()) == rates
    assert Buckets.from_terms(curve.edges[1:], curve.terms()) == curve


def test_a_flat_and_a_linear_curve():
    """Flat: every forward is the rate. f(u) = a + b·u has T(τ) = a + b·τ/2: forwards between edges are its middles."""
    flat = Buckets.from_terms([1, 2, 3], [250, 250, 250])
    assert list(flat.prices) == [250, 250, 250]
    linear = Buckets.from_terms([1, 2, 3, 4], [Fraction(100) + Fraction(t) * 5 for t in (1, 2, 3, 4)])
    assert list(linear.prices) == [105, 115, 125, 135]
    assert linear.average(Fraction(1, 2), Fraction(5, 2)) == (105 * Fraction(1, 2) + 115 + 125 * Fraction(1, 2)) / 2


def test_commitments_by_hand():
    """On demand 4.00 now, a year at 3.00, three years at 2.00: the years after the first cost (3·2 − 3)/2 = 1.50."""
    curve = Buckets.from_terms([1, 3], [3_000_000, 2_000_000])
    assert [curve.forward(0), curve.forward(1), curve.forward(3)] == [3_000_000, 1_500_000, 1_500_000]
    assert curve.term(2) == 2_250_000


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Buckets.from_terms([1, 1], [2, 2]), "tenors must be above 0 and increase, found 1, 1"),
        (lambda: Buckets.from_terms([1], [2, 2]), "each tenor needs one rate, found 1 and 2"),
        (lambda: Buckets.from_terms([1], [2]).forward(2), "the curve is known from 0 to 1, found 2"),
        (lambda: Buckets.from_terms([1], [2]).average(1, 1), "an average needs an end after its start, found 1 and 1"),
        (lambda: Buckets((Fraction(0),), ()), "a curve needs one edge more than prices, found 1 and 0"),
        (lambda: constant_maturity([1, 2], [3, 4], 3), "must lie within the curve, 1 to 2, found 3"),
        (lambda: front_of_perpetual(2.0, 0.0, [1.0], [2.0]), "pull must be above 0 a year: .*found 0.0"),
        (lambda: quarter(2027, 5), "a quarter must be from 1 to 4, found 5"),
    ],
)
def test_what_has_no_answer_is_refused(call, message):
    with pytest.raises(UsageError, match=message):
        call()


def test_fixed_and_open_part_of_an_averaging_contract():
    """Two of five days fixed at 240 and 244, the contract at 250: the other three must average (1250 − 484)/3."""
    part = open_part(250, [240, 244], days=5)
    assert [part.fixed_mean, part.open_forward, part.open_share] == [242, Fraction(766, 3), Fraction(3, 5)]
    assert (Fraction(484) + 3 * Fraction(766, 3)) / 5 == 250
    before = open_part(250, [], days=5)
    assert [before.fixed_mean, before.open_forward, before.open_share] == [None, 250, 1]
    over = open_part(250, [250] * 5, days=5)
    assert [over.open_forward, over.open_share] == [None, 0]
    with pytest.raises(DataError, match="5 fixing days must have at most so many prints and one day, found 6"):
        open_part(250, [1] * 6, days=5)


@settings(max_examples=50, deadline=None)
@given(st.integers(-1000, 1000), st.integers(-100, 100), st.lists(st.integers(1, 60), min_size=2, max_size=8, unique=True), st.data())
def test_a_constant_maturity_on_a_line_lies_on_the_line(level, slope, tenors, data):
    at = data.draw(st.fractions(min(tenors), max(tenors)))
    assert constant_maturity(tenors, [level + slope * t for t in tenors], at) == level + slope * at


@pytest.mark.parametrize("pull", [0.5, 12.0, 1095.0])
def test_a_perpetual_and_dated_contracts_give_the_front(pull):
    """Against scipy's integral of pull·e^(−pull·u)·f(u) over the curve that comes out."""
    edges, prices, perpetual = [0.1, 0.5, 1.0], [2.5, 2.4, 2.2], 2.65
    front = front_of_perpetual(perpetual, pull, edges, prices)
    pieces = zip([0.0, *edges], [*edges, math.inf], [front, *prices], strict=True)
    worth = sum(scipy.integrate.quad(lambda u, p=p: pull * math.exp(-pull * u) * p, a, b, limit=200)[0] for a, b, p in pieces)
    assert worth == pytest.approx(perpetual, rel=1e-9)


def test_a_flat_curve_makes_a_perpetual_spot():
    assert front_of_perpetual(2.5, 30.0, [0.25, 1.0], [2.5, 2.5]) == pytest.approx(2.5, rel=1e-14)


MONTHS = {202701 + i: 2_000_000 + 7 * i * i for i in range(12)}


def test_strips_by_lots_and_by_hours():
    """Q1 2027: 31, 28 and 31 days."""
    a, b, c = (Fraction(MONTHS[m]) for m in (202701, 202702, 202703))
    assert strip(MONTHS, quarter(2027, 1), "lots") == (a + b + c) / 3
    assert strip(MONTHS, quarter(2027, 1), "hours") == (31 * a + 28 * b + 31 * c) / 90
    assert strip(MONTHS, calendar_year(2027), "hours") == sum(
        days * Fraction(MONTHS[202701 + i]) for i, days in enumerate((31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31))
    ) / 365


def test_a_year_is_its_quarters():
    """Law: by hours, and by lots, the calendar year is the mean of its quarters by the same weights."""
    found = strips_of(MONTHS, "lots")
    assert list(found) == ["2027Q1", "2027Q2", "2027Q3", "2027Q4", "Cal 2027"]
    assert sum(found[f"2027Q{n}"] for n in (1, 2, 3, 4)) / 4 == found["Cal 2027"]
    hours = strips_of(MONTHS, "hours")
    weights = {1: 90, 2: 91, 3: 92, 4: 92}
    assert sum(weights[n] * hours[f"2027Q{n}"] for n in weights) / 365 == hours["Cal 2027"]


def test_a_strip_of_months_that_are_not_there_is_refused():
    with pytest.raises(DataError, match="found none of 202801, 202802, 202803"):
        strip(MONTHS, quarter(2028, 1), "lots")
    with pytest.raises(UnknownName, match="unknown strip weight 'hour'"):
        strip(MONTHS, quarter(2027, 1), "hour")
    assert strips_of({202701: 1, 202703: 2}, "lots") == {}
