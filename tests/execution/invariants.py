# SPDX-License-Identifier: Apache-2.0
"""What must hold after any storm of faults: the global invariants of a live run against the exchange it ran on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import inf
from pathlib import Path
from typing import Any

from kilohour.backtests.live import replayed
from kilohour.execution.journal import Record, read
from kilohour.execution.orders import State
from kilohour.execution.sandbox.model import State as Venue
from tests.execution.papers import ACCOUNT


def check_invariants(folder: Path, exchange) -> Any:
    """Orders, fills, positions, cash and the journal of a run that has come to rest; the trader of its replay."""
    trader, apart = replayed(folder)
    assert apart is None, apart                                                    # replaying the journal gives the same state
    orders = [order for order in exchange.history(ACCOUNT) if order.client_id and order.state is not Venue.REPLACED]  # it goes on by itself
    sent = Counter(order.client_id for order in orders)
    assert not sent or max(sent.values()) == 1                                     # one venue order an intent
    assert set(map(int, sent)) <= set(trader.orders)                               # nothing sent that was not written down before
    assert not [o for o in trader.orders.values() if o.state in (State.SENT, State.UNKNOWN)]   # after quiescence nothing is unknown
    for venue_order in orders:
        assert trader.orders[int(venue_order.client_id)].filled == venue_order.filled          # our count is the venue's
    assert len(trader.trades) == len(exchange.fills[ACCOUNT])                      # no fill lost, none twice
    statement = exchange.statement(ACCOUNT)
    codes = {each.symbol: each.contract.code for each in exchange.listing.outrights}
    assert trader.positions() == {codes[h.symbol]: h.lots for h in statement.holdings if h.lots}
    assert trader.cash() == statement.cash                                         # to the micro
    assert not exchange.open_orders[ACCOUNT]
    records = read(folder)
    intents = {record.body["cid"]: record.seq for record in records if record.kind == "intent"}
    for record in records:                                                         # no send without an earlier intent
        if record.kind == "order" and record.body["cid"]:
            assert intents[record.body["cid"]] < record.seq
    check_risk(records)
    check_committed(trader)
    return trader


def check_committed(trader) -> None:
    """What the gate counts as still to fill is what the working orders have left, leg by leg: nothing is left over of one that ended."""
    left: Counter[int] = Counter()
    for order in trader.session.working():
        progress = trader.progress.get(order.number)
        for row, ratio in zip(order.contracts, order.ratios, strict=True):
            filled = progress.lots.get(trader.codes[row], 0) if progress else 0
            left[row] += ratio * order.units - filled
    desk = trader.session.desk[0]
    for row, code in enumerate(trader.codes):
        assert int(desk["on_target"][row] + desk["on_order"][row]) == left[row], code


def check_risk(journal: Sequence[Record]) -> None:
    """At every record of the journal: the worst that may be open, live and UNKNOWN, is within the run's limits."""
    start, *records = journal
    limits = start.body["risk"] or {}
    risk = OpenRisk(limits.get("open_orders") or inf, limits.get("position_lots") or inf)
    for record in records:
        risk.see(record.kind, record.body)
        risk.check(record.seq, is_new=record.kind == "intent")


class OpenRisk:
    """What a run may come to hold, by what its journal says alone: every order at its full rest from its intent until it is over.

    An order that the venue had said it does not know and then shows after all is beyond anybody's limit: it is counted from there on,
    and what it breaks must not be added to.
    """

    def __init__(self, orders: float, lots: float) -> None:
        self.most_orders, self.most_lots = orders, lots
        self.rest: dict[int, dict[str, int]] = {}
        self.open: set[int] = set()
        self.late: set[int] = set()
        self.held: Counter[str] = Counter()

    def see(self, kind: str, body: dict[str, Any]) -> None:
        cid = body.get("cid")
        if kind == "intent":
            self.rest[cid] = {code: ratio * body["units"] for code, ratio in body["legs"]}
            self.open.add(cid)
        elif kind == "order" and cid in self.rest:
            if State[body["state"]].is_over:
                self.open.discard(cid)
                self.late.discard(cid)
            elif cid not in self.open:
                self.open.add(cid)
                self.late.add(cid)
        elif kind == "fill":
            for code, _, lots, _ in body["legs"]:
                self.held[code] += lots
                if cid in self.rest:
                    self.rest[cid][code] -= lots

    def check(self, seq: int, *, is_new: bool) -> None:
        if self.late and not is_new:
            return
        rests = [self.rest[cid] for cid in self.open if any(self.rest[cid].values())]
        assert len(rests) <= self.most_orders, f"record {seq}: {len(rests)} orders open, {self.most_orders} allowed"
        for code in {*self.held, *(code for rest in rests for code in rest)}:
            for side in (1, -1):
                worst = self.held[code] * side + sum(max(rest.get(code, 0) * side, 0) for rest in rests)
                assert worst <= self.most_lots, f"record {seq}: {code} may come to {worst} lots, {self.most_lots} allowed"
