# SPDX-License-Identifier: Apache-2.0
"""One class, two faces, one memory.

A class that derives from :class:`Face` declares annotated fields and methods. Compiled, it is a numpy record and its
methods are native code; in CPython it is a ctypes structure over the same bytes with the very same functions.
State is bytes: a snapshot is a copy, a sweep is an array of records.
"""

from __future__ import annotations

import ctypes
from copy import deepcopy
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from kilohour.errors import UnknownName
from kilohour.faces.fields import CAPACITY, Part, checked, dtype_of, fields_of, starting_value


class Face:
    """Base of indicators and strategies; calling a subclass gives its CPython face.

    >>> class Counter(Face):
    ...     step: int = 2
    ...     total: int = 0
    ...     def add(self) -> int:
    ...         self.total += self.step
    ...         return self.total
    >>> counter = Counter(step=3)
    >>> counter.add(), counter.add()
    (3, 6)
    """

    _kilohour_dtype: ClassVar[Any] = None

    def __new__(cls, **values: object) -> Any:
        """A Python face of fresh memory; ``capacity`` sets the size of its rings."""
        if issubclass(cls, ctypes.Structure):
            return super().__new__(cls)
        from kilohour.faces.python_face import structure_of

        capacity = values.get("capacity", CAPACITY)
        return structure_of(cls, int(capacity)).__new__(structure_of(cls, int(capacity)))  # type: ignore[call-overload]

    def __init__(self, **values: object) -> None:
        values.pop("capacity", None)
        fill(self, type(self), values)

    def check(self) -> None:
        """Raises :class:`~kilohour.errors.UsageError` when parameters break a rule; called before a run."""


def fill(memory: Any, face: type, values: dict[str, Any]) -> None:
    """Sets every field of a Python face to its default or the given value, parts from their bindings, and checks it.

    Raises :class:`UnknownName` or :class:`~kilohour.errors.UsageError` naming field, rule and value.
    """
    fields = fields_of(face)
    known = {f.name: f for f in fields}
    for name in values:
        if name not in known:
            raise UnknownName("field", name, [f.name for f in fields if f.is_parameter], where=face.__name__)
    for field in fields:
        if field.kind in ("int", "float", "bool"):
            setattr(memory, field.name, checked(face, field.name, field.kind, values.get(field.name, field.default)))
        elif field.kind in ("product", "index"):
            setattr(memory, field.name, int(values.get(field.name, -1)))
        elif field.kind == "python":
            object.__setattr__(memory, field.name, deepcopy(values.get(field.name, starting_value(field))))
    for field in fields:
        if field.kind == "part":
            fill_part(memory, face, field.name, field.default)
    memory.check()


def fill_part(memory: Any, face: type, name: str, part: Part) -> None:
    """Sets an indicator inside a strategy: each parameter a number, or the value of the strategy's own field."""
    bound: dict[str, Any] = {}
    kinds = {f.name: f.kind for f in fields_of(face) if f.kind in ("int", "float", "bool")}
    for target, source in part.bindings:
        if isinstance(source, str):
            if source not in kinds:
                raise UnknownName("field", source, kinds, where=f"{face.__name__}.{name}")
            value = getattr(memory, source)
            bound[target] = bool(value) if kinds[source] == "bool" else value
        else:
            bound[target] = source
    fill(getattr(memory, name), part.face, bound)


def records_of(face: type, count: int) -> npt.NDArray[Any]:
    """An array of zeroed records of the class, one a parameter set of a sweep."""
    return np.zeros(count, dtype_of(face))
