# SPDX-License-Identifier: Apache-2.0
"""The fault matrix over sockets: the sandbox injects, the runner keeps its books, and at the end everything is known and equal."""

from __future__ import annotations

import asyncio
from collections import Counter
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kilohour.errors import KilohourError
from kilohour.execution.journal import read
from kilohour.limits import RiskLimits
from tests.execution.invariants import check_invariants
from tests.execution.papers import SPREAD, hastened, short

ONE = RiskLimits(open_orders=1)
"""The strategy works one spread at a time: an order that is sent again while another may live breaks this limit."""
QUOTES = f"{Path(__file__).with_name('quoting.py')}:Quotes"
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


def acted(folder, acts, rules=(), strategy=QUOTES, **asked):
    """A run in which something happens at points of it: ``{("send", 3): rule}`` acts when that point is passed for the third time; a
    number steps the wall clock by so many seconds. The runner, the exchange, and how often each fault struck."""
    found: dict[Any, Any] = {}
    passed: Counter[str] = Counter()

    async def inject(server):
        found["server"] = server
        for rule in rules:
            await server.control.apply(rule)

    def at(name):
        passed[name] += 1
        act = acts.get((name, passed[name]))
        loop = asyncio.get_running_loop()
        if isinstance(act, dict):
            found[name, passed[name]] = loop.create_task(found["server"].control.apply(act))
        elif act is not None:
            loop.step_clock(act)

    tape = short("SIM:H100", first="2026-03-16", last="2026-04-02")
    runner = hastened(folder, tape, strategy, inject=inject, point=at, **asked)
    assert all(passed[name] >= nth for name, nth in acts), "it did not come to all of them"
    return runner, found["server"].exchange, found["server"].chaos.hits


ACTS = {
    "14 the order stream is cut": {("sent", 4): {"do": "disconnect", "channel": "orders"}},
    "14 every stream is cut": {("sent", 4): {"do": "disconnect", "channel": "all"}},
    "15 a half-open order stream": {("sent", 4): {"do": "half_open", "channel": "orders"}},
    "15 a half-open feed": {("sent", 4): {"do": "half_open", "channel": "feed"}},
    "15 every stream half-open": {("sent", 4): {"do": "half_open", "channel": "all"}},
    "20 the token ends": {("sent", 4): {"do": "expire_tokens"}, ("sent", 6): {"do": "disconnect", "channel": "orders"}},
    "20 the venue's clock is off": {("sent", 4): {"do": "skew", "seconds": 7200}, ("sent", 6): {"do": "disconnect", "channel": "orders"}},
    "31 the venue restarts with its orders": {("sent", 5): {"do": "restart", "state": "keep"}},
    "31 the venue restarts without its orders": {("sent", 5): {"do": "restart", "state": "wipe"}},
    "32 a halt": {("decided", 146): {"do": "halt", "symbol": "SIM-H100-2026-APR"}, ("decided", 170): {"do": "resume", "symbol": "SIM-H100-2026-APR"}},
}
"""What happens at once, to a run that has a quote at work and replaces it every bar."""
FEED = {
    "22 feed messages lost": {"do": "drop", "on": "public", "count": 4, "skip": 5},
    "22 feed messages twice": {"do": "duplicate", "on": "public", "count": 40},
    "22 feed messages out of order": {"do": "reorder", "on": "public", "count": 9, "skip": 3},
}
CLOCK = {
    "21 the clock goes back, a request is lost": (-7200.0, ROWS["2 request lost before accept"]),
    "21 the clock goes back, a reply is lost": (-7200.0, ROWS["1 reply lost after accept"]),
    "21 the clock goes forward, the order shows up late": (7200.0, {"do": "late_order", "on": "place", "count": 1, "ms": 400}),
}


@pytest.mark.parametrize("row", ACTS)
def test_a_line_or_a_venue_that_fails_leaves_nothing_double_lost_or_unknown(row, tmp_path):
    runner, exchange, hits = acted(tmp_path / "run", ACTS[row])
    assert hits
    assert runner.trader.made > 5
    assert not runner.fault
    check_invariants(tmp_path / "run", exchange)


@pytest.mark.parametrize("row", FEED)
def test_a_feed_that_loses_doubles_or_swaps_messages_decides_the_same(row, tmp_path):
    wanted, *_ = acted(tmp_path / "calm", {})
    runner, exchange, hits = acted(tmp_path / "run", {}, [FEED[row]])
    assert hits[FEED[row]["do"]] == FEED[row]["count"]
    assert (runner.trader.steps, runner.trader.made) == (wanted.trader.steps, wanted.trader.made)
    assert runner.trader.state_bytes() == wanted.trader.state_bytes()
    check_invariants(tmp_path / "run", exchange)


@pytest.mark.parametrize("row", CLOCK)
def test_a_wall_clock_that_is_set_makes_nothing_sooner_or_later(row, tmp_path):
    seconds, rule = CLOCK[row]
    runner, exchange, hits = acted(tmp_path / "run", {("sent", 1): seconds}, [rule], "calendar-spread", parameters=SPREAD, risk=ONE)
    assert hits[rule["do"]] > 0
    assert runner.trader.made > 1
    at = [record.at for record in read(tmp_path / "run")]
    assert at == sorted(at)
    assert at[-1] - at[0] < 3600 * 10**9
    check_invariants(tmp_path / "run", exchange)


def test_a_cancel_that_is_refused_is_no_storm(tmp_path):
    """Halted for twenty-four timestamps, an order is asked to go after 2, 4, 8 ... of them."""
    _, exchange, _ = acted(tmp_path / "run", ACTS["32 a halt"])
    cancels = Counter(record.body["cid"] for record in read(tmp_path / "run") if record.kind == "command" and record.body["what"] == "Cancel")
    assert 1 < max(cancels.values()) <= 7
    check_invariants(tmp_path / "run", exchange)


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
