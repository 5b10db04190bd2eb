# SPDX-License-Identifier: Apache-2.0
"""Observed GPU rental prices as a tape of monthly futures whose forwards are a model.

The index of each chip is real: the daily median of a market segment, known when the day is over. The futures are ours:
nobody traded them. Each day's price of a contract is the mean of its fixing days, taking the prints already known and,
for the others, spot times the forward of :mod:`kilohour.datafeeds.commitments`. Profit on such a tape is no evidence.
"""

from __future__ import annotations

import datetime as dt
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kilohour.contracts import Contract, Product, Registry
from kilohour.datafeeds.adoption import add_adoption
from kilohour.datafeeds.commitments import Commitments, Curve, forwards_by_day
from kilohour.datafeeds.importing.cells import days, numbers, texts
from kilohour.datafeeds.importing.convert import refuse_unread
from kilohour.datafeeds.importing.intake import Columns, Intake
from kilohour.datafeeds.importing.names import Names
from kilohour.datafeeds.importing.refusals import Refusals, Sieve, repeats
from kilohour.datafeeds.importing.spool import RUN_ROWS
from kilohour.datafeeds.importing.stream import BATCH_ROWS, Batch, batches, fingerprint
from kilohour.datafeeds.importing.table_import import REJECTED_MAX
from kilohour.datafeeds.importing.tape_import import Taped, import_tape
from kilohour.datafeeds.reading import Progress, count_of
from kilohour.errors import DataError, UnknownName
from kilohour.tape import Index, Tape, TapeBuilder
from kilohour.tape.events import Events
from kilohour.units import MICROS, MISSING, NANOS_PER_DAY, date_of

Ints = npt.NDArray[np.int64]
Series = dict[str, dict[str, dict[int, float]]]
"""Segment, chip, day in order: price."""

SOURCE = "gpu-prices"
PRODUCTS = Path(__file__).with_name("gpu_products.toml")
CHIPS = ("A100-40", "H100")
CARRY = ("refuse", "last")
ON_DEMAND, ONE_YEAR, THREE_YEARS = "gcp_ondemand_us", "gcp_cud_1y_us", "gcp_cud_3y_us"
COMMITTED = (ON_DEMAND, ONE_YEAR, THREE_YEARS)
FLAT_DAYS_MIN = 20
"""Days without any change that a note speaks of."""

SEGMENT_NOTES = {
    "aws_spot_us": "aws_spot_us is Amazon's spot price over the availability zones of four US regions: 7 or 8 zones "
                   "of the A100-40 but only 2 to 4 of the H100; until September or October 2023 Amazon held spot at a "
                   "floor of 30 % of on demand, 70 % for the H100, so nothing moved before",
}
"""What a trader should know of a segment."""


def import_prices(prices_csv: str | Path, out: str | Path, adoption_csv: str | Path | None = None, *, segment: str = "aws_spot_us",
                  carry: str = "refuse", release_lag_days: int = 45, rejected_max: float = REJECTED_MAX, run_rows: int = RUN_ROWS,
                  batch_rows: int = BATCH_ROWS, progress: Progress | None = None) -> Taped:
    """Writes a tape of ``DATA:A100-40`` and ``DATA:H100`` over the stretch in which ``segment`` has both to the folder ``out``.

    ``prices_csv`` holds ``date``, ``chip``, ``segment``, ``median`` (USD per GPU-hour). A day's median is known at
    midnight UTC after it; a bar and a mark at each business day's close use what is known then. Contracts are the
    months whose every fixing day lies after the start. ``carry`` says what a business day without a price does:
    ``refuse`` stops the import, ``last`` repeats the last price, and a note says how often. With ``adoption_csv``
    (``date``, ``metric``, ``value``, ``verification``) the tape carries adoption as known ``release_lag_days`` after
    its date. The products come with the tape. ``progress`` is called with thousandths (done, total).

    A row without a date, chip, segment or number, a second one of the same three, and a price in use that is none is put
    aside; what it leaves on a business day is a day without a price. Raises :class:`DataError` for a file that cannot be
    read, of which more than ``rejected_max`` (0 to 1) is refused, or whose prices do not make the futures;
    :class:`UnknownName` for a segment or carry rule.
    """
    if carry not in CARRY:
        raise UnknownName("carry rule", carry, CARRY)
    prices = Path(prices_csv)
    adoption = None if adoption_csv is None else Path(adoption_csv)
    reader = _PriceReader(prices.name, adoption, segment, carry, release_lag_days, batch_rows)
    key = {"inputs": fingerprint([prices, *([adoption] if adoption else [])]), "segment": segment, "carry": carry,
           "release_lag_days": release_lag_days, "batch_rows": batch_rows}
    return import_tape(SOURCE, reader, [prices], Path(out), key=key, rejected_max=rejected_max, run_rows=run_rows, progress=progress)


