# SPDX-License-Identifier: Apache-2.0
"""Strategies that are awkward to route: held into settlement, resting and post-only limits, amendments, baskets, brackets."""

from __future__ import annotations

from kilohour import IOC, Product, Strategy, product, state


class IntoSettlement(Strategy):
    """Buys the month that fixes and holds it to its final settlement, and works limits on the next one."""

    interpreted = True
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


class AsksWrongly(Strategy):
    """Asks for what nobody should, between an order that opens a position and one that closes it; then in a month that has gone."""

    chip: Product = product("SIM:H100")
    gone: int = state(0)
    near: int = state(0)
    turn: int = state(0)

    def on_bar(self, desk):
        self.turn += 1
        if self.turn == 1:
            self.gone, self.near = desk.nth(self.chip, 1), desk.nth(self.chip, 3)
        if self.turn == 4:
            desk.market(self.near, 3)
            self.ask(desk, self.near)
        if self.turn == 30:
            desk.market(self.gone, 1)
            desk.limit(self.gone, 1, 2.0)
            desk.target(self.gone, 1)
            desk.market(self.near, -3)

    def ask(self, desk, near):
        """One order a reason."""
        desk.market(near, 0)
        desk.market(near, 1_000_001)
        desk.limit(near, 1, 2.005)
        desk.stop(near, 1, 2.005)
        desk.trailing_stop(near, 1, 0.0)
        desk.limit(near, 1, -2.0)
        desk.stop(near, 1, -0.01)
        desk.limit(near, 1, 0.5011, against=self.gone)
        desk.market(near, 900_000)
        desk.stop(near, 1, 2.0, life=IOC)
        desk.target(near, 10_000_000)


class AsksWhatRaises(Strategy):
    """A contract that is not there, on the second bar; ``what`` chooses another thing that no desk takes."""

    chip: Product = product("SIM:H100")
    what: int = 0
    turn: int = state(0)

    def on_bar(self, desk):
        self.turn += 1
        near = desk.nth(self.chip, 2)
        if self.turn != 2:
            desk.target(near, 1)
        elif self.what == 0:
            desk.market(99, 1)
        elif self.what == 1:
            desk.limit(near, 1, 2e9)
        else:
            desk.market(near, 1, against=near)
