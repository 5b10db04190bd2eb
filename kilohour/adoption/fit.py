# SPDX-License-Identifier: Apache-2.0
"""Logistic, Gompertz and Bass fits with their uncertainty, on a series as it was known on a day."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kilohour.adoption.known import RELEASE_LAG_DAYS, Known, known_series
from kilohour.errors import DataError, UnknownName, UsageError
from kilohour.kernels import s_curves
from kilohour.tape.tape import Tape
from kilohour.units import date_of, day_of

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]

CURVES = {"logistic": s_curves.LOGISTIC, "gompertz": s_curves.GOMPERTZ, "bass": s_curves.BASS}
YEAR = 365.25
LEAST = 4
"""Values that a fit needs: one more than it has parameters."""
KNOWN_WITHIN = math.log(2.0)
"""A ceiling counts as known when its log has a smaller standard error: a factor of two."""


@dataclass(frozen=True, slots=True, eq=False)
class AdoptionFit:
    """A curve through the logs of a series. Errors of values are taken as relative, alike and independent; where they hang together in
    time, as those of cumulated users do, every band is too narrow.

    ``parameters``: ln ceiling; then ln rate a year and midpoint in years from ``origin`` (logistic, Gompertz), or ln p and ln q a year
    (Bass, time from the launch). ``covariance`` is theirs, σ²(JᵀJ)⁻¹, σ² = squared residuals / (count - 3).
    """

    curve: str
    parameters: Floats
    covariance: Floats
    sigma: float
    """Standard deviation of a value around the curve, in logs."""
    origin: int
    """Day (since 1970) that times are counted from: of the first value, or the launch."""
    known: Known
    at_bound: bool
    """The least squares lie at the end of what was searched, a ceiling e¹² times the largest value, say: there is no bend in the data."""

    @property
    def count(self) -> int:
        """Values in the fit."""
        return len(self.known.days)

    @property
    def ceiling(self) -> float:
        """Where adoption ends, in the unit of the series."""
        return math.exp(float(self.parameters[0]))

    @property
    def rate(self) -> float | None:
        """Growth a year: of the odds (logistic), or at which ln(ceiling / value) falls (Gompertz). None for Bass."""
        return None if self.curve == "bass" else math.exp(float(self.parameters[1]))

    @property
    def midpoint(self) -> dt.date | None:
        """Day of the steepest growth: half the ceiling (logistic), 1/e of it (Gompertz); Bass: ln(q / p) / (p + q) after the launch."""
        if self.curve == "bass":
            p, q = self.innovation or 0.0, self.imitation or 0.0
            return _date(self.origin + math.log(q / p) / (p + q) * YEAR)
        return _date(self.origin + float(self.parameters[2]) * YEAR)

    @property
    def innovation(self) -> float | None:
        """Bass's p a year: who adopt by themselves. None for the others."""
        return math.exp(float(self.parameters[1])) if self.curve == "bass" else None

    @property
    def imitation(self) -> float | None:
        """Bass's q a year: who adopt because others did. None for the others."""
        return math.exp(float(self.parameters[2])) if self.curve == "bass" else None

    @property
    def errors(self) -> Floats:
        """Standard errors of the parameters."""
        return np.sqrt(np.maximum(np.diag(self.covariance), 0.0))

    @property
    def is_identified(self) -> bool:
        """True when the ceiling is known within a factor of two: before the bend it never is."""
        return bool(not self.at_bound and self.errors[0] < KNOWN_WITHIN)

    def at(self, days: Sequence[dt.date | str]) -> Floats:
        """The curve on some days, in the unit of the series."""
        return np.exp(self._logs(days)[0])

    def band(self, days: Sequence[dt.date | str], level: float = 0.9, *, of_value: bool = False) -> tuple[Floats, Floats]:
        """Lower and upper end of what the curve (with ``of_value``: a value around it) may be on some days, by Student's t with count - 3
        degrees of freedom and the gradient of the log curve (delta method). Raises :class:`UsageError` for a level outside 0 to 1."""
        logs, slopes = self._logs(days)
        spread = np.einsum("ni,ij,nj->n", slopes, self.covariance, slopes) + (self.sigma**2 if of_value else 0.0)
        reach = self._quantile(level) * np.sqrt(np.maximum(spread, 0.0))
        with np.errstate(over="ignore"):
            return np.exp(logs - reach), np.exp(logs + reach)

    def ceiling_band(self, level: float = 0.9) -> tuple[float, float]:
        """Lower and upper end of the ceiling; infinite where the data say nothing of it."""
        reach = self._quantile(level) * float(self.errors[0])
        return math.exp(self.parameters[0] - reach), math.exp(min(float(self.parameters[0]) + reach, 700.0))

    def told(self) -> tuple[str, str, str]:
        """Ceiling, its 90 % band and the rate a year, for a table."""
        low, high = self.ceiling_band()
        band = f"{_plain(low, 3)} to {_plain(high, 3)}" if high < 1e6 * low else "open"
        rate = f"{self.rate:.3g}" if self.rate is not None else f"p {self.innovation:.3g}, q {self.imitation:.3g}"
        return (_plain(self.ceiling, 4) if not self.at_bound else "none in sight"), band, rate

    def to_dict(self) -> dict[str, Any]:
        """What ``kilohour data adoption --json`` prints of a fit."""
        low, high = self.ceiling_band()
        return {"curve": self.curve, "count": self.count, "ceiling": self.ceiling, "ceiling_low": low, "ceiling_high": high,
                "ceiling_is_known": self.is_identified, "rate": self.rate, "innovation": self.innovation, "imitation": self.imitation,
                "midpoint": str(self.midpoint), "sigma": self.sigma, "errors": self.errors.tolist(), "at_bound": self.at_bound}  # fmt: skip

    def _quantile(self, level: float) -> float:
        from scipy.special import stdtrit  # what scipy.stats.t asks, without the second that importing that takes

        if not 0.0 < level < 1.0:
            raise UsageError(f"level must be above 0 and below 1, found {level}")
        return float(stdtrit(self.count - 3, 0.5 + level / 2.0))

    def _logs(self, days: Sequence[dt.date | str]) -> tuple[Floats, Floats]:
        times = [(day_of(dt.date.fromisoformat(day) if isinstance(day, str) else day) - self.origin) / YEAR for day in days]
        logs, slopes = np.zeros(len(times)), np.zeros((len(times), 3))
        a, b, c = (float(value) for value in self.parameters)
        for i, time in enumerate(times):
            if self.curve == "bass" and time <= 0.0:
                raise UsageError(f"a Bass curve begins after its launch on {date_of(self.origin)}, asked for {days[i]}")
            logs[i] = s_curves.log_curve(CURVES[self.curve], a, b, c, time, slopes[i])
        return logs, slopes


