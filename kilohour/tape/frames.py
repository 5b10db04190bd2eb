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

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kilohour.contracts.contract import Contract
from kilohour.errors import DataError, UnknownName, UsageError
from kilohour.tape.builder import TapeBuilder
from kilohour.tape.schema import COLUMNS, Kind
from kilohour.tape.tape import Tape
from kilohour.units import MICROS, MISSING, NANOS_PER_DAY, datetime_of

if TYPE_CHECKING:
    import pandas as pd

    from kilohour.contracts.product import Product

Ints = npt.NDArray[np.int64]

PRICES = ("open", "high", "low", "close")
NEEDED = ("time", "contract", *PRICES, "volume")
OPTIONAL = ("settle", "open_interest")
PRICE_MAX = 1e9
"""Dollars; a larger price is a fault in the data, and its books would not fit 64 bits."""
INTEREST_KNOWN_AT = 13 * 3_600 * 10**9
"""Time of the next trading day (UTC) at which open interest is taken as known; our own assumption."""


def tape_from_bars(frame: pd.DataFrame, *, product: str | Product) -> Tape:
    """A tape from a frame of bars of one product; see the module for the columns.

    Without ``settle`` the last close of each UTC day is the day's mark. A contract is listed by the product's
    rule, or from its first bar where the rule says later or nothing. There are no index prints in a frame, so a
    contract whose settlement time lies inside the data is settled at its last mark. The tape's notes, which the
    report prints, say each of these things where it happened.

    Raises :class:`DataError` naming row, column and value for a value that must not be traded on,
    :class:`UnknownName` for a column or product, :class:`UsageError` for a contract the product does not have.
    """
    terms, own = _product(product)
    frame = _checked_columns(frame)
    place, names = _names(frame)
    columns = _Columns(
        time=_times(frame, terms), place=place, names=names, volume=_volumes(frame),
        prices={name: _prices(frame, name) for name in PRICES},
        settle=_prices(frame, "settle", gaps=True) if "settle" in frame else None,
        interest=_lots(frame, "open_interest") if "open_interest" in frame else None,
    )
    _check_bars(columns)
    builder = TapeBuilder(source=f"bars of {terms.code} from a DataFrame", days_per_year=terms.whole("days_per_year"),
                          products=(terms,) if own else ())
    _add_contracts(builder, terms, columns)
    builder.notes += _notes(frame, columns)
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
    for name in (*PRICES, "volume"):
        unit = 1 if name == "volume" else MICROS
        columns[name] = np.where(events[name] == MISSING, np.nan, events[name] / unit)
    return pd.DataFrame(columns)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Columns:
    """The frame's columns as integers: nanoseconds, micros, lots; MISSING where a cell may be empty and is."""

    time: Ints
    place: npt.NDArray[np.intp]
    names: list[str]
    """Contract of a row: ``names[place[row]]``."""
    prices: dict[str, Ints]
    volume: Ints
    settle: Ints | None
    interest: Ints | None

    def where(self, row: int) -> str:
        return f"contract {self.names[self.place[row]]}, {datetime_of(int(self.time[row])):%Y-%m-%d %H:%M}"


def _product(product: str | Product) -> tuple[Product, bool]:
    if not isinstance(product, str):
        return product, True
    from kilohour.contracts import Registry

    return Registry.shipped().product(product), False


def _checked_columns(frame: pd.DataFrame) -> pd.DataFrame:
    if "time" not in frame.columns and frame.index.name == "time":
        frame = frame.reset_index()
    names = [str(name) for name in frame.columns]
    for name in names:
        if name not in NEEDED + OPTIONAL:
            raise UnknownName("column", name, NEEDED + OPTIONAL, where="the frame of bars")
        if names.count(name) > 1:
            raise DataError(f"column {name!r} must be there once, found {names.count(name)} of it")
    for name in NEEDED:
        if name not in names:
            hint = "; name the month, frame.assign(contract='2026-12')" if name == "contract" else ""
            raise DataError(f"column {name!r} is missing: bars need {', '.join(NEEDED)}, "
                            f"found {', '.join(names)}{hint}")
    if len(frame) == 0:
        raise DataError("a frame of bars needs at least one row, found none")
    return frame


