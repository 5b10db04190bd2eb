# SPDX-License-Identifier: Apache-2.0
"""A scenario in a macro trader's words: what happens to a market, when, and when its participants learn of it.

What the words do to prices stands in ``docs/scenarios.md``; the arithmetic is in :mod:`kilohour.datafeeds.embedded.effects`.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from kilohour.datafeeds.embedded.config import Launch, MarketConfig
from kilohour.errors import UnknownName, UsageError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

SHIPPED = Path(__file__).parents[1] / "scenarios"
USUAL = Launch(name="usual", day=dt.date.max)
"""A launch of the market's calendar: what a scenario does not say of its own is as there."""


class _Words(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, allow_inf_nan=False)


class _Event(_Words):
    """Something that begins on a day and is known from a day on, by default the same."""

    begins: dt.date = Field(alias="from")
    known: dt.date | None = None
    odds: float = Field(0.0, ge=0.0, le=1.0)
    """What participants believe of it before they know: prices hold this share of it, and the other share of nothing."""

    @model_validator(mode="after")
    def _known_in_time(self) -> _Event:
        if self.known is not None and self.known > self.begins:
            raise ValueError(f"known must be on or before the day it begins, {self.begins}: spot prices are public; found {self.known}")
        return self

    @property
    def known_from(self) -> dt.date:
        """The day on whose morning participants know all of it."""
        return self.known or self.begins


class Winter(_Event):
    """Adoption falls short of its plan: down to ``depth`` below it, stays, and comes back."""

    depth: float = Field(gt=0.0, le=0.95)
    months_to_bottom: float = Field(9.0, ge=0.05, le=120.0)
    months_at_bottom: float = Field(6.0, ge=0.0, le=240.0)
    months_to_recover: float = Field(24.0, ge=0.05, le=240.0)
    recovers: bool = True
    """False: it never comes back, and ``months_to_recover`` means nothing."""


class Adoption(_Event):
    """A new S-curve of adoption from a day on, through the level of that day; capacity was built for the old one."""

    ceiling: float | None = Field(None, gt=0.0, le=1e7)
    pace: float | None = Field(None, ge=0.01, le=20.0)
    """Growth of the odds a year, as ``adoption_rate`` of the market."""

    @model_validator(mode="after")
    def _says_something(self) -> Adoption:
        if self.ceiling is None and self.pace is None:
            raise ValueError("ceiling or pace must be given, found neither")
        return self


class ChipLaunch(_Words):
    """A launch that nobody had in the calendar, or one that comes on another day or hits harder than was thought."""

    name: str = Field(min_length=1)
    day: dt.date
    markdown: float = Field(USUAL.markdown, ge=0.0, le=0.9)
    surprise: float = Field(USUAL.surprise, ge=0.0, le=0.5)
    ramp_days: int = Field(USUAL.ramp_days, ge=1, le=1000)
    known: dt.date | None = None
    replaces: str | None = None
    """Name of a launch of the market's calendar, which participants expect until ``known``."""

    @model_validator(mode="after")
    def _known_in_time(self) -> ChipLaunch:
        if self.known is not None and self.known > self.day:
            raise ValueError(f"known must be on or before day {self.day}, found {self.known}")
        return self


class CapacityDelay(_Event):
    """New capacity stops coming for ``months``, and what is missing is caught up later."""

    months: float = Field(gt=0.0, le=60.0)
    months_to_catch_up: float = Field(12.0, ge=0.05, le=240.0)


class SupplyShock(_Event):
    """Capacity is lost in a day (or found, when negative) and replaced slowly."""

    lost: float = Field(ge=-0.9, le=0.9)
    half_life_months: float = Field(6.0, ge=0.05, le=240.0)
    chips: tuple[str, ...] = ()
    """Product codes; all chips when empty."""


class Restatement(_Words):
    """An index restates what it printed on the ``days_back`` business days before, and keeps the new level when ``lasting``."""

    product: str
    day: dt.date
    by: float = Field(ge=-0.5, le=0.5)
    days_back: int = Field(20, ge=1, le=260)
    lasting: bool = False


def _rows(value: Any) -> Any:
    return [value] if isinstance(value, Mapping) else value


