# SPDX-License-Identifier: Apache-2.0
"""A tape from a DataFrame of bars: what it becomes, and what is refused with row, column and value."""

import datetime as dt
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest

from kilohour.contracts import Product, Registry
from kilohour.errors import DataError, KilohourError, UnknownName, UsageError
from kilohour.tape import Kind, Tape
from kilohour.units import MISSING, nanos_of

GPU = Product.simple("MY:GPU", lot=730, tick="0.01")


def utc(*args):
    return nanos_of(dt.datetime(*args).replace(tzinfo=dt.UTC))  # noqa: DTZ001


def bars(days=5, contract="2026-03", start="2026-01-05", **columns):
    times = pd.date_range(start, periods=days, freq="D", tz="UTC") + pd.Timedelta(hours=20)
    frame = {"time": times, "contract": contract, "open": 2.50, "high": 2.60, "low": 2.40, "close": 2.55, "volume": 10}
    return pd.DataFrame({**frame, **columns})


def events(tape, kind):
    keep = tape.events["kind"] == kind
    return {name: column[keep].tolist() for name, column in tape.events.items()}


def test_a_frame_becomes_bars_marks_and_a_listing():
    tape = Tape.from_bars(bars(close=[2.41, 2.42, 2.43, 2.44, 2.45]), product=GPU)
    found = events(tape, Kind.BAR)
    assert found["ts"] == [utc(2026, 1, day, 20) for day in range(5, 10)]
    assert found["open"] == [2_500_000] * 5
    assert found["close"] == [2_410_000, 2_420_000, 2_430_000, 2_440_000, 2_450_000]
    assert found["volume"] == [10] * 5
    assert events(tape, Kind.MARK)["close"] == found["close"]
    assert events(tape, Kind.LISTING)["ts"] == [utc(2026, 1, 5, 20)]
    assert [c.code for c in tape.contracts] == ["MY:GPU-2026-03"]
    assert tape.products == (GPU,)
    assert "marks are the last close of each UTC day: the data has no settlement prices" in tape.notes


def test_every_cent_is_the_nearest_micro():
    cents = [Fraction(n, 100) for n in (-3763, 1, 281, 123456789)]
    prices = [float(price) for price in cents]
    frame = bars(4, open=prices, high=prices, low=prices, close=prices)
    tape = Tape.from_bars(frame, product=GPU)
    assert events(tape, Kind.BAR)["close"] == [int(price * 1_000_000) for price in cents]
    assert not any("rounded" in note for note in tape.notes)


def test_prices_with_more_than_six_decimals_are_rounded_and_counted():
    tape = Tape.from_bars(bars(open=2.5 + 1 / 3_000_000), product=GPU)
    assert events(tape, Kind.BAR)["open"] == [2_500_000] * 5
    assert "5 prices had more than six decimals and were rounded to the nearest micro" in tape.notes


def test_only_the_last_close_of_a_day_is_a_mark():
    times = ["2026-01-05 10:00", "2026-01-05 20:00", "2026-01-06 09:00", "2026-01-06 10:00"]
    frame = bars(4, time=pd.to_datetime(times, utc=True), close=[2.41, 2.42, 2.43, 2.44])
    tape = Tape.from_bars(frame, product=GPU)
    assert list(zip(events(tape, Kind.MARK)["ts"], events(tape, Kind.MARK)["close"], strict=True)) == [
        (utc(2026, 1, 5, 20), 2_420_000), (utc(2026, 1, 6, 10), 2_440_000)]


def test_a_settle_column_gives_the_marks_and_empty_cells_give_none():
    tape = Tape.from_bars(bars(settle=[2.1, np.nan, 2.3, np.nan, -37.63]), product=GPU)
    assert events(tape, Kind.MARK)["close"] == [2_100_000, 2_300_000, -37_630_000]
    assert tape.notes == ()


def test_open_interest_is_known_the_next_trading_morning():
    tape = Tape.from_bars(bars(open_interest=[100, 101, 102, 103, 104]), product=GPU)
    found = events(tape, Kind.INTEREST)
    assert found["ts"] == [utc(2026, 1, day, 13) for day in (6, 7, 8, 9)]
    assert found["volume"] == [100, 101, 102, 103]
    assert found["ts_event"][0] == utc(2026, 1, 5, 20)


