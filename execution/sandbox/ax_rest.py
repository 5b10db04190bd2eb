# SPDX-License-Identifier: Apache-2.0
"""AX's REST: the gateway under ``/api``, order entry under ``/orders``. Paths with hyphens, and with the older underscores."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from aiohttp import web

from kilohour.execution.sandbox.accounts import TOKEN_SECONDS_MOST
from kilohour.execution.sandbox.ax import Refused, book_row, funding_row, instrument_row, order_row, read_order, stamp, ticker_row
from kilohour.execution.sandbox.ax_sockets import (
    MarketSocket,
    OrdersSocket,
    cancel,
    cancel_all,
    candle_row,
    find,
    place,
    quote_candle_row,
    replace,
)
from kilohour.execution.sandbox.candles import WIDTHS
from kilohour.execution.sandbox.instruments import Instrument
from kilohour.execution.sandbox.model import Changes, Fill, Transaction
from kilohour.execution.sandbox.wire import BadText, decimal, dump, iso, read_json, whole_of

if TYPE_CHECKING:
    from kilohour.execution.sandbox.server import Server

Body = Mapping[str, Any]
Answer = Callable[[str, Body], Any]
PAGE_MOST = 1_000
FILLS_WINDOW = 7 * 86_400 * 10**9
"""The longest range of ``/api/fills``, nanoseconds."""


class AxDialect:
    """Everything AX, as routes on the server and a listener to changes."""

    name = "AX"

    def __init__(self, server: Server) -> None:
        self.server = server
        self.orders, self.market = OrdersSocket(server), MarketSocket(server)

    def publish(self, changes: Changes) -> None:
        """Tells the sockets."""
        self.orders.publish(changes)
        self.market.publish(changes)

    def routes(self) -> Iterable[web.RouteDef]:
        """Every path."""
        yield web.get("/orders/ws", self.orders.handle)
        yield web.get("/md/ws", self.market.handle)
        yield web.get("/api/health", self._health)
        yield web.post("/api/authenticate", self._authenticate)
        for path, answer in self._public().items():
            yield from _both(web.get, path, self._open(answer))
        for path, answer in self._gateway().items():
            yield from _both(web.get, path, self._private(answer, "read"))
        posts: dict[str, tuple[Answer, str]] = {
            "/orders/place-order": (self._place, "place"), "/orders/cancel-order": (self._cancel, "cancel"),
            "/orders/replace-order": (self._replace, "replace"), "/orders/cancel-all-orders": (self._cancel_all, "cancel"),
            "/orders/preview-order": (self._margin, "read"), "/orders/initial-margin-requirement": (self._margin, "read"),
            "/api/preview-aggressive-limit-order": (self._preview, "read"),
            "/orders/preview-aggressive-limit-order": (self._preview, "read"),
            "/api/sandbox/deposit": (self._deposit, "read"),
        }  # fmt: skip
        for path, (answer, what) in posts.items():
            yield from _both(web.post, path, self._private(answer, what))

    # -- doors ------------------------------------------------------------------------------------------------

    def _open(self, answer: Answer) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            return await self._answer(request, "", answer, "read")

        return handle

    def _private(self, answer: Answer, what: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            account = self.server.bearer(request)
            if account is None:
                return error(401, "a bearer token is needed: POST /api/authenticate")
            return await self._answer(request, account, answer, what)

        return handle

    async def _answer(self, request: web.Request, account: str, answer: Answer, what: str) -> web.StreamResponse:
        try:
            body: Body = read_json(await request.read() or b"{}") if request.method == "POST" else dict(request.query)
            status, found = await self.server.guarded(request, what, account, lambda: answer(account, body), refused)
        except BadText as wrong:
            return error(400, str(wrong))
        except Refused as wrong:
            return error(wrong.code, wrong.message)
        return web.json_response(found, status=status, dumps=dump)

    async def _health(self, request: web.Request) -> web.StreamResponse:  # noqa: ARG002
        return web.json_response({"status": "ok", "service": "kilohour sandbox"})

    async def _authenticate(self, request: web.Request) -> web.StreamResponse:
        try:
            body = read_json(await request.read())
        except BadText as wrong:
            return error(400, str(wrong))
        seconds = whole_of(body.get("expiration_seconds", 3600))
        if seconds is None or not 1 <= seconds <= TOKEN_SECONDS_MOST:
            return error(400, f"expiration_seconds must be a whole number from 1 to {TOKEN_SECONDS_MOST}")
        keyring, now = self.server.keyring, self.server.wall()
        if "username" in body:
            token = keyring.login_in_person(body.get("username"), body.get("password"), body.get("totp"), seconds, now)
            what = "username, password or totp, or a totp used before"
        else:
            token = keyring.login(body.get("api_key"), body.get("api_secret"), seconds, now)
            what = "api_key or api_secret"
        return error(401, f"wrong {what}") if token is None else web.json_response({"token": token})

    # -- public and account reads -----------------------------------------------------------------------------

    def _public(self) -> dict[str, Answer]:
        exchange = self.server.exchange
        return {
            "/api/instruments": lambda _, __: {"instruments": [instrument_row(exchange, each) for each in exchange.listing.outrights
                                                              if self.server.is_shown(each)]},
            "/api/instrument": lambda _, body: instrument_row(exchange, self._named(body)),
            "/api/tickers": lambda _, __: {"tickers": [ticker_row(exchange, each) for each in exchange.listing.outrights
                                                       if self.server.is_shown(each)]},
            "/api/ticker": lambda _, body: {"ticker": ticker_row(exchange, self._named(body))},
            "/api/book": lambda _, body: {"book": book_row(exchange, self._named(body), whole_of(body.get("level", 2)) or 2)},
            "/api/trades": lambda _, body: self._trades(body),
            "/api/candles": lambda _, body: self._candles(body), "/api/bbo-candles": lambda _, body: self._quote_candles(body),
            "/api/funding-rates": lambda _, body: {"funding_rates": self._fundings(body)},
            "/api/index-prices": lambda _, body: self._index(body),
        }  # fmt: skip

    def _gateway(self) -> dict[str, Answer]:
        return {
            "/api/whoami": self._whoami, "/api/balances": self._balances, "/api/positions": self._positions,
            "/api/risk-snapshot": self._risk,
            "/api/fills": self._fills, "/api/transactions": lambda account, body: self._transactions(account, body, ()),
            "/api/funding-transactions": lambda account, body: self._transactions(account, body, ("funding", "variation", "settlement")),
            "/api/liquidations": self._liquidations,
            "/orders/open-orders": self._open_orders, "/orders/orders": self._orders, "/orders/order-status": self._status,
            "/orders/order-fills": lambda account, body: {"fills": [
                fill_row(fill) for fill in self.server.exchange.fills[account] if fill.order == find(self.server, account, body).id]},
        }  # fmt: skip

    def _named(self, body: Body) -> Instrument:
        found = self.server.exchange.listing.find(body.get("symbol"))
        if found is None:
            raise Refused("unknown symbol", 404)
        return found

    def _trades(self, body: Body) -> Any:
        rows = list(self.server.exchange.trades.get(self._named(body).symbol, ()))[-100:]
        return {
            "trades": [
                {
                    "ts": t.ts // 10**9,
                    "tn": t.ts % 10**9,
                    "p": decimal(t.price),
                    "q": t.lots,
                    "s": t.symbol,
                    "d": "B" if t.side > 0 else "S",
                }
                for t in reversed(rows)
            ]
        }

    def _width(self, body: Body) -> str:
        width = str(body.get("candle_width", body.get("width", "1m")))
        if width not in WIDTHS:
            raise Refused(f"width must be one of {', '.join(WIDTHS)}")
        return width

    def _quote_candles(self, body: Body) -> Any:
        symbol, width = self._named(body).symbol, self._width(body)
        since, until = whole_of(body.get("start_timestamp_ns", 0)) or 0, whole_of(body.get("end_timestamp_ns", 1 << 62)) or 1 << 62
        kept = [c for c in self.server.exchange.quotes.of(symbol, width) if since <= c.start <= until]
        return {"candles": [{"symbol": symbol, **stamp(c.start), "width": width, **quote_candle_row(c)} for c in kept]}

    def _candles(self, body: Body) -> Any:
        width, symbol = self._width(body), self._named(body).symbol
        return {
            "candles": [
                {"symbol": symbol, "ts": iso(c.start), "width": width, **candle_row(c)}
                for c in self.server.exchange.candles.of(symbol, width)
            ]
        }

    def _fundings(self, body: Body) -> Any:
        instrument = self._named(body)
        since, until = whole_of(body.get("start_timestamp_ns", 0)) or 0, whole_of(body.get("end_timestamp_ns", 1 << 62)) or 1 << 62
        kept = self.server.exchange.fundings.get(instrument.symbol, ())
        return [funding_row(instrument, row) for row in kept if since <= row.ts <= until]

    def _index(self, body: Body) -> Any:
        instrument = self._named(body)
        value = self.server.exchange.tickers[self.server.exchange.listing.outrights[instrument.row].symbol].index
        return {"index_prices": [] if value is None else [{"symbol": instrument.symbol, "price": decimal(value)}]}

    def _whoami(self, account: str, _: Body) -> Any:
        terms = self.server.exchange.listing.outrights[0].terms
        maker = terms.fee_ppm if terms.fee_maker_ppm is None else terms.fee_maker_ppm
        return {
            "id": account,
            "username": account,
            "is_onboarded": True,
            "is_close_only": False,
            "is_frozen": False,
            "maker_fee": decimal(maker),
            "taker_fee": decimal(terms.fee_ppm),
            "fee_per_lot": decimal(terms.fee_per_lot_micros),
        }

    def _balances(self, account: str, _: Body) -> Any:
        return {"balances": [{"symbol": "USD", "amount": decimal(self.server.exchange.statement(account).cash)}]}

    def _positions(self, account: str, _: Body) -> Any:
        return {
            "positions": [
                {
                    "account_id": account,
                    "symbol": h.symbol,
                    "signed_quantity": h.lots,
                    "signed_notional": decimal(h.lots * h.average),
                    "timestamp": iso(h.opened),
                    "realized_pnl": decimal(h.realized),
                }
                for h in self.server.exchange.statement(account).holdings
                if h.lots
            ]
        }

    def _risk(self, account: str, _: Body) -> Any:
        s = self.server.exchange.statement(account)
        return {
            "risk_snapshot": {
                "account_id": account,
                "balance_usd": decimal(s.cash),
                "equity": decimal(s.equity),
                "initial_margin_required_total": decimal(s.initial),
                "maintenance_margin_required": decimal(s.maintenance),
                "initial_margin_available": decimal(s.equity - s.initial),
                "maintenance_margin_available": decimal(s.equity - s.maintenance),
                "unrealized_pnl": decimal(sum(h.unrealized for h in s.holdings)),
                "per_symbol": {
                    h.symbol: {
                        "signed_quantity": h.lots,
                        "average_price": decimal(h.average),
                        "unrealized_pnl": decimal(h.unrealized),
                        "liquidation_price": None,
                    }
                    for h in s.holdings
                },
            }
        }

    def _fills(self, account: str, body: Body) -> Any:
        since, until = whole_of(body.get("start_timestamp_ns", 0)), whole_of(body.get("end_timestamp_ns", 1 << 62))
        if since is None or until is None:
            raise Refused("start_timestamp_ns and end_timestamp_ns must be whole numbers")
        if {"start_timestamp_ns", "end_timestamp_ns"} <= body.keys() and until - since > FILLS_WINDOW:
            raise Refused("start_timestamp_ns to end_timestamp_ns must be at most 7 days")
        kept = self.server.exchange.fills[account]
        places = range(bisect_left(kept, since, key=_time), bisect_right(kept, until, key=_time))
        picked, cursor = page(places[::-1] if body.get("sort_ts") == "desc" else places, body, "cursor")
        return {"fills": [fill_row(kept[place]) for place in picked], "next_cursor": cursor}

    def _transactions(self, account: str, body: Body, kinds: tuple[str, ...]) -> Any:
        kept = self.server.exchange.transactions[account]
        places: Sequence[int] = range(len(kept))[::-1]
        if kinds:
            places = [place for place in places if kept[place].kind in kinds]
        picked, cursor = page(places, body, "cursor")
        return {"transactions": [transaction_row(kept[place]) for place in picked], "next_cursor": cursor}

    def _liquidations(self, account: str, _: Body) -> Any:
        return {"liquidations": [fill_row(fill) for fill in self.server.exchange.fills[account] if fill.order.startswith("L-")]}

    # -- orders -----------------------------------------------------------------------------------------------

    def _open_orders(self, account: str, body: Body) -> Any:
        rows = [o for o in self.server.exchange.open_orders[account].values() if not self.server.is_hidden(o)]
        return self._page_of_orders(rows, body)

    def _orders(self, account: str, body: Body) -> Any:
        rows = [o for o in self.server.exchange.history(account) if not self.server.is_hidden(o)]
        rows.reverse()
        return self._page_of_orders(rows, body)

    def _page_of_orders(self, rows: list[Any], body: Body) -> Any:
        if body.get("symbol"):
            rows = [order for order in rows if order.symbol == body["symbol"]]
        if body.get("sort_ts") == "desc":
            rows = rows[::-1]
        limit, offset = min(whole_of(body.get("limit", 100)) or 100, PAGE_MOST), whole_of(body.get("offset", 0)) or 0
        if limit < 1 or offset < 0:
            raise Refused("limit must be above 0 and offset at least 0")
        return {
            "orders": [order_row(order) for order in rows[offset : offset + limit]],
            "total_count": len(rows),
            "limit": limit,
            "offset": offset,
        }

    def _status(self, account: str, body: Body) -> Any:
        order = find(self.server, account, body)
        row = order_row(order)
        return {
            "status": {
                "symbol": order.symbol,
                "order_id": order.id,
                "state": row["o"],
                "clord_id": row.get("cid"),
                "filled_quantity": order.filled,
                "remaining_quantity": order.left,
            }
        }

    def _place(self, account: str, body: Body) -> Any:
        return {"oid": place(self.server, account, body).id}

    def _cancel(self, account: str, body: Body) -> Any:
        cancel(self.server, account, body)
        return {"cxl_rx": True}

    def _replace(self, account: str, body: Body) -> Any:
        return {"oid": replace(self.server, account, body).id}

    def _cancel_all(self, account: str, body: Body) -> Any:
        return {"cxl_rx": True, "cancelled": cancel_all(self.server, account, body)}

    def _margin(self, account: str, body: Body) -> Any:
        new = read_order(
            {
                "s": body.get("symbol", body.get("s")),
                "d": body.get("side", body.get("d")),
                "q": body.get("quantity", body.get("q")),
                "p": body.get("price", body.get("p", "0")),
            }
        )
        self._named({"symbol": new.symbol})
        return {
            "im": decimal(self.server.exchange.margin_of(account, new)),
            "im_before": decimal(self.server.exchange.statement(account).initial),
        }

    def _preview(self, _: str, body: Body) -> Any:
        instrument, lots = self._named(body), whole_of(body.get("quantity"))
        side = {"B": 1, "BUY": 1, "S": -1, "SELL": -1}.get(str(body.get("side")).upper())
        if lots is None or lots < 1 or side is None:
            raise Refused("quantity must be a whole number above 0 and side B or S")
        bids, asks = self.server.exchange.depth(instrument, 10_000)
        left = lots
        limit: int | None = None
        for price, size, _count in asks if side > 0 else bids:
            if left > 0:
                left, limit = left - size, price
        left = max(left, 0)
        return {"filled_quantity": lots - left, "remaining_quantity": left, "limit_price": None if limit is None else decimal(limit)}

    def _deposit(self, account: str, body: Body) -> Any:
        from kilohour.execution.sandbox.wire import micros_of

        amount = micros_of(body.get("amount"))
        if body.get("symbol") != "USD" or amount is None or not 0 < amount <= 10**15:
            raise Refused("symbol must be USD and amount a decimal above 0")
        self.server.exchange.deposit(account, amount)
        return self._balances(account, body)


def error(code: int, message: str) -> web.Response:
    """AX's error form over REST."""
    return web.json_response({"code": code, "msg": message, "error": message}, status=code)


