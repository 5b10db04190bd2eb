# SPDX-License-Identifier: Apache-2.0
"""An exchange that a test is in command of, behind the real desk: who fills, how much, what is refused, when a cancel arrives.

The desk's own verbs write requests into its memory; :class:`Exchange` reads them there, as the engine does. Prices are
dollars, times days. It checks nothing that the engine's gate checks: the engine has its own tests.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

from kilohour.contracts.terms import EngineTerms
from kilohour.desk import Desk
from kilohour.faces.python_face import structure_of
from kilohour.kernels import records as r
from kilohour.session import Market
from kilohour.units import NANOS_PER_DAY
from tests.oracle.books import Terms
from tests.oracle.tables import tape_of


@dataclass(slots=True)
class Order:
    """``legs``: contract and signed lots, whole; ``ticket`` is 0 for a target's order."""

    ticket: int
    legs: list[tuple[int, int]]
    limit: float | None = None
    filled: int = 0

    @property
    def size(self) -> int:
        return abs(self.legs[0][1])

    def left(self, contract: int) -> int:
        """Signed lots of one contract that may still fill."""
        for row, lots in self.legs:
            if row == contract:
                return (abs(lots) - self.filled) * (1 if lots > 0 else -1)
        return 0


@cache
def desk_of(contracts: str) -> Any:
    """The memory of a desk on which these contracts stand, to be copied: hundreds of exchanges have the same."""
    first = contracts.strip().splitlines()[1].split("|")[0].strip()
    tape = tape_of(contracts, f"day | event | of | price\n1 | bar | {first} | 1")
    terms = {product: EngineTerms(**asdict(Terms())) for product in tape.product_codes}
    return Market.of(tape, terms, dict.fromkeys(terms)).desk


