# SPDX-License-Identifier: Apache-2.0
"""Makes a :class:`~kilohour.datafeeds.feed.Feed` of a mapping: what most sources are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from kilohour.datafeeds.feed import Column, Feed
from kilohour.datafeeds.importing.mapping import PrintMapping, QuoteMapping
from kilohour.datafeeds.reading import Progress
from kilohour.errors import UsageError

REJECTED_MAX = "5%"
OPTIONS = {"rejected-max": f"share of the rows that may be refused, {REJECTED_MAX} unless given; each goes to rejected.csv with its reason"}


def quote_feed(name: str, mapping: QuoteMapping, **told: Any) -> Feed:
    """A source of quotes; ``told`` are the other fields of the feed."""

    def run(inputs: Sequence[Path], out: Path, *, rejected_max: str = REJECTED_MAX, progress: Progress | None = None) -> Iterable[str]:
        from kilohour.datafeeds.importing.quotes_import import import_quotes

        done = import_quotes(name, mapping, inputs, out, notes=_notes(told), rejected_max=share_of(rejected_max), progress=progress)
        return [*done.told(), *(f"  - {note}" for note in done.notes)]

    return Feed(name=name, gives="quotes", inputs="some", run=run, options=OPTIONS, **told)


def print_feed(name: str, mapping: PrintMapping, **told: Any) -> Feed:
    """A source of series; ``told`` are the other fields of the feed."""

    def run(inputs: Sequence[Path], out: Path, *, rejected_max: str = REJECTED_MAX, progress: Progress | None = None) -> Iterable[str]:
        from kilohour.datafeeds.importing.prints_import import import_prints

        done = import_prints(name, mapping, inputs, out, notes=_notes(told), rejected_max=share_of(rejected_max), progress=progress)
        return [*done.told(), *(f"  - {note}" for note in done.notes)]

    return Feed(name=name, gives="prints", inputs="some", run=run, options=OPTIONS, **told)


def share_of(text: str) -> float:
    """A share like ``5%`` or ``0.05``, from 0 to 1. Raises :class:`UsageError` for anything else.

    >>> share_of("5%"), share_of("0.5")
    (0.05, 0.5)
    """
    number, percent = text.removesuffix("%"), text.endswith("%")
    try:
        share = float(number) / (100 if percent else 1)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise UsageError(f"rejected-max must be a share like 5% or 0.05, from 0 to 1, found {text!r}")
    return share


def columns(*rows: tuple[str, str, str]) -> tuple[Column, ...]:
    """Columns as (name, unit, meaning)."""
    return tuple(Column(name=name, unit=unit, meaning=meaning) for name, unit, meaning in rows)


def _notes(told: dict[str, Any]) -> list[str]:
    return [f"time: {told['time']}", f"licence: {told['licence']}", *told.get("defects", ())]
