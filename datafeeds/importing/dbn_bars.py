# SPDX-License-Identifier: Apache-2.0
"""Databento's bars and statistics as a tape, in bounded memory: bars are spooled, statistics are few and remembered."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kilohour.contracts import Assumptions, Product, Registry
from kilohour.contracts.codes import contract_code
from kilohour.contracts.contract import Contract
from kilohour.datafeeds.dbn import INTERVALS, UNDEFINED, Contents, records
from kilohour.datafeeds.importing.bar_stream import DTYPES, BarStream, refuse_bars
from kilohour.datafeeds.importing.intake import Columns, Intake
from kilohour.datafeeds.importing.names import Names
from kilohour.datafeeds.importing.refusals import Refusals, Sieve
from kilohour.datafeeds.importing.spool import RUN_ROWS
from kilohour.datafeeds.importing.stream import BATCH_ROWS, Batch, fingerprint
from kilohour.datafeeds.importing.table_import import REJECTED_MAX
from kilohour.datafeeds.importing.tape_import import Taped, import_tape
from kilohour.datafeeds.reading import Progress, count_of
from kilohour.errors import DataError
from kilohour.tape import Tape, TapeBuilder, arrow
from kilohour.tape.columns import PRICES
from kilohour.tape.events import Events
from kilohour.tape.frames import listed_by
from kilohour.units import MISSING, NANOS_PER_DAY, datetime_of

Ints = npt.NDArray[np.int64]
SOURCE = "databento"
SETTLEMENT, OPEN_INTEREST, FINAL_FLAG = 3, 9, 1
NANOS_PER_MICRO = 1_000
"""Billionths of a dollar in a millionth."""


def import_dbn(
    inputs: Sequence[Path], out: Path, *, product: str, assume: Sequence[str] = (), rejected_max: float = REJECTED_MAX,
    run_rows: int = RUN_ROWS, batch_rows: int = BATCH_ROWS, progress: Progress | None = None,
) -> Taped:  # fmt: skip
    """Writes the tape of one product of the registry; instruments that are none of its contracts (spreads, other roots) are left out.

    Of two bars of one contract and time the first is kept. Raises :class:`DataError` for a damaged file,
    or files without a bar of the product.
    """
    reader = _DbnReader(Registry.shipped().assuming(*map(Assumptions.load, assume)).product(product), assume, batch_rows)
    key = {"inputs": fingerprint(inputs), "product": product, "assume": list(assume), "batch_rows": batch_rows}
    return import_tape(SOURCE, reader, inputs, out, key=key, rejected_max=rejected_max, run_rows=run_rows, progress=progress)


@dataclass(slots=True)
class _Batch:
    """Records of one file since the last batch."""

    bars: list[Any] = field(default_factory=list)
    places: array[int] = field(default_factory=lambda: array("q"))
    rows: array[int] = field(default_factory=lambda: array("q"))
    settles: list[tuple[str, int, int, int]] = field(default_factory=list)
    """Contract, known at, of which session, billionths."""
    interest: list[tuple[str, int, int, int]] = field(default_factory=list)
    foreign: int = 0

    def statistic(self, record: Any, code: str) -> None:
        kind = int(record.stat_type)
        if kind == SETTLEMENT and record.price != UNDEFINED and record.stat_flags & FINAL_FLAG:
            self.settles.append((code, record.ts_recv, record.ts_ref, record.price))
        elif kind == OPEN_INTEREST:
            self.interest.append((code, record.ts_recv, record.ts_ref, record.quantity))

    def columns(self, contents: Contents | None) -> dict[str, Any]:
        columns = {name: np.array([getattr(bar, name) for bar in self.bars], dtype=np.int64) for name in (*PRICES, "volume")}
        columns["begin"] = np.array([bar.ts_event for bar in self.bars], dtype=np.int64)
        columns["contract"], columns["row"] = np.array(self.places, dtype=np.int64), np.array(self.rows, dtype=np.int64)
        told = {"settles": self.settles, "interest": self.interest, "foreign": self.foreign}
        if contents is None:  # a file without records
            return {**columns, **told, "dataset": "", "interval": 0}
        return {**columns, **told, "dataset": contents.dataset, "interval": INTERVALS.get(contents.schema, 0)}


class _DbnReader:
    words: Sequence[str] = ("contract",)
    time = "ts"
    dtypes: Mapping[str, npt.DTypeLike] = DTYPES

    def __init__(self, product: Product, assume: Sequence[str], batch_rows: int) -> None:
        self.product, self.assume, self.batch_rows = product, assume, batch_rows
        self.memory: dict[str, Any] = {"spans": {}, "end": 0, "settles": {}, "interest": {}, "datasets": [], "foreign": 0, "rounded": 0}
        """By code of a contract its symbol and the times of its first and last bar, its settlements, its open interest; when the last
        interval ends; records of other instruments; prices that were rounded."""
        self._named: dict[str, tuple[str, int]] = {}
        """Symbol and month by code, in the order in which the files first name them."""
        self._contracts: dict[str, Contract] = {}

    def open(self, path: Path) -> Iterator[Batch]:
        """Batches of a file: prices in billionths, ``contract`` a place in our list of names."""
        batch, first, row, done, contents = _Batch(), 0, -1, 0.0, None
        places: dict[tuple[int, int], int] = {}
        for row, (contents, record, done) in enumerate(records(path)):
            day = record.instrument_id, record.ts_event // NANOS_PER_DAY
            place = places.get(day)
            if place is None:
                place = places[day] = self._place(contents.symbol(record), record.ts_event)
            if place < 0:
                batch.foreign += 1
            elif contents.schema in INTERVALS:
                batch.bars.append(record)
                batch.places.append(place)
                batch.rows.append(row)
            else:
                batch.statistic(record, list(self._named)[place])
            if row + 1 - first >= self.batch_rows:
                yield Batch(path.name, first, batch.columns(contents), row + 1 - first, int(1_000 * done), 1_000)
                batch, first = _Batch(), row + 1
        yield Batch(path.name, first, batch.columns(contents), row + 1 - first, 1_000, 1_000)

    def of(self, batch: Batch, names: Names, refusals: Refusals) -> Columns:
        raw = batch.columns
        self._note(raw)
        sieve = Sieve(batch.file, 0, len(raw["row"]), {name: arrow.numbers(raw[name]) for name in (*PRICES, "begin")}, refusals, raw["row"])
        codes = list(self._named)
        place = raw["contract"]
        last_trade, coded = np.zeros(len(codes), np.int64), np.zeros(len(codes), np.int32)
        for its in np.unique(place).tolist():
            last_trade[its], coded[its] = self._contract(codes[its]).last_trade_at, names.code("contract", codes[its])
        for name in PRICES:
            sieve.refuse(raw[name] == UNDEFINED, name, "no price")
        sieve.refuse(raw["begin"] >= last_trade[place], "begin", "after the contract's last trade")
        prices = {name: _micros(raw[name]) for name in PRICES}
        refuse_bars(sieve, prices, {name: name for name in PRICES})
        # Nothing trades after the last trade, so the interval in which it lies is known by then.
        ends = raw["begin"] + raw["interval"]
        ts = np.minimum(ends, last_trade[place])
        found = {"ts": ts, **prices, "volume": raw["volume"], "contract": coded[place], "row": raw["row"]}
        keep = np.flatnonzero(sieve.good)
        self.memory["rounded"] += sum(int(np.count_nonzero(raw[name][keep] % NANOS_PER_MICRO)) for name in PRICES)
        self.memory["end"] = max([self.memory["end"], *ends[keep].max(initial=0, keepdims=True).tolist()])
        for its in np.unique(place[keep]).tolist():
            when, (symbol, _) = ts[keep][place[keep] == its], self._named[codes[its]]
            _, first, last = self.memory["spans"].get(codes[its], (symbol, int(when.min()), int(when.max())))
            self.memory["spans"][codes[its]] = [symbol, min(first, int(when.min())), max(last, int(when.max()))]
        return {name: found[name][keep] for name in DTYPES}

    def tape(self, intake: Intake, files: Sequence[str]) -> tuple[Iterator[Events], Callable[[], Tape]]:
        memory, product, named = self.memory, self.product, ", ".join(files)
        spans, words, end = memory["spans"], intake.names.words()["contract"], memory["end"]
        if not spans:
            found = f"none among {memory['foreign']:,} records of other instruments"
            raise DataError(f"{named}: must hold a bar of {product.code}, found {found}")
        builder = TapeBuilder(source=f"databento {', '.join(memory['datasets'])}: {named}", days_per_year=product.whole("days_per_year"),
                              assumptions=self.assume)
        refs, at_close, ended = np.full(len(words), -1, np.int32), set(), []
        for code, (symbol, first, _) in sorted(spans.items(), key=lambda one: (one[1][0], one[0])):
            contract = listed_by(self._contract(code), first)
            ref = builder.contract(contract)
            refs[words.index(code)] = ref
            mark = _add_statistics(builder, ref, memory["settles"].get(code, ()), memory["interest"].get(code, ()))
            if not contract.is_perpetual and contract.settlement_at <= end:
                ended.append(symbol)
                builder.finals(ref, contract.settlement_at, MISSING if mark is None else mark)
                at_close |= {ref} if mark is None else set()
        builder.notes += list(_notes(memory, ended))
        rest = builder.beside(min(first for _, first, _ in spans.values()), max(last for _, _, last in spans.values()))
        stream = BarStream(spool=intake.spool, refs=refs, beside=rest.events, settled=at_close, product=product, end=end,
                           refusals=intake.refusals, files=files)
        return stream.blocks(), lambda: rest

    def _place(self, symbol: str, ts: int) -> int:
        """Place of the contract that a symbol means at a time in our list of names, -1 when it is none of the product's."""
        # A symbol with one digit of the year means the first such year from now on: what has expired does not trade.
        month = self.product.month_named(symbol, near=datetime_of(ts).year + 4) if symbol else None
        if month is None:
            return -1
        code = contract_code(self.product.code, month)
        self._named.setdefault(code, (symbol, month))
        return list(self._named).index(code)

    def _contract(self, code: str) -> Contract:
        if code not in self._contracts:
            self._contracts[code] = self.product.contract(self._named[code][1])
        return self._contracts[code]

    def _note(self, raw: Mapping[str, Any]) -> None:
        memory = self.memory
        memory["foreign"] += raw["foreign"]
        memory["datasets"] += [name for name in [raw["dataset"]] if name and name not in memory["datasets"]]
        for code, known, of, nanos in raw["settles"]:
            (price,) = _micros(np.array([nanos])).tolist()
            memory["rounded"] += nanos % NANOS_PER_MICRO != 0
            memory["settles"].setdefault(code, []).append([known, of, price])
        for code, *told in raw["interest"]:
            memory["interest"].setdefault(code, []).append(told)