class _PriceReader:
    """Spools every row, for each must say something else than the others; of the prices in use there are few."""

    words: Sequence[str] = ("chip", "segment")
    time = "day"
    dtypes: Mapping[str, npt.DTypeLike] = {"day": np.int64, "median": np.float64, "row": np.int64, "chip": np.int32, "segment": np.int32}

    def __init__(self, name: str, adoption: Path | None, segment: str, carry: str, release_lag_days: int, batch_rows: int) -> None:
        self.name, self.adoption, self.segment, self.carry = name, adoption, segment, carry
        self.release_lag_days, self.batch_rows = release_lag_days, batch_rows
        self.memory: dict[str, Any] = {}

    def open(self, path: Path) -> Iterator[Batch]:
        return batches(path, ("date", "chip", "segment", "median"), batch_rows=self.batch_rows)

    def of(self, batch: Batch, names: Names, refusals: Refusals) -> Columns:
        sieve = Sieve(batch.file, batch.first, batch.rows, batch.columns, refusals)
        day = days(sieve.columns["date"])
        refuse_unread(sieve, "date", day)
        found: Columns = {"day": day.values}
        for name in self.words:
            found[name] = names.of(name, texts(sieve.columns[name]))
            sieve.refuse(found[name] == names.code(name, ""), name, "empty")
        words = names.words()
        used = np.isin(words["chip"], CHIPS)[found["chip"]] & np.isin(words["segment"], [self.segment, *COMMITTED])[found["segment"]]
        median = numbers(sieve.columns["median"])
        for reason, mask in median.bad.items():
            sieve.refuse(mask, "median", reason)
        sieve.refuse(used & median.empty, "median", "empty")
        found["median"] = np.where(median.is_good(), median.values, math.nan)
        sieve.refuse(used & ~((found["median"] > 0) & (found["median"] <= 1000)), "median", "not above 0 and at most 1000 dollars")
        keep = np.flatnonzero(sieve.good)
        return {name: column[keep] for name, column in found.items()} | {"row": batch.first + keep}

    def tape(self, intake: Intake, files: Sequence[str]) -> tuple[Iterator[Events], Callable[[], Tape]]:  # noqa: ARG002
        series = self._series(intake)
        try:
            tape = _tape(self.name, series, self.adoption, self.segment, self.carry, self.release_lag_days)
        except DataError as error:
            raise DataError(f"{error}{intake.refusals.told()}") from None
        return iter([tape.events]), lambda: tape

    def _series(self, intake: Intake) -> Series:
        words = intake.names.words()
        chips, segments = words["chip"], words["segment"]
        known = sorted(word for word, is_used in zip(segments, intake.used.mask("segment"), strict=False) if is_used)
        series: Series = {segment: {chip: {} for chip in CHIPS} for segment in known}
        is_chip, is_segment = np.isin(chips, CHIPS), np.isin(segments, [self.segment, *COMMITTED])
        for bucket in intake.spool.buckets():
            order = np.lexsort((bucket["row"], bucket["segment"], bucket["chip"], bucket["day"]))
            rows = {name: column[order] for name, column in bucket.items()}
            first, begins = repeats(rows["day"], rows["chip"], rows["segment"])
            self._refuse_again(rows, first, intake.refusals)
            for place in begins[is_chip[rows["chip"][begins]] & is_segment[rows["segment"][begins]]]:
                series[segments[rows["segment"][place]]][chips[rows["chip"][place]]][int(rows["day"][place])] = float(rows["median"][place])
        if not known:
            raise DataError(f"{self.name}: needs at least one price, found none")
        if self.segment not in known:
            raise UnknownName("segment", self.segment, known, where=f"{self.name}, column 'segment'")
        for needed in COMMITTED:
            if needed not in series:
                raise DataError(f"{self.name}: column 'segment': must have {needed!r} for the forwards, "
                                f"found {', '.join(known)}")
        return series

    def _refuse_again(self, rows: Columns, first: npt.NDArray[np.intp], refusals: Refusals) -> None:
        """Puts aside the rows that are not the first of their day, chip and segment."""
        median = rows["median"]
        for place in np.flatnonzero(first != np.arange(len(first))).tolist():
            is_same = np.array_equal(median[place], median[first[place]], equal_nan=True)
            reason = "the same price twice" if is_same else "another price of the same date, chip and segment"
            refusals.add(self.name, rows["row"][[place]], "median", [float(median[place])], reason)


