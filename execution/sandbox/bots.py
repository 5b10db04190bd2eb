# SPDX-License-Identifier: Apache-2.0
"""Somebody to trade with: bots that quote around what contracts are worth, and bots that take. Everything is drawn from a seed.

They know the fair curve and nothing else, and stand in the books as two accounts under the same rules as any other, except that
the risk gate does not ask them. A bot's quote is renewed, not defended: whoever is faster than the bots only meets the next quote.
"""

from __future__ import annotations

import numpy as np

from kilohour.execution.sandbox.exchange import BOTS, MAKERS, TAKERS, BookExchange
from kilohour.execution.sandbox.instruments import Instrument
from kilohour.execution.sandbox.model import NewOrder, Order, Session
from kilohour.units import NANOS_PER_SECOND

LEVELS = 5
"""Price levels a bot quotes on each side."""
LOTS, LOT_UNITS = 20, 730
"""Most lots of a quote, of so many units; as many more of smaller ones."""
TAKES = 0.3
"""Share of actions that take instead of quoting."""
ACTIONS_MOST = 200
"""Actions in one call, however long ago the last one was."""
HISTORY_MINUTES = 240
WARM_UP_CONTRACTS = 3


class Bots:
    """``rate``: actions in a second of the exchange's clock, over all contracts."""

    def __init__(self, exchange: BookExchange, seed: int, rate: float = 20.0) -> None:
        self.exchange, self.rate = exchange, rate
        self._random = np.random.default_rng([seed, 1])
        self._quotes: dict[int, list[Order]] = {}
        self._acted = exchange.now
        self._owed = 0.0

    def open(self) -> None:
        """Everything listed gets its first quotes and a history of candles, so that a client that asks for bars finds some."""
        for each in self._listed():
            self._remember(each)
            self.quote(each)
        self.exchange.take_changes()

    def warm_up(self) -> None:
        """One of everything before the first client comes: quotes renewed, a trade, an order asked of the gate.

        What is called for the first time is loaded or compiled then, which takes tens of milliseconds.
        """
        listed = [each for each in self._listed() if self.exchange.session(each) is Session.OPEN]
        people = [name for name in self.exchange.accounts if name not in BOTS]
        for each in listed[:WARM_UP_CONTRACTS]:
            self.quote(each)
            self.take(each)
            for name in people[:1]:
                self.exchange.ledger.ask(name, NewOrder(symbol=each.symbol, side=1, lots=1, price=each.tick), each)
        self.exchange.take_changes()

    def act(self) -> int:
        """What the bots do since the last call; how much."""
        now = self.exchange.now
        self._owed += (now - self._acted) / NANOS_PER_SECOND * self.rate
        self._acted = now
        count = min(int(self._owed), ACTIONS_MOST)
        self._owed -= int(self._owed)
        listed = [each for each in self._listed() if self.exchange.session(each).takes_orders] if count else []
        if not listed:
            return count
        weights = np.array([1.0 / (1 + place % 36) for place in range(len(listed))])  # the first months of a product trade most
        shares = (weights / weights.sum()).cumsum()
        shares /= shares[-1]
        for _ in range(count):  # drawn as Generator.choice does, which would work out the same shares for each
            each = listed[int(shares.searchsorted(self._random.random(), side="right"))]
            if self._random.random() < TAKES and self.exchange.session(each) is Session.OPEN:
                self.take(each)
            else:
                self.quote(each)
        return count

    def quote(self, each: Instrument) -> None:
        """Renews the quotes in one contract."""
        exchange, tick = self.exchange, each.tick
        fair = exchange.curve.at(each.row, exchange.now)
        wanted: dict[tuple[int, int], int] = {}
        if fair is not None:
            half = max(each.terms.half_spread_micros, tick) + tick * int(self._random.integers(0, 2))
            for level, lots in enumerate(self._random.integers(1, LOTS + 1, LEVELS).tolist()):
                for side in (1, -1):
                    wanted[side, round((fair - side * (half + level * tick)) / tick) * tick] = lots * (level + 1) * size_of(each)
        kept = []
        for old in self._quotes.pop(each.row, []):
            if old.state.is_open and wanted.pop((old.side, old.price or 0), None) is not None:
                kept.append(old)
            elif old.state.is_open:
                exchange.cancel(old)
        for (side, price), lots in wanted.items():
            kept.append(exchange.place(MAKERS, NewOrder(symbol=each.symbol, side=side, lots=lots, price=price)))
        self._quotes[each.row] = kept

    def take(self, each: Instrument) -> None:
        """Somebody is in a hurry: a few lots at the market, either way."""
        exchange = self.exchange
        side = 1 if self._random.random() < 0.5 else -1
        best = exchange.books.best(each.row, -side)
        fair = exchange.curve.at(each.row, exchange.now)
        if best is None or fair is None:
            return
        lots = int(self._random.integers(1, LOTS // 2 + 1)) * size_of(each)
        limit = best + side * each.tick
        exchange.place(TAKERS, NewOrder(symbol=each.symbol, side=side, lots=lots, price=limit, life="IOC"))

    def _remember(self, each: Instrument) -> None:
        exchange, minute, tick, size = self.exchange, 60 * NANOS_PER_SECOND, each.tick, size_of(each)
        first = exchange.now - exchange.now % minute - HISTORY_MINUTES * minute
        ends = exchange.curve.at(each.row, first)
        for k in range(HISTORY_MINUTES):
            begins, ends = ends, exchange.curve.at(each.row, first + (k + 1) * minute)
            if begins is None or ends is None:
                continue
            open, close = round(begins / tick) * tick, round(ends / tick) * tick
            lots = int(self._random.integers(1, LOTS)) * size
            exchange.candles.see(each.symbol, first + k * minute, open, max(open, close), min(open, close), close, lots)

    def _listed(self) -> list[Instrument]:
        return [each for each in self.exchange.listing.outrights if self.exchange.is_shown(each)]


def size_of(each: Instrument) -> int:
    """Lots that are about as much as a lot of :data:`LOT_UNITS` units."""
    return max(LOT_UNITS * each.terms.lot_den // each.terms.lot_num, 1)
