# SPDX-License-Identifier: Apache-2.0
"""A page about an adoption series: three S-curves, what each says of the ceiling, and how little that may be."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kilohour.adoption.fit import AdoptionFit
from kilohour.reports.charts import adoption as charts
from kilohour.reports.page import escape, figure, section, table, write_page
from kilohour.units import date_of

YEARS_AHEAD = 4


def write_adoption_page(path: Path, series: str, unit: str, fits: Sequence[AdoptionFit]) -> Path:
    """Writes one offline page about fits to the same known values and returns its path. Shows four years beyond the day."""
    known = fits[0].known
    on = _milliseconds(known.on)
    days = _days(int(known.days[0]), known.on)
    x = np.array([_milliseconds(day) for day in days])
    drawn = {fit.curve: (x, fit.at(days), *fit.band(days)) for fit in fits}
    top = 30.0 * float(np.concatenate([known.values, known.later_values]).max())
    points = np.array([_milliseconds(date_of(int(day))) for day in known.days]), known.values
    later = np.array([_milliseconds(date_of(int(day))) for day in known.later_days]), known.later_values
    content = charts.curves(points, later, drawn, unit, on, top)
    body = [
        f"<header><h1>{escape(series)}</h1><p>As known on {known.on}: {len(known.days)} values; {escape(known.lag)}.</p></header>",
        section("curves", "S-curves", figure("curves", content, "Series and curves"),
                lead="Logarithmic scale; the bands hold 90 % of what the curve may be, if errors are independent. Hollow points came later "
                "and are in no fit."),
        section("fits", "What the fits say", table(HEAD, [_row(fit) for fit in fits])),
        "<footer>This file loads nothing from the network.</footer>",
    ]  # fmt: skip
    return write_page(path, f"Adoption: {series} on {known.on}", "".join(body))


HEAD = ("Curve", "Ceiling", "90 % band", "Is it known?", "Steepest growth", "Rate a year", "Error of a value")


def _row(fit: AdoptionFit) -> list[str]:
    ceiling, band, rate = fit.told()
    known = "yes" if fit.is_identified else "not within a factor of two"
    return [fit.curve, ceiling, band, known, str(fit.midpoint), rate, f"{100 * fit.sigma:.1f} %"]


def _days(first: int, on: dt.date) -> list[dt.date]:
    last = (on - dt.date(1970, 1, 1)).days + round(YEARS_AHEAD * 365.25)
    return [date_of(int(day)) for day in np.unique(np.linspace(first, last, 240).round().astype(np.int64))]


def _milliseconds(day: dt.date) -> float:
    return dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC).timestamp() * 1000.0
