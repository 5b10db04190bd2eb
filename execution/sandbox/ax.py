# SPDX-License-Identifier: Apache-2.0
"""The AX dialect as text: how instruments, orders, events and accounts read on that wire, and how an order is read off it.

Written from a description of the protocol, not from anybody's code. Prices are decimal strings, quantities whole contracts,
``ts`` seconds and ``tn`` the nanoseconds within. An object ``x`` beside an order's own fields is ours: order kinds and ties that AX does
not have, for kilohour's own adapter (docs/sandbox.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kilohour.execution.sandbox.core import Exchange
from kilohour.execution.sandbox.instruments import Instrument
from kilohour.execution.sandbox.model import KINDS, LIVES, TRIGGERED, Funding, NewOrder, Order, OrderEvent, Reason, Session, State, Ticker
from kilohour.execution.sandbox.wire import decimal, iso, micros_of, rate_text, whole_of
from kilohour.units import NANOS_PER_SECOND

STATES = {
    State.PENDING: "PENDING", State.ACCEPTED: "ACCEPTED", State.PARTIAL: "PARTIALLY_FILLED", State.FILLED: "FILLED",
    State.CANCELED: "CANCELED", State.REJECTED: "REJECTED", State.EXPIRED: "EXPIRED", State.REPLACED: "REPLACED",
    State.DONE_FOR_DAY: "DONE_FOR_DAY",
}  # fmt: skip
SESSIONS = {
    Session.PRE_OPEN: "PRE_OPEN",
    Session.OPEN: "OPEN",
    Session.HALTED: "HALTED",
    Session.SUSPENDED: "SUSPENDED",
    Session.CLOSING: "MATCH_AND_CLOSE_AUCTION",
    Session.CLOSED: "CLOSED",
    Session.FROZEN: "CLOSED_FROZEN",
    Session.EXPIRED: "DELISTED",
}
LETTERS = {
    "accepted": "n",
    "partial": "p",
    "filled": "f",
    "canceled": "c",
    "rejected": "j",
    "expired": "x",
    "done for day": "d",
    "replaced": "r",
    "cancel rejected": "e",
}
REASONS = {
    Reason.UNKNOWN_SYMBOL: "UNKNOWN_SYMBOL", Reason.NOT_LISTED: "UNKNOWN_SYMBOL", Reason.CLOSED: "EXCHANGE_CLOSED",
    Reason.NO_PRICE: "NO_LIQUIDITY", Reason.QUANTITY: "INCORRECT_QUANTITY", Reason.TICK: "INVALID_PRICE_INCREMENT",
    Reason.BAND: "PRICE_OUT_OF_BOUNDS", Reason.ORDER_TYPE: "INCORRECT_ORDER_TYPE", Reason.POST_ONLY: "INCORRECT_ORDER_TYPE",
    Reason.REDUCE_ONLY: "CLOSE_ONLY", Reason.CAPACITY: "MAX_OPEN_ORDERS_EXCEEDED", Reason.POSITION_LIMIT: "CLOSE_ONLY",
    Reason.MARGIN: "INSUFFICIENT_MARGIN", Reason.CREDIT: "INSUFFICIENT_CREDIT_LIMIT",
    Reason.GROUP: "INCORRECT_ORDER_TYPE", Reason.NO_LIQUIDITY: "NO_LIQUIDITY",
    Reason.GONE: "ORIGINAL_ORDER_TERMINATED", Reason.SELF_TRADE: "SELF_TRADE", Reason.DUPLICATE: "DUPLICATE_CLIENT_ORDER_ID",
}  # fmt: skip
"""AX's reject code of a reason; the last two are ours, for none was read."""


class Refused(Exception):
    """A request that is no order: the dialect's error, with its number and words."""

    def __init__(self, message: str, code: int = 400) -> None:
        super().__init__(message)
        self.code, self.message = code, message


