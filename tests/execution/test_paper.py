# SPDX-License-Identifier: Apache-2.0
"""Paper equals backtest, and replay equals run: over sockets, in lock-step, to the micro."""

from __future__ import annotations

import inspect
from collections import Counter
from pathlib import Path

import pytest

from kilohour.backtests.backtest import backtest
from kilohour.backtests.live import replayed, run_of_journal
from kilohour.errors import KilohourError
from kilohour.execution.risk import Trading
from kilohour.limits import RiskLimits
from tests.backtests.test_bad_orders import AsksForHalfALot
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
LONGER = {"rolled-exposure": {"last": "2026-04-24"}, "adoption-momentum": {"first": "2025-12-01", "last": "2026-04-17", "has_history": True},
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
    tape, cash = short("SIM:H100", last="2026-05-08"), 6_720.0
    wanted = backtest(OVERREACHING, tape, venue="sandbox", cash=cash, interpreted=True)
    ends = Counter((row["origin"], row["status"]) for row in wanted.tables["orders"].to_pylist())
    assert ends["liquidation", "filled"] > 0
    assert ends["order", "margin_call"] > 0
    equal_in_paper(tmp_path / "run", tape, OVERREACHING, wanted, cash=cash)


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


EVERYTHING = f"{Path(__file__).with_name('everything.py')}:AsksForEverything"
MEANT = {("market", "fok", "filled"), ("market", "fok", "lapsed"), ("limit", "fok", "lapsed"), ("at_settlement", "day", "filled"),
         ("at_settlement", "day", "lapsed"), ("stop_limit", "gtc", "filled"), ("stop_limit", "fok", "refused"), ("limit", "ioc", "filled"),
         ("limit", "gtd", "filled"), ("stop", "gtd", "lapsed"), ("limit", "gtc", "refused"), ("trailing_stop", "gtc", "filled"),
         ("market_if_touched", "gtc", "filled"), ("stop", "gtc", "cancelled"), ("stop", "day", "lapsed")}  # fmt: skip
"""What the strategy comes to, so that equal tables are no empty claim: among the refused, FOK on a stop-limit is ``life``."""


def test_orders_of_every_kind_life_and_tie_give_the_tables_of_the_backtest(tmp_path):
    tape, cash = short("SIM:H100", last="2026-05-08"), 10 * CASH
    wanted = backtest(EVERYTHING, tape, venue="sandbox", cash=cash, interpreted=True)
    rows = wanted.tables["orders"].to_pylist()
    assert {(row["kind"], row["tif"], row["status"]) for row in rows} >= MEANT
    assert {row["code"] for row in rows if (row["kind"], row["tif"]) == ("stop_limit", "fok")} == {"life"}
    assert {row["flags"] for row in rows if row["status"] == "filled"} >= {"", "post_only", "reduce_only"}
    assert wanted.result["settlements"] > 0
    equal_in_paper(tmp_path / "run", tape, EVERYTHING, wanted, cash=cash)


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(2, 101))])
def test_orders_drawn_by_lot_give_the_tables_of_the_backtest(seed, tmp_path):
    tape, cash, strategy = short("SIM:H100", last="2026-05-08"), 10 * CASH, EVERYTHING.replace("AsksForEverything", "AsksAtRandom")
    wanted = backtest(strategy, tape, venue="sandbox", cash=cash, interpreted=True, seed=seed)
    equal_in_paper(tmp_path / "run", tape, strategy, wanted, cash=cash, parameters={"seed": seed})


def test_bids_that_move_from_month_to_month_under_a_limit_of_one_give_the_tables_of_the_backtest(tmp_path):
    tape, limits, strategy = short("SIM:H100"), RiskLimits(open_orders=1), f"{Path(__file__).with_name('quoting.py')}:Quotes"
    wanted = backtest(strategy, tape, venue="sandbox", cash=CASH, limits=limits, moves=True)
    assert Counter(row["status"] for row in wanted.tables["orders"].to_pylist())["cancelled"] > 15
    assert not wanted.manifest["refused"]
    equal_in_paper(tmp_path / "run", tape, strategy, wanted, risk=limits, parameters={"moves": True})


def equal_in_paper(folder, tape, strategy, wanted, **asked):
    """The same over sockets: every table, and the replay of the journal."""
    runner = ran(folder, tape, strategy, interpreted=True, **asked)
    trader = runner.trader
    assert (runner.fault, trader.risk.trading, trader.foreign_fills, trader.foreign_orders) == ("", Trading.ACTIVE, 0, 0)
    run = run_of_journal(folder, "paper")
    for table in (*TABLES, "orders"):
        assert run.tables[table].equals(wanted.tables[table]), table
    again, apart = replayed(folder)
    assert apart is None
    assert again.fingerprint() == trader.fingerprint()
    return run


WOKEN = {("market", "size"): 12, ("limit", "tick"): 2, ("limit", "price"): 2, ("limit", "collar"): 2, ("limit", "size"): 4}
"""Refusals of two rounds: three of the four kinds are market orders once woken, which have no price to be wrong; all have a size."""


def test_an_amendment_of_an_order_that_a_price_has_woken_is_refused_in_the_words_of_the_backtest(tmp_path):
    tape, limits = short("SIM:H100"), RiskLimits(collar_percent=20.0)
    strategy, cash = f"{Path(__file__).with_name('refused.py')}:AmendsWoken", 100 * CASH
    wanted = backtest(strategy, tape, venue="sandbox", cash=cash, interpreted=True, limits=limits)
    rows = wanted.tables["orders"].to_pylist()
    assert Counter((row["kind"], row["code"]) for row in rows if row["code"]) == WOKEN
    ends = Counter((row["kind"], row["status"]) for row in rows if not row["code"])
    assert ends == {(kind, status): n for kind in ("stop", "stop_limit", "market_if_touched", "trailing_stop")
                    for status, n in (("cancelled", 2), ("working", 1))}
    assert all(0 < abs(row["filled_lots"]) < abs(row["lots"]) for row in rows if not row["code"]), "none is a stop any more"
    equal_in_paper(tmp_path / "run", tape, strategy, wanted, cash=cash, risk=limits)