def refused(code: int, message: str) -> tuple[int, Any]:
    """An injected refusal in AX's form."""
    return code, {"code": code, "msg": message, "error": message}


def fill_row(fill: Fill) -> dict[str, Any]:
    """One of ``/api/fills``."""
    return {
        "trade_id": fill.id,
        "order_id": fill.order,
        "account_id": fill.account,
        "symbol": fill.symbol,
        "side": "B" if fill.side > 0 else "S",
        "price": decimal(fill.price),
        "quantity": fill.lots,
        "fee": decimal(fill.fee),
        "is_taker": fill.is_taker,
        "timestamp": iso(fill.ts),
        "timestamp_ns": fill.ts,
    }


def transaction_row(row: Transaction) -> dict[str, Any]:
    """One movement of cash."""
    kind = {"variation": "mark_to_market", "settlement": "final_settlement"}.get(row.kind, row.kind)
    return {
        "event_id": row.id,
        "account_id": row.account,
        "symbol": row.symbol,
        "transaction_type": kind,
        "amount": decimal(row.micros),
        "currency": "USD",
        "timestamp": iso(row.ts),
    }


def _time(fill: Fill) -> int:
    return fill.ts


def page(rows: Sequence[int], body: Body, name: str) -> tuple[Sequence[int], str | None]:
    """One page of the places of rows by a cursor, which says how many come before it."""
    limit, start = min(whole_of(body.get("limit", 100)) or 100, PAGE_MOST), whole_of(body.get(name, 0)) or 0
    if limit < 1 or start < 0:
        raise Refused("limit must be above 0 and the cursor one that was given")
    return rows[start : start + limit], str(start + limit) if start + limit < len(rows) else None


def _both(method: Callable[..., web.RouteDef], path: str, handle: Any) -> Iterable[web.RouteDef]:
    yield method(path, handle)
    if "-" in path:
        yield method(path.replace("-", "_"), handle)
