# SPDX-License-Identifier: Apache-2.0
"""A strategy that asks for every kind of order, life, flag and tie that there is, on one product, so that they compete for its volume."""

from __future__ import annotations

from kilohour import DAY, FOK, GTC, GTD, IOC, Product, Strategy, product, state

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
            desk.market(near, 3_000, FOK)
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
            desk.at_settlement(near, 2_000, DAY)
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
            desk.stop(near, 4, price + 1.0, GTD, desk.now + 2 * DAY_NS)
        elif turn == 11:
            desk.target(far, 0)


class AsksAtRandom(Strategy):
    """Each bar a few orders drawn by lot, on two months, with cancels, amendments and ties."""

    chip: Product = product("SIM:H100")
    seed: int = 1
    drawn: int = state(0)
    limit: int = state(0)
    older: int = state(0)

    def draw(self, below: int) -> int:
        """A number from 0 to below ``below``."""
        self.drawn = (self.drawn * 1103515245 + 12345) % 2147483648
        return (self.drawn // 65536) % below

    def on_bar(self, desk):
        """At most three."""
        if self.drawn == 0:
            self.drawn = self.seed * 7919 + 1
        if self.draw(4) == 0 and self.limit > 0 and self.limit > desk.ticket_count - 200:
            price = desk.price(desk.nth(self.chip, 1)) + 0.01 * (self.draw(5) - 2)
            desk.amend(self.limit, (1 + self.draw(6)) * (1 - 2 * self.draw(2)), price)
        for _ in range(1 + self.draw(3)):
            ticket = self.ask(desk, desk.nth(self.chip, 1 + self.draw(2)), desk.nth(self.chip, 3))
            if ticket > 0:
                self.older = ticket
        if self.draw(4) == 0 and self.older > 0 and self.older > desk.ticket_count - 200:
            desk.cancel(self.older)

    def ask(self, desk, near, far) -> int:
        """One of eighteen; the ticket, 0 without one."""
        what = self.draw(18)
        lots = (1 + self.draw(6)) * (1 - 2 * self.draw(2)) * (1 if self.draw(8) else 700)
        price = desk.price(near) + 0.01 * (self.draw(9) - 4)
        life = GTC if self.draw(2) else DAY
        if what == 0:
            return desk.market(near, lots, life)
        if what == 1:
            return desk.market(near, lots, FOK)
        if what == 2:
            return desk.limit(near, lots, price, FOK)
        if what == 3:
            return desk.limit(near, lots, price, IOC)
        if what == 4:
            return desk.limit(near, lots, price, GTD, desk.now + self.draw(4) * DAY_NS)
        if what == 5:
            self.limit = desk.limit(near, lots, price, life, 0, True)
            return self.limit
        if what == 6:
            self.limit = desk.limit(near, lots, price, life, 0, False, True)
            return self.limit
        if what == 7:
            return desk.stop(near, lots, price, life)
        if what == 8:
            return desk.stop_limit(near, lots, price, price + 0.02, life)
        return self.ask_more(desk, near, far, what, lots, price, life)

    def ask_more(self, desk, near, far, what, lots, price, life) -> int:
        """The other half."""
        if what == 9:
            return desk.trailing_stop(near, lots, 0.01 + 0.01 * self.draw(4), life)
        if what == 10:
            return desk.if_touched(near, lots, price, life)
        if what == 11:
            return desk.at_settlement(near, lots, life)
        if what == 12:
            self.limit = desk.bracket(near, lots, price, price + 0.02 * (1 if lots > 0 else -1), price - 0.03 * (1 if lots > 0 else -1))
            return self.limit
        if what == 13:
            first, self.limit = desk.stop(near, lots, price + 0.02), desk.limit(near, lots, price - 0.02)
            desk.one_cancels_other(first, self.limit)
            return first
        if what == 14:
            entry = desk.market(near, lots)
            child = desk.trailing_stop(near, -lots, 0.02, GTC, 0, True)
            desk.triggers(entry, child)
            return entry
        if what == 15:
            return self.ask_spread(desk, near, far, lots, life)
        if what == 16:
            desk.target(near, lots)
        return 0

    def ask_spread(self, desk, near, far, lots, life) -> int:
        """On the spread of two months."""
        what, price = self.draw(8), desk.price(near) - desk.price(far) + 0.01 * (self.draw(5) - 2)
        if what == 0:
            return desk.stop(near, lots, price, life, 0, False, far)
        if what == 1:
            return desk.stop_limit(near, lots, price, price + 0.02, life, 0, False, far)
        if what == 2:
            return desk.trailing_stop(near, lots, 0.01, life, 0, False, far)
        if what == 3:
            return desk.if_touched(near, lots, price, life, 0, False, far)
        if what == 4:
            return desk.at_settlement(near, lots, life, far)
        if what == 5:
            return desk.market(near, lots, FOK, False, far)
        self.limit = desk.limit(near, lots, price, life, 0, what == 6, False, far)
        return self.limit


class Amends(Strategy):
    """Keeps one bid, larger than a bar fills, and gives it another size and price at every bar."""

    interpreted = True
    chip: Product = product("SIM:H100")
    bid: int = state(0)
    turn: int = state(0)

    def on_bar(self, desk):
        """At the market every other time, so that part of it fills between two amendments."""
        self.turn += 1
        near = desk.nth(self.chip, 1)
        price = desk.price(near) - 0.02 * (self.turn % 2)
        if self.bid and desk.is_working(self.bid):
            desk.amend(self.bid, desk.filled(self.bid) + 300 + self.turn, price)
        else:
            self.bid = desk.limit(near, 400, price)
