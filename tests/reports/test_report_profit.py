# SPDX-License-Identifier: Apache-2.0
"""Profit in parts against loops over the same rows; the parts add up to net to the micro."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kilohour.errors import DataError
from kilohour.reports.folder import read_run
from kilohour.reports.profit import profit_by_contract, profit_by_product, total
from kilohour.reports.table import table_of


def by_loops(folder: Path, contract: str) -> tuple[int, ...]:
    """Trading, settlement, costs, roll, liquidation, settlement fees of one contract, in plain Python."""
    ledger = [r for r in pq.read_table(folder / "ledger.parquet").to_pylist() if r["contract"] == contract]
    fills = [r for r in pq.read_table(folder / "fills.parquet").to_pylist() if r["contract"] == contract]
    spread = sum(f["half_spread_micros"] for f in fills)
    paid = {"roll": 0, "liquidation": 0, "else": 0}
    for f in fills:
        key = f["purpose"] if f["purpose"] in paid else "else"
        paid[key] -= f["fee_micros"] + f["half_spread_micros"]
    booked = {kind: sum(r["micros"] for r in ledger if r["kind"] == kind) for kind in {r["kind"] for r in ledger}}
    trading = booked.get("variation", 0) + booked.get("unsettled", 0) + spread
    fees = booked.get("settlement_fee", 0)
    return (trading, booked.get("settlement", 0), paid["else"], paid["roll"], paid["liquidation"], fees)


@pytest.mark.parametrize("options", [{}, {"products": ("SIM:H100", "SIM:B200")}, {"shift": -4_000_000, "lots": 37}])
def test_parts_of_each_contract_and_their_sum(make_run, options):
    folder = make_run(days=300, **options)
    run = read_run(folder)
    found = profit_by_contract(run["ledger"], run["fills"])
    assert len(found) > 10
    for contract, part in found.items():
        expected = by_loops(folder, contract)
        assert (
            part.trading,
            part.settlement,
            part.costs,
            part.roll,
            part.liquidation,
            part.settlement_fees,
        ) == expected
    net = sum(row["micros"] for row in pq.read_table(folder / "ledger.parquet").to_pylist())
    assert total(found.values()).net == net == run.result["net_micros"]
    assert sum(part.net for part in profit_by_product(found).values()) == net
    assert set(profit_by_product(found)) == set(run.products)


def test_a_ledger_a_reader_can_follow():
    """A lot bought at half a spread of a cent, rolled to the next month, settled 0.05 higher; fee 5.50 a side."""
    ledger = pd.DataFrame(
        [
            ("A-2026-01", "fee", -5_500_000),
            ("A-2026-01", "variation", 66_000_000),
            ("A-2026-01", "fee", -5_500_000),
            ("A-2026-02", "fee", -5_500_000),
            ("A-2026-02", "variation", -7_300_000),
            ("A-2026-02", "settlement", 36_500_000),
            ("A-2026-02", "settlement_fee", -1_350_000),
        ],
        columns=["contract", "kind", "micros"],
    ).assign(ts=0)
    fills = pd.DataFrame(
        [("A-2026-01", "open"), ("A-2026-01", "roll"), ("A-2026-02", "roll")], columns=["contract", "purpose"]
    ).assign(ts=0, lots=1, price_micros=0, fee_micros=5_500_000, half_spread_micros=7_300_000)
    part = total(profit_by_contract(table_of(ledger, "ledger"), table_of(fills, "fills")).values())
    assert part.trading == 66_000_000 - 7_300_000 + 3 * 7_300_000
    assert part.settlement == 36_500_000
    assert part.costs == -12_800_000
    assert part.roll == -25_600_000
    assert part.settlement_fees == -1_350_000
    assert part.net == 77_350_000


def spoil(folder: Path, name: str, column: str, change: Callable[[list[Any]], list[Any]]) -> None:
    table = pq.read_table(folder / f"{name}.parquet")
    values = change(table.column(column).to_pylist())
    index = table.column_names.index(column)
    pq.write_table(
        table.set_column(index, column, pa.array(values, table.schema.field(column).type)), folder / f"{name}.parquet"
    )


def test_books_that_do_not_balance_are_refused(make_run):
    folder = make_run(days=60)
    spoil(folder, "ledger", "micros", lambda v: [v[0] + 1, *v[1:]])
    with pytest.raises(DataError, match="must add up to net_micros"):
        read_run(folder)


def test_fees_that_no_fill_explains_are_refused(make_run):
    run_folder = make_run(days=60)
    spoil(run_folder, "fills", "fee_micros", lambda v: [v[0] + 1, *v[1:]])
    run = read_run(run_folder)
    with pytest.raises(DataError, match=r"the fees booked for SIM:H100-2020-0\d must be those of its fills"):
        profit_by_contract(run["ledger"], run["fills"])


def test_an_unknown_kind_of_ledger_row_is_refused(make_run):
    run_folder = make_run(days=60)
    spoil(run_folder, "ledger", "kind", lambda v: ["gift", *v[1:]])
    run = read_run(run_folder)
    with pytest.raises(DataError, match="found 'gift'"):
        profit_by_contract(run["ledger"], run["fills"])
