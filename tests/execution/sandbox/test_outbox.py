# SPDX-License-Identifier: Apache-2.0
"""What is sent on a socket, read by a client that is not ours: messages of every size, in their order, alone and several in one write."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from aiohttp import web

from kilohour.execution.sandbox import hub
from kilohour.execution.sandbox.chaos import Chaos

SIZES = (0, 1, 125, 126, 127, 65_535, 65_536, 70_000)
"""The length of a message is written in one, two or eight bytes."""


async def heard(batches: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> tuple[list[str], int]:
    """What a client reads of batches that are queued at once, and how many writes were of several messages."""
    together, write = [], hub.Outbox._write_together

    def counted(box: hub.Outbox) -> bool:
        together.append(write(box))
        return together[-1]

    monkeypatch.setattr(hub.Outbox, "_write_together", counted)

    async def handle(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        box = hub.Hub(Chaos()).join(socket, request, "orders", "me")
        for batch in batches:
            for text in batch:
                box.reply(text)
            await socket.receive()
        box.end()
        return socket

    app, got = web.Application(), []
    app.add_routes([web.get("/", handle)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    async with aiohttp.ClientSession() as http, http.ws_connect(f"http://127.0.0.1:{runner.addresses[0][1]}/") as socket:
        for batch in batches:
            for _ in batch:
                got.append(await socket.receive_str(timeout=60))
            await socket.send_str("next")
    await runner.cleanup()
    return got, sum(together)


def test_messages_of_every_size_arrive_as_they_were_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "TOGETHER_BYTES", 1 << 20)
    texts = ["x" * size for size in SIZES]
    alone = [[text] for text in texts]
    pairs = [[text, "€ 2.815"] for text in texts]
    got, together = asyncio.run(heard([*alone, *pairs, texts], monkeypatch))
    assert got == [text for batch in (*alone, *pairs, texts) for text in batch]
    assert together == len(pairs) + 1


def test_much_at_once_waits_for_its_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f"{number}:" + "x" * (hub.TOGETHER_BYTES // 2) for number in range(5)]
    got, together = asyncio.run(heard([texts], monkeypatch))
    assert got == texts
    assert together == 0
