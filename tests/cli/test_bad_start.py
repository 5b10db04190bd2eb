# SPDX-License-Identifier: Apache-2.0
"""What is wrong before a run begins is refused with the same words in every mode, with exit code 2, and nothing is left on the disk."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from kilohour.backtests.backtest import backtest
from kilohour.backtests.paper import Paper, paper, sandbox
from kilohour.errors import KilohourError
from kilohour.execution.journal import Journal
from kilohour.tape import Tape
from kilohour.tape.schema import Kind
from tests.execution.papers import short

STRATEGY = "rolled-exposure"
HOLE = """
[[assume]]
products = ["SIM:H100"]
[assume.terms]
margin_model = { value = "scenario", reason = "a test" }
margin_tiers = { value = [93], reason = "a test" }
margin_scenarios = { value = [["1", "0.9"], ["-1"]], reason = "a test" }
margin_calendar_credit_ppm = { value = [900000, 950000], reason = "a test" }
margin_tier_credit_ppm = { value = 850000, reason = "a test" }
"""


class Wrong(NamedTuple):
    """What is wrong, and the words that say so."""

    tape: str
    parameters: dict[str, Any]
    assume: tuple[str, ...]
    words: str


WRONG = {
    "a margin table with a hole": Wrong("good", {}, ("hole.toml",), "hole: SIM:H100: margin_scenarios: scenario 2 must have a move for each of "
                                        "2 tiers, found -1"),
    "a settlement twice": Wrong("twice", {}, (), "a contract is settled once, found 2 final settlements of SIM:H100-2026-03 without a "
                                "revision number"),
    "a work factor of zero": Wrong("good", {"move_on": 20260301, "factor": 0.0}, (), "work factors: the factor of 20260301 must be above 0 and "
                                   "at most 1e6, found 0"),
}  # fmt: skip


def settled_twice(tape: Tape) -> Tape:
    """The tape with its first final settlement once more, right behind itself."""
    row = int(np.flatnonzero(tape.events["kind"] == Kind.FINAL)[0])
    return dataclasses.replace(tape, events={name: np.insert(column, row, column[row]) for name, column in tape.events.items()}, sha256="")


@pytest.fixture(scope="module")
def tapes() -> dict[str, Tape]:
    good = short("SIM:H100", "SIM:B200", last="2026-05-08")
    return {"good": good, "twice": settled_twice(good)}


@pytest.fixture
def prepared(here: Path, tapes: dict[str, Tape]) -> Path:
    """Both tapes and the assumptions in the current folder."""
    for name, tape in tapes.items():
        tape.save(here / name)
    (here / "hole.toml").write_text(HOLE)
    return here


def contents(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


@pytest.mark.parametrize("case", WRONG)
def test_by_the_command_line(case, kilohour, prepared):
    wrong, before = WRONG[case], contents(prepared)
    more = "".join(f" --set {name}={value}" for name, value in wrong.parameters.items()) + "".join(f" --assume {name}" for name in wrong.assume)
    lines = [f"backtest {STRATEGY} --tape {wrong.tape}{more}", f"backtest {STRATEGY} --tape {wrong.tape}{more} --interpreted --out run",
             f"paper {STRATEGY} --replay {wrong.tape}{more} --quiet", f"paper {STRATEGY} --replay {wrong.tape}{more} --interpreted --out run"]
    if case == "a settlement twice":
        lines.append("sandbox --replay twice --for 1")
    if case == "a margin table with a hole":
        lines.append("sandbox --replay good --assume hole.toml --for 1")
    for line in lines:
        found = kilohour(line)
        assert (found.code, found.out) == (2, ""), line
        assert " ".join(found.err.split()).endswith(wrong.words), line
        assert contents(prepared) == before, line


@pytest.mark.parametrize("case", WRONG)
def test_from_python(case, prepared, tapes):
    wrong = WRONG[case]
    asked = {"assume": list(wrong.assume), **wrong.parameters}
    for interpreted in (False, True):
        with pytest.raises(KilohourError) as error:
            backtest(STRATEGY, tapes[wrong.tape], venue="sandbox", interpreted=interpreted, **asked)
        assert str(error.value).endswith(wrong.words)


@pytest.mark.parametrize("case", [case for case, wrong in WRONG.items() if wrong.tape == "good"])
def test_at_a_sandbox_that_runs_already(case, prepared, tapes):
    """The run's own terms and parameters are refused there as well, and its folder is as if it had never been."""
    wrong, before = WRONG[case], contents(prepared)

    async def go() -> None:
        async with sandbox(tapes["good"], clock=time.time_ns, cash=1e6) as (url, keys, _):
            with pytest.raises(KilohourError) as error:
                await paper(Paper(strategy=STRATEGY, url=url, account="paper", keys=keys, folder=prepared / "run", clock=time.time_ns,
                                  is_lockstep=True, parameters=wrong.parameters, assume=wrong.assume))
            assert str(error.value).endswith(wrong.words)

    asyncio.run(asyncio.wait_for(go(), 120))
    assert contents(prepared) == before


def test_a_journal_that_holds_nothing_leaves_nothing(here):
    Journal(here / "run").close()
    assert not contents(here)
