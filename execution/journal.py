# SPDX-License-Identifier: Apache-2.0
"""The journal of a run: one SQLite file, only ever appended to, each record chained to the one before by a hash.

What a run was told (inputs) and what it decided (outputs) are records of one table, in the order in which they happened. An
input is committed together with the outputs it led to, so a run that was killed anywhere can be played again to its last
commit. One thread writes; whatever has queued up is one commit (SQLite WAL, ``synchronous=FULL``). Money is integer micros.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import queue
import sqlite3
import threading
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kilohour.errors import DataError, UsageError

SCHEMA = 1
FILE = "journal.db"
LOCK = "journal.lock"
FOLD_TRIES, FOLD_SECONDS = 20, 0.05
SNAPSHOTS_KEPT = 3
"""Of older ones only the record stays."""
INPUTS = ("start", "feed", "fact", "time", "word", "end", "snapshot")
"""Records of what a run was told; all others are what it decided."""
_TABLES = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS event (seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL, hash BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS state (seq INTEGER PRIMARY KEY, memory BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS snapshot (seq INTEGER PRIMARY KEY, packed BLOB NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class Record:
    """One line. ``at`` is the driver's clock when the input came, nanoseconds."""

    seq: int
    at: int
    kind: str
    body: dict[str, Any]
    hash: bytes


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def canonical(body: Mapping[str, Any]) -> str:
    """The one text of a body: keys sorted, no spaces."""
    return _ENCODER.encode(body)


def chained(before: bytes, seq: int, at: int, kind: str, body: str) -> bytes:
    """The hash of a record on top of the one before it."""
    return hashlib.blake2b(f"{seq}|{at}|{kind}|{body}".encode(), key=before[:64], digest_size=16).digest()


@dataclass(frozen=True, slots=True)
class _Work:
    """What is committed together."""

    rows: list[tuple[Any, ...]]
    memory: bytes | None
    snapshot: bytes | None
    done: Future[None]


class Lock:
    """Keeps a second runner out: an advisory lock of the system on a file, which ends with the process however it ends."""

    def __init__(self, folder: Path) -> None:
        import fcntl

        self._file = open(folder / LOCK, "a+b")  # noqa: SIM115 held as long as the journal
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            raise UsageError(f"{folder}: another runner writes this journal") from None
        self._file.truncate(0)
        self._file.write(str(os.getpid()).encode())
        self._file.flush()

    def release(self) -> None:
        """Lets another in."""
        self._file.truncate(0)
        self._file.close()


