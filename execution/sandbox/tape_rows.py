# SPDX-License-Identifier: Apache-2.0
"""Rows of a tape as plain dictionaries: as they stand, and as a feed tells them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kilohour.tape.schema import COLUMNS, Kind
from kilohour.tape.tape import Tape
from kilohour.units import MISSING

TOLD = ("ts_event", "kind", "code", "open", "high", "low", "close", "volume")
"""Columns of an event in a message of the feed, in their order; ``ts`` is the message's."""
NAMES = {int(kind): kind.name.lower() for kind in Kind}
"""Kinds of event as the feed names them."""


def raw_rows(tape: Tape, first: int, last: int) -> Iterator[dict[str, int]]:
    """Rows ``first`` to before ``last``, every column an integer."""
    columns = [tape.events[name][first:last].tolist() for name in COLUMNS]
    return (dict(zip(COLUMNS, values, strict=True)) for values in zip(*columns, strict=True))


def feed_rows(tape: Tape, first: int, last: int) -> Iterator[dict[str, Any]]:
    """The same as a feed tells them: contract or index by code, None where the tape has no value."""
    for row in raw_rows(tape, first, last):
        code = tape.indices[row["ref"]].code if row["kind"] == Kind.PRINT else tape.contracts[row["ref"]].code
        prices = {name: None if row[name] == MISSING else row[name] for name in ("open", "high", "low", "close", "volume")}
        yield {"ts": row["ts"], "ts_event": row["ts_event"], "kind": NAMES[row["kind"]], "code": code, **prices}
