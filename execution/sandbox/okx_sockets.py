# SPDX-License-Identifier: Apache-2.0
"""OKX's sockets: public, private and business, of which any takes any channel it may see."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import WSMsgType, web

from kilohour.execution.sandbox.hub import Outbox
from kilohour.execution.sandbox.instruments import Instrument
from kilohour.execution.sandbox.model import Changes, Fill, Order, OrderEvent, Reason, Session
from kilohour.execution.sandbox.okx import (
    BARS,
    MOVED_BY,
    Fault,
    balance_row,
    both_row,
    candle_row,
    event_row,
    fill_row,
    funding_row,
    instrument_row,
    kind_of,
    level_rows,
    mark_row,
    ms,
    position_rows,
    ticker_row,
    trade_row,
)
from kilohour.execution.sandbox.okx_algo import algo_row
from kilohour.execution.sandbox.okx_public import KINDS
from kilohour.execution.sandbox.okx_trade import Trading
from kilohour.execution.sandbox.wire import BODY_MOST, BadText, dump, read_json

if TYPE_CHECKING:
    from kilohour.execution.sandbox.server import Server

LEVELS = 400
PRIVATE = ("orders", "orders-algo", "account", "positions", "fills", "balance_and_position")
PUBLIC = ("books", "books5", "bbo-tbt", "tickers", "trades", "mark-price", "funding-rate", "instruments")
GREETINGS = {"tickers": ticker_row, "mark-price": mark_row, "funding-rate": funding_row}
CHANNELS_MOST = 500
CODES = {"50111": "60005", "50112": "60004", "50102": "60006", "50105": "60024", "50113": "60007"}
"""REST's code of a bad signature as the sockets have it."""
BOTH = ("balance_and_position", "")
Levels = dict[int, tuple[int, int]]


@dataclass(slots=True)
class Line:
    """One connection: whose it is once it has logged in, and what it subscribed, by channel and instrument."""

    box: Outbox
    account: str = ""
    wanted: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)


