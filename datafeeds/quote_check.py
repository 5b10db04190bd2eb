# SPDX-License-Identifier: Apache-2.0
"""Looks a table of quotes over before an index is built from it. A doubt is not always a fault: spot markets do jump."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from kilohour.datafeeds.quotes import COLUMNS, WORDS, Quotes, key_of
from kilohour.tape.check import Finding
from kilohour.tape.series_doubts import GAP_FACTOR, UNIT_TOLERANCE, UNITS, outliers, slices_of, stale_runs, unit_slips
from kilohour.units import MICROS, NANOS_PER_DAY, datetime_of

Ints = npt.NDArray[np.int64]

BAND = 4.0
"""A quote may be so many times the median of its chip, term, segment and day, or that part of it."""
PEERS_MIN = 5
STOPPING = ("out of order", "duplicated row", "unit slip")
"""Findings that make an index wrong."""


def check_quote_table(quotes: Quotes) -> list[Finding]:
    """Findings by rule and by provider, chip and term; empty when nothing looks wrong.

    - ``out of order``, ``duplicated row``: the table is not as :mod:`kilohour.datafeeds.quotes` says;
    - ``gap``: a source without any quote for longer than is usual for it;
    - ``unit slip``: an offer at 8 or 100 times its price before, or at that many times what its provider asks for the same elsewhere;
    - ``outlier``: an offer's price beyond those on both sides of it in time;
    - ``stale``: an offer that moves otherwise and stands still;
    - ``outside neighbours``: a price beyond :data:`BAND` times the median of its chip, term, segment and day, or below that part of it.
    """
    columns = {name: getattr(quotes, name) for name in COLUMNS}
    key = key_of(columns)
    order = np.lexsort((quotes.seen, key))
    told = _Told(quotes)
    _offers(quotes, key, order, told)
    _elsewhere(quotes, key, order, told)
    _band(quotes, told)
    return [*_disorder(quotes, key), *_gaps(quotes), *told.findings()]


@dataclass(slots=True)
class _Told:
    """Rows by rule, provider, chip and term, each with a word for the first."""

    quotes: Quotes
    rows: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    details: dict[tuple[str, str], tuple[int, str]] = field(default_factory=dict)

    def add(self, rule: str, row: int, detail: str) -> None:
        names = self.quotes.names
        what = " ".join(names[name][int(getattr(self.quotes, name)[row])] for name in ("provider", "chip", "term"))
        key = (rule, what)
        self.rows.setdefault(key, []).append(row)
        if key not in self.details or row < self.details[key][0]:
            self.details[key] = (row, f"{_place(self.quotes, row)}: {detail}")

    def findings(self) -> Iterator[Finding]:
        for (rule, what), rows in sorted(self.rows.items()):
            day = _day(self.quotes.seen[min(rows)])
            yield Finding(rule=rule, contract=what, day=day, count=len(rows), detail=self.details[rule, what][1])


def _offers(quotes: Quotes, key: Ints, order: npt.NDArray[np.intp], told: _Told) -> None:
    for part in slices_of(key[order]):
        rows = order[part]
        price = quotes.price[rows]
        if len(rows) < 2 or (price == price[0]).all():
            continue
        slips = unit_slips(price)
        near_slip = {place + side for place, _ in slips for side in (-1, 0, 1)}
        for place, _ in slips:
            told.add("unit slip", int(rows[place]), f"{_money(price[place - 1])} to {_money(price[place])}")
        for place in outliers(price).tolist():
            if place not in near_slip:
                around = ", then ".join(_money(price[place + side]) for side in (-1, 0, 1))
                told.add("outlier", int(rows[place]), around)
        for first, last in stale_runs(price):
            until = _day(quotes.seen[rows[last]])
            told.add("stale", int(rows[first]), f"{_money(price[first])} until {until}, {last - first + 1} equal quotes")


def _elsewhere(quotes: Quotes, key: Ints, order: npt.NDArray[np.intp], told: _Told) -> None:
    """Offers that are at 8 or 100 times what the same provider asks for the same chip and term in its other places, all the time."""
    parts = slices_of(key[order])
    medians = np.array([np.median(quotes.price[order[part]]) for part in parts])
    first = np.array([order[part.start] for part in parts], dtype=np.int64)
    names = ("provider", "segment", "chip", "term", "source", "flag")
    groups: dict[tuple[int, ...], list[int]] = {}
    for place, row in enumerate(first.tolist()):
        groups.setdefault(tuple(int(getattr(quotes, name)[row]) for name in names), []).append(place)
    for places in groups.values():
        if len(places) < PEERS_MIN:
            continue
        usual = float(np.median(medians[places]))
        for place in places:
            ratio = float(medians[place]) / usual
            if any(abs(ratio / unit - 1) < UNIT_TOLERANCE or abs(ratio * unit - 1) < UNIT_TOLERANCE for unit in UNITS):
                told.add("unit slip", int(first[place]), f"{_money(medians[place])}, elsewhere {_money(usual)}")


def _band(quotes: Quotes, told: _Told) -> None:
    day = quotes.seen // NANOS_PER_DAY
    group = key_of({**{name: np.zeros(len(quotes), np.int32) for name in WORDS}, "seen": quotes.seen,
                    "chip": quotes.chip, "term": quotes.term, "segment": quotes.segment, "flag": quotes.flag})  # fmt: skip
    order = np.lexsort((quotes.price, group, day))
    groups = np.unique(np.stack([day[order], group[order]]), axis=1, return_inverse=True)[1]
    starts = slices_of(groups.reshape(-1).astype(np.int64))  # numpy 2.0 gives it two dimensions
    for part in starts:
        rows = order[part]
        if len(rows) < PEERS_MIN:
            continue
        price = quotes.price[rows]
        middle = float(price[len(price) // 2])
        for row in rows[(price > BAND * middle) | (price * BAND < middle)].tolist():
            told.add("outside neighbours", row, f"{_money(quotes.price[row])}, the median of the day is {_money(middle)}")


def _disorder(quotes: Quotes, key: Ints) -> Iterator[Finding]:
    back = np.flatnonzero(np.diff(quotes.seen) < 0) + 1
    if len(back):
        yield Finding(
            rule="out of order", contract="", day=_day(quotes.seen[back[0]]), count=len(back), detail="seen before the row it follows"
        )
    order = np.lexsort((quotes.seen, key))
    again = order[1:][(np.diff(key[order]) == 0) & (np.diff(quotes.seen[order]) == 0)]
    if len(again):
        row = int(again.min())
        yield Finding(rule="duplicated row", contract="", day=_day(quotes.seen[row]), count=len(again), detail=_place(quotes, row))


def _gaps(quotes: Quotes) -> Iterator[Finding]:
    for code, name in enumerate(quotes.names["source"]):
        times = np.unique(quotes.seen[quotes.source == code])
        steps = np.diff(times)
        if len(steps) < PEERS_MIN:
            continue
        usual = max(float(np.median(steps)) * GAP_FACTOR, float(NANOS_PER_DAY))
        holes = np.flatnonzero(steps > usual)
        if len(holes):
            worst = int(holes[np.argmax(steps[holes])])
            longest, middle = steps[worst] / NANOS_PER_DAY, float(np.median(steps)) / NANOS_PER_DAY
            detail = f"the longest: {longest:.1f} days from {_day(times[worst])}, usual are {middle:.1f}"
            yield Finding(rule="gap", contract=name, day=_day(times[holes[0]]), count=len(holes), detail=detail)


def _place(quotes: Quotes, row: int) -> str:
    parts = [quotes.names[name][int(getattr(quotes, name)[row])] for name in ("region", "zone", "offer")]
    return " ".join(part for part in parts if part) or "its offer"


def _money(micros: float) -> str:
    return f"{float(micros) / MICROS:g}"


def _day(nanos: int) -> str:
    return f"{datetime_of(int(nanos)):%Y-%m-%d}"
