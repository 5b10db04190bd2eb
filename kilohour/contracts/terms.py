# SPDX-License-Identifier: Apache-2.0
"""The terms of a product: their names, kinds and units, and the plain integers the engine takes from them.

A term is a value with the source that states it. A term that no source states is :data:`UNKNOWN`; only a named
assumptions file can fill it, and the filled term carries that file's name.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from kilohour.errors import UsageError
from kilohour.units import MICROS

if TYPE_CHECKING:
    from kilohour.contracts.product import Product


class Unknown(Enum):
    """The type of :data:`UNKNOWN`."""

    UNKNOWN = "unknown"

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = Unknown.UNKNOWN
"""Stands where a value would, when nobody has published it."""

Value = int | str | Fraction | dt.date


@dataclass(frozen=True, slots=True)
class Term:
    """One term of a product."""

    value: Value | Unknown
    source: str
    """The address that states it with its grade (C confirmed, S secondary, A announced, U uncertain), ``our own``,
    or the reason an assumption gives."""
    assumed_by: str | None = None
    """Name of the assumptions file that filled it."""

    @property
    def is_known(self) -> bool:
        """False while nobody has published or assumed the value."""
        return self.value is not UNKNOWN


@dataclass(frozen=True, slots=True)
class Spec:
    """What a term of this name must be."""

    parse: Callable[[object], Value]
    """Raw TOML value to value; raises ValueError with the rule."""
    unit: str
    meaning: str
    required: bool = True


def _ratio(raw: object) -> Fraction:
    if isinstance(raw, bool) or not isinstance(raw, int | str | Decimal | Fraction):
        raise ValueError("must be a number or a ratio such as '1/100'")
    try:
        return Fraction(raw)
    except (ValueError, ZeroDivisionError):
        raise ValueError("must be a number or a ratio such as '1/100'") from None


def _positive(raw: object) -> Fraction:
    value = _ratio(raw)
    if value <= 0:
        raise ValueError("must be above 0")
    return value


def _not_negative(raw: object) -> Fraction:
    value = _ratio(raw)
    if value < 0:
        raise ValueError("must not be negative")
    return value


def _usd(raw: object) -> Fraction:
    value = _not_negative(raw)
    if (value * MICROS).denominator != 1:
        raise ValueError("must be a whole number of micros (six decimals at most)")
    return value


def _price_step(raw: object) -> Fraction:
    value = _usd(raw)
    if value == 0:
        raise ValueError("must be above 0")
    return value


def _whole(low: int, high: int) -> Callable[[object], int]:
    def parse(raw: object) -> int:
        if isinstance(raw, bool) or not isinstance(raw, int) or not low <= raw <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return raw
    return parse


def _choice(*choices: str | int) -> Callable[[object], Value]:
    def parse(raw: object) -> Value:
        if isinstance(raw, bool) or not isinstance(raw, str | int) or raw not in choices:
            raise ValueError("must be one of " + ", ".join(map(str, choices)))
        return raw
    return parse


def _shape(pattern: str, example: str) -> Callable[[object], str]:
    compiled = re.compile(pattern)

    def parse(raw: object) -> str:
        if not isinstance(raw, str) or not compiled.fullmatch(raw):
            raise ValueError(f"must read like {example}")
        return raw
    return parse


def _day(raw: object) -> dt.date:
    if isinstance(raw, str):
        try:
            return dt.date.fromisoformat(raw)
        except ValueError:
            raise ValueError("must be a date like 2026-10-05") from None
    if isinstance(raw, dt.datetime) or not isinstance(raw, dt.date):
        raise ValueError("must be a date like 2026-10-05")
    return raw


_text = _shape(r"\S(.*\S)?", "'some words'")
_PPM = _whole(0, 1_000_000)
_CLOCK = r"([01]\d|2[0-3]):[0-5]\d [A-Za-z_]+(/[A-Za-z_]+)*"
_MONTHS3 = "(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"

SPECS: Mapping[str, Spec] = {
    "status": Spec(_choice("ours", "listed", "pending", "announced", "historical", "delisted"), "", "does it trade"),
    "chip": Spec(_text, "", "chip the price is for", required=False),
    "index": Spec(_shape(r"[A-Z0-9][A-Z0-9.]*(-[A-Z0-9.]+)*", "'SIM-H100'"), "", "index it settles on", required=False),
    "region": Spec(_text, "", "where the hours are sold", required=False),
    "unit": Spec(_text, "", "what one unit is"),
    "currency": Spec(_shape(r"[A-Z]{3,5}", "'USD'"), "", "currency of price and settlement"),
    "symbol": Spec(_text, "", "pattern of the venue's own symbol"),
    "lot": Spec(_positive, "units per lot", "size of a lot"),
    "tick": Spec(_price_step, "USD per unit", "smallest price step"),
    "tick_spread": Spec(_price_step, "USD per unit", "smallest step of an exchange spread", required=False),
    "listed_months": Spec(_shape(rf"perpetual|any|[1-9]\d* consecutive|{_MONTHS3}( {_MONTHS3})*, [1-9]\d* listed",
                                 "'36 consecutive', 'Mar Jun Sep Dec, 12 listed', 'perpetual' or 'any'"), "", "months listed at once"),
    "first_month": Spec(_whole(190001, 299912), "YYYYMM", "first delivery month ever listed", required=False),
    "first_listed": Spec(_day, "date", "no contract is listed before", required=False),
    "calendar_trading": Spec(_text, "", "days with a session"),
    "calendar_fixing": Spec(_text, "", "business days: they fix, and last-trade rules count them"),
    "hours": Spec(_text, "", "trading hours", required=False),
    "trading_close": Spec(_shape(_CLOCK, "'20:00 UTC' or '16:00 America/Chicago'"), "", "time of the daily bar and mark"),
    "last_trade": Spec(_choice("last_business_day_of_month", "last_day_of_month", "third_business_day_before_25th",
                               "third_last_business_day_of_month_before", "never"), "", "rule of the last trading day"),
    "last_trade_time": Spec(_shape(_CLOCK, "'21:00 UTC'"), "", "when trading ends that day, if not at the close", required=False),
    "settlement": Spec(_choice("mean_business_days", "mean_calendar_days", "single_print", "stated"), "", "final price",
                       required=False),
    "settlement_rounding": Spec(_price_step, "USD per unit", "the final price is a multiple of it", required=False),
    "settlement_known": Spec(_shape(rf"\d\d? (business|calendar) days?, {_CLOCK}", "'1 business day, 14:00 UTC'"), "",
                             "when the final price is known, after the last fixing or trading day", required=False),
    "missing_day": Spec(_choice("refuse", "previous", "skip"), "", "a fixing day without a print", required=False),
    "restatement": Spec(_choice("latest", "first"), "", "which print of a restated day counts", required=False),
    "delivery": Spec(_choice("cash", "physical"), "", "what the venue does at the end"),
    "held_into_delivery": Spec(_choice("cash"), "", "what a run does instead of physical delivery", required=False),
    "funding": Spec(_text, "", "funding of a perpetual", required=False),
    "fee_per_lot": Spec(_usd, "USD per lot and side", "fee of a trade"),
    "fee_ppm": Spec(_PPM, "millionths of notional", "fee of a trade"),
    "fee_settlement_per_lot": Spec(_usd, "USD per lot", "fee of cash settlement"),
    "margin_initial_ppm": Spec(_PPM, "millionths of notional", "initial margin"),
    "margin_maintenance_ppm": Spec(_PPM, "millionths of notional", "maintenance margin"),
    "margin_initial_floor": Spec(_usd, "USD per lot", "least initial margin"),
    "margin_maintenance_floor": Spec(_usd, "USD per lot", "least maintenance margin"),
    "half_spread_ticks": Spec(_not_negative, "ticks", "cost of crossing: a market order pays this over the bar's price"),
    "participation_ppm": Spec(_whole(1, 1_000_000), "millionths of volume", "share of a bar's volume one may take"),
    "price_band_ppm": Spec(_PPM, "millionths of mark", "largest move from the prior mark", required=False),
    "position_limit_spot": Spec(_whole(1, 10**9), "lots", "position limit in the spot month", required=False),
    "days_per_year": Spec(_choice(252, 365), "days", "marks in a year"),
}
"""Every term there is, by name, in the order they are shown."""


def parse_term(name: str, raw: object) -> Value | Unknown:
    """The value of a raw TOML value; ``"unknown"`` is :data:`UNKNOWN`. Raises ValueError with the rule and the value found.

    >>> parse_term("lot", "1/100"), parse_term("margin_initial_ppm", "unknown")
    (Fraction(1, 100), UNKNOWN)
    """
    if isinstance(raw, str) and raw == UNKNOWN.value:
        return UNKNOWN
    try:
        return SPECS[name].parse(raw)
    except ValueError as error:
        shown = repr(raw) if isinstance(raw, str) else str(raw)
        raise ValueError(f"{error}, found {shown}") from None


def plain(value: Value | Unknown) -> int | str:
    """The value as JSON and TOML hold it; :func:`parse_term` reads it back.

    >>> plain(Fraction(1, 100)), plain(Fraction(730)), plain(dt.date(2026, 10, 5)), plain(UNKNOWN)
    ('1/100', 730, '2026-10-05', 'unknown')
    """
    if isinstance(value, Unknown):
        return str(value.value)
    if isinstance(value, Fraction):
        return int(value) if value.denominator == 1 else str(value)
    return value.isoformat() if isinstance(value, dt.date) else value


def shown(value: Value | Unknown) -> str:
    """The value as a person reads it: fractions as decimals when they end.

    >>> shown(Fraction(1, 200)), shown(Fraction(1, 3)), shown(730)
    ('0.005', '1/3', '730')
    """
    if not isinstance(value, Fraction):
        return str(plain(value))
    rest = value.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    return f"{Decimal(value.numerator) / Decimal(value.denominator):f}" if rest == 1 else str(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineTerms:
    """The terms the engine reads, as plain integers: micros, millionths, lots. See docs/engine.md."""

    lot_num: int
    lot_den: int
    tick_micros: int
    rounding_micros: int
    """Unit of the final price; the tick where the venue states the final price itself."""
    fee_per_lot_micros: int
    fee_ppm: int
    fee_settlement_micros: int
    margin_initial_ppm: int
    margin_maintenance_ppm: int
    margin_initial_floor_micros: int
    margin_maintenance_floor_micros: int
    half_spread_micros: int
    participation_ppm: int
    missing_rule: int
    """0 refuse, 1 previous, 2 skip."""
    restatement_latest: int
    """1 when a restated print replaces the first one, 0 when it is ignored."""


MISSING_RULES = ("refuse", "previous", "skip")


def engine_terms(product: Product) -> EngineTerms:
    """The integers of a product. Raises :class:`~kilohour.errors.UnknownTerm` naming the first term nobody fills."""
    if product.term("delivery") == "physical":
        product.term("held_into_delivery")
    lot = product.ratio("lot")
    fixes = product.fixes
    return EngineTerms(
        lot_num=lot.numerator, lot_den=lot.denominator,
        tick_micros=_micros(product, "tick"),
        rounding_micros=_micros(product, "settlement_rounding" if fixes else "tick"),
        fee_per_lot_micros=_micros(product, "fee_per_lot"),
        fee_ppm=product.whole("fee_ppm"),
        fee_settlement_micros=_micros(product, "fee_settlement_per_lot"),
        margin_initial_ppm=product.whole("margin_initial_ppm"),
        margin_maintenance_ppm=product.whole("margin_maintenance_ppm"),
        margin_initial_floor_micros=_micros(product, "margin_initial_floor"),
        margin_maintenance_floor_micros=_micros(product, "margin_maintenance_floor"),
        half_spread_micros=half_spread_micros(product),
        participation_ppm=product.whole("participation_ppm"),
        missing_rule=MISSING_RULES.index(product.text("missing_day")) if fixes else 0,
        restatement_latest=int(product.text("restatement") == "latest") if fixes else 1,
    )


def half_spread_micros(product: Product) -> int:
    """Half a spread in micros. Raises :class:`UsageError` when ticks and tick do not make whole micros."""
    value = product.ratio("half_spread_ticks") * product.ratio("tick") * MICROS
    if value.denominator != 1:
        raise UsageError(f"{product.code}: half_spread_ticks × tick must be a whole number of micros, found {value} micros")
    return value.numerator


def _micros(product: Product, name: str) -> int:
    return int(product.ratio(name) * MICROS)
