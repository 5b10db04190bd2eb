# SPDX-License-Identifier: Apache-2.0
"""Looks at the types numba inferred, for what the source alone does not show.

Refused: a float put into an integer field or ring, or given for an argument annotated ``int`` (compiled, it would be cut
silently), ``int()`` and ``round()`` of a float (silent on NaN), and the true division of two integers (differs from
CPython beyond 2**53).
"""

from __future__ import annotations

from typing import Any

from numba.core import ir, types

from kilohour.errors import CannotCompile
from kilohour.faces.lowering import function_of
from kilohour.faces.syntax import WAYS_OUT
from kilohour.faces.traceback import float_given


def check_types(dispatchers: dict[Any, Any]) -> None:
    """Raises :class:`CannotCompile` naming the line, the rule and the replacement."""
    for function, dispatcher in dispatchers.items():
        if function.__module__ in ("kilohour.maths", "kilohour.desk"):
            continue
        for overload in dispatcher.overloads.values():
            notes = overload.type_annotation
            if notes is None or isinstance(notes, str):
                continue
            for block in notes.blocks.values():
                for statement in block.body:
                    why = _fault(statement, notes.typemap)
                    if why:
                        raise CannotCompile(f"{statement.loc.filename}:{statement.loc.line}: {why}; {WAYS_OUT}")


def _fault(statement: Any, types_of: Any) -> str | None:
    if isinstance(statement, ir.SetAttr | ir.SetItem | ir.StaticSetItem):
        return _assignment(statement, types_of)
    if not isinstance(statement, ir.Assign) or not isinstance(statement.value, ir.Expr):
        return None
    expression = statement.value
    if expression.op in ("binop", "inplace_binop") and getattr(expression.fn, "__name__", "") in ("truediv", "itruediv"):
        sides = types_of[expression.lhs.name], types_of[expression.rhs.name]
        if all(isinstance(_plain(s), types.Integer) for s in sides):
            return "dividing two integers rounds differently beyond 2**53; write float(a) / float(b)"
    return _call(expression, types_of) if expression.op == "call" else None


def _assignment(statement: Any, types_of: Any) -> str | None:
    target, value = types_of[statement.target.name], types_of[statement.value.name]
    if not isinstance(value, types.Float):
        return None
    if isinstance(statement, ir.SetAttr):
        is_field = isinstance(target, types.Record) and statement.attr in target.fields
        if is_field and isinstance(target.typeof(statement.attr), types.Integer):
            return (f"a float cannot be assigned to the integer field {statement.attr!r}; "
                    "use kilohour.maths.truncate(x), or declare it float")
    elif isinstance(target, types.Array) and isinstance(target.dtype, types.Integer):
        return "a float cannot be put into a ring of integers; use kilohour.maths.truncate(x), or declare it Ring"
    return None


def _call(expression: Any, types_of: Any) -> str | None:
    function = types_of[expression.func.name]
    is_float = [isinstance(types_of[a.name], types.Float) for a in expression.args]
    key = getattr(function, "key", None)
    is_int = key is int or str(function) == "class(int64)" or "class 'int'" in str(function)
    if is_int and is_float[:1] == [True]:
        return "int() of a float is silent on NaN when compiled; use kilohour.maths.truncate(x)"
    if getattr(function, "typing_key", None) is round and is_float:
        if is_float[0]:
            return "round() of a float is silent on NaN when compiled; use kilohour.maths.nearest(x)"
        return "round() of an integer is cut beyond 2**53 when compiled; leave it out"
    python, bound = function_of(function)
    if python is None:
        return None
    names = python.__code__.co_varnames[bound : python.__code__.co_argcount]
    floats = {name for name, yes in zip(names, is_float, strict=False) if yes}
    floats |= {name for name, argument in expression.kws if isinstance(types_of[argument.name], types.Float)}
    for name in names:
        if name in floats and python.__annotations__.get(name) in (int, "int"):
            return float_given(python.__qualname__, name)
    return None


def _plain(kind: Any) -> Any:
    return kind.literal_type if isinstance(kind, types.Literal) else kind
