# SPDX-License-Identifier: Apache-2.0
"""Where a compiled strategy is kept, and under which name.

numba's own cache does not see an edit in another file: an edited helper would silently run its old code. The folder's
name therefore hashes every file of kilohour, the strategy's file and the local modules it imports, the constants its
functions read, and numba's version.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import sysconfig
import types
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from kilohour.faces.reach import reach_of
from kilohour.kernels import KERNEL_HASH, cache_root

FOLDERS_KEPT = 64
IN_USE_SECONDS = 3600.0
"""A folder changed this shortly before the last one stays: another process may be reading it, or writing into it."""


@cache
def package_hash() -> str:
    """A hash over every Python file of kilohour."""
    import kilohour

    root = Path(kilohour.__file__).parent
    digest = hashlib.blake2b(digest_size=8)
    folders = [root, *(p for p in root.iterdir() if p.is_dir())]
    for file in sorted({f for folder in folders for f in folder.rglob("*.py")}):
        digest.update(str(file.relative_to(root)).encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


def strategy_folder(face: type) -> Path:
    """The folder for the compiled step of a strategy class; a change of anything it depends on changes the name."""
    import numba

    digest = hashlib.blake2b(digest_size=10)
    digest.update(f"{package_hash()} {numba.__version__} {sys.version_info[:2]} {face.__qualname__}".encode())
    for file in _local_files(face):
        digest.update(str(file).encode() + b"\0" + file.read_bytes() + b"\0")
    for line in _meaning(face):
        digest.update(line.encode() + b"\n")
    folder = cache_root() / f"strategy-{digest.hexdigest()}"
    with suppress(FileNotFoundError):
        os.utime(folder)  # prune() keeps what was used last
    return folder


def prune() -> None:
    """Deletes the cache folders used longest ago beyond :data:`FOLDERS_KEPT`; never the engine's own of this version."""
    root = cache_root()
    if root.is_dir():
        prune_folders([f for f in root.glob("*-*") if f.name != f"kernels-{KERNEL_HASH}"], FOLDERS_KEPT - 1)


def prune_folders(folders: Iterable[Path], kept: int) -> None:
    """Deletes all but the ``kept`` folders changed last, and none changed within :data:`IN_USE_SECONDS` of the last.

    Other processes share the cache: what disappears meanwhile is passed over, what they hold is left to them.
    """
    changed = sorted(((at, folder) for folder in folders if (at := _changed(folder)) is not None), reverse=True)
    for at, folder in changed[kept:]:
        if changed[0][0] - at > IN_USE_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)


def _changed(folder: Path) -> float | None:
    try:
        return folder.stat().st_mtime if folder.is_dir() else None
    except FileNotFoundError:
        return None


def _local_files(face: type) -> list[Path]:
    """The files of the class and its bases, wherever they are, and the modules they import outside the library."""
    library = {Path(sysconfig.get_paths()[k]).resolve() for k in ("stdlib", "purelib", "platlib")}
    found: dict[Path, None] = {}
    waiting: list[tuple[Any, bool]] = [(sys.modules.get(c.__module__), True) for c in face.__mro__]
    while waiting:
        module, is_own = waiting.pop()
        file = getattr(module, "__file__", None)
        if file is None or module.__name__.split(".")[0] in ("kilohour", "numpy", "numba", "builtins"):
            continue
        path = Path(file).resolve()
        in_library = any(root in path.parents for root in library)
        if path in found or not path.is_file() or (in_library and not is_own):
            continue
        found[path] = None
        for value in vars(module).values():
            of = value if isinstance(value, types.ModuleType) else sys.modules.get(getattr(value, "__module__", None) or "")
            waiting.append((of, False))
    return sorted(found)


def _meaning(face: type) -> list[str]:
    """The bytecode of every function the class reaches and the constants they read: also for code without a file."""
    reach = reach_of(face)
    lines = [f"{f.__module__}.{f.__qualname__} {_code(f.__code__)} {f.__defaults__!r} {f.__kwdefaults__!r}" for f in reach.functions]
    for read in reach.reads:
        value = getattr(read.value, "py_func", read.value)
        if isinstance(value, types.FunctionType):
            lines.append(f"{read.name}: {_code(value.__code__)}")
        elif isinstance(value, np.ndarray):
            lines.append(f"{read.name}: {value.dtype} {value.shape} {value.tobytes().hex()}")
        elif isinstance(value, int | float | str | bytes | tuple | np.generic | None):
            lines.append(f"{read.name}: {type(value).__name__} {value!r}")
    return sorted(lines)


def _code(code: types.CodeType) -> str:
    constants = [_code(c) if isinstance(c, types.CodeType) else _constant(c) for c in code.co_consts]
    return f"{code.co_code.hex()} {constants} {code.co_names} {code.co_varnames} {code.co_freevars}"


def _constant(value: Any) -> str:
    return str(sorted(map(repr, value))) if isinstance(value, frozenset) else f"{type(value).__name__} {value!r}"
