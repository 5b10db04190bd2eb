# SPDX-License-Identifier: Apache-2.0
"""Tapes that are the same up to a time and other ones after it."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from kilohour.tape.schema import Kind
from kilohour.tape.tape import Tape
from kilohour.units import MISSING

Floats = npt.NDArray[np.float64]
Factor = Callable[[int], Floats]
"""So many factors for so many rows."""


def noise(seed: int) -> Factor:
    """Factors of median one that spread by 30 %, the same for the same seed."""
    return lambda count: np.exp(np.random.default_rng(seed).normal(0.0, 0.3, count))


def scaled(by: float) -> Factor:
    """The same factor for every row."""
    return lambda count: np.full(count, by)


FUTURES: dict[str, Factor] = {"other prices": noise(1), "prices × 1.6": scaled(1.6), "prices × 0.6": scaled(0.6)}
"""What the future is changed to, by the probe's name."""


CHANGED = ("open", "high", "low", "close", "volume")


def perturbed(tape: Tape, after: int, factor: Factor) -> Tape:
    """The same tape up to a time; later bars, marks, prints, quotes, funding rates, stated finals, volumes and open interest are others.

    Times, contracts, signs and missing values stay; a bar stays a bar, and what is displayed at one time stays a book.
    """
    events = {name: column.copy() if name in CHANGED else column for name, column in tape.events.items()}
    first = _rows_until(tape, after)
    factors = factor(len(events["ts"]))[first:]
    later = {name: column[first:] for name, column in events.items()}
    kinds = later["kind"]
    for kind in (Kind.BAR, Kind.MARK, Kind.PRINT, Kind.FINAL, Kind.FUNDING):
        rows = np.flatnonzero(kinds == kind)
        for column in ("open", "high", "low", "close") if kind == Kind.BAR else ("close",):
            _scale(later[column], rows, factors[rows])
    lots = np.flatnonzero(((kinds == Kind.BAR) | (kinds == Kind.INTEREST)) & (later["volume"] > 0))
    later["volume"][lots] = 1 + (later["volume"][lots] * factors[lots] * 3.0).astype(np.int64)
    levels = np.flatnonzero(kinds == Kind.QUOTE)
    if len(levels):  # all levels of a snapshot, which are seen at one time, move together
        snapshot = levels[np.maximum.accumulate(np.where(later["volume"][levels] == 0, np.arange(len(levels)), 0))]
        for column in ("open", "low", "high", "close"):
            _scale(later[column], levels, factors[snapshot])
    return dataclasses.replace(tape, events=events, sha256="")


def _scale(column: npt.NDArray[np.int64], rows: npt.NDArray[np.intp], factors: Floats) -> None:
    """Multiplies the values of ``rows`` in place; each keeps its sign and is at least one away from zero, MISSING stays."""
    value = column[rows]
    scaled = (np.where(value == MISSING, 0, value) * factors).astype(np.int64)
    nearest = np.where(value > 0, np.maximum(1, scaled), np.minimum(-1, scaled))
    column[rows] = np.where((value == MISSING) | (value == 0), value, nearest)


def truncated(tape: Tape, after: int) -> Tape:
    """The tape up to a time, with all its contracts."""
    count = _rows_until(tape, after)
    return dataclasses.replace(tape, events={name: column[:count] for name, column in tape.events.items()}, sha256="")


def _rows_until(tape: Tape, after: int) -> int:
    """How many of the tape's rows, which stand in order of time, are seen up to then."""
    return int(np.searchsorted(tape.events["ts"], after, side="right"))


@contextlib.contextmanager
def standing_for(tape: Tape, other: Mapping[str, Any]) -> Iterator[None]:
    """For as long as the block takes, whoever holds the tape itself sees other events: a closure over the tape is no way around a probe."""
    kept = tape.events
    object.__setattr__(tape, "events", other)
    try:
        yield
    finally:
        object.__setattr__(tape, "events", kept)
