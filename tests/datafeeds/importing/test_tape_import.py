# SPDX-License-Identifier: Apache-2.0
"""A tape that was imported in runs and blocks is, byte for byte, the tape that memory gives."""

import csv
import functools
import json

import numpy as np
import pandas as pd
import pytest

from kilohour.datafeeds.importing import bar_stream, own_bars
from kilohour.datafeeds.importing.mapping_file import read_mapping
from kilohour.datafeeds.importing.own_bars import import_bars
from kilohour.datafeeds.importing.recording_import import import_recording
from kilohour.datafeeds.recording import Recording, read_recording
from kilohour.errors import DataError, UsageError
from kilohour.tape import Kind, Tape, events
from kilohour.tape.store import FILES

PRICES = ["open", "high", "low", "close"]
MAPPING = """
gives = "bars"
product = "{product}"
[time]
column = "time"
{time}
[columns]
contract = "contract"
open = "open"
high = "high"
low = "low"
close = "close"
{more}
"""
HOUR = 3_600 * 10**9


def mapping(folder, *, product="SIM:H100", days=False, more=()):
    text = MAPPING.format(product=product, time='of = "day"' if days else "", more="\n".join(f'{name} = "{name}"' for name in more))
    (folder / "map.toml").write_text(text, encoding="utf-8")
    return read_mapping(folder / "map.toml")


def frame(seed, *, days, more, count=400):
    """Bars of a few contracts, interleaved: some of them end within the data, some days have many bars, some one."""
    rng = np.random.default_rng(seed)
    step = pd.Timedelta(days=1) if days else pd.Timedelta(hours=int(rng.integers(1, 9)))
    times = pd.Timestamp("2026-11-02", tz=None if days else "UTC") + step * np.arange(count)
    names = ["2027-04", "2026-12", "2027-01", "2027-09"]
    rows = pd.MultiIndex.from_product([times, names], names=["time", "contract"]).to_frame(index=False)
    ends = rows["contract"].map(lambda name: pd.Timestamp(f"{name}-01"))  # the last trade comes later
    rows = rows[rows["time"].dt.tz_localize(None) < ends]
    rows = rows[rng.random(len(rows)) < 0.7]
    low = rng.integers(150, 300, len(rows))
    rows["low"], rows["high"] = low / 100, (low + rng.integers(0, 40, len(rows))) / 100
    for name in ("open", "close"):
        rows[name] = rows["low"] + ((rows["high"] - rows["low"]) * rng.random(len(rows))).round(2)
        rows[name] = rows[name].clip(rows["low"], rows["high"])
    if "volume" in more:
        rows["volume"] = rng.integers(0, 50, len(rows))
    if "settle" in more:
        rows["settle"] = np.where(rng.random(len(rows)) < 0.3, low / 100, np.nan)
    if "open_interest" in more:
        rows["open_interest"] = np.where(rng.random(len(rows)) < 0.5, rng.integers(0, 900, len(rows)), np.nan)
    return rows.reset_index(drop=True)


def in_memory(kept, product="SIM:H100"):
    """The tape of the rows by ``from_bars``, contracts in the order in which the rows first name them."""
    order = {name: place for place, name in enumerate(dict.fromkeys(kept["contract"]))}
    kept = kept.assign(place=kept["contract"].map(order)).sort_values(["place", "time"], kind="stable").drop(columns="place")
    kept = kept if "volume" in kept else kept.assign(volume=np.nan)
    return Tape.from_bars(kept.reset_index(drop=True), product=product)


def same_bytes(one, other):
    for name in FILES:
        assert (one / name).read_bytes() == (other / name).read_bytes(), name


@pytest.mark.parametrize("seed", range(8))
def test_a_file_of_bars_gives_the_bytes_of_from_bars(tmp_path, monkeypatch, seed):
    """Over columns, row groups, sizes of batches and runs, CSV and Parquet, rows in any order."""
    rng = np.random.default_rng(1_000 + seed)
    monkeypatch.setattr(events, "ROW_GROUP", int(rng.choice([64, 500, 1 << 20])))
    monkeypatch.setattr("kilohour.datafeeds.importing.spool.SAMPLE_EVERY", 16)
    days, more = bool(rng.random() < 0.4), [name for name in ("volume", "settle", "open_interest") if rng.random() < 0.5]
    rows = frame(seed, days=days, more=more, count=int(rng.integers(20, 300)))
    if rng.random() < 0.6:
        rows = rows.sample(frac=1.0, random_state=seed).reset_index(drop=True)
    in_memory(rows).save(tmp_path / "memory")
    if rng.random() < 0.5:
        path = tmp_path / "in.csv"
        rows.assign(time=rows["time"].dt.strftime("%Y-%m-%d" if days else "%Y-%m-%dT%H:%M:%SZ")).to_csv(path, index=False)
    else:
        path = tmp_path / "in.parquet"
        rows.to_parquet(path, index=False)
    its = mapping(tmp_path, days=days, more=more)
    for place in range(2):
        run_rows, batch_rows = int(rng.choice([50, 200, 10_000])), int(rng.choice([7, 64, 1 << 17]))
        done = import_bars(path, its, tmp_path / f"t{place}", run_rows=run_rows, batch_rows=batch_rows)
        same_bytes(tmp_path / f"t{place}", tmp_path / "memory")
        assert (done.bars, done.read, done.refused) == (len(rows), len(rows), 0)
        assert sorted(one.name for one in (tmp_path / f"t{place}").iterdir()) == sorted(FILES)


