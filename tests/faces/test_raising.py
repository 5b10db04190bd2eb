# SPDX-License-Identifier: Apache-2.0
"""A strategy that raises ends the run with its own traceback, cut to its own lines, in both faces."""

from __future__ import annotations

import re

import numpy as np
import pytest

from kilohour import Indicator, Ring, Strategy, indicator, maths, state
from kilohour.errors import CannotCompile, StrategyRaised
from kilohour.faces.traceback import user_traceback
from kilohour.units import datetime_of
from tests.faces.small import MINUTE, START, market, played, session_of, tape_of_bars

BOTH = pytest.mark.parametrize("interpreted", [False, True], ids=["compiled", "interpreted"])


class Tripwire(Indicator):
    limit: int = 10
    seen: int = state(0)
    ring: Ring

    def update(self, x: float) -> float:
        self.seen += 1
        if self.seen > self.limit:
            raise ValueError("too many updates")
        return x


def divide(x, y):
    return x / y


class Raises(Strategy):
    how: int = 0
    at: int = 7
    calls: int = state(0)
    x: float = state(1.0)
    wire: Tripwire = indicator(Tripwire, 6, capacity=2)

    def on_bar(self, desk):
        self.calls += 1
        if self.calls == self.at:
            self.fail(desk)

    def fail(self, desk):
        if self.how == 0:
            raise RuntimeError("stop here")
        elif self.how == 1:
            self.x = divide(self.x, self.x - 1.0)
        elif self.how == 2:
            for _ in range(7):
                self.wire.update(1.0)
        elif self.how == 3:
            self.x = maths.log(0.0 - self.x)
        elif self.how == 4:
            self.wire.ring[self.calls] = 1.0
        elif self.how == 5:
            desk.nth(0, 50)
        elif self.how == 6:
            desk.price(self.calls)


CASES = [
    (0, "RuntimeError: stop here", ["fail"]),
    (1, "ZeroDivisionError: float division by zero", ["fail", "divide"]),
    (2, "ValueError: too many updates", ["fail", "update"]),
    (3, "ValueError: maths.log: x must be positive", ["fail"]),
    (4, "IndexError: index out of bounds on dimension 1", ["fail"]),
    (5, "ValueError: desk.nth: fewer contracts are listed than n; ask desk.count first", ["fail"]),
    (6, "ValueError: desk: no such contract in this run", ["fail"]),
]


@BOTH
@pytest.mark.parametrize("how, last, functions", CASES, ids=[last for _, last, _ in CASES])
def test_the_message_is_the_users_traceback(how, last, functions, interpreted):
    of = market(tape_of_bars(20))
    with pytest.raises(StrategyRaised) as caught:
        played(Raises, of, interpreted=interpreted, how=how)
    lines = str(caught.value).splitlines()
    assert lines[0] == f"Raises raised at {datetime_of(START + 7 * MINUTE):%Y-%m-%d %H:%M} UTC"
    assert lines[-1].startswith(last)
    frames = [re.search(r'File "(.*)", line \d+, in (\w+)', line) for line in lines]
    assert [(frame[1], frame[2]) for frame in frames if frame] == [(__file__, name) for name in ["on_bar", *functions]]


def test_both_faces_say_the_same():
    of = market(tape_of_bars(20))
    said = []
    for interpreted in (False, True):
        with pytest.raises(StrategyRaised) as caught:
            played(Raises, of, interpreted=interpreted, how=1)
        said.append(str(caught.value))
    assert said[0] == said[1]


@BOTH
def test_in_the_second_block_the_time_is_right_and_the_tables_are_kept(interpreted):
    of = market(tape_of_bars(70_100, marks_every=1440))
    session = session_of(Raises, of, interpreted=interpreted, at=70_000)
    session.run(65_536)
    with pytest.raises(StrategyRaised) as caught:
        session.run(len(of.tape))
    assert f"raised at {datetime_of(START + 70_000 * MINUTE):%Y-%m-%d %H:%M} UTC" in str(caught.value)
    assert session.state["calls"][0] == 70_000
    assert of.tape.events["ts"][session.cursor] == START + 70_000 * MINUTE
    session.close()
    times = session.table("equity")["ts"]
    assert times.tolist() == (START + (np.arange(0, 69_999, 1440) + 1) * MINUTE).tolist()


class Interrupted(Strategy):
    interpreted = True

    def on_bar(self, desk):
        raise KeyboardInterrupt


class Leaves(Strategy):
    interpreted = True

    def on_bar(self, desk):
        raise SystemExit(3)


@pytest.mark.parametrize("face, error", [(Interrupted, KeyboardInterrupt), (Leaves, SystemExit)])
def test_ctrl_c_and_exit_pass_through(face, error):
    with pytest.raises(error):
        played(face, market(tape_of_bars(5)), interpreted=True)


class Chained(Strategy):
    interpreted = True

    def on_bar(self, desk):
        try:
            dict[str, int]()["a"]
        except KeyError as error:
            raise ValueError("no a\nand more") from error


def test_an_interpreted_strategy_may_raise_anything():
    with pytest.raises(StrategyRaised, match=r"ValueError: no a\nand more$") as caught:
        played(Chained, market(tape_of_bars(5)), interpreted=True)
    assert isinstance(caught.value.__cause__, ValueError)


class Halves(Strategy):
    share: float = 0.5

    def on_bar(self, desk):
        desk.target(0, 3 * self.share)


@BOTH
def test_a_fraction_of_a_lot_is_refused_in_the_same_words(interpreted):
    with pytest.raises(StrategyRaised if interpreted else CannotCompile) as caught:
        played(Halves, market(tape_of_bars(5)), interpreted=interpreted)
    assert "Desk.target: lots must be an int, found a float; use kilohour.maths.truncate(x)" in str(caught.value)


def test_a_syntax_error_names_its_line():
    try:
        compile("x = (\n", "mine.py", "exec")
    except SyntaxError as error:
        shown = user_traceback(error)
    assert 'File "mine.py", line 1' in shown
    assert shown.endswith("SyntaxError: '(' was never closed")
