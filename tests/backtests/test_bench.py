# SPDX-License-Identifier: Apache-2.0
"""The benchmark works and counts what it says it counts. No figure of it is a test: machines differ."""

from __future__ import annotations

import dataclasses

import numpy as np
import pyarrow as pa
import pytest

from kilohour.backtests.bench import __main__ as bench
from kilohour.backtests.bench import markets, timing
from kilohour.backtests.bench.timing import NONE_OF_IT, Peer, Row, Sizes
from kilohour.errors import UnknownName
from kilohour.tape import arrow

QUICK = Sizes.quick()


@pytest.fixture(autouse=True)
def every_processor():
    """The benchmark holds its process to one processor; the tests that follow want all."""
    yield
    timing.pin(timing.PROCESSORS)


@pytest.mark.parametrize("name", ["cross", "spread", "curve",
                                  *(pytest.param(name, marks=pytest.mark.soak) for name in ("resting", "memory", "indicators", "data"))])
def test_every_piece_of_work_gives_rows_with_figures(name, monkeypatch):
    monkeypatch.delenv("KILOHOUR_DATA", raising=False)
    monkeypatch.setattr("kilohour.backtests.bench.peers.installed", lambda _: None)
    monkeypatch.setattr("kilohour.backtests.bench.curve.installed", lambda _: None)
    rows: list[Row] = []
    found = bench.run(dataclasses.replace(QUICK, bars=500, floats=500), [name], rows.append)
    assert len(found["rows"]) == len(rows) > 0
    assert all(row.ours > 0.0 for row in rows)
    assert all(len(bench.cells(row)) == 6 for row in rows)
    assert found["machine"]["versions"]["numpy"] == np.__version__


def test_an_order_s_way_is_counted_without_the_commit_and_facts_between_two_timestamps_count_for_neither(monkeypatch):
    """Four timestamps: an order, nothing to send, a fact's order behind nothing, and an order again."""
    from kilohour.backtests.bench.live import Stamps

    wall, thread = iter([10, 13, 14, 34, 36, 100, 101, 102, 103, 200, 201, 202, 203, 300, 301, 303, 304, 308]), iter([5, 9, 20, 21, 22, 29])
    monkeypatch.setattr("kilohour.backtests.bench.live.time.perf_counter_ns", lambda: next(wall) * 10**6)
    monkeypatch.setattr("kilohour.backtests.bench.live.time.thread_time_ns", lambda: next(thread) * 10**6)
    stamps = Stamps()
    for name in ["received", "decided", "queued", "committed", "send", "sent", "send", "sent", "fact", "queued", "entered", "send", "sent", "received", "decided", "queued", "committed", "received", "decided", "queued", "committed", "fact", "queued", "entered", "send", "sent", "received", "decided", "queued", "committed", "send", "sent"]:  # fmt: skip
        stamps.point(name)
    assert stamps.spans() == {"order": [6.0, 7.0], "commit": [1.0, 20.0], "all": [8.0, 26.0], "cpu": [4.0, 7.0]}


@pytest.mark.slow
def test_a_sweep_is_measured_in_a_process_of_its_own():
    rows: list[Row] = []
    bench.run(QUICK, ["sweep"], rows.append)
    assert [row.unit for row in rows][:2] == ["s", "MB"]


def test_a_peer_that_is_not_there_is_a_word_and_not_an_error(monkeypatch):
    monkeypatch.setattr("kilohour.backtests.bench.peers.installed", lambda _: None)
    rows: list[Row] = []
    bench.run(dataclasses.replace(QUICK, bars=500), ["cross"], rows.append)
    assert [(peer.name, peer.value, peer.note) for peer in rows[0].peers] == [
        ("vectorbt", None, "not installed"), ("backtesting", None, "not installed"), ("backtrader", None, "not installed")]


def test_unknown_work_is_refused_with_the_nearest():
    with pytest.raises(UnknownName, match="sweep"):
        bench.run(QUICK, ["sweeep"], lambda _: None)


def test_ratios_say_how_many_times_better():
    rate = Row("g", "w", "M bars/s", 60.0, True, bar=60.0, goal=120.0, peers=[Peer("slow", 6.0), Peer("none", None, NONE_OF_IT)])
    time = Row("g", "w", "s", 2.0, False, bar=1.5, goal=4.0)
    assert rate.ratio(6.0) == 10.0
    assert time.ratio(4.0) == 2.0
    assert bench.cells(rate)[1:5] == ["60 M bars/s", "60 yes", "120 NO", "slow 6 (10x)"]
    assert bench.cells(time)[2:4] == ["1.5 NO", "4 yes"]


def test_bars_of_a_synthetic_tape_are_those_that_peers_get():
    tape = markets.minutes(1_500, contracts=2)
    bars = markets.ohlc(tape, 1)
    assert tape.bars == 3_000
    assert len(bars["ts"]) == 1_500
    assert (bars["open"][1:] == bars["close"][:-1]).all()
    assert (bars["high"] >= bars["low"]).all()


def test_ten_years_list_36_months_ahead(tmp_path):
    from kilohour.tape import Tape

    tape = Tape.load(markets.ten_years(tmp_path / "tape", days=60))
    day = tape.start + 50 * 86_400 * 10**9
    assert sum(c.listed_at <= day < c.last_trade_at for c in tape.contracts) == 36


@pytest.mark.parametrize("values", [np.arange(5), np.array([1.5, np.nan]), np.zeros(0, np.int64), np.arange(10)[::2]])
def test_arrow_columns_equal_those_pyarrow_makes(values):
    assert arrow.numbers(values).equals(pa.array(values)) or np.isnan(values).any()
    np.testing.assert_array_equal(arrow.numbers(values).to_numpy(), values)


def test_arrow_strings_equal_those_pyarrow_makes():
    words = ["", "NYMEX:CL", "λ", "NYMEX:CL"]
    assert arrow.texts(words).equals(pa.array(words))
    assert arrow.named(np.array([2, 0, 2]), words).equals(pa.array(["λ", "", "λ"]))
    assert arrow.named(np.zeros(0, np.int64), words).equals(pa.array([], pa.string()))


def test_a_run_imports_neither_pandas_nor_scipy_linalg_nor_plotly(tmp_path):
    import subprocess
    import sys

    code = (
        "import sys, kilohour as kh\n"
        "from kilohour.backtests.bench.markets import minutes\n"
        "from kilohour.backtests.bench.strategies import Cross\n"
        f"kh.backtest(Cross, minutes(2_000), out={str(tmp_path / 'run')!r})\n"
        "found = {'pandas', 'scipy.linalg', 'plotly', 'exchange_calendars'} & set(sys.modules)\n"
        "assert not found, found\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_page_gets_the_table_between_its_marks():
    from kilohour.backtests.bench.page import into, page_of

    found = {"machine": {"processor": "P", "cores": 2, "load_average": [0.1], "python": "3.11", "versions": {"numpy": "2", "polars": None}},
             "rows": [dataclasses.asdict(Row("g", "sum", "ns", 2.0, False, 3.0, 1.0, [Peer("other", 1.0), Peer("none", None, NONE_OF_IT)]))]}
    text = into("before\n<!-- measured -->\nold\n<!-- /measured -->\nafter", page_of(found, "2026-11-22"))
    assert text.splitlines()[2] == "2026-11-22; P, 2 cores, load average 0.1; Python 3.11; numpy 2."
    assert "| sum | 2 ns | 3 | 1 | other 1 (0.5x) |" in text
    assert text.startswith("before\n")
    assert text.endswith("\nafter")
    assert "old" not in text
    with pytest.raises(ValueError, match="marks"):
        into("no marks", "table")
