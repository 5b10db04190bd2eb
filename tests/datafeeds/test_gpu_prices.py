# SPDX-License-Identifier: Apache-2.0
"""Observed GPU prices as a tape of modelled futures: a small file by hand, and the real one where it is there."""

import csv
import datetime as dt
import math
import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kilohour.contracts import engine_terms
from kilohour.datafeeds.gpu_prices import MODEL, import_prices
from kilohour.errors import DataError, KilohourError, UnknownName, UsageError
from kilohour.tape import Kind, Tape
from kilohour.tape.check import check
from kilohour.tape.doubts import doubts
from kilohour.units import MISSING, day_of, nanos_of

DATA = Path(os.environ.get("KILOHOUR_DATA", Path(__file__).parents[2] / ".." / "shared" / "data"))
PRICES, ADOPTION = DATA / "gpu_price_daily.csv", DATA / "ai_adoption.csv"
needs_data = pytest.mark.skipif(not PRICES.exists(), reason="the real GPU prices are not here: set KILOHOUR_DATA")

ONE, THREE = 0.6245, 0.3514


def utc(*args):
    return nanos_of(dt.datetime(*args).replace(tzinfo=dt.UTC))  # noqa: DTZ001


def day(text):
    return day_of(dt.date.fromisoformat(text))


def price_rows(segment="aws_spot_us", start="2024-01-10", end="2024-04-30", a100=0.8, h100=8.0, every=1):
    days = pd.date_range(start, end, freq=f"{every}D").strftime("%Y-%m-%d").tolist()
    rows = [(d, chip, segment, price) for chip, price in (("A100-40", a100), ("H100", h100)) for d in days]
    for name, ratio in (("gcp_ondemand_us", 1.0), ("gcp_cud_1y_us", ONE), ("gcp_cud_3y_us", THREE)):
        rows.append(("2023-06-01", "A100-40", name, 4.0 * ratio))
    return rows


def write(tmp_path, rows, name="prices.csv"):
    pd.DataFrame(rows, columns=["date", "chip", "segment", "median"]).to_csv(tmp_path / name, index=False)
    return tmp_path / name


ADOPTION_ROWS = [
    # date          metric                                    value   verification
    ("2023-06-30", "chatgpt_weekly_active_users_million",     80.0,   "recall"),
    ("2023-09-30", "chatgpt_weekly_active_users_million",     90.0,   "corpus"),
    ("2024-01-31", "chatgpt_weekly_active_users_million",     120.0,  "corpus"),
    ("2024-04-01", "chatgpt_weekly_active_users_million",     150.0,  "corpus"),
    ("2024-01-28", "nvidia_data_center_revenue_usd_bn",       18.4,   "recall (total confirmed)"),
    *[("2023-12-31", f"capex_{name}_usd_bn", value, "recall") for name, value in
      (("alphabet", 11.019), ("amazon", 14.588), ("meta", 7.9), ("microsoft", 9.735))],
    ("2024-03-31", "capex_meta_usd_bn",                       6.72,   "corpus"),
]


def write_adoption(tmp_path, rows=ADOPTION_ROWS):
    table = pd.DataFrame(rows, columns=["date", "metric", "value", "verification"])
    table.to_csv(tmp_path / "adoption.csv", index=False)
    return tmp_path / "adoption.csv"


def taped(prices, adoption=None, out=None, **options):
    """The tape of one file or two, written beside the first."""
    out = out or prices.parent / "tape"
    import_prices(prices, out, adoption, **options)
    return Tape.load(out)


def events(tape, kind, code=None):
    keep = tape.events["kind"] == kind
    if code is not None:
        codes = [i.code for i in tape.indices] if kind == Kind.PRINT else [c.code for c in tape.contracts]
        keep = keep & (tape.events["ref"] == codes.index(code))
    return {name: column[keep].tolist() for name, column in tape.events.items()}


def test_the_products_come_with_the_tape_and_have_costs(tmp_path):
    tape = taped(write(tmp_path, price_rows()))
    assert [product.code for product in tape.products] == ["DATA:A100-40", "DATA:H100"]
    for product in tape.products:
        terms = engine_terms(product)
        assert (terms.lot_num, terms.lot_den, terms.tick_micros) == (730, 1, 1_000)
        assert terms.fee_per_lot_micros > 0
        assert terms.half_spread_micros > 0
        assert product.unknown_terms == ()
    assert tape.days_per_year == 252


