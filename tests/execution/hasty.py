# SPDX-License-Identifier: Apache-2.0
"""An event loop whose clock jumps over waiting: sockets and the journal's thread are real, sleeps and timeouts take no time.

A timer is due once nothing can be read, nothing can be written, and no journal has anything to write. So a run may be as
patient as a real one, a line may be silent for minutes, and how busy the machine is decides nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import selectors
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from typing import Any, TypeVar
from unittest.mock import patch

from kilohour.execution.journal import Journal

T = TypeVar("T")
BEGAN = 1_796_000_000 * 10**9
"""The wall clock of every run, nanoseconds: later than the tapes."""
LOOPBACK_SECONDS, WRITER_SECONDS = 0.0002, 0.001
"""What is given to the kernel to carry a message over loopback, and to a journal to write."""
STUCK_SECONDS = 30.0


class Selector(selectors.DefaultSelector):  # type: ignore[misc,valid-type]
    """Instead of waiting it moves the clock on."""

    def __init__(self) -> None:
        super().__init__()
        self.passed = 0.0
        self.writing: set[Future[None]] = set()

    def select(self, timeout: float | None = None) -> Any:
        """What is ready; when that is nothing, the wait is over at once."""
        if timeout is not None and timeout <= 0:
            return super().select(timeout)
        if self.writing:
            return super().select(WRITER_SECONDS)
        if timeout is None:
            return super().select(STUCK_SECONDS)
        found = super().select(LOOPBACK_SECONDS)
        if not found:
            self.passed += timeout
        return found


class Loop(asyncio.SelectorEventLoop):
    """``now`` is the wall clock that goes with it; :meth:`step_clock` sets it off and moves no timer."""

    def __init__(self) -> None:
        self.jumping = Selector()
        self.off = 0
        super().__init__(self.jumping)

    def time(self) -> float:
        """Seconds since the loop was made, those that were jumped over."""
        return self.jumping.passed

    def now(self) -> int:
        """Nanoseconds UTC."""
        return BEGAN + round(self.jumping.passed * 1e9) + self.off

    def step_clock(self, seconds: float) -> None:
        """The wall clock jumps."""
        self.off += round(seconds * 1e9)

    @contextlib.contextmanager
    def waiting_for_journals(self) -> Iterator[None]:
        """The clock stands still while a journal has something to write."""
        append = Journal.append

        def watched(journal: Journal, *args: Any, **named: Any) -> Future[None]:
            told: Future[None] = Future()
            self.jumping.writing.add(told)

            def settle(done: Future[None]) -> None:
                self.jumping.writing.discard(told)
                if done.exception() is None:
                    told.set_result(None)
                else:
                    told.set_exception(done.exception())

            def hear(done: Future[None]) -> None:
                with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
                    self.call_soon_threadsafe(settle, done)

            append(journal, *args, **named).add_done_callback(hear)
            return told

        with patch.object(Journal, "append", watched):
            yield


def hasty(coroutine: Callable[[Loop], Coroutine[Any, Any, T]], seconds: float = 3600.0) -> T:
    """Runs it on a loop of its own; it fails when that much time was jumped over."""
    with asyncio.Runner(loop_factory=Loop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, Loop)
        with loop.waiting_for_journals():
            return runner.run(asyncio.wait_for(coroutine(loop), seconds))
