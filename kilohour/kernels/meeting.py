# SPDX-License-Identifier: Apache-2.0
"""Stops, lives, flags and ties: an order that is not plain meets a bar, or a mark. Rules: docs/engine.md, "Orders"."""

from __future__ import annotations

import numpy as np

from kilohour.kernels.compiling import inner
from kilohour.kernels.matching import cost_at, count_filled, fill_leg, share_of, units_fillable
from kilohour.kernels.path import draw_path, draw_point, pass_beyond, price_at, reach, trail
from kilohour.kernels.records import (
    AT_SETTLEMENT,
    CANCELLED,
    DAY,
    FILL_AT_OPEN,
    FILLED,
    FOK,
    GTD,
    IOC,
    LAPSED,
    LIMIT,
    MARKET,
    MARKET_IF_TOUCHED,
    NEVER,
    OPEN,
    POST_ONLY,
    REDUCE_ONLY,
    REFUSED,
    STOP,
    STOP_LIMIT,
    TRAILING_STOP,
    ZERO,
)
from kilohour.kernels.working import end_order, set_units, sweep_orders


@inner
def has_bars(desk, order):
    """True when this timestamp has a bar of every leg, and every leg is open."""
    for leg in range(order.legs):
        contract = order.contract[leg]
        if desk.seen_at[contract] != desk.now or desk.session[contract] != OPEN:
            return False
    return True


@inner
def can_look(desk, order):
    """True when the order meets the bars of this timestamp: its latency is over, it has units, and every leg has a bar."""
    return (order.number != 0 and order.units > order.filled and order.earliest <= desk.now and order.kind != AT_SETTLEMENT
            and has_bars(desk, order))


@inner
def is_out_of_reach(book, order):
    """True for a stop, or an order if touched, of one leg whose price the bar did not come to: most bars are such."""
    if order.legs > 1 or not (order.kind == STOP or order.kind == STOP_LIMIT or order.kind == MARKET_IF_TOUCHED):
        return False
    contract = order.contract[0]
    if (order.ratio[0] > 0) != (order.kind == MARKET_IF_TOUCHED):
        return book.bar_high[contract] < order.trigger
    return book.bar_low[contract] > order.trigger


@inner
def draw(book, order):
    """Draws the way of the order's price in this bar: of several legs only the open is known."""
    contract = order.contract[0]
    if order.legs > 1:
        price = 0
        for leg in range(order.legs):
            price += order.ratio[leg] * book.bar_open[order.contract[leg]]
        draw_point(book.path, price)
    elif book.fill_model == FILL_AT_OPEN:
        draw_point(book.path, book.bar_open[contract])
    else:
        draw_path(book.path, book.bar_open[contract], book.bar_high[contract], book.bar_low[contract], book.bar_close[contract])


@inner
def cost_of(book, terms, order, price):
    """What taking costs per unit of the order at ``price``, micros."""
    if order.legs == 1:
        return cost_at(terms[order.contract[0]], price)
    cost = 0
    for leg in range(order.legs):
        contract = order.contract[leg]
        cost += abs(order.ratio[leg]) * cost_at(terms[contract], book.bar_open[contract])
    return cost


@inner
def trigger(book, order, buys, place, keep):
    """The first place where a stop, a trailing stop or a touch is triggered; ``keep`` stores a trailing level."""
    if order.kind == TRAILING_STOP:
        at, level = trail(book.path, order.trigger, order.distance, not buys, place)
        if keep:
            order.trigger = level
        return at
    return reach(book.path, order.trigger, buys != (order.kind == MARKET_IF_TOUCHED), place)


@inner
def start_of(desk, order):
    """Where on the way of this bar the order looks from."""
    return order.place if order.earliest == desk.now else ZERO


