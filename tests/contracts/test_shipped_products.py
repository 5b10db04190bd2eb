# SPDX-License-Identifier: Apache-2.0
"""The shipped registry against the facts it was written from, and its form."""

import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest

import kilohour.contracts.registry as module
from kilohour.contracts import UNKNOWN, Assumptions, Product, Registry, engine_terms
from kilohour.contracts.assumed import _FOLDER, _read
from kilohour.contracts.files import read_products

PRODUCTS = Registry.shipped().products()

# product        status    chip   lot     tick    $/tick  fee    initial  maintenance  index
FACTS = """
NYMEX:GPU1       pending   H100   730     0.01    7.30    5.50   unknown  unknown      SD-H100-US
NYMEX:GPU2       pending   B200   730     0.01    7.30    5.50   unknown  unknown      SD-B200-US
AX:NVDA-H100     listed    H100   730     0.001   0.73    0      200000   150000       DESK-H100
AX:NVDA-H200     listed    H200   730     0.001   0.73    0      200000   150000       DESK-H200
AX:NVDA-B200     listed    B200   730     0.001   0.73    0      200000   150000       DESK-B200
AX:NVDA-B300     listed    B300   730     0.001   0.73    0      200000   150000       DESK-B300
NYMEX:CL         listed    -      1000    0.01    10      unknown unknown unknown      -
NYMEX:NG         listed    -      10000   0.001   10      unknown unknown unknown      -
SIM:H100         ours      H100   730     0.01    7.30    5.50   200000   150000       SIM-H100
SIM:B200         ours      B200   730     0.01    7.30    5.50   200000   150000       SIM-B200
SIM:H200         ours      H200   730     0.01    7.30    5.50   200000   150000       SIM-H200
SIM:B300         ours      B300   730     0.01    7.30    5.50   200000   150000       SIM-B300
"""


@pytest.mark.parametrize("row", FACTS.strip().splitlines())
def test_the_terms_are_the_published_ones(row: str) -> None:
    code, status, chip, lot, tick, worth, fee, initial, maintenance, index = row.split()
    product = Registry.shipped().product(code)
    assert (product.status, product.chip or "-", product.index or "-") == (status, chip, index)
    assert (product.ratio("lot"), product.ratio("tick")) == (Fraction(lot), Fraction(tick))
    assert product.ratio("lot") * product.ratio("tick") == Fraction(worth)
    for name, value in (("fee_per_lot", fee), ("margin_initial_ppm", initial), ("margin_maintenance_ppm", maintenance)):
        assert product.terms[name].value == (UNKNOWN if value == "unknown" else Fraction(value))


def test_the_spot_limits_fees_and_band_that_are_published() -> None:
    registry = Registry.shipped()
    assert [registry.product(f"NYMEX:GPU{n}").whole("position_limit_spot") for n in (1, 2)] == [7500, 5500]
    assert registry.product("NYMEX:GPU1").ratio("fee_settlement_per_lot") == Fraction("1.35")
    assert registry.product("NYMEX:GPU1").ratio("tick_spread") * 730 == Fraction("3.65")
    assert registry.product("AX:NVDA-H100").whole("price_band_ppm") == 100_000


# What nobody has published stays unknown: a value here would be invented.
@pytest.mark.parametrize(("code", "names"), [
    ("NYMEX:GPU1", ["missing_day", "price_band_ppm", "settlement_rounding", "margin_initial_ppm", "restatement"]),
    ("AX:NVDA-H100", ["settlement", "fee_ppm", "missing_day", "region"]),
    ("GATE:H100", ["tick", "fee_ppm", "margin_initial_ppm"]),
    ("NYMEX:CL", ["margin_initial_ppm", "fee_per_lot", "listed_months"]),
])
def test_unpublished_terms_are_unknown(code: str, names: list[str]) -> None:
    assert set(names) <= set(Registry.shipped().product(code).unknown_terms)


@pytest.mark.parametrize("product", PRODUCTS, ids=lambda p: p.code)
def test_every_term_has_a_source_with_its_grade(product: Product) -> None:
    for name, term in product.terms.items():
        assert term.source.strip(), name
        assert not term.source.startswith("@"), name
        if product.venue == "SIM":
            assert term.source.startswith("our own"), name
            assert term.is_known, name
    # What we do to a real product is an assumption, not a fact of it.
    if product.venue != "SIM":
        assert {"half_spread_ticks", "participation_ppm"} <= set(product.unknown_terms)


def test_execution_is_a_fact_only_of_our_own_venue() -> None:
    assert Registry.shipped().product("SIM:H100").ratio("half_spread_ticks") == 1


def test_a_perpetual_in_tether_is_not_in_dollars() -> None:
    perpetual = Registry.shipped().product("GATE:H100")
    assert perpetual.is_perpetual
    assert (perpetual.currency, perpetual.ratio("lot")) == ("USDT", Fraction(1, 100))


@pytest.mark.parametrize("path", sorted(module._FOLDER.glob("*.toml")), ids=lambda p: p.stem)
def test_shipped_products_have_the_form_asked_of_a_users_file(path: Path) -> None:
    assert read_products(path) == read_products(path, trusted=True)


@pytest.mark.parametrize("path", sorted(_FOLDER.glob("*.toml")), ids=lambda p: p.stem)
def test_shipped_assumptions_have_the_form_asked_of_a_users_file(path: Path) -> None:
    assert _read(path, trusted=False) == Assumptions.load(path.stem)


def test_with_the_shipped_assumptions_all_but_the_perpetual_can_be_traded() -> None:
    registry = Registry.shipped().assuming(*map(Assumptions.load, Assumptions.shipped_names()))
    for product in registry.products():
        if not product.is_perpetual:
            assert engine_terms(product).half_spread_micros > 0, "costs are never zero by default"
            assert engine_terms(product).fee_per_lot_micros + engine_terms(product).fee_ppm > 0


@pytest.mark.parametrize("product", PRODUCTS, ids=lambda p: p.code)
def test_a_product_survives_writing_and_reading(product: Product) -> None:
    import json

    assert Product.from_dict(json.loads(json.dumps(product.to_dict()))) == product


def test_reading_the_registry_imports_nothing_heavy() -> None:
    code = ("import sys; from kilohour.contracts import Registry, engine_terms; "
            "engine_terms(Registry.shipped().product('SIM:H100')); "
            "heavy = {'pandas', 'pydantic', 'exchange_calendars', 'numba', 'pyarrow', 'rich'} & set(sys.modules); "
            "assert not heavy, heavy")
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
