# SPDX-License-Identifier: Apache-2.0
"""The ccxt adapter against hazards H1 to H17: each test shows the naive way fail, and the adapter hold."""

from __future__ import annotations

import asyncio
from fractions import Fraction
from types import SimpleNamespace
from unittest.mock import patch

import aiohttp
import pytest
from aiohttp import web

from kilohour.errors import UsageError
from kilohour.execution import port
from kilohour.execution.ccxt_rules import (
    amount_of,
    capability,
    check_class,
    client_id_of,
    copied,
    harden,
    is_definite,
    leg_of,
    lots_of,
)
from kilohour.execution.orders import Trades

ccxt = pytest.importorskip("ccxt", reason="the extra kilohour[live] is not installed")
from kilohour.execution import ccxt_venue  # noqa: E402
from kilohour.execution.ccxt_feed import CcxtFeed  # noqa: E402
from kilohour.execution.ccxt_venue import CcxtVenue, unrepeated_session  # noqa: E402
from tests.backtests.tapes import sim_tape  # noqa: E402
from tests.execution.wild import SYMBOL, Wild  # noqa: E402

CODE = "OKX:H100-PERP"
BUY = port.Place(cid=77, legs=((CODE, 1),), units=8, limit=2_500_000, life="gtc")


def adapter(exchange: Wild) -> tuple[CcxtVenue, list]:
    """The adapter on a class that misbehaves, and the facts it tells."""
    facts: list = []
    venue = CcxtVenue(exchange, {SYMBOL: CODE}, {CODE: Fraction(100)}, lambda: 10**15)
    venue.inbox = facts.append
    return venue, facts


def played(exchange: Wild, story):
    """Opens the adapter, lets a story happen, and gives it time to ask."""
    venue, facts = adapter(exchange)

    async def go():
        await venue.open(facts.append)
        await story(venue)
        await asyncio.sleep(0.05)
        await venue.close()

    with patch.object(ccxt_venue, "POLL_SECONDS", 0.002):  # by itself: nobody says that it is time to ask
        asyncio.run(go())
    return facts


def booked(facts) -> int:
    """Lots that the runner books of what it was told."""
    trades = Trades()
    return sum(leg.lots for fact in facts if isinstance(fact, port.Filled) for leg in trades.new_legs(fact))


async def hits_of(session_of, method: str = "GET") -> int:
    """How often a server that takes an order and drops the line sees it."""
    hits = 0

    async def accept(request):
        nonlocal hits
        hits += 1
        if request.path == "/order":
            request.transport.abort()
        return web.Response(text="{}")

    app = web.Application()
    app.router.add_route("*", "/{path}", accept)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    async with session_of() as session:
        async with session.get(f"{url}/first") as answer:
            await answer.read()
        with pytest.raises(aiohttp.ClientError):
            async with session.request(method, f"{url}/order") as answer:
                await answer.read()
    await runner.cleanup()
    return hits - 1


def test_h1_a_get_that_lost_its_answer_is_not_sent_again():
    assert asyncio.run(hits_of(aiohttp.ClientSession)) == 2, "the naive session doubles the order"

    async def ours():
        return await hits_of(unrepeated_session)

    assert asyncio.run(ours()) == 1


def test_h2_retries_of_the_library_are_off_and_stay_off():
    exchange = Wild()
    retries = [exchange.options["maxRetriesOnFailure"]]
    venue, facts = adapter(exchange)
    assert [*retries, exchange.options["maxRetriesOnFailure"]] == [3, 0]
    exchange.options["maxRetriesOnFailure"] = 2
    with pytest.raises(UsageError, match="a retried order is a second order"):
        asyncio.run(venue.do(BUY))
    assert exchange.calls == []


def test_h2_a_lost_reply_of_the_real_class_is_one_order_and_unsure(monkeypatch):
    """ccxt's own retry loop, over a fetch that always loses the reply."""
    import ccxt.async_support as unpaid

    monkeypatch.setattr(unpaid.okx, "timeout_on_exit", 1)

    async def sends(retries: int) -> int:
        exchange = unpaid.okx({"enableRateLimit": False, "options": {"maxRetriesOnFailure": retries, "maxRetriesOnFailureDelay": 0}})
        calls = 0

        async def lose(*_, **__):
            nonlocal calls
            calls += 1
            raise ccxt.ExchangeNotAvailable("lost")

        exchange.fetch = lose
        exchange.sign = lambda *_, **__: {"url": "http://127.0.0.1", "method": "POST", "body": None, "headers": {}}
        with pytest.raises(ccxt.ExchangeNotAvailable) as lost:
            await exchange.fetch2("trade/order", "private", "POST", {})
        assert not is_definite(lost.value)
        await exchange.close()
        return calls

    async def both():
        exchange = unpaid.okx()
        harden(exchange)
        hardened = exchange.options["maxRetriesOnFailure"]
        await exchange.close()
        return await sends(2), await sends(hardened)

    naive, ours = asyncio.run(both())
    assert (naive, ours) == (3, 1)


