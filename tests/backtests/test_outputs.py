# SPDX-License-Identifier: Apache-2.0
"""Output rows as tables, on runs that a trader can follow by hand."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import pyarrow as pa

from kilohour.backtests.outputs import tables_of
from kilohour.contracts.terms import EngineTerms
from kilohour.desk import Desk
from kilohour.faces.fields import dtype_of
from kilohour.market import Market
from kilohour.session import Session
from kilohour.strategy import Strategy
from kilohour.units import NANOS_PER_DAY
from tests.oracle.books import SKIP, Terms
from tests.oracle.tables import tape_of

CONTRACTS = """
contract | last | final | fixings
X-1      | 8    | 10    | 8
X-2      | 16   | 20    | 14 15 16
X-3      | 26   | 30    | 26
"""
TERMS = Terms(half_spread_micros=5_000, participation_ppm=100_000, missing_rule=SKIP)


def bars(first: int, last: int, *of: str, volume: int = 1_000) -> list[str]:
    return [f"{day} | {what} | {code} | 2 | {volume if what == 'bar' else ''}"
            for day in range(first, last + 1) for code in of for what in ("bar", "mark")]


def played(plan: dict[int, Any], *rows: str) -> dict[str, pa.Table]:
    """Tables of a run that calls ``plan[day](desk)``; contracts are rows 0, 1, 2."""
    tape = tape_of(CONTRACTS, "\n".join(["day | event | of | price | volume", *rows]))

    class Planned(Strategy):
        interpreted = True

        def on_bar(self, desk: Desk) -> None:
            plan.get(desk.now // NANOS_PER_DAY, lambda _: None)(desk)

    market = Market.of(tape, {"X:GPU": EngineTerms(**asdict(TERMS))}, {"X:GPU": "X-GPU"})
    session = Session(market, Planned, np.zeros(1, dtype_of(Planned)), 1_000_000_000_000, interpreted=True)
    session.run(len(tape))
    session.close()
    return tables_of(session)


def shown(table: pa.Table, *names: str) -> list[str]:
    return [" ".join(str(row[name]) for name in names) for row in table.select(names).to_pylist()]


def test_moving_a_long_from_one_month_to_the_next_is_a_roll():
    plan = {1: lambda desk: desk.target(0, 5), 3: lambda desk: (desk.flat(0), desk.target(1, 5)),
            5: lambda desk: desk.target(1, 2), 6: lambda desk: desk.target(1, -2)}
    tables = played(plan, *bars(1, 8, "X-1", "X-2"))
    assert shown(tables["fills"], "fill", "contract", "lots", "position_after", "purpose") == [
        "1 X-1 5 5 open", "2 X-1 -5 0 roll", "3 X-2 5 5 roll", "4 X-2 -3 2 close", "5 X-2 -4 -2 open"]


def test_a_spread_that_moves_one_leg_rolls_it_and_leaves_the_other():
    plan = {1: lambda desk: desk.target_only(0, 2, 5), 3: lambda desk: desk.target_only(1, 2, 5)}
    tables = played(plan, *bars(1, 6, "X-1", "X-2", "X-3"))
    assert shown(tables["orders"], "order", "contract", "lots", "origin", "status", "filled_lots") == [
        "1 X-1 5 target filled 5", "1 X-3 -5 target filled -5", "2 X-1 -5 target filled -5", "2 X-2 5 target filled 5"]
    assert shown(tables["fills"], "contract", "lots", "purpose") == [
        "X-1 5 open", "X-3 -5 open", "X-1 -5 roll", "X-2 5 roll"]


def test_closing_a_long_and_opening_a_short_elsewhere_is_no_roll():
    plan = {1: lambda desk: desk.target(0, 5), 3: lambda desk: (desk.target(0, 0), desk.target(1, -5))}
    fills = played(plan, *bars(1, 6, "X-1", "X-2"))["fills"]
    assert shown(fills, "contract", "lots", "purpose") == ["X-1 5 open", "X-1 -5 close", "X-2 -5 open"]


def test_an_order_is_one_row_with_what_it_has_filled_so_far():
    plan = {1: lambda desk: (desk.market(0, 500), desk.limit(0, 3, 1.5), desk.limit(0, 1, 1.234567),
                             desk.market(0, 0))}
    tables = played(plan, *bars(1, 3, "X-1"))
    names = ("order", "ts", "lots", "kind", "limit_micros", "tif", "status", "code", "filled_lots")
    assert shown(tables["orders"], *names) == [
        f"1 {NANOS_PER_DAY} 500 market {-2**63} gtc working  200",
        f"2 {NANOS_PER_DAY} 3 limit 1500000 gtc working  0",
        f"3 {NANOS_PER_DAY} 1 limit 1234567 gtc refused tick 0",
        f"4 {NANOS_PER_DAY} 0 market {-2**63} gtc refused size 0"]
    # 100 lots of 730 hours a bar, half a cent each; a position and a mark of 2 dollars at each close.
    assert shown(tables["fills"], "lots", "price_micros", "half_spread_micros") == ["100 2005000 365000000"] * 2
    assert shown(tables["positions"], "ts", "contract", "lots", "mark_micros") == [
        f"{2 * NANOS_PER_DAY} X-1 100 2000000", f"{3 * NANOS_PER_DAY} X-1 200 2000000"]


def test_a_settlement_says_by_which_rule():
    plan = {1: lambda desk: (desk.target(0, 4), desk.target(1, 3), desk.target(2, 2))}
    prints = [f"{day + 1} | print | {day} | {price} |" for day, price in ((8, 2.1), (14, 2), (16, 3))]
    final = "30 | final | X-3 | 1.9 |"
    tables = played(plan, *bars(1, 8, "X-1", "X-2", "X-3"), *bars(9, 16, "X-2"), *bars(17, 26, "X-3"), *prints, final)
    names = ("contract", "lots", "price_micros", "fixings", "prints_sum_micros", "missing", "rule")
    assert shown(tables["settlements"], *names) == [
        "X-1 4 2100000 1 2100000 0 single print", "X-2 3 2500000 2 5000000 1 mean of 2 prints",
        "X-3 2 1900000 0 0 0 stated by the venue"]


def test_a_column_is_nan_where_the_strategy_recorded_nothing():
    plan = {1: lambda desk: desk.record("early", 1.0),
            3: lambda desk: (desk.record("late", 3.0), desk.record("early", 2.0)),
            4: lambda desk: desk.record("late", 4.0)}
    records = played(plan, *bars(1, 5, "X-1"))["records"]
    assert records.column_names == ["ts", "early", "late"]
    assert [day // NANOS_PER_DAY for day in records["ts"].to_pylist()] == [1, 3, 4]
    np.testing.assert_array_equal(records["early"], [1.0, 2.0, np.nan])
    np.testing.assert_array_equal(records["late"], [np.nan, 3.0, 4.0])


def test_a_run_without_a_trade_has_every_table_with_its_columns():
    tables = played({}, *bars(1, 3, "X-1"))
    assert {name: table.num_rows for name, table in tables.items()} == {
        "orders": 0, "fills": 0, "ledger": 0, "equity": 3, "positions": 0, "settlements": 0, "records": 0}
    assert all(table.schema.field("contract").type == pa.string() for name, table in tables.items()
               if name not in ("equity", "records"))
