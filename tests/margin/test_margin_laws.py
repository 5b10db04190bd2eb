# SPDX-License-Identifier: Apache-2.0
"""Laws of margin and of liquidation over random portfolios, and the kernels against exact fractions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from kilohour.contracts.margin import MarginTable
from kilohour.contracts.terms import EngineTerms
from tests.margin.margin_books import Line, Portfolio, table_of, terms_of
from tests.margin.margin_reference import outright, requirement

CODES = ("X:A", "X:B", "Y:A")
MODELS = ("percent", "per_lot", "scenario", "mixed")
PORTFOLIOS = 60
SOAK_PORTFOLIOS = 1_000
"""Random portfolios of each model."""


def random_table(rng: np.random.Generator, code: str) -> MarginTable:
    tiers = int(rng.integers(1, 5))
    days = tuple(int(day) for day in np.sort(rng.choice(np.arange(1, 400), tiers - 1, replace=False)))
    scenarios = [tuple(int(move) / 10**6 for move in rng.integers(-10**6, 10**6 + 1, tiers)) for _ in range(int(rng.integers(0, 7)))]
    scenarios.append(tuple(1 - tier / 10 for tier in range(tiers)))
    others = [other for other in CODES if other != code and rng.random() < 0.6]
    spreads = tuple((other, int(rng.integers(1, 4)), int(rng.integers(1, 4)), int(rng.choice([0, 350_001, 10**6]))) for other in others)
    credits = tuple(int(ppm) for ppm in rng.choice([0, 333_333, 800_000, 10**6], tiers))
    return table_of(scenarios, days=days, calendar=credits, across=int(rng.choice([0, 777_777, 10**6])), spreads=spreads,
                    share=int(rng.choice([750_000, 10**6, 909_091])))


def random_terms(rng: np.random.Generator, code: str, model: str) -> EngineTerms:
    model = str(rng.choice(MODELS[:3])) if model == "mixed" else model
    table = random_table(rng, code) if model == "scenario" else None
    lot = [(730, 1), (1, 1), (1, 100), (7, 3)][rng.integers(4)]
    ppm = 0 if model == "per_lot" else int(rng.choice([1, 120_000, 200_000]))
    floor = int(rng.choice([1, 90_000_001])) if model == "per_lot" else int(rng.choice([0, 1_000_003]))
    return terms_of(table=table, lot=lot, ppm=ppm, floor=floor, fee=int(rng.choice([0, 1_250_000])), half_spread=int(rng.choice([0, 10_000])))


def random_portfolio(seed: int, model: str) -> Portfolio:
    """One to three products, one to eight lines: curves, opposite legs, lots that cannot be traded, prices of any sign."""
    rng = np.random.default_rng([seed, MODELS.index(model)])
    codes = CODES[: int(rng.integers(1, 4))]
    terms = {code: random_terms(rng, code, model) for code in codes}
    count, most = int(rng.integers(len(codes), 9)), int(rng.choice([3, 40]))
    lines = [Line(product=codes[row] if row < len(codes) else str(rng.choice(codes)), days=int(rng.integers(0, 500)) if rng.random() < 0.9 else None,
                  price=int(rng.choice([2_810_000, 61_234_567, -3_000_000, 17])), lots=int(rng.integers(-most, most + 1)),
                  is_tradable=rng.random() < 0.9) for row in range(count)]
    return Portfolio(lines, terms)


def portfolios(model: str, seeds: range = range(PORTFOLIOS)) -> Iterator[Portfolio]:
    """One after the other: together they would take gigabytes."""
    return (random_portfolio(seed, model) for seed in seeds)


@pytest.fixture(scope="module", params=MODELS)
def drawn(request):
    """Those of one model, for the tests that change none; a model's tests run together."""
    return list(portfolios(request.param))


def test_the_kernels_and_exact_fractions_agree(drawn):
    for of in drawn:
        assert of.asked() == requirement(of.lines, of.lots, of.terms)


@pytest.mark.soak
@pytest.mark.parametrize("model", MODELS)
def test_every_law_at_length(model):
    """The laws of this file that take one portfolio at a time, over portfolios that no other run draws."""
    for of in portfolios(model, range(PORTFOLIOS, PORTFOLIOS + SOAK_PORTFOLIOS)):
        assert of.asked() == requirement(of.lines, of.lots, of.terms)
        assert of.asked([-lots for lots in of.lots]) == of.asked()
        for percent in (90, 50, 10, 0):
            no_step_raises(of, percent)


