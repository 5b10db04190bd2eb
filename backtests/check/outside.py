# SPDX-License-Identifier: Apache-2.0
"""Data that a strategy reaches without its desk: arrays, frames, lists, tapes in globals, closures, classes and defaults."""

from __future__ import annotations

import contextlib
import sys
import types
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kilohour.faces.reach import codes_of
from kilohour.tape.tape import Tape

ROWS_MIN = 64
"""Fewer values than these are parameters, not a series."""
_OURS = Path(__file__).resolve().parents[2]
_LIBRARIES = tuple(Path(p).resolve() for p in (sys.prefix, sys.base_prefix))


@dataclass(frozen=True, slots=True)
class Outside:
    """One place that holds data, and how to put other data there for a while."""

    name: str
    value: Any
    put: Callable[[Any], None]

    @property
    def is_timed(self) -> bool:
        """True for what carries its own times: a tape, a frame or series with a time index."""
        return isinstance(self.value, Tape) or _time_index(self.value) is not None

    def fingerprint(self) -> str:
        """Changes when the data changes."""
        return repr(self.value) if isinstance(self.value, list | tuple | dict | deque) else ""

    @contextlib.contextmanager
    def perturbed(self, after: int, factor: Callable[[int], Any]) -> Iterator[None]:
        """Other data for as long as the block takes: what comes after ``after`` (nanoseconds) where times are known, else all of it."""
        other = changed(self.value, after, factor)
        self.put(other)
        try:
            yield
        finally:
            self.put(self.value)


def outside_of(face: type) -> list[Outside]:
    """Every place with at least :data:`ROWS_MIN` numbers, or a tape, that the class's functions name, each once."""
    found: dict[int, Outside] = {}
    seen: set[int] = set()
    waiting: list[tuple[str, Any, Callable[[Any], None] | None]] = [(base.__name__, base, None) for base in face.__mro__ if _is_users(base)]
    while waiting:
        name, value, put = waiting.pop(0)
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, type):
            waiting += [(f"{name}.{key}", item, _attribute(value, key)) for key, item in vars(value).items() if not key.startswith("__")]
        elif isinstance(value, staticmethod | classmethod | property):
            waiting.append((name, getattr(value, "fget", None) or getattr(value, "__func__", None), None))
        elif isinstance(value, types.FunctionType):
            waiting += _named_by(value)
        elif put is not None and _is_data(value):
            found[id(value)] = Outside(name, value, put)
    return list(found.values())


def _named_by(function: types.FunctionType) -> list[tuple[str, Any, Callable[[Any], None] | None]]:
    found: list[tuple[str, Any, Callable[[Any], None] | None]] = []
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
        elif not callable(value) or _is_users(value):
            found.append((f"{name} ({where})", value, _item(space, name)))
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        with contextlib.suppress(ValueError):
            found.append((f"{name} ({where}, closure)", cell.cell_contents, _cell(cell)))
    for at, value in enumerate(function.__defaults__ or ()):
        found.append((f"default {at + 1} of {function.__name__}", value, _default(function, at)))
    return found


def _item(space: dict[str, Any], name: str) -> Callable[[Any], None]:
    return lambda value: space.__setitem__(name, value)


def _attribute(owner: type, name: str) -> Callable[[Any], None]:
    return lambda value: setattr(owner, name, value)


def _cell(cell: types.CellType) -> Callable[[Any], None]:
    return lambda value: setattr(cell, "cell_contents", value)


def _default(function: types.FunctionType, at: int) -> Callable[[Any], None]:
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


def _is_data(value: Any) -> bool:
    if isinstance(value, Tape):
        return True
    if isinstance(value, np.ndarray):
        return value.ndim >= 1 and len(value) >= ROWS_MIN and value.dtype.kind in "fiu" and not _are_times(value)
    if _is_pandas(value):
        return len(value) >= ROWS_MIN
    if isinstance(value, list | tuple | deque):
        return len(value) >= ROWS_MIN and all(_is_number(one) for one in value)
    return isinstance(value, dict) and len(value) >= ROWS_MIN and all(_is_number(one) for one in value.values())


def _are_times(value: Any) -> bool:
    """A calendar may be known beforehand: whole numbers that rise and are at least a day since 1970 in days."""
    return bool(value.dtype.kind in "iu" and value.ndim == 1 and value[0] > 3650 and (np.diff(value) > 0).all())


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def _is_pandas(value: Any) -> bool:
    return type(value).__module__.startswith("pandas.") and type(value).__name__ in ("Series", "DataFrame")


def _time_index(value: Any) -> Any:
    if not _is_pandas(value) or type(value.index).__name__ != "DatetimeIndex":
        return None
    index = value.index if value.index.tz is None else value.index.tz_convert("UTC").tz_localize(None)
    return index.to_numpy("datetime64[ns]").astype(np.int64)


def changed(value: Any, after: int, factor: Callable[[int], Any]) -> Any:
    """A copy with other numbers in another order: after a time where it has times, everywhere else."""
    from kilohour.backtests.check.probes import perturbed

    if isinstance(value, Tape):
        return perturbed(value, after, factor)
    if isinstance(value, np.ndarray):
        scale = factor(len(value)).reshape(-1, *[1] * (value.ndim - 1))
        return np.ascontiguousarray((value * scale)[::-1]).astype(value.dtype)
    if _is_pandas(value):
        times, copy = _time_index(value), value.copy()
        rows = np.ones(len(value), dtype=bool) if times is None else times > after
        numbers = copy.to_frame() if type(value).__name__ == "Series" else copy
        for name in numbers.columns:
            column = numbers[name]
            if column.dtype.kind in "fiu":
                kept = column.to_numpy(np.float64)
                other = kept * factor(len(kept))
                other[rows] = other[rows][::-1]
                numbers[name] = np.where(rows, other, kept)
        return numbers.iloc[:, 0].rename(value.name) if type(value).__name__ == "Series" else numbers
    scale = factor(len(value)).tolist()
    if isinstance(value, dict):
        return {key: one * by for key, one, by in zip(value, reversed(value.values()), scale, strict=True)}
    return type(value)(one * by for one, by in zip(reversed(value), scale, strict=True))
