# SPDX-License-Identifier: Apache-2.0
"""Items of one list in a JSON document of any length, read piece by piece: ``{"Key": [item, item, ...], ...}``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from kilohour.errors import DataError

CHUNK = 1 << 20
SPACE = " \t\r\n"


def json_items(path: Path, key: str) -> Iterator[tuple[Any, int]]:
    """Each item of the list under ``key``, with the characters read so far.

    Raises :class:`DataError` when there is no such list, an item is no JSON, or the document ends before the list does.
    """
    with path.open(encoding="utf-8") as file:
        try:
            yield from _items(path, file, key)
        except UnicodeDecodeError as error:
            raise DataError(f"{path.name}: must be JSON in UTF-8, found {str(error)!r}") from None


def _items(path: Path, file: TextIO, key: str) -> Iterator[tuple[Any, int]]:
    text = file.read(CHUNK)
    done, place = len(text), _list_after(path, text, key)
    decoder = json.JSONDecoder()
    while True:
        place = _past(text, place, SPACE + ",")
        if place < len(text) and text[place] == "]":
            return
        try:
            item, end = decoder.raw_decode(text, place)
            whole = end < len(text)  # a number at the end of what was read may go on
        except ValueError as error:
            item, end, whole = None, place, False
            problem = str(error)
        else:
            problem = "the list does not end"
        if whole:
            yield item, done - len(text) + end
            place = end
            continue
        more = file.read(CHUNK)
        if not more:
            raise DataError(f"{path.name}: must be whole JSON, found after {done:,} characters: {problem!r}")
        text, place, done = text[place:] + more, 0, done + len(more)


def _list_after(path: Path, text: str, key: str) -> int:
    name = text.find(json.dumps(key))
    start = _past(text, name + len(key) + 2, SPACE + ":") if name >= 0 else len(text)
    if start >= len(text) or text[start] != "[":
        raise DataError(f"{path.name}: must hold a list {key!r}, found {text[:40]!r}")
    return start + 1


def _past(text: str, place: int, what: str) -> int:
    while place < len(text) and text[place] in what:
        place += 1
    return place
