# SPDX-License-Identifier: Apache-2.0
"""An unmodified ``bt.Strategy`` as a kilohour strategy: backtrader's machinery moves on by one bar each time the session calls.

backtrader's ``Cerebro`` sets everything up and runs its own strategies, indicators, timers and notifications; only its
loop over the data is ours: the session is the loop, and ``on_bar`` is one turn of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from kilohour.errors import KilohourError, StrategyRaised, UnknownName, UsageError
from kilohour.execution.bridge.broker import SessionBroker
from kilohour.execution.bridge.extra import bt
from kilohour.execution.bridge.feed import TapeFeed, bars_of, made_exact, timeframe_of
from kilohour.faces.traceback import user_traceback
from kilohour.session import Session
from kilohour.strategy import Strategy
from kilohour.tape.schema import Kind


class Relay(Strategy):
    """Stands for a ``bt.Strategy`` in a session; :func:`relay_of` makes one for each."""

    interpreted: ClassVar[bool] = True
    original: ClassVar[Any] = None
    """The ``bt.Strategy`` class."""
    feeds: ClassVar[tuple[str, ...]] = ()
    """Contracts that become feeds, in this order; every contract of the tape unless given."""
    engine: ClassVar[Any] = None
    """backtrader's engine while a run lasts."""
    notes: ClassVar[tuple[str, ...]] = ()
    """What a report says of the last run."""

    def on_bar(self, desk: Any) -> None:
        """One turn of backtrader's loop."""
        if self.engine is None:
            raise UsageError(f"{type(self).__name__} is a backtrader strategy: only `kilohour backtest` runs it")
        desk.equity()  # named here, so that the session keeps equity at every bar
        self.engine.turn(desk)

    @classmethod
    def play(cls, session: Session, go: Callable[[], None]) -> None:
        """Runs a session inside backtrader: ``go`` moves it to its end. Raises what ``go`` raises, :class:`UsageError` for
        what the bridge cannot express, and :class:`StrategyRaised` when the strategy fails before its first bar."""
        values = {name: session.state[name][0].item() for name in cls.__annotations__}
        flags = {name for name, kind in cls.__annotations__.items() if kind is bool}
        engine = Engine(session, cls.feeds, go)
        engine.addstrategy(cls.original, **{name: bool(v) if name in flags else v for name, v in values.items()})
        cls.engine = engine
        try:
            engine.run(preload=False, runonce=False, stdstats=False)
        except StrategyRaised as error:
            if isinstance(error.__cause__, KilohourError):
                raise error.__cause__ from None
            raise
        except KilohourError:
            raise
        except Exception as error:
            raise StrategyRaised(f"{cls.original.__name__} raised outside its bars\n{user_traceback(error)}") from error
        finally:
            cls.engine = None
        engine.check_ran(cls.original)
        cls.notes = (engine.sentence(),)


def relay_of(original: Any) -> type[Strategy]:
    """The kilohour face of a ``bt.Strategy``: its numeric ``params`` become fields, so that ``--set`` sets them."""
    defaults = dict(original.params._getitems())
    numbers = {name: value for name, value in defaults.items() if isinstance(value, bool | int | float)}
    body = {
        **numbers, "__annotations__": {name: type(value) for name, value in numbers.items()}, "original": original,
        "__module__": original.__module__, "__qualname__": original.__qualname__, "__doc__": original.__doc__,
    }  # fmt: skip
    return type(original.__name__, (Relay,), body)


class Engine(bt.Cerebro):  # type: ignore[misc]
    """backtrader's engine with a session for its loop."""

    def __init__(self, session: Session, feeds: Sequence[str], go: Callable[[], None]) -> None:
        super().__init__()
        tape = session.market.tape
        codes = [contract.code for contract in tape.contracts]
        with_bars = {codes[ref]: ref for ref in np.unique(tape.events["ref"][tape.events["kind"] == Kind.BAR]).tolist()}
        for code in feeds:
            if code not in with_bars:
                raise UnknownName("contract", code, with_bars, where="this run, among those with bars")
        chosen = {with_bars[code]: code for code in feeds or with_bars}
        self.session, self.go = session, go
        self.feeds_by_row = {row: TapeFeed(row=row, timeframe=timeframe_of(tape, row)) for row in chosen}
        for row, feed in self.feeds_by_row.items():
            self.adddata(feed, name=chosen[row])
        self.setbroker(SessionBroker(session, self.feeds_by_row))
        self.turns = self.waits = 0
        self.bars = bars_of(tape, frozenset(self.feeds_by_row))
        self.ahead = next(self.bars, None)

    def turn(self, desk: Any) -> None:
        """One turn: the bars of now, what became of orders, timers, the strategy, and its orders to the desk."""
        now, fresh = desk.now, []
        while self.ahead is not None and self.ahead.ts <= now:
            feed = self.feeds_by_row[self.ahead.ref]
            feed.push(self.ahead, desk.open_interest[self.ahead.ref])
            fresh.append(feed)
            self.ahead = next(self.bars, None)
        if not fresh or self._event_stop:
            return
        moment = fresh[0].datetime[0]
        self._dtmaster = fresh[0].num2date()
        self._brokernotify()
        self._check_timers(self.runningstrats, moment, cheat=False)
        for strategy, times in zip(self.runningstrats, self.times, strict=True):
            times.stamps.append(now)
            strategy._next()
            self.waits += strategy._minperstatus > 0
        self.turns += 1
        self.broker.hand_over(desk)

    def _runnext(self, runstrats: list[Any]) -> None:
        """Called by backtrader once all is set up: here its own loop would begin."""
        if not runstrats:
            raise UsageError("the strategy asked to be skipped: nothing would run")
        if self._timerscheat:
            raise UsageError("backtrader bridge: add_timer must be called with cheat=False: orders cannot meet an open that is gone")
        self.times = [made_exact(strategy.lines.datetime) for strategy in runstrats]
        self.go()

    def sentence(self) -> str:
        """What backtrader did, and how long it waited."""
        return (f"A backtrader strategy on {len(self.feeds_by_row)} feeds: backtrader decides, kilohour fills, margins and settles "
                f"(docs/backtrader.md); it waited for {self.waits} of {self.turns} bars until every feed had what its indicators need.")

    def check_ran(self, original: Any) -> None:
        """Raises :class:`UsageError` when ``next`` never ran and nothing else was there to run."""
        for strategy in self.runningstrats:
            waits = strategy._minperstatus > 0 and type(strategy).prenext is bt.Strategy.prenext
            if waits:
                late = max(strategy.datas, key=lambda data: strategy._minperiods[strategy.datas.index(data)] - len(data))
                raise UsageError(
                    f"{original.__name__}.next never ran: backtrader waits until every feed has the bars its indicators need, "
                    f"and {late._name} has {len(late)} in the whole tape; choose contracts with --feed, as in --feed {strategy.data._name}"
                )
