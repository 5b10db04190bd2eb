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


def perturbed(tape: Tape, after: int, factor: Factor) -> Tape:
    """The same tape up to a time; later bars, marks, prints, stated finals, volumes and open interest are others.

    Times, contracts and missing values stay, and a bar stays a bar.
    """
    events = {name: column.copy() for name, column in tape.events.items()}
    later = events["ts"] > after
    factors = factor(len(later))
    for kind in (Kind.BAR, Kind.MARK, Kind.PRINT, Kind.FINAL):
        rows = later & (events["kind"] == kind)
        for column in ("open", "high", "low", "close") if kind == Kind.BAR else ("close",):
            known = rows & (events[column] > 0)
            events[column][known] = np.maximum(1, (events[column][known] * factors[known]).astype(np.int64))
    lots = later & np.isin(events["kind"], (Kind.BAR, Kind.INTEREST)) & (events["volume"] > 0)
    events["volume"][lots] = 1 + (events["volume"][lots] * factors[lots] * 3.0).astype(np.int64)
    return dataclasses.replace(tape, events=events, sha256="")


def truncated(tape: Tape, after: int) -> Tape:
    """The tape up to a time, with all its contracts."""
    keep = tape.events["ts"] <= after
    return dataclasses.replace(tape, events={name: column[keep] for name, column in tape.events.items()}, sha256="")


@contextlib.contextmanager
def standing_for(tape: Tape, other: Mapping[str, Any]) -> Iterator[None]:
    """For as long as the block takes, whoever holds the tape itself sees other events: a closure over the tape is no way around a probe."""
    kept = tape.events
    object.__setattr__(tape, "events", other)
    try:
        yield
    finally:
        object.__setattr__(tape, "events", kept)
