# SPDX-License-Identifier: Apache-2.0
"""The risk gate: every order passes it once. Rules: docs/engine.md, "Orders"."""

from __future__ import annotations

from kilohour.kernels.books import equity_now
from kilohour.kernels.call import call_gate
from kilohour.kernels.compiling import inner
from kilohour.kernels.integers import share_half_even
from kilohour.kernels.margin import requirement_with
from kilohour.kernels.memory import copy_record
from kilohour.kernels.output import write_order
from kilohour.kernels.records import (
    ADDED,
    AT_SETTLEMENT,
    BAND,
    CAPACITY,
    DAY,
    FILL_AT_OPEN,
    FOK,
    FROM_LIQUIDATION,
    GROUP,
    GTC,
    IN_HALT,
    IN_SESSION,
    IOC,
    LIFE,
    LIMIT,
    MARGIN,
    MARKET,
    MARKET_IF_TOUCHED,
    MISSING,
    NO_CANCEL,
    NO_PRICE,
    NOT_LISTED,
    ORDERS,
    POSITION_LIMIT,
    POST_ONLY,
    PRE_OPEN,
    PRICE,
    REDUCE_ONLY,
    REDUCES,
    REFUSED,
    SIZE,
    STOP,
    STOP_LIMIT,
    TICK,
    TICKETS,
    TRAILING_STOP,
    VENUE,
    WORKING,
)
from kilohour.kernels.working import leave, start_legs

LOTS_MAX = 1_000_000


@inner
def lots_committed(desk, contract):
    """Lots held once everything working has filled."""
    return desk.held[contract] + desk.on_target[contract] + desk.on_order[contract]


@inner
def only_reduces(desk, order):
    """True when every leg makes the committed position smaller without changing its side."""
    for leg in range(order.legs):
        before = lots_committed(desk, order.contract[leg])
        after = before + order.ratio[leg] * (order.size - order.filled)
        if abs(after) >= abs(before) or (after != 0 and (after > 0) != (before > 0)):
            return False
    return True


@inner
def breaks_tick(term, order):
    """True when a price of the order is off its tick, or a trailing distance is not positive."""
    kind, tick = order.kind, term.tick if order.legs == 1 else term.spread_tick
    if (kind == LIMIT or kind == STOP_LIMIT) and order.limit % tick:
        return True
    if (kind == STOP or kind == STOP_LIMIT or kind == MARKET_IF_TOUCHED) and order.trigger % tick:
        return True
    return kind == TRAILING_STOP and (order.distance <= 0 or order.distance % tick != 0)


@inner
def breaks_minimum(term, order):
    """True when a price of an outright is below what the product can be worth; MISSING is below everything."""
    if order.legs > 1:
        return False
    if (order.kind == LIMIT or order.kind == STOP_LIMIT) and order.limit < term.price_minimum:
        return True
    return (order.kind == STOP or order.kind == STOP_LIMIT or order.kind == MARKET_IF_TOUCHED) and order.trigger < term.price_minimum


@inner
def breaks_life(order):
    """True for a life or a flag that the order's kind does not have."""
    immediate = order.life == IOC or order.life == FOK
    if immediate and (order.kind > LIMIT or order.parent or order.group):
        return True
    if order.flags & POST_ONLY and (order.kind != LIMIT or immediate):
        return True
    return order.kind == AT_SETTLEMENT and order.life != GTC and order.life != DAY


@inner
def reduces_held(desk, order):
    """True when every leg stands against what is held."""
    for leg in range(order.legs):
        held = desk.held[order.contract[leg]]
        if held == 0 or (held > 0) == (order.ratio[leg] > 0):
            return False
    return True


@inner
def breaks_venue(desk, term, order):
    """True when the venue takes no order of this kind, life, flag or tie, or none of several legs like these."""
    tie = 3 if order.parent and order.group else (2 if order.parent else (1 if order.group else 0))
    spread = 0
    if order.legs > 1:
        spread = 1 if desk.product_of[order.contract[0]] == desk.product_of[order.contract[order.legs - 1]] else 2
    return (not (term.kinds_mask >> order.kind) & 1 or not (term.lives_mask >> order.life) & 1 or order.flags & ~term.flags_mask != 0
            or (spread and not (term.spreads_mask >> spread) & 1) or (tie and not (term.groups_mask >> tie) & 1))


@inner
def takes_orders(desk, term, contract):
    """True when the contract's session state lets orders in."""
    state = desk.session[contract]
    return state <= NO_CANCEL or (state == IN_HALT and term.order_in_halt != 0)


@inner
def takes_cancels(desk, terms, order):
    """True when the session states of all legs let an order be cancelled."""
    for leg in range(order.legs):
        contract = order.contract[leg]
        state = desk.session[contract]
        if not (state <= PRE_OPEN or (state == IN_HALT and terms[contract].cancel_in_halt)):
            return False
    return True


