# SPDX-License-Identifier: Apache-2.0
"""The plain face: for the length of a block, an interpreted strategy's state lives in ordinary attributes.

A ctypes field takes CPython eight times as long as a slot of a plain object, and nobody looks at a strategy's memory
while a block runs. Numbers are loaded from memory before the block and stored back after it. Rings are the memory
itself. What lives in Python only is in one dictionary that both faces share.
"""

from __future__ import annotations

import ctypes
from functools import cache
from math import copysign
from operator import attrgetter
from typing import Any, cast

from kilohour.faces.evident import float_fields
from kilohour.faces.fields import Field, fields_of
from kilohour.kernels.records import DESK

_CLASSES: dict[tuple[type, frozenset[str]], type] = {}


class PlainFace:
    """The plain face of a strategy and of each of its parts: ``self.face`` is what the methods are called on.

    ``memory`` is the ctypes face of the same class.
    """

    def __init__(self, face: type, memory: Any, floats: frozenset[str] | None = None) -> None:
        floats = float_fields(face) if floats is None else floats
        self.face: Any = object.__new__(_class_of(face, floats))
        self.face.__dict__ = memory.__dict__
        self._of, self._memory = face, memory
        self._numbers = [field for field in fields_of(face) if field.kind in ("int", "bool", "float", "product", "index")]
        self._views: dict[str, Any] = {}
        self._parts: list[PlainFace] = []
        for field in fields_of(face):
            if field.kind == "part":
                self._parts.append(PlainFace(field.default.face, getattr(memory, field.name), floats))
                self._views[field.name] = self._parts[-1].face
            elif field.kind in ("ring", "int ring"):
                self._views[field.name] = getattr(memory, field.name)

    def load(self) -> None:
        """Takes the state from memory."""
        for field in self._numbers:
            setattr(self.face, field.name, getattr(self._memory, field.name))
        for name, view in self._views.items():
            setattr(self.face, name, view)
        for part in self._parts:
            part.load()

    def store(self) -> str:
        """Puts the state back into memory; returns what is wrong with it, "" when nothing is. What is wrong stays as it was."""
        faults = [fault for field in self._numbers if (fault := self._store(field))]
        for name, view in self._views.items():
            if getattr(self.face, name, None) is not view:
                faults.append(f"{self._of.__name__}.{name} is part of the strategy's memory; change what is in it, do not assign it")
        return "; ".join(filter(None, [*faults, *(part.store() for part in self._parts)]))

    def _store(self, field: Field) -> str:
        try:
            value = self.face.__getattribute__(field.name)
        except AttributeError:
            return f"{self._of.__name__}.{field.name} was deleted; a field always has a value"
        if field.kind != "float" and isinstance(value, int) and not -(2**63) <= value < 2**63:
            return f"{self._of.__name__}.{field.name} must fit into 64 bits, found a number of {value.bit_length()} bits"
        try:
            setattr(self._memory, field.name, value)
        except (TypeError, ValueError, OverflowError):
            return f"{self._of.__name__}.{field.name} must be {'a float' if field.kind == 'float' else 'an int'}, found {value!r:.80}"
        return ""


def _class_of(face: type, floats: frozenset[str]) -> type:
    """A subclass of a face with a slot for each field; a float field that may be given an integer turns it into a float."""
    if (face, floats) not in _CLASSES:
        fields = [field for field in fields_of(face) if field.kind != "python"]
        turning = [field.name for field in fields if field.kind == "float" and field.name not in floats]
        slots = tuple(_hidden(field.name) if field.name in turning else field.name for field in fields)
        body = {"__slots__": slots, "__module__": face.__module__, "__doc__": face.__doc__,
                "__new__": lambda _cls, **values: face(**values), "_kilohour_fields": fields_of(face)}
        _CLASSES[face, floats] = made = type(face.__name__, (face,), body)
        for name in turning:
            setattr(made, name, _turning(vars(made)[_hidden(name)]))
    return _CLASSES[face, floats]


def _hidden(name: str) -> str:
    return f"_{name}_as_float"


def _turning(slot: Any) -> property:
    put = slot.__set__

    def turn(face: Any, value: Any) -> None:
        put(face, value if type(value) is float else copysign(value, value))  # refuses what ctypes refuses

    return property(attrgetter(slot.__name__), turn)


class PlainDesk:
    """The plain face of the desk: its arrays are the engine's memory, its constants and two hot numbers ordinary attributes.

    ``now`` and ``request_count`` are exchanged with memory around each call of the strategy; all others are looked up there.
    """

    def __init__(self, face: type, memory: Any) -> None:
        self.face: Any = object.__new__(_desk_class_of(face))
        self.face.__dict__ = memory.__dict__
        self.numbers = memoryview((ctypes.c_int64 * _NUMBERS).from_address(ctypes.addressof(memory))).cast("B").cast("q")
        self._memory = memory

    def load(self) -> None:
        """Takes the arrays, the constants and the hot numbers from memory."""
        self.face._memory = self._memory
        for name in (*_ARRAYS, *_CONSTANTS, *_HOT):
            setattr(self.face, name, getattr(self._memory, name))


_NAMES = cast("tuple[str, ...]", DESK.names)
_ARRAYS = tuple(name for name in _NAMES if DESK[name].shape)
_NUMBERS = len(_NAMES) - len(_ARRAYS)
"""They lie before the arrays."""
_CONSTANTS = ("contract_count", "product_count", "index_count", "tracks_equity", "column_limit")
_HOT = ("now", "request_count")
NOW, REQUEST_COUNT = (_NAMES.index(name) for name in _HOT)


@cache
def _desk_class_of(face: type) -> type:
    plain = ("_memory", *_ARRAYS, *_CONSTANTS, *_HOT)
    found = {name: _looked_up(name) for name in _NAMES if name not in plain}
    return type(face.__name__, (face,), {**found, "__slots__": plain, "__module__": face.__module__, "__doc__": face.__doc__})


def _looked_up(name: str) -> property:
    def put(desk: Any, value: Any) -> None:
        setattr(desk._memory, name, value)

    return property(attrgetter(f"_memory.{name}"), put)
