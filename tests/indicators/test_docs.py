# SPDX-License-Identifier: Apache-2.0
"""The page runs, and lists every indicator and array function."""

import doctest
import inspect
import re
from pathlib import Path

from kilohour import indicators
from kilohour.indicators import arrays

PAGE = Path(__file__).parents[2] / "docs" / "indicators.md"


def test_the_examples_run():
    failed, tried = doctest.testfile(str(PAGE), module_relative=False, optionflags=doctest.IGNORE_EXCEPTION_DETAIL)
    assert tried > 15
    assert failed == 0


def test_the_page_names_everything():
    text = PAGE.read_text(encoding="utf-8")
    listed = set(re.findall(r"`(\w+)`", text[text.index("## The list") : text.index("Sources:")]))
    assert set(indicators.__all__) <= listed
    functions = {
        n for n, f in inspect.getmembers(arrays, inspect.isfunction) if f.__module__ == arrays.__name__ and n[0] != "_"
    }
    line = next(line for line in text.splitlines() if line.startswith("`rolling_sum rolling_mean"))
    assert set(line.strip("`.").split()) == functions
