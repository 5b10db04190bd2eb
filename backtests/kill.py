# SPDX-License-Identifier: Apache-2.0
"""The kill switch: works when the strategy hangs, the runner is gone or its disk is full, for it uses none of them."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kilohour.backtests.paper import sandbox_keys
from kilohour.errors import UsageError
from kilohour.execution.ax.venue import AxVenue
from kilohour.execution.journal import FILE, first_record, holder_of
from kilohour.execution.keys import keys_of
from kilohour.execution.loopback import only_loopback

TRIES = 20
WAIT_SECONDS = 0.25


def newest(runs: Path) -> Path:
    """The run whose journal was written last. Raises :class:`UsageError` when there is none."""
    found = sorted(runs.glob(f"*/{FILE}"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise UsageError(f"{runs}: no paper or live run is there; name its folder")
    return found[-1].parent


async def stop_run(folder: Path, *, seed: int, clock: Callable[[], int], end_process: bool) -> dict[str, Any]:
    """Tells the runner, cancels everything at the venue by a session of its own, and asks until nothing is open.

    Raises :class:`UsageError` for a folder without a journal, ConnectionError when the venue does not answer.
    """
    start = first_record(folder)
    (folder / "word").write_text("kill", encoding="utf-8")
    process = holder_of(folder)
    if end_process and process is not None:
        os.kill(process, signal.SIGKILL)
    is_paper = start["mode"] == "paper"
    keys = sandbox_keys(seed, start["account"]) if is_paper else keys_of(start["venue"], start["account"])
    venue = AxVenue(start["url"], keys, {}, clock, name=start["venue"])
    if is_paper:
        with only_loopback():
            cancelled, left = await _cancel(venue)
    else:
        cancelled, left = await _cancel(venue)
    runner = "was not running" if process is None else "was ended" if end_process else "was told"
    return {"run": str(folder), "cancelled": cancelled, "open": left, "runner": runner}


async def _cancel(venue: AxVenue) -> tuple[int, int]:
    await venue.open(lambda _: None)
    try:
        before = len((await venue.account()).open_orders)
        left = before
        for _ in range(TRIES):
            await venue.cancel_all()
            left = len((await venue.account()).open_orders)
            if left == 0:
                break
            await asyncio.sleep(WAIT_SECONDS)
        return before - left, left
    finally:
        await venue.close()
