# SPDX-License-Identifier: Apache-2.0
"""A kilohour strategy inside stock backtrader: its broker fills, its cash counts; our engine only shows the market.

A session plays the same tape beside backtrader, bar by bar, and never gets an order: it fills the desk's prices, marks,
prints and chains. Positions and equity on that desk are backtrader's, and what the strategy asks for becomes
backtrader's orders. Everything else is stock: ``Cerebro``, ``BackBroker``, ``buy``, ``sell``, ``cancel``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from kilohour.errors import KilohourError, StrategyRaised, UsageError
from kilohour.execution.bridge.extra import bt
from kilohour.execution.bridge.feed import days_of
from kilohour.execution.bridge.gate import StockGate
from kilohour.faces.reach import reach_of
from kilohour.session import Session
from kilohour.step import PythonStep
from kilohour.tape.schema import Kind
from kilohour.tape.tape import Tape
from kilohour.units import MICROS, NANOS_PER_DAY


@dataclass(frozen=True, slots=True)
class Fill:
    """One fill of one contract: nanoseconds UTC, the contract's row, signed lots, micros."""

    ts: int
    contract: int
    lots: int
    price_micros: int
    fee_micros: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """Fills in order of time and contract, and what the account is worth at the last closes, in micros."""

    fills: list[Fill]
    equity_micros: int


class ArrayFeed(bt.feed.DataBase):  # type: ignore[misc]
    """The bars of one contract from arrays.

    Lows are a micro higher and highs a micro lower than on the tape: stock backtrader fills a limit order at a touch, ours
    when the price goes through, and on whole micros ``low < L`` and ``low + 1 <= L`` are the same.
    """

    params = (("row", -1), ("bars", None))

    def start(self) -> None:
        """Called by backtrader before the first bar."""
        super().start()
        self.at = 0

    def _load(self) -> bool:
        if self.at == len(self.p.bars):
            return False
        time, open, high, low, close = self.p.bars[self.at]
        lines = self.lines
        lines.datetime[0], lines.open[0], lines.high[0], lines.low[0], lines.close[0] = time, open, high, low, close
        lines.volume[0] = lines.openinterest[0] = 0.0
        self.at += 1
        return True


class Fees(bt.CommInfoBase):  # type: ignore[misc]
    """Futures without margin; fees per lot and on the notional, which stock schemes have one at a time."""

    params = (("fee_share", 0.0),)

    def get_margin(self, price: float) -> float:  # noqa: ARG002
        """None: margin is off in a certificate."""
        return 0.0

    def _getcommission(self, size: float, price: float, pseudoexec: bool) -> float:  # noqa: ARG002
        return float(abs(size) * (self.p.commission + abs(price) * self.p.mult * self.p.fee_share))


class Player(bt.Strategy):  # type: ignore[misc]
    """Moves the market on by one bar each time backtrader calls, and notes backtrader's fills."""

    params = (("stock", None),)

    def prenext(self) -> None:
        """Contracts are listed one after the other: there is no waiting for all of them."""
        self.next()

    def next(self) -> None:
        """One bar."""
        self.p.stock.turn()

    def notify_order(self, order: Any) -> None:
        """Called by backtrader after a fill."""
        for bit in order.executed.getpending():
            self.p.stock.note(order, bit)


class Step(PythonStep):
    """The strategy's call with something before it and after it."""

    def __init__(self, session: Session, before: Callable[[], None], after: Callable[[], None]) -> None:
        self.before, self.after = before, after
        super().__init__(session.face, session.state.ctypes.data, session.desk.ctypes.data)

    def _make(self) -> Callable[[], int]:
        return self._between(super()._make())

    def _make_for_events(self) -> Callable[[], int]:
        return self._between(super()._make_for_events())

    def _between(self, step: Callable[[], int]) -> Callable[[], int]:
        def both() -> int:
            try:
                self.before()
                status = step()
                if status == 0:
                    self.after()
            except BaseException as error:
                self.error = error
                return 1
            return status

        return both