def _times(frame: pd.DataFrame, product: Product) -> Ints:
    import pandas as pd

    column = frame["time"]
    if column.dtype == object and len(column) and type(column.iloc[0]).__name__ == "date":
        column = pd.to_datetime(column)
    if not pd.api.types.is_datetime64_any_dtype(column):
        raise DataError(f"column 'time': must be times, found {column.dtype} ({column.iloc[0]!r}); "
                        "convert it first, pd.to_datetime(frame['time'], utc=True)")
    empty = column.isna().to_numpy()
    if empty.any():
        raise DataError(f"row {int(np.argmax(empty))}, column 'time': must be a time, found none")
    if column.dt.tz is not None:
        return np.asarray(column.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy("datetime64[ns]").astype(np.int64))
    nanos: Ints = column.to_numpy("datetime64[ns]").astype(np.int64)
    if (nanos % NANOS_PER_DAY).any():
        row = int(np.argmax(nanos % NANOS_PER_DAY != 0))
        raise DataError(f"row {row}, column 'time': must carry a zone, found {column.iloc[row]}; "
                        "say which, frame['time'].dt.tz_localize('UTC')")
    days, place = np.unique(nanos // NANOS_PER_DAY, return_inverse=True)
    closes: Ints = np.array([product.close_at(int(day)) for day in days], dtype=np.int64)
    return closes[place]


def _names(frame: pd.DataFrame) -> tuple[npt.NDArray[np.intp], list[str]]:
    import pandas as pd

    column = frame["contract"]
    place, uniques = pd.factorize(column)
    bad = np.array([not isinstance(name, str | int | np.integer) for name in uniques] + [True])[place]
    if bad.any():
        row = int(np.argmax(bad))
        raise DataError(f"row {row}, column 'contract': must be a code, symbol or month, found {column.iloc[row]!r}")
    return place, [str(name) for name in uniques]


def _numbers(frame: pd.DataFrame, name: str) -> npt.NDArray[np.float64]:
    import pandas as pd

    column = frame[name]
    if not pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
        wrong = [i for i, cell in enumerate(column) if isinstance(cell, bool | str) or not np.isscalar(cell)]
        row = wrong[0] if wrong else 0
        raise DataError(f"row {row}, column {name!r}: must be a number, "
                        f"found {column.tolist()[row]!r} ({column.dtype})")
    return column.to_numpy(dtype=np.float64, na_value=np.nan)


def _prices(frame: pd.DataFrame, name: str, *, gaps: bool = False) -> Ints:
    values = _numbers(frame, name)
    empty = np.isnan(values)
    bad = ~(np.abs(values) < PRICE_MAX) & ~(empty & gaps)
    if bad.any():
        row = int(np.argmax(bad))
        raise DataError(f"row {row}, column {name!r}: must be a price between {-PRICE_MAX:.0e} and {PRICE_MAX:.0e} "
                        f"dollars, found {values[row]}")
    return np.where(empty, MISSING, np.rint(np.where(empty, 0.0, values) * MICROS).astype(np.int64))


def _lots(frame: pd.DataFrame, name: str) -> Ints:
    values = _numbers(frame, name)
    empty = np.isnan(values)
    bad = ~empty & ~((values >= 0) & (values < 2**53) & (values == np.rint(values)))
    if bad.any():
        row = int(np.argmax(bad))
        raise DataError(f"row {row}, column {name!r}: must be whole lots, not negative, found {values[row]:g}")
    return np.where(empty, MISSING, np.where(empty, 0.0, values).astype(np.int64))


def _volumes(frame: pd.DataFrame) -> Ints:
    lots = _lots(frame, "volume")
    empty = lots == MISSING
    if empty.any() and not empty.all():
        row = int(np.argmax(empty))
        raise DataError(f"row {row}, column 'volume': must be whole lots, found none; write 0 where nothing traded, "
                        "or leave the whole column empty when volume is not known")
    return lots


def _check_bars(columns: _Columns) -> None:
    p = columns.prices
    for name, side, bad in (
        ("high", "below", [(other, p["high"] < p[other]) for other in ("low", "open", "close")]),
        ("low", "above", [(other, p["low"] > p[other]) for other in ("open", "close")]),
    ):
        for other, rows in bad:
            if rows.any():
                row = int(np.argmax(rows))
                raise DataError(f"row {row}, column {name!r}: must not be {side} {other} {p[other][row] / MICROS:g}, "
                                f"found {p[name][row] / MICROS:g} ({columns.where(row)})")


def _add_contracts(builder: TapeBuilder, product: Product, columns: _Columns) -> None:
    end = int(columns.time.max())
    seen: dict[str, str] = {}
    early, undated, settled = 0, [], []
    for name, rows in _by_contract(columns):
        _check_order(columns, rows)
        first, last = int(columns.time[rows[0]]), int(columns.time[rows[-1]])
        named = product.contract_named(name, near=datetime_of(first).year)
        if named.code in seen:
            raise UsageError(f"contract {named.code} must have one name, found {seen[named.code]!r} and {name!r}")
        seen[named.code] = name
        contract = _listed_by(named, first)
        early += contract.listed_at < named.listed_at
        if last > contract.last_trade_at:
            late = rows[int(np.argmax(columns.time[rows] > contract.last_trade_at))]
            raise DataError(f"row {late}, column 'time': no bar after the last trade, "
                            f"{datetime_of(contract.last_trade_at):%Y-%m-%d %H:%M}, found one ({columns.where(late)})")
        ref = builder.contract(contract)
        mark = _add_prices(builder, product, ref, columns, rows)
        if contract.is_perpetual and not product.is_perpetual:
            undated.append(contract.code)
        elif contract.settlement_at <= end:
            builder.finals(ref, contract.settlement_at, mark)
            settled.append(contract.code)
    builder.notes += list(_contract_notes(early, undated, settled))


def _by_contract(columns: _Columns) -> Iterator[tuple[str, npt.NDArray[np.intp]]]:
    order = np.argsort(columns.place, kind="stable")
    cuts = np.searchsorted(columns.place[order], np.arange(1, len(columns.names)))
    yield from zip(columns.names, np.split(order, cuts), strict=True)


def _check_order(columns: _Columns, rows: npt.NDArray[np.intp]) -> None:
    steps = np.diff(columns.time[rows])
    if (steps <= 0).any():
        i = int(np.argmax(steps <= 0))
        word = "a duplicate" if steps[i] == 0 else "an earlier"
        raise DataError(f"row {rows[i + 1]}, column 'time': must be later than the contract's row {rows[i]}, "
                        f"found {word} time ({columns.where(rows[i + 1])})")


def _listed_by(contract: Contract, first: int) -> Contract:
    """The contract, listed by its first bar at the latest; the day is unknown (0) for names of the user's own."""
    known = 0 < contract.listed_at <= first
    return contract if known else replace(contract, listed_at=first)


def _add_prices(builder: TapeBuilder, product: Product, ref: int, columns: _Columns,
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
        known = _next_morning(product, ts)
        keep = (lots != MISSING) & (known <= columns.time.max())
        builder.interest(ref, known[keep], lots[keep], ts[keep])
    return int(marks[has_mark][-1] if has_mark.any() else c[-1])


def _next_morning(product: Product, ts: Ints) -> Ints:
    calendar = product.trading_days()
    days, place = np.unique(ts // NANOS_PER_DAY, return_inverse=True)
    mornings: Ints = np.array([calendar.after(int(day)) for day in days], dtype=np.int64)
    return mornings[place] * NANOS_PER_DAY + INTEREST_KNOWN_AT


def _contract_notes(early: int, undated: list[str], settled: list[str]) -> Iterator[str]:
    if early:
        yield f"{early} contracts have bars before their product's listing rule lists them: listed from their first bar"
    if undated:
        yield (f"{len(undated)} contracts without a delivery month ({undated[0]}, ...) never expire and never settle: "
               "name months (2026-12) to have them settled")
    if settled:
        yield (f"{len(settled)} contracts are settled at their last mark, for the data holds no index prints "
               f"({settled[0]}, ...)")


def _notes(frame: pd.DataFrame, columns: _Columns) -> list[str]:
    notes = []
    if columns.settle is None:
        notes.append("marks are the last close of each UTC day: the data has no settlement prices")
    if (columns.volume == MISSING).all():
        notes.append("no volume: fills are not limited")
    moved = sum(int(np.count_nonzero(np.abs(frame[name].to_numpy(np.float64) * MICROS - columns.prices[name]) > 1e-3))
                for name in PRICES)
    if moved:
        notes.append(f"{moved} prices had more than six decimals and were rounded to the nearest micro")
    return notes
