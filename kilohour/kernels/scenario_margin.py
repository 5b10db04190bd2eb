# SPDX-License-Identifier: Apache-2.0
"""Scenario margin: what a portfolio loses in the worst of some moves of the curve, less credits. Rules: docs/engine.md, "Margin".

Losses of one lot are whole micros, so sums over lots are exact, and what is required of a multiple is what the multiple of
the lots requires but for one rounding of each credit.
"""

from __future__ import annotations

from kilohour.kernels.compiling import inner
from kilohour.kernels.integers import half_even, share_half_even
from kilohour.kernels.records import BY_SCENARIO, SCENARIOS, TIERS

NANOS_PER_DAY = 86_400_000_000_000
WHOLE = 1_000_000


@inner
def requirement(term, lots, price, ppm, floor):
    """Margin of ``lots`` of one contract at ``price``: ``ppm`` of notional, at least ``floor`` a lot; micros."""
    size = abs(lots)
    by_notional = share_half_even(size * abs(price) * term.lot_num, ppm, term.lot_den * 1_000_000)
    return max(size * floor, by_notional)


@inner
def share_down(amount, ppm):
    """Millionths of an amount that is not negative, rounded down: credits never come out above their rate."""
    whole = amount // WHOLE
    return whole * ppm + (amount - whole * WHOLE) * ppm // WHOLE


@inner
def tier_of(desk, term, contract):
    """Tier of a contract by whole days to its last trade."""
    days, tier = (desk.last_trade_at[contract] - desk.now) // NANOS_PER_DAY, 0
    while tier < term.tiers - 1 and days > term.tier_days[tier]:
        tier += 1
    return tier


@inner
def add_losses(book, desk, term, contract):
    """Adds one contract of the plan to its tier: gross requirement, and loss in every scenario."""
    lots = book.plan_lots[contract]
    tier, scan = tier_of(desk, term, contract), requirement(term, 1, book.value_price[contract], term.initial_ppm, term.initial_floor)
    largest = 0
    for at in range(tier * SCENARIOS, tier * SCENARIOS + term.scenarios):
        move = half_even(scan * term.move[at], WHOLE)
        largest = max(largest, move)  # moves come with both signs
        book.tier_loss[at] -= lots * move
    book.tier_gross[tier] += abs(lots) * largest


@inner
def after_calendar_credits(book, term, product):
    """Requirement of one product's lots: the legs', less the credits within tiers and across them; notes the scan risk."""
    total, apart, scan = 0, 0, 0
    for tier in range(term.tiers):
        worst = 0
        for at in range(tier * SCENARIOS, tier * SCENARIOS + term.scenarios):
            worst = max(worst, book.tier_loss[at])
        gross = book.tier_gross[tier]
        total += gross - share_down(gross - worst, term.calendar_credit[tier])
        apart += worst
    for scenario in range(term.scenarios):
        loss = 0
        for tier in range(term.tiers):
            loss += book.tier_loss[tier * SCENARIOS + scenario]
        scan = max(scan, loss)
    book.product_scan[product] = scan
    return total - share_down(apart - scan, term.tier_credit)


@inner
def offset_products(book, term, product):
    """Sets a product's net lots against those of the products it has a credit with, as far as both have lots left."""
    for pair in range(term.pairs):
        other = term.pair_product[pair]
        if other < 0 or book.product_line[other] < 0:
            continue
        net, net_other = book.product_net[product], book.product_net[other]
        if net == 0 or net_other == 0 or (net > 0) == (net_other > 0):
            continue
        size, size_other = abs(net) * term.pair_other[pair], abs(net_other) * term.pair_own[pair]
        left, left_other = book.product_left[product], book.product_left[other]
        if size * left <= size_other * left_other:
            used, used_other = left, size * left // size_other
        else:
            used, used_other = size_other * left_other // size, left_other
        book.product_left[product] -= used
        book.product_left[other] -= used_other
        book.product_credit[product] += used * term.pair_credit[pair]
        book.product_credit[other] += used_other * term.pair_credit[pair]


@inner
def scenario_requirement(book, desk, terms):
    """Initial and maintenance requirement of the lines of the plan that have scenario margin, micros."""
    for product in range(desk.product_count):
        book.product_line[product] = -1
        book.product_net[product] = book.product_credit[product] = 0
        book.product_left[product] = WHOLE
        for tier in range(TIERS):
            book.tier_gross[tier] = 0
        for at in range(TIERS * SCENARIOS):
            book.tier_loss[at] = 0
        for line in range(book.plan_count):
            contract = book.plan_contract[line]
            if desk.product_of[contract] == product and terms[contract].margin_model == BY_SCENARIO:
                book.product_line[product] = contract
                book.product_net[product] += book.plan_lots[contract]
                add_losses(book, desk, terms[contract], contract)
        if book.product_line[product] >= 0:
            term = terms[book.product_line[product]]
            book.product_initial[product] = after_calendar_credits(book, term, product)
    for product in range(desk.product_count):
        if book.product_line[product] >= 0:
            offset_products(book, terms[book.product_line[product]], product)
    initial, maintenance = 0, 0
    for product in range(desk.product_count):
        if book.product_line[product] >= 0:
            asked = book.product_initial[product]
            asked -= share_down(book.product_scan[product], book.product_credit[product] // WHOLE)
            initial += asked
            maintenance += asked - share_down(asked, WHOLE - terms[book.product_line[product]].maintenance_share)
    return initial, maintenance