class Journal:
    """The one writer. Raises :class:`UsageError` when another holds it, :class:`DataError` for a file that is damaged."""

    def __init__(self, folder: Path) -> None:
        self._is_own = not folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._lock = Lock(folder)
        self.seq, self.hash, self.at, self.snapshot_at = 0, b"", 0, 0
        with contextlib.ExitStack() as undone:
            undone.callback(self._lock.release)
            self._db = _open(folder / FILE)
            undone.callback(self._db.close)
            for seq, at, kind, _, found in _sound(self._db, folder):
                self.seq, self.hash, self.at = seq, found, at
                if kind == "snapshot":
                    self.snapshot_at = seq
            undone.pop_all()
        self.fault: BaseException | None = None
        self.is_void = False
        """The run could not begin: nothing was sent, and :meth:`close` leaves nothing."""
        self._queue: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()
        self._held: list[_Work] = []
        self._thread = threading.Thread(target=self._write, name="journal", daemon=True)
        self._thread.start()

    def append(self, at: int, entries: Sequence[tuple[str, Mapping[str, Any]]], memory: bytes | None = None,
               snapshot: bytes | None = None, *, is_held: bool = False) -> Future[None]:
        """Queues records that belong together; the future is done when they are on disk, and raises when they cannot be.

        ``memory``: the strategy's bytes after them; ``snapshot``: those of the whole run, whose hash the last of them tells.
        ``is_held``: the writer hears of them with :meth:`hand_over` only, or with the next ones.
        """
        rows: list[tuple[Any, ...]] = []
        for kind, body in entries:
            self.seq += 1
            text = canonical(body)
            self.hash = chained(self.hash, self.seq, at, kind, text)
            rows.append((self.seq, at, kind, text, self.hash))
        if snapshot is not None:
            self.snapshot_at = self.seq
        done: Future[None] = Future()
        if self.fault is not None:
            done.set_exception(self.fault)
            return done
        self._held.append(_Work(rows, memory, snapshot, done))
        if not is_held:
            self.hand_over()
        return done

    def hand_over(self) -> None:
        """Gives the writer what is held, in its order."""
        held, self._held = self._held, []
        for work in held:
            self._queue.put(work)

    def close(self) -> None:
        """Writes what is queued and lets go of the file. Of a run that could not begin nothing is left."""
        self.hand_over()
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()
        self._fold()
        self._db.close()
        is_nothing = self.seq == 0 or self.is_void
        if is_nothing:
            for name in (FILE, f"{FILE}-wal", f"{FILE}-shm", LOCK):
                (self.folder / name).unlink(missing_ok=True)
        self._lock.release()
        if is_nothing and self._is_own:
            with contextlib.suppress(OSError):
                self.folder.rmdir()

    def _fold(self) -> None:
        """Leaves one file that is whole by itself: a reader of one with a log beside it would leave that log behind."""
        for _ in range(FOLD_TRIES):
            try:
                self._db.execute("PRAGMA journal_mode=DELETE")
                return
            except sqlite3.OperationalError:  # somebody reads it now, or the disk is full: then the log stays, and is good
                if self.fault is not None:
                    return
                time.sleep(FOLD_SECONDS)

    def _write(self) -> None:
        while True:
            batch = [self._queue.get()]
            while not self._queue.empty() and len(batch) < 1000:
                batch.append(self._queue.get())
            work = [item for item in batch if item is not None]
            try:
                if self.fault is None:
                    self._commit(work)
            except (sqlite3.Error, OSError) as error:
                self.fault = error
            for item in work:
                if self.fault is None:
                    item.done.set_result(None)
                else:
                    item.done.set_exception(self.fault)
            if len(work) < len(batch):
                return

    def _commit(self, work: Sequence[_Work]) -> None:
        with self._db:
            self._db.executemany("INSERT INTO event VALUES (?, ?, ?, ?, ?)", [row for item in work for row in item.rows])
            states = [(item.rows[-1][0], item.memory) for item in work if item.memory is not None]
            if states:
                self._db.execute("INSERT OR REPLACE INTO state VALUES (?, ?)", states[-1])
            for item in work:
                if item.snapshot is not None:
                    self._db.execute("INSERT INTO snapshot VALUES (?, ?)", (item.rows[-1][0], zlib.compress(item.snapshot, 1)))
                    self._db.execute("DELETE FROM snapshot WHERE seq NOT IN (SELECT seq FROM snapshot ORDER BY seq DESC LIMIT ?)",
                                     (SNAPSHOTS_KEPT,))


def _open(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, check_same_thread=False, isolation_level="IMMEDIATE")
    try:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.executescript(_TABLES)
        db.execute("INSERT OR IGNORE INTO meta VALUES ('schema', ?)", (str(SCHEMA),))
        db.commit()
    except sqlite3.DatabaseError as error:
        db.close()
        raise DataError(f"{path}: not a journal that can be written: {error}") from None
    return db


def checked(db: sqlite3.Connection, folder: Path) -> Iterator[Record]:
    """Every record, its hash and number checked. Raises :class:`DataError` at the first that does not fit."""
    for seq, at, kind, body, found in _sound(db, folder):
        yield Record(seq, at, kind, json.loads(body), found)


def _sound(db: sqlite3.Connection, folder: Path) -> Iterator[tuple[int, int, str, str, bytes]]:
    """The rows as they lie there, checked: what is not looked at need not be parsed."""
    try:
        (version,) = db.execute("SELECT value FROM meta WHERE name = 'schema'").fetchone() or ("none",)
        if version != str(SCHEMA):
            raise DataError(f"{folder}: the journal's schema must be {SCHEMA}, found {version}")
        (fit,) = db.execute("PRAGMA quick_check").fetchone()
        if fit != "ok":
            raise DataError(f"{folder}: the journal is damaged: {fit}")
        before = b""
        rows = db.execute("SELECT seq, at, kind, body, hash FROM event ORDER BY seq")
        for number, (seq, at, kind, body, found) in enumerate(rows, 1):
            if seq != number or chained(before, seq, at, kind, body) != found:
                raise DataError(f"{folder}: record {number} does not follow from the one before it: the journal was changed or cut")
            before = found
            yield seq, at, kind, body, found
    except sqlite3.DatabaseError as error:
        raise DataError(f"{folder}: the journal cannot be read: {error}") from None


