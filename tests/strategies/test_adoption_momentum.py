# SPDX-License-Identifier: Apache-2.0
"""Adoption momentum: the surprise, its sign, its decay, restated prints, the months it is held in."""

import datetime as dt
import itertools
import math
from typing import Any

import numpy as np
import pytest

import kilohour as kh
from kilohour.strategies.adoption_momentum import AdoptionMomentum
from kilohour.units import day_of
from tests.strategies.runs import made, market

PARAMETERS: dict[str, Any] = {"product": "SIM:H100", "warmup": 3, "threshold": 0.5}


class LevelOnly(AdoptionMomentum):
    """The ablation: adoption that grows is bought, whatever was expected of it."""

    def surprise(self, years: float, value: float) -> float:
        return 1.0 if self.curve.rate() > 0.0 else 0.0


def price(session, _months):
    return 3.0 * math.exp(0.02 * math.sin(2.1 * session) + 0.01 * math.sin(0.9 * session))


def month_ends(count, first=(2023, 1)):
    start = first[0] * 12 + first[1]
    return [dt.date((start + k) // 12, (start + k) % 12 + 1, 1) - dt.timedelta(days=1) for k in range(count)]


def logistic(day, rate=0.8, noise=0.0, k=0):
    years = day_of(day) / 365.25
    logit = rate * (years - 58.0) + noise * math.sin(2.5 * k)
    return 6000.0 / (1.0 + math.exp(-logit))


def published(values, first=(2023, 1), lag=45):
    return [(day_of(day), day_of(day) + lag, value) for day, value in zip(month_ends(len(values), first), values, strict=True)]


def boom_and_winter():
    """Twenty months on the curve with a little noise, eight of boom, twelve in which nobody is added."""
    values = [logistic(day, noise=0.01, k=k) for k, day in enumerate(month_ends(20))]
    for _ in range(8):
        values.append(values[-1] * 1.10)
    return values + [values[-1]] * 12


def net_lots(run):
    return run.positions.groupby(level=0).lots.sum().reindex(run.equity.index, fill_value=0)


def test_long_in_a_boom_short_in_a_winter_and_without_the_surprise_never_short():
    tape = made({"SIM:H100": price}, sessions=720, first=dt.date(2023, 3, 1), adoption=published(boom_and_winter()))
    run, level = (kh.backtest(face, tape, interpreted=face is LevelOnly, **PARAMETERS) for face in (AdoptionMomentum, LevelOnly))
    lots, always = net_lots(run), net_lots(level)
    assert lots["2025-02-01":"2025-05-01"].min() > 0
    assert lots["2025-10-20":"2025-11-14"].max() < 0
    assert always["2025-02-01":"2025-11-14"].min() > 0


def test_the_view_halves_between_prints():
    tape = made({"SIM:H100": price}, sessions=720, first=dt.date(2023, 3, 1), adoption=published(boom_and_winter()))
    view = kh.backtest(AdoptionMomentum, tape, half_life=20.0, limit=100.0, **PARAMETERS).records.view
    days = [(b - a).days for a, b in itertools.pairwise(view.index)]
    calm = [(after / before, 0.5 ** (gap / 20.0)) for before, after, gap in zip(view[:-1], view[1:], days, strict=True)
            if before != 0.0]
    kept = [math.isclose(found, expected, rel_tol=1e-9) for found, expected in calm]
    assert len(kept) - sum(kept) <= 40, "only on the days of one of the 40 prints may it do anything else"
    assert sum(kept) > 200


def test_a_restated_print_takes_its_news_back():
    """The print of September 2024 comes 10 % too high, and is put right ten days later."""
    values = [logistic(day, noise=0.01, k=k) for k, day in enumerate(month_ends(24))]
    right = published(values)
    day, known, value = right[20]
    wrong = [*right[:20], (day, known, value * 1.10), (day, known + 10, value), *right[21:]]
    runs = [kh.backtest(AdoptionMomentum, made({"SIM:H100": price}, sessions=220, first=dt.date(2024, 3, 4), adoption=rows),
                        limit=100.0, **PARAMETERS) for rows in (right, wrong)]
    told, restated = (run.records.surprise for run in runs)
    first, again = (dt.date(1970, 1, 1) + dt.timedelta(days=known + late) for late in (1, 11))
    assert abs(told[str(first):].iloc[0]) < 3.0
    assert restated[str(first):].iloc[0] > 5.0
    assert np.array_equal(told[str(again):].to_numpy(), restated[str(again):].to_numpy()), "the fit never saw the wrong print"


def test_lots_stand_in_the_months_the_view_is_about_and_are_never_settled():
    run = kh.backtest(AdoptionMomentum, market(), product="SIM:H100")
    positions = run.positions
    ahead = [(int(c[-7:-3]) - t.year) * 12 + int(c[-2:]) - t.month for c, t in zip(positions.contract, positions.index, strict=True)]
    assert len(positions) > 1000
    # Lots that leave take days at a tenth of the volume: a day in thirty, and never a month too near.
    assert np.mean(np.array(ahead) < 6) < 1 / 30
    assert (min(ahead), max(ahead)) == (5, 13)
    assert run.result["settlements"] == 0


def test_the_target_is_a_volatility_of_equity():
    """At the limit of the view the daily volatility of all lots, moving as one, is the share of equity asked for."""
    tape = made({"SIM:H100": price}, sessions=720, first=dt.date(2023, 3, 1), adoption=published(boom_and_winter()))
    for risk in (0.05, 0.10):
        run = kh.backtest(AdoptionMomentum, tape, risk=risk, buffer=0.0, limit=0.6, half_life=10_000.0, cash=3e7, **PARAMETERS)
        day = run.equity.index[500]
        assert run.records.view.iloc[500] == 0.6
        closes = [price(s, 0) for s in range(501)]
        variance = (closes[1] - closes[0]) ** 2
        for before, after in itertools.pairwise(closes[1:501]):
            variance = 0.97 * variance + 0.03 * (after - before) ** 2
        dollars = net_lots(run)[day] * 730 * math.sqrt(variance)
        assert dollars == pytest.approx(run.equity.equity_micros.iloc[500] / 1e6 * risk / math.sqrt(252), rel=0.02)


def test_a_print_above_the_ceiling_is_a_saturated_one():
    values = [5990.0 + k for k in range(30)]
    tape = made({"SIM:H100": price}, sessions=300, first=dt.date(2024, 3, 4), adoption=published(values))
    run = kh.backtest(AdoptionMomentum, tape, **PARAMETERS)
    assert len(run.fills) == 0
