# SPDX-License-Identifier: Apache-2.0
"""AX's two sockets: orders, and market data."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiohttp import WSMsgType, web

from kilohour.execution.sandbox.ax import (
    REASONS,
    Refused,
    book_row,
    event_row,
    order_row,
    read_client_id,
    read_order,
    stamp,
    ticker_row,
)
from kilohour.execution.sandbox.candles import QUOTED, WIDTHS, Candle, QuoteCandle
from kilohour.execution.sandbox.hub import Outbox
from kilohour.execution.sandbox.model import Changes, Order, Reason
from kilohour.execution.sandbox.wire import BODY_MOST, BadText, decimal, dump, micros_of, read_json, whole_of
from kilohour.units import MISSING

if TYPE_CHECKING:
    from kilohour.execution.sandbox.server import Server

HEARTBEAT_SECONDS = 5.0
LEVELS = {"LEVEL_1": 1, "LEVEL_2": 2, "LEVEL_3": 3, "TRADES": 0}
SUBSCRIPTIONS_MOST = 2_000


@dataclass(slots=True)
class Subscription:
    """What a market-data socket wants of one symbol; level 0 is none of the book."""

    level: int
    trades: bool
    ticker: bool


def place(server: Server, account: str, body: Mapping[str, Any]) -> Order:
    """Places the order of a message, by socket or REST. Raises :class:`Refused` for what is no order, or a client id in use."""
    new = read_order(body)
    if new.client_id and server.exchange.order_of(account, client_id=new.client_id) is not None:
        raise Refused(f"cid {new.client_id} is in use", 409)
    return server.exchange.place(account, new)


def cancel(server: Server, account: str, body: Mapping[str, Any]) -> None:
    """Asks for a cancel; an order that is done answers with an event. Raises :class:`Refused` for one that is not there."""
    order = find(server, account, body)
    reason = server.exchange.cancel(order)
    if reason is not None:
        server.exchange.reject_cancel(order, reason)


def replace(server: Server, account: str, body: Mapping[str, Any]) -> Order:
    """Replaces an order. Raises :class:`Refused` with AX's reason when it cannot be."""
    order = find(server, account, body)
    price, lots = micros_of(body.get("p")), whole_of(body.get("q"))
    if (body.get("p") is not None and price is None) or (body.get("q") is not None and lots is None):
        raise Refused("p must be a decimal string and q a whole number of contracts")
    done = server.exchange.replace(order, lots=lots, price=price, life=body.get("tif"), post_only=body.get("po"))
    if isinstance(done, Reason):
        raise Refused(f"{REASONS.get(done, 'INCORRECT_ORDER_TYPE')}: {done.value}", 409 if done is Reason.GONE else 400)
    return done


def cancel_all(server: Server, account: str, body: Mapping[str, Any]) -> int:
    """Cancels every open order (of a symbol)."""
    symbol = body.get("symbol")
    return server.exchange.cancel_all(account, symbol if isinstance(symbol, str) else None)


def find(server: Server, account: str, body: Mapping[str, Any]) -> Order:
    """The order that a message names by ``oid`` or ``cid``. Raises :class:`Refused`."""
    order_id = body.get("oid") or body.get("order_id")
    client_id = body.get("cid") if body.get("cid") is not None else body.get("client_order_id")
    found = server.exchange.order_of(account, order_id, read_client_id(client_id))
    if found is None or server.is_hidden(found):
        raise Refused("no such order", 404)
    return found


