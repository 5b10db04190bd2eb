# SPDX-License-Identifier: Apache-2.0
"""A tape on disk: a folder of three Parquet files and a manifest, written whole or not at all.

======================  ==================================================================================
``manifest.json``       schema version, hashes, source, notes, days per year, products that came with it
``events.parquet``      the columns of :data:`kilohour.tape.schema.COLUMNS`, one row group
``contracts.parquet``   one row a contract, its days worked out; ``fixing_days`` is a list column
``indices.parquet``     one row an index or public series
======================  ==================================================================================

Hashes are SHA-256 over what the files say, not over their bytes, so that another release of the Parquet
library writes another file with the same hash: for events over the little-endian bytes of each column, for
contracts and indices over their rows as JSON, and for the tape over the manifest, which holds those. The
hash does not cover the release of kilohour: the same content has the same hash everywhere.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kilohour.contracts.contract import Contract
from kilohour.errors import DataError, UsageError
from kilohour.folders import check_target, written_whole
from kilohour.tape.schema import COLUMNS, SCHEMA_VERSION, Index
from kilohour.tape.tape import Tape, check_settled_once

if TYPE_CHECKING:
    from kilohour.contracts.product import Product

FORMAT = "kilohour tape"
MANIFEST, EVENTS, CONTRACTS, INDICES = "manifest.json", "events.parquet", "contracts.parquet", "indices.parquet"
MANIFEST_KEYS = ("source", "notes", "days_per_year", "products", "assumptions", "events", "contracts", "indices")
FILES = (MANIFEST, EVENTS, CONTRACTS, INDICES)


def save(tape: Tape, folder: str | Path) -> Tape:
    """Writes ``tape`` to ``folder`` and returns it with its hash.

    Everything is written beside the folder first and moved there at the end, so a tape is never seen half
    written. An older tape in the folder is replaced. Raises :class:`UsageError` for a folder or file that
    is there and is not a tape: nothing of the user's is ever deleted.
    """
    folder = Path(folder)
    check_replaceable(folder)
    manifest = _manifest(tape)
    with written_whole(folder) as draft:
        _write_events(tape, draft / EVENTS)
        _write_rows([asdict(c) for c in tape.contracts], _contract_fields(), draft / CONTRACTS)
        _write_rows([asdict(i) for i in tape.indices], _index_fields(), draft / INDICES)
        text = json.dumps(manifest, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
        (draft / MANIFEST).write_text(text, encoding="utf-8")
    return replace(tape, sha256=manifest["sha256"])


def load(folder: str | Path) -> Tape:
    """Reads the tape in ``folder`` and checks every hash.

    Raises :class:`DataError` naming the file and the rule: a missing file, another schema version, a
    column that is not as it was written.
    """
    folder = Path(folder)
    manifest = _read_manifest(folder)
    for name in FILES:
        if not (folder / name).is_file():
            raise DataError(f"{folder / name}: a tape needs this file, found none")
    events = _read_events(folder / EVENTS, manifest["events"])
    contracts = _read_rows(folder / CONTRACTS, manifest["contracts"], _contract_fields())
    check_settled_once(events, [row["code"] for row in contracts], f"{folder / EVENTS}: ")
    indices = _read_rows(folder / INDICES, manifest["indices"], _index_fields())
    return Tape(
        events=events,
        contracts=tuple(Contract(**{**row, "fixing_days": tuple(row["fixing_days"])}) for row in contracts),
        indices=tuple(Index(**row) for row in indices),
        source=manifest["source"],
        notes=tuple(manifest["notes"]),
        days_per_year=manifest["days_per_year"],
        sha256=manifest["sha256"],
        assumptions=tuple(manifest["assumptions"]),
        products=_products(manifest["products"]),
    )


def fingerprint(tape: Tape) -> str:
    """The hash ``tape`` would be saved under; its own where it has one."""
    if tape.sha256:
        return tape.sha256
    digest: str = _manifest(tape)["sha256"]
    return digest


def is_tape(folder: str | Path) -> bool:
    """True when ``folder`` holds a tape's manifest, whether or not the tape is sound."""
    try:
        text = (Path(folder) / MANIFEST).read_text(encoding="utf-8")
        return bool(json.loads(text)["format"] == FORMAT)
    except (OSError, ValueError, LookupError, TypeError):
        return False


def check_version(folder: str | Path) -> None:
    """Reads a tape's manifest only. Raises :class:`DataError` when the folder is no tape of this schema version."""
    _read_manifest(Path(folder))


def check_replaceable(folder: Path) -> None:
    """Raises :class:`UsageError` when :func:`save` would refuse the folder: ask before a long import."""
    check_target(folder, what="tape", files=FILES, needs=(MANIFEST,))
    if folder.exists() and any(folder.iterdir()) and not is_tape(folder):
        raise UsageError(f"{folder}: a tape is only written to a new folder, an empty one, or over a tape, "
                         f"found a {MANIFEST} that is not a tape's")


def _manifest(tape: Tape) -> dict[str, Any]:
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "schema_version": SCHEMA_VERSION,
        "source": tape.source,
        "notes": list(tape.notes),
        "days_per_year": tape.days_per_year,
        "assumptions": list(tape.assumptions),
        "products": [product.to_dict() for product in tape.products],
        "events": {"rows": len(tape), "columns": {name: _sha256(tape.events[name]) for name in COLUMNS}},
        "contracts": _rows_entry([asdict(c) for c in tape.contracts]),
        "indices": _rows_entry([asdict(i) for i in tape.indices]),
    }
    return {**manifest, "sha256": _manifest_sha256(manifest)}


