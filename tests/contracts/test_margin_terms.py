# SPDX-License-Identifier: Apache-2.0
"""Margin terms as people write them: the three models, the tables, and what a hole in one says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kilohour.contracts import Assumptions, Product, Registry, engine_terms
from kilohour.errors import UsageError

GOOD: dict[str, Any] = {
    "margin_model": "scenario", "margin_tiers": [93], "margin_scenarios": [["1", "0.9"], [-1, "-0.9"]],
    "margin_calendar_credit_ppm": [900_000, 950_000], "margin_tier_credit_ppm": 850_000,
    "margin_spread_credits": [["SIM:B200", 2, 1, 500_000]],
}


def product(**changed: Any) -> Product:
    values = {name: value for name, value in {**GOOD, **changed}.items() if value is not None}
    return Registry.shipped().product("SIM:H100").replace(**values)


def test_tables_become_whole_numbers_and_survive_writing() -> None:
    table = engine_terms(product()).margin_table
    assert table is not None
    assert table.scenarios == ((1_000_000, 900_000), (-1_000_000, -900_000))
    assert (table.tier_days, table.calendar_credits, table.tier_credit_ppm) == ((93,), (900_000, 950_000), 850_000)
    assert table.spread_credits == (("SIM:B200", 2, 1, 500_000),)
    assert table.maintenance_share_ppm == 750_000
    again = Product.from_dict(product().to_dict())
    assert again == product()
    assert engine_terms(again).margin_table == table


@pytest.mark.parametrize(("changed", "message"), [
    ({"margin_scenarios": [["1", "0.9"], ["-1"]]}, "margin_scenarios: scenario 2 must have a move for each of 2 tiers, found -1"),
    ({"margin_scenarios": [["1", "0.9"], [-1, None]]}, "term 'margin_scenarios' scenario 2, tier 2: must be a number, found"),
    ({"margin_scenarios": [["1", "0.9"], []]}, "term 'margin_scenarios' scenario 2: must have a move for each tier, found"),
    ({"margin_scenarios": [["1", "0.9"], ["-1", "-0.8"]]},
     "margin_scenarios: scenario 1 must have its opposite among the scenarios, found 1 0.9"),
    ({"margin_scenarios": [["1", 0], ["-1", 0]]}, "margin_scenarios: tier 2 must move in some scenario, found 0 in all"),
    ({"margin_scenarios": [["1", "4"], ["-1", "-4"]]}, "scenario 1, tier 2: must be at most 3 and have six decimals at most"),
    ({"margin_scenarios": [["1/3", 1], ["-1/3", -1]]}, "scenario 1, tier 1: must be at most 3 and have six decimals at most"),
    ({"margin_scenarios": [[1, 1]] * 17}, "must be a table of 1 to 16 rows"),
    ({"margin_scenarios": None}, "term 'margin_scenarios' is missing; margin_model 'scenario' needs it"),
    ({"margin_tiers": [93, 93]}, "margin_tiers must rise, found 93 93"),
    ({"margin_tiers": [93, 365]}, "margin_calendar_credit_ppm must have a number for each of 3 tiers, found 2"),
    ({"margin_tiers": [1, 2, 3, 4], "margin_calendar_credit_ppm": [1, 1]}, "margin_tiers must make at most 4 tiers, found 5"),
    ({"margin_calendar_credit_ppm": [900_000, 1_000_001]}, "number 2: must be a whole number from 0 to 1000000"),
    ({"margin_spread_credits": [["SIM:B200", 2, 1]]}, "credit 1: must be a product, own lots, its lots and millionths"),
    ({"margin_spread_credits": [["SIM:B200", 0, 1, 5]]}, "credit 1, lots: must be a whole number from 1 to 100"),
    ({"margin_spread_credits": [["SIM:B200", 1, 1, 5]] * 2}, "credit 2 must name another product, and each once, found SIM:B200"),
    ({"margin_spread_credits": [["SIM:H100", 1, 1, 5]]}, "credit 1 must name another product, and each once, found SIM:H100"),
    ({"margin_spread_credits": [["b200", 1, 1, 5]]}, "credit 1: must begin with a product's code"),
    ({"margin_maintenance_floor": 149}, "must be the same share of initial margin when margin_model is 'scenario', found 150000 and 149"),
    ({"margin_initial_ppm": 0, "margin_maintenance_ppm": 0, "margin_initial_floor": 0, "margin_maintenance_floor": 0},
     "margin_initial_ppm or margin_initial_floor must be above 0: it is the scanning range"),
    ({"margin_model": "span"}, "term 'margin_model' must be one of percent, per_lot, scenario, found 'span'"),
    ({"margin_model": "percent"}, "margin_tiers needs margin_model 'scenario', found 'percent'"),
    ({"margin_grace_marks": -1}, "term 'margin_grace_marks' must be a whole number from 0 to 1000, found -1"),
])
def test_a_table_with_a_hole_is_refused_with_its_row(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as error:
        product(**changed)
    assert str(error.value).startswith("SIM:H100: ")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_per_lot_has_no_percentages() -> None:
    sim = Registry.shipped().product("SIM:H100")
    with pytest.raises(UsageError, match="margin_initial_ppm must be 0 when margin_model is 'per_lot', found 200000"):
        sim.replace(margin_model="per_lot")
    terms = engine_terms(sim.replace(margin_model="per_lot", margin_initial_ppm=0, margin_maintenance_ppm=0))
    assert (terms.margin_initial_ppm, terms.margin_initial_floor_micros, terms.margin_table) == (0, 200_000_000, None)


def test_the_shipped_scenarios_leave_the_product_as_it_was() -> None:
    shipped = Registry.shipped()
    assert engine_terms(shipped.product("SIM:H100")).margin_table is None
    filled = shipped.assuming(Assumptions.load("sim-scenario-margin"))
    for code in ("SIM:H100", "SIM:B200", "SIM:H200", "SIM:B300"):
        table = engine_terms(filled.product(code)).margin_table
        assert table is not None
        assert len(table.scenarios) == 16
        assert max(row[0] for row in table.scenarios) == 1_000_000  # an outright in front asks the product's initial margin
        assert filled.product(code).terms["margin_model"].assumed_by == "sim-scenario-margin"


def test_an_assumption_may_choose_a_model_once_and_names_its_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('[[assume]]\nproducts = ["SIM:H100"]\n[assume.terms]\nmargin_model = { value = "scenario", reason = "a test" }\n')
    with pytest.raises(UsageError, match="mine: SIM:H100: term 'margin_tiers' is missing; margin_model 'scenario' needs it"):
        Registry.shipped().assuming(Assumptions.load(file))
    file.write_text('[[assume]]\nproducts = ["SIM:H100"]\n[assume.terms]\nmargin_grace_marks = { value = 2, reason = "a test" }\n')
    once = Registry.shipped().assuming(Assumptions.load(file))
    assert engine_terms(once.product("SIM:H100")).margin_grace_marks == 2
    with pytest.raises(UsageError, match="'margin_grace_marks' is already assumed by mine"):
        once.assuming(Assumptions.load(file))
