# SPDX-License-Identifier: Apache-2.0
"""Each construct whose two faces would differ is refused with its file and line, the replacement and the two ways out."""

from __future__ import annotations

import importlib.util
import sys
from typing import Any

import pytest

from kilohour.errors import CannotCompile
from kilohour.faces import lowering
from kilohour.faces.evident import float_fields
from kilohour.step import compiled_step

HEAD = """
import math, random, time
import math as m
import numpy as np
from datetime import datetime
from math import exp
from random import random as draw
from kilohour import Indicator, IntRing, Ring, Strategy, indicator, maths, state

NAME = "z"

def helper(x):
    return {helper}

class Counting(Indicator):
    whole: IntRing
    ring: Ring
    count: int = state(0)

    def update(self, x: float) -> float:
        {update}
        return x

class Face(Strategy):
    unmarked = 7
    lots: int = 1
    x: float = 1.0
    yes: bool = state(False)
    part: Counting = indicator(Counting)

    def size(self, lots: int) -> int:
        return lots

    def on_bar(self, desk):
        x = self.x
        {line}
"""
count = 0


def face_of(tmp_path, line="pass", helper="x", update="self.count += 1"):
    global count
    count += 1
    file = tmp_path / f"refused_{count}.py"
    file.write_text(HEAD.format(line=line, helper=helper, update=update))
    return load(file.stem, file).Face, file


def load(name, file):
    spec: Any = importlib.util.spec_from_file_location(name, file)
    module: Any = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def refusal(face):
    with pytest.raises(CannotCompile) as caught:
        compiled_step(face)
    return str(caught.value)


def line_of(file, text):
    return next(i for i, line in enumerate(file.read_text().splitlines(), 1) if text in line)


BY_SOURCE = [
    ("self.x = x ** 2", "use x * x or kilohour.maths.pow(x, y)"),
    ("self.x **= 2", "use x * x or kilohour.maths.pow(x, y)"),
    ("self.x = math.sqrt(x)", "use kilohour.maths"),
    ("self.x = m.sqrt(x)", "use kilohour.maths"),
    ("self.x = exp(x)", "use kilohour.maths"),
    ("self.x = np.log(x)", "numpy's functions round differently compiled"),
    ("self.x = np.float64(x)", "numpy's functions round differently compiled"),
    ("self.x = sum([x, x])", "add in a loop"),
    ("self.x = pow(x, 2.0)", "use kilohour.maths.pow(x, y)"),
    ("print(x)", "use desk.record(name, value)"),
    ("self.x = round(x, 2)", "decide on the unrounded number"),
    ("self.x = random.random()", "a run must repeat"),
    ("self.x = draw()", "a run must repeat"),
    ("self.x = time.time()", "a strategy has no clock"),
    ("self.x = datetime.now().hour", "a strategy has no clock"),
    ("self.lots = hash('a')", "text hashes differently in every process"),
    ("self.lots = 1 << 70", "multiply"),
    ("super().on_bar(desk)", "method of another name"),
    ("import math as q", "import at the top of the file"),
    ("try: self.x = 1.0\n        except ValueError: pass", "let it raise"),
    ("with open('a'): pass", "a strategy has nothing to open"),
    ("f = lambda y: y", "write a method"),
    ("def f(y): return y", "write a method"),
    ("a = [y for y in (1.0, 2.0)]", "write a loop"),
    ("a = {y for y in (1.0, 2.0)}", "write a loop"),
    ("a = {y: y for y in (1.0, 2.0)}", "write a loop"),
    ("a = max(y for y in (1.0, 2.0))", "write a loop"),
    ("a = {'a': 1.0}", "use fields"),
    ("a = {1.0, 2.0}", "use fields"),
    ("a = dict(b=1.0)", "use fields"),
    ("a = f'{x}'", "text cannot be compiled"),
    ("global NAME", "keep state in a field"),
    ("del x", "use fields"),
    ("match x:\n            case _: pass", "write if and elif"),
    ("self.x = getattr(self, 'x')", "name the field"),
    ("self.x = self.xx", "Face has no field or method 'xx'; did you mean 'x'"),
    ("self.quota = x", "Face has no field 'quota'; declare it, as quota: float = state(0.0)"),
    ("self.x = self.unmarked * x", "write unmarked: int = 7"),
    ("self.x = self.part.updte(x)", "Counting has no field or method 'updte'; did you mean 'update'"),
    ("self.x = desk.prise(0)", "Desk has no field or method 'prise'; did you mean 'price'"),
    ("self.x = undefined_name", "the name 'undefined_name' is not defined"),
    ("n = 'a'; desk.record(n, x)", "desk.record takes a constant name"),
    ("desk.record('a' + NAME, x)", "desk.record takes a constant name"),
]
BY_TYPE = [
    ("self.lots = x", "a float cannot be assigned to the integer field 'lots'; use kilohour.maths.truncate(x), or declare it float"),
    ("self.lots += 1.5", "a float cannot be assigned to the integer field 'lots'"),
    ("self.yes = x", "a float cannot be assigned to the integer field 'yes'"),
    ("self.part.whole[0] = x", "a float cannot be put into a ring of integers"),
    ("self.part.whole[self.lots] += 0.5", "a float cannot be put into a ring of integers"),
    ("self.lots = int(x)", "use kilohour.maths.truncate(x)"),
    ("self.lots = round(x)", "use kilohour.maths.nearest(x)"),
    ("self.lots = round(self.lots)", "leave it out"),
    ("self.x = self.lots / 2", "write float(a) / float(b)"),
    ("self.x = desk.position(0) / self.lots", "write float(a) / float(b)"),
    ("desk.target(0, x)", "Desk.target: lots must be an int, found a float"),
    ("desk.target_spread(0, 1, lots=x * 2)", "Desk.target_spread: lots must be an int, found a float"),
    ("self.size(x)", "Face.size: lots must be an int, found a float"),
    ("desk.target(0)", "missing a required argument: 'lots'"),
    ("self.x = 'abc'", "Cannot cast"),
    ("a = [1.0]; a.append('b')", "list.append"),
]


