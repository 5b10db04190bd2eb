# SPDX-License-Identifier: Apache-2.0
"""Adoption of AI as public series: weekly users, capital spending, chip revenue, as prints known with a lag.

The file has no release dates, so every value counts as known a fixed number of days after its own date. Values are as
the file has them, without the revisions there may have been.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kilohour.datafeeds.reading import count_of, read_table, refuse_first
from kilohour.errors import DataError, UsageError
from kilohour.tape import Index, TapeBuilder
from kilohour.units import MICROS, NANOS_PER_DAY, date_of

COMPANIES = ("alphabet", "amazon", "meta", "microsoft")


@dataclass(frozen=True, slots=True)
class Series:
    """An index made of one or more metrics of the file, summed over those dates on which all are there."""

    code: str
    unit: str
    metrics: tuple[str, ...]


SERIES = (
    Series("ADOPTION-CHATGPT-USERS", "million weekly users", ("chatgpt_weekly_active_users_million",)),
    Series("ADOPTION-CAPEX", "billion USD a quarter", tuple(f"capex_{company}_usd_bn" for company in COMPANIES)),
    Series("ADOPTION-NVIDIA-REVENUE", "billion USD a quarter", ("nvidia_data_center_revenue_usd_bn",)),
)
"""What the tape carries; the user series has an S-curve to fit, the quarterly ones reach back further."""


def add_adoption(builder: TapeBuilder, path: str | Path, *, release_lag_days: int, bar_days: Sequence[int],
                 end: int) -> list[str]:
    """Adds each of :data:`SERIES` as prints and returns the notes to make.

    ``bar_days`` are the tape's days with bars, ``end`` is its end in nanoseconds UTC. What was known before the first of
    them is given late, one print at the beginning of each bar day, so that a strategy meets them one by one; what
    became known after the end is left out. Raises :class:`DataError` with file, row and column, :class:`UsageError` for the lag.
    """
    if isinstance(release_lag_days, bool) or not isinstance(release_lag_days, int) or not 0 <= release_lag_days <= 3650:
        raise UsageError(f"release_lag_days must be a whole number from 0 to 3650, found {release_lag_days!r}")
    name = Path(path).name
    table = read_table(path, {"date": "day", "metric": "text", "value": "number", "verification": "text"})
    refuse_first(table.duplicated(["date", "metric"]).to_numpy(), name, "date", table["date"].map(date_of),
                 "must have one value a metric and date")
    refuse_first((table["value"] < 0).to_numpy(), name, "value", table["value"], "must not be negative")
    columns = (table[column].tolist() for column in table.columns)
    values: dict[str, dict[int, float]] = {}
    recalled: set[tuple[str, int]] = set()
    for day, metric, value, verification in zip(*columns, strict=True):
        values.setdefault(metric, {})[day] = value
        if verification.startswith("recall"):
            recalled.add((metric, day))
    notes = [f"adoption is known {release_lag_days} days after its date, an assumption: {name} has no release dates; "
             f"{len(recalled)} of {count_of(len(table), 'row')} are recalled from memory, not read from a source"]
    for series in SERIES:
        notes.append(_add_series(builder, series, values, recalled, release_lag_days, bar_days, end, name))
    return notes


def _add_series(builder: TapeBuilder, series: Series, values: Mapping[str, Mapping[int, float]],
                recalled: set[tuple[str, int]], lag: int, bar_days: Sequence[int], end: int, name: str) -> str:
    for metric in series.metrics:
        if metric not in values:
            raise DataError(f"{name}: column 'metric': must have {metric!r}, found {', '.join(sorted(values))}")
    days = sorted(set.intersection(*(set(values[metric]) for metric in series.metrics)))
    known = {day: (day + lag) * NANOS_PER_DAY for day in days}
    seen = [day for day in days if known[day] <= end]
    early = sum(known[day] < bar_days[0] * NANOS_PER_DAY for day in seen)
    ref = builder.index(Index(code=series.code, unit=series.unit, note=f"{name}: {' + '.join(series.metrics)}"))
    if seen:
        total = [round(sum(values[metric][day] for metric in series.metrics) * MICROS) for day in seen]
        times = [max(known[day], bar_day * NANOS_PER_DAY) for day, bar_day in zip(seen, bar_days, strict=False)]
        builder.prints(ref, np.array(seen), np.array(times), np.array(total))
    from_memory = sum(any((metric, day) in recalled for metric in series.metrics) for day in seen)
    return (f"{series.code}: {count_of(len(seen), 'print')} known by the end of the tape, {from_memory} recalled, "
            f"{early} known before its start and given late, one a bar; {len(days) - len(seen)} later ones left out")
