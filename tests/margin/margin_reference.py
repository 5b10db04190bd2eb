# SPDX-License-Identifier: Apache-2.0
"""Margin of a portfolio in exact fractions, slowly, written from docs/engine.md, "Margin", alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import cache

from kilohour.contracts.terms import EngineTerms
from tests.margin.margin_books import Line

MILLION = 10**6


def half_even(value: Fraction) -> int:
    """``round`` of a fraction is half-even and exact."""
    return round(value)


def range_of(line: Line, terms: EngineTerms, lots: int, ppm: int, floor: int) -> int:
    notional = Fraction(abs(lots) * abs(line.price) * terms.lot_num, terms.lot_den)
    return max(abs(lots) * floor, half_even(notional * Fraction(ppm, MILLION)))


def outright(line: Line, terms: EngineTerms, lots: int) -> int:
    """Initial requirement of a position alone."""
    if terms.margin_table is None:
        return range_of(line, terms, lots, terms.margin_initial_ppm, terms.margin_initial_floor_micros)
    return abs(lots) * max(gains_of(line, terms))


def tier_of(line: Line, terms: EngineTerms) -> int:
    assert terms.margin_table is not None
    limits = terms.margin_table.tier_days
    return next((tier for tier, most in enumerate(limits) if line.days is not None and line.days <= most), len(limits))


@cache
def gains_of(line: Line, terms: EngineTerms) -> list[int]:
    """What one lot gains in each scenario."""
    assert terms.margin_table is not None
    scan = range_of(line, terms, 1, terms.margin_initial_ppm, terms.margin_initial_floor_micros)
    return [half_even(scan * Fraction(row[tier_of(line, terms)], MILLION)) for row in terms.margin_table.scenarios]


def worst_of(lines: Sequence[tuple[Line, int]], terms: EngineTerms) -> int:
    if not lines:
        return 0
    gains = [(gains_of(line, terms), lots) for line, lots in lines]
    assert terms.margin_table is not None
    losses = [-sum(lots * gain[scenario] for gain, lots in gains) for scenario in range(len(terms.margin_table.scenarios))]
    return max(0, *losses)


def share(amount: int, ppm: int) -> int:
    return math.floor(Fraction(amount * ppm, MILLION))


def requirement(lines: Sequence[Line], lots: Sequence[int], terms: Mapping[str, EngineTerms]) -> tuple[int, int]:
    """Initial and maintenance."""
    held = [(line, q) for line, q in zip(lines, lots, strict=True) if q]
    initial = maintenance = 0
    for line, q in held:
        its = terms[line.product]
        if its.margin_table is None:
            initial += range_of(line, its, q, its.margin_initial_ppm, its.margin_initial_floor_micros)
            maintenance += range_of(line, its, q, its.margin_maintenance_ppm, its.margin_maintenance_floor_micros)
    by_scenario = {code: [(line, q) for line, q in held if line.product == code] for code in dict.fromkeys(x.product for x in lines)
                   if terms[code].margin_table is not None}
    products = {code: of for code, of in by_scenario.items() if of}
    credited = credits_between(products, terms)
    for code, of in products.items():
        its = terms[code]
        table = its.margin_table
        assert table is not None
        asked, alone = 0, 0
        for tier, ppm in enumerate(table.calendar_credits):
            here = [(line, q) for line, q in of if tier_of(line, its) == tier]
            legs, worst = sum(outright(line, its, q) for line, q in here), worst_of(here, its)
            asked += legs - share(legs - worst, ppm)
            alone += worst
        scan = worst_of(of, its)
        asked -= share(alone - scan, table.tier_credit_ppm)
        asked -= share(scan, credited[code] // MILLION)
        initial += asked
        maintenance += math.ceil(Fraction(asked * table.maintenance_share_ppm, MILLION))
    return initial, maintenance


def credits_between(products: Mapping[str, Sequence[tuple[Line, int]]], terms: Mapping[str, EngineTerms]) -> dict[str, int]:
    """Millionths of millionths of each product's scan risk that spreads with other products take off."""
    net = {code: sum(q for _, q in of) for code, of in products.items()}
    left, noted = dict.fromkeys(products, MILLION), dict.fromkeys(products, 0)
    for code in products:
        table = terms[code].margin_table
        assert table is not None
        for other, own_lots, other_lots, ppm in table.spread_credits:
            if other not in products or net[code] * net[other] >= 0:
                continue
            spreads = Fraction(abs(net[code]) * left[code], own_lots), Fraction(abs(net[other]) * left[other], other_lots)
            formed = min(spreads)
            given = {code: math.floor(formed * own_lots / abs(net[code])), other: math.floor(formed * other_lots / abs(net[other]))}
            for one, millionths in given.items():
                left[one] -= millionths
                noted[one] += millionths * ppm
    return noted
