# SPDX-License-Identifier: Apache-2.0
"""Rolls and broken legs in the report: counters by hand, a row a break."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kilohour.reports.folder import RunFolder
from kilohour.reports.rolls import broken_legs, rolls
from kilohour.reports.table import Table

DAY = 86_400 * 10**9
NAN = float("nan")


def folder_of(**columns: list[float]) -> RunFolder:
    """A run that recorded these columns, one row a day from 2020-01-02 on."""
    count = len(next(iter(columns.values()), []))
    numbers: dict[str, Any] = {"ts": (18_263 + np.arange(count)) * DAY, **{name: np.array(values) for name, values in columns.items()}}
    return RunFolder(Path("nowhere"), {}, {"records": Table("records", count, numbers, {})})


def test_every_broken_leg_has_a_row_with_its_own_cost():
    """One breaks on the second day and costs 30 when it is closed on the third; two on the fifth, 12.5 at once."""
    run = folder_of(legs_broken=[0, 1, 1, NAN, 3, 3], broken_cost=[0, 0, 30, NAN, 42.5, 42.5])
    assert broken_legs(run) == [(18_264 * DAY, 1, 30.0), (18_267 * DAY, 2, 12.5)]
    page = rolls(run)
    assert "3 legs broke, at a cost of $42.50 before fees." in page
    assert page.index("2020-01-03") < page.index("$30.00") < page.index("2020-01-06") < page.index("$12.50")


def test_a_leg_that_breaks_on_the_first_day_and_is_never_closed_costs_nothing_yet():
    assert broken_legs(folder_of(legs_broken=[1, 1], broken_cost=[0, 0])) == [(18_263 * DAY, 1, 0.0)]


def test_rolls_are_told_in_a_sentence():
    page = rolls(folder_of(rolls=[0, 12], forced_lots=[0, 7], stranded_lots=[NAN, 0], legs_broken=[0, 0], broken_cost=[0, 0]))
    assert "12 rolls. 7 lots were left when the deadline came and went at the market; 0 could not be traded in time" in page
    assert "No leg broke" in page


@pytest.mark.parametrize("run", [folder_of(), folder_of(z=[1.0, 2.0])])
def test_a_strategy_without_components_has_no_such_part(run):
    assert rolls(run) == ""
