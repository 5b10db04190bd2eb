# SPDX-License-Identifier: Apache-2.0
"""A strategy whose one order rests below the market until the market comes; :func:`main` is a runner that dies with it resting."""

from __future__ import annotations

import asyncio
import functools
import os
import signal
import time
from pathlib import Path
from typing import Any

from kilohour import Product, Strategy, product, state
from kilohour.maths import truncate


class Waits(Strategy):
    """Bids once, 1 % below the market."""

    interpreted = True
    chip: Product = product("SIM:H100")
    bars: int = state(0)

    def on_bar(self, desk):
        """Once a bar."""
        self.bars += 1
        if self.bars == 5:
            contract = desk.nth(self.chip, 2)
            desk.limit(contract, 3, truncate(desk.price(contract) * 99.0) / 100.0)


def main(asked: dict[str, Any]) -> None:
    """Runs until the venue has shown the order to rest, and is killed at that: no farewell, no cancel on disconnect."""
    from kilohour.backtests import paper as papers
    from kilohour.execution.orders import State

    def step(runner) -> None:
        if any(order.state == State.LIVE for order in runner.trader.open_orders()):
            os.kill(os.getpid(), signal.SIGKILL)

    papers.AxVenue = functools.partial(papers.AxVenue, cancels_on_disconnect=False)
    asyncio.run(papers.paper(papers.Paper(clock=time.time_ns, is_lockstep=True, folder=Path(asked.pop("folder")), on_step=step, **asked)))
