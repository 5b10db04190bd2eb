# SPDX-License-Identifier: Apache-2.0
"""The journal: whole or refused, one writer, a prefix of history after a torn tail, closed when the disk is full."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import threading

import pytest

from kilohour.errors import DataError, UsageError
from kilohour.execution.journal import FILE, LOCK, Journal, canonical, chained, first_record, holder_of, last_memory, read, tail


def written(folder, count=20):
    journal = Journal(folder)
    for i in range(count):
        journal.append(i, [("feed", {"n": i}), ("intent", {"n": i})], memory=bytes([i])).result(5)
    journal.close()
    return folder


def test_what_is_written_is_read_and_chained(tmp_path):
    records = read(written(tmp_path))
    assert [record.seq for record in records] == list(range(1, 41))
    assert [record.kind for record in records[:4]] == ["feed", "intent", "feed", "intent"]
    before = b""
    for record in records:
        before = chained(before, record.seq, record.at, record.kind, canonical(record.body))
        assert record.hash == before
    assert last_memory(tmp_path) == (40, bytes([19]))
    assert [record.seq for record in tail(tmp_path, 38)] == [39, 40]
    assert first_record(tmp_path) == {"n": 0}


def test_a_second_runner_is_refused_and_the_first_is_named(tmp_path):
    journal = Journal(tmp_path)
    assert holder_of(tmp_path) == os.getpid()
    code = f"from pathlib import Path; from kilohour.execution.journal import Journal; Journal(Path({str(tmp_path)!r}))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert "another runner writes this journal" in ended.stderr
    journal.close()
    assert holder_of(tmp_path) is None
    Journal(tmp_path).close()


@pytest.mark.parametrize(("statement", "said"), [
    ("UPDATE event SET body = '{\"n\":99}' WHERE seq = 5", "record 5"),
    ("UPDATE event SET at = 7 WHERE seq = 6", "record 6"),
    ("DELETE FROM event WHERE seq = 10", "record 10"),
    ("DELETE FROM event WHERE seq = 1", "record 1 "),
    ("UPDATE meta SET value = '99' WHERE name = 'schema'", "schema must be 1, found 99"),
])
def test_a_change_is_found_and_named(statement, said, tmp_path):
    with sqlite3.connect(written(tmp_path) / FILE) as db:
        db.execute(statement)
    db.close()
    with pytest.raises(DataError, match=said):
        read(tmp_path)
    with pytest.raises(DataError, match=said):
        Journal(tmp_path)
    assert holder_of(tmp_path) is None


def test_of_a_torn_tail_a_prefix_remains(tmp_path):
    """Copies of database and write-ahead log, the log cut anywhere, as power loss cuts it."""
    live = tmp_path / "live"
    journal = Journal(live)
    hashes = [b""]
    for i in range(30):
        journal.append(i, [("feed", {"n": i})]).result(5)
        hashes.append(journal.hash)
    log = (live / f"{FILE}-wal").read_bytes()
    found = set()
    for place, cut in enumerate(range(0, len(log), max(len(log) // 40, 1))):
        copy = tmp_path / f"cut-{place}"
        copy.mkdir()
        shutil.copy(live / FILE, copy / FILE)
        (copy / f"{FILE}-wal").write_bytes(log[:cut])
        if cut == 0:
            continue
        kept = Journal(copy)
        assert kept.hash == hashes[kept.seq]
        count = kept.seq
        kept.append(99, [("feed", {"n": 99})]).result(5)
        kept.close()
        found.add(count)
    journal.close()
    assert len(found) > 10
    assert max(found) <= 30


def test_a_full_disk_fails_every_append_from_then_on(tmp_path):
    """A limit on the size of files in a process of its own stands for the full disk."""
    code = f"""