@pytest.mark.parametrize("line, why", BY_SOURCE, ids=[line.splitlines()[0] for line, _ in BY_SOURCE])
def test_refused_by_its_source(tmp_path, line, why):
    face, file = face_of(tmp_path, line)
    message = refusal(face)
    assert message.startswith(f"{file}:{line_of(file, line.splitlines()[0])}: ")
    assert why in message
    assert message.endswith("; change the line, or run it in CPython with --interpreted (or interpreted = True in the class)")
    assert "\n" not in message


@pytest.mark.parametrize("line, why", BY_TYPE, ids=[line for line, _ in BY_TYPE])
def test_refused_by_its_types_the_second_time_too(tmp_path, line, why):
    face, file = face_of(tmp_path, line)
    message = refusal(face)
    assert message.startswith(f"{file}:{line_of(file, line)}: ")
    assert why in message
    assert message.endswith("(or interpreted = True in the class)")
    assert "\n" not in message
    assert refusal(face) == message


def test_a_lambda_among_other_code_is_refused_with_its_line_and_runs_interpreted(tmp_path):
    """Its source by itself, ``lambda x: x * 3.0)``, is no Python."""
    _, file = face_of(tmp_path, "self.x = thrice(x)")
    file.write_text(file.read_text() + "\n\ndef kept(f):\n    return f\n\n\nthrice = kept(\n    lambda x: x * 3.0)\n")
    face = load("among_other_code", file).Face
    assert refusal(face).startswith(f"{file}:{line_of(file, 'lambda x')}: <lambda> cannot be read by itself: write it with def; change the line")
    assert float_fields(face) == frozenset()


def test_refused_in_a_helper_and_in_an_indicator(tmp_path):
    face, file = face_of(tmp_path, "self.x = helper(x)", helper="x ** 3")
    assert refusal(face).startswith(f"{file}:{line_of(file, 'x ** 3')}: 'x ** 3'")
    face, file = face_of(tmp_path, "self.x = helper(x)", helper="nowhere(x)")
    assert refusal(face).startswith(f"{file}:{line_of(file, 'nowhere(x)')}: 'nowhere'")
    face, file = face_of(tmp_path, "self.part.update(x)", update="self.count = x * 0.5")
    assert refusal(face).startswith(f"{file}:{line_of(file, 'self.count = x')}: a float cannot")
    face, file = face_of(tmp_path, update="self.ring[0] = math.log(x)")
    assert refusal(face).startswith(f"{file}:{line_of(file, 'math.log')}: ")


def test_refused_in_a_function_reached_through_a_module(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "sizing_of_refused.py").write_text("def size(x):\n    return x ** 0.5\n")
    face, _ = face_of(tmp_path, "self.x = sizing_of_refused.size(x)")
    face.on_bar.__globals__["sizing_of_refused"] = __import__("sizing_of_refused")
    assert "sizing_of_refused.py:2: 'x ** 0.5'" in refusal(face)


def test_a_python_field_is_refused_with_its_name(tmp_path):
    _, file = face_of(tmp_path)
    file.write_text(file.read_text().replace("lots: int = 1", "lots: int = 1\n    seen: list = []").replace("class Face", "class Other"))
    assert refusal(load("other", file).Other).startswith("Other.seen is declared as something that has no place in a record; change the line, or")


ALLOWED = """
        y = x
        for i in range(3):
            y = y * 0.5 + float(self.lots // 2) - x % 3.0
        while y > 10.0:
            y -= maths.sqrt(2.0) + m.pi - math.inf * 0.0
        a = [1.0, 2.0]
        a.append(y)
        low, high = min(x, y), max(x, y)
        self.x = low if abs(high) > 1.0 and not self.yes else a[-1]
        self.lots = self.size(lots=maths.truncate(x)) + int(self.yes)
        self.yes = self.lots > 3
        desk.record(NAME, high)
        desk.record("low", low)
        if self.lots > 1_000_000:
            raise ValueError("too many lots")
"""


def test_what_both_faces_agree_on_is_let_through(tmp_path):
    face, _ = face_of(tmp_path, ALLOWED.strip())
    assert compiled_step(face).address


def test_a_class_refused_does_not_spoil_another_that_shares_its_helper(tmp_path):
    face, _ = face_of(tmp_path, "self.lots = x")
    refusal(face)
    fine, _ = face_of(tmp_path, "self.x = x")
    assert compiled_step(fine).address
    assert lowering.dispatchers()
