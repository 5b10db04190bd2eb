# SPDX-License-Identifier: Apache-2.0
"""Tapes from DataFrames of bars, and DataFrames from tapes.

:func:`tape_from_bars` takes one row a bar:

=================  =====================================================================================
``time``           when the bar closed: times with a zone; or plain dates (or naive times that are all
                   midnight), which are trading days whose bar closes at the product's ``trading_close``
``contract``       our code, the venue's symbol, or the month as ``2026-12``; a ``Product.simple`` takes any name
``open`` .. ``close``   USD per unit, finite; negative prices are allowed
``volume``         whole lots, not negative; a column that is empty throughout means "not known"
``settle``         optional: official settlement price, empty where there is none at that time
``open_interest``  optional: lots at the end of that day, seen the next trading day at 13:00 UTC
=================  =====================================================================================

Rows of one contract are in increasing order of time; contracts may follow or interleave. A row is named in
an error by its position, the first being row 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kilohour.contracts.contract import Contract
from kilohour.errors import DataError, UsageError
from kilohour.tape.builder import TapeBuilder
from kilohour.tape.columns import PRICES, Columns, read_columns
from kilohour.tape.schema import COLUMNS, Kind
from kilohour.tape.tape import Tape
from kilohour.units import MICROS, MISSING, NANOS_PER_DAY, datetime_of

if TYPE_CHECKING:
    import pandas as pd

    from kilohour.contracts.product import Product

Ints = npt.NDArray[np.int64]

INTEREST_KNOWN_AT = 13 * 3_600 * 10**9
"""Time of the next trading day (UTC) at which open interest is taken as known; our own assumption."""


def tape_from_bars(frame: pd.DataFrame, *, product: str | Product, assume: Sequence[str] = ()) -> Tape:
    """A tape from a frame of bars of one product; see the module for the columns.

    ``product`` is a code of the shipped registry, its unknown terms filled by the assumptions ``assume`` names, which
    then go with the tape; or a :class:`~kilohour.contracts.Product` with a code of its own, which goes with the tape.
    Without ``settle`` the last close of each UTC day is the day's mark. A contract is listed by the product's
    rule, or from its first bar where the rule says later or nothing. There are no index prints in a frame, so a
    contract whose settlement time lies inside the data is settled at its last mark. The tape's notes, which the
    report prints, say each of these things where it happened.

    Raises :class:`DataError` naming row, column and value for a value that must not be traded on,
    :class:`UnknownName` for a column or product, :class:`UsageError` for a contract the product does not have.
    """
    terms, own = product_of(product, assume)
    columns = read_columns(frame, terms)
    builder = TapeBuilder(source=f"bars of {terms.code} from a DataFrame", days_per_year=terms.whole("days_per_year"),
                          products=(terms,) if own else (), assumptions=assume)
    add_contracts(builder, terms, columns)
    builder.notes += data_notes(settle=columns.settle is not None, volume=bool((columns.volume != MISSING).any()), rounded=columns.rounded)
    return builder.build()


def events_frame(tape: Tape, kind: Kind | None = None) -> pd.DataFrame:
    """Events of a tape as a DataFrame, all or of one kind: ``time``, ``event_time`` (UTC), ``kind``, ``code`` of the
    contract or index, prices and values in their units, ``volume``; NaN where the tape holds nothing."""
    import pandas as pd

    keep = slice(None) if kind is None else tape.events["kind"] == kind
    events = {name: tape.events[name][keep] for name in COLUMNS}
    is_print = events["kind"] == Kind.PRINT
    code = np.empty(len(is_print), dtype=object)
    contracts, indices = [c.code for c in tape.contracts], [i.code for i in tape.indices]
    code[~is_print] = np.array(contracts, dtype=object)[events["ref"][~is_print]]
    if indices:
        code[is_print] = np.array(indices, dtype=object)[events["ref"][is_print]]
    kinds = np.array([""] + [member.name.lower() for member in Kind], dtype=object)
    columns: dict[str, Any] = {
        "time": pd.to_datetime(events["ts"], utc=True), "event_time": pd.to_datetime(events["ts_event"], utc=True),
        "kind": kinds[events["kind"]], "code": code,
    }
    is_quote = events["kind"] == Kind.QUOTE
    for name in (*PRICES, "volume"):
        unit: Any = 1 if name == "volume" else MICROS
        if name == "high":
            unit = np.where(is_print | is_quote, 1, MICROS)  # the weight of a print, the lots of a quote
        if name == "close":
            unit = np.where(events["kind"] == Kind.FUNDING, 10**8, np.where(is_quote, 1, MICROS))
        columns[name] = np.where(events[name] == MISSING, np.nan, events[name] / unit)
    return pd.DataFrame(columns)


def product_of(product: str | Product, assume: Sequence[str]) -> tuple[Product, bool]:
    """The product, and whether it has to travel with the tape."""
    from kilohour.contracts import Assumptions, Registry

    registry = Registry.shipped()
    if isinstance(product, str):
        return registry.assuming(*(Assumptions.load(name) for name in assume)).product(product), False
    if assume:
        raise UsageError(f"assume fills a product of the registry: give its code as product, found {product!r}")
    if product.code not in registry.by_code:
        return product, True
    if registry.product(product.code) != product:
        raise UsageError(f"product {product.code} has other terms than the shipped one: give yours another code")
    return product, False


class Enlisting:
    """Gives the contracts that a file names to a builder, with their final settlements; ``end`` is the time of its last bar."""

    def __init__(self, builder: TapeBuilder, product: Product, end: int) -> None:
        self.builder, self.product, self.end = builder, product, end
        self._seen: dict[str, str] = {}
        self._early = 0
        self._undated: list[str] = []
        self._settled: list[str] = []

    def add(self, name: str, first: int) -> tuple[int, Contract]:
        """The ``ref`` of the contract that a file calls ``name``, listed by its ``first`` bar at the latest.

        Raises :class:`UsageError` when it is not the product's, or has had another name.
        """
        named = self.product.contract_named(name, near=datetime_of(first).year)
        if named.code in self._seen:
            raise UsageError(f"contract {named.code} must have one name, found {self._seen[named.code]!r} and {name!r}")
        self._seen[named.code] = name
        contract = listed_by(named, first)
        self._early += contract.listed_at < named.listed_at
        return self.builder.contract(contract), contract

    def settle(self, ref: int, contract: Contract, mark: int = MISSING) -> bool:
        """Adds the final settlement at the last mark of a contract that ends within the data; True when it does."""
        if contract.is_perpetual and not self.product.is_perpetual:
            self._undated.append(contract.code)
        elif contract.settlement_at <= self.end:
            self.builder.finals(ref, contract.settlement_at, mark)
            self._settled.append(contract.code)
            return True
        return False

    def notes(self) -> Iterator[str]:
        """What was done to the contracts."""
        if self._early:
            yield f"{self._early} contracts have bars before their product's listing rule lists them: listed from their first bar"
        if self._undated:
            yield (f"{len(self._undated)} contracts without a delivery month ({self._undated[0]}, ...) never expire and never settle: "
                   "name months (2026-12) to have them settled")
        if self._settled:
            yield (f"{len(self._settled)} contracts are settled at their last mark, for the data holds no index prints "
                   f"({self._settled[0]}, ...)")


def add_contracts(builder: TapeBuilder, product: Product, columns: Columns) -> dict[str, int]:
    """Adds contracts, bars and marks; returns each contract's row by the name the frame gave it."""
    enlisting = Enlisting(builder, product, int(columns.time.max()))
    refs: dict[str, int] = {}
    for name, rows in columns.by_contract():
        ref, contract = enlisting.add(name, int(columns.time[rows[0]]))
        if int(columns.time[rows[-1]]) > contract.last_trade_at:
            late = rows[int(np.argmax(columns.time[rows] > contract.last_trade_at))]
            raise DataError(f"row {late}, column 'time': no bar after the last trade, "
                            f"{datetime_of(contract.last_trade_at):%Y-%m-%d %H:%M}, found one ({columns.where(late)})")
        refs[name] = ref
        enlisting.settle(ref, contract, _add_prices(builder, product, ref, columns, rows))
    builder.notes += list(enlisting.notes())
    return refs


