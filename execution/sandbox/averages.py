# SPDX-License-Identifier: Apache-2.0
"""Average entry prices and realized profit of positions: what screens show. The ledger needs neither."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Entry:
    """``lots`` signed; ``cost`` is what the open lots were paid, lots · micros, signed like them; ``realized`` lots · micros."""

    lots: int = 0
    cost: int = 0
    realized: int = 0
    opened: int = 0

    @property
    def average(self) -> float:
        """Micros; 0 without a position."""
        return self.cost / self.lots if self.lots else 0.0

    def trade(self, lots: int, price: int, ts: int) -> None:
        """A fill of signed lots: what it closes is realized at the average price, the rest opens."""
        closing = 0
        if self.lots and (lots > 0) != (self.lots > 0):
            closing = min(abs(lots), abs(self.lots)) * (1 if lots > 0 else -1)
            share = self.cost * -closing // self.lots
            self.realized += -closing * price - share
            self.cost -= share
            self.lots += closing
        opening = lots - closing
        if opening:
            if not self.lots:
                self.opened = ts
            self.lots += opening
            self.cost += opening * price
