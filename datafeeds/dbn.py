# SPDX-License-Identifier: Apache-2.0
"""Reads Databento's DBN files record by record, with the symbol of each: bars, official settlements, open interest.

Needs the extra ``databento``. Prices are billionths of a dollar in the files.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kilohour.errors import DataError, UsageError
from kilohour.units import NANOS_PER_SECOND, datetime_of

SECONDS = {"ohlcv-1s": 1, "ohlcv-1m": 60, "ohlcv-1h": 3_600, "ohlcv-1d": 86_400}
INTERVALS = {schema: seconds * NANOS_PER_SECOND for schema, seconds in SECONDS.items()}
STATISTICS = "statistics"
UNDEFINED = 2**63 - 1
"""Price or time that the file does not have."""
CHUNK_BYTES = 1 << 20


@dataclass(slots=True)
class Contents:
    """What a file says of itself."""

    dataset: str
    schema: str
    by_id: dict[int, list[tuple[str, dt.date, dt.date]]] = field(default_factory=dict)
    """Raw symbol with its first day and the day after its last, by instrument id: ids are used again."""

    def symbol(self, record: Any) -> str:
        """The raw symbol of a record's instrument on its day, empty when the file maps none."""
        day = datetime_of(record.ts_event).date()
        return next((name for name, first, end in self.by_id.get(record.instrument_id, ()) if first <= day < end), "")


def records(path: Path) -> Iterator[tuple[Contents, Any, float]]:
    """Contents, record, and the part of the file that is read, 0 to 1. ``.zst`` files are unpacked.

    Raises :class:`DataError` for a file that is not whole or of another schema, :class:`UsageError` without the extra.
    """
    dbn = library()
    if not path.is_file():
        raise DataError(f"{path}: must be a file, found {'a folder' if path.is_dir() else 'nothing there'}")
    packed = path.suffix == ".zst"
    decoder = dbn.DBNDecoder(compression=dbn.Compression.ZSTD if packed else dbn.Compression.NONE)
    contents, total, done = None, max(path.stat().st_size, 1), 0
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                done += len(chunk)
                decoder.write(chunk)
                for record in decoder.decode():
                    if contents is None:
                        contents = _contents(path, record)
                    else:
                        yield contents, record, done / total
    except dbn.DBNError as error:
        raise DataError(f"{path.name}: must be a whole DBN file, found {str(error)!r}") from None
    if contents is None or decoder.buffer():
        raise DataError(f"{path.name}: must be a whole DBN file, found its end within {'a record' if contents else 'the metadata'}")


def library() -> Any:
    """The decoder. Raises :class:`UsageError` when the extra is not installed."""
    try:
        import databento_dbn
    except ImportError:
        raise UsageError("the source databento needs the extra of that name: pip install 'kilohour[databento]'") from None
    return databento_dbn


def _contents(path: Path, metadata: Any) -> Contents:
    schema = str(metadata.schema)
    if schema not in INTERVALS and schema != STATISTICS:
        raise DataError(f"{path.name}: its schema must be {', '.join(INTERVALS)} or {STATISTICS}, found {schema}")
    if not metadata.mappings:
        raise DataError(f"{path.name}: must map raw symbols to instrument ids, found no mapping: ask for stype_in raw_symbol or parent")
    found = Contents(dataset=str(metadata.dataset), schema=schema)
    for name, intervals in metadata.mappings.items():
        for its in intervals:
            if not str(its["symbol"]).isdigit():
                raise DataError(f"{path.name}: must map raw symbols to instrument ids, found {name!r} mapped to {its['symbol']!r}")
            found.by_id.setdefault(int(its["symbol"]), []).append((name, its["start_date"], its["end_date"]))
    return found