def listed_by(contract: Contract, first: int) -> Contract:
    """The contract, listed by its first bar at the latest; the day is unknown (0) for names of the user's own."""
    known = 0 < contract.listed_at <= first
    return contract if known else replace(contract, listed_at=first)


def _add_prices(builder: TapeBuilder, product: Product, ref: int, columns: Columns,
                rows: npt.NDArray[np.intp]) -> int:
    """Adds bars, marks and open interest of one contract; returns its last mark."""
    ts = columns.time[rows]
    o, h, lo, c = (columns.prices[name][rows] for name in PRICES)
    builder.bars(ref, ts, o, h, lo, c, columns.volume[rows])
    if columns.settle is None:
        last_of_day = np.append(np.diff(ts // NANOS_PER_DAY) != 0, True)
        marks = np.where(last_of_day, c, MISSING)
    else:
        marks = columns.settle[rows]
    has_mark = marks != MISSING
    builder.marks(ref, ts[has_mark], marks[has_mark])
    if columns.interest is not None:
        lots = columns.interest[rows]
        known = next_morning(product, ts)
        keep = (lots != MISSING) & (known <= columns.time.max())
        builder.interest(ref, known[keep], lots[keep], ts[keep])
    return int(marks[has_mark][-1] if has_mark.any() else c[-1])


def next_morning(product: Product, ts: Ints) -> Ints:
    """When the open interest of each time is taken as known."""
    calendar = product.trading_days()
    days, place = np.unique(ts // NANOS_PER_DAY, return_inverse=True)
    mornings: Ints = np.array([calendar.after(int(day)) for day in days], dtype=np.int64)
    return mornings[place] * NANOS_PER_DAY + INTEREST_KNOWN_AT


def data_notes(*, settle: bool, volume: bool, rounded: int) -> list[str]:
    """What is said of data without settlement prices or volume, and of ``rounded`` prices."""
    notes = []
    if not settle:
        notes.append("marks are the last close of each UTC day: the data has no settlement prices")
    if not volume:
        notes.append("no volume: fills are not limited")
    if rounded:
        notes.append(f"{rounded} prices had more than six decimals and were rounded to the nearest micro")
    return notes
