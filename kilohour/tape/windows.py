# SPDX-License-Identifier: Apache-2.0
"""Fixing days that no print covers: what a run refuses before it begins, and what ``kilohour data check`` reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt

from kilohour.contracts.contract import NEVER
from kilohour.tape.schema import Kind
from kilohour.tape.tape import Tape
from kilohour.units import MISSING, NANOS_PER_DAY

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unprinted:
    """One fixing day of one contract without a print known by the contract's final settlement."""

    contract: int
    """Row of the contract on the tape."""
    day: int
    """The fixing day, days since 1970-01-01."""
    settled_at: int
    """Time of the final settlement, nanoseconds UTC: a print known later does not count."""
    known_at: int | None
    """When the first print of the day came after all; None when the tape has none."""
    before_prints: bool
    """The day lies before the first print of its index on the tape: the tape begins there, nothing fell out of it."""


def unprinted_days(tape: Tape, index_of: Mapping[str, str | None]) -> list[Unprinted]:
    """Every fixing day without a print in time, of contracts that settle by rule on this tape, by time of settlement.

    ``index_of`` names the index that settles each product. A contract whose venue states the final price needs no
    prints, and one that settles after the tape's end may still get them.
    """
    events = tape.events
    finals = np.flatnonzero(events["kind"] == Kind.FINAL)
    finals = finals[events["close"][finals] == MISSING]
    settling = [tape.contracts[ref] for ref in events["ref"][finals]]
    place = np.repeat(np.arange(len(settling)), [len(contract.fixing_days) for contract in settling])
    days = np.array(list(chain.from_iterable(contract.fixing_days for contract in settling)), dtype=np.int64)
    rows = {index.code: row for row, index in enumerate(tape.indices)}
    index = np.array([rows.get(index_of.get(contract.product) or "", len(rows)) for contract in settling], dtype=np.int64)[place]
    known, first_day = _first_known(tape)
    column = days - first_day
    inside = (column >= 0) & (column < known.shape[1])
    known_at = np.full(len(days), NEVER)
    known_at[inside] = known[index[inside], column[inside]]
    printed = known != NEVER
    begins = np.where(printed.any(axis=1), first_day + printed.argmax(axis=1), NEVER)
    settled_at = events["ts"][finals][place]
    return [
        Unprinted(contract=int(events["ref"][finals[place[i]]]), day=int(days[i]), settled_at=int(settled_at[i]),
                  known_at=int(known_at[i]) if known_at[i] != NEVER else None, before_prints=bool(days[i] < begins[index[i]]))
        for i in np.flatnonzero(known_at > settled_at)
    ]  # fmt: skip


def _first_known(tape: Tape) -> tuple[Ints, int]:
    """When each (index, value date) was first known, NEVER where it was not, and the day of column 0.

    The last row belongs to no index: it stands for one that the tape does not have.
    """
    rows = np.flatnonzero(tape.events["kind"] == Kind.PRINT)
    if not len(rows):
        return np.full((len(tape.indices) + 1, 1), NEVER), 0
    value_days = tape.events["ts_event"][rows] // NANOS_PER_DAY
    first_day = int(value_days.min())
    known = np.full((len(tape.indices) + 1, int(value_days.max()) - first_day + 1), NEVER)
    np.minimum.at(known, (tape.events["ref"][rows], value_days - first_day), tape.events["ts"][rows])
    return known, first_day
