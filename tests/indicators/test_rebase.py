# SPDX-License-Identifier: Apache-2.0
"""A rebase by c is as if every value so far had been c higher: at a roll the past is restated, not lost."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kilohour import indicators
from tests.indicators.drive import interpreted

WINDOWED = ["RollingSum", "RollingMean", "RollingVariance", "RollingZ", "RollingMin", "RollingMax"]
WINDOWED += ["RollingMedian", "RollingQuantile", "RollingSlope", "Ema", "Wilder", "Rsi"]
QUARTERS = st.lists(st.integers(-40, 40).map(lambda n: n / 4), min_size=1, max_size=40)


@pytest.mark.parametrize("name", [*WINDOWED, "EwmaVolatility"])
@settings(max_examples=30, deadline=None)
@given(QUARTERS, QUARTERS, st.integers(-40, 40), st.integers(2, 9))
def test_as_if_the_past_had_been_shifted(name, past, future, quarters, window):
    shift = quarters / 4
    parameters = {} if name == "EwmaVolatility" else {"window": window}
    rolled, other = getattr(indicators, name)(**parameters), getattr(indicators, name)(**parameters)
    interpreted(rolled, np.array(past))
    rolled.rebase(shift)
    interpreted(other, np.array(past) + shift)
    assert rolled.value() == pytest.approx(other.value(), rel=1e-12, abs=1e-12, nan_ok=True)
    a, b = interpreted(rolled, np.array(future)), interpreted(other, np.array(future))
    np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(QUARTERS, QUARTERS, st.integers(-40, 40))
def test_bars(past, future, quarters):
    shift = quarters / 4
    columns, later = (np.array(past),) * 3, (np.array(future),) * 3
    atr, atr_other = indicators.Atr(window=3), indicators.Atr(window=3)
    channel, channel_other = indicators.Donchian(window=3), indicators.Donchian(window=3)
    interpreted(atr, *columns)
    atr.rebase(shift)
    interpreted(atr_other, *(c + shift for c in columns))
    interpreted(channel, *columns[:2])
    channel.rebase(shift)
    interpreted(channel_other, *(c + shift for c in columns[:2]))
    np.testing.assert_allclose(interpreted(atr, *later), interpreted(atr_other, *later), rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(interpreted(channel, *later[:2]), interpreted(channel_other, *later[:2]))


@settings(max_examples=30, deadline=None)
@given(QUARTERS, QUARTERS, st.integers(-40, 40))
def test_pairs(past, future, quarters):
    shift = quarters / 4
    rolled, other = indicators.RollingCorrelation(window=4), indicators.RollingCorrelation(window=4)
    x, y = np.array(past), np.array(past)[::-1] * 0.5
    interpreted(rolled, x, y)
    rolled.rebase(shift, -shift)
    interpreted(other, x + shift, y - shift)
    later = np.array(future), np.array(future)[::-1]
    np.testing.assert_allclose(interpreted(rolled, *later), interpreted(other, *later), rtol=0, atol=1e-12)
    assert rolled.beta() == pytest.approx(other.beta(), abs=1e-10, nan_ok=True)


def test_a_rebased_z_score_does_not_mix_two_pairs_of_contracts():
    """The spread moves from about 0.10 to about 0.30 because the legs rolled; nothing happened in the market."""
    spreads = [0.10, 0.11, 0.09, 0.10, 0.12, 0.09]
    rolled, mixed = indicators.RollingZ(window=5), indicators.RollingZ(window=5)
    for spread in spreads:
        rolled.update(spread)
        mixed.update(spread)
    rolled.rebase(0.20)
    assert rolled.update(0.30) == pytest.approx(0.0, abs=1e-12)
    assert mixed.update(0.30) > 1.7
