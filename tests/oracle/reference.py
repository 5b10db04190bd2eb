# SPDX-License-Identifier: Apache-2.0
"""A slow engine written from docs/engine.md alone, in exact fractions, to hold the fast one against.

It shares no code with the engine: books are fractions of a micro, events are plain tuples, nothing is precomputed.
Where the page leaves a choice, the choice is a comment that begins with "Decision".
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import groupby
from typing import Any

from kilohour.contracts.contract import Contract
from kilohour.tape import Kind, Tape
from kilohour.units import MISSING, NANOS_PER_DAY
from tests.oracle.books import (
    MILLION,
    Book,
    EquityRow,
    FillRow,
    Order,
    OrderRow,
    PositionRow,
    Result,
    TermsLike,
    half_even,
)
from tests.oracle.ledger import Event, Ledger

Action = tuple[Any, ...]
"""A verb and its arguments: ("target", contract, lots), ("target_spread", near, far, lots),
("target_only", near, far, lots), ("flat", product), ("limit", contract, lots, price_micros, tif),
("market", contract, lots, tif), ("close_outside", first, last), ("cancel", order)."""

WORKING_ORDERS_MOST = 256
LOTS_MOST = 10**6
LEGS_MOST = 8
RATIO_MOST = 4


def events_of(tape: Tape) -> Iterator[Event]:
    """The tape's rows in order."""
    columns = [tape.events[name].tolist() for name in ("ts", "ts_event", "kind", "ref", "open", "high", "low", "close",
                                                       "volume")]
    for ts, ts_event, kind, ref, *values in zip(*columns, strict=True):
        names: Sequence[Any] = tape.indices if kind == Kind.PRINT else tape.contracts
        yield Event(ts, ts_event, Kind(kind), names[ref].code, *values)


def run(tape: Tape, terms: Mapping[str, TermsLike], actions: Mapping[int, Sequence[Action]], cash_micros: int,
        watched: set[str], indices: Mapping[str, str] | None = None) -> Result:
    """Plays a tape against scripted actions and returns every row it books.

    ``terms`` by product code; ``actions`` by the time of the strategy's call at which they are requested
    (actions at a time without a call never happen); ``indices`` names the index that settles each product,
    ``VENUE-PRODUCT`` unless given. Raises DataError when a final cannot be worked out.
    """
    oracle = Oracle(tape, terms, actions, cash_micros, watched, indices)
    for ts, group in groupby(events_of(tape), key=lambda event: event.ts):
        oracle.step(ts, list(group))
    return oracle.finish(tape.end)


