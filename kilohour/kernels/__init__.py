# SPDX-License-Identifier: Apache-2.0
"""Functions on arrays and records, compiled by numba. Nothing here imports anything else of kilohour.

numba's cache does not notice an edit in another file, so the cache lives in a folder named by a hash of
every file of this package.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path


def cache_root() -> Path:
    """Where compiled code is kept: ``KILOHOUR_CACHE``, or the user's cache folder."""
    chosen = os.environ.get("KILOHOUR_CACHE")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kilohour"


def hash_of_files(files: list[Path]) -> str:
    """Sixteen hexadecimal digits over names and contents."""
    digest = hashlib.blake2b(digest_size=8)
    for file in sorted(files):
        digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


KERNEL_HASH = hash_of_files(list(Path(__file__).parent.glob("*.py")))
os.environ["NUMBA_CACHE_DIR"] = str(cache_root() / f"kernels-{KERNEL_HASH}")
