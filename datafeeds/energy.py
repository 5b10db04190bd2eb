# SPDX-License-Identifier: Apache-2.0
"""A real term structure: daily settlements of WTI and Henry Hub futures, months out, as a tape.

There are settlements and nothing else, so a bar's open, high, low and close are the settlement and its volume is
unknown. That a fill can be had at the next settlement is an assumption, and so is an end in cash: the contracts are
delivered. The tape's notes, which the report prints, say both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kilohour.contracts import Product, Registry
from kilohour.contracts.codes import contract_code, symbol_of
from kilohour.contracts.contract import Contract
from kilohour.contracts.days import LAST_TRADE_RULES, settlement_time
from kilohour.datafeeds.importing.bar_stream import SETTLES, BarStream
from kilohour.datafeeds.importing.intake import Columns, Intake
from kilohour.datafeeds.importing.names import Names
from kilohour.datafeeds.importing.refusals import Refusals
from kilohour.datafeeds.importing.spool import RUN_ROWS
from kilohour.datafeeds.importing.stream import BATCH_ROWS, Batch, fingerprint
from kilohour.datafeeds.importing.tape_import import Taped, import_tape
from kilohour.datafeeds.reading import Progress, count_of, read_table, refuse_first, tables
from kilohour.errors import DataError, UnknownName
from kilohour.tape import Tape, TapeBuilder
from kilohour.tape.events import Events
from kilohour.units import MICROS, NANOS_PER_DAY, date_of

Ints = npt.NDArray[np.int64]

SOURCE = "energy-strip"
ROOTS = {"CL": "NYMEX:CL", "NG": "NYMEX:NG"}
"""Product by the root the files use."""

ASSUMPTIONS = (
    "settlements only: each bar's open, high, low and close are the day's settlement, and that an order fills at "
    "the next settlement is an assumption",
    "no volume: fills are not limited; no open interest: to a strategy that waits for it there is none",
    "physical delivery is modelled as cash: what is held at the end of a contract is paid its last settlement",
)
"""The last notes of every energy tape."""


def import_strip(parquet: str | Path, expiries: str | Path, out: str | Path, *, run_rows: int = RUN_ROWS,
                 batch_rows: int = BATCH_ROWS, progress: Progress | None = None) -> Taped:
    """Writes a tape of daily settlements to the folder ``out``.

    ``parquet`` (or a CSV of the same columns) holds a row a settlement: ``root`` (CL, NG), ``date``, ``contract``
    (YYYYMM), ``settle`` (USD per barrel or MMBtu). ``expiries`` holds a row a contract: ``root``, ``contract``,
    ``last_trade``. A contract is listed from its first settlement in the file. Product terms are not in the tape: a
    run takes them from the registry and the assumptions the tape names, ``energy``. The same rows, in any order, give
    the same tape. ``progress`` is called with thousandths (done, total).

    Raises :class:`DataError` with file, row, column and value: a settlement that is no number, comes twice or after
    the last trade, or whose contract has no expiry.
    """
    parquet, expiries = Path(parquet), Path(expiries)
    reader = _StripReader(parquet, expiries, batch_rows)
    key = {"inputs": fingerprint([parquet, expiries]), "batch_rows": batch_rows}
    return import_tape(SOURCE, reader, [parquet], Path(out), key=key, run_rows=run_rows, progress=progress)


class _StripReader:
    words: Sequence[str] = ("contract",)
    time = "ts"
    dtypes: Mapping[str, npt.DTypeLike] = SETTLES

    def __init__(self, path: Path, expiries: Path, batch_rows: int) -> None:
        self.path, self.expiries, self.batch_rows = path, expiries, batch_rows
        self.memory: dict[str, Any] = {"contracts": {}, "roots": {}}
        """By root and month of a contract, as ``CL 202005``, its first and last day and how many settlements it has; what each root
        has, as :func:`_empty` begins it."""
        self._last_trades = _last_trades(expiries)
        self._products: dict[str, Product] = {}
        self._closes: dict[tuple[str, int], int] = {}

    def open(self, path: Path) -> Iterator[Batch]:
        return tables(path, {"root": "text", "date": "day", "contract": "whole", "settle": "number"}, batch_rows=self.batch_rows)

    def of(self, batch: Batch, names: Names, refusals: Refusals) -> Columns:  # noqa: ARG002
        import pandas as pd

        _check_rows(batch)
        columns = batch.columns
        place, roots = pd.factorize(columns["root"], sort=True)
        month, day = columns["contract"].to_numpy(), columns["date"].to_numpy()
        keys, its = np.unique(place * 10**6 + month, return_inverse=True)
        known = [(str(roots[key // 10**6]), int(key % 10**6)) for key in keys.tolist()]
        self._check_last_trades(batch, known, its)
        self._remember_spans(known, its, day)
        ts, price = np.zeros(batch.rows, np.int64), np.zeros(batch.rows, np.int64)
        for number, root in enumerate(map(str, roots)):
            rows = np.flatnonzero(place == number)
            ts[rows], price[rows] = self._settlements(root, month[rows], day[rows], columns["settle"].to_numpy()[rows])
        codes = np.array([names.code("contract", _word(*one)) for one in known], np.int32)
        return {"ts": ts, "close": price, "row": batch.first + np.arange(batch.rows), "contract": codes[its]}

    def tape(self, intake: Intake, files: Sequence[str]) -> tuple[Iterator[Events], Callable[[], Tape]]:
        builder = TapeBuilder(source=f"{SOURCE}: {self.path.name}, last trading days from {self.expiries.name}", assumptions=("energy",))
        words = intake.names.words()["contract"]
        codes = {word: code for code, word in enumerate(words)}
        refs, settled, spans = np.full(len(words), -1, np.int32), set(), list[tuple[int, int]]()
        for root in sorted(self.memory["roots"]):
            product, its = self._product(root), self.memory["roots"][root]
            sessions, lives = np.array(sorted(map(int, its["days"]))), _Lives()
            for month, (first, last, count) in self._contracts(root):
                contract = _contract(product, month, self._last_trades[root, month], self._close(root, first))
                refs[codes[_word(root, month)]] = ref = builder.contract(contract)
                spans.append((contract.listed_at, self._close(root, last)))
                lives.note(product, contract, (first, last, count), self._last_trades[root, month], sessions)
                if self._last_trades[root, month] <= sessions[-1]:
                    builder.finals(ref, contract.settlement_at)
                    settled.add(ref)
            builder.notes += _notes(product, its, lives, sessions)
        builder.notes += ASSUMPTIONS
        end = max(last for _, last in spans)
        rest = builder.beside(min(first for first, _ in spans), end)
        stream = _Settlements(spool=intake.spool, refs=refs, beside=rest.events, settled=settled, product=product, end=end,
                              refusals=intake.refusals, files=files)
        return stream.blocks(), lambda: rest

    def _product(self, root: str) -> Product:
        if root not in self._products:
            self._products[root] = Registry.shipped().product(ROOTS[root])
        return self._products[root]

    def _close(self, root: str, day: int) -> int:
        if (root, day) not in self._closes:
            self._closes[root, day] = self._product(root).close_at(day)
        return self._closes[root, day]

    def _contracts(self, root: str) -> list[tuple[int, tuple[int, int, int]]]:
        """Months of a root in order, with the span of each."""
        named = ((*word.split(), span) for word, span in self.memory["contracts"].items())
        return sorted((int(month), tuple(span)) for its, month, span in named if its == root)

    def _check_last_trades(self, batch: Batch, known: Sequence[tuple[str, int]], its: npt.NDArray[np.intp]) -> None:
        day = batch.columns["date"].to_numpy()
        last = np.array([self._last_trades.get(one, np.iinfo(np.int64).min) for one in known])
        without = np.array([one not in self._last_trades for one in known])[its]
        if without.any():
            row = int(np.argmax(without))
            root, month = known[its[row]]
            raise DataError(f"{batch.file}: row {batch.first + row}, column 'contract': must have its last trading day "
                            f"in the expiries, found none for {root} {month}")
        late = day > last[its]
        if late.any():
            row = int(np.argmax(late))
            root, month = known[its[row]]
            raise DataError(f"{batch.file}: row {batch.first + row}, column 'date': must not be after the last trade of "
                            f"{root} {month} on {date_of(last[its[row]])}, found {date_of(day[row])}")

    def _remember_spans(self, known: Sequence[tuple[str, int]], its: npt.NDArray[np.intp], day: Ints) -> None:
        low, high = np.full(len(known), np.iinfo(np.int64).max), np.full(len(known), np.iinfo(np.int64).min)
        np.minimum.at(low, its, day)
        np.maximum.at(high, its, day)
        counts = np.bincount(its, minlength=len(known))
        for one, first, last, count in zip(known, low.tolist(), high.tolist(), counts.tolist(), strict=True):
            before = self.memory["contracts"].get(_word(*one), (first, last, 0))
            self.memory["contracts"][_word(*one)] = [min(first, before[0]), max(last, before[1]), count + before[2]]

    def _settlements(self, root: str, month: Ints, day: Ints, settle: npt.NDArray[Any]) -> tuple[Ints, Ints]:
        """When settlements of a root are seen and their prices in micros, on the tick; counts what its notes tell."""
        its = self.memory["roots"].setdefault(root, _empty())
        days, place, counts = np.unique(day, return_inverse=True, return_counts=True)
        for one, count in zip(days.tolist(), counts.tolist(), strict=True):
            its["days"][str(one)] = its["days"].get(str(one), 0) + count
        its["below"] += int(np.count_nonzero(settle <= 0))
        lowest = np.lexsort((day, month, settle))[0]
        found = [float(settle[lowest]), int(month[lowest]), int(day[lowest])]
        its["lowest"] = min(its["lowest"] or found, found)
        closes = np.array([self._close(root, one) for one in days.tolist()])
        return closes[place], _snapped(settle, int(self._product(root).ratio("tick") * MICROS), its)


@dataclass(slots=True, kw_only=True)
class _Settlements(BarStream):
    def _refuse(self, bars: Columns, again: npt.NDArray[np.intp], first: npt.NDArray[np.intp]) -> None:  # noqa: ARG002
        place = again[np.argmin(bars["row"][again])]
        raise DataError(f"{self.files[0]}: row {bars['row'][place]}, column 'date': must have one settlement a contract and day, "
                        f"found {str(date_of(bars['ts'][place] // NANOS_PER_DAY))!r}")


def _empty() -> dict[str, Any]:
    """What is remembered of a root: by day how many settlements it has, those off the tick and the worst of them in dollars, those at
    zero or below, the lowest with its month and day."""
    return {"days": {}, "off_tick": 0, "off_tick_max": 0.0, "below": 0, "lowest": None}


def _word(root: str, month: int) -> str:
    return f"{root} {month}"


def _check_rows(batch: Batch) -> None:
    root, month, settle = (batch.columns[name] for name in ("root", "contract", "settle"))
    unknown = ~root.isin(list(ROOTS)).to_numpy()
    if unknown.any():
        row = int(np.argmax(unknown))
        raise UnknownName("root", str(root.iloc[row]), ROOTS, where=f"{batch.file}, row {batch.first + row}, column 'root'")
    is_month = month.between(190001, 299912) & (month % 100).between(1, 12)
    refuse_first(~is_month.to_numpy(), batch.file, "contract", month, "must be a month YYYYMM")
    refuse_first((settle.abs() >= 1e6).to_numpy(), batch.file, "settle", settle, "must be under 1e6 dollars")


def _last_trades(expiries: Path) -> dict[tuple[str, int], int]:
    table = read_table(expiries, {"root": "text", "contract": "whole", "last_trade": "day"})
    refuse_first(table.duplicated(["root", "contract"]).to_numpy(), expiries.name, "contract", table["contract"],
                 "must have one row a contract")
    columns = (table[column].tolist() for column in table.columns)
    return {(root, month): day for root, month, day in zip(*columns, strict=True)}


@dataclass(slots=True)
class _Lives:
    """What the contracts of one product have come to."""

    contracts: int = 0
    alive: int = 0
    early_finals: int = 0
    holes: int = 0
    other_days: int = 0
    other_example: str = ""

    def note(self, product: Product, contract: Contract, span: tuple[int, int, int], last_trade: int, sessions: Ints) -> None:
        """Counts a contract with settlements on ``span[2]`` of the ``sessions`` from ``span[0]`` to ``span[1]``."""
        first, last, count = span
        self.contracts += 1
        self.holes += int(np.searchsorted(sessions, last) - np.searchsorted(sessions, first)) + 1 - count
        if last_trade > sessions[-1]:
            self.alive += 1
        else:
            self.early_finals += last != last_trade
        by_rule = LAST_TRADE_RULES[product.text("last_trade")](product.business_days(), contract.month)
        if by_rule != last_trade:
            self.other_days += 1
            example = f"{contract.code}: {date_of(last_trade)}, by rule {date_of(by_rule)}"
            self.other_example = self.other_example or example


def _contract(product: Product, month: int, last_trade: int, first: int) -> Contract:
    return Contract(
        code=contract_code(product.code, month), product=product.code,
        symbol=symbol_of(product.text("symbol"), month), month=month,
        listed_at=first, last_trade_at=product.close_at(last_trade),
        settlement_at=settlement_time(product.text("settlement_known"), product.business_days(), last_trade),
        fixing_days=(), rule="last trade as the expiries file states it; final: the settlement of that day, in cash",
    )


def _snapped(settles: npt.NDArray[np.floating], tick: int, counts: dict[str, Any]) -> Ints:
    """Settles on the tick, micros. Off the tick is what lies further from it than the file's own precision."""
    wide = settles.astype(np.float64) * MICROS
    prices: Ints = np.rint(wide / tick).astype(np.int64) * tick
    moved = np.abs(wide - prices)
    off = moved > np.maximum(np.spacing(np.abs(settles)).astype(np.float64) * MICROS, 1e-3)
    counts["off_tick"] += int(np.count_nonzero(off))
    counts["off_tick_max"] = max(counts["off_tick_max"], float(moved[off].max(initial=0.0)) / MICROS)
    return prices


