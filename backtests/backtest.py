# SPDX-License-Identifier: Apache-2.0
"""One backtest, from a strategy and a tape to a run."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from kilohour.backtests.prepare import CASH_USD, Prepared, prepare
from kilohour.backtests.resolve import strategy_class
from kilohour.backtests.run import Run
from kilohour.errors import UsageError
from kilohour.fills import Fills
from kilohour.limits import RiskLimits
from kilohour.session import BLOCK, Session
from kilohour.strategy import Strategy
from kilohour.tape.tape import Tape
from kilohour.warm import engine_compiling

Progress = Callable[[int, int], None]
"""Called with events done and events in all."""


def backtest(
    strategy: str | type[Strategy],
    tape: Tape | str | Path,
    *,
    cash: float = CASH_USD,
    start: dt.date | str | None = None,
    end: dt.date | str | None = None,
    assume: Sequence[str | Path] = (),
    contracts: str | Path | None = None,
    venue: str | Path | None = None,
    interpreted: bool = False,
    fills: Fills | None = None,
    cash_rate: float | str = 0.0,
    limits: RiskLimits | None = None,
    feeds: Sequence[str] = (),
    out: str | Path | None = None,
    progress: Progress | None = None,
    **parameters: Any,
) -> Run:
    """Runs a strategy over a tape and returns the :class:`Run`.

    ``strategy``: a class, a built-in name, an installed plug-in, or ``path/to/file.py:Class``. ``tape``: a tape or its
    folder. ``start`` and ``end``: first and last day, both included. ``assume``: names or paths of assumptions files.
    ``contracts``: a TOML file of your own products. ``venue``: the name or file of a table of what is accepted and refused; without
    it each product's own venue, or the sandbox. ``fills``: how orders fill, without slippage and latency unless given.
    ``cash_rate``: interest on cash a year, 0.0433 for 4.33 %, or a series on the tape that prints it in per cent (docs/engine.md).
    ``limits``: a risk desk's limits, none unless given. ``out``: a folder for the run and its report. Everything else sets a
    parameter of the strategy.
    A ``bt.Strategy`` runs on the bridge (docs/backtrader.md); ``feeds`` are the contracts it sees, by code, every one of the tape
    unless given.

    Raises :class:`~kilohour.errors.UsageError`, :class:`~kilohour.errors.DataError` or
    :class:`~kilohour.errors.StrategyError` in one line, before anything is written.
    """
    clock = {"load": time.perf_counter()}
    face = with_feeds(strategy_class(strategy), feeds)
    whole = between(tape, start, end)
    prepared = prepare(face, whole, parameters=parameters, cash=cash, assume=assume, contracts=contracts, venue=venue,
                       interpreted=interpreted, fills=fills, cash_rate=cash_rate, limits=limits)
    clock["compile"] = time.perf_counter()
    with engine_compiling(face, prepared.interpreted):
        session = prepared.session()
    session.warm_up()
    clock["run"] = time.perf_counter()
    play_inside(face, session, partial(play, session, progress))
    clock["end"] = time.perf_counter()
    seconds = {"load": clock["compile"] - clock["load"], "compile": clock["run"] - clock["compile"],
               "run": clock["end"] - clock["run"], "report": 0.0}
    name = strategy if isinstance(strategy, str) and ".py" not in strategy else face.__name__
    run = finish(prepared, session, whole, name, seconds, Path(out).name if out is not None else name)
    if out is not None:
        write(run, out)
    return run


def with_feeds(face: type[Strategy], feeds: Sequence[str]) -> type[Strategy]:
    """The strategy, told which contracts become feeds. Raises :class:`UsageError` for one that has no feeds."""
    if feeds:
        if not hasattr(face, "feeds"):
            raise UsageError(f"{face.__name__} sees every contract at its desk: feeds are for backtrader strategies, found {feeds[0]}")
        face.feeds = tuple(feeds)
    return face


def play_inside(face: type[Strategy], session: Session, go: Callable[[], None]) -> None:
    """Moves a session, inside the other engine that a strategy brings along if it does."""
    play_by_other = getattr(face, "play", None)
    if play_by_other is None:
        go()
    else:
        play_by_other(session, go)


def between(tape: Tape | str | Path, start: dt.date | str | None, end: dt.date | str | None) -> Tape:
    """The tape, or the one in a folder, from the first to the last day, both included; all of it without them."""
    if start is None and end is None:
        return tape if isinstance(tape, Tape) else Tape.load(tape)
    from kilohour.tape.slice import between as cut
    from kilohour.tape.slice import load_between
    from kilohour.units import NANOS_PER_DAY, nanos_of

    def day(value: dt.date | str, name: str) -> dt.date:
        try:
            return value if isinstance(value, dt.date) else dt.date.fromisoformat(value)
        except ValueError:
            raise UsageError(f"{name} must be a day such as 2024-01-31, found {value!r}") from None

    first = None if start is None else nanos_of(day(start, "from"))
    last = None if end is None else nanos_of(day(end, "to")) + NANOS_PER_DAY - 1
    if not isinstance(tape, Tape):
        return load_between(tape, first, last)
    return cut(tape, tape.start if first is None else first, tape.end if last is None else last)


def play(session: Session, progress: Progress | None = None) -> None:
    """Moves a session to the end of its tape in blocks, so that a bar can move and Ctrl-C works."""
    total = len(session.market.tape)
    while session.cursor < total:
        session.run(min(session.cursor + BLOCK, total))
        if progress is not None:
            progress(session.cursor, total)
    session.close()


def finish(prepared: Prepared, session: Session, tape: Tape, name: str, seconds: dict[str, float], run: str) -> Run:
    """Turns a finished session into a run."""
    from kilohour.backtests.accountability import accountability_notes
    from kilohour.backtests.baseline import baseline_equity
    from kilohour.backtests.curve import curve_table, prices_table
    from kilohour.backtests.manifest import manifest_of, result_of
    from kilohour.backtests.outputs import refusal_counts, tables_of
    from kilohour.backtests.share import share_rows, share_sentence, shares_of
    from kilohour.tape.arrow import numbers

    tables = tables_of(session, prepared.venues)
    baseline = baseline_equity(prepared.market, session.table("positions"), session.table("equity"), prepared.cash_micros)
    tables["equity"] = tables["equity"].append_column("baseline_micros", numbers(baseline))
    traded = sorted({int(c) for c in session.table("fills")["contract"]})
    tables["curve"] = curve_table(prepared.market)
    tables["prices"] = prices_table(prepared.market, traded)
    result = result_of(prepared, session, name, run, seconds, None)
    notes = accountability_notes(prepared, session)
    manifest = manifest_of(prepared, tape, name, run, result, refusal_counts(session, prepared.venues), notes)
    shares = shares_of(prepared.market.tape, session.table("fills"))
    manifest["market_share"] = share_rows(shares)
    manifest["modelled"] += filter(None, [share_sentence(shares)])
    return Run(manifest, tables)


def write(run: Run, out: str | Path) -> Path:
    """Saves the run with its report, together or not at all; the manifest says where the report is and how long it took."""
    from kilohour.reports.report import write_report

    began, target = time.perf_counter(), Path(out)

    def complete(draft: Path) -> None:
        write_report(draft)
        run.result["seconds"]["report"] = time.perf_counter() - began
        run.write_manifest(draft)

    run.result["report"] = str(target / "report.html")
    run.save(target, complete=complete)
    return target / "report.html"