def fit_adoption(data: Tape | pd.Series[Any] | tuple[Sequence[Any], Sequence[float]] | Known, series: str | None = None, *,
                 curve: str = "logistic", on: dt.date | str | None = None, release_lag_days: int = RELEASE_LAG_DAYS,
                 launch: dt.date | str | None = None) -> AdoptionFit:
    """Fits ``logistic``, ``gompertz`` or ``bass`` to what was known of a series at the end of ``on``.

    ``data``, ``series``, ``on`` and ``release_lag_days`` are those of :func:`known_series`. ``launch`` is the day from which a Bass curve
    counts, before the first value. Sources: Verhulst (1838); Gompertz (1825); Bass (1969), "A new product growth model for consumer
    durables".

    Raises :class:`UnknownName` for a curve, :class:`DataError` for fewer than four values, and the errors of :func:`known_series`.
    """
    if curve not in CURVES:
        raise UnknownName("curve", curve, CURVES)
    known = data if isinstance(data, Known) else known_series(data, series, on=on, release_lag_days=release_lag_days)
    if len(known.days) < LEAST:
        raise DataError(f"a fit needs at least {LEAST} values known by {known.on}, found {len(known.days)}")
    origin = _origin(known, curve, launch)
    times, logs = (known.days - origin) / YEAR, np.log(known.values)
    low, high = bounds(curve, times, logs)
    at, cover = np.zeros(3), np.zeros((3, 3))
    squares = s_curves.fit_anew(CURVES[curve], times, logs, low, high, at, cover)
    variance = squares / (len(times) - 3)
    at_bound = bool((at <= low + 1e-6).any() or (at >= high - 1e-6).any())
    return AdoptionFit(curve, at, variance * cover, math.sqrt(variance), origin, known, at_bound)


def bounds(curve: str, times: Floats, logs: Floats) -> tuple[Floats, Floats]:
    """Where parameters are looked for: a ceiling from e⁻¹ to e¹² of the largest value, rates from 0.001 to 100 a year (p from 10⁻⁹),
    a midpoint within a hundred years."""
    top, rates = float(logs.max()), (math.log(1e-3), math.log(100.0))
    if curve == "bass":
        return np.array([top - 1.0, math.log(1e-9), rates[0]]), np.array([top + 12.0, rates[1], rates[1]])
    return np.array([top - 1.0, rates[0], times[0] - 100.0]), np.array([top + 12.0, rates[1], times[-1] + 100.0])


def _origin(known: Known, curve: str, launch: dt.date | str | None) -> int:
    first = int(known.days[0])
    if curve != "bass":
        return first
    if launch is None:
        raise UsageError("launch must be given for a Bass curve: the day from which adoption counts, before the first value")
    day = day_of(dt.date.fromisoformat(launch) if isinstance(launch, str) else launch)
    if day >= first:
        raise UsageError(f"launch must be before the first value, {date_of(first)}, found {date_of(day)}")
    return day


def _date(day: float) -> dt.date | None:
    return date_of(round(day)) if abs(day) < 700_000 else None


def _plain(value: float, digits: int) -> str:
    """So many digits that count, without an exponent: 8,990 and not 8.99e+03."""
    rounded = float(f"{value:.{digits}g}")
    return f"{rounded:,.0f}" if rounded >= 1000.0 else f"{rounded:.{digits}g}"
