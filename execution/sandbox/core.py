# SPDX-License-Identifier: Apache-2.0
"""What both exchanges of the sandbox share: instruments, ids, orders, fills, tickers, and what changed since one last looked.

:class:`Exchange` says what a wire dialect may ask. :mod:`kilohour.execution.sandbox.exchange` matches orders in books,
:mod:`kilohour.execution.sandbox.replay` against the bars of a tape. Neither knows HTTP, a clock or a random number of
its own: the same commands at the same times give the same bytes.
"""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from kilohour.execution.sandbox.candles import Candles, QuoteCandles
from kilohour.execution.sandbox.instruments import Instrument, Listing
from kilohour.execution.sandbox.model import (
    WAITING,
    Changes,
    Fill,
    Funding,
    NewOrder,
    Order,
    OrderEvent,
    Reason,
    Session,
    State,
    Statement,
    Ticker,
    Trade,
    Transaction,
)
from kilohour.execution.sandbox.perpetual import funding_rate

LOTS_MOST, OPEN_ORDERS_MOST = 1_000_000, 256
PRICE_MOST = 10**15
"""Micros; a larger number would not fit the ledger."""
TRADES_KEPT, ORDERS_KEPT, FILLS_KEPT, TRANSACTIONS_KEPT, FUNDINGS_KEPT = 1_000, 50_000, 200_000, 200_000, 1_000
"""Trades and fundings of a symbol; orders, fills and transactions over all accounts, which share them evenly."""
T = TypeVar("T")
_BASE32 = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def ulid(ts: int, number: int) -> str:
    """26 characters that sort by time, then number.

    >>> ulid(1_000_000, 33)
    '00000000010000000000000011'
    """
    return _base32(ts // 1_000_000 & (1 << 48) - 1, 10) + _base32(number, 16)


@functools.lru_cache(maxsize=4096)
def _base32(value: int, width: int) -> str:
    text = ""
    while value:
        value, digit = divmod(value, 32)
        text = _BASE32[digit] + text
    return text.rjust(width, "0")


class Kept(list[T]):
    """The latest ``most`` rows of what was appended, at times a quarter more: what is dropped goes many at a time."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def append(self, row: T, /) -> None:
        """Adds a row behind the others."""
        super().append(row)
        if len(self) > self.most * 5 // 4:
            del self[: len(self) - self.most]


class Exchange(ABC):
    """An exchange with one book for every dialect. Every command takes effect at ``now``."""

    kind: str
    """``book`` or ``replay``."""

    def __init__(self, listing: Listing, accounts: Sequence[str], now: int) -> None:
        self.listing, self.accounts, self.now = listing, tuple(accounts), now
        self.orders: dict[str, Order] = {}
        self.by_client: dict[tuple[str, str], Order] = {}
        self.open_orders: dict[str, dict[str, Order]] = {name: {} for name in accounts}
        self.ended: deque[Order] = deque()
        """Orders that are done, in the order in which they were: the first is the next to be forgotten."""
        self.fills: dict[str, Kept[Fill]] = {name: Kept(FILLS_KEPT // len(accounts)) for name in accounts}
        self.transactions: dict[str, Kept[Transaction]] = {name: Kept(TRANSACTIONS_KEPT // len(accounts)) for name in accounts}
        self.trades: dict[str, deque[Trade]] = {}
        self.fundings: dict[str, deque[Funding]] = {}
        """What was paid so far, by symbol, the latest last."""
        self.tickers: dict[str, Ticker] = {each.symbol: Ticker() for each in listing.outrights}
        self.candles, self.quotes = Candles(), QuoteCandles()
        self.changes = Changes()
        self.order_count = self.fill_count = self.trade_count = self.event_count = self.transaction_count = 0
        self.leverage: dict[tuple[str, str], int] = {}
        self.credit: dict[str, int] = {}
        """Credit limits by account, micros of notional; an account without one has none."""

    # -- what a dialect asks ----------------------------------------------------------------------------------

    @abstractmethod
    def session(self, instrument: Instrument) -> Session:
        """What the instrument lets one do now."""

    @abstractmethod
    def place(self, account: str, new: NewOrder) -> Order:
        """Takes or refuses an order; both are told as events. The order says how it stands."""

    @abstractmethod
    def cancel(self, order: Order, reason: Reason = Reason.USER) -> Reason | None:
        """Cancels an order; why not, when it cannot."""

    @abstractmethod
    def replace(self, order: Order, *, lots: int | None, price: int | None, life: str | None = None,
                post_only: bool | None = None, keep_id: bool = False) -> Order | Reason:  # fmt: skip
        """Gives an order another size or price; under another id, unless ``keep_id``. Refused, the old one stays."""

    @abstractmethod
    def depth(self, instrument: Instrument, levels: int) -> tuple[list[tuple[int, int, int]], list[tuple[int, int, int]]]:
        """Bids and asks, best first: (price, lots, orders)."""

    @abstractmethod
    def statement(self, account: str) -> Statement:
        """The account now."""

    @abstractmethod
    def margin_of(self, account: str, new: NewOrder) -> int:
        """Initial margin that the account would need with one more order, micros."""

    @abstractmethod
    def set_session(self, instrument: Instrument, session: Session) -> None:
        """Halts, closes or opens an instrument: the control plane's verb."""

    @abstractmethod
    def deposit(self, account: str, micros: int) -> None:
        """Cash into an account."""

    @abstractmethod
    def liquidate(self, account: str) -> int:
        """Closes what the account holds at the market, by orders of the venue's own; how many."""

    @abstractmethod
    def expire(self, instrument: Instrument, price: int | None = None) -> None:
        """Expires an instrument now: orders end, positions settle at the price, or by the product's rule."""

    @abstractmethod
    def correct(self, instrument: Instrument, price: int) -> None:
        """The final settlement, or before there is one the last mark, was another price."""

    @abstractmethod
    def hello(self) -> dict[str, Any]:
        """How the feed introduces itself."""

    def mark_of(self, instrument: Instrument) -> int | None:
        """The price that positions are shown at: the official mark."""
        return self.tickers[instrument.symbol].mark

    def estimated_funding(self, instrument: Instrument) -> int | None:
        """The rate that a funding now would have, hundred-millionths; None for what pays none or has no price yet."""
        return self._rate_at(instrument, self.mark_of(instrument))

    def _rate_at(self, instrument: Instrument, mark: int | None) -> int | None:
        index = self.tickers[instrument.symbol].index
        if not instrument.pays_funding or mark is None or index is None or index <= 0:
            return None
        return funding_rate(instrument.terms, mark, index)

    def leverage_of(self, account: str, instrument: Instrument) -> int:
        """What an account chose for an instrument, else the most that its margin allows; a label, for margin is of the whole account."""
        return self.leverage.get((account, instrument.okx), 1_000_000 // max(instrument.terms.margin_initial_ppm, 1))

    def is_shown(self, instrument: Instrument) -> bool:
        """True for what a list of instruments shows: not before its listing, not after its end."""
        return self.session(instrument) is not Session.EXPIRED

    def band(self, instrument: Instrument) -> tuple[int, int] | None:
        """Lowest and highest price an order may have, None without a band."""
        if instrument.is_spread:
            return None
        prior, ppm = self.tickers[instrument.symbol].mark, instrument.terms.band_ppm
        if prior is None or not ppm:
            return None
        move = abs(prior) * ppm // 1_000_000
        return prior - move, prior + move

    def best(self, instrument: Instrument) -> tuple[int | None, int | None]:
        """Best bid and ask, None for a side without orders."""
        bids, asks = self.depth(instrument, 1)
        return bids[0][0] if bids else None, asks[0][0] if asks else None

    def cancel_all(self, account: str, symbol: str | None = None, reason: Reason = Reason.USER) -> int:
        """Cancels every order of the account (in one instrument); how many."""
        found = [order for order in self.open_orders[account].values() if symbol in (None, order.symbol)]
        return sum(self.cancel(order, reason) is None for order in found)

    def wipe(self) -> None:
        """Every open order is gone; balances and positions stay, as a venue's would."""
        for account in self.accounts:
            self.cancel_all(account, reason=Reason.VENUE)

    def reject_cancel(self, order: Order, reason: Reason) -> None:
        """Tells that a cancel came too late, as an event."""
        self.tell("cancel rejected", order, reason=reason)

    def take_changes(self) -> Changes:
        """What happened since the last call; the quotes that it leaves go into their candles."""
        listed, quotes, now = self.listing.by_symbol, self.quotes, self.now
        for symbol in self.changes.books:
            each = listed.get(symbol) or self.listing.find(symbol)
            if each is not None:
                quotes.see(symbol, now, *self.best(each))
        taken, self.changes = self.changes, Changes()
        return taken

    def order_of(self, account: str, order_id: object = None, client_id: object = None) -> Order | None:
        """An order of the account by the venue's id or the client's."""
        found = self.orders.get(order_id) if isinstance(order_id, str) and order_id else None
        if found is None and isinstance(client_id, str) and client_id:
            found = self.by_client.get((account, client_id))
        return found if found is not None and found.account == account else None

    def history(self, account: str) -> Iterator[Order]:
        """Orders of the account, the latest first."""
        return (order for order in reversed(self.orders.values()) if order.account == account)

    # -- what the two exchanges do alike ----------------------------------------------------------------------

    def _new_order(self, account: str, new: NewOrder, *, prefix: str = "O-", replaces: str = "") -> Order:
        self.order_count += 1
        order = Order(
            id=prefix + ulid(self.now, self.order_count),
            account=account,
            symbol=new.symbol,
            side=new.side,
            lots=new.lots,
            price=new.price,
            kind=new.kind,
            life=new.life,
            post_only=new.post_only,
            reduce_only=new.reduce_only,
            client_id=new.client_id,
            tag=new.tag,
            created=self.now,
            updated=self.now,
            replaces=replaces,
            until=new.until,
            trigger=new.trigger,
            condition=new if new.kind in WAITING else None,
        )
        while len(self.orders) >= ORDERS_KEPT and self.ended:
            self._forget(self.ended.popleft())
        self.orders[order.id] = order
        return order

    def _forget(self, old: Order) -> None:
        del self.orders[old.id]
        if self.by_client.get((old.account, old.client_id)) is old:
            del self.by_client[old.account, old.client_id]

    def _check(self, account: str, new: NewOrder) -> Reason | None:
        """What is wrong with an order before anything is matched; the tick, margin and price are the exchanges'."""
        if self.listing.find(new.symbol) is None:
            return Reason.UNKNOWN_SYMBOL
        if not 1 <= new.lots <= LOTS_MOST:
            return Reason.QUANTITY
        prices = (new.price, new.trigger, new.distance, new.touch, new.touch_price)
        if any(abs(price) > PRICE_MOST for price in prices if price is not None):
            return Reason.BAND
        if new.client_id and (account, new.client_id) in self.by_client:
            return Reason.DUPLICATE
        return None if new.reduce_only else self.over_credit(account, new.symbol, new.side, new.lots)

    def over_credit(self, account: str, symbol: str, side: int, lots: int, old: Order | None = None) -> Reason | None:
        """CREDIT for an order (in place of ``old``) with which the account's exposure passes its limit and what it was."""
        limit = self.credit.get(account)
        if limit is None or (old is not None and old.reduce_only):
            return None
        others = [(o.symbol, o.side * o.left) for o in self.open_orders[account].values() if o is not old and not o.reduce_only]
        with_it = self._exposure(account, [*others, (symbol, side * max(lots - (old.filled if old is not None else 0), 0))])
        before = self._exposure(account, others if old is None else [*others, (symbol, side * old.left)])
        return Reason.CREDIT if with_it > max(limit, before) else None

    def _exposure(self, account: str, working: Sequence[tuple[str, int]]) -> int:
        """Notional that an account may come to hold, micros: by contract its lots with all buys or all sells, the larger, at the mark."""
        ways: dict[int, list[int]] = {}
        for holding in self.statement(account).holdings:
            ways[self.listing.by_symbol[holding.symbol].row] = [holding.lots, holding.lots]
        for symbol, lots in working:
            instrument = self.listing.find(symbol)
            for row, ratio in instrument.legs if instrument is not None else ():
                ways.setdefault(row, [0, 0])[ratio * lots < 0] += ratio * lots
        total = 0
        for row, (most, least) in ways.items():
            each = self.listing.outrights[row]
            price = self.mark_of(each) or self.tickers[each.symbol].last or 0
            total += max(abs(most), abs(least)) * abs(price) * each.terms.lot_num // each.terms.lot_den
        return total

    def _accept(self, order: Order) -> None:
        order.state = State.ACCEPTED
        self.open_orders[order.account][order.id] = order
        if order.client_id:
            self.by_client[order.account, order.client_id] = order
        self.tell("accepted", order)

    def _refuse(self, order: Order, reason: Reason) -> Order:
        order.state = State.REJECTED
        if order.client_id and (order.account, order.client_id) not in self.by_client:
            self.by_client[order.account, order.client_id] = order
        self.tell("rejected", order, reason=reason)
        return order

    def wake(self, order: Order) -> None:
        """A price has woken an order: from the next event on it is as any other."""
        order.woke_at, order.woke_event = self.now, self.event_count + 1
        self.changes.woken.append(order)

    def _end(self, order: Order, state: State, reason: Reason) -> None:
        order.state = state
        self.open_orders[order.account].pop(order.id, None)
        self.tell(state.value, order, reason=reason)

    def _fill(self, order: Order, symbol: str, side: int, lots: int, price: int, fee: int, *, is_taker: bool, counts: int,
              cost: int | None = None) -> Fill:  # fmt: skip
        """Books an execution on its order; ``counts`` lots of the order (0 for all but the last leg of a spread)."""
        self.fill_count += 1
        fill = Fill(
            id=f"T{self.fill_count:010d}",
            order=order.id,
            account=order.account,
            symbol=symbol,
            side=side,
            lots=lots,
            price=price,
            fee=fee,
            is_taker=is_taker,
            ts=self.now,
            client_id=order.client_id,
            cost=cost,
        )
        order.filled += counts
        order.paid += lots * price if order.symbol == symbol else 0
        order.fee += fee
        order.last_fill = fill
        self.fills[order.account].append(fill)
        if counts:
            order.state = State.FILLED if order.filled == order.lots else State.PARTIAL
        if order.state is State.FILLED:
            self.open_orders[order.account].pop(order.id, None)
        self.tell("filled" if order.state is State.FILLED else "partial", order, fill=fill)
        self.changes.accounts[order.account] = None
        return fill

    def tell(self, kind: str, order: Order, *, fill: Fill | None = None, reason: Reason | None = None, text: str = "",
              replacement: Order | None = None) -> None:  # fmt: skip
        """Something happened to an order: an event of its account."""
        self.event_count += 1
        order.updated = self.now
        if not order.state.is_open and kind != "cancel rejected":  # told once: every other event is of an order that was open
            self.ended.append(order)
        self.changes.events.append(
            OrderEvent(
                seq=self.event_count,
                ts=self.now,
                kind=kind,
                order=order,
                filled=order.filled,
                state=order.state,
                fill=fill,
                reason=reason,
                text=text or (reason.value if reason else ""),
                replacement=replacement,
            )
        )

    def print_trade(self, symbol: str, side: int, lots: int, price: int) -> None:
        """A public trade, into the tape, the ticker and the candles."""
        self.trade_count += 1
        trade = Trade(id=str(self.trade_count), symbol=symbol, side=side, lots=lots, price=price, ts=self.now)
        self.trades.setdefault(symbol, deque(maxlen=TRADES_KEPT)).append(trade)
        self.changes.trades.append(trade)
        self._see_price(symbol, price, price, price, price, lots, side)

    def _see_price(self, symbol: str, open: int, high: int, low: int, close: int, lots: int, side: int = 0) -> None:
        ticker = self.tickers.setdefault(symbol, Ticker())
        day = self.now // 86_400_000_000_000
        if ticker.day != day:
            ticker.day, ticker.open, ticker.high, ticker.low, ticker.volume = day, open, high, low, 0
        ticker.high, ticker.low = max(ticker.high or high, high), min(ticker.low or low, low)
        ticker.last, ticker.last_lots, ticker.last_at = close, lots, self.now
        ticker.volume += lots
        self.candles.see(symbol, self.now, open, high, low, close, lots, side)
        self.changes.books[symbol] = None

    def see_print(self, symbols: Sequence[str], value: int, of: int) -> None:
        """A print of the index that instruments look at, of a value date."""
        for symbol in symbols:
            ticker = self.tickers[symbol]
            if of >= ticker.index_at:
                ticker.index, ticker.index_at = value, of
                self.changes.books[symbol] = None

    def see_funding(self, instrument: Instrument, ts: int, stated: int | None) -> None:
        """A funding was paid, at the rate the venue stated or by rule."""
        ticker = self.tickers[instrument.symbol]
        rate = self._rate_at(instrument, ticker.mark) if stated is None else stated
        if rate is not None:
            kept = self.fundings.setdefault(instrument.symbol, deque(maxlen=FUNDINGS_KEPT))
            kept.append(Funding(ts=ts, rate=rate, mark=ticker.mark or 0, index=ticker.index or 0))

    def transact(self, account: str, symbol: str, kind: str, micros: int) -> None:
        """Cash of an account moved, as a row of its history."""
        self.transaction_count += 1
        self.transactions[account].append(
            Transaction(id=f"X{self.transaction_count:010d}", ts=self.now, account=account, symbol=symbol, kind=kind, micros=micros)
        )
        self.changes.accounts[account] = None
