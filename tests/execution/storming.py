# SPDX-License-Identifier: Apache-2.0
"""Storms drawn wide from a seed, for as long as one likes: every strategy, every fault of the control plane, kills, and both dialects.

``KILOHOUR_SOAK_MINUTES=60 pytest -m soak -s -p no:xdist tests/execution/test_faults.py -k an_hour_of_storms``; ``KILOHOUR_SOAK_SEED`` is
the first seed. One storm again: its seed, and 0 minutes.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import dataclasses
import datetime as dt
import functools
import gc
import json
import os
import shutil
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from kilohour.backtests.backtest import between
from kilohour.backtests.paper import sandbox
from kilohour.datafeeds.embedded import EmbeddedMarket, MarketConfig
from kilohour.execution.sandbox.chaos import CHANNELS
from kilohour.limits import RiskLimits
from kilohour.tape import Tape
from kilohour.tape.select import select
from tests.execution import papers
from tests.execution.by_ccxt import ran_by_ccxt
from tests.execution.invariants import check_invariants
from tests.execution.papers import ACCOUNT, CASH, SPREAD, hastened

BASE = 20_261_127
SEED = 7
"""Of the market that other tests have too."""
STORM_SECONDS = 600
"""The longest that one may take: one that takes more hangs."""
FAILURES_MOST = 5
WARM_STORMS = 100
"""What is compiled, imported and kept for the next one is there after so many."""
HANDLES_MORE, MEGABYTES_MORE = 2, 60.0
"""What the process may hold at the end beyond what it held when it was warm."""
HERE = Path(__file__)
RANDOM, EVERYTHING, AMENDS = (f"{HERE.with_name('everything.py')}:{name}" for name in ("AsksAtRandom", "AsksForEverything", "Amends"))
QUOTES, SETTLING = f"{HERE.with_name('quoting.py')}:Quotes", f"{HERE.with_name('settling.py')}:IntoSettlement"
ONE = RiskLimits(open_orders=1, position_lots=10)
H100, BOTH = ("SIM:H100",), ("SIM:H100", "SIM:B200")
SCENES: dict[str, dict[str, Any]] = {
    "calendar-spread": {"strategy": "calendar-spread", "products": H100, "parameters": SPREAD, "risk": ONE},
    "generation-roll": {"strategy": "generation-roll", "products": BOTH, "parameters": {"exposure": 7300.0, "months": 2, "interest_share": 0.0}},
    "adoption-momentum": {"strategy": "adoption-momentum", "products": ("SIM:B200",), "days": 150,
                          "parameters": {"first": 2, "last": 3, "warmup": 2, "threshold": 0.0, "risk": 0.5}},
    "rolled-exposure": {"strategy": "rolled-exposure", "products": BOTH, "parameters": {"hours": 14_600.0}},
    "rolled-exposure by legs": {"strategy": "rolled-exposure", "products": BOTH, "parameters": {"hours": 14_600.0, "as_spread": False}},
    "rolled-exposure in stages": {"strategy": "rolled-exposure", "products": BOTH,
                                  "parameters": {"hours": 14_600.0, "stages": 4, "days": 14}},
    "orders at random": {"strategy": RANDOM, "products": H100, "interpreted": True, "cash": 10 * CASH, "draws": "seed"},
    "orders of every kind": {"strategy": EVERYTHING, "products": H100, "interpreted": True, "cash": 10 * CASH, "draws": "first"},
    "amendments": {"strategy": AMENDS, "products": H100, "cash": 10 * CASH},
    "quotes": {"strategy": QUOTES, "products": H100, "risk": RiskLimits(open_orders=1), "parameters": {"moves": True}},
    "into settlement": {"strategy": SETTLING, "products": H100, "interpreted": True, "days": 60},
}  # fmt: skip
"""What trades under it. ``days``: of tape; ``draws``: a parameter that is drawn."""


@functools.lru_cache(maxsize=3)
def market(seed: int) -> Tape:
    """Ten months of the embedded market."""
    if seed == SEED:
        return papers.market()
    return EmbeddedMarket(seed=seed, config=MarketConfig(first=dt.date(2025, 9, 1), last=dt.date(2026, 6, 30))).tape()


@functools.lru_cache(maxsize=16)
def window(seed: int, products: tuple[str, ...], first: str, last: str) -> Tape:
    """Some weeks of some products, with the prints of before."""
    indices = {code.replace(":", "-") for code in products} | {"SIM-ADOPTION"}
    return between(select(market(seed), set(products), indices), first, last)


@dataclass(frozen=True, slots=True)
class Storm:
    """What a seed stands for. ``faults``: each a rule of the control plane, or ``{"acts": [[share of the tape, rule], ...]}``."""

    seed: int
    scene: str
    tape: tuple[Any, ...]
    asked: dict[str, Any]
    faults: list[dict[str, Any]]
    is_ccxt: bool = False
    """By ccxt's okx class on the other dialect."""
    kills: int = 0
    """How often the runner is killed, at points of killing.py."""


