# SPDX-License-Identifier: Apache-2.0
"""What strategies may use gives the same bits compiled and in CPython, and raises in both or in neither."""

from __future__ import annotations

import functools
import struct

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numba import njit

from kilohour import maths
from kilohour.faces import lowering

MANY = settings(max_examples=300, deadline=None, derandomize=True)
FLOATS = st.floats() | st.floats(-1e3, 1e3) | st.sampled_from([0.0, -0.0, 0.5, 1.5, 2.5, -0.5, 709.0, 709.1, 1e308, -1.0, 1.0])
INTS = st.integers(-(2**62), 2**62) | st.integers(-5, 5)


assert lowering.dispatchers is not None  # importing it teaches numba to compile plain helpers


@functools.cache
def callable_of(function):
    """Compiled as the faces compile it, but with the wrapper that lets Python call it."""
    return njit(boundscheck=True)(function)


def bits(value):
    if isinstance(value, tuple):
        return tuple(bits(v) for v in value)
    if isinstance(value, float):
        return "nan" if value != value else struct.pack("<d", value)
    return int(value)


def outcome(function, *arguments):
    try:
        return bits(function(*arguments))
    except (ValueError, ZeroDivisionError, OverflowError) as error:
        return "zero" if isinstance(error, ZeroDivisionError) else "domain"


def arithmetic(a, b, c):
    return a + b, a - b, a * b, a * b + c, -a, abs(a), a * b - c * a, (a + b) + c


def division(a, b):
    return a / b


def whole(a, b):
    return a // b, a % b


def order(a, b):
    return a < b, a <= b, a == b, a != b, a > b, a >= b, min(a, b), max(a, b), (a < b) == (b > a)


def choice(a, b):
    return (1 if a else 0), (1 if not b else 0), a if a > b else b


def sums(a, b):
    return a + b, a - b, a * b


def of_integers(a, b):
    return min(a, b), max(a, b), abs(a), a < b, float(a), bool(a), a & b, a | b, a ^ b, a >> 3


def mixed(a, x):
    return a + x, a - x, a * x, a < x, float(a) / 3.0


@pytest.mark.parametrize("function", [arithmetic], ids=lambda f: f.__name__)
@MANY
@given(FLOATS, FLOATS, FLOATS)
def test_sums_and_products(function, a, b, c):
    assert outcome(callable_of(function), a, b, c) == outcome(function, a, b, c)


@pytest.mark.parametrize("function", [division, whole, order, choice], ids=lambda f: f.__name__)
@MANY
@given(FLOATS, FLOATS)
@example(1.0, 0.0)
@example(-0.0, 1.0)
@example(float("nan"), 1.0)
@example(1.0, float("nan"))
@example(float("inf"), float("inf"))
@example(-1e-300, 1e300)
def test_operations_on_two_floats(function, a, b):
    assert outcome(callable_of(function), a, b) == outcome(function, a, b)


@pytest.mark.parametrize("function", [whole, of_integers], ids=lambda f: f.__name__)
@MANY
@given(INTS, INTS)
@example(7, 0)
@example(-7, 2)
def test_operations_on_two_integers(function, a, b):
    assert outcome(callable_of(function), a, b) == outcome(function, a, b)


@MANY
@given(st.integers(-(2**31), 2**31), st.integers(-(2**31), 2**31))
def test_integers_below_two_to_the_53(a, b):
    for function in (sums, division):
        assert outcome(callable_of(function), a, b) == outcome(function, a, b)


@MANY
@given(st.integers(-(2**53), 2**53), FLOATS)
def test_an_integer_and_a_float(a, x):
    assert outcome(callable_of(mixed), a, x) == outcome(mixed, a, x)


ONE = ["sqrt", "log", "log1p", "exp", "expm1", "sin", "cos", "tanh", "atan", "erf", "is_nan", "truncate", "floor", "nearest"]


def test_every_function_of_maths_is_here():
    names = {n for n, f in vars(maths).items() if callable(f)}
    assert names == {*ONE, "pow"}


@pytest.mark.parametrize("name", ONE)
@MANY
@given(FLOATS)
@example(0.0)
@example(-1.0)
@example(float("nan"))
@example(float("inf"))
@example(float("-inf"))
@example(2.0**63)
@example(709.0)
def test_functions_of_maths(name, x):
    function = getattr(maths, name)
    assert outcome(callable_of(function), x) == outcome(function, x)


@MANY
@given(FLOATS, FLOATS)
@example(0.0, 0.0)
@example(2.0, 1e6)
@example(float("inf"), 2.0)
@example(2.0, float("nan"))
def test_power(x, y):
    assert outcome(callable_of(maths.pow), x, y) == outcome(maths.pow, x, y)


def test_why_the_refused_are_refused():
    """The list of design is measured, so that a numba that mends one of them shows here."""

    @njit
    def silent(x):
        return int(x)

    assert isinstance(silent(float("nan")), int)
    with pytest.raises(ValueError, match="cannot convert float NaN to integer"):
        int(float("nan"))