@pytest.mark.parametrize("seed", range(3))
def test_rows_that_cannot_be_used_are_put_aside_and_the_rest_is_the_tape(tmp_path, seed):
    rng = np.random.default_rng(seed)
    rows = frame(seed, days=False, more=["volume"], count=60).astype({"time": str, "high": object, "contract": object, "volume": object})
    bad = {}
    faults = [("high", "x", "not a number"), ("high", "0.01", "a high below the open"), ("contract", "H1", "no code, symbol or month of a contract of SIM:H100"),
              ("time", "2026-11-02 10:00", "a time without a zone"), ("volume", "1.5", "not whole lots of 0 or more"), ("contract", "", "empty"),
              ("time", "2029-01-01T00:00:00Z", "after the contract's last trade"), ("high", "1e12", "not between -1e+09 and 1e+09 dollars")]
    places = rng.choice(np.arange(8, len(rows)), len(faults), replace=False)
    for place, (column, cell, reason) in zip(places.tolist(), faults, strict=True):
        rows.loc[place, column] = cell
        bad[place] = (column, reason)
    again = rows.loc[[2, 3, 2]].reset_index(drop=True)
    again.loc[1, "close"] = rows.loc[3, "low"]
    again.loc[1, "open"] = rows.loc[3, "high"]
    clean = rows.drop(index=list(bad))
    whole = pd.concat([rows, again], ignore_index=True)
    for place, reason in enumerate(["the same bar twice", "another bar of the same contract and time", "the same bar twice"]):
        bad[len(rows) + place] = ("close", reason)
    whole.to_csv(tmp_path / "in.csv", index=False)
    done = import_bars(tmp_path / "in.csv", mapping(tmp_path, more=["volume"]), tmp_path / "t", rejected_max=0.5, run_rows=30, batch_rows=16)
    clean = clean.assign(time=pd.to_datetime(clean["time"], utc=True), **{name: clean[name].astype(float) for name in (*PRICES, "volume")})
    wanted, found = in_memory(clean), Tape.load(tmp_path / "t")
    for name, column in wanted.events.items():
        np.testing.assert_array_equal(found.events[name], column, err_msg=name)
    assert found.contracts == wanted.contracts
    assert found.notes[:-1] == wanted.notes
    assert found.notes[-1].startswith(f"{len(bad)} rows of {len(whole)} refused and left out: ")
    assert done.told()[-2] == f"refused, each with its reason: {tmp_path / 't' / 'rejected.csv'}"
    with (tmp_path / "t" / "rejected.csv").open(newline="") as file:
        assert {int(row["row"]): (row["column"], row["reason"]) for row in csv.DictReader(file)} == bad
    with pytest.raises(DataError, match=r"at most 0% of the rows may be refused, .* the first is row \d+, column"):
        import_bars(tmp_path / "in.csv", mapping(tmp_path, more=["volume"]), tmp_path / "none", rejected_max=0.0)
    assert not (tmp_path / "none").exists()
    assert not (tmp_path / ".none.import").exists()


def test_a_day_cut_into_several_blocks_has_one_mark_a_contract(tmp_path, monkeypatch):
    """Ten thousand bars of one day in blocks of sixty-four: the mark is the last close, wherever the cuts fall."""
    monkeypatch.setattr("kilohour.datafeeds.importing.spool.SAMPLE_EVERY", 16)
    count = 1_000
    seconds = np.arange(count) + pd.Timestamp("2026-11-02").value // 10**9
    price = 2 + np.arange(count) % 7 / 10
    rows = pd.DataFrame({"time": pd.to_datetime(seconds, unit="s", utc=True), "contract": np.where(np.arange(count) < 400, "2027-01", "2027-02"),
                         **dict.fromkeys(PRICES, price)})  # fmt: skip
    rows.to_parquet(tmp_path / "in.parquet", index=False)
    import_bars(tmp_path / "in.parquet", mapping(tmp_path), tmp_path / "t", run_rows=64, batch_rows=32)
    tape = Tape.load(tmp_path / "t")
    marks = tape.events["kind"] == Kind.MARK
    assert tape.events["ts"][marks].tolist() == [int(seconds[399]) * 10**9, int(seconds[999]) * 10**9]
    assert tape.events["close"][marks].tolist() == [2_000_000, 2_500_000]


