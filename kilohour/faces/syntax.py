# SPDX-License-Identifier: Apache-2.0
"""Looks at a strategy's source before it is compiled, and names each line whose two faces would not agree.

numba and CPython agree to the bit on ``+ - * /``, ``//``, ``%``, comparisons, ``min``, ``max``, ``abs``, ``round`` of
one argument and the functions of :mod:`kilohour.maths`. They do not on what is refused here (measured; the
replacement is in the message).
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from typing import Any

from kilohour.errors import CannotCompile
from kilohour.faces.fields import fields_of

WAYS_OUT = "change the line, or run it in CPython with --interpreted (or interpreted = True in the class)"

_MODULES = {
    "math": "use kilohour.maths, which also refuses what has no answer",
    "np": "numpy's functions round differently compiled; use kilohour.maths on single numbers or an indicator",
    "numpy": "numpy's functions round differently compiled; use kilohour.maths on single numbers or an indicator",
    "pd": "pandas cannot be compiled",
    "pandas": "pandas cannot be compiled",
}
_CALLS = {
    "sum": "add in a loop: sum() rounds differently from Python 3.12 on",
    "print": "use desk.record(name, value); it shows in the report",
    "pow": "use kilohour.maths.pow(x, y)",
    "open": "a strategy reads the desk only",
    "eval": "a strategy reads the desk only",
    "getattr": "name the field",
    "setattr": "name the field",
}
_NODES: dict[type[ast.AST], str] = {
    ast.Try: "let it raise: the run stops with your traceback",
    ast.With: "a strategy has nothing to open",
    ast.Yield: "on_bar runs once a bar and returns",
    ast.Lambda: "write a method",
    ast.ListComp: "write a loop",
    ast.SetComp: "write a loop",
    ast.DictComp: "write a loop",
    ast.GeneratorExp: "write a loop",
    ast.Dict: "use fields",
    ast.Set: "use fields",
    ast.JoinedStr: "text cannot be compiled; desk.record takes a constant name",
    ast.Global: "keep state in a field, so that it is saved and replayed",
    ast.Nonlocal: "keep state in a field, so that it is saved and replayed",
    ast.Delete: "use fields",
}


class _Looker(ast.NodeVisitor):
    def __init__(self) -> None:
        self.found: tuple[int, str, str] | None = None

    def refuse(self, node: ast.AST, why: str) -> None:
        if self.found is None:
            self.found = (getattr(node, "lineno", 1), ast.unparse(node).splitlines()[0][:60], why)

    def generic_visit(self, node: ast.AST) -> None:
        if type(node) in _NODES:
            self.refuse(node, _NODES[type(node)])
        super().generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        if isinstance(node.op, ast.Pow):
            self.refuse(node, "** rounds differently compiled; use x * x or kilohour.maths.pow(x, y)")
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if isinstance(node.op, ast.Pow):
            self.refuse(node, "** rounds differently compiled; use x * x or kilohour.maths.pow(x, y)")
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        function = node.func
        if isinstance(function, ast.Name):
            if function.id in _CALLS:
                self.refuse(node, _CALLS[function.id])
            if function.id == "round" and len(node.args) + len(node.keywords) > 1:
                self.refuse(node, "round(x, digits) rounds differently compiled; decide on the unrounded number")
        if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) and function.value.id in _MODULES:
            self.refuse(node, _MODULES[function.value.id])
        self.generic_visit(node)


def source_of(function: Any) -> tuple[ast.AST, str, int]:
    """The syntax tree of a function, its file and the line it starts on.

    Raises :class:`CannotCompile` when there is no source (a class typed into a bare prompt).
    """
    try:
        lines, start = inspect.getsourcelines(function)
    except (OSError, TypeError):
        raise CannotCompile(f"{function.__qualname__} has no source to check; put it in a file, or {WAYS_OUT}") from None
    return ast.parse(textwrap.dedent("".join(lines))), inspect.getsourcefile(function) or "?", start


def check_function(function: Any) -> None:
    """Raises :class:`CannotCompile` for the first line whose two faces would not agree."""
    tree, file, start = source_of(function)
    looker = _Looker()
    looker.visit(tree)
    if looker.found:
        line, text, why = looker.found
        raise CannotCompile(f"{file}:{start + line - 1}: {text!r} cannot be compiled: {why}; {WAYS_OUT}")


def methods_of(face: type) -> list[Any]:
    """The functions that a class and its parts define, bases of kilohour left out."""
    found = []
    for base in face.__mro__:
        if base.__module__ in ("kilohour.faces.face", "kilohour.strategy", "kilohour.faces.indicator", "builtins", "ctypes"):
            continue
        found += [v for k, v in vars(base).items() if inspect.isfunction(v) and k not in ("check", "__init__", "__new__")]
    for field in fields_of(face):
        if field.kind == "part":
            found += methods_of(field.default.face)
    return list(dict.fromkeys(found))


def helpers_of(function: Any) -> list[Any]:
    """Plain functions of the user's own that a function names."""
    names = [n.id for n in ast.walk(source_of(function)[0]) if isinstance(n, ast.Name)]
    found = [function.__globals__.get(n) for n in names]
    return [f for f in dict.fromkeys(f for f in found if inspect.isfunction(f)) if not f.__module__.startswith("kilohour.maths")]


def check_class(face: type) -> list[Any]:
    """Checks every method of a strategy, of its parts, and every plain helper they call; returns those functions.

    Raises :class:`CannotCompile` naming file, line, the replacement and the two ways out.
    """
    for field in fields_of(face):
        if field.kind == "python":
            raise CannotCompile(f"{face.__name__}.{field.name} is declared as something that has no place in a record; {WAYS_OUT}")
    seen: dict[Any, None] = {}
    waiting = methods_of(face)
    while waiting:
        function = waiting.pop()
        if function in seen:
            continue
        seen[function] = None
        check_function(function)
        waiting += helpers_of(function)
    return list(seen)


_NAMES: dict[type, frozenset[str]] = {}


def names_used(face: type) -> frozenset[str]:
    """Every attribute and global that the methods of a class, of its parts and their plain helpers name."""
    if face not in _NAMES:
        _NAMES[face] = frozenset(_names_of(face))
    return _NAMES[face]


def _names_of(face: type) -> set[str]:
    found: set[str] = set()
    seen: dict[Any, None] = {}
    waiting = methods_of(face)
    while waiting:
        function = waiting.pop()
        if function in seen:
            continue
        seen[function] = None
        codes = [function.__code__]
        while codes:
            code = codes.pop()
            found.update(code.co_names)
            codes += [c for c in code.co_consts if inspect.iscode(c)]
        waiting += [f for n in function.__code__.co_names if inspect.isfunction(f := function.__globals__.get(n))]
    return found
