# SPDX-License-Identifier: Apache-2.0
"""A part of a tape between two times, which is again a tape that a run can start on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kilohour.errors import UsageError
from kilohour.tape.schema import COLUMNS, Kind
from kilohour.tape.store import load
from kilohour.tape.tape import Tape
from kilohour.units import MISSING, datetime_of

CONTRACT_KINDS = tuple(int(kind) for kind in Kind if kind != Kind.PRINT)


def load_between(folder: str | Path, from_ns: int | None, to_ns: int | None) -> Tape:
    """:func:`between` of the tape in a folder, from its start or to its end without a time; no more is held than that needs.

    Raises as loading and cutting it do.
    """
    if from_ns is None and to_ns is None:
        return load(folder)
    far = np.iinfo(np.int64)
    part = load(folder, (far.min if from_ns is None else from_ns, far.max if to_ns is None else to_ns))
    return between(part, part.start if from_ns is None else from_ns, part.end if to_ns is None else to_ns)


def between(tape: Tape, from_ns: int, to_ns: int) -> Tape:
    """Events seen from ``from_ns`` to ``to_ns``, nanoseconds UTC, both included.

    What was known at the start stays known: prints seen earlier are all kept in their old order, given at the start a
    nanosecond apart so that a strategy meets them one by one, and a settlement inside the range has its prints and an
    adoption series its history; contracts listed earlier are listed at the start, and the session states of then
    hold. The start is ``from_ns``, or just so much earlier that those prints come before everything else. Contracts
    whose last trade came before the start, or whose listing comes after the end, are left out with all their events.
    Prices are not carried in: a contract has a price from its first bar in the range. A range that holds the whole
    tape gives the tape itself.

    Raises :class:`UsageError` with both dates and the tape's own range when no bar is left.
    """
    if from_ns <= tape.start and to_ns >= tape.end:
        return tape
    events, alive = tape.events, _alive(tape, from_ns, to_ns)
    ts, kind = events["ts"], events["kind"]
    inside = (ts >= from_ns) & (ts <= to_ns)
    of_contract = np.isin(kind, CONTRACT_KINDS)
    dead = of_contract & ~np.append(alive, False)[np.where(of_contract, events["ref"], -1)]
    earlier_print = (kind == Kind.PRINT) & (ts < from_ns)
    keep = (inside | earlier_print) & ~dead
    if from_ns > to_ns or not np.any(keep & (kind == Kind.BAR)):
        raise UsageError(f"the range must hold at least one bar: from {_day(from_ns)} to {_day(to_ns)} has none; "
                         f"this tape runs from {_day(tape.start)} to {_day(tape.end)}")
    kept = {name: column[keep] for name, column in events.items()}
    earlier = int(np.count_nonzero(kept["ts"] < from_ns))
    start = min(max(from_ns, tape.start), int(kept["ts"][earlier]) - earlier)
    kept["ts"][:earlier] = start + np.arange(earlier)
    listed_before = alive & np.isin(np.arange(len(alive)), events["ref"][(kind == Kind.LISTING) & (ts < from_ns)])
    shut = _not_open(tape, from_ns) & alive
    joined = {name: np.concatenate([kept[name], rows, states]) for (name, rows), states in zip(
        _listings(tape, listed_before, start).items(), _sessions(tape, shut, from_ns, start).values(), strict=True)}
    joined["ref"] = _renumbered(joined, alive)
    order = np.lexsort((joined["ref"], joined["kind"], joined["ts"]))
    return replace(
        tape,
        events={name: np.ascontiguousarray(joined[name][order]) for name in COLUMNS},
        contracts=tuple(c for c, lives in zip(tape.contracts, alive, strict=True) if lives),
        notes=(*tape.notes, f"cut to {_day(max(from_ns, tape.start))} .. {_day(min(to_ns, tape.end))} "
                            f"from a tape of {_day(tape.start)} .. {_day(tape.end)}"),
        sha256="",
    )


def _alive(tape: Tape, from_ns: int, to_ns: int) -> npt.NDArray[np.bool_]:
    listing = np.full(len(tape.contracts), np.iinfo(np.int64).max)
    rows = tape.events["kind"] == Kind.LISTING
    listing[tape.events["ref"][rows]] = tape.events["ts"][rows]
    last_trade = np.array([c.last_trade_at for c in tape.contracts], dtype=np.int64)
    return (listing <= to_ns) & (last_trade >= from_ns)


def _listings(tape: Tape, listed: npt.NDArray[np.bool_], start: int) -> dict[str, npt.NDArray[Any]]:
    refs = np.flatnonzero(listed)
    rows: dict[str, npt.NDArray[Any]] = {
        name: np.full(len(refs), MISSING if dtype == np.int64 else 0, dtype=dtype) for name, dtype in COLUMNS.items()
    }
    rows["ts"][:] = start
    rows["ts_event"][:] = [tape.contracts[ref].listed_at for ref in refs]
    rows["kind"][:] = int(Kind.LISTING)
    rows["ref"][:] = refs
    return rows


def _last_state(tape: Tape, from_ns: int) -> npt.NDArray[np.int64]:
    """Session state of each contract before a time, 0 (open) unless the tape says another."""
    state = np.zeros(len(tape.contracts), dtype=np.int64)
    rows = (tape.events["kind"] == Kind.SESSION) & (tape.events["ts"] < from_ns)
    state[tape.events["ref"][rows]] = tape.events["volume"][rows]  # the last of several counts
    return state


def _not_open(tape: Tape, from_ns: int) -> npt.NDArray[np.bool_]:
    shut: npt.NDArray[np.bool_] = _last_state(tape, from_ns) != 0
    return shut


def _sessions(tape: Tape, shut: npt.NDArray[np.bool_], from_ns: int, start: int) -> dict[str, npt.NDArray[Any]]:
    rows = _listings(tape, shut, start)
    rows["ts_event"][:] = start
    rows["kind"][:] = int(Kind.SESSION)
    rows["volume"][:] = _last_state(tape, from_ns)[shut]
    return rows


def _renumbered(events: dict[str, npt.NDArray[Any]], alive: npt.NDArray[np.bool_]) -> npt.NDArray[np.int32]:
    new_ref = (np.cumsum(alive) - 1).astype(np.int32)
    of_contract = events["kind"] != Kind.PRINT
    refs: npt.NDArray[np.int32] = events["ref"].copy()
    refs[of_contract] = new_ref[refs[of_contract]]
    return refs


def _day(nanos: int) -> str:
    return f"{datetime_of(nanos):%Y-%m-%d}"
