# SPDX-License-Identifier: Apache-2.0
"""One trial of a sweep: a quiet session, and its statistics before and after the split."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from kilohour.backtests.prepare import Prepared
from kilohour.session import BLOCK, Session
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


def play_trial(prepared: Prepared, values: dict[str, Any], split: int) -> dict[str, float]:
    """Plays one parameter set. ``split``: the event at which the out-of-sample part begins, the tape's length without one.

    Out-of-sample numbers go on from the state at the split: indicators stay warm, positions stay held.
    """
    session = prepared.session(quiet=True, **values)
    total, days = len(prepared.market.tape), prepared.market.tape.days_per_year
    start = Reading.of(session)
    run_until(session, split)
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
        run_until(session, total)
        session.close()
        last = Reading.of(session)
        row |= {"out_of_sample_net_usd": (last.equity - middle.equity) / MICROS, "out_of_sample_sharpe": sharpe_between(middle, last, days),
                "out_of_sample_max_drawdown_usd": last.fall / MICROS, "out_of_sample_fills": last.fills - middle.fills}
    row["bars"] = float(session.book["bars"][0])
    return row


def run_until(session: Session, end: int) -> None:
    """Moves a quiet session in blocks."""
    while session.cursor < end:
        session.run(min(session.cursor + BLOCK, end))
