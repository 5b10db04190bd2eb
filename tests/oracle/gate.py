# SPDX-License-Identifier: Apache-2.0
"""The oracle's risk gate: what is accepted, and the code of what is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.oracle.books import MILLION, nearest
from tests.oracle.orders import Order
from tests.oracle.working import Working

WORKING_ORDERS_MOST = 256
LOTS_MOST = 10**6


@dataclass(slots=True)
class Ties:
    """Tickets to which a requested order is tied."""

    parent: int | None = None
    group: set[int] = field(default_factory=set)
    """Tickets of the orders that cancel each other, this one among them."""


class Gate(Working):
    """Numbers orders, refuses or queues them."""

    def gate(self, order: Order, ties: Ties | None = None) -> None:
        ties = ties or Ties()
        others = [self.tickets[ticket] for ticket in sorted(ties.group) if ticket in self.tickets]
        parent = self.tickets.get(ties.parent) if ties.parent is not None else None
        is_tied_well = (all(other.status != "refused" for other in others)
                        and (ties.parent is None or self.may_trigger(parent)))
        order.code = self.refusal(order, has_parent=ties.parent is not None, is_tied_well=is_tied_well, is_grouped=bool(ties.group))
        alive = [other for other in others if other.is_alive]
        if order.code:
            order.status = "refused"
            self.orders.append(order)
            self.end_all([*alive, *([parent] if parent is not None else [])], "cancelled")
            return
        order.parent = parent
        group = [*alive, order]
        for member in group if alive else []:
            member.group = group
        self.accept(order)

    def may_trigger(self, parent: Order | None) -> bool:
        return parent is not None and parent.is_alive and parent.parent is None

    def refusal(self, order: Order, *, has_parent: bool = False, is_tied_well: bool = True, is_grouped: bool = False,
                instead_of: Order | None = None) -> str:
        """The first failure in the page's order, each rule asked of all legs before the next rule."""
        has_parent = has_parent or order.parent is not None
        lots = order.lots()
        if not all(self.is_tradable(code) for code in lots):
            return "not_listed"
        if not all(self.takes_orders(code) for code in lots) or (instead_of is not None and not self.takes_cancels(order)):
            return "session"
        if not all(self.books[code].had_bar for code in lots):
            return "no_price"
        if any(leg == 0 or abs(leg) > LOTS_MOST for leg in lots.values()):
            return "size"
        if self.is_off_tick(order):
            return "tick"
        if self.is_below_minimum(order):
            return "price"
        if self.is_beyond_band(order):
            return "band"
        if self.is_odd(order, is_tied=has_parent or is_grouped):
            return "life"
        if not is_tied_well:
            return "group"
        # Larger than what is held may be reduce-only; it is capped when it fills. Working orders do not count.
        if order.reduce_only and not has_parent and not all(self.books[code].position * leg < 0
                                                            for code, leg in lots.items()):
            return "reduce_only"
        if instead_of is None and len(self.alive()) >= WORKING_ORDERS_MOST:
            return "capacity"
        if order.reduce_only:
            return ""
        left = order.units - order.units_filled - order.units_taken
        return "margin" if self.is_too_much({code: ratio * left for code, ratio in order.ratios.items()}, instead_of) else ""

    def is_below_minimum(self, order: Order) -> bool:
        """Prices of an outright that it still looks at, as a trader names them."""
        (code, ratio), *more = order.ratios.items()
        kind, prices = order.works_as(), []
        if kind in ("limit", "stop_limit"):
            prices.append(order.limit)
        if kind in ("stop", "stop_limit", "market_if_touched"):
            prices.append(order.trigger)
        return not more and any(price is not None and price * ratio < self.terms(code).price_minimum for price in prices)

    def is_beyond_band(self, order: Order) -> bool:
        """Asked of outright limits; where the venue lets them wait at the band, those that would trade beyond it are moved there."""
        (code, ratio), *more = order.ratios.items()
        terms, book = self.terms(code), self.books[code]
        if more or order.limit is None or not terms.band_ppm or order.works_as() not in ("limit", "stop_limit"):
            return False
        prior = book.marked[2] if book.marked else book.value_price
        assert prior is not None
        prior *= ratio
        width = nearest(abs(prior) * terms.band_ppm, MILLION)
        if abs(order.limit - prior) <= width:
            return False
        if terms.band_queues and order.limit > prior:
            order.limit = (prior + width) // terms.tick_micros * terms.tick_micros
        return not terms.band_queues

    def is_off_tick(self, order: Order) -> bool:
        """Prices that the order still looks at, on the tick of its first leg (its spread tick, of several legs); a distance is
        above zero."""
        kind, terms = order.works_as(), self.terms(next(iter(order.ratios)))
        tick = terms.tick_micros if len(order.ratios) == 1 or terms.spread_tick_micros is None else terms.spread_tick_micros
        if kind in ("limit", "stop_limit") and order.limit is not None and order.limit % tick:
            return True
        if kind == "trailing_stop" and order.trigger <= 0:
            return True
        return kind not in ("market", "limit", "at_settlement") and order.trigger % tick != 0

    def is_odd(self, order: Order, *, is_tied: bool) -> bool:
        """A life or a flag that the kind does not have."""
        is_immediate, kind = order.tif in ("ioc", "fok"), order.works_as()
        if is_immediate and (is_tied or kind not in ("market", "limit")):
            return True
        return (order.post_only and (kind != "limit" or is_immediate)) or (kind == "at_settlement" and order.tif == "gtd")

    def is_too_much(self, lots: Mapping[str, int], instead_of: Order | None) -> bool:
        before = self.held()
        for other in self.working():
            if other is not instead_of:
                for code, left in other.lots_left().items():
                    before[code] = before.get(code, 0) + left
        after = {code: before.get(code, 0) + lots.get(code, 0) for code in {**before, **lots}}
        only_reduces = all(abs(after[code]) < abs(before.get(code, 0)) and after[code] * before.get(code, 0) >= 0
                           for code in lots)
        return not only_reduces and self.requirement_of(after, initial=True) > self.equity()

    # Small words

    def new_order(self, ts: int, ratios: dict[str, int], units: int, **fields: Any) -> Order:
        """Numbers count from 1 as orders are made in phases 5 and 7, refused ones and refused amendments included."""
        return Order(len(self.orders) + 1, ts, ratios, units, asked=units, since=ts, **fields)

    def accept(self, order: Order) -> None:
        self.queue(order)
        self.orders.append(order)
