# SPDX-License-Identifier: Apache-2.0
"""The engine and the reference fill the same lots at the same prices, on random thin markets."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from tests.oracle.books import FillRules
from tests.quotes.markets import TICK, engine_rows, random_script, random_tape, reference_rows
from tests.quotes.reference import Assumed


def answers(seed: int):
    """Both answers to one seed."""
    rng = np.random.default_rng(seed)
    tape = random_tape(rng)
    script = random_script(rng, tape)
    model, ticks, ppm = str(rng.choice(["quote", "book"])), int(rng.choice([0, 0, 2])), int(rng.choice([0, 0, 137]))
    latency, share = int(rng.choice([0, 0, 3 * 10**9])), int(rng.choice([100_000, 500_000]))
    rules = FillRules(model=model, slippage_ticks=ticks, slippage_ppm=ppm, latency_ns=latency)
    assumed = Assumed(model=model, slippage_micros=ticks * TICK, slippage_ppm=ppm, participation_ppm=share, latency_ns=latency)
    return reference_rows(tape, assumed, script), engine_rows(tape, rules, script, share)


def check(seeds: range) -> Counter[str]:
    """Compares; counts what happened, so that a market in which nothing happens is noticed."""
    seen: Counter[str] = Counter()
    for seed in seeds:
        expected, found = answers(seed)
        assert found == expected, f"seed {seed}"
        seen.update(row.liquidity for row in found[0])
        seen.update(status for status, _ in found[1])
    return seen


def test_three_hundred_random_markets():
    seen = check(range(300))
    assert min(seen["taker"], seen["maker"]) > 300
    assert {"filled", "cancelled", "lapsed", "refused", "working"} <= set(seen)


@pytest.mark.soak
def test_five_thousand_random_markets():
    check(range(300, 5_300))
