# SPDX-License-Identifier: Apache-2.0
"""The terms of a product: their names, kinds and units, and the plain integers the engine takes from them.

A term is a value with the source that states it. A term that no source states is :data:`UNKNOWN`; only a named
assumptions file can fill it, and the filled term carries that file's name.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from kilohour.contracts.margin import MarginTable, margin_table
from kilohour.contracts.specs import SPECS, Spec, Value
from kilohour.errors import UsageError
from kilohour.units import MICROS, MISSING

if TYPE_CHECKING:
    from kilohour.contracts.product import Product


class Unknown(Enum):
    """The type of :data:`UNKNOWN`."""

    UNKNOWN = "unknown"

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = Unknown.UNKNOWN
"""Stands where a value would, when nobody has published it."""

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


def parse_term(name: str, raw: object, specs: Mapping[str, Spec] = SPECS) -> Value | Unknown:
    """The value of a raw TOML value; ``"unknown"`` is :data:`UNKNOWN`. ``specs``: what there is and must be.

    Raises ValueError with the rule and the value found.

    >>> parse_term("lot", "1/100"), parse_term("margin_initial_ppm", "unknown")
    (Fraction(1, 100), UNKNOWN)
    """
    if isinstance(raw, str) and raw == UNKNOWN.value:
        return UNKNOWN
    try:
        return specs[name].parse(raw)
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


EVERYTHING: Final = -1
"""A mask with every bit set: no venue refuses anything."""


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
    band_ppm: int = 0
    """Largest move of an order's price from the mark; 0: none, or unknown and not enforced, as in the limits below."""
    band_queues: int = 0
    """1 when an order beyond the band waits at it, 0 when it is refused."""
    price_minimum: int = MISSING
    """The least price an order may name; MISSING where prices have no floor."""
    position_limit: int = 0
    spot_limit: int = 0
    spot_days: int = 0
    """Business days before the last trade from whose close on ``spot_limit`` counts."""
    kinds_mask: int = EVERYTHING
    """Bit n: the venue takes, or we emulate, order kind n. The same for lives, kinds of spread and groups."""
    lives_mask: int = EVERYTHING
    flags_mask: int = EVERYTHING
    """The flags that may be set: flags are bits themselves."""
    spreads_mask: int = EVERYTHING
    groups_mask: int = EVERYTHING
    can_amend: int = 1
    order_in_halt: int = 1
    """1 when the venue takes orders while a contract is halted, and lets them wait; the next the same for cancels."""
    cancel_in_halt: int = 1
    fee_maker_per_lot_micros: int | None = None
    """None, as the next: what a taker pays."""
    fee_maker_ppm: int | None = None
    fee_clearing_micros: int = 0
    weighted: int = 0
    """1 when the prints' weights count in the mean."""
    settles_at_mark: int = 0
    """1 when the last official mark is the final price."""
    funding_cap: int = 0
    """Hundred-millionths an interval, as the next two."""
    funding_damper: int = 0
    funding_interest: int = 0
    funding_divisor: int = 0
    """Parts the rate is paid in; 0 without a funding rule."""
    margin_grace_marks: int = 0
    margin_table: MarginTable | None = None
    """Scenario margin; None for per cent of notional and per lot."""


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
        band_ppm=_limit(product, "price_band_ppm"),
        price_minimum=_micros(product, "price_minimum") if product.get("price_minimum") is not None else MISSING,
        band_queues=int(product.get("price_band_rule") == "queue"),
        position_limit=_limit(product, "position_limit"),
        spot_limit=0 if product.get("position_limit_spot_days") is None else _limit(product, "position_limit_spot"),
        spot_days=_limit(product, "position_limit_spot_days"),
        fee_maker_per_lot_micros=_micros(product, "fee_maker_per_lot") if "fee_maker_per_lot" in product.terms else None,
        fee_maker_ppm=product.whole("fee_maker_ppm") if "fee_maker_ppm" in product.terms else None,
        fee_clearing_micros=_micros(product, "fee_clearing_per_lot") if "fee_clearing_per_lot" in product.terms else 0,
        weighted=int(fixes and product.text("settlement").startswith("volume_weighted")),
        settles_at_mark=int(product.get("settlement") == "last_mark"),
        **_funding(product),
        margin_grace_marks=product.whole("margin_grace_marks") if "margin_grace_marks" in product.terms else 0,
        margin_table=margin_table(product),
    )


def _funding(product: Product) -> dict[str, int]:
    """The funding rule of a perpetual that states one; nothing for any other product."""
    if "funding_cap_ppm" not in product.terms:
        return {}
    parts = {name: product.whole(f"funding_{name}_ppm") if f"funding_{name}_ppm" in product.terms else 0
             for name in ("cap", "damper", "interest")}
    divisor = product.whole("funding_divisor") if "funding_divisor" in product.terms else 1
    return {f"funding_{name}": ppm * 100 for name, ppm in parts.items()} | {"funding_divisor": divisor}


def half_spread_micros(product: Product) -> int:
    """Half a spread in micros. Raises :class:`UsageError` when ticks and tick do not make whole micros."""
    value = product.ratio("half_spread_ticks") * product.ratio("tick") * MICROS
    if value.denominator != 1:
        raise UsageError(f"{product.code}: half_spread_ticks × tick must be a whole number of micros, found {value}")
    return value.numerator


def not_enforced(product: Product) -> list[str]:
    """What a venue limits and nobody has published, in words: a run does not enforce it."""
    unknown = [words for name, words in _LIMITS.items() if name in product.unknown_terms]
    if product.get("position_limit_spot") is not None and product.get("position_limit_spot_days") is None:
        unknown.append("first day of the spot month limit")
    return unknown


_LIMITS: Mapping[str, str] = {
    "price_band_ppm": "price band", "position_limit": "position limit", "position_limit_spot": "spot month limit",
}


def _limit(product: Product, name: str) -> int:
    value = product.get(name)
    return value if isinstance(value, int) else 0


def _micros(product: Product, name: str) -> int:
    return int(product.ratio(name) * MICROS)
