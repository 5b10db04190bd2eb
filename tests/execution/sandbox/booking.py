# SPDX-License-Identifier: Apache-2.0
"""A small book exchange for tests, and a language in which a trader can read what happens on it.

A line is a command, and behind ``->`` what came of it, in order::

    one buy 5 @ 2.50                      -> a1 rests 5 @ 2.5
    two sell 3 @ 2.40                     -> a2 accepted; a1 +3 @ 2.5 maker; a2 -3 @ 2.5 taker filled

Orders are called a1, a2 ... in the order in which they were placed. A command is an account, buy or sell, lots, and then words: ``@ price``, ``market``, ``ioc``,
``fok``, ``day``, ``post``, ``reduce``, ``on SYMBOL``; or ``cancel a1``, ``replace a1 lots @ price``, ``halt``, ``suspend``, ``resume``, ``preopen``, ``closing``, ``close``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kilohour.contracts.contract import NEVER, Contract
from kilohour.execution.sandbox.exchange import BookExchange
from kilohour.execution.sandbox.market import open_market
from kilohour.execution.sandbox.model import NewOrder, OrderEvent, Reason, Session
from kilohour.execution.sandbox.wire import decimal, micros_of
from kilohour.tape.builder import TapeBuilder
from kilohour.tape.schema import Index
from kilohour.units import NANOS_PER_DAY
from tests.backtests.tapes import FIRST, sim_tape

NEAR, FAR = "SIM-H100-2030-JAN", "SIM-H100-2030-FEB"
NOON = (FIRST + 10) * NANOS_PER_DAY + NANOS_PER_DAY // 2
WORDS = {
    "accepted": "accepted", "filled": "filled", "canceled": "cancelled", "rejected": "refused", "expired": "expired",
    "replaced": "replaced", "done for day": "done for day",
}  # fmt: skip


def small_exchange(
    cash: int = 10**12, accounts: tuple[str, ...] = ("one", "two", "three"), *, days: int = 40, **named: Any
) -> BookExchange:
    """Two contracts of SIM:H100, opened at noon of the eleventh day, without bots."""
    return open_market(sim_tape(days), accounts, cash, NOON, 7, **named)


def full_exchange(days: int = 40) -> BookExchange:
    """A contract of SIM:H100 at 2.00 on an index of 2.00, and the perpetual that an index brings with it."""
    builder = TapeBuilder(source="one contract and its index")
    index = builder.index(Index(code="SIM-H100", unit="USD per GPU-hour"))
    at, closes = np.arange(FIRST, FIRST + days) * NANOS_PER_DAY, np.full(days, 2_000_000)
    hour = NANOS_PER_DAY // 24
    builder.prints(index, np.arange(FIRST, FIRST + days), at + 13 * hour, closes)
    ref = builder.contract(Contract(code="SIM:H100-2030-01", product="SIM:H100", symbol="SIM:H100-2030-01", month=203001, listed_at=0,
                                    last_trade_at=NEVER, settlement_at=NEVER, fixing_days=(), rule="by hand"))  # fmt: skip
    builder.bars(ref, at + 20 * hour, closes, closes, closes, closes, np.full(days, 100))
    builder.marks(ref, at + 20 * hour, closes)
    return open_market(builder.build(), ["one", "two"], 10**12, NOON, 7)


class Table:
    """Plays a script on an exchange."""

    def __init__(self, exchange: BookExchange) -> None:
        self.exchange = exchange
        self.names: dict[int, str] = {}
        self.orders: dict[str, Any] = {}

    def play(self, script: str) -> None:
        for line in filter(None, (line.strip() for line in script.splitlines())):
            command, _, expected = (part.strip() for part in line.partition("->"))
            self.exchange.take_changes()
            told = self.do(command.split())
            found = "; ".join([*told, *(self.say(event) for event in self.exchange.take_changes().events)])
            assert found == expected, f"{command}\n  found    {found}\n  expected {expected}"

    def do(self, words: list[str]) -> list[str]:
        each = self.exchange.listing.by_symbol[NEAR]
        sessions = {"halt": Session.HALTED, "resume": Session.OPEN, "preopen": Session.PRE_OPEN, "close": Session.CLOSED,
                    "closing": Session.CLOSING, "suspend": Session.SUSPENDED}  # fmt: skip
        if words[0] in sessions:
            self.exchange.set_session(each, sessions[words[0]])
            return []
        if words[0] == "cancel":
            reason = self.exchange.cancel(self.orders[words[1]])
            return [] if reason is None else [reason.value]
        if words[0] == "replace":
            done = self.exchange.replace(self.orders[words[1]], lots=int(words[2]), price=micros_of(words[4]))
            if isinstance(done, Reason):
                return [done.value]
            self.orders[words[1]] = done
            return []
        rest = words[3:]
        new = NewOrder(
            symbol=rest[rest.index("on") + 1] if "on" in rest else NEAR, side=1 if words[1] == "buy" else -1, lots=int(words[2]),
            price=micros_of(rest[rest.index("@") + 1]) if "@" in rest else None, kind="market" if "market" in rest else "limit",
            life=next((w.upper() for w in ("ioc", "fok", "day") if w in rest), "GTC"), post_only="post" in rest, reduce_only="reduce" in rest)  # fmt: skip
        self.names[self.exchange.order_count + 1] = f"a{len(self.names) + 1}"
        order = self.exchange.place(words[0], new)
        self.orders[self.names[order.number]] = order
        return []

    def say(self, event: OrderEvent) -> str:
        name = self.names[event.order.number]
        if event.fill is not None:
            fill = event.fill
            lots = f"{'+' if fill.side > 0 else '-'}{fill.lots} @ {decimal(fill.price)} {'taker' if fill.is_taker else 'maker'}"
            leg = "" if fill.symbol == event.order.symbol else f" {fill.symbol[-3:]}"
            return f"{name} {lots}{leg}{' filled' if event.kind == 'filled' else ''}"
        why = f": {event.text}" if event.kind in ("canceled", "rejected", "expired", "done for day") else ""
        return f"{name} {WORDS[event.kind]}{why}"
