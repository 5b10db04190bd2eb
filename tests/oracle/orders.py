# SPDX-License-Identifier: Apache-2.0
"""An order, and where on a way it would fill.

Every order is a buyer of its own price, the sum of ratio x price over its legs: a seller of one contract buys at
negative prices. So there is one rule for each kind, and none for its mirror.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.oracle.path import Way


@dataclass(slots=True, eq=False)
class Order:
    """Legs (contract to whole ratio) times units; all legs fill together or not at all.

    ``limit`` and ``trigger`` are prices of the whole order, as its buyer sees them.
    """

    number: int
    ts: int
    ratios: dict[str, int]
    units: int
    """Size as it was last asked for, what has filled and what a tied order took included."""
    asked: int = 0
    """The size alone, as it was last asked for."""
    since: int = 0
    """When it was accepted or last amended: its latency counts from there."""
    kind: str = "market"
    limit: int | None = None
    trigger: int = 0
    """The stop's or the touched price; a trailing stop's distance."""
    tif: str = "gtc"
    until: int = 0
    post_only: bool = False
    reduce_only: bool = False
    origin: str = "order"
    status: str = "working"
    code: str = ""
    units_filled: int = 0
    units_taken: int = 0
    """Taken by fills of the orders that cancel this one."""
    parent: Order | None = None
    arrived: int = 0
    """Units that the parent has filled."""
    group: list[Order] = field(default_factory=list)
    """Orders that cancel each other, this one among them."""
    queued: int = 0
    has_looked: bool = False
    is_triggered: bool = False
    lowest: int = 0
    """The lowest own price that a trailing stop has seen."""
    woken_at: tuple[int, int | None] = (-1, 0)
    """Time of the group in which it was last woken, and the place in the bar; None when it waits for the next bar."""

    @property
    def is_alive(self) -> bool:
        return self.status == "working"

    def sign(self) -> int:
        """The side of the first leg, in whose direction a trader names lots and prices."""
        return 1 if next(iter(self.ratios.values())) > 0 else -1

    def units_left(self) -> int:
        """Units that could fill now."""
        most = self.units if self.parent is None else min(self.units, self.arrived)
        return max(most - self.units_filled - self.units_taken, 0)

    def is_spent(self) -> bool:
        """Nothing is left, nor will a parent bring any more."""
        return self.units - self.units_filled - self.units_taken <= 0

    def works_as(self) -> str:
        """Its kind, or what it has become: a stop-limit a limit order, what else is triggered a market order."""
        return self.kind if not self.is_triggered else "limit" if self.kind == "stop_limit" else "market"

    def lots(self) -> dict[str, int]:
        """Signed lots by contract, as ordered."""
        return {contract: ratio * self.asked for contract, ratio in self.ratios.items()}

    def lots_left(self) -> dict[str, int]:
        """Signed lots by contract that work in the market; none while it sleeps."""
        return {contract: ratio * self.units_left() for contract, ratio in self.ratios.items()}


class Sight(NamedTuple):
    """What an order made of a way: where it would fill and at what own price, and what it has become."""

    place: int | None = None
    price: int = 0
    is_triggered: bool = False
    lowest: int = 0
    is_refused: bool = False


def look(order: Order, way: Way, start: int, cost: Callable[[int], int]) -> Sight:
    """The page's table, row by row; ``cost`` of taking liquidity by own price.

    Once triggered, always triggered.
    """
    sight = Sight(is_triggered=order.is_triggered, lowest=order.lowest)
    place: int | None = start
    if order.tif in ("ioc", "fok"):
        way, start, place = way.only(start), 0, 0
    kind = order.works_as()
    if kind in ("stop", "stop_limit"):
        place = way.first_at_least(start, order.trigger)
    elif kind == "market_if_touched":
        place = way.first_at_most(start, order.trigger)
    elif kind == "trailing_stop":
        place, lowest = way.trailed(start, order.lowest, order.trigger)
        sight = sight._replace(lowest=lowest)
    if place is None:
        return sight
    sight = sight._replace(is_triggered=order.is_triggered or kind not in ("market", "limit"))
    if kind in ("limit", "stop_limit"):
        return look_at_limit(order, way, place, cost, sight)
    here = way.price_at(place)
    return sight._replace(place=place, price=here + cost(here))


def look_at_limit(order: Order, way: Way, start: int, cost: Callable[[int], int], sight: Sight) -> Sight:
    """A limit order that looks from ``start``."""
    limit, here = order.limit, way.price_at(start)
    assert limit is not None
    if not order.post_only:
        if here <= limit:
            return sight._replace(place=start, price=min(here + cost(here), limit))
        return sight._replace(place=way.first_below(start, limit), price=limit)
    if not order.has_looked:
        if here + cost(here) <= limit:
            return sight._replace(is_refused=True)
        # Between the limit less cost and the limit it rests, and any step behind the first place that is below the
        # limit fills it, also when the price was below already.
        return sight._replace(place=way.first_below(start, limit), price=limit)
    # One that rests already fills at its limit also where a bar opens beyond it: it is the maker.
    return sight._replace(place=start if here < limit else way.first_below(start, limit), price=limit)
