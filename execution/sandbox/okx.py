# SPDX-License-Identifier: Apache-2.0
"""The OKX v5 dialect as rows: every number a string, times in milliseconds, contracts as sizes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from kilohour.contracts.contract import NEVER
from kilohour.execution.sandbox.candles import Candle
from kilohour.execution.sandbox.core import Exchange
from kilohour.execution.sandbox.instruments import Instrument
from kilohour.execution.sandbox.model import (
    Fill,
    NewOrder,
    Order,
    OrderEvent,
    Reason,
    Session,
    State,
    Statement,
    Ticker,
    Trade,
    Transaction,
)
from kilohour.execution.sandbox.perpetual import next_funding
from kilohour.execution.sandbox.wire import decimal, micros_of, rate_text, whole_of
from kilohour.units import MICROS, nanos_of

STATES = {State.PENDING: "live", State.ACCEPTED: "live", State.PARTIAL: "partially_filled", State.FILLED: "filled"}
"""Everything else is ``canceled``: OKX has no word for expired or replaced."""
SESSIONS = {
    Session.PRE_OPEN: "preopen",
    Session.OPEN: "live",
    Session.HALTED: "suspend",
    Session.SUSPENDED: "suspend",
    Session.CLOSING: "preopen",
    Session.CLOSED: "suspend",
    Session.FROZEN: "suspend",
    Session.EXPIRED: "expired",
}
CODES = {
    Reason.UNKNOWN_SYMBOL: "51001",
    Reason.NOT_LISTED: "51027",
    Reason.CLOSED: "51030",
    Reason.NO_PRICE: "51023",
    Reason.QUANTITY: "51020",
    Reason.TICK: "51000",
    Reason.BAND: "51006",
    Reason.ORDER_TYPE: "51000",
    Reason.REDUCE_ONLY: "51169",
    Reason.CAPACITY: "51202",
    Reason.POSITION_LIMIT: "51103",
    Reason.MARGIN: "51008",
    Reason.CREDIT: "51008",
    Reason.GROUP: "51000",
    Reason.DUPLICATE: "51016",
    Reason.GONE: "51400",
}
"""OKX's code of a reason, from its public list; where it has none, 51000, parameter error."""
TYPES = {
    "limit": ("limit", "GTC"),
    "post_only": ("limit", "GTC"),
    "market": ("market", "IOC"),
    "fok": ("limit", "FOK"),
    "ioc": ("limit", "IOC"),
    "optimal_limit_ioc": ("market", "IOC"),
}
BARS = {"1s": "1s", "1m": "1m", "5m": "5m", "15m": "15m", "1H": "1h", "1D": "1d", "1Dutc": "1d"}
ORDER_TYPES = {"GTC": "limit", "DAY": "limit", "GTD": "limit", "IOC": "ioc", "FOK": "fok"}


class Fault(Exception):
    """An error in OKX's form: its code and words, and the HTTP status it comes with."""

    def __init__(self, code: str, message: str, status: int = 200) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, status


