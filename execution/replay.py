# SPDX-License-Identifier: Apache-2.0
"""A run once more from its journal: the same inputs, the same decisions, the same chain of hashes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from kilohour.errors import DataError
from kilohour.execution.journal import INPUTS, Record, canonical, chained
from kilohour.execution.port import from_json, to_json
from kilohour.execution.snapshots import note_of, taken, unreadable
from kilohour.execution.trader import Trader
from kilohour.kernels import records as r
from kilohour.live import Event
from kilohour.units import MISSING


def feed_body(trader: Trader, events: Sequence[Event], facts: Sequence[Any] = ()) -> dict[str, Any]:
    """A timestamp as the journal holds it: contracts and indices by code, nothing where the tape has no value."""
    indices = [index.code for index in trader.session.market.tape.indices]
    rows = [[(indices if kind == r.PRINT else trader.codes)[ref], ts, ts_event, kind, *(
        values if MISSING not in values else [None if value == MISSING else value for value in values])]
            for ts, ts_event, kind, ref, *values in events]
    return {"events": rows, **({"facts": [to_json(fact) for fact in facts]} if facts else {})}


def events_of(trader: Trader, body: dict[str, Any]) -> list[Event]:
    """The timestamp back."""
    indices = {index.code: row for row, index in enumerate(trader.session.market.tape.indices)}
    found = []
    for code, ts, ts_event, kind, *values in body["events"]:
        ref = indices[code] if kind == r.PRINT else trader.rows[code]
        found.append(Event(ts, ts_event, kind, ref, *[MISSING if value is None else value for value in values]))
    return found


def take(trader: Trader, kind: str, body: dict[str, Any], at: int) -> list[Any]:
    """Gives one input to the trader; returns its commands."""
    if kind == "feed":
        facts = [from_json(fact) for fact in body.get("facts", ())]
        return trader.take_group(facts, events_of(trader, body), at)
    if kind == "fact":
        return trader.take_fact(from_json(body), at)
    if kind == "time":
        return trader.take_time(at)
    if kind == "word":
        return trader.take_word(body["word"], at)
    if kind in ("start", "end", "snapshot"):
        return []
    raise DataError(f"an input must be one of {', '.join(INPUTS)}, found {kind!r}")


@dataclass(frozen=True, slots=True)
class Difference:
    """Where a replay parts from the run."""

    seq: int
    recorded: str
    replayed: str

    def __str__(self) -> str:
        return f"record {self.seq}: the run has {self.recorded[:200]}, the replay {self.replayed[:200]}"


def replay(trader: Trader, records: Iterable[Record], after: tuple[int, bytes] = (0, b"")) -> Difference | None:
    """Plays every input of a journal into a trader; the first difference in what it decided, None when all is equal.

    ``after``: number and hash of the record that the trader stands behind. A snapshot on the way is proven, not read; one of another
    version cannot be (:func:`unproven`).
    """
    number, before = after
    for group in inputs_of(records):
        given = group[0]
        if given.kind == "snapshot" and not unreadable(trader, given.body):
            proof = note_of(trader, taken(trader))
            if proof != given.body:
                return Difference(given.seq, canonical(given.body), canonical(proof))
        take(trader, given.kind, given.body, given.at)
        texts = [canonical(record.body) for record in group]
        expected = [(record.kind, text) for record, text in zip(group[1:], texts[1:], strict=True)]
        found = [(kind, canonical(body)) for kind, body in trader.drain()]
        for place in range(max(len(expected), len(found))):
            ran = expected[place] if place < len(expected) else ("nothing", "")
            again = found[place] if place < len(found) else ("nothing", "")
            if ran != again:
                return Difference(given.seq + place + 1, " ".join(ran), " ".join(again))
        for record, text in zip(group, texts, strict=True):
            number += 1
            before = chained(before, number, given.at, record.kind, text)
            if before != record.hash:
                return Difference(record.seq, record.hash.hex(), before.hex())
    return None


def unproven(trader: Trader, records: Iterable[Record]) -> list[int]:
    """Numbers of the snapshots whose bytes this program cannot compare."""
    return [record.seq for record in records if record.kind == "snapshot" and unreadable(trader, record.body)]


def inputs_of(records: Iterable[Record]) -> Iterator[list[Record]]:
    """Each input with the outputs behind it."""
    group: list[Record] = []
    for record in records:
        if record.kind in INPUTS and group:
            yield group
            group = []
        group.append(record)
    if group:
        if group[0].kind not in INPUTS:
            raise DataError(f"a journal must begin with an input, found {group[0].kind}")
        yield group
