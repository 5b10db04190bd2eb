# SPDX-License-Identifier: Apache-2.0
"""The prober that asks for every kind, life, flag and tie; apart from the others, for a desk that has their verbs."""

from __future__ import annotations

from kilohour.desk import Desk
from tests.oracle.prober import GTC, Prober

IOC, GTD, DAY_NS = GTC + 2, GTC + 4, 86_400_000_000_000


class ProberOfOrders(Prober):
    """Asks plainly half the time."""

    def ask(self, desk: Desk) -> None:
        near, far = self.draw(desk.contract_count), self.draw(desk.contract_count)
        price, against = desk.price(near), desk.price(far)
        lots, at, verb = self.draw(13) - 6, price + (self.draw(9) - 4) * 0.01, self.draw(14)
        if self.draw(2) == 0 or price != price:
            self.ask_plainly(desk)
        elif verb < 6:
            self.ask_kind(desk, near, lots, at, verb)
        elif verb < 9:
            self.ask_tied(desk, near, lots, at, verb)
        elif verb == 9:
            self.ticket = desk.limit(near, lots, at, IOC + self.draw(2))
        elif verb == 10:
            self.ticket = desk.limit(near, lots, at, GTD, until=desk.now + self.draw(4) * DAY_NS, post_only=self.draw(2) == 0)  # type: ignore[call-arg]
        elif verb == 11:
            desk.amend(self.ticket - self.draw(3), lots, at)
        elif near != far and against == against:
            self.ask_spread(desk, near, far, lots, at - against)

    def ask_kind(self, desk: Desk, near: int, lots: int, at: float, verb: int) -> None:
        life = GTC + self.draw(2)
        if verb == 0:
            self.ticket = desk.stop(near, lots, at, life)
        elif verb == 1:
            self.ticket = desk.stop_limit(near, lots, at, at + (self.draw(5) - 2) * 0.01, life)
        elif verb == 2:
            self.ticket = desk.trailing_stop(near, lots, 0.01 + self.draw(4) * 0.01, life)
        elif verb == 3:
            self.ticket = desk.if_touched(near, lots, at, life)
        elif verb == 4:
            self.ticket = desk.at_settlement(near, lots, life)
        else:
            self.ticket = desk.stop(near, -desk.position(near), at, life, reduce_only=True)

    def ask_tied(self, desk: Desk, near: int, lots: int, at: float, verb: int) -> None:
        away = 0.01 + self.draw(3) * 0.01
        if verb == 6:
            self.ticket = desk.bracket(near, lots, at, at + away, at - away)
        elif verb == 7:
            self.ticket = desk.limit(near, lots, at)
            desk.one_cancels_other(self.ticket, desk.stop(near, lots, at + away))
        else:
            self.ticket = desk.market(near, lots)
            desk.triggers(self.ticket, desk.trailing_stop(near, -lots, away))

    def ask_spread(self, desk: Desk, near: int, far: int, lots: int, at: float) -> None:
        if self.draw(2) == 0:
            self.ticket = desk.limit(near, lots, at, against=far)  # type: ignore[call-arg]
        else:
            self.ticket = desk.stop(near, lots, at, against=far)
