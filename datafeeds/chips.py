# SPDX-License-Identifier: Apache-2.0
"""Names of chips: one of ours for what providers and catalogues call them."""

from __future__ import annotations

import functools
import tomllib
from pathlib import Path

from kilohour.errors import UnknownName

FILE = Path(__file__).with_name("chips.toml")


@functools.cache
def chip_names() -> dict[str, str]:
    """Our name by every name we know; each of ours names itself."""
    table: dict[str, list[str]] = tomllib.loads(FILE.read_text(encoding="utf-8"))
    return {name: ours for ours, others in table.items() for name in (ours, *others)}


def chip_named(name: str) -> str:
    """Our name of a chip. Raises :class:`UnknownName` with the nearest.

    >>> chip_named("H100 SXM")
    'H100'
    """
    known = chip_names()
    if name not in known:
        raise UnknownName("chip", name, known, where="chips.toml")
    return known[name]
