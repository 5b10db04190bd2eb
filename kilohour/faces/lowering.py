# SPDX-License-Identifier: Apache-2.0
"""The compiled face: teaches numba to call a class's own methods on its record.

A record's first field is its tag (``is_Class_hash``); the tag finds the class, the class the method, and the method
is compiled as it stands. A plain function that a method calls is compiled too, so nothing needs a decorator.
"""

from __future__ import annotations

import types as python_types
from collections.abc import Iterable
from typing import Any

from numba import njit, types
from numba.core.imputils import lower_builtin
from numba.core.registry import cpu_target
from numba.core.typing.templates import AbstractTemplate, AttributeTemplate, infer_getattr
from numba.core.utils import pysignature
from numba.extending import typeof_impl

from kilohour.faces.fields import dtype_of, fields_of
from kilohour.kernels.compiling import PartCompiler

_CLASSES: dict[str, type] = {}
_DISPATCHERS: dict[Any, Any] = {}
_LITERAL_METHODS: dict[tuple[str, str], Any] = {}
_LOWERED: set[str] = set()


def register(face: type) -> None:
    """Makes a class's methods callable on its record; parts first. Registering twice is harmless."""
    for field in fields_of(face):
        if field.kind == "part":
            register(field.default.face)
    names = dtype_of(face).names
    assert names is not None
    _CLASSES[names[0]] = face
    _ask_us_first()


def _ask_us_first() -> None:
    """numba asks those who know a type's attributes in turn, and its own for records raises KeyError where it knows
    none; when something was compiled before this module was imported, ours stands behind it."""
    context = cpu_target.typing_context
    context.refresh()
    context._attributes[types.Record].sort(key=lambda template: not isinstance(template, _FaceMethods))


def literal_method(tag: str, name: str, make: Any) -> None:
    """A method whose first argument is a constant string: ``make(text)`` gives the function that stands in for it."""
    _LITERAL_METHODS[tag, name] = make


def dispatcher_of(function: Any) -> Any:
    """The compiled form of a plain function; compiled once for each set of argument types."""
    if function not in _DISPATCHERS:
        # The desk checks every row itself, with a message.
        _DISPATCHERS[function] = njit(
            boundscheck=function.__module__ not in ("kilohour.desk", "kilohour.desk_orders"),
            no_cpython_wrapper=True, no_cfunc_wrapper=True,
            forceinline=function.__name__ in ("on_bar", "on_event"), pipeline_class=PartCompiler,
        )(function)
    return _DISPATCHERS[function]


def dispatchers() -> dict[Any, Any]:
    """Every function that was handed to numba in this process, with its dispatcher."""
    return dict(_DISPATCHERS)


def forget(functions: Iterable[Any]) -> None:
    """Drops compiled forms, because a constant that they froze has another value now."""
    for function in functions:
        _DISPATCHERS.pop(function, None)


def function_of(kind: Any) -> tuple[Any, int]:
    """The Python function behind the numba type of something callable, and how many arguments are bound already."""
    if isinstance(kind, types.Dispatcher):
        return kind.dispatcher.py_func, 0
    if isinstance(kind, types.BoundFunction) and isinstance(kind.this, types.Record):
        face = _CLASSES.get(_tag_of(kind.this))
        return getattr(face, kind.typing_key[1], None), 1
    return None, 0


@typeof_impl.register(python_types.FunctionType)  # type: ignore[untyped-decorator]
def _typeof_function(function: Any, _context: Any) -> Any:
    if (function.__module__ or "").split(".")[0] in ("numba", "numpy", "llvmlite"):
        return None
    return types.Dispatcher(dispatcher_of(function))


def _tag_of(record: types.Record) -> str:
    return next(iter(record.fields), "")


def _method(record: types.Record, name: str, arguments: tuple[Any, ...]) -> Any:
    tag = _tag_of(record)
    make = _LITERAL_METHODS.get((tag, name))
    if make is not None and arguments and isinstance(arguments[0], types.StringLiteral):
        return dispatcher_of(make(arguments[0].literal_value))
    return dispatcher_of(getattr(_CLASSES[tag], name))


def _without_its_value(kind: Any) -> Any:
    """Type of an argument: numba would compile a method anew for each number that it is called with, and all that the method calls."""
    return types.unliteral(kind) if isinstance(kind, types.IntegerLiteral | types.BooleanLiteral) else kind


@infer_getattr
class _FaceMethods(AttributeTemplate):  # type: ignore[misc]
    key = types.Record

    def generic_resolve(self, record: types.Record, name: str) -> Any:
        face = _CLASSES.get(_tag_of(record))
        function = getattr(face, name, None) if name not in record.fields else None
        if not isinstance(function, python_types.FunctionType):
            return None
        _lower_calls(name)

        class Method(AbstractTemplate):  # type: ignore[misc]
            key = (types.Record, name)
            prefer_literal = True

            def generic(self, arguments: Any, named: Any) -> Any:
                dispatcher, arguments = _method(record, name, arguments), tuple(map(_without_its_value, arguments))
                named = {word: _without_its_value(kind) for word, kind in named.items()}
                function_type = types.Dispatcher(dispatcher)
                signature = function_type.get_call_type(self.context, (record, *arguments), named)
                return signature.replace(pysig=pysignature(dispatcher.py_func)).as_method()

        return types.BoundFunction(Method, record)


def _lower_calls(name: str) -> None:
    if name in _LOWERED:
        return
    _LOWERED.add(name)

    @lower_builtin((types.Record, name), types.Record, types.VarArg(types.Any))  # type: ignore[untyped-decorator]
    def _call(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        dispatcher = _method(signature.args[0], name, signature.args[1:])
        function_type = types.Dispatcher(dispatcher)
        resolved = function_type.get_call_type(context.typing_context, signature.args, {})
        call = context.get_function(function_type, resolved)
        context.add_linking_libs(getattr(call, "libs", ()))
        return call(builder, arguments)
