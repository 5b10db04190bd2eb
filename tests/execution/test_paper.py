# SPDX-License-Identifier: Apache-2.0
"""Paper equals backtest, and replay equals run: over sockets, in lock-step, to the micro."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from kilohour.backtests.backtest import backtest
from kilohour.backtests.live import replayed, run_of_journal
from kilohour.execution.risk import Trading
from kilohour.limits import RiskLimits
from tests.execution.papers import CASH, SPREAD, ran, short

SETTLING = f"{Path(__file__).with_name('settling.py')}:IntoSettlement"
OVERREACHING = SETTLING.replace("IntoSettlement", "Overreaches")
RUNS = [
    ("calendar-spread", ("SIM:H100",), SPREAD),
    ("generation-roll", ("SIM:H100", "SIM:B200"), {"exposure": 7300.0, "months": 2, "interest_share": 0.0}),
    ("adoption-momentum", ("SIM:B200",), {"first": 2, "last": 3, "warmup": 2, "threshold": 0.0, "risk": 0.5}),
    ("rolled-exposure", ("SIM:H100", "SIM:B200"), {"hours": 14_600.0}),
    ("rolled-exposure", ("SIM:H100", "SIM:B200"), {"hours": 14_600.0, "as_spread": False}),
    ("rolled-exposure", ("SIM:H100", "SIM:B200"), {"hours": 14_600.0, "stages": 4, "days": 14}),
    (SETTLING, ("SIM:H100",), {}),
]
"""Of the exposure that rolls: as a spread, leg by leg with one leg naked for a while, and in stages over days."""
LONGER = {"rolled-exposure": {"last": "2026-04-24"}, "adoption-momentum": {"first": "2025-12-01", "last": "2026-05-08"},
          SETTLING: {"last": "2026-05-08"}}  # fmt: skip
"""A fit of adoption needs some months of prints that are met one by one; a settlement needs its month."""
TABLES = ("fills", "ledger", "settlements", "equity", "positions")


def test_the_same_limits_refuse_the_same_orders_in_paper_and_in_a_backtest(tmp_path):
    tape, limits = short("SIM:H100"), RiskLimits(order_lots=6, self_match=True, loss_drawdown=2_000.0)
    wanted = backtest("calendar-spread", tape, venue="sandbox", cash=CASH, limits=limits, **SPREAD)
    runner = ran(tmp_path / "run", tape, "calendar-spread", parameters=SPREAD, risk=limits)
    run = run_of_journal(tmp_path / "run", "paper")
    assert wanted.manifest["refused"]["order_lots"] > 0
    assert run.manifest["refused"] == wanted.manifest["refused"]
    assert run.manifest["limits"] == wanted.manifest["limits"] == limits.in_force()
    assert run.tables["fills"].equals(wanted.tables["fills"])
    again, apart = replayed(tmp_path / "run")
    assert apart is None
    assert again.fingerprint() == runner.trader.fingerprint()


def test_a_margin_call_in_paper_books_the_rows_of_the_backtest(tmp_path):
    """The venue liquidates, and cancels the offers that are at work; the run's own engine had worked out the same, and sends nothing."""
    tape, cash = short("SIM:H100", last="2026-05-08"), 7_270.0
    wanted = backtest(OVERREACHING, tape, venue="sandbox", cash=cash)
    ends = Counter((row["origin"], row["status"]) for row in wanted.tables["orders"].to_pylist())
    assert ends["liquidation", "filled"] > 0
    assert ends["order", "margin_call"] > 0
    runner = ran(tmp_path / "run", tape, OVERREACHING, cash=cash)
    run = run_of_journal(tmp_path / "run", "paper")
    for table in (*TABLES, "orders"):
        assert run.tables[table].equals(wanted.tables[table]), table
    assert (runner.trader.foreign_fills, runner.trader.foreign_orders, runner.trader.risk.trading) == (0, 0, Trading.ACTIVE)
    again, apart = replayed(tmp_path / "run")
    assert apart is None
    assert again.fingerprint() == runner.trader.fingerprint()


@pytest.mark.parametrize(("strategy", "products", "parameters"), RUNS, ids=[name.rpartition(":")[2] for name, _, _ in RUNS])
def test_paper_over_sockets_equals_the_backtest_and_replays(strategy, products, parameters, tmp_path):
    tape = short(*products, **LONGER.get(strategy, {}))
    wanted = backtest(strategy, tape, venue="sandbox", cash=CASH, **parameters)
    runner = ran(tmp_path / "run", tape, strategy, parameters=parameters)
    assert not runner.fault
    run = run_of_journal(tmp_path / "run", "paper")
    assert wanted.result["fills"] > 0
    assert (wanted.result["settlements"] > 0) == (strategy == SETTLING)
    for table in TABLES:
        assert run.tables[table].equals(wanted.tables[table]), table
    assert run.result["net_micros"] == wanted.result["net_micros"]
    again, apart = replayed(tmp_path / "run")
    assert apart is None
    assert again.fingerprint() == runner.trader.fingerprint()
