# SPDX-License-Identifier: Apache-2.0
"""Sorts more rows than memory holds: runs on disk, read back as buckets of rows that follow one another in time.

A run is one file of raw columns one after another. Cuts between buckets are times, taken from samples of all runs, so that a bucket
holds about :data:`BUCKET_ROWS` rows whatever order the input had; rows of one time are never cut apart. Within a bucket the rows
have no order: whoever takes it puts them in one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

RUN_ROWS = 1 << 20
BUCKET_ROWS = 1 << 20
SAMPLE_EVERY = 4_096
RUNS = "run-*.columns"
"""Files of runs."""

Columns = dict[str, npt.NDArray[Any]]


class Spool:
    """Takes columns of one length in any order and gives them back in stretches of the column ``time``.

    ``dtypes`` names every column. ``runs`` of an import that was interrupted are taken up again.
    """

    def __init__(
        self,
        folder: Path,
        dtypes: Mapping[str, npt.DTypeLike],
        *,
        time: str,
        runs: list[int] | None = None,
        run_rows: int = RUN_ROWS,
        bucket_rows: int = BUCKET_ROWS,
    ) -> None:
        self.folder, self.time = folder, time
        self.dtypes = {name: np.dtype(dtype) for name, dtype in dtypes.items()}
        self.runs = list(runs or [])
        """Rows of each run on disk."""
        self.run_rows, self.bucket_rows = run_rows, bucket_rows
        self._held: list[Columns] = []
        self._rows = 0

    def add(self, columns: Columns) -> None:
        """Takes more rows; the arrays are kept until :meth:`spill`."""
        if len(columns[self.time]):
            self._held.append(columns)
            self._rows += len(columns[self.time])

    @property
    def is_full(self) -> bool:
        """So many rows are held in memory that they should be spilled."""
        return self._rows >= self.run_rows

    def spill(self) -> None:
        """Writes what is held as one run, sorted by time."""
        if not self._held:
            return
        columns = self._taken()
        order = np.argsort(columns[self.time], kind="stable")
        with self._path(len(self.runs)).open("wb") as file:
            for name, dtype in self.dtypes.items():
                np.ascontiguousarray(columns[name][order], dtype).tofile(file)
        self.runs.append(len(columns[self.time]))

    def buckets(self) -> Iterator[Columns]:
        """All rows, bucket by bucket. Without a run on disk that is one bucket from memory."""
        if not self.runs:
            if self._held:
                yield self._taken()
            return
        self.spill()
        cuts = self._cuts()
        bounds = [[0, *np.searchsorted(self._whole_times(run), cuts).tolist(), rows] for run, rows in enumerate(self.runs)]
        for at in range(len(cuts) + 1):
            parts = [self._slice(run, its[at], its[at + 1]) for run, its in enumerate(bounds) if its[at + 1] > its[at]]
            if parts:
                yield {name: np.concatenate([part[name] for part in parts]) for name in self.dtypes}

    def between(self, after: int, before: int, column: str) -> Iterator[npt.NDArray[Any]]:
        """The column of rows on disk whose time lies between the two, both excluded, some rows at a time and in no order."""
        for run in range(len(self.runs)):
            # Mapped, not read: a search touches a few pages. What is mapped counts as memory of ours, so not for long.
            times = np.memmap(self._path(run), np.int64, "r", self._offset(run, self.time), (self.runs[run],))
            first, end = int(np.searchsorted(times, after, side="right")), int(np.searchsorted(times, before))
            for start in range(first, end, self.bucket_rows):
                yield self._column(run, column, start, min(start + self.bucket_rows, end))

    def _taken(self) -> Columns:
        held, self._held, self._rows = self._held, [], 0
        if len(held) == 1:
            return {name: held[0][name] for name in self.dtypes}
        return {name: np.concatenate([part[name] for part in held]) for name in self.dtypes}

    def _path(self, run: int) -> Path:
        return self.folder / f"run-{run:05d}.columns"

    def _whole_times(self, run: int) -> npt.NDArray[np.int64]:
        return self._column(run, self.time, 0, self.runs[run])

    def _offset(self, run: int, wanted: str) -> int:
        widths = [dtype.itemsize for name, dtype in self.dtypes.items()]
        return sum(widths[: list(self.dtypes).index(wanted)]) * self.runs[run]

    def _slice(self, run: int, start: int, end: int) -> Columns:
        return {name: self._column(run, name, start, end) for name in self.dtypes}

    def _column(self, run: int, name: str, start: int, end: int) -> npt.NDArray[Any]:
        offset = self._offset(run, name) + start * self.dtypes[name].itemsize
        return np.fromfile(self._path(run), self.dtypes[name], end - start, offset=offset)

    def _cuts(self) -> list[int]:
        samples = np.sort(np.concatenate([self._whole_times(run)[::SAMPLE_EVERY].copy() for run in range(len(self.runs))]))
        step = max(self.bucket_rows // SAMPLE_EVERY, 1)
        return [int(cut) for cut in np.unique(samples[step::step])]
