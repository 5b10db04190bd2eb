# SPDX-License-Identifier: Apache-2.0
"""The venue's port without sockets: the sandbox's replay exchange in this process, its tape as the feed, in lock-step."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import count

from kilohour.execution import port
from kilohour.execution.runner import Moment
from kilohour.execution.sandbox.engines import market_of
from kilohour.execution.sandbox.instruments import ax_symbol, spread_symbol
from kilohour.execution.sandbox.model import NewOrder, State
from kilohour.execution.sandbox.replay import ReplayExchange
from kilohour.kernels import records as r
from kilohour.live import Event
from kilohour.tape import Tape
from kilohour.tape.schema import Kind

ACCOUNT = "fund"
EVERYTHING = {"kinds": frozenset({r.MARKET, r.LIMIT}), "lives": frozenset({r.GTC, r.DAY, r.IOC}), "flags": frozenset({r.POST_ONLY}),
              "spreads": frozenset({1, 2})}


class InProcess:
    """A venue and its feed. ``tape``: what is replayed; the trader may see fewer contracts of it."""

    name = "in process"
    expresses = EVERYTHING

    def __init__(self, tape: Tape, cash: int, only: Tape | None = None) -> None:
        market, listing = market_of(tape)
        self.exchange = ReplayExchange(market, listing, {ACCOUNT: cash})
        self.tape, self.only = tape, only or tape
        self.symbol = {contract.code: ax_symbol(contract) for contract in tape.contracts}
        self.code = {symbol: code for code, symbol in self.symbol.items()}
        self.rows = {contract.code: row for row, contract in enumerate(self.only.contracts)}
        self.index_rows = {index.code: row for row, index in enumerate(self.only.indices)}
        self.orders: dict[int, str] = {}
        self.legs: dict[str, tuple[tuple[str, int], ...]] = {}
        self.go = asyncio.Event()

    async def open(self, inbox: port.Inbox) -> None:
        self.inbox = inbox

    async def do(self, command: port.Command) -> None:
        if isinstance(command, port.Place):
            symbol = (self.symbol[command.legs[0][0]] if len(command.legs) == 1
                      else spread_symbol([(self.symbol[code], ratio) for code, ratio in command.legs]))
            side = 1 if len(command.legs) > 1 or command.legs[0][1] > 0 else -1
            order = self.exchange.place(ACCOUNT, NewOrder(symbol=symbol, side=side, lots=command.units, price=command.limit,
                                                          life=command.life.upper(), post_only=command.post_only,
                                                          client_id=str(command.cid)))
            self.orders[command.cid] = order.id
        elif isinstance(command, port.Cancel):
            self.exchange.cancel(self.exchange.orders[self.orders[command.cid]])
        elif isinstance(command, port.CancelAll):
            for order in list(self.exchange.open_orders[ACCOUNT].values()):
                self.exchange.cancel(order)
        elif isinstance(command, port.LookUp):
            if command.cid in self.orders:
                self.inbox(self._found(self.exchange.orders[self.orders[command.cid]]))
            else:
                self.inbox(port.Absent(cid=command.cid))
        self.tell()

    def _found(self, order) -> port.Found:
        ends = {State.FILLED: "filled", State.CANCELED: "canceled", State.EXPIRED: "expired", State.REJECTED: "rejected",
                State.DONE_FOR_DAY: "expired"}
        return port.Found(cid=int(order.client_id or 0), oid=order.id, state=ends.get(order.state, "live"), filled=order.filled,
                          ts=order.updated)

    def tell(self) -> None:
        """What happened at the exchange becomes facts."""
        events, self.exchange.changes.events = self.exchange.changes.events, []
        for event in events:
            order = event.order
            cid = int(order.client_id or 0)
            if event.kind == "accepted":
                self.inbox(port.Acknowledged(cid=cid, oid=order.id, ts=event.ts))
            elif event.kind in ("partial", "filled"):
                fill = event.fill
                leg = port.LegFill(contract=self.code[fill.symbol], trade=fill.id, lots=fill.side * fill.lots, price=fill.price, fee=fill.fee)
                self.inbox(port.Filled(cid=cid, oid=order.id, legs=(leg,), cumulative=event.filled, is_maker=not fill.is_taker, ts=event.ts))
            elif event.kind == "rejected":
                self.inbox(port.Rejected(cid=cid, reason=event.text, ts=event.ts))
            elif event.kind in ("canceled", "expired", "done for day"):
                state = "canceled" if event.kind == "canceled" else "expired"
                self.inbox(port.Ended(cid=cid, oid=order.id, state=state, filled=event.filled, reason=event.text, ts=event.ts))

    async def account(self) -> port.Account:
        statement = self.exchange.statement(ACCOUNT)
        return port.Account(positions={self.code[h.symbol]: h.lots for h in statement.holdings if h.lots}, cash=statement.cash,
                            open_orders=tuple(map(self._found, self.exchange.open_orders[ACCOUNT].values())), ts=self.exchange.now)

    async def caught_up(self, messages: int) -> None:
        """Everything is told at once here."""

    async def close(self) -> None:
        """Nothing to close."""

    async def moments(self) -> AsyncIterator[Moment]:
        """The feed: every timestamp of the tape, the next one when the last is done."""
        for number in count(1):
            if self.exchange.is_over:
                return
            first, last = self.exchange.step()
            self.tell()
            self.go.clear()
            yield Moment(tuple(self.events(first, last)), facts_due=0, barrier=number)
            await self.go.wait()

    async def done(self, moment: Moment) -> None:
        self.go.set()

    def events(self, first: int, last: int):
        """The events of a timestamp that the trader knows of."""
        events = self.tape.events
        for i in range(first, last):
            kind, ref = int(events["kind"][i]), int(events["ref"][i])
            row = self.index_rows.get(self.tape.indices[ref].code) if kind == Kind.PRINT else self.rows.get(self.tape.contracts[ref].code)
            if row is not None:
                yield Event(int(events["ts"][i]), int(events["ts_event"][i]), kind, row, *(
                    int(events[name][i]) for name in ("open", "high", "low", "close", "volume")))
