# SPDX-License-Identifier: Apache-2.0
"""Orders that nobody should send: each a refusal with a code, or an error in the same words whoever runs the strategy."""

from __future__ import annotations

import pytest

import kilohour as kh
from kilohour.errors import KilohourError
from tests.backtests.tapes import sim_tape

TAPE = sim_tape(days=10)


class Asks(kh.Strategy):
    """Asks for one thing, once, three bars in."""

    product: kh.Product = kh.product("SIM:H100")
    what: int = 0
    lots: int = 1
    price: float = 2.0
    contract: int = 0
    turn: int = kh.state(0)

    def on_bar(self, desk: kh.Desk) -> None:
        self.turn += 1
        if self.turn != 3:
            return
        if self.what == 0:
            desk.market(self.contract, self.lots)
        elif self.what == 1:
            desk.limit(self.contract, self.lots, self.price)
        elif self.what == 2:
            desk.stop(self.contract, self.lots, self.price)
        elif self.what == 3:
            desk.trailing_stop(self.contract, self.lots, self.price)
        elif self.what == 4:
            desk.target(self.contract, self.lots)
        elif self.what == 5:
            desk.triggers(desk.limit(self.contract, self.lots, self.price), 1)
        elif self.what == 6:
            desk.limit(self.contract, self.lots, self.price, against=self.contract)


REFUSED = [
    ({"lots": 0}, "size"), ({"lots": 1_000_001}, "size"), ({"what": 4, "lots": 10**7}, "size"),
    ({"what": 1, "price": 2.005}, "tick"), ({"what": 2, "price": 2.005}, "tick"), ({"what": 3, "price": 0.0}, "tick"),
    ({"what": 1, "price": -2.0}, "price"), ({"what": 2, "price": -0.01}, "price"), ({"lots": 900_000}, "margin"),
]


@pytest.mark.parametrize("interpreted", [False, True])
def test_a_refusal_has_the_same_code_in_both_faces(interpreted):
    for asked, code in REFUSED:
        run = kh.backtest(Asks, TAPE, interpreted=interpreted, **asked)
        assert run.orders[["status", "code"]].to_numpy().tolist() == [["refused", code]], asked
        assert run.manifest["refused"] == {code: 1}
        assert len(run.fills) == 0


RAISED = [
    ({"contract": 99}, "desk: no such contract in this run"), ({"contract": -1}, "desk: no such contract in this run"),
    ({"what": 1, "price": 2e9}, "desk: a price must be a number below a billion"),
    ({"what": 5}, "desk.triggers: the parent must be asked for before the child"),
    ({"what": 6}, "desk: against must be another contract of this run"),
]


@pytest.mark.parametrize("interpreted", [False, True])
def test_an_error_has_the_same_words_in_both_faces(interpreted):
    for asked, words in RAISED:
        with pytest.raises(KilohourError, match=words):
            kh.backtest(Asks, TAPE, interpreted=interpreted, **asked)


class AsksForHalfALot(kh.Strategy):
    """Lots are whole."""

    product: kh.Product = kh.product("SIM:H100")

    def on_bar(self, desk: kh.Desk) -> None:
        desk.market(0, 1.5)  # type: ignore[arg-type]


@pytest.mark.parametrize("interpreted", [False, True])
def test_a_fraction_of_a_lot_is_an_error_that_names_the_line(interpreted):
    with pytest.raises(KilohourError) as error:
        kh.backtest(AsksForHalfALot, TAPE, interpreted=interpreted)
    assert "DeskOrders.market: lots must be an int, found a float" in str(error.value)
    assert "test_bad_orders.py" in str(error.value)
