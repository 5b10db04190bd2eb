# SPDX-License-Identifier: Apache-2.0
"""Facts of a venue enter the orders and the books: each trade once, counts only grow, what ended stays ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kilohour.execution.orders import ENDS, State, VenueOrder
from kilohour.execution.port import (
    MARGIN_CALLED,
    Absent,
    Acknowledged,
    Amended,
    AmendRefused,
    CancelRefused,
    Ended,
    Fact,
    Filled,
    Found,
    LegFill,
    LookUp,
    Rejected,
    Triggered,
    Unsure,
)
from kilohour.kernels import records as r
from kilohour.units import MISSING, divide_half_even

if TYPE_CHECKING:
    from kilohour.execution.trader import Trader

NOT_LISTED = "NOT_LISTED"
"""The sandbox's word for an order that ended with its contract."""
VENUE_ENDED = "VENUE"
"""The sandbox's word for an order that its own rules ended: one of a pair, or one that had nothing left to reduce."""
AGAIN_BY = (State.CANCELED, State.EXPIRED)
"""Ends after which an order of the engine that still wants to trade is sent again."""


def enter(trader: Trader, fact: Fact, now: int) -> None:
    """One fact about one order or trade."""
    if isinstance(fact, Filled):
        enter_fill(trader, fact)
        return
    oid = fact.oid if isinstance(fact, Acknowledged | Triggered | Ended | Found) else ""
    order = trader.order_of(getattr(fact, "cid", 0), oid)
    if order is None:
        see_foreign(trader, type(fact).__name__, oid)
        return
    before = order.state
    if isinstance(fact, Acknowledged):
        order.acknowledged(fact.oid)
    elif isinstance(fact, Triggered):
        order.acknowledged(fact.oid)
        trader.session.trigger(order.number)
    elif isinstance(fact, Unsure):
        order.unsure()
    elif isinstance(fact, Rejected):
        if order.state <= State.UNKNOWN:  # what the venue has shown to live was not refused: the answer is of another attempt
            order.end(State.REJECTED, fact.reason or "rejected")
    elif isinstance(fact, Ended):
        order.oid = order.oid or fact.oid
        if fact.filled is not None:
            order.told_filled(fact.filled)
        order.end(ENDS[fact.state], fact.reason or fact.state)
    elif isinstance(fact, Found):
        found(order, fact)
        if fact.is_triggered:
            trader.session.trigger(order.number)
    elif isinstance(fact, Absent):
        if order.state == State.UNKNOWN and now - order.made_at >= trader.limits.nanos("absence_seconds"):
            order.end(State.REJECTED, "absent")
    elif isinstance(fact, Amended):
        order.amended(fact.oid, fact.units)
    elif isinstance(fact, AmendRefused):
        order.amend_refused()
    elif isinstance(fact, CancelRefused):
        order.cancel_refused(now)
        if order.is_open:
            trader.ask(LookUp(cid=order.place.cid))
    if order.state != before:
        trader.record("order", cid=order.place.cid, state=order.state.name, why=order.ended_by)
    check_order(trader, order)


def found(order: VenueOrder, fact: Found) -> None:
    """What a question brought: never less than is known."""
    order.told_filled(fact.filled)
    if fact.state == "live":
        order.acknowledged(fact.oid)
        order.is_kept = order.pending_cancel and order.is_refused
    else:
        order.oid = order.oid or fact.oid
        order.end(ENDS[fact.state], fact.state)


def check_order(trader: Trader, order: VenueOrder) -> None:
    """More filled than ordered stops all trading; the end of an order reaches the engine once its fills are booked."""
    trader.note_owing(order)
    if order.is_overfilled:
        trader.halt(f"order {order.place.cid} filled {max(order.filled, order.cumulative)} of {order.place.units} units")
    if order.state.is_over and not order.owes_fills and not order.engine_knows:
        order.engine_knows = True
        tell_engine(trader, order)


def tell_engine(trader: Trader, order: VenueOrder, code: int = 0) -> None:
    """What the end of a venue's order means to the order of the engine; ``code``: why our own controls denied it."""
    working = {one.number: one for one in trader.session.working()}.get(order.number)
    if working is None:
        return
    if order.ended_by == MARGIN_CALLED:
        end_engine(trader, order.number, int(r.MARGIN_CALL))
        return
    refused = order.state in (State.REJECTED, State.DENIED)
    if order.state == State.REJECTED and not order.was_live and order.place.native is not None and order.place.native.parent:
        progress = trader.progress[order.number]  # the parent may have ended on the way: from now on it is sent as that has filled
        progress.is_alone, progress.tries = True, progress.tries + 1
        return
    if refused and order.ended_by != "absent" and order.filled == 0 and working.filled == 0:
        code = code or int(r.RESTS if order.place.post_only else r.REJECTED)
        trader.session.refuse(order.number, code, trader.session.now)
        return
    if order.state == State.CANCELED and order.cancel_at == 0:
        trader.progress[order.number].tries += 1
    if order.place.native is not None and order.cancel_at == 0 and (order.ended_by == VENUE_ENDED or order.state == State.EXPIRED):
        status = r.CANCELLED if order.state == State.CANCELED else r.EXPIRED if order.ended_by == NOT_LISTED else r.LAPSED
        end_engine(trader, order.number, int(status))
        return
    if trader.stop_all and order.cancel_at:  # the run is over: how its orders stood is left as it was
        return
    stays = order.state in AGAIN_BY and working.life in (r.GTC, r.DAY, r.GTD)
    if order.state == State.FILLED or (stays and not _venue_ended_resting(working.kind, order)):
        return
    lapsed = r.EXPIRED if order.ended_by == NOT_LISTED else r.LAPSED
    end_engine(trader, order.number, int(lapsed if order.state == State.EXPIRED else r.CANCELLED))


