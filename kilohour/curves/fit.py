# SPDX-License-Identifier: Apache-2.0
"""Fits a :class:`~kilohour.curves.shape.Shape` to quotes of every kind at once, and says how sure it is.

The fit minimises Σ ((model − price)/deviation)² over the quotes plus the same over the priors: the mode of a posterior
with normal errors. The band is its normal approximation, widened by the misfit where the quotes disagree with the model
by more than their deviations. Few quotes leave parameters where their priors put them: :attr:`Fit.unmoved` says which.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from kilohour.curves.shape import Launch, Shape, Step
from kilohour.errors import DataError, UnknownName, UsageError

Floats = npt.NDArray[np.float64]
KINDS = ("spot", "forward", "term", "average", "perpetual")
NAMES = ("level", "slope", "hump", "fade", "peak", "hazard")
UNMOVED = 0.9
"""A parameter whose deviation is still this part of its prior's was not moved by the quotes."""


@dataclass(frozen=True, slots=True)
class CurveQuote:
    """A price that says something of the curve.

    ``start`` and ``end`` in years: an average runs from start to end, a term from now to end, a forward is of ``end``;
    ``pull`` is a perpetual's. ``deviation`` is how far the price may be off, in dollars.
    """

    kind: Literal["spot", "forward", "term", "average", "perpetual"]
    price: float
    end: float = 0.0
    start: float = 0.0
    pull: float = 0.0
    deviation: float = 0.005
    name: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UnknownName("kind of quote", self.kind, KINDS)
        if not (math.isfinite(self.price) and self.price > 0.0 and self.deviation > 0.0):
            raise DataError(f"a curve quote needs a price and a deviation above 0, found {self.price} ± {self.deviation} "
                            f"({self.name or self.kind})")  # fmt: skip

    def of(self, shape: Shape) -> float:
        """The model's price of the same."""
        if self.kind == "spot":
            return shape.forward(0.0)
        if self.kind == "forward":
            return shape.forward(self.end)
        if self.kind == "perpetual":
            return shape.perpetual(self.pull)
        return shape.average(self.start if self.kind == "average" else 0.0, self.end)


@dataclass(frozen=True, slots=True)
class Prior:
    """Normal: mean and deviation; deviation 0 fixes the parameter."""

    mean: float
    deviation: float


def default_priors(price: float) -> dict[str, Prior]:
    """Priors for a chip that costs about ``price``: wide in dollars; in time and hazard as far as the market is known.

    ``hazard`` 0.10 ± 0.10 a year: incumbents lose 15 to 20 % a year, launches included (https://doi.org/10.2139/ssrn.6926798).
    ``fade`` and ``peak`` are logarithms of years: around one year and one quarter.
    """
    return {
        "level": Prior(price, price), "slope": Prior(0.0, price), "hump": Prior(0.0, 0.25 * price),
        "fade": Prior(math.log(1.0), 1.0), "peak": Prior(math.log(0.25), 0.5), "hazard": Prior(0.10, 0.10),
    }  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """A fitted curve, its residuals and its uncertainty."""

    shape: Shape
    quotes: tuple[CurveQuote, ...]
    launches: tuple[Launch, ...]
    residuals: Floats
    """Model less price of each quote, dollars."""
    covariance: Floats
    """Of the free parameters, in the fit's own units."""
    free: tuple[str, ...]
    unmoved: tuple[str, ...]
    """Parameters that the quotes say next to nothing of."""
    misfit: float
    """Root mean square of the residuals over their deviations; above 1 the quotes disagree with the model."""
    _values: Mapping[str, float] = field(repr=False)

    def deviation(self, years: float, *, outcome: bool = False) -> float:
        """Standard deviation of f(years) in dollars; with ``outcome`` the spread of launch sizes is added."""
        gradient = self._gradient(years)
        variance = float(gradient @ self.covariance @ gradient)
        if outcome:
            forward = self.shape.forward(years)
            for launch, step in zip(self.launches, self.shape.steps, strict=True):
                share = math.log(step.factor(years)) / math.log1p(step.jump) if step.jump else 0.0
                variance += (forward * share * launch.deviation / (1.0 + step.jump)) ** 2
        return math.sqrt(max(0.0, variance))

    def band(self, years: Sequence[float] | Floats, *, sigmas: float = 2.0) -> tuple[Floats, Floats]:
        """Lower and upper edge of the curve at some times, ``sigmas`` deviations apart from it."""
        middle = self.shape.forwards(years)
        width = sigmas * np.array([self.deviation(float(u)) for u in years])
        return middle - width, middle + width

    def within(self, tick: float) -> bool:
        """True when every quote is met to a tick."""
        return bool((np.abs(self.residuals) <= tick * (1.0 + 1e-9)).all())

    def _gradient(self, years: float) -> Floats:
        out = np.empty(len(self.free))
        for i, name in enumerate(self.free):
            step = 1e-6 * max(1.0, abs(self._values[name]))
            high, low = ({**self._values, name: self._values[name] + s} for s in (step, -step))
            out[i] = (_shape(high, self.launches).forward(years) - _shape(low, self.launches).forward(years)) / (2.0 * step)
        return out


