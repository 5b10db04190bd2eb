# SPDX-License-Identifier: Apache-2.0
"""Inputs as a stream of record batches: the named columns of CSV and Parquet files, a bounded number of rows at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kilohour.errors import DataError, UnknownName

BATCH_ROWS = 1 << 17
CSV_BLOCK_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows of one input."""

    file: str
    first: int
    """Number of the first row, counted from 0, the header not being one."""
    columns: dict[str, Any]
    """Arrow array by column name."""
    rows: int
    done: int
    """How far the input is read, of ``total``: rows of Parquet, bytes of CSV."""
    total: int


def batches(path: Path, needed: Sequence[str], optional: Sequence[str] = (), *, batch_rows: int = BATCH_ROWS) -> Iterator[Batch]:
    """The needed columns, and those optional ones that are there, of a ``.parquet`` or CSV file, in any order of columns.

    Raises :class:`DataError` for a file that is not there, is not such a table, or lacks a column; naming the nearest one it has.
    """
    if not path.is_file():
        raise DataError(f"{path}: must be a file, found {'a folder' if path.is_dir() else 'nothing there'}")
    read = _parquet if path.suffix == ".parquet" else _csv
    yield from read(path, needed, optional, batch_rows)


def fingerprint(paths: Sequence[Path]) -> list[dict[str, Any]]:
    """Name, size and SHA-256 of each input."""
    found = []
    for path in paths:
        if not path.is_file():
            raise DataError(f"{path}: must be a file, found {'a folder' if path.is_dir() else 'nothing there'}")
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        found.append({"name": path.name, "bytes": path.stat().st_size, "sha256": digest})
    return found


def _parquet(path: Path, needed: Sequence[str], optional: Sequence[str], batch_rows: int) -> Iterator[Batch]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            wanted = _wanted(path, file.schema_arrow.names, needed, optional)
            first, total = 0, file.metadata.num_rows
            for batch in file.iter_batches(batch_size=batch_rows, columns=wanted, use_threads=False):
                columns = {name: batch.column(place) for place, name in enumerate(batch.schema.names)}
                yield Batch(path.name, first, columns, batch.num_rows, first + batch.num_rows, total)
                first += batch.num_rows
    except (pa.ArrowException, OSError) as error:
        raise _no_table(path, "Parquet", error) from None


def _csv(path: Path, needed: Sequence[str], optional: Sequence[str], batch_rows: int) -> Iterator[Batch]:
    import pyarrow as pa
    import pyarrow.csv as csv

    header = _header(path)
    wanted = _wanted(path, header, needed, optional)
    # As text: one odd cell is a row to put aside, not the end of the import.
    convert = csv.ConvertOptions(include_columns=wanted, column_types=dict.fromkeys(wanted, pa.string()), strings_can_be_null=False)
    first, total, done = 0, path.stat().st_size, 0
    try:
        with csv.open_csv(
            path,
            read_options=csv.ReadOptions(block_size=CSV_BLOCK_BYTES, use_threads=False),
            parse_options=csv.ParseOptions(newlines_in_values=True),
            convert_options=convert,
        ) as reader:
            for whole in reader:
                done = min(done + CSV_BLOCK_BYTES, total)
                for start in range(0, whole.num_rows, batch_rows):
                    batch = whole.slice(start, batch_rows)
                    columns = {name: batch.column(place) for place, name in enumerate(batch.schema.names)}
                    yield Batch(path.name, first, columns, batch.num_rows, done, total)
                    first += batch.num_rows
    except (pa.ArrowException, OSError) as error:
        raise _no_table(path, "CSV", error) from None


def _header(path: Path) -> list[str]:
    import csv

    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            names = next(csv.reader(file), [])
    except (UnicodeDecodeError, OSError, csv.Error) as error:
        raise _no_table(path, "CSV", error) from None
    twice = [name for place, name in enumerate(names) if name in names[:place]]
    if twice or not names:
        found = f"{twice[0]!r} twice" if twice else "none"
        raise DataError(f"{path.name}: must have a header that names each column once, found {found}")
    return names


def _wanted(path: Path, found: Sequence[str], needed: Sequence[str], optional: Sequence[str]) -> list[str]:
    for name in needed:
        if name not in found:
            raise DataError(f"{path.name}: {UnknownName('column', name, found, where='the file')}")
    return [name for name in dict.fromkeys((*needed, *optional)) if name in found]


def _no_table(path: Path, kind: str, error: BaseException) -> DataError:
    line = (str(error).splitlines() or [type(error).__name__])[0]
    return DataError(f"{path.name}: must be a whole {kind} table, found {line!r}")
