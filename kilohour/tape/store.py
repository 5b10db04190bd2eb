# SPDX-License-Identifier: Apache-2.0
"""A tape on disk: a folder of three Parquet files and a manifest, written whole or not at all.

======================  ==================================================================================
``manifest.json``       schema version, hashes, source, notes, days per year, products that came with it
``events.parquet``      the columns of :data:`kilohour.tape.schema.COLUMNS`, row groups of a million events
``contracts.parquet``   one row a contract, its days worked out; ``fixing_days`` is a list column
``indices.parquet``     one row an index or public series
``rejected.csv``        rows of the inputs that an import refused, each with the reason; only when there are some
======================  ==================================================================================

Hashes are SHA-256 over what the files say, not over their bytes, so that another release of the Parquet
library writes another file with the same hash: for events over the little-endian bytes of each column, for
contracts and indices over their rows as JSON, and for the tape over the manifest, which holds those. The
hash does not cover the release of kilohour: the same content has the same hash everywhere.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kilohour.contracts.contract import Contract
from kilohour.errors import DataError, UsageError
from kilohour.folders import check_target, written_whole
from kilohour.tape.events import Events, EventsWriter, check_hash, entry_of, read_events, unreadable
from kilohour.tape.manifest import MANIFEST, REJECTED, Manifest, sha256_of
from kilohour.tape.schema import SCHEMA_VERSION, Index
from kilohour.tape.tape import Tape, check_settled_once

if TYPE_CHECKING:
    from kilohour.contracts.product import Product

EVENTS, CONTRACTS, INDICES = "events.parquet", "contracts.parquet", "indices.parquet"
FILES = (MANIFEST, EVENTS, CONTRACTS, INDICES)
MANIFEST_OF_TAPES = Manifest(
    format="kilohour tape", version=SCHEMA_VERSION, holder="a tape", otherwise="is not a tape",
    keys=("source", "notes", "days_per_year", "products", "assumptions", "events", "contracts", "indices"),
)  # fmt: skip


def save(tape: Tape, folder: str | Path) -> Tape:
    """Writes ``tape`` to ``folder`` and returns it with its hash.

    Everything is written beside the folder first and moved there at the end, so a tape is never seen half
    written. An older tape in the folder is replaced. Raises :class:`UsageError` for a folder or file that
    is there and is not a tape: nothing of the user's is ever deleted.
    """
    return save_blocks([tape.events], lambda: tape, folder)


def save_blocks(blocks: Iterable[Events], rest: Callable[[], Tape], folder: str | Path, *,
                rejected: Callable[[], Path | None] = lambda: None) -> Tape:
    """Writes a tape whose events come block by block, each in order and following the one before, as :func:`save` would write it.

    ``rest`` is asked for everything else once the blocks are written, then ``rejected`` for a side file of refused rows. Returns what
    ``rest`` gave, with the hash of the whole.
    """
    folder = Path(folder)
    check_replaceable(folder)
    with written_whole(folder) as draft:
        writer = EventsWriter(draft / EVENTS)
        try:
            for block in blocks:
                writer.add(block)
        except BaseException:
            writer.abandon()
            raise
        entry, tape = writer.close(), rest()
        _write_rows([asdict(c) for c in tape.contracts], _contract_fields(), draft / CONTRACTS)
        _write_rows([asdict(i) for i in tape.indices], _index_fields(), draft / INDICES)
        side = rejected()
        if side is not None:
            shutil.copyfile(side, draft / REJECTED)
        digest = MANIFEST_OF_TAPES.write(draft, _content(tape, entry))
    return replace(tape, sha256=digest)


def load(folder: str | Path, span: tuple[int, int] | None = None) -> Tape:
    """Reads the tape in ``folder`` and checks every hash.

    With ``span``, nanoseconds UTC, only what a cut to it needs is held (:func:`kilohour.tape.slice.load_between` makes that cut).

    Raises :class:`DataError` naming the file and the rule: a missing file, another schema version, a
    column that is not as it was written.
    """
    folder = Path(folder)
    manifest = _read_manifest(folder)
    for name in FILES:
        if not (folder / name).is_file():
            raise DataError(f"{folder / name}: a tape needs this file, found none")
    events = read_events(folder / EVENTS, manifest["events"], span)
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
    return tape.sha256 or MANIFEST_OF_TAPES.digest(_content(tape, entry_of(tape.events)))


def is_tape(folder: str | Path) -> bool:
    """True when ``folder`` holds a tape's manifest, whether or not the tape is sound."""
    return MANIFEST_OF_TAPES.stands_in(Path(folder))


def check_version(folder: str | Path) -> None:
    """Reads a tape's manifest only. Raises :class:`DataError` when the folder is no tape of this schema version."""
    _read_manifest(Path(folder))


def check_replaceable(folder: Path) -> None:
    """Raises :class:`UsageError` when :func:`save` would refuse the folder: ask before a long import."""
    check_target(folder, what="tape", files=(*FILES, REJECTED), needs=(MANIFEST,))
    if folder.exists() and any(folder.iterdir()) and not is_tape(folder):
        raise UsageError(f"{folder}: a tape is only written to a new folder, an empty one, or over a tape, "
                         f"found a {MANIFEST} that is not a tape's")


def _read_manifest(folder: Path) -> dict[str, Any]:
    if not folder.is_dir():
        raise DataError(f"{folder}: a tape is a folder, found {'a file' if folder.exists() else 'nothing there'}")
    return MANIFEST_OF_TAPES.read(folder)


def _content(tape: Tape, events: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "source": tape.source,
        "notes": list(tape.notes),
        "days_per_year": tape.days_per_year,
        "assumptions": list(tape.assumptions),
        "products": [product.to_dict() for product in tape.products],
        "events": events,
        "contracts": _rows_entry([asdict(c) for c in tape.contracts]),
        "indices": _rows_entry([asdict(i) for i in tape.indices]),
    }


def _rows_entry(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {"rows": len(rows), "sha256": sha256_of(rows)}


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
        raise unreadable(path, error) from None
    if rows and list(rows[0]) != list(schema):
        raise DataError(f"{path}: columns must be {', '.join(schema)}, found {', '.join(rows[0])}")
    check_hash(path, "its rows", _rows_entry(rows)["sha256"], entry["sha256"])
    return rows


def _products(entries: list[dict[str, Any]]) -> tuple[Product, ...]:
    if not entries:
        return ()
    from kilohour.contracts.product import Product

    return tuple(Product.from_dict(entry) for entry in entries)