class Oracle(Ledger):
    """The account and the eight phases."""

    def __init__(self, tape: Tape, terms: Mapping[str, TermsLike], actions: Mapping[int, Sequence[Action]],
                 cash_micros: int, watched: set[str], indices: Mapping[str, str] | None) -> None:
        self.contracts: dict[str, Contract] = {contract.code: contract for contract in tape.contracts}
        self.row = {code: row for row, code in enumerate(self.contracts)}
        self.all_terms = terms
        self.index_of = indices or {code: code.replace(":", "-") for code in tape.product_codes}
        self.actions = actions
        self.watched = watched
        self.cash = cash_micros
        self.books = {code: Book() for code in self.contracts}
        self.orders: list[Order] = []
        self.unfinished: list[Order] = []
        self.prints: dict[str, dict[int, list[int]]] = {index.code: {} for index in tape.indices}
        self.weights: dict[str, dict[int, list[int]]] = {index.code: {} for index in tape.indices}
        self.in_call, self.grace_left = False, 0
        self.result = Result(cash_start=cash_micros)

    def step(self, ts: int, group: list[Event]) -> None:
        """One timestamp, phases 1 to 8 (the eighth needs no code: what is accepted now meets later groups only)."""
        bars = {event.code: event for event in group if event.kind == Kind.BAR}
        self.meet_bars(ts, bars)
        for event in group:
            if event.kind == Kind.MARK and event.volume > 0:
                self.correct_mark(ts, event)
            elif event.kind == Kind.MARK:
                book = self.books[event.code]
                paid = self.mark(ts, event.code, event.close, "variation")
                book.marked = (event.ts_event, ts, event.close, book.position, paid)
                self.end_orders(event.code, "lapsed", tif="day")
        for event in group:
            if event.kind == Kind.FUNDING:
                self.fund(ts, event.code, event.close)
        for event in group:
            if event.kind == Kind.PRINT:
                # Every print of a value date is kept in the order it became known.
                self.prints[event.code].setdefault(event.ts_event // NANOS_PER_DAY, []).append(event.close)
                self.weights[event.code].setdefault(event.ts_event // NANOS_PER_DAY, []).append(event.high)
            elif event.kind == Kind.FINAL and event.volume > 0:
                self.correct_final(ts, event.code, event.close, event.volume)
            elif event.kind == Kind.FINAL:
                self.settle(ts, event.code, event.close)
            elif event.kind == Kind.EXPIRY:
                self.books[event.code].is_past_last_trade = True
                self.end_orders(event.code, "expired")
            elif event.kind == Kind.LISTING:
                self.books[event.code].is_listed = True
        if any(event.kind == Kind.MARK for event in group):
            self.margin(ts)
        if any(self.contracts[code].product in self.watched for code in bars):
            self.result.calls.append(ts)
            for action in self.actions.get(ts, ()):
                self.request(ts, action)

    def finish(self, ts: int) -> Result:
        """Marks once more what is open.

        Decision: every contract is marked, also one whose open value happens to be zero (a price of zero); rows
        are written in contract order at the time of the tape's last event.
        """
        self.result.equity_end = self.equity()
        for code, book in self.books.items():
            if book.value_price is not None:
                self.mark(ts, code, book.value_price, "unsettled")
        self.result.cash_end = self.cash
        self.result.final_positions = {code: book.position for code, book in self.books.items() if book.position}
        for order in self.orders:
            limit = MISSING if order.limit is None else order.limit
            for code, ratio in order.ratios.items():
                self.result.orders.append(OrderRow(order.number, order.ts, code, ratio * order.units, order.kind, limit,
                                                   order.tif, order.origin, order.status, order.code,
                                                   ratio * order.units_filled))
        return self.result

    # Phase 1

    def meet_bars(self, ts: int, bars: Mapping[str, Event]) -> None:
        available: dict[str, int | None] = {}
        for code, bar in bars.items():
            self.books[code].value_price = bar.close
            self.books[code].had_bar = True
            self.books[code].bar_at = ts
            known = bar.volume != MISSING and self.contracts[code].product in self.all_terms
            available[code] = bar.volume * self.terms(code).participation_ppm // MILLION if known else None
        for order in self.working():
            if any(code not in bars for code in order.ratios):
                continue
            prices = {code: self.fill_price(order, code, bars[code]) for code in order.ratios}
            units = order.units - order.units_filled
            for code, ratio in order.ratios.items():
                room = available[code]
                if room is not None:
                    units = min(units, room // abs(ratio))
            if units == 0 or any(price is None for price in prices.values()):
                continue
            for code, price in prices.items():
                assert price is not None
                room = available[code]
                available[code] = None if room is None else room - units * abs(order.ratios[code])
                self.fill(ts, order, code, units * order.ratios[code], price, bars[code].open)
            order.units_filled += units
            if order.units_filled == order.units:
                order.status = "filled"

    def fill_price(self, order: Order, code: str, bar: Event) -> int | None:
        side = 1 if order.ratios[code] > 0 else -1
        taken = bar.open + side * self.terms(code).half_spread_micros
        if order.limit is None:
            return taken
        if side > 0:
            if bar.open <= order.limit:
                return min(taken, order.limit)
            return order.limit if bar.low < order.limit else None
        if bar.open >= order.limit:
            return max(taken, order.limit)
        return order.limit if bar.high > order.limit else None

    def fill(self, ts: int, order: Order, code: str, lots: int, price: int, opened: int) -> None:
        book = self.books[code]
        book.position += lots
        book.is_open = True
        book.open_value += lots * price * self.lot(code)
        waited = order.limit is not None and (opened - order.limit) * lots > 0
        fee = self.book_fees(ts, code, lots, price, is_maker=waited)
        given_up = half_even(max(lots * (price - opened), 0) * self.lot(code))
        self.result.fills.append(FillRow(ts, order.number, code, lots, price, fee, book.position, given_up,
                                         "maker" if waited else "taker"))

    def fee_of(self, code: str, lots: int, price: int) -> int:
        """What a taker pays to the exchange and to clearing."""
        ppm = Fraction(self.terms(code).fee_ppm, MILLION)
        per_lot = self.terms(code).fee_per_lot_micros + self.terms(code).fee_clearing_micros
        return abs(lots) * per_lot + half_even(abs(lots) * abs(price) * self.lot(code) * ppm)

    # Phase 5

    def equity(self) -> int:
        total = self.cash
        for code, book in self.books.items():
            if book.position or book.open_value or book.residue:
                assert book.value_price is not None
                total += half_even(book.position * book.value_price * self.lot(code) - book.open_value + book.residue)
        return total

    def requirement(self, code: str, lots: int, *, initial: bool) -> int:
        if lots == 0:
            return 0
        terms, price = self.terms(code), self.books[code].value_price
        assert price is not None
        ppm = terms.margin_initial_ppm if initial else terms.margin_maintenance_ppm
        floor = terms.margin_initial_floor_micros if initial else terms.margin_maintenance_floor_micros
        return max(abs(lots) * floor, half_even(abs(lots) * abs(price) * self.lot(code) * Fraction(ppm, MILLION)))

    def requirement_of(self, lots: Mapping[str, int], *, initial: bool) -> int:
        return sum(self.requirement(code, held, initial=initial) for code, held in lots.items())

    def held(self) -> dict[str, int]:
        return {code: book.position for code, book in self.books.items() if book.position}

    def margin(self, ts: int) -> None:
        equity, held = self.equity(), self.held()
        initial = self.requirement_of(held, initial=True)
        maintenance = self.requirement_of(held, initial=False)
        if self.in_call and equity >= initial:
            self.in_call = False
            for order in self.working_from("liquidation"):
                order.status = "cancelled"
        elif self.in_call or equity < maintenance:
            # Decision: with nothing held there is no grace, and equity below zero is a call that stands.
            self.grace_left = max(self.grace_left - 1, 0)
            if not self.in_call:
                self.in_call, self.grace_left = True, min((self.terms(code).margin_grace_marks for code in held), default=0)
                self.result.margin_calls += 1
                self.end_working()
            if self.grace_left == 0 and not (equity > 0 and self.is_enough(held, equity)):
                self.end_working()
                self.liquidate(ts, equity)
        self.result.equity.append(EquityRow(ts, equity, self.cash, initial, maintenance))
        for code, lots in held.items():
            price = self.books[code].value_price
            assert price is not None
            self.result.positions.append(PositionRow(ts, code, lots, price))

    def end_working(self) -> None:
        for order in self.working():
            order.status = "margin_call"

    def is_enough(self, held: Mapping[str, int], equity: int) -> bool:
        """Liquidation orders that work already and will do."""
        working = self.working_from("liquidation")
        after = {code: lots + self.lots_coming("liquidation", code) for code, lots in held.items()}
        return bool(working) and self.requirement_of(after, initial=True) <= equity

    def cost(self, code: str, lots: int) -> int:
        """Half spreads and fees of trading so many lots at the value price, at least a micro."""
        price = self.books[code].value_price
        assert price is not None
        return max(self.fee_of(code, lots, price) + half_even(abs(lots) * self.terms(code).half_spread_micros * self.lot(code)), 1)

    def liquidate(self, ts: int, equity: int) -> None:
        """Decision: only per cent and per lot margin here, so every step is one outright order."""
        planned = self.held()
        while True:
            short = self.requirement_of(planned, initial=True) - equity
            if equity > 0 and short <= 0:
                return
            freed = {code: self.requirement(code, lots, initial=True) for code, lots in planned.items()
                     if lots and self.is_tradable(code)}
            steps = [code for code, micros in freed.items() if micros > 0 or equity <= 0]
            if not steps:
                return
            # The quotient of two whole numbers as a double, as the page has it: the nearest to the exact one.
            best = max(steps, key=lambda code: (freed[code] / self.cost(code, planned[code]), -self.row[code]))
            size, side = abs(planned[best]), 1 if planned[best] > 0 else -1
            enough = (n for n in range(1, size) if freed[best] - self.requirement(best, size - n, initial=True) >= short)
            reduce_by = next(enough, size) if equity > 0 else size
            planned[best] -= side * reduce_by
            self.accept(self.new_order(ts, {best: -side}, reduce_by, origin="liquidation"))

    # Phases 6 and 7

    def request(self, ts: int, action: Action) -> None:
        """One request.

        Decision: each request is worked out wholly (differences, what ``flat`` names, replaced orders, gate) in
        phase 7 before the next one is looked at, so a later request sees the orders of an earlier one.
        """
        verb, *arguments = action
        if verb in ("target", "target_spread", "target_only", "flat"):
            self.target(ts, self.named(verb, arguments))
        elif verb == "close_outside":
            first, last = (self.contracts[code] for code in arguments)
            active = sorted(self.active_of({first.product}), key=lambda code: self.contracts[code].month)
            for code in active:
                if not first.month <= self.contracts[code].month <= last.month:
                    self.target(ts, {code: 0})
        elif verb == "cancel":
            # Decision: only limit and market orders have a ticket; cancelling anything else does nothing.
            for order in self.working():
                if order.number == arguments[0] and order.origin == "order":
                    order.status = "cancelled"
        elif verb in ("market", "limit"):
            code, lots, *price, tif = arguments
            order = self.new_order(ts, {code: -1 if lots < 0 else 1}, abs(lots), kind=verb, tif=tif,
                                   limit=price[0] if price else None)
            self.gate(order)
        else:
            raise ValueError(f"unknown verb {verb!r}")

    def named(self, verb: str, arguments: list[Any]) -> dict[str, int]:
        """Lots by contract that a verb names.

        Decision: what ``flat`` and ``target_only`` name without saying so leaves out contracts past their last
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
        working = {code for order in (*self.working_from("target"), *self.working_from("liquidation"))
                   for code in order.ratios}
        return [code for code, contract in self.contracts.items() if contract.product in products
                and self.is_tradable(code) and (self.books[code].position or code in working)]

    def target(self, ts: int, names: Mapping[str, int]) -> None:
        """Liquidation orders count as coming, and stay: only target orders are replaced."""
        touching = [order for order in self.working_from("target") if any(code in names for code in order.ratios)]
        coming = {code: self.books[code].position + self.lots_coming("liquidation", code) for code in names}
        if all(coming[code] + self.lots_coming("target", code) == lots for code, lots in names.items()):
            return
        for order in touching:
            order.status = "replaced"
        # Decision: legs stand in contract order, whatever the order in which the verb names them.
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

    def gate(self, order: Order) -> None:
        order.code = self.refusal(order)
        if order.code:
            order.status = "refused"
            self.orders.append(order)
        else:
            self.accept(order)

    def refusal(self, order: Order) -> str:
        """The first failure in the page's order, each rule asked of all legs before the next rule."""
        lots = order.lots()
        if not all(self.is_tradable(code) for code in lots):
            return "not_listed"
        if not all(self.books[code].had_bar for code in lots):
            return "no_price"
        if any(leg == 0 or abs(leg) > LOTS_MOST for leg in lots.values()):
            return "size"
        if order.limit is not None and any(order.limit % self.terms(code).tick_micros for code in lots):
            return "tick"
        if len(self.working()) >= WORKING_ORDERS_MOST:
            return "capacity"
        before = self.held()
        for other in self.working():
            for code, left in other.lots_left().items():
                before[code] = before.get(code, 0) + left
        after = {code: before.get(code, 0) + lots.get(code, 0) for code in {**before, **lots}}
        only_reduces = all(abs(after[code]) < abs(before.get(code, 0)) and after[code] * before.get(code, 0) >= 0
                           for code in lots)
        if not only_reduces and self.requirement_of(after, initial=True) > self.equity():
            return "margin"
        return ""

    # Small words

    def new_order(self, ts: int, ratios: dict[str, int], units: int, **fields: Any) -> Order:
        """Decision: numbers count from 1 as orders are made in phases 5 and 7, refused ones included."""
        return Order(len(self.orders) + 1, ts, ratios, units, **fields)

    def accept(self, order: Order) -> None:
        self.orders.append(order)
        self.unfinished.append(order)

    def working(self) -> list[Order]:
        """Oldest first."""
        self.unfinished = [order for order in self.unfinished if order.status == "working"]
        return self.unfinished

    def working_from(self, origin: str) -> list[Order]:
        return [order for order in self.working() if order.origin == origin]

    def lots_coming(self, origin: str, code: str) -> int:
        return sum(order.lots_left().get(code, 0) for order in self.working_from(origin))

    def end_orders(self, code: str, status: str, tif: str | None = None) -> None:
        for order in self.working():
            if code in order.ratios and tif in (None, order.tif):
                order.status = status

    def is_tradable(self, code: str) -> bool:
        return self.books[code].is_listed and not self.books[code].is_past_last_trade
