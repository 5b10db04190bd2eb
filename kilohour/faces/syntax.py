# SPDX-License-Identifier: Apache-2.0
"""Looks at a strategy's source before it is compiled, and names each line whose two faces would not agree.

numba and CPython agree to the bit on ``+ - * /``, ``//``, ``%``, comparisons, ``min``, ``max``, ``abs``, ``round`` of
one argument and the functions of :mod:`kilohour.maths`. They do not on what is refused here (measured; the
replacement is in the message).
"""

from __future__ import annotations

import ast
import builtins
import difflib
import inspect
import textwrap
import types
from typing import Any

import numpy as np

from kilohour.errors import CannotCompile
from kilohour.faces.fields import dtype_of, fields_of
from kilohour.faces.reach import reach_of, reads_of

WAYS_OUT = "change the line, or run it in CPython with --interpreted (or interpreted = True in the class)"

_NUMPY = "numpy's functions round differently compiled; use kilohour.maths on single numbers or an indicator"
_CLOCK = "a strategy has no clock but desk.now, desk.date() and desk.age()"
_CHANCE = "a run must repeat; draw numbers from a field, e.g. seed = (seed * 1103515245 + 12345) % 2147483648"
_MODULES = {
    "math": "use kilohour.maths, which also refuses what has no answer",
    "cmath": "use kilohour.maths",
    "statistics": "use an indicator, or add in a loop",
    "numpy": _NUMPY,
    "scipy": "scipy cannot be compiled",
    "pandas": "pandas cannot be compiled",
    "time": _CLOCK,
    "datetime": _CLOCK,
    "random": _CHANCE,
    "_random": _CHANCE,
}
_CALLS = {
    "sum": "add in a loop: sum() rounds differently from Python 3.12 on",
    "print": "use desk.record(name, value); it shows in the report",
    "pow": "use kilohour.maths.pow(x, y)",
    "open": "a strategy reads the desk only",
    "eval": "a strategy reads the desk only",
    "getattr": "name the field",
    "setattr": "name the field",
    "hash": "text hashes differently in every process",
    "set": "use fields",
    "frozenset": "use fields",
    "dict": "use fields",
    "super": "write the base class's lines in a method of another name, and call that",
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
    ast.Import: "import at the top of the file",
    ast.ImportFrom: "import at the top of the file",
    ast.Match: "write if and elif",
    ast.LShift: "it overflows without a word when compiled; multiply",
}


_ARGUMENTS: dict[str, type] = {}


def know_argument(name: str, face: type) -> None:
    """Says of which class an argument of this name is, wherever it stands: the desk is always called ``desk``."""
    _ARGUMENTS[name] = face


def argument_face(name: str) -> type | None:
    """The class of arguments of this name, None for a name that was never told."""
    return _ARGUMENTS.get(name)


