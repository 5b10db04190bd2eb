# SPDX-License-Identifier: Apache-2.0
"""Several accounts on one tape: each with its own strategy and ledger, all sharing its volume and what is displayed.

Rules: docs/engine.md, "Accounts and the house".
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from kilohour.backtests.backtest import Progress, between, finish
from kilohour.backtests.house import House, house
from kilohour.backtests.prepare import CASH_USD, Prepared, checked_cash, codes_of, parameter_values, prepare
from kilohour.backtests.resolve import strategy_class
from kilohour.backtests.run import Run
from kilohour.errors import UsageError
from kilohour.fills import Fills
from kilohour.kernels.records import DONE, FAILED
from kilohour.limits import RiskLimits
from kilohour.rewind import Rewind
from kilohour.session import Session
from kilohour.strategy import Strategy
from kilohour.tape.tape import Tape
from kilohour.warm import engine_compiling

Account = str | type[Strategy] | tuple[str | type[Strategy], Mapping[str, Any]]
"""A strategy, or one with its parameters."""
GROUPS = 1_024
"""Timestamps between two snapshots, and two looks at the progress bar."""


@dataclass(frozen=True, slots=True)
class Accounts:
    """The runs of several accounts by name, in the order in which they acted."""

    runs: dict[str, Run]

    @property
    def house(self) -> House:
        """The other side of all of them; together they sum to zero."""
        return house(self.runs)

    def __getitem__(self, name: str) -> Run:
        return self.runs[name]


def backtest_accounts(
    accounts: Mapping[str, Account],
    tape: Tape | str | Path,
    *,
    cash: float | Mapping[str, float] = CASH_USD,
    start: dt.date | str | None = None,
    end: dt.date | str | None = None,
    assume: Sequence[str | Path] = (),
    contracts: str | Path | None = None,
    venue: str | Path | None = None,
    interpreted: bool = False,
    fills: Fills | None = None,
    cash_rate: float | str = 0.0,
    limits: RiskLimits | None = None,
    progress: Progress | None = None,
) -> Accounts:
    """Plays several accounts over one tape, timestamp by timestamp, each in its turn in the order of ``accounts``.

    What one account fills of a bar's volume or of a displayed size the accounts after it do not find. Every account sees all
    products that one of them names. ``cash``: for each account, or by name. Other arguments are those of
    :func:`~kilohour.backtests.backtest.backtest`, and so are the errors.
    """
    clock = [time.perf_counter()]
    whole = between(tape, start, end)
    faces = {name: _face_and_parameters(name, account) for name, account in accounts.items()}
    first = _prepare_first(faces, whole, assume=assume, contracts=contracts, venue=venue, interpreted=interpreted, fills=fills,
                           cash_rate=cash_rate, limits=limits)
    ready = {name: _for_account(first, face, parameters, _cash_of(name, cash, accounts), interpreted)
             for name, (face, parameters) in faces.items()}
    clock.append(time.perf_counter())
    with engine_compiling(first.face, first.interpreted):
        sessions = [prepared.session() for prepared in ready.values()]
    sessions[0].warm_up()
    clock.append(time.perf_counter())
    play_together(sessions, progress)
    clock.append(time.perf_counter())
    seconds = dict(zip(("load", "compile", "run"), np.diff(clock).tolist(), strict=True))
    return Accounts({name: finish(prepared, session, whole, name, {**seconds, "report": 0.0}, name)
                     for (name, prepared), session in zip(ready.items(), sessions, strict=True)})


def _face_and_parameters(name: str, account: Account) -> tuple[type[Strategy], Mapping[str, Any]]:
    strategy, parameters = account if isinstance(account, tuple) else (account, {})
    face = strategy_class(strategy)
    if hasattr(face, "original"):
        raise UsageError(f"account {name}: {face.__name__} is a backtrader strategy, which has an account of its own: kilohour backtest")
    return face, parameters


def _prepare_first(faces: Mapping[str, tuple[type[Strategy], Mapping[str, Any]]], tape: Tape, **options: Any) -> Prepared:
    """The first account's run, on a tape with what any of them names; all of it where one names no product."""
    if not faces:
        raise UsageError("accounts must name at least one, found none")
    named = [codes_of(face, parameter_values(face, parameters), tape) for face, parameters in faces.values()]
    products = [code for wanted, _ in named for code in wanted] if all(wanted for wanted, _ in named) else list(tape.product_codes)
    face, parameters = next(iter(faces.values()))
    return prepare(face, tape, parameters=parameters, beside=(products, [code for _, series in named for code in series]), **options)


def _cash_of(name: str, cash: float | Mapping[str, float], accounts: Mapping[str, Account]) -> int:
    if not isinstance(cash, Mapping):
        return checked_cash(cash)
    if sorted(cash) != sorted(accounts):
        raise UsageError(f"cash must name every account, {', '.join(accounts)}, found {', '.join(cash) or 'none'}")
    return checked_cash(cash[name])


def _for_account(first: Prepared, face: type[Strategy], parameters: Mapping[str, Any], cash: int, interpreted: bool) -> Prepared:
    return replace(first, face=face, parameters=parameter_values(face, parameters), cash_micros=cash,
                   interpreted=interpreted or face.interpreted)


def play_together(sessions: Sequence[Session], progress: Progress | None = None) -> None:
    """Moves sessions on one market to the end of its tape, a timestamp at a time, and closes them."""
    ts = sessions[0].market.tape.events["ts"]
    ends = np.append(np.flatnonzero(np.diff(ts)) + 1, len(ts))
    for session in sessions[1:]:
        if session.quotes is not None:
            session.share_quotes(sessions[0])
    for at in range(0, len(ends), GROUPS):
        block = ends[at : at + GROUPS].tolist()
        before = [session.keep() for session in sessions]
        failed, status = _play_block(sessions, block)
        if failed is not None:
            _fail(sessions, before, block, failed, status)
        if progress is not None:
            progress(block[-1], len(ts))
    for session in sessions:
        session.close()


def _play_block(sessions: Sequence[Session], ends: Sequence[int]) -> tuple[Session | None, int]:
    """The session that stopped and its status, None when all reached the end."""
    for end in ends:
        for place, session in enumerate(sessions):
            session.see_what_is_left(sessions[place - 1])
            status = session.move(end)
            if status != DONE:
                return session, status
    return None, DONE


def _fail(sessions: Sequence[Session], before: Sequence[Rewind], ends: Sequence[int], failed: Session, status: int) -> None:
    """Raises what stopped a session; what failed compiled plays the block once more in CPython, for the traceback."""
    if status == FAILED and failed.step is not None:
        for kept in before:
            kept.put_back()
        failed.step = None
        again, status = _play_block(sessions, ends)
        assert again is failed, "the block must stop where it did before"
    failed.raise_status(status)
