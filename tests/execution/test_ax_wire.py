# SPDX-License-Identifier: Apache-2.0
"""AX's messages to facts and timestamps, from payloads written by the description of the protocol."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest

from kilohour.errors import DataError
from kilohour.execution import port
from kilohour.execution.ax.market import Bars
from kilohour.execution.ax.venue import AxVenue
from kilohour.execution.ax.wire import Symbols, decimal, event_facts, found_order, is_definite, micros_of, place_message
from kilohour.tape.schema import Kind

NEAR, FAR = "AX:NVDA-H100-2026-12", "AX:NVDA-H100-2027-03"
SYMBOLS = Symbols({"NVDA-H100-2026-DEC": NEAR, "NVDA-H100-2027-MAR": FAR})
ORDER = {"oid": "O-1", "u": "me", "s": "NVDA-H100-2026-DEC", "p": "2.815", "q": 2, "xq": 0, "rq": 2, "o": "ACCEPTED", "d": "B", "tif": "GTC",
         "cid": 2**63 + 5, "ts": 1, "tn": 2}
AT = {"ts": 1_790_000_000, "tn": 7}
TS = 1_790_000_000 * 10**9 + 7


def test_an_order_on_the_wire():
    place = port.Place(cid=42, legs=((NEAR, -1),), units=2, limit=2_815_000, life="ioc")
    assert place_message(place, SYMBOLS, 1, "x") == {
        "rid": 1, "t": "p", "s": "NVDA-H100-2026-DEC", "d": "S", "q": 2, "p": "2.815", "tif": "IOC", "po": False, "cid": 42, "tag": "x"}
    spread = port.Place(cid=43, legs=((NEAR, 1), (FAR, -1)), units=3, limit=-5_000, life="gtc", post_only=True)
    assert place_message(spread, SYMBOLS, 2, "x")["s"] == "NVDA-H100-2026-DEC~NVDA-H100-2027-MAR"
    assert place_message(spread, SYMBOLS, 2, "x")["p"] == "-0.005"
    wide = port.Place(cid=44, legs=((NEAR, 1), (FAR, -2)), units=3, limit=0, life="gtc")
    assert SYMBOLS.symbol(wide) == "1*NVDA-H100-2026-DEC~-2*NVDA-H100-2027-MAR"


@pytest.mark.parametrize(("letter", "fact"), [
    ("n", port.Acknowledged(cid=2**63 + 5, oid="O-1", ts=TS)),
    ("c", port.Ended(cid=2**63 + 5, oid="O-1", state="canceled", filled=1, reason="USER", ts=TS)),
    ("x", port.Ended(cid=2**63 + 5, oid="O-1", state="expired", filled=1, reason="USER", ts=TS)),
    ("d", port.Ended(cid=2**63 + 5, oid="O-1", state="expired", filled=1, reason="USER", ts=TS)),
    ("j", port.Ended(cid=2**63 + 5, oid="O-1", state="rejected", filled=1, reason="USER", ts=TS)),
    ("e", port.CancelRefused(cid=2**63 + 5, reason="cancel rejected")),
])  # fmt: skip
def test_events_of_an_order(letter, fact):
    body = {"t": letter, "eid": "9", **AT, "o": {**ORDER, "xq": 0 if letter == "n" else 1}}
    if letter not in ("n", "e"):
        body["xr"] = "USER"
    assert event_facts(body, SYMBOLS) == [fact]


def test_the_level_of_a_waiting_order_was_reached():
    body = {"t": "n", "eid": "9", **AT, "o": {**ORDER, "x": {"triggered": True}}, "txt": "triggered"}
    assert event_facts(body, SYMBOLS) == [port.Triggered(cid=2**63 + 5, oid="O-1", ts=TS)]
    assert found_order(body["o"]).is_triggered
    assert not found_order(ORDER).is_triggered


def test_a_fill_has_no_fee_and_a_replaced_order_goes_on_under_another_number_or_is_over():
    fill = {"t": "p", **AT, "o": {**ORDER, "xq": 1}, "xs": {"tid": "T1", "s": "NVDA-H100-2026-DEC", "q": 1, "p": "2.814", "d": "B", "agg": False}}
    (fact,) = event_facts(fill, SYMBOLS)
    assert (fact.legs, fact.cumulative, fact.is_maker) == ((port.LegFill(contract=NEAR, trade="T1", lots=1, price=2_814_000),), 1, True)
    new = {**ORDER, "oid": "O-2"}
    (amended,) = event_facts({"t": "r", **AT, "o": new, "ro": ORDER, "no": {**new, "q": 5}, "noid": "O-2"}, SYMBOLS)
    assert (amended.cid, amended.oid, amended.units) == (ORDER["cid"], "O-2", 5)
    new.pop("cid")
    (over,) = event_facts({"t": "r", **AT, "o": new, "ro": ORDER, "no": new, "noid": "O-2"}, SYMBOLS)
    assert (over.oid, over.state) == ("O-1", "canceled")
    assert event_facts({"t": "h", **AT}, SYMBOLS) == []


def test_what_rest_shows():
    assert found_order({**ORDER, "o": "PARTIALLY_FILLED", "xq": 1}) == port.Found(cid=2**63 + 5, oid="O-1", state="live", filled=1, ts=10**9 + 2)
    status = {"symbol": "X", "order_id": "O-3", "state": "EXPIRED", "clord_id": 8, "filled_quantity": 4, "remaining_quantity": 0}
    assert found_order(status) == port.Found(cid=8, oid="O-3", state="expired", filled=4, ts=0)
    with pytest.raises(DataError, match="state must be one of"):
        found_order({**ORDER, "o": "ASLEEP"})


def test_numbers_are_text_and_floats_are_refused():
    assert [decimal(micros_of(text)) for text in ("2.815", "-0.5", "100", "0.000001")] == ["2.815", "-0.5", "100", "0.000001"]
    for wrong in (2.815, "1e5", "", None, "2.8150001", "NaN"):
        with pytest.raises(DataError):
            micros_of(wrong)


@pytest.mark.parametrize(("code", "sure"), [(400, True), (401, True), (429, True), (409, False), (404, False), (500, False), (503, False),
                                            (None, False), ("400", False)])  # fmt: skip
def test_which_errors_prove_that_the_venue_has_no_order(code, sure):
    assert is_definite(code) is sure


def candle(start: int, close: str, *, now: int = 0) -> dict:
    return {"t": "c", "symbol": "NVDA-H100-2026-DEC", "s": "NVDA-H100-2026-DEC", "width": "1m", "ts": start, "tn": 0, "open": "2.8", "high": "2.9",
            "low": "2.7", "close": close, "volume": 3}


def test_a_candle_is_a_bar_when_it_is_over_by_the_venues_clock():
    bars = Bars({"NVDA-H100-2026-DEC": 0}, "1m")
    assert bars.hear(candle(60, "2.81")) == []
    assert bars.hear(candle(60, "2.82")) == []
    assert bars.hear({"t": "h", "ts": 120, "tn": 0}) == [], "one more trade may still come"
    ((bar,),) = bars.hear({"t": "h", "ts": 121, "tn": 0})
    assert (bar.ts, bar.kind, bar.open, bar.close, bar.volume) == (120 * 10**9, Kind.BAR, 2_800_000, 2_820_000, 3)
    assert bars.hear(candle(180, "2.5")) == []
    ((bar,),) = bars.hear(candle(240, "2.6"))
    assert (bar.ts, bar.close) == (240 * 10**9, 2_500_000)


def test_a_new_settlement_is_a_mark_and_the_one_before_the_run_is_not():
    bars = Bars({"NVDA-H100-2026-DEC": 0}, "1m")
    ticker = {"t": "s", "s": "NVDA-H100-2026-DEC", "tn": 0}
    assert bars.hear({**ticker, "ts": 1000, "lsp": "2.8", "lst": 900}) == []
    assert bars.hear({**ticker, "ts": 1001, "lsp": "2.8", "lst": 900}) == []
    ((mark,),) = bars.hear({**ticker, "ts": 2000, "lsp": "2.85", "lst": 1990})
    assert (mark.ts, mark.ts_event, mark.kind, mark.close) == (2000 * 10**9, 1990 * 10**9, Kind.MARK, 2_850_000)


def test_a_message_that_lay_unread_while_a_step_held_the_loop_is_no_gap(monkeypatch):
    venue = AxVenue("http://127.0.0.1:9", {}, {}, time.time_ns)
    monkeypatch.setattr(venue, "look_up_fills", lambda: pytest.fail("asked by REST for what was not lost"))
    monkeypatch.setattr("kilohour.execution.ax.venue.GAP_SECONDS", 0.02)

    async def go():
        ours, theirs = socket.socketpair()
        loop = asyncio.get_running_loop()

        def hold():
            theirs.send(b"1")
            time.sleep(0.14)

        with ours, theirs:
            loop.add_reader(ours, lambda: loop.call_soon(venue._count, len(ours.recv(1))))
            loop.call_later(0.01, hold)
            await asyncio.wait_for(venue.caught_up(1), 10)
            loop.remove_reader(ours)

    asyncio.run(go())
    assert venue.messages == 1
