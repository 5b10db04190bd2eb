# SPDX-License-Identifier: Apache-2.0
"""What can be wrong with an input, and what must come of it: words of the table of damage."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kilohour.errors import KilohourError

KINDS = (
    "cut off", "columns in another order", "wrong unit", "mixed zone", "twice", "unknown chip", "missing column", "no number", "negative",
    "high below low", "after the last trade", "out of order", "nothing in it", "missing day",
)  # fmt: skip
"""Of the issues: what a source is given that it should not be, or that it must take as it is."""

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Never:
    """The damage cannot occur in this format, or is none."""

    why: str


@dataclass(frozen=True)
class Ends:
    """The import ends in one line with these words and leaves nothing."""

    words: str
    rows: Callable[[Rows], Any] | None = None
    after: Callable[[Path], Any] | None = None
    """Done to the folder of the written inputs."""
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Aside:
    """The row is put aside for this reason, and what is kept is what the clean rows give; a tape has one note more, of what is not."""

    reason: str
    rows: Callable[[Rows], Any]
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Same:
    """Nothing is wrong: the files are those of the clean rows, byte for byte."""

    rows: Callable[[Rows], Any]


@dataclass(frozen=True)
class Noted:
    """It is taken, and a line of the import says so."""

    words: str
    rows: Callable[[Rows], Any] | None = None
    after: Callable[[Path], Any] | None = None


Cell = Never | Ends | Aside | Same | Noted


@dataclass(frozen=True, kw_only=True)
class Shape:
    """One shape of a source's input: clean rows, how they are written and imported, and the cell of each kind of damage."""

    source: str
    rows: Rows
    write: Callable[[Path, Any], Any]
    """Writes the inputs into a folder."""
    run: Callable[..., Sequence[str]]
    """Imports the folder's inputs: ``run(folder, out, **options)``."""
    cells: dict[str, Cell | tuple[Cell, ...]]


def more(**changes: Any) -> Callable[[Rows], Rows]:
    """One row more: the first with cells changed."""
    return lambda rows: [*rows, {**rows[0], **changes}]


def turned(rows: Rows) -> Rows:
    """The columns in another order."""
    return [dict(reversed(row.items())) for row in rows]


def without(column: str) -> Callable[[Rows], Rows]:
    """A column is missing."""
    return lambda rows: [{name: cell for name, cell in row.items() if name != column} for row in rows]


def backwards(rows: Rows) -> Rows:
    """The last row first."""
    return rows[::-1]


def header_only(rows: Rows) -> Rows:
    """No row at all; the writer still has the columns."""
    return rows[:0]


def cut(name: str, by: int) -> Callable[[Path], Any]:
    """The end of a file is missing."""
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:-by])


def as_csv(name: str, columns: Sequence[str]) -> Callable[[Path, Rows], Any]:
    """Writes rows as a CSV file."""

    def write(folder: Path, rows: Rows) -> None:
        with (folder / name).open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]) if rows else columns)
            writer.writeheader()
            writer.writerows(rows)

    return write


def as_parquet(folder: Path) -> None:
    """Makes a cut-off Parquet file of the CSV file."""
    with (folder / "in.csv").open(newline="", encoding="utf-8") as file:
        table = pa.Table.from_pylist(list(csv.DictReader(file)))
    pq.write_table(table, folder / "in.parquet")
    cut("in.parquet", 30)(folder)


def files_of(out: Path) -> dict[str, bytes]:
    """What an import wrote. A manifest of quotes or prints also says which input it was, so it differs where that does."""
    is_tape = (out / "events.parquet").is_file()
    left = {"rejected.csv"} if is_tape else {"manifest.json", "rejected.csv"}
    return {path.name: path.read_bytes() for path in sorted(out.iterdir()) if path.name not in left}


def play(shape: Shape, cell: Cell, folder: Path) -> None:
    """Does the damage and asserts what the cell says."""
    clean, spoilt, out = folder / "clean", folder / "spoilt", folder / "out"
    clean.mkdir()
    spoilt.mkdir()
    shape.write(clean, shape.rows)
    rows: Callable[[Rows], Any] | None = getattr(cell, "rows", None)
    after: Callable[[Path], Any] | None = getattr(cell, "after", None)
    shape.write(spoilt, shape.rows if rows is None else rows(shape.rows))
    if after is not None:
        after(spoilt)
    if isinstance(cell, Ends):
        before = sorted(path.name for path in folder.iterdir())
        with pytest.raises(KilohourError, match=cell.words) as error:
            shape.run(spoilt, out, **cell.options)
        assert "\n" not in str(error.value)
        assert sorted(path.name for path in folder.iterdir()) == before
        return
    given = cell.options if isinstance(cell, Aside) else {}
    options = {**given, "rejected_max": "100%"} if isinstance(cell, Aside) else {}
    told = shape.run(spoilt, out, **options)
    if isinstance(cell, Noted):
        assert any(cell.words in line for line in told), told
        return
    shape.run(clean, folder / "wanted", **given)
    found, wanted = files_of(out), files_of(folder / "wanted")
    if isinstance(cell, Aside):
        with (out / "rejected.csv").open(newline="", encoding="utf-8") as file:
            reasons = {row["reason"] for row in csv.DictReader(file)}
        assert reasons == {cell.reason}
        if "manifest.json" in found:
            notes, clean_notes = (json.loads(files.pop("manifest.json"))["notes"] for files in (found, wanted))
            assert notes == [*clean_notes, notes[-1]]
            assert f"refused and left out: {cell.reason} (1)" in notes[-1]
    assert found == wanted
