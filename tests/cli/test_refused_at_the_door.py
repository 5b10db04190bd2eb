# SPDX-License-Identifier: Apache-2.0
"""What a venue does not let in, by the command line: one line says what is wrong, nothing is sent, and no half of a run is left."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import re
import threading
import time
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kilohour.backtests.paper import sandbox
from kilohour.execution.journal import read
from kilohour.execution.keys import variable
from tests.backtests.tapes import sim_tape
from tests.cli.test_bad_start import contents
from tests.execution import quoting
from tests.execution.by_ccxt import hurry
from tests.execution.papers import ACCOUNT, CASH
from tests.execution.sandbox.booking import small_exchange
from tests.execution.sandbox.serving import serving

if find_spec("ccxt") is not None:
    @pytest.fixture(autouse=True)
    def _hurried(monkeypatch):
        hurry(monkeypatch)


QUOTES = f"{Path(quoting.__file__)}:Quotes"
SPREAD = "calendar-spread --set product={product}"
HOUR = 3600 * 10**9
LIVE = "live calendar-spread --set product={product} --venue {venue} --url {book} --account one --confirm one --for 0.5 --interpreted --out run"
PAPER = "paper {strategy} --url {replay} --account {account} --seed 0 --interpreted --out run --json"
OKX, AX = "ccxt:okx", "ax"
KEYS = "kilohour: error: ccxt:okx: the venue refused the key, secret or passphrase (okx "
AX_KEY = "kilohour: error: ax: the venue refused the key of account 'one' (status 401)"
CLOCK = "kilohour: error: ccxt:okx: the venue refused the timestamp: the venue's clock is 3600 s {} this machine's (okx "
NO_PRODUCT = "kilohour: error: AX:NVDA-H100: the venue lists no contract of it now (2 instruments were read)"
REFUSED: dict[str, tuple[str, str, dict[str, Any], str]] = {
    "ax, a wrong key": (LIVE, AX, {"api_key": "nobody"}, AX_KEY),
    "ax, a wrong secret": (LIVE, AX, {"api_secret": "wrong"}, AX_KEY),
    "ax, a product that is not there": (LIVE + " --assume ax-2026", AX, {"product": "AX:NVDA-H100"}, NO_PRODUCT),
    "okx, a wrong key": (LIVE, OKX, {"api_key": "nobody"}, KEYS + '{"code":"50111"'),
    "okx, a wrong secret": (LIVE, OKX, {"api_secret": "wrong"}, KEYS + '{"code":"50113"'),
    "okx, a wrong passphrase": (LIVE, OKX, {"passphrase": "wrong"}, KEYS + '{"code":"50105"'),
    "okx, no passphrase": (LIVE, OKX, {"passphrase": ""}, KEYS + 'requires "password" credential'),
    "okx, a product that is not there": (LIVE + " --assume ax-2026", OKX, {"product": "AX:NVDA-H100"}, NO_PRODUCT),
    "okx, a clock an hour ahead": (LIVE, OKX, {"skew": HOUR}, CLOCK.format("ahead of")),
    "okx, a clock an hour behind": (LIVE, OKX, {"skew": -HOUR}, CLOCK.format("behind")),
    "paper, an unknown account": (PAPER, AX, {"account": "nobody"},
                                  "kilohour: error: sandbox: the venue refused the key of account 'nobody' (status 401)"),
    "paper, a product that is not there": (PAPER + " --assume ax-2026", AX, {"product": "AX:NVDA-H100"},
                                           "kilohour: error: unknown product 'AX:NVDA-H100' in this tape"),
}  # fmt: skip


class Watched:
    """In the watchdog's place: one that nobody closed would take the runner for dead, and end it."""

    def __init__(self) -> None:
        self.open = 0

    def __call__(self, *_: Any) -> Watched:
        self.open += 1
        return self

    def began(self) -> None:
        pass

    def ended(self) -> str:
        return ""

    def close(self) -> None:
        self.open -= 1


