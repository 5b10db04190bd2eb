# SPDX-License-Identifier: Apache-2.0
"""An index as a tape: prints with their value date, when each was known, and what they were made of."""

from __future__ import annotations

from kilohour.datafeeds.index.series import IndexSeries
from kilohour.tape import Index, Tape, TapeBuilder
from kilohour.units import date_of


def tape_of(series: IndexSeries, quotes: str) -> Tape:
    """A tape of prints alone; ``quotes`` names where the quotes came from."""
    method = series.method
    builder = TapeBuilder(source=f"index {method.name} over {quotes}", notes=notes_of(series), days_per_year=365)
    note = f"{method.title}; method {method.name}, SHA-256 {method.sha256}"
    index = builder.index(Index(code=method.code, unit=method.unit, note=note))
    builder.prints(index, series.days, series.known_at, series.micros)
    return builder.build(prints_only=True)


def notes_of(series: IndexSeries) -> list[str]:
    """What a trader must know: segments, votes, days repeated and left out, what each filter took."""
    method, told = series.method, series.told
    segments = " and ".join(method.filters.segments)
    mixed = " (SEGMENTS ARE MIXED, as the method says)" if len(method.filters.segments) > 1 else ""
    voters = [p.voters for p in series.prints if not p.is_repeated]
    lost = ", ".join(f"{count:,} {name}" for name, count in told.items()
                     if count and name not in ("quotes", "used", "days repeated", "days without a print", "votes moved too far"))
    return [
        f"segment {segments}{mixed}; {date_of(series.prints[0].day)} to {date_of(series.prints[-1].day)}; "
        f"{min(voters)} to {max(voters)} voters a day, one a {method.voter.by}",
        f"{told['used']:,} of {told['quotes']:,} quotes used" + (f"; left out: {lost}" if lost else ""),
        f"{told['votes moved too far']:,} votes left out by the move filter; {told['days repeated']:,} days repeated, "
        f"{told['days without a print']:,} days without a print",
    ]