def stamp(ts: int) -> dict[str, int]:
    """Seconds, and nanoseconds within the second."""
    return {"ts": ts // NANOS_PER_SECOND, "tn": ts % NANOS_PER_SECOND}


def instrument_row(exchange: Exchange, each: Instrument) -> dict[str, Any]:
    """One of ``/api/instruments``."""
    terms, product, contract = each.terms, each.product, each.contract
    band = f"{terms.band_ppm / 10_000:g}" if terms.band_ppm else None
    row: dict[str, Any] = {
        "symbol": each.symbol,
        "product": contract.product.replace(":", "-"),
        "category": "compute" if product.chip else "energy",
        "description": f"kilohour sandbox: {product.name} {contract.code.rpartition('-')[2] if contract.is_perpetual else contract.month}",
        "multiplier": each.multiplier,
        "price_scale": 1_000_000,
        "minimum_order_size": "1",
        "tick_size": decimal(each.tick),
        "quote_currency": product.currency,
        "funding_settlement_currency": product.currency,
        "price_band_lower_deviation_pct": band,
        "price_band_upper_deviation_pct": band,
        "funding_rate_cap_lower_pct": f"{-terms.funding_cap / 1_000_000:g}",
        "funding_rate_cap_upper_pct": f"{terms.funding_cap / 1_000_000:g}",
        "initial_margin_pct": f"{terms.margin_initial_ppm / 10_000:g}",
        "maintenance_margin_pct": f"{terms.margin_maintenance_ppm / 10_000:g}",
        "state": SESSIONS[exchange.session(each)],
        "underlying_benchmark_price": product.index or "none",
        "contract_mark_price": "the sandbox's official mark",
        "contract_size": f"{each.multiplier} {product.unit}",
        "price_quotation": f"{product.currency} per {product.unit}",
        "price_bands": f"{band} % of the prior mark" if band else "none",
        "trading_schedule": {"segments": []},
        "funding_schedule": funding_schedule(each),
        "kilohour_code": contract.code,
    }
    if not contract.is_perpetual:
        row["expiration"] = iso(contract.last_trade_at).replace(".000000", "")
    return row


def funding_schedule(each: Instrument) -> dict[str, Any] | None:
    """Times of funding, every day alike; None for what pays none."""
    hours = each.product.get("funding_interval_hours")
    if not each.pays_funding or not isinstance(hours, int):
        return None
    times = [f"{hour:02d}:00:00" for hour in range(0, 24, hours)]
    days = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    return {"timezone": "UTC", "times_by_weekday": dict.fromkeys(days, times), "exceptions": []}


def funding_row(each: Instrument, row: Funding) -> dict[str, Any]:
    """One of ``/api/funding-rates``; ``funding_amount`` is what a long of one lot paid."""
    amount = row.rate * row.mark * each.terms.lot_num / each.terms.lot_den / 1e8
    return {"symbol": each.symbol, "timestamp_ns": row.ts, **stamp(row.ts), "funding_rate": rate_text(row.rate),
            "funding_amount": decimal(amount), "benchmark_price": decimal(row.index), "settlement_price": decimal(row.mark)}  # fmt: skip


def order_row(order: Order, *, filled: int | None = None, state: State | None = None) -> dict[str, Any]:
    """An order as sockets and REST show it, as it stood when it had so many lots filled."""
    filled = order.filled if filled is None else filled
    row: dict[str, Any] = {
        "oid": order.id,
        "u": order.account,
        "s": order.symbol,
        "p": decimal(order.price or 0),
        "q": order.lots,
        "xq": filled,
        "rq": order.lots - filled,
        "o": STATES[state or order.state],
        "d": "B" if order.side > 0 else "S",
        "tif": order.life,
        "po": order.post_only,
        **stamp(order.created),
    }
    if order.client_id:
        row["cid"] = int(order.client_id) if order.client_id.isdecimal() else order.client_id
    if order.tag:
        row["tag"] = order.tag
    if order.woke_at:
        row["x"] = {TRIGGERED: True}
    return row


def event_row(event: OrderEvent, number: int) -> dict[str, Any]:
    """A message of the orders socket. ``eid`` counts an account's messages from 1."""
    order = event.order
    row: dict[str, Any] = {
        "t": LETTERS[event.kind],
        "eid": str(number),
        **stamp(event.ts),
        "o": order_row(order, filled=event.filled, state=event.state),
    }
    if event.fill is not None:
        fill = event.fill
        row["xs"] = {
            "tid": fill.id,
            "s": fill.symbol,
            "q": fill.lots,
            "p": decimal(fill.price),
            "d": "B" if fill.side > 0 else "S",
            "agg": fill.is_taker,
        }
        if fill.cost is not None:
            row["xs"]["cost"] = decimal(fill.cost)
    if event.kind == "rejected" and event.reason is not None:
        row["r"], row["txt"] = REASONS.get(event.reason, "INCORRECT_ORDER_TYPE"), event.text
    elif event.kind == "accepted" and event.text:
        row["txt"] = event.text
    elif event.kind == "cancel rejected":
        row["oid"], row["r"], row["txt"] = order.id, REASONS.get(event.reason or Reason.GONE, "ORIGINAL_ORDER_TERMINATED"), event.text
    elif event.kind in ("canceled", "expired", "done for day") and event.reason is not None:
        row["xr"], row["txt"] = event.reason.name, event.text
    elif event.replacement is not None:
        row["ro"], row["no"], row["noid"] = row["o"], order_row(event.replacement), event.replacement.id
        row["o"] = row["no"]
    return row


def read_order(body: Mapping[str, Any]) -> NewOrder:
    """The order of a place message. Raises :class:`Refused` for what is no order at all; what an exchange refuses is not checked here."""
    symbol, side, lots = body.get("s"), body.get("d"), whole_of(body.get("q"))
    if not isinstance(symbol, str) or not symbol:
        raise Refused("s must be a symbol")
    if side not in ("B", "S"):
        raise Refused("d must be B or S")
    if lots is None:
        raise Refused("q must be a whole number of contracts")
    extra = body.get("x") or {}
    if not isinstance(extra, Mapping):
        raise Refused("x must be an object")
    kind, life = extra.get("kind", "limit"), extra.get("life", body.get("tif", "GTC"))
    if kind not in KINDS:
        raise Refused(f"x.kind must be one of {', '.join(KINDS)}")
    life = life.upper() if isinstance(life, str) else life
    if life not in LIVES or ("life" not in extra and life not in ("GTC", "IOC", "DAY")):
        raise Refused("tif must be GTC, IOC or DAY")
    price = micros_of(body.get("p"))
    if price is None and kind in ("limit", "stop_limit"):
        raise Refused("p must be a decimal string")
    tag = body.get("tag") or ""
    if not isinstance(tag, str) or len(tag) > 10 or (tag and not tag.isalnum()):
        raise Refused("tag must have at most 10 letters and digits")
    return NewOrder(
        symbol=symbol,
        side=1 if side == "B" else -1,
        lots=lots,
        price=price if kind in ("limit", "stop_limit") else None,
        kind=kind,
        life=life,
        until=whole_of(extra.get("until", 0)) or 0,
        trigger=micros_of(extra.get("trigger")),
        distance=micros_of(extra.get("distance")),
        post_only=body.get("po") is True,
        reduce_only=extra.get("reduce_only") is True,
        client_id=read_client_id(body.get("cid")),
        tag=tag,
        group=whole_of(extra.get("group", 0)) or 0,
        parent=str(extra.get("parent") or ""),
    )


def read_client_id(value: object) -> str:
    """An unsigned 64-bit number as text; empty without one. Raises :class:`Refused`."""
    if value is None or value == "":
        return ""
    if isinstance(value, str):
        number = int(value) if value.isascii() and value.isdecimal() and len(value) <= 20 else None
    else:
        number = whole_of(value)
    if number is None or not 0 <= number < 1 << 64:
        raise Refused("cid must be an unsigned 64-bit number")
    return str(number)


def book_row(exchange: Exchange, each: Instrument, level: int) -> dict[str, Any]:
    """The whole book: AX clients clear theirs at each message."""
    bids, asks = exchange.depth(each, 1 if level == 1 else 50)

    def side(levels: list[tuple[int, int, int]]) -> list[dict[str, Any]]:
        return [
            {
                "p": decimal(price),
                "q": lots,
                **({"o": [lots] if count == 1 else [lots - count + 1] + [1] * (count - 1)} if level == 3 else {}),
            }
            for price, lots, count in levels
        ]

    return {"t": str(level), "s": each.symbol, **stamp(exchange.now), "b": side(bids), "a": side(asks), "st": True}


def ticker_row(exchange: Exchange, each: Instrument) -> dict[str, Any]:
    """The numbers of an instrument; None where there is none yet."""
    ticker, band = exchange.tickers.get(each.symbol, Ticker()), exchange.band(each)
    bids, asks = exchange.depth(each, 1)
    rate = None if each.is_spread else exchange.estimated_funding(each)

    def price(value: int | None) -> str | None:
        return None if value is None else decimal(value)

    return {
        "t": "s",
        "s": each.symbol,
        **stamp(exchange.now),
        "p": price(ticker.last),
        "q": ticker.last_lots,
        "o": price(ticker.open),
        "h": price(ticker.high),
        "l": price(ticker.low),
        "v": ticker.volume,
        "oi": ticker.interest,
        "m": price(ticker.mark),
        "i": SESSIONS[exchange.session(each)],
        "bp": price(bids[0][0]) if bids else None,
        "ap": price(asks[0][0]) if asks else None,
        "pl": price(band[0]) if band else None,
        "pu": price(band[1]) if band else None,
        "lsp": price(ticker.settled),
        "lst": ticker.settled_at // NANOS_PER_SECOND if ticker.settled is not None else None,
        "ef": None if rate is None else rate_text(rate),
    }
