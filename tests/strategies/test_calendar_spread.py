# SPDX-License-Identifier: Apache-2.0
"""The calendar spread: its pair, its roll, its normalisation, and eighteen years of oil."""

import datetime as dt
import math
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import kilohour as kh
from kilohour.strategies.calendar_spread import CalendarSpread
from tests.strategies.runs import made, market, weekdays

DATA = Path(os.environ.get("KILOHOUR_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
STRIP, EXPIRIES = DATA / "futures_strip_energy.parquet", DATA / "futures_expiry_energy.csv"


class RawSpread(CalendarSpread):
    """The ablation: the gap in dollars, not in volatilities of the curve."""

    def scale(self, desk, near: int, far: int) -> float:
        return 1.0


class Forgetful(CalendarSpread):
    """The ablation: the remembered gaps are left as they are when the pair moves on."""

    def judge(self, desk, near: int, far: int, scale: float) -> None:
        gap = (desk.price(near) - desk.price(far)) / scale
        self.pair_near, self.pair_far = near, far
        z = self.gap.update(gap)
        if z > self.entry:
            self.held = -self.lots
        elif z < -self.entry:
            self.held = self.lots
        elif (self.held < 0 and z < self.exit) or (self.held > 0 and z > -self.exit):
            self.held = 0
        desk.record("z", z)
        desk.record("near_month", float(desk.month(near)))


def turning(session: int, months: int) -> float:
    """A curve that waves up and down as a whole and in its gap, five times as wildly from session 150 on."""
    wild = 5.0 if session >= 150 else 1.0
    return 100.0 + wild * (math.sin(1.9 * session) + 0.3 * (3 - months) * math.sin(0.7 * session))


DATES = [dt.date(1970, 1, 1) + dt.timedelta(days=day) for day in weekdays(dt.date(2025, 3, 3), 260)]


def stairs(session: int, months: int) -> float:
    """A convex curve that stands still but for a little noise: the gap of the next pair is another at every roll."""
    delivery = (DATES[session].year - 2025) * 12 + DATES[session].month + months
    return 100.0 + 0.1 * (10 - delivery) * (10 - delivery) + 0.05 * math.sin(1.3 * session) * months


def outside_the_pair(run):
    """Share of marked days with lots in a contract that is not of the last bar's pair, and the longest run of them."""
    records, positions = run.records, run.positions
    days = run.equity.index
    place = records.index.searchsorted(positions.index, side="right") - 1
    month = positions.contract.str[-7:].str.replace("-", "").astype(int).to_numpy()
    beyond = (month != records.near_month.to_numpy()[place]) & (month != records.far_month.to_numpy()[place])
    out = days.isin(positions.index[beyond])
    longest = max((len(run) for run in "".join("x" if day else " " for day in out).split()), default=0)
    return float(np.mean(out)), longest


def test_a_rich_front_is_sold_a_cheap_one_bought_and_the_mean_closes():
    """In the first half of July August stands 3 dollars too high for three days and 3 too low for three: each trade fills a day later.

    The pair is August and November throughout: no roll mixes in.
    """
    def curve(session, months):
        gap = {86: 3.0, 87: 3.0, 88: 3.0, 92: -3.0, 93: -3.0, 94: -3.0}.get(session, 0.2 * math.sin(session))
        return 50.0 + 0.5 * math.sin(2.3 * session) + (gap if months <= 1 else 0.0)
    run = kh.backtest(CalendarSpread, made({"SIM:H100": curve}, sessions=100), window=40, entry=2.0, exit=0.5, ticks=0.0)
    found = [(run.equity.index.searchsorted(when), fill.contract[-2:], fill.lots) for when, fill in run.fills.iterrows()]
    assert found == [(87, "08", -10), (87, "11", 10), (90, "08", 10), (90, "11", -10),
                     (93, "08", 10), (93, "11", -10), (96, "08", -10), (96, "11", 10)]  # fmt: skip


def test_without_normalisation_a_wilder_curve_looks_like_a_rich_or_cheap_one():
    """Five times the movement is five times the raw gap, day after day; in volatilities it is the same gap."""
    tape = made({"SIM:H100": turning}, sessions=260)
    share = {}
    for face in (CalendarSpread, RawSpread):
        z = kh.backtest(face, tape, window=120, entry=1.75, ticks=0.0, interpreted=face is RawSpread).records  # to compile it takes longer
        assert len(z) >= 255
        share[face] = float(np.mean(np.abs(z.z.to_numpy()[170:210]) > 1.75))
    assert share[RawSpread] > 0.4
    assert share[CalendarSpread] < 0.5 * share[RawSpread]


def test_without_the_shift_at_the_roll_every_new_pair_looks_rich_or_cheap():
    tape = made({"SIM:H100": stairs}, sessions=260)
    at_roll = {}
    for face in (CalendarSpread, Forgetful):
        run = kh.backtest(face, tape, window=20, ticks=0.0, interpreted=face is Forgetful)  # as above
        z, pairs = run.records.z.to_numpy(), run.records.near_month.to_numpy()
        rolls = np.flatnonzero(pairs[1:] != pairs[:-1]) + 1
        at_roll[face] = float(np.median(np.abs(z[rolls[rolls > 25]])))
    assert at_roll[Forgetful] > 2.3 > 1.8 > at_roll[CalendarSpread], "2 is the entry"


def test_a_trade_must_be_worth_its_ticks():
    dear = kh.backtest(CalendarSpread, market(), ticks=7.0)
    free = kh.backtest(CalendarSpread, market(), ticks=0.0)
    never = kh.backtest(CalendarSpread, market(), ticks=1e6)
    assert len(free.fills) > len(dear.fills) > len(never.fills) == 0


@pytest.mark.parametrize("seed", [7, 8])
def test_no_lot_is_left_outside_the_pair_or_held_into_settlement(seed):
    run = kh.backtest(CalendarSpread, market(seed), ticks=0.0)
    share, longest = outside_the_pair(run)
    assert run.result["settlements"] == 0
    assert len(run.fills) > 100
    assert share < 0.12
    assert longest <= 10, "ten sessions of a tenth of a thin month's volume"


def test_in_a_deep_market_the_pair_is_left_in_one_bar_by_one_order_of_four_legs():
    run = kh.backtest(CalendarSpread, made({"SIM:H100": turning}, sessions=260), window=20, entry=0.5, exit=0.4, ticks=0.0)
    share, longest = outside_the_pair(run)
    assert longest == 1
    assert share < 0.06
    legs = run.orders.groupby("order").size()
    assert (legs == 4).sum() >= 5
    assert run.result["settlements"] == 0


@pytest.mark.skipif(not STRIP.exists(), reason="the real WTI strip is not here; set KILOHOUR_DATA")
def test_eighteen_years_of_oil_with_its_negative_price(tmp_path):
    from kilohour.datafeeds.energy import import_strip

    import_strip(STRIP, EXPIRIES, tmp_path / "wti")
    run = kh.backtest(CalendarSpread, tmp_path / "wti", product="NYMEX:CL", assume=["energy"])
    share, longest = outside_the_pair(run)
    assert run.result["settlements"] == 0
    assert run.result["margin_calls"] == 0
    assert longest == 1, "volume is unknown, so each roll takes the one bar its order needs"
    assert share < 0.03
    assert run.frame("records").near_month.iloc[-1] == 202511
    years = {when.year for when in run.fills.index}
    assert {2008, 2019, 2020, 2021, 2024} <= years
    pair = run.records["2020-04-15":"2020-04-22"][["near_month", "far_month"]]
    assert set(pair.near_month) == {202006}, "out of May before it settled at -37.63"
    that_day = run.positions["2020-04-20":"2020-04-20 23:59"]
    assert dict(zip(that_day.contract, that_day.lots, strict=True)) == {"NYMEX:CL-2020-06": 10, "NYMEX:CL-2020-09": -10}
    rows = pd.read_parquet(STRIP)
    settle = rows[(rows.root == "CL") & (rows.date == "2020-04-20")].set_index("contract").settle
    assert that_day.mark_micros.tolist() == [round(float(settle[month]) * 100) * 10_000 for month in (202006, 202009)]
    assert np.isfinite(run.records.z.iloc[60:]).all()
