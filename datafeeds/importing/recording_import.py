# SPDX-License-Identifier: Apache-2.0
"""A recording as a tape in bounded memory: the tape that :func:`kilohour.datafeeds.recording.read_recording` makes in memory."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kilohour.datafeeds.importing.intake import Columns, Intake
from kilohour.datafeeds.importing.names import Names
from kilohour.datafeeds.importing.refusals import Refusals
from kilohour.datafeeds.importing.spool import RUN_ROWS
from kilohour.datafeeds.importing.stream import Batch
from kilohour.datafeeds.importing.tape_import import Taped, import_tape
from kilohour.datafeeds.reading import Progress
from kilohour.datafeeds.recording import Taken
from kilohour.tape import Tape
from kilohour.tape.events import Events
from kilohour.tape.schema import COLUMNS

SOURCE = "recorded"


def import_recording(folder: Path, out: Path, *, run_rows: int = RUN_ROWS, progress: Progress | None = None) -> Taped:
    """Writes the tape of a recording. Raises :class:`DataError` as reading it does."""
    reader = _RecordingReader(Taken.of(folder))
    return import_tape(SOURCE, reader, [folder], out, key=reader.key(), run_rows=run_rows, progress=progress)


class _RecordingReader:
    words: Sequence[str] = ()
    time = "ts"
    dtypes: Mapping[str, npt.DTypeLike] = COLUMNS

    def __init__(self, taken: Taken) -> None:
        self._taken = taken
        self.memory: dict[str, Any] = {"late": 0, "last": None}

    def key(self) -> dict[str, Any]:
        """A recording that has grown since is another one."""
        told = [self._taken.header, self._taken.tail, [contract.code for contract in self._taken.contracts]]
        chunks = [[path.name, path.stat().st_size] for path in self._taken.chunks]
        return {"chunks": chunks, "rest": hashlib.sha256(json.dumps(told).encode()).hexdigest()}

    def open(self, path: Path) -> Iterator[Batch]:
        total, first = len(self._taken.chunks) + 1, 0
        for number, part in enumerate(self._taken.parts(), 1):
            yield Batch(path.name, first, part, len(part["ts"]), number, total)
            first += len(part["ts"])

    def of(self, batch: Batch, names: Names, refusals: Refusals) -> Columns:  # noqa: ARG002
        ts = batch.columns["ts"]
        if len(ts):
            last = self.memory["last"]
            self.memory["late"] += int(np.count_nonzero(np.diff(ts) < 0)) + int(last is not None and ts[0] < last)
            self.memory["last"] = int(ts[-1])
        return dict(batch.columns)

    def tape(self, intake: Intake, files: Sequence[str]) -> tuple[Iterator[Events], Callable[[], Tape]]:  # noqa: ARG002
        empty = {name: np.empty(0, dtype) for name, dtype in COLUMNS.items()}
        rest = self._taken.tape(empty, intake.rows, self.memory["late"])
        return _ordered(intake), lambda: rest


def _ordered(intake: Intake) -> Iterator[Events]:
    for bucket in intake.spool.buckets():
        order = np.lexsort((bucket["ref"], bucket["kind"], bucket["ts"]))  # stable: what came in first stays first
        yield {name: column[order] for name, column in bucket.items()}
