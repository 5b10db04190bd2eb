# SPDX-License-Identifier: Apache-2.0
"""The perpetual that the sandbox lists on a market's index: its marks, its funding, and how AX and OKX clients see them."""

from __future__ import annotations

import asyncio
import time
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from kilohour.contracts import Registry, engine_terms
from kilohour.execution.sandbox.bots import Bots
from kilohour.execution.sandbox.exchange import BookExchange
from kilohour.execution.sandbox.market import open_market
from kilohour.execution.sandbox.model import NewOrder, Session, State
from kilohour.execution.sandbox.perpetual import funding_rate
from kilohour.execution.sandbox.server import Server
from kilohour.tape.builder import TapeBuilder
from kilohour.tape.schema import Index
from kilohour.units import NANOS_PER_DAY
from tests.backtests.tapes import FIRST
from tests.execution.sandbox.booking import NOON
from tests.execution.sandbox.serving import Client, serving
from tests.execution.sandbox.test_okx import settings

SYMBOL, OKX_ID = "SIM-H100-PERP", "SIMH100-USD-SWAP"
HOUR = NANOS_PER_DAY // 24


def perpetual_exchange(days: int = 30) -> BookExchange:
    """A month of SIM:H100 and the index at 2.00, printed at 13:00 of each day; a restatement of the third day comes on the fifth."""
    builder = TapeBuilder(source="one index")
    index = builder.index(Index(code="SIM-H100", unit="USD per GPU-hour"))
    at = np.arange(FIRST, FIRST + days)
    known = np.append(at * NANOS_PER_DAY + 13 * HOUR, (FIRST + 5) * NANOS_PER_DAY + 14 * HOUR)
    builder.prints(index, np.append(at, FIRST + 3), known, np.append(np.full(days, 2_000_000), 1_500_000))
    ref = builder.contract(Registry.shipped().contract("SIM:H100-2030-01"))
    closes = np.full(days, 2_000_000)
    ts = at * NANOS_PER_DAY + 20 * HOUR
    builder.bars(ref, ts, closes, closes, closes, closes, np.full(days, 100))
    builder.marks(ref, ts, closes)
    return open_market(builder.build(), ["one", "two"], 10**12, NOON, 7)


@pytest.mark.parametrize(("mark", "index", "rate"), [
    ("2.002", "2.00", "0.001"), ("1.998", "2.00", "-0.001"), ("2.02", "2.00", "0.00375"), ("1", "2", "-0.00375"), ("2.801", "2.80", "0.00035714"),
])  # fmt: skip
def test_the_rate_is_the_premium_within_the_cap(mark: str, index: str, rate: str) -> None:
    terms = engine_terms(Registry.shipped().product("SIM:H100PERP"))
    found = funding_rate(terms, int(Fraction(mark) * 10**6), int(Fraction(index) * 10**6))
    assert Fraction(found, 10**8) == Fraction(rate)


def test_what_the_ledger_pays_is_the_rate_that_is_shown() -> None:
    exchange = perpetual_exchange()
    each = exchange.listing.by_symbol[SYMBOL]
    assert (exchange.session(each), exchange.tickers[SYMBOL].index) == (Session.OPEN, 2_000_000), "a restatement of an older day is not shown"
    for account, side in (("one", 1), ("two", -1)):
        exchange.place(account, NewOrder(symbol=SYMBOL, side=side, lots=1_000, price=2_000_000))
    before = len(exchange.fundings[SYMBOL])
    exchange.advance(NOON + NANOS_PER_DAY)
    paid = list(exchange.fundings[SYMBOL])[before:]
    assert [row.ts - NOON for row in paid] == [4 * HOUR, 12 * HOUR, 20 * HOUR]
    for account, sign in (("one", -1), ("two", 1)):
        moved = [t.micros for t in exchange.transactions[account] if t.kind == "funding"]
        assert moved == [sign * round(Fraction(1_000 * row.mark * row.rate, 10**8)) for row in paid if row.rate]
    assert any(row.rate for row in paid)
    assert all(abs(row.mark - row.index) <= 4_000 + 500 for row in paid), "a premium of at most 0.2 % and half a tick"
    assert exchange.session(each) is Session.OPEN


