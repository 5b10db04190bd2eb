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
from kilohour.execution.bridge.extra import bt
from kilohour.kernels import records as r
from kilohour.market import Market
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
    end: int = int(r.CANCELLED)
    """What it says when it ends without a fill."""


EXECTYPES = {r.MARKET: bt.Order.Market, r.LIMIT: bt.Order.Limit, r.STOP: bt.Order.Stop}
"""Kinds of order that fill in both engines by the same rule."""


def is_plain(desk: Any, at: int) -> bool:
    """True for an order that stock backtrader has too."""
    return bool(desk.request_order[at] in EXECTYPES and desk.request_life[at] in (r.GTC, r.DAY) and desk.request_flags[at] == 0
                and desk.request_against[at] < 0 and desk.request_parent[at] == 0 and desk.request_group[at] == 0)


class StockGate:
    """What works at backtrader, and what a new request makes of it."""

    def __init__(self, market: Market, desk: Any, feeds: dict[int, Any], stop_feeds: dict[int, Any]) -> None:
        self.market, self.desk, self.feeds, self.stop_feeds = market, desk, feeds, stop_feeds
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
                self._end(order, r.EXPIRED)
        self._sweep()

    def lapse(self, now: int) -> None:
        """Ends the day orders whose day is over."""
        self._sweep()
        for order in self.working:
            if order.ends_at <= now:
                self._end(order, r.LAPSED)
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

    def _end(self, order: Working, status: Any = r.CANCELLED) -> None:
        order.end = int(status)
        for each in order.orders:
            self.player.cancel(each)

    def _sweep(self) -> None:
        for order in self.working:
            if order.ticket and not order.orders[0].alive():
                is_filled = order.orders[0].status == bt.Order.Completed
                done = order.orders[0].executed
                self._note(order.ticket, int(r.FILLED) if is_filled else order.end, int(done.size), round(done.size * done.price * 1e6))
        self.working = [order for order in self.working if any(each.alive() for each in order.orders)]

    def _note(self, ticket: int, status: int, filled: int = 0, spent: int = 0) -> None:
        """What the desk says of a ticket."""
        at = ticket % r.TICKETS
        self.desk.ticket_status[at], self.desk.ticket_filled[at], self.desk.ticket_value[at] = status, abs(filled), spent

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
            elif kind == r.REQUEST_ORDER and is_plain(desk, at):
                self._submit(desk, [(desk.request_contract[at], desk.request_lots[at])], kind=EXECTYPES[desk.request_order[at]],
                             price=round(desk.request_price[at] * 1e6), is_day=desk.request_life[at] == r.DAY,
                             ticket=desk.request_ticket[at])
            else:
                raise UsageError("certify: both engines have targets, and market, limit and stop orders on one contract, good till "
                                 "cancelled or for the day, not tied, not amended; the strategy asks for more")
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

    def _submit(self, desk: Any, legs: list[tuple[int, int]], *, kind: int = bt.Order.Market, price: int = 0, is_day: bool = False,
                ticket: int = 0) -> None:  # fmt: skip
        refused = self._is_refused(desk, legs, price)
        if ticket:
            self._note(ticket, int(r.REFUSED if refused else r.WORKING))
        if refused:
            return
        datas = [(self.stop_feeds if kind == bt.Order.Stop else self.feeds)[row] for row, _ in legs]
        how = {"exectype": kind} | ({} if kind == bt.Order.Market else {"price": price / 1e6})
        orders = [(self.player.buy if lots > 0 else self.player.sell)(data=data, size=abs(lots), legs=datas, **how)
                  for data, (_, lots) in zip(datas, legs, strict=True)]
        ends_at = min(self._next_mark(row, desk.now) for row, _ in legs) if is_day else NEVER
        self.working.append(Working(not ticket, ticket, ends_at, legs, orders))

    def _is_refused(self, desk: Any, legs: list[tuple[int, int]], price: int) -> bool:
        if not all(desk.listed[row] and desk.seen_at[row] >= 0 and 0 < abs(lots) <= LOTS_MAX for row, lots in legs):
            return True
        return price % int(self.market.terms[legs[0][0]]["tick"]) != 0 or len(self.working) == ORDERS_MAX

    def _next_mark(self, row: int, now: int) -> int:
        marks = self.marks[row]
        at = int(np.searchsorted(marks, now, side="right"))
        return int(marks[at]) if at < len(marks) else NEVER
