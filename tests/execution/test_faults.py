# SPDX-License-Identifier: Apache-2.0
"""The fault matrix over sockets: the sandbox injects, the runner keeps its books, and at the end everything is known and equal."""

from __future__ import annotations

from itertools import count

import numpy as np
import pytest

from kilohour.errors import KilohourError
from kilohour.limits import RiskLimits
from tests.execution.invariants import check_invariants
from tests.execution.papers import SPREAD, hastened, short

ONE = RiskLimits(open_orders=1)
"""The strategy works one spread at a time: an order that is sent again while another may live breaks this limit."""
ROWS = {
    "1 reply lost after accept": {"do": "lose_reply", "on": "place", "count": 2},
    "2 request lost before accept": {"do": "drop_request", "on": "place", "count": 2},
    "3 reply slower than the timeout": {"do": "delay_reply", "on": "place", "count": 2, "ms": 2_500},
    "5 the order shows up late": {"do": "late_order", "on": "place", "count": 1, "ms": 600},
    "6 messages twice": {"do": "duplicate", "on": "private", "count": 30},
    "8 messages lost": {"do": "drop", "on": "private", "count": 3, "skip": 2},
    "10 messages out of order": {"do": "reorder", "on": "private", "count": 20},
    "12 cancel reply lost": {"do": "lose_reply", "on": "cancel", "count": 2},
    "17 rate limit": {"do": "too_many", "on": "place", "count": 2},
    "18 error code": {"do": "reject", "on": "place", "count": 2, "code": "maintenance"},
    "19 malformed body": {"do": "malformed", "on": "place", "count": 1},
    "19 malformed read": {"do": "malformed", "on": "read", "count": 2, "skip": 1},
}


def stormed(folder, rules):
    """A run under rules of the control plane; the exchange afterwards, and how often each fault struck."""
    found = {}

    async def inject(server):
        found["exchange"], found["hits"] = server.exchange, server.chaos.hits
        for rule in rules:
            await server.control.apply(rule)

    tape = short("SIM:H100", first="2026-03-16", last="2026-04-02")
    runner = hastened(folder, tape, "calendar-spread", inject=inject, parameters=SPREAD, risk=ONE)
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


def failure(folder, rules):
    """What went wrong under these faults, empty when nothing did."""
    try:
        _, exchange, _ = stormed(folder, rules)
        check_invariants(folder, exchange)
    except (AssertionError, KilohourError, TimeoutError) as error:
        return f"{type(error).__name__}: {error}"
    return ""


def shrunk(rules, fails):
    """The faults that are needed: one after another is left out while the rest still fails."""
    for rule in list(rules):
        rest = [other for other in rules if other is not rule]
        if fails(rest):
            rules = rest
    return rules


def weather(seed, folder):
    """One storm; when it does harm, its seed and the least of its faults that do the same are told."""
    rules, tries = storm(seed), count()
    why = failure(folder / "run", rules)
    if why:
        least = shrunk(rules, lambda some: failure(folder / f"run-{next(tries)}", some))
        pytest.fail(f"storm of seed {seed}: {why}\nit takes no more than {least}")


@pytest.mark.parametrize("seed", range(1, 21))
def test_a_storm_leaves_the_invariants(seed, tmp_path):
    weather(seed, tmp_path)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(1000, 1200))
def test_storms_at_length(seed, tmp_path):
    weather(seed, tmp_path)


def test_a_storm_is_shrunk_to_the_faults_that_it_takes():
    rules = [{"do": name} for name in "abcde"]
    assert shrunk(rules, lambda some: {"b", "d"} <= {rule["do"] for rule in some}) == [{"do": "b"}, {"do": "d"}]
