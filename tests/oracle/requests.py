# SPDX-License-Identifier: Apache-2.0
"""Phase 7 of the oracle: targets, orders, ties and amendments."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tests.oracle.gate import Ties
from tests.oracle.limits import RiskDesk
from tests.oracle.orders import Order

Action = tuple[Any, ...]
"""A verb and its arguments, prices in micros, lives by their words. Targets: ("target", contract, lots),
("target_spread", near, far, lots), ("target_only", near, far, lots), ("flat", product), ("close_outside", first, last).

Orders: ("market", contract, lots, life), ("limit", contract, lots, price, life), ("stop", contract, lots, price, life),
("stop_limit", contract, lots, price, limit, life), ("trailing_stop", contract, lots, distance, life),
("if_touched", contract, lots, price, life), ("at_settlement", contract, lots, life), each with a mapping behind them if
need be, of ``until`` (nanoseconds), ``post_only``, ``reduce_only`` and ``against`` (the contract that a spread sells);
("bracket", contract, lots, price, profit, loss).

By ticket: ("one_cancels_other", ticket, other), ("triggers", parent, child), ("amend", ticket, lots, price),
("cancel", ticket). A negative ticket counts back from the last one given: -1 is that one."""

FORCED = ("liquidation", "risk")
"""Origins of orders that close positions whatever the strategy wants."""
LEGS_MOST = 8
FAR = 10**18
"""Above every price."""
RATIO_MOST = 4

PRICES = {"market": 0, "limit": 1, "stop": 1, "stop_limit": 2, "trailing_stop": 1, "if_touched": 1, "at_settlement": 0}
"""How many prices an order's verb names behind its lots."""


