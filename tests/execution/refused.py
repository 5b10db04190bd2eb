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


class WrongAtRandom(Strategy):
    """Each bar orders drawn by lot on three months, outright and on spreads, of every kind, life, flag and tie, many of them wrong in
    something; amendments and cancels of whatever was asked for lately, also in the same call; and a target now and then."""

    interpreted = True
    chip: Product = product("SIM:H100")
    seed: int = 1
    drawn: int = state(0)
    gone: int = state(-1)
    turn: int = state(0)

    def draw(self, below: int) -> int:
        """A number from 0 to below ``below``."""
        self.drawn = (self.drawn * 6364136223846793005 + 1442695040888963407) % (1 << 62)
        return (self.drawn >> 24) % below

    def on_bar(self, desk):
        """At most five orders, then amendments."""
        if self.drawn == 0:
            self.drawn = self.seed * 7919 + 1
            self.gone = desk.nth(self.chip, 1)
        self.turn += 1
        for _ in range(self.draw(6)):
            ticket = self.ask(desk)
            if self.draw(3) == 0:
                self.tie(desk, ticket, self.ask(desk))
        for _ in range(self.draw(5)):
            if desk.ticket_count:
                ticket = max(1, desk.ticket_count - self.draw(5) * self.draw(8))
                if self.draw(5) == 0:
                    desk.cancel(ticket)
                else:
                    near = desk.nth(self.chip, 1 + self.draw(3))
                    desk.amend(ticket, self.lots(), self.price(desk, near, self.against(desk, near)))
        if self.draw(6) == 0:
            desk.target(desk.nth(self.chip, 1 + self.draw(3)), self.lots())

    def lots(self) -> int:
        """Few, many, none, too many."""
        what = self.draw(32)
        many = 0 if what == 0 else 1_000_001 if what == 1 else 60_000 if what == 2 else 900 if what < 6 else 1 + self.draw(40)
        return many * (1 - 2 * self.draw(2))

    def price(self, desk, near: int, far: int) -> float:
        """Near the market, mostly on the tick, seldom below zero or far off."""
        fair = round(desk.price(near) - (desk.price(far) if far >= 0 else 0.0), 2)
        what = self.draw(30)
        if what == 0:
            return fair + 0.005
        if what == 1:
            return fair + 0.0011
        if what == 2:
            return -0.01 - fair
        if what == 3:
            return 3 * fair + 1.0
        if what == 4:
            return 0.0
        return fair + 0.01 * (self.draw(13) - 6)

    def against(self, desk, near: int) -> int:
        """Another month, or none."""
        far = desk.nth(self.chip, 1 + self.draw(3))
        return far if far != near and self.draw(3) == 0 else -1

    def tie(self, desk, one: int, two: int) -> None:
        """Two orders of this call."""
        if self.draw(2):
            desk.one_cancels_other(one, two)
        else:
            desk.triggers(one, two)

    def ask(self, desk) -> int:
        """One order, of any kind; its ticket."""
        near = self.gone if self.draw(20) == 0 else desk.nth(self.chip, 1 + self.draw(3))
        far, lots = self.against(desk, near), self.lots()
        if far == near:
            far = -1
        price, life, reduces = self.price(desk, near, far), 1 + self.draw(5) * (self.draw(3) == 0), self.draw(5) == 0
        until, what = desk.now + (self.draw(4) - 1) * 86_400_000_000_000, self.draw(9)
        if what == 0:
            return desk.market(near, lots, life, reduces, far)
        if what == 1:
            return desk.stop(near, lots, price, life, until, reduces, far)
        if what == 2:
            return desk.stop_limit(near, lots, price, self.price(desk, near, far), life, until, reduces, far)
        if what == 3:
            return desk.trailing_stop(near, lots, 0.01 * (self.draw(5) - 1) + 0.001 * (self.draw(8) == 0), life, until, reduces, far)
        if what == 4:
            return desk.if_touched(near, lots, price, life, until, reduces, far)
        if what == 5:
            return desk.at_settlement(near, lots, life, far)
        if what == 6:
            return desk.bracket(near, lots, price, self.price(desk, near, -1), self.price(desk, near, -1))
        return desk.limit(near, lots, price, life, until, self.draw(5) == 0, reduces, far)
