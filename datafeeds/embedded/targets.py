# SPDX-License-Identifier: Apache-2.0
"""What the embedded market is calibrated to: published statistics and readings from a TOML file, or those of real prices."""

from __future__ import annotations

import datetime as dt
import math
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from kilohour.errors import DataError, UnknownName, UsageError

SHIPPED = Path(__file__).parents[1] / "calibration"
Statistic = Literal["volatility", "kurtosis", "spot", "forward", "term", "markdown"]


class Target(BaseModel):
    """One statistic and the value it shall have.

    ``volatility``: of daily log changes of the index, a year. ``kurtosis``: excess of the same, what jumps there are. ``spot``: mean
    price on a day. ``forward``: price of the month so many months ahead over spot, less one, on a day. ``term``: the same of the mean of
    the first months. ``markdown``: mean loss of incumbents by a launch.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    statistic: Statistic
    product: str = ""
    on: dt.date | None = None
    months: int = Field(default=12, ge=1, le=36)
    value: float
    tolerance: float = Field(gt=0.0)
    source: str = ""

    @model_validator(mode="after")
    def _is_whole(self) -> Target:
        if self.statistic != "markdown" and not self.product:
            raise ValueError(f"product must be given for {self.statistic}, found none")
        if self.statistic in ("spot", "forward", "term") and self.on is None:
            raise ValueError(f"on must be given for {self.statistic}, found none")
        return self

    @property
    def name(self) -> str:
        """In words, for a table."""
        months = f" {self.months} months" if self.statistic in ("forward", "term") else ""
        return " ".join(part for part in (self.product, self.statistic + months, str(self.on or "")) if part)


class Point(BaseModel):
    """A published reading, to be drawn beside the simulated quantiles."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    product: str
    day: dt.date
    value: float = Field(gt=0.0)
    source: str = ""


class Fit(BaseModel):
    """Which parameters may move, from where (the base market's value unless named), and the last day that is simulated for it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    parameters: tuple[str, ...] = ()
    start: dict[str, float] = Field(default_factory=dict)
    until: dt.date | None = None

    @model_validator(mode="after")
    def _starts_what_moves(self) -> Fit:
        for name in self.start:
            if name not in self.parameters:
                raise ValueError(f"start must name parameters that may move, {', '.join(self.parameters)}, found {name}")
        return self


class Targets(BaseModel):
    """A calibration: the base market, which parameters may move, what they shall reach, and what to draw."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    market: dict[str, Any] = Field(default_factory=dict)
    fit: Fit = Field(default_factory=Fit)
    target: tuple[Target, ...]
    point: tuple[Point, ...] = ()

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the parameters that may move."""
        return self.fit.parameters

    def fitting(self, more: Sequence[str]) -> Targets:
        """The same calibration with more parameters that may move."""
        names = tuple(dict.fromkeys((*self.parameters, *more)))
        return self.model_copy(update={"fit": self.fit.model_copy(update={"parameters": names})})

    @classmethod
    def load(cls, source: str | Path) -> Targets:
        """From a TOML file, or a shipped one by name. Raises :class:`UnknownName` and :class:`UsageError` naming field and rule."""
        path = Path(source)
        if not str(source).endswith(".toml"):
            path = SHIPPED / f"{source}.toml"
            if not path.is_file():
                raise UnknownName("calibration", str(source), [file.stem for file in SHIPPED.glob("*.toml")], where="the shipped ones")
        try:
            with path.open("rb") as file:
                return cls.from_dict(tomllib.load(file), path.name)
        except FileNotFoundError:
            raise UsageError(f"calibration file {path} does not exist") from None
        except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise UsageError(f"calibration file {path} must be TOML: {error}") from None

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], where: str = "calibration") -> Targets:
        """From plain values, as a TOML file holds them."""
        try:
            found = cls.model_validate(dict(data))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(str(part + 1 if isinstance(part, int) else part) for part in first["loc"])
            rule = first["msg"].removeprefix("Value error, ")
            raise UsageError(f"{where}: {place}: {rule[0].lower() + rule[1:]}, found {first['input']!r}"[:400]) from None
        if not found.parameters or not found.target:
            raise UsageError(f"{where}: fit.parameters and a target must be given, found none")
        return found


def from_prices(targets: Targets, path: str | Path, segment: str, products: Mapping[str, str]) -> Targets:
    """The same calibration with volatility and kurtosis of observed prices in place of the published ones, and the prices as points.

    ``path``: CSV or Parquet with ``date``, ``chip``, ``segment``, ``median``. ``products``: product by chip. The variance is the sum of
    squared log changes over the years they span, whatever the days between; its tolerance is one standard error. Kurtosis is only asked
    for of daily series with at least 250 changes. Raises :class:`DataError` when the file has none of the chips in the segment.
    """
    from kilohour.datafeeds.reading import read_table
    from kilohour.units import date_of

    table = read_table(path, {"date": "day", "chip": "text", "segment": "text", "median": "number or empty"})
    table = table[(table["segment"] == segment) & (table["median"] > 0.0)]
    found: list[Target] = []
    points: list[Point] = []
    source = f"{Path(path).name}, {segment}"
    for chip, product in products.items():
        own = table[table["chip"] == chip].sort_values("date")
        if len(own) < 30:
            continue
        days, logs = own["date"].to_numpy(), np.log(own["median"].to_numpy(dtype=np.float64))
        changes, years = np.diff(logs), (days[-1] - days[0]) / 365.25
        volatility = math.sqrt(float(changes @ changes) / years)
        fourth = float(np.mean(changes**4) / np.mean(changes**2) ** 2)
        error = volatility * math.sqrt(max(fourth - 1.0, 2.0) / (4.0 * len(changes)))
        found.append(Target(statistic="volatility", product=product, value=volatility, tolerance=max(error, 0.01), source=source))
        if len(changes) >= 250 and float(np.median(np.diff(days))) <= 1.0:
            found.append(Target(statistic="kurtosis", product=product, value=fourth - 3.0, tolerance=max(1.0, 0.3 * fourth), source=source))
        points += [Point(product=product, day=date_of(int(day)), value=float(np.exp(log)), source=source)
                   for day, log in zip(days, logs, strict=True)]  # fmt: skip
    if not found:
        raise DataError(f"{Path(path).name}: segment {segment!r} has no series of at least 30 days of {', '.join(products)}")
    kept = [one for one in targets.target if (one.statistic, one.product) not in {(t.statistic, t.product) for t in found}]
    return targets.model_copy(update={"target": (*kept, *found), "point": tuple(points)})
