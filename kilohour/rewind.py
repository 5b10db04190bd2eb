# SPDX-License-Identifier: Apache-2.0
"""What a run changes, kept from before a block, so that a block that failed is gone over once more in CPython."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kilohour.kernels import records as r
from kilohour.market import Array


def used_bytes(kind: np.dtype[Any], contracts: int) -> list[tuple[int, int]]:
    """First byte and end of each stretch of a record of the engine that a market of so many contracts uses, in order; orders left out.

    A list by contract has a row for each that a market may have, and a few behind them for row -1, the contract that there is not.
    """
    stretches = list[tuple[int, int]]()
    for field, start, *_ in (kind.fields or {}).values():
        end, row = start + field.itemsize, field.base.itemsize
        if field.shape == (r.CONTRACTS + 8,):
            stretches += (start, start + contracts * row), (end - 8 * row, end)
        elif field.base != r.ORDER:
            stretches.append((start, end))
    joined = list[tuple[int, int]]()
    for start, end in sorted(stretches):
        begin = joined.pop()[0] if joined and joined[-1][1] >= start else start
        joined.append((begin, end))
    return joined


class Rewind:
    """A copy of a run's memory, made anew by each :meth:`keep`: ``records`` of the engine by what is in use of them, ``others`` whole.

    The records are half a megabyte, which is all of a core's own cache, and the runner keeps them before each timestamp. Rows of
    orders behind those that work are not kept: what goes on from here writes them before it reads them.
    """

    def __init__(self, records: Sequence[Array], others: Sequence[Array], book: Array, contracts: int) -> None:
        pieces = [_bytes_of(part)[start:end] for part in records for start, end in used_bytes(part.dtype, contracts)]
        pieces += [_bytes_of(part) for part in others]
        self._pairs = [(piece.copy(), piece) for piece in pieces]
        self._working, self._orders = book["orders_working"], _bytes_of(book["order"])
        self._kept_orders, self._used = np.zeros_like(self._orders), 0

    def keep(self) -> None:
        """Keeps the memory as it is now."""
        for kept, piece in self._pairs:
            kept[...] = piece
        self._used = int(self._working[0]) * r.ORDER.itemsize
        self._kept_orders[: self._used] = self._orders[: self._used]

    def put_back(self) -> None:
        """Makes the memory what it was when it was kept."""
        for kept, piece in self._pairs:
            piece[...] = kept
        self._orders[: self._used] = self._kept_orders[: self._used]


def _bytes_of(part: Array) -> Array:
    return part.reshape(-1).view(np.uint8)
