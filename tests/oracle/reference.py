# SPDX-License-Identifier: Apache-2.0
"""A slow engine written from docs/engine.md alone, in exact fractions, to hold the fast one against.

It shares no code with the engine: books are fractions of a micro, events are plain tuples, nothing is precomputed.
Where the page leaves a choice, the choice is a comment that begins with "Decision". Books are in ``account``, the way
of a price in ``path``, the kinds of orders in ``orders``, their lives in ``working``, the gate in ``requests``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from operator import attrgetter

from kilohour.limits import RiskLimits
from kilohour.tape import Kind, Tape
from kilohour.units import MISSING, NANOS_PER_DAY
from tests.oracle.books import MILLION, EquityRow, FillRules, OrderRow, Result, TermsLike, half_even, nearest
from tests.oracle.events import Event, events_of
from tests.oracle.orders import Order
from tests.oracle.requests import Action, Requests

BAR, MARK, FUNDING, PRINT, FINAL, EXPIRY, SESSION, LISTING = (
    Kind.BAR, Kind.MARK, Kind.FUNDING, Kind.PRINT, Kind.FINAL, Kind.EXPIRY, Kind.SESSION, Kind.LISTING)
SESSIONS = ("open", "pre_open", "no_cancel", "halted", "closed")
__all__ = ["Action", "Event", "Oracle", "events_of", "run"]


def run(tape: Tape, terms: Mapping[str, TermsLike], actions: Mapping[int, Sequence[Action]], cash_micros: int,
        watched: set[str], indices: Mapping[str, str] | None = None, rules: FillRules | None = None, limits: RiskLimits | None = None) -> Result:
    """Plays a tape against scripted actions and returns every row it books.

    ``terms`` by product code; ``actions`` by the time of the strategy's call at which they are requested
    (actions at a time without a call never happen); ``indices`` names the index that settles each product,
    ``VENUE-PRODUCT`` unless given. Raises DataError when a final cannot be worked out.
    """
    oracle = Oracle(tape, terms, actions, cash_micros, watched, indices, rules, limits)
    for ts, group in groupby(events_of(tape), key=attrgetter("ts")):
        oracle.step(ts, list(group))
    return oracle.finish(tape.end)


def flags_of(order: Order) -> str:
    """As an order's row names them."""
    return " ".join(name for name, is_set in (("post_only", order.post_only), ("reduce_only", order.reduce_only)) if is_set)


