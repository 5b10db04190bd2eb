# SPDX-License-Identifier: Apache-2.0
"""Candles page by page: a fake exchange for the hazards, and ccxt's own Gate class against a local server."""

import http.server
import json
import subprocess
import sys
import threading
import urllib.parse

import pytest

from kilohour.datafeeds.candles import StillRefused, Wanted, gaps_of, pages, step_of
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
        self.candles = [[START + i * HOUR, 2.0 + i / 100, 2.5 + i / 100, 1.5, 2.1 + i / 100, 7.0] for i in range(hours) if i not in without]
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
    (hole,) = gaps_of(found, HOUR)
    assert (hole.after, hole.count) == (START + 9 * HOUR, 35)


@pytest.mark.parametrize(("row", "words"), [
    ([START, 1, 2, 3], "a candle must be"), ([START, 1, "2", 1, 1, 1], "a candle must be"), ([START, 1, float("nan"), 1, 1, 1], "a candle must be"),
    ([START - 1, 1, 1, 1, 1, 1], "must come in order"),
])
def test_rows_that_are_no_candles_are_refused(row, words):
    market = Market()
    market.fetch_ohlcv = lambda *_: [[START, 1, 1, 1, 1, 1], row]
    with pytest.raises(DataError, match=words):
        collected(market)


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


def test_gaps_are_noted_or_refused(tmp_path):
    told = fetched(Market(without=(5, 6, 20)), tmp_path / "t")
    assert "  - 3 candles missing in 2 gaps, the longest: 2 candles missing after 2026-01-01 04:00; nothing was filled in" in told
    with pytest.raises(DataError, match="2 candles missing after 2026-01-01 04:00; gaps=keep takes it as it is"):
        fetched(Market(without=(5, 6, 20)), tmp_path / "other", gaps="refuse")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["t"]


def test_options_that_are_wrong_are_refused(tmp_path):
    with pytest.raises(UnknownName, match="unknown gaps rule 'fill'"):
        fetched(Market(), tmp_path / "t", gaps="fill")
    with pytest.raises(UsageError, match="timeframe must be a number and s, m, h, d or w, as 1h, found 'h1'"):
        step_of("h1")
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
