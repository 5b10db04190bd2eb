# SPDX-License-Identifier: Apache-2.0
"""Folders that are written whole or not at all: tapes, runs, sweeps. Nothing of the user's is ever deleted."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path

from kilohour.errors import UsageError


def check_target(target: Path, *, what: str, files: Collection[str], needs: Collection[str]) -> None:
    """Raises :class:`UsageError` unless ``target`` is free, empty, or an older one of the same kind.

    ``files``: every name such a folder may hold; ``needs``: those by which one is known.
    """
    rule = f"a {what} is only written to a new folder, an empty one, or over a {what}"
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise UsageError(f"{target}: {rule}, found a {'link' if target.is_symlink() else 'file'}")
    names = sorted(path.name for path in target.iterdir()) if target.exists() else []
    foreign = [name for name in names if name not in files]
    if foreign or (names and not set(needs) <= set(names)):
        raise UsageError(f"{target}: {rule}, found {(foreign or names)[0]!r} in it")


@contextlib.contextmanager
def written_whole(target: Path) -> Iterator[Path]:
    """A draft beside ``target`` that takes its place when the block ends, and is gone when it raises."""
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent))
    try:
        draft.chmod(0o755)
        yield draft
        _move_into_place(draft, target)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def _move_into_place(draft: Path, target: Path) -> None:
    if not target.exists():
        os.rename(draft, target)
        return
    old = draft.with_suffix(".old")
    os.rename(target, old)
    try:
        os.rename(draft, target)
    except BaseException:
        os.rename(old, target)
        raise
    shutil.rmtree(old)
