# SPDX-License-Identifier: Apache-2.0
"""What must hold of a ccxt class before orders go through it, and how what it says is read. Each rule names the hazard it stands
against; the hazards were seen on ccxt 4.5.90 (docs/live-trading.md lists them).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from kilohour.errors import UsageError
from kilohour.execution.port import LegFill
from kilohour.kernels import records as r
from kilohour.units import MICROS, micros

NEEDED = ("createOrder", "cancelOrder", "fetchOrder", "fetchOpenOrders", "fetchMyTrades", "fetchPositions", "fetchBalance")
CLIENT_ID = {"deribit": "label"}
"""The parameter that carries our order number; ``clientOrderId`` in every other class (H13)."""
UNDERLYING = ("deribit",)
"""Classes whose amounts are units of the underlying, not contracts (H11)."""
ENDS = {"closed": "filled", "canceled": "canceled", "cancelled": "canceled", "expired": "expired", "rejected": "rejected"}


def check_class(exchange: Any) -> None:
    """Refuses a class that lacks what the runner needs. Raises :class:`UsageError` naming it."""
    missing = [name for name in NEEDED if not exchange.has.get(name)]
    if missing:
        raise UsageError(f"ccxt:{exchange.id}: live trading needs {', '.join(NEEDED)}, found no {', '.join(missing)}")


def harden(exchange: Any) -> None:
    """No call is made twice behind our back, and no list falls back to spot (H2, H17)."""
    exchange.options["maxRetriesOnFailure"] = 0
    if exchange.options.get("defaultType") in (None, "spot"):
        exchange.options["defaultType"] = "swap"
    exchange.enableRateLimit = True


def assert_hardened(exchange: Any) -> None:
    """Raises :class:`UsageError` when something has put the retries back."""
    if exchange.options.get("maxRetriesOnFailure") != 0:
        found = exchange.options.get("maxRetriesOnFailure")
        raise UsageError(f"ccxt:{exchange.id}: options.maxRetriesOnFailure must be 0, found {found!r}: a retried order is a second order")


def capability(exchange: Any, kind: str) -> dict[str, frozenset[int]]:
    """What orders the class says it can express for futures (``future`` or ``swap``), in the engine's constants."""
    features = (exchange.features or {}).get(kind) or {}
    created = (features.get("linear") or features).get("createOrder") or {}
    lives = created.get("timeInForce") or {}
    expressed = {r.GTC} | ({r.IOC} if lives.get("IOC") else set())
    if not created or r.IOC not in expressed:
        raise UsageError(f"ccxt:{exchange.id}: its feature map must have createOrder with IOC for {kind}s, found {lives or 'none'}: "
                         "a market order is an immediate limit here")
    return {"kinds": frozenset({r.MARKET, r.LIMIT, r.STOP, r.STOP_LIMIT, r.TRAILING_STOP, r.MARKET_IF_TOUCHED}),
            "lives": frozenset(expressed | {r.GTD}), "flags": frozenset({r.REDUCE_ONLY, *([r.POST_ONLY] if lives.get("PO") else [])}),
            "spreads": frozenset()}  # fmt: skip


def check_markets(exchange: Any, symbols: Mapping[str, str], lots: Mapping[str, Fraction]) -> None:
    """Every contract has a market of its own, and its size is ours (H11, H15, row 35 of the fault matrix).

    ``symbols``: unified symbol to contract code; ``lots``: units in a lot by contract code. Raises :class:`UsageError`.
    """
    ids = [exchange.markets[symbol]["id"] if symbol in exchange.markets else None for symbol in symbols]
    for symbol, found in zip(symbols, ids, strict=True):
        if found is None:
            raise UsageError(f"ccxt:{exchange.id}: no market {symbol!r}: unified symbols that are equal hide one another there")
    if len(set(ids)) != len(ids):
        raise UsageError(f"ccxt:{exchange.id}: two contracts share a market: {sorted(str(i) for i in ids)}")
    for symbol, code in symbols.items():
        size = exchange.markets[symbol].get("contractSize")
        if size is None or Fraction(str(size)) != lots[code]:
            raise UsageError(f"{code}: the venue's contract must be {lots[code]} units as the product says, found {size}")


