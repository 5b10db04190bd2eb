# SPDX-License-Identifier: Apache-2.0
"""Reads a DataFrame of bars into integer columns, and refuses what must not be traded on by row, column and value.

The columns are described in :mod:`kilohour.tape.frames`. A row is named by its position, the first being row 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from kilohour.errors import DataError, UnknownName
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The frame's columns as integers: nanoseconds, micros, lots; MISSING where a cell may be empty and is."""

    time: Ints
    place: npt.NDArray[np.intp]
    names: list[str]
    """Contract of a row: ``names[place[row]]``."""
    prices: dict[str, Ints]
    volume: Ints
    settle: Ints | None
    interest: Ints | None
    rounded: int
    """Prices that had more than six decimals."""

    def by_contract(self) -> Iterator[tuple[str, npt.NDArray[np.intp]]]:
        """The name of each contract with its rows, which are in increasing order of time."""
        order = np.argsort(self.place, kind="stable")
        cuts = np.searchsorted(self.place[order], np.arange(1, len(self.names)))
        for name, rows in zip(self.names, np.split(order, cuts), strict=True):
            _check_order(self, rows)
            yield name, rows

    def where(self, row: int) -> str:
        """Contract and time of a row, in words."""
        return f"contract {self.names[self.place[row]]}, {datetime_of(int(self.time[row])):%Y-%m-%d %H:%M}"


def read_columns(frame: pd.DataFrame, product: Product) -> Columns:
    """The frame's columns, every value checked. Raises :class:`DataError` and :class:`UnknownName`."""
    frame = _checked_columns(frame)
    place, names = names_of(frame)
    prices = {name: prices_of(frame, name) for name in PRICES}
    columns = Columns(
        time=times_of(frame, product), place=place, names=names, prices=prices, volume=_volumes(frame),
        settle=prices_of(frame, "settle", gaps=True) if "settle" in frame else None,
        interest=lots_of(frame, "open_interest") if "open_interest" in frame else None,
        rounded=sum(_off_micro(frame, name, column) for name, column in prices.items()),
    )
    _check_bars(columns)
    return columns


def _off_micro(frame: pd.DataFrame, name: str, column: Ints) -> int:
    return int(np.count_nonzero(np.abs(frame[name].to_numpy(np.float64) * MICROS - column) > 1e-3))


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


def times_of(frame: pd.DataFrame, product: Product) -> Ints:
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


def names_of(frame: pd.DataFrame) -> tuple[npt.NDArray[np.intp], list[str]]:
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


def prices_of(frame: pd.DataFrame, name: str, *, gaps: bool = False) -> Ints:
    values = _numbers(frame, name)
    empty = np.isnan(values)
    bad = ~(np.abs(values) < PRICE_MAX) & ~(empty & gaps)
    if bad.any():
        row = int(np.argmax(bad))
        raise DataError(f"row {row}, column {name!r}: must be a price between {-PRICE_MAX:.0e} and {PRICE_MAX:.0e} "
                        f"dollars, found {values[row]}")
    return np.where(empty, MISSING, np.rint(np.where(empty, 0.0, values) * MICROS).astype(np.int64))


def lots_of(frame: pd.DataFrame, name: str) -> Ints:
    values = _numbers(frame, name)
    empty = np.isnan(values)
    bad = ~empty & ~((values >= 0) & (values < 2**53) & (values == np.rint(values)))
    if bad.any():
        row = int(np.argmax(bad))
        raise DataError(f"row {row}, column {name!r}: must be whole lots, not negative, found {values[row]:g}")
    return np.where(empty, MISSING, np.where(empty, 0.0, values).astype(np.int64))


def _volumes(frame: pd.DataFrame) -> Ints:
    lots = lots_of(frame, "volume")
    empty = lots == MISSING
    if empty.any() and not empty.all():
        row = int(np.argmax(empty))
        raise DataError(f"row {row}, column 'volume': must be whole lots, found none; write 0 where nothing traded, "
                        "or leave the whole column empty when volume is not known")
    return lots


def _check_bars(columns: Columns) -> None:
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


def _check_order(columns: Columns, rows: npt.NDArray[np.intp]) -> None:
    steps = np.diff(columns.time[rows])
    if (steps <= 0).any():
        i = int(np.argmax(steps <= 0))
        word = "a duplicate" if steps[i] == 0 else "an earlier"
        raise DataError(f"row {rows[i + 1]}, column 'time': must be later than the contract's row {rows[i]}, "
                        f"found {word} time ({columns.where(rows[i + 1])})")
