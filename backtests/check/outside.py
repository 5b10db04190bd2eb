# SPDX-License-Identifier: Apache-2.0
"""Data that a strategy reaches without its desk: arrays, frames, lists, tapes in globals, closures, classes, objects and defaults."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import pickle
import sys
import types
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kilohour.backtests.check.others import changed, is_data, time_index
from kilohour.faces.reach import codes_of
from kilohour.tape.tape import Tape

ITEMS_MAX = 100
"""Items of one container that are looked into one by one."""
Put = Callable[[Any], None]
Waiting = tuple[str, Any, Put | None]
_WRAPPED = (functools.partial, functools._lru_cache_wrapper, types.MethodType)
_OURS = Path(__file__).resolve().parents[2]
_LIBRARIES = tuple(Path(p).resolve() for p in (sys.prefix, sys.base_prefix))


@dataclass(frozen=True, slots=True)
class Outside:
    """One piece of data, and how to put other data in each place that holds it for a while."""

    name: str
    """Of the first place."""
    value: Any
    puts: list[Put]

    @property
    def is_timed(self) -> bool:
        """True for what carries its own times: a tape, a frame or series with a time index."""
        return isinstance(self.value, Tape) or time_index(self.value) is not None

    def fingerprint(self) -> str:
        """Changes when the data changes."""
        if not isinstance(self.value, list | tuple | dict | deque | set | frozenset):
            return ""
        try:
            return hashlib.sha256(pickle.dumps(self.value)).hexdigest()
        except (pickle.PicklingError, TypeError, AttributeError):
            return repr(self.value)

    @contextlib.contextmanager
    def perturbed(self, after: int, factor: Callable[[int], Any]) -> Iterator[None]:
        """Other data for as long as the block takes: what comes after ``after`` (nanoseconds) where times are known, else all of it."""
        other = changed(self.value, after, factor)
        try:
            for put in self.puts:
                put(other)
            yield
        finally:
            for put in self.puts:
                put(self.value)


def outside_of(face: type) -> list[Outside]:
    """Everything with at least :data:`~kilohour.backtests.check.others.ROWS_MIN` values, or a tape, that the class's functions name.

    Containers, objects of the user's own classes, bound methods and partial functions are looked into. What lies in several places is one.
    """
    found: dict[int, Outside] = {}
    seen: set[int] = set()
    waiting: list[Waiting] = [(base.__name__, base, None) for base in face.__mro__ if _is_users(base)]
    while waiting:
        name, value, put = waiting.pop(0)
        if id(value) in found and put is not None:
            found[id(value)].puts.append(put)
        if id(value) in seen:
            continue
        seen.add(id(value))
        if put is not None and is_data(value):
            found[id(value)] = Outside(name, value, [put])
        else:
            waiting += _inside(name, value, put)
    return list(found.values())


def _inside(name: str, value: Any, put: Put | None) -> list[Waiting]:
    """What a value leads to: the attributes of a class or an object, what a function names, the items of a container."""
    if isinstance(value, type):
        return [(f"{name}.{key}", item, _attribute(value, key)) for key, item in vars(value).items() if not key.startswith("__")]
    if isinstance(value, staticmethod | classmethod | property):
        return [(name, getattr(value, "fget", None) or getattr(value, "__func__", None), None)]
    if isinstance(value, types.FunctionType):
        return _named_by(value)
    if isinstance(value, types.MethodType):
        return [(name, value.__self__, None), (name, value.__func__, None)]
    if isinstance(value, functools.partial):
        return [(name, value.func, None),
                *((f"argument {at + 1} of {name}", one, _argument(value, at)) for at, one in enumerate(value.args)),
                *((f"{key} of {name}", one, _item(value.keywords, key)) for key, one in value.keywords.items())]
    if isinstance(value, functools._lru_cache_wrapper):
        return [(name, value.__wrapped__, None)]
    if isinstance(value, dict):
        return [(f"{name}[{key!r}]", item, _item(value, key)) for key, item in value.items()] if len(value) <= ITEMS_MAX else []
    if isinstance(value, list | deque):
        return [(f"{name}[{at}]", item, _item(value, at)) for at, item in enumerate(value)] if len(value) <= ITEMS_MAX else []
    if isinstance(value, tuple) and put is not None:
        return [(f"{name}[{at}]", item, _in_tuple(value, at, put)) for at, item in enumerate(value)] if len(value) <= ITEMS_MAX else []
    return _attributes(name, value)


def _attributes(name: str, value: Any) -> list[Waiting]:
    """What an object of the user's own class, or a plain namespace, carries, and what its methods name."""
    if not isinstance(value, types.SimpleNamespace) and not _is_users(type(value)):
        return []
    names = [*getattr(value, "__dict__", {}), *(slot for base in type(value).__mro__ for slot in getattr(base, "__slots__", ()))]
    return [*((f"{name}.{key}", getattr(value, key), _attribute(value, key)) for key in names if hasattr(value, key)),
            (type(value).__name__, type(value), None)]


