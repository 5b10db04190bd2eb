# SPDX-License-Identifier: Apache-2.0
"""Stops, touches and trailing stops that the exchange holds until a trade reaches them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kilohour.execution.sandbox.instruments import Instrument
from kilohour.execution.sandbox.model import Order


@dataclass(slots=True)
class Waiting:
    """An order that sleeps: its level, and for a trailing stop the distance behind the best price since."""

    order: Order
    row: int
    level: int
    distance: int


class Triggers:
    """Sleeping orders by contract, oldest first."""

    def __init__(self) -> None:
        self._by_row: dict[int, dict[int, Waiting]] = {}

    def add(self, order: Order, instrument: Instrument, value: int, distance: int) -> None:
        """An order begins to wait; a trailing one from what the contract is worth now."""
        level = value - order.side * -distance if order.kind == "trailing_stop" else order.trigger or 0
        self._by_row.setdefault(instrument.row, {})[order.number] = Waiting(order, instrument.row, level, distance)

    def drop(self, order: Order) -> None:
        """An order waits no more."""
        for waiting in self._by_row.values():
            waiting.pop(order.number, None)

    def rename(self, old: Order, new: Order) -> None:
        """An order goes on under another id."""
        for waiting in self._by_row.values():
            if old.number in waiting:
                waiting[old.number].order = new

    def fired(self, lasts: Mapping[int, int | None]) -> list[Order]:
        """The orders that the last trades reach, oldest first; they wait no more."""
        found = []
        for row, last in lasts.items():
            for number, waiting in list(self._by_row.get(row, {}).items()):
                if last is not None and self._reached(waiting, last):
                    del self._by_row[row][number]
                    found.append(waiting.order)
        return sorted(found, key=lambda order: order.number)

    def _reached(self, waiting: Waiting, last: int) -> bool:
        side, kind = waiting.order.side, waiting.order.kind
        if kind == "trailing_stop":
            best = last + side * waiting.distance
            waiting.level = min(waiting.level, best) if side > 0 else max(waiting.level, best)
        rising = (side > 0) != (kind == "market_if_touched")
        return last >= waiting.level if rising else last <= waiting.level
