# SPDX-License-Identifier: Apache-2.0
"""Candles page by page: a fake exchange for the hazards, and ccxt's own Gate class against a local server."""

import csv
import functools
import http.server
import json
import subprocess
import sys
import threading
import urllib.parse
from typing import Any

import numpy as np
import pandas as pd
import pytest

from kilohour.contracts import Registry
from kilohour.datafeeds.candles import Held, StillRefused, Wanted, gaps_of, pages, step_of
from kilohour.datafeeds.importing.candle_import import Market as Taking
from kilohour.datafeeds.importing.candle_import import import_candles
from kilohour.datafeeds.sources.ccxt_candles import fetch
from kilohour.errors import DataError, UnknownName, UsageError
from kilohour.tape import Kind, Tape

HOUR = 3_600_000
START = 1_767_225_600_000  # 2026-01-01


class Busy(Exception):
    """Too many requests."""


class Market:
    """Candles of every hour except those in ``without``; refuses the requests whose number is in ``busy``."""

    def __init__(self, hours=50, without=(), busy=(), overlap=0):
        self.candles: list[list[Any]] = [[START + i * HOUR, 2.0 + i / 100, 2.5 + i / 100, 1.5, 2.1 + i / 100, 7.0] for i in range(hours) if i not in without]
        self.busy, self.overlap, self.asked = set(busy), overlap, []

    def fetch_ohlcv(self, symbol, timeframe, since=None, limit=None):
        self.asked.append(since)
        if len(self.asked) - 1 in self.busy:
            raise Busy("slow down\nplease")
        rows = [row for row in self.candles if row[0] >= since - self.overlap * HOUR]
        return rows[:limit]


def wanted(**changes):
    return Wanted(**{"symbol": "H100/USDT:USDT", "timeframe": "1h", "since": START, "until": START + 50 * HOUR, "limit": 20, **changes})


def collected(market, **changes):
    waits: list[float] = []
    found = [candle for page in pages(market, wanted(**changes), wait=waits.append, passing=(Busy,)) for candle in page]
    return found, waits


@pytest.mark.parametrize("overlap", [0, 3])
def test_pages_follow_one_another_and_no_candle_comes_twice(overlap):
    found, waits = collected(Market(overlap=overlap))
    assert [candle[0] for candle in found] == [START + i * HOUR for i in range(50)]
    assert waits == []


def test_a_candle_that_has_not_ended_is_left_out():
    found, _ = collected(Market(), until=START + 10 * HOUR + 5)
    assert len(found) == 10


def test_a_busy_exchange_is_waited_for_twice_as_long_each_time():
    market = Market(busy=(1, 2, 3))
    found, waits = collected(market)
    assert len(found) == 50
    assert waits == [1.0, 2.0, 4.0]
    assert market.asked[1:5] == [START + 20 * HOUR] * 4
    with pytest.raises(StillRefused, match="still refused after 6 waits: Busy: slow down"):
        collected(Market(busy=range(10)))


def test_empty_stretches_are_passed_and_holes_are_counted():
    found, _ = collected(Market(without=range(10, 45)), limit=5)
    assert len(found) == 15
    (hole,) = gaps_of([candle[0] for candle in found], HOUR)
    assert (hole.after, hole.count) == (START + 9 * HOUR, 35)


NAN = float("nan")


@pytest.mark.parametrize(("row", "column", "reason"), [
    ([START + HOUR, 1, 2, 3], "candle", "not time, open, high, low, close and volume"), ([START + HOUR, 1, "2], [", 1, 1, 1], "high", "not a number"),
    ([START + HOUR, 1, NAN, 1, 1, 1], "high", "not finite"), ([START + HOUR, 1, 1, 1, -(10**400), 1], "close", "not under 1e+09 dollars"),
    ([START + HOUR, None, 1, 1, 1, 1], "open", "empty"), ([START + HOUR, 1, 1, 1, 1, "7 lots"], "volume", "not a number"),
    ([None, 1, 1, 1, 1, 1], "time", "not a time in milliseconds"), ([NAN, 1, 1, 1, 1, 1], "time", "not a time in milliseconds"),
    ([], "time", "not a time in milliseconds"), ("busy", "time", "not a time in milliseconds"),
])
def test_a_row_that_is_no_candle_comes_with_the_reason_and_can_be_held(tmp_path, row, column, reason):
    market = Market(hours=4)
    market.candles[1] = row
    market.fetch_ohlcv = lambda *asked: market.candles if asked[2] == START else []
    found, _ = collected(market, until=START + 4 * HOUR)
    assert found[1][1:] == (column, str(row)[:120], reason)
    assert [len(one) for one in found] == [6, 4, 6, 6]
    held = Held(tmp_path / "held", wanted(), "fake")
    held.add(found)
    assert [one for page in held.pages(3) for one in page] == found


