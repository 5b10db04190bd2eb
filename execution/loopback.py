# SPDX-License-Identifier: Apache-2.0
"""Paper trading reaches this machine and nothing else: any other address is an error, before a name is looked up.

A library can ignore the urls it is given; a guard under all of them cannot be ignored. It does not see an event loop that
resolves and connects in C (uvloop), so paper trading refuses to run on one.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from collections.abc import Iterator
from typing import Any

from kilohour.errors import UsageError

LOCAL_NAMES = ("localhost", "", "0.0.0.0", "::")


class NotLoopback(ConnectionError):
    """An address outside this machine was asked for in paper mode."""


def is_local(host: object) -> bool:
    """True for this machine's own addresses.

    >>> is_local("127.0.0.1"), is_local("gateway.example.com"), is_local("10.0.0.1")
    (True, False, False)
    """
    if host is None:
        return True
    text = host.decode(errors="replace") if isinstance(host, bytes) else str(host)
    if text in LOCAL_NAMES[:2]:
        return True
    try:
        return ipaddress.ip_address(text.partition("%")[0]).is_loopback
    except ValueError:
        return False


def refuse(host: object) -> None:
    """Raises :class:`NotLoopback` unless the host is this machine."""
    if not is_local(host):
        raise NotLoopback(f"paper trading connects to 127.0.0.1 only, found {host!r}")


@contextlib.contextmanager
def only_loopback() -> Iterator[None]:
    """While it lasts, looking up or connecting to any other host raises :class:`NotLoopback`, in every thread."""
    import asyncio

    policy = type(asyncio.get_event_loop_policy()).__module__
    if policy.startswith("uvloop"):
        raise UsageError("paper trading must not run on uvloop: it connects where the loopback guard does not see it")
    look_up, connect, connect_ex = socket.getaddrinfo, socket.socket.connect, socket.socket.connect_ex

    def guarded_look_up(host: Any, *rest: Any, **named: Any) -> Any:
        refuse(host)
        return look_up(host, *rest, **named)

    def guarded_connect(self: socket.socket, address: Any) -> Any:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            refuse(address[0])
        return connect(self, address)

    def guarded_connect_ex(self: socket.socket, address: Any) -> Any:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            refuse(address[0])
        return connect_ex(self, address)

    socket.getaddrinfo = guarded_look_up
    socket.socket.connect = guarded_connect  # type: ignore[method-assign, assignment]
    socket.socket.connect_ex = guarded_connect_ex  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        socket.getaddrinfo = look_up
        socket.socket.connect, socket.socket.connect_ex = connect, connect_ex  # type: ignore[method-assign]
