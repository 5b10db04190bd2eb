# SPDX-License-Identifier: Apache-2.0
"""A slow engine written from docs/engine.md alone, in exact fractions, to hold the fast one against.

It shares no code with the engine: books are fractions of a micro, events are plain tuples, nothing is precomputed.
Where the page leaves a choice, the choice is a comment that begins with "Decision". Books are in ``account``, the way
of a price in ``path``, the kinds of orders in ``orders``, their lives in ``working``, the gate in ``requests``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

from kilohour.tape import Kind, Tape
from kilohour.units import MISSING, NANOS_PER_DAY
from tests.oracle.books import EquityRow, FillRules, OrderRow, Result, TermsLike
from tests.oracle.events import Event, events_of
from tests.oracle.requests import Action, Requests

__all__ = ["Action", "Event", "Oracle", "events_of", "run"]


def run(tape: Tape, terms: Mapping[str, TermsLike], actions: Mapping[int, Sequence[Action]], cash_micros: int,
        watched: set[str], indices: Mapping[str, str] | None = None, rules: FillRules | None = None) -> Result:
    """Plays a tape against scripted actions and returns every row it books.

    ``terms`` by product code; ``actions`` by the time of the strategy's call at which they are requested
    (actions at a time without a call never happen); ``indices`` names the index that settles each product,
    ``VENUE-PRODUCT`` unless given. Raises DataError when a final cannot be worked out.
    """
    oracle = Oracle(tape, terms, actions, cash_micros, watched, indices, rules)
    for ts, group in groupby(events_of(tape), key=lambda event: event.ts):
        oracle.step(ts, list(group))
    return oracle.finish(tape.end)


class Oracle(Requests):
    """The account and the eight phases."""

    def __init__(self, tape: Tape, terms: Mapping[str, TermsLike], actions: Mapping[int, Sequence[Action]],
                 cash_micros: int, watched: set[str], indices: Mapping[str, str] | None = None,
                 rules: FillRules | None = None) -> None:
        super().__init__(tape, terms, cash_micros, indices, rules or FillRules())
        self.actions = actions
        self.watched = watched

    def step(self, ts: int, group: list[Event]) -> None:
        """One timestamp, phases 1 to 8 (the eighth needs no code: what is accepted now meets later groups only)."""
        self.begin_group(ts)
        bars = {event.code: event for event in group if event.kind == Kind.BAR}
        self.meet_bars(ts, bars)
        marks = {event.code: event.close for event in group if event.kind == Kind.MARK and event.volume <= 0}
        for event in group:
            if event.kind == Kind.MARK and event.volume > 0:
                self.correct_mark(ts, event)
            elif event.kind == Kind.MARK:
                book = self.books[event.code]
                paid = self.mark(ts, event.code, event.close, "variation")
                book.marked = (event.ts_event, ts, event.close, book.position, paid)
                self.end_orders(event.code, "lapsed")
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
        self.meet_marks(ts, marks)
        for event in group:
            if event.kind == Kind.LISTING:
                self.books[event.code].is_listed = True
        if any(event.kind == Kind.MARK for event in group):
            self.margin(ts)
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
            # Decision: a row shows size and limit as last accepted (amendments included, takings left aside), the limit
            # of an outright as it was named, that of a spread as its buyer sees it, of sum of ratio x price.
            limit = MISSING if order.limit is None else order.limit * (order.sign() if len(order.ratios) == 1 else 1)
            for code, ratio in order.ratios.items():
                self.result.orders.append(OrderRow(order.number, order.ts, code, ratio * order.units, order.kind, limit,
                                                   order.tif, order.origin, order.status, order.code,
                                                   ratio * order.units_filled))
        return self.result

    # Phase 5

    def margin(self, ts: int) -> None:
        equity, held = self.equity(), self.held()
        initial = self.requirement_of(held, initial=True)
        maintenance = self.requirement_of(held, initial=False)
        if equity < maintenance:
            # Decision: literally so, also on the days a call is not yet met (waiting liquidation orders are
            # cancelled and worked out anew) and with nothing held when equity is below zero.
            self.result.margin_calls += 1
            self.end_all(self.alive(), "margin_call")
            self.liquidate(ts, equity)
        self.result.equity.append(EquityRow(ts, equity, self.cash, initial, maintenance))
        self.write_positions(ts)

    def liquidate(self, ts: int, equity: int) -> None:
        """Decision: one outright order per reduced contract, largest requirement first, also when all are closed;
        a contract past its last trade can not be reduced and is passed over (it goes on being margined)."""
        planned = self.held()
        while True:
            open_to_trade = [code for code, lots in planned.items() if lots and self.is_tradable(code)]
            short = self.requirement_of(planned, initial=True) - equity
            if not open_to_trade or (equity > 0 and short <= 0):
                return
            largest = max(open_to_trade, key=lambda code: (self.requirement(code, planned[code], initial=True),
                                                           -self.row[code]))
            size, side = abs(planned[largest]), 1 if planned[largest] > 0 else -1
            before = self.requirement(largest, size, initial=True)
            reduce_by = size
            if equity > 0:
                enough = (n for n in range(1, size)
                          if before - self.requirement(largest, size - n, initial=True) >= short)
                reduce_by = next(enough, size)
            planned[largest] -= side * reduce_by
            self.accept(self.new_order(ts, {largest: -side}, reduce_by, origin="liquidation"))