@dataclass(slots=True)
class Tally:
    """What an hour came to."""

    storms: int = 0
    scenes: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    totals: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    megabytes: list[float] = field(default_factory=list)
    handles: list[int] = field(default_factory=list)

    def hold(self) -> None:
        """Notes what the process holds now: after a storm, when all of it should be gone."""
        gc.collect()
        given_back = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc, which keeps what is free for later
        if given_back is not None:
            given_back(0)
        self.megabytes.append(megabytes())
        self.handles.append(len(os.listdir("/proc/self/fd")) + threading.active_count())

    def check_held(self) -> None:
        """Memory, handles and threads at the end, against what they were when the process was warm."""
        if len(self.megabytes) <= WARM_STORMS:
            return
        more, memory = max(self.handles[-WARM_STORMS:]) - self.handles[WARM_STORMS], self.megabytes[-1] - self.megabytes[WARM_STORMS]
        assert more <= HANDLES_MORE, f"{more} file handles and threads more than after {WARM_STORMS} storms"
        assert memory <= MEGABYTES_MORE, f"{memory:.0f} MB more than after {WARM_STORMS} storms"

    def line(self, minutes: float) -> str:
        """Where it is."""
        told = ", ".join(f"{number:,} {name}" for name, number in self.totals.items())
        return (f"{minutes:.1f} minutes: {self.storms:,} storms, {sum(self.faults.values()):,} faults, {told}, "
                f"{max(self.megabytes, default=0.0):.0f} MB at most, {len(self.failures)} failed")

    def table(self) -> str:
        """The summary, in the words and the form of the docs."""
        rows = [("storms", self.storms), *self.totals.items(), ("storms that did harm", len(self.failures)),
                *((f"under {name}", number) for name, number in sorted(self.scenes.items())),
                *((f"fault: {name}", number) for name, number in sorted(self.faults.items()))]
        lines = [f"| {name} | {number:,} |" for name, number in rows]
        held = [f"| memory, warm, at most, at the end | {self.megabytes[min(WARM_STORMS, len(self.megabytes)) - 1]:.0f}, "
                f"{max(self.megabytes):.0f}, {self.megabytes[-1]:.0f} MB |"] if self.megabytes else []
        return "\n".join(["| of the storms | |", "|---|---:|", *lines, *held])


