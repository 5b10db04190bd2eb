# SPDX-License-Identifier: Apache-2.0
"""Where a run goes when nobody says where: ``runs/<strategy>``, ``runs/<strategy>-2`` ..."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

RUNS = Path("runs")


@contextlib.contextmanager
def folder_for(out: Path | None, name: str, runs: Path = RUNS) -> Iterator[Path]:
    """``out``, or the first free folder of a name under ``runs``.

    That one is taken at once, so that two runs started together do not meet, and given back when nothing was written.
    """
    if out is not None:
        yield out
        return
    is_new = not runs.exists()
    folder = _take(runs, re.sub(r"[^A-Za-z0-9._-]+", "-", name) or "run")
    try:
        yield folder
    finally:
        for empty in (folder, *([runs] if is_new else [])):
            with contextlib.suppress(OSError):
                empty.rmdir()


def _take(runs: Path, name: str) -> Path:
    number = 1
    while True:
        folder = runs / (name if number == 1 else f"{name}-{number}")
        try:
            folder.mkdir(parents=True)
            return folder
        except FileExistsError:
            number += 1