def test_h3_a_fill_that_the_stream_dropped_is_asked_for():
    exchange = Wild()

    async def story(venue):
        await venue.do(BUY)
        await asyncio.sleep(0.02)  # what our own order was a reason to ask has been asked
        exchange.trade("1", 8)  # and nobody is told

    facts = played(exchange, story)
    assert booked(facts) == 8
    assert [fact.state for fact in facts if isinstance(fact, port.Ended)] == ["filled"]


def test_h4_what_was_delivered_does_not_change_later():
    order = {"id": "1", "filled": 0.0, "info": {"x": 1}}
    kept, naive = copied([order]), [order]
    order["filled"], order["info"]["x"] = 3.0, 2
    assert naive[0]["filled"] == 3.0
    assert (kept[0]["filled"], kept[0]["info"]["x"]) == (0.0, 1)


def test_h5_h6_h7_a_sweep_of_eight_that_the_stream_tells_as_two_is_eight():
    exchange = Wild()

    async def story(venue):
        await venue.do(BUY)
        await asyncio.sleep(0)
        for _ in range(8):
            exchange.trade("1", 1)
        exchange.stream(exchange.orders["1"])
        exchange.stream(exchange.orders["1"])

    facts = played(exchange, story)
    assert booked(facts) == 8
    assert len({leg.trade for fact in facts if isinstance(fact, port.Filled) for leg in fact.legs}) == 8


def test_h8_a_fill_told_twice_is_booked_once():
    exchange = Wild()

    async def story(venue):
        await venue.do(BUY)
        exchange.trade("1", 3)
        exchange.trades.append(dict(exchange.trades[0]))
        await venue.do(port.LookUpFills())
        await venue.do(port.LookUpFills())

    facts = played(exchange, story)
    assert sum(leg.lots for fact in facts if isinstance(fact, port.Filled) for leg in fact.legs) > 3, "the naive sum counts it again"
    assert booked(facts) == 3


async def asks_after_a_reconnect() -> list[float]:
    """What the real deribit class shows of a book of three asks of which, when its line is back, another one is left."""
    import ccxt.pro

    exchange = ccxt.pro.deribit()
    market = exchange.safe_market_structure({"id": "H100-PERP", "symbol": "H100/USD:H100", "base": "H100", "quote": "USD", "contract": True})
    exchange.markets, exchange.markets_by_id = {market["symbol"]: market}, {market["id"]: [market]}
    for number, prices in ((1, (2.1, 2.2, 2.3)), (900, (2.5,))):
        book = {"type": "snapshot", "timestamp": 1, "instrument_name": "H100-PERP", "change_id": number, "bids": [],
                "asks": [["new", price, 1] for price in prices]}
        exchange.handle_order_book(SimpleNamespace(resolve=lambda *_: None), {"params": {"channel": "book.H100-PERP.raw", "data": book}})
    asks = exchange.orderbooks[market["symbol"]]["asks"]
    await exchange.close()
    return [row[0] for row in asks]


class Ghosts(Wild):
    """Every stream of prices still shows what was there before the line broke; REST shows what is."""

    def __init__(self) -> None:
        super().__init__()
        self.has |= dict.fromkeys(("watchOrderBook", "watchOHLCV", "watchTicker", "watchTrades", "watchBidsAsks"), True)
        self.streams: list[str] = []

    def __getattr__(self, name: str):
        if not name.startswith("watch_"):
            raise AttributeError(name)
        self.streams.append(name)

        async def ghost(*_, **__):
            return [[60_000, 2.1, 2.1, 2.1, 2.1, 3.0]]

        return ghost

    def parse_timeframe(self, _: str) -> int:
        return 60

    async def fetch_ohlcv(self, *_) -> list[list[float]]:
        return [[60_000, 2.5, 2.5, 2.5, 2.5, 3.0]]


