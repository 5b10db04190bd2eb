# SPDX-License-Identifier: Apache-2.0
"""Which column of a source means what: the same words for the sources we ship and for a user's own file (:mod:`mapping_file`)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kilohour.errors import UnknownName, UsageError
from kilohour.units import NANOS_PER_DAY, NANOS_PER_SECOND

CENTS = {"USD": 1.0, "cents": 0.01}
HOURS = {"second": 1 / 3600, "minute": 1 / 60, "hour": 1.0, "day": 24.0, "month": 730.0, "year": 8_760.0}
"""A month is an average one, as listed contracts count it."""
LAGS = {"second": NANOS_PER_SECOND, "minute": 60 * NANOS_PER_SECOND, "hour": 3600 * NANOS_PER_SECOND, "day": NANOS_PER_DAY}
EMPTY = ("refuse", "skip")

Tidy = Callable[[dict[str, Any]], dict[str, Any]]
"""Changes the Arrow columns of a batch before they are mapped."""
Doubt = Callable[[dict[str, Any]], Iterator[tuple[str, Any, str]]]
"""Finds rows of a batch that contradict themselves: column, mask, reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """A column of times."""

    column: str
    of: str = "instant"
    """``instant``, or ``day`` for plain dates."""
    zone: str | None = None
    """Of times that state none."""
    epoch: str | None = None
    """``s``, ``ms``, ``us`` or ``ns`` for a count since 1970."""
    lag: int = 0
    """Nanoseconds until it could be known: after the instant, or after the midnight UTC that ends the day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A column of texts, or one text for all rows."""

    column: str | None = None
    value: str = ""
    rename: Mapping[str, str] | None = None
    """What stands in the file: what it means here; others stay as they are."""
    prefix: str = ""
    """Put before each text, when there is one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """How a number in the file becomes dollars per GPU-hour: times ``scale``, over the GPUs of a node."""

    scale: float = 1.0
    gpus: int | str = 1
    """GPUs of a node: a number, or the column that says it."""


PER_HOUR = Unit()


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """A column of prices: one quote a row that has a price there."""

    column: str
    term: Text
    unit: Unit = PER_HOUR
    empty: str = "refuse"
    """An empty cell is a fault (``refuse``), or says that there is no such offer (``skip``)."""
    offer: str | None = None
    """In place of the mapping's."""
    count: str | None = None
    """Column that counts the offers behind the price."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteMapping:
    """How rows become quotes."""

    quoted: When
    seen: When | None = None
    """A column of its own; else ``quoted`` and its lag."""
    prices: tuple[Price, ...]
    provider: Text
    segment: Text
    chip: Text
    region: Text = Text()
    zone: Text = Text()
    offer: Text = Text()
    flag: Text = Text()
    size: int | str | None = None
    """GPUs that come together: a number or a column."""
    tidy: Tidy | None = None
    doubt: Doubt | None = None
    needs: tuple[str, ...] = ()
    """Further columns that ``tidy`` or ``doubt`` read."""
    makes: tuple[str, ...] = ()
    """Columns that only ``tidy`` makes."""

    def columns(self) -> list[str]:
        """Columns that the file must have."""
        whens = [self.quoted, *([self.seen] if self.seen else [])]
        words = [self.provider, self.segment, self.chip, self.region, self.zone, self.offer, self.flag]
        named: list[Any] = [*(when.column for when in whens), *(word.column for word in words), self.size]
        for price in self.prices:
            named += [price.column, price.term.column, price.unit.gpus, price.count]
        return [name for name in dict.fromkeys((*named, *self.needs)) if isinstance(name, str) and name not in self.makes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A column of values of one series a row, or of the series that a column names."""

    code: Text
    column: str
    unit: str
    scale: float = 1.0
    empty: str = "refuse"
    lowest: float | None = None
    """Values below are refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PrintMapping:
    """How rows become bitemporal prints."""

    value_at: When
    known: When | None = None
    """A column of its own; else ``value_at`` and its lag."""
    series: tuple[Series, ...]
    chip: str | None = None
    """Column that names the chip of which the values are prices: one that we know."""
    regime: Text = Text()
    """What may not be compared across: a change of it is a level break."""
    note: Text = Text()
    tidy: Tidy | None = None
    needs: tuple[str, ...] = ()
    makes: tuple[str, ...] = ()

    def columns(self) -> list[str]:
        """Columns that the file must have."""
        whens = [self.value_at, *([self.known] if self.known else [])]
        words = [self.regime, self.note, *(one.code for one in self.series)]
        named: list[Any] = [*(when.column for when in whens), *(word.column for word in words), self.chip]
        named += [one.column for one in self.series]
        return [name for name in dict.fromkeys((*named, *self.needs)) if name and name not in self.makes]


def unit_of(text: str, gpus: int | str | None = None) -> Unit:
    """The unit that a text like ``USD per GPU-hour`` or ``cents per node-day`` names; a node has ``gpus``.

    >>> unit_of("cents per node-day", 8)
    Unit(scale=0.0004166666666666667, gpus=8)

    Raises :class:`UsageError` for another unit, and for a node of which nobody says how many GPUs it has.
    """
    found = re.fullmatch(r"(\S+) per (\S+)-(\S+)", text.strip())
    if found is None:
        raise UsageError(f"a unit reads '<USD|cents> per <GPU|node>-<{'|'.join(HOURS)}>', found {text!r}")
    money, thing, time = found.groups()
    for what, name, known in (("money", money, tuple(CENTS)), ("thing rented", thing, ("GPU", "node")), ("time", time, tuple(HOURS))):
        if name not in known:
            raise UnknownName(what, name, known, where=f"unit {text!r}")
    if thing == "node" and gpus is None:
        raise UsageError(f"unit {text!r} needs the GPUs of a node: gpus = 8, or a column's name; found nothing")
    if thing == "GPU" and gpus is not None:
        raise UsageError(f"unit {text!r} is per GPU already and takes no gpus, found {gpus!r}")
    if isinstance(gpus, int) and gpus < 1:
        raise UsageError(f"gpus must be 1 or more, found {gpus}")
    return Unit(scale=CENTS[money] / HOURS[time], gpus=1 if gpus is None else gpus)


def lag_of(text: str) -> int:
    """Nanoseconds of a text like ``45 days`` or ``15 minutes``.

    >>> lag_of("15 minutes")
    900000000000

    Raises :class:`UsageError` for anything else.
    """
    found = re.fullmatch(r"(\d+) (second|minute|hour|day)s?", text.strip())
    if found is None:
        raise UsageError(f"a lag reads '15 minutes', in whole {', '.join(f'{name}s' for name in LAGS)}, found {text!r}")
    return int(found[1]) * LAGS[found[2]]
