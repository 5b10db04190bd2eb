# SPDX-License-Identifier: Apache-2.0
"""A product's curve on a day, ready to be shown: points, constant maturities, strips, fit, and what to know of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal

from kilohour.contracts.product import Product
from kilohour.curves.fit import Fit, fit
from kilohour.curves.forwards import constant_maturity
from kilohour.curves.observed import Observed, Point, observe
from kilohour.curves.shape import Launch
from kilohour.curves.strips import WEIGHTS, strips_of
from kilohour.errors import DataError, UnknownName
from kilohour.tape import Tape
from kilohour.units import MICROS, NANOS_PER_DAY, date_of, day_of

if TYPE_CHECKING:
    from kilohour.curves.kalman import TwoFactorFit

MATURITIES = (1, 3, 6, 12, 18, 24, 36)
"""Months."""
HISTORY_DAYS_MIN = 60
MEANINGS = {
    "level": "where the curve rests, USD",
    "slope": "what spot stands above it, USD",
    "fade": "years in which the slope fades by a factor e",
    "hump": "most that the short end stands above both, USD",
    "peak": "years to the top of the hump",
    "hazard": "worth an ageing chip loses a year",
}


@dataclass(frozen=True, slots=True)
class CurveReport:
    """Everything the command and the page show."""

    observed: Observed
    day: dt.date
    tick: float
    unit: str
    """Of all prices, as USD per GPU-hour."""
    fit: Fit
    weights: Literal["lots", "hours"]
    strips: Mapping[str, Fraction]
    history: TwoFactorFit | None = None
    """The two-factor fit of all days until then, when it was asked for."""
    days: int = 0
    """Of the history."""

    def sentence(self) -> str:
        """The curve in one line."""
        seen = self.observed
        spot = "no print yet"
        if seen.spot is not None and seen.spot_day is not None:
            spot = f"spot {seen.spot / MICROS:.4f} of {date_of(seen.spot_day)}"
        return f"{seen.product} as known at the end of {self.day} UTC: {spot}, {len(seen.points)} contracts"

    def rows(self) -> list[tuple[str, str, str, str, str, str, str]]:
        """A row a contract: month, price, days fixed, their mean, the open part, the fit of it, and the difference."""
        return [
            (
                f"{point.month // 100}-{point.month % 100:02d}",
                f"{point.price / MICROS:.4f}",
                "" if point.part is None else f"{point.part.fixed_days}/{point.part.fixed_days + point.part.open_days}",
                "" if point.part is None or point.part.fixed_mean is None else f"{float(point.part.fixed_mean) / MICROS:.4f}",
                f"{point.open_price:.4f}",
                f"{point.open_price + off:.4f}",
                f"{off:+.4f}",
            )
            for point, off in zip(self.observed.points, self.misses(), strict=True)
        ]

    def misses(self) -> list[float]:
        """Fit less open part of each contract, dollars; also of those that the fit left out."""
        shape = self.fit.shape
        return [(shape.forward(point.end) if point.part is None else shape.average(point.start, point.end)) - point.open_price
                for point in self.observed.points]

    def maturities(self) -> list[tuple[str, str, str, str]]:
        """Constant maturities within the curve: months, on the line between neighbours, fit, band."""
        return [(str(m), f"{price:.4f}", f"{self.fit.shape.forward(m / 12):.4f}", f"{2 * self.fit.deviation(m / 12):.4f}")
                for m, price in self.constant().items()]

    def constant(self) -> dict[int, float]:
        """Price in dollars at each of :data:`MATURITIES` that lies between two contracts."""
        tenors = [Fraction(middle(point)).limit_denominator(10**9) for point in self.observed.points]
        prices = [Fraction(point.open_price).limit_denominator(10**9) for point in self.observed.points]
        return {m: float(constant_maturity(tenors, prices, Fraction(m, 12))) for m in MATURITIES
                if min(tenors) <= Fraction(m, 12) <= max(tenors)}

    def strip_rows(self) -> list[tuple[str, str]]:
        """Name and price of each strip; exact, shown to four decimals."""
        return [(name, f"{float(price) / MICROS:.4f}") for name, price in self.strips.items()]

    def parameters(self) -> list[tuple[str, str, str]]:
        """Name, value, meaning of each parameter of the fit."""
        shape = self.fit.shape
        found = [(name, f"{getattr(shape, name):.4f}", meaning + self._unmoved(name)) for name, meaning in MEANINGS.items()]
        for i, (launch, step) in enumerate(zip(self.fit.launches, shape.steps, strict=True)):
            when = f"in {launch.years:.2f} years" + (f" over {launch.ramp:.2f}" if launch.ramp else "")
            found.append((f"launch {launch.name}", f"{step.jump:+.4f}", f"mark-down {when}{self._unmoved(f'jump {i}')}"))
        return found

    def two_factors(self) -> list[tuple[str, str, str]]:
        """Name, value and standard error of each parameter of the history's fit; at a bound there is no error."""
        if self.history is None:
            return []
        model = self.history.model
        none = "none: at its bound, or not told"
        return [(name.replace("_", " "), f"{getattr(model, name):.4f}", f"{error:.4f}" if error == error else none)
                for name, error in self.history.errors.items()]

    def _unmoved(self, name: str) -> str:
        return " (not told by these prices)" if name in self.fit.unmoved else ""

    def notes(self) -> list[str]:
        """What to know: how well the model fits, how old prices are, that nothing later shows."""
        worst = max(map(abs, self.misses()))
        verdict = "within a tick"
        if worst > self.tick:
            verdict = f"{worst / self.tick:.1f} ticks off at most, where the market bends as level, slope, hump and launches do not"
        oldest = (self.observed.at - min(point.price_at for point in self.observed.points)) // NANOS_PER_DAY
        closes = sum(not point.is_mark for point in self.observed.points)
        left_out = [point.code for point in self.observed.points if point.open_price <= 0.0]
        found = [
            f"the fit is {verdict}; root mean square {self.fit.misfit:.2f} of the quotes' deviations (half a tick)",
            f"nothing known after {self.day} shows here; the oldest price is {oldest} days old"
            + (f"; {closes} prices are last closes for want of a mark" if closes else ""),
            "the band is of the curve, two deviations each way; prices will scatter more",
        ]
        if left_out:
            found.append(f"left out of the fit, which knows only prices above 0: {', '.join(left_out)}")
        if all(point.part is None for point in self.observed.points):
            found.append("each contract counts as the price of its last trading day: its product does not settle on a plain mean of prints")
        if not self.fit.launches:
            found.append("no launch is in the fit: name those you know with --launch")
        return found + ([] if self.history is None else [f"two factors: {doubt}" for doubt in self.history.doubts])

    def plain(self) -> dict[str, Any]:
        """Plain values for JSON; prices in micros."""
        return {
            "product": self.observed.product,
            "on": str(self.day),
            "unit": self.unit,
            "spot_micros": self.observed.spot,
            "contracts": [
                {"code": point.code, "price_micros": point.price, "is_mark": point.is_mark,
                 "fixed_days": 0 if point.part is None else point.part.fixed_days,
                 "open_days": None if point.part is None else point.part.open_days,
                 "open_micros": round(point.open_price * MICROS), "fit_micros": round((point.open_price + off) * MICROS)}
                for point, off in zip(self.observed.points, self.misses(), strict=True)
            ],
            "constant_maturity_micros": {str(m): round(price * MICROS) for m, price in self.constant().items()},
            "strips_micros": {name: round(price) for name, price in self.strips.items()},
            "strip_weights": self.weights,
            "fit": {name: getattr(self.fit.shape, name) for name in MEANINGS},
            "launches": [{"name": launch.name, "years": launch.years, "jump": step.jump}
                         for launch, step in zip(self.fit.launches, self.fit.shape.steps, strict=True)],
            "not_told": list(self.fit.unmoved),
            "misfit": self.fit.misfit,
            "two_factor": None if self.history is None else {
                "days": self.days, "log_likelihood": self.history.filtered.log_likelihood,
                "parameters": {name: getattr(self.history.model, name) for name in self.history.errors},
                "errors": {name: error if error == error else None for name, error in self.history.errors.items()},
                "doubts": list(self.history.doubts)},
        }  # fmt: skip


