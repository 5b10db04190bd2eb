# SPDX-License-Identifier: Apache-2.0
"""How things are timed, and a row of the table."""

from __future__ import annotations

import importlib
import os
import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")
REPEATS = 5
PATIENCE_SECONDS = 30.0
"""No further repeat begins once one measurement has taken this long: some peers need minutes."""


NONE_OF_IT = "has none"
"""Note of a library that is installed but cannot do the work; the table leaves it out."""


@dataclass(frozen=True, slots=True)
class Peer:
    """What another library needs for the same work; ``value`` is None when it is not installed or failed."""

    name: str
    value: float | None
    note: str = ""


@dataclass(slots=True)
class Row:
    """One line of the table. ``more_is_better`` says whether the figure is a rate or a time."""

    group: str
    work: str
    unit: str
    ours: float
    more_is_better: bool
    bar: float | None = None
    """What issue 2 asks for."""
    goal: float | None = None
    """What we want, design.md 10."""
    peers: list[Peer] = field(default_factory=list)
    note: str = ""

    def ratio(self, value: float) -> float:
        """How many times better we are than ``value``."""
        if self.more_is_better:
            return self.ours / value
        return value / self.ours

    def reaches(self, value: float) -> bool:
        """True when our figure is as good as ``value``."""
        return self.ratio(value) >= 1.0


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much of everything; ``quick`` is small enough for a test."""

    bars: int = 1_000_000
    contracts: int = 12
    days: int = 2_520
    sweep_bars: int = 100_000
    sweep_fast: int = 20
    sweep_slow: int = 50
    floats: int = 10_000_000
    quotes: int = 536_814
    slow_share: int = 10
    """Slow peers get this part of the bars; rates are compared."""
    repeats: int = REPEATS

    @classmethod
    def quick(cls) -> Sizes:
        """Sizes for a smoke test: the figures mean nothing."""
        return cls(bars=3_000, contracts=5, days=30, sweep_bars=2_000, sweep_fast=2, sweep_slow=2, floats=5_000, quotes=3_000, slow_share=3, repeats=1)


def median_seconds(run: Callable[[T], object], make: Callable[[], T], repeats: int = REPEATS) -> float:
    """Median time of ``run(make())``; only ``run`` is timed. Fewer repeats when they exceed our patience."""
    found: list[float] = []
    while len(found) < repeats and sum(found) < PATIENCE_SECONDS:
        work = make()
        began = time.perf_counter()
        run(work)
        found.append(time.perf_counter() - began)
    return statistics.median(found)


def nothing() -> None:
    """For work that needs no preparation."""


def installed(name: str) -> Any:
    """The module of a peer, or None when it is not there or does not import here."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return importlib.import_module(name)
    except Exception:  # a peer that does not fit this numpy is as good as absent
        return None


def processors(count: int) -> list[int]:
    """The first processors this machine lets us use; none where the system cannot hold a process to some."""
    return PROCESSORS[:count]


def pin(to: list[int]) -> int:
    """Holds this process to processors and returns how many it has."""
    if not to:
        return os.cpu_count() or 1
    os.sched_setaffinity(0, to)
    return len(os.sched_getaffinity(0))


PROCESSORS = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
"""Those of the process that was started: a child of a pinned process would see one."""


def peak_bytes() -> int:
    """Most memory this process has had since it was started.

    Not ``ru_maxrss``: a child inherits its parent's through exec on Linux.
    """
    try:
        with open("/proc/self/status", encoding="ascii") as status:
            line = next(line for line in status if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    except (OSError, StopIteration):
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
