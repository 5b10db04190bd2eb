# SPDX-License-Identifier: Apache-2.0
"""The kill switch: a session of its own at the venue, which needs nothing of the runner whose orders it cancels."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import shutil
import signal
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from kilohour.backtests.kill import newest, stop_run
from kilohour.backtests.paper import sandbox, sandbox_keys
from kilohour.cli.main import main
from kilohour.cli.paper import word_of
from kilohour.errors import UsageError
from kilohour.execution import port
from kilohour.execution.ax.venue import AxVenue
from kilohour.execution.journal import Journal, read
from kilohour.execution.risk import LiveLimits, Risk, Trading
from kilohour.execution.runner import Runner
from tests.execution.papers import ACCOUNT, CASH, ran, short

SEED = 0


async def resting(server, url, keys, count, **asked) -> AxVenue:
    """A session with so many bids that wait, on an exchange whose tape is over."""
    while not server.exchange.is_over:
        await asyncio.sleep(0.01)
    tape = server.exchange.tape
    codes = {each.symbol: each.contract.code for each in server.exchange.listing.outrights}
    venue = AxVenue(url, keys, codes, time.time_ns, **asked)
    await venue.open(lambda _: None)
    listed = [contract.code for contract in tape.contracts if contract.last_trade_at > tape.end]
    for number, code in enumerate(listed[:count], 1):
        await venue.do(port.Place(cid=number, legs=((code, 1),), units=1, limit=100_000, life="gtc"))
    while len(server.exchange.open_orders[ACCOUNT]) < count:
        await asyncio.sleep(0.01)
    return venue


def killed(folder, count, around, mode="paper", **more):
    """What a kill of a runner that answers nothing told, and what is still open. ``around``: the state of the machine meanwhile."""
    async def go():
        async with sandbox(short("SIM:H100"), clock=time.time_ns, cash=CASH, speed="max", seed=SEED) as (url, keys, server):
            venue = await resting(server, url, keys, count)
            journal = Journal(folder)
            journal.append(0, [("start", {"mode": mode, "account": ACCOUNT, "url": url, "venue": "the sandbox"})]).result(5)
            with around:
                told = await stop_run(folder, seed=SEED, clock=time.time_ns, end_process=False, **more)
            journal.close()
            left = list(server.exchange.open_orders[ACCOUNT])
            await venue.close()
            return told, left

    return asyncio.run(asyncio.wait_for(go(), 120))


@contextlib.contextmanager
def full_disk():
    """No file may grow."""
    was = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, was[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, was)


def test_it_cancels_what_a_runner_that_answers_nothing_has_open(tmp_path):
    told, left = killed(tmp_path / "run", 3, contextlib.nullcontext())
    assert (told["cancelled"], told["open"], left) == (3, 0, [])
    assert told["runner"] == "was told"
    assert word_of(tmp_path / "run")() == "kill"
    assert word_of(tmp_path / "run")() is None
    assert newest(tmp_path) == tmp_path / "run"


def test_of_a_dry_run_the_account_s_own_orders_are_left_alone_unless_they_are_meant(tmp_path, monkeypatch):
    told, left = killed(tmp_path / "run", 2, contextlib.nullcontext(), mode="dry")
    assert (told["cancelled"], told["open"], told["runner"], len(left)) == (0, None, "was told", 2)
    for name, value in sandbox_keys(SEED, ACCOUNT).items():
        monkeypatch.setenv(f"KILOHOUR_THE_SANDBOX_{name.upper()}", value)
    told, left = killed(tmp_path / "meant", 2, contextlib.nullcontext(), mode="dry", is_account_meant=True)
    assert (told["cancelled"], told["open"], left) == (2, 0, [])


def test_the_command_says_that_a_dry_run_has_no_orders(tmp_path, capsys):
    journal = Journal(tmp_path / "run")
    journal.append(0, [("start", {"mode": "dry", "account": ACCOUNT, "url": "http://127.0.0.1:1", "venue": "ax"})]).result(5)
    journal.close()
    assert main(["kill", str(tmp_path / "run")]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "a dry run has no orders at the venue, so none was cancelled (--account-orders cancels those of its account)" in said


def test_the_command_itself_cancels_by_a_session_of_its_own(tmp_path, capsys):
    folder = tmp_path / "runs" / "mine"

    async def go():
        async with sandbox(short("SIM:H100"), clock=time.time_ns, cash=CASH, speed="max", seed=SEED) as (url, keys, server):
            venue = await resting(server, url, keys, 2)
            journal = Journal(folder)
            journal.append(0, [("start", {"mode": "paper", "account": ACCOUNT, "url": url, "venue": "the sandbox"})]).result(5)
            codes = [await asyncio.to_thread(main, ["kill", str(folder), "--seed", str(SEED)]), list(server.exchange.open_orders[ACCOUNT]),
                     await asyncio.to_thread(main, ["kill", str(folder), "--seed", str(SEED + 1)])]
            journal.close()
            await venue.close()
            return codes

    assert asyncio.run(asyncio.wait_for(go(), 120)) == [0, [], 2]
    told = capsys.readouterr()
    assert f"{folder}: 2 orders cancelled, 0 open; the runner was told" in " ".join(told.out.split())
    assert "the venue refused the key" in " ".join(told.err.split())


def runner_that_notes(is_dry):
    """A runner, and the list of what it sends."""
    done = []

    async def do(command):
        done.append(command)

    return Runner(SimpleNamespace(is_dry=is_dry, risk=Risk(LiveLimits())), SimpleNamespace(do=do), None, None, time.time_ns), done


@pytest.mark.parametrize("is_dry", [True, False])
def test_what_fails_closed_cancels_only_what_a_run_has_sent(is_dry):
    runner, done = runner_that_notes(is_dry)
    asyncio.run(runner._fail_closed("the disk is full"))
    assert (done, runner.is_over) == ([] if is_dry else [port.CancelAll()], True)


@pytest.mark.parametrize("is_dry", [True, False])
def test_a_dry_run_sends_nothing_that_was_decided_not_even_the_cancel_of_all(is_dry):
    """What is at the venue is of the account's other users: the operator's kill of a dry run would have taken it away."""
    runner, done = runner_that_notes(is_dry)
    commands = [port.Cancel(cid=1, oid="O-1"), port.CancelAll(), port.LookUpFills()]
    asyncio.run(runner._execute(commands))
    assert done == ([] if is_dry else commands)


def test_ctrl_c_ends_a_live_run_with_its_report(tmp_path, monkeypatch, capsys):
    """The runner's part is a paper run that has ended; the signal, the word, the report and the answer are the command's."""
    ended = ran(tmp_path / "was", short("SIM:H100", last="2026-03-20"), "calendar-spread")

    async def live(asked):
        os.kill(os.getpid(), signal.SIGINT)
        while (said := asked.word()) is None:
            await asyncio.sleep(0.01)
        assert said == "finish"
        shutil.copytree(tmp_path / "was", asked.folder)
        return ended

    monkeypatch.setattr("kilohour.backtests.real.live", live)
    assert main(["live", "calendar-spread", "--venue", "ax", "--account", "me", "--out", str(tmp_path / "run"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert Path(told["report"]) == tmp_path / "run" / "report.html"
    assert json.loads((tmp_path / "run" / "manifest.json").read_text())["live"]["hash"] == ended.journal.hash.hex()
    assert main(["live", "calendar-spread", "--venue", "ax", "--account", "me", "--out", str(tmp_path / "run"), "--json"]) == 2
    assert "a finished run is there" in capsys.readouterr().err


def test_a_full_disk_keeps_nobody_from_the_venue(tmp_path):
    """No file may be written while it is asked: the runner cannot be told, and the orders go all the same."""
    told, left = killed(tmp_path / "run", 2, full_disk())
    assert (told["cancelled"], told["open"], left) == (2, 0, [])
    assert told["runner"].startswith("could not be told (File too large)")


def test_a_runner_on_a_full_disk_sends_nothing_more_and_cancels_what_is_open(tmp_path):
    found = {}

    async def inject(server):
        found["exchange"] = server.exchange

    def fill_the_disk(runner):
        if found["exchange"].open_orders[ACCOUNT] and "was" not in found:
            found["was"], found["sent"] = resource.getrlimit(resource.RLIMIT_FSIZE), len(list(found["exchange"].history(ACCOUNT)))
            resource.setrlimit(resource.RLIMIT_FSIZE, ((tmp_path / "run" / "journal.db-wal").stat().st_size, found["was"][1]))

    try:
        runner = ran(tmp_path / "run", short("SIM:H100"), f"{Path(__file__).with_name('settling.py')}:IntoSettlement", inject=inject,
                     on_step=fill_the_disk)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, found["was"])
    assert runner.fault.startswith("the journal failed")
    assert runner.trader.risk.trading == Trading.HALTED
    assert not found["exchange"].open_orders[ACCOUNT]
    assert len(list(found["exchange"].history(ACCOUNT))) == found["sent"], "no order without a record of it on disk"


@pytest.mark.parametrize("winds_down", [False, True], ids=["while it waits for the venue", "while it winds down"])
def test_no_word_is_lost_in_lockstep(winds_down, tmp_path):
    """The operator's kill, and the look at the account that is due, come the moment an order is on its way."""
    held = {}

    def on_step(runner):
        held["runner"] = runner

    def point(name):
        runner = held.get("runner")
        if runner is None or "at" in held or name != "sent" or runner.is_over is not winds_down:
            return
        held["at"], held["open"] = runner.journal.seq, len(runner.trader.open_orders())
        for word in (("account", None), ("word", "kill")):
            runner.inbox.put_nowait(word)

    tape = short("SIM:H100", last="2026-03-20")
    runner = ran(tmp_path / "run", tape, f"{Path(__file__).with_name('settling.py')}:IntoSettlement", on_step=on_step, point=point)
    records = read(tmp_path / "run")
    after = [record for record in records if record.seq > held["at"]]
    assert held["open"] > 0
    assert [record.body["word"] for record in after if record.kind == "word"] == (["kill"] if winds_down else ["kill", "stop"])
    assert runner.trader.risk.trading == Trading.HALTED
    assert not runner.trader.open_orders()
    if not winds_down:
        same = after[:next((at for at, record in enumerate(after) if record.kind == "feed"), None)]
        assert "Account" in [record.body["what"] for record in same if record.kind == "fact"]
        assert len([record for record in after if record.kind == "feed"]) <= 1, "a killed run goes on"


def test_the_venue_cancels_when_the_line_of_a_run_goes_and_leaves_orders_alone_where_it_was_not_asked(tmp_path):
    async def go(cancels):
        async with sandbox(short("SIM:H100"), clock=time.time_ns, cash=CASH, speed="max", seed=SEED) as (url, keys, server):
            venue = await resting(server, url, keys, 2, cancels_on_disconnect=cancels)
            for job in venue._jobs:  # the runner is gone: nobody says goodbye, nobody comes back
                job.cancel()
            venue._socket._response.connection.transport.abort()
            for _ in range(100):
                await asyncio.sleep(0.01)
                if not server.hub.each("orders", ACCOUNT):
                    break
            await venue.close()
            return [order.id for order in server.exchange.open_orders[ACCOUNT].values()]

    assert asyncio.run(go(True)) == []
    assert len(asyncio.run(go(False))) == 2


def test_without_a_run_it_says_so(tmp_path):
    with pytest.raises(UsageError, match="no paper or live run is there"):
        newest(tmp_path)
    with pytest.raises(UsageError, match="has no journal"):
        asyncio.run(stop_run(tmp_path, seed=SEED, clock=time.time_ns, end_process=False))
    assert sandbox_keys(1, "a") != sandbox_keys(2, "a")
