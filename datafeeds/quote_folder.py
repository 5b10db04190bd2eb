# SPDX-License-Identifier: Apache-2.0
"""Quotes on disk: a folder of Parquet parts in one order, with a manifest; written whole or not at all.

=======================  =========================================================================================
``manifest.json``        schema version, hash and rows of each part, names, inputs, counts, notes
``quotes-00000.parquet`` the columns of :data:`kilohour.datafeeds.quotes.COLUMNS`, at most :data:`PART_ROWS` rows;
                         texts are dictionaries, so that any Parquet reader shows them as text
``rejected.csv``         rows of the inputs that were refused, each with the reason; only when there are some
=======================  =========================================================================================

Hashes are SHA-256 over values, not over the files' bytes: of a part over the little-endian bytes of its columns in
order, texts as codes into the manifest's sorted names; of the folder over its manifest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kilohour.datafeeds.importing.cells import array_of
from kilohour.datafeeds.quotes import COLUMNS, NUMBERS, SCHEMA_VERSION, WORDS, Quotes, check_quotes
from kilohour.errors import DataError, UsageError
from kilohour.folders import check_target, written_whole
from kilohour.tape import arrow

FORMAT = "kilohour quotes"
MANIFEST, REJECTED = "manifest.json", "rejected.csv"
PART_ROWS = 1 << 20

Columns = Mapping[str, Any]
"""Arrays by column name."""


def part_name(number: int) -> str:
    """File of a part."""
    return f"quotes-{number:05d}.parquet"


def save(quotes: Quotes, folder: Path, *, notes: Sequence[str] = ()) -> Quotes:
    """Writes quotes that are in memory; see :meth:`Quotes.save`."""
    check_quotes(quotes)
    check_replaceable(folder)
    with written_whole(folder) as draft:
        parts = []
        for number, first in enumerate(range(0, len(quotes), PART_ROWS)):
            columns = {name: getattr(quotes, name)[first : first + PART_ROWS] for name in COLUMNS}
            parts.append(write_part(draft / part_name(number), columns, quotes.names))
        manifest = {"names": quotes.names, "parts": parts, "notes": [*quotes.notes, *notes], "rows": len(quotes)}
        digest = write_manifest(draft, manifest)
    return replace(quotes, sha256=digest, notes=(*quotes.notes, *notes))


def load(folder: Path, *, known_by: int | None = None, texts: Mapping[str, Any] | None = None) -> Quotes:
    """See :meth:`Quotes.load`."""
    manifest = read_manifest(folder)
    names = {name: tuple(manifest["names"][name]) for name in WORDS}
    found = []
    for columns in read_parts(folder, manifest):
        part = Quotes(**dict(columns), names=names)
        found.append(part.where(known_by=known_by, **(texts or {})) if texts or known_by is not None else part)
    joined = _joined(found)
    return replace(joined, sha256=manifest["sha256"], notes=tuple(manifest["notes"]))


def read_parts(folder: Path, manifest: Mapping[str, Any]) -> Iterator[Columns]:
    """Columns of each part in order, texts as codes into the manifest's names; every hash is checked."""
    for number, entry in enumerate(manifest["parts"]):
        path = folder / part_name(number)
        columns = _read_part(path, manifest["names"])
        digest = _digest(columns)
        if len(columns["seen"]) != entry["rows"] or digest != entry["sha256"]:
            raise DataError(
                f"{path}: must hold {entry['rows']} rows of sha256 {entry['sha256'][:12]} as the manifest says, found "
                f"{len(columns['seen'])} of {digest[:12]}; the file was changed or damaged, import the data again"
            )
        yield columns


