# SPDX-License-Identifier: Apache-2.0
"""The tape: an immutable, sorted, columnar stream of events over many contracts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kilohour.contracts.codes import refuse_continuous
from kilohour.contracts.contract import Contract
from kilohour.errors import DataError, UnknownName
from kilohour.tape.schema import COLUMNS, Index, Kind
from kilohour.units import datetime_of

if TYPE_CHECKING:
    import pandas as pd

    from kilohour.contracts.product import Product


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tape:
    """Events in the order a trader could know them, with the contracts and indices they speak of.

    ``events`` maps each column of :data:`kilohour.tape.schema.COLUMNS` to an array of one length;
    the arrays are made read-only. Build one with :class:`~kilohour.tape.builder.TapeBuilder`,
    :meth:`from_bars`, or :meth:`load`.
    """

    events: Mapping[str, npt.NDArray[Any]]
    contracts: tuple[Contract, ...]
    indices: tuple[Index, ...]
    source: str
    notes: tuple[str, ...] = ()
    days_per_year: int = 252
    sha256: str = field(default="")
    """Hash of the content; filled on :meth:`save` and :meth:`load`."""
    assumptions: tuple[str, ...] = ()
    """Names of shipped assumptions files that whoever made the tape stands by; a run prints them like its own."""
    products: tuple[Product, ...] = ()
    """Products that came with the tape and are not in the shipped registry (``from_bars``)."""

    def __post_init__(self) -> None:
        for name, dtype in COLUMNS.items():
            column = self.events[name]
            assert column.dtype == dtype, f"column {name} is {column.dtype}, not {dtype}"
            column.flags.writeable = False

    def __len__(self) -> int:
        return len(self.events["ts"])

    @property
    def start(self) -> int:
        """Time of the first event, nanoseconds UTC."""
        return int(self.events["ts"][0])

    @property
    def end(self) -> int:
        """Time of the last event, nanoseconds UTC."""
        return int(self.events["ts"][-1])

    @property
    def bars(self) -> int:
        """How many bars of single contracts the tape holds."""
        return int(np.count_nonzero(self.events["kind"] == Kind.BAR))

    @property
    def product_codes(self) -> tuple[str, ...]:
        """Codes of the products that have contracts here, in order of first appearance."""
        return tuple(dict.fromkeys(c.product for c in self.contracts))

    def contract_ref(self, code: str) -> int:
        """Row of a contract. Raises :class:`UnknownName` with the nearest code."""
        for ref, contract in enumerate(self.contracts):
            if contract.code == code:
                return ref
        refuse_continuous(code, (c.code for c in self.contracts))
        raise UnknownName("contract", code, [c.code for c in self.contracts], where="this tape")

    def frame(self, kind: Kind | None = None) -> pd.DataFrame:
        """Events as a DataFrame: times as UTC timestamps, prices in dollars, contract or index by code.

        Meant for looking, not for computing: floats stand where the tape holds integers.
        """
        from kilohour.tape.frames import events_frame

        return events_frame(self, kind)

    @classmethod
    def from_bars(cls, frame: pd.DataFrame, *, product: str | Product, assume: Sequence[str] = ()) -> Tape:
        """A tape from a DataFrame of bars; see :func:`kilohour.tape.frames.tape_from_bars`."""
        from kilohour.tape.frames import tape_from_bars

        return tape_from_bars(frame, product=product, assume=assume)

    @classmethod
    def from_quotes(cls, frame: pd.DataFrame, *, product: str | Product, trades: pd.DataFrame | None = None,
                    assume: Sequence[str] = ()) -> Tape:
        """A tape from a DataFrame of quotes or recorded levels; see :func:`kilohour.tape.quotes.tape_from_quotes`."""
        from kilohour.tape.quotes import tape_from_quotes

        return tape_from_quotes(frame, product=product, trades=trades, assume=assume)

    @classmethod
    def load(cls, folder: str | Path) -> Tape:
        """Reads a tape folder; see :func:`kilohour.tape.store.load`."""
        from kilohour.tape.store import load

        return load(Path(folder))

    def save(self, folder: str | Path) -> Tape:
        """Writes a tape folder and returns the tape with its hash; see :func:`kilohour.tape.store.save`."""
        from kilohour.tape.store import save

        return save(self, Path(folder))

    def __repr__(self) -> str:
        return (f"<Tape {self.source}: {self.bars:,} bars of {len(self.contracts)} contracts, "
                f"{datetime_of(self.start):%Y-%m-%d} to {datetime_of(self.end):%Y-%m-%d}>")


def check_settled_once(events: Mapping[str, npt.NDArray[Any]], codes: Sequence[str], where: str = "") -> None:
    """Raises :class:`DataError` for a second final settlement of a contract: money would be paid twice. A correction by the venue has
    a revision number in ``volume``."""
    rows = np.flatnonzero(events["kind"] == Kind.FINAL)
    times = np.bincount(events["ref"][rows][events["volume"][rows] <= 0], minlength=1)
    if times.max() > 1:
        raise DataError(f"{where}a contract is settled once, found {times.max()} final settlements of {codes[int(times.argmax())]} "
                        "without a revision number")
