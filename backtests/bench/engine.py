# SPDX-License-Identifier: Apache-2.0
"""The event engine: one instrument, a spread of twelve contracts, 144 daily contracts, a sweep."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kilohour.backtests.backtest import play
from kilohour.backtests.bench import markets, peers
from kilohour.backtests.bench.children import child
from kilohour.backtests.bench.strategies import Carry, Cross, Resting, Spread
from kilohour.backtests.bench.timing import Peer, Row, Sizes, median_seconds
from kilohour.backtests.prepare import Prepared, prepare
from kilohour.session import Session
from kilohour.strategy import Strategy
from kilohour.tape import Tape
from kilohour.tape.slice import between
from kilohour.units import MICROS

COMPILED = "1 instrument, minute bars, moving-average cross"


def one_instrument(sizes: Sizes) -> Iterator[Row]:
    """Bars per second of the cross, compiled and in CPython."""
    tape = markets.minutes(sizes.bars)
    ours = _prepared(Cross, tape)
    rate = sizes.bars / 1e6
    quiet, kept = (rate / _seconds(ours, sizes, quiet=quiet) for quiet in (True, False))
    result = _result(ours)
    cut = {sizes.bars: result}
    fast, slow = (list(_cross_peers(tape, sizes, of, cut)) for of in (peers.VECTORISED, peers.PYTHON))
    yield Row("engine", f"{COMPILED}, compiled, no tables", "M bars/s", quiet, True, 60.0, 120.0, fast + slow,
              f"{result.fills:,} fills, equity {result.equity:,.4f}")
    yield Row("engine", f"{COMPILED}, compiled, every table kept", "M bars/s", kept, True, 60.0, 120.0)
    few = max(sizes.bars // 5, 1)
    part = tape if few == sizes.bars else markets.minutes(few)
    python = _prepared(Cross, part, interpreted=True)
    yield Row("engine", f"{COMPILED}, strategy in CPython", "M bars/s", few / 1e6 / _seconds(python, sizes, quiet=True), True, 0.5, 2.0,
              slow)


def many_contracts(sizes: Sizes) -> Iterator[Row]:
    """Bars of single contracts per second, of a spread and of four daily curves."""
    tape = markets.minutes(sizes.bars, sizes.contracts)
    ours = _prepared(Spread, tape)
    legs = tape.bars / 1e6
    found = _result(ours)
    vector = [_agreeing(peer, legs, found) for peer in peers.spread(tape, sizes)]
    work = f"{sizes.contracts} contracts, minute bars, calendar spread"
    note = f"{found.fills:,} fills, equity {found.equity:,.4f}"
    yield Row("engine", f"{work}, no tables", "M leg-bars/s", legs / _seconds(ours, sizes, quiet=True), True, 60.0, 150.0, vector, note)
    yield Row("engine", f"{work}, every table kept", "M leg-bars/s", legs / _seconds(ours, sizes, quiet=False), True, 60.0, 150.0)
    del tape, ours
    tape = markets.daily(sizes.days)
    ours = _prepared(Carry, tape)
    legs = tape.bars / 1e6
    work = f"{len(tape.contracts)} contracts, daily bars and marks"
    note = f"{tape.bars:,} bars and as many marks; only the bars are counted"
    yield Row("engine", f"{work}, no tables", "M leg-bars/s", legs / _seconds(ours, sizes, quiet=True), True, 60.0, None, [], note)
    yield Row("engine", f"{work}, every table kept", "M leg-bars/s", legs / _seconds(ours, sizes, quiet=False), True, 60.0)


def resting_orders(sizes: Sizes) -> Iterator[Row]:
    """Bars of single contracts per second while limit and stop orders rest and margin is by scenarios."""
    tape = markets.minutes(sizes.bars, sizes.contracts, of=markets.margined_product("A"))
    ours = _prepared(Resting, tape)
    found = _result(ours)
    legs = tape.bars / 1e6
    work = f"{sizes.contracts} contracts, minute bars, limits and stops at rest in two of them, scenario margin"
    yield Row("engine", f"{work}, no tables", "M leg-bars/s", legs / _seconds(ours, sizes, quiet=True), True, 30.0, None, [],
              f"{found.fills:,} fills, equity {found.equity:,.4f}")
    yield Row("engine", f"{work}, every table kept", "M leg-bars/s", legs / _seconds(ours, sizes, quiet=False), True, 30.0)


def parameter_sweep(sizes: Sizes) -> Iterator[Row]:
    """Seconds and memory of a sweep on one core and on two; each in a process of its own."""
    trials = sizes.sweep_fast * sizes.sweep_slow
    work = f"sweep, {trials:,} parameter sets x {sizes.sweep_bars:,} bars"
    one = child("sweep", sizes)
    others = [child(f"sweep-{name}", sizes) for name in ("vectorbt",)]
    agreed = child("sweep-agreeing", sizes)["note"]
    yield Row("sweep", f"{work}, one core", "s", one["seconds"], False, 2.0, 0.7,
              [Peer(other["name"], other["seconds"], ", ".join(filter(None, (other["note"], agreed)))) for other in others], one["note"])
    yield Row("sweep", f"{work}, memory", "MB", one["megabytes"], False, 300.0, 300.0,
              [Peer(other["name"], other["megabytes"], "") for other in others])
    two = child("sweep", sizes, cores=2)
    if two["cores"] < 2:
        return
    yield Row("sweep", f"{work}, two cores", "s", two["seconds"], False, note=two["note"])
    yield Row("sweep", "sweep, two cores beside one", "times", one["seconds"] / two["seconds"], True, 1.8, 1.95)


def _prepared(face: type[Strategy], tape: Tape, *, interpreted: bool = False) -> Prepared:
    prepared = prepare(face, tape, parameters={}, cash=markets.CASH_USD, interpreted=interpreted)
    first = prepared.session()
    first.run(0)
    first.close()  # the engine and its end are compiled before anything is timed
    return prepared


def _seconds(prepared: Prepared, sizes: Sizes, *, quiet: bool) -> float:
    def make() -> Session:
        return prepared.session(quiet=quiet)

    return median_seconds(play, make, sizes.repeats)


def _result(prepared: Prepared) -> peers.Result:
    session = prepared.session()
    play(session)  # a quiet session would stop its equity at the last mark
    book = session.book[0]
    return peers.Result(int(book["fills"]), int(book["equity"]) / MICROS)


def _cross_peers(tape: Tape, sizes: Sizes, of: tuple[tuple[str, Any, bool], ...], known: dict[int, peers.Result]) -> Iterator[Peer]:
    for name, make, is_slow in of:
        bars = max(sizes.bars // sizes.slow_share, 1) if is_slow else sizes.bars
        if bars not in known:
            known[bars] = _until(tape, bars)
        yield _agreeing(peers.play(name, make, tape, bars, sizes), bars / 1e6, known[bars])


def _until(tape: Tape, bars: int) -> peers.Result:
    """Our fills and equity after the first bars of a tape: what a peer that gets only these must find."""
    return _result(_prepared(Cross, between(tape, tape.start, int(markets.ohlc(tape, 0)["ts"][bars - 1]))))


def _agreeing(played: peers.Played, work: float, ours: peers.Result) -> Peer:
    """A rate, and whether the peer made the same trades and the same money."""
    if played.seconds is None or played.result is None:
        return Peer(played.name, None, played.note)
    fills, equity = played.result.fills, played.result.equity
    apart = equity - ours.equity
    if fills != ours.fills:
        note = f"{fills:,} fills, equity {equity:,.4f}; ours {ours.fills:,}, {ours.equity:,.4f}"
    else:
        note = "same fills and equity" if abs(apart) < peers.EQUAL_USD else f"same fills, equity {apart:+.4f} USD"
    return Peer(played.name, work / played.seconds, note)
