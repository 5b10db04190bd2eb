# SPDX-License-Identifier: Apache-2.0
"""Where the bots stand: each contract's quotes lie at its own official mark, and at nobody else's."""

from __future__ import annotations

import numpy as np
import pytest

from kilohour.execution.sandbox.bots import Bots
from kilohour.execution.sandbox.market import open_market
from kilohour.execution.sandbox.model import Session
from kilohour.tape.schema import Kind
from tests.execution.papers import market


def marks_at(day: int) -> tuple[int, dict[str, int]]:
    """A time at which the tape tells marks, and what it tells, by contract code: the market's own word, from no code of the sandbox."""
    tape = market()
    rows = np.flatnonzero((tape.events["kind"] == Kind.MARK) & (tape.events["volume"] <= 0))
    ts = int(np.unique(tape.events["ts"][rows])[day])
    told = rows[tape.events["ts"][rows] == ts]
    return ts, {tape.contracts[int(tape.events["ref"][row])].code: int(tape.events["close"][row]) for row in told}


@pytest.mark.parametrize("actions", [0, 150])
def test_the_quotes_of_the_bots_lie_around_the_mark_of_their_own_contract(actions: int) -> None:
    """Opened an hour before the marks of a day; the bots act, and renew at the moment of the marks. Bid and ask stand as far below as
    above, each on a tick, so their middle is the mark to a tick: around the next contract's price four of five would stand elsewhere."""
    ts, marks = marks_at(120)
    exchange = open_market(market(), ["one"], 10**12, ts - 3600 * 10**9, 7)
    bots = Bots(exchange, 5, rate=actions / 3600)
    bots.open()
    exchange.advance(ts)
    assert bots.act() in (actions, actions - 1)
    open_now = [each for each in exchange.listing.outrights if exchange.session(each) is Session.OPEN and each.contract.code in marks]
    for each in open_now:
        bots.quote(each)
    own, others = [], []
    for each, after in zip(open_now, open_now[1:] + open_now[:1], strict=True):
        (bid, ask), mark = exchange.best(each), marks[each.contract.code]
        assert bid is not None
        assert ask is not None
        assert bid < ask
        most = each.tick
        own.append(abs((bid + ask) // 2 - mark) <= most)
        others.append(abs((bid + ask) // 2 - marks[after.contract.code]) <= most)
    assert len(own) > 20
    assert all(own)
    assert sum(others) < len(others) // 4, "the distance tells one contract's price from the next one's"
