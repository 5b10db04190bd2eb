# SPDX-License-Identifier: Apache-2.0
"""A user's own bars as a tape, in bounded memory: the tape that :meth:`kilohour.tape.Tape.from_bars` makes of the rows that are kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kilohour.contracts.contract import Contract
from kilohour.datafeeds.importing.bar_stream import DTYPES, BarStream, refuse_bars
from kilohour.datafeeds.importing.cells import days, numbers, times
from kilohour.datafeeds.importing.convert import codes_of, refuse_unread
from kilohour.datafeeds.importing.intake import Columns, Intake
from kilohour.datafeeds.importing.mapping_file import BarMapping
from kilohour.datafeeds.importing.names import Names
from kilohour.datafeeds.importing.refusals import Refusals, Sieve
from kilohour.datafeeds.importing.spool import RUN_ROWS
from kilohour.datafeeds.importing.stream import BATCH_ROWS, Batch, batches, fingerprint
from kilohour.datafeeds.importing.table_import import REJECTED_MAX
from kilohour.datafeeds.importing.tape_import import Taped, import_tape
from kilohour.datafeeds.reading import Progress
from kilohour.errors import DataError, KilohourError, UsageError
from kilohour.tape import Tape, TapeBuilder
from kilohour.tape.columns import PRICE_MAX, PRICES
from kilohour.tape.events import Events
from kilohour.tape.frames import Enlisting, data_notes, product_of
from kilohour.units import MICROS, MISSING, datetime_of

Ints = npt.NDArray[np.int64]
SOURCE = "my-file"
LOTS = {"volume": "volume", "interest": "open_interest"}
"""Our column of lots: the mapping's."""


def import_bars(
    path: Path, mapping: BarMapping, out: Path, *, rejected_max: float = REJECTED_MAX, run_rows: int = RUN_ROWS,
    batch_rows: int = BATCH_ROWS, progress: Progress | None = None,
) -> Taped:  # fmt: skip
    """Writes the tape of a file of bars in any order. A row that cannot be used is put aside: a hole in the tape, which a note counts.

    Raises :class:`DataError` for a file that cannot be read, in which volume is there and is not, or of which too much is refused.
    """
    reader = _BarReader(path, mapping, batch_rows)
    key = {"inputs": fingerprint([path]), "mapping": repr(mapping), "batch_rows": batch_rows}
    return import_tape(SOURCE, reader, [path], out, key=key, rejected_max=rejected_max, run_rows=run_rows, progress=progress)