class Scenario(_Words):
    """A base market and what happens to it. Each kind of event is a table or a list of tables."""

    name: str = Field(min_length=1)
    about: str = ""
    market: dict[str, Any] = Field(default_factory=dict)
    """Fields of :class:`MarketConfig` that differ from the default."""
    winter: Annotated[tuple[Winter, ...], BeforeValidator(_rows)] = ()
    adoption: Annotated[tuple[Adoption, ...], BeforeValidator(_rows)] = ()
    launch: Annotated[tuple[ChipLaunch, ...], BeforeValidator(_rows)] = ()
    capacity_delay: Annotated[tuple[CapacityDelay, ...], BeforeValidator(_rows)] = ()
    supply_shock: Annotated[tuple[SupplyShock, ...], BeforeValidator(_rows)] = ()
    restatement: Annotated[tuple[Restatement, ...], BeforeValidator(_rows)] = ()

    def __hash__(self) -> int:
        return hash(self.model_dump_json())

    @property
    def events(self) -> tuple[_Event, ...]:
        """What moves demand or capacity, in the order of the kinds."""
        return (*self.winter, *self.adoption, *self.capacity_delay, *self.supply_shock)

    def config(self) -> MarketConfig:
        """The market's configuration, its calendar of launches changed as the scenario says. Raises :class:`UsageError`."""
        base = MarketConfig.from_dict(self.market)
        launches = list(base.launches)
        for launch in self.launch:
            names = [one.name for one in launches]
            if launch.replaces is not None and launch.replaces not in names:
                raise UnknownName("launch", launch.replaces, names, where=f"the market of scenario {self.name!r}")
            at = None if launch.replaces is None else names.index(launch.replaces)
            made = _launch(launch, None if at is None else launches[at])
            if at is not None:
                launches[at] = dataclasses.replace(launches[at], cancelled=made.known)
            launches.append(made)
        config = dataclasses.replace(base, launches=tuple(launches))
        self._check_days(config)
        return config

    def _check_days(self, config: MarketConfig) -> None:
        days = [(kind, event.begins) for kind in ("winter", "adoption", "capacity_delay", "supply_shock") for event in getattr(self, kind)]
        days += [("launch", launch.day) for launch in self.launch] + [("restatement", one.day) for one in self.restatement]
        for kind, day in days:
            if not config.first <= day <= config.last:
                raise UsageError(f"scenario {self.name!r}: {kind}: its day must lie within the market, {config.first} to {config.last}, "
                                 f"found {day}")
        products = [chip.product for chip in config.chips]
        for code in (*(code for shock in self.supply_shock for code in shock.chips), *(one.product for one in self.restatement)):
            if code not in products:
                raise UnknownName("product", code, products, where=f"the market of scenario {self.name!r}")

    @classmethod
    def load(cls, source: str | Path) -> Scenario:
        """A scenario from a TOML file, or a shipped one by its name.

        Raises :class:`UnknownName` for a name that is not shipped or an unknown field, :class:`UsageError` naming field and rule.
        """
        path = path_of(source)
        try:
            with path.open("rb") as file:
                data = tomllib.load(file)
        except FileNotFoundError:
            raise UsageError(f"scenario file {path} does not exist") from None
        except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise UsageError(f"scenario file {path} must be TOML: {error}") from None
        return cls.from_dict({"name": path.stem, **data}, str(path.name))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], where: str = "scenario") -> Scenario:
        """A scenario from plain values, as a TOML file holds them. Raises as :meth:`load` does."""
        try:
            found = cls.model_validate(dict(data))
        except ValidationError as error:
            found_errors = error.errors(include_url=False)
            unknown = [one for one in found_errors if one["type"] == "extra_forbidden"]
            raise _explained((unknown or found_errors)[0], where) from None
        found.config()
        return found

    def to_dict(self) -> dict[str, Any]:
        """Plain values that :meth:`from_dict` reads back, defaults written out; kinds that do not happen are left out."""
        values = self.model_dump(mode="json", by_alias=True, exclude_none=True)
        return {name: value for name, value in values.items() if value not in ([], {}, "")}


def path_of(source: str | Path) -> Path:
    """The file behind a shipped name or a path. Raises :class:`UnknownName`."""
    if str(source).endswith(".toml"):
        return Path(source)
    path = SHIPPED / f"{source}.toml"
    if not path.is_file():
        raise UnknownName("scenario", str(source), shipped_scenarios(), where="the shipped ones (or a file FILE.toml)")
    return path


def shipped_scenarios() -> tuple[str, ...]:
    """Names of the scenarios that come with kilohour."""
    return tuple(sorted(path.stem for path in SHIPPED.glob("*.toml")))


def _launch(words: ChipLaunch, old: Launch | None) -> Launch:
    known = words.known or (words.day if old is None else min(words.day, old.day))
    if old is not None and known > old.day:
        raise UsageError(f"launch {words.name!r}: known must be on or before {old.day}, when {old.name!r} was to come, found {known}")
    return Launch(name=words.name, day=words.day, markdown=words.markdown, surprise=words.surprise, ramp_days=words.ramp_days, known=known)


_TABLES: dict[str, type[BaseModel]] = {
    "winter": Winter, "adoption": Adoption, "launch": ChipLaunch, "capacity_delay": CapacityDelay, "supply_shock": SupplyShock,
    "restatement": Restatement,
}  # fmt: skip


def _explained(error: ErrorDetails, where: str) -> UsageError:
    """One line: the table and its number, the field, the rule, the value found."""
    place = error["loc"]
    table = str(place[0]) if place else ""
    kind: type[BaseModel] = _TABLES.get(table, Scenario)
    number = f" {int(place[1]) + 1}" if len(place) > 1 and isinstance(place[1], int) else ""
    within = f"{where}: {table}{number}" if table in _TABLES else where
    field = str(place[-1])
    if error["type"] == "extra_forbidden":
        known = [info.alias or name for name, info in kind.model_fields.items()]
        return UnknownName("field", field, known, where=within)
    rule = error["msg"].removeprefix("Value error, ")
    if error["type"] == "value_error":
        return UsageError(f"{within}: {rule}")
    if error["type"] == "missing":
        return UsageError(f"{within}: {field} must be given, found none")
    rule = rule[0].lower() + rule[1:]
    return UsageError(f"{within}: {field}: {rule}, found {error['input']!r}".replace("input should", "must"))
