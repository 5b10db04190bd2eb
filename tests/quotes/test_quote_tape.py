# SPDX-License-Identifier: Apache-2.0
"""Quotes, levels and trades on their way to a tape: what is kept, and what is refused in which words."""

import numpy as np
import pandas as pd
import pytest

import kilohour as kh
from kilohour.backtests.prepare import prepare
from kilohour.errors import DataError, UnknownName, UsageError
from kilohour.faces.fields import dtype_of
from kilohour.live import Event, LiveSession, empty_tape
from kilohour.tape import Kind, Tape
from kilohour.tape.slice import between
from kilohour.units import MISSING, NANOS_PER_SECOND
from tests.backtests.tapes import sim_tape
from tests.oracle.books import FillRules
from tests.quotes.markets import builder_of, engine_rows

PRODUCT = kh.Product.simple("MY:GPU", lot=100, tick="0.01")
TIMES = pd.date_range("2026-01-05 10:00", periods=3, freq="20s", tz="UTC")
QUOTES = pd.DataFrame({"time": TIMES, "contract": "2026-12", "bid": [1.99, 2.00, np.nan], "bid_size": [5, 4, np.nan],
                       "ask": [2.01, 2.015001, 2.02], "ask_size": [6, 7, 8]})
TRADES = pd.DataFrame({"time": TIMES[[1, 1, 2]], "contract": "2026-12", "price": [2.0, 2.01, 1.99], "size": [3, 1, 2]})


def rows(tape, kind):
    keep = tape.events["kind"] == kind
    return [tuple(row) for row in zip(*(tape.events[name][keep].tolist() for name in ("open", "high", "low", "close", "volume")), strict=True)]


def test_a_quote_is_an_event_and_with_both_sides_a_bar_of_no_volume_at_its_middle():
    tape = Tape.from_quotes(QUOTES, product=PRODUCT)
    assert rows(tape, Kind.QUOTE) == [(1_990_000, 5, 2_010_000, 6, 0), (2_000_000, 4, 2_015_001, 7, 0), (MISSING, 0, 2_020_000, 8, 0)]
    assert rows(tape, Kind.BAR) == [(2_000_000,) * 4 + (0,), (2_007_500,) * 4 + (0,)]  # 2.0075005 half-even
    assert rows(tape, Kind.MARK)[0][3] == 2_007_500
    assert any("bar of no volume at its middle" in note for note in tape.notes)


def test_trades_of_one_time_are_one_bar_and_take_the_place_of_the_middle():
    tape = Tape.from_quotes(QUOTES, product=PRODUCT, trades=TRADES)
    assert rows(tape, Kind.BAR) == [(2_000_000,) * 4 + (0,), (2_000_000, 2_010_000, 2_000_000, 2_010_000, 4), (1_990_000,) * 4 + (2,)]


def test_quotes_survive_the_disk_a_cut_and_a_look(tmp_path):
    tape = Tape.from_quotes(QUOTES, product=PRODUCT, trades=TRADES).save(tmp_path / "tape")
    again = Tape.load(tmp_path / "tape")
    assert rows(again, Kind.QUOTE) == rows(tape, Kind.QUOTE)
    assert len(rows(between(tape, tape.start, tape.start + 30 * NANOS_PER_SECOND), Kind.QUOTE)) == 2
    looked = tape.frame(Kind.QUOTE)
    assert looked["kind"].tolist() == ["quote"] * 3
    assert looked[["open", "high", "low", "close"]].iloc[0].tolist() == [1.99, 5, 2.01, 6]


def levels(ts, level, bid, bid_size, ask, ask_size):
    builder = builder_of(("A",))
    columns = [np.array(column, dtype=np.int64) for column in (ts, bid, bid_size, ask, ask_size, level)]
    builder.quotes(0, columns[0] * NANOS_PER_SECOND, *columns[1:])


