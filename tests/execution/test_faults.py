# SPDX-License-Identifier: Apache-2.0
"""The fault matrix over sockets: the sandbox injects, the runner keeps its books, and at the end everything is known and equal."""

from __future__ import annotations

import numpy as np
import pytest

from kilohour.backtests.paper import FAST
from kilohour.execution.risk import LiveLimits
from tests.execution.invariants import check_invariants
from tests.execution.papers import SPREAD, ran, short

QUICK = LiveLimits(messages_per_second=100_000, cancels_reserved=1_000, answer_seconds=0.2, look_seconds=0.05, absence_seconds=0.2)
ROWS = {
    "1 reply lost after accept": {"do": "lose_reply", "on": "place", "count": 2},
    "2 request lost before accept": {"do": "drop_request", "on": "place", "count": 2},
    "3 reply slower than the timeout": {"do": "delay_reply", "on": "place", "count": 2, "ms": 400},
    "5 the order shows up late": {"do": "late_order", "on": "place", "count": 1, "ms": 300},
    "6 messages twice": {"do": "duplicate", "on": "private", "count": 30},
    "8 messages lost": {"do": "drop", "on": "private", "count": 3, "skip": 2},
    "10 messages out of order": {"do": "reorder", "on": "private", "count": 20},
    "12 cancel reply lost": {"do": "lose_reply", "on": "cancel", "count": 2},
    "17 rate limit": {"do": "too_many", "on": "place", "count": 2},
    "18 error code": {"do": "reject", "on": "place", "count": 2, "code": "maintenance"},
    "19 malformed body": {"do": "malformed", "on": "place", "count": 1},
    "19 malformed read": {"do": "malformed", "on": "read", "count": 2, "skip": 1},
}


def stormed(folder, rules, **asked):
    """A run under rules of the control plane; the exchange afterwards, and how often each fault struck."""
    found = {}

    async def inject(server):
        found["exchange"], found["hits"] = server.exchange, server.chaos.hits
        for rule in rules:
            await server.control.apply(rule)

    tape = short("SIM:H100", first="2026-03-16", last="2026-04-02")
    runner = ran(folder, tape, "calendar-spread", inject=inject, parameters=SPREAD, limits=QUICK, **asked)
    return runner, found["exchange"], found["hits"]


@pytest.mark.parametrize("row", ROWS)
def test_a_fault_leaves_nothing_double_lost_or_unknown(row, tmp_path):
    runner, exchange, hits = stormed(tmp_path / "run", [ROWS[row]])
    assert hits[ROWS[row]["do"]] > 0
    assert runner.trader.made > 1
    check_invariants(tmp_path / "run", exchange)


def storm(seed: int) -> list[dict]:
    """Faults drawn from a seed."""
    rng = np.random.default_rng(seed)
    rules = []
    for _ in range(int(rng.integers(2, 6))):
        rule = dict(list(ROWS.values())[int(rng.integers(len(ROWS)))])
        rules.append({**rule, "skip": int(rng.integers(0, 8)), "count": int(rng.integers(1, 4))})
    return rules


@pytest.mark.parametrize("seed", range(1, 3))
def test_a_storm_leaves_the_invariants(seed, tmp_path):
    rules = storm(seed)
    _, exchange, _ = stormed(tmp_path / "run", rules)
    check_invariants(tmp_path / "run", exchange)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(1000, 1200))
def test_storms_at_length(seed, tmp_path):
    rules = storm(seed)
    _, exchange, _ = stormed(tmp_path / "run", rules)
    check_invariants(tmp_path / "run", exchange)


def test_the_quick_limits_differ_from_the_usual_ones_in_patience_only():
    assert QUICK.messages_per_second == FAST.messages_per_second
