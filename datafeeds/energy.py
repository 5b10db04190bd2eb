# SPDX-License-Identifier: Apache-2.0
"""A real term structure: daily settlements of WTI and Henry Hub futures, months out, as a tape.

There are settlements and nothing else, so a bar's open, high, low and close are the settlement and its volume is
unknown. That a fill can be had at the next settlement is an assumption, and so is an end in cash: the contracts are
delivered. The tape's notes, which the report prints, say both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kilohour.contracts import Product, Registry
from kilohour.contracts.codes import contract_code, symbol_of
from kilohour.contracts.contract import Contract
from kilohour.contracts.days import LAST_TRADE_RULES, settlement_time
from kilohour.datafeeds.importing.bar_stream import BarStream
from kilohour.datafeeds.importing.cells import array_of, days, numbers, texts
from kilohour.datafeeds.importing.convert import refuse_unread
from kilohour.datafeeds.importing.intake import Columns, Intake
from kilohour.datafeeds.importing.names import Names
from kilohour.datafeeds.importing.refusals import Refusals, Sieve
from kilohour.datafeeds.importing.spool import RUN_ROWS
from kilohour.datafeeds.importing.stream import BATCH_ROWS, Batch, batches, fingerprint
from kilohour.datafeeds.importing.table_import import REJECTED_MAX
from kilohour.datafeeds.importing.tape_import import Taped, import_tape
from kilohour.datafeeds.reading import Progress, count_of, read_table, refuse_first
from kilohour.errors import DataError
from kilohour.tape import Tape, TapeBuilder
from kilohour.tape.events import Events
from kilohour.units import MICROS, NANOS_PER_DAY, date_of

Ints = npt.NDArray[np.int64]

SOURCE = "energy-strip"
ROOTS = {"CL": "NYMEX:CL", "NG": "NYMEX:NG"}
"""Product by the root the files use."""
NEVER = np.iinfo(np.int64).min
"""The last trading day of a contract that has none."""

ASSUMPTIONS = (
    "settlements only: each bar's open, high, low and close are the day's settlement, and that an order fills at "
    "the next settlement is an assumption",
    "no volume: fills are not limited; no open interest: to a strategy that waits for it there is none",
    "physical delivery is modelled as cash: what is held at the end of a contract is paid its last settlement",
)
"""The last notes of every energy tape."""


def import_strip(parquet: str | Path, expiries: str | Path, out: str | Path, *, rejected_max: float = REJECTED_MAX,
                 run_rows: int = RUN_ROWS, batch_rows: int = BATCH_ROWS, progress: Progress | None = None) -> Taped:
    """Writes a tape of daily settlements to the folder ``out``.

    ``parquet`` (or a CSV of the same columns) holds a row a settlement: ``root`` (CL, NG), ``date``, ``contract``
    (YYYYMM), ``settle`` (USD per barrel or MMBtu). ``expiries`` holds a row a contract: ``root``, ``contract``,
    ``last_trade``. A contract is listed from its first settlement in the file. Product terms are not in the tape: a
    run takes them from the registry and the assumptions the tape names, ``energy``. The same rows, in any order, give
    the same tape. ``progress`` is called with thousandths (done, total).

    A settlement that is no number, comes a second time or after the last trade, or whose contract has no expiry is put
    aside. Raises :class:`DataError` for a file that cannot be read or of which more than ``rejected_max`` (0 to 1) is refused.
    """
    parquet, expiries = Path(parquet), Path(expiries)
    reader = _StripReader(parquet, expiries, batch_rows)
    key = {"inputs": fingerprint([parquet, expiries]), "batch_rows": batch_rows}
    return import_tape(SOURCE, reader, [parquet], Path(out), key=key, rejected_max=rejected_max, run_rows=run_rows, progress=progress)


class _StripReader:
    words: Sequence[str] = ("contract",)
    time = "ts"
    dtypes: Mapping[str, npt.DTypeLike] = {"ts": np.int64, "settle": np.float64, "row": np.int64, "contract": np.int32}

    def __init__(self, path: Path, expiries: Path, batch_rows: int) -> None:
        self.path, self.expiries, self.batch_rows = path, expiries, batch_rows
        self.memory: dict[str, Any] = {"contracts": {}, "single": False}
        """By root and month of a contract, as ``CL 202005``, its first and last day; whether the file has floats of 32 bits."""
        self._last_trades = _last_trades(expiries)
        self._products: dict[str, Product] = {}
        self._closes: dict[tuple[str, int], int] = {}

    def open(self, path: Path) -> Iterator[Batch]:
        return batches(path, ("root", "date", "contract", "settle"), batch_rows=self.batch_rows)

    def of(self, batch: Batch, names: Names, refusals: Refusals) -> Columns:
        sieve = Sieve(batch.file, batch.first, batch.rows, batch.columns, refusals)
        place, month, day = _roots(sieve), _months(sieve), days(sieve.columns["date"])
        refuse_unread(sieve, "date", day)
        settle = self._settles(sieve)
        known, its = self._contracts_of(sieve, place, month, day.values)
        keep = np.flatnonzero(sieve.good)
        self._remember(known, its[keep], day.values[keep])
        codes = np.array([names.code("contract", _word(*one)) for one in known], np.int32)
        ts = np.zeros(batch.rows, np.int64)
        for number, root in enumerate(ROOTS):
            rows = keep[place[keep] == number]
            found, which = np.unique(day.values[rows], return_inverse=True)
            ts[rows] = np.array([self._close(root, one) for one in found.tolist()], np.int64)[which]
        return {"ts": ts[keep], "settle": settle[keep], "row": batch.first + keep, "contract": codes[its[keep]]}

    def tape(self, intake: Intake, files: Sequence[str]) -> tuple[Iterator[Events], Callable[[], Tape]]:
        if not self.memory["contracts"]:
            raise DataError(f"{self.path.name}: needs at least one settlement, found none")
        builder = TapeBuilder(source=f"{SOURCE}: {self.path.name}, last trading days from {self.expiries.name}", assumptions=("energy",))
        words = intake.names.words()["contract"]
        lives, settled, refs = list[_Life](), set(), np.full(len(words), -1, np.int32)
        for root in ROOTS:
            spans = self._spans(root)
            for month, (first, last) in spans:
                last_trade = self._last_trades[root, month]
                contract = _contract(self._product(root), month, last_trade, self._close(root, first))
                refs[words.index(_word(root, month))] = ref = builder.contract(contract)
                lives.append(_Life(root, contract, first, last, last_trade))
                if last_trade <= max(last for _, (_, last) in spans):
                    builder.finals(ref, contract.settlement_at)
                    settled.add(ref)
        end = max(self._close(life.root, life.last) for life in lives)
        rest = builder.beside(min(life.contract.listed_at for life in lives), end)
        stream = _Settlements(
            spool=intake.spool, refs=refs, beside=rest.events, settled=settled, product=self._product(lives[-1].root), end=end,
            refusals=intake.refusals, files=files, lives=lives, single=self.memory["single"],
            ticks=np.array([int(self._product(life.root).ratio("tick") * MICROS) for life in lives], np.int64),
        )  # fmt: skip
        return stream.blocks(), lambda: replace(rest, notes=(*self._notes(stream), *ASSUMPTIONS))

    def _product(self, root: str) -> Product:
        if root not in self._products:
            self._products[root] = Registry.shipped().product(ROOTS[root])
        return self._products[root]

    def _close(self, root: str, day: int) -> int:
        if (root, day) not in self._closes:
            self._closes[root, day] = self._product(root).close_at(day)
        return self._closes[root, day]

    def _spans(self, root: str) -> list[tuple[int, tuple[int, int]]]:
        """Months of a root in order, with the first and last day of each."""
        named = ((*word.split(), span) for word, span in self.memory["contracts"].items())
        return sorted((int(month), tuple(span)) for its, month, span in named if its == root)

    def _settles(self, sieve: Sieve) -> npt.NDArray[np.float64]:
        """Dollars as the file stores them: a float of 32 bits stays one, for what it cannot tell apart is no fault."""
        column = sieve.columns["settle"]
        read = numbers(column)
        refuse_unread(sieve, "settle", read)
        sieve.refuse(~(np.abs(read.values) < 1e6), "settle", "not under 1e6 dollars")
        if str(column.type) != "float":
            return read.values
        self.memory["single"] = True
        return read.values.astype(np.float32).astype(np.float64)

    def _contracts_of(self, sieve: Sieve, place: Ints, month: Ints, day: Ints) -> tuple[list[tuple[str, int]], npt.NDArray[np.intp]]:
        """Roots and months, and which of them a good row has; refuses those without an end and what comes after it."""
        roots = list(ROOTS)
        keys, its = np.unique(np.where(sieve.good, place * 10**6 + month, 0), return_inverse=True)
        known = [(roots[key // 10**6], key % 10**6) for key in keys.tolist()]
        last = np.array([self._last_trades.get(one, NEVER) for one in known], np.int64)[its]
        sieve.refuse(last == NEVER, "contract", "no last trading day in the expiries")
        sieve.refuse(day > last, "date", "after the contract's last trade")
        return known, its

    def _remember(self, known: Sequence[tuple[str, int]], its: npt.NDArray[np.intp], day: Ints) -> None:
        low, high = np.full(len(known), np.iinfo(np.int64).max), np.full(len(known), np.iinfo(np.int64).min)
        np.minimum.at(low, its, day)
        np.maximum.at(high, its, day)
        for place in np.unique(its).tolist():
            word, first, last = _word(*known[place]), int(low[place]), int(high[place])
            before = self.memory["contracts"].get(word, (first, last))
            self.memory["contracts"][word] = [min(first, before[0]), max(last, before[1])]

    def _notes(self, stream: _Settlements) -> Iterator[str]:
        for root, counts in sorted(stream.counts.items()):
            yield from _notes(self._product(root), counts, [life for life in stream.lives if life.root == root])


@dataclass(slots=True)
class _Life:
    """A contract from its first to its last day in the file, and how many settlements it has."""

    root: str
    contract: Contract
    first: int
    last: int
    last_trade: int
    settlements: int = 0


@dataclass(slots=True)
class _Counts:
    """What has come of the settlements of a root."""

    days: dict[int, int] = field(default_factory=dict)
    """How many each has."""
    off_tick: int = 0
    off_tick_max: float = 0.0
    """Dollars."""
    below: int = 0
    """At zero or below."""
    lowest: tuple[float, int, int] = (np.inf, 0, 0)
    """With its month and day."""


@dataclass(slots=True, kw_only=True)
class _Settlements(BarStream):
    """Snaps settlements to the tick, and counts those that are kept."""

    lives: Sequence[_Life]
    """By row of a contract on the tape."""
    ticks: Ints
    """Micros, likewise."""
    single: bool
    noun: str = "settlement"
    column: str = "settle"
    counts: dict[str, _Counts] = field(default_factory=dict)

    def _told_once(self, bucket: Columns) -> Columns:
        bars = BarStream._told_once(self, bucket)
        settle, ref, day = bars.pop("settle"), bars["ref"], bars["ts"] // NANOS_PER_DAY
        price, off = _snapped(settle, self.ticks[ref], self.single)
        for root in ROOTS:
            rows = np.flatnonzero(np.array([life.root == root for life in self.lives])[ref])
            if len(rows):
                self._count(self.counts.setdefault(root, _Counts()), ref[rows], day[rows], settle[rows], off[rows])
        return {**bars, "close": price}

    def _dollars(self, bars: Columns, place: int) -> float:
        return float(bars["settle"][place])

    def _count(self, counts: _Counts, ref: npt.NDArray[np.int32], day: Ints, settle: npt.NDArray[np.float64],
               off: npt.NDArray[np.float64]) -> None:  # fmt: skip
        for its, count in enumerate(np.bincount(ref).tolist()):
            self.lives[its].settlements += count
        for one, count in zip(*map(np.ndarray.tolist, np.unique(day, return_counts=True)), strict=True):
            counts.days[one] = counts.days.get(one, 0) + count
        counts.off_tick += int(np.count_nonzero(off))
        counts.off_tick_max = max(counts.off_tick_max, float(off.max()))
        counts.below += int(np.count_nonzero(settle <= 0))
        month = np.array([life.contract.month for life in self.lives])[ref]
        lowest = np.lexsort((day, month, settle))[0]
        counts.lowest = min(counts.lowest, (float(settle[lowest]), int(month[lowest]), int(day[lowest])))


def _word(root: str, month: int) -> str:
    return f"{root} {month}"


def _roots(sieve: Sieve) -> Ints:
    """The place of each row's root in :data:`ROOTS`."""
    cells, known = texts(sieve.columns["root"]), list(ROOTS)
    places = np.array([known.index(word) if word in ROOTS else -1 for word in cells.dictionary.to_pylist()], np.int64)
    found: Ints = places[array_of(cells.indices)]
    sieve.refuse(found < 0, "root", f"no root of {', '.join(ROOTS)}")
    return found