class OrdersSocket:
    """``/orders/ws``: requests in, replies and events out."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.sent: dict[str, int] = dict.fromkeys(server.exchange.accounts, 0)
        self._boxes: dict[str, list[Outbox]] = {}
        """By account, which here never changes: looking through all sockets for each event would be a good part of the work."""

    def publish(self, changes: Changes) -> None:
        """Tells every socket of an account what happened to its orders."""
        for event in changes.events:
            account = event.order.account
            self.sent[account] = self.sent.get(account, 0) + 1
            boxes = [box for box in self._boxes.get(account, ()) if not box.is_gone]
            if boxes:
                text = dump(event_row(event, self.sent[account]))
                for box in boxes:
                    box.send(text)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One connection."""
        account = self.server.bearer(request)
        if account is None:
            return web.json_response({"code": 401, "msg": "a bearer token is needed", "error": "unauthorized"}, status=401)
        socket = web.WebSocketResponse(max_msg_size=BODY_MOST, compress=False)
        if not self.server.hub.has_room():
            return web.json_response({"code": 503, "msg": "too many sockets", "error": "unavailable"}, status=503)
        await socket.prepare(request)
        box = self.server.hub.join(socket, request, "orders", account)
        self._boxes.setdefault(account, []).append(box)
        cancels = request.query.get("cancel_on_disconnect", "").lower() == "true"
        heart = asyncio.get_running_loop().create_task(heartbeat(self.server, box))
        try:
            open_orders = [order_row(order) for order in self.server.exchange.open_orders[account].values()]
            box.reply(dump({"rid": 0, "res": {"li": account, "o": open_orders or None}}))
            async for message in socket:
                if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                    break
                await self._take(box, account, message.data)
        finally:
            heart.cancel()
            self._boxes[account].remove(box)
            self.server.hub.leave(box)
            if cancels and not self.server.hub.each("orders", account):
                self.server.exchange.cancel_all(account, reason=Reason.DISCONNECT)
                self.server.publish()
        return socket

    async def _take(self, box: Outbox, account: str, raw: str | bytes) -> None:
        rid: Any = None
        try:
            body = read_json(raw)
            rid = body.get("rid")
            kind = body.get("t")
            what = {"p": "place", "x": "cancel", "X": "cancel", "r": "replace"}.get(str(kind), "read")
            rule = self.server.chaos.request(what, account)
            if rule is not None and not await self.server.injure(rule, box.abort, box.reply, rid):
                return
            answer = {"rid": rid, "res": self._do(account, str(kind), body)}
            if rule is not None and rule.do == "lose_reply":
                self.server.publish()
                box.abort()
                return
            if rule is not None and rule.do == "delay_reply":
                asyncio.get_running_loop().call_later(rule.ms / 1000, box.reply, dump(answer))
            else:
                box.reply(dump(answer))
        except BadText as error:
            box.reply(dump({"rid": rid, "err": {"code": 400, "msg": str(error)}}))
        except Refused as error:
            box.reply(dump({"rid": rid, "err": {"code": error.code, "msg": error.message}}))
        self.server.publish()

    def _do(self, account: str, kind: str, body: Mapping[str, Any]) -> Any:
        server = self.server
        if kind == "p":
            return {"oid": place(server, account, body).id}
        if kind == "x":
            cancel(server, account, body)
            return {"cxl_rx": True}
        if kind == "X":
            cancel_all(server, account, body)
            return {"cxl_rx": True}
        if kind == "r":
            return {"oid": replace(server, account, body).id}
        if kind == "o":
            return [order_row(order) for order in server.exchange.open_orders[account].values() if not server.is_hidden(order)]
        if kind == "s":
            return order_row(find(server, account, body))
        raise Refused("t must be one of p, x, X, r, o, s")


async def heartbeat(server: Server, box: Outbox) -> None:
    """A message every few seconds by which a reader knows that the line is alive."""
    while not box.is_gone:
        await asyncio.sleep(HEARTBEAT_SECONDS)
        box.reply(dump({"t": "h", **stamp(server.exchange.now)}))


