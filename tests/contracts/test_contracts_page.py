# SPDX-License-Identifier: Apache-2.0
"""The page on contracts runs: its Python blocks as doctests, its TOML blocks as a user's files."""

import doctest
import re
from pathlib import Path

from kilohour.contracts import Assumptions, Registry, engine_terms
from kilohour.contracts.specs import SPECS

PAGE = Path(__file__).parents[2] / "docs" / "contracts.md"


def test_the_python_blocks_run() -> None:
    text = re.sub(r"^```.*$", "", PAGE.read_text(), flags=re.MULTILINE)
    test = doctest.DocTestParser().get_doctest(text, {}, "contracts.md", str(PAGE), 0)
    result = doctest.DocTestRunner().run(test)
    assert (result.failed, result.attempted > 8) == (0, True)


def test_the_toml_blocks_load(tmp_path: Path) -> None:
    assumed, product = re.findall(r"```toml\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    (tmp_path / "our.toml").write_text(assumed)
    (tmp_path / "my.toml").write_text(product)
    assert Assumptions.load(tmp_path / "our.toml").terms["NYMEX:GPU2"]["margin_initial_ppm"].value == 250_000
    swap = Registry.shipped(tmp_path / "my.toml").product("OTC:H100-SWAP")
    assert engine_terms(swap).restatement_latest == 0
    assert len(swap.contract(202802).fixing_days) == 29


def test_the_page_names_only_terms_that_exist() -> None:
    names = {name for row in re.findall(r"^\| (`.*?) \|", PAGE.read_text().partition("| term |")[2], flags=re.MULTILINE)
             for name in re.findall(r"`([a-z_]+)`", row)}
    assert names <= set(SPECS)
    assert len(names) > 6
