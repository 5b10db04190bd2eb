# SPDX-License-Identifier: Apache-2.0
"""Databento's DBN files as a tape: OHLCV bars, official settlements and open interest. Real CME data arrives this way.

A bar's time in the file is when its interval begins; on the tape it is seen when the interval ends, or at the last trade if that comes
first. Settlements are those the venue calls final; a later one of the same session corrects it.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from kilohour.contracts import Assumptions, Product, Registry
from kilohour.datafeeds.dbn import INTERVALS, UNDEFINED, Contents, records
from kilohour.datafeeds.feed import Feed
from kilohour.datafeeds.importing.feeds import columns
from kilohour.datafeeds.reading import Progress, count_of
from kilohour.errors import DataError
from kilohour.tape import Tape, TapeBuilder
from kilohour.units import datetime_of, divide_half_even

SETTLEMENT, OPEN_INTEREST, FINAL_FLAG = 3, 9, 1
NANOS_PER_MICRO = 1_000
"""Billionths of a dollar in a millionth."""
BAR = ("ts", "open", "high", "low", "close", "volume")


@dataclass(slots=True)
class _Instrument:
    """What the files hold of one contract, in the order of the files."""

    bars: dict[str, array[int]] = field(default_factory=lambda: {name: array("q") for name in BAR})
    begins: array[int] = field(default_factory=lambda: array("q"))
    settles: list[tuple[int, int, int]] = field(default_factory=list)
    """Known at, of which session, price in micros."""
    interest: list[tuple[int, int, int]] = field(default_factory=list)


@dataclass(slots=True)
class _Counts:
    foreign: int = 0
    undefined: int = 0
    rounded: int = 0


def run(inputs: Sequence[Path], out: Path, *, product: str, assume: str = "", progress: Progress | None = None) -> Iterable[str]:
    """Makes a tape of DBN files of bars and statistics of one product."""
    from kilohour.datafeeds.importing.taping import save_tape

    return save_tape(lambda: tape_of(inputs, product, assume=[name for name in assume.split(",") if name], progress=progress), out)


def tape_of(inputs: Sequence[Path], code: str, *, assume: Sequence[str] = (), progress: Progress | None = None) -> Tape:
    """The tape of one product of the registry; instruments that are none of its contracts (spreads, other roots) are counted and left out.

    Raises :class:`DataError` for a damaged file, two bars of one contract and time, or files without a bar of the product.
    """
    product = Registry.shipped().assuming(*map(Assumptions.load, assume)).product(code)
    found: dict[str, _Instrument] = {}
    counts, datasets = _Counts(), dict[str, None]()
    for place, path in enumerate(inputs):
        shown = -1
        for contents, record, done in records(path):
            datasets[contents.dataset] = None
            _take(product, found, contents, record, counts)
            if progress is not None and int(1000 * done) != shown:
                shown = int(1000 * done)
                progress(1000 * place + shown, 1000 * len(inputs))
    named = [path.name for path in inputs]
    if not any(len(its.begins) for its in found.values()):
        raise DataError(f"{', '.join(named)}: must hold a bar of {code}, found none among {counts.foreign:,} records of other instruments")
    builder = TapeBuilder(
        source=f"databento {', '.join(datasets)}: {', '.join(named)}", days_per_year=product.whole("days_per_year"), assumptions=assume
    )
    end = max(int(np.max(its.bars["ts"])) for its in found.values() if len(its.begins))
    ended = [symbol for symbol in sorted(found) if _add(builder, product, symbol, found[symbol], end)]
    builder.notes += list(_notes(counts, ended))
    return builder.build()


def _take(product: Product, found: dict[str, _Instrument], contents: Contents, record: Any, counts: _Counts) -> None:
    symbol = contents.symbol(record)
    if not symbol or product.month_named(symbol, near=_near(record.ts_event)) is None:
        counts.foreign += 1
        return
    its = found.setdefault(symbol, _Instrument())
    if contents.schema in INTERVALS:
        prices = (record.open, record.high, record.low, record.close)
        if UNDEFINED in prices:
            counts.undefined += 1
            return
        its.begins.append(record.ts_event)
        row = (record.ts_event + INTERVALS[contents.schema], *(_micros(price, counts) for price in prices), record.volume)
        for name, value in zip(BAR, row, strict=True):
            its.bars[name].append(value)
    elif int(record.stat_type) == SETTLEMENT and record.price != UNDEFINED and record.stat_flags & FINAL_FLAG:
        its.settles.append((record.ts_recv, record.ts_ref, _micros(record.price, counts)))
    elif int(record.stat_type) == OPEN_INTEREST:
        its.interest.append((record.ts_recv, record.ts_ref, record.quantity))


def _add(builder: TapeBuilder, product: Product, symbol: str, its: _Instrument, end: int) -> bool:
    """Adds a contract; True when it ends within the data and is settled at its last mark."""
    if not len(its.begins):
        return False
    begins = np.array(its.begins, dtype=np.int64)
    contract = product.contract_named(symbol, near=_near(int(begins.min())))
    bars = {name: np.array(values, dtype=np.int64) for name, values in its.bars.items()}
    order = np.argsort(bars["ts"], kind="stable")
    begins, bars = begins[order], {name: column[order] for name, column in bars.items()}
    twice = np.flatnonzero(np.diff(bars["ts"]) == 0)
    if len(twice):
        raise DataError(f"{symbol}: must have one bar a time, found two of {datetime_of(int(begins[twice[0]])):%Y-%m-%d %H:%M}")
    # Nothing trades after the last trade, so the interval in which it lies is known by then.
    cut = (begins < contract.last_trade_at) & (bars["ts"] > contract.last_trade_at)
    bars["ts"][cut] = contract.last_trade_at
    first = int(bars["ts"][0])
    is_listed = 0 < contract.listed_at <= first
    ref = builder.contract(contract if is_listed else replace(contract, listed_at=first))
    builder.bars(ref, *(bars[name] for name in BAR))
    last_mark = _add_settles(builder, ref, its.settles)
    interest = sorted(set(its.interest))
    if interest:
        known, of, lots = (np.array(column, dtype=np.int64) for column in zip(*interest, strict=True))
        builder.interest(ref, known, lots, np.where(of == UNDEFINED, known, of))
    if contract.is_perpetual or contract.settlement_at > end:
        return False
    builder.finals(ref, contract.settlement_at, last_mark if last_mark is not None else int(bars["close"][-1]))
    return True


def _add_settles(builder: TapeBuilder, ref: int, settles: list[tuple[int, int, int]]) -> int | None:
    """Adds marks and their corrections; returns the last price."""
    first: dict[int, tuple[int, int]] = {}
    changes: list[tuple[int, int, int]] = []
    for known, session, price in sorted(set(settles)):
        of = known if session == UNDEFINED else session
        if of not in first:
            first[of] = (known, price)
        elif price != first[of][1]:
            changes.append((known, of, price))
    marks = sorted((known, of, price) for of, (known, price) in first.items())
    if not marks:
        return None
    ts, of_session, prices = (np.array(column, dtype=np.int64) for column in zip(*marks, strict=True))
    builder.marks(ref, ts, prices, of_session)
    for known, of, price in changes:
        builder.correct_mark(ref, known, of, price)
    return max([*marks, *changes], key=lambda one: (one[1], one[0]))[2]


def _micros(nanos: int, counts: _Counts) -> int:
    if nanos % NANOS_PER_MICRO == 0:
        return nanos // NANOS_PER_MICRO
    counts.rounded += 1
    return divide_half_even(nanos, NANOS_PER_MICRO)


def _near(ts: int) -> int:
    # A symbol with one digit of the year means the first such year from now on: what has expired does not trade.
    return datetime_of(ts).year + 4


def _notes(counts: _Counts, ended: Sequence[str]) -> Iterator[str]:
    yield "a bar is seen when its interval ends; its time in the file is when it begins"
    if counts.foreign:
        yield f"{count_of(counts.foreign, 'record')} of other instruments (spreads, other products) left out"
    if counts.undefined:
        yield f"{count_of(counts.undefined, 'bar')} without a price left out"
    if counts.rounded:
        yield f"{count_of(counts.rounded, 'price')} had more than six decimals and were rounded half-even"
    if ended:
        yield f"{count_of(len(ended), 'contract')} settled at the last official mark, for the files hold no index prints ({ended[0]}, ...)"


FEED = Feed(
    name="databento",
    about="DBN files of ohlcv-1s, -1m, -1h, -1d and statistics of one product, as Databento delivers CME's data",
    gives="tape",
    columns=columns(
        ("ts_event", "nanoseconds UTC", "begin of a bar's interval"),
        ("open, high, low, close", "billionths of a dollar", "micros on the tape"),
        ("volume", "lots", ""),
        ("statistics: settlement price", "billionths of a dollar", "marks: those flagged final, known at ts_recv"),
        ("statistics: open interest", "lots", "known at ts_recv"),
    ),
    time="a bar is seen when its interval ends; a settlement and open interest when Databento received them",
    licence="yours under the terms of your subscription and of the exchange",
    options={"product": "code of the product in the registry, as NYMEX:CL", "assume": "assumptions for unknown terms, as energy"},
    needs=("product",),
    inputs="some",
    run=run,
)
