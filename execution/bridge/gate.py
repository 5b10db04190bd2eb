# SPDX-License-Identifier: Apache-2.0
"""From a strategy's requests to stock backtrader's orders, by the rules of docs/engine.md, "Orders", written once more.

The referee must not lean on the engine it judges: targets, baskets, refusals and the end of a day's orders are worked
out here from backtrader's own positions and orders, in plain Python.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from kilohour.errors import UsageError
from kilohour.execution.bridge.library import bt
from kilohour.kernels import records as r
from kilohour.session import Market
from kilohour.tape.schema import Kind

LOTS_MAX, LEGS_MAX, RATIO_MAX, ORDERS_MAX = 1_000_000, 8, 4, 256
NEVER = 2**63 - 1


@dataclass(slots=True)
class Working:
    """An order of one or more legs that backtrader works on: rows of contracts with signed lots, one backtrader order each."""

    is_target: bool
    ticket: int
    ends_at: int
    """Time after which a day order is over, :data:`NEVER` for others."""
    legs: list[tuple[int, int]]
    orders: list[Any]


class StockGate:
    """What works at backtrader, and what a new request makes of it."""

    def __init__(self, market: Market, feeds: dict[int, Any]) -> None:
        self.market, self.feeds = market, feeds
        self.player: Any = None
        self.working: list[Working] = []
        events = market.tape.events
        is_mark = events["kind"] == Kind.MARK
        self.marks = {row: events["ts"][is_mark & (events["ref"] == row)] for row in feeds}
        self._shown: set[int] = set()

    # -- what backtrader did ----------------------------------------------------------------------------------

    def see(self, desk: Any) -> None:
        """Forgets what is done, lapsed or delisted by now."""
        self.lapse(desk.now)
        for order in self.working:
            if not all(desk.listed[row] for row, _ in order.legs):
                self._end(order)
        self._sweep()

    def lapse(self, now: int) -> None:
        """Ends the day orders whose day is over."""
        self._sweep()
        for order in self.working:
            if order.ends_at <= now:
                self._end(order)
        self._sweep()

    def show(self, desk: Any) -> None:
        """Puts what works on the desk."""
        for row in sorted(self._shown):
            desk.on_target[row] = desk.on_order[row] = 0
        self._shown = set()
        for order in self.working:
            for row, lots in order.legs:
                self._shown.add(row)
                if order.is_target:
                    desk.on_target[row] += lots
                else:
                    desk.on_order[row] += lots

    def _end(self, order: Working) -> None:
        for each in order.orders:
            self.player.cancel(each)

    def _sweep(self) -> None:
        self.working = [order for order in self.working if any(each.alive() for each in order.orders)]

    # -- what the strategy wants ------------------------------------------------------------------------------

    def serve(self, desk: Any) -> None:
        """Serves the requests on the desk in their order."""
        at = 0
        while at < desk.request_count:
            kind, last = desk.request_kind[at], at + 1
            if kind == r.REQUEST_TARGET:
                while last < desk.request_count and self._same_basket(desk, at, last):
                    last += 1
                self._target(desk, {desk.request_contract[i]: desk.request_lots[i] for i in range(at, last)})
            elif kind == r.REQUEST_CANCEL:
                for order in self.working:
                    if not order.is_target and order.ticket == desk.request_ticket[at]:
                        self._end(order)
                self._sweep()
            elif kind in (r.REQUEST_MARKET, r.REQUEST_LIMIT):
                limit = round(desk.request_price[at] * 1e6) if kind == r.REQUEST_LIMIT else None
                self._submit(desk, [(desk.request_contract[at], desk.request_lots[at])], limit=limit,
                             is_day=desk.request_life[at] == r.DAY, ticket=desk.request_ticket[at])
            else:
                raise UsageError("certify: market and limit orders and targets are what both engines can express, "
                                 f"found a request of kind {kind}")
            at = last

    def _same_basket(self, desk: Any, at: int, last: int) -> bool:
        return bool(desk.request_kind[last] == r.REQUEST_TARGET and desk.request_basket[last] == desk.request_basket[at])

    def _held(self, row: int) -> int:
        return int(self.player.broker.getposition(self.feeds[row]).size) if row in self.feeds else 0

    def _on_target(self, row: int) -> int:
        return sum(lots for order in self.working if order.is_target for leg, lots in order.legs if leg == row)

    def _target(self, desk: Any, wanted: dict[int, int]) -> None:
        if all(self._held(row) + self._on_target(row) == lots for row, lots in wanted.items()):
            return
        for order in self.working:
            if order.is_target and any(row in wanted for row, _ in order.legs):
                self._end(order)
        self._sweep()
        legs = [(row, lots - self._held(row) - self._on_target(row)) for row, lots in sorted(wanted.items())]
        legs = [(row, lots) for row, lots in legs if lots]
        if not legs:
            return
        units = math.gcd(*(lots for _, lots in legs))
        if len(legs) == 1 or (len(legs) <= LEGS_MAX and max(abs(lots) for _, lots in legs) <= RATIO_MAX * units):
            self._submit(desk, legs)
        else:
            for leg in legs:
                self._submit(desk, [leg])

    def _submit(self, desk: Any, legs: list[tuple[int, int]], *, limit: int | None = None, is_day: bool = False, ticket: int = 0) -> None:
        if self._is_refused(desk, legs, limit):
            return
        datas = [self.feeds[row] for row, _ in legs]
        how = {"exectype": bt.Order.Market} if limit is None else {"exectype": bt.Order.Limit, "price": limit / 1e6}
        orders = [(self.player.buy if lots > 0 else self.player.sell)(data=data, size=abs(lots), legs=datas, **how)
                  for data, (_, lots) in zip(datas, legs, strict=True)]
        ends_at = min(self._next_mark(row, desk.now) for row, _ in legs) if is_day else NEVER
        self.working.append(Working(not ticket, ticket, ends_at, legs, orders))

    def _is_refused(self, desk: Any, legs: list[tuple[int, int]], limit: int | None) -> bool:
        if not all(desk.listed[row] and desk.seen_at[row] >= 0 and 0 < abs(lots) <= LOTS_MAX for row, lots in legs):
            return True
        off_tick = limit is not None and limit % int(self.market.terms[legs[0][0]]["tick"]) != 0
        return off_tick or len(self.working) == ORDERS_MAX

    def _next_mark(self, row: int, now: int) -> int:
        marks = self.marks[row]
        at = int(np.searchsorted(marks, now, side="right"))
        return int(marks[at]) if at < len(marks) else NEVER
