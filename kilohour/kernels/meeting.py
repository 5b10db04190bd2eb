# SPDX-License-Identifier: Apache-2.0
"""Stops, lives, flags and ties: an order that is not plain meets a bar, or a mark. Rules: docs/engine.md, "Orders"."""

from __future__ import annotations

import numpy as np

from kilohour.kernels.compiling import inner
from kilohour.kernels.matching import cost_at, count_filled, fill_leg, share_of, units_fillable
from kilohour.kernels.output import write_order
from kilohour.kernels.path import draw_path, draw_point, price_at, reach, trail
from kilohour.kernels.records import (
    ADDED,
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
    MARKET_IF_TOUCHED,
    NEVER,
    POST_ONLY,
    REDUCE_ONLY,
    REFUSED,
    RESTS,
    STOP_LIMIT,
    TAKEN,
    TRAILING_STOP,
    ZERO,
)
from kilohour.kernels.working import end_order, leave, sweep_orders


@inner
def has_bars(desk, order):
    """True when this timestamp has a bar of every leg."""
    for leg in range(order.legs):
        if desk.seen_at[order.contract[leg]] != desk.now:
            return False
    return True


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
        if kind == STOP_LIMIT and keep:
            order.kind = LIMIT
    price = price_at(book.path, place)
    cost = cost_of(book, terms, order, price)
    if kind != LIMIT and kind != STOP_LIMIT:
        return place, price + cost if buys else price - cost, price
    if (price <= order.limit) if buys else (price >= order.limit):
        return place, min(price + cost, order.limit) if buys else max(price - cost, order.limit), price
    if order.life == IOC or order.life == FOK:
        return NEVER, ZERO, ZERO
    return reach(book.path, order.limit - 1 if buys else order.limit + 1, not buys, place), order.limit, order.limit


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
def sibling_first(book, desk, terms, slot, place):
    """True when a younger order of the same group fills strictly earlier in this bar."""
    order = book.order[slot]
    for other in range(slot + 1, book.orders_working):
        sibling = book.order[other]
        if sibling.number and sibling.group == order.group and sibling.units and sibling.earliest <= desk.now and has_bars(desk, sibling):
            at, _, _ = chance(book, desk, terms, sibling, False)
            if at != NEVER and at < place:
                return True
    return False


@inner
def units_reducible(book, order, units):
    """Units that make every leg's position smaller without changing its side."""
    for leg in range(order.legs):
        position, ratio = book.position[order.contract[leg]], order.ratio[leg]
        units = min(units, abs(position) // abs(ratio) if (position > 0) != (ratio > 0) else 0)
    return units


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
    """Orders of the same group lose what was filled; children gain it, and wake where it happened."""
    for slot in range(book.orders_working):
        other = book.order[slot]
        if other.number == 0 or other.number == order.number:
            continue
        if order.group and other.group == order.group:
            cut = min(units, other.size - other.filled)
            leave(desk, other, TAKEN, min(cut, other.units - other.filled))
            other.units -= min(cut, other.units - other.filled)
            other.size -= cut
            if other.size == other.filled:
                end_order(book, desk, other, CANCELLED, out)
        elif other.parent == order.number:
            gained = min(units, other.size - other.units)
            if other.units == 0:
                same = other.legs == 1 and order.legs == 1 and other.contract[0] == order.contract[0]
                other.earliest = desk.now if same else desk.now + 1
                other.place = place if same else 0
            other.units += gained
            leave(desk, other, ADDED, gained)


@inner
def meet_bar(book, desk, terms, slot, out):
    """One order, in its turn, meets the bars of ``desk.now``."""
    order = book.order[slot]
    if order.number == 0:
        return
    if order.life == GTD and desk.now > order.until:
        end_order(book, desk, order, LAPSED, out)
        return
    if order.units == 0 or order.earliest > desk.now or order.kind == AT_SETTLEMENT or not has_bars(desk, order):
        return
    if not order.looked and order.flags & POST_ONLY and would_pay(book, desk, terms, order):
        refuse_late(book, desk, order, out)
        return
    if order.group:
        at, _, _ = chance(book, desk, terms, order, False)
        if at != NEVER and sibling_first(book, desk, terms, slot, at):
            return
    order.looked = 1
    at, price, reference = chance(book, desk, terms, order, True)
    if at != NEVER:
        take(book, desk, terms, order, at, price, reference, out)
    if order.number and (order.life == IOC or order.life == FOK):
        end_order(book, desk, order, LAPSED, out)


@inner
def take(book, desk, terms, order, place, price, reference, out):
    """Fills what can be filled of an order, and tells the orders tied to it."""
    units = units_fillable(book, desk, terms, order)
    if order.flags & REDUCE_ONLY:
        if units_reducible(book, order, np.int64(1)) == 0:
            end_order(book, desk, order, CANCELLED, out)
            return
        units = units_reducible(book, order, units)
    if units <= 0 or (order.life == FOK and units < order.units):
        return
    fill_legs(book, desk, terms, order, units, price, reference, out)
    count_filled(desk, order, units)
    if order.group or order.has_children:
        tell_others(book, desk, order, units, place, out)
    if order.filled == order.units and (order.parent == 0 or order.filled == order.size):
        end_order(book, desk, order, FILLED, out)
    elif order.number and order.flags & REDUCE_ONLY and units_reducible(book, order, np.int64(1)) == 0:
        end_order(book, desk, order, CANCELLED, out)


@inner
def refuse_late(book, desk, order, out):
    """A post-only order that would have paid."""
    book.orders_refused += 1
    if not book.quiet:
        write_order(out, desk.now, order, REFUSED, RESTS)
    quiet, book.quiet = book.quiet, 1
    end_order(book, desk, order, REFUSED, out)
    book.quiet = quiet


@inner
def meet_marks(book, desk, terms, out):
    """At-settlement orders fill at the marks of ``desk.now``; a day order is tried once."""
    for slot in range(book.orders_working):
        order = book.order[slot]
        if order.number == 0 or order.kind != AT_SETTLEMENT or order.units == 0 or order.earliest > desk.now:
            continue
        units, marked = order.units - order.filled, True
        for leg in range(order.legs):
            contract = order.contract[leg]
            marked = marked and book.marked_at[contract] == desk.now
            units = min(units, share_of(terms[contract], desk.traded[contract]) // abs(order.ratio[leg]))
        if not marked:
            continue
        if order.flags & REDUCE_ONLY:
            units = units_reducible(book, order, units)
        if units > 0:
            for leg in range(order.legs):
                mark = book.mark[order.contract[leg]]
                cost = cost_at(terms[order.contract[leg]], mark)
                fill_leg(book, desk, terms, order, leg, units, mark + cost if order.ratio[leg] > 0 else mark - cost, mark, out)
            count_filled(desk, order, units)
            if order.group or order.has_children:
                tell_others(book, desk, order, units, ZERO, out)
        if order.filled == order.units:
            end_order(book, desk, order, FILLED, out)
        elif order.life == DAY:
            end_order(book, desk, order, LAPSED, out)
    sweep_orders(book)
