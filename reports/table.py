# SPDX-License-Identifier: Apache-2.0
"""Columns of a run folder as numpy arrays: read from Parquet without pandas, or taken from a DataFrame."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kilohour.errors import DataError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Labels:
    """A column of strings: ``names[codes[row]]``. Codes are int64 of shape (rows,)."""

    codes: Ints
    names: tuple[str, ...]

    def is_any(self, *wanted: str) -> Mask:
        """Rows whose string is one of ``wanted``; shape (rows,)."""
        hits = [code for code, name in enumerate(self.names) if name in wanted]
        return np.isin(self.codes, hits)

    def text(self, row: int) -> str:
        """The string of one row."""
        return self.names[int(self.codes[row])]


@dataclass(frozen=True, slots=True)
class Table:
    """A table by columns. Numbers keep the type they were stored in; strings are :class:`Labels`."""

    name: str
    rows: int
    numbers: dict[str, NDArray[Any]]
    strings: dict[str, Labels]

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of all columns, numbers first."""
        return (*self.numbers, *self.strings)

    def integers(self, column: str) -> Ints:
        """A column of integers; raises DataError when it is absent or holds anything else."""
        found = self._number(column)
        if found.dtype.kind not in "iu":
            raise DataError(f"column {column!r} of table {self.name!r} must hold integers, found {found.dtype}")
        return found.astype(np.int64, copy=False)

    def floats(self, column: str) -> Floats:
        """A column as floats, NaN where nothing is recorded; raises DataError when it is absent."""
        return self._number(column).astype(np.float64, copy=False)

    def labels(self, column: str) -> Labels:
        """A column of strings; raises DataError when it is absent."""
        if column not in self.strings:
            raise DataError(f"table {self.name!r} must have a column of strings {column!r}, found {self.columns}")
        return self.strings[column]

    def where(self, rows: Mask | Ints) -> Table:
        """The rows that a mask or an array of row numbers picks."""
        numbers = {name: values[rows] for name, values in self.numbers.items()}
        strings = {name: Labels(column.codes[rows], column.names) for name, column in self.strings.items()}
        count = int(np.count_nonzero(rows)) if rows.dtype == np.bool_ else len(rows)
        return Table(self.name, count, numbers, strings)

    def _number(self, column: str) -> NDArray[Any]:
        if column not in self.numbers:
            raise DataError(f"table {self.name!r} must have a column of numbers {column!r}, found {self.columns}")
        return self.numbers[column]


def read_table(path: Path, required: Iterable[str] = ()) -> Table:
    """Reads a Parquet file; raises DataError when it is missing, unreadable, or lacks a required column."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # Not pq.read_table: it imports pandas, which costs more than the rest of the report.
        with pq.ParquetFile(path) as file:
            arrow = file.read(use_threads=False)
    except FileNotFoundError:
        raise DataError(f"a run folder must hold {path.name}, found none in {path.parent}") from None
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path} must be a Parquet table, found: {error}") from None
    return table_from_arrow(arrow, path.stem, required)


def table_from_arrow(arrow: pa.Table, name: str, required: Iterable[str] = ()) -> Table:
    """The same from an Arrow table, without a copy where there is no empty cell."""
    import pyarrow as pa

    numbers: dict[str, NDArray[Any]] = {}
    strings: dict[str, Labels] = {}
    for label, column in zip(arrow.column_names, arrow.columns, strict=True):
        chunk = column.combine_chunks()
        if pa.types.is_dictionary(chunk.type) or pa.types.is_string(chunk.type) or pa.types.is_large_string(chunk.type):
            strings[label] = _labels(chunk)
        else:
            numbers[label] = _numbers(chunk, f"column {label!r} of table {name!r}")
    return _checked(Table(name, arrow.num_rows, numbers, strings), required)


def table_of(frame: pd.DataFrame, name: str, required: Iterable[str] = ()) -> Table:
    """The same from a DataFrame; times may be integers of nanoseconds or datetimes, as a column or as the index."""
    import pandas as pd

    if "ts" not in frame.columns and isinstance(frame.index, pd.DatetimeIndex):
        frame = frame.rename_axis("ts").reset_index()
    numbers: dict[str, NDArray[Any]] = {}
    strings: dict[str, Labels] = {}
    for column in frame.columns:
        values = frame[column]
        if pd.api.types.is_datetime64_any_dtype(values.dtype):
            aware = values.dt.tz_localize("UTC") if values.dt.tz is None else values
            numbers[str(column)] = (
                aware.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy("datetime64[ns]").astype(np.int64)
            )
        elif pd.api.types.is_numeric_dtype(values.dtype):
            numbers[str(column)] = values.to_numpy()
        else:
            codes, names = pd.factorize(values.astype(str))
            strings[str(column)] = Labels(np.asarray(codes, dtype=np.int64), tuple(str(n) for n in names))
    return _checked(Table(name, len(frame), numbers, strings), required)


def _labels(chunk: Any) -> Labels:
    import pyarrow as pa

    encoded = chunk if pa.types.is_dictionary(chunk.type) else chunk.dictionary_encode()
    if encoded.null_count:
        encoded = encoded.cast(pa.string()).fill_null("").dictionary_encode()
    codes = _numbers(encoded.indices, "codes").astype(np.int64)
    return Labels(codes, tuple(str(name) for name in encoded.dictionary.to_pylist()))


def _numbers(chunk: Any, what: str) -> NDArray[Any]:
    # Straight from Arrow's buffer: no copy, and no pandas.
    import pyarrow as pa

    if pa.types.is_timestamp(chunk.type):
        chunk = chunk.cast(pa.timestamp("ns")).cast(pa.int64())
    elif pa.types.is_boolean(chunk.type):
        chunk = chunk.cast(pa.int8())
    if not (pa.types.is_integer(chunk.type) or pa.types.is_floating(chunk.type)):
        raise DataError(f"{what} must hold numbers, times or strings, found {chunk.type}")
    if chunk.null_count:
        if not pa.types.is_floating(chunk.type):
            raise DataError(f"{what} must have no empty cell, found {chunk.null_count}")
        chunk = chunk.fill_null(float("nan"))
    dtype = np.dtype(chunk.type.to_pandas_dtype())
    if not len(chunk):
        return np.empty(0, dtype=dtype)
    return np.frombuffer(chunk.buffers()[1], dtype=dtype, count=len(chunk), offset=chunk.offset * dtype.itemsize)


def _checked(table: Table, required: Iterable[str]) -> Table:
    missing = [column for column in required if column not in table.columns]
    if missing and table.columns:
        raise DataError(f"table {table.name!r} must have the column {missing[0]!r}, found {', '.join(table.columns)}")
    if missing:
        raise DataError(f"table {table.name!r} must have the column {missing[0]!r}, found no columns")
    return table
