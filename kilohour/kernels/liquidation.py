# SPDX-License-Identifier: Apache-2.0
"""Margin call after marks, and the orders that reduce positions. Rules: docs/engine.md, "Margin".

While a step is looked for, the scratch order is the step: its legs close lots of the planned portfolio.
"""

from __future__ import annotations

from kilohour.kernels.books import fee_of_fill
from kilohour.kernels.compiling import inner
from kilohour.kernels.gate import plain_order, submit
from kilohour.kernels.integers import half_even
from kilohour.kernels.margin import plan_line, plan_requirement
from kilohour.kernels.records import BY_SCENARIO, CANCELLED, FROM_LIQUIDATION, MARGIN_CALL, MARKET
from kilohour.kernels.scenario_margin import tier_of
from kilohour.kernels.working import end_order, sweep_orders


@inner
def plan_positions(book, desk, terms):
    """Plans what is held, in contract order; returns its requirements and the shortest grace of its products."""
    book.plan_count, grace = 0, -1
    for contract in range(desk.contract_count):
        if book.position[contract]:
            plan_line(book, contract, book.position[contract])
            if grace < 0 or terms[contract].margin_grace < grace:
                grace = terms[contract].margin_grace
    initial, maintenance = plan_requirement(book, desk, terms)
    return initial, maintenance, max(grace, 0)


@inner
def end_working(book, desk, only_liquidations, status, out):
    """Ends all working orders, or the liquidation orders alone."""
    for slot in range(book.orders_working):
        order = book.order[slot]
        if order.number and (not only_liquidations or order.origin == FROM_LIQUIDATION):  # a child may have ended with its parent
            end_order(book, desk, order, status, out)
    sweep_orders(book)


@inner
def is_enough(book, desk, terms):
    """True when the liquidation orders that work already would bring the requirement down to equity."""
    working = False
    for slot in range(book.orders_working):
        order = book.order[slot]
        if order.origin == FROM_LIQUIDATION:
            working = True
            for leg in range(order.legs):
                book.plan_lots[order.contract[leg]] += order.ratio[leg] * (order.units - order.filled)
    return working and plan_requirement(book, desk, terms)[0] <= book.equity


@inner
def credit_ratio(desk, terms, one, two):
    """In what ratio two contracts that stand against each other have a credit, (0, 0) when they have none."""
    term, other = terms[one], terms[two]
    if term.margin_model != BY_SCENARIO or other.margin_model != BY_SCENARIO:
        return 0, 0
    product, other_product = desk.product_of[one], desk.product_of[two]
    if product == other_product:
        tier = tier_of(desk, term, one)
        is_near = tier == tier_of(desk, term, two)
        return (1, 1) if (term.calendar_credit[tier] if is_near else term.tier_credit) else (0, 0)
    for pair in range(term.pairs):
        if term.pair_product[pair] == other_product and term.pair_credit[pair]:
            return term.pair_own[pair], term.pair_other[pair]
    for pair in range(other.pairs):
        if other.pair_product[pair] == product and other.pair_credit[pair]:
            return other.pair_other[pair], other.pair_own[pair]
    return 0, 0


@inner
def requirement_after(book, desk, terms, step, units):
    """Initial requirement of the plan after so many units of the step."""
    for leg in range(step.legs):
        book.plan_lots[step.contract[leg]] += step.ratio[leg] * units
    after = plan_requirement(book, desk, terms)[0]
    for leg in range(step.legs):
        book.plan_lots[step.contract[leg]] -= step.ratio[leg] * units
    return after


@inner
def cost_of(book, terms, step):
    """What the step costs at value prices: half spreads and fees, at least a micro."""
    cost = 0
    for leg in range(step.legs):
        contract, lots = step.contract[leg], abs(step.ratio[leg] * step.units)
        term = terms[contract]
        cost += half_even(lots * term.half_spread * term.lot_num, term.lot_den)
        cost += fee_of_fill(term, lots, book.value_price[contract], False)
    return max(cost, 1)


