# SPDX-License-Identifier: Apache-2.0
"""A strategy's traceback, cut to the user's lines."""

from __future__ import annotations

import traceback
from functools import cache
from pathlib import Path
from typing import Any


@cache
def _own_folders() -> tuple[Path, ...]:
    """Folders of kilohour, the linked ones too; strategies are the user's even when we ship them."""
    root = Path(__file__).resolve().parents[1]
    return (root, *((root / name).resolve() for name in ("backtests", "datafeeds", "execution", "reports")))


@cache
def is_users(file: str) -> bool:
    """True for a file that is neither kilohour's nor Python's import machinery."""
    path = Path(file).resolve()
    if file.startswith("<frozen") or "importlib" in path.parts:
        return False
    return path.parent.name == "strategies" or not any(own in path.parents for own in _own_folders())


def float_given(verb: str, name: str) -> str:
    """What is said in both faces where a number that must be whole is a float."""
    return f"{verb}: {name} must be an int, found a float; use kilohour.maths.truncate(x)"


def in_our_words(error: BaseException) -> BaseException:
    """A float for an argument annotated ``int`` of one of our verbs, as the compiled face says it; every other error as it is."""
    if not isinstance(error, TypeError) or "invalid type for format 'q'" not in str(error):
        return error
    for frame, _ in traceback.walk_tb(error.__traceback__):
        code = frame.f_code
        verb: Any = getattr(type(frame.f_locals.get("self")), code.co_name, None)
        for name in code.co_varnames[: code.co_argcount]:
            if isinstance(frame.f_locals.get(name), float) and getattr(verb, "__annotations__", {}).get(name) in (int, "int"):
                return TypeError(float_given(verb.__qualname__, name)).with_traceback(error.__traceback__)
    return error


def user_traceback(error: BaseException) -> str:
    """The traceback without kilohour's own frames; a SyntaxError names its line itself."""
    error = in_our_words(error)
    frames = [f for f in traceback.extract_tb(error.__traceback__) if is_users(f.filename)]
    return "".join(traceback.format_list(frames)) + "".join(traceback.format_exception_only(error)).rstrip()
