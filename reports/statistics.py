# SPDX-License-Identifier: Apache-2.0
"""Statistics of a run: drawdown, Sharpe ratio, monthly returns, and the deflated Sharpe ratio of a sweep.

Sources. Sharpe (1994), "The Sharpe Ratio", JPM 21(1). Bailey and Lopez de Prado (2014), "The Deflated Sharpe Ratio:
Correcting for Selection Bias, Backtest Overfitting, and Non-Normality", JPM 40(5), sections "False strategy theorem"
and "The deflated Sharpe ratio"; its ratios are per observation, never annualised, and so are those of this module
unless a name says otherwise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from kilohour.reports.table import Floats, Ints
from kilohour.units import NANOS_PER_DAY

EULER_GAMMA = 0.57721566490153286


@dataclass(frozen=True, slots=True)
class Drawdown:
    """The deepest fall from a peak, in micros, and the largest as a fraction (above 1 when equity went negative)."""

    micros: int
    fraction: float


@dataclass(frozen=True, slots=True)
class MonthReturn:
    """The change of equity in a calendar month (UTC); ``fraction`` is None when the month began at zero or below."""

    year: int
    month: int
    micros: int
    fraction: float | None


def drawdown_path(equity: Ints, start: int) -> Ints:
    """Equity less its highest value so far, the start included, in micros (zero or negative); shape (rows,)."""
    peak = np.maximum(np.maximum.accumulate(equity), start) if len(equity) else equity
    return equity - peak


def max_drawdown(equity: Ints, start: int) -> Drawdown:
    """The largest fall from a running peak of equity, in micros and as a fraction of that peak.

    The two maxima need not be on one day. The fraction leaves out peaks that are not above zero.
    """
    if not len(equity):
        return Drawdown(0, 0.0)
    fall = -drawdown_path(equity, start)
    peak = equity + fall
    fractions = np.divide(fall, peak, out=np.zeros(len(fall)), where=peak > 0)
    return Drawdown(int(fall.max()), float(fractions.max()))


def daily_closes(ts: Ints, equity: Ints) -> tuple[Ints, Ints]:
    """The last equity of each UTC day that has one: (days since 1970, micros), both of shape (days,)."""
    if not len(ts):
        return ts, equity
    days = ts // NANOS_PER_DAY
    last = np.append(days[1:] != days[:-1], True)
    return days[last], equity[last]


def sharpe(ts: Ints, equity: Ints, start: int, days_per_year: int) -> float | None:
    """Mean over standard deviation (n - 1) of daily changes of equity in dollars, times the root of ``days_per_year``.

    Changes, not returns, so that it is defined whatever the sign of equity. None with fewer than two
    changes, or when every change is the same.
    """
    _, closes = daily_closes(ts, equity)
    changes = np.diff(np.concatenate([np.array([start], dtype=np.int64), closes])).astype(np.float64)
    ratio = sharpe_per_observation(changes)
    return None if ratio is None else ratio * math.sqrt(days_per_year)


def sharpe_per_observation(changes: Floats) -> float | None:
    """Mean over standard deviation (n - 1); None with fewer than two changes or no variation."""
    if len(changes) < 2 or float(changes.min()) == float(changes.max()):
        return None
    return float(changes.mean() / changes.std(ddof=1))


def monthly_returns(ts: Ints, equity: Ints, start: int) -> list[MonthReturn]:
    """The change of equity in each calendar month (UTC), zero in one without a row; they add up to the run's."""
    days, closes = daily_closes(ts, equity)
    if not len(days):
        return []
    months = days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    last = np.append(months[1:] != months[:-1], True)
    closing = dict(zip(months[last].tolist(), closes[last].tolist(), strict=True))
    before, found = start, []
    for month in range(int(months[0]), int(months[-1]) + 1):
        after = closing.get(month, before)
        fraction = (after - before) / before if before > 0 else None
        found.append(MonthReturn(1970 + month // 12, month % 12 + 1, after - before, fraction))
        before = after
    return found


def normal_cdf(x: float) -> float:
    """The standard normal distribution function, by the complementary error function."""
    return 0.5 * math.erfc(-x / math.sqrt(2.0))


def expected_maximum_sharpe(trials: int, variance: float) -> float:
    """The expected largest Sharpe ratio of ``trials`` independent trials without skill, per observation.

    sqrt(V) * ((1 - g) * Z(1 - 1/N) + g * Z(1 - 1/(N e))), Z the inverse normal distribution and g the
    Euler-Mascheroni constant (Bailey and Lopez de Prado 2014, "False strategy theorem"); ``variance`` is V, that of the
    trials' Sharpe ratios per observation. One trial is no selection: 0. Raises ValueError for fewer than one
    trial or a negative variance.
    """
    from statistics import NormalDist

    if trials < 1:
        raise ValueError(f"trials must be at least 1, found {trials}")
    if not variance >= 0.0:
        raise ValueError(f"variance must be zero or more, found {variance}")
    if trials == 1:
        return 0.0
    inverse = NormalDist().inv_cdf
    high = (1.0 - EULER_GAMMA) * inverse(1.0 - 1.0 / trials) + EULER_GAMMA * inverse(1.0 - 1.0 / (trials * math.e))
    return math.sqrt(variance) * high


def probabilistic_sharpe(ratio: float, benchmark: float, observations: int, skew: float, kurtosis: float) -> float:
    """The probability that the true Sharpe ratio exceeds ``benchmark``, all per observation.

    Phi((SR - SR0) * sqrt(T - 1) / sqrt(1 - skew * SR + (kurtosis - 1) / 4 * SR^2)); ``kurtosis`` is 3 for a normal
    distribution (Bailey and Lopez de Prado 2014, equation of the PSR). Raises ValueError with fewer than two
    observations or moments no distribution can have.
    """
    if observations < 2:
        raise ValueError(f"observations must be at least 2, found {observations}")
    spread = 1.0 - skew * ratio + (kurtosis - 1.0) / 4.0 * ratio * ratio
    if not spread > 0.0:
        raise ValueError(f"skew {skew} and kurtosis {kurtosis} cannot belong to one distribution")
    return normal_cdf((ratio - benchmark) * math.sqrt(observations - 1.0) / math.sqrt(spread))


def deflated_sharpe(changes: Floats, trials: int, variance: float) -> float | None:
    """The deflated Sharpe ratio: the probability that the best of ``trials`` has skill, given that it was chosen.

    ``changes`` are the best trial's daily changes of equity (days,), ``variance`` the variance of all trials' Sharpe
    ratios per observation. None where the best trial's own Sharpe ratio is undefined.
    """
    ratio = sharpe_per_observation(changes)
    if ratio is None:
        return None
    skew, kurtosis = moments(changes)
    return probabilistic_sharpe(ratio, expected_maximum_sharpe(trials, variance), len(changes), skew, kurtosis)


def moments(changes: Floats) -> tuple[float, float]:
    """Skewness and kurtosis (3 for a normal distribution), the population's; the changes must vary."""
    away = changes - changes.mean()
    second = float(np.mean(away**2))
    return float(np.mean(away**3)) / second**1.5, float(np.mean(away**4)) / second**2
