# SPDX-License-Identifier: Apache-2.0
"""The venue's account against the run's books: orders, positions and cash, all the time, and what the operator accepts of it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from kilohour.execution.booking import enter, enter_fill, see_foreign
from kilohour.execution.orders import State
from kilohour.execution.port import Account, Filled, LegFill, LookUpFills
from kilohour.execution.risk import Trading
from kilohour.units import micros

if TYPE_CHECKING:
    from kilohour.execution.trader import Trader


def compare(trader: Trader, account: Account, now: int) -> None:
    """Orders, positions and cash of the venue against ours. Twice apart with nothing in flight, trading stops."""
    for seen in account.open_orders:
        order = trader.order_of(seen.cid, seen.oid)
        if order is None:
            see_foreign(trader, "Account", seen.oid)
        else:
            enter(trader, seen, now)
    listed = {seen.cid for seen in account.open_orders} | {seen.oid for seen in account.open_orders}
    for order in trader.open_orders():
        gone = order.place.cid not in listed and order.oid not in listed
        if gone and order.state in (State.LIVE, State.PARTIAL) and order.looked_at < account.ts:
            order.state, order.looked_at = State.UNKNOWN, 0  # what became of it is asked next; it counts in full until then
    ours = {**trader.accepted, **trader.positions()}
    differs = {code: (ours.get(code, 0), account.positions.get(code, 0)) for code in sorted({*ours, *account.positions})
               if ours.get(code, 0) != account.positions.get(code, 0)}
    cash = trader.compares_cash and account.cash is not None and account.cash != trader.cash()
    in_flight = any(order.state in (State.SENT, State.UNKNOWN) or order.owes_fills for order in trader.unfinished())
    if not differs and not cash:
        trader.mismatches, trader.risk.is_reconciled = 0, not trader.unknown()
        if not in_flight:
            look_at_cash(trader, account)
        return
    trader.mismatches += 1
    trader.record("mismatch", positions={code: list(pair) for code, pair in differs.items()}, cash=[trader.cash(), account.cash])
    trader.ask(LookUpFills())
    if trader.mismatches >= 2 and not in_flight and trader.risk.is_reconciled:
        trader.raise_to(Trading.REDUCE_ONLY, f"the account differs: {differs or 'cash'}")


def look_at_cash(trader: Trader, account: Account) -> None:
    """An account that is not the run's alone: its cash is the run's and some more, which deposits, others' trades and what the venue
    books at another moment move. Each move is told once; one beyond ``cash_apart`` stops what opens until the operator accepts it."""
    if trader.compares_cash or account.cash is None:
        return
    apart, before = account.cash - trader.cash(), trader.cash_apart
    if apart == before:
        return
    trader.cash_apart = apart
    trader.record("cash", ours=trader.cash(), venue=account.cash, moved=None if before is None else apart - before)
    if trader.cash_accepted is None:
        trader.cash_accepted = apart
    moved, most = apart - trader.cash_accepted, trader.limits.cash_apart
    if most and abs(moved) > micros(most):
        trader.raise_to(Trading.REDUCE_ONLY, f"the account's cash moved by {moved / 1e6:,.2f} USD that this run did not book")


def adopt(trader: Trader, account: Account) -> None:
    """The operator accepts the venue's positions: each difference becomes a fill at the last value price, under a number that
    is the same in every replay, and another one for a difference that comes back after it was accepted. What this run does not
    trade it cannot book: there the venue's lots are what is expected from now on. So is its cash."""
    trader.accepted.clear()
    for code in sorted({*trader.positions(), *account.positions}):
        lots = account.positions.get(code, 0) - trader.positions().get(code, 0)
        row = trader.rows.get(code)
        if row is None:
            trader.accepted[code] = lots
        if lots == 0 or row is None:
            continue
        trade = _adjustment(trader, code, lots, account.positions.get(code, 0))
        leg = LegFill(contract=code, trade=trade, lots=lots, price=trader.session.value_price(row), fee=0)
        enter_fill(trader, Filled(cid=0, oid="", legs=(leg,), cumulative=None, is_maker=False, ts=max(account.ts, trader.session.now)))
    trader.risk.is_reconciled, trader.mismatches = True, 0
    trader.cash_apart = trader.cash_accepted = None if account.cash is None else account.cash - trader.cash()


def _adjustment(trader: Trader, code: str, lots: int, held: int) -> str:
    """The first number of such a difference that is not booked: under one that is, it would count as told before and move nothing."""
    trade, again = "", 0
    while not trade or trader.trades.knows(code, trade, lots):
        text = f"{code}|{lots}|{held}" + (f"|{again}" if again else "")
        trade, again = "adjust-" + hashlib.blake2b(text.encode(), digest_size=8).hexdigest(), again + 1
    return trade