def test_an_interrupted_import_goes_on_and_gives_the_same_bytes(tmp_path, monkeypatch):
    rows = frame(5, days=False, more=["volume", "settle"])
    rows.to_csv(tmp_path / "in.csv", index=False, date_format="%Y-%m-%dT%H:%M:%SZ")
    spoilt = (tmp_path / "in.csv").read_text().replace("2.0", "2.x0", 3)
    (tmp_path / "in.csv").write_text(spoilt)
    its = mapping(tmp_path, more=["volume", "settle"])
    run = functools.partial(import_bars, tmp_path / "in.csv", its, run_rows=100, batch_rows=40)
    run(tmp_path / "whole")
    of, seen = own_bars._BarReader.of, []

    def interrupted(reader, batch, *rest):
        seen.append(batch.first)
        if batch.first >= 400 and len(seen) < 12:
            raise KeyboardInterrupt
        return of(reader, batch, *rest)

    monkeypatch.setattr(own_bars._BarReader, "of", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "t")
    assert json.loads((tmp_path / ".t.import" / "progress.json").read_text())["batches"] > 5
    run(tmp_path / "t")
    assert seen.count(0) == 1  # what was read is not read again
    same_bytes(tmp_path / "t", tmp_path / "whole")
    assert (tmp_path / "t" / "rejected.csv").read_bytes() == (tmp_path / "whole" / "rejected.csv").read_bytes()
    assert not (tmp_path / ".t.import").exists()


def test_an_import_interrupted_while_it_writes_leaves_no_tape_and_goes_on(tmp_path, monkeypatch):
    frame(6, days=False, more=[]).to_parquet(tmp_path / "in.parquet", index=False)
    run = functools.partial(import_bars, tmp_path / "in.parquet", mapping(tmp_path), run_rows=100, batch_rows=40)
    run(tmp_path / "whole")
    block = bar_stream.BarStream._block
    monkeypatch.setattr("kilohour.datafeeds.importing.spool.SAMPLE_EVERY", 16)
    blocks = []

    def interrupted(stream, bars):
        blocks.append(len(bars["ts"]))
        if len(blocks) == 3:
            raise KeyboardInterrupt
        return block(stream, bars)

    monkeypatch.setattr(bar_stream.BarStream, "_block", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "t")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".t.import", "in.parquet", "map.toml", "whole"]
    run(tmp_path / "t")
    same_bytes(tmp_path / "t", tmp_path / "whole")


def test_volume_that_is_there_and_is_not_ends_the_import(tmp_path):
    rows = frame(5, days=False, more=["volume"]).astype({"volume": float})
    rows.loc[7, "volume"] = np.nan
    rows.to_parquet(tmp_path / "in.parquet", index=False)
    with pytest.raises(DataError, match="in.parquet: row 7, column 'volume': must be whole lots, found none; write 0 where nothing traded"):
        import_bars(tmp_path / "in.parquet", mapping(tmp_path, more=["volume"]), tmp_path / "t")


def test_one_contract_has_one_name_and_a_short_symbol_one_meaning(tmp_path):
    rows = pd.DataFrame({"time": ["2026-11-02T10:00:00Z", "2026-11-02T11:00:00Z"], "contract": ["2027-01", "SIM:H100-2027-01"], **dict.fromkeys(PRICES, 2.0)})
    rows.to_csv(tmp_path / "in.csv", index=False)
    with pytest.raises(UsageError, match="contract SIM:H100-2027-01 must have one name, found '2027-01' and 'SIM:H100-2027-01'"):
        import_bars(tmp_path / "in.csv", mapping(tmp_path), tmp_path / "t")
    rows.assign(contract="CLF6", time=["2021-11-02T10:00:00Z", "2005-11-02T11:00:00Z"]).to_csv(tmp_path / "in.csv", index=False)
    (tmp_path / "map.toml").write_text((tmp_path / "map.toml").read_text().replace('"SIM:H100"', '"NYMEX:CL"\nassume = ["energy"]'))
    with pytest.raises(UsageError, match="contract 'CLF6' means another one in 2005 than in 2021: name contracts by month"):
        import_bars(tmp_path / "in.csv", read_mapping(tmp_path / "map.toml"), tmp_path / "t")


@pytest.mark.parametrize("seed", range(3))
def test_a_recording_gives_the_bytes_of_memory(tmp_path, monkeypatch, seed):
    """Events of all kinds out of order, many at one time, in chunks and a tail."""
    from tests.datafeeds.test_recording import contract

    rng = np.random.default_rng(seed)
    monkeypatch.setattr(events, "ROW_GROUP", 100)
    monkeypatch.setattr("kilohour.datafeeds.importing.spool.SAMPLE_EVERY", 16)
    with Recording.open(tmp_path / "r", source="by hand", chunk_rows=int(rng.integers(20, 90))) as recording:
        for month in (2, 3, 4):
            recording.contract(contract(f"X:Y-1970-{month:02d}"))
        for number, at in enumerate(np.sort(rng.integers(0, 300, 700)) + rng.integers(0, 9, 700)):
            kind = Kind(int(rng.choice([Kind.BAR, Kind.QUOTE, Kind.MARK, Kind.SESSION])))
            recording.append(kind, int(rng.integers(3)), int(at), close=number)
    read_recording(tmp_path / "r").save(tmp_path / "memory")
    done = import_recording(tmp_path / "r", tmp_path / "t", run_rows=64)
    same_bytes(tmp_path / "t", tmp_path / "memory")
    assert (done.events, done.refused) == (700, 0)