def test_bots_trade_it_and_a_halt_stops_it() -> None:
    exchange = perpetual_exchange()
    bots = Bots(exchange, 3, rate=5)
    bots.open()
    for _ in range(60):
        exchange.advance(exchange.now + 10**9)
        bots.act()
    assert exchange.trades[SYMBOL]
    assert len(exchange.candles.of(SYMBOL, "1m")) >= 240
    exchange.set_session(exchange.listing.by_symbol[SYMBOL], Session.HALTED)
    assert exchange.place("one", NewOrder(symbol=SYMBOL, side=1, lots=1, kind="market")).state is State.REJECTED


async def ax_sees(client: Client) -> None:
    rows = {row["symbol"]: row for row in (await client.get("/api/instruments"))["instruments"]}
    perpetual = rows[SYMBOL]
    assert "expiration" not in perpetual
    assert (perpetual["multiplier"], perpetual["tick_size"], perpetual["funding_rate_cap_upper_pct"]) == ("1", "0.001", "0.375")
    assert perpetual["funding_schedule"]["times_by_weekday"]["sun"] == ["00:00:00", "08:00:00", "16:00:00"]
    rates = (await client.get("/api/funding-rates", symbol=SYMBOL))["funding_rates"]
    assert rates
    assert rates[-1]["benchmark_price"] == "2"
    assert float((await client.get("/api/ticker", symbol=SYMBOL))["ticker"]["ef"]) is not None
    assert (await client.get("/api/index-prices", symbol=SYMBOL))["index_prices"][0]["price"] == "2"


def ccxt_sees(server: Server) -> dict[str, Any]:
    import ccxt

    found = settings(server)
    found["options"] = {"defaultType": "swap", "fetchMarkets": {"types": ["swap"]}}
    client = ccxt.okx(found)
    symbol = "SIMH100/USD:USD"
    market = client.load_markets()[symbol]
    assert (market["id"], market["linear"], market["swap"], market["contractSize"]) == (OKX_ID, True, True, 1.0)
    rate, history = client.fetch_funding_rate(symbol), client.fetch_funding_rate_history(symbol, limit=5)
    client.set_leverage(3, symbol, {"mgnMode": "isolated", "posSide": "net"})
    client.create_order(symbol, "market", "buy", 250, None, {"tdMode": "isolated", "posSide": "net"})
    held = client.fetch_positions([symbol])[0]
    tiers = client.fetch_market_leverage_tiers(symbol, {"tdMode": "isolated"})
    candles, fees = client.fetch_ohlcv(symbol, "1m", limit=50), client.fetch_trading_fee(symbol)
    mark = client.fetch_mark_price(symbol)["markPrice"]
    with pytest.raises(ccxt.BadRequest):
        client.public_get_public_funding_rate({"instId": "SIMH100-USD-300131"})
    client.session.close()
    return {"due": rate["fundingTimestamp"], "rates": len(history), "held": held["contracts"], "leverage": held["leverage"],
            "most": tiers[0]["maxLeverage"], "candles": len(candles), "taker": fees["taker"], "mark": mark}  # fmt: skip


def test_ax_and_ccxt_see_a_perpetual_and_trade_it() -> None:
    pytest.importorskip("ccxt", reason="needs the extra `live`")

    async def run() -> None:
        exchange = perpetual_exchange()
        Bots(exchange, 5, rate=2).open()
        async with serving(exchange, clock=time.time_ns) as (server, client):
            await ax_sees(client)
            found = await asyncio.to_thread(ccxt_sees, server)
        assert 1.99 < found.pop("mark") < 2.01
        assert found == {"due": (NOON + 4 * HOUR) // 10**6, "rates": 5, "held": 250.0, "leverage": 3.0, "most": 10.0, "candles": 50,
                         "taker": 0.0005}  # fmt: skip

    asyncio.run(run())