class _Looker(ast.NodeVisitor):
    """Finds the first refused node of one function. ``owner`` is the class whose ``self`` it works on, if any."""

    def __init__(self, function: Any, owner: type | None) -> None:
        self.found: tuple[int, str, str] | None = None
        enclosed = {read.name: read.value for read in reads_of(function) if isinstance(read.holder, types.CellType)}
        self.names = {**function.__globals__, **enclosed}
        code = function.__code__
        self.locals = {*code.co_varnames, *code.co_cellvars}
        self.typed: dict[str, type] = {}
        self._read_arguments(function, owner)

    def _read_arguments(self, function: Any, owner: type | None) -> None:
        code = function.__code__
        names = code.co_varnames[: code.co_argcount]
        if owner is not None and names:
            self.typed[names[0]] = owner
        for name in names:
            if name in _ARGUMENTS:
                self.typed[name] = _ARGUMENTS[name]

    def refuse(self, node: ast.AST, why: str) -> None:
        if self.found is None:
            self.found = (getattr(node, "lineno", 1), ast.unparse(node).splitlines()[0][:60], why)

    def generic_visit(self, node: ast.AST) -> None:
        if type(node) in _NODES:
            self.refuse(node, _NODES[type(node)])
        super().generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        for statement in node.body:
            if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                self.refuse(statement, "write a method, or a function of the file")
            self.visit(statement)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        self._operator(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self._operator(node)

    def _operator(self, node: ast.BinOp | ast.AugAssign) -> None:
        if isinstance(node.op, ast.Pow):
            self.refuse(node, "** rounds differently compiled; use x * x or kilohour.maths.pow(x, y)")
        if isinstance(node.op, ast.LShift):
            self.refuse(node, _NODES[ast.LShift])
        self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load) and node.id not in self.locals:
            if node.id not in self.names and not hasattr(builtins, node.id):
                self.refuse(node, f"the name {node.id!r} is not defined{_near(node.id, [*self.locals, *self.names])}")
            self._value(node, self.names.get(node.id, getattr(builtins, node.id, None)))

    def visit_Attribute(self, node: ast.Attribute) -> None:
        module = self._module(node.value)
        if module is not None:
            self._value(node, getattr(module, node.attr, None))
            return
        face = self._face(node.value)
        if face is not None:
            self._attribute(node, face)
        self.visit(node.value)

    def visit_Call(self, node: ast.Call) -> None:
        if isinstance(node.func, ast.Name) and node.func.id == "round" and len(node.args) + len(node.keywords) > 1:
            self.refuse(node, "round(x, digits) rounds differently compiled; decide on the unrounded number")
        if isinstance(node.func, ast.Attribute) and node.func.attr == "record" and node.args:
            name = node.args[0]
            if not isinstance(name, ast.Constant | ast.Name) or getattr(name, "id", "") in self.locals:
                self.refuse(node, "desk.record takes a constant name")
        self.generic_visit(node)

    def _module(self, node: ast.expr) -> types.ModuleType | None:
        """The module that an expression names, if it is one."""
        value: Any = None
        if isinstance(node, ast.Name) and node.id not in self.locals:
            value = self.names.get(node.id)
        elif isinstance(node, ast.Attribute) and (parent := self._module(node.value)) is not None:
            value = getattr(parent, node.attr, None)
        return value if isinstance(value, types.ModuleType) else None

    def _face(self, node: ast.expr) -> type | None:
        """The class of what an expression holds, where the source alone tells."""
        if isinstance(node, ast.Name):
            return self.typed.get(node.id)
        if isinstance(node, ast.Attribute) and (face := self._face(node.value)) is not None:
            return next((f.default.face for f in fields_of(face) if f.name == node.attr and f.kind == "part"), None)
        return None

    def _value(self, node: ast.AST, value: Any) -> None:
        if isinstance(value, int | float | str | tuple | np.ndarray | np.generic | types.ModuleType):
            return
        name = getattr(value, "__name__", "")
        if name in _CALLS and getattr(builtins, name, None) is value:
            self.refuse(node, _CALLS[name])
        kinds = (type(value).__module__, type(getattr(value, "__self__", None)).__module__)
        module = next((kind for kind in kinds if kind in ("numpy", "random")), getattr(value, "__module__", None))
        root = str(module).split(".")[0]
        if root in _MODULES:
            self.refuse(node, _MODULES[root])

    def _attribute(self, node: ast.Attribute, face: type) -> None:
        fields = list(dtype_of(face).names or ())[1:]
        methods = [name for name in dir(face) if inspect.isfunction(getattr(face, name, None)) and not name.startswith("__")]
        if isinstance(node.ctx, ast.Store):
            if node.attr not in fields:
                near = _near(node.attr, fields)
                self.refuse(node, f"{face.__name__} has no field {node.attr!r}{near}; declare it, as {node.attr}: float = state(0.0)")
        elif node.attr not in fields and node.attr not in methods:
            value = getattr(face, node.attr, None)
            if isinstance(value, int | float):
                kind = type(value).__name__
                self.refuse(node, f"{node.attr!r} has no annotation, so it is no field; write {node.attr}: {kind} = {value!r}")
            else:
                self.refuse(node, f"{face.__name__} has no field or method {node.attr!r}{_near(node.attr, fields + methods)}")


def _near(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else ""


def source_of(function: Any) -> tuple[ast.AST, str, int]:
    """The syntax tree of a function, its file and the line it starts on.

    Raises :class:`CannotCompile` when there is no source (a class typed into a bare prompt), or none by itself (a lambda among other code).
    """
    try:
        lines, start = inspect.getsourcelines(function)
    except (OSError, TypeError):
        raise CannotCompile(f"{function.__qualname__} has no source to check; put it in a file, or {WAYS_OUT}") from None
    file = inspect.getsourcefile(function) or "?"
    try:
        return ast.parse(textwrap.dedent("".join(lines))), file, start
    except SyntaxError:
        raise CannotCompile(f"{file}:{start}: {function.__name__} cannot be read by itself: write it with def; {WAYS_OUT}") from None


def check_function(function: Any, owner: type | None = None) -> None:
    """Raises :class:`CannotCompile` for the first line whose two faces would not agree.

    ``owner``: the class whose method it is; then the fields and methods it names must be there.
    """
    tree, file, start = source_of(function)
    looker = _Looker(function, owner)
    looker.visit(tree)
    if looker.found:
        line, text, why = looker.found
        raise CannotCompile(f"{file}:{start + line - 1}: {text!r} cannot be compiled: {why}; {WAYS_OUT}")


def methods_of(face: type) -> list[Any]:
    """The functions that a class and its parts define, bases of kilohour left out."""
    return list(dict.fromkeys(function for function, _ in reach_of(face).methods))


def check_class(face: type) -> list[Any]:
    """Checks every method of a strategy, of its parts, and every plain function they call; returns those functions.

    Raises :class:`CannotCompile` naming file, line, the replacement and the two ways out.
    """
    for field in fields_of(face):
        if field.kind == "python":
            raise CannotCompile(f"{face.__name__}.{field.name} is declared as something that has no place in a record; {WAYS_OUT}")
    reach = reach_of(face)
    for function, owner in reach.methods:
        check_function(function, owner)
    methods = {function for function, _ in reach.methods}
    for function in reach.functions:
        if function not in methods:
            check_function(function)
    return list(reach.functions)
