# SPDX-License-Identifier: Apache-2.0
"""Half-tick grids: the price of a spread has its own tick, and legs of a spread may fill off theirs. Worked by hand."""

from __future__ import annotations

import pytest

import kilohour as kh
from kilohour.contracts import Assumptions, engine_terms
from tests.oracle.books import Terms
from tests.oracle.runners import RUNNERS, rows_by
from tests.oracle.tables import case_of, shown

HALF = Terms(half_spread_micros=5_000, spread_tick_micros=5_000)
"""Ticks of 0.01 outright and 0.005 for spreads; half a spread 0.005 a leg, so a taker pays 0.01 for both."""
COARSE = Terms(half_spread_micros=5_000, spread_tick_micros=20_000)
PLAIN = Terms(half_spread_micros=5_000)


@pytest.mark.parametrize("runner", RUNNERS)
@pytest.mark.parametrize(("terms", "request_", "expected"), [
    # the spread opens at 0.20 and a taker would pay 0.21: at 0.205 the first leg is 0.005 better, half a tick off its grid
    (HALF, "limit NEAR 5 0.205 gtc against=FAR", ["NEAR | 5 | 2", "FAR | -5 | 1.795"]),
    (HALF, "limit NEAR -5 0.195 gtc against=FAR", ["NEAR | -5 | 2", "FAR | 5 | 1.805"]),
    (HALF, "limit NEAR 5 0.2075 gtc against=FAR", "tick"),   # a quarter tick
    (HALF, "limit NEAR 5 2.005 gtc", "tick"),                # an outright keeps its own tick
    (HALF, "stop NEAR 5 0.205 gtc against=FAR", ["NEAR | 5 | 2.015", "FAR | -5 | 1.795"]),  # triggered at 0.21, at the market
    (COARSE, "limit NEAR 5 0.22 gtc against=FAR", ["NEAR | 5 | 2.005", "FAR | -5 | 1.795"]),
    (COARSE, "limit NEAR 5 0.21 gtc against=FAR", "tick"),
    (PLAIN, "limit NEAR 5 0.205 gtc against=FAR", "tick"),   # none stated: the tick of the first leg
])  # fmt: skip
def test_a_spread_has_a_tick_of_its_own(runner, terms, request_, expected):
    opens = ("2.01", "1.80") if request_.startswith("stop") else ("2.00", "1.80")
    run = rows_by(runner, case_of("contract\nNEAR\nFAR", f"""
        day | event | of   | price    | volume
        1   | bar   | NEAR | 2        | 100
        1   | bar   | FAR  | 1.80     | 100
        2   | bar   | NEAR | {opens[0]} | 100
        2   | bar   | FAR  | {opens[1]} | 100
        """, f"day | request\n1 | {request_}", terms=terms))
    if isinstance(expected, str):
        assert {order.code for order in run.orders} == {expected}
        assert shown(run.fills, "lots") == []
    else:
        assert shown(run.fills, "contract", "lots", "price_micros") == expected


@pytest.mark.parametrize(("code", "assumed", "micros"), [
    ("NYMEX:GPU1", ["gpu1-2026"], 5_000),  # half a cent, as the exchange's rules say of spreads
    ("SIM:H100", [], 5_000),
    ("NYMEX:NG", ["energy"], 250),
])  # fmt: skip
def test_the_term_reaches_the_engine(code, assumed, micros):
    registry = kh.Registry.shipped().assuming(*(Assumptions.load(name) for name in assumed))
    assert engine_terms(registry.product(code)).spread_tick_micros == micros


def test_a_product_without_the_term_has_none():
    product = kh.Product.simple("MY:GPU", lot=730, tick="0.01")
    assert engine_terms(product).spread_tick_micros is None
