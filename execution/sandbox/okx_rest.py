# SPDX-License-Identifier: Apache-2.0
"""OKX's REST under ``/api/v5``: the paths that ccxt and freqtrade ask, signed or public."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from aiohttp import web

from kilohour.execution.sandbox.instruments import Instrument
from kilohour.execution.sandbox.model import Changes, Order, State
from kilohour.execution.sandbox.okx import (
    BARS,
    Fault,
    balance_row,
    bill_row,
    candle_row,
    fill_row,
    instrument_row,
    kind_of,
    level_rows,
    ms,
    order_row,
    position_rows,
    ticker_row,
)
from kilohour.execution.sandbox.okx_sockets import OkxSockets
from kilohour.execution.sandbox.okx_trade import Trading
from kilohour.execution.sandbox.wire import BODY_MOST, BadText, decimal, dump, micros_of, read_any, whole_of

if TYPE_CHECKING:
    from kilohour.execution.sandbox.server import Server

Query = Mapping[str, Any]
Answer = Callable[[str, Any], Any]
PAGE_MOST = 300


class OkxDialect:
    """Everything OKX, as routes on the server and a listener to changes."""

    name = "OKX v5"

    def __init__(self, server: Server) -> None:
        self.server = server
        self.trading = Trading(server)
        self.sockets = OkxSockets(server, self.trading)

    def publish(self, changes: Changes) -> None:
        """Tells the sockets."""
        self.sockets.publish(changes)

    def routes(self) -> Iterable[web.RouteDef]:
        """Every path."""
        for name in ("public", "private", "business"):
            yield web.get(f"/ws/v5/{name}", self.sockets.handle)
        for path, answer in self._public().items():
            yield web.get(f"/api/v5/{path}", self._door(answer, "read", is_private=False))
        for path, answer in self._reads().items():
            yield web.get(f"/api/v5/{path}", self._door(answer, "read"))
        trading = self.trading
        writes: dict[str, tuple[Answer, str]] = {
            "trade/order": (lambda account, body: trading.each(account, body, trading.place), "place"),
            "trade/batch-orders": (lambda account, body: trading.each(account, body, trading.place), "place"),
            "trade/cancel-order": (lambda account, body: trading.each(account, body, trading.cancel), "cancel"),
            "trade/cancel-batch-orders": (lambda account, body: trading.each(account, body, trading.cancel), "cancel"),
            "trade/amend-order": (lambda account, body: trading.each(account, body, trading.amend), "replace"),
            "trade/amend-batch-orders": (lambda account, body: trading.each(account, body, trading.amend), "replace"),
            "trade/cancel-all-after": (lambda account, body: trading.cancel_all_after(account, body), "cancel"),
            "account/set-leverage": (self._set_leverage, "read"),
        }
        for path, (answer, what) in writes.items():
            yield web.post(f"/api/v5/{path}", self._door(answer, what))

    def _door(self, answer: Answer, what: str, *, is_private: bool = True) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            raw = await request.read() if request.method == "POST" else b""
            try:
                account = self._account(request, raw) if is_private else ""
                body = self._body(raw) if request.method == "POST" else dict(request.query)
                status, found = await self.server.guarded(request, what, account, lambda: answer(account, body), refused)
            except Fault as fault:
                return web.json_response({"code": fault.code, "msg": fault.message, "data": []}, status=fault.status, dumps=dump)
            if not isinstance(found, dict) or "code" not in found:
                found = {"code": "0", "msg": "", "data": found}
            return web.json_response(found, status=status, dumps=dump)

        return handle

    def _account(self, request: web.Request, raw: bytes) -> str:
        head = request.headers
        if "OK-ACCESS-KEY" not in head:
            raise Fault("50103", "Request header OK-ACCESS-KEY can not be empty", 401)
        timestamp = head.get("OK-ACCESS-TIMESTAMP", "")
        text = timestamp + request.method + request.raw_path + raw.decode("utf-8", "surrogateescape")
        key, passphrase, sign = head["OK-ACCESS-KEY"], head.get("OK-ACCESS-PASSPHRASE"), head.get("OK-ACCESS-SIGN")
        return self.trading.holder(key, passphrase, timestamp, text, sign).account

    def _body(self, raw: bytes) -> Any:
        try:
            if len(raw) > BODY_MOST:
                raise BadText("too long")
            found = read_any(raw.decode())
        except (BadText, UnicodeDecodeError) as error:
            raise Fault("50006" if isinstance(error, UnicodeDecodeError) else "50002", f"JSON syntax error: {error}"[:120], 400) from None
        if not isinstance(found, dict | list):
            raise Fault("50002", "JSON syntax error: an object or a list", 400)
        return found

    # -- public -----------------------------------------------------------------------------------------------

    def _public(self) -> dict[str, Answer]:
        return {
            "public/time": lambda _, __: [{"ts": ms(self.server.wall())}],
            "public/instruments": lambda _, query: self._instruments(query),
            "public/mark-price": lambda _, query: [
                {
                    "instType": kind_of(e),
                    "instId": e.okx,
                    "markPx": decimal(self.server.exchange.tickers[e.symbol].mark),
                    "ts": ms(self.server.exchange.now),
                }
                for e in self._listed(query)
            ],
            "public/position-tiers": lambda _, query: self._tiers(query),
            "public/funding-rate": lambda _, query: [self._funding(e) for e in self._listed(query)],
            "public/funding-rate-history": lambda _, __: [],
            "public/open-interest": lambda _, query: [
                {
                    "instType": kind_of(e),
                    "instId": e.okx,
                    "oi": str(self.server.exchange.tickers[e.symbol].interest),
                    "oiCcy": "",
                    "ts": ms(self.server.exchange.now),
                }
                for e in self._listed(query)
            ],
            "market/ticker": lambda _, query: [ticker_row(self.server.exchange, self._named(query))],
            "market/tickers": lambda _, query: [ticker_row(self.server.exchange, e) for e in self._listed(query)],
            "market/books": lambda _, query: self._books(query),
            "market/trades": lambda _, query: self._trades(query),
            **dict.fromkeys(
                ("market/candles", "market/history-candles", "market/mark-price-candles", "market/history-mark-price-candles"),
                lambda _, query: self._candles(query),
            ),
        }

    def _named(self, query: Query) -> Instrument:
        found = self.server.exchange.listing.by_okx.get(str(query.get("instId")))
        if found is None:
            raise Fault("51001", "Instrument ID does not exist")
        return found

    def _listed(self, query: Query) -> list[Instrument]:
        if query.get("instId"):
            return [self._named(query)]
        exchange, kind, family = self.server.exchange, query.get("instType"), query.get("instFamily") or query.get("uly")
        return [
            each
            for each in exchange.listing.outrights
            if exchange.is_shown(each) and kind in (None, "", kind_of(each)) and family in (None, "", each.okx.rpartition("-")[0])
        ]

    def _instruments(self, query: Query) -> Any:
        if query.get("instType") not in ("SPOT", "MARGIN", "SWAP", "FUTURES", "OPTION"):
            raise Fault("51000", "Parameter instType error")
        return [instrument_row(self.server.exchange, each) for each in self._listed(query)]

    def _tiers(self, query: Query) -> Any:
        return [
            {
                "instFamily": e.okx.rpartition("-")[0],
                "instId": "",
                "uly": e.okx.rpartition("-")[0],
                "tier": "1",
                "minSz": "0",
                "maxSz": "1000000",
                "imr": f"{e.terms.margin_initial_ppm / 1e6:g}",
                "mmr": f"{e.terms.margin_maintenance_ppm / 1e6:g}",
                "maxLever": str(1_000_000 // max(e.terms.margin_initial_ppm, 1)),
                "baseMaxLoan": "",
                "quoteMaxLoan": "",
                "optMgnFactor": "0",
            }
            for e in self._listed({"instType": query.get("instType")})[:1]
        ]

    def _funding(self, each: Instrument) -> Any:
        return {
            "instType": kind_of(each),
            "instId": each.okx,
            "fundingRate": "0",
            "fundingTime": ms(self.server.exchange.now),
            "nextFundingRate": "",
            "nextFundingTime": "",
        }

    def _books(self, query: Query) -> Any:
        bids, asks = self.server.exchange.depth(self._named(query), min(max(whole_of(query.get("sz", 1)) or 1, 1), 400))
        return [{"asks": level_rows(asks), "bids": level_rows(bids), "ts": ms(self.server.exchange.now)}]

    def _trades(self, query: Query) -> Any:
        each = self._named(query)
        rows = list(self.server.exchange.trades.get(each.symbol, ()))[-limit_of(query, 100, 500) :]
        return [
            {
                "instId": each.okx,
                "tradeId": t.id,
                "px": decimal(t.price),
                "sz": str(t.lots),
                "side": "buy" if t.side > 0 else "sell",
                "ts": ms(t.ts),
            }
            for t in reversed(rows)
        ]

    def _candles(self, query: Query) -> Any:
        each, bar = self._named(query), query.get("bar", "1m")
        if bar not in BARS:
            raise Fault("51000", f"Parameter bar error: the sandbox has {', '.join(BARS)}")
        kept = self.server.exchange.candles.of(each.symbol, BARS[str(bar)])
        after, before = whole_of(query.get("after")), whole_of(query.get("before"))
        rows = [c for c in kept if (not after or c.start // 10**6 < after) and (not before or c.start // 10**6 > before)]
        rows = rows[-limit_of(query, 100, PAGE_MOST) :]
        return [candle_row(c, c is not kept[-1]) for c in reversed(rows)]

    # -- account and orders -----------------------------------------------------------------------------------

    def _reads(self) -> dict[str, Answer]:
        exchange = self.server.exchange
        return {
            "account/balance": lambda account, _: [balance_row(exchange, exchange.statement(account))],
            "account/positions": lambda account, query: [
                row
                for row in position_rows(exchange, exchange.statement(account))
                if query.get("instId") in (None, "") or row["instId"] in str(query["instId"]).split(",")
            ],
            "account/config": lambda account, _: [
                {
                    "uid": account,
                    "mainUid": account,
                    "acctLv": "2",
                    "posMode": "net_mode",
                    "autoLoan": False,
                    "greeksType": "PA",
                    "level": "Lv1",
                    "ctIsoMode": "automatic",
                    "perm": "read_only,trade",
                }
            ],
            "account/leverage-info": lambda account, query: [
                {
                    "instId": self._named(query).okx,
                    "mgnMode": "cross",
                    "posSide": "net",
                    "lever": str(exchange.leverage.get((account, str(query.get("instId"))), 5)),
                }
            ],
            "account/bills": lambda account, query: self._bills(account, query),
            "account/bills-archive": lambda account, query: self._bills(account, query),
            "account/trade-fee": lambda _, __: [
                {"maker": "0", "taker": "0", "makerU": "0", "takerU": "0", "level": "Lv1", "ts": ms(exchange.now)}
            ],
            "asset/currencies": lambda _, __: [
                {
                    "ccy": "USD",
                    "name": "US dollar",
                    "chain": "USD-sandbox",
                    "canDep": False,
                    "canWd": False,
                    "canInternal": False,
                    "minFee": "0",
                    "maxFee": "0",
                    "minWd": "0",
                }
            ],
            "trade/order": lambda account, query: [self._order(self.trading.find(account, query))],
            "trade/orders-pending": lambda account, query: self._orders(account, query, is_open=True),
            "trade/orders-history": lambda account, query: self._orders(account, query, is_open=False),
            "trade/orders-history-archive": lambda account, query: self._orders(account, query, is_open=False),
            "trade/fills": lambda account, query: self._fills(account, query),
            "trade/fills-history": lambda account, query: self._fills(account, query),
            "trade/orders-algo-pending": lambda _, __: [],
            "trade/orders-algo-history": lambda _, __: [],
        }

    def _order(self, order: Order) -> Any:
        each = self.server.exchange.listing.find(order.symbol)
        assert each is not None, "an order is on an instrument that is listed"
        return order_row(order, each)

    def _orders(self, account: str, query: Query, *, is_open: bool) -> Any:
        exchange = self.server.exchange
        pool = reversed(exchange.open_orders[account].values()) if is_open else exchange.history(account)
        rows = [self._order(o) for o in pool if o.state.is_open is is_open and not self.server.is_hidden(o) and is_known(o)]
        for key in ("instType", "instId", "state", "ordType"):
            if query.get(key):
                rows = [row for row in rows if row[key] == query[key]]
        return after_id(rows, query, "ordId")[: limit_of(query, 100, 100)]

    def _fills(self, account: str, query: Query) -> Any:
        exchange = self.server.exchange
        rows = [fill_row(fill, exchange.listing.by_symbol[fill.symbol]) for fill in reversed(exchange.fills[account])]
        begin, end = whole_of(query.get("begin")), whole_of(query.get("end"))
        rows = [row for row in rows if (begin is None or int(row["ts"]) >= begin) and (end is None or int(row["ts"]) <= end)]
        for key in ("instType", "instId", "ordId"):
            if query.get(key):
                rows = [row for row in rows if row[key] == query[key]]
        return after_id(rows, query, "billId")[: limit_of(query, 100, 100)]

    def _bills(self, account: str, query: Query) -> Any:
        rows = [bill_row(row, self.server.exchange) for row in reversed(self.server.exchange.transactions[account])]
        rows = [row for row in rows if query.get("type") in (None, "", row["type"])]
        return after_id(rows, query, "billId")[: limit_of(query, 100, 100)]

    def _set_leverage(self, account: str, body: Any) -> Any:
        if not isinstance(body, dict):
            raise Fault("50002", "JSON syntax error: an object", 400)
        each, lever = self._named(body), micros_of(body.get("lever"))
        most = 1_000_000 // max(each.terms.margin_initial_ppm, 1)
        if lever is None or not 10**6 <= lever <= most * 10**6:
            raise Fault("59102", f"Leverage exceeds the maximum limit: 1 to {most}")
        self.server.exchange.leverage[account, each.okx] = lever // 10**6
        return [{"instId": each.okx, "lever": decimal(lever), "mgnMode": str(body.get("mgnMode") or "cross"), "posSide": "net"}]


def is_known(order: Order) -> bool:
    """False for what OKX never took (a post-only order it takes and cancels), and for spreads, which this dialect has not."""
    return "~" not in order.symbol and (order.state is not State.REJECTED or order.post_only)


def refused(code: int, message: str) -> tuple[int, Any]:
    """An injected refusal in OKX's form."""
    if code == 429:
        return 429, {"code": "50011", "msg": "Too Many Requests", "data": []}
    return (503 if code == 503 else 200), {"code": message if message.isdecimal() else "50001", "msg": message, "data": []}


def limit_of(query: Query, usual: int, most: int) -> int:
    """How many rows a page has."""
    return min(max(whole_of(query.get("limit", usual)) or usual, 1), most)


def after_id(rows: list[dict[str, Any]], query: Query, name: str) -> list[dict[str, Any]]:
    """The rows older than the one that ``after`` names."""
    ids = [row[name] for row in rows]
    return rows[ids.index(query["after"]) + 1 :] if query.get("after") in ids else rows