@pytest.mark.parametrize(("columns", "message"), [
    (([1], [0], [11], [1], [10], [1]), "A: the best bid must not be above the best ask, a crossed quote: bid, found 1.1e-05"),
    (([1], [0], [9], [-1], [10], [1]), "A: bid_size must not be negative, found -1 at 1970-01-01 00:00:01"),
    (([1], [0], [9], [1], [MISSING], [1]), "a displayed size needs a price"),
    (([1, 1], [0, 1], [9, 9], [1, 1], [10, 11], [1, 1]), "levels go away from the best: bid"),
    (([1, 1], [0, 1], [9, 8], [1, 1], [10, 10], [1, 1]), "levels go away from the best: ask"),
    (([1, 1], [0, 1], [9, 8], [0, 1], [10, 11], [1, 1]), "a bid needs one on every better level"),
    (([1, 1], [0, 1], [9, 8], [1, 0], [10, 11], [1, 0]), "a level needs a bid or an ask"),
    (([1, 1], [0, 2], [9, 8], [1, 1], [10, 11], [1, 1]), "the levels of a snapshot count up from 0: level, found 2"),
    (([1, 2], [0, 1], [9, 8], [1, 1], [10, 11], [1, 1]), "the levels of a snapshot count up from 0"),
    (([1, 1], [0, 0], [9, 9], [1, 1], [10, 10], [1, 1]), "snapshots must be in increasing order of time"),
    (([2, 1], [0, 0], [9, 9], [1, 1], [10, 10], [1, 1]), "snapshots must be in increasing order of time"),
    (([1] * 11, list(range(11)), [50 - n for n in range(11)], [1] * 11, [60 + n for n in range(11)], [1] * 11), "at most 10 levels"),
])
def test_a_quote_that_cannot_be_is_refused(columns, message):
    with pytest.raises(DataError, match=message):
        levels(*columns)


def test_a_locked_quote_and_an_empty_one_are_quotes():
    levels([1, 2], [0, 0], [10, 0], [1, 0], [10, 0], [1, 0])


@pytest.mark.parametrize(("change", "error", "message"), [
    ({"bid_size": 1.5}, DataError, "column 'bid_size': must be whole lots, not negative, found 1.5"),
    ({"bid": 3.0}, DataError, "the best bid must not be above the best ask"),
    ({"asks": 3.0}, UnknownName, "did you mean 'ask'"),
    ({"bid_size": 0}, DataError, "contract 2026-12: needs a quote with both sides, or a trade, found none"),
])
def test_a_frame_that_cannot_be_traded_on_is_refused(change, error, message):
    with pytest.raises(error, match=message):
        Tape.from_quotes(QUOTES.assign(**change), product=PRODUCT)


def test_a_trade_of_nothing_and_one_of_another_contract_are_refused():
    with pytest.raises(DataError, match="a trade must be of at least one lot, found 0 at row 0"):
        Tape.from_quotes(QUOTES, product=PRODUCT, trades=TRADES.assign(size=0))
    with pytest.raises(UnknownName, match="contract"):
        Tape.from_quotes(QUOTES, product=PRODUCT, trades=TRADES.assign(contract="2027-01"))
    with pytest.raises(DataError, match="the frame of trades needs the columns time, contract, price, size once each"):
        Tape.from_quotes(QUOTES, product=PRODUCT, trades=TRADES.drop(columns="size"))


class Looks(kh.Strategy):
    """Writes down what it sees displayed at every event."""

    product: kh.Product = kh.product("MY:GPU")

    def on_bar(self, desk: kh.Desk) -> None:
        self.look(desk)

    def on_event(self, desk: kh.Desk) -> None:
        self.look(desk)

    def look(self, desk: kh.Desk) -> None:
        front = desk.nth(self.product, 1)
        desk.record("bid", desk.bid(front))
        desk.record("ask", desk.ask(front))
        desk.record("sizes", float(desk.bid_size(front) * 100 + desk.ask_size(front)))