def test_rows_of_numpy_are_candles():
    market = Market(hours=3)
    market.candles = list(np.array(market.candles))
    assert collected(market, until=START + 3 * HOUR) == collected(Market(hours=3), until=START + 3 * HOUR)


def test_rows_out_of_order_are_refused():
    market = Market()
    market.fetch_ohlcv = lambda *_: [[START, 1, 1, 1, 1, 1], [START - 1, 1, 1, 1, 1, 1]]
    with pytest.raises(DataError, match="must come in order"):
        collected(market)


def test_an_exchange_without_times_is_asked_for_each_stretch_once():
    market = Market()
    market.fetch_ohlcv = lambda *asked: market.asked.append(asked[2]) or [[None, 1, 1, 1, 1, 1]] * 20
    found, _ = collected(market)
    assert market.asked == [START + hours * HOUR for hours in (0, 20, 40)]
    assert len(found) == 60


def fetched(market, out, **options):
    given = {"product": "GATE:H100", "wait": lambda _: None, "passing": (Busy,), "assume": [], **options}
    return fetch(market, "fake", wanted(), out, **given)


def test_candles_become_bars_seen_when_they_end(tmp_path):
    told = fetched(Market(), tmp_path / "t", volume="contracts")
    tape = Tape.load(tmp_path / "t")
    rows = tape.events["kind"] == Kind.BAR
    assert tape.bars == 50
    assert tape.events["ts"][rows][0] == (START + HOUR) * 1_000_000
    assert tape.events["close"][rows][:2].tolist() == [2_100_000, 2_110_000]
    assert tape.events["volume"][rows][0] == 7
    assert told[-1] == f"tape: {tmp_path / 't'}"
    assert [path.name for path in tmp_path.iterdir()] == ["t"]


def test_an_interrupted_import_goes_on_and_gives_the_same_tape(tmp_path):
    fetched(Market(), tmp_path / "whole")
    market = Market()
    whole_fetch = market.fetch_ohlcv

    def stops(*asked):
        if len(market.asked) == 2:
            raise KeyboardInterrupt
        return whole_fetch(*asked)

    market.fetch_ohlcv = stops
    with pytest.raises(KeyboardInterrupt):
        fetched(market, tmp_path / "t")
    assert not (tmp_path / "t").exists()
    held = tmp_path / ".t.import" / "candles.jsonl"
    held.write_text(held.read_text() + "[17672")  # torn by a crash
    again = Market()
    fetched(again, tmp_path / "t")
    assert again.asked[0] == START + 40 * HOUR
    assert Tape.load(tmp_path / "t").sha256 == Tape.load(tmp_path / "whole").sha256
    assert not (tmp_path / ".t.import").exists()


def test_what_an_exchange_refused_for_good_can_go_on_later(tmp_path):
    with pytest.raises(StillRefused):
        fetched(Market(busy=range(1, 20)), tmp_path / "t")
    again = Market()
    fetched(again, tmp_path / "t")
    assert again.asked[0] == START + 20 * HOUR