def amount_of(exchange: Any, symbol: str, lots: int) -> float:
    """Whole lots as the class's amount, exactly. Raises :class:`UsageError` where the class would round it (H10, H11)."""
    size = Fraction(str(exchange.markets[symbol]["contractSize"])) if exchange.id in UNDERLYING else Fraction(1)
    amount = lots * size
    shown = exchange.amount_to_precision(symbol, float(amount))
    if Fraction(shown) != amount:
        raise UsageError(f"{symbol}: {lots} lots must be an amount the venue can take, found {float(amount)} and it would send {shown}")
    return float(amount)


def lots_of(exchange: Any, symbol: str, amount: object) -> int:
    """The class's amount as whole lots. Raises :class:`UsageError` for a part of one."""
    size = Fraction(str(exchange.markets[symbol]["contractSize"])) if exchange.id in UNDERLYING else Fraction(1)
    lots = Fraction(str(amount or 0)) / size
    if lots.denominator != 1:
        raise UsageError(f"{symbol}: an amount must be whole lots, found {amount}")
    return int(lots)


def price_of(exchange: Any, symbol: str, price: int) -> float:
    """Micros as the class's price. Raises :class:`UsageError` where it would round it."""
    shown = exchange.price_to_precision(symbol, price / MICROS)
    if micros(Fraction(shown)) != price:
        raise UsageError(f"{symbol}: {price / MICROS} must be on the venue's tick, and it would send {shown}")
    return price / MICROS


def leg_of(exchange: Any, trade: Mapping[str, Any], code: str, multiplier: Fraction, currency: str) -> LegFill:
    """A trade of REST. Its cost must be lots × multiplier × price (H11); a fee in another currency is not ours (H12)."""
    symbol = trade["symbol"]
    lots = lots_of(exchange, symbol, trade["amount"])
    price = micros(Fraction(str(trade["price"])))
    cost = trade.get("cost")
    if cost is not None and abs(Fraction(str(cost)) - lots * multiplier * Fraction(price, MICROS)) > Fraction(1, 100):
        raise UsageError(f"{symbol}: trade {trade['id']} of {lots} lots at {price / MICROS} must cost lots × {multiplier} × price, "
                         f"found {cost}")
    fee = trade.get("fee") or {}
    paid = micros(Fraction(str(fee["cost"]))) if fee.get("cost") is not None and fee.get("currency") == currency else None
    return LegFill(contract=code, trade=str(trade["id"]), lots=lots if trade["side"] == "buy" else -lots, price=price, fee=paid)


def client_id_of(exchange: Any, order: Mapping[str, Any]) -> int:
    """Our number of an order, wherever the class puts it; 0 without one (H13)."""
    name = CLIENT_ID.get(exchange.id, "clientOrderId")
    text = order.get("clientOrderId") or (order.get("info") or {}).get(name)
    return int(text) if text is not None and str(text).isdecimal() else 0


def copied(messages: Sequence[Any]) -> list[Any]:
    """What a stream delivered, as it is now: the class changes the same dicts later (H4)."""
    return copy.deepcopy(list(messages))


def is_definite(error: Exception) -> bool:
    """True when an exception on a submit proves that the venue does not have the order.

    Everything under OperationFailed (lost connection, slow reply, rate limit, maintenance) may have got through; so may a bare
    ExchangeError and an answer that cannot be read; a client id in use says that an earlier message has.
    """
    import ccxt

    unsure = (ccxt.OperationFailed, ccxt.BadResponse, ccxt.NullResponse, ccxt.DuplicateOrderId)
    if isinstance(error, unsure) or type(error) is ccxt.ExchangeError:
        return False
    return isinstance(error, ccxt.ExchangeError | UsageError)
