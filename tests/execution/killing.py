# SPDX-License-Identifier: Apache-2.0
"""A runner that is killed (-9) again and again, each time at a point drawn from a seed, and started anew on its journal.

:func:`main` forks a child for each life, so that a life costs no start-up.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from kilohour.backtests.paper import FAST, TABLE, Paper, paper
from kilohour.backtests.prepare import fill_state, prepare
from kilohour.backtests.resolve import strategy_class
from kilohour.execution import runner
from kilohour.execution.ax.sandbox_feed import SandboxFeed, tape_of
from kilohour.execution.journal import Journal
from kilohour.faces.fields import dtype_of
from kilohour.live import LiveSession

POINTS = ("decided", "in commit", "written", "committed", "send", "sent", "fact", "entered", "snapshot")
"""Before a timestamp is on disk; inside the journal's transaction, and behind it before anybody heard; after; before a command is
sent, after it; before and after a fact (an acknowledgement, a fill) is on disk; with a snapshot that is not on disk yet."""


def live(asked: dict, point: str, nth: int) -> None:
    """One life; it ends at the n-th time the point is passed, if it is."""
    passed = 0

    def at(name: str) -> None:
        nonlocal passed
        passed += name == point
        if point and passed == nth:
            os.kill(os.getpid(), signal.SIGKILL)

    commit = Journal._commit

    def watched(journal: Journal, work: Any) -> None:
        journal._db.set_trace_callback(lambda sql: at("in commit") if sql == "COMMIT" else None)
        commit(journal, work)
        at("written")

    Journal._commit = watched  # type: ignore[method-assign]
    limits = replace(FAST, **asked.pop("limits", {}))
    asyncio.run(paper(Paper(clock=time.time_ns, is_lockstep=True, folder=Path(asked.pop("folder")), point=at, limits=limits, **asked)))


async def introduced(url: str, account: str) -> Any:
    """What the exchange says of itself."""
    feed = SandboxFeed(url, is_lockstep=True, account=account)
    try:
        return await feed.open()
    finally:
        await feed.close()


def warm(asked: dict) -> None:
    """Compiles here what every life would compile for itself."""
    hello, face = asyncio.run(introduced(asked["url"], asked["account"])), strategy_class(asked["strategy"])
    prepared = prepare(face, tape_of(hello), parameters=asked["parameters"], cash=asked["cash"], venue=TABLE, live_from=hello["start"])
    memory = np.zeros(1, dtype_of(face))
    fill_state(face, memory, prepared.parameters, prepared.market)
    LiveSession(prepared.market, face, memory, prepared.cash_micros, interpreted=prepared.interpreted).warm_up()


def main(asked: dict[str, Any]) -> None:
    """Lives until one of them gets to the end of the tape."""
    runner.TICK_SECONDS = 0.02  # every life asks at its beginning what became of the lives before, from tick to tick
    warm(asked)
    rng = np.random.default_rng(asked.pop("seed"))
    kills = asked.pop("kills")
    points = [point for point in POINTS if point != "snapshot" or not asked.get("interpreted")]  # of CPython's own none is taken
    report: dict[str, int] = dict.fromkeys(points, 0)
    for life in range(10 * kills + 1):
        is_last = sum(report.values()) >= kills
        point, nth = ("", 0) if is_last else (points[life % len(points)], int(rng.integers(1, 7)))
        nth = 1 if point == "snapshot" else nth  # there are few of them
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
    main(json.loads(sys.argv[1]))
