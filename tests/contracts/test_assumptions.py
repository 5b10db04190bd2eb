# SPDX-License-Identifier: Apache-2.0
"""Assumptions fill unknown terms, by name, and nothing else."""

import hashlib
from pathlib import Path

import pytest

from kilohour.contracts import Assumptions, Registry
from kilohour.errors import UnknownName, UsageError


def load(tmp_path: Path, text: str) -> Assumptions:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    return Assumptions.load(path)


def test_a_filled_term_carries_the_name_of_its_file_and_the_reason() -> None:
    gpu1 = Registry.shipped().assuming(Assumptions.load("gpu1-2026")).product("NYMEX:GPU1")
    term = gpu1.assumed_terms["margin_initial_ppm"]
    assert (term.value, term.assumed_by) == (200_000, "gpu1-2026")
    assert "AX asks 20 %" in term.source
    assert "lot" not in gpu1.assumed_terms


def test_assumptions_are_hashed(tmp_path: Path) -> None:
    text = '[[assume]]\nproducts = ["GATE:H100"]\n[assume.terms]\ntick = { value = 0.001, reason = "quotes" }\n'
    assumed = load(tmp_path, text)
    assert (assumed.name, assumed.sha256) == ("mine", hashlib.sha256(text.encode()).hexdigest())
    assert Registry.shipped().assuming(assumed).product("GATE:H100").terms["tick"].assumed_by == "mine"


def test_the_shipped_registry_is_left_as_it_is() -> None:
    Registry.shipped().assuming(Assumptions.load("gpu1-2026"))
    assert "margin_initial_ppm" in Registry.shipped().product("NYMEX:GPU1").unknown_terms


def test_an_unknown_name_comes_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match=r"unknown assumptions 'gpu1'.*did you mean 'gpu1-2026'"):
        Assumptions.load("gpu1")


ONE = '[[assume]]\nproducts = ["{}"]\n[assume.terms]\n{} = {{ value = {}, reason = "a test" }}\n'


@pytest.mark.parametrize(("text", "message"), [
    (ONE.format("NYMEX:GPU1", "lot", 100),
     "mine: NYMEX:GPU1: an assumption may fill unknown terms only, 'lot' is known (730: "
     "https://www.cftc.gov/filings/ptc/ptc08112615405.pdf [C]), found 100"),
    (ONE.format("NYMEX:CL", "chip", '"H100"'),
     "mine: NYMEX:CL: term 'chip' does not apply to this product, found H100"),
    (ONE.format("NYMEX:GPU1", "margin_initial_ppm", -1),
     "mine.toml: NYMEX:GPU1: term 'margin_initial_ppm' must be a whole number from 0 to 1000000, found -1"),
    (ONE.format("NYMEX:GPU1", "margin_initial_ppm", '"unknown"'),
     "mine.toml: NYMEX:GPU1: term 'margin_initial_ppm' must be a value, found 'unknown'"),
    ('[[assume]]\nproducts = ["NYMEX:GPU1"]\n[assume.terms]\nmargin_initial_ppm = { value = 1 }\n',
     "mine.toml: assume 1: terms: margin_initial_ppm: reason is missing"),
    ("", "mine.toml: assume is missing"),
    ("[[assume", "mine.toml: is not TOML"),
])
def test_what_an_assumption_may_not_do(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError) as error:
        Registry.shipped().assuming(load(tmp_path, text))
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("product", "term", "message"), [
    ("NYMEX:GPU3", "lot", "unknown product 'NYMEX:GPU3' in the registry, assumed by mine; did you mean 'NYMEX:GPU"),
    ("NYMEX:GPU1", "margin_initail_ppm", "unknown term 'margin_initail_ppm' in mine.toml: NYMEX:GPU1; "
                                         "did you mean 'margin_initial_ppm'"),
])
def test_misspelt_names_in_an_assumptions_file(tmp_path: Path, product: str, term: str, message: str) -> None:
    with pytest.raises(UnknownName) as error:
        Registry.shipped().assuming(load(tmp_path, ONE.format(product, term, 1)))
    assert message in str(error.value)


def test_two_files_may_not_fill_the_same_term(tmp_path: Path) -> None:
    twice = load(tmp_path, ONE.format("NYMEX:GPU1", "margin_initial_ppm", 300_000))
    with pytest.raises(UsageError, match=r"already assumed by gpu1-2026 \(200000: .*\), found 300000"):
        Registry.shipped().assuming(Assumptions.load("gpu1-2026"), twice)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nothing.toml: cannot be read \(No such file or directory\)"):
        Assumptions.load(tmp_path / "nothing.toml")
