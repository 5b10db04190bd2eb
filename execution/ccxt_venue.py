# SPDX-License-Identifier: Apache-2.0
"""Any venue that ccxt reaches, as the runner's port. REST is truth; a stream only says that it is time to ask.

ccxt's streams lose wake-ups, change what they delivered, drop and double fills (hazards H3 to H8), so nothing is booked from
them: a task of its own pumps each one, and whatever it says makes the next poll come at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from kilohour.errors import UnknownName, UsageError
from kilohour.execution import ccxt_rules as rules
from kilohour.execution.ccxt_fills import trades_since
from kilohour.execution.port import (
    Absent,
    Account,
    Acknowledged,
    Cancel,
    CancelAll,
    CancelRefused,
    Command,
    Ended,
    Fact,
    Filled,
    Found,
    Inbox,
    Linked,
    LookUp,
    LookUpFills,
    Place,
    Rejected,
    Unsure,
)
from kilohour.units import MICROS

POLL_SECONDS = 1.0
NANOS_PER_MILLISECOND = 1_000_000
OVERLAP_MS = 60_000
"""Trades are asked for again so far back: a venue may show one late."""
DEAD_MAN_SECONDS = 60.0
"""How long the venue waits for a sign of life before it cancels everything, where the class has such a timer."""
SIGNS_OF_LIFE = 4
"""How many it gets in that time."""


def nobody(fact: Fact) -> None:
    """Stands for the inbox of a venue that is not open."""


class CcxtVenue:
    """``exchange``: an instance of a class of ccxt.pro or ccxt.async_support. ``symbols``: unified symbol to contract code;
    ``lots``: units in a lot by code; ``kind``: ``swap`` or ``future``; ``is_working``: False for a session that only cancels;
    ``dead_man_seconds``: how long the venue's own timer lets this process be silent, where the class has one, 0 for off.

    Raises :class:`~kilohour.errors.UsageError` at :meth:`open` for a class or a market it cannot trade safely.
    """

    def __init__(self, exchange: Any, symbols: Mapping[str, str], lots: Mapping[str, Fraction], clock: Callable[[], int], *,
                 kind: str = "swap", currency: str = "USDT", is_working: bool = True, dead_man_seconds: float = 0.0) -> None:
        rules.check_class(exchange)
        rules.harden(exchange)
        self.inbox: Inbox = nobody
        self.exchange, self.clock, self.kind, self.currency = exchange, clock, kind, currency
        self.is_working, self.holds_timer = is_working, bool(dead_man_seconds and exchange.has.get("cancelAllOrdersAfter"))
        self.dead_man_ms = round(dead_man_seconds * 1000)
        self.code_of, self.symbol_of, self.lots = dict(symbols), {code: symbol for symbol, code in symbols.items()}, dict(lots)
        self.name = f"ccxt:{exchange.id}"
        self.expresses = rules.capability(exchange, kind)
        self._orders: dict[int, str] = {}
        """Unified symbol of each order of ours that may still change."""
        self._told: dict[int, tuple[str, int]] = {}
        self._cid_of: dict[str, int] = {}
        self._foreign: set[str] = set()
        """Venue's numbers of orders that are not ours."""
        self._doubted: set[str] = set()
        self.fills_from: int | None = None
        """The venue's time of the last fill known, nanoseconds; None until :meth:`open`: what traded before it is not asked for."""
        self._since: dict[str, int] = {}
        self._news = asyncio.Event()
        self._jobs: list[asyncio.Task[None]] = []

    async def open(self, inbox: Inbox) -> None:
        """Loads the markets, checks them, and begins to ask."""
        self.inbox = inbox
        rules.assert_hardened(self.exchange)
        await loaded(self.exchange)
        if not self.is_working:
            return
        rules.check_markets(self.exchange, self.code_of, self.lots)
        await proved(self.exchange)
        start = self.clock() if self.fills_from is None else self.fills_from
        self._since = dict.fromkeys(self.code_of, start // NANOS_PER_MILLISECOND)
        self._jobs = [asyncio.create_task(self._poll())]
        for name in ("watch_orders", "watch_my_trades"):
            if self.exchange.has.get("".join(part.title() if i else part for i, part in enumerate(name.split("_")))):
                self._jobs.append(asyncio.create_task(self._pump(getattr(self.exchange, name))))
        if self.holds_timer:
            await self._start_dead_man()
            self._jobs.append(asyncio.create_task(self._hold_dead_man()))
        inbox(Linked(is_up=True))

    async def close(self) -> None:
        """Stops asking and closes the library's sessions."""
        await ended(self._jobs)
        if self.holds_timer and self._jobs and not self._orders:  # what is still open, if anything, is left to the timer
            with contextlib.suppress(Exception):
                await self.exchange.cancel_all_orders_after(0)
        await closed(self.exchange)

    async def do(self, command: Command) -> None:
        """Sends one command, once. Raises ConnectionError before :meth:`open`: a restart asks for its cancels again before it connects."""
        if self.inbox is nobody:
            raise ConnectionError(f"{self.name}: not connected yet")
        if isinstance(command, Place):
            await self._place(command)
        elif isinstance(command, Cancel):
            await self._cancel(command)
        elif isinstance(command, CancelAll):
            await self.cancel_all()
        elif isinstance(command, LookUp):
            await self._look_up(command.cid)
        elif isinstance(command, LookUpFills):
            for symbol in self.code_of:
                await self._trades(symbol)

    async def cancel_all(self) -> None:
        """Every order that the venue shows for our symbols, others' too, and those of ours that it does not show."""
        import ccxt

        shown: dict[str, str] = {}
        for symbol in self.code_of:
            with contextlib.suppress(ccxt.BaseError):
                shown |= {str(order["id"]): symbol for order in await self.exchange.fetch_open_orders(symbol)}
        unseen = {cid: symbol for cid, symbol in self._orders.items() if cid not in {self._cid_of.get(oid) for oid in shown}}
        for oid, symbol in shown.items():
            await self._cancel(Cancel(cid=self._cid_of.get(oid, 0), oid=oid), symbol)
        for cid, symbol in unseen.items():
            await self._cancel(Cancel(cid=cid, oid=""), symbol)

    async def open_orders(self) -> int:
        """How many orders our symbols have open. Raises ConnectionError while the venue does not answer."""
        import ccxt

        try:
            return sum([len(await self.exchange.fetch_open_orders(symbol)) for symbol in self.code_of])
        except ccxt.BaseError as error:
            raise ConnectionError(f"{self.name}: {type(error).__name__}: {str(error)[:100]}") from None

    async def _place(self, place: Place) -> None:
        rules.assert_hardened(self.exchange)
        code, ratio = place.legs[0]
        symbol, cid = self.symbol_of[code], place.cid
        try:
            amount = rules.amount_of(self.exchange, symbol, place.units)
            price = rules.price_of(self.exchange, symbol, place.limit)
            params: dict[str, Any] = {rules.CLIENT_ID.get(self.exchange.id, "clientOrderId"): str(cid)}
            if place.life == "ioc":
                params["timeInForce"] = "IOC"
            if place.post_only:
                params["postOnly"] = True
            self._orders[cid] = symbol
            answer = await self.exchange.create_order(symbol, "limit", "buy" if ratio > 0 else "sell", amount, price, params)
        except Exception as error:
            reason = f"{type(error).__name__}: {str(error)[:150]}"
            self.inbox(Rejected(cid=cid, reason=reason, ts=self.clock()) if rules.is_definite(error) else Unsure(cid=cid, why=reason))
            return
        if answer.get("id"):
            self._cid_of[str(answer["id"])] = cid
            self.inbox(Acknowledged(cid=cid, oid=str(answer["id"]), ts=self.clock()))
        self._news.set()

    async def _cancel(self, cancel: Cancel, symbol: str = "") -> None:
        symbol = symbol or self._orders.get(cancel.cid, "")
        name = rules.CLIENT_ID.get(self.exchange.id, "clientOrderId")
        try:
            oid = cancel.oid or next((oid for oid, cid in self._cid_of.items() if cid == cancel.cid), None)
            await self.exchange.cancel_order(oid, symbol, {} if oid else {name: str(cancel.cid)})
        except Exception as error:
            self.inbox(CancelRefused(cid=cancel.cid, reason=f"{type(error).__name__}: {str(error)[:150]}"))
        self._news.set()

    async def _look_up(self, cid: int) -> None:
        import ccxt

        for symbol in [self._orders[cid]] if cid in self._orders else self.code_of:
            try:
                self._tell(await self._order_of(cid, symbol), cid, is_asked=True)
                return
            except ccxt.OrderNotFound:
                continue
            except ccxt.BaseError as error:
                raise ConnectionError(f"{self.name}: {type(error).__name__}") from None
        self.inbox(Absent(cid=cid))

    async def _order_of(self, cid: int, symbol: str) -> Mapping[str, Any]:
        """An order by our number, the way the class has for it."""
        import ccxt

        if self.exchange.id == "deribit":
            asked = {"label": str(cid), "currency": self.exchange.options["code"]}
            found = await self.exchange.private_get_get_order_state_by_label(asked)
            rows = found.get("result") or []
            if not rows:
                raise ccxt.OrderNotFound(f"label {cid}")
            parsed: Mapping[str, Any] = self.exchange.parse_order(rows[0], self.exchange.market(symbol))
            return parsed
        fetched: Mapping[str, Any] = await self.exchange.fetch_order(None, symbol, {"clientOrderId": str(cid)})
        return fetched

    def _tell(self, order: Mapping[str, Any], cid: int, *, is_asked: bool) -> None:
        symbol = order["symbol"]
        filled = rules.lots_of(self.exchange, symbol, order.get("filled"))
        state = rules.ENDS.get(str(order.get("status")), "live")
        self._cid_of[str(order["id"])] = cid
        if not is_asked and self._told.get(cid) == (state, filled):
            return
        self._told[cid] = (state, filled)
        if state != "live":
            self._orders.pop(cid, None)
        if is_asked:
            self.inbox(Found(cid=cid, oid=str(order["id"]), state=state, filled=filled, ts=self.clock()))
        elif state == "live":
            self.inbox(Acknowledged(cid=cid, oid=str(order["id"]), ts=self.clock()))
        else:
            self.inbox(Ended(cid=cid, oid=str(order["id"]), state=state, filled=filled, reason=state, ts=self.clock()))

    async def _trades(self, symbol: str) -> None:
        """Every trade since the last, page by page, each with its fee; those already told are told again, and count once."""
        import ccxt

        try:
            since = max(self._since[symbol] - OVERLAP_MS, 0)
            trades, doubt = await trades_since(self.exchange, symbol, since, self.clock() // NANOS_PER_MILLISECOND)
            for trade in trades:
                self._tell_trade(trade, symbol, await self._cid_named(trade, symbol))
        except ccxt.BaseError as error:
            raise ConnectionError(f"{self.name}: {type(error).__name__}") from None
        if doubt and symbol not in self._doubted:  # said once; what it means for the books the account tells
            self._doubted.add(symbol)
            self.inbox(Linked(is_up=True, why=f"the history of trades may be cut: {doubt}"))

    async def _cid_named(self, trade: Mapping[str, Any], symbol: str) -> int:
        """Our number of a trade's order, 0 when it is another's. A trade need not carry it, and an order whose reply was lost, or that a
        runner before us sent, is not known by the venue's: ours without one are asked for by our number, and the rest by the venue's."""
        import ccxt

        oid = str(trade.get("order") or "")
        if cid := self._cid_of.get(oid) or rules.client_id_of(self.exchange, trade):
            return cid
        if not oid or oid in self._foreign:
            return 0
        named = set(self._cid_of.values())
        for mine in [cid for cid, at in self._orders.items() if at == symbol and cid not in named]:
            with contextlib.suppress(ccxt.OrderNotFound):
                self._cid_of[str((await self._order_of(mine, symbol))["id"])] = mine
        if oid not in self._cid_of:
            with contextlib.suppress(ccxt.OrderNotFound):
                if cid := rules.client_id_of(self.exchange, await self.exchange.fetch_order(oid, symbol)):
                    self._cid_of[oid] = cid
        if oid not in self._cid_of:
            self._foreign.add(oid)
        return self._cid_of.get(oid, 0)

    def _tell_trade(self, trade: Mapping[str, Any], symbol: str, cid: int) -> None:
        code, oid = self.code_of[symbol], str(trade.get("order") or "")
        leg = rules.leg_of(self.exchange, trade, code, self.lots[code], self.currency)
        self.inbox(Filled(cid=cid, oid=oid, legs=(leg,), cumulative=None, is_maker=trade.get("takerOrMaker") == "maker",
                          ts=int(trade["timestamp"]) * NANOS_PER_MILLISECOND))
        self._since[symbol] = max(self._since[symbol], int(trade["timestamp"]))

    async def account(self) -> Account:
        """Positions, cash and open orders now. Raises ConnectionError while the venue does not answer."""
        import ccxt

        try:
            positions = await self.exchange.fetch_positions(list(self.code_of))
            balance = await self.exchange.fetch_balance()
            orders = [order for symbol in self.code_of for order in await self.exchange.fetch_open_orders(symbol)]
        except ccxt.BaseError as error:
            raise ConnectionError(f"{self.name}: {type(error).__name__}: {str(error)[:100]}") from None
        held: dict[str, int] = {}
        for row in positions:
            if row.get("contracts") and row["symbol"] in self.code_of:
                lots = rules.lots_of(self.exchange, row["symbol"], row["contracts"])
                held[self.code_of[row["symbol"]]] = -abs(lots) if row.get("side") == "short" else lots
        cash = (balance.get(self.currency) or {}).get("total")
        return Account(positions=held, cash=None if cash is None else round(Fraction(str(cash)) * MICROS),
                       open_orders=tuple(map(self._open, orders)), ts=self.clock())

    def _open(self, order: Mapping[str, Any]) -> Found:
        """An open order; one of ours is followed from here on, also after a restart."""
        cid, oid = rules.client_id_of(self.exchange, order), str(order["id"])
        if cid:
            self._orders[cid], self._cid_of[oid] = order["symbol"], cid
        return Found(cid=cid, oid=oid, state="live", filled=rules.lots_of(self.exchange, order["symbol"], order.get("filled")),
                     ts=self.clock())

    async def _poll(self) -> None:
        """Asks for trades and orders: when a stream has said something, and else once a second while an order is open."""
        is_up = True
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), POLL_SECONDS)
            self._news.clear()
            if not self._orders:
                continue
            try:
                for symbol in dict.fromkeys(self._orders.values()):
                    await self._trades(symbol)
                for cid, symbol in list(self._orders.items()):
                    if cid in self._cid_of.values():
                        self._tell(await self._order_of(cid, symbol), cid, is_asked=False)
                if not is_up:
                    self.inbox(Linked(is_up=True))
                is_up = True
            except Exception as error:
                if is_up:
                    self.inbox(Linked(is_up=False, why=f"{type(error).__name__}: {str(error)[:100]}"))
                is_up = False

    async def _pump(self, watch: Callable[[], Awaitable[Any]]) -> None:
        """One stream: nothing else is awaited between two looks at it, and what it says is only a reason to ask (H3 to H8)."""
        import ccxt

        while True:
            try:
                rules.copied(await watch())
                self._news.set()
            except ccxt.BaseError:
                self._news.set()
                await asyncio.sleep(POLL_SECONDS)

    async def _start_dead_man(self) -> None:
        import ccxt

        try:
            await self.exchange.cancel_all_orders_after(self.dead_man_ms)
        except ccxt.BaseError as error:
            raise UsageError(f"{self.name}: the dead-man timer was refused: {type(error).__name__}: {str(error)[:100]}") from None

    async def _hold_dead_man(self) -> None:
        """Keeps the venue's timer from running out; when this process is gone it cancels everything."""
        import ccxt

        while True:
            await asyncio.sleep(self.dead_man_ms / 1000 / SIGNS_OF_LIFE)
            with contextlib.suppress(ccxt.BaseError):
                await self.exchange.cancel_all_orders_after(self.dead_man_ms)


