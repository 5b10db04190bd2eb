# SPDX-License-Identifier: Apache-2.0
"""What AX has no words for goes to a sandbox beside AX's own, and to nobody else."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from kilohour.backtests.backtest import backtest
from kilohour.backtests.live import masks_of, run_of_journal
from kilohour.backtests.paper import sandbox_keys
from kilohour.contracts import Venue
from kilohour.execution import port
from kilohour.execution.ax.venue import EXPRESSES, AxVenue, expressed
from kilohour.execution.ax.wire import Symbols, place_message
from kilohour.kernels import records as r
from tests.execution.papers import CASH, ran, short
from tests.execution.sandbox.booking import NEAR, small_exchange
from tests.execution.sandbox.serving import SEED, serving
from tests.execution.sandbox.test_ax import other

CODE = "SIM:H100-2030-01"
EVERYTHING = f"{Path(__file__).with_name('everything.py')}:AsksForEverything"


def test_the_words_of_each_order():
    symbols = Symbols({NEAR: CODE})
    common: dict[str, Any] = {"rid": 1, "t": "p", "s": NEAR, "q": 5, "po": False, "cid": 9, "tag": "me"}
    told: dict[str, Any]
    for side, life, native, told in [
        (1, "gtc", None, {"d": "B", "p": "2.5", "tif": "GTC"}),
        (1, "fok", None, {"d": "B", "p": "2.5", "tif": "IOC", "x": {"life": "FOK"}}),
        (-1, "gtd", port.Native(kind="limit", until=7), {"d": "S", "p": "2.5", "tif": "GTC", "x": {"life": "GTD", "kind": "limit", "until": 7}}),
        (1, "day", port.Native(kind="at_settlement"), {"d": "B", "tif": "DAY", "x": {"life": "DAY", "kind": "at_settlement"}}),
        (-1, "gtc", port.Native(kind="stop", trigger=2_400_000, reduce_only=True, group=3, parent="O-1"),
         {"d": "S", "tif": "GTC", "x": {"life": "GTC", "kind": "stop", "trigger": "2.4", "reduce_only": True, "group": 3, "parent": "O-1"}}),
    ]:  # fmt: skip
        place = port.Place(cid=9, legs=((CODE, side),), units=5, limit=2_500_000, life=life, native=native)
        assert place_message(place, symbols, 1, "me") == {**common, **told}
        assert port.from_json(port.to_json(place)) == place


def test_ax_itself_takes_what_its_table_says_and_no_more():
    ax = Venue.shipped("ax")
    assert expressed("") == EXPRESSES
    masks = masks_of(expressed(""))
    assert not (masks["lives_mask"] | ax.lives_mask) >> r.FOK & 1
    assert not (masks["kinds_mask"] | ax.kinds_mask | masks_of(expressed("book"))["kinds_mask"]) >> r.AT_SETTLEMENT & 1
    assert masks_of(expressed("book"))["lives_mask"] >> r.FOK & 1
    assert masks_of(expressed("replay"))["kinds_mask"] >> r.AT_SETTLEMENT & 1


def test_a_run_in_the_words_of_ax_refuses_what_a_backtest_at_ax_refuses(tmp_path):
    tape = short("SIM:H100")
    at_ax = backtest(EVERYTHING, tape, venue="ax", cash=10 * CASH, interpreted=True)
    runner = ran(tmp_path / "run", tape, EVERYTHING, cash=10 * CASH, interpreted=True, plain=True)
    plain = run_of_journal(tmp_path / "run", "paper")
    found = []
    for run in (at_ax, plain):
        rows = [row for row in run.tables["orders"].to_pylist() if row["tif"] == "fok" or row["kind"] == "at_settlement"]
        found.append([(row["kind"], row["tif"], row["lots"], row["status"], row["code"]) for row in rows])
    words = {"venue": "INCORRECT_ORDER_TYPE"}  # the table of AX says it in AX's words
    assert found[0] == [(*rest, words.get(code, code)) for *rest, code in found[1]]
    assert {(status, code) for *_, status, code in found[1]} == {("refused", "venue")}
    assert not runner.fault


@pytest.mark.parametrize(("units", "states"), [(3, ["Acknowledged", "Filled"]), (4, ["Acknowledged", "Ended"])])
def test_fok_fills_or_is_killed_in_a_market_with_a_book(units, states):
    async def run() -> None:
        exchange = small_exchange()
        async with serving(exchange, clock=time.time_ns) as (server, _):
            venue = AxVenue(f"http://127.0.0.1:{server.port}", sandbox_keys(SEED, "one"), {NEAR: CODE}, time.time_ns)
            facts: list = []
            await venue.open(facts.append)
            other(server, -1, 3, 2_000_000)
            await venue.do(port.Place(cid=1, legs=((CODE, 1),), units=units, limit=2_000_000, life="fok"))
            for _ in range(400):
                if len(orders := [fact for fact in facts if getattr(fact, "cid", 0) == 1]) >= len(states):
                    break
                await asyncio.sleep(0.02)
            assert [type(fact).__name__ for fact in orders] == states
            if units == 3:
                assert orders[1].legs[0].lots == 3
            else:
                assert (orders[1].state, orders[1].filled) == ("expired", 0)
            await venue.close()

    asyncio.run(asyncio.wait_for(run(), 120))
