# SPDX-License-Identifier: Apache-2.0
"""The way of a price against a walk of it in half micros, on bars small enough to walk."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kilohour.tape import Kind
from tests.oracle.events import Event
from tests.oracle.path import way_of

HALF = Fraction(1, 2)
QUICK = settings(max_examples=100, deadline=None, derandomize=True)
LONG = settings(max_examples=5_000, deadline=None, derandomize=True)


@st.composite
def bars(draw):
    prices = draw(st.lists(st.integers(-6, 6), min_size=4, max_size=4))
    opened, closed = prices[:2]
    return Event(0, 0, Kind.BAR, "A", opened, max(prices), min(prices), closed, 1)


def walk(bar, side):
    """Prices by place, every half micro."""
    low_first = abs(bar.open - bar.low) <= abs(bar.high - bar.open)
    price, prices = Fraction(bar.open), [Fraction(bar.open)]
    for goal in ((bar.low, bar.high) if low_first else (bar.high, bar.low)) + (bar.close,):
        while price != goal:
            price += HALF if goal > price else -HALF
            prices.append(price)
    return {place * HALF: side * price for place, price in enumerate(prices)}


WAYS = given(bars(), st.sampled_from([1, -1]), st.data())


@QUICK
@WAYS
def test_first_places_are_those_of_a_walk(bar, side, data):
    steps, way = walk(bar, side), way_of({"A": side}, {"A": bar}, "path")
    last = int(max(steps))
    start, level = data.draw(st.integers(0, last)), data.draw(st.integers(-7, 7))
    ahead = {place: price for place, price in steps.items() if place >= start}
    assert [way.price_at(place) for place in range(last + 1)] == [steps[Fraction(place)] for place in range(last + 1)]
    assert way.first_at_least(start, level) == min((p for p, price in ahead.items() if price >= level), default=None)
    assert way.first_at_most(start, level) == min((p for p, price in ahead.items() if price <= level), default=None)
    below = min((p for p, price in ahead.items() if p > start and price < level), default=None)
    # The half micro below the level has its place half a micro behind the level itself.
    assert way.first_below(start, level) == (None if below is None else below - HALF)


@QUICK
@WAYS
def test_a_level_trails_step_by_step(bar, side, data):
    steps, way = walk(bar, side), way_of({"A": side}, {"A": bar}, "path")
    start, lowest, distance = data.draw(st.integers(0, int(max(steps)))), data.draw(st.integers(-7, 7)), data.draw(st.integers(1, 5))
    found: Fraction | None = None
    seen = Fraction(lowest)
    for place, price in steps.items():
        if place >= start:
            if found is None and price >= seen + distance:
                found = place
            seen = min(seen, price)
    assert [*way.trailed(start, lowest, distance)] == [found, seen]


@pytest.mark.soak
@pytest.mark.parametrize("law", [test_first_places_are_those_of_a_walk, test_a_level_trails_step_by_step])
def test_a_law_of_ways_for_long(law):
    LONG(WAYS(law.hypothesis.inner_test))()


def test_the_low_comes_first_when_both_extremes_are_as_near():
    bar = Event(0, 0, Kind.BAR, "A", 0, 5, -5, 1, 1)
    assert way_of({"A": 1}, {"A": bar}, "path").corners == [(0, 0), (5, -5), (15, 5), (19, 1)]
    assert way_of({"A": -1}, {"A": bar}, "path").corners == [(0, 0), (5, 5), (15, -5), (19, -1)]
    assert way_of({"A": 1}, {"A": bar}, "open").corners == [(0, 0)]
