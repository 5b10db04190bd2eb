# SPDX-License-Identifier: Apache-2.0
"""Spooled bars as blocks of a tape's events in order: bars, the marks and open interest that come with them, and what stands beside."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kilohour.datafeeds.importing.intake import FILE_ROWS, Columns
from kilohour.datafeeds.importing.refusals import Refusals, Sieve, repeats
from kilohour.datafeeds.importing.spool import Spool
from kilohour.tape import Kind
from kilohour.tape.columns import PRICES
from kilohour.tape.events import Events
from kilohour.tape.frames import next_morning
from kilohour.tape.schema import COLUMNS
from kilohour.units import MICROS, MISSING, NANOS_PER_DAY

if TYPE_CHECKING:
    from kilohour.contracts.product import Product

Ints = npt.NDArray[np.int64]
BAR = ("ts", *PRICES, "volume")
DTYPES: Mapping[str, npt.DTypeLike] = {**dict.fromkeys((*BAR, "row"), np.int64), "contract": np.int32}
"""Of bars in a spool, ``contract`` being a code; a column ``settle`` or ``interest`` may stand beside them."""


@dataclass(slots=True, kw_only=True)
class BarStream:
    """Makes blocks of bars, or of settlements: bars of one price without volume, each a mark.

    A bar whose contract and time another has is put aside, whichever came later.
    """

    spool: Spool
    refs: npt.NDArray[np.int32]
    """Row of a contract on the tape by its code."""
    beside: Events
    """All other events of the tape in order; a final settlement of ``settled`` gets its price here."""
    settled: Collection[int]
    """Contracts settled at their last mark, or their last close where they have none."""
    product: Product
    end: int
    """Time of the last bar: open interest that is known later is left out."""
    refusals: Refusals
    files: Sequence[str]
    daily_marks: bool = False
    """The last close of each UTC day is the mark."""
    noun: str = "bar"
    """What a row is called when another says the same."""
    column: str = "close"
    """Of the file: the one that is named then."""
    _waiting: list[Columns] = field(default_factory=list)
    _marks: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    _closes: Ints = field(default_factory=lambda: np.empty(0, np.int64))

    def blocks(self) -> Iterator[Events]:
        """Events in the order of the tape."""
        count = int(self.refs.max(initial=-1)) + 1
        self._marks, self._closes = np.full(count, MISSING), np.full(count, MISSING)
        self._waiting = [{name: self.beside[name] for name in COLUMNS}]
        for bucket in self.spool.buckets():
            yield self._block(self._told_once(bucket))
        if self._waiting:
            yield self._merged(self._waiting)

    def _told_once(self, bucket: Columns) -> Columns:
        """The bars of a bucket in order of time and contract, each once: the first that came."""
        ref = self.refs[bucket["contract"]]
        order = np.lexsort((ref, bucket["ts"]))
        bars = {name: column[order] for name, column in bucket.items()} | {"ref": ref[order]}
        first, begins = repeats(bars["ts"], bars["ref"])
        again = np.flatnonzero(first != np.arange(len(order)))
        if not len(again):
            return bars
        self._refuse(bars, again, first[again])
        return {name: column[begins] for name, column in bars.items()}

    def _refuse(self, bars: Columns, again: npt.NDArray[np.intp], first: npt.NDArray[np.intp]) -> None:
        """Puts aside the bars at the places ``again``, each of the contract and time of the one at its place ``first``."""
        same = np.all([bars[name][again] == bars[name][first] for name in bars if name != "row"], axis=0)
        for place, is_same in zip(again.tolist(), same.tolist(), strict=True):
            row = int(bars["row"][place])
            reason = f"the same {self.noun} twice" if is_same else f"another {self.noun} of the same contract and time"
            value = self._dollars(bars, place)
            self.refusals.add(self.files[row // FILE_ROWS], np.array([row % FILE_ROWS]), self.column, [value], reason)

    def _dollars(self, bars: Columns, place: int) -> float:
        """What the file has in :attr:`column`."""
        return float(bars["close"][place] / MICROS)

    def _block(self, bars: Columns) -> Events:
        ts, ref = bars["ts"], bars["ref"]
        settles = dict.fromkeys(PRICES, bars["close"])
        made = [_events(Kind.BAR, ts, ref, **{name: bars[name] for name in (*PRICES, "volume")} if "open" in bars else settles)]
        self._closes[ref] = bars["close"]  # of several rows of a contract the last one, the latest, stays
        rows = np.empty(0, np.intp)
        price = bars["close"]
        if self.daily_marks:
            rows = self._last_of_days(ts, ref)
        elif "settle" in bars:
            price = bars["settle"]
            rows = np.flatnonzero(price != MISSING)
        elif "open" not in bars:
            rows = np.arange(len(ts))
        made.append(_events(Kind.MARK, ts[rows], ref[rows], close=price[rows]))
        self._marks[ref[rows]] = price[rows]
        if "interest" in bars:
            known = next_morning(self.product, ts)
            rows = np.flatnonzero((bars["interest"] != MISSING) & (known <= self.end))
            self._waiting.append(_events(Kind.INTEREST, known[rows], ref[rows], ts[rows], volume=bars["interest"][rows]))
        return self._merged([*made, *self._due(int(ts[-1]))])

    def _last_of_days(self, ts: Ints, ref: npt.NDArray[np.int32]) -> npt.NDArray[np.intp]:
        """Rows of the last bar of each contract and UTC day, in order. The day of the last row may go on in what follows."""
        by_contract = np.argsort(ref, kind="stable")
        day = ts[by_contract] // NANOS_PER_DAY
        goes_on = (np.diff(ref[by_contract]) == 0) & (np.diff(day) == 0)
        last = np.append(~goes_on, True)
        today = int(ts[-1]) // NANOS_PER_DAY
        later = np.zeros(len(self._closes), np.bool_)
        for codes in self.spool.between(int(ts[-1]), (today + 1) * NANOS_PER_DAY, "contract"):
            later[self.refs[codes]] = True
        return np.sort(by_contract[last & ~((day == today) & later[ref[by_contract]])])

    def _due(self, upto: int) -> Iterator[Columns]:
        """Takes the waiting events seen by then."""
        waiting, self._waiting = self._waiting, []
        for events in waiting:
            now = events["ts"] <= upto
            yield {name: column[now] for name, column in events.items()}
            if not now.all():
                self._waiting.append({name: column[~now] for name, column in events.items()})

    def _merged(self, parts: Sequence[Columns]) -> Events:
        joined = {name: np.concatenate([part[name] for part in parts]) for name in COLUMNS}
        order = np.lexsort((joined["ref"], joined["kind"], joined["ts"]))
        events = {name: column[order] for name, column in joined.items()}
        final = (events["kind"] == Kind.FINAL) & (events["close"] == MISSING) & np.isin(events["ref"], list(self.settled))
        its = events["ref"][final]
        events["close"][final] = np.where(self._marks[its] != MISSING, self._marks[its], self._closes[its])
        return events


def refuse_bars(sieve: Sieve, prices: Mapping[str, Ints], columns: Mapping[str, str]) -> None:
    """Refuses bars whose high is not the highest price or whose low is not the lowest; ``columns`` are the file's."""
    for name, sign, word in (("high", 1, "below"), ("low", -1, "above")):
        for other in ("open", "close", "low" if name == "high" else "high"):
            sieve.refuse(sign * (prices[name] - prices[other]) < 0, columns[name], f"a {name} {word} the {other}")


def _events(kind: Kind, ts: Ints, ref: npt.NDArray[np.int32], ts_event: Ints | None = None, **values: Ints) -> Columns:
    events: dict[str, npt.NDArray[Any]] = {
        "ts": ts, "ts_event": ts if ts_event is None else ts_event, "kind": np.full(len(ts), int(kind), np.uint8), "ref": ref,
    }  # fmt: skip
    for name in (*PRICES, "volume"):
        found = values.get(name)
        events[name] = np.full(len(ts), MISSING) if found is None else found
    return events
