# SPDX-License-Identifier: Apache-2.0
"""A strategy's traceback, cut to the user's lines."""

from __future__ import annotations

import traceback
from pathlib import Path


def user_traceback(error: BaseException) -> str:
    """The traceback without kilohour's own frames, except where the error was raised in one of them by name."""
    own = Path(__file__).resolve().parents[1]
    frames = traceback.extract_tb(error.__traceback__)
    users = [f for f in frames if own not in Path(f.filename).resolve().parents or Path(f.filename).resolve().parent.name == "strategies"]
    shown = "".join(traceback.format_list(users or frames[-1:]))
    return f"{shown}{type(error).__name__}: {error}"
