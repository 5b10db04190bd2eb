# SPDX-License-Identifier: Apache-2.0
"""Nothing is lost, doubled or orphaned in a roll: random markets, and every transition visited."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest

from kilohour.trading.roll import BY_COST, BY_DAYS, BY_INTEREST, BY_VOLUME, PHASES
from tests import soaking
from tests.oracle.drawn import one_of
from tests.trading.scripts import NAMES, NEW, OLD, Rolled
from tests.trading.test_roll_tables import CASES, NEVER, played

MOST = 5
TRIGGERS = (BY_DAYS, BY_VOLUME, BY_INTEREST, BY_COST)
TRIGGER_NAMES = ("days", "volume", "interest", "cost")


def drawn_parameters(rng: np.random.Generator) -> dict[str, Any]:
    """Parameters of one machine."""
    return {
        "trigger": one_of(rng, [BY_DAYS, BY_VOLUME, BY_INTEREST, BY_COST]), "days": one_of(rng, [8, 14, 25]),
        "to_last_trade": bool(rng.random() < 0.3), "forced_days": one_of(rng, [0, 3, 7]), "confirm": int(rng.integers(1, 4)),
        "cost_most": one_of(rng, [-0.12, -0.02, 0.02]), "ahead": one_of(rng, [1, 1, 2]),
        "stages": one_of(rng, [1, 1, 3]), "as_spread": bool(rng.random() < 0.5), "at_market": bool(rng.random() < 0.3),
        "patience": one_of(rng, [0.5, 1.5, 4.0]), "leg_patience": one_of(rng, [0.5, 3.0]),
        "into_settlement": bool(rng.random() < 0.15), "naked_most": 5,
    }  # fmt: skip


def drawn_day(rng: np.random.Generator) -> tuple[float, str, str]:
    """How long until the next bar, what is wanted from then on (mostly what was), and what happens."""
    wanted = one_of(rng, ["5", "-5", "3", "0", "2 new"]) if rng.random() < 0.08 else ""
    act = one_of(rng, ["-M", "-N", "-P", "-Q", "+M", "+N", "+P", "+Q", "slow", "fast", "call"]) if rng.random() < 0.35 else ""
    trades = " ".join(f"{name}:{rng.integers(1, 7)}" for name in NAMES if rng.random() < 0.55)
    return one_of(rng, [0.3, 1.0, 1.0, 1.0, 2.0, 4.0]), wanted, f"{act} ({trades})" if rng.random() < 0.5 else f"{act} {trades}"


def drawn_bars(rng: np.random.Generator) -> str:
    """What the bars of a day say: volumes, open interest and prices that move and cross, days without a bar."""
    words = []
    for name in NAMES:
        if rng.random() < 0.2:
            words.append(f"no {name}")
        for what, most, odds in (("v", 150, 0.3), ("i", 60, 0.2)):
            if rng.random() < odds:
                words.append(f"{what}{name}={rng.integers(-1, most) if what == 'v' else rng.integers(most)}")
        if rng.random() < 0.3:
            words.append(f"p{name}={2.40 + 0.01 * rng.integers(-12, 13):.2f}")
    return " ".join(words)


def check(rolled: Rolled, naked_most: int) -> None:
    """What holds after every step: no lots outside the two contracts of the roll, and never more than was wanted."""
    roll, positions = rolled.roll, rolled.positions()
    for row, lots in enumerate(positions):
        assert lots == 0 or row in (roll.near, roll.far), f"{lots} lots of {NAMES[row]} are orphans"
    trading = [lots for lots, listed in zip(positions[:3], rolled.exchange.memory[0]["listed"], strict=False) if listed]
    assert sum(abs(lots) for lots in trading) <= MOST + naked_most, "held twice"
    assert abs(positions[3]) <= MOST
    tickets = [order for order in rolled.exchange.orders if order.ticket]
    assert len(tickets) <= 2, "more orders than legs"
    assert abs(roll.legs.naked()) <= naked_most
    if roll.phase in (0, 1):
        assert tickets == [], "an order outlived its roll"


def pass_time(rolled: Rolled, day: float) -> None:
    """Last trades and final settlements come when they come."""
    rolled.exchange.at(day)
    rolled.exchange.fronts()
    for row, last in ((0, 150), (1, 180), (2, 210), (3, 180)):
        if day >= last and rolled.exchange.memory[0]["listed"][row]:
            rolled.leave(row)
        if day >= last + 2:
            rolled.exchange.memory[0]["held"][row] = 0


def end_well(rolled: Rolled, day: float) -> None:
    """The market is kind again: the position must stand whole, in one contract, before the last one is gone."""
    rolled.exchange.refuses.clear()
    rolled.exchange.slow = False
    wanted = rolled.lots
    for _ in range(55):
        day += 1
        pass_time(rolled, day)
        rolled.do("M N P Q")
        rolled.step()
        check(rolled, rolled.roll.naked_most)
        held = [lots for lots in rolled.positions() if lots]
        is_gone = rolled.roll.near < 0 and rolled.exchange.desk.count(rolled.product, rolled.roll.days) == 0  # all due or past
        if PHASES[rolled.roll.phase] in ("holding", "flat") and held == ([] if is_gone or not wanted else [wanted]):
            return
    raise AssertionError(f"{rolled.positions()}, wanted {wanted}: never whole again")


def survive(seed: int) -> Rolled:
    """One machine in one random market, checked after every fill and every step."""
    rng = np.random.default_rng(seed)
    rolled = Rolled(**drawn_parameters(rng))
    rolled.lots, day = MOST, 100.0
    rolled.step()
    while day < 160:
        gap, lots, does = drawn_day(rng)
        day += gap
        pass_time(rolled, day)
        if lots:
            rolled.lots, rolled.product = int(lots.split()[0]), NEW if "new" in lots else OLD
        rolled.do(f"{drawn_bars(rng)} {does}")
        check(rolled, rolled.roll.naked_most)
        rolled.step()
        check(rolled, rolled.roll.naked_most)
    end_well(rolled, day)
    return rolled


def survived(seeds: Iterable[int]) -> dict[int, set[tuple[str, str]]]:
    """The transitions seen, by trigger."""
    found: dict[int, set[tuple[str, str]]] = {trigger: set() for trigger in TRIGGERS}
    for seed in seeds:
        try:
            rolled = survive(seed)
            found[rolled.roll.trigger] |= rolled.transitions
        except (AssertionError, ValueError) as error:
            raise AssertionError(f"seed {seed}: {error}") from error
    return found


TRANSITIONS = {
    "flat": "holding",
    "holding": "flat resting spread_limit spread_market legs_limit legs_market forced settling",
    "resting": "spread_limit spread_market legs_limit legs_market forced settling",
    "spread_limit": "holding resting spread_market legs_limit forced settling",
    "spread_market": "holding resting spread_limit legs_market forced settling",
    "legs_limit": "holding resting spread_limit legs_market forced settling",
    "legs_market": "holding resting spread_limit spread_market legs_limit forced settling",
    "forced": "holding flat settling",
    "settling": "holding flat",
}
"""Every way from one state to another; docs/rolls-and-spreads.md says what leads there."""


EARLY = {("holding", f"early {after}") for after in ("resting", "spread_limit", "spread_market", "legs_limit", "legs_market")}
"""Begun by the trigger alone: more days are left than the days that begin a roll."""
CANNOT_BE: dict[int, set[tuple[str, str]]] = {BY_DAYS: EARLY, BY_VOLUME: set(), BY_INTEREST: set(), BY_COST: set()}
"""By days nothing is early: that is what the trigger means. Every other way is open to every trigger, for the days hold for all."""


def test_nothing_is_lost_doubled_or_orphaned_and_every_transition_is_visited_and_no_other() -> None:
    visited = survived(range(210))
    for parameters, table in CASES.values():
        for never in ({},) if "trigger" in parameters else ({}, *NEVER):
            rolled, _ = played(table, **parameters, **never)
            visited[rolled.roll.trigger] |= rolled.transitions
    every = {(before, after) for before, states in TRANSITIONS.items() for after in states.split()} | EARLY
    for trigger in TRIGGERS:
        assert visited[trigger] == every - CANNOT_BE[trigger], TRIGGER_NAMES[trigger]


@pytest.mark.soak
def test_nothing_is_lost_doubled_or_orphaned_in_twenty_thousand_markets() -> None:
    survived(soaking.played("rolls", range(1_000, 21_000)))


@pytest.mark.parametrize("seed", range(25))
def test_nothing_is_held_when_the_window_begins_in_a_market_that_trades(seed: int) -> None:
    """Every bar trades; limits and spreads fill by chance, spread orders in part."""
    rng = np.random.default_rng(seed)
    rolled = Rolled(**{**drawn_parameters(rng), "days": 14, "forced_days": 7, "to_last_trade": False,
                       "into_settlement": False})
    rolled.lots, day = MOST, 100.0
    while day < 175:
        rolled.step()
        day += 1.0
        pass_time(rolled, day)
        lots = " ".join(f"{name}:{rng.integers(3, 9)}" for name in NAMES)
        rolled.do(f"{drawn_bars(rng)} " + (lots if rng.random() < 0.4 else f"({lots})"))
        assert day < 130 or rolled.positions()[0] == 0
        assert day < 160 or rolled.positions()[1] == 0
        assert day < 102 or sum(rolled.positions()) >= MOST - rolled.roll.naked_most
    assert rolled.positions() == (0, 0, MOST, 0)
