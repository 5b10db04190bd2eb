# SPDX-License-Identifier: Apache-2.0
"""The order books of all instruments in one arena: orders by number in, trades out. The matching itself is a kernel."""

from __future__ import annotations

from typing import Any

import numpy as np

from kilohour.kernels import order_book as kernel

CAPACITY = 1 << 16
SPREADS_MOST = 256
LEVELS_MOST = 10_000


class Books:
    """Lines are outright rows, then spreads in the order in which they were first named."""

    def __init__(self, outrights: int) -> None:
        self._slots, self._heads, self._state = kernel.empty_book(outrights + SPREADS_MOST, CAPACITY)
        self._prices, self._numbers = (np.asarray(self._slots[name]) for name in ("price", "number"))
        self._slot_of: dict[int, int] = {}
        self._one = np.zeros((1, kernel.WIDTH), np.int64)
        self._levels = np.zeros((LEVELS_MOST, 3), np.int64)
        self._lines = outrights
        self.spreads: dict[str, int] = {}

    def line_of_spread(self, symbol: str) -> int | None:
        """The line of a spread, None when there are too many."""
        if symbol not in self.spreads:
            if len(self.spreads) == SPREADS_MOST:
                return None
            self.spreads[symbol] = self._lines + len(self.spreads)
        return self.spreads[symbol]

    def quoted_spreads(self) -> list[tuple[str, int]]:
        """Spreads in whose book an order rests, by symbol and line, in the order in which they were first named."""
        if not self.spreads:
            return []
        heads = self._heads[self._lines : self._lines + len(self.spreads)]
        names = list(self.spreads)
        return [(names[place], self._lines + place) for place in np.flatnonzero((heads >= 0).any(axis=1)).tolist()]

    def rest(self, line: int, side: int, price: int, lots: int, account: int, number: int) -> bool:
        """Puts an order into its book; False when the arena is full."""
        slot = int(kernel.rest(self._slots, self._heads, self._state, line, side, price, lots, account, number))
        if slot >= 0:
            self._slot_of[number] = slot
        return slot >= 0

    def take_out(self, number: int) -> bool:
        """Takes an order out of its book; False when it is in none."""
        slot = self._slot_of.pop(number, None)
        if slot is None:
            return False
        kernel.take_out(self._slots, self._heads, self._state, slot)
        return True

    def shrink(self, number: int, left: int) -> None:
        """Fewer lots of a resting order are left; it keeps its place."""
        kernel.shrink(self._slots, self._slot_of[number], left)

    def holds(self, number: int) -> bool:
        """True while an order rests."""
        return number in self._slot_of

    def match(self, line: int, side: int, limit: int, lots: int, account: int, policy: int) -> tuple[Any | None, bool]:
        """The next thing that happens to an incoming order: a row of the kernel, and whether it was stopped by its own account."""
        count, _, stopped = kernel.match(self._slots, self._heads, self._state, line, side, limit, lots, account, policy, self._one)
        if count == 0:
            return None, bool(stopped)
        row = self._one[0].tolist()
        if row[4] == 0:
            self._slot_of.pop(row[1], None)
        return row, bool(stopped)

    def uncross(self, line: int, price: int) -> Any | None:
        """The next trade of an auction: buyer, seller, lots, what each has left."""
        if kernel.uncross(self._slots, self._heads, self._state, line, price, self._one) == 0:
            return None
        row = self._one[0].tolist()
        for number, left in ((row[0], row[3]), (row[1], row[4])):
            if left == 0:
                self._slot_of.pop(number, None)
        return row

    def auction_price(self, line: int, reference: int) -> tuple[int, int]:
        """Price and lots of an auction; no lots when nothing crosses."""
        price, lots = kernel.auction_price(self._slots, self._heads, line, reference)
        return int(price), int(lots)

    def offered(self, line: int, side: int, limit: int, account: int, policy: int) -> int:
        """Lots that an order could take."""
        return int(kernel.offered(self._slots, self._heads, line, side, limit, account, policy))

    def best(self, line: int, side: int) -> int | None:
        """Best price of the resting orders of a side."""
        slot = self._heads.item(line, 0 if side > 0 else 1)
        return None if slot < 0 else self._prices.item(slot)

    def first(self, line: int, side: int) -> int | None:
        """Number of the order that is next in turn."""
        slot = self._heads.item(line, 0 if side > 0 else 1)
        return None if slot < 0 else self._numbers.item(slot)

    def depth(self, line: int, side: int, levels: int) -> list[tuple[int, int, int]]:
        """(price, lots, orders), best first."""
        out = self._levels[: min(levels, LEVELS_MOST)]
        count = int(kernel.depth(self._slots, self._heads, line, side, out))
        return [(price, lots, orders) for price, lots, orders in out[:count].tolist()]
