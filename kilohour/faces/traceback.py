# SPDX-License-Identifier: Apache-2.0
"""A strategy's traceback, cut to the user's lines."""

from __future__ import annotations

import traceback
from pathlib import Path

LINKED = ("datafeeds", "execution", "backtests", "reports")
"""Folders of kilohour that a checkout reaches through links; strategies are shown like the user's own."""


def user_traceback(error: BaseException) -> str:
    """The traceback without kilohour's own frames, except where the error was raised in one of them by name."""
    package = Path(__file__).resolve().parents[1]
    own = [package, *((package / name).resolve() for name in LINKED)]
    frames = traceback.extract_tb(error.__traceback__)
    users = [f for f in frames if not f.filename.startswith("<frozen") and not _is_under(Path(f.filename).resolve(), own)]
    shown = "".join(traceback.format_list(users or frames[-1:]))
    return f"{shown}{''.join(traceback.format_exception_only(error)).strip()}"


def _is_under(file: Path, folders: list[Path]) -> bool:
    return file.parent.name != "strategies" and any(folder in file.parents for folder in folders)
