# SPDX-License-Identifier: Apache-2.0
"""Parameters and inputs that are refused, and what the message says."""

import pytest

from kilohour import indicators
from kilohour.errors import UnknownName, UsageError

PARAMETERS = [
    # indicator             parameters                     message
    ("RollingMean", {"window": 0}, "RollingMean.window must be from 1 to 1024 (its capacity), found 0"),
    ("RollingSum", {"window": 1025}, "RollingSum.window must be from 1 to 1024 (its capacity), found 1025"),
    ("RollingZ", {"window": 1}, "RollingZ.window must be from 2 to 1024 (its capacity), found 1"),
    ("RollingZ", {"ddof": 2}, "RollingZ.ddof must be from 0 to 1 (population, sample), found 2"),
    ("RollingVariance", {"window": -5}, "RollingVariance.window must be from 2 to 1024 (its capacity), found -5"),
    ("RollingSlope", {"window": 1}, "RollingSlope.window must be from 2 to 1024 (its capacity), found 1"),
    ("RollingCorrelation", {"window": 1}, "RollingCorrelation.window must be from 2 to 1024 (its capacity), found 1"),
    ("RollingMin", {"window": 0}, "RollingMin.window must be from 1 to 1024 (its capacity), found 0"),
    ("RollingMax", {"window": 0}, "RollingMax.window must be from 1 to 1024 (its capacity), found 0"),
    ("Donchian", {"window": 0}, "Donchian.window must be from 1 to 1024 (its capacity), found 0"),
    ("RollingQuantile", {"quantile": 1.5}, "RollingQuantile.quantile must be from 0 to 1, found 1.5"),
    ("RollingQuantile", {"window": 2000}, "RollingQuantile.window must be from 1 to 1024 (its capacity), found 2000"),
    ("RollingMedian", {"quantile": 0.4}, "RollingMedian.quantile must be from 0.5 to 0.5, found 0.4"),
    ("Ema", {"window": 0}, "Ema.window must be from 1 to 1000000 (a smoothing span), found 0"),
    ("Wilder", {"window": 0}, "Wilder.window must be from 1 to 1000000 (a smoothing span), found 0"),
    ("Rsi", {"window": 0}, "Rsi.window must be from 1 to 1000000 (a smoothing span), found 0"),
    ("Atr", {"window": 0}, "Atr.window must be from 1 to 1000000 (a smoothing span), found 0"),
    ("EwmaVolatility", {"decay": 1.0}, "EwmaVolatility.decay must be above 0 and below 1, found 1"),
    ("EwmaVolatility", {"decay": float("nan")}, "EwmaVolatility.decay must be above 0 and below 1, found nan"),
    ("SCurve", {"ceiling": 0.0}, "SCurve.ceiling must be above 0 and below 1e+100, found 0"),
    ("SCurve", {"memory": -1.0}, "SCurve.memory must be above 0 and below 1e+100, found -1"),
    ("SCurve", {"warmup": 1}, "SCurve.warmup must be from 2 to 1000000 (a line needs two prints), found 1"),
    ("RollingMean", {"window": 2.5}, "RollingMean.window must be an int, found 2.5"),
]


@pytest.mark.parametrize("name, parameters, message", PARAMETERS)
def test_parameters_out_of_range(name, parameters, message):
    with pytest.raises(UsageError) as error:
        getattr(indicators, name)(**parameters)
    assert str(error.value) == message


def test_a_larger_capacity_takes_a_longer_window():
    long = indicators.RollingMean(window=3000, capacity=3000)
    readings = [long.update(float(i)) for i in range(3001)]
    assert readings[-2:] == [1499.5, 1500.5]
    with pytest.raises(UsageError, match=r"from 1 to 3000 \(its capacity\), found 3001"):
        indicators.RollingMean(window=3001, capacity=3000)


def test_an_unknown_parameter_names_the_nearest():
    with pytest.raises(UnknownName, match="did you mean 'window'"):
        indicators.RollingMean(windw=5)


INPUTS = [
    # indicator             inputs                                   reason
    ("Donchian", (1.0, 2.0), "a bar's high must not be below its low"),
    ("Atr", (3.0, 2.0, 3.5), "a bar's close must lie between its low and its high"),
    ("Atr", (3.0, 2.0, 1.5), "a bar's close must lie between its low and its high"),
    ("Carry", (3.0, 2.0, 0.0), "the years between two deliveries must be above zero"),
    ("CurveSlope", (3.0, 2.0, -1.0), "the years between two deliveries must be above zero"),
    ("CurveCurvature", (3.0, 2.0, 2.0, 1.0, 0.0), "the years between two deliveries must be above zero"),
    ("SCurve", (2020.0, 1.0), "an S-curve takes values above zero and below its ceiling"),
    ("SCurve", (2020.0, 0.0), "an S-curve takes values above zero and below its ceiling"),
]


@pytest.mark.parametrize("name, inputs, reason", INPUTS)
def test_inputs_that_make_no_sense(name, inputs, reason):
    indicator = getattr(indicators, name)()
    before = bytes(indicator)
    with pytest.raises(ValueError, match=reason):
        indicator.update(*inputs)
    assert bytes(indicator) == before


def test_an_s_curve_does_not_go_back_in_time():
    curve = indicators.SCurve()
    curve.update(2020.0, 0.5)
    curve.update(2020.0, 0.6)
    with pytest.raises(ValueError, match="in the order of their times"):
        curve.update(2019.9, 0.5)