def middle(point: Point) -> float:
    """Years to the middle of a contract's open part."""
    return (point.start + point.end) / 2.0


@dataclass(frozen=True, slots=True)
class HistoryLaunches:
    """Launches before and after the day, for the fit of the history."""

    dates: tuple[dt.date, ...] = ()
    ramp: float = 0.0
    """Years."""


def report_of(tape: Tape, product: Product, day: dt.date, launches: Sequence[Launch], weights: str,
              history: HistoryLaunches | None = None) -> CurveReport:
    """The report of a product's curve at the end of ``day`` UTC; with ``history`` also the two-factor fit until then."""
    if weights not in WEIGHTS:
        raise UnknownName("strip weight", weights, WEIGHTS)
    observed = observe(tape, product, (day_of(day) + 1) * NANOS_PER_DAY - 1)
    tick = float(product.ratio("tick"))
    chosen: Literal["lots", "hours"] = "lots" if weights == "lots" else "hours"
    quotes = observed.quotes(tick / 2.0)
    if not quotes:
        raise DataError(f"{product.code} on {day}: a fit needs a price above 0, found none")
    fitted, days = None, 0
    if history is not None:
        from kilohour.curves.history import panel_of
        from kilohour.curves.kalman import fit_two_factor

        panel = panel_of(tape, product, observed.at, history.dates, ramp=history.ramp)
        days = len(panel.years)
        if days < HISTORY_DAYS_MIN:
            raise DataError(f"{product.code} on {day}: a history needs {HISTORY_DAYS_MIN} days of marks, found {days}")
        fitted = fit_two_factor(panel)
    unit = f"{product.currency} per {product.unit}"
    return CurveReport(observed, day, tick, unit, fit(quotes, launches), chosen, strips_of(observed.months(), chosen), fitted, days)