class Exchange:
    """``refuses``: contracts whose orders are refused; ``slow``: cancels wait for :meth:`deliver`, as at a venue."""

    def __init__(self, contracts: str, *, units: float = 730.0, tick: float = 0.01) -> None:
        self.memory = desk_of(contracts).copy()
        structure: Any = structure_of(Desk)
        self.desk: Any = structure.from_buffer(self.memory)
        self.count = len(contracts.strip().splitlines()) - 1
        self.orders: list[Order] = []
        self.refuses: set[int] = set()
        self.waiting: list[int] = []
        self.slow = False
        self.trades: list[tuple[int, int, float]] = []
        for row in range(self.count):
            for name, value in (("units_per_lot", units), ("tick_size", tick), ("spread_tick_size", tick)):
                self.memory[0][name][row] = value
        self.desk.column_limit = r.COLUMNS

    def at(self, day: float) -> None:
        """Moves the time."""
        self.memory[0]["now"] = round(day * NANOS_PER_DAY)

    def chain(self, product: int, *contracts: int) -> None:
        """What is listed of a product, by delivery; the others are not."""
        view = self.memory[0]
        for row in range(self.count):
            if view["product_of"][row] == product:
                view["listed"][row] = row in contracts
        view["chain"][product * r.CHAIN:product * r.CHAIN + len(contracts)] = contracts
        view["chain_count"][product] = len(contracts)
        self.fronts()

    def fronts(self) -> None:
        view = self.memory[0]
        for product in range(int(view["product_count"])):
            chain = view["chain"][product * r.CHAIN:][:int(view["chain_count"][product])]
            view["front_at"][product] = sum(int(view["fixing_at"][row]) <= int(view["now"]) for row in chain)

    def price(self, contract: int, price: float, volume: int = 1000) -> None:
        """The last bar seen of a contract."""
        view = self.memory[0]
        view["last"][contract], view["traded"][contract], view["seen_at"][contract] = price, volume, view["now"]

    def position(self, contract: int) -> int:
        return int(self.memory[0]["held"][contract])

    # -- what the strategy asked for --------------------------------------------------------------------------

    def serve(self) -> None:
        """Takes the desk's requests in their order."""
        desk, at = self.desk, 0
        while at < desk.request_count:
            kind, last = desk.request_kind[at], at + 1
            if kind == r.REQUEST_TARGET:
                while (last < desk.request_count and desk.request_kind[last] == kind
                       and desk.request_basket[last] == desk.request_basket[at]):
                    last += 1
                self._basket([(desk.request_contract[i], desk.request_lots[i]) for i in range(at, last)])
            elif kind == r.REQUEST_ORDER:
                self._accept(desk, at)
            elif kind == r.REQUEST_CANCEL:
                self.waiting.append(desk.request_ticket[at])
            elif kind == r.REQUEST_AMEND:
                for order in self.orders:
                    if order.ticket == desk.request_ticket[at]:
                        assert abs(desk.request_lots[at]) == order.size, "only prices are amended"
                        order.limit = desk.request_price[at]
            at = last
        desk.request_count = desk.basket_count = 0
        if not self.slow:
            self.deliver()
        self._show()

    def _accept(self, desk: Any, at: int) -> None:
        contract, lots, against = desk.request_contract[at], desk.request_lots[at], desk.request_against[at]
        legs = [(contract, lots)] + ([(against, -lots)] if against >= 0 else [])
        limit = desk.request_price[at] if desk.request_order[at] == r.LIMIT else None
        assert lots != 0, "an order of no lots"
        refused = any(row in self.refuses or not desk.listed[row] for row, _ in legs)
        desk.ticket_status[desk.request_ticket[at] % r.TICKETS] = int(r.REFUSED if refused else r.WORKING)
        if not refused:
            self.orders.append(Order(desk.request_ticket[at], legs, limit))

    def _basket(self, wanted: list[tuple[int, int]]) -> None:
        named = {row for row, _ in wanted}
        mine = [order for order in self.orders if order.ticket == 0]
        if all(self.position(row) + sum(order.left(row) for order in mine) == lots for row, lots in wanted):
            return
        self.orders = [order for order in self.orders if order.ticket or not named & {row for row, _ in order.legs}]
        for row, lots in wanted:
            off = lots - self.position(row)
            if off and row not in self.refuses and self.desk.listed[row]:
                self.orders.append(Order(0, [(row, off)]))

    def deliver(self) -> None:
        """Cancels arrive."""
        for ticket in self.waiting:
            self.end(ticket, r.CANCELLED)
        self.waiting = []

    def end(self, ticket: int, status: Any) -> None:
        """An order ends without filling."""
        for order in self.orders:
            if order.ticket == ticket and ticket:
                self.desk.ticket_status[ticket % r.TICKETS] = int(status)
        self.orders = [order for order in self.orders if order.ticket != ticket or not ticket]
        self._show()

    # -- what the market does ---------------------------------------------------------------------------------

    def fill(self, order: Order, lots: int, *prices: float) -> None:
        """Fills so many lots of an order's first leg, and of its others with it, at the given prices."""
        assert order in self.orders
        assert 0 < lots <= order.size - order.filled
        order.filled += lots
        for (row, whole), price in zip(order.legs, prices, strict=True):
            signed = lots if whole > 0 else -lots
            self.memory[0]["held"][row] += signed
            self.trades.append((row, signed, price))
            if order.ticket:
                self.desk.ticket_value[order.ticket % r.TICKETS] += signed * round(price * 1e6)
        if order.ticket:
            self.desk.ticket_filled[order.ticket % r.TICKETS] = order.filled
        if order.filled == order.size:
            if order.ticket:
                self.desk.ticket_status[order.ticket % r.TICKETS] = int(r.FILLED)
            self.orders.remove(order)
        self._show()

    def working(self, contract: int) -> list[Order]:
        """Orders with a leg in a contract."""
        return [order for order in self.orders if any(row == contract for row, _ in order.legs)]

    def _show(self) -> None:
        for row in range(self.count):
            for name, is_target in (("on_target", True), ("on_order", False)):
                self.memory[0][name][row] = sum(order.left(row) for order in self.orders if (order.ticket == 0) == is_target)
