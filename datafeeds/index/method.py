# SPDX-License-Identifier: Apache-2.0
"""A method: every choice that turns quotes into one number a day, read from a TOML file and checked.

The keys, with what each means, are in docs/index-methods.md. Nothing is left to code: a method that is silent on a
choice that changes the number is refused.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import tomllib
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from kilohour.errors import UnknownName, UsageError
from kilohour.units import MICROS

METHODS = Path(__file__).with_name("methods")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Filters(_Part):
    """Which quotes count. Prices in USD per GPU-hour, both ends included."""

    chips: tuple[str, ...] = Field(min_length=1)
    segments: tuple[Literal["hyperscaler", "neocloud", "marketplace"], ...] = Field(min_length=1)
    mix_segments: bool = False
    """The explicit word without which more than one segment is refused."""
    terms: tuple[str, ...] = Field(min_length=1)
    regions: tuple[str, ...] = ()
    """Prefixes; none given means every region."""
    providers: tuple[str, ...] = ()
    providers_left_out: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    """Flags of doubt that are accepted all the same; other flagged quotes are left out."""
    price_min: float = Field(ge=0.0)
    price_max: float = Field(gt=0.0, le=1000.0)
    move_max: float | None = Field(default=None, gt=0.0)
    """A voter further than this fraction from its last accepted average is left out ..."""
    move_days: int = Field(default=3, ge=1)
    """... until it has stood there so many days in a row."""

    @model_validator(mode="after")
    def _together(self) -> Filters:
        if len(set(self.segments)) > 1 and not self.mix_segments:
            raise ValueError(f"segments must be one, or say mix_segments = true, found {', '.join(self.segments)}")
        if self.price_min >= self.price_max:
            raise ValueError(f"price_min must be below price_max, found {self.price_min:g} and {self.price_max:g}")
        return self


class Window(_Part):
    """The quotes of a value day: those of the last ``hours`` before ``end`` (UTC) of that day."""

    hours: int = Field(ge=1, le=24 * 31)
    end: str

    @field_validator("end")
    @classmethod
    def _clock(cls, value: str) -> str:
        if value != "24:00":
            dt.time.fromisoformat(value)
        return value

    @property
    def end_minutes(self) -> int:
        """Minutes after the value day's midnight UTC."""
        hours, minutes = self.end.split(":")[:2]
        return int(hours) * 60 + int(minutes)


class Voter(_Part):
    """Who has one vote, and how its quotes of the window become one price."""

    by: Literal["provider", "provider and region", "provider and zone"]
    average: Literal["mean", "median", "last", "minimum"]
    """mean and last: each offer counts once, also where a quote is a mean over several."""


class Across(_Part):
    """How the votes become the index."""

    rule: Literal["median", "mean", "trimmed", "winsorised", "weighted"]
    share: float = Field(default=0.0, ge=0.0, lt=0.5)
    """trimmed, winsorised: the fraction of the votes at each end, rounded down to whole votes."""
    weights: Literal["size"] | dict[str, float] | None = None
    """weighted: the GPUs shown in the window, quotes added up, or a fixed weight a provider."""
    voters_min: int = Field(ge=1)

    @model_validator(mode="after")
    def _together(self) -> Across:
        if (self.rule in ("trimmed", "winsorised")) != (self.share > 0.0):
            raise ValueError(f"share must be above 0 for trimmed and winsorised only, found {self.share:g} for {self.rule}")
        if (self.rule == "weighted") != (self.weights is not None):
            raise ValueError(f"weights must be given for weighted only, found {self.weights!r} for {self.rule}")
        if isinstance(self.weights, dict) and (not self.weights or min(self.weights.values()) <= 0.0):
            raise ValueError("weights must name at least one provider, each above 0")
        return self


class Publication(_Part):
    """When a value is known, on which days there is one, and what a day without enough votes does."""

    delay_minutes: int = Field(ge=0)
    calendar: str
    """``24/7``, or a calendar of exchange_calendars such as ``XNYS``."""
    missing: Literal["no print", "last"]
    missing_days_max: int = Field(default=0, ge=0)
    """last: the value is repeated at most so many days after the last one that was worked out."""

    @model_validator(mode="after")
    def _together(self) -> Publication:
        if (self.missing == "last") != (self.missing_days_max > 0):
            raise ValueError(f"missing_days_max must be above 0 for missing = 'last' only, found {self.missing_days_max}")
        return self


class Method(_Part):
    """A whole method. ``code`` names the index on a tape."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    code: str = Field(pattern=r"^[A-Z0-9][A-Z0-9-]*$")
    title: str
    unit: Literal["USD per GPU-hour"]
    """Quotes are stored per GPU-hour: a machine's price is divided by its GPUs at import."""
    filters: Filters
    window: Window
    voter: Voter
    across: Across
    publication: Publication
    text: str = ""
    """The file itself, whose hash goes to the tape."""

    @property
    def sha256(self) -> str:
        """Hash of the file."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def price_bounds(self) -> tuple[int, int]:
        """The price filter in micros."""
        return round(self.filters.price_min * MICROS), round(self.filters.price_max * MICROS)

    def share(self) -> Fraction:
        """``across.share`` as the decimal that was written."""
        return Fraction(str(self.across.share))

    @classmethod
    def load(cls, name: str | Path) -> Method:
        """A shipped method by name, or a TOML file.

        Raises :class:`UnknownName` for a name we do not ship, :class:`UsageError` with file, key, rule and value.
        """
        path = Path(name)
        if path.suffix != ".toml":
            if str(name) not in shipped_methods():
                raise UnknownName("index method", str(name), shipped_methods(), where="the shipped methods (or give a .toml file)")
            path = METHODS / f"{name}.toml"
        if not path.is_file():
            raise UsageError(f"{path}: must be a TOML file of an index method, found nothing there")
        return cls.parse(path.read_text(encoding="utf-8"), path.name)

    @classmethod
    def parse(cls, text: str, file: str = "method") -> Method:
        """A method from the text of a file. Raises :class:`UsageError`."""
        try:
            data: dict[str, Any] = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise UsageError(f"{file}: must be TOML, found {error}") from None
        try:
            return cls(**{**data, "text": text})
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "the method"
            said = first["msg"].removeprefix("Value error, ")
            raise UsageError(f"{file}: {where}: {said[0].lower()}{said[1:]}, found {_found(first['input'])}") from None


def shipped_methods() -> list[str]:
    """Names of the methods that come with kilohour."""
    return sorted(file.stem for file in METHODS.glob("*.toml"))


def _found(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
