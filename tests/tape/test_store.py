# SPDX-License-Identifier: Apache-2.0
"""A tape folder: what is saved comes back, and nothing that was touched is loaded."""

import hashlib
import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from kilohour.contracts.contract import Contract
from kilohour.errors import DataError, UsageError
from kilohour.tape import Index, Kind, Tape, TapeBuilder
from kilohour.tape.store import FILES, fingerprint, save_blocks
from kilohour.units import MISSING

DAY = 86_400 * 10**9


def make_contract(code="SIM:H100-2027-03", **changes):
    terms = {"code": code, "product": "SIM:H100", "symbol": "H100H7", "month": 202703, "listed_at": 0,
             "last_trade_at": 400 * DAY, "settlement_at": 401 * DAY, "fixing_days": (370, 371, 400),
             "rule": "last business day; calendar v1"}
    return Contract(**{**terms, **changes})


def make_tape(close=2_500_000, note="made by hand"):
    builder = TapeBuilder(source="a test", notes=[note], days_per_year=365, assumptions=["energy"])
    ref = builder.contract(make_contract())
    index = builder.index(Index(code="SIM-H100", unit="USD per GPU-hour", note="ünïcode"))
    times = np.array([10, 11, 12]) * DAY
    prices = np.array([close, -37_630_000, 2_600_000])
    builder.bars(ref, times, prices, prices, prices, prices, np.array([5, MISSING, 0]))
    builder.marks(ref, times, prices)
    builder.prints(index, np.array([9, 9]), np.array([10, 11]) * DAY, np.array([2_400_000, 2_410_000]))
    return builder.build()


def test_a_saved_tape_comes_back_whole(tmp_path):
    tape = make_tape()
    saved = tape.save(tmp_path / "tape")
    loaded = Tape.load(tmp_path / "tape")
    for name, column in tape.events.items():
        assert loaded.events[name].dtype == column.dtype
        np.testing.assert_array_equal(loaded.events[name], column, err_msg=name)
        assert not loaded.events[name].flags.writeable
    assert loaded.contracts == tape.contracts
    assert loaded.indices == tape.indices
    assert (loaded.source, loaded.notes, loaded.days_per_year) == ("a test", ("made by hand",), 365)
    assert loaded.assumptions == ("energy",)
    assert loaded.sha256 == saved.sha256 == fingerprint(tape)


def test_event_hashes_are_sha256_of_the_raw_column_bytes(tmp_path):
    tape = make_tape()
    tape.save(tmp_path / "tape")
    manifest = json.loads((tmp_path / "tape" / "manifest.json").read_text())
    for name, column in tape.events.items():
        assert manifest["events"]["columns"][name] == hashlib.sha256(column.tobytes()).hexdigest()


def test_the_same_content_has_the_same_hash_and_another_has_another(tmp_path):
    first = make_tape().save(tmp_path / "a")
    again = Tape.load(tmp_path / "a").save(tmp_path / "b")
    assert first.sha256 == again.sha256
    assert make_tape(close=2_500_001).save(tmp_path / "c").sha256 != first.sha256
    assert make_tape(note="another word").save(tmp_path / "d").sha256 != first.sha256


def test_saving_over_a_tape_replaces_it_and_leaves_no_scraps(tmp_path):
    make_tape().save(tmp_path / "tape")
    changed = make_tape(close=1_000_000).save(tmp_path / "tape")
    assert Tape.load(tmp_path / "tape").sha256 == changed.sha256
    assert [p.name for p in tmp_path.iterdir()] == ["tape"]
    assert sorted(p.name for p in (tmp_path / "tape").iterdir()) == sorted(FILES)


def test_an_empty_folder_may_become_a_tape(tmp_path):
    (tmp_path / "tape").mkdir()
    make_tape().save(tmp_path / "tape")
    assert len(Tape.load(tmp_path / "tape")) == len(make_tape())


@pytest.mark.parametrize("names", [["letter.txt"], [*FILES, "letter.txt"], ["manifest.json"]])
def test_a_folder_that_is_not_a_tape_is_not_overwritten(tmp_path, names):
    folder = tmp_path / "mine"
    folder.mkdir()
    for name in names:
        (folder / name).write_text("{}")
    with pytest.raises(UsageError, match="mine: a tape is only written to a new folder, an empty one, or over a tape"):
        make_tape().save(folder)
    assert sorted(p.name for p in folder.iterdir()) == sorted(names)
    assert [p.name for p in tmp_path.iterdir()] == ["mine"]


def test_a_file_is_not_overwritten(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UsageError, match="found a file"):
        make_tape().save(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_write_that_fails_leaves_the_old_tape_and_no_scraps(tmp_path, monkeypatch):
    old = make_tape().save(tmp_path / "tape")

    def broken(*args, **kwargs):
        raise OSError("disk full")

    monkeypatch.setattr("kilohour.tape.store._write_rows", broken)
    with pytest.raises(OSError, match="disk full"):
        make_tape(close=1).save(tmp_path / "tape")
    assert Tape.load(tmp_path / "tape").sha256 == old.sha256
    assert [p.name for p in tmp_path.iterdir()] == ["tape"]


def one_line(error):
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(tmp_path, name):
    make_tape().save(tmp_path / "tape")
    (tmp_path / "tape" / name).unlink()
    with pytest.raises(DataError) as error:
        Tape.load(tmp_path / "tape")
    assert f"tape/{name}: a tape needs this file, found none" in one_line(error)


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match="nowhere: a tape is a folder, found nothing there"):
        Tape.load(tmp_path / "nowhere")


