# SPDX-License-Identifier: Apache-2.0
"""Files that are read while a strategy is loaded or runs: a desk shows none, so what comes from one is not checked by changing the tape."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kilohour.kernels import cache_root

_WATCHING: list[list[str]] = []
_HOOKED: list[bool] = []
_CODE = (".py", ".pyc", ".so", ".pyd", ".dll", ".nbi", ".nbc", ".toml", ".egg-link", ".pth", ".zip")


@contextlib.contextmanager
def watched() -> Iterator[list[str]]:
    """Paths of the data files opened for reading while the block runs: by Python's own ``open`` and by pyarrow's Parquet reader.

    Code, configuration, caches of compiled code, and what belongs to Python or to installed packages do not count.
    """
    found: list[str] = []
    if not _HOOKED:
        sys.addaudithook(_hook)
        _HOOKED.append(True)
    _WATCHING.append(found)
    try:
        with _parquet_watched():
            yield found
    finally:
        _WATCHING.remove(found)


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and _WATCHING:
        path, mode, flags = arguments
        writes = set(mode or "") & set("wax+") if isinstance(mode, str) else flags & (os.O_WRONLY | os.O_RDWR)
        if not writes:
            _note(path)


def _note(path: Any) -> None:
    if isinstance(path, str | bytes | os.PathLike):
        text = os.path.abspath(os.fsdecode(path))
        if _is_data_file(text):
            for found in _WATCHING:
                if text not in found:
                    found.append(text)


def _is_data_file(path: str) -> bool:
    if path.endswith(_CODE) or "__pycache__" in path or path.startswith(("/proc/", "/dev/", "/sys/", "/etc/")):
        return False
    package = Path(__file__).resolve().parents[2]
    ours = [str(package / name) for name in ("kilohour", "datafeeds", "backtests", "strategies", "execution", "reports")]
    if path.startswith(tuple(os.path.join(root, "") for root in (sys.prefix, sys.base_prefix, str(cache_root()), *ours))):
        return False
    return os.path.isfile(path)


@contextlib.contextmanager
def _parquet_watched() -> Iterator[None]:
    """pyarrow opens files below Python, where no audit event is raised."""
    import pyarrow.parquet as pq

    kept = {name: getattr(pq, name).__init__ for name in ("ParquetFile", "ParquetDataset")}

    def watching(original: Any) -> Any:
        def begin(self: Any, source: Any, *more: Any, **named: Any) -> None:
            _note(source)
            original(self, source, *more, **named)

        return begin

    for name, original in kept.items():
        getattr(pq, name).__init__ = watching(original)
    try:
        yield
    finally:
        for name, original in kept.items():
            getattr(pq, name).__init__ = original
