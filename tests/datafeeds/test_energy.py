# SPDX-License-Identifier: Apache-2.0
"""The energy strip as a tape: a small file by hand, and the real one where it is there."""

import csv
import datetime as dt
import os
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kilohour.datafeeds.energy import ASSUMPTIONS, import_strip
from kilohour.errors import DataError
from kilohour.tape import Kind, Tape, TapeBuilder
from kilohour.tape.check import check
from kilohour.tape.doubts import doubts
from kilohour.units import MISSING, nanos_of

DATA = Path(os.environ.get("KILOHOUR_DATA", Path(__file__).parents[2] / ".." / "shared" / "data"))
STRIP, EXPIRIES = DATA / "futures_strip_energy.parquet", DATA / "futures_expiry_energy.csv"
needs_data = pytest.mark.skipif(not STRIP.exists(), reason="the real settlements are not here: set KILOHOUR_DATA")


def utc(*args):
    return nanos_of(dt.datetime(*args).replace(tzinfo=dt.UTC))  # noqa: DTZ001


ROWS = [
    # root   date          contract  settle
    ("CL", "2020-04-17", 202005, 18.27),
    ("CL", "2020-04-20", 202005, -37.63),
    ("CL", "2020-04-21", 202005, 10.01),
    ("CL", "2020-04-17", 202006, 25.03),
    ("CL", "2020-04-20", 202006, 20.43),
    ("CL", "2020-04-22", 202006, 13.78),
    ("NG", "2020-04-20", 202005, 1.924),
]
LAST_TRADES = [("CL", 202005, "2020-04-21"), ("CL", 202006, "2020-05-19"), ("NG", 202005, "2020-04-28")]


def write(tmp_path, rows=ROWS, last_trades=LAST_TRADES, dtype="float32"):
    strip = pd.DataFrame(rows, columns=["root", "date", "contract", "settle"])
    strip["date"] = pd.to_datetime(strip["date"], format="mixed")
    if dtype is not None:
        strip["settle"] = strip["settle"].astype(dtype)
    strip.to_parquet(tmp_path / "strip.parquet")
    pd.DataFrame(last_trades, columns=["root", "contract", "last_trade"]).to_csv(tmp_path / "expiries.csv", index=False)
    return tmp_path / "strip.parquet", tmp_path / "expiries.csv"


def taped(strip, expiries, out=None, **options):
    """The tape of two files, written beside them."""
    out = out or expiries.parent / "tape"
    import_strip(strip, expiries, out, **options)
    return Tape.load(out)


def events(tape, kind, code=None):
    keep = tape.events["kind"] == kind
    if code is not None:
        keep = keep & (tape.events["ref"] == tape.contract_ref(code))
    return {name: column[keep].tolist() for name, column in tape.events.items()}


def test_settlements_become_bars_and_marks_at_half_past_two_in_new_york(tmp_path):
    tape = taped(*write(tmp_path))
    found = events(tape, Kind.BAR, "NYMEX:CL-2020-05")
    assert found["ts"] == [utc(2020, 4, day, 18, 30) for day in (17, 20, 21)]
    for name in ("open", "high", "low", "close"):
        assert found[name] == [18_270_000, -37_630_000, 10_010_000]
    assert found["volume"] == [MISSING] * 3
    assert events(tape, Kind.MARK, "NYMEX:CL-2020-05")["close"] == [18_270_000, -37_630_000, 10_010_000]
    assert events(tape, Kind.BAR, "NYMEX:NG-2020-05")["close"] == [1_924_000]


def test_a_contract_ends_in_cash_at_the_settlement_of_its_last_day(tmp_path):
    tape = taped(*write(tmp_path))
    final = events(tape, Kind.FINAL)
    assert final["ts"] == [utc(2020, 4, 21, 18, 30)]
    assert final["close"] == [10_010_000]
    assert events(tape, Kind.EXPIRY)["ts"] == [utc(2020, 4, 21, 18, 30)]
    assert ASSUMPTIONS[-1].startswith("physical delivery is modelled as cash")
    assert tape.notes[-len(ASSUMPTIONS):] == ASSUMPTIONS
    assert tape.assumptions == ("energy",)


