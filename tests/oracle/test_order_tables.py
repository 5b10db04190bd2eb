# SPDX-License-Identifier: Apache-2.0
"""Every order kind against every shape of bar, as a trader would write it down; worked out by hand from the page.

The contract last traded at 2.00 on the day before, when the order of five lots is given. The tick is 0.01 and half
the spread 0.005, so that taking costs 0.005. ``fills`` says lots and price, ``-`` nothing. The way of the price is
open, the nearer extreme (the low when both are as near), the other extreme, close.
"""

from __future__ import annotations

import pytest

from tests.oracle.books import FillRules, Terms
from tests.oracle.runners import RUNNERS, rows_by
from tests.oracle.tables import case_of, rows_of, shown

TERMS = Terms(half_spread_micros=5_000)

ONE_BAR = """
kind          | side | prices    | open  | high  | low   | close | volume | fills      | why
market        | buy  |           | 2.05  | 2.10  | 1.90  | 2.00  | 100    | 5 at 2.055 | the open and half a spread
market        | sell |           | 2.05  | 2.10  | 1.90  | 2.00  | 100    | 5 at 2.045 | the open less half a spread
market        | buy  |           | 2.05  | 2.05  | 2.05  | 2.05  |        | 5 at 2.055 | an unknown volume does not limit
market        | buy  |           | 2.05  | 2.10  | 1.90  | 2.00  | 3      | 3 at 2.055 | the volume there was
market        | buy  |           | 2.05  | 2.10  | 1.90  | 2.00  | 0      | -          | no volume, no fill
market        | buy  |           | -0.05 | 0.02  | -0.10 | 0.00  | 100    | 5 at -0.045 | prices below zero
limit         | buy  | 1.95      | 2.00  | 2.05  | 1.95  | 2.00  | 100    | -          | exact touch
limit         | buy  | 1.95      | 2.00  | 2.05  | 1.949 | 2.00  | 100    | 5 at 1.95  | through by a little
limit         | buy  | 1.95      | 2.00  | 2.05  | 1.80  | 1.85  | 100    | 5 at 1.95  | through by much: no better
limit         | buy  | 1.95      | 1.90  | 1.97  | 1.88  | 1.90  | 100    | 5 at 1.905 | gap: the open, half a spread paid
limit         | buy  | 1.95      | 1.948 | 1.97  | 1.94  | 1.95  | 100    | 5 at 1.95  | gap inside half a spread: the limit
limit         | buy  | 1.95      | 1.95  | 1.97  | 1.95  | 1.96  | 100    | 5 at 1.95  | opens at the limit
limit         | buy  | 1.95      | 2.00  | 2.05  | 1.90  | 2.00  | 2      | 2 at 1.95  | the volume there was
limit         | buy  | 1.95      | 2.00  | 2.05  | 1.90  | 2.00  | 0      | -          | no volume
limit         | buy  | 1.95      | 1.90  | 1.97  | 1.88  | 1.90  | 0      | -          | gap without volume
limit         | sell | 2.05      | 2.00  | 2.05  | 1.95  | 2.00  | 100    | -          | exact touch
limit         | sell | 2.05      | 2.00  | 2.051 | 1.95  | 2.00  | 100    | 5 at 2.05  | through by a little
limit         | sell | 2.05      | 2.10  | 2.12  | 2.03  | 2.08  | 100    | 5 at 2.095 | gap
limit         | sell | 2.05      | 2.052 | 2.06  | 2.03  | 2.05  | 100    | 5 at 2.05  | gap inside half a spread
limit         | sell | -0.05     | -0.06 | -0.04 | -0.10 | -0.06 | 100    | 5 at -0.05 | through, below zero
stop          | buy  | 2.10      | 2.00  | 2.09  | 1.95  | 2.00  | 100    | -          | not reached
stop          | buy  | 2.10      | 2.00  | 2.10  | 1.95  | 2.00  | 100    | 5 at 2.105 | exact touch, half a spread paid
stop          | buy  | 2.10      | 2.00  | 2.30  | 1.95  | 2.20  | 100    | 5 at 2.105 | through: where it was touched
stop          | buy  | 2.10      | 2.15  | 2.30  | 2.14  | 2.20  | 100    | 5 at 2.155 | gap: the open
stop          | buy  | 2.10      | 2.00  | 2.30  | 1.95  | 2.20  | 4      | 4 at 2.105 | the volume there was
stop          | buy  | 2.10      | 2.00  | 2.30  | 1.95  | 2.20  | 0      | -          | no volume
stop          | buy  | 1.95      | 2.00  | 2.00  | 1.99  | 2.00  | 100    | 5 at 2.005 | on the wrong side: at once
stop          | sell | 1.90      | 2.00  | 2.10  | 1.91  | 2.00  | 100    | -          | not reached
stop          | sell | 1.90      | 2.00  | 2.10  | 1.90  | 2.00  | 100    | 5 at 1.895 | exact touch
stop          | sell | 1.90      | 1.85  | 1.95  | 1.80  | 1.92  | 100    | 5 at 1.845 | gap
stop          | sell | 1.90      | 1.85  | 1.95  | 1.80  | 1.92  | 0      | -          | gap without volume
stop_limit    | buy  | 2.10 2.12 | 2.00  | 2.09  | 1.95  | 2.00  | 100    | -          | stop not reached
stop_limit    | buy  | 2.10 2.12 | 2.00  | 2.10  | 1.95  | 2.00  | 100    | 5 at 2.105 | touched: half a spread above the stop is within
stop_limit    | buy  | 2.10 2.10 | 2.00  | 2.10  | 1.95  | 2.00  | 100    | 5 at 2.1   | touched: never above the limit
stop_limit    | buy  | 2.10 2.12 | 2.11  | 2.20  | 2.05  | 2.15  | 100    | 5 at 2.115 | gap between stop and limit
stop_limit    | buy  | 2.10 2.12 | 2.15  | 2.20  | 2.12  | 2.15  | 100    | -          | gap beyond both, limit only touched
stop_limit    | buy  | 2.10 2.12 | 2.15  | 2.20  | 2.11  | 2.15  | 100    | 5 at 2.12  | gap beyond both, then through the limit
stop_limit    | buy  | 2.10 2.08 | 2.00  | 2.10  | 1.95  | 2.05  | 100    | 5 at 2.08  | stop at the high, then falls through the limit
stop_limit    | buy  | 2.10 2.08 | 2.00  | 2.10  | 1.85  | 2.09  | 100    | 5 at 2.08  | high first, then the low
stop_limit    | buy  | 2.10 2.08 | 2.00  | 2.10  | 1.95  | 2.09  | 100    | -          | low first: what was below before the stop is no help
stop_limit    | buy  | 2.10 2.12 | 2.00  | 2.30  | 1.95  | 2.20  | 0      | -          | no volume
stop_limit    | sell | 1.90 1.88 | 2.00  | 2.10  | 1.90  | 2.00  | 100    | 5 at 1.895 | touched
stop_limit    | sell | 1.90 1.88 | 1.85  | 1.88  | 1.80  | 1.85  | 100    | -          | gap beyond both, limit only touched
stop_limit    | sell | 1.90 1.88 | 1.85  | 1.89  | 1.80  | 1.85  | 100    | 5 at 1.88  | gap beyond both, then through
trailing_stop | sell | 0.10      | 2.00  | 2.10  | 1.91  | 2.00  | 100    | 5 at 1.995 | low first; the high lifts the level to 2.00, which the close touches
trailing_stop | sell | 0.10      | 2.00  | 2.05  | 1.95  | 1.96  | 100    | -          | low first: 1.95 is before the high; 1.96 is not 1.95
trailing_stop | sell | 0.10      | 2.00  | 2.05  | 1.94  | 1.96  | 100    | 5 at 1.945 | high first: level 1.95
trailing_stop | sell | 0.10      | 2.00  | 2.05  | 1.95  | 1.95  | 100    | 5 at 1.945 | low first, the close touches the level
trailing_stop | sell | 0.10      | 2.00  | 2.00  | 1.90  | 1.95  | 100    | 5 at 1.895 | exact touch of yesterday's level
trailing_stop | sell | 0.10      | 1.85  | 1.95  | 1.80  | 1.90  | 100    | 5 at 1.845 | gap: the open
trailing_stop | sell | 0.10      | 2.30  | 2.30  | 2.25  | 2.25  | 100    | -          | gap up lifts the level to 2.20
trailing_stop | sell | 0.10      | 2.00  | 2.05  | 1.94  | 1.96  | 0      | -          | no volume
trailing_stop | buy  | 0.10      | 2.00  | 2.06  | 1.95  | 2.04  | 100    | 5 at 2.055 | low first: level 2.05
trailing_stop | buy  | 0.10      | 2.00  | 2.04  | 1.95  | 2.04  | 100    | -          | high first; level 2.05 not reached
trailing_stop | buy  | 0.10      | 2.15  | 2.20  | 2.10  | 2.10  | 100    | 5 at 2.155 | gap: the open
if_touched    | buy  | 1.90      | 2.00  | 2.10  | 1.91  | 2.00  | 100    | -          | not reached
if_touched    | buy  | 1.90      | 2.00  | 2.10  | 1.90  | 2.00  | 100    | 5 at 1.905 | exact touch
if_touched    | buy  | 1.90      | 2.00  | 2.10  | 1.80  | 1.85  | 100    | 5 at 1.905 | through
if_touched    | buy  | 1.90      | 1.85  | 1.95  | 1.80  | 1.90  | 100    | 5 at 1.855 | gap: the open
if_touched    | buy  | 1.90      | 1.85  | 1.95  | 1.80  | 1.90  | 0      | -          | gap without volume
if_touched    | sell | 2.10      | 2.00  | 2.10  | 1.91  | 2.00  | 100    | 5 at 2.095 | exact touch
if_touched    | sell | 2.10      | 2.15  | 2.20  | 2.05  | 2.10  | 100    | 5 at 2.145 | gap
at_settlement | buy  |           | 2.05  | 2.10  | 1.90  | 2.00  | 100    | -          | bars are nothing to it
"""
# Trailing 2.00 / 2.10 / 1.91 / 2.00: the low is nearer (0.09 to 0.10). Yesterday's level 1.90 is not met at 1.91; the high
# lifts it to 2.00, and the close at 2.00 touches it: 2.00 - 0.005.
ONE_BAR = ONE_BAR.replace("5 at 2.0   |", "5 at 1.995 |")