def _months(sieve: Sieve) -> Ints:
    read = numbers(sieve.columns["contract"])
    refuse_unread(sieve, "contract", read)
    found = np.where(read.is_good() & (np.abs(read.values) < 1e6), read.values, 0.0)
    month = found.astype(np.int64)
    sieve.refuse((month != found) | (month < 190001) | (month % 100 < 1) | (month % 100 > 12), "contract", "no month YYYYMM")
    return month


def _last_trades(expiries: Path) -> dict[tuple[str, int], int]:
    table = read_table(expiries, {"root": "text", "contract": "whole", "last_trade": "day"})
    refuse_first(table.duplicated(["root", "contract"]).to_numpy(), expiries.name, "contract", table["contract"],
                 "must have one row a contract")
    columns = (table[column].tolist() for column in table.columns)
    return {(root, month): day for root, month, day in zip(*columns, strict=True)}


def _contract(product: Product, month: int, last_trade: int, first: int) -> Contract:
    return Contract(
        code=contract_code(product.code, month), product=product.code,
        symbol=symbol_of(product.text("symbol"), month), month=month,
        listed_at=first, last_trade_at=product.close_at(last_trade),
        settlement_at=settlement_time(product.text("settlement_known"), product.business_days(), last_trade),
        fixing_days=(), rule="last trade as the expiries file states it; final: the settlement of that day, in cash",
    )


