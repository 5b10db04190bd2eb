# SPDX-License-Identifier: Apache-2.0
"""One aiohttp server on 127.0.0.1: every dialect, the feed and the control plane over one exchange and one book."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web, web_app

from kilohour.errors import KilohourError
from kilohour.execution.sandbox.accounts import Keyring
from kilohour.execution.sandbox.ax_rest import AxDialect
from kilohour.execution.sandbox.chaos import Chaos, Rule
from kilohour.execution.sandbox.control import Control
from kilohour.execution.sandbox.core import Exchange
from kilohour.execution.sandbox.feed import Feed, Replayer
from kilohour.execution.sandbox.hub import Hub
from kilohour.execution.sandbox.market import Pulse
from kilohour.execution.sandbox.model import Order
from kilohour.execution.sandbox.okx_rest import OkxDialect
from kilohour.execution.sandbox.replay import ReplayExchange
from kilohour.execution.sandbox.wire import BODY_MOST, dump

HOST = "127.0.0.1"
"""The only address it binds: it has no secrets worth the name and no limits worth relying on."""
LOG = logging.getLogger("kilohour.sandbox")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Server:
    """The sandbox as a server. ``clock`` is the wall clock in nanoseconds, which only the door reads: for tokens and signatures."""

    def __init__(self, exchange: Exchange, keyring: Keyring, chaos: Chaos, clock: Callable[[], int], *, speed: float | str = "max") -> None:
        self.exchange, self.keyring, self.chaos, self._clock = exchange, keyring, chaos, clock
        self.hub = Hub(chaos)
        self.skew = 0
        self.faults = 0
        """Requests that failed by a mistake of ours."""
        self._hidden: dict[str, int] = {}
        self.feed = Feed(self)
        self.ax = AxDialect(self)
        self.okx = OkxDialect(self)
        self.dialects: list[AxDialect | OkxDialect] = [self.ax, self.okx]
        self.replayer = Replayer(self, exchange, speed) if isinstance(exchange, ReplayExchange) else None
        self.pulse: Pulse | None = None
        """What moves a market; None for one that stands still until it is told, as in a test."""
        self.control = Control(self)
        self.port = 0
        self._runner: web.AppRunner | None = None
        self._tasks: list[asyncio.Task[None]] = []

    # -- for dialects -----------------------------------------------------------------------------------------

    def wall(self) -> int:
        """The venue's wall clock, with the skew the control plane gave it."""
        return self._clock() + self.skew

    def bearer(self, request: web.Request) -> str | None:
        """The account of a request's bearer token, None without a token that is good."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        return self.keyring.account_of(token.strip(), self.wall()) if scheme.lower() == "bearer" else None

    def publish(self) -> None:
        """Tells every socket what happened since the last time."""
        changes = self.exchange.take_changes()
        if changes.events or changes.trades or changes.books or changes.accounts:
            for dialect in self.dialects:
                dialect.publish(changes)

    def is_hidden(self, order: Order) -> bool:
        """True while the control plane keeps an order from being read."""
        until = self._hidden.get(order.id)
        return until is not None and self._clock() < until

    def is_shown(self, instrument: Any) -> bool:
        """True for what lists of instruments show."""
        return self.exchange.is_shown(instrument)

    async def guarded(self, request: web.Request, what: str, account: str, do: Callable[[], Any],
                      refused: Callable[[int, str], tuple[int, Any]]) -> tuple[int, Any]:  # fmt: skip
        """Does a request, and to it what the control plane wants; a status and a body."""
        rule = self.chaos.request(what, account)
        if rule is None:
            found = do()
            self.publish()
            return 200, found
        if rule.do == "drop_request":
            _abort(request)
            return refused(503, "dropped")
        if rule.do in ("too_many", "reject"):
            return refused(429 if rule.do == "too_many" else 400, rule.code or rule.do)
        found = do()
        self.publish()
        if rule.do == "lose_reply":
            _abort(request)
        elif rule.do == "delay_reply":
            await asyncio.sleep(rule.ms / 1000)
        elif rule.do == "late_order":
            self.hide_last(account, rule.ms)
        elif rule.do == "malformed":
            raise web.HTTPBadGateway(text="<html><head><title>502 Bad Gatew", content_type="text/html")
        return 200, found

    async def injure(self, rule: Rule, abort: Callable[[], None], reply: Callable[[str], None], rid: Any) -> bool:
        """What the control plane does to a request on a socket before it takes effect; False when that was all."""
        if rule.do == "drop_request":
            abort()
            return False
        if rule.do in ("too_many", "reject"):
            reply(dump({"rid": rid, "err": {"code": 429 if rule.do == "too_many" else 400, "msg": rule.code or rule.do}}))
            return False
        if rule.do == "malformed":
            reply('{"rid":')
        return True

    def hide_last(self, account: str, ms: int) -> None:
        """Keeps the account's latest order from being read for a while."""
        for order in self.exchange.history(account):
            self._hidden[order.id] = self._clock() + ms * 1_000_000
            return

    async def restart(self, *, wipe: bool) -> None:
        """As a venue that comes back: sockets close, tokens are void; with ``wipe`` every open order is gone without a word."""
        self.keyring.expire()
        self.publish()
        for box in [box for channel in ("orders", "okx", "market", "feed") for box in self.hub.each(channel)]:
            await box.close(1012)
        if wipe:
            self.exchange.wipe()
            self.exchange.take_changes()

    # -- the server -------------------------------------------------------------------------------------------

    def app(self) -> web.Application:
        """The application with every route."""
        app = web.Application(client_max_size=BODY_MOST, middlewares=[self._speak_json])
        for dialect in self.dialects:
            app.add_routes(list(dialect.routes()))
        app.add_routes([web.get("/_feed", self.feed.handle), *self.control.routes()])
        if self.replayer is not None:
            app.add_routes([web.get("/_lockstep", self.replayer.handle)])
        return app

    @web.middleware
    async def _speak_json(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Every failure in the form of the dialect whose path it is; none of them ends the server."""
        try:
            return await handler(request)
        except web.HTTPException as error:
            if error.status == 502:
                raise
            return self._failed(request, error.status, error.reason)
        except KilohourError as error:
            return self._failed(request, 400, str(error))
        except (ConnectionError, asyncio.CancelledError):
            raise
        except Exception:
            self.faults += 1
            LOG.exception("a request failed: %s %s", request.method, request.path)
            return self._failed(request, 500, "a mistake in the sandbox")

    def _failed(self, request: web.Request, status: int, message: str) -> web.Response:
        if request.path.startswith("/api/v5/"):
            return web.json_response({"code": "50000" if status >= 500 else "50002", "msg": message, "data": []}, status=status)
        return web.json_response({"code": status, "msg": message, "error": message}, status=status)

    async def start(self, port: int = 0) -> int:
        """Binds a port (a free one unless given) and begins to move; the port. Raises OSError when it is taken."""
        self._runner = web.AppRunner(self.app(), access_log=None, handle_signals=False, shutdown_timeout=0.2)
        await self._runner.setup()
        site = web.TCPSite(self._runner, HOST, port, backlog=1024)
        await site.start()
        assert self._runner.addresses
        self.port = int(self._runner.addresses[0][1])
        for driver in (self.replayer, self.pulse):
            if driver is not None:
                self._tasks.append(asyncio.get_running_loop().create_task(driver.run()))
        return self.port

    async def stop(self) -> None:
        """Closes every socket and the server."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        for box in list(self.hub.open):
            box.abort()
        if self._runner is not None:
            await self._runner.cleanup()
        forget_handlers()

    async def wait(self, seconds: float | None = None) -> None:
        """Serves until the time is over (for ever without one), or a task of its own fails."""
        if not self._tasks:
            await asyncio.sleep(seconds if seconds is not None else 10 * 365 * 86_400)
            return
        done, _ = await asyncio.wait(self._tasks, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
        if done and seconds is None:
            await asyncio.sleep(10 * 365 * 86_400)

    @property
    def addresses(self) -> dict[str, str]:
        """Base addresses by what a client's settings call them."""
        web_, ws = f"http://{HOST}:{self.port}", f"ws://{HOST}:{self.port}"
        return {
            "ax_rest": f"{web_}/api", "ax_orders": f"{web_}/orders", "ax_orders_ws": f"{ws}/orders/ws", "ax_market_ws": f"{ws}/md/ws",
            "okx_rest": web_, "okx_ws": f"{ws}/ws/v5", "feed": f"{ws}/_feed", "lockstep": f"{ws}/_lockstep", "chaos": f"{web_}/_chaos",
        }  # fmt: skip


def _abort(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


def forget_handlers() -> None:
    """aiohttp keeps the last 1,024 handlers of all servers of a process, each with the exchange that it belongs to: a notebook that
    papers a hundred times would hold a hundred exchanges. Others' servers only build theirs again."""
    kept = getattr(web_app, "_cached_build_middleware", None)
    if kept is not None:
        kept.cache_clear()
