# SPDX-License-Identifier: Apache-2.0
"""What happens at the book exchange by the clock: the official events of its tape, sessions, margin calls, and bars of a minute."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from kilohour.execution.sandbox.engines import LEDGER
from kilohour.execution.sandbox.instruments import spread_symbol
from kilohour.execution.sandbox.model import NewOrder, Reason, Session, State
from kilohour.execution.sandbox.tape_rows import feed_rows, raw_rows
from kilohour.tape.schema import Kind
from kilohour.units import MISSING, NANOS_PER_DAY, NANOS_PER_SECOND

if TYPE_CHECKING:
    from kilohour.execution.sandbox.exchange import BookExchange

MINUTE = 60 * NANOS_PER_SECOND
PRE_OPEN_AT, OPEN_AT = (20 * 60 + 55) * MINUTE, 21 * 60 * MINUTE
"""UTC, every day: five minutes in which orders rest, then an auction. AX has an hour of it."""
DAYS_AT_ONCE = 400
FUNDING_DAYS = 60
"""Fundings of so many days before the opening are shown to clients that ask for a history."""


class Official:
    """The exchange's calendar. It is told of trades, and tells the feed."""

    def __init__(self, exchange: BookExchange) -> None:
        self.exchange = exchange
        self.tape = exchange.market.tape
        ts = self.tape.events["ts"]
        self._groups = np.append(np.flatnonzero(np.diff(ts, prepend=ts[0] - 1)), len(ts))
        self._group = 0
        self._states: dict[int, Session] = {}
        self._by_index: dict[int, list[str]] = {}
        self._bars: dict[int, list[int]] = {}
        self._rows: list[dict[str, Any]] = []
        self.finals: dict[int, int] = {}
        """Final prices by row, once a contract has one."""

    # -- the clock --------------------------------------------------------------------------------------------

    def begin(self, start: int) -> None:
        """What was official before the exchange opened."""
        exchange, events = self.exchange, self.tape.events
        count = int(np.searchsorted(events["ts"], start, side="right"))
        self._group = int(np.searchsorted(self._groups, count))
        exchange.ledger.run(count)
        listed = next(iter(exchange.ledger.accounts.values())).desk["listed"]
        for each in exchange.listing.outrights:
            self._by_index.setdefault(int(exchange.market.terms[each.row]["index"]), []).append(each.symbol)
            over = each.contract.last_trade_at <= start
            self._states[each.row] = Session.EXPIRED if over else Session.OPEN if listed[each.row] else Session.CLOSED
        for i in self._remembered(count, start):
            self._show(next(raw_rows(self.tape, i, i + 1)))
        if self._is_pre_open(start):
            self._everywhere(Session.OPEN, Session.PRE_OPEN)
        exchange.take_changes()

    def _remembered(self, count: int, start: int) -> list[int]:
        """Rows that tell what clients find at the opening: the last of each kind and contract, and what fundings were paid from lately."""
        events = self.tape.events
        kinds, refs = events["kind"][:count], events["ref"][:count]
        found: set[int] = set()
        for kind in (Kind.MARK, Kind.PRINT, Kind.INTEREST):
            rows = np.flatnonzero(kinds == kind)
            _, last = np.unique(refs[rows][::-1], return_index=True)
            found.update(rows[::-1][last].tolist())
        pays = np.array([each.pays_funding for each in self.exchange.listing.outrights])
        of_paying = np.isin(kinds, (Kind.MARK, Kind.FUNDING)) & pays[np.minimum(refs, len(pays) - 1)]
        recent = events["ts"][:count] > start - FUNDING_DAYS * NANOS_PER_DAY
        found.update(np.flatnonzero(recent & (of_paying | (kinds == Kind.PRINT))).tolist())
        return sorted(found)

    def move(self, until: int) -> list[dict[str, Any]]:
        """Everything up to a time, in order; what the feed tells of it."""
        exchange = self.exchange
        for _ in range(DAYS_AT_ONCE * 1_500):
            at, what = self._next(until)
            if what is None:
                break
            exchange.now = at
            if what == "group":
                self._play_group()
            elif what == "bars":
                self._close_bars()
            elif self._is_pre_open(at):
                self._everywhere(Session.OPEN, Session.PRE_OPEN)
            else:
                self._everywhere(Session.PRE_OPEN, Session.OPEN)
        exchange.now = until
        rows, self._rows = self._rows, []
        return rows

    def _next(self, until: int) -> tuple[int, str | None]:
        now, found = self.exchange.now, []
        if self._group < len(self._groups) - 1:
            found.append((int(self.tape.events["ts"][self._groups[self._group]]), 0, "group"))
        if self._bars:
            found.append((now - now % MINUTE + MINUTE, 1, "bars"))
        day = now - now % NANOS_PER_DAY
        found.append((min(t for t in (day + PRE_OPEN_AT, day + OPEN_AT, day + NANOS_PER_DAY + PRE_OPEN_AT) if t > now), 2, "session"))
        at, _, what = min(found)
        return (max(at, now), what) if at <= until else (until, None)

    def _is_pre_open(self, ts: int) -> bool:
        return PRE_OPEN_AT <= ts % NANOS_PER_DAY < OPEN_AT

    def _everywhere(self, was: Session, now: Session) -> None:
        """The daily pre-open and opening, of all but perpetuals, which trade around the clock."""
        for row, state in self._states.items():
            if state is was and not self.exchange.listing.outrights[row].contract.is_perpetual:
                self.set_session(row, now)

    # -- official events --------------------------------------------------------------------------------------

    def _play_group(self) -> None:
        exchange = self.exchange
        first, last = int(self._groups[self._group]), int(self._groups[self._group + 1])
        self._group += 1
        written = exchange.ledger.run(last)
        self._rows += feed_rows(self.tape, first, last)
        has_mark = False
        for row in raw_rows(self.tape, first, last):
            self._show(row)
            has_mark = has_mark or row["kind"] == Kind.MARK
            if row["kind"] == Kind.MARK and row["volume"] <= 0:
                exchange.end_orders(row["ref"], State.DONE_FOR_DAY, Reason.LAPSED, only_day=True)
            elif row["kind"] == Kind.EXPIRY:
                self._states[row["ref"]] = Session.EXPIRED
                exchange.end_orders(row["ref"], State.EXPIRED, Reason.NOT_LISTED)
            elif row["kind"] == Kind.LISTING:
                waits = self._is_pre_open(exchange.now) and not exchange.listing.outrights[row["ref"]].contract.is_perpetual
                self._states[row["ref"]] = Session.PRE_OPEN if waits else Session.OPEN
        self._read_books(written)
        if has_mark:
            self._call_margin()

    def _show(self, row: dict[str, int]) -> None:
        exchange = self.exchange
        if row["kind"] == Kind.PRINT:
            exchange.see_print(self._by_index.get(row["ref"], ()), row["close"], row["ts_event"])
            return
        each = exchange.listing.outrights[row["ref"]]
        symbol = each.symbol
        ticker = exchange.tickers[symbol]
        if row["kind"] == Kind.MARK:
            ticker.mark, ticker.settled, ticker.settled_at = row["close"], row["close"], row["ts"]
        elif row["kind"] == Kind.FUNDING:
            exchange.see_funding(each, row["ts"], None if row["close"] == MISSING else row["close"])
        elif row["kind"] == Kind.INTEREST:
            ticker.interest = row["volume"]
        exchange.changes.books[symbol] = None

    def _read_books(self, written: list[tuple[str, dict[str, Any]]]) -> None:
        """Cash that official events moved, and finals."""
        exchange = self.exchange
        for name, tables in written:
            for row in tables["ledger"]:
                symbol = exchange.ledger.accounts[name].symbol_of(exchange.listing, int(row["contract"]))
                exchange.transact(name, symbol, LEDGER[int(row["kind"])], int(row["micros"]))
            for row in tables["settlements"]:
                self.finals[int(row["contract"])] = int(row["price_micros"])
                exchange.ledger.accounts[name].entries.pop(int(row["contract"]), None)

    def _call_margin(self) -> None:
        """What the engine's margin call would do against bars is done in the book: its orders go to the market."""
        exchange = self.exchange
        for name in exchange.accounts:
            orders = exchange.ledger.liquidations(name)
            if not orders:
                continue
            exchange.cancel_all(name, reason=Reason.LIQUIDATION)
            for legs in orders:
                self._liquidate(name, legs)

    def _liquidate(self, name: str, legs: list[tuple[int, int]]) -> None:
        units = int(np.gcd.reduce([abs(lots) for _, lots in legs]))
        side = 1 if len(legs) > 1 or legs[0][1] > 0 else -1
        names = [(self.exchange.listing.outrights[row].symbol, side * lots // units) for row, lots in legs]
        self.exchange.place(name, NewOrder(symbol=spread_symbol(names), side=side, lots=units, kind="market", tag="liquidation"))

    # -- sessions, expiry, corrections ------------------------------------------------------------------------

    def session_of(self, row: int) -> Session:
        """What a contract lets one do now."""
        return self._states[row]

    def is_listed(self, row: int) -> bool:
        """True between listing and expiry, halted or not."""
        return self._states[row] not in (Session.EXPIRED, Session.CLOSED)

    def set_session(self, row: int, session: Session) -> None:
        """Another session for a contract; one that opens begins with an auction, a closing auction that is closed ends with one."""
        was, self._states[row] = self._states[row], session
        self.exchange.changes.books[self.exchange.listing.outrights[row].symbol] = None
        if session is Session.OPEN and was not in (Session.OPEN, Session.EXPIRED):
            self.exchange.touched_rows[row] = None  # a stop that the price reached while nothing traded wakes now
            self.exchange.hold_auction(row)
        elif session is Session.CLOSED and was is Session.CLOSING:
            self.exchange.hold_auction(row)

    def expire(self, row: int, price: int) -> None:
        """The contract's trading is over and it settles at a price, both now."""
        self._states[row] = Session.EXPIRED
        self.finals[row] = price
        self.exchange.end_orders(row, State.EXPIRED, Reason.NOT_LISTED)
        self._read_books(self.exchange.ledger.finish(row, price))
        self.tell("final", row, price)
        self.tell("expiry", row, None)

    def correct(self, row: int, price: int) -> None:
        """The final price, or before there is one the latest mark, was another."""
        is_final = row in self.finals
        ticker = self.exchange.tickers[self.exchange.listing.outrights[row].symbol]
        before = self.finals[row] if is_final else ticker.mark
        self._read_books(self.exchange.ledger.correct(row, price, is_final=is_final))
        if is_final:
            self.finals[row] = price
        else:
            ticker.mark = ticker.settled = price
        self.tell("final" if is_final else "mark", row, price, before=before, revision=1)

    def tell(self, kind: str, row: int, close: int | None, *, before: int | None = None, revision: int = 0) -> None:
        """An official event that is not on the tape, for the feed."""
        now, code = self.exchange.now, self.exchange.listing.outrights[row].contract.code
        self._rows.append({"ts": now, "ts_event": now, "kind": kind, "code": code, "open": before, "high": None, "low": None,
                           "close": close, "volume": revision})  # fmt: skip

    # -- bars -------------------------------------------------------------------------------------------------

    def see_trade(self, row: int, lots: int, price: int) -> None:
        """A trade goes into the contract's bar of this minute."""
        bar = self._bars.setdefault(row, [price, price, price, price, 0])
        bar[1], bar[2], bar[3] = max(bar[1], price), min(bar[2], price), price
        bar[4] += lots

    def _close_bars(self) -> None:
        now = self.exchange.now
        for row in sorted(self._bars):
            open, high, low, close, volume = self._bars[row]
            self._rows.append({"ts": now, "ts_event": now, "kind": "bar", "code": self.exchange.listing.outrights[row].contract.code,
                               "open": open, "high": high, "low": low, "close": close, "volume": volume})  # fmt: skip
        self._bars.clear()
