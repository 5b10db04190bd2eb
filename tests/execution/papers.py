# SPDX-License-Identifier: Apache-2.0
"""Short tapes, and paper runs over sockets on a sandbox of their own in this process."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime as dt
import functools
import gc
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from kilohour.backtests.backtest import between
from kilohour.backtests.paper import Paper, paper, sandbox
from kilohour.datafeeds.embedded import EmbeddedMarket, MarketConfig
from kilohour.execution.runner import FROZEN_AT_START, Runner
from kilohour.tape import Tape
from kilohour.tape.schema import Kind
from kilohour.tape.select import select
from kilohour.units import nanos_of
from tests.execution.hasty import Loop, hasty

CASH = 1_000_000.0
ACCOUNT = "paper"
MONTHS = 8
"""Of each product on a short tape: strategies here look at the fifth at most, and one expires a month."""
SPREAD = {"window": 5, "entry": 0.8, "exit": 0.1, "ticks": 0.0}
"""A calendar spread that trades within weeks."""


@functools.cache
def market() -> Tape:
    """Ten months of the embedded market."""
    return EmbeddedMarket(seed=7, config=MarketConfig(first=dt.date(2025, 9, 1), last=dt.date(2026, 6, 30))).tape()


@functools.cache
def short(*products: str, first: str = "2026-03-09", last: str = "2026-04-10", has_history: bool = False) -> Tape:
    """A month of some products, with the prints of its first month; ``has_history``: with all prints of before, which a run meets one by
    one at the start, and there are more of them than of the timestamps behind them."""
    indices = {code.replace(":", "-") for code in products} | {"SIM-ADOPTION"}
    tape = select(market(), set(products), indices)
    if not has_history:
        known = (tape.events["kind"] != Kind.PRINT) | (tape.events["ts"] >= nanos_of(dt.date.fromisoformat(first).replace(day=1)))
        tape = dataclasses.replace(tape, events={name: column[known] for name, column in tape.events.items()}, sha256="")
    return nearest(between(tape, first, last), MONTHS)


def nearest(tape: Tape, months: int) -> Tape:
    """The first months of each product: what nobody trades costs the exchange, the feed and the journal as much as what somebody does."""
    of_product = defaultdict[str, list[int]](list)
    for row, contract in enumerate(tape.contracts):
        of_product[contract.product].append(row)
    kept = sorted(row for listed in of_product.values() for row in listed[:months])
    rows = np.full(len(tape.contracts), -1, np.int32)
    rows[kept] = np.arange(len(kept))
    refs, is_print = tape.events["ref"], tape.events["kind"] == Kind.PRINT
    renamed = np.where(is_print, refs, rows[np.where(is_print, kept[0], refs)]).astype(np.int32)
    events = {name: column[renamed >= 0] for name, column in {**tape.events, "ref": renamed}.items()}
    return dataclasses.replace(tape, events=events, contracts=tuple(tape.contracts[row] for row in kept), sha256="")


@contextlib.contextmanager
def uncounted() -> Iterator[None]:
    """The collector has set aside all that the tests have loaded; a runner asks how much that is, and the count looks through it."""
    with patch.object(gc, "get_freeze_count", lambda: FROZEN_AT_START):
        yield


def ran(folder: Path, tape: Tape, strategy: str, *, speed: float | str = "lockstep", inject: Any = None, cash: float = CASH, **asked: Any) -> Runner:
    """A paper run to the end of the tape. ``inject(server)`` is awaited before it begins."""

    async def go() -> Runner:
        async with sandbox(tape, clock=time.time_ns, cash=cash, speed=speed) as (url, keys, server):
            if inject is not None:
                await inject(server)
            runner = await paper(Paper(strategy=strategy, url=url, account=ACCOUNT, keys=keys, folder=folder, clock=time.time_ns, cash=cash,
                                       is_lockstep=speed == "lockstep", **asked))
            return runner

    with uncounted():
        return asyncio.run(asyncio.wait_for(go(), 120))


def hastened(folder: Path, tape: Tape, strategy: str, *, inject: Any, cash: float = CASH, **asked: Any) -> Runner:
    """The same in lock-step on a clock that jumps over all waiting."""

    async def go(loop: Loop) -> Runner:
        async with sandbox(tape, clock=loop.now, cash=cash) as (url, keys, server):
            await inject(server)
            return await paper(Paper(strategy=strategy, url=url, account=ACCOUNT, keys=keys, folder=folder, clock=loop.now, cash=cash,
                                     is_lockstep=True, **asked))

    with uncounted():
        return hasty(go)