@inner
def wait_at_band(book, term, order):
    """Where an order beyond the band waits at it: a purchase above gets the band's upper price, a sale below its lower one. An order
    on its own side of the market keeps its price, the market may come to it."""
    prior, tick = prior_price(book, order.contract[0]), term.tick
    width = share_half_even(abs(prior), term.band_ppm, 1_000_000)
    if order.ratio[0] > 0 and order.limit > prior:
        order.limit = (prior + width) // tick * tick
    elif order.ratio[0] < 0 and order.limit < prior:
        order.limit = -((width - prior) // tick * tick)


@inner
def prior_price(book, contract):
    """What a band is around: the last mark, before the first the last price."""
    return book.mark[contract] if book.mark[contract] != MISSING else book.value_price[contract]


@inner
def breaks_band(book, term, order):
    """True when a limit is farther from the last mark (the last price before the first) than the venue's band."""
    if term.band_ppm == 0 or order.legs > 1 or (order.kind != LIMIT and order.kind != STOP_LIMIT):
        return False
    prior = prior_price(book, order.contract[0])
    return abs(order.limit - prior) > share_half_even(abs(prior), term.band_ppm, 1_000_000)


@inner
def breaks_position_limit(desk, terms, order):
    """True when a leg's committed position would be larger than the venue allows, in the spot month or at all."""
    for leg in range(order.legs):
        contract = order.contract[leg]
        term = terms[contract]
        most = term.spot_limit if term.spot_limit and desk.now >= term.spot_from else term.position_limit
        if most and abs(lots_committed(desk, contract) + order.ratio[leg] * (order.size - order.filled)) > most:
            return True
    return False


@inner
def refusal(book, desk, terms, order, slots):
    """The first rule the order breaks, 0 when it may go; the run's own risk limits come last.

    ``slots``: how many more orders would work, none when one is amended.
    """
    code = broken_rule(book, desk, terms, order, slots)
    if code == 0 and book.risk.call != 0 and order.origin != FROM_LIQUIDATION:
        at = book.risk
        call_gate(at.call, slots, at.book, at.desk, at.terms, at.order, at.out)
        code = book.risk.code
    return code


@inner
def broken_rule(book, desk, terms, order, slots):
    """The first rule of ours or of the venue that the order breaks. A liquidation only needs a slot: what is held must close."""
    if order.origin == FROM_LIQUIDATION:
        return CAPACITY if book.orders_working + slots > ORDERS else 0
    for leg in range(order.legs):
        if not desk.listed[order.contract[leg]]:
            return NOT_LISTED
    for leg in range(order.legs):
        if not takes_orders(desk, terms[order.contract[leg]], order.contract[leg]):
            return IN_SESSION
    for leg in range(order.legs):
        if desk.seen_at[order.contract[leg]] < 0:
            return NO_PRICE
    for leg in range(order.legs):
        lots = abs(order.ratio[leg] * order.size)
        if lots == 0 or lots > LOTS_MAX:
            return SIZE
    if order.kind != MARKET and breaks_tick(terms[order.contract[0]], order):
        return TICK
    if order.kind != MARKET and breaks_minimum(terms[order.contract[0]], order):
        return PRICE
    for leg in range(order.legs):
        if breaks_venue(desk, terms[order.contract[leg]], order):
            return VENUE
    if breaks_band(book, terms[order.contract[0]], order):
        if not terms[order.contract[0]].band_queues:
            return BAND
        wait_at_band(book, terms[order.contract[0]], order)
    if not order.plain:
        if breaks_life(order):
            return LIFE
        if order.parent < 0 or order.group < 0:
            return GROUP
        if order.flags & REDUCE_ONLY and order.parent == 0 and not reduces_held(desk, order):
            return REDUCES
    if book.orders_working + slots > ORDERS:
        return CAPACITY
    if order.flags & REDUCE_ONLY or only_reduces(desk, order):
        return 0
    if breaks_position_limit(desk, terms, order):
        return POSITION_LIMIT
    return MARGIN if requirement_with(book, desk, terms, order) > equity_now(book, terms) else 0


@inner
def plain_order(order, kind, origin):
    """Clears a scratch order to one that needs no more than matching.py; legs and units are the caller's."""
    order.kind, order.life, order.origin, order.plain = kind, GTC, origin, 1
    order.ticket, order.flags, order.until, order.limit, order.trigger, order.distance = 0, 0, 0, 0, 0, 0
    order.parent, order.has_children, order.group, order.looked, order.place, order.filled, order.arrived = 0, 0, 0, 0, 0, 0, 0
    order.ahead_at = MISSING


@inner
def submit(book, desk, terms, order, out):
    """Numbers an order of ``units`` and lets it through the gate; one with a parent sleeps."""
    book.orders_made += 1
    order.number = book.orders_made
    order.size = order.units
    order.accepted_at = desk.now
    order.earliest = desk.now + max(book.latency, 1)
    if book.fill_model > FILL_AT_OPEN:
        order.plain = 0
    code = refusal(book, desk, terms, order, ADDED)
    if code:
        book.orders_refused += 1
    else:
        if order.parent:
            order.units = 0
        copy_record(book.order[book.orders_working], order)
        start_legs(book, book.order[book.orders_working])
        book.orders_working += 1
        leave(desk, order, ADDED, order.units)
    if order.ticket:
        desk.ticket_status[order.ticket % TICKETS] = REFUSED if code else WORKING
        desk.ticket_filled[order.ticket % TICKETS] = 0
    if not book.quiet:
        write_order(out, desk.now, order, REFUSED if code else WORKING, code)
    return code == 0


@inner
def submit_outright(book, desk, terms, contract, lots, order, out):
    """One order of one leg; the caller has set everything else."""
    order.legs = 1
    order.contract[0] = contract
    order.ratio[0] = -1 if lots < 0 else 1
    order.units = abs(lots)
    return submit(book, desk, terms, order, out)