@inner
def chance(book, desk, terms, order, keep):
    """Where in this bar the order fills, the price there, and that price without cost; (NEVER, 0, 0) when it does not.

    ``keep``: the order remembers what happened to it on the way, as it does in its own turn only.
    """
    place, kind, buys = start_of(desk, order), order.kind, order.legs > 1 or order.ratio[0] > 0
    draw(book, order)
    if kind > LIMIT:
        place = trigger(book, order, buys, place, keep)
        if place == NEVER:
            return NEVER, ZERO, ZERO
        if keep:
            order.kind = LIMIT if kind == STOP_LIMIT else MARKET
    price = price_at(book.path, place)
    cost = cost_of(book, terms, order, price)
    if kind != LIMIT and kind != STOP_LIMIT:
        return place, price + cost if buys else price - cost, price
    if order.flags & POST_ONLY:
        return rest(book, order, buys, place, price, cost)
    if (price <= order.limit) if buys else (price >= order.limit):
        return place, min(price + cost, order.limit) if buys else max(price - cost, order.limit), price
    if order.life == IOC or order.life == FOK:
        return NEVER, ZERO, ZERO
    return pass_beyond(book.path, order.limit, not buys, place), order.limit, order.limit


@inner
def rest(book, order, buys, place, price, cost):
    """As :func:`chance`, of a post-only order: at its limit or not at all, at its first place not even there."""
    limit = order.limit
    if order.looked and ((price < limit) if buys else (price > limit)):
        return place, limit, price if order.legs > 1 else limit
    if not order.looked and ((price + cost <= limit) if buys else (price - cost >= limit)):
        return NEVER, ZERO, ZERO
    return pass_beyond(book.path, limit, not buys, place), limit, limit


@inner
def would_pay(book, desk, terms, order):
    """True when a limit order would take liquidity at its first place."""
    draw(book, order)
    price = price_at(book.path, start_of(desk, order))
    cost = cost_of(book, terms, order, price)
    if order.legs > 1 or order.ratio[0] > 0:
        return price + cost <= order.limit
    return price - cost >= order.limit


