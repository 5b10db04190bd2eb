# SPDX-License-Identifier: Apache-2.0
"""Nothing goes to a venue that another process cannot already read in the journal, whatever brought it about."""

from __future__ import annotations

import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from kilohour.execution.ax.venue import AxVenue
from kilohour.execution.journal import Journal, tail
from kilohour.execution.port import Amend, Cancel, Place
from tests.execution.papers import CASH, SPREAD, hastened, short

RANDOM = f"{Path(__file__).with_name('everything.py')}:AsksAtRandom"
LOST = {"do": "lose_reply", "on": "place", "count": 3}


@pytest.mark.parametrize(("strategy", "asked", "least"), [
    ("calendar-spread", {"parameters": SPREAD, "plain": True}, {"Place": 10, "LookUp": 1}),
    (RANDOM, {"parameters": {"seed": 3}, "interpreted": True, "cash": 10 * CASH}, {"Place": 30, "Cancel": 3, "LookUp": 1})],
    ids=["legs", "orders of every kind"])
def test_what_is_sent_is_on_disk_before(strategy, asked, least, tmp_path, monkeypatch):
    folder, at = tmp_path / "run", [0]
    written: Counter[tuple[str, int]] = Counter()
    sent: Counter[tuple[str, int]] = Counter()
    early: list[Any] = []
    send = AxVenue.do

    async def do(self, command):
        for record in tail(folder, at[0]):
            at[0] = record.seq
            if record.kind in ("intent", "command"):
                written[record.body["what"], record.body.get("cid", 0)] += 1
        what = type(command).__name__, getattr(command, "cid", 0)
        if isinstance(command, Place | Amend | Cancel) and written[what] <= sent[what]:
            early.append(command)
        sent[what] += 1
        await send(self, command)

    async def inject(server):
        server.chaos.add(LOST)

    monkeypatch.setattr(AxVenue, "do", do)
    hastened(folder, short("SIM:H100"), strategy, inject=inject, **asked)
    assert not early
    kinds = Counter(name for name, _ in sent.elements())
    assert all(kinds[name] >= number for name, number in least.items()), kinds


def test_a_commit_is_one_that_a_power_cut_leaves(tmp_path, monkeypatch):
    """FULL: SQLite waits for the disk at each commit. A test cannot cut the power, so this is read off the connection."""
    found: list[int] = []
    connect = sqlite3.connect

    def kept(*given, **named):
        made.append(connect(*given, **named))
        return made[-1]

    made: list[Any] = []
    monkeypatch.setattr("kilohour.execution.journal.sqlite3.connect", kept)
    journal = Journal(tmp_path / "run")
    try:
        found = [db.execute("PRAGMA synchronous").fetchone()[0] for db in made]
    finally:
        journal.close()
    assert found == [2] * len(made) != []