@pytest.mark.parametrize("interpreted", [False, True])
def test_a_strategy_sees_what_is_displayed_under_any_model_until_it_is_stale(interpreted):
    late = pd.DataFrame({"time": TIMES[-1:] + pd.Timedelta("61s"), "contract": "2026-12", "price": [2.0], "size": [1]})
    tape = Tape.from_quotes(QUOTES, product=PRODUCT, trades=late)
    seen = kh.backtest(Looks, tape, interpreted=interpreted).records
    nan = float("nan")
    assert np.array_equal(seen.to_numpy(), [[1.99, 2.01, 506], [2.0, 2.015001, 407], [nan, 2.02, 8], [nan, nan, 0]], equal_nan=True)


def test_a_model_of_quotes_needs_quotes():
    with pytest.raises(UsageError, match=r"the fill model 'book' needs quotes on the tape \(Tape.from_quotes, TapeBuilder.quotes\), found none"):
        kh.backtest("calendar-spread", sim_tape(20), far=2, fills=kh.Fills(model="book"))


@pytest.mark.parametrize("model", ["path", "open"])
def test_models_of_bars_fill_nothing_at_a_middle(model):
    tape = Tape.from_quotes(pd.concat([QUOTES[:2]], ignore_index=True), product=PRODUCT)
    run = kh.backtest(Buys, tape, fills=kh.Fills(model=model))
    assert (run.result["orders"], run.result["fills"]) == (1, 0)


class Buys(kh.Strategy):
    """Asks once."""

    product: kh.Product = kh.product("MY:GPU")
    asked: bool = kh.state(False)

    def on_bar(self, desk: kh.Desk) -> None:
        if not self.asked:
            self.asked = True
            desk.target(desk.nth(self.product, 1), 1)


def test_a_target_is_worked_off_at_what_is_displayed():
    run = kh.backtest(Buys, Tape.from_quotes(QUOTES, product=PRODUCT), fills=kh.Fills(model="quote", slippage_ticks=1))
    assert run.fills[["lots", "price_micros", "liquidity"]].values.tolist() == [[1, 2_025_001, "taker"]]
    assert run.result["refused"] == 0


def test_a_halted_contract_fills_nothing_until_it_opens():
    builder = builder_of(("A",))
    ts = np.arange(4) * 10 * NANOS_PER_SECOND
    price, lots = np.full(4, 10_000_000), np.full(4, 5)
    builder.bars(0, ts, price, price, price, price, np.array([0, 9, 0, 0]))
    builder.quotes(0, ts, price - 10_000, lots, price + 10_000, lots)
    builder.session(0, int(ts[1]) - 1, "halted")
    builder.session(0, int(ts[3]) - 1, "open")
    rules, script = FillRules(model="quote"), {0: [("market", "A", 2, "gtc"), ("stop", "A", 3, 10_000_000, "gtc")]}
    fills, _ = engine_rows(builder.build(), rules, script, 1_000_000)
    assert [(fill.ts // NANOS_PER_SECOND, fill.order, fill.lots) for fill in fills] == [(29, 1, 2)]


def test_a_live_session_shows_quotes_as_they_come():
    tape = empty_tape(Tape.from_quotes(QUOTES, product=PRODUCT))
    ready = prepare(Looks, tape, parameters={}, interpreted=True, live_from=int(TIMES[0].value))
    session = LiveSession(ready.market, ready.face, np.zeros(1, dtype_of(Looks)), ready.cash_micros, interpreted=True)
    for at, (bid, size) in enumerate([(1_990_000, 5), (2_000_000, 4)]):
        ts = int(TIMES[at].value)
        quote = Event(ts, ts, Kind.QUOTE, 0, bid, size, 2_010_000, 6, 0)
        session.see([Event(ts, ts, Kind.LISTING, 0, *[MISSING] * 5), quote] if at == 0 else [quote])
    session.close()
    rows = session.table("records")
    assert rows["values"][:, 0].tolist() == [1.99, 2.0]
