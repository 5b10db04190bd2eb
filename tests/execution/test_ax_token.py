# SPDX-License-Identifier: Apache-2.0
"""Row 20: a token that ends, told by a venue that refuses it, on the socket and over REST, each guard by itself."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from kilohour.execution import port
from kilohour.execution.ax.venue import TOKEN_SECONDS, AxVenue
from tests.execution.test_ax_wire import SYMBOLS

KEYS = {"api_key": "k", "api_secret": "s"}
READS = {"/api/positions": {"positions": []}, "/api/balances": {"balances": []}, "/orders/open-orders": {"orders": [], "total_count": 0}}


class Strict:
    """A venue that knows one token, the last that it gave, and none once :meth:`expire` was called."""

    def __init__(self) -> None:
        self.logins, self.refused, self.is_good, self.gives_good = 0, 0, False, True
        self.socket: web.WebSocketResponse | None = None
        self.now = 10**18

    def expire(self) -> None:
        self.is_good = False

    def knows(self, request: web.Request) -> bool:
        known = self.is_good and request.headers.get("Authorization") == f"Bearer {self.logins}"
        self.refused += not known
        return known

    async def login(self, _: web.Request) -> web.Response:
        self.logins, self.is_good = self.logins + 1, self.gives_good
        return web.json_response({"token": str(self.logins)})

    async def orders(self, request: web.Request) -> web.StreamResponse:
        if not self.knows(request):
            return web.Response(status=401)
        self.socket = web.WebSocketResponse()
        await self.socket.prepare(request)
        await self.socket.send_str('{"rid": 0, "res": []}')
        async for _ in self.socket:
            pass
        return self.socket

    async def read(self, request: web.Request) -> web.Response:
        return web.json_response(READS[request.path]) if self.knows(request) else web.json_response({}, status=401)

    def play(self, story) -> list[port.Fact]:
        """A session from its login on; the facts it told."""
        async def go() -> list[port.Fact]:
            app = web.Application()
            app.router.add_post("/api/authenticate", self.login)
            app.router.add_get("/orders/ws", self.orders)
            app.router.add_get("/{path:.*}", self.read)
            runner = web.AppRunner(app, shutdown_timeout=0.1)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            facts: list[port.Fact] = []
            venue = AxVenue(f"http://127.0.0.1:{runner.addresses[0][1]}", KEYS, SYMBOLS.code_of, lambda: self.now)
            await venue.open(facts.append)
            try:
                await story(venue, facts)
            finally:
                await venue.close()
                await runner.cleanup()
            return facts

        return asyncio.run(asyncio.wait_for(go(), 120))

    async def dropped(self, facts: list[port.Fact]) -> None:
        """The orders socket is cut, and comes back."""
        assert self.socket is not None
        await self.socket.close()
        for _ in range(500):
            await asyncio.sleep(0.01)
            if [fact.is_up for fact in facts if isinstance(fact, port.Linked)][-2:] == [False, True]:
                return
        raise AssertionError("the line does not come back")


def test_a_read_with_a_token_that_ended_is_asked_again_with_a_new_one():
    venue_side = Strict()

    async def story(venue, facts):
        venue_side.expire()
        assert (await venue.account()).positions == {}

    venue_side.play(story)
    assert (venue_side.logins, venue_side.refused) == (2, 1)


def test_a_socket_that_is_refused_for_its_token_comes_back_with_a_new_one():
    venue_side = Strict()

    async def story(venue, facts):
        venue_side.expire()
        await venue_side.dropped(facts)

    venue_side.play(story)
    assert (venue_side.logins, venue_side.refused) == (2, 1)


@pytest.mark.parametrize(("seconds", "logins"), [(TOKEN_SECONDS // 2, 1), (TOKEN_SECONDS // 2 + 1, 2)])
def test_a_token_in_its_second_half_is_renewed_before_a_line_is_opened(seconds, logins):
    venue_side = Strict()

    async def story(venue, facts):
        venue_side.now += seconds * 10**9
        await venue_side.dropped(facts)

    venue_side.play(story)
    assert (venue_side.logins, venue_side.refused) == (logins, 0)


def test_a_read_that_is_refused_again_says_nothing_of_an_order():
    """Neither that the venue does not have it nor that the account is empty."""
    venue_side = Strict()

    async def story(venue, facts):
        venue_side.gives_good = False
        venue_side.expire()
        for command in (port.LookUp(cid=77), port.LookUpFills()):
            try:
                await venue.do(command)
            except ConnectionError:
                continue
        with pytest.raises(ConnectionError, match="401"):
            await venue.account()

    assert [fact for fact in venue_side.play(story) if not isinstance(fact, port.Linked)] == []