def fit(quotes: Sequence[CurveQuote], launches: Sequence[Launch] = (), priors: Mapping[str, Prior] | None = None) -> Fit:
    """The curve through ``quotes``; ``priors`` replaces defaults by name (``hump=Prior(0, 0)`` leaves the hump out).

    Raises :class:`DataError` for no quote, :class:`UnknownName` for a prior of no parameter.
    """
    from scipy.optimize import least_squares

    if not quotes:
        raise DataError("a fit needs at least one quote, found none")
    launches = tuple(sorted(launches, key=lambda launch: launch.years))
    if len({launch.years for launch in launches}) < len(launches):
        raise UsageError("launches must lie apart in time, found two on one day")
    known = default_priors(float(np.median([quote.price for quote in quotes])))
    known |= {f"jump {i}": Prior(launch.jump, launch.deviation) for i, launch in enumerate(launches)}
    for name in priors or {}:
        if name not in known:
            raise UnknownName("parameter of the curve", name, known)
    known |= priors or {}
    free = tuple(name for name, prior in known.items() if prior.deviation > 0.0)
    fixed = {name: prior.mean for name, prior in known.items()}

    def residuals(x: Floats) -> Floats:
        values = {**fixed, **dict(zip(free, x.tolist(), strict=True))}
        shape = _shape(values, launches)
        misses = [(quote.of(shape) - quote.price) / quote.deviation for quote in quotes]
        return np.array([*misses, *((values[name] - known[name].mean) / known[name].deviation for name in free)])

    low = np.array([_bounds(name)[0] for name in free])
    high = np.array([_bounds(name)[1] for name in free])
    best = None
    for peak in (known["peak"].mean, known["peak"].mean - 1.0):
        start = np.array([peak if name == "peak" else known[name].mean for name in free])
        found = least_squares(residuals, np.clip(start, low + 1e-9, high - 1e-9), bounds=(low, high), x_scale="jac",
                              xtol=1e-10, ftol=1e-10, gtol=1e-10, max_nfev=100)  # fmt: skip
        if best is None or found.cost < best.cost:
            best = found
    assert best is not None, "at least one start was tried"
    return _told(best.jac, free, known, {**fixed, **dict(zip(free, best.x.tolist(), strict=True))}, quotes, launches)


def _told(jacobian: Floats, free: tuple[str, ...], priors: Mapping[str, Prior], values: Mapping[str, float],
          quotes: Sequence[CurveQuote], launches: tuple[Launch, ...]) -> Fit:
    shape = _shape(values, launches)
    residuals = np.array([quote.of(shape) - quote.price for quote in quotes])
    misfit = float(np.sqrt(np.mean((residuals / np.array([quote.deviation for quote in quotes])) ** 2)))
    covariance: Floats = np.linalg.inv(jacobian.T @ jacobian).astype(np.float64)
    unmoved = tuple(name for i, name in enumerate(free) if math.sqrt(covariance[i, i]) > UNMOVED * priors[name].deviation)
    return Fit(shape, tuple(quotes), launches, residuals, covariance * max(1.0, misfit**2), free, unmoved, misfit, values)


def _shape(values: Mapping[str, float], launches: Sequence[Launch]) -> Shape:
    return Shape(
        values["level"], values["slope"], values["hump"], math.exp(values["fade"]), math.exp(values["peak"]), values["hazard"],
        tuple(Step(launch.years, values[f"jump {i}"], launch.ramp) for i, launch in enumerate(launches)),
    )  # fmt: skip


def _bounds(name: str) -> tuple[float, float]:
    if name == "hazard":
        return 0.0, 2.0
    if name.startswith("jump"):
        return -0.95, 0.95
    return {"fade": (math.log(0.02), math.log(20.0)), "peak": (math.log(0.02), math.log(2.0))}.get(name, (-math.inf, math.inf))