import resource, signal
from pathlib import Path
from kilohour.execution.journal import Journal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
journal = Journal(Path({str(tmp_path)!r}))
journal.append(0, [("start", {{"n": 0}})]).result(5)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
done = 1
try:
    for i in range(200):
        journal.append(i, [("feed", {{"text": "x" * 4000}})]).result(5)
        done += 1
except Exception as error:
    print(done, type(error).__name__)
try:
    journal.append(1000, [("intent", {{}})]).result(5)
    print("sent without a journal")
except Exception as error:
    print("refused", journal.fault is not None)
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    lines = ended.stdout.splitlines()
    assert lines[1] == "refused True", ended
    count = int(lines[0].split()[0])
    assert 1 < count < 200
    assert len(read(tmp_path)) == count, "what was acknowledged is there, and nothing else"


def test_a_folder_without_a_journal_is_told(tmp_path):
    for ask in (read, first_record):
        with pytest.raises(UsageError, match="has no journal"):
            ask(tmp_path)
    (tmp_path / FILE).write_bytes(b"not a database, but long enough to be taken for one" * 40)
    with pytest.raises(DataError, match="not a journal"):
        Journal(tmp_path)


def test_a_journal_that_is_closed_is_one_file_however_often_it_is_read_and_by_whom(tmp_path):
    """A reader leaves the log of a journal that says it has one: two files beside a run that was over."""
    journal = Journal(tmp_path)
    journal.append(0, [("start", {}), ("feed", {"n": 1})]).result(5)
    over = threading.Event()

    def watch():
        while not over.is_set():
            tail(tmp_path, 0)

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        journal.close()
    finally:
        over.set()
        watching.join()
    assert [record.kind for record in read(tmp_path)] == ["start", "feed"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [FILE, LOCK]
    again = Journal(tmp_path)
    again.append(1, [("feed", {"n": 2})]).result(5)
    assert (tmp_path / f"{FILE}-wal").exists(), "who writes has a log again"
    again.close()
    assert [record.body.get("n") for record in read(tmp_path)] == [None, 1, 2]


def test_what_has_queued_up_is_one_commit_and_the_last_memory_of_it_is_kept(tmp_path):
    """While the writer is at the disk two hundred inputs come; they are one transaction, and all of them are acknowledged."""
    commits, at_disk, go_on = [], threading.Event(), threading.Event()

    class Slow(Journal):
        def _commit(self, work):
            at_disk.set()
            go_on.wait(10)
            commits.append(len(work))
            super()._commit(work)

    journal = Slow(tmp_path)
    first = journal.append(0, [("start", {})])
    assert at_disk.wait(10)
    others = [journal.append(i, [("feed", {"n": i}), ("intent", {"n": i})], memory=bytes([i])) for i in range(1, 201)]
    assert not any(done.done() for done in (first, *others))
    go_on.set()
    for done in (first, *others):
        done.result(10)
    assert commits == [1, 200]
    journal.close()
    assert [record.seq for record in read(tmp_path)] == list(range(1, 402))
    with sqlite3.connect(tmp_path / FILE) as db:
        assert db.execute("SELECT * FROM state").fetchall() == [(401, bytes([200]))]
    db.close()


def test_what_is_held_reaches_the_disk_in_its_place_and_not_by_itself(tmp_path):
    journal = Journal(tmp_path)
    journal.append(0, [("start", {})]).result(10)
    held = journal.append(1, [("feed", {"n": 1})], is_held=True)
    with pytest.raises(TimeoutError):
        held.result(0.2)
    assert [record.seq for record in read(tmp_path)] == [1]
    journal.append(2, [("feed", {"n": 2})]).result(10)
    assert held.done()
    journal.append(3, [("feed", {"n": 3})], is_held=True)
    journal.hand_over()
    last = journal.append(4, [("feed", {"n": 4})], is_held=True)
    journal.close()
    assert last.done()
    assert [(record.seq, record.at) for record in read(tmp_path)] == [(1, 0), (2, 1), (3, 2), (4, 3), (5, 4)]
