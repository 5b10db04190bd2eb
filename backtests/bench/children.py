# SPDX-License-Identifier: Apache-2.0
"""Work measured in a process of its own: sweeps and everything that is about memory or about starting.

``python -m kilohour.backtests.bench.children WORK SIZES PROCESSORS FOLDER`` prints one JSON object.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kilohour.backtests.bench.timing import Sizes, installed, median_seconds, peak_bytes, pin, processors

MEGABYTE = 1e6
SOME = (10, 5)
"""Fast and slow windows of the trials that are compared with a peer's one by one."""


def child(work: str, sizes: Sizes, *, cores: int = 1, folder: Path | None = None) -> dict[str, Any]:
    """Runs a piece of work in a child on so many processors and returns what it found."""
    asked = json.dumps([work, asdict(sizes), processors(cores), str(folder or "")])
    words = [sys.executable, "-W", "ignore", "-m", "kilohour.backtests.bench.children", asked]
    done = subprocess.run(words, env=environment(), capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def environment(**changed: str) -> dict[str, str]:
    """This process's environment; Python may keep its bytecode, as it does for everybody."""
    return {**{k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}, **changed}


def main(work: str, sizes: dict[str, int], on: list[int], folder: str) -> dict[str, Any]:
    """Does a piece of work; the keys are seconds, megabytes, cores, name, note."""
    cores = pin(on)
    found = WORK[work](Sizes(**sizes), max(len(on), 1), Path(folder))
    return {"cores": cores, "megabytes": peak_bytes() / MEGABYTE, "name": "", "note": "", **found}


def _grid(sizes: Sizes) -> dict[str, list[int]]:
    return {"fast": list(range(10, 10 + sizes.sweep_fast)), "slow": list(range(100, 100 + 4 * sizes.sweep_slow, 4))}


def _sweep(sizes: Sizes, cores: int, _folder: Path) -> dict[str, Any]:
    from kilohour.backtests.bench.markets import CASH_USD, minutes
    from kilohour.backtests.bench.strategies import Cross
    from kilohour.backtests.prepare import prepare
    from kilohour.backtests.sweep import sweep

    tape = minutes(sizes.sweep_bars)
    prepare(Cross, tape, parameters={}).session(quiet=True).run(0)
    found: list[dict[str, Any]] = []
    seconds = median_seconds(lambda grid: found.append(sweep(Cross, tape, grid, cores=cores, cash=CASH_USD).result), lambda: _grid(sizes),
                             sizes.repeats)
    return {"seconds": seconds, "note": f"best Sharpe makes {found[-1]['best']['net_usd']:,.2f} USD"}


def _vectorbt(sizes: Sizes, _cores: int, _folder: Path) -> dict[str, Any]:
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


def _agreeing(sizes: Sizes, _cores: int, _folder: Path) -> dict[str, Any]:
    """Fills and final equity of trials from all over the grid, ours beside vectorbt's. Not timed, once."""
    from kilohour.backtests.bench.markets import CASH_USD, minutes, ohlc
    from kilohour.backtests.bench.peers import EQUAL_USD, vectorbt_trials
    from kilohour.backtests.bench.strategies import Cross
    from kilohour.backtests.sweep import sweep

    module = installed("vectorbt")
    if module is None:
        return {"name": "vectorbt", "note": ""}
    tape = minutes(sizes.sweep_bars)
    some = {name: values[:: max(len(values) // most, 1)][:most] for (name, values), most in zip(_grid(sizes).items(), SOME, strict=True)}
    ours = sweep(Cross, tape, some, cores=1, cash=CASH_USD).columns
    theirs = vectorbt_trials(module, ohlc(tape, 0), **some)
    apart = [abs(CASH_USD + net - its.equity) for net, its in zip(ours["net_usd"], theirs, strict=True)]
    same = [int(fills) == its.fills for fills, its in zip(ours["fills"], theirs, strict=True)]
    equal = sum(fills and usd < EQUAL_USD for fills, usd in zip(same, apart, strict=True))
    rest = f", the others up to {max(apart):.4f} USD apart" if equal < len(theirs) else ""
    return {"name": "vectorbt", "note": f"fills and equity the same in {equal} of {len(theirs)} trials{rest}"}


def _make(sizes: Sizes, _cores: int, folder: Path) -> dict[str, Any]:
    from kilohour.backtests.bench.markets import minutes

    minutes(sizes.bars).save(folder)
    return {}


def _run(_sizes: Sizes, _cores: int, folder: Path) -> dict[str, Any]:
    from kilohour.backtests.backtest import backtest
    from kilohour.backtests.bench.markets import CASH_USD
    from kilohour.backtests.bench.strategies import Cross

    began = time.perf_counter()
    run = backtest(Cross, folder, cash=CASH_USD)
    return {"seconds": time.perf_counter() - began, "note": f"{run.result['fills']:,} fills, every table kept"}


def _load(sizes: Sizes, _cores: int, folder: Path) -> dict[str, Any]:
    from kilohour.tape import Tape

    seconds = median_seconds(Tape.load, lambda: folder, sizes.repeats)
    size = sum(file.stat().st_size for file in folder.iterdir())
    return {"seconds": seconds, "note": f"{size / MEGABYTE:.1f} MB on disk, hashes checked"}


def _import(sizes: Sizes, _cores: int, path: Path) -> dict[str, Any]:
    """What ``kilohour data import aws-spot`` does, its own imports with it; and the daily index of what it gives."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        from kilohour.datafeeds import source
        from kilohour.datafeeds.quote_folder import TABLE, load

        list(source("aws-spot").run([path], Path(folder) / "quotes"))
        seconds = time.perf_counter() - began
        manifest = TABLE.read_manifest(Path(folder) / "quotes")
        began = time.perf_counter()
        quotes = load(Path(folder) / "quotes")
        loaded = time.perf_counter() - began
    from kilohour.datafeeds.index import Method, build_index

    method = Method.load("aws-spot-us")
    days = len(build_index(quotes, method).prints)
    index = median_seconds(lambda _: build_index(quotes, method), lambda: None, sizes.repeats)
    return {"seconds": seconds, "rows": manifest["read"], "quotes": len(quotes), "note": f"{len(quotes):,} quotes", "load_seconds": loaded,
            "index_seconds": index, "days": days}  # fmt: skip


WORK = {"sweep": _sweep, "sweep-vectorbt": _vectorbt, "sweep-agreeing": _agreeing, "make": _make, "run": _run, "load": _load,
        "import": _import}  # fmt: skip

if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(*json.loads(sys.argv[1]))) + "\n")