class Stock:
    """One run of a session's strategy in stock backtrader. The session must be interpreted, and is used up by it."""

    def __init__(self, session: Session) -> None:
        tape, self.session = session.market.tape, session
        is_bar = tape.events["kind"] == Kind.BAR
        self.times = np.unique(tape.events["ts"][is_bar])
        check_times(self.times)
        self.ends = np.append(np.searchsorted(tape.events["ts"], self.times[1:], side="left"), len(tape))
        self.floats = [days_of(int(ts)) for ts in self.times]
        self.place, self.fills, self.player = 0, list[Fill](), None
        self.cerebro = bt.Cerebro(stdstats=False)
        self.cerebro.broker = bt.brokers.BackBroker(cash=session.cash_micros / MICROS, checksubmit=False, filler=self.fill_now)
        self.feeds = {row: self._feed(tape, row) for row in sorted(set(tape.events["ref"][is_bar].tolist()))}
        self.row_of = {feed: row for row, feed in self.feeds.items()}
        stop_feeds = self._stop_feeds(tape)
        self.row_of |= {feed: row for row, feed in stop_feeds.items()}
        self.cerebro.addstrategy(Player, stock=self)
        session.python = Step(session, self.show, self.serve)
        self.desk = session.python.desk
        self.gate = StockGate(session.market, self.desk, self.feeds, stop_feeds)

    def run(self) -> Outcome:
        """Runs to the end. Raises what the strategy raises."""
        try:
            self.cerebro.run(preload=True, runonce=True)
        except StrategyRaised as error:
            raise (error.__cause__ if isinstance(error.__cause__, KilohourError) else error) from None
        fills = sorted(self.fills, key=lambda fill: (fill.ts, fill.contract))
        return Outcome(fills, round(self.cerebro.broker.getvalue() * MICROS))

    def turn(self) -> None:
        """Plays the market up to the next bar of any contract, which it does not see."""
        self.gate.player = self.cerebro.runningstrats[0]
        self.session.run(int(self.ends[self.place]))
        self.place += 1
        if self.place < len(self.times):
            self.gate.lapse(int(self.times[self.place]) - 1)

    def fill_now(self, order: Any, price: float, ago: int) -> int:  # noqa: ARG002
        """backtrader's volume filler: all of it when every leg has a bar now, nothing on a bar that is older."""
        now = self.floats[self.place]
        return abs(order.executed.remsize) if all(leg.datetime[0] == now for leg in order.info.legs) else 0

    def note(self, order: Any, bit: Any) -> None:
        """Notes a fill."""
        self.fills.append(Fill(int(self.times[self.place]), self.row_of[order.data], int(bit.size), round(bit.price * MICROS),
                               round(bit.comm * MICROS)))

    def show(self) -> None:
        """Puts backtrader's positions, orders and equity on the desk, before the strategy looks."""
        desk, gate = self.desk, self.gate
        gate.see(desk)
        if desk.tracks_equity:
            desk.equity_micros = round(self.cerebro.broker.getvalue() * MICROS) + self._marked()
        for data, position in self.cerebro.broker.positions.items():
            desk.held[self.row_of[data]] = int(position.size)
        gate.show(desk)

    def serve(self) -> None:
        """Turns what the strategy asked for into backtrader's orders; the engine is left with nothing to serve."""
        self.gate.serve(self.desk)
        self.desk.request_count = self.desk.basket_count = 0

    def _marked(self) -> int:
        """What the open positions are worth more at their marks than at their last closes, which is all that backtrader knows."""
        value, terms = self.session.book["value_price"][0], self.session.market.terms
        total = 0
        for data, position in self.cerebro.broker.positions.items():
            row = self.row_of[data]
            if position.size:
                moved = int(value[row]) - round(self.desk.last[row] * MICROS)
                total += int(position.size) * moved * int(terms[row]["lot_num"]) // int(terms[row]["lot_den"])
        return total

    def _stop_feeds(self, tape: Tape) -> dict[int, ArrayFeed]:
        """A second feed a contract with the tape's own extremes, for stops, which a touch sets off in both engines; what it fills
        is entered into the first one's position, by backtrader's ``compensate``. None for a strategy without stops."""
        if "stop" not in reach_of(self.session.face).names:
            return {}
        feeds = {row: self._feed(tape, row, narrow=0, suffix=" stops") for row in self.feeds}
        for row, feed in feeds.items():
            feed.compensate(self.feeds[row])
        return feeds

    def _feed(self, tape: Tape, row: int, narrow: int = 1, suffix: str = "") -> ArrayFeed:
        events, term = tape.events, self.session.market.terms[row]
        mine = np.flatnonzero((events["kind"] == Kind.BAR) & (events["ref"] == row))
        columns = [events[name][mine] for name in ("open", "high", "low", "close")]
        columns[1], columns[2] = columns[1] - narrow, columns[2] + narrow
        times = np.searchsorted(self.times, events["ts"][mine])
        bars = [(self.floats[at], *prices) for at, *prices in zip(times.tolist(), *((c / MICROS).tolist() for c in columns), strict=True)]
        name = tape.contracts[row].code + suffix
        feed = ArrayFeed(row=row, bars=bars)
        self.cerebro.adddata(feed, name=name)
        self.cerebro.broker.addcommissioninfo(Fees(
            mult=int(term["lot_num"]) / int(term["lot_den"]), commission=int(term["fee_per_lot"]) / MICROS, stocklike=False, margin=1.0,
            fee_share=int(term["fee_ppm"]) / 1e6, commtype=Fees.COMM_FIXED), name=name)
        return feed


def check_times(times: Any) -> None:
    """Raises :class:`UsageError` for bars so close that backtrader's floats of days cannot tell them apart."""
    close = np.diff(times) < 20_000
    days = times // NANOS_PER_DAY
    if close.any() and len(days):
        at = int(np.argmax(close))
        raise UsageError(f"stock backtrader keeps times as floats of days: bars must be 20 microseconds apart, found {int(times[at])} and "
                         f"{int(times[at + 1])} ns")
