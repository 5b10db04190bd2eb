# SPDX-License-Identifier: Apache-2.0
"""The compiled face: a method is compiled once for what it is given, not once for each number."""

from __future__ import annotations

from numba import types

from kilohour import Strategy, state
from kilohour.desk import Desk
from kilohour.faces.lowering import dispatcher_of
from kilohour.step import compiled_step


class Quoter(Strategy):
    seen: float = state(0.0)

    def on_bar(self, desk):
        self.seen = desk.price(0) + desk.price(1) + desk.price(desk.contract_count - 1)
        self.quote(desk, 1, True)
        self.quote(desk, 2, False)

    def quote(self, desk, lots, is_far):
        desk.limit(0, lots, self.seen, post_only=is_far)
        desk.limit(1, -2, self.seen, post_only=True, until=7)
        desk.target(1, 3)


def test_a_constant_argument_is_no_type_of_its_own():
    compiled_step(Quoter)
    for function in (Quoter.quote, Desk.price, Desk.limit, Desk._ask):
        kinds = [kind for signature in dispatcher_of(function).signatures for kind in signature]
        assert kinds
        assert not any(isinstance(kind, types.Literal) for kind in kinds), function.__name__
    assert len(dispatcher_of(Quoter.quote).signatures) == 1
