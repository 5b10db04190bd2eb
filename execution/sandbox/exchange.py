# SPDX-License-Identifier: Apache-2.0
"""The exchange with an order book: matching by price and time, sessions with an opening auction, margin, marks, settlement.

It knows no HTTP and no clock: :meth:`BookExchange.advance` says what time it is. The market's official events (marks, index prints,
funding, settlements, listings, expiries) come from a tape; what is traded, and at what, is decided here. The same commands at the
same times give the same bytes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from kilohour.errors import UsageError
from kilohour.execution.sandbox.books import Books
from kilohour.execution.sandbox.core import OPEN_ORDERS_MOST, Exchange
from kilohour.execution.sandbox.engines import CODES
from kilohour.execution.sandbox.fair import FairCurve
from kilohour.execution.sandbox.instruments import Instrument, Listing
from kilohour.execution.sandbox.ledger import Ledger, margin
from kilohour.execution.sandbox.model import TRIGGERED, NewOrder, Order, Reason, Session, State, Statement
from kilohour.execution.sandbox.official import Official
from kilohour.execution.sandbox.spreads import crosses, implied_out, match_spread, retry_spreads, trade_out
from kilohour.execution.sandbox.triggers import Triggers, refusal
from kilohour.kernels import order_book as kernel
from kilohour.kernels import records as r
from kilohour.market import Market

POLICIES = {
    "allow": kernel.ALLOW, "cancel_resting": kernel.CANCEL_RESTING, "cancel_taker": kernel.CANCEL_TAKER, "cancel_both": kernel.CANCEL_BOTH,
}  # fmt: skip
"""What becomes of an order that would trade with one of its own account."""
COLLAR_PPM = 50_000
"""A market order goes no farther than this from what the contract is worth, or to the price band."""
MAKERS, TAKERS = "makers", "takers"
BOTS = (MAKERS, TAKERS)
"""The accounts of the bots; the risk gate does not ask them."""
TRADABLE = ("market", "limit", "stop", "stop_limit", "trailing_stop", "market_if_touched")


class BookExchange(Exchange):
    """The exchange. ``market`` holds a tape of official events alone; ``curve`` says what contracts are worth."""

    kind = "book"

    def __init__(
        self, market: Market, listing: Listing, cash: Mapping[str, int], start: int, curve: FairCurve, *, self_trade: str = "cancel_resting"
    ) -> None:
        super().__init__(listing, list(cash), start)
        if self_trade not in POLICIES:
            raise UsageError(f"self_trade must be one of {', '.join(POLICIES)}, found {self_trade!r}")
        if market.has_scenarios:
            raise UsageError("the sandbox's order book knows margin per cent and per lot only: leave scenario margin to --replay")
        self.market, self.curve, self.policy = market, curve, POLICIES[self_trade]
        self.books = Books(len(listing.outrights))
        self.ledger = Ledger(market, listing, cash, self.value)
        self.official = Official(self)
        self.triggers = Triggers()
        self.resting: dict[int, Order] = {}
        self.numbers = {name: at for at, name in enumerate(cash)}
        self.touched_rows: dict[int, None] = {}
        self.official.begin(start)

    # -- the clock and the session ----------------------------------------------------------------------------

    def advance(self, ts: int) -> list[dict[str, Any]]:
        """Moves the clock to ``ts``: official events in their order, sessions, orders whose time is over. The feed's rows of it."""
        rows = self.official.move(max(ts, self.now))
        for name in self.accounts:
            for order in [o for o in self.open_orders[name].values() if o.life == "GTD" and self.now > o.until]:
                self.finish(order, State.EXPIRED, Reason.LAPSED)
        return rows

    def session(self, instrument: Instrument) -> Session:
        """A spread is open while all its legs are."""
        if not instrument.is_spread:
            return self.official.session_of(instrument.row)
        states = [self.official.session_of(row) for row, _ in instrument.legs]
        return next((state for state in states if state is not Session.OPEN), Session.OPEN)

    def set_session(self, instrument: Instrument, session: Session) -> None:
        """Halts, closes or opens an instrument; an opening is an auction, and so is the end of a closing auction."""
        for row, _ in instrument.legs:
            self.official.set_session(row, session)

    def is_shown(self, instrument: Instrument) -> bool:
        """True for a contract that is listed and has not expired."""
        return self.official.is_listed(instrument.row)

    def hold_auction(self, row: int) -> None:
        """What came to cross while orders rested trades at one price."""
        symbol = self.listing.outrights[row].symbol
        price, lots = self.books.auction_price(row, self.value(row) or 0)
        while lots and (trade := self.books.uncross(row, price)) is not None:
            buyer, seller = self.resting[trade[0]], self.resting[trade[1]]
            self._execute(seller, buyer, symbol, row, trade[2], price, 1, both_take=True)
        self.settle_down()

    def value(self, row: int) -> int | None:
        """What a contract is worth now: the middle of its book, else its last trade or mark, whichever is later, else the curve."""
        bid, ask = self.books.best(row, 1), self.books.best(row, -1)
        if bid is not None and ask is not None and self.official.session_of(row) is Session.OPEN:
            return (bid + ask) // 2
        ticker = self.tickers[self.listing.outrights[row].symbol]
        if ticker.last is not None and (ticker.mark is None or ticker.last_at > ticker.settled_at):
            return ticker.last
        if ticker.mark is not None:
            return ticker.mark
        fair = self.curve.at(row, self.now)
        return None if fair is None else round(fair)

    def mark_of(self, instrument: Instrument) -> int | None:
        """The official mark; a perpetual's is what it is worth now."""
        return self.value(instrument.row) if instrument.contract.is_perpetual else super().mark_of(instrument)

    # -- commands ---------------------------------------------------------------------------------------------

    def place(self, account: str, new: NewOrder) -> Order:
        """Takes or refuses an order, and trades what it can."""
        order = self._new_order(account, new, prefix="L-" if new.tag == "liquidation" else "O-")
        order.number = self.order_count
        reason = self._check(account, new) or self._check_session(new) or self._check_gate(account, order, new)
        if reason is not None:
            return self._refuse(order, reason)
        instrument = self._instrument(order)
        self._commit(order, instrument, order.lots)
        self._accept(order)
        if new.kind in ("market", "limit"):
            self.work(order, instrument)
        else:
            self.triggers.add(order, instrument, self.value(instrument.row) or 0)
        self.settle_down()
        return order

    def _check_session(self, new: NewOrder) -> Reason | None:
        instrument = self.listing.find(new.symbol)
        if instrument is None:
            return Reason.UNKNOWN_SYMBOL
        state = self.session(instrument)
        if state is Session.EXPIRED:
            return Reason.NOT_LISTED
        is_immediate = new.life in ("IOC", "FOK") or new.kind == "market"
        if not state.takes_orders or (state is not Session.OPEN and is_immediate):
            return Reason.CLOSED
        if new.kind not in TRADABLE or new.group or new.parent or (instrument.is_spread and new.kind not in ("market", "limit")):
            return Reason.ORDER_TYPE
        if instrument.is_spread and (new.reduce_only or not any(abs(ratio) == 1 for _, ratio in instrument.legs)):
            return Reason.ORDER_TYPE
        if instrument.is_spread and self.books.line_of_spread(instrument.symbol) is None:
            return Reason.UNKNOWN_SYMBOL
        return None

    def _check_gate(self, account: str, order: Order, new: NewOrder) -> Reason | None:
        instrument = self._instrument(order)
        if account not in BOTS and new.tag != "liquidation":
            if len(self.open_orders[account]) >= OPEN_ORDERS_MOST:
                return Reason.CAPACITY
            code = self.ledger.ask(account, new, instrument)
            if code:
                return CODES.get(r.CODES[code - 1], Reason.ORDER_TYPE)
        reason = refusal(new, instrument, self.band(instrument))
        if reason is not None:
            return reason
        if new.kind == "market":
            order.price = self._collar(instrument, new.side)
            if order.price is None:
                return Reason.NO_PRICE
        if new.post_only and crosses(self, account, instrument, new.side, new.price or 0):
            return Reason.POST_ONLY
        return None

    def cancel(self, order: Order, reason: Reason = Reason.USER) -> Reason | None:
        """Cancels an order, unless it is done or its instrument is halted."""
        if not order.state.is_open:
            return Reason.GONE
        if reason is Reason.USER and not self.session(self._instrument(order)).takes_cancels:
            return Reason.CLOSED
        self.finish(order, State.CANCELED, reason)
        self.settle_down()  # what it stood before may trade now
        return None

    def replace(
        self,
        order: Order,
        *,
        lots: int | None,
        price: int | None,
        life: str | None = None,
        post_only: bool | None = None,
        keep_id: bool = False,
    ) -> Order | Reason:
        """An order that only shrinks keeps its place in the queue; any other goes to the end of it, and may trade."""
        if not order.state.is_open:
            return Reason.GONE
        instrument, lots, price = self._instrument(order), lots or order.lots, order.price if price is None else price
        changed = NewOrder(
            symbol=order.symbol, side=order.side, lots=lots, price=price, kind=order.kind, life=life or order.life, until=order.until,
            trigger=order.trigger, post_only=order.post_only if post_only is None else post_only, reduce_only=order.reduce_only,
            client_id=order.client_id, tag=order.tag)  # fmt: skip
        reason = self._check_change(order, changed, instrument) or self.over_credit(order.account, order.symbol, order.side, lots, order)
        if reason is not None:
            return reason
        if lots <= order.filled:
            self.finish(order, State.CANCELED, Reason.USER)
            return order
        keeps_place = price == order.price and lots <= order.lots and self.books.holds(order.number)
        self._commit(order, instrument, lots - order.filled - order.left)
        new = self._renamed(order, changed, keep_id=keep_id)
        if keeps_place:
            self.books.shrink(new.number, new.left)
        elif new.kind == "limit":
            self.books.take_out(new.number)
            self.resting.pop(new.number, None)
            self.work(new, instrument)
        self.settle_down()
        return new

    def _check_change(self, order: Order, changed: NewOrder, instrument: Instrument) -> Reason | None:
        if order.kind not in ("limit", "stop_limit") or changed.life not in ("GTC", "DAY", order.life):
            return Reason.ORDER_TYPE
        if not self.session(instrument).takes_orders:
            return Reason.CLOSED
        if not 1 <= changed.lots <= 1_000_000 or abs(changed.price or 0) > 10**15:
            return Reason.QUANTITY if not 1 <= changed.lots <= 1_000_000 else Reason.BAND
        if changed.lots > order.filled and order.account not in BOTS:
            self._commit(order, instrument, -order.left)
            code = self.ledger.ask(order.account, changed, instrument, changed.lots - order.filled)
            self._commit(order, instrument, order.left)
            if code:
                return CODES.get(r.CODES[code - 1], Reason.ORDER_TYPE)
        if changed.post_only and changed.price != order.price and crosses(self, order.account, instrument, order.side, changed.price or 0):
            return Reason.POST_ONLY
        return None

    def _renamed(self, old: Order, changed: NewOrder, *, keep_id: bool) -> Order:
        """The order under its new terms; under a new id it takes the old one's place everywhere."""
        if keep_id:
            old.lots, old.price, old.life, old.post_only = changed.lots, changed.price, changed.life, changed.post_only
            self.tell("replaced", old, replacement=old)
            return old
        new = self._new_order(old.account, changed, replaces=old.id)
        new.number, new.filled, new.paid, new.fee, new.state = old.number, old.filled, old.paid, old.fee, old.state
        self.open_orders[old.account].pop(old.id, None)
        self.open_orders[old.account][new.id] = new
        if new.number in self.resting:
            self.resting[new.number] = new
        self.triggers.rename(old, new)
        if new.client_id:
            self.by_client[new.account, new.client_id] = new
        old.state = State.REPLACED
        self.tell("replaced", old, replacement=new)
        return new

    # -- matching ---------------------------------------------------------------------------------------------

    def work(self, order: Order, instrument: Instrument) -> None:
        """Trades what an order can, then rests it or ends it by its life."""
        line = self.line(instrument)
        if self.session(instrument) is Session.OPEN:
            reach = self.books.offered(line, order.side, order.price or 0, self.numbers[order.account], self.policy)
            if order.life == "FOK" and not instrument.is_spread and reach < order.left:
                self.finish(order, State.EXPIRED, Reason.NO_LIQUIDITY)
                return
            if instrument.is_spread:
                match_spread(self, order, instrument, line)
            else:
                self._match(order, order.symbol, line)
        if not order.state.is_open:
            return
        if order.kind == "market" or order.life in ("IOC", "FOK"):
            self.finish(order, State.EXPIRED, Reason.NO_LIQUIDITY)
        elif self.books.rest(line, order.side, order.price or 0, order.left, self.numbers[order.account], order.number):
            self.resting[order.number] = order
            self.touch(instrument)
            if order.reduce_only:
                self._cap_reducing(order.account, instrument.row)
        else:
            self.finish(order, State.CANCELED, Reason.CAPACITY)

    def _match(self, order: Order, symbol: str, line: int) -> None:
        number = self.numbers[order.account]
        while order.state.is_open:
            left = min(order.left, self._reducible(order, line)) if order.reduce_only else order.left
            if left == 0:
                self.finish(order, State.CANCELED, Reason.REDUCE_ONLY)
                return
            native = self.books.best(line, -order.side)
            behind = implied_out(self, order.account, line, order.side, order.price or 0, left)
            if behind is not None and (native is None or (native - behind.price) * order.side > 0):
                trade_out(self, order, line, behind)
                continue
            row, stopped = self.books.match(line, order.side, order.price or 0, left, number, self.policy)
            if row is not None and row[0] == kernel.TRADED:
                self._execute(order, self.resting[row[1]], symbol, line, row[2], row[3], order.side)
            elif row is not None:
                self.finish(self.resting[row[1]], State.CANCELED, Reason.SELF_TRADE)
            if stopped and order.state.is_open:
                self.finish(order, State.CANCELED, Reason.SELF_TRADE)
            if row is None:
                return

    def print_trade(self, symbol: str, side: int, lots: int, price: int) -> None:
        """A public trade, which goes into the bar of its minute too."""
        super().print_trade(symbol, side, lots, price)
        instrument = self.listing.by_symbol[symbol]
        if not instrument.is_spread:
            self.official.see_trade(instrument.row, lots, price)

    def _execute(
        self, taker: Order, maker: Order, symbol: str, row: int, lots: int, price: int, side: int, *, both_take: bool = False
    ) -> None:
        self.print_trade(symbol, side, lots, price)
        self.book_fill(maker, [(row, maker.side * lots, price)], lots, is_taker=both_take)
        self.book_fill(taker, [(row, taker.side * lots, price)], lots, is_taker=True)
        self.touched_rows[row] = None

    def book_fill(self, order: Order, legs: list[tuple[int, int, int]], lots: int, *, is_taker: bool) -> None:
        """Books (row, signed lots, price) of one execution on an order, which has ``lots`` more filled by it."""
        self._commit(order, self._instrument(order), -lots)
        for place, (row, size, price) in enumerate(legs):
            fee = self.ledger.trade(order.account, row, size, price, is_maker=not is_taker, ts=self.now)
            symbol = self.listing.outrights[row].symbol
            counts = lots if place == len(legs) - 1 else 0
            self._fill(order, symbol, 1 if size > 0 else -1, abs(size), price, fee, is_taker=is_taker, counts=counts)
            if fee:
                self.transact(order.account, symbol, "fee", -fee)
        if not order.state.is_open:
            self.resting.pop(order.number, None)
        for row, _, _ in legs if order.account not in BOTS else ():
            self._cap_reducing(order.account, row)

    def _commit(self, order: Order, instrument: Instrument, lots: int) -> None:
        """So many more lots count as working in the risk gate, which does not ask the bots."""
        if order.account not in BOTS:
            self.ledger.work(order, instrument, lots)

    def _cap_reducing(self, account: str, row: int) -> None:
        """Resting reduce-only orders follow the position: all together close no more of it than there is, the oldest first."""
        symbol, taken = self.listing.outrights[row].symbol, 0
        for order in [o for o in self.open_orders[account].values() if o.reduce_only and o.symbol == symbol and self.books.holds(o.number)]:
            room = max(self._reducible(order, row) - taken, 0)
            taken += min(room, order.left)
            if room == 0:
                self.finish(order, State.CANCELED, Reason.REDUCE_ONLY)
            elif room < order.left:
                self._commit(order, self._instrument(order), room - order.left)
                order.lots = order.filled + room
                self.books.shrink(order.number, room)

    def _reducible(self, order: Order, row: int) -> int:
        held = self.ledger.held(order.account, row)
        return abs(held) if held and (held > 0) != (order.side > 0) else 0

    def finish(self, order: Order, state: State, reason: Reason) -> None:
        """Ends an open order wherever it is."""
        instrument = self._instrument(order)
        self.books.take_out(order.number)
        self.resting.pop(order.number, None)
        self.triggers.drop(order)
        if order.left:
            self._commit(order, instrument, -order.left)
        self._end(order, state, reason)
        self.touch(instrument)

    def end_orders(self, row: int, state: State, reason: Reason, *, only_day: bool = False) -> None:
        """Ends the open orders with a leg in a contract; the DAY orders alone, if they are older than now."""
        for name in self.accounts:
            for order in list(self.open_orders[name].values()):
                if only_day and (order.life != "DAY" or order.created >= self.now):
                    continue
                if any(row == leg for leg, _ in self._instrument(order).legs):
                    self.finish(order, state, reason)

    def settle_down(self) -> None:
        """Stops that were reached, and spreads that their legs have come to meet; as often as one brings about another, to a limit."""
        for _ in range(100):
            touched, self.touched_rows = self.touched_rows, {}
            if not touched:
                return
            going = [row for row in touched if self.official.session_of(row) is Session.OPEN]
            for order in self.triggers.fired({row: self.tickers[self.listing.outrights[row].symbol].last for row in going}):
                self._fire(order)
            retry_spreads(self, touched)

    def _fire(self, order: Order) -> None:
        instrument = self._instrument(order)
        self.wake(order)
        if order.price is None:
            order.kind, order.price = "market", self._collar(instrument, order.side)
        else:
            order.kind = "limit"
        self.tell("accepted", order, text=TRIGGERED)
        self.work(order, instrument)

    # -- small things -----------------------------------------------------------------------------------------

    def line(self, instrument: Instrument) -> int:
        """The line of an instrument's own book."""
        if not instrument.is_spread:
            return instrument.row
        line = self.books.line_of_spread(instrument.symbol)
        assert line is not None, "a spread without a book is refused before it trades"
        return line

    def touch(self, instrument: Instrument) -> None:
        """The book of an instrument changed."""
        self.changes.books[instrument.symbol] = None
        for row, _ in instrument.legs:
            self.touched_rows[row] = None

    def _instrument(self, order: Order) -> Instrument:
        found = self.listing.find(order.symbol)
        assert found is not None, "an order is on an instrument that is listed"
        return found

    def _collar(self, instrument: Instrument, side: int) -> int | None:
        """How far a market order goes: to the band, or so far from what the instrument is worth; on the tick."""
        total = 0
        for row, ratio in instrument.legs:
            value, band = self.value(row), self.band(self.listing.outrights[row])
            if value is None:
                return None
            direction = 1 if ratio * side > 0 else -1
            move = abs(value) * COLLAR_PPM // 1_000_000
            edge = value + direction * move
            if band is not None:
                edge = min(edge, band[1]) if direction > 0 else max(edge, band[0])
            total += ratio * edge
        tick = instrument.tick
        return total // tick * tick if side > 0 else -(-total // tick) * tick

    # -- what a dialect reads, and the control plane does -----------------------------------------------------

    def depth(self, instrument: Instrument, levels: int) -> tuple[list[tuple[int, int, int]], list[tuple[int, int, int]]]:
        """The instrument's own book; what its legs imply for a spread is not shown."""
        if instrument.is_spread and self.books.line_of_spread(instrument.symbol) is None:
            return [], []
        line = self.line(instrument)
        return self.books.depth(line, 1, levels), self.books.depth(line, -1, levels)

    def best(self, instrument: Instrument) -> tuple[int | None, int | None]:
        """Of the instrument's own book."""
        line = self.line(instrument)
        return self.books.best(line, 1), self.books.best(line, -1)

    def statement(self, account: str) -> Statement:
        """Read off the account's books."""
        return self.ledger.statement(account)

    def margin_of(self, account: str, new: NewOrder) -> int:
        """Of what is held and the order, filled."""
        instrument, lots = self.listing.find(new.symbol), {h.symbol: h.lots for h in self.statement(account).holdings}
        for row, ratio in instrument.legs if instrument is not None else ():
            symbol = self.listing.outrights[row].symbol
            lots[symbol] = lots.get(symbol, 0) + ratio * new.side * new.lots
        total = 0
        for symbol, count in lots.items():
            each = self.listing.by_symbol[symbol]
            total += margin(each, count, self.value(each.row) or 0, each.terms.margin_initial_ppm, each.terms.margin_initial_floor_micros)
        return total

    def deposit(self, account: str, micros: int) -> None:
        """Cash into an account."""
        self.ledger.accounts[account].book["cash"] += micros
        self.transact(account, "", "deposit", micros)

    def liquidate(self, account: str) -> int:
        """Market orders, id ``L-``, for everything the account holds."""
        held = [h for h in self.statement(account).holdings if h.lots]
        for h in held:
            self.place(account, NewOrder(symbol=h.symbol, side=-1 if h.lots > 0 else 1, lots=abs(h.lots), kind="market", tag="liquidation"))
        return len(held)

    def expire(self, instrument: Instrument, price: int | None = None) -> None:
        """Ends trading of a contract now and settles it, at the price or at what it is worth."""
        final = self.value(instrument.row) if price is None else price
        if instrument.is_spread or final is None:
            raise UsageError("expire: the symbol must be a contract that has a price")
        self.official.expire(instrument.row, final)

    def correct(self, instrument: Instrument, price: int) -> None:
        """Corrects the final settlement, or before there is one the latest mark."""
        self.official.correct(instrument.row, price)

    def hello(self) -> dict[str, Any]:
        """Venue, market, products and contracts with their days, and the terms this exchange trades on."""
        from kilohour.tape.store import fingerprint

        tape = self.market.tape
        return {
            "venue": "sandbox", "kind": self.kind,
            "tape": tape.sha256 or fingerprint(tape), "source": tape.source, "notes": list(tape.notes),
            "start": self.now, "end": tape.end, "events": 0, "days_per_year": tape.days_per_year, "assumptions": list(tape.assumptions),
            "products": list(tape.product_codes), "indices": [dataclasses.asdict(index) for index in tape.indices],
            "contracts": [{**dataclasses.asdict(each.contract), "ax": each.symbol, "okx": each.okx} for each in self.listing.outrights],
            "terms": {each.contract.product: {f.name: getattr(each.terms, f.name) for f in dataclasses.fields(each.terms)
                                              if f.name != "margin_table"} for each in self.listing.outrights},
        }  # fmt: skip
