# SPDX-License-Identifier: Apache-2.0
"""A strategy that hangs, in a runner of its own process: compiled it holds the interpreter, interpreted it does not.

:func:`main` forks a child for each face, whose standard error is its watchdog's too.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from kilohour import Product, Strategy, product, state
from kilohour.backtests.paper import FAST, Paper, paper


class Hangs(Strategy):
    """Bids far below the market, and on its third bar it never comes back."""

    chip: Product = product("SIM:H100")
    calls: int = state(0)

    def on_bar(self, desk):
        """Once a bar."""
        self.calls += 1
        desk.limit(desk.nth(self.chip, 1), 1, 0.1)
        while self.calls > 2:
            self.calls += 1
            if self.calls < 0:
                break


class Sleeps(Hangs):
    """Hangs in CPython without using the processor."""

    interpreted = True

    def on_bar(self, desk):
        """Once a bar."""
        self.calls += 1
        desk.limit(desk.nth(self.chip, 1), 1, 0.1)
        while self.calls > 2:
            time.sleep(60)


def main(asked: dict[str, Any]) -> None:
    """A run for each face at the same time, each on an exchange of its own; how they ended."""
    folder, seconds, children = Path(asked.pop("folder")), asked.pop("seconds"), list[int]()
    for interpreted, venue in zip((True, False), asked.pop("venues"), strict=True):
        child = os.fork()
        if child == 0:
            asyncio.run(paper(Paper(strategy=f"{__file__}:{'Sleeps' if interpreted else 'Hangs'}", clock=time.time_ns, is_lockstep=True,
                                    folder=folder / ("plain" if interpreted else "compiled"),
                                    limits=replace(FAST, step_seconds=seconds), **venue, **asked)))
            os._exit(0)
        children.append(child)
    for child in children:
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()
