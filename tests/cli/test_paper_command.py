# SPDX-License-Identifier: Apache-2.0
"""``kilohour paper`` from its command line to its report, as ``make paper`` calls it; and what a strategy cannot reach from there."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from tests.backtests.tapes import sim_tape

MAKEFILE = Path(__file__).parents[2] / "Makefile"
CALLS = '''from __future__ import annotations

import socket

from kilohour import Product, Strategy, product


class Calls(Strategy):
    """Asks somebody else."""

    interpreted = True
    chip: Product = product("SIM:H100")

    def on_bar(self, desk):
        socket.create_connection(({host!r}, 443), timeout=1)
'''


def recipe(target: str) -> list[str]:
    """The one command of a target, without the program."""
    (line,) = re.findall(rf"^{target}:.*\n((?:\t.*\n)+)", MAKEFILE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    program, *words = shlex.split(line)
    assert program == "$(BIN)/kilohour"
    return words


def test_what_make_paper_calls_ends_by_itself_with_the_report_and_the_figures_of_the_backtest(kilohour, here: Path):
    words = recipe("paper")
    found = kilohour(shlex.join([*words, "--out", "run", "--json"]))
    assert found.code == 0, found.err
    told = json.loads(found.out)
    assert told["fills"] > 0
    assert (here / "run" / "report.html").stat().st_size > 10_000
    wanted = kilohour(shlex.join(["backtest", *words[1:], "--venue", "sandbox", "--out", "backtest", "--json"]))
    assert {name: told[name] for name in ("net_micros", "fills", "fees_micros")} == {
        name: json.loads(wanted.out)[name] for name in ("net_micros", "fills", "fees_micros")}  # fmt: skip
    ours, theirs = ({path.name for path in (here / name).iterdir()} for name in ("run", "backtest"))
    assert ours - theirs == {"journal.db"}
    replayed = kilohour("journal replay run --json")
    assert (replayed.code, json.loads(replayed.out)["equal"], json.loads(replayed.out)["orders"]) == (0, True, told["live"]["orders_sent"])
    shown = [json.loads(line) for line in kilohour("journal show run --kind fill --last 0 --json").out.splitlines()]
    assert shown
    assert {row["kind"] for row in shown} == {"fill"}
    again = kilohour(shlex.join([*words, "--out", "run"]))
    assert (again.code, "a finished run is there" in again.err) == (2, True)


@pytest.mark.parametrize(("host", "words"), [("203.0.113.7", "paper trading connects to 127.0.0.1 only, found '203.0.113.7'"),
                                             ("gateway.example.com", "found 'gateway.example.com'")])
def test_a_strategy_that_asks_somebody_outside_is_stopped_with_a_line(host, words, kilohour, here: Path):
    sim_tape(5).save(here / "tape")
    (here / "calls.py").write_text(CALLS.replace("{host!r}", repr(host)), encoding="utf-8")
    found = kilohour("paper calls.py:Calls --replay tape --out run --quiet")
    assert found.code != 0
    assert words in " ".join(found.err.split())
    assert "Traceback" not in found.err
