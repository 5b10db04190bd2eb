# SPDX-License-Identifier: Apache-2.0
"""A watchdog that cannot cancel ends the runner all the same, and says so."""

from __future__ import annotations

import json
import mmap
import subprocess
import sys
from types import SimpleNamespace

import pytest

from kilohour.errors import UsageError
from kilohour.execution import watchdog


@pytest.mark.parametrize(("error", "words"), [
    (UsageError("ax: no answer"), "(ax: no answer)"), (ConnectionError("gone"), "(gone)"), (KeyError("data"), "(KeyError: 'data')"),
    (TimeoutError("late"), "(TimeoutError: late)"), (TypeError("None is no list"), "(TypeError: None is no list)")])
def test_a_venue_that_answers_garbage_keeps_no_hung_runner_alive(error, words, tmp_path, monkeypatch, capsys):
    async def fails(*_):
        raise error

    (tmp_path / watchdog.FILE).write_bytes(bytes(mmap.PAGESIZE))
    hung = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    told = {"run": str(tmp_path), "pid": hung.pid, "start": {}, "keys": {}, "seconds": 1.0}
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(fileno=lambda: 0))
    monkeypatch.setattr(watchdog, "_first_line", lambda _: json.dumps(told).encode())
    monkeypatch.setattr(watchdog, "watch", lambda *_: "the strategy hangs")
    monkeypatch.setattr("kilohour.execution.door.cancel_everything", fails)
    try:
        watchdog.main()
        assert hung.wait(10) == -9
    finally:
        hung.kill()
    assert capsys.readouterr().err == (f"kilohour: {tmp_path}: the strategy hangs: ORDERS COULD NOT BE CANCELLED {words}; the runner was "
                                       "ended\n")