def test_h9_levels_that_stay_when_a_line_is_back_price_nothing():
    """Bars are asked for by REST, of an adapter at work: no stream of prices is read, though the class offers five."""
    assert asyncio.run(asks_after_a_reconnect()) == [2.1, 2.2, 2.3, 2.5], "the naive reader buys at 2.1 where there is 2.5"
    exchange, tape = Ghosts(), sim_tape(days=2)
    assert asyncio.run(exchange.watch_ohlcv(SYMBOL))[0][4] == 2.1
    exchange.streams.clear()
    closes: list[int] = []

    async def story(venue):
        feed = CcxtFeed(exchange, tape, {SYMBOL: tape.contracts[0].code}, lambda: 10**12, width="1m", start=1)
        moments = feed.moments()
        await anext(moments)
        closes.extend(event.close for event in (await anext(moments)).events)
        await moments.aclose()
        await venue.do(BUY)

    played(exchange, story)
    assert closes == [2_500_000]
    assert exchange.streams == []


def test_h10_an_amount_that_the_class_would_cut_is_refused():
    exchange = Wild(step=100)
    assert exchange.amount_to_precision(SYMBOL, 250) == "200"
    with pytest.raises(UsageError, match="would send 200"):
        amount_of(exchange, SYMBOL, 250)
    assert amount_of(exchange, SYMBOL, 200) == 200.0


def test_h11_amounts_of_the_underlying_are_lots_and_costs_are_checked():
    okx, deribit = Wild("okx"), Wild("deribit")
    assert (amount_of(okx, SYMBOL, 3), amount_of(deribit, SYMBOL, 3)) == (3.0, 300.0)
    assert (lots_of(okx, SYMBOL, 3.0), lots_of(deribit, SYMBOL, 300.0)) == (3, 3)
    with pytest.raises(UsageError, match="whole lots"):
        lots_of(deribit, SYMBOL, 250.0)
    trade = {"id": "T1", "symbol": SYMBOL, "amount": 3, "price": 2.5, "side": "buy", "cost": 3 * 2.5}
    with pytest.raises(UsageError, match="must cost lots × 100 × price"):
        leg_of(okx, trade, CODE, Fraction(100), "USDT")
    assert leg_of(okx, {**trade, "cost": 750.0}, CODE, Fraction(100), "USDT").lots == 3


def test_h12_a_fee_in_another_currency_is_not_taken_for_dollars():
    trade = {"id": "T1", "symbol": SYMBOL, "amount": 3, "price": 2.5, "side": "sell", "cost": 750.0}
    for currency, fee in (("USDT", 50_000), ("H100", None)):
        leg = leg_of(Wild(), {**trade, "fee": {"cost": 0.05, "currency": currency}}, CODE, Fraction(100), "USDT")
        assert (leg.fee, leg.lots) == (fee, -3)


def test_h13_a_label_is_sent_read_and_looked_up():
    exchange = Wild("deribit")
    exchange.options["code"] = "USD"

    async def story(venue):
        await venue.do(port.Place(cid=9, legs=((CODE, 1),), units=2, limit=2_500_000, life="ioc"))
        assert exchange.orders["1"]["clientOrderId"] is None, "where the naive reader looks there is nothing"
        await venue.do(port.LookUp(cid=9))
        await venue.do(port.LookUp(cid=10))

    facts = played(exchange, story)
    assert client_id_of(exchange, exchange.orders["1"]) == 9
    assert [fact.cid for fact in facts if isinstance(fact, port.Found)] == [9]
    assert [fact.cid for fact in facts if isinstance(fact, port.Absent)] == [10]


def test_h14_our_number_always_goes_along_and_an_answer_without_a_status_is_an_acknowledgement():
    exchange = Wild()

    async def story(venue):
        await venue.do(BUY)

    facts = played(exchange, story)
    sent = exchange.calls[0][5]["clientOrderId"]
    assert sent == "77"
    assert len(str(2**64 - 1)) <= 32
    assert isinstance(facts[1], port.Acknowledged)


def test_h15_a_market_that_is_hidden_by_another_is_found_out():
    exchange = Wild()
    two = {SYMBOL: CODE, "H100B/USDT:USDT": "OKX:H100B-PERP"}
    venue = CcxtVenue(exchange, two, dict.fromkeys(two.values(), Fraction(100)), lambda: 0)
    with pytest.raises(UsageError, match="no market 'H100B/USDT:USDT'"):
        asyncio.run(venue.open(lambda _: None))
    exchange.markets["H100B/USDT:USDT"] = exchange.markets[SYMBOL]
    with pytest.raises(UsageError, match="share a market"):
        asyncio.run(venue.open(lambda _: None))


