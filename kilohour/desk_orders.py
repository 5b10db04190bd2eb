# SPDX-License-Identifier: Apache-2.0
"""The desk's order verbs: what a strategy asks for when targets are not enough. How they fill: docs/engine.md, "Orders"."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kilohour.faces.face import Face
from kilohour.kernels.records import (
    AT_SETTLEMENT,
    DAY,
    GTC,
    LIMIT,
    MARKET,
    MARKET_IF_TOUCHED,
    POST_ONLY,
    REDUCE_ONLY,
    REQUEST_AMEND,
    REQUEST_CANCEL,
    REQUEST_ORDER,
    REQUESTS,
    STOP,
    STOP_LIMIT,
    TICKETS,
    TRAILING_STOP,
    WORKING,
)


class DeskOrders(Face):
    """Every verb buys ``lots`` of ``contract`` (sells when negative) and returns the order's ticket.

    ``against`` makes it an order on the spread contract - against, one for one; prices are then differences. ``life``: GTC,
    DAY, IOC, FOK, or GTD with ``until`` in nanoseconds UTC. A ``reduce_only`` order never makes a position larger.
    """

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...
        def __setattr__(self, name: str, value: Any) -> None: ...

    def market(self, contract: int, lots: int, life: int = GTC, reduce_only: bool = False, against: int = -1) -> int:
        """An order at the next bar's open."""
        return self._ask(MARKET, contract, lots, 0.0, 0.0, life, 0, False, reduce_only, against)

    def limit(self, contract: int, lots: int, price: float, life: int = GTC, until: int = 0, post_only: bool = False,
              reduce_only: bool = False, against: int = -1) -> int:
        """An order at ``price`` or better; ``post_only``: refused where it would not rest."""
        return self._ask(LIMIT, contract, lots, price, 0.0, life, until, post_only, reduce_only, against)

    def stop(self, contract: int, lots: int, price: float, life: int = GTC, until: int = 0, reduce_only: bool = False,
             against: int = -1) -> int:
        """A market order once the price has risen to ``price`` (fallen, for a sale)."""
        return self._ask(STOP, contract, lots, price, 0.0, life, until, False, reduce_only, against)

    def stop_limit(self, contract: int, lots: int, price: float, limit: float, life: int = GTC, until: int = 0,
                   reduce_only: bool = False, against: int = -1) -> int:
        """A limit order at ``limit`` once the price has risen to ``price`` (fallen, for a sale)."""
        return self._ask(STOP_LIMIT, contract, lots, price, limit, life, until, False, reduce_only, against)

    def trailing_stop(self, contract: int, lots: int, distance: float, life: int = GTC, until: int = 0, reduce_only: bool = False,
                      against: int = -1) -> int:
        """A market order once the price has come back by ``distance`` from the best it has been since."""
        return self._ask(TRAILING_STOP, contract, lots, distance, 0.0, life, until, False, reduce_only, against)

    def if_touched(self, contract: int, lots: int, price: float, life: int = GTC, until: int = 0, reduce_only: bool = False,
                   against: int = -1) -> int:
        """A market order once the price has fallen to ``price`` (risen, for a sale)."""
        return self._ask(MARKET_IF_TOUCHED, contract, lots, price, 0.0, life, until, False, reduce_only, against)

    def at_settlement(self, contract: int, lots: int, life: int = DAY, against: int = -1) -> int:
        """An order at the next official settlement price."""
        return self._ask(AT_SETTLEMENT, contract, lots, 0.0, 0.0, life, 0, False, False, against)

    def one_cancels_other(self, ticket: int, other: int) -> None:
        """What one fills, the other loses, and so does every order tied to either. Raises ValueError unless both were asked for
        in this call."""
        first, second = self._asked(ticket), self._asked(other)
        group, joins = self.request_group[first], self.request_group[second]
        if group == 0:
            group = ticket
        for at in range(self.request_count):
            if at in (first, second) or (joins != 0 and self.request_group[at] == joins):
                self.request_group[at] = group

    def triggers(self, parent: int, child: int) -> None:
        """``child`` sleeps until ``parent`` fills. Raises ValueError unless both were asked for in this call, parent first."""
        if child <= parent:
            raise ValueError("desk.triggers: the parent must be asked for before the child")
        self._asked(parent)
        self.request_parent[self._asked(child)] = parent

    def bracket(self, contract: int, lots: int, price: float, profit: float, loss: float) -> int:
        """A limit order at ``price`` and, for what it fills, a limit at ``profit`` and a stop at ``loss``, of which one cancels
        the other; returns the first one's ticket, the others' are the next two numbers."""
        parent = self.limit(contract, lots, price)
        take, stop = self.limit(contract, -lots, profit, reduce_only=True), self.stop(contract, -lots, loss, reduce_only=True)
        self.triggers(parent, take)
        self.triggers(parent, stop)
        self.one_cancels_other(take, stop)
        return parent

    def amend(self, ticket: int, lots: int, price: float) -> None:
        """Gives an order another size and price: its limit, else its trigger or distance; nothing happens when it is done already."""
        at = self._next_request(0)
        self.request_kind[at] = REQUEST_AMEND
        self.request_ticket[at] = ticket
        self.request_lots[at] = lots
        self.request_price[at] = self._checked_price(price)

    def cancel(self, ticket: int) -> None:
        """Cancels the order of a ticket; nothing happens when it is done already."""
        at = self._next_request(0)
        self.request_kind[at] = REQUEST_CANCEL
        self.request_ticket[at] = ticket

    def status(self, ticket: int) -> int:
        """How an order stands: WORKING, FILLED, CANCELLED, LAPSED, REFUSED ...; 0 before it was sent. Raises for one that is
        not of the last 256."""
        return self.ticket_status[self._recent(ticket)]

    def is_working(self, ticket: int) -> bool:
        """True while an order may still fill."""
        return self.ticket_status[self._recent(ticket)] == WORKING

    def filled(self, ticket: int) -> int:
        """Lots of the first leg that an order has filled."""
        return self.ticket_filled[self._recent(ticket)]

    def spent(self, ticket: int) -> float:
        """What an order's fills cost so far: Σ lots × price over all legs, currency per unit, negative when it sold.

        Over the lots that it filled it is the average price; fees are not in it.
        """
        return float(self.ticket_value[self._recent(ticket)]) / 1e6

    def _row(self, contract: int) -> int:
        if not 0 <= contract < self.contract_count:
            raise ValueError("desk: no such contract in this run")
        return contract

    def _next_request(self, contract: int) -> int:
        if self.request_count == REQUESTS:
            raise ValueError("desk: at most 64 contracts and orders can be named in one call of the strategy")
        self._row(contract)
        self.request_count += 1
        return self.request_count - 1

    def _ask(self, kind: int, contract: int, lots: int, price: float, limit: float, life: int, until: int, post_only: bool,
             reduce_only: bool, against: int) -> int:
        at = self._next_request(contract)
        if against == contract or against >= self.contract_count or against < -1:
            raise ValueError("desk: against must be another contract of this run")
        self.ticket_count += 1
        self.request_kind[at] = REQUEST_ORDER
        self.request_order[at] = kind
        self.request_contract[at] = contract
        self.request_lots[at] = lots
        self.request_price[at] = self._checked_price(price)
        self.request_limit[at] = self._checked_price(limit)
        self.request_life[at] = life
        self.request_until[at] = until
        self.request_flags[at] = (POST_ONLY if post_only else 0) + (REDUCE_ONLY if reduce_only else 0)
        self.request_against[at] = against
        self.request_parent[at] = 0
        self.request_group[at] = 0
        self.request_ticket[at] = self.ticket_count
        self.ticket_status[self.ticket_count % TICKETS] = 0
        self.ticket_filled[self.ticket_count % TICKETS] = 0
        self.ticket_value[self.ticket_count % TICKETS] = 0
        return self.ticket_count

    def _checked_price(self, price: float) -> float:
        if not -1e9 < price < 1e9:
            raise ValueError("desk: a price must be a number below a billion")
        return price

    def _asked(self, ticket: int) -> int:
        for at in range(self.request_count):
            if self.request_kind[at] == REQUEST_ORDER and self.request_ticket[at] == ticket:
                return at
        raise ValueError("desk: only orders asked for in this call can be tied")

    def _recent(self, ticket: int) -> int:
        if ticket < 1 or ticket > self.ticket_count or ticket <= self.ticket_count - TICKETS:
            raise ValueError("desk: the ticket is not one of the last 256")
        return ticket % TICKETS