class MarketSocket:
    """``/md/ws``: subscriptions in, books, trades, tickers and candles out."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.wanted: dict[Outbox, dict[str, Subscription]] = {}
        self.candles: dict[Outbox, dict[tuple[str, str, str], None]] = {}
        """By symbol, width and what of: ``c`` trades, ``bc`` quotes."""

    def publish(self, changes: Changes) -> None:
        """Tells subscribers of trades, and once a round of the books and tickers that moved."""
        if not self.wanted and not self.candles:
            return
        for trade in changes.trades:
            row = None
            for box, wanted in self.wanted.items():
                if trade.symbol in wanted and wanted[trade.symbol].trades:
                    row = row or dump(
                        {
                            "t": "t",
                            "s": trade.symbol,
                            **stamp(trade.ts),
                            "p": decimal(trade.price),
                            "q": trade.lots,
                            "d": "B" if trade.side > 0 else "S",
                        }
                    )
                    box.send(row)
        for symbol in changes.books:
            for box, wanted in self.wanted.items():
                if symbol in wanted:
                    self._show(box, symbol, wanted[symbol])
            for box, widths in self.candles.items():
                for name, width, what in list(widths):
                    if name == symbol:
                        self._candle(box, symbol, width, what)

    def _show(self, box: Outbox, symbol: str, wanted: Subscription) -> None:
        instrument = self.server.exchange.listing.find(symbol)
        if instrument is None:
            return
        if wanted.level:
            box.send(dump(book_row(self.server.exchange, instrument, wanted.level)))
        if wanted.ticker:
            box.send(dump(ticker_row(self.server.exchange, instrument)))

    def _candle(self, box: Outbox, symbol: str, width: str, what: str) -> None:
        exchange = self.server.exchange
        candles = exchange.candles.of(symbol, width) if what == "c" else exchange.quotes.of(symbol, width)
        if candles:
            last = candles[-1]
            row = candle_row(last) if isinstance(last, Candle) else quote_candle_row(last)
            box.send(dump({"t": what, "symbol": symbol, "s": symbol, "width": width, **stamp(last.start), **row}))

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One connection."""
        account = self.server.bearer(request)
        if account is None:
            return web.json_response({"code": 401, "msg": "a bearer token is needed", "error": "unauthorized"}, status=401)
        socket = web.WebSocketResponse(max_msg_size=BODY_MOST, compress=False)
        if not self.server.hub.has_room():
            return web.json_response({"code": 503, "msg": "too many sockets", "error": "unavailable"}, status=503)
        await socket.prepare(request)
        box = self.server.hub.join(socket, request, "market")
        self.wanted[box], self.candles[box] = {}, {}
        heart = asyncio.get_running_loop().create_task(heartbeat(self.server, box))
        try:
            async for message in socket:
                if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                    break
                box.has_spoken = True
                self._take(box, message.data)
        finally:
            heart.cancel()
            del self.wanted[box], self.candles[box]
            self.server.hub.leave(box)
        return socket

    def _take(self, box: Outbox, raw: str | bytes) -> None:
        rid: Any = None
        try:
            body = read_json(raw)
            rid = body.get("rid")
            box.reply(dump({"rid": rid, "result": self._do(box, body)}))
        except BadText as error:
            box.reply(dump({"rid": rid, "error": {"code": 400, "message": str(error)}}))
            return
        except Refused as error:
            box.reply(dump({"rid": rid, "error": {"code": error.code, "message": error.message}}))
            return
        symbol = str(body.get("symbol"))
        if symbol in self.wanted[box] and body.get("type") == "subscribe":
            self._show(box, symbol, self.wanted[box][symbol])

    def _do(self, box: Outbox, body: Mapping[str, Any]) -> Any:
        symbol, kind, width, level = body.get("symbol"), body.get("type"), str(body.get("width")), str(body.get("level"))
        if self.server.exchange.listing.find(symbol) is None or not isinstance(symbol, str):
            raise Refused("unknown symbol", 404)
        if len(self.wanted[box]) + len(self.candles[box]) >= SUBSCRIPTIONS_MOST:
            raise Refused("too many subscriptions", 429)
        if kind == "subscribe":
            if level not in LEVELS:
                raise Refused(f"level must be one of {', '.join(LEVELS)}")
            trades, ticker = (body.get(name, usual) is not False for name, usual in (("trades", True), ("ticker", LEVELS[level] > 0)))
            self.wanted[box][symbol] = Subscription(LEVELS[level], trades, ticker)
            return {"subscribed": symbol}
        if kind == "unsubscribe":
            self.wanted[box].pop(symbol, None)
            return {"unsubscribed": symbol}
        if kind in ("subscribe_candles", "unsubscribe_candles", "subscribe_bbo_candles", "unsubscribe_bbo_candles"):
            if width not in WIDTHS:
                raise Refused(f"width must be one of {', '.join(WIDTHS)}")
            key = symbol, width, "bc" if "bbo" in kind else "c"
            if kind.startswith("un"):
                self.candles[box].pop(key, None)
                return {"unsubscribed": symbol}
            self.candles[box][key] = None
            return {"subscribed": symbol}
        raise Refused("type must be subscribe, subscribe_candles, subscribe_bbo_candles, or one of them with un before it")


def quote_candle_row(candle: QuoteCandle) -> dict[str, Any]:
    """Prices of a candle of quotes; null as long as a side has none."""
    return {name: None if price == MISSING else decimal(price) for name, price in zip(QUOTED, candle.prices, strict=True)}


def candle_row(candle: Candle) -> dict[str, Any]:
    """Prices and volumes of a candle."""
    return {
        "open": decimal(candle.open),
        "high": decimal(candle.high),
        "low": decimal(candle.low),
        "close": decimal(candle.close),
        "volume": candle.volume,
        "buy_volume": candle.buys,
        "sell_volume": candle.sells,
    }