def _snapped(settle: npt.NDArray[np.float64], tick: Ints, single: bool) -> tuple[Ints, npt.NDArray[np.float64]]:
    """Settles on the tick, micros, and how many dollars each was off it: 0 within the file's own precision."""
    wide = settle * MICROS
    prices: Ints = np.rint(wide / tick).astype(np.int64) * tick
    moved = np.abs(wide - prices)
    size = np.abs(settle)
    precision = np.spacing(size.astype(np.float32)).astype(np.float64) if single else np.spacing(size)
    return prices, np.where(moved > np.maximum(precision * MICROS, 1e-3), moved / MICROS, 0.0)


def _notes(product: Product, its: _Counts, lives: Sequence[_Life]) -> Iterator[str]:
    code, tick, sessions = product.code, float(product.ratio("tick")), np.array(sorted(its.days))
    worst = f", the worst by {its.off_tick_max:.6g} USD" if its.off_tick else ""
    yield (f"{code}: {sum(its.days.values()):,} settlements of {count_of(len(lives), 'contract')}, {date_of(sessions[0])} to "
           f"{date_of(sessions[-1])}; each was snapped to the tick of {tick:g} USD, {its.off_tick:,} of them were off "
           f"it by more than the file's precision{worst}")
    if its.below:
        lowest, _, day = its.lowest
        yield f"{code}: {count_of(its.below, 'settlement')} at zero or below, the lowest {lowest:.6g} on {date_of(day)}"
    early = sum(life.last != life.last_trade <= sessions[-1] for life in lives)
    if early:
        yield f"{code}: {count_of(early, 'contract')} without a settlement on the last trading day, ended at the last one seen before it"
    alive = sum(life.last_trade > sessions[-1] for life in lives)
    if alive:
        yield f"{code}: {count_of(alive, 'contract')} alive at the end of the data, without a final settlement"
    odd = np.setdiff1d(sessions, product.trading_days().days)
    if len(odd):
        yield (f"{code}: {count_of(sum(its.days[day] for day in odd.tolist()), 'settlement')} on {count_of(len(odd), 'day')} on "
               f"which its calendar has no session (first {date_of(odd[0])}); kept")
    yield from _holes(code, sessions, lives)
    yield from _other_days(product, lives)


def _holes(code: str, sessions: Ints, lives: Sequence[_Life]) -> Iterator[str]:
    first, last = (np.searchsorted(sessions, days) for days in ([life.first for life in lives], [life.last for life in lives]))
    holes = int((last - first + 1).sum()) - sum(life.settlements for life in lives)
    if holes:
        yield f"{code}: {count_of(holes, 'settlement')} missing between a contract's first and last; nothing was filled in"


def _other_days(product: Product, lives: Sequence[_Life]) -> Iterator[str]:
    code, business = product.code, product.business_days()
    by_rule = [LAST_TRADE_RULES[product.text("last_trade")](business, life.contract.month) for life in lives]
    other = [(life, day) for life, day in zip(lives, by_rule, strict=True) if day != life.last_trade]
    if other:
        life, day = other[0]
        yield (f"{code}: {count_of(len(other), 'last trading day')} not as by the registry's rule (first {life.contract.code}: "
               f"{date_of(life.last_trade)}, by rule {date_of(day)}); the file's taken")
    else:
        yield f"{code}: the last trading days are those of the registry's rule, without exception"
