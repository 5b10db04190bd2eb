# SPDX-License-Identifier: Apache-2.0
"""A strategy that hangs, in a runner of its own process: compiled it holds the interpreter, interpreted it does not.

Run as a script: it loads everything once and forks a child for each face, whose standard error is its watchdog's too.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from pathlib import Path

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


def main() -> None:
    """A run for each face, each on an exchange of its own; how they ended."""
    from dataclasses import replace

    asked = json.loads(sys.argv[1])
    folder, seconds = Path(asked.pop("folder")), asked.pop("seconds")
    for interpreted, venue in zip((True, False), asked.pop("venues"), strict=True):
        child = os.fork()
        if child == 0:
            asyncio.run(paper(Paper(strategy=f"{__file__}:Hangs", clock=time.time_ns, is_lockstep=True, interpreted=interpreted,
                                    folder=folder / ("plain" if interpreted else "compiled"),
                                    limits=replace(FAST, step_seconds=seconds), **venue, **asked)))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
