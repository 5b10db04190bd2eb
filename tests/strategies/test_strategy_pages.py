# SPDX-License-Identifier: Apache-2.0
"""Each shipped strategy has a page with its idea, formula, parameters as they are, when it loses, and an ablation that a test makes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kilohour.faces.fields import Handle, fields_of
from tests.strategies.runs import STRATEGIES

ROOT = Path(__file__).parents[2]
WORDS = {"yes": "True", "no": "False"}


def page_of(name: str) -> str:
    return (ROOT / "docs" / "strategies" / f"{name}.md").read_text(encoding="utf-8")


def told(text: str) -> dict[str, str]:
    """The parameters' table: names in backquotes and as many defaults, with commas between."""
    found: dict[str, str] = {}
    for names, values in re.findall(r"^\| (`\w+`(?:, `\w+`)*) \| ([^|]+) \|", text, flags=re.MULTILINE):
        found.update(zip(re.findall(r"\w+", names), values.strip().split(", "), strict=True))
    return found


def shown(default: object) -> str:
    return default.code if isinstance(default, Handle) else str(default)


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_page_names_every_parameter_with_its_default(name):
    table = {field: WORDS.get(value, value.replace(",", "")) for field, value in told(page_of(name)).items()}
    fields = {field.name: shown(field.default) for field in fields_of(STRATEGIES[name]) if field.is_parameter}
    assert set(table) == set(fields)
    for field, value in fields.items():
        assert table[field] == value or float(table[field]) == float(value), field


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_page_has_idea_formula_losses_and_an_ablation_with_its_test(name):
    text = page_of(name)
    file = re.search(r"## Ablation \((tests/strategies/test_\w+\.py)\)", text)
    assert file is not None
    assert (ROOT / file[1]).is_file()
    places = [text.index(words) for words in ("**Idea.**", f"kilohour backtest {name}", "## Formula", "| parameter |", "## When it loses", "## Ablation")]
    assert places == sorted(places)


def test_a_page_says_that_a_futures_profit_is_a_change_of_price():
    assert "A futures profit is a change of price, not cheapness per unit of work." in page_of("generation-roll")