def _tape(name: str, series: Series, adoption: Path | None, segment: str, carry: str, release_lag_days: int) -> Tape:
    registry = Registry.shipped(PRODUCTS)
    products = [registry.product(f"DATA:{chip}") for chip in CHIPS]
    first, last = _stretch(name, segment, series)
    commitments = {chip: _commitments(chip, series) for chip in CHIPS}
    builder = TapeBuilder(source=f"{SOURCE}: {name}, segment {segment}", days_per_year=252, products=products)
    lives = [_contracts(product, first, last) for product in products]
    builder.notes.append(f"prices are observed daily medians of segment {segment}, {date_of(first)} to "
                         f"{date_of(last)}, the stretch in which {' and '.join(CHIPS)} are both there; contracts, "
                         "forwards, fees, spread and margin are ours")
    if segment in SEGMENT_NOTES:
        builder.notes.append(SEGMENT_NOTES[segment])
    for product, contracts, chip in zip(products, lives, CHIPS, strict=True):
        spot, notes = _spot(name, segment, product, series[segment][chip], (first, last), contracts, carry)
        index = builder.index(Index(code=str(product.index), unit="USD per GPU-hour",
                                    note=f"daily median of {segment} in {name}, known at midnight UTC after the day"))
        days = np.array(list(spot))
        values = np.array([round(price * MICROS) for price in spot.values()])
        builder.prints(index, days, (days + 1) * NANOS_PER_DAY, values)
        curves = _curves(product, commitments, chip, first, last)
        end = max((fixing for contract in contracts for fixing in contract.fixing_days), default=last)
        closes = [(product.close_at(day), day, forwards_by_day(curve, end - first)) for day, curve in curves.by_day.items()]
        for contract in contracts:
            _add_contract(builder, product, contract, spot, closes)
        builder.notes += [*notes, curves.note]
    if adoption is not None:
        builder.notes += add_adoption(builder, adoption, release_lag_days=release_lag_days,
                                      bar_days=_bar_days(products[0], first, last), end=(last + 1) * NANOS_PER_DAY)
    builder.notes += MODEL
    return builder.build()