def _manifest_sha256(manifest: Mapping[str, Any]) -> str:
    return _json_sha256({key: value for key, value in manifest.items() if key != "sha256"})


def _rows_entry(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {"rows": len(rows), "sha256": _json_sha256(rows)}


def _json_sha256(value: object) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _sha256(column: npt.NDArray[Any]) -> str:
    little = np.ascontiguousarray(column, dtype=column.dtype.newbyteorder("<"))
    return hashlib.sha256(little.data if little.size else b"").hexdigest()


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    if not folder.is_dir():
        raise DataError(f"{folder}: a tape is a folder, found {'a file' if folder.exists() else 'nothing there'}")
    if not path.is_file():
        raise DataError(f"{path}: a tape needs this file, found none")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{path}: must be JSON, found {str(error)!r}") from None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise DataError(f"{path}: must say format {FORMAT!r}, so this folder is not a tape")
    if manifest.get("schema_version") != SCHEMA_VERSION:
        raise DataError(f"{path}: schema version must be {SCHEMA_VERSION}, found {manifest.get('schema_version')!r}; "
                        "import the data again with this release")
    missing = [key for key in MANIFEST_KEYS if key not in manifest]
    if missing:
        raise DataError(f"{path}: must say {missing[0]!r}, found nothing of it; "
                        "import the data again with this release")
    if manifest.get("sha256") != _manifest_sha256(manifest):
        raise DataError(f"{path}: was changed after it was written, its sha256 must be "
                        f"{_manifest_sha256(manifest)[:12]}, found {str(manifest.get('sha256'))[:12]}")
    return manifest


def _write_events(tape: Tape, path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    # Deltas of sorted times and of tick-sized steps are tiny: 1 million minute bars take 3 MB and read at 1 GB/s.
    pq.write_table(
        pa.table({name: tape.events[name] for name in COLUMNS}), path,
        row_group_size=max(len(tape), 1), compression="zstd", compression_level=1, use_dictionary=False,
        column_encoding={name: "PLAIN" if name == "kind" else "DELTA_BINARY_PACKED" for name in COLUMNS},
        write_statistics=False, store_schema=False,
    )


def _read_events(path: Path, entry: Mapping[str, Any]) -> dict[str, npt.NDArray[Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    events: dict[str, npt.NDArray[Any]] = {}
    try:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            if names != list(COLUMNS):
                raise DataError(f"{path}: columns must be {', '.join(COLUMNS)}, found {', '.join(names)}")
            # Column by column: the peak is the tape itself and one column, not the tape twice.
            for name, dtype in COLUMNS.items():
                found_column = file.read(columns=[name], use_threads=False).column(0).combine_chunks()
                found = (len(found_column), found_column.type, found_column.null_count)
                if found != (entry["rows"], pa.from_numpy_dtype(dtype), 0):
                    raise DataError(f"{path}: column {name!r} must hold {entry['rows']} values of {dtype}, "
                                    f"found {found[0]} of {found[1]}, {found[2]} of them empty")
                column = _view(found_column, dtype)
                _check_hash(path, f"column {name!r}", _sha256(column), entry["columns"][name])
                events[name] = column
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path}: must be a readable Parquet file, found {_first_line(error)!r}") from None
    pa.default_memory_pool().release_unused()  # what decoding took: 25 MB of a million bars that the run can use again
    return events


def _view(column: Any, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    if len(column) == 0:
        return np.empty(0, dtype=dtype)
    # Not column.to_numpy(): it imports pandas, 0.3 s that a run without pandas need not pay.
    return np.frombuffer(column.buffers()[1], dtype=dtype, count=len(column), offset=column.offset * dtype.itemsize)


def _contract_fields() -> dict[str, Any]:
    import pyarrow as pa

    kinds = {"str": pa.string(), "int": pa.int64(), "tuple[int, ...]": pa.list_(pa.int64())}
    return {field.name: kinds[str(field.type)] for field in fields(Contract)}


def _index_fields() -> dict[str, Any]:
    import pyarrow as pa

    return {field.name: pa.string() for field in fields(Index)}


def _write_rows(rows: list[dict[str, Any]], schema: Mapping[str, Any], path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pylist(rows, schema=pa.schema(list(schema.items()))), path, compression="zstd")


def _read_rows(path: Path, entry: Mapping[str, Any], schema: Mapping[str, Any]) -> list[dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            rows: list[dict[str, Any]] = file.read(use_threads=False).to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path}: must be a readable Parquet file, found {_first_line(error)!r}") from None
    if rows and list(rows[0]) != list(schema):
        raise DataError(f"{path}: columns must be {', '.join(schema)}, found {', '.join(rows[0])}")
    _check_hash(path, "its rows", _rows_entry(rows)["sha256"], entry["sha256"])
    return rows


def _check_hash(path: Path, what: str, found: str, wanted: str) -> None:
    if found != wanted:
        raise DataError(f"{path}: {what} must have sha256 {wanted[:12]} as the manifest says, found {found[:12]}; "
                        "the file was changed or damaged, import the data again")


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _products(entries: list[dict[str, Any]]) -> tuple[Product, ...]:
    if not entries:
        return ()
    from kilohour.contracts.product import Product

    return tuple(Product.from_dict(entry) for entry in entries)