def test_notes_count_what_was_done(tmp_path):
    notes = "\n".join(taped(*write(tmp_path)).notes)
    assert "NYMEX:CL: 6 settlements of 2 contracts, 2020-04-17 to 2020-04-22; each was snapped to the tick of 0.01 " \
           "USD, 0 of them were off it" in notes
    assert "NYMEX:CL: 1 settlement at zero or below, the lowest -37.63 on 2020-04-20" in notes
    assert "NYMEX:CL: 1 contract alive at the end of the data" in notes
    assert "NYMEX:CL: 1 settlement missing between" in notes
    assert "NYMEX:CL: the last trading days are those of the registry's rule, without exception" in notes


def test_a_settle_off_the_tick_is_snapped_and_counted(tmp_path):
    rows = [(*row[:3], 18.2749) if i == 0 else row for i, row in enumerate(ROWS)]
    tape = taped(*write(tmp_path, rows))
    assert events(tape, Kind.BAR, "NYMEX:CL-2020-05")["close"][0] == 18_270_000
    words = "1 of them were off it by more than the file's precision, the worst by 0.0049"
    assert any(words in note for note in tape.notes)


def test_without_a_row_on_the_last_day_the_last_settlement_seen_is_final_and_counted(tmp_path):
    tape = taped(*write(tmp_path, [row for row in ROWS if row[1] != "2020-04-21"]))
    assert events(tape, Kind.FINAL)["close"] == [-37_630_000]
    assert any("1 contract without a settlement on the last trading day" in note for note in tape.notes)


def test_last_trading_days_that_differ_from_the_rule_are_taken_and_counted(tmp_path):
    last_trades = [("CL", 202005, "2020-04-22"), *LAST_TRADES[1:]]
    tape = taped(*write(tmp_path, last_trades=last_trades))
    assert events(tape, Kind.FINAL)["ts"] == [utc(2020, 4, 22, 18, 30)]
    words = "1 last trading day not as by the registry's rule (first NYMEX:CL-2020-05: 2020-04-22, by rule 2020-04-21)"
    assert any(words in note for note in tape.notes)


