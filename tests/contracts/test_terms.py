# SPDX-License-Identifier: Apache-2.0
"""Terms: what a value must be, and the integers the engine takes."""

import dataclasses
import datetime as dt
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kilohour.contracts import UNKNOWN, Assumptions, Product, Registry, engine_terms
from kilohour.contracts.specs import SPECS, Value
from kilohour.contracts.terms import Unknown, not_enforced, parse_term, plain, shown
from kilohour.errors import UnknownName, UnknownTerm, UsageError

# term                    value                 read as
GOOD = [
    ("lot", 730, Fraction(730)),
    ("lot", "1/100", Fraction(1, 100)),
    ("tick", Decimal("0.001"), Fraction(1, 1000)),
    ("fee_per_lot", "5.50", Fraction(11, 2)),
    ("listed_months", "36 consecutive", "36 consecutive"),
    ("listed_months", "Mar Jun Sep Dec, 12 listed", "Mar Jun Sep Dec, 12 listed"),
    ("first_listed", dt.date(2026, 10, 5), dt.date(2026, 10, 5)),
    ("first_listed", "2026-10-05", dt.date(2026, 10, 5)),
    ("days_per_year", 365, 365),
    ("trading_close", "16:00 America/Chicago", "16:00 America/Chicago"),
    ("margin_initial_ppm", "unknown", UNKNOWN),
]


@pytest.mark.parametrize(("name", "raw", "value"), GOOD)
def test_a_term_is_read(name: str, raw: object, value: Value | Unknown) -> None:
    assert parse_term(name, raw) == value
    assert parse_term(name, plain(value)) == value


@pytest.mark.parametrize(("name", "raw", "rule"), [
    ("lot", 0, "must be above 0, found 0"),
    ("lot", "a few", "must be a number or a ratio such as '1/100', found 'a few'"),
    ("lot", "1/0", "must be a number or a ratio such as '1/100', found '1/0'"),
    ("lot", True, "must be a number or a ratio such as '1/100', found True"),
    ("tick", Decimal("0.0000001"), "must be a whole number of micros (six decimals at most), found 1E-7"),
    ("tick", "-0.01", "must not be negative, found '-0.01'"),
    ("fee_ppm", 1_000_001, "must be a whole number from 0 to 1000000, found 1000001"),
    ("participation_ppm", 0, "must be a whole number from 1 to 1000000, found 0"),
    ("settlement", "mean", "must be one of mean_business_days, mean_calendar_days, "
     "volume_weighted_business_days, volume_weighted_calendar_days, single_print, last_mark, stated, found 'mean'"),
    ("missing_day", "interpolate", "must be one of refuse, previous, skip, found 'interpolate'"),
    ("listed_months", "36",
     "must read like '36 consecutive', 'Mar Jun Sep Dec, 12 listed', 'perpetual' or 'any', found '36'"),
    ("trading_close", "25:00 UTC", "must read like '20:00 UTC' or '16:00 America/Chicago', found '25:00 UTC'"),
    ("settlement_known", "tomorrow", "must read like '1 business day, 14:00 UTC', found 'tomorrow'"),
    ("first_listed", "5 October", "must be a date like 2026-10-05, found '5 October'"),
    ("days_per_year", 360, "must be one of 252, 365, found 360"),
    ("currency", "dollars", "must read like 'USD', found 'dollars'"),
])
def test_a_value_that_breaks_the_rule_is_refused(name: str, raw: object, rule: str) -> None:
    with pytest.raises(ValueError) as error:
        parse_term(name, raw)
    assert str(error.value) == rule


@given(st.fractions(min_value=Fraction(1, 1000), max_value=10**6))
def test_a_ratio_survives_writing_and_reading(value: Fraction) -> None:
    assert parse_term("lot", plain(value)) == value


@pytest.mark.parametrize(("value", "words"), [
    (Fraction(1, 100), "0.01"), (Fraction(730), "730"), (Fraction(2, 3), "2/3"), (UNKNOWN, "unknown"), ("USD", "USD"),
    (dt.date(2026, 1, 2), "2026-01-02"),
])
def test_values_are_shown_as_people_write_them(value: Value | Unknown, words: str) -> None:
    assert shown(value) == words


def test_the_engine_gets_plain_integers_of_the_embedded_market() -> None:
    assert dataclasses.asdict(engine_terms(Registry.shipped().product("SIM:H100"))) == {
        "lot_num": 730, "lot_den": 1, "tick_micros": 10_000, "rounding_micros": 100, "fee_per_lot_micros": 5_500_000,
        "fee_ppm": 0, "fee_settlement_micros": 1_350_000,
        "margin_initial_ppm": 200_000, "margin_maintenance_ppm": 150_000,
        "margin_initial_floor_micros": 200_000_000, "margin_maintenance_floor_micros": 150_000_000,
        "half_spread_micros": 10_000, "participation_ppm": 100_000, "missing_rule": 0, "restatement_latest": 1,
        "band_ppm": 0, "position_limit": 0, "spot_limit": 0, "spot_days": 0,
        "kinds_mask": -1, "lives_mask": -1, "flags_mask": -1, "spreads_mask": -1, "groups_mask": -1, "can_amend": 1,
        "order_in_halt": 1, "cancel_in_halt": 1, "band_queues": 0, "price_minimum": 0,
        "fee_maker_per_lot_micros": None, "fee_maker_ppm": None, "fee_clearing_micros": 0,
        "weighted": 0, "settles_at_mark": 0, "funding_cap": 0, "funding_damper": 0, "funding_interest": 0, "funding_divisor": 0,
        "margin_grace_marks": 0, "margin_table": None,
    }


