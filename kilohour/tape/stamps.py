# SPDX-License-Identifier: Apache-2.0
"""Times on a tape that let a strategy see what nobody could know yet: prints too early, bars stamped at their open."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kilohour.tape.schema import Kind
from kilohour.tape.tape import Tape
from kilohour.units import NANOS_PER_DAY, date_of, datetime_of

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlySight:
    """Something on a tape that is seen before it could be known."""

    what: str
    """``print`` or ``bar``."""
    code: str
    """The index or the contract."""
    ts: int
    """When the first of them is seen, nanoseconds UTC."""
    count: int
    detail: str


def early_sights(tape: Tape) -> list[EarlySight]:
    """What the tape shows too early; empty when nothing is.

    - A print seen at or before 00:00 UTC of its own value date (its ``ts`` is not after its ``ts_event``): a value, or the restated value
      of a day that was not over.
    - Bars stamped at their open. A bar carries its close, so the official mark of a session happens at or soon after its last bar. Where
      **no** mark of a contract follows its last bar by less than half of the usual time between two bars, the bars are one interval early.
      At least five such sessions are asked for; a tape without marks is not judged.
    """
    return [*_early_prints(tape), *_bars_at_open(tape)]


def _early_prints(tape: Tape) -> Iterator[EarlySight]:
    events = tape.events
    rows = (events["kind"] == Kind.PRINT) & (events["ts"] <= events["ts_event"])
    for ref, index in enumerate(tape.indices):
        found = np.flatnonzero(rows & (events["ref"] == ref))
        if len(found):
            first = int(found[0])
            ts, day = int(events["ts"][first]), int(events["ts_event"][first]) // NANOS_PER_DAY
            yield EarlySight(what="print", code=index.code, ts=ts, count=len(found),
                             detail=f"the print for {date_of(day)} is seen on {datetime_of(ts):%Y-%m-%d %H:%M}, before that day is over; "
                                    "give the time it became known")


def _bars_at_open(tape: Tape) -> Iterator[EarlySight]:
    events = tape.events
    is_bar = events["kind"] == Kind.BAR
    is_mark = (events["kind"] == Kind.MARK) & (events["volume"] <= 0)
    for ref, contract in enumerate(tape.contracts):
        own = events["ref"] == ref
        bars, marks = events["ts"][is_bar & own], np.sort(events["ts_event"][is_mark & own])
        lags = _lags(bars, marks)
        if len(bars) < 6 or len(lags) < 5:
            continue
        usual = int(np.median(np.diff(bars)))
        if int(lags.min()) * 2 >= usual:
            hours = int(np.median(lags)) / 3600e9
            yield EarlySight(what="bar", code=contract.code, ts=int(bars[0]), count=len(bars),
                             detail=f"bars are {usual / 3600e9:g} hours apart, and the mark of a session never comes less than "
                                    f"{int(lags.min()) / 3600e9:g} hours after its last bar ({hours:g} as a rule): stamped at the open; "
                                    "give the time of the close")


def _lags(bars: Ints, marks: Ints) -> Ints:
    """From the last bar to the first mark after it, for each mark that has a bar between it and the mark before."""
    place = np.searchsorted(bars, marks, side="right")
    before = np.concatenate([[0], place[:-1]]) if len(place) else place
    fresh = place > before
    return np.asarray(marks[fresh] - bars[place[fresh] - 1], dtype=np.int64)
