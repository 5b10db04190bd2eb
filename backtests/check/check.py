# SPDX-License-Identifier: Apache-2.0
"""The detector: runs a strategy again with another future, none, a later start, other outside data, and compares what it decided."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from kilohour.backtests.backtest import Progress, between, play_inside
from kilohour.backtests.check.decisions import Decision, Decisions, Memory, memory_of
from kilohour.backtests.check.doors import watched
from kilohour.backtests.check.outside import Outside, outside_of
from kilohour.backtests.check.probes import FUTURES, Factor, perturbed, standing_for, truncated
from kilohour.backtests.prepare import CASH_USD, prepare
from kilohour.backtests.resolve import strategy_class
from kilohour.errors import StrategyRaised, UsageError
from kilohour.fills import Fills
from kilohour.limits import RiskLimits
from kilohour.session import BLOCK, Session
from kilohour.strategy import Strategy
from kilohour.tape.schema import Kind
from kilohour.tape.stamps import early_sights
from kilohour.tape.tape import Tape
from kilohour.units import datetime_of

CUTS = 6
STARTS = (0.2, 0.4)
"""Shares of the bars after which the later starts begin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A decision that depends on what could not be known, and the probe that found it."""

    probe: str
    """``future``, ``truncation``, ``repeat``, ``outside data``, ``file``, ``tape`` or ``warm-up``."""
    time: str | None
    """When the first differing decision was made; None when the strategy was only loaded then."""
    what: str
    """``order``, the name of a recorded value, or what was read."""
    expected: str
    """What was decided in the plain run."""
    found: str
    """What was decided under the probe."""
    detail: str

    def __str__(self) -> str:
        at = f"{self.time} " if self.time else ""
        return f"{at}{self.what}: {self.expected}, but {self.found} ({self.probe}: {self.detail})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """The outcome: findings in the order of the probes, and how long the strategy remembers its start."""

    strategy: str
    tape: str
    bars: int
    decisions: int
    """Order legs and recorded values of the plain run."""
    probes: int
    findings: tuple[Finding, ...]
    memory: tuple[Memory, ...]

    @property
    def is_clean(self) -> bool:
        """True when no probe found anything."""
        return not self.findings

    def to_dict(self) -> dict[str, Any]:
        """The object that ``kilohour check --json`` prints."""
        return {**asdict(self), "findings": [asdict(one) for one in self.findings], "memory": [asdict(one) for one in self.memory],
                "clean": self.is_clean}


def check(
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
    limits: RiskLimits | None = None,
    cuts: int = CUTS,
    warm_up: int | None = None,
    allow: Sequence[str] = (),
    already_read: Sequence[str] = (),
    progress: Progress | None = None,
    **parameters: Any,
) -> Check:
    """Looks for decisions that depend on the future, and says after how many bars a later start no longer matters.

    Up to each of ``cuts`` times the orders made and the values recorded must be the same whatever prices follow and when none follow; a
    second run must repeat the first; data in globals, closures and classes must not matter where it lies in the future (all of it, where
    it has no times); no file may be read; and the tape must not show a print or a bar before its time. ``allow`` names outside data and
    files that are known and meant, ``already_read`` files that were read when it was loaded. ``warm_up``: bars after which a
    later start must make no difference; without it the memory is only reported. Other arguments are those of
    :func:`kilohour.backtests.backtest.backtest`. Rules: docs/check.md.

    Raises the errors of a backtest, and :class:`UsageError` for ``cuts`` or ``warm_up`` out of range.
    """
    if not 1 <= cuts <= 1000:
        raise UsageError(f"cuts must be from 1 to 1000, found {cuts}")
    if warm_up is not None and warm_up < 0:
        raise UsageError(f"warm_up must be at least 0 bars, found {warm_up}")
    with watched() as loading:
        face = strategy_class(strategy)
    whole = between(tape, start, end)
    run = _Runner(face, partial(prepare, face, parameters=parameters, cash=cash, assume=assume, contracts=contracts, venue=venue,
                                interpreted=interpreted, fills=fills, limits=limits))
    name = strategy if isinstance(strategy, str) and ".py" not in strategy else face.__name__
    return _Detector(name, run, whole, tape if isinstance(tape, Tape) else whole, cuts, tuple(allow), [*already_read, *loading],
                     progress).look(warm_up)


class _Runner:
    """Runs one strategy over any tape, and keeps what it decided even when it fails."""

    def __init__(self, face: type[Strategy], make: Callable[[Tape], Any]) -> None:
        self.face = face
        self.make = make
        self.error: StrategyRaised | None = None

    @property
    def raised(self) -> str | None:
        """What the strategy said when it failed, in a line."""
        return None if self.error is None else str(self.error).splitlines()[0]

    def __call__(self, tape: Tape, until: int | None = None) -> Decisions:
        """Decisions up to ``until`` (nanoseconds; to the end without it). A strategy that raised has none after that, and says so."""
        session = self.make(tape).session()
        events = len(session.market.tape) if until is None else int(np.searchsorted(session.market.tape.events["ts"], until, side="right"))
        self.error = None
        try:
            play_inside(self.face, session, lambda: _play(session, events))
        except StrategyRaised as error:
            self.error = error
        return Decisions.of(session)


def _play(session: Session, events: int) -> None:
    while session.cursor < events:
        session.run(min(session.cursor + BLOCK, events))


class _Detector:
    def __init__(self, name: str, run: _Runner, tape: Tape, given: Tape, cuts: int, allow: tuple[str, ...], loading: list[str],
                 progress: Progress | None) -> None:
        self.name, self.run, self.tape, self.given, self.allow, self.loading = name, run, tape, given, allow, loading
        self.progress, self.probes, self.cuts = progress, 0, cuts
        self.findings: list[Finding] = []

    def look(self, warm_up: int | None) -> Check:
        before = {place.name: place.fingerprint() for place in outside_of(self.run.face)}
        with watched() as files:
            plain = self.run(self.tape)
        if self.run.error is not None:
            raise self.run.error
        bar_times = np.unique(self.tape.events["ts"][self.tape.events["kind"] == Kind.BAR])
        times = _cut_times(plain, bar_times, self.cuts)
        # What a run itself filled is left to the second run: a cache may be there, it must not matter.
        outside = [place for place in outside_of(self.run.face) if before.get(place.name, "") == place.fingerprint()]
        self.total = 1 + len(times) * (1 + len(FUTURES) * (1 + len(outside))) + len(STARTS)
        self._tape_leaks()
        self._files(files)
        memory: tuple[Memory, ...] = ()
        if self._repeat(plain):  # what does not repeat itself cannot be compared with anything
            self._outside(plain, times, outside)
            self._futures(plain, times)
            memory = tuple(self._later_starts(plain, bar_times, warm_up))
        count = len(plain.orders) + sum(value == value for values in plain.records.values() for value in values)
        return Check(strategy=self.name, tape=self.tape.source, bars=len(bar_times), decisions=count, probes=self.probes,
                     findings=tuple(self.findings), memory=memory)

    def _tape_leaks(self) -> None:
        for sight in early_sights(self.tape):
            times = f", {sight.count} times" if sight.count > 1 else ""
            self._add("tape", _time(sight.ts), f"{sight.what} of {sight.code}", "seen when it was known", f"seen too early{times}",
                      sight.detail)

    def _files(self, running: list[str]) -> None:
        for path in dict.fromkeys((*self.loading, *running)):
            if not self._is_allowed(Path(path).name, path):
                when = "while the strategy was loaded" if path in self.loading else "while it ran"
                self._add("file", None, "file", "only the desk is read", f"{Path(path).name} is read",
                          f"{when}; what it holds about the future cannot be told: --allow {Path(path).name} if it is meant")

    def _repeat(self, plain: Decisions) -> bool:
        again = self._under(self.tape.events, self.tape)
        return not self._compare("repeat", plain, again, plain.until, "a second run in the same process: something is kept between runs")

    def _futures(self, plain: Decisions, times: list[int]) -> None:
        for name, factor in FUTURES.items():
            self._each_cut(plain, times, "future", f"{name} after", partial(self._other_tape, partial(perturbed, factor=factor)))
        self._each_cut(plain, times, "truncation", "no event after", partial(self._other_tape, truncated))

    def _other_tape(self, change: Callable[..., Tape], cut: int) -> Decisions:
        tape = change(self.tape, after=cut)
        given = tape if self.given is self.tape else change(self.given, after=cut)
        return self._under(given.events, tape, cut)

    def _outside(self, plain: Decisions, times: list[int], outside: list[Outside]) -> None:
        for place in outside:
            if place.value is self.given or place.value is self.tape or self._is_allowed(place.name.split(" ")[0], place.name):
                continue

            def probe(factor: Factor, cut: int, place: Outside = place) -> Decisions:
                with place.perturbed(cut, factor):
                    return self._under(self.tape.events, self.tape, cut)

            where = "other values after" if place.is_timed else "other values (it has no times, so all of them), decisions up to"
            # Random factors leave a mean where it is, so those that move all values one way come too: one finding a place.
            told = f"{place.name}: {where}"
            any(self._each_cut(plain, times, "outside data", told, partial(probe, factor)) for factor in FUTURES.values())

    def _each_cut(self, plain: Decisions, times: list[int], probe: str, told: str, decide: Callable[[int], Decisions]) -> bool:
        return any(self._compare(probe, plain, decide(cut), cut, f"{told} {_time(cut)}") for cut in times)

    def _under(self, events: Any, tape: Tape, until: int | None = None) -> Decisions:
        self.probes += 1
        if self.progress is not None:
            self.progress(min(self.probes, self.total), self.total)
        with standing_for(self.given, events) if self.given is not tape else contextlib.nullcontext():
            return self.run(tape, until)

    def _compare(self, probe: str, plain: Decisions, other: Decisions, until: int, detail: str) -> bool:
        raised = self.run.raised is not None and other.until <= until
        apart = plain.first_difference(other, other.until - 1 if raised else until)
        if apart is None and raised:
            self._add(probe, _time(other.until), "strategy", "runs on", f"raised: {self.run.raised}", detail)
        elif apart is not None:
            ours, theirs = apart
            first = ours or theirs
            assert first is not None
            self._add(probe, _time(first.ts), first.what, _said(ours), _said(theirs), detail)
        return apart is not None or raised

    def _later_starts(self, plain: Decisions, bar_times: Any, warm_up: int | None) -> Iterator[Memory]:
        for share in STARTS:
            at = int(bar_times[int(share * len(bar_times))])
            late = self._under(self.tape.events, between_nanos(self.tape, at))
            rest = [int(ts) for ts in bar_times[bar_times >= at]]
            memory = memory_of(plain, late, at, rest)
            if warm_up is not None:
                apart = plain.first_difference_between(late, rest[min(warm_up, len(rest) - 1)])
                if apart is not None:
                    ours, theirs = apart
                    first = ours or theirs
                    assert first is not None
                    self._add("warm-up", _time(first.ts), first.what, _said(ours), _said(theirs),
                              f"started on {memory.start}, more than {warm_up} bars before")
            yield memory

    def _is_allowed(self, *names: str) -> bool:
        return any(name in self.allow for name in names)

    def _add(self, probe: str, time: str | None, what: str, expected: str, found: str, detail: str) -> None:
        self.findings.append(Finding(probe=probe, time=time, what=what, expected=expected, found=found, detail=detail))


def between_nanos(tape: Tape, start: int) -> Tape:
    """The tape from a time on, as a run that begins then sees it."""
    from kilohour.tape.slice import between as cut

    return cut(tape, start, tape.end)


def _cut_times(plain: Decisions, bar_times: Any, cuts: int) -> list[int]:
    """Times of bars at which to cut: where orders were made, spread over the run, and evenly between."""
    inner = bar_times[len(bar_times) // 10 : -max(1, len(bar_times) // 20)] if len(bar_times) >= 20 else bar_times[:-1]
    if not len(inner):
        raise UsageError(f"a check needs at least two bars, found {len(bar_times)}")
    ordered = np.intersect1d(np.array([one.ts for one in plain.orders], dtype=np.int64), inner)
    half = _spread(ordered, cuts - cuts // 2)
    return sorted({*half, *_spread(inner, cuts - len(half))})


def _spread(times: Any, count: int) -> list[int]:
    if not len(times) or count < 1:
        return []
    if len(times) <= count:
        return [int(ts) for ts in times]
    return [int(times[(len(times) - 1) * (k + 1) // (count + 1)]) for k in range(count)]


def _said(decision: Decision | None) -> str:
    return "nothing" if decision is None else decision.said


def _time(ts: int) -> str:
    return f"{datetime_of(ts):%Y-%m-%d %H:%M}"