@pytest.fixture
def watched(monkeypatch):
    made = Watched()
    for module in ("real", "paper"):
        monkeypatch.setattr(f"kilohour.backtests.{module}.watchdog_of", made)
    return made


@pytest.fixture(scope="module")
def venues():
    """A book and a replay in a thread of their own, as their addresses, keys and servers."""
    told, ready, over = SimpleNamespace(), threading.Event(), threading.Event()

    async def serve() -> None:
        async with contextlib.AsyncExitStack() as stack:
            told.book, client = await stack.enter_async_context(serving(small_exchange(), clock=time.time_ns))
            told.keys, told.book_url = client.keys, client.base
            told.replay_url, _, told.replay = await stack.enter_async_context(sandbox(sim_tape(40), clock=time.time_ns, cash=CASH, account=ACCOUNT))
            ready.set()
            while not over.is_set():
                await asyncio.sleep(0.02)

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert ready.wait(30)
    yield told
    over.set()
    thread.join(10)


def sent(server: Any) -> list[Any]:
    return [order for account in server.exchange.accounts for order in server.exchange.history(account)]


@pytest.mark.parametrize("case", REFUSED)
def test_one_line_says_what_is_wrong_and_nothing_is_left(case, kilohour, here: Path, venues, watched, monkeypatch):
    line, venue, changed, words = REFUSED[case]
    if venue == OKX:
        pytest.importorskip("ccxt", reason="the extra kilohour[live] is not installed")
    for name in ("api_key", "api_secret", "passphrase"):
        monkeypatch.setenv(variable(venue, name), changed.get(name, getattr(venues.keys, name)))
    product = changed.get("product", "SIM:H100")
    before, venues.book.skew = sent(venues.book), changed.get("skew", 0)
    try:
        found = kilohour(line.format(venue=venue, book=venues.book_url, replay=venues.replay_url, account=changed.get("account", ACCOUNT),
                                     strategy=SPREAD.format(product=product), product=product))
    finally:
        venues.book.skew = 0
    assert (found.code, found.out) == (2, "")
    assert words in re.sub(r"\b3(59|60)\d s", "3600 s", " ".join(found.err.split()))  # a busy machine asks for the time slowly
    assert (found.err.count("kilohour:"), "Traceback" in found.err) == (1, False)
    assert (contents(here), watched.open) == (set(), 0)
    assert (sent(venues.book), sent(venues.replay)) == (before, [])


@pytest.mark.parametrize("skew", [HOUR, -HOUR])
def test_a_clock_an_hour_off_is_nothing_to_ax_and_every_order_was_written_down(skew, kilohour, here: Path, venues, watched, monkeypatch):
    """AX signs no time: a live run is let in; and a whole paper run says of its orders what the exchange says."""
    for name in ("api_key", "api_secret"):
        monkeypatch.setenv(variable(AX, name), getattr(venues.keys, name))
    for server in (venues.book, venues.replay):
        monkeypatch.setattr(server, "skew", skew)
    if skew < 0:
        found = kilohour(LIVE.format(venue=AX, book=venues.book_url, product="SIM:H100") + " --json")
        told = json.loads(found.out)
        assert (found.code, told["orders_sent"]) == (0, len(sent(venues.book))), found.err
        assert (told["report"] is None) == (told.get("no_report") == "run: the run saw no bar, so there is nothing to report")
        assert not {"journal.db-wal", "journal.db-shm"} & {path.name for path in (here / "run").iterdir()}
        return
    found = kilohour(PAPER.format(replay=venues.replay_url, account=ACCOUNT, strategy=QUOTES))
    assert found.code == 0, found.err
    intents = {record.body["cid"] for record in read(here / "run") if record.kind == "intent"}
    orders = {int(order.client_id) for order in sent(venues.replay)}
    assert (len(orders) > 10, orders - intents, watched.open) == (True, set(), 0)