def _notes(product: Product, its: Mapping[str, Any], lives: _Lives, days: Ints) -> Iterator[str]:
    code, tick = product.code, float(product.ratio("tick"))
    worst = f", the worst by {its['off_tick_max']:.6g} USD" if its["off_tick"] else ""
    yield (f"{code}: {sum(its['days'].values()):,} settlements of {count_of(lives.contracts, 'contract')}, {date_of(days[0])} to "
           f"{date_of(days[-1])}; each was snapped to the tick of {tick:g} USD, {its['off_tick']:,} of them were off "
           f"it by more than the file's precision{worst}")
    if its["below"]:
        lowest, _, day = its["lowest"]
        yield f"{code}: {count_of(its['below'], 'settlement')} at zero or below, the lowest {lowest:.6g} on {date_of(day)}"
    if lives.early_finals:
        yield (f"{code}: {count_of(lives.early_finals, 'contract')} without a settlement on the last trading day, "
               "ended at the last one seen before it")
    if lives.alive:
        yield f"{code}: {count_of(lives.alive, 'contract')} alive at the end of the data, without a final settlement"
    odd = np.setdiff1d(days, product.trading_days().days)
    if len(odd):
        yield (f"{code}: {count_of(sum(its['days'][str(day)] for day in odd.tolist()), 'settlement')} on {count_of(len(odd), 'day')} on "
               f"which its calendar has no session (first {date_of(odd[0])}); kept")
    if lives.holes:
        yield (f"{code}: {count_of(lives.holes, 'settlement')} missing between a contract's first and last; "
               "nothing was filled in")
    if lives.other_days:
        yield (f"{code}: {count_of(lives.other_days, 'last trading day')} not as by the registry's rule (first "
               f"{lives.other_example}); the file's taken")
    else:
        yield f"{code}: the last trading days are those of the registry's rule, without exception"
