# SPDX-License-Identifier: Apache-2.0
"""A runner that is killed (-9) again and again, each time at a point drawn from a seed, and started anew on its journal.

Run as a script: it loads everything once, then forks a child for each life, so that a life costs no start-up.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np

from kilohour.backtests.paper import Paper, paper

POINTS = ("decided", "committed", "send", "sent", "fact", "entered")
"""Before an input is on disk, after it, before a command is sent, after it, before and after a fact is on disk."""


def live(asked: dict, point: str, nth: int) -> None:
    """One life; it ends at the n-th time the point is passed, if it is."""
    passed = 0

    def at(name: str) -> None:
        nonlocal passed
        passed += name == point
        if point and passed == nth:
            os.kill(os.getpid(), signal.SIGKILL)

    asyncio.run(paper(Paper(clock=time.time_ns, is_lockstep=True, folder=Path(asked.pop("folder")), point=at, **asked)))


def main() -> None:
    """Lives until one of them gets to the end of the tape."""
    asked = json.loads(sys.argv[1])
    rng = np.random.default_rng(asked.pop("seed"))
    kills = asked.pop("kills")
    report: dict[str, int] = dict.fromkeys(POINTS, 0)
    for life in range(10 * kills + 1):
        is_last = sum(report.values()) >= kills
        point, nth = ("", 0) if is_last else (POINTS[int(rng.integers(len(POINTS)))], int(rng.integers(1, 7)))
        child = os.fork()
        if child == 0:
            try:
                live(dict(asked), point, nth)
                os._exit(0)
            except BaseException as error:
                sys.stderr.write(f"life {life}: {type(error).__name__}: {error}\n")
                os._exit(1)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
            report[point] += 1
        elif status == 0:
            break
        else:
            sys.exit(1)
    sys.stdout.write(json.dumps(report) + "\n")


if __name__ == "__main__":
    main()
