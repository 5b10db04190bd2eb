# SPDX-License-Identifier: Apache-2.0
"""Where a compiled strategy is kept, and under which name.

numba's own cache does not see an edit in another file: an edited helper would silently run its old code. The folder's
name therefore hashes every file of kilohour, the strategy's file and the local modules it imports, the constants its
functions read, and numba's version.
"""

from __future__ import annotations

import hashlib
import inspect
import sys
import sysconfig
import types
from functools import cache
from pathlib import Path
from typing import Any

from kilohour.faces.syntax import helpers_of, methods_of
from kilohour.kernels import cache_root

FOLDERS_KEPT = 64


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
    for name, value in _constants(face):
        digest.update(f"{name}={value!r}\n".encode())
    return cache_root() / f"strategy-{digest.hexdigest()}"


def prune() -> None:
    """Deletes the oldest cache folders beyond :data:`FOLDERS_KEPT`."""
    import shutil

    root = cache_root()
    folders = [f for f in root.glob("*-*") if f.is_dir()] if root.is_dir() else []
    for folder in sorted(folders, key=lambda f: f.stat().st_mtime)[:-FOLDERS_KEPT]:
        shutil.rmtree(folder, ignore_errors=True)


def _local_files(face: type) -> list[Path]:
    library = {Path(sysconfig.get_paths()[k]).resolve() for k in ("stdlib", "purelib", "platlib")}
    found: dict[Path, None] = {}
    waiting: list[Any] = [sys.modules.get(c.__module__) for c in face.__mro__]
    while waiting:
        module = waiting.pop()
        file = getattr(module, "__file__", None)
        if file is None or module.__name__.split(".")[0] in ("kilohour", "numpy", "numba"):
            continue
        path = Path(file).resolve()
        if path in found or not path.is_file() or any(root in path.parents for root in library):
            continue
        found[path] = None
        for value in vars(module).values():
            waiting.append(value if isinstance(value, types.ModuleType) else sys.modules.get(getattr(value, "__module__", None) or ""))
    return sorted(found)


def _constants(face: type) -> list[tuple[str, object]]:
    found: dict[str, object] = {}
    seen: dict[Any, None] = {}
    waiting = methods_of(face)
    while waiting:
        function = waiting.pop()
        if function in seen:
            continue
        seen[function] = None
        for name in function.__code__.co_names:
            value = function.__globals__.get(name)
            if isinstance(value, int | float | bool | str | tuple):
                found[f"{function.__module__}.{name}"] = value
        found[f"{function.__module__}.{function.__qualname__}"] = function.__code__.co_code.hex()
        if inspect.isfunction(function):
            waiting += helpers_of(function)
    return sorted(found.items())
