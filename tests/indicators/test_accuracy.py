# SPDX-License-Identifier: Apache-2.0
"""Ten million compiled updates at a large offset, then the readings against exact fractions of the last windows.

``make test`` takes one window, the soak another: errors pile up over updates, whatever the window.
"""

import math
from fractions import Fraction

import numpy as np
import pytest

from kilohour.indicators import (
    Ema,
    RollingCorrelation,
    RollingMean,
    RollingSlope,
    RollingSum,
    RollingVariance,
    RollingZ,
    arrays,
)
from tests.indicators.drive import compiled, record_of

UPDATES = 10_000_000
LIMIT = 1e-9
WINDOWS = pytest.mark.parametrize("window", [20, pytest.param(500, marks=pytest.mark.soak)])


@pytest.fixture(scope="module")
def noise():
    """A million plus small noise, one bad tick on the way."""
    x = np.random.default_rng(7).normal(1e6, 1.0, UPDATES)
    x[UPDATES // 2] = 1e12
    return x


def total_twin(values):
    return sum(values)


def mean_twin(values):
    return sum(values) / len(values)


def variance_twin(values):
    mean = mean_twin(values)
    return sum((v - mean) ** 2 for v in values) / (len(values) - 1)


def root(value):
    """To about 40 digits, so that the oracle's own error does not count."""
    scale = 10**80
    return Fraction(math.isqrt(int(value * scale)), 10**40)


def z_twin(values):
    return (values[-1] - mean_twin(values)) / root(variance_twin(values))


def slope_twin(values):
    size = len(values)
    middle = Fraction(size - 1, 2)
    return sum((k - middle) * v for k, v in enumerate(values)) / Fraction(size * (size * size - 1), 12)


def correlation_twin(xs, ys):
    x, y = mean_twin(xs), mean_twin(ys)
    xy = sum((a - x) * (b - y) for a, b in zip(xs, ys, strict=True))
    return xy / root(sum((a - x) ** 2 for a in xs) * sum((b - y) ** 2 for b in ys))


def worst(readings, twin, *columns, window):
    """Largest relative error over 100 windows near the end."""
    errors = []
    for i in range(UPDATES - 5000, UPDATES, 50):
        exact = twin(*([Fraction(float(v)) for v in c[i + 1 - window : i + 1]] for c in columns))
        errors.append(abs((Fraction(float(readings[i])) - exact) / exact))
    return float(max(errors))


def assert_close(ours, theirs):
    """Each to 1e-12 of the other or neither there yet, in pieces that stay in the processor's cache: a fifth of numpy's own comparison."""
    for at in range(0, UPDATES, 20_000):
        one, other = ours[at : at + 20_000], theirs[at : at + 20_000]
        near = np.abs(one - other) <= 1e-12 * np.abs(other)
        assert (near | (np.isnan(one) & np.isnan(other))).all(), at


@pytest.mark.slow
@WINDOWS
@pytest.mark.parametrize(
    "face, twin",
    [
        (RollingSum, total_twin),
        (RollingMean, mean_twin),
        (RollingVariance, variance_twin),
        (RollingZ, z_twin),
        (RollingSlope, slope_twin),
    ],
    ids=lambda v: getattr(v, "__name__", ""),
)
def test_after_ten_million_updates(noise, record_property, face, twin, window):
    """The streaming face against the oracle, and the kernel over the whole array against it all the way: a bad tick included."""
    readings = compiled(record_of(face(window=window), face), noise)
    error = worst(readings, twin, noise, window=window)
    record_property("relative_error", error)
    assert error < LIMIT
    array = getattr(arrays, f"rolling_{face.__name__.removeprefix('Rolling').lower()}")(noise, window)
    assert_close(array, readings)


@pytest.mark.slow
@WINDOWS
def test_correlation_after_ten_million_updates(noise, record_property, window):
    other = 0.5 * noise + np.random.default_rng(8).normal(-2e6, 1.0, UPDATES)
    readings = compiled(record_of(RollingCorrelation(window=window), RollingCorrelation), noise, other)
    error = worst(readings, correlation_twin, noise, other, window=window)
    record_property("relative_error", error)
    assert error < LIMIT
    assert_close(arrays.rolling_correlation(noise, other, window), readings)


@pytest.mark.slow
def test_an_exponential_average_forgets_its_own_errors(noise):
    readings = compiled(record_of(Ema(window=20), Ema), noise)
    exact, weight = Fraction(float(readings[-2001])), Fraction(2, 21)
    for value in noise[-2000:].tolist():
        exact += (Fraction(value) - exact) * weight
        exact = Fraction(round(exact * 2**200), 2**200)
    assert abs(readings[-1] / float(exact) - 1.0) < 1e-15
