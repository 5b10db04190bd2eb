# SPDX-License-Identifier: Apache-2.0
"""One memory: the ctypes structure and the numpy record lie alike, and both faces leave the same bytes."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

import kilohour.indicators as library
from kilohour import Indicator, IntRing, Ring, Strategy, indicator, state
from kilohour.desk import Desk
from kilohour.faces import lowering
from kilohour.faces.face import records_of
from kilohour.faces.fields import dtype_of, tag_of
from kilohour.faces.python_face import at_address, structure_of
from kilohour.indicators import Ema, RollingMax, RollingMedian, RollingZ
from kilohour.strategies import BUILT_IN


class Counter(Indicator):
    window: int = 3
    at: int = state(0)
    ring: Ring
    whole: IntRing

    def update(self, x: float) -> float:
        self.ring[self.at % self.window] = x
        self.whole[self.at % self.window] += self.at
        self.at += 1
        return self.ring[(self.at - 1) % self.window] - self.ring[self.at % self.window]


class Nest(Indicator):
    window: int = 5
    flag: bool = state(False)
    counter: Counter = indicator(Counter, "window", capacity=7)
    z: RollingZ = indicator(RollingZ, "window", capacity=11)
    top: RollingMax = indicator(RollingMax, "window", capacity=6)
    middle: RollingMedian = indicator(RollingMedian, 4, capacity=4)
    ema: Ema = indicator(Ema, "window")
    total: float = state(0.0)

    def update(self, x: float) -> float:
        self.flag = not self.flag
        self.total += self.counter.update(x) + self.ema.update(x)
        self.top.update(x)
        if self.flag:
            self.middle.update(x)
        return self.z.update(x)


def built_in(name):
    module, _, attribute = BUILT_IN[name].partition(":")
    return getattr(__import__(module, fromlist=[attribute]), attribute)


def offsets(dtype, base=0, path=""):
    for name in dtype.names:
        field, offset = dtype.fields[name][:2]
        yield f"{path}{name}", base + offset, field.itemsize
        if field.names:
            yield from offsets(field, base + offset, f"{path}{name}.")


def ctypes_offsets(structure, base=0, path=""):
    for stored, kind in structure._fields_:
        field, name = getattr(structure, stored), stored.removesuffix("_in_memory").removeprefix("_")
        yield f"{path}{name}", base + field.offset, ctypes.sizeof(kind)
        if hasattr(kind, "_fields_"):
            yield from ctypes_offsets(kind, base + field.offset, f"{path}{name}.")


FACES = [Counter, Nest, Desk, *(getattr(library, name) for name in library.__all__)]


@pytest.mark.parametrize("face", [*FACES, *map(built_in, BUILT_IN)], ids=lambda c: c.__name__)
def test_structure_and_record_lie_alike(face):
    structure = structure_of(face)
    assert list(ctypes_offsets(structure)) == list(offsets(dtype_of(face)))
    assert ctypes.sizeof(structure) == dtype_of(face).itemsize


@njit(boundscheck=True)
def drive(memory, values):
    for x in values:
        memory[0].update(x)


VALUES = st.lists(st.floats(-1e9, 1e9) | st.sampled_from([0.0, -0.0, 1.0]), max_size=60)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(VALUES, VALUES, st.integers(1, 6))
def test_nested_indicators_leave_equal_bytes_and_go_on_from_a_copy(first, second, window):
    lowering.register(Nest)
    face: Any = Nest(window=max(window, 2))
    record = np.frombuffer(bytearray(bytes(face)), dtype_of(Nest))
    for x in first:
        face.update(x)
    drive(record, np.array(first))
    assert bytes(face) == record.tobytes()
    snapshot = record.tobytes()
    drive(record, np.array(second))
    structure: Any = structure_of(Nest)
    restored = structure.from_buffer_copy(snapshot)
    for x in second:
        restored.update(x)
    assert bytes(restored) == record.tobytes()


def test_the_python_face_works_on_memory_that_somebody_else_owns():
    records = records_of(Counter, 3)
    face = at_address(Counter, records[1:].ctypes.data)
    face.window = 2
    face.update(4.0)
    assert records["ring"][1, 0] == 4.0
    assert records["at"].tolist() == [0, 1, 0]


def test_it_is_a_subclass_of_the_class_it_stands_for():
    face = Nest()
    assert isinstance(face, Nest)
    assert isinstance(face.counter, Counter)
    assert isinstance(face, Indicator)


def test_assigning_a_float_to_an_integer_is_refused_in_python_too():
    counter: Any = Counter()
    with pytest.raises(TypeError):
        counter.window = 2.5
    with pytest.raises(TypeError):
        counter.whole[0] = 2.5


@njit(boundscheck=True)
def put(memory, at):
    memory[0].ring[at] = 1.0


@pytest.mark.parametrize("at, fine", [(0, True), (1023, True), (1024, False), (-1, True), (-1024, True), (-1025, False), (10**9, False)])
def test_a_ring_counts_from_both_ends_and_refuses_what_is_beyond_in_both_faces(at, fine):
    face, record = Counter(), records_of(Counter, 1)
    lowering.register(Counter)
    if fine:
        face.ring[at] = 1.0
        put(record, at)
        assert np.flatnonzero(record["ring"][0]).tolist() == np.flatnonzero(np.array(face.ring)).tolist() == [at % 1024]
    else:
        with pytest.raises(IndexError):
            face.ring[at] = 1.0
        with pytest.raises(IndexError):
            put(record, at)


def test_classes_of_one_name_and_source_in_two_places_are_two_records():
    def make():
        class Twin(Strategy):
            x: float = 1.0

        return Twin

    def again():
        class Twin(Strategy):
            x: float = 1.0

        return Twin

    assert tag_of(make()) != tag_of(again())
