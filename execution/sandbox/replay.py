# SPDX-License-Identifier: Apache-2.0
"""An exchange that replays a tape: every account trades against its bars through the very kernels a backtest runs.

Between two timestamps of the tape the exchange is in pre-open and orders rest; a bar is an auction at its open and then its
range. Each account has a session of the engine of its own, whose orders come over the wire instead of from a strategy,
so that the same orders give the same fills, cash and settlements as a backtest, to the micro. Accounts do not meet.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from kilohour.errors import UsageError
from kilohour.execution.sandbox.averages import Entry
from kilohour.execution.sandbox.core import Exchange
from kilohour.execution.sandbox.engines import CODES, LEDGER, Account, by_order, rows_of
from kilohour.execution.sandbox.instruments import Instrument, Listing
from kilohour.execution.sandbox.ledger import margin
from kilohour.execution.sandbox.model import (
    KINDS,
    LIVES,
    TRIGGERED,
    Holding,
    NewOrder,
    Order,
    Reason,
    Session,
    State,
    Statement,
)
from kilohour.execution.sandbox.tape_rows import raw_rows
from kilohour.kernels import records as r
from kilohour.market import Market
from kilohour.tape.schema import Kind
from kilohour.units import MISSING, divide_half_even


class ReplayExchange(Exchange):
    """The exchange over a tape. :meth:`step` moves it to the next timestamp; commands take effect at ``now``."""

    kind = "replay"

    def __init__(self, market: Market, listing: Listing, cash: Mapping[str, int]) -> None:
        tape = market.tape
        super().__init__(listing, list(cash), tape.start)
        self.market, self.tape = market, tape
        ts = tape.events["ts"]
        self.groups = np.append(np.flatnonzero(np.diff(ts, prepend=ts[0] - 1)), len(ts))
        self.group = 0
        self.engines = {name: Account(name, market, micros) for name, micros in cash.items()}
        self._halted: dict[int, Session] = {}
        self._open: dict[int, None] = {}
        """Contracts whose bar is matched now."""
        self._listed = [contract.listed_at <= tape.start for contract in tape.contracts]
        self._by_index: dict[int, list[str]] = {}
        for each in listing.outrights:
            self._by_index.setdefault(int(market.terms[each.row]["index"]), []).append(each.symbol)

    # -- the clock --------------------------------------------------------------------------------------------

    @property
    def is_over(self) -> bool:
        """True when the tape has no further timestamp."""
        return self.group >= len(self.groups) - 1

    @property
    def next_time(self) -> int:
        """The timestamp that :meth:`step` would move to."""
        return int(self.tape.events["ts"][self.groups[self.group]])

    def step(self) -> tuple[int, int]:
        """Moves to the next timestamp: its bars open, are matched, and are over; the tape's rows of it, from and to."""
        rows = self.match()
        self.pause()
        return rows

    def match(self) -> tuple[int, int]:
        """Matches the next timestamp for every account and leaves contracts that have a bar open, to be told; :meth:`pause` comes next."""
        first, last = int(self.groups[self.group]), int(self.groups[self.group + 1])
        self.group += 1
        self.now = int(self.tape.events["ts"][first])
        self._see(first, last)
        for account in self.engines.values():
            account.session.run(last)
            self._read(account)
        return first, last

    def pause(self) -> None:
        """The bars are over: their contracts are in pre-open again until the next timestamp."""
        for row in self._open:
            self.changes.books[self.listing.outrights[row].symbol] = None
        self._open.clear()

    def _see(self, first: int, last: int) -> None:
        for row in raw_rows(self.tape, first, last):
            kind, ref, close, volume = row["kind"], row["ref"], row["close"], row["volume"]
            if kind == Kind.PRINT:
                self.see_print(self._by_index.get(ref, ()), close, row["ts_event"])
                continue
            symbol = self.listing.outrights[ref].symbol
            ticker = self.tickers[symbol]
            self.changes.books[symbol] = None
            if kind == Kind.BAR:
                self._listed[ref] = True
                self._open[ref] = None
                self._see_price(symbol, row["open"], row["high"], row["low"], close, max(volume, 0))
            elif kind == Kind.MARK:
                ticker.mark, ticker.settled, ticker.settled_at = close, close, row["ts_event"]
            elif kind == Kind.FUNDING:
                self.see_funding(self.listing.outrights[ref], row["ts"], None if close == MISSING else close)
            elif kind == Kind.INTEREST:
                ticker.interest = volume
            elif kind == Kind.EXPIRY:
                self._halted[ref] = Session.EXPIRED
            elif kind == Kind.LISTING:
                self._listed[ref] = True

    # -- commands ---------------------------------------------------------------------------------------------

    def session(self, instrument: Instrument) -> Session:
        """Pre-open between bars and open in one, for every contract that is listed and not halted; a spread is what all its legs are."""
        states = [self._halted.get(row) or self._usual(row) for row, _ in instrument.legs]
        worst = (Session.EXPIRED, Session.HALTED, Session.SUSPENDED, Session.FROZEN, Session.CLOSED, Session.PRE_OPEN)
        return next((state for state in worst if state in states), Session.OPEN)

    def _usual(self, row: int) -> Session:
        return Session.OPEN if row in self._open else Session.PRE_OPEN if self._listed[row] else Session.CLOSED

    def set_session(self, instrument: Instrument, session: Session) -> None:
        """Halts an instrument, or ends a halt (the control plane's verb). Its bars go on; its orders do not come in."""
        if session is Session.CLOSING:
            raise UsageError("closing_auction: only a market with a book has one, this is a replayed tape")
        if session is Session.PRE_OPEN:
            self._halted.pop(instrument.row, None)
        else:
            self._halted[instrument.row] = session
        self.changes.books[instrument.symbol] = None

    def is_shown(self, instrument: Instrument) -> bool:
        """True for a contract that is listed and has not expired."""
        return self._listed[instrument.row] and super().is_shown(instrument)

    def deposit(self, account: str, micros: int) -> None:
        """Cash into an account's book."""
        self.engines[account].book["cash"] += micros
        self.transact(account, "", "deposit", micros)

    def liquidate(self, account: str) -> int:
        """Market orders, id ``L-``, that fill at the next bar."""
        holdings = [h for h in self.statement(account).holdings if h.lots]
        for h in holdings:
            self.place(account, NewOrder(symbol=h.symbol, side=-1 if h.lots > 0 else 1, lots=abs(h.lots), kind="market", tag="liquidation"))
        return len(holdings)

    def expire(self, instrument: Instrument, price: int | None = None) -> None:  # noqa: ARG002
        """Raises :class:`UsageError`: what expires, and when, is on the tape."""
        raise UsageError("expire: a replayed tape says itself when a contract expires; use halt, or a sandbox with --market")

    def correct(self, instrument: Instrument, price: int) -> None:  # noqa: ARG002
        """Raises :class:`UsageError`: corrections are on the tape."""
        raise UsageError("correct_settlement: a replayed tape holds its own corrections; use a sandbox with --market")

    def hello(self) -> dict[str, Any]:
        """Venue, tape, products and contracts with their days, and the terms this exchange trades on."""
        from kilohour.tape.store import fingerprint

        tape, terms = self.tape, {each.contract.product: each.terms for each in self.listing.outrights}
        symbols = {each.contract.code: (each.symbol, each.okx) for each in self.listing.outrights}
        return {
            "venue": "sandbox", "kind": self.kind,
            "tape": tape.sha256 or fingerprint(tape), "source": tape.source, "notes": list(tape.notes),
            "start": tape.start, "end": tape.end, "events": len(tape), "days_per_year": tape.days_per_year,
            "assumptions": list(tape.assumptions), "products": list(tape.product_codes),
            "indices": [plain(index) for index in tape.indices],
            "contracts": [{**plain(c), "ax": symbols[c.code][0], "okx": symbols[c.code][1]} for c in tape.contracts],
            "terms": {code: plain(term, "margin_table") for code, term in terms.items()},
            "fills": plain(self.market.fills),
        }  # fmt: skip

    def place(self, account: str, new: NewOrder) -> Order:
        """Takes or refuses an order by the engine's own gate."""
        order = self._new_order(account, new, prefix="L-" if new.tag == "liquidation" else "O-")
        reason = self._check(account, new)
        instrument = self.listing.find(new.symbol)
        if reason is None and instrument is not None:
            if self.session(instrument) is Session.EXPIRED:
                reason = Reason.NOT_LISTED
            elif not self.session(instrument).takes_orders:
                reason = Reason.CLOSED
            elif new.kind not in KINDS or new.life not in LIVES or knows_not(new):
                reason = Reason.ORDER_TYPE
        if reason is not None or instrument is None:
            return self._refuse(order, reason or Reason.UNKNOWN_SYMBOL)
        engine = self.engines[account]
        engine.write(new, instrument, self.order_of(account, new.parent) if new.parent else None)
        engine.enter()
        order.number = int(engine.book["orders_made"])
        rows = engine.taken()["orders"]
        if rows[0]["status"] == r.REFUSED:
            return self._refuse(order, CODES.get(r.CODES[int(rows[0]["code"]) - 1], Reason.ORDER_TYPE))
        engine.by_number[order.number] = order
        self._accept(order)
        return order

    def cancel(self, order: Order, reason: Reason = Reason.USER) -> Reason | None:
        """Cancels an order at once, for nothing is matched between bars."""
        if not order.state.is_open:
            return Reason.GONE
        instrument = self.listing.find(order.symbol)
        if instrument is not None and not self.session(instrument).takes_cancels:
            return Reason.CLOSED
        engine = self.engines[order.account]
        slot = engine.slot(order)
        if slot is None:
            return Reason.GONE
        engine.desk["request_kind"][0], engine.desk["request_ticket"][0] = r.REQUEST_CANCEL, slot["ticket"]
        engine.desk["request_count"] = 1
        engine.serve()
        self._read(engine, reason)
        return Reason.CLOSED if order.state.is_open else None

    def replace(self, order: Order, *, lots: int | None, price: int | None, life: str | None = None,
                post_only: bool | None = None, keep_id: bool = False) -> Order | Reason:  # fmt: skip
        """The engine amends its order; the new id goes on where the old one stood."""
        engine = self.engines[order.account]
        slot, instrument = engine.slot(order), self.listing.find(order.symbol)
        if slot is None or instrument is None or not order.state.is_open:
            return Reason.GONE
        if life not in (None, order.life) or post_only not in (None, order.post_only) or abs(int(slot["ratio"][0])) != 1:
            return Reason.ORDER_TYPE
        lots, price = order.lots if lots is None else lots, order.price if price is None else price
        if not 1 <= lots <= 1_000_000 or (price is not None and abs(price) > 10**15):
            return Reason.QUANTITY if not 1 <= lots <= 1_000_000 else Reason.BAND
        if (refused := self.over_credit(order.account, order.symbol, order.side, lots, order)) is not None:
            return refused
        ratio, desk = int(slot["ratio"][0]), engine.desk
        desk["request_kind"][0], desk["request_ticket"][0], desk["request_lots"][0] = r.REQUEST_AMEND, slot["ticket"], lots * ratio
        desk["request_price"][0] = (price or 0) / 1e6 * (ratio * order.side if instrument.is_spread else 1)
        desk["request_count"] = 1
        engine.serve()
        rows = engine.taken()["orders"]
        if int(rows[0]["status"]) == r.REFUSED:
            return CODES.get(r.CODES[int(rows[0]["code"]) - 1], Reason.ORDER_TYPE)
        if int(rows[0]["status"]) != r.WORKING:
            self._end(order, State.CANCELED, Reason.USER)
            return order
        return self._replaced(engine, order, lots, price, keep_id=keep_id)

    def _replaced(self, engine: Account, old: Order, lots: int, price: int | None, *, keep_id: bool) -> Order:
        if keep_id:
            old.lots, old.price = lots, price
            self.tell("replaced", old, replacement=old)
            return old
        new = self._new_order(
            old.account,
            NewOrder(
                symbol=old.symbol,
                side=old.side,
                lots=lots,
                price=price,
                kind=old.kind,
                life=old.life,
                until=old.until,
                trigger=old.trigger,
                post_only=old.post_only,
                reduce_only=old.reduce_only,
                client_id=old.client_id,
                tag=old.tag,
            ),
            replaces=old.id,
        )
        new.number, new.filled, new.paid, new.state = old.number, old.filled, old.paid, old.state
        new.woke_at, new.woke_event = old.woke_at, old.woke_event
        engine.by_number[new.number] = new
        self.open_orders[old.account].pop(old.id, None)
        self.open_orders[old.account][new.id] = new
        if new.client_id:
            self.by_client[new.account, new.client_id] = new
        old.state = State.REPLACED
        self.tell("replaced", old, replacement=new)
        return new

    # -- what the engine did ----------------------------------------------------------------------------------

    def _read(self, engine: Account, reason: Reason = Reason.VENUE) -> None:
        rows = engine.taken()
        self._read_fills(engine, rows["fills"])
        for row in rows["orders"]:
            self._read_order(engine, row, reason)
        for row in rows["ledger"]:
            symbol = engine.symbol_of(self.listing, int(row["contract"]))
            self.transact(engine.name, symbol, LEDGER[int(row["kind"])], int(row["micros"]))
        for row in rows["settlements"]:
            engine.entries.pop(int(row["contract"]), None)
        for order in [order for order in self.open_orders[engine.name].values() if order.is_asleep]:
            slot = engine.slot(order)
            if slot is not None and KINDS[int(slot["kind"]) - 1] != order.kind:
                self._trigger(order)

    def _read_fills(self, engine: Account, rows: Any) -> None:
        for order_rows in by_order(rows):
            order = engine.by_number.get(int(order_rows[0]["order"])) or self._liquidation(engine, order_rows)
            instrument = self.listing.find(order.symbol)
            legs = dict(instrument.legs) if instrument is not None else {}
            if order.is_asleep:
                self._trigger(order)
            for place, row in enumerate(order_rows):
                ref, lots = int(row["contract"]), int(row["lots"])
                counts = abs(lots) // abs(legs[ref]) if place == len(order_rows) - 1 else 0
                self._fill(
                    order,
                    self.listing.outrights[ref].symbol,
                    1 if lots > 0 else -1,
                    abs(lots),
                    int(row["price_micros"]),
                    int(row["fee_micros"]),
                    is_taker=not row["maker"],
                    counts=counts,
                    cost=int(row["half_spread_micros"]),
                )
                engine.entries.setdefault(ref, Entry()).trade(lots, int(row["price_micros"]), self.now)

    def _trigger(self, order: Order) -> None:
        self.wake(order)
        self.tell("accepted", order, text=TRIGGERED)

    def _liquidation(self, engine: Account, rows: Any) -> Order:
        """An order that nobody sent: a margin call's. Rows of one fill or of its acceptance, one a leg."""
        legs = [(self.listing.outrights[int(row["contract"])].symbol, int(row["lots"])) for row in rows]
        from math import gcd

        from kilohour.execution.sandbox.instruments import spread_symbol

        units = gcd(*(lots for _, lots in legs))
        side = 1 if len(legs) > 1 or legs[0][1] > 0 else -1
        order = self._new_order(
            engine.name,
            NewOrder(
                symbol=spread_symbol([(symbol, lots // units) for symbol, lots in legs]),
                side=side,
                lots=units,
                kind="market",
                tag="liquidation",
            ),
            prefix="L-",
        )
        order.number = int(rows[0]["order"])
        engine.by_number[order.number] = order
        self._accept(order)
        return order

    def _read_order(self, engine: Account, row: Any, reason: Reason) -> None:
        number, status = int(row["order"]), int(row["status"])
        order = engine.by_number.get(number)
        if status == r.WORKING:
            if order is None:
                self._liquidation(engine, rows_of(engine, number))
            return
        if order is None or not order.state.is_open:
            return
        if status == r.REFUSED:
            self.open_orders[order.account].pop(order.id, None)
            order.state = State.REJECTED
            self.tell("rejected", order, reason=CODES[r.CODES[int(row["code"]) - 1]])
        elif status == r.MARGIN_CALL:
            self._end(order, State.CANCELED, Reason.LIQUIDATION)
        elif status == r.LAPSED:
            self._end(order, State.DONE_FOR_DAY if order.life == "DAY" else State.EXPIRED, Reason.LAPSED)
        elif status == r.EXPIRED:
            self._end(order, State.EXPIRED, Reason.NOT_LISTED)
        else:
            self._end(order, State.CANCELED, reason)

    # -- what a dialect reads ---------------------------------------------------------------------------------

    def depth(self, instrument: Instrument, levels: int) -> tuple[list[tuple[int, int, int]], list[tuple[int, int, int]]]:  # noqa: ARG002
        """Half a spread either side of the last close, for what the last bar's volume offers: a picture, nothing rests there."""
        bid, ask = self.best(instrument)
        if bid is None or ask is None:
            return [], []
        lots = max(self.tickers[instrument.symbol].last_lots * instrument.terms.participation_ppm // 1_000_000, 1)
        return [(bid, lots, 1)], [(ask, lots, 1)]

    def best(self, instrument: Instrument) -> tuple[int | None, int | None]:
        """The prices of :meth:`depth`, looked at after every timestamp for every contract with an event: only an end is asked for here,
        not the whole session."""
        ticker, halted = self.tickers.get(instrument.symbol), self._halted
        if ticker is None or ticker.last is None or (halted and any(halted.get(row) is Session.EXPIRED for row, _ in instrument.legs)):
            return None, None
        half = max(instrument.terms.half_spread_micros, instrument.tick)
        return ticker.last - half, ticker.last + half

    def statement(self, account: str) -> Statement:
        """Read off the engine's book."""
        engine = self.engines[account]
        book, holdings = engine.book, []
        unrealized_all = 0
        for line in range(int(book["open_count"])):
            row = int(book["open_contract"][line])
            term, lots = self.market.terms[row], int(book["position"][row])
            worth = lots * int(book["value_price"][row]) * int(term["lot_num"])
            unrealized = divide_half_even(worth - int(book["open_value"][row]) + int(book["residue"][row]), int(term["lot_den"]))
            unrealized_all += unrealized
            entry = engine.entries.get(row, Entry())
            holdings.append(
                Holding(
                    symbol=self.listing.outrights[row].symbol,
                    lots=lots,
                    open_value=int(book["open_value"][row]),
                    average=entry.average,
                    value_price=int(book["value_price"][row]),
                    unrealized=unrealized,
                    opened=entry.opened,
                    realized=divide_half_even(entry.realized * int(term["lot_num"]), int(term["lot_den"])),
                )
            )
        return Statement(
            account=account,
            cash=int(book["cash"]),
            equity=int(book["cash"]) + unrealized_all,
            initial=int(book["initial"]),
            maintenance=int(book["maintenance"]),
            fees=int(book["fees"]),
            holdings=tuple(holdings),
        )

    def margin_of(self, account: str, new: NewOrder) -> int:
        """Per cent of notional or per lot, of positions with the order filled; scenario margin is not previewed."""
        instrument = self.listing.find(new.symbol)
        lots = {h.symbol: h.lots for h in self.statement(account).holdings}
        prices = {h.symbol: h.value_price for h in self.statement(account).holdings}
        for row, ratio in instrument.legs if instrument is not None else ():
            symbol = self.listing.outrights[row].symbol
            lots[symbol] = lots.get(symbol, 0) + ratio * new.side * new.lots
            prices.setdefault(symbol, self.tickers[symbol].last or new.price or 0)
        total = 0
        for symbol, count in lots.items():
            each = self.listing.by_symbol[symbol]
            total += margin(each, count, prices[symbol], each.terms.margin_initial_ppm, each.terms.margin_initial_floor_micros)
        return total


def plain(of: Any, *without: str) -> dict[str, Any]:
    """The fields of a dataclass that has no others inside, by name."""
    return {f.name: getattr(of, f.name) for f in dataclasses.fields(of) if f.name not in without}


def knows_not(new: NewOrder) -> bool:
    """True for what the order book has beyond the engine: a stop with a second level, a touch with a limit, a trail by a share."""
    return new.touch is not None or new.distance_ppm > 0 or (new.kind == "market_if_touched" and new.price is not None)