async def ended(jobs: Sequence[asyncio.Task[None]]) -> None:
    """Cancels until all have ended: where the library is cancelled while it connects, it makes a network error of it, and the job
    would go on."""
    left = set(jobs)
    while left:
        for job in left:
            job.cancel()
        _, left = await asyncio.wait(left, timeout=POLL_SECONDS)
    await asyncio.gather(*jobs, return_exceptions=True)


def exchange_of(name: str, keys: Mapping[str, str], url: str | None) -> Any:
    """An instance of a ccxt.pro class with its keys; ``url``: another host of the same protocol. Call it inside an event loop.

    Raises :class:`UsageError` without ccxt, :class:`UnknownName` for a class it has not.
    """
    try:
        import ccxt.pro
    except ImportError:
        raise UsageError("ccxt is not installed: pip install 'kilohour[live]'") from None
    if name not in ccxt.pro.exchanges:
        raise UnknownName("ccxt class", name, ccxt.pro.exchanges, where="ccxt.pro")
    names = {"api_key": "apiKey", "api_secret": "secret", "passphrase": "password"}
    config: dict[str, Any] = {names[key]: value for key, value in keys.items()} | {"session": unrepeated_session()}
    if url is not None:
        config["urls"] = {"api": {"rest": url, "ws": url.replace("http", "ws", 1) + "/ws/v5"}}
    exchange = getattr(ccxt.pro, name)(config)
    exchange.logger = logging.getLogger("kilohour.ccxt")
    exchange.logger.setLevel(logging.INFO)  # at DEBUG the library logs the headers of every request, key and passphrase among them
    return exchange


