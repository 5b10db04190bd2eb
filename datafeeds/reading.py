# SPDX-License-Identifier: Apache-2.0
"""Reads the tables that importers take, and refuses what is not as they expect: file, column, row and value."""

from __future__ import annotations

import csv
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from kilohour.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

Progress = Callable[[int, int], None]
"""Called with (done, total) as an import goes on."""


def read_table(path: str | Path, kinds: Mapping[str, str]) -> pd.DataFrame:
    """The columns ``kinds`` names, of a small CSV or Parquet file; the index is the row in the file.

    A kind is ``text``, ``day``, ``whole``, ``number`` or ``number or empty``.
    Days come as days since 1970-01-01, numbers as they are stored (a 32-bit float stays one). Rows are counted from
    0, the header not being one. Raises :class:`DataError` for a file that is not there or not a table, a column that is
    missing, an empty cell, a value of another kind, a number that is not finite.
    """
    import pandas as pd

    path = Path(path)
    if not path.is_file():
        raise DataError(f"{path}: must be a file, found {'a folder' if path.is_dir() else 'nothing there'}")
    try:
        table = (_parquet if path.suffix == ".parquet" else _csv)(path, kinds)
    except (ValueError, OSError, csv.Error) as error:
        line = (str(error).splitlines() or ["nothing"])[0]
        raise DataError(f"{path.name}: must be a CSV or Parquet table, found {line!r}") from None
    if not len(table):
        raise DataError(f"{path.name}: needs at least one row, found none")
    table.index = pd.RangeIndex(len(table))
    return pd.DataFrame({name: _READ[kind](path.name, name, table[name]) for name, kind in kinds.items()})


def refuse_first(bad: npt.NDArray[np.bool_], file: str, column: str, values: pd.Series, rule: str) -> None:
    """Raises :class:`DataError` at the first row where ``bad`` holds; the index of ``values`` says which row of the file it is."""
    if bad.any():
        place = int(np.argmax(bad))
        raise DataError(f"{file}: row {values.index[place]}, column {column!r}: {rule}, found {str(values.iloc[place])!r}")


def _parquet(path: Path, kinds: Mapping[str, str]) -> pd.DataFrame:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        _check_columns(path, kinds, file.schema_arrow.names)
        table: pd.DataFrame = file.read(columns=list(kinds), use_threads=False).to_pandas()
        return table


def _csv(path: Path, kinds: Mapping[str, str]) -> pd.DataFrame:
    import pandas as pd

    texts = {name: "str" for name, kind in kinds.items() if kind == "text"}
    table = pd.read_csv(path, dtype=texts)
    _check_whole(path)
    _check_columns(path, kinds, table.columns)
    return table


def _check_columns(path: Path, kinds: Mapping[str, str], found: Collection[object]) -> None:
    for name in kinds:
        if name not in found:
            raise DataError(f"{path.name}: column {name!r} is missing, found {', '.join(map(str, found))}")


def _check_whole(path: Path) -> None:
    """A row of a CSV file that was cut off ends early; pandas would take what is missing for empty cells."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        cells = len(next(rows))
        for number, row in enumerate(rows):
            if row and len(row) != cells:
                raise DataError(f"{path.name}: row {number} must have {cells} cells as the header has, found {len(row)}")


def count_of(count: int, noun: str) -> str:
    """A count with its noun.

    >>> count_of(1, "day"), count_of(1234, "day")
    ('1 day', '1,234 days')
    """
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _text(file: str, name: str, column: pd.Series) -> pd.Series:
    refuse_first(column.isna().to_numpy(), file, name, column, "must not be empty")
    return column.astype(str)


def _number(file: str, name: str, column: pd.Series) -> pd.Series:
    import pandas as pd

    if not pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
        column = pd.Series(column.to_numpy(dtype=object), column.index)
        parsed = pd.to_numeric(column, errors="coerce")
        refuse_first(parsed.isna().to_numpy(), file, name, column, "must be a number")
        column = parsed
    finite = np.isfinite(column.to_numpy(np.float64, na_value=np.nan))
    refuse_first(~finite, file, name, column, "must be a finite number")
    return column


def _number_or_empty(file: str, name: str, column: pd.Series) -> pd.Series:
    import pandas as pd

    there = column.notna()
    cells = column if pd.api.types.is_numeric_dtype(column) else column.astype(object)
    return _number(file, name, cells.where(there, 0.0)).where(there)


def _whole(file: str, name: str, column: pd.Series) -> pd.Series:
    column = _number(file, name, column)
    refuse_first((column % 1 != 0).to_numpy(), file, name, column, "must be a whole number")
    return column.astype(np.int64)


def _day(file: str, name: str, column: pd.Series) -> pd.Series:
    import pandas as pd

    if not pd.api.types.is_datetime64_any_dtype(column):
        column = pd.Series(column.to_numpy(dtype=object), column.index)
        parsed = pd.to_datetime(column, format="%Y-%m-%d", errors="coerce")
        refuse_first(parsed.isna().to_numpy(), file, name, column, "must be a date like 2020-04-20")
        column = parsed
    refuse_first(column.isna().to_numpy(), file, name, column, "must be a date")
    clock = (column != column.dt.normalize()).to_numpy()
    refuse_first(clock, file, name, column, "must be a date without a time of day")
    return pd.Series(column.dt.tz_localize(None).to_numpy("datetime64[D]").astype(np.int64), column.index)


_READ: Mapping[str, Callable[[str, str, pd.Series], pd.Series]] = {
    "text": _text, "number": _number, "number or empty": _number_or_empty, "whole": _whole, "day": _day,
}
