# SPDX-License-Identifier: Apache-2.0
"""A strategy as the engine sees it: the address of a native function, compiled or a way back into CPython."""

from __future__ import annotations

import ctypes
import shutil
import warnings
from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numba import cfunc, config, from_dtype, types
from numba.core.errors import NumbaWarning

from kilohour.desk import Desk, know_columns, register_desk
from kilohour.errors import CannotCompile
from kilohour.faces import lowering
from kilohour.faces.cache import prune, strategy_folder
from kilohour.faces.explain import explain
from kilohour.faces.fields import dtype_of, fields_of, starting_value
from kilohour.faces.plain_face import NOW, REQUEST_COUNT, PlainDesk, PlainFace
from kilohour.faces.python_face import structure_of
from kilohour.faces.reach import Reach, reach_of
from kilohour.faces.syntax import check_class, know_argument
from kilohour.faces.typed import check_types
from kilohour.kernels.call import native_address
from kilohour.kernels.compiling import collector_paused
from kilohour.kernels.memory import pointed_at

know_argument("desk", Desk)
CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int32)
"""What the engine calls has arguments; a C function may leave them unread, which spares CPython making objects of them."""
PLAIN_FROM = 10_000
"""Events in a block from which on the plain face pays: a bar costs 0.7 µs less, reading the source some 10 ms once a class."""
_COMPILED: dict[type, tuple[Reach, CompiledStep]] = {}


def _on_bar_step(strategy_at: Any, desk_at: Any) -> Any:
    pointed_at(strategy_at).on_bar(pointed_at(desk_at))
    return 0


def _on_event_step(strategy_at: Any, desk_at: Any) -> Any:
    strategy, desk = pointed_at(strategy_at), pointed_at(desk_at)
    if desk.has_bar:
        strategy.on_bar(desk)
    else:
        strategy.on_event(desk)
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
    """Checks and compiles a strategy class, or loads it from the cache; again when a constant it reads has changed.

    Raises :class:`CannotCompile` naming the line, the replacement and the two ways out.
    """
    reach = reach_of(face)
    kept = _COMPILED.get(face)
    if kept is not None and kept[0] is reach:
        return kept[1]
    know_columns(check_class(face))
    lowering.forget(reach.functions)
    lowering.register(face)
    register_desk()
    _COMPILED[face] = reach, _compile(face, reach.functions)
    return _COMPILED[face][1]


def _compile(face: type, functions: Iterable[Any]) -> CompiledStep:
    signature = types.int64(types.CPointer(from_dtype(dtype_of(face))), types.CPointer(from_dtype(dtype_of(Desk))))
    step = _on_event_step if wants_events(face) else _on_bar_step
    folder, before = strategy_folder(face), config.CACHE_DIR
    config.CACHE_DIR = str(folder)
    try:
        with warnings.catch_warnings(), collector_paused():
            warnings.simplefilter("ignore", NumbaWarning)
            compiled = cfunc(signature, cache=True, boundscheck=True)(step)
        if compiled.cache_hits == 0:
            _check_compiled(functions, folder)
            prune()
    except CannotCompile:
        raise
    except Exception as error:  # numba raises KeyError and others beside its own
        raise CannotCompile(explain(error, face)) from None
    finally:
        config.CACHE_DIR = before
    return CompiledStep(native_address(compiled), compiled.cache_hits > 0, compiled)


def _check_compiled(functions: Iterable[Any], folder: Path) -> None:
    """What is refused by its types must not be found in the cache next time."""
    known = lowering.dispatchers()
    try:
        check_types({f: known[f] for f in functions if f in known})
    except CannotCompile:
        shutil.rmtree(folder, ignore_errors=True)
        raise


class PythonStep:
    """The way back into CPython: calls the same methods on the Python faces of the same memory.

    A ctypes callback swallows exceptions and returns garbage, so the exception is kept in :attr:`error` and the
    engine is told to stop. Between :meth:`begin` and :meth:`end` of a long block the strategy is its plain face.
    """

    def __init__(self, face: type, strategy_address: int, desk_address: int) -> None:
        self.face = face
        self.strategy = structure_of(face).from_address(strategy_address)  # type: ignore[attr-defined]
        self.desk = structure_of(Desk).from_address(desk_address)  # type: ignore[attr-defined]
        for field in fields_of(face):
            if field.kind == "python":
                setattr(self.strategy, field.name, deepcopy(starting_value(field)))
        self.error: BaseException | None = None
        self._count = [0]
        self._short = self._callback = CALLBACK(self._make_for_events() if wants_events(face) else self._make())
        self._plain: PlainFace | None = None
        self._plain_desk = PlainDesk(Desk, self.desk)
        self._long: Any = None
        self._is_silent = False

    def silence(self) -> None:
        """From now on the engine's call does nothing."""
        self._is_silent = True
        self._short = self._callback = CALLBACK(lambda: 0)

    @property
    def address(self) -> int:
        """What the engine calls now."""
        return ctypes.cast(self._callback, ctypes.c_void_p).value or 0

    @property
    def calls(self) -> int:
        """How often Python was called."""
        return self._count[0]

    def begin(self, events: int) -> None:
        """A block of so many events begins: nobody looks at the strategy's memory until :meth:`end`."""
        if events < PLAIN_FROM or self._is_silent:
            return
        if self._plain is None:
            self._plain = PlainFace(self.face, self.strategy)
            self._long = CALLBACK(self._make_plain(self._plain.face, self._plain_desk.face))
        self._plain.load()
        self._plain_desk.load()
        self._callback = self._long

    def end(self) -> str:
        """The block is over and the strategy's memory holds again; what is wrong with the state, "" when nothing is."""
        if self._plain is None or self._callback is self._short:
            return ""
        self._callback = self._short
        return self._plain.store()

    def _make(self) -> Callable[[], int]:
        on_bar, desk, count = self.strategy.on_bar, self.desk, self._count

        def step() -> int:
            try:
                count[0] += 1
                on_bar(desk)
            except BaseException as error:  # ctypes would swallow it
                self.error = error
                return 1
            return 0

        return step

    def _make_for_events(self) -> Callable[[], int]:
        on_bar, on_event, desk, count = self.strategy.on_bar, self.strategy.on_event, self.desk, self._count

        def step() -> int:
            try:
                count[0] += 1
                if desk.has_bar:
                    on_bar(desk)
                else:
                    on_event(desk)
            except BaseException as error:
                self.error = error
                return 1
            return 0

        return step

    def _make_plain(self, strategy: Any, desk: Any) -> Callable[[], int]:
        on_bar, on_event = strategy.on_bar, strategy.on_event if wants_events(self.face) else None
        memory, numbers, count = self.desk, self._plain_desk.numbers, self._count

        def step() -> int:
            try:
                count[0] += 1
                desk.now = numbers[NOW]
                if on_event is None or memory.has_bar:
                    on_bar(desk)
                else:
                    on_event(desk)
            except BaseException as error:
                self.error = error
                numbers[REQUEST_COUNT] = desk.request_count
                return 1
            if desk.request_count:  # the engine serves them all
                numbers[REQUEST_COUNT] = desk.request_count
                desk.request_count = 0
            return 0

        return step
