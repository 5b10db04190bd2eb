# SPDX-License-Identifier: Apache-2.0
"""``kilohour paper`` on a pseudo terminal: the status screen, and Ctrl-C."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pty
import re
import select
import sqlite3
import sys
import time

import pytest
from rich.console import Console

from kilohour.cli.screen import Status, page_of
from kilohour.execution.journal import Record

INTENTS_SEEN = 3
PATIENCE_SECONDS = 100.0


def _intents(path) -> int:
    with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        return int(db.execute("SELECT count(*) FROM event WHERE kind = 'intent'").fetchone()[0])
    return 0


@pytest.mark.soak
def test_ctrl_c_on_a_terminal_cancels_what_is_open_and_leaves_a_report(tmp_path):
    out = tmp_path / "run"
    words = [sys.executable, "-m", "kilohour", "paper", "calendar-spread", "--from", "2026-01-02", "--to", "2026-06-30", "--set", "window=20",
             "--set", "entry=1", "--out", str(out)]  # fmt: skip
    child, terminal = pty.fork()
    if child == 0:
        os.execve(sys.executable, words, {**os.environ, "TERM": "xterm"})
    shown, is_asked, ends = b"", False, time.monotonic() + PATIENCE_SECONDS
    with contextlib.suppress(OSError):  # the terminal goes away with the process
        while time.monotonic() < ends:
            if select.select([terminal], [], [], 0.05)[0]:
                shown += os.read(terminal, 65_536)
            if not is_asked and _intents(out / "journal.db") >= INTENTS_SEEN:
                os.write(terminal, b"\x03")
                is_asked = True
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os.close(terminal)
    text = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", shown).decode()
    assert code == 0, text[-2_000:]
    assert "kilohour paper" in text
    assert "timestamp" in text
    with contextlib.closing(sqlite3.connect(out / "journal.db")) as db:
        rows = [(kind, json.loads(body)) for kind, body in db.execute("SELECT kind, body FROM event ORDER BY seq")]
    assert ("word", {"word": "finish"}) not in rows
    assert ("word", {"word": "stop"}) in rows
    assert rows[-1][0] == "end"
    assert 0 < sum(kind == "books" for kind, _ in rows) < 128, "a day of trading has one mark: the run ended before its market did"
    wanted = {body["cid"]: {code: ratio * body["units"] for code, ratio in body["legs"]} for kind, body in rows if kind == "intent"}
    assert len(wanted) >= INTENTS_SEEN
    filled = {cid: dict.fromkeys(legs, 0) for cid, legs in wanted.items()}
    for body in (body for kind, body in rows if kind == "fill"):
        for code, _, lots, _ in body["legs"]:
            filled[body["cid"]][code] += lots
    ended = {body["cid"] for kind, body in rows if kind == "order" and body["state"] in ("CANCELED", "EXPIRED", "REJECTED")}
    assert all(cid in ended or filled[cid] == legs for cid, legs in wanted.items())
    assert (out / "report.html").is_file()


def shown(status: Status, now: int) -> list[str]:
    console = Console(width=200, height=40, file=io.StringIO())
    console.print(page_of(status, 40, now))
    return [" ".join(line.strip("│ \n").split()) for line in console.file.getvalue().splitlines()]


def test_the_screen_shows_positions_orders_profit_margin_risk_the_feeds_age_and_the_last_events():
    """Worked by hand: 1,000,000 dollars at the start, 1,000,250 at the last mark; the feed has been silent for 40 seconds."""
    second, day = 10**9, 1_772_409_600 * 10**9  # 2026-03-02
    leg = [["SIM:H100-2026-04", 1], ["SIM:H100-2026-05", -1]]
    records = [
        (1, "start", {"strategy": "mine", "venue": "the sandbox", "cash": 10**12}),
        (10, "feed", {"events": [[0, day]]}),
        (10, "books", {"positions": {"SIM:H100-2026-04": 7}, "cash": 10**12 - 50_000_000, "equity": 10**12 + 250_000_000, "initial": 9_876_500_000,
                       "maintenance": 6_543_200_000}),
        (11, "intent", {"cid": 3, "legs": leg, "units": 5}),
        (12, "order", {"cid": 3, "state": "UNKNOWN", "why": "no answer"}),
        (13, "intent", {"cid": 4, "legs": leg[:1], "units": 2}),
        (14, "fill", {"cid": 4, "legs": [["SIM:H100-2026-04", "T1", 1, 2_500_000]], "cash": 10**12 - 51_000_000}),
        (15, "deny", {"number": 9, "why": "collar"}),
        (16, "mismatch", {"positions": {"SIM:H100-2026-04": [8, 9]}, "cash": [0, None]}),
        (17, "risk", {"state": "REDUCE_ONLY", "why": "the account differs"}),
    ]
    status = Status()
    status.take([Record(seq, at * second, kind, body, b"") for seq, (at, kind, body) in enumerate(records, 1)])
    lines = shown(status, 50 * second)
    assert lines[1] == "mine at the sandbox 2026-03-02 00:00 UTC timestamp 1 REDUCE_ONLY: the account differs feed age 40.0 s"
    assert lines[2] == ("P&L 250.00 cash 999,949.00 equity 1,000,250.00 initial margin 9,876.50 maintenance 6,543.20 "
                        "orders sent 2 fills 1")
    text = "\n".join(lines)
    for row in ("SIM:H100-2026-04 8", "3 +1 SIM:H100-2026-04 -1 SIM:H100-2026-05 5 UNKNOWN", "4 +1 SIM:H100-2026-04 2 PARTIAL"):
        assert row in text.replace("│ ", "").replace("┃ ", ""), text
    assert lines[-6:-1] == ["order 3 is UNKNOWN: no answer", "bought 1 SIM:H100-2026-04 at 2.5", "order 9 was not sent: collar",
                            "the account differs: {'SIM:H100-2026-04': [8, 9]}", "REDUCE_ONLY: the account differs"]


def test_the_screen_drops_an_order_whose_legs_have_filled_and_fits_a_small_terminal():
    status = Status()
    intent = {"cid": 1, "legs": [["A", 1], ["B", -2]], "units": 3, "limit": 0, "life": "gtc", "post_only": False, "number": 1}

    def fill(code: str, lots: int) -> Record:
        return Record(1, 1, "fill", {"cid": 1, "legs": [[code, "t", lots, 1_000_000]], "cash": 5, "number": 1, "ts": 1}, b"")

    status.take([Record(1, 1, "intent", intent, b""), fill("A", 3), fill("B", -5)])
    assert status.orders[1]["state"] == "PARTIAL"
    status.take([fill("B", -1)])
    assert not status.orders
    assert status.positions == {"A": 3, "B": -6}
    status.positions = {f"SIM:H100-2026-{month:02}": 1 for month in range(1, 13)}
    status.take([Record(1, 1, "intent", {**intent, "cid": cid}, b"") for cid in range(10, 30)] + [fill("A", 1)] * 20)
    for width, height in ((80, 24), (120, 40)):
        console = Console(width=width, height=height, file=io.StringIO())
        console.print(page_of(status, height))
        lines = console.file.getvalue().splitlines()
        assert len(lines) <= height, (len(lines), height)