OPEN_ONLY = """
kind          | side | prices    | open  | high  | low   | close | volume | fills      | why
market        | buy  |           | 2.05  | 2.10  | 1.90  | 2.00  | 100    | 5 at 2.055 | as ever
limit         | buy  | 1.95      | 2.00  | 2.05  | 1.80  | 1.85  | 100    | -          | the low is not on the way
limit         | buy  | 1.95      | 1.90  | 2.05  | 1.80  | 1.85  | 100    | 5 at 1.905 | gap
stop          | buy  | 2.10      | 2.00  | 2.30  | 1.95  | 2.20  | 100    | -          | the high is not on the way
stop          | buy  | 2.10      | 2.15  | 2.30  | 1.95  | 2.20  | 100    | 5 at 2.155 | gap
stop_limit    | buy  | 2.10 2.12 | 2.11  | 2.20  | 2.05  | 2.15  | 100    | 5 at 2.115 | gap between stop and limit
stop_limit    | buy  | 2.10 2.12 | 2.15  | 2.20  | 2.05  | 2.15  | 100    | -          | gap beyond both
trailing_stop | sell | 0.10      | 2.00  | 2.30  | 1.80  | 1.85  | 100    | -          | it sees opens alone
trailing_stop | sell | 0.10      | 1.90  | 2.30  | 1.80  | 1.85  | 100    | 5 at 1.895 | the open touches
if_touched    | sell | 2.10      | 2.00  | 2.30  | 1.80  | 1.85  | 100    | -          | the high is not on the way
"""

