# SPDX-License-Identifier: Apache-2.0
"""A tape's rows as plain tuples of integers and names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from kilohour.tape import Kind, Tape


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


def events_of(tape: Tape) -> Iterator[Event]:
    """The tape's rows in order."""
    columns = [tape.events[name].tolist() for name in ("ts", "ts_event", "kind", "ref", "open", "high", "low", "close",
                                                       "volume")]
    for ts, ts_event, kind, ref, *values in zip(*columns, strict=True):
        names: Sequence[Any] = tape.indices if kind == Kind.PRINT else tape.contracts
        yield Event(ts, ts_event, Kind(kind), names[ref].code, *values)
