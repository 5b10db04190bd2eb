# SPDX-License-Identifier: Apache-2.0
"""Trials of a sweep: a quiet session, taken back to its start for each parameter set, and its statistics before and after the split."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kilohour.backtests.prepare import Prepared, fill_state
from kilohour.errors import EngineError, UsageError
from kilohour.kernels.records import DONE
from kilohour.rewind import Rewind
from kilohour.session import BLOCK, Session
from kilohour.strategy import Strategy
from kilohour.units import MICROS, MISSING

METRICS = ("net_usd", "sharpe", "max_drawdown_usd", "fills")
NAN = math.nan


@dataclass(frozen=True, slots=True)
class Reading:
    """The running statistics of a session at one moment."""

    equity: int
    fills: int
    days: int
    total: float
    squares: float
    fall: int
    bars: int
    fees: int
    calls: int

    @classmethod
    def of(cls, session: Session) -> Reading:
        """Reads a session's book."""
        book = session.book[0]
        begun = int(book["day"]) != MISSING
        change = (int(book["day_last"]) - int(book["day_before"])) / MICROS if begun else 0.0
        return cls(int(book["equity"]), int(book["fills"]), int(book["day_count"]) + begun, float(book["change_sum"]) + change,
                   float(book["change_sum2"]) + change * change, int(book["drawdown_peak"]), int(book["bars"]), int(book["fees"]),
                   int(book["margin_calls"]))


def sharpe_between(first: Reading, last: Reading, days_per_year: int) -> float:
    """Sharpe ratio of the daily changes of equity between two readings, a year; NaN when undefined."""
    count = last.days - first.days
    if count < 2:
        return NAN
    total, squares = last.total - first.total, last.squares - first.squares
    variance = (squares - total * total / count) / (count - 1)
    if not variance > 1e-12 * max(squares, 1e-300):
        return NAN
    return total / count / math.sqrt(variance) * math.sqrt(days_per_year)


@dataclass(slots=True)
class Player:
    """The memory in which trials are played one after another. Making a session takes as long as twenty thousand bars, taking one back
    to its start a tenth of that. A player belongs to one thread.

    ``split``: the event at which the out-of-sample part begins, the tape's length without one.
    """

    prepared: Prepared
    split: int
    session: Session = field(init=False)
    unused: Rewind = field(init=False)
    """The session before its first event, without parameters; nobody keeps this session's memory anew."""

    def __post_init__(self) -> None:
        self.session = self.prepared.session(quiet=True)
        self.session.state.view(np.uint8)[...] = 0
        self.unused = self.session.keep()

    def play(self, values: dict[str, Any]) -> dict[str, float] | None:
        """Plays one parameter set, None for one that the strategy refuses. Out-of-sample numbers go on from the state at the split:
        indicators stay warm, positions held.

        Raises what a run of this parameter set raises, with the user's traceback.
        """
        prepared, every = self.prepared, {**self.prepared.parameters, **values}
        if prepared.interpreted:  # what CPython holds of a strategy is not bytes alone
            return None if refusal(prepared.face, every) else play(prepared.session(quiet=True, **values), prepared, self.split)
        self.unused.put_back()
        try:
            fill_state(prepared.face, self.session.state, every, prepared.market)
        except UsageError:  # the strategy's own check: names and kinds were checked before the first trial
            return None
        return play(self.session, prepared, self.split, lambda: prepared.session(quiet=True, **values))


def refusal(face: type[Strategy], values: Mapping[str, Any]) -> str:
    """What the strategy's own check says against a combination of parameters; empty when it has nothing against it."""
    try:
        face(**{name: value for name, value in values.items() if not isinstance(value, str)})
    except UsageError as error:
        return str(error)
    return ""


def play(session: Session, prepared: Prepared, split: int, again: Callable[[], Session] | None = None) -> dict[str, float]:
    """Statistics of a fresh session's run. ``again`` makes the same session once more, in which a failure is looked for; without it the
    session looks for itself, at the price of a snapshot a block."""
    total, days = len(prepared.market.tape), prepared.market.tape.days_per_year
    start = Reading.of(session)
    run_until(session, split, again)
    if split == total:
        session.close()
    middle = Reading.of(session)
    row: dict[str, float] = {
        "net_usd": (middle.equity - start.equity) / MICROS, "sharpe": sharpe_between(start, middle, days),
        "max_drawdown_usd": middle.fall / MICROS, "fills": middle.fills, "fees_usd": middle.fees / MICROS,
        "margin_calls": middle.calls,
    }  # fmt: skip
    if split < total:
        session.book["equity_peak"] = middle.equity
        session.book["drawdown_peak"] = 0
        run_until(session, total, again)
        session.close()
        last = Reading.of(session)
        row |= {"out_of_sample_net_usd": (last.equity - middle.equity) / MICROS, "out_of_sample_sharpe": sharpe_between(middle, last, days),
                "out_of_sample_max_drawdown_usd": last.fall / MICROS, "out_of_sample_fills": last.fills - middle.fills}
    row["bars"] = float(session.book["bars"][0])
    return row


def run_until(session: Session, end: int, again: Callable[[], Session] | None = None) -> None:
    """Moves a quiet session in blocks. ``again``: as in :func:`play`."""
    while session.cursor < end:
        until = min(session.cursor + BLOCK, end)
        if again is None:
            session.run(until)
        elif session.move(until) != DONE:
            run_until(again(), until)
            raise EngineError(f"a run of {session.face.__name__} failed once and not again: please report")
