# SPDX-License-Identifier: Apache-2.0
"""How orders fill, as a run assumes it: prices worked out by hand from docs/engine.md."""

import numpy as np
import pandas as pd
import pytest

import kilohour as kh
from kilohour.errors import UnknownName, UsageError

FRAME = pd.DataFrame({
    "time": pd.date_range("2026-01-05 10:00", periods=4, freq="h", tz="UTC"), "contract": "MY:GPU-2026-12",
    "open": [2.00, 2.10, 2.20, 2.30], "high": [2.05, 2.15, 2.30, 2.35], "low": [1.95, 2.05, 2.10, 2.25],
    "close": [2.05, 2.10, 2.25, 2.30], "volume": 1_000,
})  # fmt: skip
PRODUCT = kh.Product.simple("MY:GPU", lot=100, tick="0.01")
TAPE = kh.Tape.from_bars(FRAME, product=PRODUCT)


class BuyOnce(kh.Strategy):
    """Buys one lot at the market and one at a limit of 2.08, both after the first bar."""

    product: kh.Product = kh.product("MY:GPU")
    asked: bool = kh.state(False)

    def on_bar(self, desk: kh.Desk) -> None:
        if not self.asked:
            self.asked = True
            contract = desk.nth(self.product, 1)
            desk.market(contract, 1)
            desk.limit(contract, 1, 2.08)


# half a spread is one tick: a market order at the open of 2.10 pays 2.11; the limit of 2.08 is traded through at 2.05
CASES = [
    (kh.Fills(), [2.11, 2.08]),
    (kh.Fills(slippage_ticks=2), [2.13, 2.08]),
    (kh.Fills(slippage_percent=0.1), [2.1121, 2.08]),
    (kh.Fills(model="open"), [2.11]),
    (kh.Fills(latency_ms=3_600_001), [2.21]),
    (kh.Fills(latency_ms=3_600_000), [2.11, 2.08]),
]


@pytest.mark.parametrize("interpreted", [False, True])
@pytest.mark.parametrize("fills, prices", CASES)
def test_prices_are_those_of_the_page(fills, prices, interpreted):
    run = kh.backtest(BuyOnce, TAPE, fills=fills, interpreted=interpreted)
    assert np.allclose(run.fills["price_micros"] / 1e6, prices, atol=1e-9)
    assert fills.sentence() in run.manifest["modelled"]


@pytest.mark.parametrize("values, message", [
    ({"slippage_ticks": -1}, "slippage_ticks must be between 0 and 1e.06, found -1"),
    ({"slippage_percent": 0.00001}, "slippage_percent must be a multiple of 0.0001"),
    ({"latency_ms": 1e12}, "latency_ms must be between 0"),
])  # fmt: skip
def test_what_makes_no_sense_is_refused(values, message):
    with pytest.raises(UsageError, match=message):
        kh.Fills(**values)


def test_an_unknown_model_names_the_nearest():
    with pytest.raises(UnknownName, match="did you mean 'path'"):
        kh.Fills(model="paths")


def test_slippage_is_whole_micros():
    with pytest.raises(UsageError, match="whole number of micros"):
        kh.Fills(slippage_ticks=0.00005).slippage_micros(10_000)
