# SPDX-License-Identifier: Apache-2.0
"""Looks at the types numba inferred, for what the source alone does not show.

Refused: a float assigned to an integer field (compiled, it would be cut silently), ``int()`` of a float (silent on
NaN), and the true division of two integers (differs from CPython beyond 2**53).
"""

from __future__ import annotations

from typing import Any

from numba.core import ir, types

from kilohour.errors import CannotCompile
from kilohour.faces.syntax import WAYS_OUT


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
    if isinstance(statement, ir.SetAttr):
        record, value = types_of[statement.target.name], types_of[statement.value.name]
        if isinstance(record, types.Record) and statement.attr in record.fields:
            field = record.typeof(statement.attr)
            if isinstance(field, types.Integer) and isinstance(value, types.Float):
                return (f"a float cannot be assigned to the integer field {statement.attr!r}; "
                        "use kilohour.maths.truncate(x), or declare it float")
    if not isinstance(statement, ir.Assign) or not isinstance(statement.value, ir.Expr):
        return None
    expression = statement.value
    if expression.op in ("binop", "inplace_binop") and getattr(expression.fn, "__name__", "") in ("truediv", "itruediv"):
        sides = types_of[expression.lhs.name], types_of[expression.rhs.name]
        if all(isinstance(_plain(s), types.Integer) for s in sides):
            return "dividing two integers rounds differently beyond 2**53; write float(a) / float(b)"
    if expression.op == "call" and expression.args:
        function = types_of[expression.func.name]
        is_int = getattr(function, "key", None) is int or "class 'int'" in str(function) or str(function) == "class(int64)"
        if is_int and isinstance(types_of[expression.args[0].name], types.Float):
            return "int() of a float is silent on NaN when compiled; use kilohour.maths.truncate(x)"
    return None


def _plain(kind: Any) -> Any:
    return kind.literal_type if isinstance(kind, types.Literal) else kind