def ms(nanos: int) -> str:
    """Milliseconds as text."""
    return str(nanos // 1_000_000)


def instrument_row(exchange: Exchange, each: Instrument) -> dict[str, Any]:
    """One of ``public/instruments``."""
    contract, family = each.contract, family_of(each)
    return {
        "instType": kind_of(each),
        "instId": each.okx,
        "instIdCode": each.number,
        "uly": family,
        "instFamily": family,
        "baseCcy": "",
        "quoteCcy": "",
        "settleCcy": each.product.currency,
        "ctVal": each.multiplier,
        "ctMult": "1",
        "ctValCcy": family.partition("-")[0],
        "ctType": "linear",
        "alias": "",
        "category": "1",
        "optType": "",
        "stk": "",
        "listTime": ms(max(contract.listed_at, 0)),
        "expTime": "" if contract.is_perpetual else ms(expiry_of(each)),
        "lever": str(leverage_most(each)),
        "tickSz": decimal(each.tick),
        "lotSz": "1",
        "minSz": "1",
        "maxLmtSz": "1000000",
        "maxMktSz": "1000000",
        "maxStopSz": "1000000",
        "state": SESSIONS[exchange.session(each)],
        "ruleType": "normal",
        "kilohourCode": contract.code,
    }


def expiry_of(each: Instrument) -> int:
    """The last trade, or the day in the contract's id where nobody has worked it out."""
    if each.contract.last_trade_at != NEVER:
        return each.contract.last_trade_at
    return nanos_of(dt.datetime(each.contract.month // 100, each.contract.month % 100, 28, tzinfo=dt.UTC))


def kind_of(each: Instrument) -> str:
    """``FUTURES`` or ``SWAP``."""
    return "SWAP" if each.contract.is_perpetual else "FUTURES"


def family_of(each: Instrument) -> str:
    """The underlying of an instrument, as ``SIMH100-USD``."""
    return each.okx.rpartition("-")[0]


def leverage_most(each: Instrument) -> int:
    """What the initial margin allows."""
    return 1_000_000 // max(each.terms.margin_initial_ppm, 1)


def mark_row(exchange: Exchange, each: Instrument) -> dict[str, Any]:
    """One of ``public/mark-price``, and a message of its channel."""
    return {"instType": kind_of(each), "instId": each.okx, "markPx": decimal(exchange.mark_of(each)), "ts": ms(exchange.now)}


def funding_row(exchange: Exchange, each: Instrument) -> dict[str, Any]:
    """One of ``public/funding-rate``, and a message of its channel: the rate as it stands, and when it is paid."""
    rate, at = exchange.estimated_funding(each), next_funding(each.product, exchange.now)
    after = None if at is None else next_funding(each.product, at)
    paid = exchange.fundings.get(each.symbol)
    return {
        "instType": kind_of(each),
        "instId": each.okx,
        "method": "current_period",
        "formulaType": "noRate",
        "fundingRate": "" if rate is None else rate_text(rate),
        "nextFundingRate": "",
        "fundingTime": "" if at is None else ms(at),
        "nextFundingTime": "" if after is None else ms(after),
        "minFundingRate": rate_text(-each.terms.funding_cap),
        "maxFundingRate": rate_text(each.terms.funding_cap),
        "interestRate": rate_text(each.terms.funding_interest),
        "settState": "settled",
        "settFundingRate": rate_text(paid[-1].rate) if paid else "",
        "premium": "",
        "ts": ms(exchange.now),
    }


def trade_row(trade: Trade, each: Instrument) -> dict[str, Any]:
    """One of ``market/trades``."""
    return {"instId": each.okx, "tradeId": trade.id, "px": decimal(trade.price), "sz": str(trade.lots),
            "side": "buy" if trade.side > 0 else "sell", "ts": ms(trade.ts)}  # fmt: skip


def ticker_row(exchange: Exchange, each: Instrument) -> dict[str, Any]:
    """One of ``market/tickers``."""
    ticker = exchange.tickers.get(each.symbol, Ticker())
    bids, asks = exchange.depth(each, 1)
    (bid, bid_lots), (ask, ask_lots) = ((side[0][0], side[0][1]) if side else (None, 0) for side in (bids, asks))
    return {
        "instType": kind_of(each),
        "instId": each.okx,
        "last": decimal(ticker.last),
        "lastSz": str(ticker.last_lots),
        "askPx": decimal(ask),
        "askSz": str(ask_lots),
        "bidPx": decimal(bid),
        "bidSz": str(bid_lots),
        "open24h": decimal(ticker.open),
        "high24h": decimal(ticker.high),
        "low24h": decimal(ticker.low),
        "volCcy24h": str(ticker.volume),
        "vol24h": str(ticker.volume),
        "sodUtc0": decimal(ticker.open),
        "sodUtc8": decimal(ticker.open),
        "ts": ms(exchange.now),
    }


def level_rows(levels: list[tuple[int, int, int]]) -> list[list[str]]:
    """A side of a book."""
    return [[decimal(price), str(lots), "0", str(count)] for price, lots, count in levels]


def candle_row(candle: Candle, is_closed: bool) -> list[str]:
    """One of ``market/candles``."""
    prices = [decimal(price) for price in (candle.open, candle.high, candle.low, candle.close)]
    return [ms(candle.start), *prices, str(candle.volume), str(candle.volume), str(candle.volume), "1" if is_closed else "0"]


def order_row(
    order: Order, each: Instrument, *, filled: int | None = None, state: State | None = None, fill: Fill | None = None
) -> dict[str, Any]:
    """An order as REST and the ``orders`` channel show it; with a fill, what that execution was."""
    filled, state, last = order.filled if filled is None else filled, state or order.state, fill or order.last_fill
    word = STATES.get(state, "canceled")
    kind = "post_only" if order.post_only else "market" if order.kind == "market" else ORDER_TYPES[order.life]
    return {
        "instType": kind_of(each),
        "instId": each.okx,
        "ordId": order.id,
        "clOrdId": order.client_id,
        "tag": order.tag,
        "px": "" if order.kind == "market" else decimal(order.price),
        "sz": str(order.lots),
        "ordType": kind,
        "side": "buy" if order.side > 0 else "sell",
        "posSide": "net",
        "tdMode": "cross",
        "accFillSz": str(filled),
        "fillPx": decimal(last.price) if last else "",
        "tradeId": last.id if last else "",
        "fillSz": str(last.lots) if last else "0",
        "fillTime": ms(last.ts) if last else "",
        "avgPx": decimal(order.average) if filled else "",
        "state": word,
        "lever": "",
        "pnl": "0",
        "fee": decimal(-order.fee),
        "feeCcy": "USD",
        "rebate": "0",
        "rebateCcy": "USD",
        "reduceOnly": "true" if order.reduce_only else "false",
        "category": "normal",
        "cancelSource": "31" if state is State.REJECTED else "",
        "uTime": ms(order.updated),
        "cTime": ms(order.created),
        "source": "",
        **({"fillFee": decimal(-fill.fee), "fillFeeCcy": "USD", "execType": "T" if fill.is_taker else "M"} if fill else {}),
    }


def event_row(event: OrderEvent, each: Instrument) -> dict[str, Any]:
    """A message of the ``orders`` channel: one for each fill, carrying what it was."""
    order = event.replacement or event.order
    row = order_row(order, each, filled=event.filled, state=order.state if event.replacement else event.state, fill=event.fill)
    if event.fill is None:
        row.update({"fillSz": "0", "fillPx": "", "tradeId": "", "fillTime": ""})
    return {**row, "code": "0", "msg": "", "amendResult": "0" if event.replacement else ""}


def fill_row(fill: Fill, each: Instrument) -> dict[str, Any]:
    """One of ``trade/fills-history``."""
    return {
        "instType": kind_of(each),
        "instId": each.okx,
        "tradeId": fill.id,
        "ordId": fill.order,
        "clOrdId": fill.client_id,
        "billId": fill.id,
        "tag": "",
        "fillPx": decimal(fill.price),
        "fillSz": str(fill.lots),
        "side": "buy" if fill.side > 0 else "sell",
        "posSide": "net",
        "execType": "T" if fill.is_taker else "M",
        "feeCcy": "USD",
        "fee": decimal(-fill.fee),
        "ts": ms(fill.ts),
        "fillTime": ms(fill.ts),
    }


def position_rows(exchange: Exchange, s: Statement) -> list[dict[str, Any]]:
    """``account/positions``: open ones."""
    rows = []
    for h in s.holdings:
        each = exchange.listing.by_symbol[h.symbol]
        if not h.lots:
            continue
        ratio = each.terms.lot_num / each.terms.lot_den
        worth = abs(h.lots) * abs(h.value_price) * ratio
        rows.append(
            {
                "instType": kind_of(each),
                "instId": each.okx,
                "mgnMode": "cross",
                "posId": str(each.number),
                "posSide": "net",
                "pos": str(h.lots),
                "availPos": str(h.lots),
                "avgPx": decimal(h.average),
                "upl": decimal((h.value_price - h.average) * h.lots * ratio),
                "uplRatio": "",
                "lever": str(exchange.leverage_of(s.account, each)),
                "liqPx": "",
                "markPx": decimal(exchange.mark_of(each) or h.value_price),
                "last": decimal(h.value_price),
                "notionalUsd": decimal(worth),
                "imr": decimal(worth * each.terms.margin_initial_ppm / MICROS),
                "mmr": decimal(worth * each.terms.margin_maintenance_ppm / MICROS),
                "margin": "",
                "mgnRatio": "",
                "ccy": "USD",
                "cTime": ms(h.opened),
                "uTime": ms(exchange.now),
                "adl": "0",
            }
        )
    return rows


def balance_row(exchange: Exchange, s: Statement) -> dict[str, Any]:
    """``account/balance``."""
    now, free = ms(exchange.now), decimal(s.equity - s.initial)
    return {
        "uTime": now,
        "totalEq": decimal(s.equity),
        "adjEq": decimal(s.equity),
        "isoEq": "0",
        "imr": decimal(s.initial),
        "mmr": decimal(s.maintenance),
        "mgnRatio": "",
        "notionalUsd": "",
        "ordFroz": "0",
        "details": [
            {
                "ccy": "USD",
                "eq": decimal(s.equity),
                "cashBal": decimal(s.cash),
                "availEq": free,
                "availBal": free,
                "frozenBal": decimal(s.initial),
                "ordFrozen": "0",
                "upl": decimal(s.equity - s.cash),
                "uTime": now,
                "eqUsd": decimal(s.equity),
                "isoEq": "0",
            }
        ],
    }


MOVED_BY = {"funding": "funding_fee", "settlement": "delivered", "settlement_fee": "delivered", "deposit": "transferred"}
"""What OKX calls the event of a movement of cash; the daily variation and the rest are ``settlement``."""


def both_row(
    exchange: Exchange, s: Statement, positions: list[dict[str, Any]], event: str, trades: list[dict[str, Any]]
) -> dict[str, Any]:
    """A message of ``balance_and_position``; of the positions what that channel tells."""
    now, told = ms(exchange.now), ("instType", "instId", "mgnMode", "posId", "posSide", "pos", "avgPx", "uTime")
    return {"pTime": now, "eventType": event, "balData": [{"ccy": "USD", "cashBal": decimal(s.cash), "uTime": now}],
            "posData": [{**{name: row[name] for name in told}, "ccy": "USD"} for row in positions], "trades": trades}  # fmt: skip


def bill_row(row: Transaction, exchange: Exchange) -> dict[str, Any]:
    """One of ``account/bills``; type 8 is funding, 2 trade, 3 delivery."""
    each = exchange.listing.by_symbol.get(row.symbol)
    kind = {"funding": "8", "settlement": "3", "settlement_fee": "3"}.get(row.kind, "2")
    return {
        "billId": row.id,
        "ts": ms(row.ts),
        "type": kind,
        "subType": ("173" if row.micros < 0 else "174") if row.kind == "funding" else row.kind,
        "ccy": "USD",
        "balChg": decimal(row.micros),
        "pnl": decimal(row.micros),
        "sz": "0",
        "instId": each.okx if each else "",
        "instType": kind_of(each) if each else "",
    }


def read_instrument(exchange: Exchange, body: Mapping[str, Any]) -> Instrument:
    """The instrument of a message, by id or number. Raises :class:`Fault`."""
    each = exchange.listing.by_okx.get(str(body.get("instId"))) or exchange.listing.by_number.get(whole_of(body.get("instIdCode")) or 0)
    if each is None:
        raise Fault("51001", "Instrument ID does not exist")
    return each


def read_order(exchange: Exchange, body: Mapping[str, Any]) -> tuple[NewOrder, Instrument]:
    """The order of a message. Raises :class:`Fault` for what is none; what the exchange refuses is not checked here."""
    each = read_instrument(exchange, body)
    kind, price = str(body.get("ordType")), micros_of(body.get("px"))
    if kind not in TYPES:
        raise Fault("51000", "Parameter ordType error")
    if TYPES[kind][0] == "limit" and (price is None or price <= 0):
        raise Fault("51000", "Parameter px error")
    return NewOrder(
        symbol=each.symbol,
        price=price if TYPES[kind][0] == "limit" else None,
        kind=TYPES[kind][0],
        life=TYPES[kind][1],
        post_only=kind == "post_only",
        **read_common(body, "clOrdId"),
    ), each


def read_common(body: Mapping[str, Any], *client_ids: str) -> dict[str, Any]:
    """What orders of every kind say alike; the client's id is the first of those names that is given. Raises :class:`Fault`."""
    side, lots = body.get("side"), whole_of(body.get("sz"))
    if side not in ("buy", "sell"):
        raise Fault("51000", "Parameter side error")
    if body.get("posSide") not in (None, "", "net"):
        raise Fault("51000", "Parameter posSide error: this account has net positions")
    if body.get("attachAlgoOrds"):
        raise Fault("51000", "Parameter attachAlgoOrds error: the sandbox attaches no orders; place an algo order when this one has filled")
    if lots is None or lots <= 0:
        raise Fault("51000" if micros_of(body.get("sz")) is None else "51121", "Parameter sz error: a whole number of contracts above 0")
    client = next((body[name] for name in client_ids if body.get(name)), "")
    if not isinstance(client, str) or len(client) > 32 or (client and not (client.isascii() and client.isalnum())):
        raise Fault("51000", f"Parameter {client_ids[0]} error: at most 32 letters and digits")
    return {"side": 1 if side == "buy" else -1, "lots": lots, "reduce_only": body.get("reduceOnly") in (True, "true"),
            "client_id": client, "tag": str(body.get("tag") or "")[:16]}  # fmt: skip
