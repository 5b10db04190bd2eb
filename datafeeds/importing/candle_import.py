# SPDX-License-Identifier: Apache-2.0
"""Candles of a perpetual as a tape, in bounded memory: fetched page by page, held on the disk, and taken up again from there.

The tape is the one that :meth:`kilohour.tape.Tape.from_bars` makes of the candles, but for its source and what it notes of gaps.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kilohour.contracts.codes import contract_code
from kilohour.contracts.contract import PERPETUAL
from kilohour.contracts.product import Product
from kilohour.datafeeds.candles import NANOS_PER_MILLI, Candle, Gap, Held, Page, Wanted, gaps_of, shown, step_of
from kilohour.datafeeds.importing.bar_stream import DTYPES, BarStream, refuse_bars
from kilohour.datafeeds.importing.intake import Columns, Intake
from kilohour.datafeeds.importing.names import Names
from kilohour.datafeeds.importing.refusals import Refusals, Sieve
from kilohour.datafeeds.importing.spool import RUN_ROWS
from kilohour.datafeeds.importing.stream import Batch
from kilohour.datafeeds.importing.table_import import REJECTED_MAX
from kilohour.datafeeds.importing.tape_import import Taped, import_tape
from kilohour.datafeeds.reading import Progress, count_of
from kilohour.errors import DataError
from kilohour.tape import Tape, TapeBuilder, arrow
from kilohour.tape.columns import PRICES
from kilohour.tape.events import Events
from kilohour.tape.frames import Enlisting, data_notes
from kilohour.units import MICROS, MISSING

Ints = npt.NDArray[np.int64]
SOURCE = "ccxt"
HELD = "candles.jsonl"
LOTS_MAX = 2**53

Pages = Callable[[Wanted], Iterator[Page]]
"""Asks an exchange for what is wanted, page by page."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """What the candles are of, and how they are taken."""

    exchange: str
    product: Product
    assume: tuple[str, ...]
    counts_lots: bool
    """The exchange's volume is in whole lots; else it is unknown."""
    refuses_gaps: bool


def import_candles(
    asked: Pages, market: Market, wanted: Wanted, out: Path, *, rejected_max: float = REJECTED_MAX, run_rows: int = RUN_ROWS,
    progress: Progress | None = None,
) -> Taped:  # fmt: skip
    """Writes the tape of the candles wanted. An import that was interrupted asks only for those that it does not hold.

    A candle that cannot be used is put aside, and is missing: what :attr:`Market.refuses_gaps` says of a gap it says of that too. Raises
    :class:`DataError` for rows out of order, too many put aside, a gap where the market refuses them, or no candle at all.
    """
    reader = _CandleReader(asked, market, wanted)
    key = {"exchange": market.exchange, "product": market.product.code, "assume": list(market.assume), "counts_lots": market.counts_lots,
           "refuses_gaps": market.refuses_gaps, "wanted": dataclasses.asdict(wanted)}
    held = out.parent / f".{out.name}.import" / HELD
    return import_tape(SOURCE, reader, [held], out, key=key, rejected_max=rejected_max, run_rows=run_rows, progress=progress)


