# SPDX-License-Identifier: Apache-2.0
"""The oracle's risk gate: what is accepted, and the code of what is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.oracle.orders import Order
from tests.oracle.working import Working

WORKING_ORDERS_MOST = 256
LOTS_MOST = 10**6


@dataclass(slots=True)
class Ties:
    """Tickets to which a requested order is tied."""

    parent: int | None = None
    others: list[int] = field(default_factory=list)


class Gate(Working):
    """Numbers orders, refuses or queues them."""

    def gate(self, order: Order, ties: Ties | None = None) -> None:
        ties = ties or Ties()
        others = [self.tickets[ticket] for ticket in ties.others if ticket in self.tickets]
        order.parent = self.tickets.get(ties.parent) if ties.parent is not None else None
        is_tied_well = (len(others) == len(ties.others) and all(self.may_cancel(order, other) for other in others)
                        and (ties.parent is None or self.may_trigger(order.parent)))
        order.code = self.refusal(order, has_parent=ties.parent is not None, is_tied_well=is_tied_well)
        if order.code:
            order.status, order.parent = "refused", None
            self.orders.append(order)
            return
        members = [member for other in others for member in other.group or [other]]
        if members:
            group = [*dict.fromkeys([*members, order])]
            for member in group:
                member.group = group
        self.accept(order)

    def may_cancel(self, order: Order, other: Order) -> bool:
        """Decision: only children of one parent may be tied to a child (that is a bracket's tie)."""
        return other.is_alive and (other.parent is None or other.parent is order.parent)

    def may_trigger(self, parent: Order | None) -> bool:
        return parent is not None and parent.is_alive and parent.parent is None

    def refusal(self, order: Order, *, has_parent: bool = False, is_tied_well: bool = True,
                instead_of: Order | None = None) -> str:
        """The first failure in the page's order, each rule asked of all legs before the next rule."""
        has_parent = has_parent or order.parent is not None
        lots, prices = order.lots(), [] if order.limit is None else [order.limit]
        if not all(self.is_tradable(code) for code in lots):
            return "not_listed"
        if not all(self.books[code].had_bar for code in lots):
            return "no_price"
        if any(leg == 0 or abs(leg) > LOTS_MOST for leg in lots.values()):
            return "size"
        # Decision: literally a limit; a trigger and a distance may be off the tick. A spread's limit is a multiple of
        # the tick of each of its legs.
        if any(price % self.terms(code).tick_micros for price in prices for code in lots):
            return "tick"
        if self.is_odd(order, has_parent=has_parent):
            return "life"
        if not is_tied_well:
            return "group"
        # Decision: larger than what is held may be reduce-only; it is capped when it fills. Working orders do not count.
        if order.reduce_only and not has_parent and not all(self.books[code].position * leg < 0
                                                            for code, leg in lots.items()):
            return "reduce_only"
        if instead_of is None and len(self.alive()) >= WORKING_ORDERS_MOST:
            return "capacity"
        if has_parent and order.reduce_only and order.arrived == 0:
            return ""
        left = order.units - order.units_filled - order.units_taken
        return "margin" if self.is_too_much({code: ratio * left for code, ratio in order.ratios.items()}, instead_of) else ""

    def is_odd(self, order: Order, *, has_parent: bool) -> bool:
        """A life or a flag that the kind does not have."""
        if order.tif in ("ioc", "fok") and (has_parent or order.kind not in ("market", "limit")):
            return True
        return order.post_only and order.kind != "limit"

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
        """Decision: numbers count from 1 as orders are made in phases 5 and 7, refused ones included."""
        return Order(len(self.orders) + 1, ts, ratios, units, **fields)

    def accept(self, order: Order) -> None:
        self.queue(order)
        self.orders.append(order)
        self.unfinished.append(order)