class Oracle(Requests):
    """The account and the eight phases."""

    def __init__(self, tape: Tape, terms: Mapping[str, TermsLike], actions: Mapping[int, Sequence[Action]],
                 cash_micros: int, watched: set[str], indices: Mapping[str, str] | None = None,
                 rules: FillRules | None = None, limits: RiskLimits | None = None) -> None:
        super().__init__(tape, terms, cash_micros, indices, rules or FillRules())
        self.actions = actions
        self.watched = watched
        self.in_call, self.grace_left = False, 0
        self.allow(limits)

    def step(self, ts: int, group: list[Event]) -> None:
        """One timestamp, phases 1 to 8 (the eighth needs no code: what is accepted now meets later groups only)."""
        self.now = ts
        self.begin_group(ts)
        by_kind: dict[Kind, list[Event]] = {}
        for event in group:
            by_kind.setdefault(event.kind, []).append(event)
        bars = {event.code: event for event in by_kind.get(BAR, ())}
        if bars:
            self.meet_bars(ts, bars)
        marks = {event.code: event.close for event in by_kind.get(MARK, ()) if event.volume <= 0}
        for event in by_kind.get(MARK, ()):
            if event.volume > 0:
                self.correct_mark(ts, event)
            else:
                book = self.books[event.code]
                paid = self.mark(ts, event.code, event.close, "variation")
                book.marked = (event.ts_event, ts, event.close, book.position, paid)
                self.end_orders(event.code, "lapsed")
        for event in by_kind.get(FUNDING, ()):
            self.fund(ts, event.code, event.close)
        for event in group if {PRINT, FINAL, EXPIRY} & by_kind.keys() else ():
            if event.kind == PRINT:
                # Every print of a value date is kept in the order it became known.
                self.prints[event.code].setdefault(event.ts_event // NANOS_PER_DAY, []).append(event.close)
                self.weights[event.code].setdefault(event.ts_event // NANOS_PER_DAY, []).append(event.high)
            elif event.kind == FINAL and event.volume > 0:
                self.correct_final(ts, event.code, event.close, event.volume)
            elif event.kind == FINAL:
                self.settle(ts, event.code, event.close)
            elif event.kind == EXPIRY:
                self.books[event.code].is_past_last_trade = True
                self.end_orders(event.code, "expired")
        for event in by_kind.get(SESSION, ()):
            self.books[event.code].session = SESSIONS[event.volume]
        if marks:
            self.meet_marks(ts, marks)
        for event in by_kind.get(LISTING, ()):
            self.books[event.code].is_listed = True
        if MARK in by_kind:
            self.margin(ts)
        self.watch(ts)
        if any(self.contracts[code].product in self.watched for code in bars):
            self.result.calls.append(ts)
            self.serve(ts, self.actions.get(ts, ()))

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
            # A row shows size and limit as last accepted (amendments included, takings left aside), the limit of an
            # outright as it was named, that of a spread as its buyer sees it, of sum of ratio x price.
            limit = MISSING if order.limit is None else order.limit * (order.sign() if len(order.ratios) == 1 else 1)
            for code, ratio in order.ratios.items():
                self.result.orders.append(OrderRow(order.number, order.ts, code, ratio * order.asked, order.kind, limit,
                                                   order.tif, order.origin, order.status, order.code,
                                                   ratio * order.units_filled, flags_of(order)))
        return self.result

    # Phase 5

    def margin(self, ts: int) -> None:
        equity, held = self.equity(), self.held()
        initial, maintenance = (self.requirement_of(held, initial=which) for which in (True, False)) if held else (0, 0)
        if self.in_call and equity >= initial:
            self.in_call = False
            self.end_all(self.working_from("liquidation"), "cancelled")
        elif self.in_call or equity < maintenance:
            # Decision: with nothing held there is no grace, and equity below zero is a call that stands.
            self.grace_left = max(self.grace_left - 1, 0)
            if not self.in_call:
                self.in_call, self.grace_left = True, min((self.terms(code).margin_grace_marks for code in held), default=0)
                self.result.margin_calls += 1
                self.end_all(self.alive(), "margin_call")
            if self.grace_left == 0 and not (equity > 0 and self.is_enough(held, equity)):
                self.end_all(self.alive(), "margin_call")
                self.liquidate(ts, equity)
        self.result.equity.append(EquityRow(ts, equity, self.cash, initial, maintenance))
        self.write_positions(ts)

    def is_enough(self, held: Mapping[str, int], equity: int) -> bool:
        """Liquidation orders that work already and will do."""
        working = self.working_from("liquidation")
        after = {code: lots + self.lots_coming("liquidation", code) for code, lots in held.items()}
        return bool(working) and self.requirement_of(after, initial=True) <= equity

    def fee_of(self, code: str, lots: int, price: int) -> int:
        """What a taker pays to the exchange and to clearing."""
        terms = self.terms(code)
        per_lot = terms.fee_per_lot_micros + terms.fee_clearing_micros
        return abs(lots) * per_lot + nearest(abs(lots * price) * terms.lot_num * terms.fee_ppm, terms.lot_den * MILLION)

    def closing_cost(self, code: str, lots: int) -> int:
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
            best = max(steps, key=lambda code: (freed[code] / self.closing_cost(code, planned[code]), -self.row[code]))
            size, side = abs(planned[best]), 1 if planned[best] > 0 else -1
            enough = (n for n in range(1, size) if freed[best] - self.requirement(best, size - n, initial=True) >= short)
            reduce_by = next(enough, size) if equity > 0 else size
            planned[best] -= side * reduce_by
            self.accept(self.new_order(ts, {best: -side}, reduce_by, origin="liquidation"))