def test_the_engine_gets_bands_and_limits_where_they_are_published() -> None:
    registry = Registry.shipped().assuming(*map(Assumptions.load, ("gpu1-2026", "ax-2026", "energy")))
    table = """
    product      band     limit  spot  days
    NYMEX:GPU1   0        0      7500  3
    NYMEX:GPU2   0        0      5500  3
    AX:NVDA-H100 100000   0      0     0
    NYMEX:CL     0        0      0     0
    SIM:H100     0        0      0     0
    """
    for row in table.strip().splitlines()[1:]:
        code, *numbers = row.split()
        terms = engine_terms(registry.product(code))
        assert [terms.band_ppm, terms.position_limit, terms.spot_limit, terms.spot_days] == list(map(int, numbers)), code


@pytest.mark.parametrize(("code", "words"), [
    ("NYMEX:GPU1", ["price band"]),
    ("AX:NVDA-H100", ["position limit", "spot month limit"]),
    ("NYMEX:NG", ["price band", "position limit", "spot month limit"]),
    ("SIM:H100", []),
])
def test_what_nobody_published_is_not_enforced_and_said_to_be(code: str, words: list[str]) -> None:
    assert not_enforced(Registry.shipped().product(code)) == words


def test_a_spot_limit_without_its_first_day_is_not_enforced() -> None:
    product = Registry.shipped().product("SIM:H100").replace(position_limit_spot=10)
    assert engine_terms(product).spot_limit == 0
    assert not_enforced(product) == ["first day of the spot month limit"]
    assert engine_terms(product.replace(position_limit_spot_days=0)).spot_limit == 10


def test_the_engine_gets_ax_and_energy_under_their_assumptions() -> None:
    registry = Registry.shipped().assuming(Assumptions.load("ax-2026"), Assumptions.load("energy"))
    ax = engine_terms(registry.product("AX:NVDA-B300"))
    assert (ax.tick_micros, ax.fee_ppm, ax.half_spread_micros, ax.missing_rule) == (1_000, 500, 10_000, 1)
    gas = engine_terms(registry.product("NYMEX:NG"))
    assert (gas.lot_num, gas.tick_micros, gas.rounding_micros, gas.half_spread_micros) == (10_000, 1_000, 1_000, 3_000)


def test_a_lot_of_a_hundredth_stays_exact() -> None:
    perpetual = {"listed_months": "perpetual", "last_trade": "never"}
    terms = engine_terms(Product.simple("MY:PERP", lot="1/100", tick="0.001", **perpetual))
    assert (terms.lot_num, terms.lot_den) == (1, 100)


@pytest.mark.parametrize(("code", "term", "way"), [
    ("NYMEX:GPU1", "settlement_rounding", "fill it with the assumptions gpu1-2026 (--assume gpu1-2026)"),
    ("AX:NVDA-H100", "settlement", "fill it with the assumptions ax-2026 (--assume ax-2026)"),
    ("NYMEX:CL", "held_into_delivery", "fill it with the assumptions energy (--assume energy)"),
    ("GATE:H100", "tick", "no shipped assumptions fill it: write your own file and pass it with --assume FILE"),
])
def test_an_unknown_term_names_what_would_fill_it(code: str, term: str, way: str) -> None:
    with pytest.raises(UnknownTerm) as error:
        engine_terms(Registry.shipped().product(code))
    assert str(error.value).startswith(f"{code}: term '{term}' is unknown (")
    assert str(error.value).endswith(way)
    assert "\n" not in str(error.value)


def test_half_a_spread_must_be_whole_micros() -> None:
    odd = Registry.shipped().product("SIM:H100").replace(tick="0.000001", half_spread_ticks="1/2")
    with pytest.raises(UsageError, match="half_spread_ticks × tick must be a whole number of micros, found 1/2"):
        engine_terms(odd)


def test_asking_for_what_is_no_term_or_does_not_apply() -> None:
    wti = Registry.shipped().product("NYMEX:CL")
    with pytest.raises(UnknownName, match="unknown term 'margin' in NYMEX:CL"):
        wti.term("margin")
    with pytest.raises(UsageError, match="NYMEX:CL: term 'chip' does not apply to this product"):
        wti.term("chip")
    assert wti.get("chip") is None
    assert wti.chip is None
    assert wti.index is None


def test_every_term_says_what_it_means() -> None:
    assert all(spec.meaning for spec in SPECS.values())