class OkxSockets:
    """Every connection, and the state of the books as it was last sent."""

    def __init__(self, server: Server, trading: Trading) -> None:
        self.server, self.trading = server, trading
        self.lines: list[Line] = []
        self._sent: dict[str, tuple[int, Levels, Levels]] = {}
        self._states: dict[str, Session] = {}
        """Of the instruments whose state was told, while somebody listens to it."""

    # -- what goes out ----------------------------------------------------------------------------------------

    def publish(self, changes: Changes) -> None:
        """Tells subscribers what happened."""
        if not self.lines:
            return
        listing = self.server.exchange.listing
        for event in changes.events:
            self._show_order(event)
        for order in changes.woken:
            self._show_algo(order, "effective")
        for account in changes.accounts:
            fills = [event.fill for event in changes.events if event.fill is not None and event.order.account == account]
            for line in self.lines:
                if line.account == account:
                    self._show_account(line, fills)
        for trade in changes.trades:
            each = listing.by_symbol[trade.symbol]
            row = {**trade_row(trade, each), "count": "1"}
            for line in self.lines:
                self._push(line, ("trades", each.okx), [row])
        for symbol in changes.books:
            each = listing.by_symbol[symbol]
            if not each.is_spread:
                self._show_market(symbol, each.okx)
                self._show_state(each)

    def _show_order(self, event: OrderEvent) -> None:
        order, each = event.order, self.server.exchange.listing.find(event.order.symbol)
        if each is None or (event.kind in ("rejected", "cancel rejected") and event.text != Reason.POST_ONLY.value):
            return
        if event.fill is not None:
            traded = self.server.exchange.listing.by_symbol[event.fill.symbol]
            self._tell(order, "fills", {**fill_row(event.fill, traded), "count": "1"}, traded)
        if each.is_spread:
            return
        if order.condition is not None and not 0 < order.woke_event <= event.seq:
            self._show_algo(order, "live" if event.state.is_open else "canceled")
        else:
            self._tell(order, "orders", event_row(event, each), each)

    def _show_algo(self, order: Order, state: str) -> None:
        each = self.server.exchange.listing.find(order.symbol)
        if each is not None and not each.is_spread:
            self._tell(order, "orders-algo", algo_row(self.server.exchange, order, each, state), each)

    def _tell(self, order: Order, channel: str, row: dict[str, Any], each: Instrument) -> None:
        """A message about an order to those of its account who listen to the channel."""
        for line in self.lines:
            if line.account == order.account:
                self._push(line, (channel, ""), [row], only=(kind_of(each), each.okx))

    def _show_state(self, each: Instrument) -> None:
        """An instrument whose state is another than the one that was told."""
        key = "instruments", kind_of(each)
        lines = [line for line in self.lines if key in line.wanted]
        if not lines or self._states.get(each.symbol) is self.server.exchange.session(each):
            return
        self._states[each.symbol] = self.server.exchange.session(each)
        for line in lines:
            self._push(line, key, [instrument_row(self.server.exchange, each)])

    def _push(self, line: Line, key: tuple[str, str], data: list[Any], *, only: tuple[str, str] | None = None, **more: Any) -> None:
        arg = line.wanted.get(key)
        if arg is None or (only and (arg.get("instType", "ANY") not in ("ANY", only[0]) or arg.get("instId", only[1]) != only[1])):
            return
        line.box.send(dump({"arg": arg, **more, "data": data}))

    def _show_account(self, line: Line, fills: list[Fill]) -> None:
        """Balance and positions as they are after some fills, or after something else that moved them."""
        exchange = self.server.exchange
        if {("account", ""), ("positions", ""), BOTH} & line.wanted.keys():
            statement = exchange.statement(line.account)
            self._push(line, ("account", ""), [balance_row(exchange, statement)])
            positions = position_rows(exchange, statement) + self._closed(line, statement)
            self._push(line, ("positions", ""), positions)
            moved = exchange.transactions[line.account]
            event = "filled" if fills else MOVED_BY.get(moved[-1].kind, "settlement") if moved else "settlement"
            trades = [{"instId": exchange.listing.by_symbol[fill.symbol].okx, "tradeId": fill.id} for fill in fills]
            self._push(line, BOTH, [both_row(exchange, statement, positions, event, trades)])

    def _closed(self, line: Line, statement: Any) -> list[Any]:
        """Positions that are gone are told once more, as nothing."""
        held = {h.symbol for h in statement.holdings if h.lots}
        rows: list[dict[str, Any]] = []
        for fill in list(self.server.exchange.fills[line.account])[-20:]:
            each = self.server.exchange.listing.by_symbol[fill.symbol]
            if fill.symbol not in held and all(row["instId"] != each.okx for row in rows):
                rows.append(
                    {
                        "instType": kind_of(each),
                        "instId": each.okx,
                        "mgnMode": "cross",
                        "posId": str(each.number),
                        "posSide": "net",
                        "pos": "0",
                        "avgPx": "",
                        "upl": "0",
                        "uTime": ms(self.server.exchange.now),
                    }
                )
        return rows

    def _show_market(self, symbol: str, okx: str) -> None:
        exchange, each = self.server.exchange, self.server.exchange.listing.by_symbol[symbol]
        channels = {channel for line in self.lines for channel, name in line.wanted if name == okx}
        if "books" in channels:
            self._show_changes(okx)
        if {"books5", "bbo-tbt"} & channels:
            bids, asks = exchange.depth(each, 5)
            for channel, levels in (("books5", 5), ("bbo-tbt", 1)):
                row = {
                    "asks": level_rows(asks[:levels]),
                    "bids": level_rows(bids[:levels]),
                    "instId": okx,
                    "ts": ms(exchange.now),
                    "seqId": exchange.event_count,
                }
                for line in self.lines:
                    self._push(line, (channel, okx), [row])
        if "tickers" in channels:
            row = ticker_row(exchange, each)
            for line in self.lines:
                self._push(line, ("tickers", okx), [row])
        for channel, make in (("mark-price", mark_row), ("funding-rate", funding_row)):
            if channel in channels:
                for line in self.lines:
                    self._push(line, (channel, okx), [make(exchange, each)])
        for channel in sorted(channels):
            if channel.startswith("candle"):
                candles = exchange.candles.of(symbol, BARS[channel.removeprefix("candle")])
                for line in self.lines if candles else ():
                    self._push(line, (channel, okx), [candle_row(candles[-1], False)])

    def _show_changes(self, okx: str) -> None:
        seq, was_bids, was_asks = self._state_of(okx)
        bids, asks = self._levels(okx)
        changed = [_changes(was, now) for was, now in ((was_bids, bids), (was_asks, asks))]
        if changed == [[], []]:
            return
        self._sent[okx] = seq + 1, bids, asks
        row = {"bids": changed[0], "asks": changed[1], "ts": ms(self.server.exchange.now), "seqId": seq + 1, "prevSeqId": seq}
        for line in self.lines:
            self._push(line, ("books", okx), [row], action="update")

    def _levels(self, okx: str) -> tuple[Levels, Levels]:
        bids, asks = self.server.exchange.depth(self.server.exchange.listing.by_okx[okx], LEVELS)
        return {price: (lots, count) for price, lots, count in bids}, {price: (lots, count) for price, lots, count in asks}

    def _state_of(self, okx: str) -> tuple[int, Levels, Levels]:
        if okx not in self._sent:
            self._sent[okx] = 1, *self._levels(okx)
        return self._sent[okx]

    # -- what comes in ----------------------------------------------------------------------------------------

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One connection."""
        if not self.server.hub.has_room():
            return web.json_response({"code": "50026", "msg": "too many sockets", "data": []}, status=503)
        socket = web.WebSocketResponse(max_msg_size=BODY_MOST, compress=False)
        await socket.prepare(request)
        box = self.server.hub.join(socket, request, "market")
        line = Line(box)
        self.lines.append(line)
        try:
            async for message in socket:
                if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                    break
                box.has_spoken = True
                if message.data == "ping":
                    box.reply("pong")
                else:
                    await self._take(line, message.data)
        finally:
            self.lines.remove(line)
            self.server.hub.leave(box)
        return socket

    async def _take(self, line: Line, raw: str | bytes) -> None:
        number: Any = None
        try:
            body = read_json(raw)
            number = body.get("id")
            op, args = body.get("op"), body.get("args", [])
            if not isinstance(args, list) or not args or not all(isinstance(arg, Mapping) for arg in args):
                raise Fault("60012", "Invalid request: args must be a list of objects")
            if op == "login":
                self._login(line, args)
            elif op in ("subscribe", "unsubscribe"):
                for arg in args:
                    self._subscribe(line, dict(arg), is_on=op == "subscribe")
            elif op in ("order", "batch-orders", "cancel-order", "batch-cancel-orders", "amend-order", "batch-amend-orders"):
                await self._trade(line, op, number, args)
            else:
                raise Fault("60012", f"Invalid request: {str(op)[:40]}")
        except BadText as error:
            self._error(line, number, "60012", f"Invalid request: {error}")
        except Fault as fault:
            self._error(line, number, fault.code, fault.message)
        self.server.publish()

    def _error(self, line: Line, number: Any, code: str, message: str) -> None:
        line.box.reply(dump({"event": "error", "code": code, "msg": message, "connId": "sandbox", **({"id": number} if number else {})}))

    def _login(self, line: Line, args: list[Any]) -> None:
        given = args[0] if args else {}
        timestamp = str(given.get("timestamp", ""))
        try:
            holder = self.trading.holder(
                given.get("apiKey"), given.get("passphrase"), timestamp, f"{timestamp}GET/users/self/verify", given.get("sign")
            )
        except Fault as fault:
            raise Fault(CODES[fault.code], fault.message) from None
        line.account = line.box.account = holder.account
        line.box.channel = "okx"
        line.box.reply(dump({"event": "login", "code": "0", "msg": "", "connId": "sandbox"}))

    def _subscribe(self, line: Line, arg: dict[str, Any], *, is_on: bool) -> None:
        channel, okx = str(arg.get("channel")), str(arg.get("instId") or "")
        is_private = channel in PRIVATE
        is_candle = channel.startswith("candle") and channel.removeprefix("candle") in BARS
        if not is_private and channel not in PUBLIC and not is_candle:
            raise Fault("60018", f"Wrong URL or channel:{channel[:40]},instId:{okx[:40]} doesn't exist")
        if is_private and not line.account:
            raise Fault("60011", "Please log in")
        if not is_private and channel != "instruments" and okx not in self.server.exchange.listing.by_okx:
            raise Fault("60018", f"Wrong URL or channel:{channel},instId:{okx[:40]} doesn't exist")
        if channel == "instruments" and arg.get("instType") not in KINDS:
            raise Fault("60018", f"Wrong URL or channel:{channel},instType:{str(arg.get('instType'))[:40]} doesn't exist")
        key = (channel, "" if is_private else str(arg["instType"]) if channel == "instruments" else okx)
        if not is_on:
            line.wanted.pop(key, None)
        elif len(line.wanted) >= CHANNELS_MOST:
            raise Fault("60012", f"at most {CHANNELS_MOST} channels on a connection")
        else:
            line.wanted[key] = arg
        line.box.reply(dump({"event": "subscribe" if is_on else "unsubscribe", "arg": arg, "connId": "sandbox"}))
        if is_on:
            self._greet(line, *key)

    def _greet(self, line: Line, channel: str, okx: str) -> None:
        """What a new subscriber is shown at once."""
        exchange = self.server.exchange
        if channel == "books":
            if okx in self._sent:
                self._show_changes(okx)
            seq, bids, asks = self._state_of(okx)
            data = {"asks": _rows(asks), "bids": _rows(bids), "ts": ms(exchange.now), "seqId": seq, "prevSeqId": -1}
            line.box.send(dump({"arg": line.wanted[channel, okx], "action": "snapshot", "data": [data]}))
        elif channel in ("account", "positions"):
            self._show_account(line, [])
        elif channel == "balance_and_position":
            statement = exchange.statement(line.account)
            self._push(line, BOTH, [both_row(exchange, statement, position_rows(exchange, statement), "snapshot", [])])
        elif channel == "instruments":
            self._show_instruments(line, okx)
        elif okx and channel in GREETINGS:
            self._push(line, (channel, okx), [GREETINGS[channel](exchange, exchange.listing.by_okx[okx])])

    def _show_instruments(self, line: Line, kind: str) -> None:
        exchange, key = self.server.exchange, ("instruments", kind)
        shown = [each for each in exchange.listing.outrights if exchange.is_shown(each) and kind_of(each) == kind]
        if not any(key in other.wanted for other in self.lines if other is not line):
            self._states.clear()
        for each in shown:
            self._states.setdefault(each.symbol, exchange.session(each))
        self._push(line, key, [instrument_row(exchange, each) for each in shown])

    async def _trade(self, line: Line, op: str, number: Any, args: list[Any]) -> None:
        if not line.account:
            raise Fault("60011", "Please log in")
        do = self.trading.cancel if "cancel" in op else self.trading.amend if "amend" in op else self.trading.place
        what = "cancel" if "cancel" in op else "replace" if "amend" in op else "place"
        rule = self.server.chaos.request(what, line.account)
        if rule is not None and rule.do == "drop_request":
            line.box.abort()
            return
        if rule is not None and rule.do in ("too_many", "reject"):
            code = "50011" if rule.do == "too_many" else rule.code or "50001"
            line.box.reply(dump({"id": number, "op": op, "code": code, "msg": rule.do, "data": []}))
            return
        answer = dump({"id": number, "op": op, **self.trading.each(line.account, args, do), "inTime": "0", "outTime": "0"})
        if rule is not None and rule.do == "lose_reply":
            self.server.publish()
            line.box.abort()
        elif rule is not None and rule.do == "delay_reply":
            asyncio.get_running_loop().call_later(rule.ms / 1000, line.box.reply, answer)
        else:
            if rule is not None and rule.do == "late_order":
                self.server.hide_last(line.account, rule.ms)
            line.box.reply('{"id":' if rule is not None and rule.do == "malformed" else answer)


def _rows(levels: Levels) -> list[list[str]]:
    return level_rows([(price, lots, count) for price, (lots, count) in levels.items()])


def _changes(was: Levels, now: Levels) -> list[list[str]]:
    """Levels that are new or other, and with size 0 those that are gone."""
    gone = [(price, 0, 0) for price in was if price not in now]
    return level_rows([(price, *level) for price, level in now.items() if was.get(price) != level] + gone)
