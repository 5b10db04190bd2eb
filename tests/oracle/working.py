# SPDX-License-Identifier: Apache-2.0
"""The oracle's working orders: how they meet bars and marks, live, wake and cancel each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from kilohour.tape import Tape
from kilohour.units import MISSING
from tests.oracle.account import Account
from tests.oracle.books import MILLION, FillRules, TermsLike, nearest
from tests.oracle.events import Event
from tests.oracle.orders import Order, Sight, look
from tests.oracle.path import way_of

Room = dict[str, int | None]
"""Lots that are left of a group's volume by contract; None where it does not limit."""


class Chance(NamedTuple):
    """How an order would fill in a bar as things stand: ``units`` may be none although it has a place."""

    sight: Sight
    units: int
    own_price_there: int

    @property
    def fills(self) -> bool:
        return self.sight.place is not None and self.units > 0


class Working(Account):
    """Orders in the market and asleep."""

    def __init__(self, tape: Tape, terms: Mapping[str, TermsLike], cash_micros: int,
                 indices: Mapping[str, str] | None, rules: FillRules) -> None:
        super().__init__(tape, terms, cash_micros, indices)
        self.rules = rules
        self.orders: list[Order] = []
        self.unfinished: list[Order] = []
        self.tickets: dict[int, Order] = {}
        self.queue_numbers = 0

    # Before bars

    def begin_group(self, ts: int) -> None:
        """Good-till-dates that have passed."""
        if self.unfinished:
            self.end_all((order for order in self.alive() if order.tif == "gtd" and ts > order.until), "lapsed")

    # Bars

    def meet_bars(self, ts: int, bars: dict[str, Event]) -> None:
        room: Room = {}
        for code, bar in bars.items():
            book = self.books[code]
            book.value_price = book.last_price = bar.close
            book.had_bar = True
            book.bar_at = ts
            known = bar.volume != MISSING and self.contracts[code].product in self.all_terms
            book.room = bar.volume * self.terms(code).participation_ppm // MILLION if known else None
            room[code] = book.room
        # Decision: one pass over the queue as it stood before the bar. A child whose turn is over when its parent
        # fills (only a parent that was amended when the child was awake can be younger than it) looks with the next bar.
        for order in list(self.alive()):
            if self.can_look(ts, order, bars):
                self.take_turn(ts, order, bars, room)

    def can_look(self, ts: int, order: Order, legs: Mapping[str, Any]) -> bool:
        """Until the latency has passed nothing of the order sees a price: no trigger, no trailing level, and no "first
        look" of ioc, fok and post-only. A child that has filled all that its parent brought sleeps."""
        return order.kind != "at_settlement" and self.is_due(ts, order) and all(code in legs for code in order.ratios)

    def takes_orders(self, code: str) -> bool:
        """New orders are let in while it is open, before its opening, and in a halt where the venue does so."""
        state = self.books[code].session
        return state in ("open", "pre_open", "no_cancel") or (state == "halted" and bool(self.terms(code).order_in_halt))

    def takes_cancels(self, order: Order) -> bool:
        return all(self.books[code].session in ("open", "pre_open")
                   or (self.books[code].session == "halted" and bool(self.terms(code).cancel_in_halt)) for code in order.ratios)

    def is_due(self, ts: int, order: Order) -> bool:
        return (order.is_alive and order.units_left() > 0 and ts - order.since >= self.rules.latency_ns
                and order.woken_at != (ts, None) and all(self.books[code].session == "open" for code in order.ratios))

    def take_turn(self, ts: int, order: Order, bars: dict[str, Event], room: Room) -> None:
        chance = self.chance(ts, order, bars, room)
        sight = chance.sight
        if chance.fills and self.is_beaten(ts, order, sight, bars, room):
            # Not looked at means that not even its trailing level moves in this bar.
            return
        order.is_triggered, order.lowest, order.has_looked = sight.is_triggered, sight.lowest, True
        if sight.is_refused:
            order.code = "post_only"
            self.end_all([order], "refused")
            return
        if sight.place is not None:
            if self.is_stranded(order):
                # Cancelled where it would fill, whether or not there is volume, and before an ioc lapses.
                self.result.counts["reduce_only cancelled"] += 1
                self.end_all([order], "cancelled")
                return
            if chance.units:
                self.use(room, order, chance.units)
                prices, seen = self.leg_prices(order, bars, chance)
                self.fill(ts, order, chance.units, prices, seen, place=sight.place, is_maker=self.is_maker(order, bars))
        if order.tif in ("ioc", "fok") and order.is_alive:
            self.end_all([order], "lapsed")

    def chance(self, ts: int, order: Order, bars: dict[str, Event], room: Room) -> Chance:
        way = way_of(order.ratios, bars, self.rules.model)
        start = order.woken_at[1] or 0 if order.woken_at[0] == ts else 0
        sight = look(order, way, start, self.cost_of(order, bars))
        if sight.place is None:
            return Chance(sight, 0, 0)
        # An ioc's way is its first place alone and begins there with place 0.
        place = start if order.tif in ("ioc", "fok") else sight.place
        there = way.price_at(place)
        if order.post_only and len(order.ratios) == 1:
            there = sight.price  # a maker gives nothing up
        return Chance(sight._replace(place=place), self.units_now(order, room), there)

    def is_beaten(self, ts: int, order: Order, sight: Sight, bars: dict[str, Event], room: Room) -> bool:
        """Whether a younger order of its group would fill strictly before it.

        Would fill means a place and at least one unit of volume (and of position, when reduce-only) as
        things stand at the elder's turn; age is the place in the queue, so an amended order may be the younger.
        """
        assert sight.place is not None
        both = False
        for other in order.group:
            if other is not order and other.queued > order.queued and self.can_look(ts, other, bars):
                chance = self.chance(ts, other, bars, room)
                if chance.fills and chance.sight.place is not None:
                    both = True
                    if chance.sight.place < sight.place:
                        self.result.counts["tie: the younger comes first"] += 1
                        return True
        self.result.counts["tie: the older comes first"] += both
        return False

    def units_now(self, order: Order, room: Room) -> int:
        units = order.units_left()
        for code, ratio in order.ratios.items():
            lots = room[code]
            if lots is not None:
                units = min(units, lots // abs(ratio))
        if order.reduce_only:
            self.result.counts["reduce_only capped"] += self.reducible(order) < units
            units = min(units, self.reducible(order))
        return 0 if order.tif == "fok" and units < order.units_left() else units

    def reducible(self, order: Order) -> int:
        """Units after which some leg would grow or change its side."""
        return min(abs(self.books[code].position) // abs(ratio) if self.books[code].position * ratio < 0 else 0
                   for code, ratio in order.ratios.items())

    def is_stranded(self, order: Order) -> bool:
        """Reduce-only, with units left and nothing to reduce; a child that has used all it has waits for its parent."""
        return order.reduce_only and order.units_left() > 0 and self.reducible(order) == 0

    def use(self, room: Room, order: Order, units: int) -> None:
        for code, ratio in order.ratios.items():
            lots = room[code]
            room[code] = None if lots is None else lots - units * abs(ratio)

    def cost(self, code: str, price: int) -> int:
        terms = self.terms(code)
        slippage = self.rules.slippage_ticks * terms.tick_micros
        return terms.half_spread_micros + slippage + nearest(abs(price) * self.rules.slippage_ppm, MILLION)

    def cost_of(self, order: Order, bars: dict[str, Event]) -> Callable[[int], int]:
        if len(order.ratios) == 1:
            code, = order.ratios
            return lambda price: self.cost(code, price)
        whole = sum(abs(ratio) * self.cost(code, bars[code].open) for code, ratio in order.ratios.items())
        return lambda _price: whole

    def leg_prices(self, order: Order, bars: dict[str, Event], chance: Chance) -> tuple[dict[str, int], dict[str, int]]:
        """Prices by leg with cost, and without."""
        if len(order.ratios) == 1:
            (code, ratio), = order.ratios.items()
            return {code: chance.sight.price * ratio}, {code: chance.own_price_there * ratio}
        seen = {code: bars[code].open for code in order.ratios}
        prices = {code: seen[code] + (1 if ratio > 0 else -1) * self.cost(code, seen[code])
                  for code, ratio in order.ratios.items()}
        over = sum(ratio * prices[code] for code, ratio in order.ratios.items()) - chance.sight.price
        first, ratio = next(iter(order.ratios.items()))
        assert over % ratio == 0
        prices[first] -= over // ratio
        return prices, seen

    def is_maker(self, order: Order, bars: Mapping[str, Event]) -> bool:
        """An outright limit, also of a stop-limit, where the bar did not open at it or through it; post-only always."""
        if order.post_only:
            return True
        (code, ratio), *more = order.ratios.items()
        return not more and order.limit is not None and bars[code].open * ratio > order.limit

    # Marks

    def meet_marks(self, ts: int, marks: Mapping[str, int]) -> None:
        """Orders at settlement, after finals and expiries.

        Each takes up to its share of the last bar's volume for itself, at every mark anew, whatever orders
        in the bar or other orders at settlement took of it.
        """
        for order in list(self.alive()):
            if order.kind != "at_settlement" or not order.is_alive or not any(code in marks for code in order.ratios):
                continue
            units = self.units_now(order, {code: self.books[code].room for code in order.ratios})
            if self.is_due(ts, order) and units and all(code in marks for code in order.ratios):
                seen = {code: marks[code] for code in order.ratios}
                prices = {code: seen[code] + (1 if ratio > 0 else -1) * self.cost(code, seen[code])
                          for code, ratio in order.ratios.items()}
                self.fill(ts, order, units, prices, seen, place=None)
            if order.tif == "day" and order.is_alive:
                self.end_all([order], "lapsed")

    # What a fill does

    def fill(self, ts: int, order: Order, units: int, prices: Mapping[str, int], seen: Mapping[str, int],
             place: int | None, *, is_maker: bool = False) -> None:
        """``place`` is None at a mark."""
        for code, ratio in order.ratios.items():
            self.book_fill(ts, order.number, code, units * ratio, prices[code], seen[code], is_maker=is_maker)
        order.units_filled += units
        others = [other for other in order.group if other is not order and other.is_alive]
        for child in self.children_of(order):
            # Each fill of the parent wakes the child, also one that is awake: what it might have done earlier in this bar
            # is not looked at.
            if child not in others:
                child.arrived += units
                is_here = (place is not None and len(order.ratios) == 1 and list(child.ratios) == list(order.ratios)
                           and ts - child.since >= self.rules.latency_ns)
                self.result.counts["woken in the bar"] += is_here
                child.woken_at = (ts, place if is_here else None)
        for other in others:
            other.units_taken += units
            if other.is_spent():
                self.end_all([other], "cancelled")
        if order.is_spent():
            self.end_all([order], "filled")
        elif self.is_stranded(order):
            # What is left of a reduce-only order is cancelled as soon as its own fill has closed the position.
            self.result.counts["reduce_only cancelled"] += 1
            self.end_all([order], "cancelled")

    # How orders end

    def end_all(self, orders: Iterable[Order], status: str) -> None:
        """Oldest first: a child that never woke is cancelled with its parent, whatever else would have ended it then;
        one that has filled all that its parent could bring is filled; one with something left stands alone."""
        for order in sorted(orders, key=lambda its: its.queued):
            if not order.is_alive:
                continue
            order.status = status
            for child in self.children_of(order):
                child.parent, child.units = None, min(child.units, max(child.arrived, child.units_filled + child.units_taken))
                if child.is_spent():
                    child.status = "filled" if child.units_filled else "cancelled"

    def end_orders(self, code: str, status: str) -> None:
        """Orders with a leg on the contract; at a mark (``lapsed``) those of the day that do not fill at marks."""
        if self.unfinished:
            self.end_all((order for order in self.alive() if code in order.ratios and (
                status != "lapsed" or (order.tif == "day" and order.kind != "at_settlement"))), status)

    def children_of(self, order: Order) -> list[Order]:
        return [other for other in self.alive() if other.parent is order]

    # Small words

    def alive(self) -> list[Order]:
        """Working and asleep, oldest first; an order that was amended may be as old as its amendment."""
        if self.unfinished:
            self.unfinished = [order for order in self.unfinished if order.status == "working"]
        return self.unfinished

    def working(self) -> list[Order]:
        return [order for order in self.alive() if order.units_left()]

    def working_from(self, origin: str) -> list[Order]:
        return [order for order in self.working() if order.origin == origin]

    def lots_coming(self, origin: str, code: str) -> int:
        return sum(order.lots_left().get(code, 0) for order in self.working_from(origin))

    def queue(self, order: Order) -> None:
        """To the end of the queue."""
        self.queue_numbers += 1
        order.queued = self.queue_numbers
        self.unfinished = [*(other for other in self.unfinished if other is not order), order]
