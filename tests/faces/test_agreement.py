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

NAN, INFINITY = float("nan"), float("inf")
FLOATS = st.floats() | st.floats(-1e3, 1e3) | st.sampled_from([0.0, -0.0, 0.5, 1.5, 2.5, -0.5, 709.0, 709.1, 1e308, -1.0, 1.0])
INTS = st.integers(-(2**62), 2**62) | st.integers(-5, 5)
HALVES = st.integers(-(2**31), 2**31)  # what they add up and multiply to stays below 2**63


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


ONE = ["sqrt", "log", "log1p", "exp", "expm1", "sin", "cos", "tanh", "atan", "erf", "is_nan", "truncate", "floor", "nearest"]


def test_every_function_of_maths_is_here():
    names = {n for n, f in vars(maths).items() if callable(f)}
    assert names == {*ONE, "pow"}


TWO_FLOATS = [(1.0, 0.0), (-0.0, 1.0), (NAN, 1.0), (1.0, NAN), (INFINITY, INFINITY), (-1e-300, 1e300)]
ONE_FLOAT = [(x,) for x in (0.0, -1.0, NAN, INFINITY, -INFINITY, 2.0**63, 709.0)]
CASES = [
    (arithmetic, (FLOATS,) * 3, []),
    *((function, (FLOATS,) * 2, TWO_FLOATS) for function in (division, whole, order, choice)),
    *((function, (INTS,) * 2, [(7, 0), (-7, 2)]) for function in (whole, of_integers)),
    *((function, (HALVES,) * 2, []) for function in (sums, division)),
    (mixed, (st.integers(-(2**53), 2**53), FLOATS), []),
    *((getattr(maths, name), (FLOATS,), ONE_FLOAT) for name in ONE),
    (maths.pow, (FLOATS,) * 2, [(0.0, 0.0), (2.0, 1e6), (INFINITY, 2.0), (2.0, NAN)]),
]


@pytest.mark.parametrize("count", [100, pytest.param(3000, marks=pytest.mark.soak)])
@pytest.mark.parametrize(("function", "kinds", "special"), CASES, ids=[f"{at}-{case[0].__name__}" for at, case in enumerate(CASES)])
def test_both_faces_agree(function, kinds, special, count):
    def agree(arguments):
        assert outcome(callable_of(function), *arguments) == outcome(function, *arguments)

    check = given(st.tuples(*kinds))(agree)
    for arguments in special:
        check = example(arguments)(check)
    settings(max_examples=count, deadline=None, derandomize=True)(check)()


def test_why_the_refused_are_refused():
    """The list of design is measured, so that a numba that mends one of them shows here."""

    @njit
    def silent(x):
        return int(x)

    assert isinstance(silent(float("nan")), int)
    with pytest.raises(ValueError, match="cannot convert float NaN to integer"):
        int(float("nan"))
