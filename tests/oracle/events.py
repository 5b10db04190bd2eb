# SPDX-License-Identifier: Apache-2.0
"""A tape's rows as plain tuples of integers and names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from kilohour.tape import Kind, Tape

KINDS = {int(kind): kind for kind in Kind}


class Event(NamedTuple):
    """One row of the tape as plain integers; ``code`` names the contract or the index."""

    ts: int
    ts_event: int
    kind: Kind
    code: str
    open: int
    high: int
    low: int
    close: int
    volume: int


def events_of(tape: Tape, only: Kind | None = None) -> Iterator[Event]:
    """The tape's rows in order, or those of one kind."""
    rows = slice(None) if only is None else tape.events["kind"] == int(only)
    ts, ts_event, kinds, refs, *values = (tape.events[name][rows].tolist() for name in ("ts", "ts_event", "kind", "ref", "open", "high", "low",
                                                                                        "close", "volume"))
    contracts, indices, prints = [its.code for its in tape.contracts], [its.code for its in tape.indices], int(Kind.PRINT)
    codes = [(indices if kind == prints else contracts)[ref] for kind, ref in zip(kinds, refs, strict=True)]
    return map(Event._make, zip(ts, ts_event, [KINDS[kind] for kind in kinds], codes, *values, strict=True))
