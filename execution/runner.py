# SPDX-License-Identifier: Apache-2.0
"""The driver of a live run: the only part that waits, reads the clock (which is passed in), and does I/O.

Whatever comes, from the feed, the venue, the operator or the clock, goes through one queue into the trader; what the trader
decides is on disk before it is sent. When the disk does not take it, nothing new is sent and everything open is cancelled.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from kilohour.errors import EngineError
from kilohour.execution.journal import Journal
from kilohour.execution.orders import State
from kilohour.execution.port import CancelAll, Command, Ended, Fact, Linked, LookUp, LookUpFills, Place, Venue, to_json
from kilohour.execution.replay import feed_body, take
from kilohour.execution.risk import Trading
from kilohour.execution.snapshots import note_of, taken
from kilohour.execution.trader import Trader
from kilohour.execution.watchdog import Watchdog
from kilohour.live import Event

TICK_SECONDS = 0.25
RECONCILE_TRIES = 20
RETRY_SECONDS = 0.05
QUIET_SECONDS = 60.0
"""How long a lock-step run waits for the venue to answer before it says so."""
MOMENTS_MOST = 256
FROZEN_AT_START = 10_000
"""A process with more objects set aside than Python's own few hundred has done it itself, and keeps them."""
SNAPSHOT_EVERY = 5_000
"""Records between two snapshots; 0: none is taken. A strategy in CPython may remember what no snapshot holds, so it gets none."""
INBOX_MOST = 100_000
"""Facts are never dropped: when so many wait, the run ends with everything cancelled."""
Clock = Callable[[], int]
"""Nanoseconds UTC."""


class Steady:
    """A clock that never steps, nanoseconds UTC: what ``clock`` reads at first, no earlier than ``since``, and what ``monotonic``
    (seconds, any origin) counts from there. What a run waits for is not to come sooner or later because somebody set the wall clock."""

    def __init__(self, clock: Clock, monotonic: Callable[[], float], since: int = 0) -> None:
        self._monotonic, self._origin, self._began = monotonic, monotonic(), max(clock(), since)

    def __call__(self) -> int:
        return self._began + round((self._monotonic() - self._origin) * 1e9)


def unnamed(_name: str) -> None:
    """Nothing happens at a point that nobody watches."""


def _now() -> float:
    return asyncio.get_running_loop().time()


def _soon() -> float:
    return _now() + QUIET_SECONDS


@dataclass(frozen=True, slots=True)
class Moment:
    """The events of one timestamp; ``facts_due``: messages of the order stream that belong before them, in lock-step."""

    events: tuple[Event, ...]
    facts_due: int | None = None
    barrier: int | None = None


class Feed(Protocol):
    """Market data, one timestamp at a time."""

    def moments(self) -> AsyncIterator[Moment]:
        """Every timestamp, until the market is over."""

    async def done(self, moment: Moment) -> None:
        """In lock-step: everything that this timestamp led to has been sent and answered."""


class Counted(Venue, Protocol):
    """A venue whose order stream is numbered: lock-step waits for a number."""

    async def caught_up(self, messages: int) -> None:
        """Returns when so many messages have come."""


