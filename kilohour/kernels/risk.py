# SPDX-License-Identifier: Apache-2.0
"""A risk desk's limits: what they refuse, and what a loss does. Rules: docs/engine.md, "Risk limits".

Compiled only for runs with limits. Amounts are floats of dollars and units: they decide and record nothing.
"""

from __future__ import annotations

from kilohour.kernels.compiling import inner
from kilohour.kernels.gate import lots_committed, plain_order
from kilohour.kernels.integers import share_half_even
from kilohour.kernels.memory import copy_record
from kilohour.kernels.output import write_order
from kilohour.kernels.records import (
    ACTIVE,
    ADDED,
    ASKED,
    COLLAR,
    DUPLICATE,
    FROM_LIQUIDATION,
    FROM_RISK,
    GROSS_UNITS,
    HALTED,
    IS_HALTED,
    LIMIT,
    MARKET,
    NEAR_EXPIRY,
    NET_UNITS,
    ONLY_REDUCING,
    OPEN_NOTIONAL,
    OPEN_ORDERS,
    ORDER_LOTS,
    ORDER_NOTIONAL,
    ORDER_RATE,
    ORDERS,
    POSITION_LOTS,
    RATE_RING,
    REDUCE_ONLY,
    REDUCING,
    RESTRICTED,
    RISK_STOP,
    SELF_MATCH,
    STOP_LIMIT,
    WORKING,
    ZERO,
)
from kilohour.kernels.working import end_order, leave, start_legs, sweep_orders

SECOND, MINUTE, NANOS_PER_DAY = 1_000_000_000, 60_000_000_000, 86_400_000_000_000


@inner
def notional_of(book, desk, order, units):
    """Dollars of so many units of an order: an outright limit at its limit, everything else at value prices."""
    dollars = 0.0
    for leg in range(order.legs):
        contract = order.contract[leg]
        price = book.value_price[contract]
        if order.legs == 1 and (order.kind == LIMIT or order.kind == STOP_LIMIT):
            price = order.limit
        dollars += abs(order.ratio[leg]) * units * desk.units_per_lot[contract] * abs(price) / 1e6
    return dollars


@inner
def open_notional(book, desk, order):
    """Dollars of everything working and asleep, and of this order."""
    dollars = notional_of(book, desk, order, order.size - order.filled)
    for slot in range(book.orders_working):
        other = book.order[slot]
        if other.number != order.number:
            dollars += notional_of(book, desk, other, other.size - other.filled)
    return dollars


@inner
def product_units(desk, order, product):
    """Units of a product held once everything working and this order have filled: gross and net."""
    gross, net = 0.0, 0.0
    for contract in range(desk.contract_count):
        if desk.product_of[contract] == product:
            lots = lots_committed(desk, contract)
            for leg in range(order.legs):
                if order.contract[leg] == contract:
                    lots += order.ratio[leg] * (order.size - order.filled)
            gross += abs(lots) * desk.units_per_lot[contract]
            net += lots * desk.units_per_lot[contract]
    return gross, abs(net)


@inner
def is_too_fast(guard, now, most, span):
    """True when ``most`` orders have gone within the time before now."""
    return most > 0 and guard.sent >= most and now - guard.sent_at[(guard.sent - most) % RATE_RING] < span


@inner
def is_asked_again(guard, now, order):
    """True when the same legs, lots, kind and prices were asked for within the time of the detector."""
    for back in range(1, min(guard.sent, ASKED) + 1):
        at = (guard.sent - back) % ASKED
        was = guard.asked[at]
        if now - was.ts >= guard.duplicate_ns:
            return False
        same = was.kind == order.kind and was.limit == order.limit and was.trigger == order.trigger and was.legs == order.legs
        if same and was.size == order.size and was.distance == order.distance:
            for leg in range(order.legs):
                same = same and was.contract[leg] == order.contract[leg] and was.ratio[leg] == order.ratio[leg]
            if same:
                return True
    return False


@inner
def crosses_own(book, order):
    """True when an outright market or limit order could trade with one of one's own at work."""
    if order.legs != 1 or order.kind > LIMIT:
        return False
    contract, buys = order.contract[0], order.ratio[0] > 0
    last = book.value_price[contract]
    for slot in range(book.orders_working):
        other = book.order[slot]
        if (other.number == order.number or other.legs != 1 or other.contract[0] != contract or other.kind > LIMIT
                or other.units == other.filled or (other.ratio[0] > 0) == buys):
            continue
        mine = order.limit if order.kind == LIMIT else last
        theirs = other.limit if other.kind == LIMIT else last
        if (mine >= theirs) if buys else (mine <= theirs):
            return True
    return False


