# SPDX-License-Identifier: Apache-2.0
"""What a recorder writes: the events of a tape as they come in, appended in chunks, safe against a crash.

======================  ==============================================================================================
``header.json``         format, schema version, columns, source, trading days a year
``names.jsonl``         one line a contract or series, in order of ``ref``: ``{"contract": {...}}``, ``{"index": {...}}``
``chunk-00000.parquet`` the columns of :data:`kilohour.tape.schema.COLUMNS`, :data:`CHUNK_ROWS` events each, in the order
                        in which they came in
``tail.jsonl``          the events since the last chunk, one a line: ``[number, ts, ts_event, kind, ref, open, ...]``
======================  ==============================================================================================

Events are numbered from 0 in the order they came in. A chunk is written beside its place and moved there; only then is the
tail cut, so that an event that is in both has one number and is read once. After a crash at most the last line of the tail is torn:
it is left out, and a note says so. Everything :meth:`Recording.flush` was called for is there.

:func:`read_recording` makes a tape of it, sorted by (``ts``, kind, ``ref``, number).
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import numpy.typing as npt

from kilohour.contracts.contract import Contract
from kilohour.errors import DataError, UsageError
from kilohour.tape import Index, Kind, Tape
from kilohour.tape.schema import COLUMNS, SCHEMA_VERSION
from kilohour.units import MISSING

FORMAT = "kilohour recording"
HEADER, NAMES, TAIL = "header.json", "names.jsonl", "tail.jsonl"
CHUNK_ROWS = 65_536
VALUES = ("open", "high", "low", "close", "volume")


class Recording:
    """Appends events to a folder; :meth:`open` begins a new one or goes on with one that is there.

    The recorder hands over times; nothing here reads a clock.
    """

    def __init__(
        self,
        folder: Path,
        tail: TextIO,
        names: TextIO,
        refs: dict[tuple[str, str], int],
        written: int,
        pending: list[list[int]],
        chunks: int,
        chunk_rows: int,
    ) -> None:
        self.folder = folder
        self._tail, self._names, self._refs = tail, names, refs
        self._count, self._pending, self._chunks, self._chunk_rows = written, pending, chunks, chunk_rows
        self.last_at = max((row[1] for row in pending), default=0)
        """Latest time of an event so far, nanoseconds UTC: a feed that tells its past again goes on behind it."""

    @classmethod
    def open(cls, folder: str | Path, *, source: str, days_per_year: int = 365, chunk_rows: int = CHUNK_ROWS) -> Recording:
        """Begins or continues a recording. Raises :class:`UsageError` for a folder of something else,
        :class:`DataError` for one that is damaged."""
        folder = Path(folder)
        header = {
            "format": FORMAT,
            "schema_version": SCHEMA_VERSION,
            "columns": list(COLUMNS),
            "source": source,
            "days_per_year": days_per_year,
        }
        if folder.exists() and (not folder.is_dir() or (any(folder.iterdir()) and not (folder / HEADER).is_file())):
            raise UsageError(f"{folder}: a recording is only written to a new or empty folder or continued, found something else there")
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / HEADER).is_file():
            if (found := _header(folder)) != header:
                raise UsageError(
                    f"{folder}: a recording goes on as it began, source {found['source']!r} and "
                    f"{found['days_per_year']} days a year, found {source!r} and {days_per_year}"
                )
        else:
            (folder / HEADER).write_text(json.dumps(header, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        refs = {_name_of(kind, row): ref for kind, ref, row in _names_of(folder)}
        chunks = _chunks_of(folder)
        kept = sum(_rows_in(path) for path in chunks)
        rows, _ = _tail_of(folder, kept)
        _rewrite_tail(folder, rows)
        tail, names = (open(folder / name, "a", encoding="utf-8") for name in (TAIL, NAMES))  # noqa: SIM115
        recording = cls(folder, tail, names, refs, kept + len(rows), rows, len(chunks), chunk_rows)
        for path in chunks[-1:]:
            recording.last_at = max(recording.last_at, int(_read_chunk(path)["ts"].max()))
        return recording

    def contract(self, contract: Contract) -> int:
        """The ``ref`` of a contract; one that was named before keeps its number."""
        return self._named("contract", contract.code, asdict(contract))

    def index(self, index: Index) -> int:
        """The ``ref`` of an index or public series."""
        return self._named("index", index.code, asdict(index))

    def append(self, kind: Kind, ref: int, ts: int, ts_event: int | None = None, **values: int) -> int:
        """Adds one event and returns its number; ``values`` are those of ``open high low close volume`` that the kind carries."""
        unknown = [name for name in values if name not in VALUES]
        if unknown:
            raise UsageError(f"an event carries {', '.join(VALUES)}, found {unknown[0]!r}")
        row = [self._count, ts, ts if ts_event is None else ts_event, int(kind), ref, *(values.get(name, MISSING) for name in VALUES)]
        self._tail.write(json.dumps(row, separators=(",", ":")) + "\n")
        self._pending.append(row)
        self._count, self.last_at = self._count + 1, max(self.last_at, ts)
        if len(self._pending) >= self._chunk_rows:
            self._roll()
        return self._count - 1

    def flush(self) -> None:
        """Returns when everything appended so far is on the disk."""
        for file in (self._names, self._tail):
            file.flush()
            os.fsync(file.fileno())

    def close(self) -> None:
        """Flushes and closes; the recording can be opened again."""
        self.flush()
        self._names.close()
        self._tail.close()

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _named(self, kind: str, code: str, row: dict[str, Any]) -> int:
        known = self._refs.get((kind, code))
        if known is not None:
            return known
        ref = sum(1 for other, _ in self._refs if other == kind)
        self._refs[kind, code] = ref
        self._names.write(json.dumps({kind: row}, separators=(",", ":"), ensure_ascii=False) + "\n")
        self._names.flush()
        return ref

    def _roll(self) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self.flush()
        path = self.folder / f"chunk-{self._chunks:05d}.parquet"
        part = path.with_suffix(".part")
        columns = _columns(self._pending)
        pq.write_table(pa.table({name: pa.array(columns[name]) for name in COLUMNS}), part, compression="zstd")
        os.replace(part, path)
        self._chunks += 1
        self._pending = []
        self._tail.close()
        _rewrite_tail(self.folder, [])
        self._tail = open(self.folder / TAIL, "a", encoding="utf-8")  # noqa: SIM115


@dataclass(frozen=True, slots=True)
class Taken:
    """A recording as it stood when it was looked at: it may go on being written."""

    folder: Path
    header: dict[str, Any]
    contracts: tuple[Contract, ...]
    indices: tuple[Index, ...]
    chunks: tuple[Path, ...]
    tail: list[list[int]]
    """Its events that no chunk holds."""
    torn: bool
    """The last line of the tail was cut off by a crash."""

    @classmethod
    def of(cls, folder: str | Path) -> Taken:
        """Looks at a recording. Raises :class:`DataError` for what is damaged but for the chunks themselves."""
        folder = Path(folder)
        header = _header(folder)
        chunks = _chunks_of(folder)
        tail, torn = _tail_of(folder, sum(_rows_in(path) for path in chunks))
        named = list(_names_of(folder))  # after the events: a name is written before the first event that has it
        contracts = tuple(Contract(**{**row, "fixing_days": tuple(row["fixing_days"])}) for kind, _, row in named if kind == "contract")
        indices = tuple(Index(**row) for kind, _, row in named if kind == "index")
        return cls(folder, header, contracts, indices, tuple(chunks), tail, torn)

    def parts(self) -> Iterator[dict[str, npt.NDArray[Any]]]:
        """Columns of its events in the order in which they came in. Raises :class:`DataError`."""
        first = 0
        for part in itertools.chain(map(_read_chunk, self.chunks), [_columns(self.tail)]):  # one at a time
            _check_refs(self.folder, part, first, len(self.contracts), len(self.indices))
            first += len(part["ts"])
            yield part

    def tape(self, events: dict[str, npt.NDArray[Any]], rows: int, late: int) -> Tape:
        """The tape of its events in order, of which ``late`` of ``rows`` came in after a later one."""
        if not rows:
            raise DataError(f"{self.folder}: a recording needs at least one event to be a tape, found none")
        notes = [f"{late:,} of {rows:,} events came in after a later one and were put in order"] if late else []
        notes += ["the last line of the tail was torn by a crash and is left out"] if self.torn else []
        return Tape(events=events, contracts=self.contracts, indices=self.indices, source=self.header["source"], notes=tuple(notes),
                    days_per_year=self.header["days_per_year"])  # fmt: skip


def read_recording(folder: str | Path) -> Tape:
    """A recording as a tape, also while it is still being written; the source ``recorded`` makes the same one in bounded memory.

    Raises :class:`DataError` with file and line: a header of another format, a number that is missing, an event of a contract or
    series that was not named, a line that is no event (except a torn last one).
    """
    taken = Taken.of(folder)
    parts = list(taken.parts())
    columns = {name: np.concatenate([part[name] for part in parts]) for name in COLUMNS}
    order = np.lexsort((columns["ref"], columns["kind"], columns["ts"]))
    late = int(np.count_nonzero(np.diff(columns["ts"]) < 0))
    return taken.tape({name: np.ascontiguousarray(columns[name][order]) for name in COLUMNS}, len(order), late)


def _header(folder: Path) -> dict[str, Any]:
    path = folder / HEADER
    try:
        header = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: a recording needs this file as JSON, found {type(error).__name__}") from None
    if not isinstance(header, dict) or header.get("format") != FORMAT or header.get("columns") != list(COLUMNS):
        raise DataError(f"{path}: must say format {FORMAT!r} and columns {', '.join(COLUMNS)}")
    if header.get("schema_version") != SCHEMA_VERSION:
        raise DataError(f"{path}: schema version must be {SCHEMA_VERSION}, found {header.get('schema_version')!r}")
    return header


def _names_of(folder: Path) -> Iterator[tuple[str, int, dict[str, Any]]]:
    """Kind, ref and fields of each name; a torn last line is left out, as nothing can refer to it yet."""
    path, counts = folder / NAMES, {"contract": 0, "index": 0}
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    for number, line in enumerate(text[: text.rfind("\n") + 1].splitlines(), 1):
        try:
            ((kind, row),) = json.loads(line).items()
            yield kind, counts[kind], row
            counts[kind] += 1
        except (ValueError, KeyError, AttributeError):
            raise DataError(f"{path}: line {number} must name one contract or index, found {line[:60]!r}") from None


def _name_of(kind: str, row: dict[str, Any]) -> tuple[str, str]:
    return kind, str(row["code"])


def _chunks_of(folder: Path) -> list[Path]:
    paths = sorted(folder.glob("chunk-*.parquet"))
    for number, path in enumerate(paths):
        if path.name != f"chunk-{number:05d}.parquet":
            raise DataError(f"{folder}: chunk-{number:05d}.parquet is missing, found {path.name} next")
    return paths


def _rows_in(path: Path) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return int(pq.read_metadata(path).num_rows)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path}: must be a readable Parquet file, found {str(error).splitlines()[0]!r}") from None


def _read_chunk(path: Path) -> dict[str, npt.NDArray[Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path}: must be a readable Parquet file, found {str(error).splitlines()[0]!r}") from None
    if table.column_names != list(COLUMNS):
        raise DataError(f"{path}: columns must be {', '.join(COLUMNS)}, found {', '.join(table.column_names)}")
    return {name: np.array(table.column(name), dtype=dtype) for name, dtype in COLUMNS.items()}


def _tail_of(folder: Path, kept: int) -> tuple[list[list[int]], bool]:
    """Events of the tail that no chunk holds, and whether its last line is torn."""
    path = folder / TAIL
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    whole = text.rfind("\n") + 1
    rows: list[list[int]] = []
    for number, line in enumerate(text[:whole].splitlines(), 1):
        try:
            row = json.loads(line)
            sound = len(row) == len(COLUMNS) + 1 and all(type(value) is int for value in row)
        except (ValueError, TypeError):
            sound = False
        if not sound:
            raise DataError(f"{path}: line {number} must be [number, {', '.join(COLUMNS)}] in whole numbers, found {line[:60]!r}")
        if row[0] >= kept:
            rows.append(row)
            if row[0] != kept + len(rows) - 1:
                raise DataError(f"{path}: line {number} must be event {kept + len(rows) - 1}, found {row[0]}: events are missing")
    return rows, whole < len(text)


def _rewrite_tail(folder: Path, rows: list[list[int]]) -> None:
    part = folder / (TAIL + ".part")
    with open(part, "w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, separators=(",", ":")) + "\n" for row in rows)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, folder / TAIL)


def _columns(rows: list[list[int]]) -> dict[str, npt.NDArray[Any]]:
    table = np.array(rows, dtype=np.int64).reshape(len(rows), len(COLUMNS) + 1)
    return {name: table[:, 1 + place].astype(dtype) for place, (name, dtype) in enumerate(COLUMNS.items())}


def _check_refs(folder: Path, columns: dict[str, npt.NDArray[Any]], first: int, contracts: int, indices: int) -> None:
    bound = np.where(columns["kind"] == Kind.PRINT, indices, contracts)
    bad = (columns["ref"] < 0) | (columns["ref"] >= bound)
    if bad.any():
        row = int(np.argmax(bad))
        raise DataError(
            f"{folder}: event {first + row} must be of a contract or series named in {NAMES}, found ref {int(columns['ref'][row])} "
            f"of {int(bound[row])}"
        )
