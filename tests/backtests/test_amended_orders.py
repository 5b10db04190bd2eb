# SPDX-License-Identifier: Apache-2.0
"""The table of orders when orders were amended, and when a post-only order was refused at its first bar."""

import pandas as pd
import pytest

import kilohour as kh

FRAME = pd.DataFrame({
    "time": pd.date_range("2026-01-05 10:00", periods=4, freq="h", tz="UTC"), "contract": "MY:GPU-2026-12",
    "open": [2.00, 2.00, 2.00, 2.00], "high": 2.05, "low": 1.95, "close": 2.00, "volume": 1_000,
})  # fmt: skip
TAPE = kh.Tape.from_bars(FRAME, product=kh.Product.simple("MY:GPU", lot=100, tick="0.01"))


class Amends(kh.Strategy):
    """An order far below the market, moved twice, the second time off the tick; and one that would pay."""

    product: kh.Product = kh.product("MY:GPU")
    turn: int = kh.state(0)
    ticket: int = kh.state(0)

    def on_bar(self, desk: kh.Desk) -> None:
        self.turn += 1
        contract = desk.nth(self.product, 1)
        if self.turn == 1:
            self.ticket = desk.limit(contract, 3, 1.50)
            desk.limit(contract, 2, 2.02, post_only=True)
        elif self.turn == 2:
            desk.amend(self.ticket, 5, 1.96)
        elif self.turn == 3:
            desk.amend(self.ticket, 7, 1.123)


@pytest.mark.parametrize("interpreted", [False, True])
def test_one_row_an_order_as_it_was_last_amended(interpreted):
    orders = kh.backtest(Amends, TAPE, interpreted=interpreted).orders
    rows = orders[["order", "lots", "limit_micros", "status", "code", "filled_lots"]].to_numpy().tolist()
    # amended to 5 at 1.96 after the second bar, filled by the third, which trades down to 1.95
    assert rows == [[1, 5, 1_960_000, "filled", "", 5], [2, 2, 2_020_000, "refused", "post_only", 0]]
