# SPDX-License-Identifier: Apache-2.0
"""Stops, touches and trailing stops that the exchange holds until a trade reaches them."""

from __future__ import annotations

from collections.abc import Mapping

from kilohour.execution.sandbox.instruments import Instrument
from kilohour.execution.sandbox.model import NewOrder, Order, Reason


class Triggers:
    """Sleeping orders by contract, oldest first."""

    def __init__(self) -> None:
        self._by_row: dict[int, dict[int, Order]] = {}

    def add(self, order: Order, instrument: Instrument, value: int) -> None:
        """An order begins to wait; a trailing one from what the contract is worth now."""
        if order.kind == "trailing_stop":
            order.trigger = value + order.side * _distance(order, value)
        self._by_row.setdefault(instrument.row, {})[order.number] = order

    def drop(self, order: Order) -> None:
        """An order waits no more."""
        for waiting in self._by_row.values():
            waiting.pop(order.number, None)

    def rename(self, old: Order, new: Order) -> None:
        """An order goes on under another id."""
        for waiting in self._by_row.values():
            if old.number in waiting:
                waiting[old.number] = new

    def fired(self, lasts: Mapping[int, int | None]) -> list[Order]:
        """The orders that the last trades reach, oldest first; they wait no more."""
        found = []
        for row, last in lasts.items():
            for number, order in list(self._by_row.get(row, {}).items()):
                if last is not None and _reached(order, last):
                    del self._by_row[row][number]
                    found.append(order)
        return sorted(found, key=lambda order: order.number)


def refusal(new: NewOrder, instrument: Instrument, band: tuple[int, int] | None) -> Reason | None:
    """What is wrong with the levels and limits that the engine's gate does not know: a touch's limit, and a stop's second level."""
    if new.touch is not None and new.kind not in ("stop", "stop_limit"):
        return Reason.ORDER_TYPE
    limits = [price for price in (new.touch_price, new.price if new.kind == "market_if_touched" else None) if price is not None]
    if any(price % instrument.tick for price in (*limits, new.touch or 0)):
        return Reason.TICK
    return Reason.BAND if band is not None and any(not band[0] <= price <= band[1] for price in limits) else None


def _distance(order: Order, best: int) -> int:
    """Of a trailing stop from the best price."""
    assert order.condition is not None, "a sleeping order remembers its command"
    ppm = order.condition.distance_ppm
    return abs(best) * ppm // 1_000_000 if ppm else order.condition.distance or 0


def _reached(order: Order, last: int) -> bool:
    """True when a trade at ``last`` wakes an order; at its second level, the order takes that one's limit."""
    side, new = order.side, order.condition
    assert new is not None, "a sleeping order remembers its command"
    if new.touch is not None and (last <= new.touch if side > 0 else last >= new.touch):
        order.trigger, order.price = new.touch, new.touch_price
        return True
    level = order.trigger or 0
    if order.kind == "trailing_stop":
        best = last + side * _distance(order, last)
        order.trigger = level = min(level, best) if side > 0 else max(level, best)
    rising = (side > 0) != (order.kind == "market_if_touched")
    return last >= level if rising else last <= level