def test_a_days_median_is_known_at_midnight_after_it(tmp_path):
    prints = events(taped(write(tmp_path, price_rows())), Kind.PRINT, "DATA-H100")
    assert prints["ts_event"][0] == utc(2024, 1, 10)
    assert prints["ts"][0] == utc(2024, 1, 11)
    assert len(prints["ts"]) == (dt.date(2024, 4, 30) - dt.date(2024, 1, 10)).days + 1
    assert set(prints["close"]) == {8_000_000}


def test_only_months_that_begin_inside_the_stretch_have_a_contract(tmp_path):
    tape = taped(write(tmp_path, price_rows()))
    months = sorted(c.month for c in tape.contracts if c.product == "DATA:H100")
    assert months[:2] == [202402, 202403]
    assert months[-1] == 202503  # on 30 April 2024, its last trade, April is the first of twelve
    assert len(months) == 14


def test_bars_are_at_nine_in_the_evening_utc_on_business_days_with_unknown_volume(tmp_path):
    tape = taped(write(tmp_path, price_rows()))
    bars = events(tape, Kind.BAR, "DATA:H100-2024-03")
    assert bars["ts"][0] == utc(2024, 1, 11, 21)
    assert bars["ts"][-1] == utc(2024, 3, 28, 21)  # Good Friday is the 29th
    assert utc(2024, 2, 19, 21) not in bars["ts"]  # Presidents' Day
    assert bars["volume"] == [MISSING] * len(bars["ts"])
    marks = events(tape, Kind.MARK, "DATA:H100-2024-03")
    assert bars["open"] == bars["high"] == bars["low"] == bars["close"] == marks["close"]
    assert bars["ts"] == marks["ts"]


def reference_curve():
    """Level and decay by brute force: the decay on a fine grid that comes closest to the three-year commitment."""
    decay = np.linspace(1.0, 1.5, 500_001)
    average = (1 - np.exp(-decay)) / decay
    level = (ONE - average) / (1 - average)
    best = np.argmin(np.abs(level + (1 - level) * (1 - np.exp(-3 * decay)) / (3 * decay) - THREE))
    return level[best], decay[best]


def test_a_price_before_the_window_is_spot_times_the_mean_forward_of_its_fixing_days(tmp_path):
    tape = taped(write(tmp_path, price_rows()))
    bars = events(tape, Kind.BAR, "DATA:H100-2024-03")
    fixing = [d for d in range(day("2024-03-01"), day("2024-03-29") + 1)
              if dt.date.fromordinal(d + 719_163).weekday() < 5 and d != day("2024-03-29")]
    assert list(tape.contracts[tape.contract_ref("DATA:H100-2024-03")].fixing_days) == fixing
    level, decay = reference_curve()
    years = [(d - day("2024-01-11")) / 365 for d in fixing]
    wanted = 8.0 * sum(level + (1 - level) * math.exp(-decay * ahead) for ahead in years) / len(fixing)
    assert bars["close"][0] / 1e6 == pytest.approx(wanted, abs=0.0006)  # half a tick and the grid


def test_inside_the_window_known_prints_count_as_they_are(tmp_path):
    rows = [(d, c, s, 6.0 if c == "H100" and d >= "2024-03-11" else v) for d, c, s, v in price_rows()]
    tape = taped(write(tmp_path, rows))
    bars = events(tape, Kind.BAR, "DATA:H100-2024-03")
    price = dict(zip(bars["ts"], bars["close"], strict=True))
    # At the close of the 28th, 19 of 20 days are fixed: six at 8, thirteen at 6; the last counts as the newest print.
    assert price[utc(2024, 3, 28, 21)] == round(Fraction(6 * 8 + 14 * 6, 20) * 1000) * 1000
    # The drop of the 11th is known at midnight after it, so it is in the price of the 12th and not of the 11th.
    assert price[utc(2024, 3, 11, 21)] > 7_700_000 > price[utc(2024, 3, 12, 21)]


