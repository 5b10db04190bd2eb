# SPDX-License-Identifier: Apache-2.0
"""Strategies that are awkward to route: held into settlement, resting and post-only limits, amendments, baskets, brackets."""

from __future__ import annotations

from kilohour import IOC, Product, Strategy, product, state


class IntoSettlement(Strategy):
    """Buys the month that fixes and holds it to its final settlement, and works limits on the next one."""

    chip: Product = product("SIM:H100")
    calls: int = state(0)
    bid: int = state(0)
    offer: int = state(0)

    def on_bar(self, desk):
        """Something else every day."""
        self.calls += 1
        near, next_ = desk.nth(self.chip, 1), desk.nth(self.chip, 2)
        if self.calls % 12 == 1:
            desk.market(near, 3)
        if self.bid == 0 or not desk.is_working(self.bid):
            self.bid = desk.limit(next_, 4, desk.price(next_) - 0.01)
        elif self.calls % 5 == 0:
            desk.amend(self.bid, 6, desk.price(next_) + 0.005)
        if self.calls % 3 == 0:
            desk.limit(next_, -2, desk.price(next_), IOC)
        if self.calls % 7 == 0:
            self.offer = desk.limit(near, -1, desk.price(near) + 0.01, post_only=True)
        if self.calls % 9 == 0 and desk.is_working(self.offer):
            desk.cancel(self.offer)


class Overreaches(Strategy):
    """Holds what its cash hardly carries and leaves offers at work, so that a fall ends in a margin call."""

    chip: Product = product("SIM:H100")
    calls: int = state(0)

    def on_bar(self, desk):
        """Buys a little on the first bars, so that each order fills in one, and offers from then on."""
        self.calls += 1
        near = desk.nth(self.chip, 2)
        if self.calls <= 8:
            desk.market(near, 3)
        elif self.calls % 3 == 0:
            desk.limit(near, -1, desk.price(near) + 0.3)