@pytest.mark.parametrize("seed", [114, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(200, 400))])
def test_wrong_orders_and_amendments_drawn_by_lot_are_refused_in_the_words_of_the_backtest(seed, tmp_path):
    tape, strategy = short("SIM:H100", first="2026-03-02", last="2026-05-08"), f"{Path(__file__).with_name('refused.py')}:WrongAtRandom"
    limits, cash = WRONG_UNDER[seed % len(WRONG_UNDER)], 20 * CASH
    wanted = backtest(strategy, tape, venue="sandbox", cash=cash, interpreted=True, seed=seed, limits=limits)
    assert len(wanted.manifest["refused"]) >= 6
    run = equal_in_paper(tmp_path / "run", tape, strategy, wanted, cash=cash, risk=limits, parameters={"seed": seed})
    assert run.manifest["refused"] == wanted.manifest["refused"]


WRONG_UNDER = (None, RiskLimits(collar_percent=10.0, order_lots=50), RiskLimits(open_orders=6, self_match=True),
               RiskLimits(position_lots=60, duplicate_ms=1_000.0, order_notional=2e6),
               RiskLimits(loss_drawdown=20_000.0, product_net=3e6, open_notional=8e6),
               RiskLimits(orders_per_minute=4, fills_most=20, fills_within_ms=864e6))
WRONG = """
market        3        filled
market        0        refused  size
market        1000001  refused  size
limit         1        refused  tick
stop          1        refused  tick
trailing_stop 1        refused  tick
limit         1        refused  price
stop          1        refused  price
limit         1        refused  tick
limit         -1       refused  tick
market        900000   refused  margin
stop          1        refused  life
market        10000000 refused  size
market        1        refused  not_listed
limit         1        refused  not_listed
market        1        refused  not_listed
market        -3       filled
"""


def test_a_wrong_order_is_refused_with_one_code_in_every_mode_and_nothing_is_lost(tmp_path):
    tape, strategy = short("SIM:H100", first="2026-02-20", last="2026-04-10"), SETTLING.replace("IntoSettlement", "AsksWrongly")
    compiled, interpreted = (backtest(strategy, tape, venue="sandbox", cash=CASH, interpreted=python) for python in (False, True))
    runner = ran(tmp_path / "run", tape, strategy)
    assert not runner.fault
    in_paper = run_of_journal(tmp_path / "run", "paper")
    wanted = [[*line.split(), ""][:4] for line in WRONG.strip().splitlines()]
    for mode, run in {"compiled": compiled, "interpreted": interpreted, "paper": in_paper}.items():
        rows = [[row["kind"], str(row["lots"]), row["status"], row["code"]] for row in run.tables["orders"].to_pylist()]
        assert rows == wanted, mode
        codes = {row["order"]: row["code"] for row in run.tables["orders"].to_pylist() if row["code"]}
        assert run.manifest["refused"] == Counter(codes.values()), mode
        assert run.fills["lots"].groupby(run.fills["order"]).sum().tolist() == [3, -3], mode
        for table in TABLES:
            assert run.tables[table].equals(compiled.tables[table]), (mode, table)


@pytest.mark.parametrize(("what", "words"), [(0, "desk: no such contract in this run"), (1, "desk: a price must be a number below a billion"),
                                             (2, "desk: against must be another contract of this run")])  # fmt: skip
@pytest.mark.parametrize("python", [False, True])
def test_what_raises_says_the_same_words_in_every_mode(what, words, python, tmp_path):
    tape, strategy = short("SIM:H100"), SETTLING.replace("IntoSettlement", "AsksWhatRaises")
    with pytest.raises(KilohourError, match=words):
        backtest(strategy, tape, venue="sandbox", cash=CASH, interpreted=python, what=what)
    runner = ran(tmp_path / "run", tape, strategy, parameters={"what": what}, interpreted=python)
    assert runner.trader.risk.trading == Trading.HALTED
    assert int(runner.trader.session.state["turn"][0]) == 2, "after the call that raised it is not called again"
    assert runner.trader.steps > 20
    assert words in runner.trader.risk.reason
    run = run_of_journal(tmp_path / "run", "paper")
    assert run.fills["lots"].tolist() == [1], "what was asked before it is not lost, and nothing is sent after it"
    assert "limit" not in run.tables["orders"]["kind"].to_pylist(), "an order that raised is none"
    again, apart = replayed(tmp_path / "run")
    assert apart is None
    assert again.risk.reason == runner.trader.risk.reason
    assert again.fingerprint() == runner.trader.fingerprint()


def test_a_fraction_of_a_lot_says_the_same_words_in_paper(tmp_path):
    strategy, words = f"{inspect.getfile(AsksForHalfALot)}:AsksForHalfALot", "DeskOrders.market: lots must be an int, found a float"
    with pytest.raises(KilohourError, match=words):
        ran(tmp_path / "compiled", short("SIM:H100"), strategy)
    runner = ran(tmp_path / "interpreted", short("SIM:H100"), strategy, interpreted=True)
    assert runner.trader.risk.trading == Trading.HALTED
    assert words in runner.trader.risk.reason
