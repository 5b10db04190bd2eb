# SPDX-License-Identifier: Apache-2.0
"""A strategy that always has a bid at work, at another price each bar: what it had is cancelled first."""

from __future__ import annotations

from kilohour import Product, Strategy, product, state


class Quotes(Strategy):
    """Bids so far below the market that nothing fills; ``moves``: each in another month than the one before."""

    interpreted = True
    chip: Product = product("SIM:H100")
    moves: bool = False
    ticket: int = state(0)
    bars: int = state(0)

    def on_bar(self, desk):
        """Once a bar."""
        self.bars += 1
        if self.ticket:
            desk.cancel(self.ticket)
        self.ticket = desk.limit(desk.nth(self.chip, 1 + self.bars % 2 * int(self.moves)), 1, 2.0 + self.bars % 7 / 100)
