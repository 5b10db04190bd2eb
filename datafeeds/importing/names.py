# SPDX-License-Identifier: Apache-2.0
"""Texts as codes while an import goes on: numbered as they come, put in order at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from kilohour.datafeeds.importing.cells import array_of
from kilohour.errors import DataError

Codes = npt.NDArray[np.int32]
NAMES_MAX = 2_000_000
"""Distinct texts of one column: more would not fit into the memory an import may take."""


class Names:
    """Codes of texts by column. ``known`` are those of an import that goes on."""

    def __init__(self, columns: Iterable[str], known: Mapping[str, Sequence[str]] | None = None) -> None:
        self._codes: dict[str, dict[str, int]] = {
            column: {word: code for code, word in enumerate((known or {}).get(column, ()))} for column in columns
        }

    def words(self) -> dict[str, list[str]]:
        """The texts of each column by code."""
        return {column: list(codes) for column, codes in self._codes.items()}

    def of(self, column: str, cells: Any, meaning: Callable[[str], str] | None = None) -> Codes:
        """Codes of an Arrow dictionary array without nulls, each text taken as its ``meaning``."""
        words = cells.dictionary.to_pylist()
        codes = np.array([self.code(column, meaning(word) if meaning else word) for word in words], dtype=np.int32)
        found: Codes = codes[array_of(cells.indices)] if len(codes) else np.zeros(len(cells), np.int32)
        return found

    def code(self, column: str, word: str) -> int:
        """The code of a text. Raises :class:`DataError` when a column has too many."""
        codes = self._codes[column]
        found = codes.setdefault(word, len(codes))
        if found >= NAMES_MAX:
            raise DataError(f"column {column!r}: must have at most {NAMES_MAX:,} different texts, found more")
        return found

    def in_order(self, column: str, used: npt.NDArray[np.bool_]) -> tuple[tuple[str, ...], Codes]:
        """The used texts of a column in order, and the new code of each old one."""
        words = list(self._codes[column])
        kept = sorted(word for word, is_used in zip(words, used, strict=False) if is_used)
        place = {word: code for code, word in enumerate(kept)}
        return tuple(kept), np.array([place.get(word, -1) for word in words], dtype=np.int32)


class Used:
    """Which codes of each column some kept row has."""

    def __init__(self) -> None:
        self._masks: dict[str, npt.NDArray[np.bool_]] = {}

    def note(self, column: str, codes: Codes) -> None:
        """These codes are used."""
        seen = np.bincount(codes) > 0 if len(codes) else np.zeros(0, np.bool_)
        old = self._masks.get(column, np.zeros(0, np.bool_))
        joined = np.zeros(max(len(seen), len(old)), np.bool_)
        joined[: len(old)] |= old
        joined[: len(seen)] |= seen
        self._masks[column] = joined

    def mask(self, column: str) -> npt.NDArray[np.bool_]:
        """True for each used code."""
        return self._masks.get(column, np.zeros(0, np.bool_))

    def codes(self) -> dict[str, list[int]]:
        """The used codes of each column."""
        return {column: np.flatnonzero(mask).tolist() for column, mask in self._masks.items()}
