# SPDX-License-Identifier: Apache-2.0
"""Paper trading reaches this machine and nothing else."""

from __future__ import annotations

import asyncio
import socket

import aiohttp
import pytest

from kilohour.backtests.paper import local_url
from kilohour.errors import UsageError
from kilohour.execution.keys import keys_of
from kilohour.execution.loopback import NotLoopback, is_local, only_loopback


@pytest.mark.parametrize(("host", "local"), [
    ("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True), (None, True), (b"127.0.0.1", True),
    ("10.0.0.1", False), ("gateway.architect.exchange", False), ("8.8.8.8", False), ("127.0.0.1.example.com", False), ("::2", False),
])  # fmt: skip
def test_what_is_this_machine(host, local):
    assert is_local(host) is local


def test_names_and_addresses_outside_are_refused_before_anything_is_looked_up():
    with only_loopback():
        with pytest.raises(NotLoopback, match=r"found 'www\.deribit\.com'"):
            socket.getaddrinfo("www.deribit.com", 443)
        with socket.socket() as wire, pytest.raises(NotLoopback):
            wire.connect(("203.0.113.1", 443))
        with socket.socket() as wire, pytest.raises(NotLoopback):
            wire.connect_ex(("203.0.113.1", 443))
        assert socket.getaddrinfo("127.0.0.1", 80)
    assert socket.getaddrinfo.__module__ == "socket"


def test_a_library_that_ignores_its_urls_is_stopped_too():
    async def go():
        async with aiohttp.ClientSession() as session:
            await session.get("https://www.deribit.com/api/v2/public/test")

    with only_loopback(), pytest.raises(aiohttp.ClientConnectionError) as stopped:
        asyncio.run(go())
    assert isinstance(stopped.value.__cause__, NotLoopback)


@pytest.mark.parametrize("url", ["https://gateway.architect.exchange", "http://10.0.0.1:80", "127.0.0.1:80", "ftp://127.0.0.1", ""])
def test_the_address_of_a_sandbox_must_be_here(url):
    with pytest.raises(UsageError, match=r"must be http://127\.0\.0\.1:PORT"):
        local_url(url)


def test_keys_come_from_the_environment_and_a_missing_one_is_named():
    found = keys_of("ax", "me", {"KILOHOUR_AX_API_KEY": "k", "KILOHOUR_AX_API_SECRET": "s"})
    assert found == {"api_key": "k", "api_secret": "s"}
    with pytest.raises(UsageError, match="KILOHOUR_CCXT_OKX_API_SECRET"):
        keys_of("ccxt:okx", "me", {"KILOHOUR_CCXT_OKX_API_KEY": "k"})
