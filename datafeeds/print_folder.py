# SPDX-License-Identifier: Apache-2.0
"""Prints on disk: ``prints.parquet`` and ``manifest.json`` (schema version, hash, units, notes), written whole or not at all.

The hash is SHA-256 over the values, not over the file's bytes.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from kilohour.datafeeds.importing.cells import array_of
from kilohour.datafeeds.prints import COLUMNS, NUMBERS, SCHEMA_VERSION, WORDS, Prints
from kilohour.errors import DataError, UsageError
from kilohour.folders import check_target, written_whole
from kilohour.tape import arrow

FORMAT = "kilohour prints"
MANIFEST, TABLE, REJECTED = "manifest.json", "prints.parquet", "rejected.csv"


def save(prints: Prints, folder: Path, *, content: Mapping[str, Any] | None = None, rejected: Path | None = None) -> Prints:
    """Writes prints; ``content`` is what else the manifest says, ``rejected`` the side file of an import."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    check_replaceable(folder)
    arrays: dict[str, Any] = {name: arrow.numbers(getattr(prints, name)) for name in NUMBERS}
    for name in WORDS:
        arrays[name] = pa.DictionaryArray.from_arrays(arrow.numbers(getattr(prints, name)), arrow.texts(prints.names[name]))
    manifest = {
        "format": FORMAT,
        "schema_version": SCHEMA_VERSION,
        "rows": len(prints),
        "units": dict(prints.units),
        "notes": list(prints.notes),
        "names": {name: list(prints.names[name]) for name in WORDS},
        "columns": _digest(prints),
        **(content or {}),
    }
    digest = _manifest_digest(manifest)
    with written_whole(folder) as draft:
        pq.write_table(pa.table(arrays), draft / TABLE, compression="zstd", use_dictionary=list(WORDS))
        if rejected is not None:
            shutil.copyfile(rejected, draft / REJECTED)
        text = json.dumps({**manifest, "sha256": digest}, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
        (draft / MANIFEST).write_text(text, encoding="utf-8")
    return replace(prints, sha256=digest)


def load(folder: Path) -> Prints:
    """See :meth:`Prints.load`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    manifest = _read_manifest(folder)
    path = folder / TABLE
    try:
        with pq.ParquetFile(path, read_dictionary=list(WORDS)) as file:
            table = file.read(use_threads=False).combine_chunks()
    except (pa.ArrowException, OSError) as error:
        line = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"{path}: must be a readable Parquet file, found {line!r}") from None
    if table.column_names != list(COLUMNS):
        raise DataError(f"{path}: columns must be {', '.join(COLUMNS)}, found {', '.join(table.column_names)}")
    names = {name: tuple(manifest["names"][name]) for name in WORDS}
    columns: dict[str, Any] = {
        name: np.concatenate([array_of(c) for c in table.column(name).chunks] or [np.empty(0, np.int64)]) for name in NUMBERS
    }
    for name in WORDS:
        code = {word: i for i, word in enumerate(names[name])}
        columns[name] = np.array([code.get(word, -1) for word in table.column(name).to_pylist()], dtype=np.int32)
    found = Prints(**columns, names=names, units=manifest["units"], sha256=manifest["sha256"], notes=tuple(manifest["notes"]))
    if _digest(found) != manifest["columns"]:
        raise DataError(
            f"{path}: must have sha256 {manifest['columns'][:12]} as the manifest says, found {_digest(found)[:12]}; "
            "the file was changed or damaged, import the data again"
        )
    return found


def check_replaceable(folder: Path) -> None:
    """Raises :class:`UsageError` unless the folder is free, empty or older prints."""
    check_target(folder, what="table of prints", files=[MANIFEST, TABLE, REJECTED], needs=[MANIFEST])
    if (folder / MANIFEST).exists() and not is_prints(folder):
        raise UsageError(f"{folder}: a table of prints is only written over one, found another manifest")


def is_prints(folder: Path) -> bool:
    """True when the folder's manifest is one of prints, whether or not it is sound."""
    try:
        return bool(json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["format"] == FORMAT)
    except (OSError, ValueError, LookupError, TypeError):
        return False


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    if not path.is_file():
        raise DataError(f"{path}: a folder of prints needs this file, found none")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{path}: must be JSON, found {str(error)!r}") from None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise DataError(f"{path}: must say format {FORMAT!r}, so this folder holds no prints")
    if manifest.get("schema_version") != SCHEMA_VERSION:
        raise DataError(
            f"{path}: schema version must be {SCHEMA_VERSION}, found {manifest.get('schema_version')!r}; "
            "import the data again with this release"
        )
    if manifest.get("sha256") != _manifest_digest(manifest):
        raise DataError(f"{path}: was changed after it was written")
    return manifest


def _digest(prints: Prints) -> str:
    digest = hashlib.sha256()
    for name in COLUMNS:
        column = getattr(prints, name)
        little = np.ascontiguousarray(column, dtype=column.dtype.newbyteorder("<"))
        digest.update(little.data if little.size else b"")
    return digest.hexdigest()


def _manifest_digest(manifest: Mapping[str, Any]) -> str:
    content = {key: value for key, value in manifest.items() if key != "sha256"}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
