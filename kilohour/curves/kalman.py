# SPDX-License-Identifier: Apache-2.0
"""Two factors and launches: the log of spot is short + long, and the whole history of the curve is filtered at once.

    d short = −reversion·short dt + volatility_short dz,        d long = drift dt + volatility_long dw,     dz·dw = correlation dt
    at each launch, whose day is known beforehand, long jumps by a normal size of mean markdown − deviation²/2

    ln F(τ) = e^(−reversion·τ)·short + long + drift_priced·τ − (1 − e^(−reversion·τ))·premium/reversion + markdown·(launches
              within τ) + ½·[(1 − e^(−2·reversion·τ))·volatility_short²/(2·reversion) + volatility_long²·τ
              + 2·(1 − e^(−reversion·τ))·correlation·volatility_short·volatility_long/reversion]

Schwartz and Smith, "Short-term variations and long-term dynamics in commodity prices", Management Science 46 (2000),
equation 9, with the launches of https://doi.org/10.2139/ssrn.6926798 in the long factor; τ in years. Prices are observed
with a normal error of one size in the logarithm, so a price must be above zero: oil's −37.63 has no place here.
A month's mean counts as the forward of the middle of its open part; over a month that is right to the curve's bend.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, fields

import numpy as np
import numpy.typing as npt

from kilohour.curves.search import AT_REST, Rest, Surface, lowest
from kilohour.curves.starts import starts_of
from kilohour.errors import DataError, UsageError
from kilohour.kernels.two_factor import filter_panel

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
NO_STATES, NO_COVERS = np.empty((0, 2)), np.empty((0, 3))
LONG_VARIANCE = 10.0
"""Of the long factor before the first day, in logs: next to nothing is known of it."""
NOWHERE = 1e12
"""Stands for a likelihood of zero."""
AT_BOUND = 0.01
"""A parameter so near its bound, in the search's own units, stands at it."""
BANK = 1e4
"""How steeply the likelihood falls beyond a bound, by the square of the way in the search's own units. No wall: beside one the
curvature would be beyond measure, and the search could not leave it. None for a size of launches, which fades to nothing."""
COARSE_DAYS = 100
"""The starts are read off so many days about, and compared there before the search reads all of them."""
RIVAL = 2.0
"""Parameters whose log-likelihood is less than this behind are about as likely: it is that of two standard errors."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoFactor:
    """The parameters, a year and in logarithms."""

    reversion: float
    volatility_short: float
    volatility_long: float
    correlation: float
    drift: float = 0.0
    drift_priced: float = 0.0
    premium: float = 0.0
    markdown: float = 0.0
    """Log of the expected factor of a launch: ln 0.8 is a fifth less."""
    markdown_deviation: float = 0.05
    noise: float = 0.01

    def __post_init__(self) -> None:
        positive = (self.reversion, self.volatility_short, self.volatility_long, self.noise)
        if min(positive) <= 0.0 or not abs(self.correlation) < 1.0 or self.markdown_deviation < 0.0:
            raise UsageError(f"reversion, volatilities and noise must be above 0, the correlation between −1 and 1, found {self}")

    @property
    def array(self) -> Floats:
        """In the kernel's order."""
        return np.array(astuple(self))

    def log_forward(self, short: float, long: float, tenor: float, launches: float = 0.0) -> float:
        """ln F of a delivery in ``tenor`` years with so many launches before it, one in its ramp in part."""
        gone = -math.expm1(-self.reversion * tenor)
        spread = gone * (2.0 - gone) * self.volatility_short**2 / (2.0 * self.reversion) + self.volatility_long**2 * tenor
        spread += 2.0 * gone * self.correlation * self.volatility_short * self.volatility_long / self.reversion
        priced = self.drift_priced * tenor - gone * self.premium / self.reversion + self.markdown * launches
        return (1.0 - gone) * short + long + priced + 0.5 * spread


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """A history of curves: ``years`` (days,) increasing; ``tenors`` and ``prices`` (days, contracts), NaN for a gap."""

    years: Floats
    tenors: Floats
    prices: Floats
    launches: tuple[float, ...] = ()
    """Their days, on the scale of ``years``."""
    ramp: float = 0.0
    """Years over which prices take a launch, evenly: until its end it counts in part."""

    def __post_init__(self) -> None:
        days = len(self.years)
        if self.tenors.shape != self.prices.shape or self.prices.ndim != 2 or len(self.prices) != days or days < 2:
            raise UsageError(f"a panel needs two days or more, tenors and prices of one shape (days, contracts), found {days} days, "
                             f"{self.tenors.shape} and {self.prices.shape}")  # fmt: skip
        if not self.ramp >= 0.0:
            raise UsageError(f"ramp must be 0 years or more, found {self.ramp!r}")
        if not (np.diff(self.years) > 0.0).all():
            raise UsageError("the years of a panel must increase")
        seen = ~np.isnan(self.prices)
        if (self.prices[seen] <= 0.0).any():
            day, contract = np.argwhere(seen & ~(self.prices > 0.0))[0].tolist()
            raise DataError(f"a two-factor model of logs needs prices above 0, found {self.prices[day, contract]:g} "
                            f"on day {day}, contract {contract}")  # fmt: skip
        if not (self.tenors[seen] >= 0.0).all():
            raise DataError("every price of a panel needs a tenor of 0 years or more")

    def launched(self, years: Floats) -> Floats:
        """How many launches have come by some times, one in its ramp in part."""
        days = np.array(sorted(self.launches))
        if self.ramp == 0.0 or not len(days):
            return np.searchsorted(days, years, side="right").astype(np.float64)
        return np.asarray(np.clip((years[..., None] - days) / self.ramp, 0.0, 1.0).sum(axis=-1))

    def every(self, step: int) -> Panel:
        """Each ``step``-th day."""
        return Panel(self.years[::step], self.tenors[::step], self.prices[::step], self.launches, self.ramp)


