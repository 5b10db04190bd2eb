# SPDX-License-Identifier: Apache-2.0
"""A table on disk: a folder of Parquet parts in one order, with a manifest; written whole or not at all.

======================  =========================================================================================
``manifest.json``       schema version, hash and rows of each part, names, inputs, counts, notes
``KIND-00000.parquet``  the table's columns, at most :data:`PART_ROWS` rows; texts are dictionaries, so that any
                        Parquet reader shows them as text
``rejected.csv``        rows of the inputs that were refused, each with the reason; only when there are some
======================  =========================================================================================

Hashes are SHA-256 over values, not over the files' bytes: of a part over the little-endian bytes of its columns in
order, texts as codes into the manifest's sorted names; of the folder over its manifest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kilohour.datafeeds.importing.cells import array_of
from kilohour.errors import DataError, UsageError
from kilohour.folders import check_target
from kilohour.tape import arrow
from kilohour.tape.events import unreadable
from kilohour.tape.manifest import MANIFEST, REJECTED, Manifest

PART_ROWS = 1 << 20

Columns = Mapping[str, Any]
"""Arrays by column name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFolder:
    """How the tables of one kind lie on disk."""

    kind: str
    """``quotes`` or ``prints``."""
    one: str
    """A row of them."""
    version: int
    """Of the schema."""
    numbers: tuple[str, ...]
    """Columns of 64-bit integers."""
    words: tuple[str, ...]
    """Columns of texts, 32-bit codes in memory."""
    statistics: str
    """The column whose range each part's file states."""

    @property
    def format(self) -> str:
        """What the manifest says that it is."""
        return f"kilohour {self.kind}"

    @property
    def columns(self) -> tuple[str, ...]:
        """All of them, in the order of the files."""
        return (*self.numbers, *self.words)

    def part_name(self, number: int) -> str:
        """File of a part."""
        return f"{self.kind}-{number:05d}.parquet"

    def write_part(self, path: Path, columns: Columns, names: Mapping[str, Sequence[str]]) -> dict[str, Any]:
        """Writes one part and returns its entry in the manifest."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        arrays: dict[str, Any] = {name: arrow.numbers(columns[name]) for name in self.numbers}
        for name in self.words:
            arrays[name] = pa.DictionaryArray.from_arrays(arrow.numbers(columns[name]), arrow.texts(names[name]))
        pq.write_table(
            pa.table(arrays), path, row_group_size=PART_ROWS, compression="zstd", compression_level=1,
            use_dictionary=list(self.words), column_encoding=dict.fromkeys(self.numbers, "DELTA_BINARY_PACKED"),
            write_statistics=[self.statistics],
        )  # fmt: skip
        return {"rows": len(columns[self.numbers[0]]), "sha256": self._digest(columns)}

    def write_parts(self, folder: Path, columns: Columns, names: Mapping[str, Sequence[str]], first: int = 0) -> list[dict[str, Any]]:
        """Writes rows as parts numbered from ``first`` on and returns their entries in the manifest."""
        rows = len(columns[self.numbers[0]])
        stretches = [slice(start, start + PART_ROWS) for start in range(0, rows, PART_ROWS)]
        return [self.write_part(folder / self.part_name(number), {name: columns[name][rows] for name in self.columns}, names)
                for number, rows in enumerate(stretches, first)]  # fmt: skip

    def write_manifest(self, folder: Path, content: Mapping[str, Any]) -> str:
        """Writes the manifest and returns the folder's hash."""
        return self._manifest.write(folder, content)

    def read_manifest(self, folder: Path) -> dict[str, Any]:
        """The manifest. Raises :class:`DataError` when the folder holds no such table of this schema version."""
        return self._manifest.read(folder)

    def read_parts(self, folder: Path, manifest: Mapping[str, Any]) -> Iterator[Columns]:
        """Columns of each part in order, texts as codes into the manifest's names; every hash is checked."""
        for number, entry in enumerate(manifest["parts"]):
            path = folder / self.part_name(number)
            columns = self._read_part(path, manifest["names"])
            digest, rows = self._digest(columns), len(columns[self.numbers[0]])
            if rows != entry["rows"] or digest != entry["sha256"]:
                raise DataError(
                    f"{path}: must hold {entry['rows']} rows of sha256 {entry['sha256'][:12]} as the manifest says, found "
                    f"{rows} of {digest[:12]}; the file was changed or damaged, import the data again"
                )
            yield columns

    def check_replaceable(self, folder: Path) -> None:
        """Raises :class:`UsageError` unless the folder is free, empty or an older table of this kind."""
        names = [path.name for path in folder.iterdir()] if folder.is_dir() and not folder.is_symlink() else []
        parts = [name for name in names if name.startswith(f"{self.kind}-") and name.endswith(".parquet")]
        check_target(folder, what=f"table of {self.kind}", files=[MANIFEST, REJECTED, *parts], needs=[MANIFEST])
        if MANIFEST in names and not self.holds(folder):
            raise UsageError(f"{folder}: a table of {self.kind} is only written over one, found another manifest")

    def holds(self, folder: Path) -> bool:
        """True when the folder's manifest is one of this kind, whether or not it is sound."""
        return self._manifest.stands_in(folder)

    @property
    def _manifest(self) -> Manifest:
        return Manifest(
            format=self.format, version=self.version, holder=f"a folder of {self.kind}", otherwise=f"holds no {self.kind}"
        )

    def _read_part(self, path: Path, names: Mapping[str, Sequence[str]]) -> dict[str, Any]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            with pq.ParquetFile(path, read_dictionary=list(self.words)) as file:
                if file.schema_arrow.names != list(self.columns):
                    raise DataError(f"{path}: columns must be {', '.join(self.columns)}, found {', '.join(file.schema_arrow.names)}")
                table = file.read(use_threads=False)
        except (pa.ArrowException, OSError) as error:
            raise unreadable(path, error) from None
        columns: dict[str, Any] = {}
        for name in self.numbers:
            chunks = [array_of(chunk) for chunk in table.column(name).chunks]
            columns[name] = chunks[0] if len(chunks) == 1 else np.concatenate(chunks)
        for name in self.words:
            known = {word: code for code, word in enumerate(names[name])}
            chunks = [_coded(path, name, chunk, known) for chunk in table.column(name).chunks]
            columns[name] = np.concatenate(chunks) if chunks else np.empty(0, np.int32)
        return columns

    def _digest(self, columns: Columns) -> str:
        digest = hashlib.sha256()
        for name in self.columns:
            column = columns[name]
            little = np.ascontiguousarray(column, dtype=column.dtype.newbyteorder("<"))
            digest.update(little.data if little.size else b"")
        return digest.hexdigest()


def _coded(path: Path, name: str, chunk: Any, known: Mapping[str, int]) -> npt.NDArray[np.int32]:
    words = chunk.dictionary.to_pylist()
    strange = [word for word in words if word not in known]
    if strange or chunk.null_count:
        raise DataError(f"{path}: column {name!r} must hold names of the manifest, found {strange[0] if strange else 'an empty cell'!r}")
    codes = np.array([known[word] for word in words], dtype=np.int32)
    coded: npt.NDArray[np.int32] = codes[array_of(chunk.indices)]
    return coded
