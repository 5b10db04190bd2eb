# SPDX-License-Identifier: Apache-2.0
"""A strategy as the engine sees it: the address of a native function, compiled or a way back into CPython."""

from __future__ import annotations

import ctypes
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numba import carray, cfunc, config, from_dtype, types
from numba.core import errors as numba_errors

from kilohour.desk import Desk, know_columns, register_desk
from kilohour.errors import CannotCompile
from kilohour.faces import lowering
from kilohour.faces.cache import prune, strategy_folder
from kilohour.faces.fields import dtype_of
from kilohour.faces.python_face import structure_of
from kilohour.faces.syntax import WAYS_OUT, check_class
from kilohour.faces.typed import check_types

CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p)
_COMPILED: dict[type, CompiledStep] = {}


def _on_bar_step(strategy_at: Any, desk_at: Any) -> Any:
    try:
        carray(strategy_at, 1)[0].on_bar(carray(desk_at, 1)[0])
    except Exception:
        return 1
    return 0


def _on_event_step(strategy_at: Any, desk_at: Any) -> Any:
    try:
        desk = carray(desk_at, 1)[0]
        if desk.has_bar:
            carray(strategy_at, 1)[0].on_bar(desk)
        else:
            carray(strategy_at, 1)[0].on_event(desk)
    except Exception:
        return 1
    return 0


@dataclass(frozen=True, slots=True)
class CompiledStep:
    """Native code for one strategy class; ``keep`` holds it alive."""

    address: int
    cached: bool
    keep: Any


def wants_events(face: type) -> bool:
    """True when the class has ``on_event``."""
    return callable(getattr(face, "on_event", None))


def compiled_step(face: type) -> CompiledStep:
    """Checks and compiles a strategy class, or loads it from the cache.

    Raises :class:`CannotCompile` naming the line, the replacement and the two ways out.
    """
    if face not in _COMPILED:
        know_columns(check_class(face))
        lowering.register(face)
        register_desk()
        _COMPILED[face] = _compile(face)
    return _COMPILED[face]


def _compile(face: type) -> CompiledStep:
    signature = types.int64(types.CPointer(from_dtype(dtype_of(face))), types.CPointer(from_dtype(dtype_of(Desk))))
    step = _on_event_step if wants_events(face) else _on_bar_step
    folder, before = strategy_folder(face), config.CACHE_DIR
    known = set(lowering.dispatchers())
    config.CACHE_DIR = str(folder)
    try:
        compiled = cfunc(signature, cache=True, boundscheck=True)(step)
        if compiled.cache_hits == 0:
            _check_compiled(known, folder)
            prune()
    except numba_errors.NumbaError as error:
        raise CannotCompile(_explain(error, face)) from None
    finally:
        config.CACHE_DIR = before
    return CompiledStep(compiled.address, compiled.cache_hits > 0, compiled)


def _check_compiled(known: set[Any], folder: Path) -> None:
    """What is refused by its types must not be found in the cache next time."""
    try:
        check_types({f: d for f, d in lowering.dispatchers().items() if f not in known})
    except CannotCompile:
        shutil.rmtree(folder, ignore_errors=True)
        raise


_REASONS = ("Unknown attribute", "Untyped global", "Cannot unify", "No implementation", "not supported", "Invalid use", "undefined")


def _explain(error: numba_errors.NumbaError, face: type) -> str:
    """numba's message, cut to the user's line and the reason."""
    text = str(error)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    places = [line for line in lines if line.startswith("File ")]
    location = places[-1].removeprefix("File ").rstrip(":") if places else face.__name__
    reason = next((line for line in reversed(lines) if not line.startswith(("File ", "During", "^", "<source"))), lines[0])
    for line in lines:
        if any(word in line for word in _REASONS):
            reason = line
    location = location.replace('"', "")
    return f"{location}: cannot be compiled: {reason}; {WAYS_OUT}"


class PythonStep:
    """The way back into CPython: calls the same methods on the Python faces of the same memory.

    A ctypes callback swallows exceptions and returns garbage, so the exception is kept in :attr:`error` and the
    engine is told to stop.
    """

    def __init__(self, face: type, strategy_address: int, desk_address: int) -> None:
        self.strategy = structure_of(face).from_address(strategy_address)  # type: ignore[attr-defined]
        self.desk = structure_of(Desk).from_address(desk_address)  # type: ignore[attr-defined]
        self.error: BaseException | None = None
        self.calls = 0
        self._callback = CALLBACK(self._make(wants_events(face)))
        self.address = ctypes.cast(self._callback, ctypes.c_void_p).value or 0

    def _make(self, events: bool) -> Callable[[Any, Any], int]:
        on_bar, desk = self.strategy.on_bar, self.desk
        on_event = self.strategy.on_event if events else None

        def step(_strategy: Any, _desk: Any) -> int:
            self.calls += 1
            try:
                if on_event is None or desk.has_bar:
                    on_bar(desk)
                else:
                    on_event(desk)
            except BaseException as error:  # ctypes would swallow it
                self.error = error
                return 1
            return 0

        return step
