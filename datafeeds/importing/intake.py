# SPDX-License-Identifier: Apache-2.0
"""An import that goes on: what is read, coded, spooled and refused so far, saved as it goes, so that an interrupted one goes on.

While it goes on, what it has lies in a folder beside its target, ``.NAME.import``. An import that was interrupted leaves it there and the
next one of the same input goes on; one that fails removes it, unless it raises :class:`Paused`.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from kilohour.datafeeds.importing.names import Names, Used
from kilohour.datafeeds.importing.refusals import Refusals
from kilohour.datafeeds.importing.spool import RUNS, Spool
from kilohour.datafeeds.importing.stream import Batch
from kilohour.datafeeds.reading import Progress
from kilohour.errors import DataError, KilohourError
from kilohour.tape.manifest import REJECTED

PROGRESS = "progress.json"
FILE_ROWS = 1 << 40
"""Row numbers of the second input begin here, of the third at twice that."""

Columns = dict[str, npt.NDArray[Any]]


class Paused(DataError):
    """An import came to a stop and can go on later: what it has is kept."""


class Reader(Protocol):
    """What makes rows to spool of the batches of an input."""

    @property
    def dtypes(self) -> Mapping[str, npt.DTypeLike]:
        """Columns of a row."""

    @property
    def time(self) -> str:
        """The column by which rows are sorted."""

    @property
    def words(self) -> Sequence[str]:
        """Those that are codes of texts."""

    @property
    def memory(self) -> dict[str, Any]:
        """What it remembers of the batches beside their rows, as JSON holds it."""

    def open(self, path: Path) -> Iterator[Batch]:
        """The batches of an input, the same ones each time."""

    def of(self, batch: Batch, names: Names, refusals: Refusals) -> Columns:
        """The rows of a batch, texts as codes of ``names``; ``row``, where there is one, is the number of the row in its file."""


class Intake:
    """Reads inputs batch by batch into a spool."""

    def __init__(self, work: Path, key: Mapping[str, Any], reader: Reader, saved: Mapping[str, Any], run_rows: int) -> None:
        self.work, self.key, self.reader = work, key, reader
        self.batches: int = saved.get("batches", 0)
        self.rows: int = saved.get("rows", 0)
        self.spool_rows: int = saved.get("spool_rows", 0)
        self.names = Names(reader.words, saved.get("names"))
        self.used = Used()
        for column, codes in saved.get("used", {}).items():
            self.used.note(column, np.array(codes, dtype=np.int32))
        self.refusals = Refusals(work / REJECTED, saved.get("refused"), saved.get("rejected_bytes", 0))
        self.refusals.first = saved.get("first_refused", "")
        reader.memory.update(saved.get("memory", {}))
        self.spool = Spool(work, reader.dtypes, time=reader.time, runs=saved.get("runs"), run_rows=run_rows, bucket_rows=run_rows)

    @classmethod
    def taken_up(cls, work: Path, key: Mapping[str, Any], reader: Reader, run_rows: int) -> Intake:
        """The intake that the folder holds where its key is the same, else a new one."""
        saved: dict[str, Any] = {}
        with contextlib.suppress(OSError, ValueError):
            saved = json.loads((work / PROGRESS).read_text(encoding="utf-8"))
        if saved.get("key") != key:  # nothing of another import may be left for its own resumption: its runs are written over
            for path in (work / PROGRESS, work / REJECTED, *work.glob(RUNS)):
                path.unlink(missing_ok=True)
            saved = {}
        return cls(work, key, reader, saved, run_rows)

    def read(self, inputs: Sequence[Path], progress: Progress | None) -> None:
        """Reads all that is not read yet; ``progress`` is called with thousandths of the inputs."""
        for number, (place, batch) in enumerate(_numbered(inputs, self.reader.open)):
            if progress is not None:
                progress(int(1000 * (place + batch.done / max(batch.total, 1))), 1000 * len(inputs))
            if number < self.batches:
                continue  # read by an earlier, interrupted import
            columns = self.reader.of(batch, self.names, self.refusals)
            if "row" in columns:
                columns["row"] += place * FILE_ROWS
            for name in self.reader.words:
                self.used.note(name, columns[name])
            self.spool.add(columns)
            self.rows, self.batches = self.rows + batch.rows, number + 1
            self.spool_rows += len(columns[self.reader.time])
            if self.spool.is_full:
                self.spool.spill()
                self._save()

    def _save(self) -> None:
        size = self.refusals.flush()
        saved = {
            "key": self.key,
            "batches": self.batches,
            "rows": self.rows,
            "spool_rows": self.spool_rows,
            "names": self.names.words(),
            "used": self.used.codes(),
            "refused": self.refusals.counts,
            "rejected_bytes": size,
            "runs": self.spool.runs,
            "first_refused": self.refusals.first,
            "memory": self.reader.memory,
        }
        part = self.work / (PROGRESS + ".part")
        part.write_text(json.dumps(saved, ensure_ascii=False), encoding="utf-8")
        part.replace(self.work / PROGRESS)


@contextlib.contextmanager
def workshop(out: Path) -> Iterator[Path]:
    """The folder of an import that goes on: gone when it is done or failed, kept when it was interrupted or :class:`Paused`."""
    work = out.parent / f".{out.name}.import"
    made = [folder for folder in (out.parent, *out.parent.parents) if not folder.exists()]
    work.mkdir(parents=True, exist_ok=True)
    try:
        yield work
    except Paused:
        raise
    except (KilohourError, OSError):
        shutil.rmtree(work, ignore_errors=True)
        with contextlib.suppress(OSError):  # not empty: others put something there
            for folder in made:
                folder.rmdir()
        raise
    shutil.rmtree(work, ignore_errors=True)


def _numbered(inputs: Sequence[Path], opened: Callable[[Path], Iterator[Batch]]) -> Iterator[tuple[int, Batch]]:
    for place, path in enumerate(inputs):
        for batch in opened(path):
            yield place, batch
