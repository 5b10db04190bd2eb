# SPDX-License-Identifier: Apache-2.0
"""The curve as known at a time: a hand-worked tape, a changed future that changes nothing, and a real front month."""

import datetime as dt
import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kilohour.contracts import Product, Registry
from kilohour.curves.observed import observe
from kilohour.errors import DataError, UnknownName, UsageError
from kilohour.tape import Index, TapeBuilder
from kilohour.units import NANOS_PER_DAY, day_of, nanos_of

DATA = Path(os.environ.get("KILOHOUR_DATA", Path(__file__).parents[2] / ".." / "shared" / "data"))
STRIP, EXPIRIES = DATA / "futures_strip_energy.parquet", DATA / "futures_expiry_energy.csv"
needs_data = pytest.mark.skipif(not STRIP.exists(), reason="the real settlements are not here: set KILOHOUR_DATA")


@pytest.fixture(scope="module")
def product():
    return Product.simple("MY:GPU", lot=730, tick="0.001").replace(
        settlement="mean_calendar_days", index="MY-GPU", listed_months="6 consecutive", calendar_fixing="24/7", calendar_trading="24/7",
        last_trade="last_business_day_of_month", settlement_known="1 business day, 14:00 UTC", settlement_rounding="0.0001",
        missing_day="refuse", restatement="latest")  # fmt: skip


def at(day, hour):
    return nanos_of(dt.datetime(2026, 4, day, hour, tzinfo=dt.UTC))


def tape_of(product, later=1.0):
    """April and May contracts; the index prints each day's value at 1:00 the day after; 2 April is restated on the 4th."""
    builder = TapeBuilder(source="by hand", products=(product,))
    april, may = (builder.contract(product.contract(month)) for month in (202604, 202605))
    days = np.array([day_of(dt.date(2026, 4, d)) for d in (1, 2, 3, 4)])
    values = np.array([2_400_000, 2_440_000, 2_460_000, round(2_500_000 * later)])
    index = builder.index(Index(code="MY-GPU", unit="USD per GPU-hour"))
    restated = (day_of(dt.date(2026, 4, 2)), at(4, 12), round(2_450_000 * later))
    known = (days + 1) * NANOS_PER_DAY + 3_600 * 10**9
    builder.prints(index, np.r_[days, restated[0]], np.r_[known, restated[1]], np.r_[values, restated[2]])
    ts = np.array([at(d, 21) for d in (2, 3, 4)])
    for ref, price in ((april, 2_500_000), (may, 2_600_000)):
        prices = np.array([price, price + 30_000, round((price + 60_000) * later)])
        builder.bars(ref, ts, prices, prices, prices, prices, np.full(3, 10))
    builder.marks(april, ts[:2], np.array([2_510_000, 2_540_000]))
    return builder.build()


def test_fixed_and_open_part_as_known_then(product):
    """End of 3 April: the mark 2.54 of 21:00 knew the prints of 1 and 2 April, 2.40 and 2.44; 28 days are open.
    (30·2.54 − 4.84)/28 = 71.36/28."""
    seen = observe(tape_of(product), product, at(4, 0) - 1)
    april, may = seen.points
    assert (april.price, april.is_mark, april.price_at) == (2_540_000, True, at(3, 21))
    assert (april.part.fixed_days, april.part.open_days, april.part.fixed_mean) == (2, 28, 2_420_000)
    assert april.part.open_forward == Fraction(71_360_000, 28)
    assert (may.price, may.is_mark, may.part.fixed_days) == (2_630_000, False, 0)
    assert (seen.spot, seen.spot_day) == (2_440_000, day_of(dt.date(2026, 4, 2)))
    assert seen.months() == {202605: 2_630_000}
    # May's window: 1 to 31 May, seen from 3 April
    assert (may.start * 365, may.end * 365) == pytest.approx((28.0, 59.0))


def test_a_restated_print_counts_from_when_it_was_known(product):
    seen = observe(tape_of(product), product, at(5, 0) - 1)
    may = seen.points[1]
    assert may.price == 2_660_000
    assert observe(tape_of(product), product, at(4, 11)).spot == 2_460_000  # of the 3rd, known on the 4th at 1:00
    before, after = (observe(tape_of(product), product, moment).points[0].part.fixed_mean for moment in (at(4, 11), at(5, 0)))
    assert before == 2_420_000  # split at the mark's own time, the restatement not yet known
    assert after == before  # no later mark: the same split


def test_a_changed_future_changes_no_curve(product):
    then = at(4, 0) - 1
    assert observe(tape_of(product), product, then) == observe(tape_of(product, later=3.0), product, then)
    assert observe(tape_of(product), product, at(5, 0)) != observe(tape_of(product, later=3.0), product, at(5, 0))


def test_before_the_first_price_there_is_no_curve(product):
    with pytest.raises(DataError, match="MY:GPU must have a price of a listed contract by 2026-04-01, found none; the tape begins"):
        observe(tape_of(product), product, at(1, 12))
    other = Product.simple("MY:OTHER", lot=1, tick="0.01")
    with pytest.raises(UnknownName, match="unknown product 'MY:OTHER' in this tape"):
        observe(tape_of(product), other, at(3, 0))


@needs_data
@pytest.mark.parametrize("root", ["CL", "NG"])
def test_the_front_month_converges_to_its_last_settlement(root):
    """Settlements of 2007 to 2025, over 200 contracts a root: the root mean square gap to the last settlement falls with every
    step towards expiry, to exactly nothing on the last day. May 2020, −37.63 a day before 10.01, is left out and shown."""
    strip = pd.read_parquet(STRIP, filters=[("root", "==", root)]).sort_values(["contract", "date"])
    expiries = pd.read_csv(EXPIRIES, parse_dates=["last_trade"])
    last = expiries[expiries["root"] == root].set_index("contract")["last_trade"]
    days_before = (0, 1, 3, 5, 10, 20, 40)
    gaps = []
    for contract, rows in strip.groupby("contract"):
        settle = rows["settle"].to_numpy(np.float64)
        if rows["date"].iloc[-1] == last.get(contract) and len(settle) > 40:
            gaps.append([settle[-1 - back] - settle[-1] for back in days_before])
            if (root, contract) == ("CL", 202005):
                assert gaps.pop()[1] == pytest.approx(-47.64, abs=1e-4)
    assert len(gaps) > 200
    spread = np.sqrt(np.mean(np.square(gaps), axis=0)).tolist()
    assert spread[0] == 0.0
    assert spread == sorted(spread)
    assert spread[1] < 0.25 * spread[-1]


def test_a_perpetual_has_no_curve(product):
    perpetual = Registry.shipped().product("GATE:H100")
    with pytest.raises(UsageError, match="GATE:H100 is a perpetual: a curve needs dated contracts"):
        observe(tape_of(product), perpetual, at(3, 0))
