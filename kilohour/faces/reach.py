# SPDX-License-Identifier: Apache-2.0
"""What a strategy class can reach: its methods, its parts' methods, the functions those call, the names they read.

The checks look at these functions, the cache's name covers them, and compiled code is thrown away when one of the
names they read has another value.
"""

from __future__ import annotations

import dis
import inspect
import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from kilohour.faces.fields import fields_of

_ROOTS = ("kilohour.faces.face", "kilohour.strategy", "kilohour.faces.indicator", "builtins", "ctypes", "_ctypes")
_NOTHING = object()
Function = types.FunctionType


@dataclass(frozen=True, slots=True)
class Read:
    """A global, a name of an enclosing function or an attribute of a module, and the value it had."""

    name: str
    holder: Any
    value: Any

    def now(self) -> Any:
        """Its value now."""
        if isinstance(self.holder, types.CellType):
            return _cell(self.holder)
        return self.holder.get(self.name, _NOTHING)


@dataclass(frozen=True, slots=True)
class Reach:
    """``methods``: pairs of method and class; ``functions``: those and the plain functions they call, each once."""

    methods: tuple[tuple[Function, type], ...]
    functions: tuple[Function, ...]
    reads: tuple[Read, ...]
    names: frozenset[str]
    """Every attribute and global that the functions name."""

    def is_stale(self) -> bool:
        """True when a name means something else than when this was looked up, as after a notebook cell ran again."""
        return any((now := read.now()) is not read.value and not _same(now, read.value) for read in self.reads)


_REACHES: dict[type, Reach] = {}


def reach_of(face: type) -> Reach:
    """The reach of a class; the same object until something in it changes."""
    found = _REACHES.get(face)
    if found is None or found.is_stale():
        found = _REACHES[face] = _walk(face)
    return found


def _walk(face: type) -> Reach:
    methods = tuple(dict.fromkeys(_methods(face)))
    waiting, reads = [function for function, _ in methods], []
    seen: dict[Any, None] = {}
    while waiting:
        function = waiting.pop(0)
        if function in seen:
            continue
        seen[function] = None
        for read in reads_of(function):
            reads.append(read)
            if isinstance(read.value, Function) and read.value.__module__ != "kilohour.maths":
                waiting.append(read.value)
    names = frozenset(name for function in seen for code in codes_of(function) for name in code.co_names)
    return Reach(methods, tuple(seen), tuple(reads), names)


def _methods(face: type) -> Iterator[tuple[Function, type]]:
    named = {"check": None, "__init__": None, "__new__": None}
    for base in face.__mro__:
        if base.__module__ not in _ROOTS:
            for name, value in vars(base).items():
                if inspect.isfunction(value) and name not in named:
                    named[name] = None
                    yield value, face
    for field in fields_of(face):
        if field.kind == "part":
            yield from _methods(field.default.face)


def reads_of(function: Function) -> Iterator[Read]:
    """Every name from outside that a function reads; an attribute of a module stands for itself."""
    cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
    for code in codes_of(function):
        steps = [step for step in dis.get_instructions(code) if step.opname not in ("EXTENDED_ARG", "CACHE")]
        for at, step in enumerate(steps):
            if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
                read = Read(step.argval, function.__globals__, function.__globals__.get(step.argval, _NOTHING))
            elif step.opname == "LOAD_DEREF" and step.argval in cells:
                read = Read(step.argval, cells[step.argval], _cell(cells[step.argval]))
            else:
                continue
            for follower in steps[at + 1 :]:
                if not isinstance(read.value, types.ModuleType) or follower.opname not in ("LOAD_ATTR", "LOAD_METHOD"):
                    break
                names = vars(read.value)
                read = Read(follower.argval, names, names.get(follower.argval, _NOTHING))
            if read.value is not _NOTHING:
                yield read


def codes_of(function: Function) -> Iterator[types.CodeType]:
    """The code of a function and of what is defined inside it."""
    waiting = [function.__code__]
    while waiting:
        code = waiting.pop()
        yield code
        waiting += [c for c in code.co_consts if inspect.iscode(c)]


def _cell(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return _NOTHING


def _same(now: Any, before: Any) -> bool:
    return type(now) is type(before) and isinstance(now, int | float | str | bytes | tuple) and now == before
