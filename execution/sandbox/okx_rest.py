# SPDX-License-Identifier: Apache-2.0
"""OKX's REST under ``/api/v5``: the paths that ccxt and freqtrade ask, signed or public."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any

from aiohttp import web

from kilohour.execution.sandbox.model import Changes
from kilohour.execution.sandbox.okx import Fault
from kilohour.execution.sandbox.okx_account import AccountReads
from kilohour.execution.sandbox.okx_algo import Algos
from kilohour.execution.sandbox.okx_public import Public
from kilohour.execution.sandbox.okx_sockets import OkxSockets
from kilohour.execution.sandbox.okx_trade import Trading
from kilohour.execution.sandbox.wire import BODY_MOST, BadText, dump, read_any

if TYPE_CHECKING:
    from kilohour.execution.sandbox.server import Server

Answer = Callable[[str, Any], Any]


class OkxDialect:
    """Everything OKX, as routes on the server and a listener to changes."""

    name = "OKX v5"

    def __init__(self, server: Server) -> None:
        self.server = server
        self.public = Public(server)
        self.trading, self.algos = Trading(server), Algos(server)
        self.account = AccountReads(server, self.public, self.trading)
        self.sockets = OkxSockets(server, self.trading)

    def publish(self, changes: Changes) -> None:
        """Tells the sockets."""
        self.sockets.publish(changes)

    def routes(self) -> Iterable[web.RouteDef]:
        """Every path."""
        for name in ("public", "private", "business"):
            yield web.get(f"/ws/v5/{name}", self.sockets.handle)
        for path, answer in self.public.answers().items():
            yield web.get(f"/api/v5/{path}", self._door(answer, "read", is_private=False))
        for path, answer in (*self.account.answers().items(), *self.algos.answers().items()):
            yield web.get(f"/api/v5/{path}", self._door(answer, "read"))
        trading, algos = self.trading, self.algos
        writes: dict[str, tuple[Answer, str]] = {
            "trade/order": (lambda account, body: trading.each(account, body, trading.place), "place"),
            "trade/batch-orders": (lambda account, body: trading.each(account, body, trading.place), "place"),
            "trade/cancel-order": (lambda account, body: trading.each(account, body, trading.cancel), "cancel"),
            "trade/cancel-batch-orders": (lambda account, body: trading.each(account, body, trading.cancel), "cancel"),
            "trade/amend-order": (lambda account, body: trading.each(account, body, trading.amend), "replace"),
            "trade/amend-batch-orders": (lambda account, body: trading.each(account, body, trading.amend), "replace"),
            "trade/order-algo": (lambda account, body: trading.each(account, body, algos.place), "place"),
            "trade/cancel-algos": (lambda account, body: trading.each(account, body, algos.cancel), "cancel"),
            "trade/cancel-all-after": (lambda account, body: trading.cancel_all_after(account, body), "cancel"),
            "account/set-leverage": (self.account.set_leverage, "read"),
            "account/set-position-mode": (self.account.set_position_mode, "read"),
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


def refused(code: int, message: str) -> tuple[int, Any]:
    """An injected refusal in OKX's form."""
    if code == 429:
        return 429, {"code": "50011", "msg": "Too Many Requests", "data": []}
    return (503 if code == 503 else 200), {"code": message if message.isdecimal() else "50001", "msg": message, "data": []}
