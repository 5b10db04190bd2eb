# SPDX-License-Identifier: Apache-2.0
"""The CPython face: a ctypes structure with the record's layout and the class's own methods."""

from __future__ import annotations

import ctypes
from typing import Any, cast

import numpy as np

from kilohour.faces.fields import CAPACITY, dtype_of, fields_of

_STRUCTURES: dict[tuple[type, int], type] = {}


def structure_of(face: type, capacity: int = CAPACITY) -> type:
    """The ctypes structure of a class: a subclass of it, so that ``isinstance`` and ``super`` work."""
    key = (face, capacity)
    if key not in _STRUCTURES:
        parts = {f.name: f.default for f in fields_of(face) if f.kind == "part"}
        dtype = dtype_of(face, capacity)
        entries = _entries(dtype, {n: structure_of(p.face, p.capacity) for n, p in parts.items()})
        named = [(_inner(name) if _is_view(kind) else name, kind) for name, kind in entries]
        views = {name: _View(name) for name, kind in entries if _is_view(kind)}
        body = {**views, "_fields_": named, "__module__": face.__module__, "__doc__": face.__doc__,
                "_kilohour_fields": fields_of(face), "_kilohour_dtype": dtype}
        _STRUCTURES[key] = type(face.__name__, (face, ctypes.Structure), body)
        assert ctypes.sizeof(_STRUCTURES[key]) == dtype.itemsize
    return _STRUCTURES[key]


class _View:
    """An array or a part of a structure. ctypes makes a new object at each look; here the first one is kept.

    It has no ``__set__``, so from then on the instance's own dictionary answers, four times as fast.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, memory: Any, _owner: type) -> Any:
        if memory is None:
            return self
        view = getattr(memory, _inner(self.name))
        if isinstance(view, ctypes.Array):
            # Its items are read and written in two thirds of the time.
            view = memoryview(view).cast("B").cast("d" if view._type_ is ctypes.c_double else "q")
        memory.__dict__[self.name] = view
        return view


def _inner(name: str) -> str:
    return f"_{name}_in_memory"


def _is_view(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, ctypes.Structure | ctypes.Array)


def _entries(dtype: np.dtype[Any], parts: dict[str, type]) -> list[tuple[str, Any]]:
    entries = []
    assert dtype.names is not None
    assert dtype.fields is not None
    for name in dtype.names:
        field = dtype.fields[name][0]
        shape, base = (field.shape, field.base) if field.subdtype else ((), field)
        kind: Any = parts[name] if base.names else (ctypes.c_double if base.kind == "f" else ctypes.c_int64)
        for size in reversed(shape):
            kind = kind * size
        entries.append((name, kind))
    return entries


def at_address(face: type, address: int) -> Any:
    """The Python face of memory that somebody else owns and keeps alive."""
    return cast("Any", structure_of(face)).from_address(address)
