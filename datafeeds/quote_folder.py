# SPDX-License-Identifier: Apache-2.0
"""Quotes on disk: a :class:`~kilohour.datafeeds.table_folder.TableFolder` in the order of :mod:`kilohour.datafeeds.quotes`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kilohour.datafeeds.quotes import COLUMNS, NUMBERS, SCHEMA_VERSION, WORDS, Quotes, check_quotes
from kilohour.datafeeds.table_folder import TableFolder
from kilohour.folders import written_whole

TABLE = TableFolder(kind="quotes", one="quote", version=SCHEMA_VERSION, numbers=NUMBERS, words=WORDS, statistics="seen")


def save(quotes: Quotes, folder: Path, *, notes: Sequence[str] = ()) -> Quotes:
    """Writes quotes that are in memory; see :meth:`Quotes.save`."""
    check_quotes(quotes)
    TABLE.check_replaceable(folder)
    with written_whole(folder) as draft:
        parts = TABLE.write_parts(draft, {name: getattr(quotes, name) for name in COLUMNS}, quotes.names)
        manifest = {"names": quotes.names, "parts": parts, "notes": [*quotes.notes, *notes], "rows": len(quotes)}
        digest = TABLE.write_manifest(draft, manifest)
    return replace(quotes, sha256=digest, notes=(*quotes.notes, *notes))


def load(folder: Path, *, known_by: int | None = None, texts: Mapping[str, Any] | None = None) -> Quotes:
    """See :meth:`Quotes.load`."""
    manifest = TABLE.read_manifest(folder)
    names = {name: tuple(manifest["names"][name]) for name in WORDS}
    found = []
    for columns in TABLE.read_parts(folder, manifest):
        part = Quotes(**dict(columns), names=names)
        found.append(part.where(known_by=known_by, **(texts or {})) if texts or known_by is not None else part)
    joined = _joined(found)
    return replace(joined, sha256=manifest["sha256"], notes=tuple(manifest["notes"]))


def _joined(parts: Sequence[Quotes]) -> Quotes:
    if not parts:
        return Quotes.of(())
    if len(parts) == 1:
        return parts[0]
    merged = {name: tuple(sorted({word for part in parts for word in part.names[name]})) for name in WORDS}
    columns: dict[str, Any] = {name: np.concatenate([getattr(part, name) for part in parts]) for name in NUMBERS}
    for name in WORDS:
        place = {word: code for code, word in enumerate(merged[name])}
        columns[name] = np.concatenate([_moved(part, name, place) for part in parts])
    return Quotes(**columns, names=merged)


def _moved(part: Quotes, name: str, place: Mapping[str, int]) -> npt.NDArray[np.int32]:
    moved = np.array([place[word] for word in part.names[name]], dtype=np.int32)
    codes: npt.NDArray[np.int32] = moved[getattr(part, name)]
    return codes
