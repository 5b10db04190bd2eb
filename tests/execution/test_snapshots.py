# SPDX-License-Identifier: Apache-2.0
"""A restart from a snapshot is the restart from the whole record; a snapshot that cannot be trusted is passed over, with the reason."""

from __future__ import annotations

import contextlib
import re
import shutil
import sqlite3
import zlib

import numpy as np
import pytest

from kilohour.backtests import live
from kilohour.backtests.live import prepared_of, recovered, replayed, start_of, trader_of
from kilohour.backtests.prepare import prepare
from kilohour.cli.main import main
from kilohour.execution import journal
from kilohour.execution.journal import FILE, INPUTS, read, snapshots
from kilohour.execution.replay import replay
from kilohour.execution.snapshots import taken
from kilohour.faces.fields import dtype_of
from kilohour.limits import RiskLimits
from kilohour.live import Event, LiveSession, empty_tape
from kilohour.tape import Tape
from kilohour.tape.schema import Kind
from kilohour.units import MISSING
from tests.execution.papers import SPREAD, ran, short
from tests.quotes.test_quote_tape import PRODUCT, QUOTES, TIMES, Looks

EVERY = 40
TS = int(TIMES[0].value)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run with limits, spreads and rolls, all of whose snapshots are kept."""
    folder = tmp_path_factory.mktemp("snapshots") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journal, "SNAPSHOTS_KEPT", 10_000)
        runner = ran(folder, short("SIM:H100"), "calendar-spread", parameters=SPREAD, snapshot_every=EVERY, risk=RiskLimits(open_orders=50))
    assert len(runner.trader.trades) > 10
    assert len(snapshots(folder)) >= 3
    return folder


def cut(run, folder, last: int):
    """A copy whose journal ends with a record, as a crash behind its commit leaves it."""
    folder.mkdir()
    shutil.copy(run / FILE, folder / FILE)
    edit(folder, f"DELETE FROM event WHERE seq > {last}", f"DELETE FROM snapshot WHERE seq > {last}", f"DELETE FROM state WHERE seq > {last}")
    return folder


def edit(folder, *statements: str) -> None:
    with contextlib.closing(sqlite3.connect(folder / FILE)) as db, db:
        for statement in statements:
            db.execute(statement)


def whole(folder):
    """The trader by playing every record."""
    records = read(folder)
    trader = trader_of(start_of(records), prepared_of(records[0].body))
    assert replay(trader, records) is None
    return trader


def test_at_any_record_the_state_from_a_snapshot_is_that_of_the_whole_record(run, tmp_path):
    records = read(run)
    inputs = [record.seq - 1 for record in records if record.kind in INPUTS and record.seq > EVERY + 5]
    rng, prepared = np.random.default_rng(5), prepared_of(records[0].body)
    whole, played = trader_of(start_of(records), prepared), (0, b"")
    for last in sorted(int(seq) for seq in rng.choice(inputs, 12, replace=False)):
        folder = cut(run, tmp_path / str(last), last)
        trader, how = recovered(folder, prepared)
        latest = max((seq for seq in (each.seq for each in snapshots(folder))), default=0)
        assert how == {"snapshot": latest, "passed_over": []}
        assert replay(whole, records[played[0] : last], played) is None
        played = (last, records[last - 1].hash)
        assert taken(trader) == taken(whole), f"cut at {last}"


def test_a_replay_proves_every_snapshot(run, tmp_path, capsys):
    assert replayed(run)[1] is None
    assert main(["journal", "verify", str(run)]) == 0
    assert "snapshots that a restart may begin at" in capsys.readouterr().out
    folder = cut(run, tmp_path / "forged", 10**9)
    (last, *_) = snapshots(folder)
    data = bytearray(last.data())
    data[-1] ^= 1
    forge(folder, last.seq, digest=journal.digest_of(bytes(data)))
    edit_packed(folder, last.seq, bytes(data))
    apart = replayed(folder)[1]
    assert apart is not None
    assert apart.seq == last.seq, "a snapshot that was never the run's state"


def forge(folder, seq: int, **changed) -> None:
    """Writes a record of a snapshot anew, and every hash behind it: what only a hand can do."""
    with contextlib.closing(sqlite3.connect(folder / FILE)) as db, db:
        before = db.execute("SELECT hash FROM event WHERE seq = ?", (seq - 1,)).fetchone()[0]
        for record in [each for each in read(folder) if each.seq >= seq]:
            body = journal.canonical({**record.body, **changed} if record.seq == seq else record.body)
            before = journal.chained(before, record.seq, record.at, record.kind, body)
            db.execute("UPDATE event SET body = ?, hash = ? WHERE seq = ?", (body, before, record.seq))


def edit_packed(folder, seq: int, data: bytes) -> None:
    with contextlib.closing(sqlite3.connect(folder / FILE)) as db, db:
        db.execute("UPDATE snapshot SET packed = ? WHERE seq = ?", (zlib.compress(data), seq))


def damage(folder, seq: int, how: str) -> None:
    data = next(each for each in snapshots(folder) if each.seq == seq).data()
    if how == "changed":
        edit_packed(folder, seq, data[:-1] + bytes([data[-1] ^ 1]))
    elif how == "cut":
        edit_packed(folder, seq, data[: len(data) // 2])
    elif how == "no zlib":
        edit(folder, f"UPDATE snapshot SET packed = x'010203' WHERE seq = {seq}")
    elif how == "cleared away":
        edit(folder, f"DELETE FROM snapshot WHERE seq = {seq}")
    else:
        forge(folder, seq, **{how: "another"})


@pytest.mark.parametrize(("how", "said"), [
    ("changed", "must have the hash"), ("cut", "must have the hash"), ("no zlib", "cannot be unpacked"), ("cleared away", "cleared away"),
    ("version", "its version must be 3, found 'another'"), ("layout", "its layout must be .*, found 'another'")])
def test_one_that_cannot_be_read_gives_way_to_the_one_before(how, said, run, tmp_path, capsys):
    folder = cut(run, tmp_path / "cut", 10**9)
    last, before, *_ = (each.seq for each in snapshots(folder))
    damage(folder, last, how)
    trader, told = recovered(folder, prepared_of(read(folder)[0].body))
    assert told["snapshot"] == before
    (why,) = told["passed_over"]
    assert why.startswith(f"the snapshot of record {last} is passed over: ")
    assert re.search(said, why)
    assert why in capsys.readouterr().err
    assert taken(trader) == taken(whole(run))


def test_without_a_good_one_the_whole_record_is_played(run, tmp_path):
    folder = cut(run, tmp_path / "cut", 10**9)
    count = len(snapshots(folder))
    edit(folder, "UPDATE snapshot SET packed = x'00'")
    trader, told = recovered(folder, prepared_of(read(folder)[0].body))
    assert (told["snapshot"], len(told["passed_over"])) == (0, count)
    assert taken(trader) == taken(whole(run))


def test_a_strategy_in_cpython_gets_none(tmp_path):
    ran(tmp_path / "run", short("SIM:H100", last="2026-03-20"), "calendar-spread", parameters=SPREAD, interpreted=True, snapshot_every=5)
    assert snapshots(tmp_path / "run") == []


def test_only_the_last_three_are_kept(tmp_path):
    ran(tmp_path / "run", short("SIM:H100", last="2026-03-27"), "calendar-spread", parameters=SPREAD, snapshot_every=5)
    found = snapshots(tmp_path / "run")
    assert [each.packed is not None for each in found] == [True] * 3 + [False] * (len(found) - 3)
    assert len(found) > 3
    assert replayed(tmp_path / "run")[1] is None, "those that were cleared away are proven by their hash"
    assert live.recovered(tmp_path / "run", prepared_of(read(tmp_path / "run")[0].body))[1]["snapshot"] == found[0].seq


def test_what_is_displayed_is_part_of_the_state():
    """A session that keeps quotes, whose memory the books name by its address."""
    tape = empty_tape(Tape.from_quotes(QUOTES, product=PRODUCT))
    ready = prepare(Looks, tape, parameters={}, interpreted=True, live_from=TS)
    whole, again = (LiveSession(ready.market, ready.face, np.zeros(1, dtype_of(Looks)), ready.cash_micros, interpreted=True) for _ in "ab")
    whole.see([Event(TS, TS, Kind.LISTING, 0, *[MISSING] * 5), quote(TS, 2_000_000, 7)])
    assert whole.quotes is not None
    plain, parts = whole.image()
    again.take_image(plain, {name: part.tobytes() for name, part in parts.items()})
    assert again.quotes is not None
    assert int(again.book["quotes"][0]) == again.quotes.ctypes.data != whole.quotes.ctypes.data
    for session in (whole, again):
        session.see([quote(TS + 1, 2_001_000, 3)])
    assert bytes_of(again) == bytes_of(whole)


def quote(ts: int, bid: int, lots: int) -> Event:
    return Event(ts, ts, Kind.QUOTE, 0, bid, lots, bid + 10_000, 6, 0)


def bytes_of(session: LiveSession) -> dict[str, bytes]:
    return {name: part.tobytes() for name, part in session.image()[1].items()}
