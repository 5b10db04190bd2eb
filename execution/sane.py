# SPDX-License-Identifier: Apache-2.0
"""Which bars of a live feed are taken for prices: one bad tick must not move what a collar is measured from."""

from __future__ import annotations

from kilohour.live import Event
from kilohour.tape.schema import Kind

JUMP = 2
"""A bar that reaches beyond so many times the last close, or below its part, waits until the next one confirms it."""


class Sane:
    """Bars by contract, in their order. What is no bar passes."""

    def __init__(self) -> None:
        self._last: dict[int, int] = {}
        self._doubted: dict[int, int] = {}

    def taken(self, events: list[Event]) -> list[Event]:
        """Those of a timestamp that may be shown to a strategy."""
        return [event for event in events if event.kind != Kind.BAR or self._takes(event)]

    def _takes(self, bar: Event) -> bool:
        if not 0 < bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high:
            return False
        known = [price for price in (self._last.get(bar.ref), self._doubted.pop(bar.ref, None)) if price is not None]
        if known and not any(bar.high <= JUMP * price and JUMP * bar.low >= price for price in known):
            self._doubted[bar.ref] = bar.close
            return False
        self._last[bar.ref] = bar.close
        return True
