# SPDX-License-Identifier: Apache-2.0
"""Sockets and what is sent on them: a bounded queue each, so that a reader that never reads costs a fixed amount of memory."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable

from aiohttp import web

from kilohour.execution.sandbox.chaos import Chaos

QUEUED_BYTES, QUEUED_MESSAGES = 4 << 20, 20_000
SOCKETS_MOST = 512
TOGETHER_BYTES = 16 << 10


def frame(text: str) -> bytes:
    """A whole text message as a server sends it (RFC 6455, 5.2): unmasked and uncompressed.

    >>> frame("Hello").hex(" ")
    '81 05 48 65 6c 6c 6f'
    """
    data = text.encode()
    size = len(data)
    if size < 126:
        return bytes((0x81, size)) + data
    return (b"\x81\x7e" + size.to_bytes(2, "big") if size < 1 << 16 else b"\x81\x7f" + size.to_bytes(8, "big")) + data


class Outbox:
    """One socket's way out. ``channel``: orders, okx (once logged in), market, feed or lockstep; ``account`` empty on public ones."""

    def __init__(self, socket: web.WebSocketResponse, request: web.Request, channel: str, account: str, chaos: Chaos) -> None:
        self.socket, self.request, self.channel, self.account, self.chaos = socket, request, channel, account, chaos
        self.is_mute = False
        self.is_gone = False
        self.has_spoken = False
        """True once its client has sent a message."""
        self._queue: deque[str] = deque()
        self._bytes = 0
        self._held: str | None = None
        self._wake = asyncio.Event()
        self._writer = asyncio.get_running_loop().create_task(self._write())

    def reply(self, text: str) -> None:
        """Queues an answer: streams' faults do not touch it."""
        self._put(text)

    def send(self, text: str) -> None:
        """Queues a message of the stream, as the control plane lets it."""
        rule = self.chaos.stream("private" if self.account else "public", self.account)
        if rule is not None and rule.do == "drop":
            return
        if rule is not None and rule.do == "delay":
            asyncio.get_running_loop().call_later(rule.ms / 1000, self._put, text)
            return
        if rule is not None and rule.do == "reorder" and self._held is None:
            self._held = text
            return
        self._put(text)
        if rule is not None and rule.do == "duplicate":
            self._put(text)
        if self._held is not None:
            held, self._held = self._held, None
            self._put(held)

    def _put(self, text: str) -> None:
        if self.is_mute or self.is_gone:
            return
        self._queue.append(text)
        self._bytes += len(text)
        self._wake.set()
        if self._bytes > QUEUED_BYTES or len(self._queue) > QUEUED_MESSAGES:
            self.abort()

    @property
    def is_busy(self) -> bool:
        """True while more is queued than a reader ought to be behind."""
        return not self.is_gone and self._bytes > QUEUED_BYTES // 4

    async def _write(self) -> None:
        with contextlib.suppress(ConnectionError, RuntimeError, asyncio.CancelledError):
            while not self.is_gone:
                await self._wake.wait()
                self._wake.clear()
                while self._queue:
                    if self._write_together():
                        continue
                    text = self._queue.popleft()
                    self._bytes -= len(text)
                    await self.socket.send_str(text)
        self.is_gone = True

    def _write_together(self) -> bool:
        """Several short messages in one write: an answer and its event cost half as much so. Not for a reader that is behind, for whom
        :meth:`_write` waits."""
        transport = self.request.transport
        if len(self._queue) < 2 or self._bytes > TOGETHER_BYTES or transport is None or transport.is_closing() or self.socket.closed:
            return False
        if transport.get_write_buffer_size():
            return False
        transport.write(b"".join(map(frame, self._queue)))
        self._queue.clear()
        self._bytes = 0
        return True

    def abort(self) -> None:
        """Cuts the connection without a word."""
        self.is_gone = True
        self._queue.clear()
        self._bytes = 0
        if self.request.transport is not None:
            self.request.transport.abort()
        self._writer.cancel()

    async def close(self, code: int = 1012) -> None:
        """Closes the socket in order, with what is queued."""
        with contextlib.suppress(ConnectionError, RuntimeError, asyncio.TimeoutError):
            await asyncio.wait_for(self.socket.close(code=code, message=b"sandbox"), 1)
        self.end()

    def end(self) -> None:
        """The socket is closed: the queue is dropped and its writer ends."""
        self.is_gone = True
        self._queue.clear()
        self._writer.cancel()


class Hub:
    """Every open socket, and who is told of changes."""

    def __init__(self, chaos: Chaos) -> None:
        self.chaos = chaos
        self.open: list[Outbox] = []

    def join(self, socket: web.WebSocketResponse, request: web.Request, channel: str, account: str = "") -> Outbox:
        """A socket's way out, kept until it leaves. Raises :class:`web.HTTPServiceUnavailable` when there are too many."""
        outbox = Outbox(socket, request, channel, account, self.chaos)
        self.open.append(outbox)
        return outbox

    def has_room(self) -> bool:
        """True when a further socket is taken. Where there is none, a line on which nobody has said a word gives way, the oldest first."""
        if len(self.open) < SOCKETS_MOST:
            return True
        silent = next((box for box in self.open if box.channel == "market" and not box.has_spoken), None)
        if silent is not None:
            silent.abort()
            self.leave(silent)
        return silent is not None

    def leave(self, outbox: Outbox) -> None:
        """Forgets a socket."""
        outbox.end()
        if outbox in self.open:
            self.open.remove(outbox)

    def each(self, channel: str, account: str | None = None) -> list[Outbox]:
        """Open sockets of a channel (of one account)."""
        return [box for box in self.open if (channel in ("all", box.channel)) and account in (None, box.account) and not box.is_gone]

    def tell(self, channel: str, make: Callable[[Outbox], str | None]) -> None:
        """Sends to every socket of a channel what ``make`` says of it, if anything."""
        for box in self.each(channel):
            text = make(box)
            if text is not None:
                box.send(text)