@inner
def breaks_collar(book, guard, term, order):
    """True when a limit is farther beyond the market (a stop-limit: beyond its trigger) than the collar: dearer to buy, cheaper to sell."""
    market, size = 0, 0
    for leg in range(order.legs):
        price = (order.ratio[leg] if order.legs > 1 else 1) * book.value_price[order.contract[leg]]
        market, size = market + price, size + abs(price)
    if order.kind == STOP_LIMIT:
        market = order.trigger
    beyond = market - order.limit if order.legs == 1 and order.ratio[0] < 0 else order.limit - market
    tick = term.tick if order.legs == 1 else term.spread_tick
    return (guard.collar_ticks and beyond > guard.collar_ticks * tick) or (
        guard.collar_ppm and beyond > share_half_even(size, guard.collar_ppm, 1_000_000))


@inner
def reduces_held(book, desk, order):
    """True when what is held covers every leg, with all that works on the same side (reduce-only orders see to themselves)."""
    for leg in range(order.legs):
        contract, lots = order.contract[leg], order.ratio[leg] * (order.size - order.filled)
        held, total = desk.held[contract], abs(lots)
        if held == 0 or (held > 0) == (lots > 0):
            return False
        for slot in range(book.orders_working):
            other = book.order[slot]
            if other.number == order.number or other.flags & REDUCE_ONLY:
                continue
            for its in range(other.legs):
                if other.contract[its] == contract and (other.ratio[its] > 0) == (lots > 0):
                    total += abs(other.ratio[its]) * (other.size - other.filled)
        if total > abs(held):
            return False
    return True


@inner
def breaks_position(desk, guard, order):
    """The position rule that an order breaks which does not only reduce, else 0."""
    for leg in range(order.legs):
        contract = order.contract[leg]
        if guard.restricted[contract]:
            return RESTRICTED
    for leg in range(order.legs):
        if guard.last_trade_ns and desk.last_trade_at[order.contract[leg]] - guard.last_trade_ns <= desk.now:
            return NEAR_EXPIRY
    for leg in range(order.legs):
        lots = lots_committed(desk, order.contract[leg]) + order.ratio[leg] * (order.size - order.filled)
        if guard.position_lots and abs(lots) > guard.position_lots:
            return POSITION_LOTS
    if guard.product_gross > 0.0 or guard.product_net > 0.0:
        for leg in range(order.legs):
            gross, net = product_units(desk, order, desk.product_of[order.contract[leg]])
            if guard.product_gross > 0.0 and gross > guard.product_gross:
                return GROSS_UNITS
            if guard.product_net > 0.0 and net > guard.product_net:
                return NET_UNITS
    return ZERO


@inner
def broken_limit(book, desk, guard, terms, order, slots):
    """The first limit that an order breaks, 0 when it may go."""
    if guard.state == HALTED:
        return IS_HALTED
    if not order.flags & REDUCE_ONLY and not reduces_held(book, desk, order):
        if guard.state != ACTIVE:
            return REDUCING
        code = breaks_position(desk, guard, order)
        if code:
            return code
    for leg in range(order.legs):
        if guard.order_lots and abs(order.ratio[leg] * order.size) > guard.order_lots:
            return ORDER_LOTS
    if guard.order_notional > 0.0 and notional_of(book, desk, order, order.size) > guard.order_notional:
        return ORDER_NOTIONAL
    if (order.kind == LIMIT or order.kind == STOP_LIMIT) and breaks_collar(book, guard, terms[order.contract[0]], order):
        return COLLAR
    if guard.open_orders and book.orders_working + slots > guard.open_orders:
        return OPEN_ORDERS
    if guard.open_notional > 0.0 and open_notional(book, desk, order) > guard.open_notional:
        return OPEN_NOTIONAL
    if is_too_fast(guard, desk.now, guard.orders_per_second, SECOND) or is_too_fast(guard, desk.now, guard.orders_per_minute, MINUTE):
        return ORDER_RATE
    if slots and guard.duplicate_ns and is_asked_again(guard, desk.now, order):
        return DUPLICATE
    return SELF_MATCH if guard.self_match and crosses_own(book, order) else ZERO


