# SPDX-License-Identifier: Apache-2.0
"""From an event on the socket to its order on the socket, on loopback: the runner's own time, and the durable commit beside it.

The sandbox is a process of its own. Wall time has in it whatever else the machine does meanwhile, the time of the runner's thread
has not: on a machine that is busy the tail of the first is the machine's.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kilohour.backtests.bench.children import environment
from kilohour.backtests.bench.timing import PROCESSORS, Row, Sizes, pin, processors

DAYS_MOST = 420
"""Days of the tape that are traded, an order on each of them."""
STAGES = ("received", "decided", "queued", "committed", "sent")
"""Points of a run that are stamped: event read, commands decided, record made, record on disk, first order written to the socket."""


@dataclass(slots=True)
class Stamps:
    """Nanoseconds of the wall at each stage of every timestamp that sent an order, and of its thread from the first to the last."""

    samples: list[tuple[list[int], int]] = field(default_factory=list)
    _walls: list[int] = field(default_factory=list)
    _thread: int = 0

    def point(self, name: str) -> None:
        """A place in the run. Facts that come between two timestamps are no part of either.

        The thread's clock is a slow system call on some machines: it is read outside of what the wall's measures.
        """
        if name == "received":
            self._thread, self._walls = time.thread_time_ns(), [time.perf_counter_ns()]
        elif name == "fact" and len(self._walls) < len(STAGES):
            self._walls = []
        elif self._walls and len(self._walls) < len(STAGES) and name == STAGES[len(self._walls)]:
            self._walls.append(time.perf_counter_ns())
            if len(self._walls) == len(STAGES):
                self.samples.append((self._walls, time.thread_time_ns() - self._thread))

    def spans(self) -> dict[str, list[float]]:
        """Milliseconds of each sample, sorted: ``order`` without the commit, its thread's time ``cpu``, the ``commit``, ``all`` of it."""
        walls = [walls for walls, _ in self.samples]
        return {"order": sorted((sent - received - (committed - queued)) / 1e6 for received, _, queued, committed, sent in walls),
                "commit": sorted((committed - queued) / 1e6 for _, _, queued, committed, _ in walls),
                "all": sorted((sent - received) / 1e6 for received, *_, sent in walls),
                "cpu": sorted(thread / 1e6 for _, thread in self.samples)}


def event_to_order(sizes: Sizes) -> Iterator[Row]:
    """A runner over sockets in lock-step that sends an order on every bar."""
    with tempfile.TemporaryDirectory() as folder:
        stamps = _measured(Path(folder), min(sizes.days, DAYS_MOST))
    spans = stamps.spans()
    for name, share, bar in (("median", 0.5, 1.0), ("p99", 0.99, 5.0)):
        order, cpu, commit, both = (_at(spans[which], share) for which in ("order", "cpu", "commit", "all"))
        yield Row("live", f"runner on loopback, event read to order written, {name}", "ms", order, more_is_better=False, bar=bar,
                  note=f"{len(stamps.samples)} orders, without the commit; of its thread {cpu:.2f} ms; the commit {commit:.2f} ms, "
                       f"with it {both:.2f} ms")  # fmt: skip


def _at(values: list[float], share: float) -> float:
    return values[min(int(len(values) * share), len(values) - 1)]


def _measured(folder: Path, days: int) -> Stamps:
    import datetime as dt

    from kilohour.datafeeds.embedded import EmbeddedMarket, MarketConfig
    from kilohour.tape.select import select

    last = dt.date(2026, 6, 30)
    config = MarketConfig(first=last - dt.timedelta(days=days * 7 // 5), last=last)
    select(EmbeddedMarket(7, config).tape(), {"SIM:H100"}, {"SIM-H100"}).save(folder / "tape")
    words = [sys.executable, "-m", "kilohour", "sandbox", "--replay", str(folder / "tape"), "--speed", "lockstep", "--accounts", "paper",
             "--cash", "1000000", "--json", "--for", "600"]  # fmt: skip
    pin(PROCESSORS[-1:])
    with subprocess.Popen(words, env=environment(), stdout=subprocess.PIPE, text=True) as server:
        pin(processors(1))
        try:
            assert server.stdout is not None
            return asyncio.run(_traded(folder / "run", json.loads(server.stdout.readline())))
        finally:
            server.terminate()


async def _traded(folder: Path, told: dict[str, Any]) -> Stamps:
    from kilohour.backtests.paper import Paper, paper

    keys = {name: told["accounts"][0][name] for name in ("api_key", "api_secret")}
    strategy, stamps = f"{Path(__file__).with_name('strategies.py')}:Turns", Stamps()
    await paper(Paper(strategy=strategy, url=f"http://127.0.0.1:{told['port']}", account="paper", keys=keys, folder=folder,
                      clock=time.time_ns, is_lockstep=True, point=stamps.point))
    return stamps
