# SPDX-License-Identifier: Apache-2.0
"""How long the runner takes from an event to an order on the wire, on loopback, and how long the durable commit takes beside it."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from kilohour.backtests.bench.timing import Row, Sizes


def event_to_order(sizes: Sizes) -> Iterator[Row]:
    """A spread over sockets in lock-step; every timestamp that sent an order counts."""
    from kilohour.backtests.backtest import between
    from kilohour.backtests.paper import Paper, paper, sandbox
    from kilohour.datafeeds.embedded import EmbeddedMarket
    from kilohour.tape.select import select

    last = "2026-01-30" if sizes.days < 100 else "2026-06-30"
    tape = between(select(EmbeddedMarket(7).tape(), {"SIM:H100"}, {"SIM-H100"}), "2026-01-02", last)
    quick = {"window": 5, "entry": 0.5, "exit": 0.1, "ticks": 0.0}

    async def run(folder: Path) -> list[tuple[int, int]]:
        async with sandbox(tape, clock=time.perf_counter_ns, cash=1e6) as (url, keys, _):
            runner = await paper(Paper(strategy="calendar-spread", url=url, account="paper", keys=keys, folder=folder,
                                       clock=time.perf_counter_ns, parameters=quick, is_lockstep=True))
            return runner.latencies

    with tempfile.TemporaryDirectory() as folder:
        taken = asyncio.run(run(Path(folder)))
    decided, committed = (sorted(pair[i] / 1e6 for pair in taken) for i in (0, 1))
    for name, share, bar in (("median", 0.5, 1.0), ("p99", 0.99, 5.0)):
        place = min(int(len(taken) * share), len(taken) - 1)
        yield Row("live", f"paper runner, event in to order out, {name}", "ms", decided[place], more_is_better=False, bar=bar,
                  note=f"{len(taken)} orders; with the durable commit {committed[place]:.2f} ms")
