# SPDX-License-Identifier: Apache-2.0
"""The file of a tape's events: columns in row groups, written block by block and read column by column."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kilohour.errors import DataError
from kilohour.tape.schema import COLUMNS, Kind

ROW_GROUP = 1 << 20
"""Events of a row group; a shorter tape has one."""

MANY = tuple(int(kind) for kind in (Kind.BAR, Kind.MARK, Kind.FUNDING, Kind.INTEREST, Kind.QUOTE))
"""Kinds of which a tape may hold many: of the others a part of it keeps all."""

Events = Mapping[str, npt.NDArray[Any]]


class EventsWriter:
    """Writes blocks of events, each in order and following the one before; :meth:`close` tells rows and hashes.

    However the events are cut into blocks, the file is the same.
    """

    def __init__(self, path: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        # Deltas of sorted times and of tick-sized steps are tiny: 1 million minute bars take 3 MB and read at 1 GB/s.
        self._file = pq.ParquetWriter(
            path, pa.schema([(name, pa.from_numpy_dtype(dtype)) for name, dtype in COLUMNS.items()]),
            compression="zstd", compression_level=1, use_dictionary=False,
            column_encoding={name: "PLAIN" if name == "kind" else "DELTA_BINARY_PACKED" for name in COLUMNS},
            write_statistics=False, store_schema=False,
        )  # fmt: skip
        self._digests = {name: hashlib.sha256() for name in COLUMNS}
        self._held: list[Events] = []
        self._held_rows = self.rows = 0

    def add(self, events: Events) -> None:
        """Takes a block; the arrays are kept until a row group is full."""
        count = len(events["ts"])
        for name, digest in self._digests.items():
            digest.update(_little(events[name]))
        self.rows += count
        start = 0
        while self._held_rows + count - start >= ROW_GROUP:
            end = start + ROW_GROUP - self._held_rows
            self._hold(events, start, end)
            self._write()
            start = end
        if start < count:
            self._hold(events, start, count)

    def close(self) -> dict[str, Any]:
        """Finishes the file and returns its entry in the manifest."""
        if self._held or not self.rows:
            self._write()
        self._file.close()
        return {"rows": self.rows, "columns": {name: digest.hexdigest() for name, digest in self._digests.items()}}

    def abandon(self) -> None:
        """Lets go of the file, unfinished."""
        self._file.close()

    def _hold(self, events: Events, start: int, end: int) -> None:
        self._held.append({name: events[name][start:end] for name in COLUMNS})
        self._held_rows += end - start

    def _write(self) -> None:
        import pyarrow as pa

        held = self._held or [{name: np.empty(0, dtype) for name, dtype in COLUMNS.items()}]
        group = held[0] if len(held) == 1 else {name: np.concatenate([part[name] for part in held]) for name in COLUMNS}
        self._held, self._held_rows = [], 0
        self._file.write_table(pa.table({name: group[name] for name in COLUMNS}), row_group_size=ROW_GROUP)


def entry_of(events: Events) -> dict[str, Any]:
    """What the manifest says of events: rows, and the hash of each column."""
    return {"rows": len(events["ts"]), "columns": {name: hashlib.sha256(_little(events[name])).hexdigest() for name in COLUMNS}}


def read_events(path: Path, entry: Mapping[str, Any], span: tuple[int, int] | None = None) -> dict[str, npt.NDArray[Any]]:
    """All events; or those seen within ``span`` (both ends included), the first and the last, and wherever they lie those of a kind of
    which there are few: all that a run over the span may need. Raises :class:`DataError` when the file is not as it was written.

    Every row group is read and every hash is checked, but no more is held than the events returned and one row group.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    digests = {name: hashlib.sha256() for name in COLUMNS}
    try:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            if names != list(COLUMNS):
                raise DataError(f"{path}: columns must be {', '.join(COLUMNS)}, found {', '.join(names)}")
            if file.metadata.num_rows != entry["rows"]:
                raise DataError(f"{path}: must hold {entry['rows']} events, found {file.metadata.num_rows}")
            if span is None:
                events = _whole(path, file, digests)
            else:
                parts = [_within(group, *span) for group in _groups(path, file, digests)]
                events = {name: np.concatenate([part[name] for part in parts]) for name in COLUMNS}
    except (pa.ArrowException, OSError) as error:
        raise unreadable(path, error) from None
    for name, digest in digests.items():
        check_hash(path, f"column {name!r}", digest.hexdigest(), entry["columns"][name])
    pa.default_memory_pool().release_unused()  # what decoding took: 25 MB of a million bars that the run can use again
    return events


def check_hash(path: Path, what: str, found: str, wanted: str) -> None:
    """Raises :class:`DataError` unless the hashes agree."""
    if found != wanted:
        raise DataError(f"{path}: {what} must have sha256 {wanted[:12]} as the manifest says, found {found[:12]}; "
                        "the file was changed or damaged, import the data again")


def unreadable(path: Path, error: BaseException) -> DataError:
    """What a file that is no whole Parquet file is refused with."""
    line = (str(error).splitlines() or [type(error).__name__])[0]
    return DataError(f"{path}: must be a readable Parquet file, found {line!r}")


def _whole(path: Path, file: Any, digests: Mapping[str, Any]) -> dict[str, npt.NDArray[Any]]:
    """All events. Column by column: the peak is the tape itself and one column of a row group, not the tape twice."""
    events = {}
    for name, dtype in COLUMNS.items():
        parts = (_read(path, file, group, name, digests) for group in range(file.num_row_groups))
        if file.num_row_groups == 1:
            events[name] = next(parts)
            continue
        events[name], start = np.empty(file.metadata.num_rows, dtype), 0
        for part in parts:
            events[name][start:start + len(part)] = part
            start += len(part)
    return events


def _groups(path: Path, file: Any, digests: Mapping[str, Any]) -> Iterator[tuple[Events, bool, bool]]:
    """Each row group, and whether it is the first and whether it is the last."""
    count = file.num_row_groups
    for group in range(count):
        yield {name: _read(path, file, group, name, digests) for name in COLUMNS}, group == 0, group + 1 == count


def _within(group: tuple[Events, bool, bool], first: int, last: int) -> dict[str, npt.NDArray[Any]]:
    events, is_first, is_last = group
    keep = (events["ts"] >= first) & (events["ts"] <= last) | ~np.isin(events["kind"], MANY)
    keep[:1] |= is_first
    keep[-1:] |= is_last
    return {name: column[keep] for name, column in events.items()}


def _read(path: Path, file: Any, group: int, name: str, digests: Mapping[str, Any]) -> npt.NDArray[Any]:
    import pyarrow as pa

    dtype, rows = COLUMNS[name], file.metadata.row_group(group).num_rows
    column = file.read_row_group(group, columns=[name], use_threads=False).column(0).combine_chunks()
    found = (len(column), column.type, column.null_count)
    if found != (rows, pa.from_numpy_dtype(dtype), 0):
        raise DataError(f"{path}: column {name!r} must hold {rows} values of {dtype}, "
                        f"found {found[0]} of {found[1]}, {found[2]} of them empty")
    # Not column.to_numpy(): it imports pandas, 0.3 s that a run without pandas need not pay.
    values = np.frombuffer(column.buffers()[1], dtype, rows, column.offset * dtype.itemsize) if rows else np.empty(0, dtype)
    digests[name].update(_little(values))
    return values


def _little(column: npt.NDArray[Any]) -> Any:
    little = np.ascontiguousarray(column, dtype=column.dtype.newbyteorder("<"))
    return little.data if little.size else b""
