# SPDX-License-Identifier: Apache-2.0
"""Margin worked by hand: the tables of docs/margin.md, and liquidations that a trader can follow line by line."""

from __future__ import annotations

import pytest

from kilohour.units import MICROS
from tests.margin.margin_books import Line, Portfolio, table_of, terms_of

USD = MICROS
NEAR_FAR = table_of([(1, 1), (0.5, 0)], days=(90,), calendar=(800_000, 800_000), across=900_000)
H100, B200, CHIP = "X:H100", "X:B200", "Y:H100"


def curve(*days_and_lots: tuple[int, int], product: str = H100) -> list[Line]:
    return [Line(product=product, days=days, lots=lots) for days, lots in days_and_lots]


@pytest.mark.parametrize(("held", "usd"), [
    (((30, 1),), 100),
    (((30, 1), (60, -1)), 40),
    (((30, 1), (300, -1)), 65),
    (((30, 3), (300, -1)), 220),
    (((30, -3), (300, 1)), 220),
    (((300, 1),), 100),
    (((90, 1), (91, -1)), 65),
    (((30, 0), (60, 0)), 0),
])
def test_calendar_spreads_get_their_credit(held, usd):
    portfolio = Portfolio(curve(*held), {H100: terms_of(table=NEAR_FAR, floor=100 * USD)})
    assert portfolio.asked() == (usd * USD, usd * USD * 3 // 4)


@pytest.mark.parametrize(("h100", "b200", "chip", "usd"), [
    (4, -1, 0, 350),
    (4, 1, 0, 500),       # the same side: no spread
    (1, -1, 0, 125),      # half a spread: all of H100, half of B200: 200 - 50 % of (100 + 50)
    (4, -2, 0, 300),      # two spreads, nothing left
    (4, -1, -4, 390),     # B200 takes two lots of H100 (150 off), the other venue's chip the other two (90 % of 200 + 200)
    (0, -1, 3, 400),      # B200 has no credit with the other venue's chip
])
def test_generations_and_venues_offset_in_their_ratio(h100, b200, chip, usd):
    spreads = ((B200, 2, 1, 500_000), (CHIP, 1, 1, 900_000))
    plain = table_of([(1,)])
    terms = {H100: terms_of(table=table_of([(1,)], spreads=spreads), floor=100 * USD)}
    terms |= {code: terms_of(table=plain, floor=100 * USD) for code in (B200, CHIP)}
    lines = [Line(product=code, lots=lots) for code, lots in ((H100, h100), (B200, b200), (CHIP, chip))]
    assert Portfolio(lines, terms).asked()[0] == usd * USD


def test_per_lot_is_dollars_a_lot_long_or_short_and_no_spread():
    terms = {H100: terms_of(floor=400 * USD, share=(1, 1))}
    assert Portfolio(curve((30, 3), (60, -2)), terms).asked() == (2_000 * USD, 2_000 * USD)


def test_ax_asks_twenty_and_fifteen_per_cent():
    # 730 hours at 2.81: 2,051.30 USD a lot (market.md 2.2), 410.26 and 307.695 of it.
    terms = {H100: terms_of(lot=(730, 1), ppm=200_000)}
    line = Line(product=H100, price=2_810_000, lots=-1)
    assert Portfolio([line], terms).asked() == (410_260_000, 307_695_000)


def test_the_range_of_an_outright_is_its_percentage_or_the_floor():
    terms = {H100: terms_of(table=table_of([(1,), (0.5,)]), lot=(730, 1), ppm=200_000, floor=200 * USD)}
    for price, asked in ((2_810_000, 410_260_000), (-2_810_000, 410_260_000), (1_000_000, 200 * USD)):
        assert Portfolio([Line(product=H100, price=price, lots=2)], terms).asked()[0] == 2 * asked


def test_models_stand_side_by_side():
    terms = {H100: terms_of(table=NEAR_FAR, floor=100 * USD), B200: terms_of(floor=70 * USD, share=(1, 1))}
    lines = [*curve((30, 1), (60, -1)), Line(product=B200, lots=-2)]
    assert Portfolio(lines, terms).asked() == (180 * USD, 170 * USD)


# Liquidation


def test_what_frees_most_per_dollar_goes_first_in_the_fewest_lots():
    # A frees 100 a lot for 2 of cost, B 150 for 5: A first, though B binds more.
    terms = {H100: terms_of(floor=100 * USD, fee=2 * USD), B200: terms_of(floor=150 * USD, fee=5 * USD)}
    lines = [Line(product=B200, lots=10), Line(product=H100, lots=-5)]
    assert Portfolio(lines, terms).liquidated(1_750 * USD) == [{1: 3}]
    assert Portfolio(lines, terms).liquidated(1_300 * USD) == [{1: 5}, {0: -2}]


def test_half_a_spread_is_a_cost():
    # The same margin; the first pays 0.10 a unit on a lot of 10.
    terms = {H100: terms_of(lot=(10, 1), floor=100 * USD, half_spread=100_000), B200: terms_of(lot=(10, 1), floor=100 * USD)}
    lines = [Line(product=H100, lots=1), Line(product=B200, lots=1)]
    assert Portfolio(lines, terms).liquidated(100 * USD) == [{1: -1}]


def test_ties_go_to_the_lowest_row():
    terms = {H100: terms_of(floor=100 * USD)}
    assert Portfolio(curve((30, 2), (60, 2)), terms).liquidated(300 * USD) == [{0: -1}]


def test_a_spread_closes_as_a_spread():
    # +5 / -5 asks 5 x 40; closing one leg alone would ask 100 more for it.
    terms = {H100: terms_of(table=NEAR_FAR, floor=100 * USD, fee=USD)}
    portfolio = Portfolio(curve((30, 5), (60, -5)), terms)
    assert portfolio.liquidated(100 * USD) == [{0: -3, 1: 3}]


def test_the_naked_lots_go_before_the_spread():
    # +8 / -5: 3 naked lots ask 300, the spreads 200.
    terms = {H100: terms_of(table=NEAR_FAR, floor=100 * USD, fee=USD)}
    portfolio = Portfolio(curve((30, 8), (60, -5)), terms)
    assert portfolio.asked()[0] == 500 * USD
    assert portfolio.liquidated(250 * USD) == [{0: -3}]
    assert portfolio.liquidated(100 * USD) == [{0: -3}, {0: -3, 1: 3}]


def test_generations_close_in_their_ratio():
    table = table_of([(1,)], spreads=((B200, 2, 1, 900_000),))
    terms = {H100: terms_of(table=table, floor=100 * USD, fee=USD), B200: terms_of(table=table_of([(1,)]), floor=200 * USD, fee=USD)}
    portfolio = Portfolio([Line(product=B200, lots=-5), Line(product=H100, lots=10)], terms)
    assert portfolio.asked()[0] == 200 * USD
    assert portfolio.liquidated(130 * USD) == [{0: 2, 1: -4}]


def test_the_leg_that_cannot_be_traded_keeps_its_other_leg():
    # The near leg awaits settlement. Closing the far one would raise what is asked from 65 to 100.
    terms = {H100: terms_of(table=NEAR_FAR, floor=100 * USD)}
    lines = [Line(product=H100, days=0, lots=1, is_tradable=False), Line(product=H100, days=300, lots=-1)]
    assert Portfolio(lines, terms).liquidated(10 * USD) == []


def test_without_equity_all_that_can_be_traded_goes():
    terms = {H100: terms_of(table=NEAR_FAR, floor=100 * USD, fee=USD), B200: terms_of()}
    lines = [*curve((30, 5), (60, -5)), Line(product=B200, lots=7), Line(product=B200, lots=1, is_tradable=False)]
    assert Portfolio(lines, terms).liquidated(0) == [{0: -5, 1: 5}, {2: -7}]
