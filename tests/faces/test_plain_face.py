# SPDX-License-Identifier: Apache-2.0
"""The plain face: the same bytes at the end of every block, and what it cannot hold is an error that names the field."""

from __future__ import annotations

import ctypes
import importlib
import linecache
import struct
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kilohour.step
from kilohour import Indicator, IntRing, Ring, Strategy, indicator, state
from kilohour.desk import Desk
from kilohour.errors import StrategyRaised
from kilohour.faces.evident import float_fields
from kilohour.faces.fields import dtype_of
from kilohour.faces.plain_face import PlainDesk, PlainFace
from kilohour.faces.python_face import structure_of
from kilohour.indicators import Ema, RollingMax, RollingMean, RollingZ
from kilohour.kernels.records import DESK
from tests.faces.small import market, played, session_of, tape_of_bars

TAPE = market(tape_of_bars(300, contracts=2))
NUMBERS = [-(2**63), 2**63 - 1, 0, -1]
FLOATS = [struct.unpack("<q", struct.pack("<d", x))[0] for x in (-0.0, 0.0, float("inf"), -1.5, 5e-324)]
NANS = [0x7FF8000000000123, -0x7FFFFFFFFFEDC, 0x7FF0000000000001]  # with payload, negative, signalling
KINDS = {"int": int, "float": float, "bool": bool, "ring": Ring, "int ring": IntRing}


@pytest.fixture
def always_plain(monkeypatch):
    monkeypatch.setattr(kilohour.step, "PLAIN_FROM", 0)


def class_of(kinds, part):
    body = {"__annotations__": {f"field_{at}": KINDS[kind] for at, kind in enumerate(kinds)}}
    if part is not None:
        body["__annotations__"]["part"] = part
        body["part"] = indicator(part, capacity=3)
    return type("Random", (Indicator,), body)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(st.sampled_from(list(KINDS)), min_size=1, max_size=40), st.lists(st.sampled_from(list(KINDS)), max_size=5), st.booleans(), st.data())
def test_any_bytes_of_any_class_come_back_as_they_were(kinds, inner, every_float_is_evident, data):
    face = class_of(kinds, class_of(inner, None) if inner else None)
    words = dtype_of(face).itemsize // 8
    some = data.draw(st.lists(st.sampled_from([*NUMBERS, *FLOATS, *NANS]) | st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=60))
    memory = np.resize(np.array(some, np.int64), words)
    before = memory.tobytes()
    names = frozenset(f"field_{at}" for at in range(40)) if every_float_is_evident else frozenset()
    plain = PlainFace(face, structure_of(face).from_buffer(memory), names)
    plain.load()
    assert plain.store() == ""
    assert memory.tobytes() == before


def test_the_plain_desk_reads_and_writes_the_engines_memory():
    memory = np.zeros(1, DESK)
    numbers = memory.view(np.int64)
    numbers[:] = np.arange(len(numbers))
    structure = structure_of(Desk).from_buffer(memory)
    desk = PlainDesk(Desk, structure)
    desk.load()
    for name in DESK.names:
        ours, theirs = getattr(desk.face, name), getattr(structure, name)
        assert list(ours) == list(theirs) if DESK[name].shape else ours == theirs, name
    desk.face.ticket_count = 77
    desk.face.held[3] = -5
    assert (memory["ticket_count"][0], memory["held"][0, 3]) == (77, -5)


def tripled(x):
    return 3 * x


class Kept(Indicator):
    last: float = state(0.0)
    best: float = state(0.0)

    def update(self, x: float) -> float:
        self.last = x
        self.best = max(self.best, x * 2.0)
        return self.last


class Mixed(Strategy):
    """Puts integers into float fields, where -0 must become -0.0, and flags into integer fields."""

    whole: int = state(0)
    flag: bool = state(False)
    lots: float = state(0.0)
    back: float = state(1.0)
    mean: float = state(0.0)
    given: float = state(0.0)
    kept: Kept = indicator(Kept)
    means: RollingMean = indicator(RollingMean, 5)
    top: RollingMax = indicator(RollingMax, 7)
    z: RollingZ = indicator(RollingZ, 9)
    ema: Ema = indicator(Ema, 4)

    def on_bar(self, desk):
        self.lots = desk.position(0)
        self.back = -self.lots
        self.whole += 1
        self.flag = not self.flag
        self.whole += self.flag
        price = desk.price(0)
        self.mean = self.means.update(price) - self.z.update(desk.position(0)) + self.ema.update(price)
        self.top.update(-self.whole * 0.0)
        self.given = self.kept.update(desk.position(1)) + tripled(self.whole)
        if self.whole % 5 == 0:
            desk.target(0, self.whole % 3 - 1)
        if self.whole % 7 == 0:
            desk.market(1, 1)
            desk.record("lots", self.lots)


def bytes_of(session):
    return {name: getattr(session, name).tobytes() for name in ("state", "desk", "book", "latest", "first")}


def test_the_three_faces_leave_the_same_bytes(always_plain, monkeypatch):
    plain, compiled = played(Mixed, TAPE, interpreted=True), played(Mixed, TAPE)
    monkeypatch.setattr(kilohour.step, "PLAIN_FROM", 10**9)
    short = played(Mixed, TAPE, interpreted=True)
    assert plain.python.calls == short.python.calls == 300
    assert int(plain.book["orders_made"][0]) > 50
    assert bytes_of(plain) == bytes_of(short) == bytes_of(compiled)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(stops=st.lists(st.integers(1, len(TAPE.tape)), max_size=8))
