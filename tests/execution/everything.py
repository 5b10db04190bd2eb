# SPDX-License-Identifier: Apache-2.0
"""A strategy that asks for every kind of order, life, flag and tie that there is, on one product, so that they compete for its volume."""

from __future__ import annotations

from kilohour import DAY, FOK, GTD, IOC, Product, Strategy, product, state

DAY_NS = 86_400_000_000_000


class AsksForEverything(Strategy):
    """Each bar another verb, on two months."""

    chip: Product = product("SIM:H100")
    first: int = 0
    turn: int = state(0)
    held: int = state(0)
    rests: int = state(0)

    def on_bar(self, desk):
        """What it asks for depends on the count of bars; ``first`` moves the count."""
        self.turn += 1
        near, far = desk.nth(self.chip, 1), desk.nth(self.chip, 2)
        price, turn = desk.price(near), (self.turn + self.first) % 12
        if turn == 1:
            desk.market(near, 3, FOK)
            desk.market(near, 100_000, FOK)
            desk.limit(near, 2, price - 0.3, FOK)
            desk.at_settlement(near, 4)
        elif turn == 2:
            self.rests = desk.bracket(near, 5, price - 0.01, price + 0.03, price - 0.05)
            desk.stop(far, -2, price - 0.02, reduce_only=True)
        elif turn == 3:
            desk.limit(near, 3, price, IOC)
            desk.limit(near, -2, price + 0.02, GTD, desk.now + 3 * DAY_NS)
            desk.stop_limit(near, 2, price + 0.01, price + 0.03)
        elif turn == 4:
            first, second = desk.stop(far, 3, price + 0.03), desk.limit(far, 3, price - 0.03)
            desk.one_cancels_other(first, second)
            desk.if_touched(near, 2, price - 0.02)
        elif turn == 5:
            entry = desk.market(far, 4)
            exit = desk.trailing_stop(far, -4, 0.03, reduce_only=True)
            desk.triggers(entry, exit)
        elif turn == 6:
            desk.limit(far, 2, price - 0.01, post_only=True)
            desk.limit(near, -2, price - 0.02, post_only=True)
            desk.amend(self.rests, 7, price)
        self.more(desk, near, far, price, turn)

    def more(self, desk, near, far, price, turn):
        """The other half of the round."""
        if turn == 7:
            desk.at_settlement(far, -2, DAY)
            desk.at_settlement(near, 60_000, DAY)
            desk.market(near, -2, reduce_only=True)
        elif turn == 8:
            desk.stop(near, 3, price + 0.02, DAY)
            desk.trailing_stop(near, -3, 0.02)
            self.held = desk.limit(near, 4, 0.0, against=far)
        elif turn == 9:
            desk.cancel(self.held)
            desk.stop_limit(near, -1, price, price - 0.02, FOK)
            desk.market(near, -40_000, reduce_only=True)
        elif turn == 10:
            desk.cancel(self.rests)
            desk.market(near, 30, against=far)
            desk.stop(near, -4, price - 0.01, GTD, desk.now + 2 * DAY_NS)
        elif turn == 11:
            desk.target(far, 0)