def _venue_ended_resting(kind: int, order: VenueOrder) -> bool:
    """True when the venue ended a resting limit order that nobody here cancelled."""
    return kind == r.LIMIT and order.place.life not in ("ioc", "fok") and order.cancel_at == 0 and order.place.native is None


def end_engine(trader: Trader, number: int, status: int) -> None:
    """Ends an order of the engine."""
    trader.session.end(number, status, trader.session.now)


def enter_fill(trader: Trader, fact: Filled) -> None:
    """A fill with its legs, each trade once."""
    order = trader.order_of(fact.cid, fact.oid)
    for leg in fact.legs:
        correct_fee(trader, leg, fact.ts)
    fresh = trader.trades.new_legs(fact)
    if not fresh:
        return
    if fact.oid:  # an adjustment of our own has none
        trader.filled_at = max(trader.filled_at, fact.ts)
    number = order.number if order is not None else liquidation_of(trader, fresh[0]) if fact.is_liquidation else 0
    if number == 0:
        trader.foreign_fills += 1
    for leg in fresh:
        book_leg(trader, number, leg, fact.is_maker, fact.ts)
    trader.record("fill", number=number, cid=fact.cid, legs=[[leg.contract, leg.trade, leg.lots, leg.price] for leg in fresh],
                  ts=fact.ts, cash=trader.cash())
    if order is None:
        if number > 0:
            count_units(trader, number, fact.ts)
        return
    was_over = number not in {one.number for one in trader.session.working()}
    order.fill(fresh)
    if fact.cumulative is not None:
        order.told_filled(fact.cumulative)
    if was_over:
        drop_stale(trader, [leg.contract for leg in fresh])
    else:
        count_units(trader, number, fact.ts)
    check_order(trader, order)


def liquidation_of(trader: Trader, leg: LegFill) -> int:
    """The engine's own order for what a margin call closes, which is never sent; -1 when our margin called for none."""
    row = trader.rows.get(leg.contract, -1)
    for working in trader.session.working():
        ratios = dict(zip(working.contracts, working.ratios, strict=True))
        if working.origin == r.FROM_LIQUIDATION and ratios.get(row, 0) * leg.lots > 0:
            trader.progress_of(working)
            return working.number
    return -1


def book_leg(trader: Trader, number: int, leg: LegFill, is_maker: bool, ts: int) -> None:
    """One leg's lots, cash and fee."""
    session, row = trader.session, trader.rows.get(leg.contract)
    if row is None:
        book_elsewhere(trader, number, leg)
        return
    before = session.fees
    reference = trader.opens.get(row) if leg.cost is None else price_without(trader, row, leg, leg.cost)
    session.book_fill(number, row, leg.lots, leg.price, ts, fee=MISSING if leg.fee is None else leg.fee, maker=is_maker,
                      reference=reference)
    trader.trades.note_fee(leg.contract, leg.trade, leg.lots, session.fees - before)
    progress = trader.progress.get(number)
    if progress is not None:
        progress.lots[leg.contract] = progress.lots.get(leg.contract, 0) + leg.lots


def book_elsewhere(trader: Trader, number: int, leg: LegFill) -> None:
    """A fill in what this run does not trade: another's on the same account moves what the account is expected to hold there."""
    if number:
        trader.halt(f"a fill of {leg.contract}, which this run does not trade, for an order of its own")
        return
    trader.accepted[leg.contract] = trader.accepted.get(leg.contract, 0) + leg.lots


def price_without(trader: Trader, row: int, leg: LegFill, cost: int) -> int:
    """The price that a fill would have had without what taking cost."""
    term = trader.session.market.terms[row]
    each = divide_half_even(cost * int(term["lot_den"]), abs(leg.lots) * int(term["lot_num"]))
    return leg.price - (each if leg.lots > 0 else -each)


def count_units(trader: Trader, number: int, ts: int) -> None:
    """Tells the engine of whole units: those of which every leg has filled."""
    progress = trader.progress[number]
    whole = min(abs(progress.lots.get(code, 0)) // abs(ratio) for code, ratio in progress.legs)
    if whole > progress.counted:
        units, progress.counted = whole - progress.counted, whole
        trader.session.count_units(number, units, ts)


def drop_stale(trader: Trader, contracts: list[str]) -> None:
    """An order that the engine had given up filled after all: targets on its contracts that wait to be sent were
    worked out without it, so they are dropped and the strategy decides anew at its next bar."""
    touched = {trader.rows[code] for code in contracts if code in trader.rows}
    sent = {order.number for order in trader.open_orders()}
    for working in trader.session.working():
        if working.origin == r.FROM_TARGET and working.number not in sent and touched & set(working.contracts):
            end_engine(trader, working.number, int(r.REPLACED))


def see_foreign(trader: Trader, what: str, oid: str) -> None:
    """Somebody else's order on our account: counted once, and left alone."""
    if oid and oid not in trader.foreign:
        trader.foreign[oid] = None
        trader.record("foreign", what=what, oid=oid)


def correct_fee(trader: Trader, leg: LegFill, ts: int) -> None:
    """The venue's own fee of a trade that was booked before: the difference is booked now."""
    booked = trader.trades.fee_of(leg.contract, leg.trade, leg.lots)
    if leg.fee is None or booked is None or booked == leg.fee or leg.contract not in trader.rows:
        return
    trader.session.correct_fee(trader.rows[leg.contract], leg.fee - booked, max(ts, trader.session.now))
    trader.trades.note_fee(leg.contract, leg.trade, leg.lots, leg.fee)
    trader.record("fee", contract=leg.contract, trade=leg.trade, booked=booked, fee=leg.fee)
