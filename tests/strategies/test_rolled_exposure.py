# SPDX-License-Identifier: Apache-2.0
"""Rolled exposure in the engine: out before every window, one contract at a time, and what each way of rolling costs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import kilohour as kh
from kilohour.errors import UsageError
from kilohour.strategies.rolled_exposure import RolledExposure
from kilohour.trading import WorkFactors, set_factors
from kilohour.units import NANOS_PER_DAY
from tests.strategies.runs import market

WAYS: dict[str, dict[str, Any]] = {
    "spread": {}, "spread at the market": {"at_market": True}, "legs": {"as_spread": False, "naked_most": 10},
    "shares": {"stages": 3}, "short": {"hours": -36_500.0}, "by interest": {"trigger": 2}, "by volume": {"trigger": 1},
    "a new chip": {"move_on": 20260301},
}


@pytest.fixture(scope="module")
def runs():
    return {name: kh.backtest(RolledExposure, market(), **parameters) for name, parameters in WAYS.items()}


def windows():
    return {contract.code: min(contract.fixing_days) * NANOS_PER_DAY for contract in market().contracts}


def in_window(run):
    """Lots of each contract at the first mark of its fixing window."""
    begins = windows()
    held = run.positions[[when.value >= begins[code] for when, code in zip(run.positions.index, run.positions.contract, strict=True)]]
    return held.groupby("contract").lots.first().abs()


@pytest.mark.parametrize("way", WAYS)
def test_ten_lots_are_never_held_in_a_fixing_window(way):
    run = kh.backtest(RolledExposure, market(), **{**WAYS[way], "hours": -7_300.0 if way == "short" else 7_300.0})
    assert in_window(run).sum() == run.records.window_lots.iloc[-1] == 0
    assert run.result["settlements"] == run.records.stranded_lots.iloc[-1] == 0
    assert run.records.rolls.iloc[-1] > 40


@pytest.mark.parametrize("way", WAYS)
def test_what_a_thin_market_does_not_take_in_time_is_counted_and_nothing_settles(runs, way):
    """Fifty lots, where ten trade on a day in the first month."""
    assert runs[way].records.window_lots.iloc[-1] == in_window(runs[way]).sum()
    assert runs[way].result["settlements"] == runs[way].records.stranded_lots.iloc[-1] == 0


@pytest.mark.parametrize("way", WAYS)
def test_fifty_lots_stay_fifty_lots_whatever_carries_them(runs, way):
    """Long or short; never more than two contracts, and never more than fifty lots and what may stand naked."""
    positions = runs[way].positions[runs[way].positions.lots != 0]
    lots = positions.groupby(level=0).lots.agg(["sum", "count"])
    assert lots["count"].max() <= 2
    assert lots["sum"].abs().max() <= 50 + 10
    assert len(set(np.sign(positions.lots))) == 1
    if way != "a new chip":
        phase = runs[way].records.roll_phase
        holding = set(phase.index[phase == 1.0].normalize())
        steady = lots["sum"].abs()[[day in holding for day in lots.index.normalize()]].iloc[30:]
        assert (steady == 50).mean() > 0.85, "the rest are days on which what was forced is bought back"


def test_a_limit_on_the_spread_pays_less_than_the_market(runs):
    """The ablation: the same rolls, first with a limit at the last prices, then at the market."""
    limit, at_market = (float(runs[way].fills.half_spread_micros.sum()) for way in ("spread", "spread at the market"))
    assert limit < 0.75 * at_market
    assert runs["spread"].result["net_usd"] > runs["spread at the market"].result["net_usd"]


def test_the_new_chip_holds_the_same_work_to_the_nearest_lot(runs):
    """36,500 hours at 2.39 are 20.92 lots of the new chip; 21 do 139.15 hours too many."""
    last = runs["a new chip"].records.iloc[-1]
    assert last.hours_open == pytest.approx(36_500 - 21 * 730 * 2.39)
    held = runs["a new chip"].positions
    old = held[held.contract.str.startswith("SIM:H100") & (held.lots != 0)]
    assert "2026-03-01" < str(old.index[-1])[:10] < "2026-03-20"


def test_held_into_settlement_when_asked():
    run = kh.backtest(RolledExposure, market(), into_settlement=True)
    assert run.result["settlements"] >= 45
    assert run.records.rolls.iloc[-1] == 0
    assert set(run.settlements.lots) == {50}


@pytest.mark.parametrize(("parameters", "words"), [
    ({"move_on": 20260301, "factor": 0.0}, r"work factors: the factor of 20260301 must be above 0 and at most 1e6, found 0"),
    ({"move_on": 20260301, "factor": -2.39}, r"the factor of 20260301 must be above 0 and at most 1e6, found -2.39"),
    ({"move_on": 20260301, "factor": float("nan")}, "must be above 0 and at most 1e6, found nan"),
    ({"move_on": 123}, "days must be YYYYMMDD in increasing order, found 123"),
    ({"hours": 0.0}, "hours must be from -1e9 to 1e9 and not 0"),
    ({"trigger": 4}, "Roll.trigger must be from 0 to 3, found 4"),
    ({"days": 7, "forced_days": 7}, "Roll.forced_days must be below days, found 7 and 7"),
    ({"stages": 0}, "Roll.stages must be from 1 to 100, found 0"),
    ({"naked_most": 0}, "LeggedSpread.naked_most must be from 1"),
])  # fmt: skip
def test_parameters_that_make_no_sense_are_named(parameters, words):
    with pytest.raises(UsageError, match=words):
        RolledExposure(**parameters)


def test_a_table_of_factors_must_be_in_order_and_fit():
    for rows, words in (([(20260301, 2.0), (20260301, 2.1)], "found 20260301 after 20260301"),
                        ([(20250101 + i, 2.0) for i in range(9)], "at most 8 rows")):
        with pytest.raises(UsageError, match=words):
            set_factors(WorkFactors(capacity=8), rows)


def test_a_factor_is_used_from_its_day_on():
    table: Any = WorkFactors(capacity=4)
    set_factors(table, [(20250204, 2.0), (20260301, 2.39)])

    class Today:
        def __init__(self, date):
            self.today = date

        def date(self):
            return self.today

        def unit_count(self, _contract):
            return 730.0

    with pytest.raises(ValueError, match="none is known yet"):
        table.factor(Today(20250203))
    assert [table.factor(Today(day)) for day in (20250204, 20260228, 20260301, 20270101)] == [2.0, 2.0, 2.39, 2.39]
    assert table.lots(Today(20260301), 36_500.0, 0) == 21
    assert table.residual(Today(20260301), 36_500.0, 0, 21) == pytest.approx(36_500 - 21 * 730 * 2.39)
