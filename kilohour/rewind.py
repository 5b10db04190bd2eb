# SPDX-License-Identifier: Apache-2.0
"""What a run changes, kept from before a block, so that a block that failed is gone over once more in CPython."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kilohour.kernels import records as r
from kilohour.kernels.records import Array

WORD = 8
"""Bytes of every number in the engine's records."""


def used_words(kind: np.dtype[Any], contracts: int) -> Array:
    """Places of the numbers of a record of the engine that a market of so many contracts uses, in order; orders left out.

    A list by contract has a row for each that a market may have, and a few behind them for row -1, the contract that there is not.
    """
    is_used = np.zeros(kind.itemsize // WORD, bool)
    for field, start, *_ in (kind.fields or {}).values():
        words = is_used[start // WORD : (start + field.itemsize) // WORD]
        if field.shape == (r.CONTRACTS + 8,):
            row = field.base.itemsize // WORD
            words[: contracts * row] = words[-8 * row :] = True
        else:
            words[:] = field.base != r.ORDER
    return is_used.nonzero()[0]


class Rewind:
    """A copy of a run's memory, made anew by each :meth:`keep`: ``records`` of the engine by what is in use of them, ``others`` whole.

    The records are half a megabyte, which is all of a core's own cache, and the runner keeps them before each timestamp. Rows of
    orders behind those that work are not kept: what goes on from here writes them before it reads them.
    """

    def __init__(self, records: Sequence[Array], others: Sequence[Array], book: Array, contracts: int) -> None:
        used = [(part.reshape(-1).view(np.int64), used_words(part.dtype, contracts)) for part in records]
        self._used = [(words, places, words[places]) for words, places in used]
        self._whole = [(part, part.copy()) for part in (_bytes_of(other) for other in others)]
        self._working, self._orders = book["orders_working"], _bytes_of(book["order"])
        self._kept_orders, self._order_bytes = np.zeros_like(self._orders), 0

    def keep(self) -> None:
        """Keeps the memory as it is now."""
        for words, places, kept in self._used:
            words.take(places, out=kept, mode="clip")  # numpy checks places beforehand otherwise, and copies what it found
        for part, kept in self._whole:
            kept[...] = part
        end = self._order_bytes = int(self._working[0]) * r.ORDER.itemsize
        self._kept_orders[:end] = self._orders[:end]

    def put_back(self) -> None:
        """Makes the memory what it was when it was kept."""
        for words, places, kept in self._used:
            words[places] = kept
        for part, kept in self._whole:
            part[...] = kept
        self._orders[: self._order_bytes] = self._kept_orders[: self._order_bytes]


def _bytes_of(part: Array) -> Array:
    return part.reshape(-1).view(np.uint8)