@dataclass(frozen=True, slots=True, eq=False)
class _Columns:
    """A panel as the kernel takes it: gaps left out, days one after the other."""

    steps: Floats
    passed: Floats
    first: Ints
    tenors: Floats
    ahead: Floats
    logs: Floats
    loads: Floats
    level: float
    """Mean log price of the first day."""

    @classmethod
    def of(cls, panel: Panel) -> _Columns:
        seen = ~np.isnan(panel.prices)
        before = panel.launched(panel.years)
        delivery = panel.launched((panel.years[:, None] + panel.tenors)[seen])
        day, _ = np.nonzero(seen)
        first = np.r_[0, np.cumsum(seen.sum(axis=1))].astype(np.int64)
        logs = np.log(panel.prices[seen])
        level = float(logs[: first[1]].mean()) if first[1] else 0.0
        return cls(np.diff(panel.years, prepend=panel.years[0]), np.diff(before, prepend=before[0]), first,
                   panel.tenors[seen], delivery - before[day], logs, np.empty(len(logs)), level)  # fmt: skip

    def likelihood(self, model: Floats, states: Floats = NO_STATES, covers: Floats = NO_COVERS) -> float:
        np.multiply(self.tenors, -model[0], out=self.loads)
        np.exp(self.loads, out=self.loads)
        start = np.array([0.0, self.level, model[1] ** 2 / (2.0 * model[0]), LONG_VARIANCE])
        return float(filter_panel(self.steps, self.passed, self.first, self.tenors, self.ahead, self.logs, self.loads, model, start,
                                  states, covers))  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Filtered:
    """What each day's prices say, with all days before and none after."""

    log_likelihood: float
    states: Floats
    """(days, 2): short and long."""
    covariances: Floats
    """(days, 3): variance of short, covariance, variance of long."""

    def band(self, model: TwoFactor, tenor: float, launches: float = 0.0, *, day: int = -1,
             sigmas: float = 2.0) -> tuple[float, float, float]:
        """Lower edge, forward and upper edge of a delivery as the filter knows it on a day, dollars."""
        load = math.exp(-model.reversion * tenor)
        short, both, long = self.covariances[day].tolist()
        width = sigmas * math.sqrt(load * load * short + 2.0 * load * both + long)
        middle = model.log_forward(float(self.states[day, 0]), float(self.states[day, 1]), tenor, launches)
        return math.exp(middle - width), math.exp(middle), math.exp(middle + width)


def run_filter(model: TwoFactor, panel: Panel) -> Filtered:
    """The filter over a panel; before the first day short is drawn from its long run, long from about the first log price."""
    states, covers = np.empty((len(panel.years), 2)), np.empty((len(panel.years), 3))
    total = _Columns.of(panel).likelihood(model.array, states, covers)
    return Filtered(total, states, covers)


@dataclass(frozen=True, slots=True, eq=False)
class TwoFactorFit:
    """The most likely parameters, their standard errors, and the filter with them."""

    model: TwoFactor
    errors: dict[str, float]
    """Standard error by parameter, from the curvature of the likelihood; NaN where the data say nothing."""
    filtered: Filtered
    evaluations: int
    doubts: tuple[str, ...] = ()
    """Why the model may not be the one: the search had not come to rest, or other parameters are about as likely."""


