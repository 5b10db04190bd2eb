# SPDX-License-Identifier: Apache-2.0
"""A strategy's traceback, cut to the user's lines."""

from __future__ import annotations

import traceback
from functools import cache
from pathlib import Path


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


def user_traceback(error: BaseException) -> str:
    """The traceback without kilohour's own frames; a SyntaxError names its line itself."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if is_users(f.filename)]
    return "".join(traceback.format_list(frames)) + "".join(traceback.format_exception_only(error)).rstrip()
