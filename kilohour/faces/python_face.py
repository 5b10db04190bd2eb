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
        body = {"_fields_": entries, "__module__": face.__module__, "__doc__": face.__doc__,
                "_kilohour_fields": fields_of(face), "_kilohour_dtype": dtype}
        _STRUCTURES[key] = type(face.__name__, (face, ctypes.Structure), body)
        assert ctypes.sizeof(_STRUCTURES[key]) == dtype.itemsize
    return _STRUCTURES[key]


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
