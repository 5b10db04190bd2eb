# SPDX-License-Identifier: Apache-2.0
"""The generation roll: when it moves, how it moves, and what whole lots leave open."""

import math
from typing import Any

import numpy as np
import pytest

import kilohour as kh
from kilohour.strategies.generation_roll import GenerationRoll
from tests.strategies.runs import made, market

PARAMETERS: dict[str, Any] = {"months": 3, "known_from": 20250101}


def priced(ratio, old=3.0, **how):
    """A tape on which every month of the new chip costs ``ratio(session)`` times the old one's."""
    return made({"SIM:H100": lambda _s, _m: old, "SIM:B200": lambda s, _m: old * ratio(s)}, **{"sessions": 200, **how})


def moves(run):
    return int(np.abs(np.diff(run.records.on_new.to_numpy())).sum())


def held(run, product):
    lots = run.positions[run.positions.contract.str.startswith(product)].lots
    return lots.groupby(level=0).sum().reindex(run.equity.index, fill_value=0)


@pytest.mark.parametrize(("ratio", "moved"), [
    (1.70, 1),   # cheaper even if an hour of the new chip does only 1.8 hours' work
    (1.80, 0),   # equal at the low end: not cheaper over the whole range
    (2.00, 0),   # cheaper at 2.4, dearer at 1.8: a conclusion counts only if it holds across the range
    (2.39, 0),
    (3.50, 0),
])  # fmt: skip
def test_it_moves_only_when_the_work_is_cheaper_over_the_whole_range(ratio, moved):
    run = kh.backtest(GenerationRoll, priced(lambda _s: ratio), factor_low=1.8, factor_high=3.0, **PARAMETERS)
    assert moves(run) == moved


def test_nothing_moves_before_the_factor_is_known():
    run = kh.backtest(GenerationRoll, priced(lambda _s: 1.5), months=3, known_from=20250601)
    first = run.records.index[run.records.on_new > 0][0]
    assert str(first)[:10] == "2025-06-06", "the fifth bar from Monday 2025-06-02 on"


def test_hysteresis_holds_between_the_bounds_and_without_it_the_exposure_churns():
    """The ratio waves around the factor by 8 %. The range and the edge hold still; one bare threshold moves each wave."""
    tape = priced(lambda s: 2.39 * (1.0 + 0.08 * math.sin(s / 4.0)))
    still = kh.backtest(GenerationRoll, tape, **PARAMETERS)
    bare = kh.backtest(GenerationRoll, tape, factor_low=2.39, factor_high=2.39, edge=0.0, patience=1, **PARAMETERS)
    waves = 200 / (2 * math.pi * 4)
    assert moves(still) == 0
    assert moves(bare) == pytest.approx(2 * waves, abs=2)
    assert bare.result["fees_usd"] > 3 * still.result["fees_usd"]


def test_it_comes_back_only_above_the_top_of_the_range():
    steps = [2.6, 2.0, 2.39, 2.50, 2.60]  # old; to the new; stay; stay; back (2.53 and 2 % is 2.58)
    run = kh.backtest(GenerationRoll, priced(lambda s: steps[s // 40]), **PARAMETERS)
    assert [float(run.records.on_new.iloc[40 * k + 39]) for k in range(5)] == [0.0, 1.0, 1.0, 1.0, 0.0]


def test_a_few_days_are_not_enough():
    dips = kh.backtest(GenerationRoll, priced(lambda s: 2.0 if s % 10 < 4 else 2.39), **PARAMETERS)
    assert moves(dips) == 0


@pytest.mark.parametrize(("interest", "moved"), [(419, 0), (420, 1)])
def test_liquidity_must_have_arrived(interest, moved):
    """21 lots a month are 5 % of 420."""
    run = kh.backtest(GenerationRoll, priced(lambda _s: 2.0, interest=interest), **PARAMETERS)
    assert moves(run) == moved


def test_in_a_thin_market_the_purchase_leads_and_the_sale_follows():
    """100 lots trade a day, ten are ours. 36,500 hours are 50 lots of the old chip, 21 of the new (20.92 at 2.39).

    Missing after 10 new lots: 36,500 - 17,447 = 19,053 hours, 26 old lots; after 20: 1,606 hours, 2 old lots.
    """
    run = kh.backtest(GenerationRoll, priced(lambda s: 2.6 if s < 45 else 2.0, volume=100), **PARAMETERS)
    first = int(np.argmax(run.records.on_new.to_numpy() > 0))
    rows = []
    for when in run.equity.index[first:first + 8]:
        now = run.positions[(run.positions.index == when) & run.positions.contract.str.endswith("2025-07")]
        lots = dict(zip(now.contract.str[4:8], now.lots, strict=True))
        rows.append((lots.get("H100", 0), lots.get("B200", 0)))
    assert rows == [(50, 0), (50, 10), (40, 20), (30, 21), (20, 21), (10, 21), (0, 21), (0, 21)]


def test_whole_lots_leave_a_residual_that_is_shown_with_its_range():
    run = kh.backtest(GenerationRoll, priced(lambda _s: 2.0), **PARAMETERS)
    last = run.records.iloc[-1]
    assert last.on_new == 1.0
    assert held(run, "SIM:H100").iloc[-1] == 0
    assert held(run, "SIM:B200").iloc[-1] == 63
    assert last.residual == pytest.approx(3 * 36_500 - 63 * 730 * 2.39)         # -414.1 hours: a little too much
    assert last.residual_if_low == pytest.approx(3 * 36_500 - 63 * 730 * 2.25)  # 6,022.5 hours short
    assert last.residual_if_high == pytest.approx(3 * 36_500 - 63 * 730 * 2.53)


def test_the_strip_rolls_and_nothing_is_held_into_its_fixing():
    run = kh.backtest(GenerationRoll, market(), months=3)
    assert run.result["settlements"] == 0
    months = run.positions.groupby(level=0).contract.nunique()
    assert months.iloc[60:].max() <= 8


def test_strips_of_other_months_are_refused():
    tape = made({"SIM:H100": lambda _s, _m: 3.0, "SIM:H200": lambda _s, _m: 3.0}, sessions=30)
    with pytest.raises(kh.KilohourError, match="must list the same delivery months"):
        kh.backtest(GenerationRoll, tape, new="SIM:H200", **PARAMETERS)