class Priceless(Wild):
    """Orders as the real krakenfutures class reads its venue's answers."""

    def _parsed(self, order):
        raw = {"orderId": order["id"], "cliOrdId": order["info"]["clientOrderId"], "type": "lmt", "symbol": "pf_h100usd", "side": order["side"],
               "quantity": order["amount"], "filled": order["filled"], "limitPrice": 2.5, "reduceOnly": False,
               "timestamp": "2026-01-01T00:00:00.000Z", "lastUpdateTimestamp": "2026-01-01T00:00:00.000Z"}
        real = ccxt.krakenfutures()
        terms = {"id": "pf_h100usd", "symbol": SYMBOL, "base": "H100", "quote": "USDT", "settle": "USDT", "linear": True, "contract": True}
        return real.parse_order({"order": raw, "status": "ENTERED_BOOK"}, real.safe_market_structure(terms))

    async def fetch_order(self, oid, symbol, params=None):
        return self._parsed(await super().fetch_order(oid, symbol, params))

    async def fetch_open_orders(self, symbol):
        return [self._parsed(order) for order in await super().fetch_open_orders(symbol)]


def test_h16_an_order_without_a_price_is_read_all_the_same():
    """Its number, its count and its state come through, asked for by our number and among the open ones."""
    exchange, shown = Priceless("krakenfutures"), list[port.Account]()

    async def story(venue):
        await venue.do(BUY)
        exchange.trade("1", 3)
        naive = (await exchange.fetch_order("1", SYMBOL))["price"]
        assert naive is None
        with pytest.raises(ValueError, match="None"):
            Fraction(str(naive))
        await venue.do(port.LookUp(cid=77))
        shown.append(await venue.account())

    facts = played(exchange, story)
    assert (77, "live", 3) in [(fact.cid, fact.state, fact.filled) for fact in facts if isinstance(fact, port.Found)]
    assert [(order.cid, order.oid, order.filled) for order in shown[0].open_orders] == [(77, "1", 3)]
    assert booked(facts) == 3
    assert not [fact for fact in facts if isinstance(fact, port.Ended | port.Unsure)]
    assert all(fact.is_up for fact in facts if isinstance(fact, port.Linked))


def test_h17_trades_are_asked_for_by_symbol_and_never_of_spot():
    exchange = Wild()
    with pytest.raises(AssertionError, match="spot"):
        asyncio.run(exchange.fetch_my_trades(None, 0, 10))

    async def story(venue):
        await venue.do(port.LookUpFills())

    played(exchange, story)
    assert exchange.options["defaultType"] == "swap"


@pytest.mark.parametrize(("error", "sure"), [
    ("NetworkError", False), ("RequestTimeout", False), ("ExchangeNotAvailable", False), ("OnMaintenance", False), ("DDoSProtection", False),
    ("RateLimitExceeded", False), ("ExchangeError", False), ("BadResponse", False), ("DuplicateOrderId", False), ("InvalidOrder", True),
    ("InsufficientFunds", True), ("AuthenticationError", True), ("BadSymbol", True),
])  # fmt: skip
def test_what_an_exception_on_a_submit_proves(error, sure):
    exchange = Wild()
    exchange.fails, exchange.accepts_first = [getattr(ccxt, error)("no")], not sure
    venue, facts = adapter(exchange)
    asyncio.run(venue.do(BUY))
    assert len(exchange.calls) == 1
    assert [type(fact).__name__ for fact in facts] == ["Rejected" if sure else "Unsure"]
    if not sure:
        asyncio.run(venue.do(port.LookUp(cid=77)))
        assert isinstance(facts[1], port.Found)


def test_a_class_that_cannot_do_what_is_needed_is_refused_by_name():
    exchange = Wild()
    exchange.has["fetchMyTrades"] = False
    with pytest.raises(UsageError, match="found no fetchMyTrades"):
        check_class(exchange)
    with pytest.raises(UsageError, match="feature map must have createOrder with IOC"):
        capability(ccxt.kraken(), "future")
    assert capability(ccxt.okx(), "future")["spreads"] == frozenset()
    size = Wild(contractSize=10.0)
    venue = CcxtVenue(size, {SYMBOL: CODE}, {CODE: Fraction(100)}, lambda: 0)
    with pytest.raises(UsageError, match="must be 100 units as the product says, found 10"):
        asyncio.run(venue.open(lambda _: None))


def test_what_a_restart_wants_cancelled_before_the_venue_is_open_is_a_line_that_is_down():
    """A runner that died with a cancel on its way plays its journal and asks again, and only then connects."""
    venue = CcxtVenue(Wild(), {SYMBOL: CODE}, {CODE: Fraction(100)}, lambda: 10**15)
    for command in (port.Cancel(cid=77, oid=""), port.Cancel(cid=77, oid="1"), port.LookUp(cid=77), BUY):
        with pytest.raises(ConnectionError, match="not connected"):
            asyncio.run(venue.do(command))
    assert venue.exchange.calls == []
