# SPDX-License-Identifier: Apache-2.0
"""Every indicator, compiled and in CPython: the same readings, the same bytes, the same refusals."""

import inspect
from typing import Any

import numpy as np
import pytest
from numba import njit

import kilohour.indicators as library
from kilohour.faces import lowering
from kilohour.faces.indicator import Indicator
from kilohour.faces.syntax import check_function, methods_of
from kilohour.faces.typed import check_types
from kilohour.indicators import (
    Atr,
    Carry,
    CurveCurvature,
    CurveFactors,
    CurveSlope,
    Donchian,
    Ema,
    EwmaVolatility,
    FreeSCurve,
    KalmanHedge,
    OuHalfLife,
    RollingCorrelation,
    RollingMax,
    RollingMean,
    RollingMedian,
    RollingMin,
    RollingQuantile,
    RollingSlope,
    RollingSum,
    RollingVariance,
    RollingZ,
    Rsi,
    SCurve,
    Wilder,
)
from tests.indicators.drive import bars, compiled, interpreted, record_of

SIZE = 400


def price(rng):
    return (bars(rng, SIZE)[2],)


def pair(rng):
    return bars(rng, SIZE)[2], rng.normal(size=SIZE)


def high_low(rng):
    return bars(rng, SIZE)[:2]


def curve(rng):
    near, far = rng.normal(2.0, 2.0, SIZE), rng.normal(2.0, 2.0, SIZE)
    return near, far, rng.uniform(0.1, 2.0, SIZE)


def three_points(rng):
    return (*(rng.normal(2.0, 1.0, SIZE) for _ in range(3)), *(rng.uniform(0.1, 2.0, SIZE) for _ in range(2)))


def prints(rng):
    times = np.cumsum(rng.uniform(0.0, 0.3, SIZE))
    return times, 100.0 / (1.0 + np.exp(-0.5 * (times - 30.0) + rng.normal(0.0, 0.05, SIZE))) + 1e-3


def six(rng):
    years = np.cumsum(rng.uniform(0.05, 1.0, (3, SIZE)), axis=0)
    return (*(rng.normal(2.0, 1.0, SIZE) for _ in range(3)), *years)


def reverting(rng):
    x = np.zeros(SIZE)
    for i in range(1, SIZE):
        x[i] = 0.8 * x[i - 1] + rng.normal()
    return (x,)


def growing(rng):
    times = np.cumsum(rng.uniform(0.2, 1.2, 80))
    return times, 100.0 / (1.0 + np.exp(-0.5 * (times - 30.0))) * np.exp(rng.normal(0.0, 0.05, 80))


CASES: dict[type, tuple[dict[str, Any], Any]] = {
    Atr: ({"window": 14}, lambda rng: bars(rng, SIZE)),
    Carry: ({}, curve),
    CurveCurvature: ({}, three_points),
    CurveFactors: ({"decay": 2.0}, six),
    CurveSlope: ({}, curve),
    Donchian: ({"window": 20}, high_low),
    Ema: ({"window": 20}, price),
    EwmaVolatility: ({"decay": 0.9}, price),
    FreeSCurve: ({"window": 12, "warmup": 6}, growing),
    KalmanHedge: ({"noise": 0.1, "beta_walk": 0.01}, pair),
    OuHalfLife: ({"window": 30}, reverting),
    RollingCorrelation: ({"window": 17}, pair),
    RollingMax: ({"window": 9}, price),
    RollingMean: ({"window": 20}, price),
    RollingMedian: ({"window": 10}, price),
    RollingMin: ({"window": 9}, price),
    RollingQuantile: ({"window": 11, "quantile": 0.37}, price),
    RollingSlope: ({"window": 12}, price),
    RollingSum: ({"window": 1}, price),
    RollingVariance: ({"window": 20, "ddof": 0}, price),
    RollingZ: ({"window": 20}, price),
    Rsi: ({"window": 14}, price),
    SCurve: ({"ceiling": 101.0, "memory": 3.0}, prints),
    Wilder: ({"window": 7}, price),
}
EVERY = pytest.mark.parametrize("face", list(CASES), ids=lambda c: c.__name__)


def test_every_indicator_is_in_this_file():
    named = [getattr(library, name) for name in library.__all__]
    assert set(CASES) == set(named)
    assert all(issubclass(face, Indicator) for face in named)


@EVERY
def test_same_readings_and_same_bytes(face):
    parameters, make = CASES[face]
    for seed in range(3):
        columns = make(np.random.default_rng(seed))
        indicator = face(**parameters)
        record = record_of(indicator, face)
        for part in (slice(0, 37), slice(37, None)):
            cut = [c[part] for c in columns]
            native, python = compiled(record, *cut), interpreted(indicator, *cut)
            assert native.tobytes() == python.tobytes()
            assert record.tobytes() == bytes(indicator)
        assert np.isfinite(native).any()


@EVERY
def test_the_source_and_the_types_obey_the_rules_of_the_compiled_face(face):
    for method in methods_of(face):
        check_function(method)
    known = lowering.dispatchers()
    check_types({method: known[method] for method in methods_of(face) if method in known})


@EVERY
def test_every_reading_compiles_to_the_same_bits(face):
    parameters, make = CASES[face]
    columns = make(np.random.default_rng(9))
    names = [
        n
        for n, f in inspect.getmembers(face, inspect.isfunction)
        if n not in ("check", "wrap", "rebase") and not n.startswith("_") and len(inspect.signature(f).parameters) == 1
    ]
    indicator = face(**parameters)
    record = record_of(indicator, face)
    scope: dict[str, Any] = {}
    exec(f"def read(memory): return ({' '.join(f'1.0 * memory[0].{name}(),' for name in names)})", scope)
    read = njit(scope["read"])
    for count in (0, 1, SIZE):
        cut = [c[:count] for c in columns]
        if count:
            interpreted(indicator, *cut)
            compiled(record, *cut)
        native = np.array(read(record), dtype=float)
        python = np.array([getattr(indicator, name)() for name in names], dtype=float)
        assert native.tobytes() == python.tobytes(), names


@pytest.mark.parametrize("face", [c for c in CASES if hasattr(c, "rebase")], ids=lambda c: c.__name__)
def test_rebase_is_the_same_in_both_faces(face):
    parameters, make = CASES[face]
    columns = make(np.random.default_rng(4))
    indicator = face(**parameters)
    record = record_of(indicator, face)
    two = face in (RollingCorrelation, KalmanHedge)

    @njit
    def shift_one(memory):
        memory[0].rebase(-0.25)

    @njit
    def shift_two(memory):
        memory[0].rebase(-0.25, 1.5)

    for part in (slice(0, 5), slice(5, 131)):
        cut = [c[part] for c in columns]
        interpreted(indicator, *cut)
        compiled(record, *cut)
        indicator.rebase(*((-0.25, 1.5) if two else (-0.25,)))
        (shift_two if two else shift_one)(record)
        assert record.tobytes() == bytes(indicator)


@EVERY
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e101])
def test_nan_and_infinities_are_refused_and_leave_no_trace(face, bad):
    parameters, make = CASES[face]
    columns = make(np.random.default_rng(5))
    indicator = face(**parameters)
    record = record_of(indicator, face)
    cut = [c[:50] for c in columns]
    interpreted(indicator, *cut)
    compiled(record, *cut)
    before = bytes(indicator)
    for place in range(len(columns)):
        row = [c[50:51].copy() for c in columns]
        row[place][0] = bad
        with pytest.raises(ValueError):
            interpreted(indicator, *row)
        with pytest.raises(ValueError):
            compiled(record, *row)
    assert bytes(indicator) == before == record.tobytes()