MODEL = (
    "forward of an hour in T years = spot · (w + (1 − w)·exp(−k·T)), USD per GPU-hour, with w and k from what one- and "
    "three-year commitments cost relative to on demand, as known that day; a month's price is the mean over its fixing "
    "days",
    "a commitment's discount also pays for credit and for binding oneself, and it is of another provider and tier than "
    "the spot price: the forwards are a model, not what anyone expected",
    "the curve falls from spot at all times, so a long position earns that fall wherever spot stands still: the model "
    "pays it, not a market",
    "no volume: fills are not limited; no open interest: to a strategy that waits for it there is none",
    "forwards are modelled, so profit on this tape is no evidence",
)
"""The last notes of every tape of GPU prices."""

def _stretch(name: str, segment: str, series: Series) -> tuple[int, int]:
    spans = []
    for chip in CHIPS:
        days = list(series[segment][chip])
        if not days:
            raise DataError(f"{name}: segment {segment!r} must have prices of {chip}, found none")
        spans.append((days[0], days[-1]))
    first, last = max(span[0] for span in spans), min(span[1] for span in spans)
    if last - first < 62:
        raise DataError(f"{name}: segment {segment!r} must have both chips for two months, found them together from "
                        f"{date_of(first)} to {date_of(last)}")
    return first, last


