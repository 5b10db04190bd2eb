# SPDX-License-Identifier: Apache-2.0
"""The roll: a position that stays, while the contracts that carry it come and go.

The states, what moves between them, and tables to read: docs/rolls-and-spreads.md.
"""

from __future__ import annotations

from math import nan
from typing import Any

from kilohour import maths
from kilohour.desk import Desk
from kilohour.errors import UsageError
from kilohour.faces.face import Face
from kilohour.faces.fields import component, state
from kilohour.kernels.records import REFUSED
from kilohour.trading.legged_spread import WITHDRAWING, LeggedSpread
from kilohour.trading.tickets import TICKETS_LEFT, is_alive, on_tick
from kilohour.units import NANOS_PER_DAY

BY_DAYS, BY_VOLUME, BY_INTEREST, BY_COST = 0, 1, 2, 3
FLAT, HOLDING, RESTING, SPREAD_LIMIT, SPREAD_MARKET, LEGS_LIMIT, LEGS_MARKET, FORCED, SETTLING = 0, 1, 2, 3, 4, 5, 6, 7, 8
PHASES = ("flat", "holding", "resting", "spread_limit", "spread_market", "legs_limit", "legs_market", "forced", "settling")


class Roll(Face):
    """Holds so many lots of a product, and moves them to a later contract, or to another product, without losing one.

    Call :meth:`hold` in every ``on_bar``: which product, how many lots. The machine chooses the contract, and begins to roll
    ``days`` before the contract's fixing window begins (its last trade, ``to_last_trade``), or earlier by ``trigger``:

    - ``BY_VOLUME``, ``BY_INTEREST``: the later contract has had the larger one, as seen, on ``confirm`` days running. A day
      counts once one of the two had a bar; a contract without one has traded nothing, and a volume not published crosses
      nothing. Open interest stands until it is published again;
    - ``BY_COST``: far − near costs a long position (near − far a short one) at most ``cost_most`` a unit.

    The lots go in ``stages`` equal shares, one a day, in whole lots, as one spread order (``as_spread``) or leg by leg
    (:class:`LeggedSpread`, naked by at most ``naked_most``), first with a limit at the last prices, or ``at_market`` from the
    beginning. A spread order that fills nothing for ``patience`` days, or legs that take longer, go up: limit, market, legs.
    Whatever is left ``forced_days`` before the deadline is closed at the market; the new contract follows as that fills, so
    it is never held twice. Days are calendar days; a week reaches over a long weekend with two bars to spare. With
    ``into_settlement`` nothing is rolled: it is held to the final price, the next contract from the last trade on.

    The product's contracts must be the machine's own. ``rolls`` counts; ``forced_lots`` were left to the market at the end,
    ``window_lots`` of them were still held when the window began (a thin market takes few lots a bar: begin earlier),
    ``stranded_lots`` could not be traded in time and settled.
    """

    trigger: int = BY_DAYS
    days: int = 14
    forced_days: int = 7
    to_last_trade: bool = False
    into_settlement: bool = False
    stages: int = 1
    as_spread: bool = True
    at_market: bool = False
    patience: float = 1.5
    confirm: int = 2
    cost_most: float = 0.0
    ahead: int = 1
    naked_most: int = 5
    leg_patience: float = 1.5
    legs: LeggedSpread = component(LeggedSpread, naked_most="naked_most", patience="leg_patience")
    phase: int = state(FLAT)
    near: int = state(-1)
    far: int = state(-1)
    lots: int = state(0)
    side: int = state(0)
    total: int = state(0)
    far_total: int = state(0)
    moved: int = state(0)
    far_moved: int = state(0)
    stage: int = state(0)
    stage_day: int = state(0)
    rung_since: int = state(0)
    ticket: int = state(0)
    ticket_seen: int = state(0)
    ticket_lots: int = state(0)
    ticket_price: float = state(0.0)
    ticket_rung: int = state(0)
    crossed: int = state(0)
    crossed_at: int = state(0)
    rolls: int = state(0)
    escalations: int = state(0)
    forced_lots: int = state(0)
    window_lots: int = state(0)
    stranded_lots: int = state(0)
    last_late: int = state(-1)

    def check(self) -> None:
        for name, least, most in (("trigger", BY_DAYS, BY_COST), ("days", 1, 365), ("stages", 1, 100), ("confirm", 1, 100),
                                  ("ahead", 1, 100), ("forced_days", 0, 364)):
            if not least <= getattr(self, name) <= most:
                raise UsageError(f"Roll.{name} must be from {least} to {most}, found {getattr(self, name)}")
        if not self.forced_days < self.days:
            raise UsageError(f"Roll.forced_days must be below days, found {self.forced_days} and {self.days}")
        if not 0.0 <= self.patience <= 365.0:
            raise UsageError(f"Roll.patience must be from 0 to 365 days, found {self.patience:g}")
        if not -1e9 < self.cost_most < 1e9:
            raise UsageError(f"Roll.cost_most must be a price, found {self.cost_most:g}")

    def hold(self, desk: Desk, product: Any, lots: int) -> None:
        """Brings ``lots`` of a product into the contract where they belong now, once a bar.

        Another product than before begins a roll into it: the lots held become ``lots`` of the new product, whole lots
        throughout. A roll that has begun is finished before another begins; zero lots, or the other side, end it at once.
        """
        self.read(desk)
        if self.phase != HOLDING:
            self.crossed, self.crossed_at = 0, desk.now - NANOS_PER_DAY
        target = self.far if self.far >= 0 else self.near
        if target < 0 or lots == 0 or self.phase == HOLDING or desk.product_of[target] == product:
            self.lots = lots
        if self.phase == FLAT:
            self.enter(desk, product)
        if self.phase == HOLDING:
            self.keep(desk, product)
        elif self.phase == FORCED:
            self.force(desk)
        elif self.phase == SETTLING:
            self.settle(desk)
        elif self.phase != FLAT:
            self.roll(desk)

    def is_rolling(self) -> bool:
        """True while lots are on their way from one contract to another."""
        return RESTING <= self.phase <= FORCED

    def days_left(self, desk: Desk, contract: int) -> float:
        """Calendar days to a contract's deadline."""
        return desk.days_to_last_trade(contract) if self.to_last_trade else desk.days_to_fixing(contract)

    # -- holding ----------------------------------------------------------------------------------------------

    def enter(self, desk: Desk, product: Any) -> None:
        """Chooses the first contract that is not due to roll."""
        days = 0 if self.into_settlement else self.days
        if self.lots != 0 and desk.count(product, days) >= 1:
            self.near, self.far, self.phase = desk.nth(product, 1, days), -1, HOLDING

    def keep(self, desk: Desk, product: Any) -> None:
        """Holds the lots, until they have to go."""
        if not desk.is_listed(self.near):
            self.strand(desk)
        elif self.lots == 0:
            desk.target(self.near, 0)
            if desk.position(self.near) == 0 and desk.working(self.near) == 0:
                self.near, self.phase = -1, FLAT
        elif desk.product_of[self.near] != product:
            self.leave(desk, product)
        elif self.into_settlement:
            desk.target(self.near, self.lots)
        else:
            self.far = desk.later(self.near, self.ahead) if desk.has_later(self.near, self.ahead) else -1
            if self.days_left(desk, self.near) <= self.forced_days:
                self.go_forced(desk)
            elif self.far >= 0 and self.is_due(desk):
                self.begin(desk)
            else:
                self.far = -1
                desk.target(self.near, self.lots)

    def leave(self, desk: Desk, product: Any) -> None:
        """Rolls into another product as soon as it has a contract to roll into."""
        self.far = self.counterpart(desk, product)
        if self.far >= 0:
            self.begin(desk)
        elif self.days_left(desk, self.near) <= self.forced_days and not self.into_settlement:
            self.go_forced(desk)
        else:
            desk.target(self.near, desk.position(self.near))
            if desk.position(self.near) == 0 and desk.working(self.near) == 0:
                self.near, self.phase = -1, FLAT

    def is_due(self, desk: Desk) -> bool:
        """True when the days, or the trigger, say so."""
        if self.days_left(desk, self.near) <= self.days:
            return True
        if self.trigger == BY_COST:
            cost = desk.price(self.far) - desk.price(self.near)
            return (cost if self.lots > 0 else -cost) <= self.cost_most
        if self.trigger == BY_DAYS:
            return False
        if desk.now // NANOS_PER_DAY != self.crossed_at // NANOS_PER_DAY:
            self.count_crossed(desk)
        return self.crossed >= self.confirm

    def count_crossed(self, desk: Desk) -> None:
        """Counts today, or begins again; a day on which neither contract had a bar is no day."""
        since = self.crossed_at
        near_traded, far_traded = desk.seen_at[self.near] > since, desk.seen_at[self.far] > since
        if not near_traded and not far_traded:
            return
        self.crossed_at = desk.now
        if self.trigger == BY_INTEREST:
            is_larger = desk.interest(self.far) > desk.interest(self.near)
        else:
            against = desk.volume(self.near) if near_traded else 0
            is_larger = far_traded and desk.volume(self.far) > against >= 0
        self.crossed = self.crossed + 1 if is_larger else 0

    def counterpart(self, desk: Desk, product: Any) -> int:
        """The other product's contract of the same month, else the next later one, else its last; none that is due itself."""
        contract = -1
        for n in range(1, desk.count(product, self.days) + 1):
            contract = desk.nth(product, n, self.days)
            if desk.month(contract) >= desk.month(self.near):
                return contract
        return contract

    # -- rolling ----------------------------------------------------------------------------------------------

    def begin(self, desk: Desk) -> None:
        """Counts what has to move, once nothing works in the old contract any more."""
        have = desk.position(self.near)
        if desk.on_target[self.near] != 0:
            desk.target(self.near, have)
            self.far = -1
            return
        if have == 0:
            self.crossed = 0
            self.near, self.far = self.far, -1
            desk.target(self.near, self.lots)
            return
        if (have > 0) != (self.lots > 0):
            self.go_forced(desk)
            return
        self.side, self.total = (1 if have > 0 else -1), abs(have)
        self.far_total = self.total if self.is_same_product(desk) else abs(self.lots)
        self.moved, self.far_moved, self.stage, self.stage_day = 0, 0, 1, desk.date()
        self.phase, self.rung_since = self.first_rung(desk), desk.now
        self.roll(desk)

    def is_same_product(self, desk: Desk) -> bool:
        """True when near and far are of one product."""
        return bool(desk.product_of[self.near] == desk.product_of[self.far])

    def first_rung(self, desk: Desk) -> int:
        """How a share of the lots is tried first."""
        if self.as_spread and self.is_same_product(desk):
            return SPREAD_MARKET if self.at_market else SPREAD_LIMIT
        return LEGS_MARKET if self.at_market else LEGS_LIMIT

    def share(self, moved: int) -> int:
        """Lots of the new contract that stand for ``moved`` of the old one's, to the nearest, halves up."""
        return (2 * moved * self.far_total + self.total) // (2 * self.total) if self.total > 0 else 0

    def roll(self, desk: Desk) -> None:
        """One bar of a roll: a further share, a further rung, an order, or the end."""
        if self.is_late(desk):
            self.go_forced(desk)
            return
        if desk.date() != self.stage_day and self.stage < self.stages:
            if self.moved >= self.due_by(self.stage):  # a share that is late keeps its rung
                self.phase, self.rung_since = self.first_rung(desk), desk.now
            self.stage, self.stage_day = self.stage + 1, desk.date()
        if self.is_quiet():
            self.count_left(desk)
            if self.moved >= self.total:
                self.finish(desk)
                return
            if self.moved >= self.due_by(self.stage):
                self.phase = RESTING
                return
            self.place(desk, self.due_by(self.stage) - self.moved)
            return
        if self.phase < LEGS_MARKET and desk.now - self.rung_since > self.patience * 86_400e9:
            self.climb(desk, SPREAD_MARKET if self.phase == SPREAD_LIMIT else LEGS_MARKET)
        if self.ticket > 0:
            self.tend(desk)

    def due_by(self, stage: int) -> int:
        """Lots that should have moved once so many shares are due."""
        return self.total * stage // self.stages

    def is_late(self, desk: Desk) -> bool:
        """True when rolling has to end: nothing is wanted any more, or the deadline is near."""
        if self.lots == 0 or (self.lots > 0) != (self.side > 0) or not desk.is_listed(self.near):
            return True
        return min(self.days_left(desk, self.near), self.days_left(desk, self.far)) <= self.forced_days

    def is_quiet(self) -> bool:
        """True when no order of the machine works."""
        return self.ticket == 0 and not self.legs.is_busy()

    def climb(self, desk: Desk, rung: int) -> None:
        """Goes to a further rung; what works on this one is cancelled first."""
        self.phase, self.rung_since = rung, desk.now
        self.escalations += 1
        self.legs.stop()

    def count_left(self, desk: Desk) -> None:
        """Forgets lots that something else took out of the old contract: a liquidation."""
        left = max(0, self.side * (desk.position(self.near) + desk.on_target[self.near]))
        if self.moved + left < self.total:
            self.far_total = self.share(self.moved + left)
            self.total = self.moved + left

    def place(self, desk: Desk, due: int) -> None:
        """Orders what is due by the rung's means."""
        if self.phase <= SPREAD_MARKET:
            self.order_spread(desk, due)
            return
        self.legs.at_market = self.phase == LEGS_MARKET
        follows = max(0, self.share(self.moved + due) - self.far_moved)
        self.legs.start(desk, self.near, -self.side * due, self.far, self.side * follows)
        self.legs.work(desk)

    def order_spread(self, desk: Desk, lots: int) -> None:
        """One order of both legs, near against far."""
        price = self.spread_price(desk) if self.phase == SPREAD_LIMIT else 0.0
        if maths.is_nan(price):
            return
        if self.phase == SPREAD_LIMIT:
            self.ticket = desk.limit(self.near, -self.side * lots, price, against=self.far)
        else:
            self.ticket = desk.market(self.near, -self.side * lots, against=self.far)
        self.ticket_lots, self.ticket_price, self.ticket_seen, self.ticket_rung = lots, price, 0, self.phase
        self.rung_since = desk.now

    def spread_price(self, desk: Desk) -> float:
        """Near − far at the last prices, on the spread's tick; NaN when one is missing."""
        price = desk.price(self.near) - desk.price(self.far)
        if maths.is_nan(price):
            return nan
        return on_tick(price, desk.spread_tick_size[self.near], self.side < 0)

    def tend(self, desk: Desk) -> None:
        """Moves a working spread order to the prices of now, or takes it back when the rung is another one."""
        if self.phase != self.ticket_rung:
            desk.cancel(self.ticket)
        elif self.phase == SPREAD_LIMIT:
            price = self.spread_price(desk)
            if not maths.is_nan(price) and price != self.ticket_price:
                desk.amend(self.ticket, -self.side * self.ticket_lots, price)
                self.ticket_price = price

    def read(self, desk: Desk) -> None:
        """Takes in what has filled since the last bar."""
        if self.ticket > 0:
            lots = desk.filled(self.ticket) - self.ticket_seen
            self.ticket_seen += lots
            self.moved += lots
            self.far_moved += lots
            if lots > 0:
                self.rung_since = desk.now
            if not is_alive(desk, self.ticket):
                if desk.status(self.ticket) == REFUSED and self.phase < LEGS_LIMIT:
                    self.climb(desk, LEGS_LIMIT if self.phase == SPREAD_LIMIT else LEGS_MARKET)
                self.ticket = 0
            elif desk.ticket_count - self.ticket > TICKETS_LEFT:
                desk.cancel(self.ticket)
        if self.legs.is_busy() and not self.legs.work(desk):
            self.moved += self.legs.first_done()
            self.far_moved += self.legs.second_done()

    def finish(self, desk: Desk) -> None:
        """Everything has moved: the new contract is the one that is held."""
        if desk.position(self.near) != 0:
            self.go_forced(desk)
            return
        self.near, self.far, self.phase = self.far, -1, HOLDING
        self.rolls += 1

    # -- the deadline -----------------------------------------------------------------------------------------

    def go_forced(self, desk: Desk) -> None:
        """From here on only the market decides."""
        if not self.is_rolling():
            self.total, self.moved, self.far_moved = abs(desk.position(self.near)), 0, 0
            self.side = 1 if desk.position(self.near) > 0 else -1
            self.far_total = self.total
        self.phase = FORCED
        self.forced_lots += abs(desk.position(self.near))
        self.force(desk)

    def force(self, desk: Desk) -> None:
        """Closes the old contract at the market, and opens the new one as far as the old one is closed."""
        if self.ticket > 0:
            desk.cancel(self.ticket)
            return
        if self.legs.is_busy():
            if self.legs.phase != WITHDRAWING:
                self.legs.withdraw()
                self.legs.work(desk)
            if self.legs.is_busy():
                return
        have = desk.position(self.near)
        if have != 0 and self.last_late != self.near and self.days_left(desk, self.near) <= 0.0:
            self.last_late = self.near
            self.window_lots += abs(have)
        if have != 0 and not desk.is_listed(self.near):
            self.strand(desk)
            return
        if have != 0 or desk.working(self.near) != 0:
            desk.target(self.near, 0)
        if self.far >= 0:
            self.follow(desk, have)
        if have == 0 and desk.working(self.near) == 0:
            self.near, self.far = self.far, -1
            self.phase = HOLDING if self.near >= 0 else FLAT
            self.rolls += 1 if self.near >= 0 else 0

    def follow(self, desk: Desk, have: int) -> None:
        """Holds in the new contract what the old one has let go, and what is there already."""
        if self.lots == 0 or (have != 0 and (have > 0) != (self.lots > 0)):
            desk.target(self.far, 0)
        elif have == 0:
            desk.target(self.far, self.lots)
        else:
            gone = abs(self.lots) - abs(have) if self.is_same_product(desk) else self.share(max(0, self.total - abs(have)))
            there = max(gone, abs(desk.position(self.far)))
            desk.target(self.far, there if self.lots > 0 else -there)

    def strand(self, desk: Desk) -> None:
        """The contract trades no more: what is left in it settles."""
        if not self.into_settlement:
            self.stranded_lots += abs(desk.position(self.near))
        self.phase = SETTLING
        self.settle(desk)

    def settle(self, desk: Desk) -> None:
        """Waits for the final price; what stands in the new contract stays there, or replaces what has fixed to the end."""
        if self.into_settlement and self.far < 0 and desk.has_later(self.near, self.ahead):
            self.far = desk.later(self.near, self.ahead)
        if self.far >= 0 and (self.lots == 0 or self.into_settlement):
            desk.target(self.far, self.lots)
        if desk.position(self.near) == 0 and self.is_quiet():
            self.near, self.far = self.far, -1
            self.phase = HOLDING if self.near >= 0 else FLAT

    def show(self, desk: Desk) -> None:
        """Records where the roll stands; see docs/rolls-and-spreads.md."""
        desk.record("roll_phase", float(self.phase))
        desk.record("rolls", float(self.rolls))
        desk.record("forced_lots", float(self.forced_lots))
        desk.record("window_lots", float(self.window_lots))
        desk.record("stranded_lots", float(self.stranded_lots))
        self.legs.show(desk)