def test_a_portfolio_asks_at_most_its_outrights_and_never_less_than_zero(drawn):
    for of in drawn:
        initial, maintenance = of.asked()
        alone = sum(outright(line, of.terms[line.product], lots) for line, lots in zip(of.lines, of.lots, strict=True))
        assert 0 <= maintenance <= initial <= alone


def test_the_mirror_image_asks_the_same(drawn):
    for of in drawn:
        assert of.asked([-lots for lots in of.lots]) == of.asked()


def test_a_multiple_never_asks_less():
    for of in portfolios("scenario"):
        asked = [of.asked([times * lots for lots in of.lots])[0] for times in (1, 2, 3, 4, 7, 8, 100)]
        assert asked == sorted(asked)
        assert asked[-1] <= 100 * asked[0]


def test_more_credit_never_asks_more():
    """One rate after the other is raised, those of calendars and those between products."""
    for seed in range(30):
        of = random_portfolio(seed, "scenario")
        for code, its in of.terms.items():
            assert its.margin_table is not None
            for better in raised(its.margin_table):
                other = Portfolio(of.lines, {**of.terms, code: replace(its, margin_table=better)})
                assert other.asked()[0] <= of.asked()[0]


def raised(table: MarginTable) -> list[MarginTable]:
    full = 10**6
    calendar = [replace(table, calendar_credits=(*table.calendar_credits[:tier], full, *table.calendar_credits[tier + 1 :]))
                for tier in range(len(table.calendar_credits))]
    spreads = [replace(table, spread_credits=(*table.spread_credits[:at], (*table.spread_credits[at][:3], full), *table.spread_credits[at + 1 :]))
               for at in range(len(table.spread_credits))]
    return [*calendar, replace(table, tier_credit_ppm=full), *spreads]


# Liquidation


@pytest.mark.parametrize("percent", [90, 50, 10, 0])
def test_no_step_of_a_liquidation_raises_the_requirement(drawn, percent):
    """Each order only closes, each lowers what is asked (with no equity: does not raise it), and all together are enough, or no
    outright and no spread is left that would lower it."""
    for of in drawn:
        no_step_raises(of, percent)


def no_step_raises(of: Portfolio, percent: int) -> None:
    before = of.asked()[0]
    equity, lots = before * percent // 100, list(of.lots)
    if before <= equity:
        return
    for order in of.liquidated(equity):
        assert requirement(of.lines, lots, of.terms)[0] == before
        assert before > equity or equity == 0
        for row, change in order.items():
            assert of.lines[row].is_tradable
            assert change * lots[row] < 0
            assert abs(change) <= abs(lots[row])
            lots[row] += change
        after = requirement(of.lines, lots, of.terms)[0]
        assert after < before or (equity == 0 and after == before)
        before = after
    if before > equity:
        assert not improvable(of, lots, before)


def improvable(of: Portfolio, lots: list[int], before: int) -> list[int]:
    """Lines of which closing all, or one lot, would lower what is asked."""
    found = []
    for row, line in enumerate(of.lines):
        for change in {-lots[row], -1 if lots[row] > 0 else 1} if lots[row] and line.is_tradable else ():
            after = [*lots[:row], lots[row] + change, *lots[row + 1 :]]
            if requirement(of.lines, after, of.terms)[0] < before:
                found.append(row)
    return found


def test_few_liquidations_stop_short():
    """With every leg tradable the requirement gets down to equity, but for a portfolio in a hundred and fifty: there each step
    alone would raise it."""
    short = 0
    for of in portfolios("scenario"):
        of.desk["listed"][0][: len(of.lines)] = 1
        equity, lots = of.asked()[0] // 5, list(of.lots)
        for order in of.liquidated(equity) if equity else ():
            for row, change in order.items():
                lots[row] += change
        short += bool(equity) and any(lots) and of.asked(lots)[0] > equity
    assert short <= 1


def test_the_fewest_lots_of_a_contract_are_closed():
    for of in portfolios("percent"):
        equity, lots = of.asked()[0] * 6 // 10, list(of.lots)
        orders = of.liquidated(equity) if equity else []
        for order in orders:
            for row, change in order.items():
                lots[row] += change
        if orders and requirement(of.lines, lots, of.terms)[0] <= equity:
            (row, change), = orders[-1].items()
            one_less = [*lots[:row], lots[row] - (1 if change > 0 else -1), *lots[row + 1 :]]
            assert requirement(of.lines, one_less, of.terms)[0] > equity
