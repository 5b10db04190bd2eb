# SPDX-License-Identifier: Apache-2.0
"""Order round trips over sockets: the sandbox in a process of its own with its bots on, clients in another."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from kilohour.backtests.bench.children import environment
from kilohour.backtests.bench.timing import PROCESSORS, Row, Sizes, pin, processors

CLIENTS, RATE, SECONDS = 50, 1_200.0, 5.0


def round_trips(sizes: Sizes) -> Iterator[Row]:
    """Requests at a steady rate of 50 clients, each with an account: answers in a second, and the 99th of a hundred."""
    from kilohour.execution.sandbox.load import load

    seconds = SECONDS if sizes.repeats > 1 else 0.5
    accounts = ",".join(f"client{number}" for number in range(CLIENTS))
    pin(processors(len(PROCESSORS)))
    with tempfile.TemporaryDirectory() as folder:
        market = Path(folder) / "market.toml"
        market.write_text("first = 2026-01-02\nlast = 2026-12-30\n", encoding="utf-8")
        words = [sys.executable, "-m", "kilohour", "sandbox", "--market", f"{market}:7", "--from", "2026-06-02", "--accounts", accounts,
                 "--json", "--for", "600"]  # fmt: skip
        with subprocess.Popen(words, env=environment(), stdout=subprocess.PIPE, text=True) as server:
            try:
                assert server.stdout is not None
                told = json.loads(server.stdout.readline())
                found = asyncio.run(load(told["addresses"], told["accounts"], per_second=RATE, seconds=seconds))
            finally:
                server.terminate()
    pin(processors(1))
    work = f"order round trips over sockets, {CLIENTS} clients, bots on"
    yield Row("sandbox", work, "a second", found.per_second, True, 1_000.0, note="at a steady rate of 1,200")
    yield Row("sandbox", f"{work}: 99 of 100 within", "ms", found.p99_ms, False, 20.0, note=f"median {found.median_ms:.2g} ms")
