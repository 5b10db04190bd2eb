# SPDX-License-Identifier: Apache-2.0
"""What the embedded market is made of: chips, launches, adoption, scarcity, premium, and switches that are off.

Every number is ours. Level, growth, mark-down, the volatility of H100, that of B200 and its mature work are what ``kilohour data
calibrate`` finds (targets ``compute-2026``, seeds 0 to 99; docs/embedded-market.md): change the targets and run it, not the numbers.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kilohour.errors import UnknownName, UsageError


def _number(default: float, low: float, high: float) -> Any:
    return dataclasses.field(default=default, metadata={"low": low, "high": high})


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    """One generation of chips, with its spot price and its line of futures."""

    product: str
    """Code of the futures product in the registry."""
    work: float = _number(1.0, 0.01, 1000.0)
    """Work of an hour once software is mature, in hours of the first chip: what ties the prices of generations."""
    work_at_release: float = _number(1.0, 0.01, 1000.0)
    """The same at the chip's release; its log grows in a straight line, known to all, to that of ``work``."""
    maturity_years: float = _number(2.0, 0.05, 20.0)
    """Years from release until software is mature."""
    release: dt.date = dt.date(2023, 3, 21)
    """Index and futures exist from this day; launches up to it do not mark the chip down again."""
    volatility: float = _number(0.15, 0.0, 2.0)
    """Of the chip's own factor, a year."""
    half_life_days: float = _number(40.0, 1.0, 2000.0)
    """Business days in which half of the chip's own deviation from its work factor is gone."""
    spike_rate: float = _number(1.0, 0.0, 60.0)
    """The chip's own upward spikes a year."""
    spike_size: float = _number(0.05, 0.0, 0.5)
    """Mean of the (exponential) size of a spike, in log price."""
    lots: float = _number(60_000.0, 0.0, 1e7)
    """Open interest over all months when the chip is at its height."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """A scheduled launch, known beforehand, that marks the chips before it down."""

    name: str
    day: dt.date
    markdown: float = _number(0.195, 0.0, 0.9)
    """Expected loss of the incumbents' price, in total."""
    surprise: float = _number(0.06, 0.0, 0.5)
    """Standard deviation of the log mark-down, revealed on the day of the launch."""
    ramp_days: int = dataclasses.field(default=126, metadata={"low": 1, "high": 1000})
    """Business days over which the spot price takes the mark-down."""
    known: dt.date | None = None
    """Day on which participants learn that it comes; without it they always knew."""
    cancelled: dt.date | None = None
    """Day on which participants learn that it does not come, before its own day."""