def test_the_same_input_gives_the_same_bytes_in_any_order_of_rows(tmp_path):
    for name, rows in (("a", ROWS), ("b", ROWS[::-1])):
        strip, expiries = write(tmp_path, rows)
        taped(strip, expiries, tmp_path / name)
    for name in ("events.parquet", "manifest.json", "contracts.parquet"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_an_index_that_a_frame_left_in_a_parquet_file_is_not_read(tmp_path):
    strip, expiries = write(tmp_path)
    wanted = taped(strip, expiries).sha256
    pd.read_parquet(strip).iloc[::-1].to_parquet(strip)
    assert taped(strip, expiries).sha256 == wanted


def test_progress_counts_thousandths_of_the_file(tmp_path):
    seen = []
    taped(*write(tmp_path), batch_rows=3, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(428, 1_000), (857, 1_000), (1_000, 1_000)]


def many():
    """Two years of twenty months of each root, some days missing, in no order; the last month is alive at the end."""
    rng, days = np.random.default_rng(7), pd.bdate_range("2019-01-02", "2020-08-14")
    months = [(root, 201901 + 100 * (k // 12) + k % 12) for root in ("CL", "NG") for k in range(20)]
    ends = {one: pd.bdate_range(end=f"{one[1] // 100}-{one[1] % 100:02d}-01", periods=6)[0] for one in months}
    rows = [(root, f"{day:%Y-%m-%d}", month, round(float(rng.normal(20, 9)), 2)) for root, month in months
            for day in days[days <= ends[root, month]] if rng.random() > 0.05]
    alive = {one: end for one, end in ends.items() if any(row[0] == one[0] and row[2] == one[1] for row in rows)}
    return [rows[i] for i in rng.permutation(len(rows))], [(*one, f"{end:%Y-%m-%d}") for one, end in alive.items()]


def test_a_streamed_strip_is_the_tape_that_a_builder_makes_in_memory(tmp_path):
    """Contract by contract from a frame, without any of the import's code but the contracts."""
    rows, ends = many()
    tape = taped(*write(tmp_path, rows, ends, "float64"), run_rows=1_000, batch_rows=300)
    builder = TapeBuilder(source="", notes=())
    frame = pd.DataFrame(rows, columns=["root", "date", "contract", "settle"]).sort_values(["root", "contract", "date"])
    sessions = {root: own["date"].max() for root, own in frame.groupby("root")}
    last_trades = {(root, month): day for root, month, day in ends}
    assert len(tape.contracts) == frame.groupby(["root", "contract"]).ngroups
    for _, own in frame.groupby(["root", "contract"]):
        root, month = own["root"].iloc[0], int(own["contract"].iloc[0])
        contract = tape.contracts[tape.contract_ref(f"NYMEX:{root}-{month // 100}-{month % 100:02d}")]
        at = pd.to_datetime(own["date"] + " 14:30").dt.tz_localize("America/New_York").dt.tz_convert("UTC")
        ts = np.array([moment.value for moment in at])
        price = np.array([round(settle * 100) * 10_000 if root == "CL" else round(settle * 1000) * 1_000 for settle in own["settle"]])
        ref = builder.contract(contract)
        assert contract.listed_at == ts[0]
        builder.bars(ref, ts, price, price, price, price, np.full(len(ts), MISSING))
        builder.marks(ref, ts, price)
        if last_trades[root, month] <= sessions[root]:
            builder.finals(ref, contract.settlement_at, int(price[-1]))
    for name, column in builder.build().events.items():
        np.testing.assert_array_equal(tape.events[name], column, err_msg=name)


def test_runs_of_any_size_and_an_interruption_give_the_same_bytes(tmp_path):
    rows, ends = many()
    strip, expiries = write(tmp_path, rows, ends, "float64")
    import_strip(strip, expiries, tmp_path / "whole")
    read = []

    def stops(done, total):
        read.append(done)
        if len(read) == 12:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_strip(strip, expiries, tmp_path / "a", run_rows=1_000, batch_rows=300, progress=stops)
    assert (tmp_path / ".a.import" / "progress.json").is_file()
    assert not (tmp_path / "a").exists()
    import_strip(strip, expiries, tmp_path / "a", run_rows=1_000, batch_rows=300)
    for name in ("events.parquet", "manifest.json", "contracts.parquet", "indices.parquet"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert not (tmp_path / ".a.import").exists()


def replaced(row, column, value):
    changed = [list(r) for r in ROWS]
    changed[row][column] = value
    return changed


REFUSED = [
    # what is wrong, rows, and what the side file says of it: row, column, value, reason
    ("no settle", replaced(2, 3, np.nan), (2, "settle", "", "empty")),
    ("infinite settle", replaced(1, 3, np.inf), (1, "settle", "inf", "not finite")),
    ("absurd settle", replaced(1, 3, 2e6), (1, "settle", "2000000.0", "not under 1e6 dollars")),
    ("no such month", replaced(0, 2, 202013), (0, "contract", "202013", "no month YYYYMM")),
    ("no expiry", replaced(3, 2, 202107), (3, "contract", "202107", "no last trading day in the expiries")),
    ("after the last day", replaced(2, 1, "2020-04-22"), (2, "date", "2020-04-22 00:00:00", "after the contract's last trade")),
    ("twice", [*ROWS, ROWS[5]], (7, "settle", "13.78", "the same settlement twice")),
    ("another price", [*ROWS, (*ROWS[1][:3], -99.25)], (7, "settle", "-99.25", "another settlement of the same contract and time")),
    ("a time of day", replaced(0, 1, "2020-04-17 10:00"), (0, "date", "2020-04-17 10:00:00", "a date with a time of day")),
    ("no such root", replaced(6, 0, "HO"), (6, "root", "HO", "no root of CL, NG")),
]


def side_file(out):
    with (out / "rejected.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


@pytest.mark.parametrize(("rows", "told"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED])
def test_a_row_that_cannot_be_used_is_put_aside_and_the_rest_is_the_tape(tmp_path, rows, told):
    strip, expiries = write(tmp_path, rows, dtype="float64")
    tape = taped(strip, expiries, rejected_max=0.2)
    row, column, value, reason = told
    assert side_file(tmp_path / "tape") == [["file", "row", "column", "value", "reason"], ["strip.parquet", str(row), column, value, reason]]
    with pytest.raises(DataError, match=f"at most 0% of the rows may be refused, .* the first is row {row}, column '{column}'") as error:
        taped(strip, expiries, tmp_path / "none", rejected_max=0.0)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "none").exists()
    kept = taped(*write(tmp_path, [one for place, one in enumerate(rows) if place != row], dtype="float64"))
    assert tape.notes == (*kept.notes, f"1 row of {len(rows)} refused and left out: {reason} (1)")
    assert tape.contracts == kept.contracts
    for name, events_ in kept.events.items():
        np.testing.assert_array_equal(tape.events[name], events_, err_msg=name)


def test_a_refused_settlement_is_a_hole_and_a_contract_ends_at_the_last_one_kept(tmp_path):
    """Of CL 2020-05 the middle and of a second file the last day."""
    assert any("NYMEX:CL: 2 settlements missing between" in note for note in taped(*write(tmp_path, replaced(1, 3, np.nan)), rejected_max=0.2).notes)
    tape = taped(*write(tmp_path, replaced(2, 3, np.nan)), rejected_max=0.2)
    assert events(tape, Kind.FINAL)["close"] == [-37_630_000]
    assert any("1 contract without a settlement on the last trading day" in note for note in tape.notes)


def test_damage_all_over_is_counted_and_an_interruption_changes_nothing(tmp_path):
    """Four rows of each of seven kinds, spread over a file read in small batches and runs; the second of a day in the last."""
    rows, ends = many()
    kinds = [lambda r: (*r[:3], "18.27 EUR"), lambda r: (*r[:3], "nan"), lambda r: (*r[:3], ""), lambda r: ("HO", *r[1:]),
             lambda r: (r[0], "20-04-17", *r[2:]), lambda r: (*r[:2], 202113, r[3]), lambda r: (*r[:3], r[3] + 1)]
    spoilt = [list(row) for row in rows]
    for place, kind in enumerate(kinds * 4):
        spoilt.insert(len(spoilt) if place % 7 == 6 else 400 * place, kind(rows[37 * place]))
    paths = []
    for name, its in (("clean.csv", rows), ("in.csv", spoilt)):
        pd.DataFrame(its, columns=["root", "date", "contract", "settle"]).to_csv(tmp_path / name, index=False)
        paths.append(tmp_path / name)
    _, expiries = write(tmp_path, rows, ends)
    clean, tape = taped(paths[0], expiries, tmp_path / "clean"), taped(paths[1], expiries, tmp_path / "whole")
    assert clean.notes[0] == tape.notes[0]
    assert tape.notes[1:] == (*clean.notes[1:], f"28 rows of {len(spoilt):,} refused and left out: another settlement of the same contract and time (4), "
                              "empty (4), no month YYYYMM (4), no root of CL, NG (4), not a number (8), not a time (4)")
    for column, events_ in clean.events.items():
        np.testing.assert_array_equal(tape.events[column], events_, err_msg=column)
    read = []

    def stops(done, total):
        read.append(done)
        if len(read) == 9:
            raise KeyboardInterrupt

    cut = {"run_rows": 1_000, "batch_rows": 300}
    with pytest.raises(KeyboardInterrupt):
        import_strip(paths[1], expiries, tmp_path / "a", progress=stops, **cut)
    import_strip(paths[1], expiries, tmp_path / "a", **cut)
    for name in ("events.parquet", "manifest.json", "contracts.parquet"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert sorted(side_file(tmp_path / "a")) == sorted(side_file(tmp_path / "whole"))


def test_more_than_a_twentieth_ends_the_import(tmp_path):
    with pytest.raises(DataError, match="energy-strip: at most 5% of the rows may be refused, found 14%, 1 of 7: not finite"):
        taped(*write(tmp_path, replaced(1, 3, np.inf)))
    assert not (tmp_path / "tape").exists()


def test_a_missing_column_and_file_are_refused(tmp_path):
    strip, expiries = write(tmp_path)
    pd.read_parquet(strip).drop(columns="settle").to_csv(tmp_path / "less.csv", index=False)
    with pytest.raises(DataError, match=r"less.csv: unknown column 'settle' in the file"):
        taped(tmp_path / "less.csv", expiries)
    with pytest.raises(DataError, match=r"nowhere.csv: must be a file, found nothing there"):
        taped(strip, tmp_path / "nowhere.csv")
    (tmp_path / "broken.parquet").write_text("not parquet")
    with pytest.raises(DataError, match=r"broken.parquet: must be a whole Parquet table, found"):
        taped(tmp_path / "broken.parquet", expiries)


def test_two_last_trading_days_of_one_contract_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"expiries.csv: row 3, column 'contract': must have one row a contract"):
        taped(*write(tmp_path, last_trades=[*LAST_TRADES, LAST_TRADES[0]]))


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    return taped(STRIP, EXPIRIES, tmp_path_factory.mktemp("energy") / "tape")


@needs_data
def test_the_real_strip_holds_every_row_and_the_day_oil_was_negative(real):
    rows = pd.read_parquet(STRIP)
    assert real.bars == len(rows) == 338_328
    front = events(real, Kind.MARK, "NYMEX:CL-2020-05")
    by_time = dict(zip(front["ts"], front["close"], strict=True))
    assert by_time[utc(2020, 4, 20, 18, 30)] == -37_630_000
    assert by_time[utc(2020, 4, 21, 18, 30)] == 10_010_000
    assert events(real, Kind.FINAL, "NYMEX:CL-2020-05")["close"] == [10_010_000]


@needs_data
def test_every_real_settle_is_the_files_own_to_half_a_tick(real):
    rows = pd.read_parquet(STRIP).sort_values(["date", "root", "contract"])
    bars = real.frame(Kind.BAR)
    parts = {code: re.fullmatch(r"NYMEX:(\w+)-(\d+)-(\d+)", code) for code in bars["code"].unique()}
    bars["product"] = bars["code"].map({code: part[1] for code, part in parts.items()})
    bars["month"] = bars["code"].map({code: int(part[2] + part[3]) for code, part in parts.items()})
    bars["day"] = bars["time"].dt.tz_convert("America/New_York").dt.date
    bars = bars.sort_values(["day", "product", "month"])
    assert bars["day"].tolist() == rows["date"].dt.date.tolist()
    np.testing.assert_allclose(bars["close"].to_numpy(), rows["settle"].astype(float).to_numpy(), atol=1e-5, rtol=0)


@needs_data
def test_the_real_contracts_end_as_the_expiries_say(real):
    expiries = pd.read_csv(EXPIRIES)
    rows = zip(expiries["root"], expiries["contract"], expiries["last_trade"], strict=True)
    wanted = {f"NYMEX:{root}-{int(month) // 100}-{int(month) % 100:02d}": last for root, month, last in rows}
    ended = events(real, Kind.EXPIRY)
    assert len(ended["ref"]) == len(events(real, Kind.FINAL)["ref"]) == 448
    for ref, ts in zip(ended["ref"], ended["ts"], strict=True):
        day = pd.Timestamp(ts, tz="UTC").tz_convert("America/New_York").date().isoformat()
        assert day == wanted[real.contracts[ref].code]
    assert sum("without exception" in note for note in real.notes) == 2


@needs_data
def test_the_real_strip_has_one_odd_day(real):
    """Six Henry Hub months settle on 3 July 2009, a holiday; the other thirty have no row that day."""
    findings = check(real)
    assert {(f.rule, f.day) for f in findings} == {("missing bar", "2009-07-03")}
    assert len(findings) == 30
    words = "6 settlements on 1 day on which its calendar has no session (first 2009-07-03)"
    assert any(words in note for note in real.notes)


@needs_data
def test_eighteen_years_raise_one_doubt_and_it_is_true(real):
    (one,) = doubts(real)
    assert (one.rule, one.contract, one.day) == ("outlier", "NYMEX:CL-2020-05", "2020-04-20")
    assert one.detail == "18.27, then -37.63, then 10.01"