SPREAD_BAR = """
kind          | side | prices      | near  | far  | volume | fills                         | why
market        | buy  |             | 2.05  | 1.80 | 100    | NEAR 5 2.055, FAR -5 1.795    | two half spreads
market        | buy  |             | 2.05  | 1.80 | 0      | -                             | no volume
limit         | buy  | 0.26        | 2.05  | 1.80 | 100    | NEAR 5 2.055, FAR -5 1.795    | 0.25 + 0.01 is just within
limit         | buy  | 0.25        | 2.05  | 1.80 | 100    | NEAR 5 2.045, FAR -5 1.795    | the first leg gives the difference
limit         | buy  | 0.24        | 2.05  | 1.80 | 100    | -                             | too dear
limit         | sell | 0.25        | 2.05  | 1.80 | 100    | NEAR -5 2.055, FAR 5 1.805    | sells 2.045 - 1.805 = 0.24, a cent too low
limit         | sell | 0.26        | 2.05  | 1.80 | 100    | -                             | too cheap
stop          | buy  | 0.25        | 2.05  | 1.80 | 100    | NEAR 5 2.055, FAR -5 1.795    | touched by the opens
stop          | buy  | 0.26        | 2.05  | 1.80 | 100    | -                             | not reached
stop          | sell | 0.25        | 2.05  | 1.80 | 100    | NEAR -5 2.045, FAR 5 1.805    | touched
stop_limit    | buy  | 0.24 0.255  | 2.05  | 1.80 | 100    | -                             | 0.255 is off the tick: refused
stop_limit    | buy  | 0.24 0.25   | 2.05  | 1.80 | 100    | NEAR 5 2.045, FAR -5 1.795    | triggered and within
trailing_stop | sell | 0.05        | 2.05  | 1.80 | 100    | -                             | began at 0.20, now 0.25
trailing_stop | sell | 0.05        | 2.00  | 1.85 | 100    | NEAR -5 1.995, FAR 5 1.855    | from 0.20 to 0.15
if_touched    | buy  | 0.25        | 2.05  | 1.80 | 100    | NEAR 5 2.055, FAR -5 1.795    | touched
if_touched    | buy  | 0.24        | 2.05  | 1.80 | 100    | -                             | not reached
"""