@dataclass(slots=True)
class Runner:
    """One run. ``clock`` gives the time; ``point(name)`` is called at the places where a crash must do no harm."""

    trader: Trader
    venue: Venue
    feed: Feed
    journal: Journal
    clock: Clock
    reconcile_seconds: float = 30.0
    accept_positions: bool = False
    on_step: Callable[[Runner], None] | None = None
    word: Callable[[], str | None] | None = None
    """The operator's latest word, once."""
    point: Callable[[str], None] = unnamed
    steps_most: int | None = None
    watchdog: Watchdog | None = None
    is_recovery: bool = False
    """The journal held records before: the trader was played up to its end."""
    how: dict[str, Any] = field(default_factory=dict)
    """How it was recovered: written down beside the word."""
    snapshot_every: int = SNAPSHOT_EVERY
    is_lockstep: bool = False
    """The feed waits for :meth:`Feed.done`: facts that come between two timestamps belong to the later one."""
    must_reconcile: bool = True
    early: list[Fact] = field(default_factory=list)
    inbox: asyncio.Queue[tuple[str, Any]] = field(default_factory=asyncio.Queue)
    room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MOMENTS_MOST))
    """Timestamps that may wait: a feed that is faster than the strategy is read no further."""
    is_over: bool = False
    fault: str = ""

    async def run(self) -> None:
        """From connecting to the end of the feed, a kill, or a failure. Orders still open at the end are cancelled."""
        is_ours = gc.get_freeze_count() < FROZEN_AT_START
        if is_ours:
            gc.freeze()  # what is there now stays: a full collection in the middle of a run would look through all of it
        try:
            await self._run()
        finally:
            if is_ours:
                gc.unfreeze()

    async def _run(self) -> None:
        if self.is_recovery:
            await self._input("word", {"word": "recover", **self.how}, None)
        await self._open()
        jobs = [asyncio.create_task(self._pump_feed()), asyncio.create_task(self._tick())]
        try:
            if not self.is_lockstep:
                await self.reconcile()
            while not self.is_over or not self.inbox.empty():
                await self._one()
                if jobs[0].done() and self.inbox.empty():
                    jobs[0].result()
                    break
            await self._wind_down()
        finally:
            for job in jobs:
                job.cancel()
            await asyncio.gather(*jobs, return_exceptions=True)
            with contextlib.suppress(OSError, ConnectionError):
                await self.venue.close()
            if self.watchdog is not None:
                self.watchdog.close()

    async def _open(self) -> None:
        """A run that the venue does not let in has sent nothing: its watchdog is told so, and of a new one no journal is left."""
        try:
            await self.venue.open(lambda fact: self.inbox.put_nowait(("fact", fact)))
        except BaseException:
            if self.watchdog is not None:
                self.watchdog.close()
            if not self.is_recovery:
                self.journal.is_void = True
            raise

    async def reconcile(self) -> None:
        """Orders, positions and cash at the venue against ours; before that nothing is sent."""
        self.must_reconcile = False
        try:
            await self.venue.do(LookUpFills())
            account = await self.venue.account()
        except ConnectionError:  # asked again with the next tick; until then nothing is sent
            self.must_reconcile = True
            await asyncio.sleep(RETRY_SECONDS)
            return
        await self._take_waiting_facts()
        await self._input("fact", to_json(account), account)
        self.must_reconcile = self.is_lockstep and bool(self.trader.unknown())  # proves nothing; else the next comes by the clock
        if self.accept_positions and not self.trader.risk.is_reconciled:
            await self._input("word", {"word": "accept"}, None)

    async def _take_waiting_facts(self) -> None:
        """What the account knows already: a fill that waits behind a bar would be taken for a difference, and accepted as one be booked
        twice."""
        others: list[tuple[str, Any]] = []
        for _ in range(self.inbox.qsize()):
            kind, thing = self.inbox.get_nowait()
            if kind == "fact":
                await self._input("fact", to_json(thing), thing)
            else:
                others.append((kind, thing))
        late = [self.inbox.get_nowait() for _ in range(self.inbox.qsize())]  # what has come since stays behind what was there before
        for waiting in (*others, *late):
            self.inbox.put_nowait(waiting)

    async def _one(self) -> None:
        kind, thing = await self.inbox.get()
        if self.inbox.qsize() > INBOX_MOST:
            await self._fail_closed(f"more than {INBOX_MOST} messages of the venue wait")
        if kind == "feed":
            self.room.release()
            await self._take_moment(thing)
        elif kind == "fact":
            await self._take_fact(thing)
        elif kind == "account":
            self.must_reconcile = True
            if not self.is_lockstep:
                await self.reconcile()
        elif kind == "time":
            if self.must_reconcile and not self.is_lockstep:
                await self.reconcile()
            if self.trader.is_due(self.clock()):
                await self._input("time", {}, None)
        elif kind == "word":
            await self._take_word(thing)
        if self.on_step is not None:
            self.on_step(self)
        await self._note_state()

    async def _note_state(self) -> None:
        """A snapshot, when one is due and nothing waits; of a run with more orders than that, seldomer: it costs as much as it is long."""
        trader, since = self.trader, self.journal.seq - self.journal.snapshot_at
        due = max(self.snapshot_every, len(trader.orders) + len(trader.trades))
        if since < due or (since < 2 * due and not self.inbox.empty()):
            return
        if not self.snapshot_every or self.fault or trader.session.interpreted:
            return
        data = taken(trader)
        await self._commit("snapshot", note_of(trader, data), self.clock(), must_wait=False, snapshot=data)
        self.point("snapshot")

    async def _take_word(self, word: str) -> None:
        if word != "finish":
            await self._input("word", {"word": word}, None)
        self.is_over = self.is_over or word in ("kill", "finish")

    async def _take_fact(self, fact: Fact) -> None:
        """A fact by itself; in lock-step it waits for the timestamp it belongs to, and the account for the end of that."""
        if self.is_lockstep and not isinstance(fact, Linked):
            self.early.append(fact)
            return
        await self._input("fact", to_json(fact), fact)
        if isinstance(fact, Linked) and fact.is_up:
            self.must_reconcile = True
            if not self.is_lockstep:
                await self.reconcile()

    async def _take_moment(self, moment: Moment) -> None:
        facts = await self._facts_before(moment)
        began = self.clock()
        body = feed_body(self.trader, moment.events, facts)
        if self.watchdog is not None:
            self.watchdog.began()
        commands = self.trader.take_group(facts, moment.events, began)
        if self.watchdog is not None and (late := self.watchdog.ended()):
            await self._fail_closed(late)
        self.point("decided")
        await self._commit("feed", body, began, must_wait=bool(commands), memory=self.trader.state_bytes())
        self.point("committed")
        await self._execute(commands)
        if moment.barrier is not None:
            await self._settle()
            for _ in range(RECONCILE_TRIES):
                if not self.must_reconcile:
                    break
                await self.reconcile()
                await self._settle()
        await self.feed.done(moment)

    async def _facts_before(self, moment: Moment) -> list[Fact]:
        if moment.facts_due is None:
            return []
        await self.venue.caught_up(moment.facts_due)  # type: ignore[attr-defined]
        others = []
        while not self.inbox.empty():
            kind, thing = self.inbox.get_nowait()
            if kind == "fact":
                await self._take_fact(thing)
            else:
                others.append((kind, thing))
        for other in others:
            self.inbox.put_nowait(other)
        facts, self.early = self.early, []
        return facts

    async def _settle(self) -> None:
        """Lock-step: waits until every order that was sent is known to work, and every cancel was answered."""
        later: list[tuple[str, Any]] = []
        ends = _soon()
        while self._is_unsettled():
            try:
                kind, thing = await asyncio.wait_for(self.inbox.get(), ends - _now())
            except TimeoutError:
                raise EngineError(f"the venue did not answer for {QUIET_SECONDS:g} s in lock-step") from None
            if kind == "fact":
                ends = _soon()
                await self._input("fact", to_json(thing), thing)
                self.must_reconcile = self.must_reconcile or (isinstance(thing, Linked) and thing.is_up)
            elif kind == "time" and self.trader.is_due(self.clock()):
                await self._input("time", {}, None)
            elif kind == "word":
                await self._take_word(thing)
            elif kind == "account":
                self.must_reconcile = True
            elif kind == "feed":
                later.append((kind, thing))
        for waiting in later:
            self.inbox.put_nowait(waiting)

    def _is_unsettled(self) -> bool:
        """True while an answer is due: a refusal is one when the order was then seen to work on, as in an instrument that is halted."""
        if not self.trader.risk.is_linked and not self.is_over:
            return True
        return any(order.state in (State.SENT, State.UNKNOWN) or (order.pending_cancel and not order.is_kept)
                   for order in self.trader.open_orders())

    async def _input(self, kind: str, body: dict[str, Any], thing: Fact | None) -> None:
        at = self.clock()
        commands = self.trader.take_fact(thing, at) if thing is not None else take(self.trader, kind, body, at)
        self.point("fact")
        await self._commit(kind, body, at, must_wait=bool(commands))
        self.point("entered")
        await self._execute(commands)

    async def _commit(self, kind: str, body: dict[str, Any], at: int, *, must_wait: bool = True, memory: bytes | None = None,
                      snapshot: bytes | None = None) -> None:
        done = self.journal.append(at, [(kind, body), *self.trader.drain()], memory, snapshot, is_held=must_wait)
        self.point("queued")
        if must_wait:  # the writer wakes as this thread goes to sleep: before, it would take the processor to wait for the interpreter
            asyncio.get_running_loop().call_soon(self.journal.hand_over)
        if must_wait or done.done():
            try:
                await asyncio.wrap_future(done)
            except Exception as error:
                await self._fail_closed(f"the journal failed: {error}")

    async def _execute(self, commands: list[Command]) -> None:
        for command in commands:
            if self.trader.is_dry or (self.fault and not isinstance(command, CancelAll)):
                continue
            self.point("send")
            try:
                await self.venue.do(command)
            except ConnectionError as error:
                if isinstance(command, LookUp | LookUpFills):
                    continue
                if isinstance(command, Place):  # nothing was sent: it goes out again when the line is back
                    unsent = Ended(cid=command.cid, oid="", state="canceled", filled=0, reason="not sent", ts=self.trader.session.now)
                    self.inbox.put_nowait(("fact", unsent))
                self.inbox.put_nowait(("fact", Linked(is_up=False, why=str(error))))
            self.point("sent")

    async def _fail_closed(self, why: str) -> None:
        """Without a journal nothing new is sent; what is open is cancelled all the same."""
        if self.fault:
            return
        self.fault, self.is_over = why, True
        self.trader.risk.raise_to(Trading.HALTED, why)
        with contextlib.suppress(ConnectionError):
            if not self.trader.is_dry:  # what is open is somebody else's
                await self.venue.do(CancelAll())

    async def _wind_down(self) -> None:
        """Cancels what is open and waits until nothing is in flight, so that the last record is of a quiet account."""
        if self.fault:
            return
        await self._input("word", {"word": "stop"}, None)
        ends = _soon()
        while self.trader.open_orders() and _now() < ends:
            with contextlib.suppress(TimeoutError):
                kind, thing = await asyncio.wait_for(self.inbox.get(), TICK_SECONDS)
                if kind == "fact":
                    await self._input("fact", to_json(thing), thing)
                elif kind == "word":
                    await self._take_word(thing)
            if self.trader.is_due(self.clock()):
                await self._input("time", {}, None)
        with contextlib.suppress(ConnectionError):
            if not self.trader.is_dry:  # fees of the last fills, which no stream tells, and fills that it did not
                await self.venue.do(LookUpFills())
        await self._take_waiting_facts()
        ended = {"positions": self.trader.positions(), "cash": self.trader.cash(), "print": self.trader.fingerprint()}
        await self._commit("end", ended, self.clock())

    async def _pump_feed(self) -> None:
        steps = 0
        async for moment in self.feed.moments():
            await self.room.acquire()
            self.inbox.put_nowait(("feed", moment))
            await asyncio.sleep(0)  # the step first: what it takes to wait for the next timestamp would be on its way to the order
            steps += 1
            if self.steps_most is not None and steps >= self.steps_most:
                break
        self.inbox.put_nowait(("time", None))
        self.is_over = True

    async def _tick(self) -> None:
        since = 0.0
        while True:
            await asyncio.sleep(TICK_SECONDS)
            since += TICK_SECONDS
            is_behind = self.inbox.qsize() >= MOMENTS_MOST  # ticks do not pile up in front of what there is to do
            if not is_behind:
                self.inbox.put_nowait(("time", None))
            if since >= self.reconcile_seconds and not is_behind:
                since = 0.0
                self.inbox.put_nowait(("account", None))
            said = self.word() if self.word is not None else None
            if said:
                self.inbox.put_nowait(("word", said))