class _CandleReader:
    words: Sequence[str] = ("contract",)
    time = "ts"
    dtypes: Mapping[str, npt.DTypeLike] = DTYPES

    def __init__(self, asked: Pages, market: Market, wanted: Wanted) -> None:
        self.asked, self.market, self.wanted = asked, market, wanted
        self.step = step_of(wanted.timeframe)
        self.named = f"{market.exchange} {wanted.symbol} {wanted.timeframe}"
        self.code = contract_code(market.product.code, PERPETUAL)
        self.memory: dict[str, Any] = {"first": None, "last": None, "rounded": 0, "gaps": 0, "missing": 0, "worst": [0, 0]}
        """The first and the last candle kept; prices that were rounded; gaps, the candles missing in them, and the longest: after which
        candle and how many."""

    def open(self, path: Path) -> Iterator[Batch]:
        """Batches of as many rows as a page has, whatever came in one: first those held, then those that the exchange gives."""
        waiting: Page = []
        first = 0
        for page in self._pages(Held(path, self.wanted, self.market.exchange)):
            waiting += page
            while len(waiting) >= self.wanted.limit:
                yield self._batch(first, waiting[: self.wanted.limit])
                first, waiting = first + self.wanted.limit, waiting[self.wanted.limit :]
        if waiting:
            yield self._batch(first, waiting)

    def of(self, batch: Batch, names: Names, refusals: Refusals) -> Columns:
        candles, places = list[Candle](), list[int]()
        for place, row in enumerate(batch.columns["rows"], batch.first):
            if len(row) == 6:
                candles.append(row)
                places.append(place)
            else:
                _, column, found, reason = row
                refusals.add(batch.file, np.array([place]), column, [found], reason)
        rows = np.array(places, np.int64)
        sieve = Sieve(batch.file, batch.first, len(rows), dict.fromkeys((*PRICES, "volume"), _Whole(candles)), refusals, rows)
        opened = np.array([candle[0] for candle in candles], np.int64)
        dollars = np.array([candle[1:5] for candle in candles], np.float64).reshape(-1, 4) * MICROS
        micros = np.rint(dollars).astype(np.int64)
        prices = {name: np.ascontiguousarray(micros[:, place]) for place, name in enumerate(PRICES)}
        refuse_bars(sieve, prices, {name: name for name in PRICES})
        volume = self._volume(sieve, candles)
        keep = np.flatnonzero(sieve.good)
        self.memory["rounded"] += int(np.count_nonzero(np.abs(dollars - micros)[keep] > 1e-3))
        self._note_gaps(opened[keep], refusals)
        found = {"ts": (opened + self.step) * NANOS_PER_MILLI, **prices, "volume": volume, "row": rows,
                 "contract": np.full(len(rows), names.code("contract", self.code), np.int32)}
        return {name: column[keep] for name, column in found.items()}

    def tape(self, intake: Intake, files: Sequence[str]) -> tuple[Iterator[Events], Callable[[], Tape]]:  # noqa: ARG002
        memory, wanted, product = self.memory, self.wanted, self.market.product
        if memory["last"] is None:
            raise DataError(f"{self.market.exchange}: must have candles of {wanted.symbol} in the range, found none")
        first, end = ((memory[name] + self.step) * NANOS_PER_MILLI for name in ("first", "last"))
        builder = TapeBuilder(source=self.named, assumptions=self.market.assume, days_per_year=product.whole("days_per_year"))
        enlisting = Enlisting(builder, product, end)
        ref, contract = enlisting.add(self.code, first)
        enlisting.settle(ref, contract)
        notes = data_notes(settle=False, volume=self.market.counts_lots, rounded=memory["rounded"])
        builder.notes += [*enlisting.notes(), *notes, *self._told_gaps()]
        rest = builder.beside(first, end)
        stream = BarStream(spool=intake.spool, refs=np.array([ref], np.int32), beside=rest.events, settled=(), product=product, end=end,
                           refusals=intake.refusals, files=[self.named], daily_marks=True, noun="candle")
        return stream.blocks(), lambda: rest

    def _pages(self, held: Held) -> Iterator[Page]:
        since = self.wanted.since
        for page in held.pages(self.wanted.limit):
            # What is held may be of an import that had a later end.
            yield [row for row in page if row[0] + self.step <= self.wanted.until]
            since = page[-1][0] + self.step
        for page in self.asked(dataclasses.replace(self.wanted, since=since)):
            held.add(page)
            yield page

    def _batch(self, first: int, rows: Page) -> Batch:
        begin, end = self.wanted.since, self.wanted.until
        return Batch(self.named, first, {"rows": rows}, len(rows), rows[-1][0] + self.step - begin, end - begin)

    def _note_gaps(self, opened: Ints, refusals: Refusals) -> None:
        """Of the candles kept: one that was put aside is missing, one that came twice is there."""
        if not len(opened):
            return
        memory = self.memory
        memory["first"] = int(opened[0]) if memory["first"] is None else memory["first"]
        before = [] if memory["last"] is None else [memory["last"]]
        memory["last"] = int(opened[-1])
        for gap in gaps_of(np.unique([*before, *opened]).tolist(), self.step):
            if self.market.refuses_gaps:
                raise DataError(f"{self.wanted.symbol}: {_told(gap)}; gaps=keep takes it as it is{refusals.told()}")
            memory["gaps"] += 1
            memory["missing"] += gap.count
            if gap.count > memory["worst"][1]:
                memory["worst"] = [gap.after, gap.count]

    def _volume(self, sieve: Sieve, candles: Sequence[Candle]) -> Ints:
        if not self.market.counts_lots:
            return np.full(len(candles), MISSING)
        lots = np.array([0.0 if candle[5] is None else candle[5] for candle in candles], np.float64)
        lots = np.where(np.isnan(lots), 0.0, lots)
        good = (lots >= 0) & (lots < LOTS_MAX) & (lots == np.rint(lots))
        sieve.refuse(~good, "volume", "not whole lots of 0 or more")
        return np.where(good, lots, 0.0).astype(np.int64)

    def _told_gaps(self) -> Iterator[str]:
        if self.memory["gaps"]:
            yield (f"{count_of(self.memory['missing'], 'candle')} missing in {count_of(self.memory['gaps'], 'gap')}, the longest: "
                   f"{_told(Gap(*self.memory['worst']))}; nothing was filled in")


class _Whole:
    """Stands for each column of a sieve: the whole candle is told, for what came from an exchange is in no file to look it up."""

    def __init__(self, candles: Sequence[Candle]) -> None:
        self.candles = candles

    def take(self, places: Any) -> Any:
        """The candles at these places, as an Arrow array of texts."""
        return arrow.texts([str(list(self.candles[place])) for place in places.to_pylist()])


def _told(gap: Gap) -> str:
    return f"{count_of(gap.count, 'candle')} missing after {shown(gap.after)}"
