# SPDX-License-Identifier: Apache-2.0
"""``kilohour record`` of a real venue's protocol: what traded there is a bar of the tape that the recording becomes."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from kilohour.backtests.recorded import Asked, feed_of_venue
from kilohour.cli.main import main
from kilohour.cli.record import _write
from kilohour.datafeeds.recording import Recording
from kilohour.errors import KilohourError, UsageError
from kilohour.execution import ccxt_feed
from kilohour.execution.keys import variable
from kilohour.execution.sandbox import ax_sockets
from kilohour.execution.sandbox.model import NewOrder
from kilohour.tape import Tape
from kilohour.tape.schema import Kind
from tests.execution.by_ccxt import hurry
from tests.execution.sandbox.booking import NEAR, full_exchange
from tests.execution.sandbox.serving import serving
from tests.execution.sandbox.test_ax import other

MINUTE = 60 * 10**9
TRADES = ((2_000_000, 5), (2_100_000, 3), (1_900_000, 2))
"""Price and lots of what is bought in one minute."""


def traded(server) -> None:
    """Our trades of a minute that has begun, then the minutes after it."""
    exchange = server.exchange
    exchange.advance((exchange.now // MINUTE + 1) * MINUTE)
    for price, lots in TRADES:
        exchange.advance(exchange.now + 10**9)
        other(server, -1, lots, price, NEAR)
        exchange.place("one", NewOrder(symbol=NEAR, side=1, lots=lots, price=price))
        server.publish()
    for _ in range(3):
        exchange.advance(exchange.now + MINUTE)
        server.publish()


async def recorded(venue: str, out) -> None:
    """Until the bar has come."""
    async with serving(full_exchange()) as (server, client):
        asked = Asked(venue=venue, clock=lambda: server.exchange.now, url=client.base, account="one" if venue == "ax" else "", products=("SIM:H100",))
        feed, tape, close = await feed_of_venue(asked)
        with Recording.open(out, source=f"recorded from {venue}", days_per_year=tape.days_per_year) as kept:
            counts = [0, 0]
            writing = asyncio.create_task(_write(feed, tape, kept, counts))
            while counts[0] == 0:
                await asyncio.sleep(0.01)
                server.publish()
            traded(server)
            while counts[0] < 2:
                await asyncio.sleep(0.01)
            writing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await writing
            await close()


@pytest.mark.parametrize("venue", ["ax", "ccxt:okx"])
def test_what_trades_at_a_venue_is_a_bar_of_the_recording(venue, tmp_path, monkeypatch):
    if venue.startswith("ccxt:"):
        hurry(monkeypatch)
    monkeypatch.setattr(ccxt_feed, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(ax_sockets, "HEARTBEAT_SECONDS", 0.05)  # a run begins with the venue's first message

    async def go():
        async with serving(full_exchange()) as (_, client):
            keys = client.keys
        for name in ("api_key", "api_secret", "passphrase"):
            monkeypatch.setenv(variable(venue, name), getattr(keys, name))
        await asyncio.wait_for(recorded(venue, tmp_path / "recording"), 30)

    asyncio.run(go())
    assert main(["data", "import", "recorded", str(tmp_path / "recording"), "--out", str(tmp_path / "tape")]) == 0
    tape = Tape.load(tmp_path / "tape")
    bars = tape.events[tape.events["kind"] == int(Kind.BAR)] if not isinstance(tape.events, dict) else {
        name: column[tape.events["kind"] == int(Kind.BAR)] for name, column in tape.events.items()}
    ours = [place for place, ref in enumerate(bars["ref"]) if tape.contracts[ref].code == "SIM:H100-2030-01"]
    assert [tuple(int(bars[name][place]) for name in ("open", "high", "low", "close", "volume")) for place in ours][:1] == [
        (2_000_000, 2_100_000, 1_900_000, 1_900_000, 10)]


@pytest.mark.parametrize(("asked", "said"), [
    ({"venue": "nyse"}, "venue must be sandbox, ax, ax-sandbox or ccxt:NAME, found 'nyse'"),
    ({"venue": "ax"}, "ax lists more than compute: say with --product what to record"),
    ({"venue": "sandbox"}, "a sandbox is recorded at its address: give --url"),
    ({"venue": "ccxt:okxx", "products": ("SIM:H100",)}, "okxx"),
    ({"venue": "ccxt:okx", "products": ("SIM:H100",), "width": "7m"}, "bars must be one of"),
])
def test_what_cannot_be_recorded_is_said_in_one_line(asked, said):
    async def go():
        async with serving(full_exchange()) as (server, client):
            url = None if asked["venue"] == "sandbox" else client.base
            await feed_of_venue(Asked(clock=lambda: server.exchange.now, url=url, **asked))

    with pytest.raises(KilohourError, match=said) as found:
        asyncio.run(go())
    assert isinstance(found.value, UsageError) or asked["venue"] == "ccxt:okxx"
