# SPDX-License-Identifier: Apache-2.0
"""Long studies in slices: ``KILOHOUR_SOAK_PART=3/10 pytest -m soak -s tests/oracle`` plays the third tenth of the seeds."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator

VARIABLE = "KILOHOUR_SOAK_PART"


def part_of(seeds: range) -> range:
    """The slice that the environment names, all seeds unless it does; slices are disjoint and together the whole."""
    part, _, parts = os.environ.get(VARIABLE, "1/1").partition("/")
    if not (part.isdigit() and parts.isdigit() and 1 <= int(part) <= int(parts)):
        raise ValueError(f"{VARIABLE} must be PART/PARTS, from 1/PARTS to PARTS/PARTS, found {os.environ[VARIABLE]!r}")
    count = len(seeds)
    return seeds[count * (int(part) - 1) // int(parts):count * int(part) // int(parts)]


def played(name: str, seeds: range) -> Iterator[int]:
    """The seeds of a slice, one by one; says at the end which they were and how many a second of this process's time."""
    mine, began = part_of(seeds), time.process_time()
    sys.stdout.write(f"{name}: seeds {mine.start} to {mine.stop - 1}\n")
    yield from mine
    sys.stdout.write(f"{name}: {len(mine)} seeds, {len(mine) / max(time.process_time() - began, 1e-9):.1f} a second\n")
