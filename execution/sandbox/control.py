# SPDX-License-Identifier: Apache-2.0
"""The control plane: ``/_chaos`` injects faults, ``/_account/NAME`` shows the books in integers, ``/`` says what this is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from aiohttp import web

from kilohour.errors import UnknownName, UsageError
from kilohour.execution.sandbox.chaos import ACTIONS, CHANNELS, REQUEST_VERBS, STREAM_VERBS
from kilohour.execution.sandbox.instruments import Instrument
from kilohour.execution.sandbox.model import Session
from kilohour.execution.sandbox.wire import BadText, dump, micros_of, read_json
from kilohour.units import NANOS_PER_SECOND

if TYPE_CHECKING:
    from kilohour.execution.sandbox.server import Server

SKEW_MOST = 10 * 365 * 86_400
SESSIONS = {
    "halt": Session.HALTED, "suspend": Session.SUSPENDED, "close": Session.CLOSED, "freeze": Session.FROZEN,
    "closing_auction": Session.CLOSING,
}  # fmt: skip


class Control:
    """The paths that no venue has."""

    def __init__(self, server: Server) -> None:
        self.server = server

    def routes(self) -> Iterable[web.RouteDef]:
        """Every path."""
        yield web.get("/", self._what)
        yield web.get("/_chaos", self._show)
        yield web.post("/_chaos", self._inject)
        yield web.get("/_account/{account}", self._account)

    async def _what(self, request: web.Request) -> web.StreamResponse:  # noqa: ARG002
        return web.json_response(
            {
                "kilohour": "a sandbox exchange on localhost that speaks a subset of the AX and OKX v5 dialects; "
                "it is none of those venues",
                "exchange": self.server.exchange.kind,
                "now": self.server.exchange.now,
                **self.server.addresses,
            },
            dumps=dump,
        )

    async def _show(self, request: web.Request) -> web.StreamResponse:  # noqa: ARG002
        chaos, server = self.server.chaos, self.server
        return web.json_response(
            {
                "seed": chaos.seed,
                "hits": chaos.hits,
                "faults": server.faults,
                "skew_seconds": server.skew / NANOS_PER_SECOND,
                "rules": [
                    {"do": r.do, "on": r.on, "count": r.count, "skip": r.skip, "p": r.p, "ms": r.ms, "hits": r.hits} for r in chaos.rules
                ],
                "sockets": len(server.hub.open),
                "verbs": {**REQUEST_VERBS, **STREAM_VERBS, **ACTIONS},
            },
            dumps=dump,
        )

    async def _inject(self, request: web.Request) -> web.StreamResponse:
        try:
            body = read_json(await request.read())
        except BadText as error:
            raise UsageError(f"the control plane: {error}") from None
        rules = body.get("rules", [body])
        if not isinstance(rules, list) or not all(isinstance(rule, dict) for rule in rules):
            raise UsageError("rules must be a list of objects")
        for rule in rules:
            await self.apply(rule)
        return await self._show(request)

    async def apply(self, given: Mapping[str, Any]) -> None:
        """One fault: at once, or as a rule that waits. Raises :class:`UsageError` or :class:`UnknownName`."""
        do = given.get("do")
        if do not in ACTIONS:
            self.server.chaos.add(given)
            return
        self.server.chaos.hits[str(do)] = self.server.chaos.hits.get(str(do), 0) + 1
        if do in ("disconnect", "half_open"):
            await self._cut(str(do), given)
        elif do == "skew":
            self._skew(given)
        elif do == "clear":
            self.server.chaos.clear()
        elif do == "expire_tokens":
            self.server.keyring.expire()
        elif do == "restart":
            await self.server.restart(wipe=given.get("state", "keep") == "wipe")
        elif do == "liquidate":
            self.server.exchange.liquidate(self._named_account(given))
        elif do == "credit":
            self._limit_credit(given)
        else:
            self._on_instrument(str(do), given)
        self.server.publish()

    async def _cut(self, do: str, given: Mapping[str, Any]) -> None:
        channel, account = str(given.get("channel", "all")), given.get("account")
        if channel not in CHANNELS:
            raise UsageError(f"{do}: channel must be one of {', '.join(CHANNELS)}, found {channel!r}")
        channels = ("orders", "okx") if channel == "orders" else (channel,)
        boxes = [box for each in channels for box in self.server.hub.each(each, account if isinstance(account, str) else None)]
        for box in boxes:
            if do == "half_open":
                box.is_mute = True
            else:
                await box.close(int(given.get("code", 1012)))

    def _skew(self, given: Mapping[str, Any]) -> None:
        seconds = given.get("seconds", 0)
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not abs(seconds) <= SKEW_MOST:
            raise UsageError(f"skew: seconds must be a number of at most {SKEW_MOST}, found {seconds!r}")
        self.server.skew = round(seconds * NANOS_PER_SECOND)

    def _limit_credit(self, given: Mapping[str, Any]) -> None:
        account, limit = self._named_account(given), micros_of(given.get("limit"))
        if given.get("limit") is None:
            self.server.exchange.credit.pop(account, None)
        elif limit is None or limit < 0:
            raise UsageError(f"credit: limit must be a decimal of at least 0, or null for none, found {given.get('limit')!r}")
        else:
            self.server.exchange.credit[account] = limit

    def _on_instrument(self, do: str, given: Mapping[str, Any]) -> None:
        exchange, each = self.server.exchange, self._named(given)
        if do == "expire":
            exchange.expire(each, micros_of(given.get("price")))
        elif do == "correct_settlement":
            price = micros_of(given.get("price"))
            if price is None:
                raise UsageError(f"correct_settlement: price must be a decimal, found {given.get('price')!r}")
            exchange.correct(each, price)
        else:
            if any(exchange.session(exchange.listing.outrights[row]) is Session.EXPIRED for row, _ in each.legs):
                raise UsageError(f"{do}: {each.symbol} has expired, and stays so; name a contract that is listed")
            usual = Session.PRE_OPEN if exchange.kind == "replay" else Session.OPEN
            exchange.set_session(each, SESSIONS.get(do, usual))

    def _named(self, given: Mapping[str, Any]) -> Instrument:
        listing, symbol = self.server.exchange.listing, given.get("symbol")
        found = listing.find(symbol) or listing.by_okx.get(str(symbol))
        if found is None:
            raise UnknownName("symbol", str(symbol), list(listing.by_symbol), where="the sandbox")
        return found

    def _named_account(self, given: Mapping[str, Any]) -> str:
        account, accounts = str(given.get("account")), self.server.exchange.accounts
        if account not in accounts:
            raise UnknownName("account", account, accounts, where="the sandbox")
        return account

    async def _account(self, request: web.Request) -> web.StreamResponse:
        account = self._named_account({"account": request.match_info["account"]})
        s = self.server.exchange.statement(account)
        codes = {each.symbol: each.contract.code for each in self.server.exchange.listing.outrights}
        return web.json_response(
            {
                "account": account,
                "ts": self.server.exchange.now,
                "cash": s.cash,
                "equity": s.equity,
                "fees": s.fees,
                "initial": s.initial,
                "maintenance": s.maintenance,
                "positions": {codes[h.symbol]: h.lots for h in s.holdings if h.lots},
                "holdings": [
                    {
                        "code": codes[h.symbol],
                        "symbol": h.symbol,
                        "lots": h.lots,
                        "open_value": h.open_value,
                        "value_price": h.value_price,
                        "unrealized": h.unrealized,
                    }
                    for h in s.holdings
                ],
                "open_orders": list(self.server.exchange.open_orders[account]),
                "fills": len(self.server.exchange.fills[account]),
                "private_seq": self.server.ax.orders.sent.get(account, 0),
            },
            dumps=dump,
        )
