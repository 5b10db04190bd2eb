# SPDX-License-Identifier: Apache-2.0
"""Imports a tape from inputs of any length: in bounded memory, resumable, and byte for byte the tape that memory would have given.

Rows go to sorted runs on the disk as they are read (:mod:`kilohour.datafeeds.importing.intake`); blocks in the order of the tape come
back and are written row group by row group. What a tape holds beside them, listings and settlements and the like, is little.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from kilohour.datafeeds.importing.intake import Intake, Reader, workshop
from kilohour.datafeeds.importing.spool import RUN_ROWS
from kilohour.datafeeds.importing.table_import import REJECTED_MAX
from kilohour.datafeeds.reading import Progress, count_of
from kilohour.tape import Kind, Tape
from kilohour.tape.events import Events
from kilohour.tape.manifest import REJECTED
from kilohour.tape.store import check_replaceable, save_blocks


class TapeReader(Reader, Protocol):
    """A reader whose rows become a tape."""

    def tape(self, intake: Intake, files: Sequence[str]) -> tuple[Iterator[Events], Callable[[], Tape]]:
        """Blocks of events in order, and the rest of the tape, asked for when they are written. Raises :class:`DataError`."""


@dataclass(frozen=True, slots=True)
class Taped:
    """What an import of a tape did."""

    folder: Path
    tape: Tape
    """But for its events: they need not fit into memory."""
    bars: int
    events: int
    read: int
    """Rows of the inputs."""
    refused: int
    """How many were put aside in ``rejected.csv`` of the folder."""

    def told(self) -> list[str]:
        """Lines for whoever ran it."""
        return [
            f"{self.tape.source}: {self.bars:,} bars of {count_of(len(self.tape.contracts), 'contract')}",
            *(f"  - {note}" for note in self.tape.notes),
            *([f"refused, each with its reason: {self.folder / REJECTED}"] if self.refused else []),
            f"tape: {self.folder}",
        ]


def import_tape(
    source: str,
    reader: TapeReader,
    inputs: Sequence[Path],
    out: Path,
    *,
    key: Mapping[str, Any],
    rejected_max: float = REJECTED_MAX,
    run_rows: int = RUN_ROWS,
    progress: Progress | None = None,
) -> Taped:
    """Writes the tape of ``inputs`` to the folder ``out``; rows that cannot be used go to its side file, and a note counts them.

    ``key`` is all that decides the tape: an interrupted import goes on where it is the same. ``rejected_max`` is the share of rows that
    may be refused, 0 to 1. Raises :class:`DataError` for an input that cannot be read, or of which more is refused.
    """
    check_replaceable(out)
    files = [path.name for path in inputs]
    with workshop(out) as work:
        intake = Intake.taken_up(work, {"source": source, "run_rows": run_rows, **key}, reader, run_rows)
        try:
            intake.read(inputs, progress)
            refused = intake.refusals.total
            intake.refusals.check_share(intake.spool_rows, rejected_max, source)
            counted = _Counted(*reader.tape(intake, files))

            def rest() -> Tape:
                again = intake.refusals.total - refused  # spooled, and refused when they met the others of their time
                intake.refusals.check_share(intake.spool_rows - again, rejected_max, source)
                tape = counted.rest()
                return replace(tape, notes=(*tape.notes, *_refused(intake)))

            def rejected() -> Path | None:
                intake.refusals.close()
                return intake.refusals.path if intake.refusals.total else None

            tape = save_blocks(counted.blocks(), rest, out, rejected=rejected)
            return Taped(out, tape, counted.bars, counted.events, intake.rows, intake.refusals.total)
        finally:
            intake.refusals.close()


class _Counted:
    def __init__(self, blocks: Iterator[Events], rest: Callable[[], Tape]) -> None:
        self._blocks, self.rest = blocks, rest
        self.bars = self.events = 0

    def blocks(self) -> Iterator[Events]:
        for block in self._blocks:
            self.events += len(block["ts"])
            self.bars += int(np.count_nonzero(block["kind"] == Kind.BAR))
            yield block


def _refused(intake: Intake) -> Iterator[str]:
    """A hole in a tape is another market: whoever runs on it must read of it."""
    if intake.refusals.total:
        reasons = ", ".join(f"{reason} ({count:,})" for reason, count in sorted(intake.refusals.counts.items()))
        yield f"{count_of(intake.refusals.total, 'row')} of {intake.rows:,} refused and left out: {reasons}"
