# SPDX-License-Identifier: Apache-2.0
"""A recording: written in chunks, continued after a crash, read as a tape."""

import json

import pytest

from kilohour.contracts.contract import Contract
from kilohour.datafeeds.recording import Recording, read_recording
from kilohour.errors import DataError, UsageError
from kilohour.tape import Index, Kind
from kilohour.units import MISSING


def contract(code="X:Y-1970-02"):
    return Contract(code=code, product="X:Y", symbol="", month=197002, listed_at=0, last_trade_at=10**18, settlement_at=10**18 + 1,
                    fixing_days=(1, 2), rule="by hand")


def bar(recording, ref, ts, price):
    return recording.append(Kind.BAR, ref, ts, open=price, high=price, low=price, close=price, volume=1)


def record(folder, times, *, chunk_rows=3):
    with Recording.open(folder, source="by hand", chunk_rows=chunk_rows) as recording:
        ref, series = recording.contract(contract()), recording.index(Index(code="Y", unit="USD"))
        for ts in times:
            bar(recording, ref, ts, 1_000 + ts)
        recording.append(Kind.PRINT, series, max(times) + 1, 0, close=7)


def test_events_come_back_as_a_tape_in_order(tmp_path):
    record(tmp_path / "r", [10, 30, 20, 40])
    assert sorted(path.name for path in (tmp_path / "r").iterdir()) == ["chunk-00000.parquet", "header.json", "names.jsonl", "tail.jsonl"]
    tape = read_recording(tmp_path / "r")
    assert tape.events["ts"].tolist() == [10, 20, 30, 40, 41]
    assert tape.events["close"].tolist() == [1_010, 1_020, 1_030, 1_040, 7]
    assert tape.events["open"].tolist()[-1] == MISSING
    assert (tape.contracts, tape.indices) == ((contract(),), (Index(code="Y", unit="USD"),))
    assert tape.notes == ("1 of 5 events came in after a later one and were put in order",)
    saved = tape.save(tmp_path / "tape")
    assert read_recording(tmp_path / "r").save(tmp_path / "again").sha256 == saved.sha256


def test_a_recording_goes_on_where_it_stopped_with_the_same_refs(tmp_path):
    record(tmp_path / "r", [10, 20])
    with Recording.open(tmp_path / "r", source="by hand", chunk_rows=3) as recording:
        assert recording.contract(contract()) == 0
        assert recording.contract(contract("X:Y-1970-03")) == 1
        assert bar(recording, 1, 50, 5) == 3
    assert read_recording(tmp_path / "r").events["ts"].tolist() == [10, 20, 21, 50]


def test_a_line_torn_by_a_crash_is_left_out_and_said(tmp_path):
    record(tmp_path / "r", [10, 20, 30, 40])
    tail = tmp_path / "r" / "tail.jsonl"
    tail.write_text(tail.read_text()[:-9])
    tape = read_recording(tmp_path / "r")
    assert tape.events["ts"].tolist() == [10, 20, 30, 40]
    assert tape.notes == ("the last line of the tail was torn by a crash and is left out",)
    with Recording.open(tmp_path / "r", source="by hand") as recording:
        assert bar(recording, 0, 60, 6) == 4
    assert read_recording(tmp_path / "r").events["ts"].tolist() == [10, 20, 30, 40, 60]


def test_a_crash_between_a_chunk_and_the_cut_of_the_tail_doubles_nothing(tmp_path):
    record(tmp_path / "r", [10, 20], chunk_rows=100)
    before = (tmp_path / "r" / "tail.jsonl").read_text()
    record(tmp_path / "whole", [10, 20], chunk_rows=3)
    (tmp_path / "whole" / "tail.jsonl").write_text(before)
    assert read_recording(tmp_path / "whole").events["ts"].tolist() == [10, 20, 21]


@pytest.mark.parametrize(("name", "change", "words"), [
    ("tail.jsonl", lambda text: text.replace("[3,", "[4,"), "line 1 must be event 3, found 4: events are missing"),
    ("tail.jsonl", lambda text: text.replace("1040", "10.4"), "line 1 must be .* in whole numbers"),
    ("names.jsonl", lambda text: text.replace("contract", "kontract"), "line 1 must name one contract or index"),
    ("names.jsonl", lambda text: text[:0], "event 0 must be of a contract or series named in names.jsonl, found ref 0 of 0"),
    ("header.json", lambda text: text.replace("kilohour recording", "other"), "must say format 'kilohour recording'"),
    ("chunk-00000.parquet", None, "must be a readable Parquet file"),
])
def test_damage_is_refused_by_file_and_line(tmp_path, name, change, words):
    record(tmp_path / "r", [10, 20, 30, 40])
    path = tmp_path / "r" / name
    if change is None:
        path.write_bytes(path.read_bytes()[:-20])
    else:
        path.write_text(change(path.read_text()))
    with pytest.raises(DataError, match=words):
        read_recording(tmp_path / "r")


def test_a_missing_chunk_is_refused(tmp_path):
    record(tmp_path / "r", [10, 20, 30, 40, 50, 60])
    (tmp_path / "r" / "chunk-00000.parquet").unlink()
    with pytest.raises(DataError, match=r"chunk-00000.parquet is missing, found chunk-00001.parquet next"):
        read_recording(tmp_path / "r")


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "mine.txt").write_text("keep")
    with pytest.raises(UsageError, match="only written to a new or empty folder"):
        Recording.open(tmp_path / "r", source="by hand")
    record(tmp_path / "s", [10])
    with pytest.raises(UsageError, match="goes on as it began, source 'by hand'"):
        Recording.open(tmp_path / "s", source="other")
    assert json.loads((tmp_path / "s" / "header.json").read_text())["source"] == "by hand"
