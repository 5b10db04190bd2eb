# SPDX-License-Identifier: Apache-2.0
"""kilohour.maths is math, less what has no answer. Bits in both faces: tests/faces/test_agreement.py."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kilohour import maths

DOMAINS = [
    ("sqrt", math.sqrt, 0.0, 1e300), ("log", math.log, 5e-324, 1e300), ("log1p", math.log1p, -0.999999, 1e300),
    ("exp", math.exp, -1e300, 709.0), ("expm1", math.expm1, -1e300, 709.0), ("sin", math.sin, -1e300, 1e300),
    ("cos", math.cos, -1e300, 1e300), ("tanh", math.tanh, -1e300, 1e300), ("atan", math.atan, -1e300, 1e300),
    ("erf", math.erf, -1e300, 1e300), ("truncate", math.trunc, -9e18, 9e18), ("floor", math.floor, -9e18, 9e18),
    ("nearest", round, -9e18, 9e18),
]  # fmt: skip


@pytest.mark.parametrize("name, same, low, high", DOMAINS, ids=[row[0] for row in DOMAINS])
def test_equals_math_where_there_is_an_answer(name, same, low, high):
    @given(st.floats(low, high))
    def check(x):
        found = getattr(maths, name)(x)
        assert found == same(x)
        assert type(found) is type(same(x))

    check()


NAN, INF = math.nan, math.inf


@pytest.mark.parametrize("name, bad", [
    ("sqrt", [-1e-300, NAN, -INF]), ("log", [0.0, -0.0, -1.0, NAN, -INF]), ("log1p", [-1.0, -2.0, NAN]),
    ("exp", [709.1, INF, NAN]), ("expm1", [709.1, INF, NAN]), ("sin", [INF, -INF, NAN]), ("cos", [INF, -INF, NAN]),
    ("truncate", [NAN, INF, -INF, 9.3e18]), ("floor", [NAN, INF, -9.3e18]), ("nearest", [NAN, -INF, 1e19]),
])
def test_what_has_no_answer_raises_and_names_the_function(name, bad):
    for x in bad:
        with pytest.raises(ValueError, match=rf"^maths\.{name}: "):
            getattr(maths, name)(x)


@pytest.mark.parametrize("x, y", [(-1.0, 2.0), (0.0, 0.0), (0.0, -1.0), (NAN, 1.0), (INF, 2.0)])
def test_power_of_what_is_not_positive_raises(x, y):
    with pytest.raises(ValueError, match=r"^maths\.pow: "):
        maths.pow(x, y)


def test_power():
    assert maths.pow(2.0, 10.0) == 1024.0
    assert maths.pow(2.0, 0.5) == math.sqrt(2.0)
    assert maths.pow(0.0, 2.0) == 0.0
    with pytest.raises((ValueError, OverflowError)):
        maths.pow(10.0, 400.0)


def test_ties_go_to_even_and_nan_is_seen():
    assert [maths.nearest(x) for x in (0.5, 1.5, 2.5, -0.5, -1.5)] == [0, 2, 2, 0, -2]
    assert maths.is_nan(NAN)
    assert not maths.is_nan(INF)