def lacks(name: str) -> Any:
    return lambda exchange: exchange.has.update({name: None})


def has_no_ioc(exchange: Any) -> None:
    exchange.features["future"]["linear"]["createOrder"]["timeInForce"]["IOC"] = False


@pytest.mark.parametrize(("change", "words"), [
    (lacks("createOrder"), "ccxt:okx: live trading needs createOrder, cancelOrder, fetchOrder, "), (lacks("createOrder"), "found no createOrder"),
    (lacks("cancelOrder"), "found no cancelOrder"), (lacks("fetchOrder"), "found no fetchOrder"), (lacks("fetchOpenOrders"), "found no fetchOpenOrders"),
    (lacks("fetchMyTrades"), "found no fetchMyTrades"), (lacks("fetchPositions"), "found no fetchPositions"),
    (lacks("fetchBalance"), "found no fetchBalance"),
    (has_no_ioc, "ccxt:okx: its feature map must have createOrder with IOC for futures, found {"),
    (lambda exchange: exchange.features.update(future=None), "with IOC for futures, found none"),
])  # fmt: skip
def test_a_class_that_cannot_express_what_is_needed_is_refused_at_the_start(change, words, kilohour, here: Path, venues, watched, monkeypatch):
    """A whole class on the sandbox's wire but for one thing, by the command line."""
    pytest.importorskip("ccxt", reason="the extra kilohour[live] is not installed")
    from kilohour.execution import ccxt_venue

    made = ccxt_venue.exchange_of

    def without(*given: Any) -> Any:
        exchange = made(*given)
        change(exchange)
        return exchange

    monkeypatch.setattr(ccxt_venue, "exchange_of", without)
    for name in ("api_key", "api_secret", "passphrase"):
        monkeypatch.setenv(variable(OKX, name), getattr(venues.keys, name))
    before = sent(venues.book)
    found = kilohour(LIVE.format(venue=OKX, book=venues.book_url, product="SIM:H100"))
    assert (found.code, found.out) == (2, "")
    said = " ".join(found.err.split())
    assert words in said
    assert (said.count("kilohour:"), contents(here), watched.open, sent(venues.book)) == (1, set(), 0, before)


@pytest.mark.parametrize("secret", ["", "a-secret-that-is-wrong"], ids=["let in", "refused"])
@pytest.mark.parametrize("venue", [AX, OKX])
def test_no_key_is_in_a_file_a_log_or_the_journal(venue, secret, kilohour, here: Path, venues, monkeypatch, caplog):
    """A confirmed run with its watchdog, on a line that fails now and then: whatever it wrote, down to the bytes of the journal."""
    if venue == OKX:
        pytest.importorskip("ccxt", reason="the extra kilohour[live] is not installed")
    caplog.set_level(logging.DEBUG)
    keys = {name: getattr(venues.keys, name) for name in ("api_key", "api_secret", "passphrase")} | ({"api_secret": secret} if secret else {})
    for name, value in keys.items():
        monkeypatch.setenv(variable(venue, name), value)
    if not secret:
        venues.book.chaos.add({"do": "malformed", "on": "read", "count": 1, "skip": 4, "account": "one"})
    struck = venues.book.chaos.hits.get("malformed", 0)
    try:
        found = kilohour(LIVE.format(venue=venue, book=venues.book_url, product="SIM:H100"))
    finally:
        venues.book.chaos.clear()
    assert venues.book.chaos.hits.get("malformed", 0) == struck + (not secret)
    assert found.code == (2 if secret else 0), found.err
    files = [path for path in here.rglob("*") if path.is_file()]
    assert (here / "run" / "journal.db" in files) is not bool(secret)
    written = b"\n".join([*(path.read_bytes() for path in files), found.out.encode(), found.err.encode(), caplog.text.encode()])
    tokens = list(venues.book.keyring._tokens)
    assert tokens
    assert not [name for name, value in keys.items() if value.encode() in written]
    assert not [token for token in tokens if token.encode() in written]