@inner
def fill_step(book, desk, terms, one, two, step):
    """Makes the step that closes contract ``one``, or spreads of it with ``two``; False when there is no such step."""
    lots = book.plan_lots[one]
    step.legs, step.units, step.contract[0], step.ratio[0] = 1, abs(lots), one, -1 if lots > 0 else 1
    if two < 0:
        if terms[one].margin_model == BY_SCENARIO:
            net = 0
            for line in range(book.plan_count):
                contract = book.plan_contract[line]
                if desk.product_of[contract] == desk.product_of[one]:
                    net += book.plan_lots[contract]
            if net and (net > 0) == (lots > 0):
                step.units = min(step.units, abs(net))
        return True
    against = book.plan_lots[two]
    own, other = credit_ratio(desk, terms, one, two)
    if own == 0 or (lots > 0) == (against > 0):
        return False
    step.units = min(abs(lots) // own, abs(against) // other)
    if step.units == 0:
        step.units, own, other = 1, abs(lots), abs(against)
    step.legs, step.contract[1] = 2, two
    step.ratio[0], step.ratio[1] = -own if lots > 0 else own, -other if against > 0 else other
    return True


@inner
def find_step(book, desk, terms, before, step):
    """Fills ``step`` with the reduction that frees most margin per dollar of cost; False when none frees any.

    Lines are in contract order and only a better step replaces one, so ties go to the lowest row. With no equity left
    a step that frees nothing will do.
    """
    best, best_one, best_two, best_units = -1.0, -1, -1, 0
    for line in range(book.plan_count):
        one = book.plan_contract[line]
        for against in range(line, book.plan_count):
            two = book.plan_contract[against] if against > line else -1
            if not (book.plan_lots[one] and desk.listed[one] and (two < 0 or (book.plan_lots[two] and desk.listed[two]))):
                continue
            if not fill_step(book, desk, terms, one, two, step):
                continue
            freed = before - requirement_after(book, desk, terms, step, step.units)
            while (freed < 0 or (freed == 0 and book.equity > 0)) and step.units > 1 and terms[one].margin_model == BY_SCENARIO:
                step.units //= 2
                freed = before - requirement_after(book, desk, terms, step, step.units)
            if freed > 0 or (freed == 0 and book.equity <= 0):
                score = freed / cost_of(book, terms, step)
                if score > best:
                    best, best_one, best_two, best_units = score, one, two, step.units
    if best_one < 0:
        return False
    fill_step(book, desk, terms, best_one, best_two, step)
    step.units = best_units
    return True


@inner
def fewest_units(book, desk, terms, step):
    """The fewest units of the step after which equity meets the requirement, found by bisection; all when none do."""
    if book.equity <= 0 or requirement_after(book, desk, terms, step, step.units) > book.equity:
        return step.units
    low, high = 1, step.units
    while low < high:
        middle = (low + high) // 2
        if requirement_after(book, desk, terms, step, middle) <= book.equity:
            high = middle
        else:
            low = middle + 1
    return low


@inner
def liquidate(book, desk, terms, order, out):
    """Sends the orders that bring the requirement of what is held down to equity; all that can go without equity."""
    if book.equity > 0 and is_enough(book, desk, terms):
        return
    end_working(book, desk, False, MARGIN_CALL, out)
    requirement = plan_positions(book, desk, terms)[0]
    plain_order(order, MARKET, FROM_LIQUIDATION)
    while book.equity <= 0 or requirement > book.equity:
        if not find_step(book, desk, terms, requirement, order):
            return
        order.units = fewest_units(book, desk, terms, order)
        requirement = requirement_after(book, desk, terms, order, order.units)
        for leg in range(order.legs):
            book.plan_lots[order.contract[leg]] += order.ratio[leg] * order.units
        if not submit(book, desk, terms, order, out):
            return


@inner
def call_margin(book, desk, terms, order, out):
    """Measures both requirements; begins, keeps or ends a margin call, and liquidates when its grace is over."""
    book.initial, book.maintenance, grace = plan_positions(book, desk, terms)
    desk.initial_micros = book.initial
    if book.in_call:
        if book.equity >= book.initial:
            book.in_call = 0
            end_working(book, desk, True, CANCELLED, out)
            return
        book.grace_left = max(book.grace_left - 1, 0)
    elif book.equity >= book.maintenance:
        return
    else:
        book.in_call, book.grace_left = 1, grace
        book.margin_calls += 1
        end_working(book, desk, False, MARGIN_CALL, out)
    if book.grace_left == 0:
        liquidate(book, desk, terms, order, out)
