# SPDX-License-Identifier: Apache-2.0
"""A roll begins by what was seen then: in the engine, on the day worked out from the arrays, whatever comes after it."""

from __future__ import annotations

import numpy as np
import pytest

import kilohour as kh
from kilohour.contracts.contract import Contract
from kilohour.tape import Index, Tape, TapeBuilder
from kilohour.trading.roll import BY_COST, BY_INTEREST, BY_VOLUME
from kilohour.units import NANOS_PER_DAY

FIRST, DAYS, WINDOW, CONFIRM, COST_MOST = 20_000, 40, 20_400, 2, -0.05
QUIET = 5
"""Days at the start on which nothing crosses: the lots are bought first."""


class Carried(kh.Strategy):
    """Long ten lots from the first bar on."""

    chip: kh.Product = kh.product("SIM:H100")
    trigger: int = BY_VOLUME
    roll: kh.Roll = kh.component(kh.Roll, trigger="trigger", confirm=CONFIRM, cost_most=COST_MOST)

    def on_bar(self, desk: kh.Desk) -> None:
        self.roll.hold(desk, self.chip, 10)


def drawn(seed: int) -> dict[str, np.ndarray]:
    """Near and far by day: volume, interest, close in micros, and whether there is a bar."""
    rng = np.random.default_rng(seed)
    far_first = np.arange(DAYS) < QUIET
    bar = rng.random((2, DAYS)) < 0.8
    bar[:, :QUIET] = True
    volume, interest = rng.integers(100, 1_000, (2, 2, DAYS))
    volume[1, far_first] = interest[1, far_first] = 1
    close = 2_000_000 + 10_000 * rng.integers(-4, 5, (2, DAYS))
    close[:, far_first] = 2_000_000
    return {"bar": bar, "volume": volume, "interest": interest, "close": close}


def tape_of(days: dict[str, np.ndarray]) -> Tape:
    """Bars at 20:00, the open interest of a day at 19:00; a third month far out, where nothing crosses."""
    builder = TapeBuilder(source="two months")
    builder.index(Index(code="SIM-H100", unit="USD per GPU-hour"))
    hour = NANOS_PER_DAY // 24
    ts = (FIRST + np.arange(DAYS)) * NANOS_PER_DAY + 20 * hour
    for row in range(2):
        begins = WINDOW + 30 * row
        ref = builder.contract(Contract(
            code=f"SIM:H100-2030-0{row + 1}", product="SIM:H100", symbol=f"H{row}", month=203001 + row, listed_at=0,
            last_trade_at=(begins + 20) * NANOS_PER_DAY, settlement_at=(begins + 21) * NANOS_PER_DAY,
            fixing_days=tuple(range(begins, begins + 20)), rule="by hand"))  # fmt: skip
        has, price = days["bar"][row], days["close"][row]
        builder.bars(ref, ts[has], *(price[has],) * 4, days["volume"][row][has])
        builder.interest(ref, ts - hour, days["interest"][row])
    return builder.build()


def begins_on(days: dict[str, np.ndarray], trigger: int) -> int:
    """The day from the arrays: the first whose own past says so; -1 for none."""
    run, last = 0, [0, 0]
    for day in range(DAYS):
        near, far = days["bar"][:, day]
        last = [int(days["close"][row, day]) if days["bar"][row, day] else last[row] for row in range(2)]
        if not near and not far:
            continue
        if trigger == BY_COST:
            if last[1] - last[0] <= round(COST_MOST * 1e6):
                return day
            continue
        of = days["volume" if trigger == BY_VOLUME else "interest"][:, day]
        traded = (of * [near, far]) if trigger == BY_VOLUME else of
        run = run + 1 if traded[1] > traded[0] else 0
        if run >= CONFIRM:
            return day
    return -1


def began(days: dict[str, np.ndarray], trigger: int) -> int:
    """The day of the first order after the one that bought the lots; -1 for none."""
    run = kh.backtest(Carried, tape_of(days), trigger=trigger, interpreted=True)
    times = sorted({when.value // NANOS_PER_DAY - FIRST for when in run.orders.index})
    assert times[0] == 0
    return int(times[1]) if len(times) > 1 else -1


@pytest.mark.parametrize("trigger", [BY_VOLUME, BY_INTEREST, BY_COST])
def test_a_crossover_is_decided_by_the_days_before_it_and_by_no_other(trigger):
    moved = 0
    for seed in range(4):
        days = drawn(seed)
        day = begins_on(days, trigger)
        assert day >= QUIET, f"seed {seed}: no crossover to test"
        assert began(days, trigger) == day, f"seed {seed}"
        other = drawn(seed + 1_000)
        future = {name: np.where(np.arange(DAYS) > day, other[name], days[name]) for name in days}
        assert began(future, trigger) == day, f"seed {seed}: the future moved it"
        present = {name: np.where(np.arange(DAYS) >= day, other[name], days[name]) for name in days}
        assert began(present, trigger) == begins_on(present, trigger), f"seed {seed}"
        moved += begins_on(present, trigger) != day
    assert moved > 0, "another present must count"
