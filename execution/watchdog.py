# SPDX-License-Identifier: Apache-2.0
"""Watches a runner from a process of its own: a compiled strategy that hangs holds the interpreter, so a thread would hang with it.

The runner marks the beginning and the end of each step in a few bytes of memory that both see. A step that takes too long, or a
runner that is gone without a word, is answered the same way: every order is cancelled by a session of the watchdog's own, the
runner is ended, and one line on stderr says so. What the runner had written down stands, and a restart goes on from there.
"""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import select
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kilohour.errors import KilohourError, UsageError

FILE = "step"
STEP = struct.Struct("qq")
"""When the step that is running began, nanoseconds of the monotonic clock, 0 between two; 1 once the watchdog has acted."""
GOODBYE = b"goodbye\n"
LOOK_SECONDS = 0.25


class Watchdog:
    """The runner's side. ``start``: what leads to the venue (:data:`kilohour.execution.door.NAMED`); keys go through a pipe only."""

    def __init__(self, folder: Path, start: Mapping[str, Any], keys: Mapping[str, str], seconds: float) -> None:
        path = self._path = folder / FILE
        try:
            path.write_bytes(bytes(mmap.PAGESIZE))
            with path.open("r+b") as file:
                self._memory = mmap.mmap(file.fileno(), STEP.size)
        except OSError as error:
            raise UsageError(f"{path}: the watchdog's file cannot be written ({error.strerror})") from None
        self.seconds = seconds
        self._process = subprocess.Popen([sys.executable, "-m", "kilohour.execution.watchdog"], stdin=subprocess.PIPE,
                                         start_new_session=True)
        told = {"run": str(folder), "pid": os.getpid(), "start": dict(start), "keys": dict(keys), "seconds": seconds}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(told).encode() + b"\n")
        self._process.stdin.flush()

    def began(self) -> None:
        """A step begins."""
        STEP.pack_into(self._memory, 0, time.monotonic_ns(), self._has_acted())

    def ended(self) -> str:
        """A step is over; why nothing may be sent any more, empty when all is well."""
        STEP.pack_into(self._memory, 0, 0, self._has_acted())
        if self._has_acted():
            return f"a step took longer than {self.seconds:g} s"
        return "" if self._process.poll() is None else "the watchdog is gone"

    def close(self) -> None:
        """The runner ends by itself."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.write(GOODBYE)
            self._process.stdin.close()
        self._process.wait()
        self._memory.close()
        self._path.unlink(missing_ok=True)

    def _has_acted(self) -> int:
        return int(STEP.unpack_from(self._memory)[1])


def watch(memory: mmap.mmap, seconds: float, line: int) -> str:
    """Returns what is wrong, empty when the runner said goodbye. ``line``: the pipe from it."""
    patience = round(seconds * 1e9)
    while True:
        ready, _, _ = select.select([line], [], [], min(LOOK_SECONDS, seconds / 4))
        if ready:
            return "" if os.read(line, len(GOODBYE)) == GOODBYE else "the runner is gone"
        began = STEP.unpack_from(memory)[0]
        if began and time.monotonic_ns() - began > patience:
            return f"the strategy has been in one step for {seconds:g} s"


def main() -> None:
    """The watchdog's side: its orders come as one line of JSON on stdin."""
    import asyncio

    from kilohour.execution.door import cancel_everything

    line = sys.stdin.fileno()
    told = json.loads(_first_line(line))
    with open(Path(told["run"]) / FILE, "r+b") as file:
        memory = mmap.mmap(file.fileno(), STEP.size)
    why = watch(memory, told["seconds"], line)
    if not why:
        return
    STEP.pack_into(memory, 0, *STEP.unpack_from(memory)[:1], 1)
    try:
        cancelled, left = asyncio.run(cancel_everything(told["start"], told["keys"], time.time_ns))
        done = f"{cancelled} orders cancelled, {left} open"
    except Exception as error:  # whatever a venue's answer does to a library, the runner is ended and the operator told
        told_by = error if isinstance(error, KilohourError | ConnectionError) else f"{type(error).__name__}: {error}"
        done = f"ORDERS COULD NOT BE CANCELLED ({told_by})"
    with contextlib.suppress(ProcessLookupError):
        os.kill(told["pid"], signal.SIGKILL)
    sys.stderr.write(f"kilohour: {told['run']}: {why}: {done}; the runner was ended\n")


def _first_line(line: int) -> bytes:
    """One byte at a time: what comes behind it must stay in the pipe."""
    text = b""
    while not text.endswith(b"\n"):
        byte = os.read(line, 1)
        if not byte:
            raise SystemExit(1)
        text += byte
    return text


if __name__ == "__main__":
    main()