def fit_two_factor(panel: Panel, guess: TwoFactor | None = None) -> TwoFactorFit:
    """Maximum likelihood over the panel, from several starts read off the data; a guess is one more of them.

    A size of launches that none of its days has seen is left as guessed. Raises :class:`DataError` when the search finds no
    likelihood.
    """
    names = [f.name for f in fields(TwoFactor)]
    seen = panel.launched(panel.years[[0, -1]])
    fixed = () if seen[1] > seen[0] else ("markdown_deviation",) if panel.launches else ("markdown", "markdown_deviation")
    free = [name for name in names if name not in fixed]
    coarse = panel.every(max(1, len(panel.years) // COARSE_DAYS))
    starts = [TwoFactor(**values) for values in starts_of(coarse)]
    starts = starts if guess is None else [guess, *starts]
    limits = np.array([_limits(name) for name in free])
    banks = np.array([0.0 if name == "markdown_deviation" else BANK for name in free])
    count = 0

    def objective(data: Panel) -> Surface:
        columns = _Columns.of(data)

        def negative(x: Floats) -> float:
            nonlocal count
            count += 1
            held = np.clip(x, *limits.T)
            beyond = x - held
            value = float(banks @ beyond**2) - columns.likelihood(_array(held + np.clip(beyond, -1.0, 1.0), free, starts[0]))
            return value if math.isfinite(value) else NOWHERE

        return negative

    surface = objective(panel)
    rough = surface if len(coarse.years) == len(panel.years) else objective(coarse)
    rests = lowest(surface, rough, [np.array([_freed(name, getattr(start, name)) for name in free]) for start in starts])
    if not rests[0].value < NOWHERE:
        raise DataError("the two-factor fit must find a likelihood, found none: look at the prices")
    models = [TwoFactor(**dict(zip(names, _array(np.clip(rest.x, *limits.T), free, starts[0]).tolist(), strict=True))) for rest in rests]
    errors = _errors(rests[0], free, limits, models[0])
    return TwoFactorFit(models[0], errors, run_filter(models[0], panel), count, _doubts(rests, models, errors))


def _doubts(rests: Sequence[Rest], models: Sequence[TwoFactor], errors: Mapping[str, float]) -> tuple[str, ...]:
    """Of other parameters only those that lie two standard errors away, where the curvature says that they are not as likely."""
    found = []
    if not rests[0].promised < AT_REST:
        found.append(f"the search had not come to rest: its next step promises {rests[0].promised:.2g} more log-likelihood")
    for rest, model in zip(rests[1:], models[1:], strict=True):
        behind = rest.value - rests[0].value
        if behind < RIVAL and any(abs(getattr(model, name) - getattr(models[0], name)) > 2.0 * error for name, error in errors.items()):
            told = ", ".join(f"{name} {getattr(model, name):.4g}" for name in errors)
            found.append(f"other parameters are about as likely, {behind:.2f} less in log-likelihood: {told}")
    return tuple(found)


LOGARITHMIC = ("reversion", "volatility_short", "volatility_long", "markdown_deviation", "noise")


def _freed(name: str, value: float) -> float:
    """A parameter on the whole line: logarithm of what is positive, Fisher's z of the correlation."""
    if name in LOGARITHMIC:
        return math.log(max(value, 1e-4))
    return math.atanh(value) if name == "correlation" else value


def _array(x: Floats, free: Sequence[str], start: TwoFactor) -> Floats:
    values = {f.name: getattr(start, f.name) for f in fields(TwoFactor)}
    for name, value in zip(free, x.tolist(), strict=True):
        values[name] = math.exp(value) if name in LOGARITHMIC else math.tanh(value) if name == "correlation" else value
    return np.array(list(values.values()))


def _limits(name: str) -> tuple[float, float]:
    if name in LOGARITHMIC:
        return math.log(1e-4), math.log(50.0)
    return (-3.8, 3.8) if name == "correlation" else (-5.0, 5.0)


def _errors(rest: Rest, free: Sequence[str], limits: Floats, model: TwoFactor) -> dict[str, float]:
    """Standard errors by the delta method; a parameter at a bound has none and counts as known."""
    inside = (limits[:, 0] + AT_BOUND < rest.x) & (rest.x < limits[:, 1] - AT_BOUND)
    variances = np.full(len(free), math.nan)
    with contextlib.suppress(np.linalg.LinAlgError):
        variances[inside] = np.diag(np.linalg.inv(rest.curvature[np.ix_(inside, inside)]))
    found = {}
    for name, variance in zip(free, variances.tolist(), strict=True):
        value = getattr(model, name)
        scale = value if name in LOGARITHMIC else 1.0 - value * value if name == "correlation" else 1.0
        found[name] = scale * math.sqrt(variance) if variance > 0.0 else math.nan
    return found
