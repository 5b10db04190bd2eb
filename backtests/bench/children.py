# SPDX-License-Identifier: Apache-2.0
"""Work measured in a process of its own: sweeps and everything that is about memory or about starting.

``python -m kilohour.backtests.bench.children WORK SIZES CORES`` prints one JSON object.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import asdict
from typing import Any

from kilohour.backtests.bench.timing import Sizes, installed, peak_bytes, pin

MEGABYTE = 1e6


def child(work: str, sizes: Sizes, *, cores: int) -> dict[str, Any]:
    """Runs a piece of work in a child and returns what it found."""
    words = [sys.executable, "-W", "ignore", "-m", __name__, work, json.dumps(asdict(sizes)), str(cores)]
    done = subprocess.run(words, env=environment(), capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def environment(**changed: str) -> dict[str, str]:
    """This process's environment; Python may keep its bytecode, as it does for everybody."""
    return {**{k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}, **changed}


def main(work: str, sizes: Sizes, cores: int) -> dict[str, Any]:
    """Does a piece of work on ``cores`` processors; the keys are seconds, megabytes, cores, name, note."""
    had = pin(cores)
    found = {"sweep": _sweep, "sweep-vectorbt": _vectorbt, "run": _run, "load": _load}[work](sizes, cores)
    return {"cores": had, "megabytes": peak_bytes() / MEGABYTE, "name": "", "note": "", **found}


def _grid(sizes: Sizes) -> dict[str, list[int]]:
    return {"fast": list(range(10, 10 + sizes.sweep_fast)), "slow": list(range(100, 100 + 4 * sizes.sweep_slow, 4))}


def _sweep(sizes: Sizes, cores: int) -> dict[str, Any]:
    from kilohour.backtests.bench.markets import CASH_USD, minutes
    from kilohour.backtests.bench.strategies import Cross
    from kilohour.backtests.prepare import prepare
    from kilohour.backtests.sweep import sweep

    tape = minutes(sizes.sweep_bars)
    prepare(Cross, tape, parameters={}).session(quiet=True).run(0)
    found = []
    for _ in range(sizes.repeats):
        began = time.perf_counter()
        result = sweep(Cross, tape, _grid(sizes), cores=cores, cash=CASH_USD).result
        found.append(time.perf_counter() - began)
    best = max(result["best"]["net_usd"], -CASH_USD)
    return {"seconds": sorted(found)[len(found) // 2], "note": f"{result['trials']:,} trials, best Sharpe makes {best:,.2f} USD"}


def _vectorbt(sizes: Sizes, _cores: int) -> dict[str, Any]:
    from kilohour.backtests.bench.markets import minutes, ohlc
    from kilohour.backtests.bench.peers import vectorbt_sweep

    module = installed("vectorbt")
    if module is None:
        return {"name": "vectorbt", "seconds": None, "megabytes": None, "note": "not installed"}
    bars, grid = ohlc(minutes(sizes.sweep_bars), 0), _grid(sizes)
    short = {name: column[:1_000] for name, column in bars.items()}
    vectorbt_sweep(module, short, grid["fast"][:1], grid["slow"][:1])
    began = time.perf_counter()
    vectorbt_sweep(module, bars, **grid)
    return {"name": "vectorbt", "seconds": time.perf_counter() - began, "note": "once"}


def _run(sizes: Sizes, _cores: int) -> dict[str, Any]:
    from kilohour.backtests.backtest import backtest
    from kilohour.backtests.bench.markets import CASH_USD, minutes
    from kilohour.backtests.bench.strategies import Cross

    began = time.perf_counter()
    run = backtest(Cross, minutes(sizes.bars), cash=CASH_USD)
    return {"seconds": time.perf_counter() - began, "note": f"{run.result['fills']:,} fills, every table kept"}


def _load(sizes: Sizes, _cores: int) -> dict[str, Any]:
    import tempfile
    from pathlib import Path

    from kilohour.backtests.bench.markets import minutes
    from kilohour.tape import Tape

    with tempfile.TemporaryDirectory() as folder:
        where = Path(folder) / "tape"
        minutes(sizes.bars).save(where)
        found = []
        for _ in range(sizes.repeats):
            began = time.perf_counter()
            Tape.load(where)
            found.append(time.perf_counter() - began)
        size = sum(file.stat().st_size for file in where.iterdir())
    return {"seconds": sorted(found)[len(found) // 2], "note": f"{size / MEGABYTE:.1f} MB on disk, hashes checked"}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(sys.argv[1], Sizes(**json.loads(sys.argv[2])), int(sys.argv[3]))) + "\n")
