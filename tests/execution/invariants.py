# SPDX-License-Identifier: Apache-2.0
"""What must hold after any storm of faults: the global invariants of a live run against the exchange it ran on."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from kilohour.backtests.live import replayed
from kilohour.execution.journal import read
from kilohour.execution.orders import State
from kilohour.execution.sandbox.model import State as Venue
from tests.execution.papers import ACCOUNT


def check_invariants(folder: Path, exchange) -> None:
    """Orders, fills, positions, cash and the journal of a run that has come to rest."""
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
    intents = {record.body["cid"]: record.seq for record in read(folder) if record.kind == "intent"}
    for record in read(folder):                                                    # no send without an earlier intent
        if record.kind == "order" and record.body["cid"]:
            assert intents[record.body["cid"]] < record.seq
    check_risk(folder)


def check_risk(folder: Path) -> None:
    """At no record of the journal were more orders open, those that are UNKNOWN included, than the run's limits allow."""
    start, *records = read(folder)
    most = (start.body["risk"] or {}).get("open_orders") or float("inf")
    left: dict[int, dict[str, int]] = {}
    for record in records:
        body = record.body
        if record.kind == "intent":
            left[body["cid"]] = {code: ratio * body["units"] for code, ratio in body["legs"]}
        elif record.kind == "order" and State[body["state"]].is_over:
            left.pop(body["cid"], None)
        elif record.kind == "fill" and body["cid"] in left:
            for code, _, lots, _ in body["legs"]:
                left[body["cid"]][code] -= lots
            if not any(left[body["cid"]].values()):
                del left[body["cid"]]
        assert len(left) <= most
