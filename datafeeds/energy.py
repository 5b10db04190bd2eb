# SPDX-License-Identifier: Apache-2.0
"""A real term structure: daily settlements of WTI and Henry Hub futures, months out, as a tape.

There are settlements and nothing else, so a bar's open, high, low and close are the settlement and its volume is
unknown. That a fill can be had at the next settlement is an assumption, and so is an end in cash: the contracts are
delivered. The tape's notes, which the report prints, say both.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kilohour.contracts import Product, Registry
from kilohour.contracts.codes import contract_code, symbol_of
from kilohour.contracts.contract import Contract
from kilohour.contracts.days import LAST_TRADE_RULES, settlement_time
from kilohour.datafeeds.reading import Progress, count_of, read_table, refuse_first
from kilohour.errors import DataError, UnknownName
from kilohour.tape import Tape, TapeBuilder
from kilohour.units import MICROS, MISSING, date_of

Ints = npt.NDArray[np.int64]

ROOTS = {"CL": "NYMEX:CL", "NG": "NYMEX:NG"}
"""Product by the root the files use."""

ASSUMPTIONS = (
    "settlements only: each bar's open, high, low and close are the day's settlement, and that an order fills at "
    "the next settlement is an assumption",
    "no volume: fills are not limited; no open interest: to a strategy that waits for it there is none",
    "physical delivery is modelled as cash: what is held at the end of a contract is paid its last settlement",
)
"""The last notes of every energy tape."""


def import_strip(parquet: str | Path, expiries: str | Path, *, progress: Progress | None = None) -> Tape:
    """A tape of daily settlements.

    ``parquet`` (or a CSV of the same columns) holds a row a settlement: ``root`` (CL, NG), ``date``, ``contract``
    (YYYYMM), ``settle`` (USD per barrel or MMBtu). ``expiries`` holds a row a contract: ``root``, ``contract``,
    ``last_trade``. A contract is listed from its first settlement in the file. Product terms are not in the tape: a
    run takes them from the registry and the assumptions the tape names, ``energy``. The same rows, in any order, give
    the same tape. ``progress`` is called with contracts (done, total).

    Raises :class:`DataError` with file, row, column and value: a settlement that is no number, comes twice or after
    the last trade, or whose contract has no expiry.
    """
    strip = _read_strip(parquet)
    last_trades = _last_trades(expiries)
    registry = Registry.shipped()
    builder = TapeBuilder(source=f"energy-strip: {Path(parquet).name}, last trading days from {Path(expiries).name}",
                          assumptions=("energy",))
    groups, done = strip.contracts(), 0
    for root in sorted(set(strip.root)):
        product, counts = registry.product(ROOTS[root]), _Counts()
        days = np.unique(strip.day[strip.root == root])
        closes = {int(day): product.close_at(int(day)) for day in days}
        for rows in (rows for rows in groups if strip.root[rows.start] == root):
            last_trade = _last_trade(strip, rows, last_trades)
            _add_contract(builder, product, strip, rows, last_trade, closes, counts)
            done += 1
            if progress is not None:
                progress(done, len(groups))
        builder.notes += _notes(product, counts, days, strip.settle[strip.root == root], strip.day[strip.root == root])
    builder.notes += ASSUMPTIONS
    return builder.build()


@dataclass(frozen=True, slots=True)
class _Strip:
    """The settlements in order of root, month and day; ``row`` is where the file has each."""

    file: str
    row: Ints
    root: npt.NDArray[np.str_]
    month: Ints
    day: Ints
    settle: npt.NDArray[np.floating]

    def contracts(self) -> list[slice]:
        """The rows of each contract."""
        new = np.flatnonzero((self.root[1:] != self.root[:-1]) | (self.month[1:] != self.month[:-1])) + 1
        cuts = [0, *new.tolist(), len(self.day)]
        return [slice(first, end) for first, end in itertools.pairwise(cuts)]


@dataclass(slots=True)
class _Counts:
    """What an import has seen of one product."""

    settles: int = 0
    off_tick: int = 0
    off_tick_max: float = 0.0
    contracts: int = 0
    alive: int = 0
    early_finals: int = 0
    holes: int = 0
    other_days: int = 0
    other_example: str = ""


def _read_strip(path: str | Path) -> _Strip:
    name = Path(path).name
    table = read_table(path, {"root": "text", "date": "day", "contract": "whole", "settle": "number"})
    unknown = ~table["root"].isin(list(ROOTS)).to_numpy()
    if unknown.any():
        row = int(np.argmax(unknown))
        raise UnknownName("root", str(table["root"].iloc[row]), ROOTS, where=f"{name}, row {row}, column 'root'")
    month = table["contract"]
    is_month = month.between(190001, 299912) & (month % 100).between(1, 12)
    refuse_first(~is_month.to_numpy(), name, "contract", month, "must be a month YYYYMM")
    refuse_first(table.duplicated(["root", "date", "contract"]).to_numpy(), name, "date", table["date"].map(date_of),
                 "must have one settlement a contract and day")
    refuse_first((table["settle"].abs() >= 1e6).to_numpy(), name, "settle", table["settle"],
                 "must be under 1e6 dollars")
    order = np.lexsort((table["date"], table["contract"], table["root"].to_numpy(dtype=str)))
    return _Strip(name, order, table["root"].to_numpy(dtype=str)[order], month.to_numpy()[order],
                  table["date"].to_numpy()[order], table["settle"].to_numpy()[order])


def _last_trades(expiries: str | Path) -> dict[tuple[str, int], int]:
    name = Path(expiries).name
    table = read_table(expiries, {"root": "text", "contract": "whole", "last_trade": "day"})
    refuse_first(table.duplicated(["root", "contract"]).to_numpy(), name, "contract", table["contract"],
                 "must have one row a contract")
    columns = (table[column].tolist() for column in table.columns)
    return {(root, month): day for root, month, day in zip(*columns, strict=True)}


def _last_trade(strip: _Strip, rows: slice, last_trades: dict[tuple[str, int], int]) -> int:
    root, month = str(strip.root[rows.start]), int(strip.month[rows.start])
    last_trade = last_trades.get((root, month))
    if last_trade is None:
        raise DataError(f"{strip.file}: row {strip.row[rows].min()}, column 'contract': must have its last trading day "
                        f"in the expiries, found none for {root} {month}")
    if strip.day[rows.stop - 1] > last_trade:
        late = int(np.argmax(strip.day[rows] > last_trade)) + rows.start
        raise DataError(f"{strip.file}: row {strip.row[late]}, column 'date': must not be after the last trade of "
                        f"{root} {month} on {date_of(last_trade)}, found {date_of(strip.day[late])}")
    return last_trade


def _add_contract(builder: TapeBuilder, product: Product, strip: _Strip, rows: slice, last_trade: int,
                  closes: dict[int, int], counts: _Counts) -> None:
    days, month = strip.day[rows], int(strip.month[rows.start])
    times = np.array([closes[day] for day in days.tolist()], dtype=np.int64)
    prices = _snapped(strip.settle[rows], int(product.ratio("tick") * MICROS), counts)
    contract = _contract(product, month, last_trade, int(times[0]))
    ref = builder.contract(contract)
    builder.bars(ref, times, prices, prices, prices, prices, np.full(len(times), MISSING))
    builder.marks(ref, times, prices)
    counts.contracts += 1
    sessions = np.array(list(closes))
    counts.holes += int(np.searchsorted(sessions, days[-1]) - np.searchsorted(sessions, days[0])) + 1 - len(days)
    if last_trade > sessions[-1]:
        counts.alive += 1
    else:
        builder.finals(ref, contract.settlement_at, int(prices[-1]))
        counts.early_finals += int(days[-1]) != last_trade
    by_rule = LAST_TRADE_RULES[product.text("last_trade")](product.business_days(), month)
    if by_rule != last_trade:
        counts.other_days += 1
        example = f"{contract.code}: {date_of(last_trade)}, by rule {date_of(by_rule)}"
        counts.other_example = counts.other_example or example


def _contract(product: Product, month: int, last_trade: int, first: int) -> Contract:
    return Contract(
        code=contract_code(product.code, month), product=product.code,
        symbol=symbol_of(product.text("symbol"), month), month=month,
        listed_at=first, last_trade_at=product.close_at(last_trade),
        settlement_at=settlement_time(product.text("settlement_known"), product.business_days(), last_trade),
        fixing_days=(), rule="last trade as the expiries file states it; final: the settlement of that day, in cash",
    )


def _snapped(settles: npt.NDArray[np.floating], tick: int, counts: _Counts) -> Ints:
    """Settles on the tick, micros. Off the tick is what lies further from it than the file's own precision."""
    wide = settles.astype(np.float64) * MICROS
    prices: Ints = np.rint(wide / tick).astype(np.int64) * tick
    moved = np.abs(wide - prices)
    off = moved > np.maximum(np.spacing(np.abs(settles)).astype(np.float64) * MICROS, 1e-3)
    counts.settles += len(settles)
    counts.off_tick += int(np.count_nonzero(off))
    counts.off_tick_max = max(counts.off_tick_max, float(moved[off].max(initial=0.0)) / MICROS)
    return prices