class _BarReader:
    words: Sequence[str] = ("contract",)
    time = "ts"

    def __init__(self, path: Path, mapping: BarMapping, batch_rows: int) -> None:
        self.path, self.mapping, self.batch_rows = path, mapping, batch_rows
        self.product, self.own = product_of(mapping.product, mapping.assume)
        extra = [name for name, column in (("settle", "settle"), ("interest", "open_interest")) if column in mapping.columns]
        self.dtypes: Mapping[str, npt.DTypeLike] = {**DTYPES, **dict.fromkeys(extra, np.int64)}
        self.memory: dict[str, Any] = {"years": {}, "spans": {}, "rounded": 0, "with": 0, "without": 0, "first_without": 0}
        """By name of a contract the year in which it was first met, and the row and times of its first and last bar; prices that were
        rounded; rows with and without volume."""
        self._contracts: dict[int, Contract | None] = {}

    def open(self, path: Path) -> Iterator[Batch]:
        mapping = self.mapping
        needed = [mapping.time.column, *mapping.columns.values(), *([mapping.contract.column] if mapping.contract.column else [])]
        return batches(path, needed, batch_rows=self.batch_rows)

    def of(self, batch: Batch, names: Names, refusals: Refusals) -> Columns:
        sieve = Sieve(batch.file, batch.first, batch.rows, batch.columns, refusals)
        ts = self._times(sieve)
        contract = self._codes(sieve, names)
        prices, rounded = self._prices(sieve)
        refuse_bars(sieve, prices, self.mapping.columns)
        found: Columns = {"ts": ts, "contract": contract, **prices}
        for name, mapped in LOTS.items():
            if mapped in self.mapping.columns:
                found[name] = _lots(sieve, self.mapping.columns[mapped])
        found.setdefault("volume", np.full(batch.rows, MISSING))
        self._refuse_contracts(sieve, names, ts, contract)
        keep = np.flatnonzero(sieve.good)
        kept = {name: column[keep] for name, column in found.items()} | {"row": batch.first + keep}
        self._remember(kept, names, int(rounded[keep].sum()))
        return kept

    def tape(self, intake: Intake, files: Sequence[str]) -> tuple[Iterator[Events], Callable[[], Tape]]:
        spans, words = self.memory["spans"], intake.names.words()["contract"]
        if not spans:
            raise DataError(f"{self.path.name}: needs at least one bar, found none")
        self._check_volume()
        product, end = self.product, max(last for _, _, last in spans.values())
        builder = TapeBuilder(source=f"bars of {product.code} from a DataFrame", days_per_year=product.whole("days_per_year"),
                              products=(product,) if self.own else (), assumptions=self.mapping.assume)
        enlisting = Enlisting(builder, product, end)
        refs, settled = np.full(len(words), -1, np.int32), set()
        for word, (_, first, _) in sorted(spans.items(), key=lambda one: one[1][0]):
            ref, contract = enlisting.add(word, first)
            self._check_same(word, contract, first)
            refs[words.index(word)] = ref
            if enlisting.settle(ref, contract):
                settled.add(ref)
        has_settle = "settle" in self.dtypes
        notes = data_notes(settle=has_settle, volume=self.memory["with"] > 0, rounded=self.memory["rounded"])
        builder.notes += [*enlisting.notes(), *notes]
        rest = builder.beside(min(first for _, first, _ in spans.values()), end)
        stream = BarStream(spool=intake.spool, refs=refs, beside=rest.events, settled=settled, product=product, end=end,
                           refusals=intake.refusals, files=files, daily_marks=not has_settle)
        return stream.blocks(), lambda: rest

    def _times(self, sieve: Sieve) -> Ints:
        at = self.mapping.time
        column = sieve.columns[at.column]
        read = days(column) if at.of == "day" else times(column, zone=at.zone, epoch=at.epoch)
        refuse_unread(sieve, at.column, read)
        if at.of != "day":
            return read.values
        good = np.flatnonzero(read.is_good())
        known, place = np.unique(read.values[good], return_inverse=True)
        closes = np.zeros(len(read.values), np.int64)
        closes[good] = np.array([self.product.close_at(int(day)) for day in known], np.int64)[place]
        return closes

    def _codes(self, sieve: Sieve, names: Names) -> npt.NDArray[np.int32]:
        text = self.mapping.contract
        found = codes_of(sieve, "contract", text, names)
        if np.ndim(found) == 0:
            return np.full(len(sieve.good), found, np.int32)
        empty = names.code("contract", "")
        sieve.refuse(found == empty, text.column or "", "empty")
        codes: npt.NDArray[np.int32] = found
        return codes

    def _prices(self, sieve: Sieve) -> tuple[Columns, Ints]:
        """Micros by our names, and how many of a row's prices had more decimals."""
        unit = self.mapping.unit.scale / int(self.mapping.unit.gpus)
        rounded = np.zeros(len(sieve.good), np.int64)
        micros: Columns = {}
        for name in (*PRICES, "settle"):
            column = self.mapping.columns.get(name)
            if column is None:
                continue
            read = numbers(sieve.columns[column])
            for reason, mask in read.bad.items():
                sieve.refuse(mask, column, reason)
            if name != "settle":
                sieve.refuse(read.empty, column, "empty")
            dollars = np.where(read.is_good(), read.values * unit, 0.0)
            sieve.refuse(~(np.abs(dollars) < PRICE_MAX), column, f"not between {-PRICE_MAX:.0e} and {PRICE_MAX:.0e} dollars")
            dollars = np.where(np.abs(dollars) < PRICE_MAX, dollars, 0.0)
            whole = np.rint(dollars * MICROS).astype(np.int64)
            if name != "settle":
                rounded += np.abs(dollars * MICROS - whole) > 1e-3
            micros[name] = np.where(read.empty, MISSING, whole)
        return micros, rounded

    def _refuse_contracts(self, sieve: Sieve, names: Names, ts: Ints, contract: npt.NDArray[np.int32]) -> None:
        """Refuses names that no contract of the product has, and bars after a contract's last trade."""
        words = names.words()["contract"]
        last_trade = np.full(len(words), np.iinfo(np.int64).max)
        unknown = np.zeros(len(words), np.bool_)
        for code in np.unique(contract[sieve.good]).tolist():
            if code not in self._contracts:
                row = int(np.argmax((contract == code) & sieve.good))
                year = self.memory["years"].setdefault(words[code], datetime_of(int(ts[row])).year)
                self._contracts[code] = self._named(words[code], year)
            its = self._contracts[code]
            unknown[code] = its is None
            if its is not None:
                last_trade[code] = its.last_trade_at
        column = self.mapping.contract.column or ""
        sieve.refuse(unknown[contract], column, f"no code, symbol or month of a contract of {self.product.code}")
        sieve.refuse(ts > last_trade[contract], self.mapping.time.column, "after the contract's last trade")

    def _named(self, word: str, year: int) -> Contract | None:
        try:
            return self.product.contract_named(word, near=year)
        except KilohourError:
            return None

    def _remember(self, kept: Columns, names: Names, rounded: int) -> None:
        words, memory = names.words()["contract"], self.memory
        without = np.flatnonzero(kept["volume"] == MISSING)
        if len(without) and not memory["without"]:
            memory["first_without"] = int(kept["row"][without[0]])
        memory["without"] += len(without)
        memory["with"] += len(kept["ts"]) - len(without)
        memory["rounded"] += rounded
        rows, low, high = _spans(kept, len(words))
        for code in np.flatnonzero(rows >= 0).tolist():
            row, first, last = memory["spans"].get(words[code], (int(rows[code]), int(low[code]), int(high[code])))
            memory["spans"][words[code]] = [row, min(first, int(low[code])), max(last, int(high[code]))]

    def _check_volume(self) -> None:
        if self.memory["with"] and self.memory["without"]:
            at = f"{self.path.name}: row {self.memory['first_without']}, column {self.mapping.columns['volume']!r}"
            raise DataError(f"{at}: must be whole lots, found none; write 0 where nothing traded, or leave the whole column empty "
                            "when volume is not known")  # fmt: skip

    def _check_same(self, word: str, contract: Contract, first: int) -> None:
        """A symbol with a short year is named by its first bar, which need not be the first row."""
        met = self._named(word, self.memory["years"][word])
        if met is None or met.code != contract.code:
            raise UsageError(f"{self.path.name}: contract {word!r} means another one in {datetime_of(first).year} than in "
                             f"{self.memory['years'][word]}: name contracts by month, as 2026-12")  # fmt: skip


def _lots(sieve: Sieve, column: str) -> Ints:
    read = numbers(sieve.columns[column])
    for reason, mask in read.bad.items():
        sieve.refuse(mask, column, reason)
    good = read.is_good()
    values = np.where(good, read.values, 0.0)
    whole = (values >= 0) & (values < 2**53) & (values == np.rint(values))
    sieve.refuse(good & ~whole, column, "not whole lots of 0 or more")
    lots: Ints = np.where(good & whole, np.where(whole, values, 0.0).astype(np.int64), MISSING)
    return lots


def _spans(kept: Columns, count: int) -> tuple[Ints, Ints, Ints]:
    """By code: the first row, -1 without one, and the first and last time."""
    far = np.iinfo(np.int64)
    rows, low, high = np.full(count, -1), np.full(count, far.max), np.full(count, far.min)
    codes, ts = kept["contract"], kept["ts"]
    found, place = np.unique(codes, return_index=True)
    rows[found] = kept["row"][place]
    np.minimum.at(low, codes, ts)
    np.maximum.at(high, codes, ts)
    return rows, low, high
