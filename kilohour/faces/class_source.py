# SPDX-License-Identifier: Apache-2.0
"""A class's source, as ``inspect.getsource`` gives it."""

from __future__ import annotations

import ast
import functools
import inspect
import sys
from collections.abc import Iterable

_INNER = ("body", "handlers", "orelse", "finalbody", "cases")
"""Where statements stand within a statement, in the order of the source."""


def class_source(face: type) -> str:
    """What ``inspect.getsource`` says, which before CPython 3.13 parses the whole file for each class of it; here a file is parsed once.

    Raises OSError or TypeError as that does when there is no source.
    """
    if "__firstlineno__" in vars(face):  # since CPython 3.13, where inspect parses nothing either
        return inspect.getsource(face)
    module = sys.modules.get(face.__module__)
    if module is None:
        raise TypeError(f"{face!r} is of no module")
    lines, _ = inspect.findsource(module)
    found = _first_lines("".join(lines)).get(face.__qualname__)
    if found is None:
        raise OSError(f"could not find the definition of {face.__qualname__}")
    return "".join(inspect.getblock(lines[found:]))


@functools.lru_cache(maxsize=128)
def _first_lines(source: str) -> dict[str, int]:
    """Where each class of a file begins, with its decorators, counted from 0; of two of one name the first counts."""
    found: dict[str, int] = {}
    _look(ast.parse(source).body, "", found)
    return found


def _look(nodes: Iterable[ast.AST], before: str, found: dict[str, int]) -> None:
    for node in nodes:
        within = before
        if isinstance(node, ast.ClassDef):
            first: ast.expr | ast.ClassDef = node.decorator_list[0] if node.decorator_list else node
            found.setdefault(before + node.name, first.lineno - 1)
            within += f"{node.name}."
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            within += f"{node.name}.<locals>."
        for part in _INNER:
            _look(getattr(node, part, ()), within, found)
