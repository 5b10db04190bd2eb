# SPDX-License-Identifier: Apache-2.0
"""The certificate: our fills and cash against those of stock backtrader, on random paths and order scripts."""

from __future__ import annotations

from dataclasses import replace

import pytest

pytest.importorskip("backtrader", reason="the extra kilohour[backtrader] is not installed")

from kilohour.backtests.certify import compare, plain_market
from tests.backtests.random_scripts import random_run

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:backtrader")


def certificate_of(seed):
    prepared = random_run(seed)
    return compare(replace(prepared, market=plain_market(prepared.market)), "script")


def check_block(first, count):
    fills = 0
    for seed in range(first, first + count):
        certificate = certificate_of(seed)
        assert certificate.is_equal, (seed, certificate)
        fills += certificate.fills
    assert fills > 10 * count


@pytest.mark.parametrize("block", range(10))
def test_fills_and_cash_of_random_scripts_are_equal(block):
    check_block(block * 30, 30)


@pytest.mark.soak
@pytest.mark.parametrize("block", range(20))
def test_fills_and_cash_of_two_thousand_scripts_are_equal(block):
    check_block(1_000 + block * 100, 100)
