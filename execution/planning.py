# SPDX-License-Identifier: Apache-2.0
"""What the engine wants to have working, and what the venue has: the difference becomes commands, cancels first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from kilohour.execution.booking import tell_engine
from kilohour.execution.orders import State, VenueOrder
from kilohour.execution.port import Legs, Native
from kilohour.execution.risk import Trading
from kilohour.kernels import records as r
from kilohour.kernels.words import KINDS
from kilohour.live import Event, Working
from kilohour.tape.schema import Kind
from kilohour.units import MISSING

if TYPE_CHECKING:
    from kilohour.execution.trader import Trader

LIVES = {r.GTC: "gtc", r.DAY: "day", r.IOC: "ioc", r.FOK: "fok", r.GTD: "gtc"}
IMMEDIATE = ("ioc", "fok")
TRIES = 4
MARKET_REACH_PPM = 100_000
"""How far from the last price a market order's limit lies where neither the product has a band nor the run a collar."""
HELD_BACK = (r.STOP, r.STOP_LIMIT, r.TRAILING_STOP, r.MARKET_IF_TOUCHED)
"""Kinds that wait here until their price was seen."""


def plan(trader: Trader, now: int) -> None:
    """Cancels what the engine gave up, then sends what it wants and the venue does not have."""
    working = {one.number: one for one in trader.session.working()}
    for order in trader.open_orders():
        if is_unwanted(trader, order, working.get(order.number)) and can_cancel(trader, order, now):
            trader.cancel(order, now)
    if trader.risk.trading == Trading.HALTED or trader.stop_all:
        return
    if trader.risk.may_wait():
        return
    for wanted in working.values():
        if wanted.origin == r.FROM_LIQUIDATION:  # the venue closes what its margin call wants closed: twice is too much
            continue
        stale = amended(trader, wanted)
        if stale is not None:
            if can_cancel(trader, stale, now):
                trader.amend(stale, wanted.size - wanted.filled + stale.filled, price_of(wanted), now)
        elif must_come_first(trader, wanted):
            return
        else:
            send_missing(trader, wanted, now)


def is_unwanted(trader: Trader, order: VenueOrder, wanted: Working | None) -> bool:
    """True when the engine no longer has the order, has it otherwise, trading is halted, or may only reduce and the order could do more."""
    if wanted is None or trader.risk.trading == Trading.HALTED or trader.stop_all:
        return True
    if order.place.life in IMMEDIATE:
        return False
    if trader.risk.trading == Trading.REDUCE_ONLY and not wanted.flags & r.REDUCE_ONLY and not all(
            is_covered(trader, code, lots) for code, lots in order.lots_at_risk.items()):
        return True
    if trader.extension == "replay":
        return order.is_fixed and not order.amends
    left = units_wanted(trader, wanted)
    return order.place.limit != limit_of(wanted) or any(
        abs(lots) > abs(ratio) * left for lots, (_, ratio) in zip(order.lots_at_risk.values(), order.place.legs, strict=True))


def can_cancel(trader: Trader, order: VenueOrder, now: int) -> bool:
    """A cancel is sent once, for an order that the venue is known to have or may have, while the rate allows."""
    return not order.pending_cancel and order.state in (State.LIVE, State.PARTIAL) and trader.risk.has_room(now, cancel=True)


