# SPDX-License-Identifier: Apache-2.0
"""The end of an import that makes a tape: saved whole, and told in a few lines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from kilohour.tape import Tape
from kilohour.tape.store import check_replaceable


def save_tape(make: Callable[[], Tape], out: Path) -> list[str]:
    """Saves the tape that ``make`` gives to ``out``, refusing early what must not be written over; returns what to tell."""
    check_replaceable(out)
    tape = make().save(out)
    return [
        f"{tape.source}: {tape.bars:,} bars of {len(tape.contracts)} contracts",
        *(f"  - {note}" for note in tape.notes),
        f"tape: {out}",
    ]