def _notes(product: Product, counts: _Counts, days: Ints, settles: npt.NDArray[np.floating],
           of_day: Ints) -> Iterator[str]:
    code, tick = product.code, float(product.ratio("tick"))
    worst = f", the worst by {counts.off_tick_max:.6g} USD" if counts.off_tick else ""
    yield (f"{code}: {counts.settles:,} settlements of {count_of(counts.contracts, 'contract')}, {date_of(days[0])} to "
           f"{date_of(days[-1])}; each was snapped to the tick of {tick:g} USD, {counts.off_tick:,} of them were off "
           f"it by more than the file's precision{worst}")
    below = int(np.count_nonzero(settles <= 0))
    if below:
        lowest = int(np.argmin(settles))
        yield (f"{code}: {count_of(below, 'settlement')} at zero or below, the lowest {float(settles[lowest]):.6g} on "
               f"{date_of(of_day[lowest])}")
    if counts.early_finals:
        yield (f"{code}: {count_of(counts.early_finals, 'contract')} without a settlement on the last trading day, "
               "ended at the last one seen before it")
    if counts.alive:
        yield f"{code}: {count_of(counts.alive, 'contract')} alive at the end of the data, without a final settlement"
    odd = np.setdiff1d(days, product.trading_days().days)
    if len(odd):
        yield (f"{code}: {count_of(int(np.isin(of_day, odd).sum()), 'settlement')} on {count_of(len(odd), 'day')} on "
               f"which its calendar has no session (first {date_of(odd[0])}); kept")
    if counts.holes:
        yield (f"{code}: {count_of(counts.holes, 'settlement')} missing between a contract's first and last; "
               "nothing was filled in")
    if counts.other_days:
        yield (f"{code}: {count_of(counts.other_days, 'last trading day')} not as by the registry's rule (first "
               f"{counts.other_example}); the file's taken")
    else:
        yield f"{code}: the last trading days are those of the registry's rule, without exception"