async def loaded(exchange: Any) -> None:
    """Loads the markets. Raises :class:`UsageError` in one line when the venue does not answer."""
    import ccxt

    try:
        await exchange.load_markets()
    except (ccxt.AuthenticationError, ccxt.InvalidNonce) as error:
        raise await refused(exchange, error) from None
    except ccxt.BaseError as error:
        raise UsageError(f"ccxt:{exchange.id}: no markets came ({type(error).__name__})") from None


async def proved(exchange: Any) -> None:
    """Raises :class:`UsageError` in one line when the venue refuses the keys; one that does not answer proves nothing."""
    import ccxt

    try:
        await exchange.fetch_balance()
    except (ccxt.AuthenticationError, ccxt.InvalidNonce) as error:
        raise await refused(exchange, error) from None
    except ccxt.BaseError:
        pass


async def refused(exchange: Any, error: Exception) -> UsageError:
    """What a refusal of a signed request means. An old timestamp is a clock's fault, so how far the clocks are apart is asked."""
    import ccxt

    said = " ".join(str(error).split())[:150]
    if not isinstance(error, ccxt.InvalidNonce):
        return UsageError(f"ccxt:{exchange.id}: the venue refused the key, secret or passphrase ({said})")
    gap = ""
    with contextlib.suppress(ccxt.BaseError):
        seconds = (await exchange.fetch_time() - exchange.milliseconds()) / 1000
        gap = f": the venue's clock is {abs(seconds):.0f} s {'ahead of' if seconds > 0 else 'behind'} this machine's"
    return UsageError(f"ccxt:{exchange.id}: the venue refused the timestamp{gap} ({said})")


async def closed(exchange: Any) -> None:
    """Closes the library's sockets, and the session that we gave it, which it leaves open."""
    session = exchange.session
    await exchange.close()
    if session is not None:
        await session.close()


def unrepeated_session() -> Any:
    """An aiohttp session that never sends a request twice: by itself it resends GETs when the line drops, and some venues place
    orders by GET (H1). Give it to a ccxt class as ``session``."""
    import aiohttp

    async def once(request: Any, handler: Any) -> Any:
        try:
            return await handler(request)
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
            raise aiohttp.ClientConnectionError(f"the line dropped: {error}") from error

    return aiohttp.ClientSession(middlewares=(once,))
