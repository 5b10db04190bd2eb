# SPDX-License-Identifier: Apache-2.0
"""The detector finds each kind of leak, and only leaks."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re

import numpy as np
import pandas as pd
import pytest

import kilohour as kh
from kilohour.backtests.check.check import check
from kilohour.backtests.check.doors import watched
from kilohour.backtests.check.outside import outside_of
from kilohour.backtests.check.probes import noise, perturbed
from kilohour.errors import UsageError
from kilohour.tape import Kind, Tape
from kilohour.tape.schema import COLUMNS
from kilohour.tape.stamps import early_sights
from kilohour.units import NANOS_PER_DAY, nanos_of
from tests.backtests.check import leaks
from tests.backtests.check.places import PLACES


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


def test_leak_3_a_mean_of_the_full_sample_far_from_every_price(tape):
    (found,) = check(leaks.over_far_mean(tape), tape, cuts=2).findings
    assert (found.probe, found.what) == ("outside data", "order")
    assert "sample" in found.detail


@pytest.mark.parametrize("place", PLACES)
def test_leak_2_wherever_the_series_lies_it_is_found_changed_and_put_back(place):
    face, name = PLACES[place]
    first = seen(face)
    (found,) = [one for one in outside_of(face) if re.match(name, one.name)]
    with found.perturbed(nanos_of(dt.datetime(2026, 2, 1, tzinfo=dt.UTC)), lambda count: np.full(count, 1.6)):
        other = seen(face)
        assert other != first
        assert found.is_timed == (place == "a frame of truths with times")
        if found.is_timed:  # 28 days lie up to the cut
            assert (other[:28], other[28:]) == (first[:28], [not up for up in first[28:][::-1]])
    assert seen(face) == first


def seen(face):
    value = face.on_bar(None, None)
    if isinstance(value, pd.DataFrame):
        return value["side"].tolist()
    return value.tolist() if isinstance(value, np.ndarray) else value if isinstance(value, float) else list(value)


def test_parameters_names_and_calendars_are_no_data():
    """63 numbers, a hundred names, a calendar of days."""
    weights, names, days = [0.5] * 63, [f"chip {at}" for at in range(100)], np.arange(20_000, 20_100)

    class Plain(kh.Strategy):
        def on_bar(self, desk):
            return weights, names, days

    assert outside_of(Plain) == []


def test_leak_2_a_frame_of_signals(tape):
    ts, close = leaks.closes_of(tape)
    signals = pd.Series(np.sign(np.append(np.diff(close), 0.0)), index=pd.to_datetime(ts, utc=True))

    class ByFrame(kh.Strategy):
        interpreted = True
        chip: kh.Product = kh.product("SIM:H100")

        def on_bar(self, desk):
            at = int(np.searchsorted(ts, desk.now, side="right"))
            if 0 < at < len(ts):
                desk.target(desk.nth(self.chip, 3), 2 if signals.iloc[at] > 0 else -2)

    (first,) = [one for one in check(ByFrame, tape, cuts=3).findings if one.probe == "outside data"]
    assert "signals" in first.detail
    assert "other values after" in first.detail


def test_another_future_changes_quotes_funding_and_prices_below_zero(tape):
    """By hand: times 1.6 after the first second; levels of one snapshot keep their order, nothing changes its sign or appears."""
    none = -(2**63)
    rows = [  # ts, kind, open, high, low, close, volume
        (1, Kind.QUOTE, 200, 10, 210, 20, 0), (1, Kind.QUOTE, 190, 5, none, 0, 1), (1, Kind.FUNDING, none, none, none, -500, none),
        (2, Kind.BAR, -30, -10, -40, -20, 5), (2, Kind.MARK, none, none, none, -37_630_000, none), (2, Kind.FUNDING, none, none, none, -500, none),
        (2, Kind.FUNDING, none, none, none, none, none), (2, Kind.QUOTE, 200, 10, 210, 20, 0), (2, Kind.QUOTE, 190, 5, none, 0, 1)]
    given = dict(zip(("ts", "kind", "open", "high", "low", "close", "volume"), np.array(rows, dtype=np.int64).T, strict=True))
    events = {name: given.get(name, np.zeros(len(rows))).astype(dtype) for name, dtype in COLUMNS.items()}
    other = perturbed(dataclasses.replace(tape, events=events, sha256=""), 1, lambda count: np.full(count, 1.6)).events
    found = [tuple(int(other[name][at]) for name in ("open", "high", "low", "close", "volume")) for at in range(len(rows))]
    assert found == [
        *(row[2:] for row in rows[:3]), (-48, -16, -64, -32, 25), (none, none, none, -60_208_000, none), (none, none, none, -800, none),
        (none, none, none, none, none), (320, 16, 336, 32, 0), (304, 8, none, 0, 1)]
    wild = perturbed(dataclasses.replace(tape, events=events, sha256=""), 0, noise(3)).events
    assert wild["open"][0] / wild["open"][1] == pytest.approx(200 / 190, rel=0.01)


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


def test_a_folder_whose_name_begins_as_that_of_an_installation_does_holds_data(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.prefix", str(tmp_path / "env"))
    with watched() as read:
        for folder in ("env", "env-data"):
            (tmp_path / folder).mkdir()
            (tmp_path / folder / "prices.csv").write_text("2.5", encoding="utf-8")
            (tmp_path / folder / "prices.csv").read_text(encoding="utf-8")
    assert read == [str(tmp_path / "env-data" / "prices.csv")]


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

    found = check(name, market(), end="2025-09-30", cuts=1, **LIVELY[name])
    assert found.decisions > 100
    assert found.is_clean, found.findings


def test_cuts_and_warm_up_out_of_range_are_refused(tape):
    with pytest.raises(UsageError, match="cuts must be from 1 to 1000, found 0"):
        check(leaks.Honest, tape, cuts=0)
    with pytest.raises(UsageError, match="warm_up must be at least 0 bars, found -1"):
        check(leaks.Honest, tape, warm_up=-1)