def test_changing_the_future_changes_no_earlier_price(tmp_path):
    first = taped(write(tmp_path, price_rows()), write_adoption(tmp_path))
    rows = [(d, c, s, v * 3 if d >= "2024-03-15" else v) for d, c, s, v in price_rows()]
    rows += [("2024-03-15", "H100", name, value) for name, value in
             (("gcp_ondemand_us", 10.0), ("gcp_cud_1y_us", 7.0), ("gcp_cud_3y_us", 4.5))]
    other = taped(write(tmp_path, rows, "other.csv"), write_adoption(tmp_path))
    cut = utc(2024, 3, 16)
    early = first.events["ts"] < cut
    same = other.events["ts"] < cut
    for name in first.events:
        np.testing.assert_array_equal(first.events[name][early], other.events[name][same], err_msg=name)
    assert not np.array_equal(first.events["close"][~early], other.events["close"][~same])


def test_own_commitments_are_used_from_the_day_after_they_are_there(tmp_path):
    rows = price_rows() + [("2024-02-15", "H100", name, value) for name, value in
                           (("gcp_ondemand_us", 10.0), ("gcp_cud_1y_us", 8.0), ("gcp_cud_3y_us", 6.0))]
    tape = taped(write(tmp_path, rows))
    bars = events(tape, Kind.BAR, "DATA:H100-2024-12")
    price = dict(zip(bars["ts"], bars["close"], strict=True))
    assert price[utc(2024, 2, 16, 21)] > price[utc(2024, 2, 15, 21)] * 1.2
    assert abs(price[utc(2024, 2, 15, 21)] / price[utc(2024, 2, 14, 21)] - 1) < 0.01
    borrowed = [note for note in tape.notes if "no commitment price of H100 was known" in note]
    assert "on 25 of 76 business days" in borrowed[0]


def test_a_gap_is_refused_by_default_and_named(tmp_path):
    rows = [row for row in price_rows() if row[:2] != ("2024-03-12", "H100")]
    with pytest.raises(DataError) as error:
        taped(write(tmp_path, rows))
    assert "prices.csv: column 'date', segment 'aws_spot_us', chip 'H100': must have a price on 2024-03-12, for it " \
           "fixes DATA:H100-2024-03, found none; carry='last'" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_gap_on_a_weekend_is_none(tmp_path):
    rows = [row for row in price_rows() if row[0] != "2024-03-10"]
    tape = taped(write(tmp_path, rows))
    assert utc(2024, 3, 10) not in events(tape, Kind.PRINT, "DATA-H100")["ts_event"]


def test_carrying_the_last_price_says_how_often_and_how_old(tmp_path):
    tape = taped(write(tmp_path, price_rows(every=7)), carry="last")
    note = next(note for note in tape.notes if note.startswith("DATA-H100: 16 days observed"))
    # 10 January to 24 April 2024, sixteen Wednesdays: 76 weekdays, three holidays, sixteen observed.
    assert "57 business days carried from the last price, at most 6 days old" in note
    assert check(tape) == []
    assert len(events(tape, Kind.FINAL)["ts"]) == 4  # February and March of two chips


def test_adoption_is_known_a_lag_after_its_date(tmp_path):
    tape = taped(write(tmp_path, price_rows()), write_adoption(tmp_path), release_lag_days=45)
    users = events(tape, Kind.PRINT, "ADOPTION-CHATGPT-USERS")
    start = utc(2024, 1, 11)
    assert list(zip(users["ts"], users["close"], strict=True)) == [
        (start, 80_000_000), (utc(2024, 1, 12), 90_000_000), (utc(2024, 3, 16), 120_000_000)]
    capex = events(tape, Kind.PRINT, "ADOPTION-CAPEX")
    assert list(zip(capex["ts"], capex["close"], strict=True)) == [(utc(2024, 2, 14), 43_242_000)]
    notes = "\n".join(tape.notes)
    assert "adoption is known 45 days after its date, an assumption" in notes
    assert "6 of 10 rows are recalled from memory" in notes
    assert "ADOPTION-CHATGPT-USERS: 3 prints known by the end of the tape, 1 recalled, 2 known before its start and " \
           "given late, one a bar; 1 later ones left out" in notes
    later = taped(write(tmp_path, price_rows()), write_adoption(tmp_path), release_lag_days=10)
    assert len(events(later, Kind.PRINT, "ADOPTION-CHATGPT-USERS")["ts"]) == 4


