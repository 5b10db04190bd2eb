# SPDX-License-Identifier: Apache-2.0
"""Prices per unit of work: a dollar a GPU-hour of one chip is not a dollar a GPU-hour of another.

A price carries its unit in its type and in its value. Unlike units cannot be added: mypy refuses different kinds, and at
run time the units must be equal (an H100's hour and a B200's are one kind, but not one unit). Factors are dated tables
with source and range, and a converted price carries the range that its factor leaves.
"""

from __future__ import annotations

import datetime as dt
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from kilohour.errors import DataError, UnknownName, UsageError
from kilohour.units import MICROS

FACTORS = Path(__file__).with_name("factors")


@dataclass(frozen=True, slots=True)
class GpuHour:
    """An hour of one chip."""

    chip: str

    def __str__(self) -> str:
        return f"USD per {self.chip} hour"


@dataclass(frozen=True, slots=True)
class H100Hour:
    """The work that an H100 does in an hour."""

    def __str__(self) -> str:
        return "USD per H100-equivalent hour"


@dataclass(frozen=True, slots=True)
class PflopHour:
    """A PFLOP/s for an hour, dense, at peak."""

    precision: str

    def __str__(self) -> str:
        return f"USD per PFLOP-hour, dense {self.precision}"


@dataclass(frozen=True, slots=True)
class MillionTokens:
    """A million tokens of a named model and test."""

    test: str

    def __str__(self) -> str:
        return f"USD per million tokens, {self.test}"


U = TypeVar("U", GpuHour, H100Hour, PflopHour, MillionTokens)
W = TypeVar("W", H100Hour, PflopHour, MillionTokens)


@dataclass(frozen=True, slots=True)
class Price(Generic[U]):
    """Micros per unit, exact, with the range that is known of it."""

    micros: Fraction
    low: Fraction
    high: Fraction
    unit: U

    def __add__(self, other: Price[U]) -> Price[U]:
        self._same(other, "+")
        return Price(self.micros + other.micros, self.low + other.low, self.high + other.high, self.unit)

    def __sub__(self, other: Price[U]) -> Price[U]:
        self._same(other, "−")
        return Price(self.micros - other.micros, self.low - other.high, self.high - other.low, self.unit)

    def is_below(self, other: Price[U]) -> bool:
        """True when it is lower over the whole of both ranges: what holds at one factor only is no answer."""
        self._same(other, "below")
        return self.high < other.low

    def __str__(self) -> str:
        span = "" if self.low == self.high else f" ({float(self.low) / MICROS:.4f} to {float(self.high) / MICROS:.4f})"
        return f"{float(self.micros) / MICROS:.4f}{span} {self.unit}"

    def _same(self, other: object, what: str) -> None:
        if not isinstance(other, Price) or other.unit != self.unit:
            found = other.unit if isinstance(other, Price) else repr(other)
            raise UsageError(f"{what} needs prices of one unit, found '{self.unit}' and '{found}': convert them first")


def gpu_hour(chip: str, micros: int | Fraction) -> Price[GpuHour]:
    """A price per hour of a chip.

    >>> print(gpu_hour("H100", 2_810_000))
    2.8100 USD per H100 hour
    """
    value = Fraction(micros)
    return Price(value, value, value, GpuHour(chip))


@dataclass(frozen=True, slots=True)
class Factor:
    """Units of work that an hour of a chip does, as known from a day on."""

    chip: str
    since: dt.date
    value: Fraction
    low: Fraction
    high: Fraction
    source: str


@dataclass(frozen=True, slots=True)
class Factors(Generic[W]):
    """A dated table of factors to one unit of work."""

    unit: W
    title: str
    rows: tuple[Factor, ...]

    def of(self, chip: str, on: dt.date) -> Factor:
        """The factor of a chip as known on a day. Raises :class:`UnknownName`, or :class:`DataError` before its first day."""
        own = [row for row in self.rows if row.chip == chip]
        if not own:
            raise UnknownName("chip", chip, {row.chip for row in self.rows}, where=self.title)
        known = [row for row in own if row.since <= on]
        if not known:
            raise DataError(f"{self.title}: {chip} has a factor from {min(row.since for row in own)}, found {on}")
        return max(known, key=lambda row: row.since)

    def convert(self, price: Price[GpuHour], on: dt.date) -> Price[W]:
        """A chip's price per unit of work, with the range of the factor."""
        factor = self.of(price.unit.chip, on)
        return Price(price.micros / factor.value, price.low / factor.high, price.high / factor.low, self.unit)


def h100_hours() -> Factors[H100Hour]:
    """H100-equivalents of a GPU-hour.

    >>> on = dt.date(2026, 4, 18)
    >>> print(h100_hours().convert(gpu_hour("B200", 5_100_000), on))
    2.0186 (1.7000 to 2.8333) USD per H100-equivalent hour
    """
    return _load("h100-hours", H100Hour())


def pflop_hours(precision: str) -> Factors[PflopHour]:
    """PFLOP-hours of a GPU-hour at dense peak, ``bf16`` or ``fp8``."""
    if precision not in ("bf16", "fp8"):
        raise UnknownName("precision", precision, ("bf16", "fp8"))
    return _load(f"pflop-{precision}", PflopHour(precision))


def million_tokens() -> Factors[MillionTokens]:
    """Million tokens of a GPU-hour in a named test."""
    return _load("tokens-llama2-70b", MillionTokens("Llama 2 70B, MLPerf offline"))


def _load(name: str, unit: W) -> Factors[W]:
    data = tomllib.loads((FACTORS / f"{name}.toml").read_text(encoding="utf-8"))
    return read_factors(data, unit, name)


def read_factors(data: Mapping[str, object], unit: W, name: str) -> Factors[W]:
    """A table from plain values. Raises :class:`DataError` for a factor without source, or outside its range."""
    rows = []
    entries = data.get("factor")
    for entry in entries if isinstance(entries, list) else []:
        value, low, high = (Fraction(str(entry[key])) for key in ("value", "low", "high"))
        row = Factor(str(entry["chip"]), entry["since"], value, low, high, str(entry.get("source", "")))
        if not 0 < low <= value <= high or not row.source:
            raise DataError(f"{name}: {row.chip} needs 0 < low <= value <= high and a source, found {low}, {value}, {high}, {row.source!r}")
        rows.append(row)
    return Factors(unit, str(data["title"]), tuple(rows))


if TYPE_CHECKING:

    def _unlike_units_do_not_add(hour: Price[GpuHour], work: Price[PflopHour]) -> None:
        # mypy complains of an ignore that is not needed: this line is a test that the sum is refused.
        _ = hour + work  # type: ignore[operator]
