# SPDX-License-Identifier: Apache-2.0
"""What an account shows that the run does not know: foreign orders, and positions that the operator accepts."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

from kilohour.execution import port
from kilohour.execution.journal import Journal, read
from kilohour.execution.risk import LiveLimits
from kilohour.execution.runner import Moment, Runner
from tests.execution.test_trader import FAR, NEAR, START, Table, places


def accepted(table: Table, **positions: int) -> dict[str, int]:
    """The account shows these positions and the operator accepts them; what the run holds then."""
    table.now += 1
    table.fact(table.account(**positions))
    table.trader.take_word("accept", table.now)
    return table.trader.positions()


def numbers(table: Table) -> list[str]:
    """Numbers of the adjustments, in the order they were booked."""
    fills = [body for kind, body in table.trader.records if kind == "fill"]
    return [trade for body in fills for _, trade, _, _ in body["legs"] if trade.startswith("adjust-")]


def test_an_adjustment_has_the_same_number_in_every_run_and_another_one_another():
    first, again, other = Table(what=0), Table(what=0), Table(what=0)
    for table, lots in ((first, 5), (again, 5), (other, 6)):
        assert accepted(table, near=lots, far=-2) == {NEAR: lots, FAR: -2}
    assert numbers(first) == numbers(again)
    assert len(set(numbers(first))) == 2
    assert not set(numbers(first)) & {numbers(other)[0]}
    assert accepted(first, near=5, far=-2) == {NEAR: 5, FAR: -2}
    assert len(numbers(first)) == 2, "what is equal is not adjusted"


def test_a_difference_that_comes_back_is_booked_again():
    """Five lots come, go, and come once more, and no fill tells of them."""
    table = Table(what=0)
    assert accepted(table, near=5) == {NEAR: 5}
    assert accepted(table) == {}
    assert accepted(table, near=5) == {NEAR: 5}
    assert len(set(numbers(table))) == 3


def test_a_foreign_order_is_seen_and_counted_once_and_never_cancelled():
    table = Table(what=3)
    (bid,) = places(table.bar())
    table.ack(bid)
    theirs = port.Found(cid=0, oid="O-theirs", state="live", filled=0, ts=START)
    ours = port.Found(cid=bid.cid, oid=f"O-{bid.cid}", state="live", filled=0, ts=START)
    commands = []
    for _ in range(3):
        table.now += 1
        commands += table.fact(port.Account(positions={}, cash=None, open_orders=(theirs, ours), ts=table.now))
    commands += table.fact(port.Acknowledged(cid=0, oid="O-theirs", ts=START))
    assert (table.trader.foreign_orders, commands) == (1, [])
    table.fact(port.Acknowledged(cid=0, oid="O-second", ts=START))
    assert table.trader.foreign_orders == 2
    assert [body["oid"] for kind, body in table.trader.records if kind == "foreign"] == ["O-theirs", "O-second"]
    assert [command.cid for command in table.trader.take_word("stop", table.now) if isinstance(command, port.Cancel)] == [bid.cid]


def test_a_position_in_what_the_run_does_not_trade_can_be_accepted():
    """The account also holds crude: accepted once it stops nothing, and one that changes is a difference again."""
    table = Table(what=0)
    table.bar()
    trader = table.trader

    def shown(lots: int) -> None:
        table.now += 1
        table.fact(port.Account(positions={"WTIOIL-PERP": lots}, cash=None, open_orders=(), ts=table.now))

    trader.risk.is_reconciled = False
    shown(3)
    assert not trader.risk.is_reconciled
    trader.take_word("accept", table.now)
    for _ in range(3):
        shown(3)
    assert (trader.risk.is_reconciled, trader.risk.trading.name) == (True, "ACTIVE")
    shown(4)
    shown(4)
    assert trader.risk.trading.name == "REDUCE_ONLY"


def test_a_fill_that_waits_behind_a_bar_is_booked_before_the_account_is_compared(tmp_path):
    """Somebody bought five while no runner was there; the operator accepts what the account holds, and holds it once."""
    table = Table(what=0)
    journal = Journal(tmp_path)

    class Venue:
        async def do(self, command):
            leg = port.LegFill(contract=NEAR, trade="T9", lots=5, price=2_000_000, fee=0)
            runner.inbox.put_nowait(("fact", port.Filled(cid=0, oid="X", legs=(leg,), cumulative=None, is_maker=False, ts=START)))

        async def account(self):
            return table.account(near=5)

    async def go():
        table.trader.risk.is_reconciled = False
        table.trader.drain()
        for waiting in (("feed", Moment(())), ("word", "halt")):
            runner.inbox.put_nowait(waiting)
        await runner.reconcile()

    runner = Runner(table.trader, Venue(), SimpleNamespace(), journal, lambda: table.now, accept_positions=True)
    asyncio.run(go())
    journal.close()
    assert table.trader.positions() == {NEAR: 5}
    assert [record.kind for record in read(tmp_path)] == ["fact", "fill", "fact"], "no difference was seen"
    assert [runner.inbox.get_nowait()[0] for _ in range(2)] == ["feed", "word"]


def test_what_others_trade_elsewhere_on_the_account_is_expected_there_and_stops_nothing():
    """Two runs at one account, each in its own product: this one trades on while the other buys and sells crude."""
    table = Table(what=0)
    table.bar()
    trader, holds = table.trader, 0
    for trade, lots in (("T1", 3), ("T2", -1), ("T3", -2)):
        table.fill(None, lots, code="WTIOIL-PERP", trade=trade, price=70_000_000)
        holds += lots
        for _ in range(2):
            table.now += 1
            table.fact(port.Account(positions={"WTIOIL-PERP": holds} if holds else {}, cash=None, open_orders=(), ts=table.now))
        assert (trader.risk.trading.name, trader.risk.is_reconciled, trader.mismatches) == ("ACTIVE", True, 0)
    assert (trader.foreign_fills, trader.positions(), trader.session.fees) == (3, {}, 0)


def moved(table: Table, cash: int, **positions: int) -> list[int | None]:
    """The account shows this much cash; what the run wrote down of it."""
    before = len(table.trader.records)
    table.now += 1
    table.fact(table.account(cash, **positions))
    return [body["moved"] for kind, body in table.trader.records[before:] if kind == "cash"]


def test_cash_that_moves_without_the_run_is_told_once_a_move_and_stops_nothing_unless_a_limit_says_so():
    """The account has 250,000 beside the run's million; then a deposit of 40 and a withdrawal of 90."""
    table = Table(what=0, limits=LiveLimits(cash_apart=60.0))
    table.bar()
    own = table.trader.cash()
    assert moved(table, own + 250_000_000_000) == [None]
    assert moved(table, own + 250_000_000_000) == []
    assert moved(table, own + 250_040_000_000) == [40_000_000]
    assert table.trader.risk.trading.name == "ACTIVE"
    assert moved(table, own + 249_950_000_000) == [-90_000_000]
    assert table.trader.risk.trading.name == "ACTIVE", "50 less than at the start"
    assert moved(table, own + 249_930_000_000) == [-20_000_000]
    assert (table.trader.risk.trading.name, table.trader.risk.reason) == (
        "REDUCE_ONLY", "the account's cash moved by -70.00 USD that this run did not book")
    table.trader.take_word("accept", table.now)
    table.trader.take_word("resume", table.now)
    assert moved(table, own + 249_930_000_000) == []
    assert moved(table, own + 249_880_000_000) == [-50_000_000]
    assert table.trader.risk.trading.name == "ACTIVE"


def test_what_the_run_books_itself_is_no_move_of_the_accounts_cash():
    """A fill with its fee: the account shows what the books show, and nothing is told."""
    table = Table()
    before = table.trader.cash()
    assert moved(table, before + 7_000_000) == [None]
    (buy,) = places(table.bar())
    assert moved(table, before + 6_000_000) == [], "while an order is on its way nothing is compared"
    table.ack(buy)
    table.fill(buy, 4, fee=1_500_000)
    table.ended(buy, "filled", 4)
    booked = table.trader.cash()
    assert booked == before - 1_500_000
    assert moved(table, booked + 7_000_000, near=4) == []