def _contracts(product: Product, first: int, last: int) -> list[Contract]:
    """Contracts tradable in the stretch whose fixing days all lie in or after it."""
    return [contract for contract in product.contracts(date_of(first + 1), date_of(last))
            if dt.date(contract.month // 100, contract.month % 100, 1) >= date_of(first)]


def _spot(name: str, segment: str, product: Product, observed: Mapping[int, float], stretch: tuple[int, int],
          contracts: Sequence[Contract], carry: str) -> tuple[dict[int, float], list[str]]:
    """Price by day over the stretch: each observed day, and each business day by the carry rule."""
    first, last = stretch
    spot, carried, worst, value, at = {}, 0, 0, math.nan, first
    business = set(product.business_days().between(first, last).tolist())
    for day in range(first, last + 1):
        if day in observed:
            spot[day], value, at = observed[day], observed[day], day
        elif day in business:
            if carry == "refuse":
                raise _gap(name, segment, product, day, contracts)
            spot[day] = value
            carried, worst = carried + 1, max(worst, day - at)
    code = product.index
    notes = [f"{code}: {count_of(len(spot) - carried, 'day')} observed" + (
        f", {count_of(carried, 'business day')} carried from the last price, at most {count_of(worst, 'day')} old"
        if carried else ", every business day among them, none carried")]
    return spot, notes + _market_notes(str(code), {day: price for day, price in spot.items() if day in observed})


def _gap(name: str, segment: str, product: Product, day: int, contracts: Sequence[Contract]) -> DataError:
    held = [contract.code for contract in contracts if day in contract.fixing_days]
    where = f"it fixes {held[0]}" if held else "it is a business day of the stretch"
    return DataError(f"{name}: column 'date', segment {segment!r}, chip {product.chip!r}: must have a price on "
                     f"{date_of(day)}, for {where}, found none; carry='last' repeats the last one and counts how often")


def _market_notes(code: str, observed: Mapping[int, float]) -> list[str]:
    days, prices = list(observed), list(observed.values())
    ends = [i for i in range(len(days)) if i + 1 == len(days) or prices[i] != prices[i + 1]]
    begins = [0, *(end + 1 for end in ends[:-1])]
    runs = [(days[end] - days[begin] + 1, begin, end) for begin, end in zip(begins, ends, strict=True)]
    flat = [run for run in runs if run[0] >= FLAT_DAYS_MIN]
    notes = []
    if flat:
        length, begin, end = max(flat, key=lambda run: (run[0], -run[1]))
        notes.append(f"{code}: no change at all in {count_of(len(flat), 'stretch')} of {FLAT_DAYS_MIN} days or more, "
                     f"{sum(run[0] for run in flat):,} days together, the longest at {prices[begin]:g} for {length} "
                     f"days from {date_of(days[begin])} to {date_of(days[end])}: set by the seller, not a market "
                     "at rest")
    moves = [abs(after / before - 1) for before, after in itertools.pairwise(prices)]
    at = int(np.argmax(moves))
    return [*notes, f"{code}: {min(prices):g} to {max(prices):g}, largest change from one observation to the next "
                    f"{moves[at]:.1%} on {date_of(days[at + 1])}; nothing was removed as an outlier"]


def _bar_days(product: Product, first: int, last: int) -> list[int]:
    """Business days on whose close a price of the stretch is known."""
    return [int(day) for day in product.trading_days().between(first + 1, last)]


def _commitments(chip: str, series: Series) -> Commitments:
    on_demand, one, three = (series[name][chip] for name in COMMITTED)
    days = [day for day in on_demand if day in one and day in three]
    ratios = tuple((one[day] / on_demand[day], three[day] / on_demand[day]) for day in days)
    return Commitments(chip, tuple(days), ratios)


@dataclass(frozen=True, slots=True)
class _Curves:
    """The forward curve of each business day of a stretch."""

    by_day: Mapping[int, Curve]
    note: str


def _curves(product: Product, commitments: Mapping[str, Commitments], chip: str, first: int, last: int) -> _Curves:
    """Curves as known on each day: the chip's own commitments, before it has any those of the others."""
    by_day, borrowed, oldest, lenders = {}, 0, 0, set()
    others = [chip, *(other for other in CHIPS if other != chip)]
    for day in _bar_days(product, first, last):
        found = ((source, commitments[source].known_on(day)) for source in others)
        source, known = next(((source, known) for source, known in found if known is not None), (chip, None))
        if known is None:
            raise DataError(f"forwards of {chip} on {date_of(day)} need a commitment price known by then, found none")
        by_day[day] = commitments[source].curve(known[0])
        oldest = max(oldest, day - known[0])
        if source != chip:
            borrowed += 1
            lenders.add(source)
    ends = [by_day[min(by_day)], by_day[max(by_day)]]
    note = (f"{product.index}: forwards of one year at {ends[0].forward(1.0):.0%} of spot at the start and "
            f"{ends[1].forward(1.0):.0%} at the end; commitment prices in use at most {count_of(oldest, 'day')} old")
    if borrowed:
        note += (f"; on {borrowed} of {count_of(len(by_day), 'business day')} no commitment price of {chip} was known "
                 f"yet and those of {' and '.join(sorted(lenders))} were taken")
    return _Curves(by_day, note)


def _add_contract(builder: TapeBuilder, product: Product, contract: Contract, spot: Mapping[int, float],
                  closes: Sequence[tuple[int, int, Sequence[float]]]) -> None:
    tick = int(product.ratio("tick") * MICROS)
    times, prices = [], []
    for close, day, forwards in closes:
        if contract.listed_at <= close <= contract.last_trade_at:
            times.append(close)
            prices.append(round(_fair(contract.fixing_days, day, spot, forwards) * MICROS / tick) * tick)
    if not times:
        return
    ts, price = np.array(times), np.array(prices)
    ref = builder.contract(contract)
    builder.bars(ref, ts, price, price, price, price, np.full(len(ts), MISSING))
    builder.marks(ref, ts, price)


def _fair(fixing_days: Sequence[int], day: int, spot: Mapping[int, float], forwards: Sequence[float]) -> float:
    """Mean over the fixing days: prints known at the close of ``day``, and spot times forward for the others."""
    now = _last_known(spot, day)
    known = [spot[fixing] for fixing in fixing_days if fixing < day]
    ahead = [now * forwards[fixing - day] for fixing in fixing_days if fixing >= day]
    return math.fsum(known + ahead) / len(fixing_days)


def _last_known(spot: Mapping[int, float], day: int) -> float:
    # The print of a day is known when that day is over, so at a close the newest one is of the day before or earlier.
    back = day - 1
    while back not in spot:
        back -= 1
    return spot[back]