def write_part(path: Path, columns: Columns, names: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Writes one part and returns its entry in the manifest."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    arrays: dict[str, Any] = {name: arrow.numbers(columns[name]) for name in NUMBERS}
    for name in WORDS:
        arrays[name] = pa.DictionaryArray.from_arrays(arrow.numbers(columns[name]), arrow.texts(names[name]))
    pq.write_table(
        pa.table(arrays), path, row_group_size=PART_ROWS, compression="zstd", compression_level=1,
        use_dictionary=list(WORDS), column_encoding=dict.fromkeys(NUMBERS, "DELTA_BINARY_PACKED"), write_statistics=["seen"],
    )  # fmt: skip
    return {"rows": len(columns["seen"]), "sha256": _digest(columns)}


def write_manifest(folder: Path, content: Mapping[str, Any]) -> str:
    """Writes the manifest and returns the folder's hash."""
    manifest = {"format": FORMAT, "schema_version": SCHEMA_VERSION, **content}
    digest = _manifest_digest(manifest)
    text = json.dumps({**manifest, "sha256": digest}, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    (folder / MANIFEST).write_text(text, encoding="utf-8")
    return digest


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest. Raises :class:`DataError` when the folder holds no quotes of this schema version."""
    path = folder / MANIFEST
    if not path.is_file():
        raise DataError(f"{path}: a folder of quotes needs this file, found none")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{path}: must be JSON, found {str(error)!r}") from None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise DataError(f"{path}: must say format {FORMAT!r}, so this folder holds no quotes")
    if manifest.get("schema_version") != SCHEMA_VERSION:
        raise DataError(
            f"{path}: schema version must be {SCHEMA_VERSION}, found {manifest.get('schema_version')!r}; "
            "import the data again with this release"
        )
    if manifest.get("sha256") != _manifest_digest(manifest):
        raise DataError(
            f"{path}: was changed after it was written, its sha256 must be {_manifest_digest(manifest)[:12]}, "
            f"found {str(manifest.get('sha256'))[:12]}"
        )
    return manifest


def check_replaceable(folder: Path) -> None:
    """Raises :class:`UsageError` unless the folder is free, empty or older quotes."""
    names = [path.name for path in folder.iterdir()] if folder.is_dir() and not folder.is_symlink() else []
    parts = [name for name in names if name.startswith("quotes-") and name.endswith(".parquet")]
    check_target(folder, what="table of quotes", files=[MANIFEST, REJECTED, *parts], needs=[MANIFEST])
    if MANIFEST in names and not is_quotes(folder):
        raise UsageError(f"{folder}: a table of quotes is only written over one, found another manifest")


def is_quotes(folder: Path) -> bool:
    """True when the folder's manifest is one of quotes, whether or not it is sound."""
    try:
        return bool(json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["format"] == FORMAT)
    except (OSError, ValueError, LookupError, TypeError):
        return False


def _read_part(path: Path, names: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path, read_dictionary=list(WORDS)) as file:
            if file.schema_arrow.names != list(COLUMNS):
                raise DataError(f"{path}: columns must be {', '.join(COLUMNS)}, found {', '.join(file.schema_arrow.names)}")
            table = file.read(use_threads=False)
    except (pa.ArrowException, OSError) as error:
        line = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"{path}: must be a readable Parquet file, found {line!r}") from None
    columns: dict[str, Any] = {}
    for name in NUMBERS:
        chunks = [array_of(chunk) for chunk in table.column(name).chunks]
        columns[name] = chunks[0] if len(chunks) == 1 else np.concatenate(chunks)
    for name in WORDS:
        known = {word: code for code, word in enumerate(names[name])}
        chunks = [_coded(path, name, chunk, known) for chunk in table.column(name).chunks]
        columns[name] = np.concatenate(chunks) if chunks else np.empty(0, np.int32)
    return columns


def _coded(path: Path, name: str, chunk: Any, known: Mapping[str, int]) -> npt.NDArray[np.int32]:
    words = chunk.dictionary.to_pylist()
    strange = [word for word in words if word not in known]
    if strange or chunk.null_count:
        raise DataError(f"{path}: column {name!r} must hold names of the manifest, found {strange[0] if strange else 'an empty cell'!r}")
    codes = np.array([known[word] for word in words], dtype=np.int32)
    coded: npt.NDArray[np.int32] = codes[array_of(chunk.indices)]
    return coded


def _joined(parts: Sequence[Quotes]) -> Quotes:
    if not parts:
        return Quotes.of(())
    if len(parts) == 1:
        return parts[0]
    merged = {name: tuple(sorted({word for part in parts for word in part.names[name]})) for name in WORDS}
    columns: dict[str, Any] = {name: np.concatenate([getattr(part, name) for part in parts]) for name in NUMBERS}
    for name in WORDS:
        place = {word: code for code, word in enumerate(merged[name])}
        columns[name] = np.concatenate([_moved(part, name, place) for part in parts])
    return Quotes(**columns, names=merged)


def _moved(part: Quotes, name: str, place: Mapping[str, int]) -> npt.NDArray[np.int32]:
    moved = np.array([place[word] for word in part.names[name]], dtype=np.int32)
    codes: npt.NDArray[np.int32] = moved[getattr(part, name)]
    return codes


def _digest(columns: Columns) -> str:
    digest = hashlib.sha256()
    for name in COLUMNS:
        column = columns[name]
        little = np.ascontiguousarray(column, dtype=column.dtype.newbyteorder("<"))
        digest.update(little.data if little.size else b"")
    return digest.hexdigest()


def _manifest_digest(manifest: Mapping[str, Any]) -> str:
    content = {key: value for key, value in manifest.items() if key != "sha256"}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