CHIPS = (
    Chip(product="SIM:H100", release=dt.date(2023, 3, 21)),
    Chip(product="SIM:H200", work=1.2, work_at_release=1.15, release=dt.date(2024, 7, 1), volatility=0.17,
         lots=16_000.0),
    Chip(product="SIM:B200", work=2.34, work_at_release=1.9, maturity_years=2.6, release=dt.date(2025, 2, 4),
         volatility=0.189, spike_rate=3.0, lots=80_000.0),
    Chip(product="SIM:B300", work=2.75, work_at_release=2.4, release=dt.date(2025, 7, 3), volatility=0.20,
         spike_rate=3.0, lots=20_000.0),
)
LAUNCHES = (
    Launch(name="B200", day=dt.date(2025, 2, 4)),
    Launch(name="R200", day=dt.date(2027, 1, 5)),
    Launch(name="generation of 2028", day=dt.date(2028, 6, 1)),
    Launch(name="generation of 2029", day=dt.date(2029, 12, 3)),
    Launch(name="generation of 2031", day=dt.date(2031, 6, 2)),
    Launch(name="generation of 2032", day=dt.date(2032, 12, 1)),
    Launch(name="generation of 2034", day=dt.date(2034, 6, 1)),
    Launch(name="generation of 2035", day=dt.date(2035, 12, 3)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketConfig:
    """Everything that decides a market but its seed. Rates and volatilities are a year, of log price.

    Raises :class:`~kilohour.errors.UsageError` for a value out of its range.
    """

    first: dt.date = dt.date(2024, 1, 2)
    last: dt.date = dt.date(2033, 12, 30)
    chips: tuple[Chip, ...] = CHIPS
    launches: tuple[Launch, ...] = LAUNCHES

    level: float = _number(2.89, 0.01, 10_000.0)
    """Mean price of the first chip on the first day, dollars a GPU-hour."""
    growth: float = _number(0.0481, -1.0, 1.0)
    """Drift of the price of work between launches."""
    premium: float = _number(0.05, 0.0, 1.0)
    """What longs earn a year on the part of a contract that still floats: futures stand this much under expectation."""

    adoption_ceiling: float = _number(4000.0, 1.0, 1e7)
    """Of the planned S-curve, trillion tokens a month."""
    adoption_midpoint: dt.date = dt.date(2027, 1, 1)
    adoption_rate: float = _number(1.11, 0.01, 20.0)
    growth_volatility: float = _number(0.25, 0.0, 2.0)
    """Standard deviation of adoption's growth around its plan, a year."""
    growth_half_life: float = _number(0.75, 0.02, 20.0)
    """Years in which half of an excess of growth is gone."""
    adoption_volatility: float = _number(0.08, 0.0, 2.0)
    capacity_lag: float = _number(1.0, 0.05, 20.0)
    """Years by which capacity follows adoption that was not planned."""
    elasticity: float = _number(0.8, 0.0, 5.0)
    """Log price for a log gap between demand and capacity."""
    publication_lag_days: int = dataclasses.field(default=45, metadata={"low": 1, "high": 400})
    """Calendar days from the end of a month to the first number for it."""
    revision_lag_days: int = dataclasses.field(default=75, metadata={"low": 2, "high": 500})
    """Calendar days from the end of a month to the revised number."""
    publication_noise: float = _number(0.015, 0.0001, 1.0)
    """Standard deviation of what the revision takes out of the first number."""
    revision_noise: float = _number(0.01, 0.0, 1.0)
    """Standard deviation of the error that stays."""

    scarcity_volatility: float = _number(0.14, 0.0, 2.0)
    scarcity_half_life_days: float = _number(60.0, 1.0, 2000.0)
    long_run_volatility: float = _number(0.09, 0.0, 2.0)
    spike_rate: float = _number(1.5, 0.0, 60.0)
    """Spikes a year that hit all chips at once."""
    spike_size: float = _number(0.05, 0.0, 0.5)
    spike_half_life_days: float = _number(30.0, 1.0, 500.0)

    restated_share: float = _number(0.015, 0.0, 1.0)
    """Share of index prints that are restated some days later."""
    restated_size: float = _number(0.006, 0.0, 0.2)
    """Standard deviation of a restatement, of the value."""

    slow_adoption: float = _number(0.0, 0.0, 1.0)
    """Inefficiency, off: share of adoption news that prices leave out at first."""
    slow_adoption_half_life_days: float = _number(20.0, 1.0, 500.0)
    seasonality: float = _number(0.0, 0.0, 0.5)
    """Inefficiency, off: height of a yearly wave in spot (top mid-year) that futures do not look ahead to."""

    def __post_init__(self) -> None:
        _check_ranges(self, "market")
        for chip in self.chips:
            _check_ranges(chip, chip.product)
        for launch in self.launches:
            _check_ranges(launch, f"launch {launch.name}")
        if self.last <= self.first:
            raise UsageError(f"market: last must be after first {self.first}, found {self.last}")
        if self.revision_lag_days <= self.publication_lag_days:
            raise UsageError(f"market: revision_lag_days must exceed publication_lag_days {self.publication_lag_days}, "
                             f"found {self.revision_lag_days}")
        if not self.chips:
            raise UsageError("market: chips must name at least one chip, found none")
        products = [chip.product for chip in self.chips]
        if len(set(products)) < len(products):
            raise UsageError(f"market: each product must appear once among the chips, found {', '.join(products)}")

    @property
    def switches(self) -> tuple[str, ...]:
        """The inefficiencies that are on, in words; printed in the notes of the tape."""
        found = []
        if self.slow_adoption > 0:
            found.append(f"inefficiency on: slow_adoption = {self.slow_adoption:g}, prices take in that share of "
                         f"adoption news late, half of it in {self.slow_adoption_half_life_days:g} business days")
        if self.seasonality > 0:
            found.append(f"inefficiency on: seasonality = {self.seasonality:g}, a yearly wave in spot that futures do "
                         "not look ahead to")
        return tuple(found)

    @classmethod
    def load(cls, path: str | Path) -> MarketConfig:
        """A configuration from a TOML file: fields by name, and tables ``[[chips]]`` and ``[[launches]]``.

        Raises :class:`UsageError` for a file that cannot be read or a wrong value, :class:`UnknownName` for an unknown
        field.
        """
        try:
            with open(path, "rb") as file:
                data = tomllib.load(file)
        except FileNotFoundError:
            raise UsageError(f"market file {path} does not exist") from None
        except (OSError, tomllib.TOMLDecodeError) as error:
            raise UsageError(f"market file {path} must be TOML: {error}") from None
        return cls.from_dict(data)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> MarketConfig:
        """A configuration from plain values, as a TOML file holds them."""
        values = _values(cls, data, "market")
        for name, kind in (("chips", Chip), ("launches", Launch)):
            if name in values:
                rows = values[name]
                if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
                    raise UsageError(f"market: {name} must be a list of tables [[{name}]], found {rows!r}")
                values[name] = tuple(kind(**_values(kind, row, name)) for row in rows)
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """Plain values that :meth:`from_dict` reads back; days as ISO text."""
        return _plain(dataclasses.asdict(self))  # type: ignore[no-any-return]


def _values(kind: type[Any], data: Mapping[str, Any], where: str) -> dict[str, Any]:
    fields = {field.name: field for field in dataclasses.fields(kind)}
    values: dict[str, Any] = {}
    for name, value in data.items():
        if name not in fields:
            raise UnknownName("field", name, fields, where=where)
        values[name] = _typed(name, str(fields[name].type), value, where)
    for name, field in fields.items():
        if name not in values and field.default is dataclasses.MISSING:
            raise UsageError(f"{where}: {name} must be given, found none")
    return values


def _typed(name: str, kind: str, value: Any, where: str) -> Any:
    if kind.startswith("dt.date"):
        return _date(name, value, where)
    if kind == "float" and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    expected = {"float": float, "int": int, "str": str}.get(kind, object)
    if not isinstance(value, expected) or (isinstance(value, bool) and expected is not object):
        raise UsageError(f"{where}: {name} must be a {kind}, found {value!r}")
    return value


def _date(name: str, value: Any, where: str) -> dt.date:
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return value
    try:
        return dt.date.fromisoformat(value)
    except (TypeError, ValueError):
        raise UsageError(f"{where}: {name} must be a day like 2024-01-02, found {value!r}") from None


def _check_ranges(part: Any, where: str) -> None:
    for field in dataclasses.fields(part):
        if "low" not in field.metadata:
            continue
        value, low, high = getattr(part, field.name), field.metadata["low"], field.metadata["high"]
        if not math.isfinite(value) or not low <= value <= high:
            raise UsageError(f"{where}: {field.name} must be between {low:g} and {high:g}, found {value:g}")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items() if item is not None}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value.isoformat() if isinstance(value, dt.date) else value
