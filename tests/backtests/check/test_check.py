# SPDX-License-Identifier: Apache-2.0
"""The detector finds each kind of leak, and only leaks."""

from __future__ import annotations

import dataclasses
import datetime as dt

import numpy as np
import pytest

import kilohour as kh
from kilohour.backtests.check.check import check
from kilohour.errors import UsageError
from kilohour.tape import Kind, Tape
from kilohour.tape.stamps import early_sights
from kilohour.units import NANOS_PER_DAY
from tests.backtests.check import leaks


@pytest.fixture(scope="module")
def tape() -> Tape:
    """Nine months of one chip."""
    config = kh.MarketConfig(first=dt.date(2026, 1, 2), last=dt.date(2026, 9, 30), chips=kh.MarketConfig().chips[:1])
    return kh.EmbeddedMarket(seed=3, config=config).tape()


def probes(found) -> set[str]:
    return {finding.probe for finding in found.findings}


def test_an_honest_strategy_is_clean_in_both_faces(tape):
    for interpreted in (False, True):
        found = check(leaks.Honest, tape, interpreted=interpreted, cuts=3)
        assert found.is_clean, found.findings
        assert found.decisions > 100


def test_the_memory_of_an_average_is_its_window(tape):
    """The mean of 20 is full at the 20th bar after a start; from there all recorded values agree, and the orders with them."""
    for memory in check(leaks.Honest, tape, cuts=1).memory:
        assert memory.records_after is not None
        assert 19 <= memory.records_after <= 24  # a bar more for each on which the contract did not trade
        assert memory.orders_after is not None


def test_a_warm_up_that_is_stated_too_short_is_found(tape):
    assert check(leaks.Honest, tape, cuts=1, warm_up=60).is_clean
    found = check(leaks.Honest, tape, cuts=1, warm_up=5)
    assert probes(found) == {"warm-up"}
    assert found.findings[0].what == "mean"


def test_leak_1_the_tape_by_closure(tape):
    found = check(leaks.over_closure(tape), tape, cuts=3)
    assert "future" in probes(found)
    first = next(finding for finding in found.findings if finding.probe == "future")
    assert first.what == "order"
    assert first.expected != first.found
    assert first.time is not None
    assert first.time > "2026-01-02"


def test_leak_1_a_closure_over_the_tape_leaves_the_tape_as_it_was(tape):
    before = {name: column.copy() for name, column in tape.events.items()}
    check(leaks.over_closure(tape), tape, cuts=1)
    assert all(np.array_equal(tape.events[name], column) for name, column in before.items())


def test_leak_2_an_array_worked_out_beforehand(tape):
    found = check(leaks.over_array(tape), tape, cuts=3)
    assert "outside data" in probes(found)
    assert "ups" in "".join(finding.detail for finding in found.findings)


def test_leak_3_full_sample_statistics(tape):
    found = check(leaks.over_statistics(tape), tape, cuts=3)
    assert "outside data" in probes(found)
    assert "sample" in found.findings[0].detail


def test_leak_4_a_cache_of_the_module(tape):
    found = check(leaks.over_cache(), tape, cuts=1)
    assert "repeat" in probes(found)


def test_leak_4_state_kept_between_runs(tape):
    assert "repeat" in probes(check(leaks.Counts, tape, cuts=1))


def test_leak_5_a_file_read_when_the_strategy_is_loaded(tape, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("prices.npy", leaks.closes_of(tape)[1])
    (tmp_path / "by_file.py").write_text(leaks.FROM_FILE, encoding="utf-8")
    found = check("by_file.py:ByFile", tape, cuts=1)
    assert probes(found) == {"file"}
    assert "prices.npy" in found.findings[0].found


def test_a_file_that_is_allowed_is_no_finding(tape, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("prices.npy", leaks.closes_of(tape)[1])
    (tmp_path / "by_file_allowed.py").write_text(leaks.FROM_FILE, encoding="utf-8")
    assert check("by_file_allowed.py:ByFile", tape, cuts=1, allow=["prices.npy"]).is_clean


def test_leak_6_restated_prints_seen_on_their_value_date(tape):
    """The tape knows each value when it happens, the restated one too: ``ts_seen`` equals ``ts_event``."""
    events = {name: column.copy() for name, column in tape.events.items()}
    prints = events["kind"] == Kind.PRINT
    assert (prints & (events["volume"] > 0)).any()
    events["ts"][prints] = events["ts_event"][prints]
    order = np.lexsort((events["ref"], events["kind"], events["ts"]))
    early = dataclasses.replace(tape, events={name: column[order] for name, column in events.items()}, sha256="")
    found = check(leaks.Honest, early, cuts=1)
    assert probes(found) == {"tape"}
    assert "print of SIM-H100" in found.findings[0].what


def test_leak_6_bars_stamped_at_their_open(tape):
    events = {name: column.copy() for name, column in tape.events.items()}
    bars = events["kind"] == Kind.BAR
    events["ts"][bars] -= 23 * NANOS_PER_DAY // 24
    order = np.lexsort((events["ref"], events["kind"], events["ts"]))
    early = dataclasses.replace(tape, events={name: column[order] for name, column in events.items()}, sha256="")
    assert {sight.what for sight in early_sights(early)} == {"bar"}
    assert early_sights(tape) == []
    assert "tape" in probes(check(leaks.Honest, early, cuts=1))


def test_minute_bars_stamped_at_their_open():
    config = kh.MarketConfig(first=dt.date(2026, 1, 2), last=dt.date(2026, 1, 30), chips=kh.MarketConfig().chips[:1])
    minutes = kh.EmbeddedMarket(seed=3, config=config).minute_tape(contracts=2, days=8)
    assert early_sights(minutes) == []
    events = {name: column.copy() for name, column in minutes.events.items()}
    events["ts"][events["kind"] == Kind.BAR] -= 60 * 10**9
    order = np.lexsort((events["ref"], events["kind"], events["ts"]))
    early = dataclasses.replace(minutes, events={name: column[order] for name, column in events.items()}, sha256="")
    assert "bar" in {sight.what for sight in early_sights(early)}


@pytest.mark.parametrize("name", ["calendar-spread", "generation-roll", "adoption-momentum"])
def test_no_false_alarm_on_a_shipped_strategy(name):
    from tests.strategies.runs import LIVELY, market

    found = check(name, market(), end="2025-12-31", cuts=2, **LIVELY[name])
    assert found.decisions > 100
    assert found.is_clean, found.findings


def test_cuts_and_warm_up_out_of_range_are_refused(tape):
    with pytest.raises(UsageError, match="cuts must be from 1 to 1000, found 0"):
        check(leaks.Honest, tape, cuts=0)
    with pytest.raises(UsageError, match="warm_up must be at least 0 bars, found -1"):
        check(leaks.Honest, tape, warm_up=-1)
