# SPDX-License-Identifier: Apache-2.0
"""Which float fields are only ever given floats, as far as the source shows.

Memory turns an integer into a float when it is stored; an attribute of a plain object keeps the integer, and 0 is not
0.0 everywhere (``-x``). So a field may be a plain attribute only when no statement that a strategy can reach puts an
integer there. Everything is believed at first, and what a statement contradicts is dropped until nothing changes: what
is left holds by induction over the run.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from kilohour import maths
from kilohour.errors import CannotCompile
from kilohour.faces.fields import fields_of
from kilohour.faces.reach import Function, Reach, reach_of
from kilohour.faces.syntax import argument_face, source_of

FLOAT, RING, UNKNOWN = "float", "ring", ""
_CALLED_BY_THE_ENGINE = ("on_bar", "on_event")
_SCOPES = (ast.Lambda, ast.ClassDef, ast.Global, ast.Nonlocal, ast.Yield, ast.YieldFrom, ast.Await, ast.comprehension)
_KEEPS_FLOAT = (ast.Add, ast.Sub, ast.Mult, ast.Mod, ast.FloorDiv)
_FOUND: dict[type, tuple[Reach, frozenset[str]]] = {}
Key = tuple[Any, ...]


def float_fields(face: type) -> frozenset[str]:
    """Names of float fields of a class and its parts that are given floats only; none when a source is missing."""
    reach = reach_of(face)
    found = _FOUND.get(face)
    if found is None or found[0] is not reach:
        try:
            found = _FOUND[face] = reach, _Evidence(face, reach).left()
        except CannotCompile:
            found = _FOUND[face] = reach, frozenset()
    return found[1]


def _kinds_of(face: type) -> Iterator[tuple[str, str]]:
    for field in fields_of(face):
        yield field.name, field.kind
        if field.kind == "part":
            yield from _kinds_of(field.default.face)


class _Evidence:
    """``claims``: what fields, locals, parameters and results are believed to be; ``stores``: what is put there."""

    def __init__(self, face: type, reach: Reach) -> None:
        kinds: dict[str, set[str]] = {}
        for name, kind in _kinds_of(face):
            kinds.setdefault(name, set()).add(kind)
        self.rings = {name for name, found in kinds.items() if found == {"ring"}}
        self.claims: dict[Key, str] = {("field", name): FLOAT for name, found in kinds.items() if found == {"float"}}
        self.stores: list[tuple[Key, ast.expr | None, Function]] = []
        self.methods = {function for function, _ in reach.methods}
        self.named: dict[str, list[Function]] = {}
        for function in reach.functions:
            self.named.setdefault(function.__name__, []).append(function)
        for function in reach.functions:
            self._read(function)
        self._doubt_parameters()

    def left(self) -> frozenset[str]:
        """The float fields that no statement contradicts."""
        before = -1
        while before != len(self.claims):
            before = len(self.claims)
            for key, value, function in self.stores:
                if key in self.claims and self._kind(value, function) != self.claims[key]:
                    del self.claims[key]
        return frozenset(key[1] for key in self.claims if key[0] == "field")

    def _read(self, function: Function) -> None:
        tree: Any = source_of(function)[0]
        tree = tree.body[0]
        nodes = list(ast.walk(tree))
        is_simple = not any(isinstance(n, _SCOPES) or (isinstance(n, ast.FunctionDef) and n is not tree) for n in nodes)
        called = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
        handled: set[int] = set()
        for node in nodes:
            for target, value in _assignments(node):
                handled.add(id(target))
                self._put(_key(target, function), value if is_simple else None, function)
            if isinstance(node, ast.Return):
                self._put(("result", function.__name__), node.value if is_simple else None, function)
            elif isinstance(node, ast.Call):
                self._pass(node, function, is_simple)
        for node in nodes:
            if not isinstance(node, ast.Name | ast.Attribute) or id(node) in handled or id(node) in called:
                continue
            if not isinstance(node.ctx, ast.Load):
                self._put(_key(node, function), None, function)
            else:  # a function that is handed on may be called with anything
                for other in self.named.get(node.id if isinstance(node, ast.Name) else node.attr, ()):
                    self._doubt(other)

    def _pass(self, call: ast.Call, function: Function, is_simple: bool) -> None:
        """The arguments of a call are stored in the parameters of every function of that name."""
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        for other in self.named.get(name, ()):
            names = other.__code__.co_varnames[other in self.methods : other.__code__.co_argcount]
            if any(isinstance(a, ast.Starred) for a in call.args) or any(k.arg is None for k in call.keywords):
                self._doubt(other)
            given = [*zip(names, call.args, strict=False), *((k.arg, k.value) for k in call.keywords)]
            for parameter, value in given:
                self._put(("local", other, parameter), value if is_simple else None, function)

    def _doubt_parameters(self) -> None:
        """A parameter that nobody passes is unknown; a default counts as passed."""
        passed = {key for key, _, _ in self.stores}
        for functions in self.named.values():
            for function in functions:
                code, defaults = function.__code__, function.__defaults__ or ()
                if function.__name__ in _CALLED_BY_THE_ENGINE or code.co_kwonlyargcount or code.co_flags & 12:  # *args or **names
                    self._doubt(function)
                names = code.co_varnames[: code.co_argcount]
                unlike = {n for n, d in zip(names[len(names) - len(defaults) :], defaults, strict=True) if type(d) is not float}
                for name in names:
                    if name in unlike or ("local", function, name) not in passed:
                        self._put(("local", function, name), None, function)

    def _doubt(self, function: Function) -> None:
        """Its parameters may be anything."""
        code = function.__code__
        for name in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount + bool(code.co_flags & 4) + bool(code.co_flags & 8)]:
            self._put(("local", function, name), None, function)

    def _put(self, key: Key, value: ast.expr | None, function: Function) -> None:
        self.stores.append((key, value, function))
        if key[0] != "field":
            is_ring = isinstance(value, ast.Attribute) and value.attr in self.rings
            self.claims[key] = RING if is_ring else self.claims.get(key, FLOAT)

    def _kind(self, value: ast.expr | None, function: Function) -> str:
        match value:
            case ast.Constant():
                return FLOAT if type(value.value) is float else UNKNOWN
            case ast.Attribute():
                return RING if value.attr in self.rings else self.claims.get(("field", value.attr), UNKNOWN)
            case ast.Name():
                return self._name(value.id, function)
            case ast.UnaryOp(op=ast.USub() | ast.UAdd()):
                return self._all([value.operand], function)
            case ast.BinOp():
                sides = [self._kind(side, function) for side in (value.left, value.right)]
                return FLOAT if isinstance(value.op, ast.Div) or (FLOAT in sides and isinstance(value.op, _KEEPS_FLOAT)) else UNKNOWN
            case ast.IfExp():
                return self._all([value.body, value.orelse], function)
            case ast.Subscript():
                is_item = not isinstance(value.slice, ast.Slice) and self._kind(value.value, function) == RING
                return FLOAT if is_item else UNKNOWN
            case ast.Call():
                return self._call(value, function)
        return UNKNOWN

    def _all(self, values: list[ast.expr], function: Function) -> str:
        return FLOAT if all(self._kind(value, function) == FLOAT for value in values) else UNKNOWN

    def _name(self, name: str, function: Function) -> str:
        if name in function.__code__.co_varnames or name in function.__code__.co_cellvars:
            return self.claims.get(("local", function, name), UNKNOWN)
        return FLOAT if type(function.__globals__.get(name)) is float else UNKNOWN

    def _call(self, call: ast.Call, function: Function) -> str:
        if isinstance(call.func, ast.Attribute):
            name, holder = call.func.attr, call.func.value
            if isinstance(holder, ast.Name) and function.__globals__.get(holder.id) is maths:
                return FLOAT if _promises_float(vars(maths).get(name)) else UNKNOWN
            verb = getattr(argument_face("desk"), name, None)
            if verb is not None and not _promises_float(verb):
                return UNKNOWN
            return FLOAT if name not in self.named and verb is not None else self.claims.get(("result", name), UNKNOWN)
        name = getattr(call.func, "id", "")
        if name in self.named:
            return self.claims.get(("result", name), UNKNOWN)
        if name in function.__globals__ or name in function.__code__.co_varnames:
            return UNKNOWN
        return FLOAT if name == "float" else self._all(call.args, function) if name in ("abs", "max", "min") else UNKNOWN


def _promises_float(function: Any) -> bool:
    return getattr(function, "__annotations__", {}).get("return") in (float, "float")


def _key(target: ast.expr, function: Function) -> Key:
    return ("local", function, target.id) if isinstance(target, ast.Name) else ("field", getattr(target, "attr", ""))


def _assignments(node: ast.AST) -> Iterator[tuple[ast.expr, ast.expr | None]]:
    """Pairs of a name or attribute and what is put there."""
    if isinstance(node, ast.AugAssign):
        yield node.target, ast.BinOp(node.target, node.op, node.value)
    elif isinstance(node, ast.AnnAssign) and node.value is not None:
        yield node.target, node.value
    elif isinstance(node, ast.Assign):
        for target in node.targets:
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple) and len(target.elts) == len(node.value.elts):
                yield from zip(target.elts, node.value.elts, strict=True)
            else:
                yield target, node.value