@inner
def units_reducible(book, order, units):
    """Units that make every leg's position smaller without changing its side."""
    for leg in range(order.legs):
        position, ratio = book.position[order.contract[leg]], order.ratio[leg]
        units = min(units, abs(position) // abs(ratio) if (position > 0) != (ratio > 0) else 0)
    return units


@inner
def units_takeable(book, desk, terms, order):
    """Whole units that the order may fill in these bars: of their volume, of what it may reduce, all or none."""
    units = units_fillable(book, desk, terms, order)
    if order.flags & REDUCE_ONLY:
        units = units_reducible(book, order, units)
    return ZERO if order.life == FOK and units < order.units - order.filled else units


@inner
def sibling_first(book, desk, terms, slot, place):
    """True when a younger order of the same group would fill strictly earlier in this bar."""
    order = book.order[slot]
    for other in range(slot + 1, book.orders_working):
        sibling = book.order[other]
        if sibling.group == order.group and can_look(desk, sibling):
            at, _, _ = chance(book, desk, terms, sibling, False)
            if at != NEVER and at < place and units_takeable(book, desk, terms, sibling) > 0:
                return True
    return False


@inner
def fill_legs(book, desk, terms, order, units, price, reference, out):
    """Fills every leg. Of several, each at its open with its cost; the first gives what the order's price is better."""
    if order.legs == 1:
        fill_leg(book, desk, terms, order, ZERO, units, price, reference, out)
        return
    better = reference + cost_of(book, terms, order, reference) - price
    for leg in range(order.legs):
        open = book.bar_open[order.contract[leg]]
        cost = cost_at(terms[order.contract[leg]], open)
        at = open + cost if order.ratio[leg] > 0 else open - cost
        if leg == 0:
            at -= better // order.ratio[leg]
        fill_leg(book, desk, terms, order, leg, units, at, open, out)


@inner
def tell_others(book, desk, order, units, place, out):
    """Orders of the same group lose what was filled; children gain it, and wake where it happened (NEVER: with the next bar)."""
    for slot in range(book.orders_working):
        other = book.order[slot]
        if other.number == 0 or other.number == order.number:
            continue
        if order.group and other.group == order.group:
            other.size -= min(units, other.size - other.filled)
            other.arrived -= units
            set_units(desk, other)
            if other.size == other.filled:
                end_order(book, desk, other, CANCELLED, out)
        elif other.parent == order.number:
            other.arrived += units
            set_units(desk, other)
            same = other.legs == 1 and order.legs == 1 and other.contract[0] == order.contract[0]
            if same and place != NEVER and other.earliest <= desk.now:
                other.earliest, other.place = desk.now, place
            else:
                other.earliest, other.place = max(other.earliest, desk.now + 1), ZERO


@inner
def lapse_dates(book, desk, out):
    """Good-till-dates that have passed, once a timestamp and before any of its bars is met."""
    book.lapsed_at = desk.now
    for slot in range(book.orders_working):
        order = book.order[slot]
        if order.number and order.life == GTD and desk.now > order.until:
            end_order(book, desk, order, LAPSED, out)


@inner
def meet_bar(book, desk, terms, slot, out):
    """One order, in its turn, meets the bars of ``desk.now``."""
    if book.lapsed_at != desk.now:
        lapse_dates(book, desk, out)
    order = book.order[slot]
    if not can_look(desk, order) or is_out_of_reach(book, order):
        return
    if not order.looked and order.flags & POST_ONLY and would_pay(book, desk, terms, order):
        refuse_late(book, desk, order, out)
        return
    if order.group:
        at, _, _ = chance(book, desk, terms, order, False)
        if at != NEVER and units_takeable(book, desk, terms, order) > 0 and sibling_first(book, desk, terms, slot, at):
            return
    at, price, reference = chance(book, desk, terms, order, True)
    order.looked = 1
    if at != NEVER:
        take(book, desk, terms, order, at, price, reference, out)
    if order.number and (order.life == IOC or order.life == FOK):
        end_order(book, desk, order, LAPSED, out)


@inner
def refuse_late(book, desk, order, out):
    """A post-only order that would have paid."""
    book.orders_refused += 1
    end_order(book, desk, order, REFUSED, out)


@inner
def take(book, desk, terms, order, place, price, reference, out):
    """Fills what can be filled of an order, and tells the orders tied to it."""
    if is_stranded(book, order):
        end_order(book, desk, order, CANCELLED, out)
        return
    units = units_takeable(book, desk, terms, order)
    if units > 0:
        fill_legs(book, desk, terms, order, units, price, reference, out)
        settle_units(book, desk, order, units, place, out)


@inner
def is_stranded(book, order):
    """True for a reduce-only order with nothing to reduce; a child that has used all it has waits for its parent."""
    return order.flags & REDUCE_ONLY != 0 and order.units > order.filled and units_reducible(book, order, np.int64(1)) == 0


@inner
def settle_units(book, desk, order, units, place, out):
    """What units that have filled do to the order and to those tied to it."""
    count_filled(desk, order, units)
    if order.group or order.has_children:
        tell_others(book, desk, order, units, place, out)
    if order.filled == order.units and (order.parent == 0 or order.filled == order.size):
        end_order(book, desk, order, FILLED, out)
    elif is_stranded(book, order):
        end_order(book, desk, order, CANCELLED, out)


@inner
def meet_marks(book, desk, terms, out):
    """At-settlement orders fill at the marks of ``desk.now``; a day order is tried at the first mark of a leg, and lapses."""
    for slot in range(book.orders_working):
        order = book.order[slot]
        if order.number == 0 or order.kind != AT_SETTLEMENT:
            continue
        marks = 0
        for leg in range(order.legs):
            marks += book.marked_at[order.contract[leg]] == desk.now
        if marks == order.legs and is_open(desk, order) and order.earliest <= desk.now:
            fill_at_marks(book, desk, terms, order, out)
        if marks and order.number and order.life == DAY:
            end_order(book, desk, order, LAPSED, out)
    sweep_orders(book)


@inner
def is_open(desk, order):
    """True when every leg's contract trades."""
    for leg in range(order.legs):
        if desk.session[order.contract[leg]] != OPEN:
            return False
    return True


@inner
def fill_at_marks(book, desk, terms, order, out):
    """At most a share of the contract's last bar, by itself: it is not matched against bars."""
    units = order.units - order.filled
    for leg in range(order.legs):
        contract = order.contract[leg]
        units = min(units, share_of(terms[contract], desk.traded[contract]) // abs(order.ratio[leg]))
    if order.flags & REDUCE_ONLY:
        units = units_reducible(book, order, units)
    if units <= 0:
        return
    for leg in range(order.legs):
        mark = book.mark[order.contract[leg]]
        cost = cost_at(terms[order.contract[leg]], mark)
        fill_leg(book, desk, terms, order, leg, units, mark + cost if order.ratio[leg] > 0 else mark - cost, mark, out)
    settle_units(book, desk, order, units, NEVER, out)