def test_plain_dates_close_at_the_products_close():
    chicago = GPU.replace(trading_close="16:00 America/Chicago")
    frame = bars(3, time=pd.to_datetime(["2026-03-05", "2026-03-06", "2026-03-09"]))
    assert events(Tape.from_bars(frame, product=chicago), Kind.BAR)["ts"] == [
        utc(2026, 3, 5, 22), utc(2026, 3, 6, 22), utc(2026, 3, 9, 21)]
    dates = frame.assign(time=[dt.date(2026, 3, 5), dt.date(2026, 3, 6), dt.date(2026, 3, 9)])
    assert events(Tape.from_bars(dates, product=chicago), Kind.BAR)["ts"][2] == utc(2026, 3, 9, 21)


def test_another_zone_is_converted():
    times = pd.to_datetime(["2026-07-01 16:00", "2026-12-01 16:00"]).tz_localize("America/Chicago")
    tape = Tape.from_bars(bars(2, time=times, contract="2026-12"), product=GPU)
    assert events(tape, Kind.BAR)["ts"] == [utc(2026, 7, 1, 21), utc(2026, 12, 1, 22)]


def test_contracts_may_interleave_and_be_named_by_code_month_or_symbol():
    h100 = bars(4, start="2026-11-02", contract=["SIM:H100-2026-12", "2027-01", "SIM:H100-2026-12", "2027-01"])
    tape = Tape.from_bars(h100, product="SIM:H100")
    assert [c.code for c in tape.contracts] == ["SIM:H100-2026-12", "SIM:H100-2027-01"]
    assert tape.products == ()
    listed = tape.contracts[0].listed_at
    assert listed < tape.start
    assert len(tape.contracts[0].fixing_days) == 22  # business days of December 2026: 23 weekdays less Christmas


def test_a_contract_over_within_the_data_is_settled_at_its_last_mark():
    frame = pd.concat([bars(10, contract="2026-01", start="2026-01-20", close=2.45), bars(20, start="2026-01-20")])
    tape = Tape.from_bars(frame, product=GPU)
    assert list(zip(events(tape, Kind.FINAL)["ref"], events(tape, Kind.FINAL)["ts"], events(tape, Kind.FINAL)["close"],
                    strict=True)) == [(0, utc(2026, 1, 31, 23, 59), 2_450_000)]
    assert events(tape, Kind.EXPIRY)["ref"] == [0]
    assert any("settled at their last mark" in note for note in tape.notes)


def test_a_name_of_ones_own_never_expires_and_a_note_says_so():
    tape = Tape.from_bars(bars(contract="front"), product=GPU)
    assert tape.contracts[0].code == "MY:GPU-front"
    assert tape.contracts[0].listed_at == utc(2026, 1, 5, 20)
    assert any("never expire" in note for note in tape.notes)


def test_a_volume_column_that_is_empty_throughout_is_not_known():
    tape = Tape.from_bars(bars(volume=np.nan), product=GPU)
    assert events(tape, Kind.BAR)["volume"] == [MISSING] * 5
    assert "no volume: fills are not limited" in tape.notes


def test_frame_and_tape_agree():
    frame = bars(close=[2.41, 2.42, 2.43, 2.44, 2.45])
    tape = Tape.from_bars(frame, product=GPU)
    back = tape.frame(Kind.BAR)
    assert back["code"].unique().tolist() == ["MY:GPU-2026-03"]
    assert back["close"].tolist() == frame["close"].tolist()
    assert back["time"].tolist() == frame["time"].tolist()
    assert tape.frame()["kind"].value_counts().to_dict() == {"bar": 5, "mark": 5, "listing": 1}
    assert tape.frame(Kind.MARK)["open"].isna().all()


def test_the_products_of_a_tape_come_back_from_disk(tmp_path):
    tape = Tape.from_bars(bars(), product=GPU).save(tmp_path / "tape")
    assert Tape.load(tmp_path / "tape").products == (GPU,)
    assert Tape.load(tmp_path / "tape").sha256 == tape.sha256


def changed(row, column, value):
    frame = bars()
    frame[column] = frame[column].astype(object)
    frame.loc[row, column] = value
    return frame.infer_objects()