def test_the_last_notes_say_what_is_modelled(tmp_path):
    notes = taped(write(tmp_path, price_rows()), write_adoption(tmp_path)).notes
    assert notes[-len(MODEL):] == MODEL
    assert notes[-1] == "forwards are modelled, so profit on this tape is no evidence"
    assert any(note.startswith("no volume: fills are not limited") for note in notes)


def test_the_same_input_gives_the_same_bytes(tmp_path):
    taped(write(tmp_path, price_rows()), write_adoption(tmp_path), tmp_path / "a")
    taped(write(tmp_path, price_rows()[::-1]), write_adoption(tmp_path, ADOPTION_ROWS[::-1]), tmp_path / "b")
    for name in ("events.parquet", "manifest.json", "contracts.parquet", "indices.parquet"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_runs_of_any_size_and_an_interruption_give_the_same_bytes(tmp_path):
    """Ten thousand prices of other chips and segments stand between those in use."""
    others = [(f"{d:%Y-%m-%d}", f"CHIP-{k % 10}", f"other-{k // 10}", 1.0) for d in pd.date_range("2024-01-01", periods=100) for k in range(100)]
    rows = [*price_rows(), *others]
    files = write(tmp_path, [rows[i] for i in np.random.default_rng(2).permutation(len(rows))]), tmp_path / "whole", write_adoption(tmp_path)
    import_prices(*files)
    read = []

    def stops(done, total):
        read.append(done)
        if len(read) == 12:
            raise KeyboardInterrupt

    cut = {"run_rows": 2_000, "batch_rows": 500}
    with pytest.raises(KeyboardInterrupt):
        import_prices(files[0], tmp_path / "a", files[2], progress=stops, **cut)
    assert (tmp_path / ".a.import" / "progress.json").is_file()
    import_prices(files[0], tmp_path / "a", files[2], **cut)
    for name in ("events.parquet", "manifest.json", "contracts.parquet", "indices.parquet"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    few = taped(write(tmp_path, price_rows(), "few.csv"), write_adoption(tmp_path))
    for name, column in Tape.load(tmp_path / "a").events.items():
        np.testing.assert_array_equal(few.events[name], column, err_msg=name)


def test_progress_counts_thousandths_of_the_file(tmp_path):
    seen = []
    taped(write(tmp_path, price_rows()), batch_rows=50, progress=lambda done, total: seen.append((done, total)))
    assert len(seen) == 5
    assert seen[-1] == (1_000, 1_000)


def with_row(row, column, value):
    rows = [list(r) for r in price_rows()]
    rows[row][column] = value
    return rows


ASIDE = [
    # what is wrong, rows, and what the side file says of it: row, column, value, reason; row 3 is a Saturday, row 4 a Sunday
    ("zero", with_row(3, 3, 0.0), (3, "median", "0.0", "not above 0 and at most 1000 dollars")),
    ("dear", with_row(3, 3, 1000.5), (3, "median", "1000.5", "not above 0 and at most 1000 dollars")),
    ("empty", with_row(4, 3, None), (4, "median", "", "empty")),
    ("text", with_row(4, 3, "cheap"), (4, "median", "cheap", "not a number")),
    ("no date", with_row(3, 0, "soon"), (3, "date", "soon", "not a time")),
    ("no chip", with_row(3, 1, ""), (3, "chip", "", "empty")),
    ("text elsewhere", [*price_rows(), ("2024-01-13", "MI300X", "aws_spot_us", "cheap")], (227, "median", "cheap", "not a number")),
    ("twice", [*price_rows(), price_rows()[3]], (227, "median", "0.8", "the same price twice")),
    ("another price", [*price_rows(), (*price_rows()[6][:3], 0.9)], (227, "median", "0.9", "another price of the same date, chip and segment")),
]


@pytest.mark.parametrize(("rows", "told"), [r[1:] for r in ASIDE], ids=[r[0] for r in ASIDE])
def test_a_row_that_cannot_be_used_is_put_aside_and_the_rest_is_the_tape(tmp_path, rows, told):
    path = write(tmp_path, rows)
    tape = taped(path)
    row, column, value, reason = told
    with (tmp_path / "tape" / "rejected.csv").open(newline="", encoding="utf-8") as file:
        assert list(csv.reader(file))[1:] == [["prices.csv", str(row), column, value, reason]]
    with pytest.raises(DataError, match=f"at most 0% of the rows may be refused, .* the first is row {row}, column '{column}'"):
        taped(path, out=tmp_path / "none", rejected_max=0.0)
    kept = taped(write(tmp_path, [one for place, one in enumerate(rows) if place != row]), out=tmp_path / "kept")
    assert tape.notes == (*kept.notes, f"1 row of {len(rows)} refused and left out: {reason} (1)")
    for name, column_ in kept.events.items():
        np.testing.assert_array_equal(tape.events[name], column_, err_msg=name)


def test_a_refused_price_is_a_day_without_one_and_the_rule_for_those_decides(tmp_path):
    """Row 174 is 12 March of the H100, on which its March contract fixes."""
    path = write(tmp_path, with_row(174, 3, "cheap"))
    with pytest.raises(DataError) as error:
        taped(path)
    assert str(error.value) == (
        "prices.csv: column 'date', segment 'aws_spot_us', chip 'H100': must have a price on 2024-03-12, for it fixes DATA:H100-2024-03, found none; "
        "carry='last' repeats the last one and counts how often; 1 row was refused before, the first is row 174, column 'median': not a number, "
        "found 'cheap'")  # fmt: skip
    assert not (tmp_path / "tape").exists()
    notes = taped(path, carry="last").notes
    assert any("DATA-H100: 111 days observed, 1 business day carried from the last price, at most 1 day old" in note for note in notes)
    assert notes[-1] == "1 row of 227 refused and left out: not a number (1)"


def test_the_share_is_of_rows_not_of_bars_and_an_interruption_changes_nothing(tmp_path):
    """Six in a hundred of ten thousand rows say again what others said: far fewer than there are bars, and more than a twentieth."""
    others = [(f"{d:%Y-%m-%d}", f"CHIP-{k % 10}", f"other-{k // 10}", 1.0) for d in pd.date_range("2024-01-01", periods=100) for k in range(100)]
    rows = [*price_rows(), *others, *others[:600]]
    path = write(tmp_path, [rows[i] for i in np.random.default_rng(3).permutation(len(rows))])
    with pytest.raises(DataError, match=r"gpu-prices: at most 5% of the rows may be refused, found 6%, 600 of 10,827: the same price twice \(600\)"):
        taped(path)
    cut, read = {"run_rows": 2_000, "batch_rows": 500, "rejected_max": 0.1}, []

    def stops(done, total):
        read.append(done)
        if len(read) == 12:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_prices(path, tmp_path / "a", progress=stops, **cut)
    tape, clean = taped(path, out=tmp_path / "a", **cut), taped(write(tmp_path, price_rows(), "few.csv"), out=tmp_path / "few")
    assert tape.notes[-1] == "600 rows of 10,827 refused and left out: the same price twice (600)"
    for name, column in clean.events.items():
        np.testing.assert_array_equal(tape.events[name], column, err_msg=name)


REFUSED = [
    # what is wrong, rows, and what the message holds
    ("no commitments", price_rows()[:-1], "column 'segment': must have 'gcp_cud_3y_us' for the forwards"),
    ("one chip", [r for r in price_rows() if r[1] == "A100-40"], "segment 'aws_spot_us' must have prices of H100"),
    ("too short", price_rows(start="2024-04-01"), "must have both chips for two months, found them together from"),
    ("known too late", [("2024-02-01", *r[1:]) if r[2].startswith("gcp") else r for r in price_rows()],
     "forwards of A100-40 on 2024-01-11 need a commitment price known by then, found none"),
    ("odd commitments", [(*r[:3], 5.0) if r[2] == "gcp_cud_1y_us" else r for r in price_rows()],
     "commitments of A100-40 on 2023-06-01: one- and three-year commitments must cost 0 < three < one < 1"),
]


@pytest.mark.parametrize(("rows", "words"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED])
def test_a_fault_is_refused_in_one_line(tmp_path, rows, words):
    with pytest.raises(DataError) as error:
        taped(write(tmp_path, rows))
    assert words in str(error.value)
    assert "prices.csv: " in str(error.value) or "commitment" in words
    assert "\n" not in str(error.value)


def test_names_and_lags_that_are_wrong_are_refused(tmp_path):
    path = write(tmp_path, price_rows())
    with pytest.raises(UnknownName, match="did you mean 'aws_spot_us'"):
        taped(path, segment="aws_spot")
    with pytest.raises(UnknownName, match=r"unknown carry rule 'next' \(known: last, refuse\)"):
        taped(path, carry="next")
    with pytest.raises(UsageError, match="release_lag_days must be a whole number from 0 to 3650, found -1"):
        taped(path, write_adoption(tmp_path), release_lag_days=-1)


@pytest.mark.parametrize(("rows", "words"), [
    ([*ADOPTION_ROWS, ADOPTION_ROWS[0]], "row 10, column 'date': must have one value a metric and date"),
    ([("2024-01-01", ADOPTION_ROWS[0][1], -5.0, "recall")], "row 0, column 'value': must not be negative, found"),
    (ADOPTION_ROWS[4:], "adoption.csv: column 'metric': must have 'chatgpt_weekly_active_users_million', found"),
])
def test_faults_of_adoption_are_refused(tmp_path, rows, words):
    with pytest.raises(DataError) as error:
        taped(write(tmp_path, price_rows()), write_adoption(tmp_path, rows))
    assert words in str(error.value)


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    return taped(PRICES, ADOPTION, tmp_path_factory.mktemp("gpu") / "tape")


@needs_data
def test_the_real_stretch_is_observed_every_business_day(real):
    assert check(real) == []
    notes = "\n".join(real.notes)
    assert "2023-07-26 to 2024-05-01" in notes
    for index in ("DATA-A100-40", "DATA-H100"):
        assert f"{index}: 281 days observed, every business day among them, none carried" in notes
    assert "65 of 90 rows are recalled from memory" in notes
    assert "on 193 of 193 business days no commitment price of H100 was known yet" in notes
    finals = events(real, Kind.FINAL)
    assert len(finals["ts"]) == 18  # August 2023 to April 2024, two chips
    assert set(finals["close"]) == {MISSING}  # the rule decides, from the prints


@needs_data
def test_the_real_prints_are_the_files_medians(real):
    rows = pd.read_csv(PRICES)
    for chip in ("A100-40", "H100"):
        wanted = rows[(rows["segment"] == "aws_spot_us") & (rows["chip"] == chip)]
        wanted = wanted[wanted["date"] >= "2023-07-26"]
        prints = events(real, Kind.PRINT, f"DATA-{chip}")
        assert [value / 1e6 for value in prints["close"]] == wanted["median"].tolist()
        assert [pd.Timestamp(ts).strftime("%Y-%m-%d") for ts in prints["ts_event"]] == wanted["date"].tolist()


@needs_data
def test_real_forwards_are_never_spot(real):
    """Every contract that is not fixing yet lies below the newest print, the more so the further out."""
    frame = real.frame(Kind.MARK)
    frame["product"], frame["month"] = frame["code"].str[:-8], frame["code"].str[-7:]
    spot = real.frame(Kind.PRINT).query("code == 'DATA-H100'").set_index("time")["close"]
    for time, day_marks in frame[frame["product"] == "DATA:H100"].groupby("time"):
        ahead = day_marks[day_marks["month"] > time.strftime("%Y-%m")].sort_values("month")["close"]
        assert (ahead.diff().dropna() < 0).all()
        assert ahead.iloc[0] < spot[:time].iloc[-1]


@needs_data
def test_a_segment_with_weekly_prices_needs_the_carry_rule(tmp_path):
    with pytest.raises(KilohourError, match="carry='last'"):
        taped(PRICES, out=tmp_path / "tape", segment="gcp_spot_us")
    tape = taped(PRICES, ADOPTION, tmp_path / "tape", segment="gcp_spot_us", carry="last")
    assert any("440 business days carried from the last price, at most 20 days old" in note for note in tape.notes)
    assert len(events(tape, Kind.PRINT, "ADOPTION-CHATGPT-USERS")["ts"]) == 8


@needs_data
def test_the_floors_of_2023_are_the_known_doubts_of_the_real_prices(real):
    assert [(one.rule, one.contract) for one in doubts(real)] == [("stale", "DATA-A100-40"), ("stale", "DATA-H100")]
