# SPDX-License-Identifier: Apache-2.0
"""An order book by price and time: integer prices and lots, one arena of orders for all instruments.

``slots`` is an array of :data:`SLOT` records, ``heads`` (instruments × 2) the best order of each side (bids 0, asks 1), or -1; each side
is a linked list, best price first, oldest first within a price. ``state`` holds the first free slot and how many are in use.
Sides are 1 to buy and -1 to sell, as everywhere. What happened is written to ``out`` and counted.
"""

from __future__ import annotations

import numpy as np

from kilohour.kernels.compiling import entry, inner

SLOT = np.dtype([(name, np.int64) for name in ("number", "account", "instrument", "side", "price", "left", "next", "prev")])
NONE = -1
ALLOW, CANCEL_RESTING, CANCEL_TAKER, CANCEL_BOTH = 0, 1, 2, 3
"""What becomes of an order that meets one of its own account."""
TRADED, SELF_CANCELLED = 0, 1
WIDTH = 5
"""Columns of ``out``: what happened, number of the resting order, lots, price, lots it has left."""


def empty_book(instruments: int, capacity: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Slots, heads and state of a book without orders."""
    slots = np.zeros(capacity, SLOT)
    slots["next"] = np.arange(1, capacity + 1)
    slots["next"][-1] = NONE
    return slots.view(np.recarray), np.full((instruments, 2), NONE, np.int64), np.zeros(2, np.int64)


@inner
def row_of(side):
    """Bids are row 0, asks row 1."""
    return 0 if side > 0 else 1


@inner
def reaches(side, limit, price):
    """True when an order of ``side`` at ``limit`` takes a resting ``price``."""
    return price <= limit if side > 0 else price >= limit


@inner
def unlink(slots, heads, state, slot):
    """Takes a slot out of its list and frees it."""
    old = slots[slot]
    if old.prev == NONE:
        heads[old.instrument, row_of(old.side)] = old.next
    else:
        slots[old.prev].next = old.next
    if old.next != NONE:
        slots[old.next].prev = old.prev
    old.left = 0
    old.number = 0
    old.next = state[0]
    state[0] = slot
    state[1] -= 1


@entry
def rest(slots, heads, state, instrument, side, price, lots, account, number):
    """Puts an order behind all of its price or better; its slot, -1 when the arena is full."""
    slot = state[0]
    if slot == NONE:
        return NONE
    state[0] = slots[slot].next
    state[1] += 1
    before, after = NONE, heads[instrument, row_of(side)]
    while after != NONE and reaches(-side, price, slots[after].price):
        before, after = after, slots[after].next
    new = slots[slot]
    new.number, new.account, new.instrument, new.side, new.price, new.left = number, account, instrument, side, price, lots
    new.prev, new.next = before, after
    if before == NONE:
        heads[instrument, row_of(side)] = slot
    else:
        slots[before].next = slot
    if after != NONE:
        slots[after].prev = slot
    return slot


@entry
def take_out(slots, heads, state, slot):
    """Cancels a resting order."""
    unlink(slots, heads, state, slot)


@entry
def shrink(slots, slot, left):
    """Makes a resting order smaller; it keeps its place."""
    slots[slot].left = left


@entry
def offered(slots, heads, instrument, side, limit, account, policy):
    """Lots an order of ``side`` at ``limit`` could take, up to the first of its own account where that would stop it."""
    total, slot = 0, heads[instrument, row_of(-side)]
    while slot != NONE and reaches(side, limit, slots[slot].price):
        if slots[slot].account == account and policy != ALLOW:
            if policy != CANCEL_RESTING:
                break
        else:
            total += slots[slot].left
        slot = slots[slot].next
    return total


@entry
def match(slots, heads, state, instrument, side, limit, lots, account, policy, out):
    """Takes resting orders of the other side, best and oldest first: rows written, lots left, 1 when it was stopped by its own account.

    It ends when ``out`` is full, to be called again.
    """
    count, stopped = 0, 0
    while lots > 0 and count < out.shape[0]:
        slot = heads[instrument, row_of(-side)]
        if slot == NONE or not reaches(side, limit, slots[slot].price):
            break
        resting = slots[slot]
        row = out[count]
        row[1], row[3] = resting.number, resting.price
        if resting.account == account and policy != ALLOW:
            if policy != CANCEL_TAKER:
                row[0], row[2], row[4] = SELF_CANCELLED, resting.left, 0
                count += 1
                unlink(slots, heads, state, slot)
            if policy != CANCEL_RESTING:
                stopped = 1
                break
            continue
        size = min(lots, resting.left)
        lots -= size
        resting.left -= size
        row[0], row[2], row[4] = TRADED, size, resting.left
        count += 1
        if resting.left == 0:
            unlink(slots, heads, state, slot)
    return count, lots, stopped


@inner
def willing(slots, heads, instrument, side, price):
    """Lots of one side that would trade at ``price``."""
    total, slot = 0, heads[instrument, row_of(side)]
    while slot != NONE and reaches(side, slots[slot].price, price):
        total += slots[slot].left
        slot = slots[slot].next
    return total


@entry
def auction_price(slots, heads, instrument, reference):
    """Price and lots of an auction, (0, 0) when nothing crosses.

    Of the limits in the book the price with most lots traded; of several the one with the least left over; then the one nearest to
    ``reference``; then the lower.
    """
    price, volume, surplus = 0, 0, 0
    for row in range(2):
        slot = heads[instrument, row]
        while slot != NONE:
            at = slots[slot].price
            buys, sells = willing(slots, heads, instrument, 1, at), willing(slots, heads, instrument, -1, at)
            traded, over = min(buys, sells), abs(buys - sells)
            better = traded > volume
            if traded == volume and traded > 0:
                near, held = abs(at - reference), abs(price - reference)
                better = over < surplus or (over == surplus and (near < held or (near == held and at < price)))
            if better:
                price, volume, surplus = at, traded, over
            slot = slots[slot].next
    return price, volume


@entry
def uncross(slots, heads, state, instrument, price, out):
    """Trades what crosses at one price, best and oldest of both sides first: rows (buyer, seller, lots, buyer's left, seller's left)."""
    count = 0
    while count < out.shape[0]:
        bid, ask = heads[instrument, 0], heads[instrument, 1]
        if bid == NONE or ask == NONE or slots[bid].price < price or slots[ask].price > price:
            break
        size = min(slots[bid].left, slots[ask].left)
        slots[bid].left -= size
        slots[ask].left -= size
        row = out[count]
        row[0], row[1], row[2], row[3], row[4] = slots[bid].number, slots[ask].number, size, slots[bid].left, slots[ask].left
        count += 1
        if slots[bid].left == 0:
            unlink(slots, heads, state, bid)
        if slots[ask].left == 0:
            unlink(slots, heads, state, ask)
    return count


@entry
def depth(slots, heads, instrument, side, out):
    """Levels of one side, best first, as rows (price, lots, orders); how many."""
    count, slot = 0, heads[instrument, row_of(side)]
    while slot != NONE:
        resting = slots[slot]
        if count == 0 or out[count - 1, 0] != resting.price:
            if count == out.shape[0]:
                break
            out[count, 0], out[count, 1], out[count, 2] = resting.price, 0, 0
            count += 1
        out[count - 1, 1] += resting.left
        out[count - 1, 2] += 1
        slot = resting.next
    return count
