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
    """Of the units that the parent has filled, those that have reached this child."""
    group: list[Order] = field(default_factory=list)
    """Orders that cancel each other, this one among them."""
    queued: int = 0
    has_looked: bool = False
    is_triggered: bool = False
    lowest: int = 0
    """The lowest own price that a trailing stop has seen."""
    woken_at: tuple[int, int] = (-1, 0)
    """Time of the bar in which it was last woken, and the place."""

    @property
    def is_alive(self) -> bool:
        return self.status == "working"

    @property
    def is_asleep(self) -> bool:
        return self.parent is not None and self.arrived == 0

    def sign(self) -> int:
        """The side of the first leg, in whose direction a trader names lots and prices."""
        return 1 if next(iter(self.ratios.values())) > 0 else -1

    def units_left(self) -> int:
        """Units that could fill now."""
        most = self.units if self.parent is None else min(self.units, self.arrived)
        return max(most - self.units_filled - self.units_taken, 0)

    def is_spent(self) -> bool:
        """Nothing is left, nor will a parent bring any more."""
        most = self.units
        if self.parent is not None and not self.parent.is_alive:
            most = min(most, self.parent.units_filled)
        return most - self.units_filled - self.units_taken <= 0

    def lots(self) -> dict[str, int]:
        """Signed lots by contract, as ordered."""
        return {contract: ratio * self.units for contract, ratio in self.ratios.items()}

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

    Decision: a stop, a trailing stop and an order if touched have no memory of having been triggered: what the
    volume did not let fill waits for the next place with such a price. Only a stop-limit "becomes" something.
    """
    here, sight = way.price_at(start), Sight(is_triggered=order.is_triggered, lowest=order.lowest)
    place: int | None = start
    if order.tif in ("ioc", "fok"):
        way, start, place = way.only(start), 0, 0
    if order.kind == "stop":
        place = way.first_at_least(start, order.trigger)
    elif order.kind == "market_if_touched":
        place = way.first_at_most(start, order.trigger)
    elif order.kind == "trailing_stop":
        place, lowest = way.trailed(start, order.lowest, order.trigger)
        sight = sight._replace(lowest=lowest)
    elif order.kind == "limit":
        return look_at_limit(order, way, start, cost, sight)
    elif order.kind == "stop_limit":
        if not order.is_triggered:
            place = way.first_at_least(start, order.trigger)
        if place is None:
            return sight
        return look_at_limit(order, way, place, cost, sight._replace(is_triggered=True))
    else:
        assert order.kind == "market", order.kind
    if place is None:
        return sight
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
        # Decision: between the limit less cost and the limit it rests, and any step behind the first place that is
        # below the limit fills it, also when the price was below already.
        return sight._replace(place=way.first_below(start, limit), price=limit)
    # Decision: one that rests already fills at its limit also where a bar opens beyond it: it is the maker.
    return sight._replace(place=start if here < limit else way.first_below(start, limit), price=limit)