class Requests(RiskDesk):
    """The desk's other side. Tickets count from 1 the orders that are not targets, refused ones too."""

    last_ticket = 0

    def serve(self, ts: int, actions: Sequence[Action]) -> None:
        """The requests of one call, in order.

        Each request is worked out wholly (differences, what ``flat`` names, replaced orders, gate) in
        phase 7 before the next one is looked at, so a later request sees the orders of an earlier one.
        """
        ties = self.ties_of(actions)
        for action in actions:
            self.request(ts, action, ties)

    def ties_of(self, actions: Sequence[Action]) -> dict[int, Ties]:
        """What the tying verbs of a call say, by ticket. Only orders of the call can be tied, a child to an earlier one; the
        last ``triggers`` of a child counts."""
        last = self.last_ticket
        ties: dict[int, Ties] = {}

        def tie(one: int, two: int) -> None:
            group = ties.setdefault(one, Ties()).group | ties.setdefault(two, Ties()).group | {one, two}
            for ticket in group:
                ties[ticket].group = group

        for verb, *of in actions:
            if verb == "bracket":
                for child in (last + 2, last + 3):
                    ties.setdefault(child, Ties()).parent = last + 1
                tie(last + 2, last + 3)
                last += 3
            elif verb in PRICES:
                last += 1
            elif verb in ("one_cancels_other", "triggers"):
                one, two = (ticket if ticket > 0 else last + 1 + ticket for ticket in of)
                assert self.last_ticket < min(one, two) <= max(one, two) <= last, "a tie to an order of another call"
                if verb == "triggers":
                    assert one < two, "a child named before its parent"
                    ties.setdefault(two, Ties()).parent = one
                else:
                    tie(one, two)
        return ties

    def request(self, ts: int, action: Action, ties: Mapping[int, Ties]) -> None:
        verb, *of = action
        if verb in ("target", "target_spread", "target_only", "flat"):
            self.target(ts, self.named(verb, of))
        elif verb == "close_outside":
            first, last = (self.contracts[code] for code in of)
            active = sorted(self.active_of({first.product}), key=lambda code: self.contracts[code].month)
            for code in active:
                if not first.month <= self.contracts[code].month <= last.month:
                    self.target(ts, {code: 0})
        elif verb == "cancel":
            # Only orders that are not targets have a ticket; cancelling anything else does nothing.
            for order in self.of_ticket(of[0]):
                self.cancel(ts, order)
        elif verb == "amend":
            for order in self.of_ticket(of[0]):
                self.amend(ts, order, *of[1:])
        elif verb == "bracket":
            code, lots, price, profit, loss = of
            self.ask(ts, ("limit", code, lots, price, "gtc"), ties)
            for kind, at in (("limit", profit), ("stop", loss)):
                self.ask(ts, (kind, code, -lots, at, "gtc", {"reduce_only": True}), ties)
        elif verb in PRICES:
            self.ask(ts, action, ties)
        elif verb not in ("one_cancels_other", "triggers"):
            raise ValueError(f"unknown verb {verb!r}")

    # Orders with a ticket

    def ask(self, ts: int, action: Action, ties: Mapping[int, Ties]) -> None:
        verb, code, lots, *rest = action
        options = rest.pop() if isinstance(rest[-1], Mapping) else {}
        prices, life = rest[:PRICES[verb]], rest[PRICES[verb]]
        side = -1 if lots < 0 else 1
        # The legs of a spread stand as they are named: the contract, then the one against it.
        ratios = {code: side} | ({options["against"]: -side} if "against" in options else {})
        order = self.new_order(ts, ratios, abs(lots), kind="market_if_touched" if verb == "if_touched" else verb,
                               tif=life, until=options.get("until", 0), post_only=options.get("post_only", False),
                               reduce_only=options.get("reduce_only", False))
        if verb == "trailing_stop":
            order.trigger = prices[0]
            # A child begins where it wakes. The last price is the last close, not the mark.
            is_child = ties.get(self.last_ticket + 1, Ties()).parent is not None
            order.lowest = FAR if is_child else sum(ratio * self.books[leg].last_price for leg, ratio in ratios.items())
        elif verb in ("limit", "stop_limit"):
            order.limit = side * prices[-1]
        if verb in ("stop", "stop_limit", "if_touched"):
            order.trigger = side * prices[0]
        self.last_ticket += 1
        self.gate(order, ties.get(self.last_ticket, Ties()))
        self.tickets[self.last_ticket] = order

    def of_ticket(self, ticket: int) -> list[Order]:
        """The order of a ticket when it is alive, in a list."""
        order = self.tickets.get(ticket if ticket > 0 else self.last_ticket + 1 + ticket)
        return [order] if order is not None and order.is_alive else []

    def cancel(self, ts: int, order: Order) -> None:
        if self.takes_cancels(order):
            self.end_all([order], "cancelled")
        else:
            self.refuse_change(ts, replace(order, asked=order.units - order.units_taken), order.works_as(), "session")

    def refuse_change(self, ts: int, wish: Order, kind: str, code: str) -> None:
        """A refused amendment or cancel has a row and a number of its own."""
        self.orders.append(replace(wish, number=len(self.orders) + 1, ts=ts, kind=kind, is_triggered=False, status="refused",
                                   code=code, units_filled=0))

    def amend(self, ts: int, order: Order, lots: int, price: int) -> None:
        """``lots`` are signed as the order's own. Market orders, what has become one and those at settlement ignore the
        price, a trailing stop takes it as its distance, and a stop-limit that has become a limit order as its limit.
        Lives and a trailing stop's best price go on as before, latency begins anew."""
        size = order.sign() * lots
        if 0 <= size <= order.units_filled:
            self.result.counts["cancelled by amendment"] += 1
            self.cancel(ts, order)
            return
        # What a tied order has taken stays taken: lots is the size that the order now is to have.
        wish = replace(order, units=size + order.units_taken, asked=size)
        kind = order.works_as()
        if kind == "limit":
            wish.limit = order.sign() * price
        elif kind == "trailing_stop":
            wish.trigger = price
        elif kind in ("stop", "stop_limit", "market_if_touched"):
            wish.trigger = order.sign() * price
        code = "size" if size < 0 else self.refusal(wish, instead_of=order)
        if code:
            self.result.counts[f"amendment refused: {code}"] += 1
            self.refuse_change(ts, wish, kind, code)
            return
        self.result.counts["amended"] += 1
        is_moved = (wish.limit, wish.trigger) != (order.limit, order.trigger)
        if is_moved or wish.units > order.units:
            self.queue(order)
            for child in list(self.alive()):
                if child.parent is order and child.units_left() == 0:
                    self.queue(child)
        if is_moved:
            # At its new price a post-only order is once more refused if it would pay cost at its first place.
            order.has_looked = False
        order.units, order.asked, order.limit, order.trigger, order.since = wish.units, wish.asked, wish.limit, wish.trigger, ts

    # Targets

    def named(self, verb: str, arguments: list[Any]) -> dict[str, int]:
        """Lots by contract that a verb names.

        What ``flat`` and ``target_only`` name without saying so leaves out contracts past their last
        trade: they await settlement, and one of them would have the whole basket refused as not listed.
        """
        if verb == "target":
            return {arguments[0]: arguments[1]}
        if verb == "flat":
            return dict.fromkeys(self.active_of({arguments[0]}), 0)
        near, far, lots = arguments
        names = {near: lots, far: -lots}
        if verb == "target_only":
            products = {self.contracts[near].product, self.contracts[far].product}
            names = {**dict.fromkeys(self.active_of(products), 0), **names}
        return names

    def active_of(self, products: set[str]) -> list[str]:
        working = {code for order in (*self.working_from("target"), *(one for by in FORCED for one in self.working_from(by)))
                   for code in order.ratios}
        return [code for code, contract in self.contracts.items() if contract.product in products
                and self.is_tradable(code) and (self.books[code].position or code in working)]

    def target(self, ts: int, names: Mapping[str, int]) -> None:
        """What closes by force counts as coming, and stays: only target orders are replaced."""
        touching = [order for order in self.working_from("target") if any(code in names for code in order.ratios)]
        coming = {code: self.books[code].position + sum(self.lots_coming(by, code) for by in FORCED) for code in names}
        if all(coming[code] + self.lots_coming("target", code) == lots for code, lots in names.items()):
            return
        if not all(self.takes_cancels(order) for order in touching):
            return
        self.end_all(touching, "replaced")
        # Legs stand in contract order, whatever the order in which the verb names them.
        gaps = {code: names[code] - coming[code] for code in sorted(names, key=lambda c: self.row[c])}
        gaps = {code: gap for code, gap in gaps.items() if gap}
        if not gaps:
            return
        units = math.gcd(*gaps.values())
        ratios = {code: gap // units for code, gap in gaps.items()}
        if len(ratios) <= LEGS_MOST and max(map(abs, ratios.values())) <= RATIO_MOST:
            self.gate(self.new_order(ts, ratios, units, origin="target"))
            return
        self.result.legged += 1
        for code, gap in gaps.items():
            self.gate(self.new_order(ts, {code: 1 if gap > 0 else -1}, abs(gap), origin="target"))
