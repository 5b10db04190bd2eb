# SPDX-License-Identifier: Apache-2.0
"""Where numba keeps compiled code of kilohour: by what it is, not by where it is installed.

numba files it under a hash of the source's path, so the same engine would be compiled again in each environment. Our folders
are named by a hash of all that the code depends on; inside them a module's place in the package is enough.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from typing import Any

from numba.core import caching, config

from kilohour.kernels import KERNEL_HASH, cache_root

PACKAGE = Path(__file__).parents[1]


class PlaceInPackage:
    """What numba asks of a place for one function; whoever is not in the package is left to numba's own."""

    def __init__(self, function: Any, file: Path) -> None:
        self._file = self._py_file = file  # numba names the second in a warning
        self._line = function.__code__.co_firstlineno

    @classmethod
    def from_function(cls, function: Any, file: str) -> PlaceInPackage | None:
        """A place, or None for another package's file or a folder that cannot be written."""
        path = Path(file)
        if not path.is_relative_to(PACKAGE) or not path.is_file():
            return None
        place = cls(function, path)
        try:
            place.ensure_cache_path()
        except OSError:
            return None
        return place

    def ensure_cache_path(self) -> None:
        """Makes the folder. Raises OSError when it cannot be written."""
        os.makedirs(self.get_cache_path(), exist_ok=True)
        tempfile.TemporaryFile(dir=self.get_cache_path()).close()

    def get_cache_path(self) -> str:
        """The folder of the function's module."""
        return str(_folder() / ".".join(self._file.relative_to(PACKAGE).parts[:-1] or ("kilohour",)))

    def get_source_stamp(self) -> str:
        """The text itself, for a copy of it has another time of change."""
        return hashlib.blake2b(self._file.read_bytes(), digest_size=16).hexdigest()

    def get_disambiguator(self) -> str:
        """Tells functions of one name in one file apart."""
        return str(self._line)


def _folder() -> Path:
    """The folder that numba was told, when it is one of ours. One that was imported before us was told none, or another, and would keep
    our code where no edit in another file is noticed."""
    told = Path(config.CACHE_DIR) if config.CACHE_DIR else None
    return told if told is not None and told.is_relative_to(cache_root()) else cache_root() / f"kernels-{KERNEL_HASH}"


def keep_by_content() -> None:
    """Lets numba ask :class:`PlaceInPackage` before its own places, where it keeps a list of them."""
    places = getattr(caching.CacheImpl, "_locator_classes", None)
    if places is not None and PlaceInPackage not in places:
        places.insert(0, PlaceInPackage)
