# SPDX-License-Identifier: Apache-2.0
"""Orders that a price has woken, amended in every way that there is to be refused."""

from __future__ import annotations

from kilohour import Product, Strategy, product, state


class AmendsWoken(Strategy):
    """In four months an order of each kind that waits for a price, which the next bar meets and cannot fill. From the bar behind that one on
    it is amended: off the tick, below zero, far from the market, to lots of the other side, to too many, to another size at a price that is
    well, and at last to no lots or to no more than have filled. Then another is asked for."""

    chip: Product = product("SIM:H100")
    turn: int = state(0)
    stop: int = state(0)
    stop_limit: int = state(0)
    touch: int = state(0)
    trail: int = state(0)
    stop_at: int = state(0)
    stop_limit_at: int = state(0)
    touch_at: int = state(0)
    trail_at: int = state(0)

    def on_bar(self, desk):
        """Each of the four is as many bars old as its counter says."""
        self.turn += 1
        near = desk.nth(self.chip, 2)
        price = desk.price(near)
        if self.stop_at == 0:
            self.stop = desk.stop(near, 9_000, price - 0.2)
        self.stop_at = self.amend(desk, self.stop, 1, price, self.stop_at)
        near = desk.nth(self.chip, 3)
        price = desk.price(near)
        if self.stop_limit_at == 0:
            self.stop_limit = desk.stop_limit(near, 9_000, price - 0.2, price + 0.1)
        self.stop_limit_at = self.amend(desk, self.stop_limit, 1, price, self.stop_limit_at)
        near = desk.nth(self.chip, 4)
        price = desk.price(near)
        if self.touch_at == 0:
            self.touch = desk.if_touched(near, 9_000, price + 0.2)
        self.touch_at = self.amend(desk, self.touch, 1, price, self.touch_at)
        near = desk.nth(self.chip, 5)
        price = desk.price(near)
        if self.trail_at == 0:
            self.trail = desk.trailing_stop(near, -9_000, 0.01)
        self.trail_at = self.amend(desk, self.trail, -1, price, self.trail_at)

    def amend(self, desk, ticket: int, side: int, price: float, at: int) -> int:
        """What is wrong at the bar ``at`` of an order, and its next bar; it is left alone until all kinds were woken."""
        if at == 4:
            desk.amend(ticket, side * 9_000, price + 0.005)
        elif at == 5:
            desk.amend(ticket, side * 9_000, -0.01)
        elif at == 6:
            desk.amend(ticket, side * 9_000, 3.0 * price)
        elif at == 7:
            desk.amend(ticket, -side * 9_000, price)
        elif at == 8:
            desk.amend(ticket, side * 1_000_001, price)
        elif at == 9:
            desk.amend(ticket, side * 8_000, price + 0.1)
        elif at == 10:
            desk.amend(ticket, side * desk.filled(ticket) * (self.turn % 2), price)
            return 0
        return at + 1
