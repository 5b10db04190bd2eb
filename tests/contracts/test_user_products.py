# SPDX-License-Identifier: Apache-2.0
"""A user's own products: from a TOML file of the shipped form, or from Python in one call."""

import json
from fractions import Fraction
from pathlib import Path

import pytest

from kilohour.contracts import NEVER, Product, Registry, engine_terms
from kilohour.contracts.registry import _FOLDER
from kilohour.errors import UnknownName, UsageError
from kilohour.units import date_of

SIM = (_FOLDER / "sim.toml").read_text()


def mine(tmp_path: Path, text: str) -> Registry:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    return Registry.shipped(path)


def own(text: str = SIM) -> str:
    return text.replace('"SIM:', '"MY:')


def test_a_users_file_stands_beside_the_shipped_products(tmp_path: Path) -> None:
    registry = mine(tmp_path, own())
    assert registry.product("MY:H100").terms == registry.product("SIM:H100").terms
    assert registry.contract("MY:H100-2027-03").fixing_days == registry.contract("SIM:H100-2027-03").fixing_days


def test_bare_decimals_are_exact(tmp_path: Path) -> None:
    text = own().replace('value = "0.01"', "value = 0.01")
    assert mine(tmp_path, text).product("MY:H100").ratio("tick") == Fraction(1, 100)


def test_a_calendar_of_ones_own(tmp_path: Path) -> None:
    text = own().replace('value = "XNYS"', 'value = "MINE"') + """
[[calendar]]
name = "MINE"
base = "XNYS"
exceptions = [{ days = [2026-12-31], open = false, reason = "the office is closed" }]
"""
    contract = mine(tmp_path, text).contract("MY:H100-2026-12")
    assert len(contract.fixing_days) == 21
    assert "calendar MINE (XNYS of exchange_calendars" in contract.rule


@pytest.mark.parametrize(("old", "new", "message"), [
    ('value = 730,', 'value = -730,', "mine.toml: MY:H100: term 'lot' must be above 0, found -730"),
    ('lot = { value = 730,', 'lott = { value = 730,',
     "unknown term 'lott' in mine.toml: MY:H100; did you mean 'lot'"),
    ('fee_ppm = { value = 0, source = "our own" }\n', '', "mine.toml: MY:H100: term 'fee_ppm' is missing; "
                                                          'write "unknown" when nobody has published it'),
    ('fee_ppm = { value = 0, source = "our own" }', 'fee_ppm = { value = 0 }',
     "mine.toml: common: terms: fee_ppm: source is missing"),
    ('fee_ppm = { value = 0, source = "our own" }', 'fee_ppm = 0',
     "mine.toml: common: terms: fee_ppm: must be a table, found 0"),
    ('fee_ppm = { value = 0, source = "our own" }', 'fee_ppm = { value = 0, source = "@filing" }',
     "mine.toml: MY:H100: term 'fee_ppm': source @filing is not in [sources] (known: none)"),
    ('name = "Simulated H100', 'colour = "red"\nname = "Simulated H100',
     "mine.toml: product MY:H100: colour: no such key is known here, found 'red'"),
    ('code = "MY:H100"', 'code = "h100"',
     "mine.toml: a product code must read VENUE:PRODUCT in capitals, found 'h100'"),
    ('code = "MY:H100"', 'code = "SIM:H100"',
     "mine.toml: product SIM:H100 is in the registry already: give yours another code"),
    ('value = "last_business_day_of_month"', 'value = "never"',
     "mine.toml: MY:H100: last_trade must be 'never' for a perpetual and only there, "
     "found 'never' with listed_months '36 consecutive'"),
    ('margin_maintenance_ppm = { value = 150_000', 'margin_maintenance_ppm = { value = 250_000',
     "mine.toml: MY:H100: margin_maintenance_ppm must not be above margin_initial_ppm (200000), found 250000"),
    ('code = "MY:H100"', 'code = MY:H100', "is not TOML"),
])
def test_a_bad_file_is_refused_in_one_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = own()
    assert old in text
    with pytest.raises(UsageError) as error:
        mine(tmp_path, text.replace(old, new, 1))
    assert message in str(error.value)
    assert "mine.toml" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_without_products_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"mine\.toml: product is missing"):
        mine(tmp_path, "")


def test_a_simple_product_trades_any_name_at_a_cost() -> None:
    product = Product.simple("MY:GPU", lot=730, tick=0.01)
    terms = engine_terms(product)
    assert (terms.lot_num, terms.tick_micros) == (730, 10_000)
    assert (terms.fee_ppm, terms.half_spread_micros, terms.participation_ppm) == (100, 10_000, 100_000)
    front = product.contract_named("front month")
    assert (front.code, front.month, front.last_trade_at) == ("MY:GPU-front month", 0, NEVER)


@pytest.mark.parametrize("name", ["MY:GPU-2027-02", "2027-02", "202702", "GPU-2027-02"])
def test_a_simple_product_knows_a_month_when_it_sees_one(name: str) -> None:
    contract = Product.simple("MY:GPU", lot=730, tick="0.01").contract_named(name)
    assert (contract.code, contract.month) == ("MY:GPU-2027-02", 202702)
    # The end of 28 February 2027, UTC.
    assert contract.last_trade_at == contract.settlement_at == 1803859140 * 10**9


def test_a_simple_product_takes_other_terms_by_name() -> None:
    product = Product.simple("MY:GPU", lot="1/2", tick="0.01", currency="EUR", fee_per_lot=1.25, chip="H100",
                             last_trade="last_business_day_of_month", calendar_fixing="XNYS")
    assert (product.currency, product.chip, product.ratio("fee_per_lot")) == ("EUR", "H100", Fraction(5, 4))
    assert str(date_of(product.last_trade_day(202702))) == "2027-02-26"
    with pytest.raises(UnknownName, match="unknown term 'fee'"):
        Product.simple("MY:GPU", lot=1, tick="0.01", fee=1)
    with pytest.raises(UsageError, match=r"MY:GPU: term 'tick' must be above 0, found 0"):
        Product.simple("MY:GPU", lot=1, tick=0)


def test_a_month_that_is_none_is_refused_not_held_for_ever() -> None:
    with pytest.raises(UsageError, match="month of 01 to 12, found 202713"):
        Product.simple("MY:GPU", lot=730, tick="0.01").contract_named("2027-13")


def test_a_name_that_fits_no_contract_of_a_listed_product_is_refused() -> None:
    with pytest.raises(UsageError, match=r"SIM:H100: a contract must be named by its code, by a symbol like SH100Z26 "
                                         "or by its month, found 'front'"):
        Registry.shipped().product("SIM:H100").contract_named("front")


def test_a_replaced_term_leaves_the_product_it_came_from() -> None:
    product = Registry.shipped().product("SIM:H100")
    dearer = product.replace(half_spread_ticks=3, name="wide")
    assert (dearer.ratio("half_spread_ticks"), product.ratio("half_spread_ticks")) == (Fraction(3), Fraction(1))
    assert (dearer.name, dearer.terms["half_spread_ticks"].source) == ("wide", "our own")


def test_a_simple_product_travels_as_json() -> None:
    product = Product.simple("MY:GPU", lot="1/100", tick="0.001")
    assert Product.from_dict(json.loads(json.dumps(product.to_dict()))) == product