def test_blocks_of_both_faces_can_follow_each_other(stops):
    session = session_of(Mixed, TAPE, interpreted=True)
    with pytest.MonkeyPatch.context() as patch:
        for at, stop in enumerate([*sorted(stops), len(TAPE.tape)]):
            patch.setattr(kilohour.step, "PLAIN_FROM", 0 if at % 2 else 10**9)
            session.run(stop)
    assert bytes_of(session) == bytes_of(played(Mixed, TAPE))


def test_float_fields_are_evident_when_nothing_puts_an_integer_there():
    # position() is an int. Through any update(x) it may reach whatever an update stores as it is or returns: RollingMax's
    # fresh (so the name fresh is out), Kept's last, RollingZ's origin, and mean; sums and products with a float are floats.
    assert float_fields(Mixed) == {"best", "fresh_squares"}


@pytest.mark.parametrize("value, evident", [
    ("1.0", True), ("1", False), ("self.b * 2", True), ("self.n * 2", False), ("self.n / 2", True), ("2.0 if self.n else 1", False),
    ("max(self.b, 0.0)", True), ("max(self.b, 0)", False), ("desk.price(0)", True), ("desk.position(0)", False), ("self.r[0]", True),
    ("self.k[0]", False), ("self.b ** 2", False), ("-self.b", True), ("not self.b", False), ("float(self.n)", True), ("sum([1])", False),
])  # fmt: skip
def test_what_is_evidently_a_float(value, evident, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "plainly_made", raising=False)
    linecache.clearcache()
    file = tmp_path / "plainly_made.py"
    file.write_text("from kilohour import IntRing, Ring, Strategy, state\n\n\nclass Made(Strategy):\n    a: float = state(0.0)\n"
                    "    b: float = state(0.0)\n    n: int = state(0)\n    r: Ring\n    k: IntRing\n\n    def on_bar(self, desk):\n"
                    f"        local = {value}\n        self.a = local\n")
    assert ("a" in float_fields(importlib.import_module("plainly_made").Made)) == evident


class Notes(Strategy):
    interpreted = True
    history: list[int] = []
    seen: int = state(0)

    def on_bar(self, desk):
        self.seen += 1
        self.history = [*self.history, self.seen]
        self.note = getattr(self, "note", 0) + 1


def test_what_lives_in_python_survives_from_block_to_block_on_both_faces(monkeypatch):
    session = session_of(Notes, TAPE, interpreted=True)
    for until, least in ((100, 0), (200, 10**9), (len(TAPE.tape), 0)):
        monkeypatch.setattr(kilohour.step, "PLAIN_FROM", least)
        session.run(until)
        strategy = session.python.strategy
        assert strategy.history == list(range(1, int(session.state["seen"][0]) + 1))
        assert strategy.note == strategy.seen == session.state["seen"][0]
    assert strategy.seen == 300


class Wrong(Strategy):
    interpreted = True
    how: int = 0
    count: int = state(7)
    after: int = state(0)
    x: float = state(1.0)
    ring: Ring
    mean: RollingMean = indicator(RollingMean, 5)

    def on_bar(self, desk):
        self.after += 1
        if self.how == 0:
            self.count = 2.5
        elif self.how == 1:
            self.count = 2**63
        elif self.how == 2 and self.after == 300:
            del self.count
        elif self.how == 3:
            self.ring = [1.0]
        elif self.how == 4:
            self.mean.at = None
        elif self.how == 5:
            self.x = "three"
        elif self.how == 6:
            self.ring[0] = "three"
        elif self.how == 7:
            self.count = 9.5
            raise RuntimeError("stop here")


@pytest.mark.parametrize("how, said", [
    (0, "Wrong.count must be an int, found 2.5 (seen at the end of a block, "),
    (1, "Wrong.count must fit into 64 bits, found a number of 64 bits"),
    (2, "Wrong.count was deleted; a field always has a value"),
    (3, "Wrong.ring is part of the strategy's memory; change what is in it, do not assign it"),
    (4, "RollingMean.at must be an int, found None"),
    (5, "TypeError: must be real number, not str"),
    (6, "TypeError: memoryview: invalid type for format 'd'"),
    (7, "RuntimeError: stop here"),
])  # fmt: skip
def test_what_a_field_cannot_hold_is_an_error_and_the_rest_is_stored(how, said, always_plain):
    session = session_of(Wrong, TAPE, interpreted=True, how=how)
    with pytest.raises(StrategyRaised) as caught:
        session.run(len(TAPE.tape))
    assert said in str(caught.value)
    assert session.state["after"][0] == (300 if how < 5 else 1)
    assert session.state["count"][0] == 7


def test_the_plain_face_is_the_users_class_and_no_structure():
    memory = np.zeros(1, dtype_of(Mixed))
    plain = PlainFace(Mixed, structure_of(Mixed).from_buffer(memory))
    plain.load()
    assert isinstance(plain.face, Mixed)
    assert isinstance(plain.face.means, RollingMean)
    assert not isinstance(plain.face, ctypes.Structure)
    assert isinstance(type(plain.face)(), Mixed)