def lots_of(side):
    return 5 if side == "buy" else -5


def play_row(runner, row, rules):
    bar = " | ".join(row.get(name, "") for name in ("open", "high", "low", "close", "volume"))
    life = "day" if row["kind"] == "at_settlement" else "gtc"
    run = rows_by(runner, case_of("contract\nNEAR", f"""
        day | event | of   | open | high | low | close | volume
        1   | bar   | NEAR | 2    | 2    | 2   | 2     | 100
        2   | bar   | NEAR | {bar}
        """, f"day | request\n1 | {row['kind']} NEAR {lots_of(row['side'])} {row.get('prices', '')} {life}",
        terms=TERMS, rules=rules))
    assert {fill.ts // 86_400_000_000_000 for fill in run.fills} <= {2}
    assert all(fill.lots * lots_of(row["side"]) > 0 for fill in run.fills)
    return ", ".join(text.replace(" | ", " at ").lstrip("-") for text in shown(run.fills, "lots", "price_micros")) or "-"


def named(row):
    return f"{row['kind']}-{row['side']}: {row['why']}"


@pytest.mark.parametrize("runner", RUNNERS)
@pytest.mark.parametrize("row", rows_of(ONE_BAR), ids=named)
def test_one_order_one_bar(row, runner):
    assert play_row(runner, row, FillRules()) == row["fills"]


@pytest.mark.parametrize("runner", RUNNERS)
@pytest.mark.parametrize("row", rows_of(OPEN_ONLY), ids=named)
def test_the_open_is_all_there_is(row, runner):
    assert play_row(runner, row, FillRules(model="open")) == row["fills"]


@pytest.mark.parametrize("runner", RUNNERS)
@pytest.mark.parametrize("row", rows_of(SPREAD_BAR), ids=named)
def test_one_spread_one_place(row, runner):
    """NEAR less FAR was 0.20 the day before; the highs and lows of the legs are wide, and nothing to a spread."""
    bars = "\n".join(f"2 | bar | {leg.upper()} | {row[leg]} | 3 | 1 | {row[leg]} | {row['volume']}" for leg in ("near", "far"))
    run = rows_by(runner, case_of("contract\nNEAR\nFAR", f"""day | event | of | open | high | low | close | volume
        1 | bar | NEAR | 2   | 2   | 2   | 2   | 100
        1 | bar | FAR  | 1.8 | 1.8 | 1.8 | 1.8 | 100
        {bars}""", f"day | request\n1 | {row['kind']} NEAR {lots_of(row['side'])} {row.get('prices', '')} gtc against=FAR",
        terms=TERMS))
    filled = ", ".join(text.replace(" | ", " ") for text in shown(run.fills, "contract", "lots", "price_micros"))
    assert (filled or "-") == row["fills"]