def _micros(nanos: Ints) -> Ints:
    """Billionths as millionths, half-even."""
    whole, rest = np.divmod(nanos, NANOS_PER_MICRO)
    half = NANOS_PER_MICRO // 2
    micros: Ints = whole + ((rest > half) | ((rest == half) & (whole % 2 == 1)))
    return micros


def _add_statistics(builder: TapeBuilder, ref: int, settles: Sequence[Sequence[int]], interest: Sequence[Sequence[int]]) -> int | None:
    """Adds open interest, marks and their corrections; returns the last mark."""
    told = sorted({tuple(row) for row in interest})
    if told:
        known, of, lots = (np.array(column, dtype=np.int64) for column in zip(*told, strict=True))
        builder.interest(ref, known, lots, np.where(of == UNDEFINED, known, of))
    first: dict[int, tuple[int, int]] = {}
    changes: list[tuple[int, int, int]] = []
    for seen, session, price in sorted({tuple(row) for row in settles}):
        day = seen if session == UNDEFINED else session
        if day not in first:
            first[day] = (seen, price)
        elif price != first[day][1]:
            changes.append((seen, day, price))
    marks = sorted((seen, day, price) for day, (seen, price) in first.items())
    if not marks:
        return None
    ts, of_session, prices = (np.array(column, dtype=np.int64) for column in zip(*marks, strict=True))
    builder.marks(ref, ts, prices, of_session)
    for seen, day, price in changes:
        builder.correct_mark(ref, seen, day, price)
    return max([*marks, *changes], key=lambda one: (one[1], one[0]))[2]


def _notes(memory: Mapping[str, Any], ended: Sequence[str]) -> Iterator[str]:
    yield "a bar is seen when its interval ends; its time in the file is when it begins"
    if memory["foreign"]:
        yield f"{count_of(memory['foreign'], 'record')} of other instruments (spreads, other products) left out"
    if memory["rounded"]:
        yield f"{count_of(memory['rounded'], 'price')} had more than six decimals and were rounded half-even"
    if ended:
        yield f"{count_of(len(ended), 'contract')} settled at the last official mark, for the files hold no index prints ({ended[0]}, ...)"
