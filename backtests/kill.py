# SPDX-License-Identifier: Apache-2.0
"""The kill switch: works when the strategy hangs, the runner is gone or its disk is full, for it uses none of them."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kilohour.backtests.paper import sandbox_keys
from kilohour.errors import UsageError
from kilohour.execution.door import cancel_everything
from kilohour.execution.journal import FILE, first_record, holder_of
from kilohour.execution.keys import keys_of


def newest(runs: Path) -> Path:
    """The run whose journal was written last. Raises :class:`UsageError` when there is none."""
    found = sorted(runs.glob(f"*/{FILE}"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise UsageError(f"{runs}: no paper or live run is there; name its folder")
    return found[-1].parent


async def stop_run(folder: Path, *, seed: int, clock: Callable[[], int], end_process: bool,
                   is_account_meant: bool = False) -> dict[str, Any]:
    """Tells the runner, cancels everything at the venue by a session of its own, and asks until nothing is open.

    A dry run has sent nothing: what its account has open at the venue is somebody else's, and is left alone unless the account is meant.

    Raises :class:`UsageError` for a folder without a journal, ConnectionError when the venue does not answer.
    """
    start = first_record(folder)
    try:
        (folder / "word").write_text("kill", encoding="utf-8")
        told = "was told"
    except OSError as error:  # a full disk must not keep anybody from the venue
        told = f"could not be told ({error.strerror}): end it with --process"
    process = holder_of(folder)
    if end_process and process is not None:
        os.kill(process, signal.SIGKILL)
    runner = "was not running" if process is None else "was ended" if end_process else told
    if start["mode"] == "dry" and not is_account_meant:
        return {"run": str(folder), "cancelled": 0, "open": None, "runner": runner}
    is_paper = start["mode"] == "paper"
    keys = sandbox_keys(seed, start["account"]) if is_paper else keys_of(start["venue"], start["account"])
    cancelled, left = await cancel_everything(start, keys, clock)
    return {"run": str(folder), "cancelled": cancelled, "open": left, "runner": runner}