def _named_by(function: types.FunctionType) -> list[Waiting]:
    found: list[Waiting] = []
    where = Path(function.__code__.co_filename).name
    names = {name: None for code in codes_of(function) for name in code.co_names}
    space = function.__globals__
    for name in names:
        if name not in space:
            continue
        value = space[name]
        if isinstance(value, types.ModuleType):
            if _is_users(value):
                theirs = vars(value)
                found += [(f"{value.__name__}.{other}", theirs[other], _item(theirs, other)) for other in names if other in theirs]
        elif not callable(value) or isinstance(value, _WRAPPED) or _is_users(value):
            found.append((f"{name} ({where})", value, _item(space, name)))
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        with contextlib.suppress(ValueError):
            found.append((f"{name} ({where}, closure)", cell.cell_contents, _cell(cell)))
    for at, value in enumerate(function.__defaults__ or ()):
        found.append((f"default {at + 1} of {function.__name__}", value, _default(function, at)))
    return found


def _item(space: Any, name: Any) -> Put:
    return lambda value: space.__setitem__(name, value)


def _in_tuple(whole: tuple[Any, ...], at: int, put: Put) -> Put:
    return lambda value: put(whole if value is whole[at] else (*whole[:at], value, *whole[at + 1 :]))


def _argument(function: functools.partial[Any], at: int) -> Put:
    def put(value: Any) -> None:
        arguments = (*function.args[:at], value, *function.args[at + 1 :])
        function.__setstate__((function.func, arguments, function.keywords, vars(function)))  # type: ignore[attr-defined]

    return put


def _attribute(owner: Any, name: str) -> Put:
    """Also of a frozen dataclass, whose own ``__setattr__`` refuses."""
    return lambda value: setattr(owner, name, value) if isinstance(owner, type) else object.__setattr__(owner, name, value)


def _cell(cell: types.CellType) -> Put:
    return lambda value: setattr(cell, "cell_contents", value)


def _default(function: types.FunctionType, at: int) -> Put:
    def put(value: Any) -> None:
        values = list(function.__defaults__ or ())
        values[at] = value
        function.__defaults__ = tuple(values)

    return put


def _is_users(thing: Any) -> bool:
    """True for what the user wrote: neither ours, nor the standard library's, nor an installed package's."""
    module = thing if isinstance(thing, types.ModuleType) else sys.modules.get(getattr(thing, "__module__", None) or "")
    name = getattr(module, "__name__", "")
    if name.split(".")[0] in ("builtins", "numpy", "pandas", "numba", "ctypes"):
        return False
    if name == "kilohour" or (name.startswith("kilohour.") and not name.startswith("kilohour.strategies")):
        return False
    file = getattr(module, "__file__", None)
    if file is None:
        return name == "__main__" or module is None
    path = Path(file).resolve()
    if _OURS in path.parents and _OURS / "tests" not in path.parents:
        return "strategies" in path.parts
    return not any(library in path.parents for library in _LIBRARIES)