REFUSED = [
    # what is wrong, frame, row, column, and what the message says of it
    ("NaN price", changed(2, "open", np.nan), 2, "open", "must be a price between -1e+09 and 1e+09 dollars, found nan"),
    ("infinite price", changed(3, "high", np.inf), 3, "high", "must be a price between"),
    ("huge price", changed(1, "close", 2e9), 1, "close", "must be a price between"),
    ("text price", changed(1, "close", "2.5O"), 1, "close", "must be a number, found '2.5O'"),
    ("a truth value", bars(open=True), 0, "open", "must be a number, found True"),
    ("high below low", changed(4, "high", 2.3), 4, "high", "must not be below low 2.4, found 2.3"),
    ("high below close", changed(4, "high", 2.53), 4, "high", "must not be below close 2.55, found 2.53"),
    ("low above open", changed(0, "low", 2.52), 0, "low", "must not be above open 2.5, found 2.52"),
    ("negative volume", changed(1, "volume", -1), 1, "volume", "must be whole lots, not negative, found -1"),
    ("part of a lot", changed(1, "volume", 0.5), 1, "volume", "must be whole lots, not negative, found 0.5"),
    ("a gap in volume", changed(1, "volume", np.nan), 1, "volume", "must be whole lots, found none; write 0"),
    ("negative interest", bars(open_interest=-5), 0, "open_interest", "must be whole lots, not negative, found -5"),
    ("infinite settle", bars(settle=-np.inf), 0, "settle", "must be a price between"),
    ("no time", changed(2, "time", pd.NaT), 2, "time", "must be a time, found none"),
    ("no zone", bars(time=pd.date_range("2026-01-05 09:00", periods=5)), 0, "time", "must carry a zone"),
    ("times as text", bars().assign(time="2026-01-05"), None, "time", "must be times, found"),
    ("times as numbers", bars().assign(time=20260105), None, "time", "must be times, found int64"),
    ("unsorted", bars().iloc[[0, 2, 1, 3]], 2, "time", "must be later than the contract's row 1, found an ear"),
    ("duplicate", bars().iloc[[0, 1, 1, 3]], 2, "time", "must be later than the contract's row 1, found a dupl"),
    ("after the last trade", bars(contract="2025-12"), 0, "time", "no bar after the last trade, 2025-12-31 23:59"),
    ("no contract name", changed(3, "contract", None), 3, "contract", "must be a code, symbol or month, found"),
    ("a column missing", bars().drop(columns="high"), None, "high", "is missing: bars need time, contract, open, high"),
    ("no contract", bars().drop(columns="contract"), None, "contract", "is missing: bars need time, contract"),
    ("an unknown column", bars(closed=1.0), None, "closed", "in the frame of bars; did you mean 'close'?"),
    ("no row", bars(0), None, None, "needs at least one row, found none"),
]


@pytest.mark.parametrize(("frame", "row", "column", "words"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED])
def test_a_fault_is_refused_in_one_line(frame, row, column, words):
    with pytest.raises(KilohourError) as error:
        Tape.from_bars(frame, product=GPU)
    message = str(error.value)
    assert words in message
    assert "\n" not in message
    assert row is None or message.startswith(f"row {row}, column {column!r}: ")
    assert column is None or f"column {column!r}" in message
    assert isinstance(error.value, DataError | UnknownName)


def test_an_unknown_product_is_refused_with_the_nearest():
    with pytest.raises(UnknownName, match="did you mean 'SIM:H100'"):
        Tape.from_bars(bars(), product="SIM:H10O")


def test_a_contract_the_product_does_not_have_is_refused():
    with pytest.raises(UsageError, match="SIM:H100"):
        Tape.from_bars(bars(contract="front"), product="SIM:H100")


def test_two_names_of_one_contract_are_refused():
    frame = bars(2, contract=["2026-03", "MY:GPU-2026-03"])
    with pytest.raises(UsageError, match="MY:GPU-2026-03 must have one name, found '2026-03' and 'MY:GPU-2026-03'"):
        Tape.from_bars(frame, product=GPU)


def test_assumptions_that_fill_a_product_go_with_the_tape():
    tape = Tape.from_bars(bars(), product="NYMEX:CL", assume=["energy"])
    assert tape.assumptions == ("energy",)
    assert tape.products == ()


def test_a_product_under_a_shipped_code_must_be_the_shipped_one():
    shipped = Registry.shipped().product("SIM:H100")
    assert Tape.from_bars(bars(), product=shipped).products == ()
    with pytest.raises(UsageError, match="SIM:H100 has other terms than the shipped one: give yours another code"):
        Tape.from_bars(bars(), product=shipped.replace(half_spread_ticks=3))
    with pytest.raises(UsageError, match="give its code as product"):
        Tape.from_bars(bars(), product=GPU, assume=["energy"])
