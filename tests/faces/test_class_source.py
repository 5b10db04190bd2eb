# SPDX-License-Identifier: Apache-2.0
"""A class's source is that of ``inspect.getsource``, wherever the class stands in its file."""

from __future__ import annotations

import importlib
import inspect
import sys

import pytest

from kilohour.faces.class_source import class_source

FILE = '''
def decorated(arguments):
    return lambda face: face

@decorated({
    "of": "two lines",
})
@decorated(())
class First:
    class Inner:
        x = 1
    # of First still

    def method(self):
        class Local:
            y = 2
        return Local

if First is None:
    class Either:
        z = 3
else:
    class Either:
        z = 4

try:
    raise KeyError
except KeyError:
    class Handled: w = 5
finally:
    class AtLast:
        v = 6

def made():
    with open(__file__):
        for _ in range(1):
            class Made:
                u = 7
    return Made
'''


@pytest.fixture
def module(tmp_path, monkeypatch):
    (tmp_path / "classes_in_many_places.py").write_text(FILE)
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("classes_in_many_places")
    del sys.modules["classes_in_many_places"]


def test_it_is_what_inspect_says(module):
    local = module.First().method()
    for face in (module.First, module.First.Inner, local, module.Either, module.Handled, module.AtLast, module.made()):
        assert class_source(face) == inspect.getsource(face)


def test_an_edit_is_seen(module, tmp_path):
    (tmp_path / "classes_in_many_places.py").write_text("# one more line\n" + FILE.replace("x = 1", "x = 17"))
    assert "x = 17" in class_source(module.First) == inspect.getsource(module.First)


def test_without_a_source_it_raises_as_inspect_does(module):
    for face in (type("Nowhere", (), {"__module__": module.__name__}), type("Nowhere", (), {"__module__": "never_imported"}), int):
        for ask in (class_source, inspect.getsource):
            with pytest.raises((OSError, TypeError)):
                ask(face)