def read(folder: Path, after: int = 0) -> list[Record]:
    """The records of a journal from number ``after`` on, read without disturbing its writer. Raises :class:`DataError`."""
    path = folder / FILE
    if not path.is_file():
        raise UsageError(f"{folder}: it has no {FILE}")
    with contextlib.closing(_reader(path)) as db:
        return [record for record in checked(db, folder) if record.seq > after]


def tail(folder: Path, after: int, most: int = -1) -> list[Record]:
    """The records behind number ``after`` (at most so many), for who watches: unchecked, in order, none missing.

    Raises :class:`DataError`.
    """
    with contextlib.closing(_reader(folder / FILE)) as db:
        rows = [Record(seq, at, kind, json.loads(body), found) for seq, at, kind, body, found in db.execute(
            "SELECT seq, at, kind, body, hash FROM event WHERE seq > ? ORDER BY seq LIMIT ?", (after, most))]
    for place, record in enumerate(rows, after + 1):
        if record.seq != place:
            raise DataError(f"{folder}: record {place} is missing")
    return rows


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A record of kind ``snapshot``. ``data`` is what lies beside it, None when it was cleared away."""

    seq: int
    hash: bytes
    body: dict[str, Any]
    packed: bytes | None

    def data(self) -> bytes:
        """The run's bytes. Raises :class:`DataError` when they are gone, or are not those that the record tells the hash of."""
        if self.packed is None:
            raise DataError("its bytes were cleared away")
        try:
            data = zlib.decompressobj().decompress(self.packed, int(self.body["bytes"]) + 1)
        except (zlib.error, KeyError, TypeError, ValueError) as error:
            raise DataError(f"its bytes cannot be unpacked ({error})") from None
        if (found := digest_of(data)) != self.body.get("digest"):
            raise DataError(f"its bytes must have the hash {self.body.get('digest')}, found {found}")
        return data


def digest_of(data: bytes) -> str:
    """The hash by which a snapshot is known."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def snapshots(folder: Path) -> list[Snapshot]:
    """The snapshots of a journal, the last one first. Their records are as sound as the journal: see :func:`checked`."""
    with contextlib.closing(_reader(folder / FILE)) as db:
        has_bytes = db.execute("SELECT 1 FROM sqlite_master WHERE name = 'snapshot'").fetchone() is not None
        packed = dict(db.execute("SELECT seq, packed FROM snapshot")) if has_bytes else {}
        rows = db.execute("SELECT seq, hash, body FROM event WHERE kind = 'snapshot' ORDER BY seq DESC")
        return [Snapshot(seq, found, json.loads(body), packed.get(seq)) for seq, found, body in rows]


def first_record(folder: Path) -> dict[str, Any]:
    """What a run began with, read without checking the rest. Raises :class:`UsageError` for a folder without a journal."""
    if not (folder / FILE).is_file():
        raise UsageError(f"{folder}: it has no {FILE}")
    with contextlib.closing(_reader(folder / FILE)) as db:
        row = db.execute("SELECT body FROM event WHERE seq = 1").fetchone()
    if row is None:
        raise UsageError(f"{folder}: its journal is empty")
    found: dict[str, Any] = json.loads(row[0])
    return found


def holder_of(folder: Path) -> int | None:
    """The process that writes the journal now, None when nobody does."""
    import fcntl

    try:
        with open(folder / LOCK, "r+b") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return int(file.read() or 0) or None
    except OSError:
        return None
    return None


def last_memory(folder: Path) -> tuple[int, bytes] | None:
    """The strategy's bytes as last saved, with the number of the record they belong to."""
    with contextlib.closing(_reader(folder / FILE)) as db:
        found = db.execute("SELECT seq, memory FROM state ORDER BY seq DESC LIMIT 1").fetchone()
    return None if found is None else (int(found[0]), bytes(found[1]))


def _reader(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{os.fspath(path)}?mode=ro", uri=True)