@inner
def check_limits(book, desk, guard, terms, order, slots):
    """Answers the gate in ``book.risk.code``, and remembers what went."""
    code = broken_limit(book, desk, guard, terms, order, slots)
    book.risk.code = code
    if code == 0:
        guard.sent_at[guard.sent % RATE_RING] = desk.now
        was = guard.asked[guard.sent % ASKED]
        was.ts, was.kind, was.limit, was.trigger = desk.now, order.kind, order.limit, order.trigger
        was.distance, was.size, was.legs = order.distance, order.size, order.legs
        for leg in range(order.legs):
            was.contract[leg], was.ratio[leg] = order.contract[leg], order.ratio[leg]
        guard.sent += 1


@inner
def can_grow(desk, order):
    """True when a working order could make a position larger or turn it."""
    if order.flags & REDUCE_ONLY or order.origin >= FROM_LIQUIDATION:
        return False
    for leg in range(order.legs):
        held, lots = desk.held[order.contract[leg]], order.ratio[leg] * (order.size - order.filled)
        if held == 0 or (held > 0) == (lots > 0) or abs(lots) > abs(held):
            return True
    return False


@inner
def stop_orders(book, desk, everything, out):
    """Cancels what could make a position larger, or everything but what closes it by force."""
    for slot in range(book.orders_working):
        order = book.order[slot]
        if order.number and (can_grow(desk, order) or (everything and order.origin < FROM_LIQUIDATION)):
            end_order(book, desk, order, RISK_STOP, out)
    sweep_orders(book)


@inner
def close_positions(book, desk, order, out):
    """A market order for everything held that nothing is closing yet; past its last trade a position waits for its settlement."""
    for contract in range(desk.contract_count):
        lots = desk.held[contract] + desk.on_target[contract]
        if lots == 0 or not desk.listed[contract] or book.orders_working == ORDERS:
            continue
        plain_order(order, MARKET, FROM_RISK)
        book.orders_made += 1
        order.number, order.legs, order.contract[0], order.ratio[0] = book.orders_made, 1, contract, -1 if lots > 0 else 1
        order.size, order.units = abs(lots), abs(lots)
        order.accepted_at, order.earliest = desk.now, desk.now + max(book.latency, 1)
        copy_record(book.order[book.orders_working], order)
        start_legs(book, book.order[book.orders_working])
        book.orders_working += 1
        leave(desk, order, ADDED, order.units)
        if not book.quiet:
            write_order(out, desk.now, order, WORKING, ZERO)


@inner
def count_fills(book, desk, guard):
    """True when more fills than allowed came within the time of the throttle."""
    while guard.fills < book.fills:
        guard.fill_at[guard.fills % RATE_RING] = desk.now
        guard.fills += 1
    most = guard.fills_most
    return most > 0 and guard.fills > most and desk.now - guard.fill_at[(guard.fills - most - 1) % RATE_RING] < guard.fills_ns


@inner
def is_lost(limit, loss):
    """True when a loss has come to a limit that is not off."""
    return limit > 0 and loss >= limit


@inner
def watch_losses(book, desk, guard, order, out):
    """Once a timestamp: losses and fills against the limits; what they end, and what they close."""
    day = desk.now // NANOS_PER_DAY
    if day != guard.day:
        guard.day, guard.day_equity = day, guard.last_equity
        if guard.state > guard.floor:
            guard.state = guard.floor
    guard.peak, guard.last_equity = max(guard.peak, book.equity), book.equity
    daily, fall = guard.day_equity - book.equity, guard.peak - book.equity
    if count_fills(book, desk, guard):
        guard.floor = HALTED
    if is_lost(guard.flat_daily, daily) or is_lost(guard.flat_drawdown, fall):
        guard.floor, guard.flattens = HALTED, 1
    if is_lost(guard.loss_drawdown, fall):
        guard.floor = max(guard.floor, ONLY_REDUCING)
    state = max(guard.floor, ONLY_REDUCING if is_lost(guard.loss_daily, daily) else guard.state)
    if state != guard.state:
        guard.state = state
        guard.changes += 1
        guard.changed_at = desk.now
        stop_orders(book, desk, state == HALTED, out)
    if guard.flattens:
        close_positions(book, desk, order, out)