class Restless(Market):
    """Nine days of quarter-hours with prices of many decimals, volume that is sometimes unknown, and gaps."""

    def __init__(self, **how):
        super().__init__(0, **how)
        rng = np.random.default_rng(11)
        for i in np.flatnonzero(rng.random(9 * 96) > 0.03).tolist():
            first, last = rng.normal(2.0, 0.4, 2).tolist()
            volume = None if rng.random() < 0.1 else float(rng.integers(0, 90))
            self.candles.append([START + i * HOUR // 4, first, max(first, last) + 0.25, min(first, last) - 1 / 3, last, volume])


def streamed(market, out, limit=20, until=START + 9 * 24 * HOUR, run_rows=1 << 20, **changes):
    its = wanted(timeframe="15m", until=until, limit=limit)
    taking = {"exchange": "fake", "product": Registry.shipped().product("GATE:H100"), "assume": (), "counts_lots": True, "refuses_gaps": False}
    asked = functools.partial(pages, market, wait=lambda _: None, passing=(Busy,))
    return import_candles(asked, Taking(**{**taking, **changes}), its, out, run_rows=run_rows)


@pytest.mark.parametrize("lots", [True, False])
def test_streamed_candles_are_the_tape_of_a_frame(tmp_path, lots):
    """In runs of a hundred candles, so that days and months are cut apart, beside one frame in memory."""
    market = Restless()
    streamed(market, tmp_path / "t", run_rows=100, counts_lots=lots)
    frame = pd.DataFrame(market.candles, columns=["opened", "open", "high", "low", "close", "volume"])
    frame = frame.assign(time=pd.to_datetime(frame.pop("opened") + HOUR // 4, unit="ms", utc=True), contract="GATE:H100-PERP")
    frame["volume"] = frame["volume"].fillna(0.0) if lots else np.nan
    by_frame, tape = Tape.from_bars(frame, product="GATE:H100"), Tape.load(tmp_path / "t")
    assert tape.contracts == by_frame.contracts
    assert tape.notes[: len(by_frame.notes)] == by_frame.notes
    for name, column in by_frame.events.items():
        np.testing.assert_array_equal(tape.events[name], column, err_msg=name)
    holes = gaps_of([candle[0] for candle in market.candles], HOUR // 4)
    assert f"{sum(hole.count for hole in holes)} candles missing in {len(holes)} gaps, the longest" in tape.notes[-1]


def test_what_is_spooled_and_what_is_held_are_both_taken_up(tmp_path):
    """Refused for good after 500 candles, of which 400 lie in runs; the rest is asked for, in another rhythm of pages."""
    streamed(Restless(), tmp_path / "whole")
    with pytest.raises(StillRefused):
        streamed(Restless(busy=range(25, 99)), tmp_path / "t", run_rows=200)
    assert json.loads((tmp_path / ".t.import" / "progress.json").read_text())["rows"] == 400
    again = Restless(overlap=1)
    streamed(again, tmp_path / "t", run_rows=200)
    assert again.asked[0] == again.candles[499][0] + HOUR // 4
    for name in ("events.parquet", "manifest.json", "contracts.parquet", "indices.parquet"):
        assert (tmp_path / "t" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert not (tmp_path / ".t.import").exists()


def test_of_candles_held_only_those_by_the_end_that_is_asked_for_are_taken(tmp_path):
    with pytest.raises(StillRefused):
        streamed(Restless(busy=range(25, 99)), tmp_path / "t")
    market = Restless()
    done = streamed(market, tmp_path / "t", until=START + 24 * HOUR)
    assert market.asked == []
    assert done.bars == sum(candle[0] < START + 24 * HOUR for candle in market.candles)


def test_gaps_are_noted_or_refused(tmp_path):
    told = fetched(Market(without=(5, 6, 20)), tmp_path / "t")
    assert "  - 3 candles missing in 2 gaps, the longest: 2 candles missing after 2026-01-01 04:00; nothing was filled in" in told
    with pytest.raises(DataError, match="2 candles missing after 2026-01-01 04:00; gaps=keep takes it as it is"):
        fetched(Market(without=(5, 6, 20)), tmp_path / "other", gaps="refuse")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["t"]


def test_a_candle_that_is_put_aside_is_missing(tmp_path):
    market = Market()
    market.candles[7][2], market.candles[30][4] = 1.0, NAN
    told = fetched(market, tmp_path / "t")
    assert told[-4:-2] == [
        "  - 2 candles missing in 2 gaps, the longest: 1 candle missing after 2026-01-01 06:00; nothing was filled in",
        "  - 2 rows of 50 refused and left out: a high below the open (1), not finite (1)"]  # fmt: skip
    with (tmp_path / "t" / "rejected.csv").open(newline="", encoding="utf-8") as file:
        assert sorted(csv.reader(file))[:2] == [
            ["fake H100/USDT:USDT 1h", "30", "close", f"[{START + 30 * HOUR}, 2.3, 2.8, 1.5, nan, 7.0]", "not finite"],
            ["fake H100/USDT:USDT 1h", "7", "high", f"[{START + 7 * HOUR}, 2.07, 1.0, 1.5, 2.17, 7.0]", "a high below the open"]]  # fmt: skip
    without = Market(without=(7, 30))
    fetched(without, tmp_path / "without")
    for name, column in Tape.load(tmp_path / "without").events.items():
        np.testing.assert_array_equal(Tape.load(tmp_path / "t").events[name], column, err_msg=name)
    with pytest.raises(DataError, match="1 candle missing after 2026-01-01 06:00; gaps=keep takes it as it is; 1 row was refused before, the first is row 7, "
                                        "column 'high': a high below the open, found "):
        fetched(market, tmp_path / "other", gaps="refuse")
    with pytest.raises(DataError, match="at most 0% of the rows may be refused, found 4%, 2 of 50"):
        fetched(market, tmp_path / "other", rejected_max="0%")
    for candle in market.candles[:3]:
        candle[1] = None
    with pytest.raises(DataError, match="at most 5% of the rows may be refused, found 10%, 5 of 50"):
        fetched(market, tmp_path / "other")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["t", "without"]


def test_what_was_put_aside_is_taken_up_with_the_rest(tmp_path):
    """Interrupted in the middle: the tape and the side file are those of one go."""
    def damaged(**how):
        market = Restless(**how)
        for place, cell in ((30, NAN), (250, None), (399, "a], [b"), (400, -1e12), (600, None)):
            market.candles[place][2] = cell
        market.candles[450][3] = 9.0
        market.candles[700:700] = [list(market.candles[700])]
        return market

    streamed(damaged(), tmp_path / "whole")
    with pytest.raises(StillRefused):
        streamed(damaged(busy=range(25, 99)), tmp_path / "t", run_rows=200)
    done = streamed(damaged(), tmp_path / "t", run_rows=200)
    assert done.refused == 7
    for name in ("events.parquet", "manifest.json", "rejected.csv"):
        assert (tmp_path / "t" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_candle_that_is_still_forming_cannot_come_in(tmp_path):
    market = Market()
    market.milliseconds = lambda: START + 50 * HOUR - 1
    with pytest.raises(UsageError, match="until must not lie in the future, .* found 2026-01-03 02:00, and it is 2026-01-03 01:59"):
        fetched(market, tmp_path / "t")
    market.milliseconds = lambda: START + 50 * HOUR
    fetched(market, tmp_path / "t")
    assert Tape.load(tmp_path / "t").bars == 50


def test_options_that_are_wrong_are_refused(tmp_path):
    with pytest.raises(UnknownName, match="unknown gaps rule 'fill'"):
        fetched(Market(), tmp_path / "t", gaps="fill")
    with pytest.raises(UsageError, match="timeframe must be a number and s, m, h, d or w, as 1h, found 'h1'"):
        step_of("h1")
    market = Market()
    with pytest.raises(UsageError, match="product must be a perpetual, found SIM:H100, which has delivery months"):
        fetched(market, tmp_path / "t", product="SIM:H100")
    with pytest.raises(UnknownName, match="did you mean 'GATE:H100'"):
        fetched(market, tmp_path / "t", product="GATE:H10")
    assert market.asked == []
    assert not (tmp_path / "t").exists()


class Gate(http.server.BaseHTTPRequestHandler):
    """The two addresses of Gate's public interface that ccxt asks."""

    def do_GET(self):
        url = urllib.parse.urlparse(self.path)
        query = {name: values[0] for name, values in urllib.parse.parse_qs(url.query).items()}
        rows = [row for row in Market().candles if int(query.get("from", 0)) * 1000 <= row[0] <= int(query.get("to", 2**40)) * 1000]
        body = [{"t": row[0] // 1000, "o": str(row[1]), "h": str(row[2]), "l": str(row[3]), "c": str(row[4]), "v": 7, "sum": "1"}
                for row in rows[: int(query.get("limit", 100))]]
        self.server.asked.append(url.path)
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


@pytest.mark.slow
def test_ccxts_own_class_is_driven_against_a_local_server(tmp_path):
    pytest.importorskip("ccxt", reason="the extra kilohour[live] is not installed")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Gate)
    server.asked = []
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    code = f"""
import ccxt, json
from pathlib import Path
from kilohour.datafeeds.candles import Wanted
from kilohour.datafeeds.sources.ccxt_candles import fetch
exchange = ccxt.gate({{"enableRateLimit": True}})
exchange.urls["api"]["public"] = {{name: "http://127.0.0.1:{server.server_port}" for name in exchange.urls["api"]["public"]}}
market = {{"id": "H100_USDT", "symbol": "H100/USDT:USDT", "base": "H100", "quote": "USDT", "settle": "USDT", "settleId": "usdt", "type": "swap",
          "swap": True, "spot": False, "future": False, "option": False, "contract": True, "linear": True, "inverse": False, "margin": False,
          "active": True, "precision": {{}}, "limits": {{}}, "contractSize": 0.01}}
exchange.set_markets([market])
wanted = Wanted(symbol="H100/USDT:USDT", timeframe="1h", since={START}, until={START} + 50 * {HOUR}, limit=20)
fetch(exchange, "gate", wanted, Path({str(tmp_path / 't')!r}), product="GATE:H100", volume="contracts", passing=(ccxt.NetworkError,))
"""
    try:
        subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    tape = Tape.load(tmp_path / "t")
    rows = tape.events["kind"] == Kind.BAR
    assert tape.events["close"][rows].tolist() == [round(row[4] * 10**6) for row in Market().candles]
    assert all(path.startswith("/futures/usdt/candlesticks") for path in server.asked)
    assert len(server.asked) >= 3