@pytest.mark.parametrize("name", [n for n in FILES if n.endswith(".parquet")])
def test_a_file_of_another_tape_is_refused_by_its_hash(tmp_path, name):
    make_tape().save(tmp_path / "tape")
    builder = TapeBuilder(source="another")
    ref = builder.contract(make_contract(symbol="ANOTHER"))
    builder.index(Index(code="OTHER", unit="x"))
    price = np.full(7, 5)
    builder.bars(ref, np.arange(1, 8) * DAY, price, price, price, price, price)
    builder.marks(ref, np.array([DAY]), np.array([5]))
    other = builder.build()
    other.save(tmp_path / "other")
    assert len(other) == len(make_tape())
    (tmp_path / "other" / name).replace(tmp_path / "tape" / name)
    with pytest.raises(DataError) as error:
        Tape.load(tmp_path / "tape")
    assert f"tape/{name}: " in one_line(error)
    assert "must have sha256" in one_line(error)


def test_a_file_cut_short_is_named(tmp_path):
    make_tape().save(tmp_path / "tape")
    path = tmp_path / "tape" / "events.parquet"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError) as error:
        Tape.load(tmp_path / "tape")
    assert "events.parquet: must be a readable Parquet file, found" in one_line(error)


@pytest.mark.parametrize(("key", "value", "words"), [
    ("schema_version", 0, "schema version must be 1, found 0"),
    ("format", "a recipe", "must say format 'kilohour tape'"),
    ("notes", ["nothing is modelled"], "was changed after it was written"),
    ("days_per_year", 365.5, "was changed after it was written"),
])
def test_an_edited_manifest_is_refused(tmp_path, key, value, words):
    make_tape().save(tmp_path / "tape")
    path = tmp_path / "tape" / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))
    with pytest.raises(DataError) as error:
        Tape.load(tmp_path / "tape")
    assert f"manifest.json: {words}" in one_line(error)


def test_a_manifest_that_lacks_an_entry_is_refused(tmp_path):
    make_tape().save(tmp_path / "tape")
    path = tmp_path / "tape" / "manifest.json"
    path.write_text(json.dumps({k: v for k, v in json.loads(path.read_text()).items() if k != "notes"}))
    with pytest.raises(DataError, match=r"manifest.json: must say 'notes', found nothing of it"):
        Tape.load(tmp_path / "tape")


def test_a_manifest_that_is_not_json_is_refused(tmp_path):
    make_tape().save(tmp_path / "tape")
    (tmp_path / "tape" / "manifest.json").write_text("once upon a time")
    with pytest.raises(DataError, match=r"manifest.json: must be JSON, found"):
        Tape.load(tmp_path / "tape")


def test_a_large_tape_survives_extreme_integers(tmp_path):
    """Delta encoding must wrap, not clip: MISSING beside the largest price there is."""
    builder = TapeBuilder(source="extremes")
    ref = builder.contract(make_contract(last_trade_at=2**62, settlement_at=2**62))
    times = np.arange(1, 100_001)
    prices = np.where(times % 2 == 0, 2**62, -(2**62))
    builder.bars(ref, times, prices, prices, prices, prices, np.where(times % 3 == 0, MISSING, 2**62))
    tape = builder.build()
    tape.save(tmp_path / "tape")
    np.testing.assert_array_equal(Tape.load(tmp_path / "tape").events["volume"], tape.events["volume"])
    assert Tape.load(tmp_path / "tape").bars == np.count_nonzero(tape.events["kind"] == Kind.BAR)


@pytest.mark.parametrize("group", [1, 3, 4, 100])
def test_events_cut_into_blocks_give_the_same_files(tmp_path, monkeypatch, group):
    monkeypatch.setattr("kilohour.tape.events.ROW_GROUP", group)
    tape = make_tape()
    whole = tape.save(tmp_path / "whole")
    for size in (1, 2, 5):
        blocks = ({name: column[start : start + size] for name, column in tape.events.items()} for start in range(0, len(tape), size))
        assert save_blocks(blocks, lambda: tape, tmp_path / "blocks").sha256 == whole.sha256
        for name in FILES:
            assert (tmp_path / "blocks" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert pq.read_metadata(tmp_path / "whole" / "events.parquet").num_row_groups == -(-len(tape) // group)
    assert Tape.load(tmp_path / "whole").events["ts"].tolist() == tape.events["ts"].tolist()


def test_blocks_that_end_in_an_error_leave_nothing(tmp_path):
    def blocks():
        yield make_tape().events
        raise DataError("no more")

    with pytest.raises(DataError, match="no more"):
        save_blocks(blocks(), make_tape, tmp_path / "t")
    assert list(tmp_path.iterdir()) == []
