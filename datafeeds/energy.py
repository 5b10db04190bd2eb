# SPDX-License-Identifier: Apache-2.0
"""A real term structure: daily settlements of WTI and Henry Hub futures, months out, as a tape.

There are settlements and nothing else, so a bar's open, high, low and close are the settlement and its volume is
unknown. That a fill can be had at the next settlement is an assumption, and so is an end in cash: the contracts are
delivered. The tape's notes, which the report prints, say both.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from kilohour.contracts.codes import check_month, contract_code, symbol_of
from kilohour.contracts.contract import Contract
from kilohour.contracts.days import LAST_TRADE_RULES, settlement_time
from kilohour.datafeeds.reading import Progress, read_table, refuse_first
from kilohour.errors import DataError, UnknownName
from kilohour.tape import Tape, TapeBuilder
from kilohour.units import MICROS, MISSING, date_of

if TYPE_CHECKING:
    import pandas as pd

    from kilohour.contracts.product import Product

Ints = npt.NDArray[np.int64]

ROOTS = {"CL": "NYMEX:CL", "NG": "NYMEX:NG"}
"""Product by the root the files use."""


def import_strip(parquet: str | Path, expiries: str | Path, *, progress: Progress | None = None) -> Tape:
    """A tape of daily settlements.

    ``parquet`` (or a CSV of the same columns) holds a row a settlement: ``root`` (CL, NG), ``date``, ``contract`` (YYYYMM),
    ``settle`` (USD per barrel or MMBtu). ``expiries`` holds a row a contract: ``root``, ``contract``, ``last_trade``.
    A contract is listed from its first settlement in the file. Product terms are not in the tape: a run takes them from
    the registry and the assumptions it names. The same input gives the same tape. ``progress`` is called with contracts
    (done, total).

    Raises :class:`DataError` with file, row, column and value: a settlement that is no number, comes twice, comes after
    the last trade or on a day the product has no session, or whose contract has no expiry.
    """
    from kilohour.contracts import Registry

    strip = read_table(parquet, {"root": "text", "date": "day", "contract": "whole", "settle": "number"})
    last_trades = _last_trades(expiries)
    _check_strip(strip, Path(parquet).name)
    registry = Registry.shipped()
    builder = TapeBuilder(source=f"energy-strip: {Path(parquet).name}, last trading days from {Path(expiries).name}")
    groups = {key: rows.to_numpy() for key, rows in strip.groupby(["root", "contract"], sort=True).groups.items()}
    counts = {root: _Counts() for root in sorted({root for root, _ in groups})}
    ends = strip.groupby("root")["date"].max().to_dict()
    for done, ((root, month), rows) in enumerate(groups.items()):
        last_trade = _last_trade(root, month, last_trades, strip, rows, Path(parquet).name)
        _add_contract(builder, registry.product(ROOTS[root]), month, last_trade, strip.loc[rows], ends[root], counts[root])
        if progress is not None:
            progress(done + 1, len(groups))
    builder.notes += [note for root, count in counts.items()
                      for note in _notes(registry.product(ROOTS[root]), count, strip[strip["root"] == root])]
    builder.notes += list(ASSUMPTIONS)
    return builder.build()


ASSUMPTIONS = (
    "settlements only: each bar's open, high, low and close are the day's settlement, and an order that fills at "
    "the next settlement is an assumption nobody could have been sure of",
    "no volume: fills are not limited",
    "physical delivery is modelled as cash: what is held at the end of a contract is paid its last settlement",
)
"""The last notes of every energy tape."""


@dataclass(slots=True)
class _Counts:
    """What an import has seen of one product."""

    settles: int = 0
    off_tick: int = 0
    off_tick_max: float = 0.0
    contracts: int = 0
    alive: int = 0
    last_seen_finals: int = 0
    other_last_trade: int = 0
    other_example: str = ""


def _last_trades(expiries: str | Path) -> dict[tuple[str, int], int]:
    name = Path(expiries).name
    table = read_table(expiries, {"root": "text", "contract": "whole", "last_trade": "day"})
    refuse_first(table.duplicated(["root", "contract"]).to_numpy(), name, "contract", table["contract"],
                 "must have one row a contract")
    return {(root, month): day for root, month, day in table.itertuples(index=False)}


def _check_strip(strip: pd.DataFrame, name: str) -> None:
    unknown = ~strip["root"].isin(list(ROOTS)).to_numpy()
    if unknown.any():
        row = int(np.argmax(unknown))
        raise UnknownName("root", str(strip["root"].iloc[row]), ROOTS, where=f"{name}, row {row}, column 'root'")
    refuse_first(~strip["contract"].between(190001, 299912).to_numpy() | ~(strip["contract"] % 100).between(1, 12).to_numpy(),
                 name, "contract", strip["contract"], "must be a month YYYYMM")
    refuse_first(strip.duplicated(["root", "date", "contract"]).to_numpy(), name, "date", strip["date"].map(date_of),
                 "must have one settlement a contract and day")
    refuse_first((strip["settle"].abs() >= 1e6).to_numpy(), name, "settle", strip["settle"], "must be under a million dollars")


def _last_trade(root: str, month: int, last_trades: dict[tuple[str, int], int], strip: pd.DataFrame,
                rows: npt.NDArray[np.int64], name: str) -> int:
    last_trade = last_trades.get((root, check_month(month)))
    if last_trade is None:
        raise DataError(f"{name}: row {rows[0]}, column 'contract': must have its last trading day in the expiries, "
                        f"found none for {root} {month}")
    days = strip["date"].loc[rows]
    late = days.to_numpy() > last_trade
    if late.any():
        row = rows[int(np.argmax(late))]
        raise DataError(f"{name}: row {row}, column 'date': must not be after the last trade of {root} {month} on "
                        f"{date_of(last_trade)}, found {date_of(int(strip['date'].loc[row]))}")
    return last_trade


def _add_contract(builder: TapeBuilder, product: Product, month: int, last_trade: int, rows: pd.DataFrame, end: int,
                  counts: _Counts) -> None:
    rows = rows.sort_values("date")
    times = np.array([product.close_at(day) for day in rows["date"].tolist()], dtype=np.int64)
    prices = _snapped(rows["settle"].to_numpy(), int(product.ratio("tick") * MICROS), counts)
    contract = _contract(product, month, last_trade, int(times[0]))
    ref = builder.contract(contract)
    builder.bars(ref, times, prices, prices, prices, prices, np.full(len(times), MISSING))
    builder.marks(ref, times, prices)
    counts.contracts += 1
    if last_trade > end:
        counts.alive += 1
    else:
        builder.finals(ref, contract.settlement_at, int(prices[-1]))
        counts.last_seen_finals += int(rows["date"].iloc[-1]) != last_trade
    by_rule = LAST_TRADE_RULES[product.text("last_trade")](product.business_days(), month)
    if by_rule != last_trade:
        counts.other_last_trade += 1
        counts.other_example = counts.other_example or f"{contract.code}: {date_of(last_trade)}, by rule {date_of(by_rule)}"


def _contract(product: Product, month: int, last_trade: int, first: int) -> Contract:
    return Contract(
        code=contract_code(product.code, month), product=product.code, symbol=symbol_of(product.text("symbol"), month),
        month=month, listed_at=first, last_trade_at=product.close_at(last_trade),
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


def _notes(product: Product, counts: _Counts, rows: pd.DataFrame) -> Iterator[str]:
    code = product.code
    tick = float(product.ratio("tick"))
    worst = f", the worst by {counts.off_tick_max:.6g}" if counts.off_tick else ""
    yield (f"{code}: {counts.settles:,} settlements of {counts.contracts} contracts, {date_of(int(rows['date'].min()))} to "
           f"{date_of(int(rows['date'].max()))}; each was snapped to the tick of {tick:g} USD, {counts.off_tick:,} of them were "
           f"off it by more than the file's precision{worst}")
    below = rows[rows["settle"] <= 0]
    if len(below):
        yield (f"{code}: {len(below)} settlements are zero or negative, the lowest {float(below['settle'].min()):.6g} on "
               f"{date_of(int(below['date'].loc[below['settle'].idxmin()]))}")
    if counts.last_seen_finals:
        yield (f"{code}: {counts.last_seen_finals} contracts have no settlement on their last trading day and end at the "
               "last one seen before it")
    if counts.alive:
        yield f"{code}: {counts.alive} contracts are still alive at the end of the data and have no final settlement"
    inside = _holes(rows)
    if inside:
        yield f"{code}: {inside} settlements are missing inside the life of their contract; nothing was filled in"
    yield (f"{code}: {counts.other_last_trade} last trading days differ from the registry's rule (first "
           f"{counts.other_example}); the file's were taken" if counts.other_last_trade else
           f"{code}: the last trading days are those of the registry's rule, without exception")


def _holes(rows: pd.DataFrame) -> int:
    """Days on which the product settles and a contract, between its first and last settlement, does not."""
    days = np.unique(rows["date"].to_numpy())
    life = rows.groupby("contract")["date"].agg(["min", "max", "size"])
    span = np.searchsorted(days, life["max"].to_numpy()) - np.searchsorted(days, life["min"].to_numpy()) + 1
    return int((span - life["size"].to_numpy()).sum())
