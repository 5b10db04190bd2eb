# SPDX-License-Identifier: Apache-2.0
"""Margin of a portfolio: per cent of notional with a floor per lot, or scenario arrays. Rules: docs/engine.md, "Margin"."""

from __future__ import annotations

from typing import Any

from numba.extending import overload

from kilohour.kernels.compiling import inner
from kilohour.kernels.records import BY_SCENARIO
from kilohour.kernels.scenario_margin import requirement, scenario_requirement


@inner
def plan_line(book, contract, lots):
    """Adds a contract to the portfolio whose margin is asked."""
    book.plan_contract[book.plan_count] = contract
    book.plan_lots[contract] = lots
    book.plan_count += 1


class ByScenarios:
    """Requirements of the planned lines that have scenario margin: compiled only for terms that can hold scenarios.

    An object, because a plain function would be compiled as it stands wherever strategies are.
    """

    def __call__(self, book: Any, desk: Any, terms: Any) -> Any:
        """Initial and maintenance, micros."""
        return scenario_requirement(book, desk, terms)


by_scenarios = ByScenarios()


@overload(by_scenarios)
def _by_scenarios(book, desk, terms):  # noqa: ARG001
    if "move" in terms.dtype.fields:
        return lambda book, desk, terms: scenario_requirement(book, desk, terms)
    return lambda book, desk, terms: (0, 0)  # noqa: ARG005


@inner
def plan_requirement(book, desk, terms):
    """Initial and maintenance requirement of the planned portfolio at value prices, micros."""
    initial, maintenance, more = 0, 0, False
    for line in range(book.plan_count):
        contract = book.plan_contract[line]
        lots, price, term = book.plan_lots[contract], book.value_price[contract], terms[contract]
        if term.margin_model == BY_SCENARIO:
            more = True
        else:
            initial += requirement(term, lots, price, term.initial_ppm, term.initial_floor)
            maintenance += requirement(term, lots, price, term.maintenance_ppm, term.maintenance_floor)
    if more:
        initial_more, maintenance_more = by_scenarios(book, desk, terms)
        initial += initial_more
        maintenance += maintenance_more
    return initial, maintenance


@inner
def requirement_with(book, desk, terms, order):
    """Initial requirement of positions, all working lots and this order together, micros."""
    book.plan_count = 0
    for contract in range(desk.contract_count):
        lots = desk.held[contract] + desk.on_target[contract] + desk.on_order[contract]
        for leg in range(order.legs):
            if order.contract[leg] == contract:
                lots += order.ratio[leg] * (order.size - order.filled)
        if lots:
            plan_line(book, contract, lots)
    return plan_requirement(book, desk, terms)[0]


@inner
def measure_margin(book, desk, terms):
    """Brings both requirements up to date, in the book and on the desk.

    False when an open contract has scenario margin: that is summed up where margin calls are.
    """
    initial, maintenance = 0, 0
    for line in range(book.open_count):
        contract = book.open_contract[line]
        lots, price, term = book.position[contract], book.value_price[contract], terms[contract]
        if lots:
            if term.margin_model == BY_SCENARIO:
                return False
            initial += requirement(term, lots, price, term.initial_ppm, term.initial_floor)
            maintenance += requirement(term, lots, price, term.maintenance_ppm, term.maintenance_floor)
    book.initial, book.maintenance = initial, maintenance
    desk.initial_micros = initial
    return True
