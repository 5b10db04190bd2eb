# SPDX-License-Identifier: Apache-2.0
"""From quotes to votes: the filters, then one exact price a voter and day."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kilohour.errors import DataError
from kilohour.units import MISSING, NANOS_PER_DAY

if TYPE_CHECKING:
    from kilohour.datafeeds.index.method import Method
    from kilohour.datafeeds.quotes import Quotes

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
NANOS_PER_MINUTE = 60 * 10**9
KEYS = {"provider": ("provider",), "provider and region": ("provider", "region"), "provider and zone": ("provider", "zone")}


@dataclass(frozen=True, slots=True)
class Vote:
    """A voter's price of a day, in micros, and its weight."""

    voter: str
    provider: str
    price: Fraction
    weight: Fraction
    quotes: int


Days = dict[int, list[Vote]]
"""Votes by value day (days since 1970-01-01), each day's in the order of the voters' names."""


def votes_of(quotes: Quotes, method: Method) -> tuple[Days, dict[str, int]]:
    """The votes of each day, and how many quotes there were, each filter left out, and were used.

    A quote belongs to the windows its ``seen`` falls into: the index uses what could be known, when it could be.
    Raises :class:`DataError` when no quote passes, or one passes without the size or weight that the method needs.
    """
    keep, told = _filtered(quotes, method)
    rows = np.flatnonzero(keep)
    if not len(rows):
        lost = ", ".join(f"{count:,} {name}" for name, count in told.items() if count and name != "quotes")
        raise DataError(f"{method.name}: the filters must leave a quote, found none of {len(quotes):,}: {lost}")
    voters = _Voters(quotes, rows, method)
    day, row = _windows(method, quotes.seen[rows])
    order = np.lexsort((quotes.price[rows][row], voters.place[row], day))
    return _votes(method, voters, quotes, day[order], voters.place[row[order]], rows[row[order]]), told


def _filtered(quotes: Quotes, method: Method) -> tuple[Bools, dict[str, int]]:
    rules, (low, high) = method.filters, method.price_bounds
    told: dict[str, int] = {"quotes": len(quotes)}
    keep = np.ones(len(quotes), dtype=bool)

    def leave(name: str, good: Bools) -> None:
        nonlocal keep
        told[name] = int(np.count_nonzero(keep & ~good))
        keep = keep & good

    def named(column: str, accepts: Callable[[str], bool]) -> Bools:
        good = np.array([accepts(name) for name in quotes.names[column]], dtype=bool)
        return np.asarray(good[getattr(quotes, column)])

    leave("other chips", named("chip", rules.chips.__contains__))
    leave("other segments", named("segment", rules.segments.__contains__))
    leave("other terms", named("term", rules.terms.__contains__))
    leave("flagged", named("flag", lambda flag: not flag or flag in rules.flags))
    if rules.regions:
        leave("other regions", named("region", lambda name: name.startswith(rules.regions)))
    if rules.providers:
        leave("other providers", named("provider", rules.providers.__contains__))
    if rules.providers_left_out:
        leave("providers left out", named("provider", lambda name: name not in rules.providers_left_out))
    leave("below price_min", quotes.price >= low)
    leave("above price_max", quotes.price <= high)
    told["used"] = int(np.count_nonzero(keep))
    return keep, told


class _Voters:
    """Names of the voters in order, the provider of each, and the voter of each row."""

    def __init__(self, quotes: Quotes, rows: Ints, method: Method) -> None:
        keys = KEYS[method.voter.by]
        code = np.zeros(len(rows), dtype=np.int64)
        for key in keys:
            code = code * len(quotes.names[key]) + getattr(quotes, key)[rows]
        _, first, self.place = np.unique(code, return_index=True, return_inverse=True)
        texts = [[quotes.names[key][getattr(quotes, key)[rows[at]]] for key in keys] for at in first.tolist()]
        self.names = [" ".join(text) for text in texts]
        self.providers = [text[0] for text in texts]


def _windows(method: Method, seen: Ints) -> tuple[Ints, Ints]:
    """(value day, row) of every quote in every window it falls into; a window is open at its end."""
    end = method.window.end_minutes * NANOS_PER_MINUTE
    length = method.window.hours * 60 * NANOS_PER_MINUTE
    first = (seen - end) // NANOS_PER_DAY + 1
    days, rows = [], []
    for later in range(-(-length // NANOS_PER_DAY)):
        inside = np.flatnonzero(seen >= (first + later) * NANOS_PER_DAY + end - length)
        days.append(first[inside] + later)
        rows.append(inside)
    return np.concatenate(days), np.concatenate(rows)


def _votes(method: Method, voters: _Voters, quotes: Quotes, day: Ints, voter: Ints, row: Ints) -> Days:
    """A vote for each run of one day and voter; rows are sorted by day, voter and price."""
    price, count = quotes.price[row], quotes.count[row]
    starts = np.flatnonzero(np.r_[True, (np.diff(day) != 0) | (np.diff(voter) != 0)])
    ends = np.r_[starts[1:], len(day)]
    top, bottom = _averages(method.voter.average, price, count, quotes.seen[row], starts, ends)
    weight = _weights(method, quotes, row, starts)
    columns = (day[starts].tolist(), voter[starts].tolist(), top.tolist(), bottom.tolist(), weight, (ends - starts).tolist())
    days: Days = {}
    for of, who, a, b, w, n in zip(*columns, strict=True):
        provider = voters.providers[who]
        share = Fraction(w) if not isinstance(w, Mapping) else _fixed(w, provider, method)
        days.setdefault(of, []).append(Vote(voters.names[who], provider, Fraction(a, b), share, n))
    return days


def _averages(rule: str, price: Ints, count: Ints, seen: Ints, starts: Ints, ends: Ints) -> tuple[Ints, Ints]:
    """Numerators and denominators of each run's price."""
    if rule == "minimum":
        return price[starts], np.ones(len(starts), dtype=np.int64)
    if rule == "median":
        return price[(starts + ends - 1) // 2] + price[(starts + ends) // 2], np.full(len(starts), 2)
    if rule == "last":
        latest = np.maximum.reduceat(seen, starts)
        count = np.where(seen == np.repeat(latest, ends - starts), count, 0)
    return np.add.reduceat(price * count, starts), np.add.reduceat(count, starts)


def _weights(method: Method, quotes: Quotes, row: Ints, starts: Ints) -> list[Any]:
    weights = method.across.weights
    if weights is None:
        return [1] * len(starts)
    if weights != "size":
        return [weights] * len(starts)
    size = quotes.size[row]
    if (size == MISSING).any():
        at = int(row[size == MISSING].min())
        raise DataError(f"{method.name}: across.weights = 'size' needs the size of every quote, found none in row {at} "
                        f"({quotes.names['provider'][quotes.provider[at]]})")
    return list(np.add.reduceat(size * quotes.count[row], starts).tolist())


def _fixed(weights: Mapping[str, float], provider: str, method: Method) -> Fraction:
    if provider not in weights:
        raise DataError(f"{method.name}: across.weights must name every provider that quotes, found none for {provider!r}")
    return Fraction(str(weights[provider]))
