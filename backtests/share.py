# SPDX-License-Identifier: Apache-2.0
"""When you were the market: the run's share of the volume, contract by contract, day by day (UTC)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from kilohour.kernels.records import Array
from kilohour.tape.schema import Kind
from kilohour.tape.tape import Tape
from kilohour.units import MISSING, NANOS_PER_DAY, date_of

NOTABLE = 0.05
"""A share of a day's volume from which on a strategy's own orders are part of what it trades on."""
ALL = "All"
BLOCK = 1 << 16
"""Events looked at together: all at once, a run of a million bars took a tenth of its memory here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """One contract, or :data:`ALL` of the run's, over its days with a fill and a known volume."""

    contract: str
    days: int
    lots: int
    """Lots the run filled on those days."""
    volume: int
    """Lots traded on the tape on those days."""
    notable_days: int
    """Days on which the run was more than :data:`NOTABLE` of the volume, those on which nobody else traded among them."""
    alone_days: int
    """Days on which the run traded and the tape has no volume."""
    most: float
    """The largest share of one day; of days with volume."""
    most_day: str
    unknown_days: int
    """Days with a fill whose volume the tape does not know: they count nowhere else."""


def shares_of(tape: Tape, fills: Array) -> list[Share]:
    """A row a contract that was traded, in order of the tape, and one of all together; none without a fill."""
    if len(fills) == 0:
        return []
    day, traded = fills["ts"] // NANOS_PER_DAY, np.unique(fills["contract"])
    first, count = int(day.min()), int(day.max() - day.min()) + 1
    events = tape.events
    from_row, to_row = np.searchsorted(events["ts"], (first * NANOS_PER_DAY, (first + count) * NANOS_PER_DAY))
    line_of = np.full(len(tape.contracts), len(traded))  # a contract that was not traded counts in the last line alone
    line_of[traded] = np.arange(len(traded))
    sums = np.zeros((3, (len(traded) + 1) * count))
    sums[0] = np.bincount(line_of[fills["contract"]] * count + day - first, np.abs(fills["lots"]), sums.shape[1])
    for at in range(from_row, to_row, BLOCK):
        rows = at + np.flatnonzero(events["kind"][at : min(at + BLOCK, to_row)] == Kind.BAR)
        cell, volume = line_of[events["ref"][rows]] * count + events["ts"][rows] // NANOS_PER_DAY - first, events["volume"][rows]
        sums[1] += np.bincount(cell, np.where(volume == MISSING, 0, volume), sums.shape[1])
        sums[2] += np.bincount(cell, volume == MISSING, sums.shape[1])
    own, known, unknown = sums.reshape(3, -1, count).astype(np.int64)
    for table in (own, known, unknown):
        table[-1] = table.sum(axis=0)
    names = [*(tape.contracts[ref].code for ref in traded.tolist()), ALL]
    return [_share(name, first, *rows) for name, *rows in zip(names, own, known, unknown, strict=True)]


def _share(contract: str, first: int, lots: Array, volume: Array, unknown: Array) -> Share:
    known = (lots > 0) & (unknown == 0)
    alone, traded = known & (volume == 0), known & (volume > 0)
    shares = np.where(traded, lots / np.maximum(volume, 1), 0.0)
    most = int(np.argmax(shares))
    return Share(
        contract=contract, days=int(known.sum()), lots=int(lots[known].sum()), volume=int(volume[known].sum()),
        notable_days=int((shares > NOTABLE).sum() + alone.sum()), alone_days=int(alone.sum()), most=float(shares[most]),
        most_day=str(date_of(first + most)) if traded.any() else "", unknown_days=int(((lots > 0) & (unknown > 0)).sum()))


def share_rows(shares: list[Share]) -> list[dict[str, Any]]:
    """For the manifest."""
    return [asdict(share) for share in shares]


def share_sentence(shares: list[Share]) -> str:
    """What a report says of it, "" without a fill."""
    contracts = [share for share in shares if share.contract != ALL]
    days, notable, alone = (sum(getattr(its, name) for its in contracts) for name in ("days", "notable_days", "alone_days"))
    unknown = sum(its.unknown_days for its in contracts)
    said = []
    if days:
        most = max(contracts, key=lambda its: its.most)
        days_with = f"{days} day{'s' if days > 1 else ''} with a fill"
        said.append(f"You were more than {NOTABLE:.0%} of a contract's volume on {notable} of {days_with}")
        if most.most_day:
            said.append(f"{most.most:.1%} at most ({most.contract} on {most.most_day})")
        if alone:
            said.append(f"on {alone} of them nobody else traded")
    if unknown:
        said.append(f"{'on' if said else 'Your share of the volume: on'} {unknown} day{'s' if unknown > 1 else ''} the volume is not known")
    return ", ".join(said) + "." if said else ""
