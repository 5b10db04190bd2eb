# SPDX-License-Identifier: Apache-2.0
"""Quantiles from sorted blocks against sorted() of each window, and the parts of the kernel one by one."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kilohour.kernels.rolling_quantile import link, rolling_quantile, sort_places, unwind

COMPILED_FIRST = settings(deadline=None)
"""The first example pays for the compilation."""

VALUES = st.one_of(st.integers(-3, 3).map(float), st.floats(-1e6, 1e6))
LISTS = st.lists(VALUES, max_size=60).map(lambda v: np.array(v, dtype=float))


def quantile_twin(values, quantile):
    """Definition 7 of Hyndman and Fan, on a sorted window."""
    ordered = sorted(values)
    exact = (len(ordered) - 1) * quantile
    low = math.floor(exact)
    if low + 1 == len(ordered):
        return ordered[low]
    return ordered[low] + (exact - low) * (ordered[low + 1] - ordered[low])


@COMPILED_FIRST
@given(LISTS, st.integers(1, 24), st.one_of(st.sampled_from([0.0, 0.25, 0.5, 0.9, 1.0]), st.floats(0.0, 1.0)))
def test_quantile(x, window, quantile):
    out = np.full(x.size, 7.0)
    rolling_quantile(x, window, quantile, out)
    assert np.isnan(out[: window - 1]).all()
    for i in range(window - 1, x.size):
        assert out[i] == quantile_twin(x[i + 1 - window : i + 1].tolist(), quantile)


@COMPILED_FIRST
@given(LISTS)
def test_places_in_order_of_value_then_place(x):
    places, values = np.zeros(x.size, np.int64), np.zeros(x.size)
    sort_places(x, places, values, np.zeros(x.size, np.int64), np.zeros(x.size))
    assert places.tolist() == sorted(range(x.size), key=lambda k: (x[k], k))
    assert values.tolist() == sorted(x.tolist())


def test_an_unwound_list_is_empty_and_comes_back():
    places = np.array([2, 0, 3, 1])
    ranks, before, after = np.zeros(4, np.int64), np.zeros(5, np.int64), np.zeros(5, np.int64)
    link(places, ranks, before, after)
    whole = before.tolist(), after.tolist()
    unwind(ranks, before, after)
    assert (before[4], after[4]) == (4, 4)
    for rank in ranks:
        after[before[rank]] = rank
        before[after[rank]] = rank
    assert (before.tolist(), after.tolist()) == whole


@pytest.mark.parametrize("window", [1, 8, 9, 64, 200])
def test_long_series_with_ties(window):
    x = np.round(np.random.default_rng(window).normal(size=431), 1)
    out = np.zeros(x.size)
    rolling_quantile(x, window, 0.5, out)
    expected = [np.median(x[i + 1 - window : i + 1]) for i in range(window - 1, x.size)]
    np.testing.assert_allclose(out[window - 1 :], expected, rtol=1e-15, atol=1e-16)
