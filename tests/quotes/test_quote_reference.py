# SPDX-License-Identifier: Apache-2.0
"""The engine and the reference fill the same lots at the same prices, on random thin markets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest

from tests.oracle.books import FillRules
from tests.quotes.markets import TICK, Dice, engine_rows, random_script, random_tape, reference_rows
from tests.quotes.reference import Assumed


def answers(seed: int):
    """Both answers to one seed."""
    dice = Dice(seed)
    tape = random_tape(dice)
    script = random_script(dice, tape)
    model, ticks, ppm = dice.choice("quote", "book"), dice.choice(0, 0, 2), dice.choice(0, 0, 137)
    latency, share = dice.choice(0, 0, 3 * 10**9), dice.choice(100_000, 500_000)
    rules = FillRules(model=model, slippage_ticks=ticks, slippage_ppm=ppm, latency_ns=latency)
    assumed = Assumed(model=model, slippage_micros=ticks * TICK, slippage_ppm=ppm, participation_ppm=share, latency_ns=latency)
    return reference_rows(tape, assumed, script), engine_rows(tape, rules, script, share)


def check(seeds: Iterable[int]) -> Counter[str]:
    """Compares; counts what happened, so that a market in which nothing happens is noticed."""
    seen: Counter[str] = Counter()
    for seed in seeds:
        expected, found = answers(seed)
        assert found == expected, f"seed {seed}"
        seen.update(row.liquidity for row in found[0])
        seen.update(status for status, _ in found[1])
    return seen


def test_a_hundred_random_markets():
    """And one in which the entry of a bracket is amended: its sleeping exits stay behind it in the queue."""
    seen = check([*range(100), 800])
    assert min(seen["taker"], seen["maker"]) > 100
    assert {"filled", "cancelled", "lapsed", "refused", "working"} <= set(seen)


@pytest.mark.soak
def test_five_thousand_random_markets():
    check(range(100, 5_300))


def test_what_comes_later_changes_no_fill():
    """Law 4: a tape that ends earlier gives the same fills up to its end."""
    for seed in range(12):
        dice = Dice(seed)
        tape = random_tape(dice)
        script, rules = random_script(dice, tape), FillRules(model="book")
        ts = tape.events["ts"]
        end = int(np.searchsorted(ts, ts[len(ts) * 2 // 3], side="right"))
        shorter = replace(tape, events={name: column[:end].copy() for name, column in tape.events.items()})
        whole, _ = engine_rows(tape, rules, script, 100_000)
        part, _ = engine_rows(shorter, rules, script, 100_000)
        assert part == [fill for fill in whole if fill.ts <= ts[end - 1]], f"seed {seed}"