def units_wanted(trader: Trader, wanted: Working) -> int:
    """Units that may work now: what is left; of a reduce-only order no more than what it can reduce."""
    left = wanted.units_left
    if wanted.flags & r.REDUCE_ONLY:
        for contract, ratio in zip(wanted.contracts, wanted.ratios, strict=True):
            held = trader.session.position(contract)
            left = min(left, abs(held) // abs(ratio) if (held > 0) != (ratio > 0) else 0)
    return left


def send_missing(trader: Trader, wanted: Working, now: int) -> None:
    """Sends what of an order the venue does not have; legs one by one where it takes no spreads."""
    if is_native(trader, wanted):
        send_native(trader, wanted, now)
        return
    progress = trader.progress_of(wanted)
    left = units_wanted(trader, wanted)
    if left <= 0 or wanted.kind in HELD_BACK or is_blocked(trader, wanted):
        return
    limit = limit_of(wanted)
    life = LIVES[wanted.life] if limit is not None or wanted.life == r.FOK else "ioc"
    if life in IMMEDIATE and progress.tried_at == trader.steps and not 0 < progress.tries < TRIES:
        return
    if trader.can_spread or len(progress.legs) == 1:
        parts = [(progress.legs, left)]
    else:
        parts = [(((code, 1 if ratio > 0 else -1),), abs(ratio) * (progress.counted + left) - abs(progress.lots.get(code, 0)))
                 for code, ratio in progress.legs]
    if progress.tried_at != trader.steps:
        progress.tried_at, progress.tries = trader.steps, 0
    for legs, units in parts:
        if units > 0:
            send(trader, wanted, legs, units, limit, life, now)


def amended(trader: Trader, wanted: Working) -> VenueOrder | None:
    """The order at the venue that does not have the engine's latest size and price: a sandbox that replays amends as the engine does."""
    progress = trader.progress.get(wanted.number)
    if trader.extension != "replay" or progress is None:
        return None
    return next((order for order in trader.open_of(wanted.number) if order.place.life not in IMMEDIATE
                 and order.version != progress.version), None)


def price_of(wanted: Working) -> int:
    """What an amendment calls the price of an order of its kind, micros."""
    if wanted.kind == r.LIMIT:
        return wanted.limit
    return wanted.distance if wanted.kind == r.TRAILING_STOP else wanted.trigger


def is_native(trader: Trader, wanted: Working) -> bool:
    """True for what a sandbox that replays a tape is asked for as it is: it meets bars as a backtest does, on a way that nobody here
    sees. Limits that stand alone are said in AX's own words."""
    if trader.extension != "replay":
        return False
    is_plain = wanted.kind == r.LIMIT and wanted.life in (r.GTC, r.DAY, r.IOC) and not wanted.flags & r.REDUCE_ONLY
    return not is_plain or bool(wanted.parent or wanted.group)


def parent_at_venue(trader: Trader, wanted: Working) -> VenueOrder | None:
    """The venue's order whose fills are to wake this one, as long as nothing of it has woken."""
    if wanted.parent == 0 or wanted.units > 0 or trader.progress_of(wanted).is_alone:
        return None
    return next(trader.open_of(wanted.parent), None)


def must_come_first(trader: Trader, wanted: Working) -> bool:
    """True while an answer is due before an order can go to a sandbox that replays: younger ones wait, for there too the older one
    comes first. The answer may be how the venue calls the parent."""
    if trader.extension != "replay" or has_own(trader, wanted):
        return False
    parent = parent_at_venue(trader, wanted)
    if parent is not None and (parent.oid == "" or parent.pending_cancel):
        return True
    return is_full(trader, wanted) or any(not order.is_kept for order in in_doubt(trader, wanted))


def is_full(trader: Trader, wanted: Working) -> bool:
    """True while one order more would be too many for the run's limits at the venue: one whose cancel nobody has confirmed may live. The
    gate has counted what the engine wants, not what it has given up; the legs of one order are one."""
    limits = trader.session.market.limits
    if limits is None or not (limits.open_orders or limits.open_notional):
        return False
    orders = trader.open_orders()
    if limits.open_orders and len({order.number for order in orders} | {wanted.number}) > limits.open_orders:
        return True
    return limits.open_notional > 0 and notional_with(trader, wanted, orders) > limits.open_notional


def notional_with(trader: Trader, wanted: Working, orders: Sequence[VenueOrder]) -> float:
    """Dollars of an order and of all that is at the venue, as the gate counts them; 0 where the engine has given up nothing of it."""
    working = {one.number: one for one in trader.session.working()}
    given_up = [order for order in orders if order.number not in working]
    if not given_up:
        return 0.0
    dollars = 0.0
    for order in given_up:
        is_limit = len(order.place.legs) == 1 and (order.place.native is None or order.place.native.kind in ("limit", "stop_limit"))
        for code, lots in order.lots_at_risk.items():
            dollars += notional(trader, trader.rows[code], lots, order.place.limit if is_limit else None)
    for number in {wanted.number, *(order.number for order in orders)} & working.keys():
        one = working[number]
        limit = limit_of(one) if len(one.contracts) == 1 else None
        for contract, ratio in zip(one.contracts, one.ratios, strict=True):
            dollars += notional(trader, contract, ratio * (one.size - one.filled), limit)
    return dollars


def notional(trader: Trader, row: int, lots: int, limit: int | None) -> float:
    """Dollars of lots of a contract, at a limit or at the value price."""
    price = trader.session.value_price(row) if limit is None else limit
    return float(abs(lots) * trader.session.desk["units_per_lot"][0][row] * abs(price) / 1e6)


def send_native(trader: Trader, wanted: Working, now: int) -> None:
    """Sends an order as it is; what sleeps here sleeps there, behind its parent."""
    progress, parent = trader.progress_of(wanted), parent_at_venue(trader, wanted)
    units = wanted.size - wanted.filled if parent is not None else wanted.units_left
    if units <= 0 or is_blocked(trader, wanted) or (progress.tried_at == trader.steps and not 0 < progress.tries < TRIES):
        return
    if progress.tried_at != trader.steps:
        progress.tried_at, progress.tries = trader.steps, 0
    native = Native(
        kind=KINDS[wanted.kind - 1], until=wanted.until if wanted.life == r.GTD else 0,
        trigger=wanted.trigger if wanted.kind in (r.STOP, r.STOP_LIMIT, r.MARKET_IF_TOUCHED) else None,
        distance=wanted.distance if wanted.kind == r.TRAILING_STOP else None, reduce_only=bool(wanted.flags & r.REDUCE_ONLY),
        group=wanted.group, parent="" if parent is None else parent.oid)
    limit = limit_of(wanted)
    send(trader, wanted, progress.legs, units, 0 if limit is None else limit, "gtd" if wanted.life == r.GTD else LIVES[wanted.life], now,
         native)


def is_blocked(trader: Trader, wanted: Working) -> bool:
    """True while the venue has it already, has as many as it may have, or something on its contracts is in doubt."""
    return has_own(trader, wanted) or is_full(trader, wanted) or any(in_doubt(trader, wanted))


def has_own(trader: Trader, wanted: Working) -> bool:
    """True while the venue has the order or may have it, or owes fills of it."""
    return trader.has_unfinished(wanted.number)


def in_doubt(trader: Trader, wanted: Working) -> Iterator[VenueOrder]:
    """Orders on its contracts that are being cancelled, are UNKNOWN, or are over with fills that nobody told: what is held is not known."""
    codes = {trader.codes[contract] for contract in wanted.contracts}
    return (order for order in trader.unfinished() if (order.pending_cancel or order.state == State.UNKNOWN or not order.is_open)
            and codes & {code for code, _ in order.place.legs})


def send(trader: Trader, wanted: Working, legs: Legs, units: int, limit: int | None, life: str, now: int,
         native: Native | None = None) -> None:  # fmt: skip
    """One order through the run-time controls: sent, put off for the rate, or denied."""
    if not trader.risk.has_room(now, cancel=False):
        trader.progress[wanted.number].tried_at = -1
        return
    reduces = trader.risk.trading == Trading.REDUCE_ONLY and only_reduces(trader, wanted, legs, units)
    code, why = trader.risk.refusal(now, reduces=reduces)
    if limit is None:
        limit = collar(trader, legs)
    post_only = bool(wanted.flags & r.POST_ONLY)
    if trader.is_dry:
        code, why = int(r.DRY_RUN), "dry run: nothing is sent"
    if code or limit is None:
        deny(trader, wanted, code or int(r.NO_PRICE), why or "no price to put a limit to", now)
        return
    trader.make(wanted.number, legs, units, limit, life, post_only, now, native)


def only_reduces(trader: Trader, wanted: Working, legs: Legs, units: int) -> bool:
    """True when what is held covers every leg, together with what is at the venue on its side; reduce-only orders see to themselves."""
    if wanted.flags & r.REDUCE_ONLY:
        return True
    capped = {one.number for one in trader.session.working() if one.flags & r.REDUCE_ONLY}
    beside = [order.lots_at_risk for order in trader.unfinished() if order.number not in capped]
    return all(is_covered(trader, code, ratio * units, sum(abs(lots[code]) for lots in beside if lots.get(code, 0) * ratio > 0))
               for code, ratio in legs)


def is_covered(trader: Trader, code: str, lots: int, beside: int = 0) -> bool:
    """True when so many lots to trade, and those ``beside`` them, make what is held smaller and do not turn it."""
    held = trader.session.position(trader.rows[code])
    return held * lots < 0 and abs(lots) + beside <= abs(held)


def deny(trader: Trader, wanted: Working, code: int, why: str, now: int) -> None:
    """An order that is not sent; the engine hears of it, with the gate's code."""
    from kilohour.execution.port import Place

    trader.record("deny", number=wanted.number, code=r.CODES[code - 1], why=why)
    place = Place(cid=0, legs=trader.progress[wanted.number].legs, units=wanted.units_left, limit=0, life="ioc")
    tell_engine(trader, VenueOrder(wanted.number, place, now, State.DENIED, ended_by=why), code)


def limit_of(wanted: Working) -> int | None:
    """The limit to work with; None for what trades at the market."""
    return wanted.limit if wanted.kind in (r.LIMIT, r.STOP_LIMIT) else None


def collar(trader: Trader, legs: Sequence[tuple[str, int]]) -> int | None:
    """The limit that stands for the market: so far beyond each leg's price that it fills, and no farther than :func:`edge_of`."""
    rows = [(trader.rows[code], ratio) for code, ratio in legs]
    if any(trader.session.desk["seen_at"][0][row] < 0 for row, _ in rows):
        return None
    return sum((ratio if len(legs) > 1 else 1) * edge_of(trader, row, 1 if ratio > 0 else -1) for row, ratio in rows)


def edge_of(trader: Trader, row: int, side: int) -> int:
    """The farthest price of a leg: the nearer of the venue's band and the run's collar, without either ``MARKET_REACH_PPM``."""
    term, limits, value = trader.session.market.terms[row], trader.session.market.limits, trader.session.value_price(row)
    mark, tick, band = int(trader.session.book["mark"][0][row]), int(term["tick"]), int(term["band_ppm"])
    prior = mark if mark != MISSING else value
    reaches = [(prior, abs(prior) * band // 1_000_000)] if band else []
    if limits is not None and limits.collar_percent:
        reaches.append((value, abs(value) * round(limits.collar_percent * 10_000) // 1_000_000))
    if limits is not None and limits.collar_ticks:
        reaches.append((value, limits.collar_ticks * tick))
    if not reaches:
        reaches = [(value, abs(value) * MARKET_REACH_PPM // 1_000_000)]
    edge = side * min(side * around + reach for around, reach in reaches)
    return edge // tick * tick if side > 0 else -(-edge // tick) * tick


def note_triggers(trader: Trader, events: Sequence[Event]) -> None:
    """Orders that wait here for a price: what the bars of this timestamp have reached goes to the market, or to its limit.

    A trailing stop's level follows the extremes of the bars, after it was held against them: within a bar it is not known
    which came first.
    """
    waiting = [wanted for wanted in trader.session.working() if wanted.kind in HELD_BACK and wanted.units_left > 0
               and len(wanted.contracts) == 1 and not is_native(trader, wanted)]
    bars = {event.ref: event for event in events if event.kind == Kind.BAR} if waiting else {}
    for wanted in waiting:
        bar = bars.get(wanted.contracts[0])
        if bar is None or wanted.number not in trader.progress:  # accepted in this step: it looks from the next bar on
            continue
        rises = (wanted.ratios[0] > 0) != (wanted.kind == r.MARKET_IF_TOUCHED)
        level = trader.session.trigger_of(wanted.number)
        if bar.high >= level if rises else bar.low <= level:
            trader.session.trigger(wanted.number)
        elif wanted.kind == r.TRAILING_STOP:
            follows = min(level, bar.low + wanted.distance) if rises else max(level, bar.high - wanted.distance)
            trader.session.set_trigger(wanted.number, follows)