def megabytes() -> float:
    """Memory that this process has now."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024


def drawn(seed: int) -> Storm:
    """The storm of a seed: a scene, some weeks of one of three markets, two to seven faults; now and then kills, or ccxt."""
    rng = np.random.default_rng(seed)
    name = list(SCENES)[int(rng.integers(len(SCENES)))]
    scene = dict(SCENES[name])
    days, products, draws = scene.pop("days", int(rng.integers(14, 36))), scene.pop("products"), scene.pop("draws", None)
    first = dt.date(2025, 11, 3) + dt.timedelta(days=int(rng.integers(6)) * 14)
    if draws is not None:
        scene["parameters"] = {draws: int(rng.integers(1000))}
    asked = {"plain": bool(rng.integers(2)), "snapshot_every": int(rng.choice([10, 60, 5000])), **scene}
    faults = [fault(rng) for _ in range(int(rng.integers(2, 8)))]
    manner = int(rng.integers(16))
    kills, is_ccxt = int(rng.integers(1, 5)) if manner == 0 else 0, manner == 1 and find_spec("ccxt") is not None
    if kills:
        asked.pop("risk", None)  # what goes to another process goes as JSON
        for each in faults:  # on a clock that nobody moves on each of these costs the feed's silence, a quarter of a minute
            if each.get("on") == "public":
                each["count"] = min(each["count"], 2)
    elif is_ccxt:
        del asked["plain"], asked["snapshot_every"]
        if "risk" in asked:  # without spread books each leg is an order of the venue
            asked["risk"] = dataclasses.replace(asked["risk"], open_orders=0)
        days = min(days, 28)  # it asks for every contract once a second
    tape = (SEED + int(rng.integers(3)), products, first.isoformat(), (first + dt.timedelta(days=days)).isoformat())
    return Storm(seed, name, tape, asked, faults, is_ccxt, kills)


def fault(rng: np.random.Generator) -> dict[str, Any]:
    """One fault."""
    kind = int(rng.integers(10))
    if kind < 5:
        do = str(rng.choice(["lose_reply", "drop_request", "delay_reply", "reject", "too_many", "malformed", "late_order"]))
        rule = {"do": do, "on": str(rng.choice(["place", "place", "cancel", "replace", "read", "any"])), "count": int(rng.integers(1, 5)),
                "skip": int(rng.integers(13))}
        if do in ("delay_reply", "late_order"):
            rule["ms"] = int(rng.choice([30, 600, 2_500]))
        return {**rule, "code": str(rng.choice(["maintenance", ""]))} if do == "reject" else rule
    if kind < 8:
        do = str(rng.choice(["drop", "duplicate", "delay", "reorder"]))
        return {"do": do, "on": str(rng.choice(["private", "private", "public"])), "count": int(rng.integers(1, 25)),
                "skip": int(rng.integers(20)), "ms": int(rng.choice([30, 600, 2_500])) if do == "delay" else 0}
    return {"acts": acts(rng)}


def acts(rng: np.random.Generator) -> list[list[Any]]:
    """What happens at once, at shares of the tape; what shuts a door opens it again."""
    at = float(rng.uniform(0.1, 0.7))
    soon, later = at + 0.02, at + float(rng.uniform(0.03, 0.2))
    cut = {"do": "disconnect", "channel": "orders"}
    channel = str(rng.choice(CHANNELS))
    kinds: list[list[list[Any]]] = [
        [[at, {"do": "disconnect", "channel": channel}]],
        [[at, {"do": "half_open", "channel": channel}]],
        [[at, {"do": "expire_tokens"}], [soon, cut]],
        [[at, {"do": "skew", "seconds": int(rng.choice([-7200, 7200]))}], [soon, cut], [later, {"do": "skew", "seconds": 0}]],
        [[at, {"do": "restart", "state": "keep"}]],
        [[at, {"do": "restart", "state": "wipe"}]],
        [[at, {"do": str(rng.choice(["halt", "suspend", "close", "freeze"])), "nth": int(rng.integers(4))}], [later, {"do": "resume"}]],
        [[at, {"do": "credit", "account": ACCOUNT, "limit": "0"}], [later, {"do": "credit", "account": ACCOUNT}]],
        [[at, {"do": "liquidate", "account": ACCOUNT}]],
    ]  # fmt: skip
    return kinds[int(rng.integers(len(kinds)))]


def unleash(server: Any, faults: list[dict[str, Any]]) -> Callable[[], Any]:
    """Gives a server its faults: rules now, acts once its tape has come so far. Awaits what it returns before the run."""
    exchange, jobs = server.exchange, set[asyncio.Task[None]]()
    due = sorted(((share, each) for one in faults for share, each in one.get("acts", ())), key=lambda pair: pair[0])
    match, steps = exchange.match, len(exchange.groups) - 1

    def named(act: dict[str, Any]) -> list[dict[str, Any]]:
        """A halt takes a contract that has bars by now; what ends one ends all."""
        if act["do"] == "resume":
            return [{"do": "resume", "symbol": each.symbol} for each in exchange.listing.outrights if exchange.is_shown(each)]
        if "nth" not in act:
            return [act]
        shown = [each.symbol for each in exchange.listing.outrights if exchange.is_shown(each)]
        return [{"do": act["do"], "symbol": shown[act["nth"] % len(shown)]}] if shown else []

    async def do(act: dict[str, Any]) -> None:
        for each in named(act):
            await server.control.apply(each)

    def watched() -> Any:
        while due and exchange.group >= due[0][0] * steps:
            jobs.add(asyncio.get_running_loop().create_task(do(due.pop(0)[1])))
        return match()

    exchange.match = watched

    async def begin() -> None:
        for rule in faults:
            if "acts" not in rule:
                await server.control.apply(rule)

    return begin


def played(folder: Path, storm: Storm, faults: list[dict[str, Any]]) -> Counter[str]:
    """One storm, and its invariants: raises what is broken; the faults that struck, and with a blank before them orders and fills."""
    found: dict[str, Any] = {}

    async def inject(server: Any) -> None:
        found["server"] = server
        await unleash(server, faults)()

    if storm.kills:
        return killed(folder, storm, faults)
    asked = dict(storm.asked)
    run = ran_by_ccxt if storm.is_ccxt else hastened
    run(folder, window(*storm.tape), asked.pop("strategy"), inject=inject, **asked)
    counts = settled(folder, found["server"])
    counts[" runs by ccxt"] = int(storm.is_ccxt)
    return counts


def killed(folder: Path, storm: Storm, faults: list[dict[str, Any]]) -> Counter[str]:
    """The same in a process that is killed (-9) again and again, on a clock that nobody moves on."""

    async def go() -> tuple[Any, dict[str, int]]:
        tape, cash = window(*storm.tape), storm.asked.get("cash", CASH)
        async with sandbox(tape, clock=time.time_ns, cash=cash) as (url, keys, server):
            await unleash(server, faults)()
            asked = {"parameters": {}, "cash": cash, **storm.asked, "url": url, "keys": keys, "account": ACCOUNT, "folder": str(folder),
                     "kills": storm.kills, "seed": storm.seed}
            child = await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.execution.killing", json.dumps(asked),
                                                         stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
            try:
                out, err = await asyncio.wait_for(child.communicate(), STORM_SECONDS - 40)
            finally:
                if child.returncode is None:
                    child.kill()
                    await child.wait()
            assert child.returncode == 0, err.decode()[-600:]
            return server, json.loads(out)

    server, hits = asyncio.run(go())
    counts = settled(folder, server)
    counts[" kills"] = sum(hits.values())
    return counts


def settled(folder: Path, server: Any) -> Counter[str]:
    """After a run: the invariants, and what it came to."""
    exchange = server.exchange
    trader = check_invariants(folder, exchange)
    assert server.faults == 0, f"{server.faults} requests ended in an exception of the sandbox"
    hits = {name: number for name, number in server.chaos.hits.items() if name != "resume"}
    return Counter({**hits, " orders": len(trader.orders), " fills": len(exchange.fills[ACCOUNT]),
                    " runs that halted": int(trader.risk.trading.name == "HALTED")})  # fmt: skip


class Hangs(SystemExit):
    """A storm that comes to no end. asyncio lets this one through, whose task it ever strikes."""


@contextlib.contextmanager
def bounded(seconds: int) -> Iterator[None]:
    """Raises :class:`Hangs` in the middle of what hangs, whatever clock that looks at."""
    def late(*_: Any) -> None:
        raise Hangs(f"it took more than {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def shrunk(faults: list[Any], fails: Callable[[list[Any]], object]) -> list[Any]:
    """The faults that are needed: one after another is left out while the rest still fails."""
    for each in list(faults):
        rest = [other for other in faults if other is not each]
        if fails(rest):
            faults = rest
    return faults


def weathered(folder: Path, storm: Storm, play: Callable[..., Counter[str]]) -> tuple[Counter[str], str]:
    """One storm; what it came to, and when it did harm the seed and the least of its faults that do the same."""
    tries = count()

    def harm(faults: list[dict[str, Any]]) -> str:
        try:
            with bounded(STORM_SECONDS):
                counts.update(play(folder / f"run-{next(tries)}", storm, faults))
        except (Exception, Hangs) as error:
            return f"{type(error).__name__}: {error}"
        return ""

    counts: Counter[str] = Counter()
    why = harm(storm.faults)
    if not why:
        return counts, ""
    least = shrunk(storm.faults, harm)
    which = f"seed {storm.seed} over {storm.scene}, {storm.kills} kills, by {'ccxt' if storm.is_ccxt else 'AX'}"
    return Counter(), f"storm of {which}: {why}\nit takes no more than {least}\n"


def an_hour(folder: Path, minutes: float, base: int, play: Callable[..., Counter[str]], draw: Callable[[int], Storm] = drawn, *,
            now: Callable[[], float] = time.monotonic) -> Tally:
    """Plays seed after seed until the time is over; says once a minute where it is, and what does harm when it does."""
    began, tally, said = now(), Tally(), 0
    sys.stdout.write(f"\nstorms from seed {base} on, for {minutes:g} minutes\n")
    for seed in count(base):
        here = folder / f"storm-{seed}"
        storm = draw(seed)
        counts, harm = weathered(here, storm, play)
        tally.storms += 1
        tally.scenes[storm.scene] += 1
        tally.totals.update({name.strip(): number for name, number in counts.items() if name.startswith(" ")})
        tally.faults.update({name: number for name, number in counts.items() if not name.startswith(" ")})
        if harm:
            tally.failures.append(harm)
            sys.stdout.write(harm)
        else:
            shutil.rmtree(here, ignore_errors=True)
        tally.hold()
        passed = (now() - began) / 60
        if int(passed) > said or passed >= minutes:
            said = int(passed)
            sys.stdout.write(tally.line(passed) + "\n")
            sys.stdout.flush()
        if passed >= minutes or len(tally.failures) >= FAILURES_MOST:
            break
    sys.stdout.write(tally.table() + "\n")
    return tally
