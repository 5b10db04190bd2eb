# SPDX-License-Identifier: Apache-2.0
"""Every indicator, compiled and in CPython: the same readings, the same bytes, the same refusals."""

import functools
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
from tests.indicators.drive import bars, record_of

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


SHIFTS = (-0.25, 1.5)


@functools.cache
def drive_of(face):
    """What all tests of a class run, as one function and hence one compilation: from memory, a row of the readings before each update
    and after the last, with what the updates returned; at the end a rebase, if asked."""
    names = [
        n
        for n, f in inspect.getmembers(face, inspect.isfunction)
        if n not in ("check", "wrap", "rebase") and not n.startswith("_") and len(inspect.signature(f).parameters) == 1
    ]
    columns = [f"c{at}" for at in range(len(CASES[face][1](np.random.default_rng(0))))]
    lines = [f"def drive(memory, out, is_rebased, {', '.join(columns)}):", " one = memory[0]", " for i in range(len(out)):"]
    lines += [f"  out[i, {at}] = 1.0 * one.{name}()" for at, name in enumerate(names, 1)]
    lines += [f"  if i < len({columns[0]}):", f"   out[i, 0] = one.update({', '.join(f'{column}[i]' for column in columns)})"]
    if hasattr(face, "rebase"):
        shifts = SHIFTS[: len(inspect.signature(face.rebase).parameters) - 1]
        lines += [" if is_rebased:", f"  one.rebase{shifts if len(shifts) > 1 else f'({shifts[0]})'}"]
    scope: dict[str, Any] = {"width": 1 + len(names)}
    exec("\n".join(lines), scope)
    # The methods check their own bounds; a check of the columns here would only be more to compile.
    return njit(no_cfunc_wrapper=True)(scope["drive"]), scope["drive"], scope["width"]


def native(face, record, *columns, is_rebased=False):
    drive, _, width = drive_of(face)
    out = np.zeros((len(columns[0]) + 1, width))
    drive(record, out, is_rebased, *columns)
    return out


def python(face, indicator, *columns, is_rebased=False):
    _, drive, width = drive_of(face)
    out = np.zeros((len(columns[0]) + 1, width))
    drive([indicator], out, is_rebased, *(c.tolist() for c in columns))
    return out


@EVERY
def test_same_readings_and_same_bytes(face):
    """Of every reading, before the first update and after each."""
    parameters, make = CASES[face]
    for seed in range(3):
        columns = make(np.random.default_rng(seed))
        indicator = face(**parameters)
        record = record_of(indicator, face)
        for part in (slice(0, 37), slice(37, None)):
            cut = [c[part] for c in columns]
            ours, theirs = native(face, record, *cut), python(face, indicator, *cut)
            assert ours.tobytes() == theirs.tobytes()
            assert record.tobytes() == bytes(indicator)
        assert np.isfinite(ours[:, 0]).any()


@EVERY
def test_the_source_and_the_types_obey_the_rules_of_the_compiled_face(face):
    parameters, make = CASES[face]
    native(face, record_of(face(**parameters), face), *(c[:1] for c in make(np.random.default_rng(1))))
    for method in methods_of(face):
        check_function(method)
    known = lowering.dispatchers()
    assert face.update in known
    check_types({method: known[method] for method in methods_of(face) if method in known})


@pytest.mark.parametrize("face", [c for c in CASES if hasattr(c, "rebase")], ids=lambda c: c.__name__)
def test_rebase_is_the_same_in_both_faces(face):
    parameters, make = CASES[face]
    columns = make(np.random.default_rng(4))
    indicator = face(**parameters)
    record = record_of(indicator, face)
    for part in (slice(0, 5), slice(5, 131)):
        cut = [c[part] for c in columns]
        before = bytes(indicator)
        python(face, indicator, *cut, is_rebased=True)
        native(face, record, *cut, is_rebased=True)
        assert record.tobytes() == bytes(indicator) != before


@EVERY
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e101])
def test_nan_and_infinities_are_refused_and_leave_no_trace(face, bad):
    parameters, make = CASES[face]
    columns = make(np.random.default_rng(5))
    indicator = face(**parameters)
    record = record_of(indicator, face)
    cut = [c[:50] for c in columns]
    python(face, indicator, *cut)
    native(face, record, *cut)
    before = bytes(indicator)
    for place in range(len(columns)):
        row = [c[50:51].copy() for c in columns]
        row[place][0] = bad
        with pytest.raises(ValueError):
            python(face, indicator, *row)
        with pytest.raises(ValueError):
            native(face, record, *row)
    assert bytes(indicator) == before == record.tobytes()
