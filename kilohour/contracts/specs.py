# SPDX-License-Identifier: Apache-2.0
"""Every term a product can have: its kind, its unit, and what it means, in the order terms are shown."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from kilohour.contracts.margin import MILLION, PAIRS, SCENARIOS, credit_row, line_of, scenario_row, table_of
from kilohour.units import MICROS

Value = int | str | Fraction | dt.date
WITHOUT_PRINTS = ("stated", "last_mark")
"""Settlements that no print decides."""


@dataclass(frozen=True, slots=True)
class Spec:
    """What a term of this name must be."""

    parse: Callable[[object], Value]
    """Raw TOML value to value; raises ValueError with the rule."""
    unit: str
    meaning: str
    required: bool = True
    default: Value | None = None
    """What holds where a product does not have the term."""
    by_assumption: bool = False
    """True when an assumptions file may add the term to a product that does not have it."""


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
                                 "'36 consecutive', 'Mar Jun Sep Dec, 12 listed', 'perpetual' or 'any'"),
                          "", "months listed at once"),
    "first_month": Spec(_whole(190001, 299912), "YYYYMM", "first delivery month ever listed", required=False),
    "first_listed": Spec(_day, "date", "no contract is listed before", required=False),
    "calendar_trading": Spec(_text, "", "days with a session"),
    "calendar_fixing": Spec(_text, "", "business days: they fix, and last-trade rules count them", required=False),
    "hours": Spec(_text, "", "trading hours", required=False),
    "trading_close": Spec(_shape(_CLOCK, "'20:00 UTC' or '16:00 America/Chicago'"), "",
                          "time of the daily bar and mark"),
    "last_trade": Spec(_choice("last_business_day_of_month", "last_day_of_month", "third_business_day_before_25th",
                               "third_last_business_day_of_month_before", "never"), "", "rule of the last trading day"),
    "last_trade_time": Spec(_shape(_CLOCK, "'21:00 UTC'"), "", "when trading ends that day, if not at the close",
                            required=False),
    "settlement": Spec(_choice("mean_business_days", "mean_calendar_days", "volume_weighted_business_days",
                               "volume_weighted_calendar_days", "single_print", "last_mark", "stated"), "", "final price",
                       required=False),
    "settlement_rounding": Spec(_price_step, "USD per unit", "the final price is a multiple of it", required=False),
    "settlement_known": Spec(_shape(rf"\d\d? (business|calendar) days?, {_CLOCK}", "'1 business day, 14:00 UTC'"), "",
                             "when the final price is known, after the last fixing or trading day", required=False),
    "missing_day": Spec(_choice("refuse", "previous", "skip"), "", "a fixing day without a print", required=False),
    "restatement": Spec(_choice("latest", "first"), "", "which print of a restated day counts", required=False),
    "delivery": Spec(_choice("cash", "physical"), "", "what the venue does at the end"),
    "held_into_delivery": Spec(_choice("cash"), "", "what a run does instead of physical delivery", required=False),
    "funding": Spec(_text, "", "funding of a perpetual, in words", required=False),
    "funding_interval_hours": Spec(_choice(1, 2, 4, 8, 24), "hours", "time between fundings, from 00:00 UTC", required=False),
    "funding_cap_ppm": Spec(_PPM, "millionths", "largest funding rate by rule, either sign", required=False),
    "funding_damper_ppm": Spec(_PPM, "millionths", "how far a premium may lie from the interest and cost no more than it",
                               required=False),
    "funding_interest_ppm": Spec(_whole(-1_000_000, 1_000_000), "millionths", "funding rate without a premium", required=False),
    "funding_divisor": Spec(_whole(1, 24), "", "parts the rate is paid in, one each interval", required=False),
    "fee_per_lot": Spec(_usd, "USD per lot and side", "fee of a trade"),
    "fee_ppm": Spec(_PPM, "millionths of notional", "fee of a trade"),
    "fee_maker_per_lot": Spec(_usd, "USD per lot and side", "fee of a trade that a resting limit made, if another", required=False),
    "fee_maker_ppm": Spec(_PPM, "millionths of notional", "fee of a trade that a resting limit made, if another", required=False),
    "fee_clearing_per_lot": Spec(_usd, "USD per lot and side", "clearing fee of a trade, beside the exchange's", required=False),
    "fee_settlement_per_lot": Spec(_usd, "USD per lot", "fee of cash settlement"),
    "margin_initial_ppm": Spec(_PPM, "millionths of notional", "initial margin"),
    "margin_maintenance_ppm": Spec(_PPM, "millionths of notional", "maintenance margin"),
    "margin_initial_floor": Spec(_usd, "USD per lot", "least initial margin"),
    "margin_maintenance_floor": Spec(_usd, "USD per lot", "least maintenance margin"),
    "margin_model": Spec(_choice("percent", "per_lot", "scenario"), "", "how margin is worked out", required=False, default="percent",
                         by_assumption=True),
    "margin_grace_marks": Spec(_whole(0, 1000), "marks", "marks between a margin call and liquidation", required=False, default=0,
                               by_assumption=True),
    "margin_tiers": Spec(line_of(0, 36_500), "days", "most days to the last trade, of every tier but the last", required=False,
                         by_assumption=True),
    "margin_scenarios": Spec(table_of(scenario_row, SCENARIOS), "scanning ranges", "moves by scenario and tier", required=False,
                             by_assumption=True),
    "margin_calendar_credit_ppm": Spec(line_of(0, MILLION), "millionths of the offset legs' margin", "credit within each tier",
                                       required=False, by_assumption=True),
    "margin_tier_credit_ppm": Spec(_PPM, "millionths of the offset legs' margin", "credit across tiers", required=False,
                                   by_assumption=True),
    "margin_spread_credits": Spec(table_of(credit_row, PAIRS), "", "other product, own lots, its lots, millionths", required=False,
                                  by_assumption=True),
    "half_spread_ticks": Spec(_not_negative, "ticks", "what a market order pays beyond the bar's price"),
    "participation_ppm": Spec(_whole(1, 1_000_000), "millionths of volume", "share of a bar's volume one may take"),
    "price_band_ppm": Spec(_PPM, "millionths of mark", "largest move from the prior mark", required=False),
    "price_band_rule": Spec(_choice("refuse", "queue"), "", "an order beyond the band is refused, or waits at it", required=False,
                            default="refuse"),
    "price_minimum": Spec(_usd, "USD", "the least price an order may name: 0 where a price cannot be negative", required=False),
    "position_limit": Spec(_whole(0, 10**9), "lots", "position limit, 0 when the venue has none", required=False),
    "position_limit_spot": Spec(_whole(1, 10**9), "lots", "position limit in the spot month", required=False),
    "position_limit_spot_days": Spec(_whole(0, 100), "business days", "the spot limit counts from this many before the last trade",
                                     required=False),
    "position_accountability_single": Spec(_whole(1, 10**9), "lots", "one month: above it the venue may ask", required=False),
    "position_accountability_all": Spec(_whole(1, 10**9), "lots", "all months: above it the venue may ask", required=False),
    "days_per_year": Spec(_choice(252, 365), "days", "marks in a year"),
}
"""Every term there is, by name, in the order they are shown."""

CAPABILITY = Spec(_choice("accepted", "emulated", "refused"), "", "what a venue does with an order that uses a feature")
STATEMENT = Spec(_text, "", "a fact of a venue in words, or its own code")
