# SPDX-License-Identifier: Apache-2.0
"""A session of one's own at a run's venue, by what its journal says, for who has to cancel everything: kill switch and watchdog."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from kilohour.errors import UsageError
from kilohour.execution.loopback import only_loopback
from kilohour.execution.port import Inbox

TRIES = 20
WAIT_SECONDS = 0.25
NAMED = ("mode", "venue", "url", "account", "symbols")
"""What of a journal's first record leads to the venue."""


class Door(Protocol):
    """The part of an adapter that needs no runner."""

    async def open(self, inbox: Inbox) -> None:
        """Connects."""

    async def cancel_all(self) -> None:
        """Asks the venue to cancel every order of the account."""

    async def open_orders(self) -> int:
        """How many orders the venue has open now. Raises ConnectionError."""

    async def close(self) -> None:
        """Disconnects."""


def door_of(start: Mapping[str, Any], keys: Mapping[str, str], clock: Callable[[], int]) -> Door:
    """The adapter of the venue that a journal names. Call it inside an event loop. Raises :class:`UsageError` for an unknown one."""
    venue = str(start["venue"])
    if not venue.startswith("ccxt:"):
        from kilohour.execution.ax.venue import AxVenue

        return AxVenue(start["url"], keys, {}, clock, name=venue)
    from kilohour.execution.ccxt_venue import CcxtVenue, exchange_of

    symbols = start.get("symbols") or {}
    if not symbols:
        raise UsageError(f"{venue}: the journal must name the run's symbols, found none: cancel at the venue itself")
    return CcxtVenue(exchange_of(venue.removeprefix("ccxt:"), keys, start["url"] or None), symbols, {}, clock, is_working=False)


async def cancel_everything(start: Mapping[str, Any], keys: Mapping[str, str], clock: Callable[[], int]) -> tuple[int, int]:
    """Cancels until nothing is open: orders that are open no longer, and those that still are.

    Raises :class:`UsageError`, ConnectionError when the venue does not answer.
    """
    with only_loopback() if start["mode"] == "paper" else contextlib.nullcontext():
        door = door_of(start, keys, clock)
        await door.open(lambda _: None)
        try:
            before = left = await door.open_orders()
            for _ in range(TRIES):
                await door.cancel_all()
                left = await door.open_orders()
                if left == 0:
                    break
                await asyncio.sleep(WAIT_SECONDS)
            return before - left, left
        finally:
            await door.close()
